"""Which languages reach a dense model where the settings name none, and what the doctor says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.cli.doctor_spaces import language_lines
from rag.domain.language import Language
from rag.embedding.registry import build_space
from rag.embedding.space import EmbeddingSpace
from rag.settings import EmbeddingSettings
from rag.text.analysis import Analyzer
from tests.support.tiny_models import bge_m3_folder, encoder_folder, qwen3_folder

EVERY = set(Language)
ENGLISH = {Language.ENGLISH, Language.CODE}
HTTP: dict[str, Any] = {"dense": "openai_http", "url": "http://vllm:8000", "model": "bge-m3", "dimensions": 8}


def space_of(cache: Path, **values: Any) -> EmbeddingSpace:
    return build_space(EmbeddingSettings(**values), Analyzer(), cache)


def known(space: EmbeddingSpace) -> set[Language]:
    return {language for language in Language if space.knows(language)}


def test_a_multilingual_model_reads_korean_without_being_told_to(tmp_path: Path) -> None:
    folders = {"flag": bge_m3_folder(tmp_path / "m3"), "folder": qwen3_folder(tmp_path / "qwen")}
    for dense, folder in folders.items():
        assert known(space_of(tmp_path, dense=dense, folder=folder)) == EVERY
    roberta = encoder_folder(tmp_path / "e5", roberta=True)
    assert known(space_of(tmp_path, dense="folder", folder=roberta)) == EVERY
    assert known(space_of(tmp_path, **HTTP)) == EVERY


def test_a_model_of_which_nothing_is_known_reads_english_and_code(tmp_path: Path) -> None:
    assert known(space_of(tmp_path)) == ENGLISH
    bert = encoder_folder(tmp_path / "bert")
    assert known(space_of(tmp_path, dense="folder", folder=bert)) == ENGLISH
    (bert / "config.json").write_text("[]")
    assert known(space_of(tmp_path, dense="folder", folder=bert)) == ENGLISH


@pytest.mark.parametrize("values", [{}, HTTP])
def test_languages_that_are_named_are_meant(tmp_path: Path, values: dict[str, Any]) -> None:
    assert known(space_of(tmp_path, **values, languages=("ko", "other"))) == {Language.KOREAN, Language.OTHER}


def test_the_doctor_says_which_languages_reach_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOGO_LANG", "en")

    def line(**values: Any) -> tuple[str, str, str, str]:
        [found] = language_lines(space_of(tmp_path, **values), EmbeddingSettings(**values))
        return found

    assert line()[1:3] == ("ok", "en, code reach all-MiniLM-L6-v2; ko, other: found by words alone")
    assert line(**HTTP)[1:3] == ("ok", "ko, en, code, other reach http/bge-m3@8/terms")
    _, status, detail, advice = line(**HTTP, languages=("en", "code"))
    assert status == "warning" and "ko, other: found by words alone" in detail and "--languages ko" in advice
    assert line(dense="none")[1] == "ok"
