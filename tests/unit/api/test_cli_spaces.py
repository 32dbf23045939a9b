"""What `seogo index migrate` makes of its options and of a question sheet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from typer.testing import CliRunner

from api.cli.connection import CommandFailed
from api.cli.main import app
from api.cli.spaces import MigrateOptions, read_questions, require_comparable, wanted_settings
from api.hardening.settings import RequestSettings
from api.schemas.spaces import QuestionIn
from rag.domain.errors import QuestionsInvalid
from rag.domain.messages import UiLanguage
from rag.evaluation import sheet
from rag.evaluation.questions import Expected
from rag.evaluation.space_comparison import EvaluationQuestion

ROWS = [("휴가는 언제 신청하나?", "취업규칙.hwpx; 휴가 지침.pdf"), ("한도는?", ""), ("", "아무도 묻지 않은 것.pdf")]
EXPECTED = [
    {"question": "휴가는 언제 신청하나?", "documents": ["취업규칙.hwpx", "휴가 지침.pdf"]},
    {"question": "한도는?", "documents": []},
]


def test_a_sheet_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "질문.csv"
    lines = ["Question, document", *(f'"{question}","{documents}"' for question, documents in ROWS)]
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    assert read_questions(path) == EXPECTED


def test_a_sheet_as_xlsx(tmp_path: Path) -> None:
    book = Workbook()
    for row in (("question", "document"), *ROWS):
        book.active.append(row)
    book.save(tmp_path / "질문.xlsx")
    assert read_questions(tmp_path / "질문.xlsx") == EXPECTED


@pytest.mark.parametrize("name", ["초안.xlsx", "초안.csv"])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_sheet_that_was_drafted_for_an_evaluation(tmp_path: Path, name: str, language: UiLanguage) -> None:
    drafted = {
        "question": "경조휴가는 며칠인가?",
        "document": "취업규칙.hwpx\n휴가 지침.pdf",
        "quote": "닷새",
        "reviewed": "예",
    }
    refused = {"question": "구내식당은 어디인가?", "document": "안내.md", "quote": "지하 1층", "reviewed": ""}
    sheet.write(tmp_path / name, [drafted, refused], language)
    expected = [{"question": "경조휴가는 며칠인가?", "documents": ["취업규칙.hwpx", "휴가 지침.pdf"]}]
    assert read_questions(tmp_path / name) == expected
    sheet.write(tmp_path / name, [refused], language)
    with pytest.raises(QuestionsInvalid, match=name):
        read_questions(tmp_path / name)


def test_a_sheet_as_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "질문.jsonl"
    path.write_text('{"question": "한도는?", "documents": ["a.md", "b.md"]}\n\n', encoding="utf-8")
    assert read_questions(path) == [{"question": "한도는?", "documents": ["a.md", "b.md"]}]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", "frage\nwann?"), ("a.jsonl", "{"), ("a.xlsx", "no book"), ("missing.csv", None)]
)
def test_a_sheet_that_cannot_be_read(tmp_path: Path, name: str, content: str | None) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(QuestionsInvalid, match=name):
        read_questions(tmp_path / name)


def test_a_folder_as_seogo_eval_takes_it(tmp_path: Path) -> None:
    """BEIR: documents by their id or title in the corpus, with their grades; questions without a judgement are left out."""
    folder = tmp_path / "scifact"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": "d1", "title": "취업규칙", "text": "본문"}, {"_id": "d2", "text": "둘"}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    queries = [{"_id": key, "text": f"{key}?"} for key in ("q1", "q2")]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t1\n")
    found = read_questions(folder)
    assert found == [{"question": "q1?", "documents": [{"names": ["d1", "취업규칙"], "grade": 2}, "d2"]}]
    expected = (Expected(("d1", "취업규칙"), grade=2), Expected(("d2",)))
    assert QuestionIn.model_validate(found[0]).labelled() == EvaluationQuestion("q1?", expected)
    (folder / "queries.jsonl").unlink()
    with pytest.raises(QuestionsInvalid, match=r"queries\.jsonl"):
        read_questions(folder)


TOO_MUCH: dict[str, list[dict[str, Any]]] = {
    "questions": [{"question": f"{n}?"} for n in range(5001)],
    "documents": [{"question": "한도는?", "documents": [f"{n}.md" for n in range(1001)]}],
    "bytes": [{"question": f"{n}?", "documents": [f"{n}-{'가' * 600}.md"]} for n in range(1500)],
    "values": [{"question": f"{n}?", "documents": ["a"] * 999} for n in range(101)],
    "name": [{"question": "한도는?", "documents": ["가" * 2001]}],
}


def test_so_it_is_where_no_server_is_named(tmp_path: Path) -> None:
    sheet_path = tmp_path / "q.jsonl"
    sheet_path.write_text("\n".join(map(json.dumps, TOO_MUCH["documents"])))
    command = ["--data-dir", str(tmp_path / "data"), "index", "migrate", "--to", "none", "--questions", str(sheet_path)]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 1 and "q.jsonl: questions.0.documents" in found.output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", sorted(set(TOO_MUCH) - {"values"}))
@pytest.mark.parametrize(("language", "limit"), [("ko", "질문 5,000개"), ("en", "5,000 questions")])
def test_what_no_comparison_takes_is_said_before_anything_is_built(
    tmp_path: Path, kind: str, language: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEOGO_LANG", language)
    sheet_path = tmp_path / "질문.jsonl"
    sheet_path.write_text("\n".join(map(json.dumps, TOO_MUCH[kind])), encoding="utf-8")
    command = ["--server", "http://127.0.0.1:9", "--key", "k", "index", "migrate", "--to", "none"]
    found = CliRunner().invoke(app, [*command, "--questions", str(sheet_path)])
    said = " ".join(found.output.split())
    assert found.exit_code == 1
    assert limit in said and "2 MiB" in said and "질문.jsonl" in said


def test_the_number_of_values_is_asked_of_settings_that_are_known() -> None:
    require_comparable(Path("set"), TOO_MUCH["values"])  # a server may take more than the default
    require_comparable(Path("set"), TOO_MUCH["values"], RequestSettings(json_members=200_000))
    with pytest.raises(CommandFailed, match="100000"):
        require_comparable(Path("set"), TOO_MUCH["values"], RequestSettings())


def test_half_of_a_pair_in_a_question_is_an_error_in_words() -> None:
    with pytest.raises(CommandFailed, match="surrogates"):
        require_comparable(Path("set"), [{"question": "\ud800", "documents": ["a"]}])


def test_a_grade_that_no_comparison_takes_names_its_place() -> None:
    graded = [{"question": "한도는?", "documents": [{"names": ["a"], "grade": grade}]} for grade in (100, 101)]
    require_comparable(Path("set"), graded[:1])
    with pytest.raises(CommandFailed, match=r"questions\.1\.documents\.0.*grade.*100"):
        require_comparable(Path("set"), graded)


def test_the_space_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = wanted_settings(MigrateOptions(to="folder", folder=Path("모델")))
    assert (found.dense, found.folder) == ("folder", tmp_path / "모델")
    for content in ("embedding: {dense: none}", "rag: {embedding: {dense: none}}"):
        (tmp_path / "target.yaml").write_text(content)
        assert wanted_settings(MigrateOptions(settings=tmp_path / "target.yaml")).dense == "none"


@pytest.mark.parametrize("content", ["embedding: {dense: nothing}", "index: {}", "- 1", "embedding: 3", "{", "rag: 3"])
def test_settings_that_name_no_space(tmp_path: Path, content: str) -> None:
    path = tmp_path / "target.yaml"
    path.write_text(content)
    with pytest.raises(CommandFailed):
        wanted_settings(MigrateOptions(settings=path))


def test_one_of_the_two_must_be_given(tmp_path: Path) -> None:
    for wanted in (MigrateOptions(), MigrateOptions(to="none", settings=tmp_path)):
        with pytest.raises(CommandFailed):
            wanted_settings(wanted)


def test_only_what_works_on_the_store_itself_refuses_a_server() -> None:
    runner = CliRunner()
    for command in ("rebuild", "optimize", "verify"):
        refused = runner.invoke(app, ["--server", "http://127.0.0.1:9", "--key", "k", "index", command])
        assert (refused.exit_code, f"seogo index {command}" in refused.output) == (2, True)
    asked = runner.invoke(app, ["--server", "http://127.0.0.1:9", "--key", "k", "index", "spaces"])
    assert asked.exit_code == 1  # it asked, and nobody was there


def test_a_space_named_on_the_command_line_keeps_the_length_of_passages(tmp_path: Path) -> None:
    current = {"dense": "minilm", "languages": ["en", "code"], "max_tokens": 512, "query_instruction": "Find it"}
    found = wanted_settings(MigrateOptions(to="flag", folder=tmp_path), current)
    assert (found.max_tokens, found.languages, found.query_instruction) == (512, None, "")
    wanted = MigrateOptions(to="flag", folder=tmp_path, languages="ko, en", max_tokens=1024)
    found = wanted_settings(wanted, current)
    assert (found.max_tokens, found.languages) == (1024, ("ko", "en"))
    with pytest.raises(CommandFailed, match="languages"):
        wanted_settings(MigrateOptions(to="flag", folder=tmp_path, languages="한국어"), current)
