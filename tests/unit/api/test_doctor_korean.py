"""The doctor speaks the language of the terminal, whatever is wrong; the codes in its JSON do not change with it."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import doctor, doctor_git, doctor_models, doctor_texts
from api.cli.cuda import Cuda
from api.cli.doctor import Finding
from api.cli.main import app
from rag.generation.catalogue import load_catalogue
from rag.generation.catalogue_check import EngineCheck
from rag.settings import GenerationSettings, ServedModel
from tests.support.running import settings_for

HANGUL = re.compile("[가-힣]")
# A sentence of English is one whose small words are there; names, paths and settings have none of them.
ENGLISH = re.compile(r"\b(the|is|are|not|for|and|with|by|no|none|run|install|free|defaults|needed|missing|holds)\b")


def run(language: str, *words: str, **environment: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"SEOGO_LANG": language, "COLUMNS": "400", **environment})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


def findings(language: str, *words: str, **environment: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run(language, *words, "doctor", "--json", **environment))
    return found


@cache
def terms() -> tuple[str, ...]:
    """Of licences; they are quoted as they are."""
    return tuple(entry.licence.terms for entry in load_catalogue() if entry.licence is not None and entry.licence.terms)


def assert_korean(parts: list[str]) -> None:
    for part in parts:
        for quoted in terms():
            part = part.replace(quoted, "")
        assert not ENGLISH.search(part), part


def healthy(folder: Path) -> tuple[str, ...]:
    run("ko", "--data-dir", str(folder), "db", "upgrade")
    return "--data-dir", str(folder)


def old(folder: Path) -> tuple[str, ...]:
    return "--data-dir", str(folder)


def models_missing(folder: Path) -> tuple[str, ...]:
    config = folder / "seogo.yaml"
    generators = [
        {"name": "EXAONE-3.5-32B", "urls": ["http://127.0.0.1:9/v1"]},
        {"name": "house-model", "urls": ["http://127.0.0.1:9/v1"]},
    ]
    audit = {"anchor_file": str(folder / "worm" / "anchors.jsonl")}
    rag = {"data_dir": str(folder), "generation": {"models": generators}, "audit": audit}
    config.write_text(json.dumps({"rag": rag}))
    return "--config", str(config)


def reranker_away(folder: Path) -> tuple[str, ...]:
    config = folder / "seogo.yaml"
    reranking = {"backend": "http", "url": "http://127.0.0.1:9", "model": "bge-reranker-v2-m3"}
    config.write_text(json.dumps({"rag": {"data_dir": str(folder), "reranking": reranking}}))
    run("ko", "--config", str(config), "db", "upgrade")
    return "--config", str(config)


@pytest.mark.parametrize("made", [healthy, old, models_missing, reranker_away], ids=lambda made: made.__name__)
def test_every_line_of_a_korean_run_is_korean(tmp_path: Path, made: Any) -> None:
    words = made(tmp_path)
    table = run("ko", *words, "doctor", HTTPS_PROXY="http://proxy:1")
    rows = [line for line in table.splitlines() if line.startswith(("│", "┃"))]
    assert len(rows) > 10
    for row in rows:
        assert HANGUL.search(row), row
        assert_korean([row])


@pytest.mark.parametrize("made", [healthy, models_missing, reranker_away], ids=lambda made: made.__name__)
def test_codes_are_the_same_in_both_languages(tmp_path: Path, made: Any) -> None:
    words = made(tmp_path)
    korean, english = findings("ko", *words), findings("en", *words)
    assert [(item["check"], item["status"]) for item in korean] == [(item["check"], item["status"]) for item in english]
    assert all(not HANGUL.search(item["check"] + item["detail"] + item["advice"]) for item in english)
    assert_korean([item["detail"] for item in korean] + [item["advice"] for item in korean])


def test_what_is_missing_is_said_in_korean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOGO_LANG", "ko")
    monkeypatch.setattr(doctor, "find_program", lambda: None)
    monkeypatch.setattr(doctor, "find_tesseract", lambda: None)
    settings = settings_for(tmp_path)
    found: list[Finding] = [doctor._converter(), *doctor._ocr(settings), *doctor._anchors(settings)]
    found += [Finding(*line) for line in doctor_git.git_lines(lambda: None, lambda name: None)]
    found += [Finding(*line) for line in doctor_git.git_lines(lambda: (2, 31, 9), lambda name: None)]
    found += [Finding(*line) for line in doctor_models.cuda_lines([Cuda("toolkit", 13, 2)])]
    monkeypatch.setattr(doctor, "find_program", lambda: "/usr/bin/soffice")
    monkeypatch.setattr(doctor, "find_converter", lambda: None)
    found.append(doctor._converter())
    for item in found:
        assert item.status != "ok" and HANGUL.search(item.advice), item
        assert HANGUL.search(doctor_texts.check_name(item.check))
    assert_korean([item.detail for item in found] + [item.advice for item in found])


def test_engines_and_licences_are_told_in_korean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOGO_LANG", "ko")
    states = ("ok", "unreachable", "refused", "not_a_model_server", "other_model", "no_adapter", "shorter", "longer")
    models = tuple(
        ServedModel(name=name, urls=("http://gpu1:8000/v1",)) for name in ("A.X-4.0", "house", "EXAONE-3.5-32B")
    )
    checks = [EngineCheck("house", "http://gpu1:8000/v1", state) for state in states]  # type: ignore[arg-type]
    lines = list(doctor_models.generator_lines(GenerationSettings(models=models), lambda settings, catalogue: checks))
    assert len(lines) == len(models) + len(states)
    for _, status, detail, advice in lines:
        assert HANGUL.search(detail), detail
        assert status == "ok" or HANGUL.search(advice), advice


def test_every_text_is_in_both_languages_with_the_same_places() -> None:
    for key, (korean, english) in {**doctor_texts._TEXTS, **doctor_texts._CHECKS}.items():
        assert english and not HANGUL.search(english), key
        assert HANGUL.search(korean) or not re.sub(r"\{[^}]*\}", "", korean).strip(), key
        places = [sorted(set(re.findall(r"\{(\w+)", item))) for item in (korean, english)]
        assert places[0] == places[1], key


def test_names_in_brackets_are_not_taken_for_markup(tmp_path: Path) -> None:
    folder = tmp_path / "[red]자료"
    assert "[red]자료" in run("ko", *healthy(folder), "doctor")
