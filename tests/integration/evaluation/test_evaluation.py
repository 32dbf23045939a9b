"""`seogo eval` on the bundled samples with the real models: the gate on the embedded figures, permits, every command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner, Result

from api.cli import evaluation
from api.cli.main import app
from api.cli.samples import SAMPLE_CODE, SAMPLE_DOCUMENTS
from rag.domain.principal import Scope
from rag.evaluation.run import load
from rag.generation.chat import ChatMessage
from tests.support.engine_server import Exchange, engine_server
from tests.support.running import SAMPLES, running, settings_for

HERE = Path(__file__).parent
SHEET, BASELINE = HERE / "samples.csv", HERE / "baseline.json"
CODE_QUESTIONS, ALL_QUESTIONS = 8, 35


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A data folder with the samples, and keys by who may see what."""
    folder = tmp_path_factory.mktemp("evaluation")
    with running(settings_for(folder)) as service:
        admin = service.caller(tenant="default")
        files = {
            path.name: path.read_bytes() for path in SAMPLES.iterdir() if path.is_file() and path.name != "README.md"
        }
        code = {f"limits_engine/{path.name}": path.read_bytes() for path in (SAMPLES / "limits_engine").glob("*.py")}
        for name, kind, content in ((SAMPLE_DOCUMENTS, "documents", files), (SAMPLE_CODE, "code", code)):
            admin.collection(name, kind)
            assert {item["version"]["state"] for item in admin.ingest(name, content, timeout_s=240)} == {"active"}
        [code_id] = [
            row["id"] for row in admin.get("/api/v1/collections").json()["collections"] if row["kind"] == "code"
        ]
        keys = {
            "code": service.key(Scope.READ, collections=[code_id]),
            "stranger": service.key(Scope.ADMIN, tenant="다른 은행"),
        }
    return folder, keys


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SEOGO_LANG", "en")
    monkeypatch.setenv("COLUMNS", "160")
    yield


def seogo(folder: Path, *arguments: str, key: str | None = None) -> Result:
    """Run `seogo eval` on the data folder."""
    identity = ["--key", key] if key else []
    return CliRunner().invoke(app, ["--data-dir", str(folder), *identity, "eval", *arguments])


@pytest.fixture(scope="module")
def run_folder(filled: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all questions by the operator."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEOGO_LANG", "ko")
        environment.setenv("COLUMNS", "160")
        done = seogo(filled[0], "run", str(SHEET), "--out", str(out))
    assert done.exit_code == 0, done.output
    # The English questions, and a Korean one about code, which reaches the model in English words.
    assert f"{ALL_QUESTIONS} 문항" in done.output and "dense 16/35" in done.output
    return out


def test_the_figures_of_the_embedded_shape_have_not_fallen(run_folder: Path, english: None) -> None:
    done = CliRunner().invoke(app, ["eval", "gate", str(run_folder), "--baseline", str(BASELINE)])
    assert done.exit_code == 0, done.output


def test_the_gate_closes_when_they_fall(run_folder: Path, tmp_path: Path, english: None) -> None:
    run = json.loads((run_folder / "run.json").read_text())
    for question in run["questions"][:5]:
        question["rankings"]["search"] = []
    (tmp_path / "run.json").write_text(json.dumps(run))
    done = CliRunner().invoke(app, ["eval", "gate", str(tmp_path), "--baseline", str(BASELINE)])
    assert done.exit_code == 1
    assert "Measures below their bound" in done.output and "search" in done.output and "fused" not in done.output
    compared = CliRunner().invoke(app, ["eval", "compare", str(run_folder), str(tmp_path), "--json"])
    changes = json.loads(compared.stdout)["changes"]
    assert changes["R@100"]["losses"] == 5 and changes["R@100"]["high"] < 0
    shown = CliRunner().invoke(app, ["eval", "compare", str(run_folder), str(tmp_path)])
    assert "Worst regressions" in shown.output and "재택근무" in shown.output


def test_a_baseline_is_written_and_holds(run_folder: Path, tmp_path: Path, english: None) -> None:
    baseline = str(tmp_path / "baseline.json")
    assert CliRunner().invoke(app, ["eval", "gate", str(run_folder), "--baseline", baseline, "--write"]).exit_code == 0
    assert CliRunner().invoke(app, ["eval", "gate", str(run_folder), "--baseline", baseline]).exit_code == 0


def test_the_run_and_its_report_say_what_was_measured(run_folder: Path) -> None:
    run = load(run_folder)
    assert run.rankings == ("dense", "sparse", "fused", "search")
    assert {question.language for question in run.questions} >= {"ko", "en"}
    assert {name for question in run.questions for name in question.collections} == {SAMPLE_DOCUMENTS, SAMPLE_CODE}
    assert set(run.about["collections"]) == {SAMPLE_CODE, SAMPLE_DOCUMENTS}
    page = (run_folder / evaluation.REPORT).read_text(encoding="utf-8")
    assert "가장 나쁜 문항" in page and SAMPLE_CODE in page


def test_a_key_measures_what_it_may_see_and_learns_nothing_of_the_rest(
    filled: tuple[Path, dict[str, str]], tmp_path: Path, english: None
) -> None:
    folder, keys = filled
    refused = seogo(folder, "run", str(SHEET), "--out", str(tmp_path / "a"), key=keys["code"])
    assert refused.exit_code == 1
    assert f"row 2: no collection that you may see: {SAMPLE_DOCUMENTS}" in refused.output
    assert not (tmp_path / "a").exists()
    done = seogo(folder, "run", str(SHEET), "--skip-missing", "--json", "--out", str(tmp_path / "b"), key=keys["code"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["questions"] == CODE_QUESTIONS
    run = load(tmp_path / "b")
    assert {shown.collection for question in run.questions for shown in question.top} == {SAMPLE_CODE}
    assert run.about["collections"] == [SAMPLE_CODE]
    for words in ("취업규칙", "gateway"):
        seen = [shown.excerpt + shown.source_key for question in run.questions for shown in question.top]
        assert not any(words in text for text in seen)


@pytest.mark.parametrize("command", ["run", "tune"])
def test_another_tenant_sees_nothing(
    filled: tuple[Path, dict[str, str]], tmp_path: Path, english: None, command: str
) -> None:
    folder, keys = filled
    out = ["--out", str(tmp_path / "c")] if command == "run" else []
    done = seogo(folder, command, str(SHEET), "--skip-missing", *out, key=keys["stranger"])
    assert done.exit_code == 1 and "No question is left" in done.output
    assert seogo(folder, command, str(SHEET), *out, key="sgk_wrong").exit_code == 1


def test_answers_are_measured_with_and_without_what_they_stand_on(
    filled: tuple[Path, dict[str, str]], tmp_path: Path, english: None
) -> None:
    rows = [
        "question,document,answer",
        "위험직무를 담당하는 직원의 명령휴가는 1회에 연속 며칠 동안 실시하나요?,취업규칙.docx,5영업일",
        "How long after it is issued does a gateway signing key expire?,hanbit-gateway-manual.md,180 days",
    ]
    (tmp_path / "sheet.csv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "mars.txt").write_text("화성 탐사선의 연료 탱크 용량은 몇 리터인가요?\n\n", encoding="utf-8")
    arguments = (
        "answers",
        str(tmp_path / "sheet.csv"),
        "--foreign",
        str(tmp_path / "mars.txt"),
        "--out",
        str(tmp_path / "o"),
    )
    done = seogo(filled[0], *arguments)
    assert done.exit_code == 0, done.output
    assert "Citation precision" in done.output and "Bar in force" in done.output
    body = json.loads((tmp_path / "o" / "answers.json").read_text(encoding="utf-8"))
    assert {name: body["measures"][name]["mean"] for name in ("precision", "first", "numbers", "contained")} == {
        "precision": 1.0, "first": 1.0, "numbers": 1.0, "contained": 1.0,
    }  # fmt: skip
    assert [item["asked"]["refused"] for item in body["questions"]] == [False, False]
    assert body["foreign"][0]["refused"] and body["refusing"]["bar_in_force"]["foreign"] == 0.0
    assert body["about"]["generator"] == "extractive/1" and (tmp_path / "o" / "risk-coverage.png").exists()
    narrow = seogo(filled[0], *arguments[:2], "--json", "--skip-missing", key=filled[1]["code"])
    assert narrow.exit_code == 1 and "명령휴가" not in narrow.output


def test_tuning_says_why_it_changes_nothing_and_stores_nothing(
    filled: tuple[Path, dict[str, str]], english: None
) -> None:
    done = seogo(filled[0], "tune", str(SHEET), "--apply", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    verdicts = {(item["language"], item["kind"]): item["verdict"] for item in found["groups"]}
    assert verdicts["ko", "documents"] == "one_leg"
    assert verdicts["en", "documents"] == "too_few"
    assert not found["stored"]
    assert "No weights were learned" in seogo(filled[0], "weights").output
    assert "Weights forgotten: 0" in seogo(filled[0], "weights", "--reset").output


class _Chat:
    """Asks about the number of letters of each passage, quoting its beginning."""

    name = "scripted"

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        deadline: float | None = None,
        tenant: str = "",
    ) -> str:
        passage = messages[-1].content.split("\n", 1)[1]
        return json.dumps({"question": f"어느 규정이 {hash(passage)}번 사례에 맞나요?", "quote": passage[:50]})


def test_questions_are_drafted_reviewed_and_run(
    filled: tuple[Path, dict[str, str]], tmp_path: Path, english: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = tmp_path / "drafts.xlsx"
    arguments = ("synthesize", "-c", SAMPLE_DOCUMENTS, "--count", "4", "--out", str(sheet))
    refused = seogo(filled[0], *arguments)
    assert refused.exit_code == 1 and "rag.chat.url" in refused.output and not sheet.exists()
    module = ModuleType("rag.generation.openai_chat")
    module.open_chat = lambda settings: _Chat()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rag.generation.openai_chat", module)
    monkeypatch.setenv("SEOGO_RAG__CHAT__URL", "http://127.0.0.1:1/v1")
    done = seogo(filled[0], *arguments)
    assert done.exit_code == 0, done.output
    assert seogo(filled[0], "run", str(sheet), "--out", str(tmp_path / "d")).exit_code == 1, "nobody reviewed it"
    book = load_workbook(sheet)
    rows = list(book.active.iter_rows())
    assert [cell.value for cell in rows[0]] == ["question", "expected document", "quote", "collection", "reviewed"]
    assert len({row[1].value for row in rows[1:]}) == 4, "of four documents"
    rows[1][4].value = "y"
    book.save(sheet)
    again = seogo(filled[0], "run", str(sheet), "--json", "--out", str(tmp_path / "e"))
    assert json.loads(again.stdout)["questions"] == 1
    assert json.loads(again.stdout)["left_out"] == ["Left out because nobody reviewed them: 3"]


def test_drafts_come_from_the_configured_generator(
    filled: tuple[Path, dict[str, str]], tmp_path: Path, english: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP, from the engine that answers too; what comes before it breaks is kept."""
    said, asked = 0, ("이런 때에는 무엇부터 하나요?", "누구에게 먼저 알려야 할까요?")

    async def drafting(exchange: Exchange) -> None:
        nonlocal said
        said += 1
        if said > 2:
            await exchange.refuse(400, "out of order")
            return
        passage = exchange.body["messages"][-1]["content"].split("\n", 1)[1]
        await exchange.head()
        await exchange.say(json.dumps({"question": asked[said - 1], "quote": passage[:50]}))

    sheet = tmp_path / "drafts.csv"
    with engine_server(drafting) as server:
        models = [{"name": "house", "urls": [f"{server.url}/v1"], "engine": "openai", "context_tokens": 8192}]
        monkeypatch.setenv("SEOGO_RAG__GENERATION__MODELS", json.dumps(models))
        done = seogo(filled[0], "synthesize", "-c", SAMPLE_DOCUMENTS, "--count", "5", "--out", str(sheet))
    assert done.exit_code == 0, done.output
    assert "The model failed" in done.output and "2 →" in done.output
    assert all(question in sheet.read_text(encoding="utf-8-sig") for question in asked)


def test_a_server_can_not_be_asked(english: None) -> None:
    done = CliRunner().invoke(app, ["--server", "http://127.0.0.1:1", "--key", "x", "eval", "weights"])
    assert done.exit_code == 2 and "leave out --server" in done.output
