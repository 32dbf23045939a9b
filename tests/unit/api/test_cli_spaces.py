"""What `seogo index migrate` makes of its options and of a question sheet."""

from __future__ import annotations

from pathlib import Path

import pytest
from openpyxl import Workbook
from typer.testing import CliRunner

from api.cli.connection import CommandFailed
from api.cli.main import app
from api.cli.spaces import MigrateOptions, read_questions, wanted_settings
from rag.domain.messages import UiLanguage
from rag.evaluation import sheet

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
    with pytest.raises(CommandFailed, match=name):
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
    with pytest.raises(CommandFailed, match=name):
        read_questions(tmp_path / name)


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
