"""Answers on record and what people say of them: who may, what stays, what goes with a deleted document."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from api.cli.feedback import question_rows
from ingest.pipeline import retention
from rag.answering.log import AnswerLog, Recording, Surface
from rag.domain.answer import Note, Sentence
from rag.domain.errors import ModelTimeout, StoreUnavailable
from rag.domain.principal import Scope
from rag.evaluation import sheet
from rag.settings import AnswerLogSettings
from rag.store.answer_record import AnswerRecord, AnswerSource, Feedback
from rag.store.base import utc_now
from rag.store.session import Database
from tests.support.running import Caller, Running
from tests.unit.parsing.documents import zip_bytes

RULES = "# 휴가\n\n경조휴가는 5일이다.\n\n# 급여\n\n급여는 매월 25일에 지급한다.\n"
QUESTION = "경조휴가는 며칠인가요?"
FEEDBACK = "/api/v1/feedback?purpose=분기 점검"


@pytest.fixture(scope="module")
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def admin(service: Running, tenant: str) -> Caller:
    made = service.caller(tenant=tenant)
    made.ingest(made.collection("사규"), {"휴가.md": RULES})
    return made


def ask(caller: Caller, question: str = QUESTION) -> dict[str, Any]:
    answer: dict[str, Any] = caller.post("/api/v1/answers", json={"question": question}).json()
    return answer


def give(caller: Caller, answer_id: str, **body: Any) -> Any:
    return caller.post(f"/api/v1/answers/{answer_id}/feedback", json={"rating": "up", **body})


def kept(service: Running, answer_id: str) -> AnswerRecord | None:
    with service.services.rag.database.read() as session:
        return session.get(AnswerRecord, UUID(answer_id))


def test_an_answer_is_on_record_with_what_it_stood_on(service: Running, admin: Caller) -> None:
    answer = ask(admin)
    row = kept(service, answer["answer_id"])
    assert row is not None
    assert (row.question, row.text, row.surface, row.abstained) == (QUESTION, answer["text"], "native", "")
    cited = answer["sentences"][0]["citations"][0]
    [first, *_] = row.citations
    for name in ("chunk_id", "document_id", "version", "start", "end", "quote", "number"):
        assert first[name] == cited[name]
    assert row.generator == answer["generator"]
    assert row.timings_ms["total"] > 0 and "index" in row.timings_ms
    principal = service.services.rag.authenticate(admin.headers["Authorization"].split()[1])
    assert (row.tenant_id, row.principal_id) == (principal.tenant_id, principal.id)


def test_a_stream_is_on_record_too_and_a_refusal(service: Running, admin: Caller) -> None:
    response = admin.post("/api/v1/answers", json={"question": QUESTION, "stream": True})
    assert UUID(response.headers["x-answer-id"])
    done = json.loads(response.text.strip().split("\n\n")[-1].split("data: ", 1)[1])
    assert done["answer_id"] == response.headers["x-answer-id"]
    row = kept(service, done["answer_id"])
    assert row is not None and "5일" in row.text
    refused = ask(admin, "화성 탐사선의 연료 탱크 용량은 몇 리터인가요?")
    row = kept(service, refused["answer_id"])
    assert row is not None and row.abstained and (row.text, row.citations) == ("", [])


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_completion_is_on_record_under_its_id(service: Running, admin: Caller, stream: bool) -> None:
    body = {"model": "rag/사규", "stream": stream, "messages": [{"role": "user", "content": QUESTION}]}
    response = admin.post("/v1/chat/completions", json=body)
    given = response.headers["x-answer-id"]
    text = response.text.removeprefix("data: ").partition("\n")[0] if stream else response.text
    completion = json.loads(text)["id"]
    row = kept(service, given)
    assert row is not None
    assert (row.question, row.surface) == (QUESTION, "chat")
    assert UUID(completion.removeprefix("chatcmpl-")) == UUID(given)
    assert give(admin, completion).status_code == 200


def test_feedback_is_given_once_per_caller_and_may_be_changed(service: Running, tenant: str, admin: Caller) -> None:
    reader = service.caller(Scope.READ, tenant=tenant)
    answer = ask(reader)
    first = give(reader, answer["answer_id"], rating="down", reason="incomplete", comment="누구에게 주는지 없다")
    assert first.status_code == 200, first.text
    changed = give(reader, answer["answer_id"], rating="up", reason="helpful").json()
    assert (changed["id"], changed["rating"], changed["comment"]) == (first.json()["id"], "up", "")
    assert changed["changed_at"] > first.json()["changed_at"]
    other = give(admin, answer["answer_id"], rating="down", corrected_answer="결혼하는 직원에게 5일을 준다.").json()
    assert other["id"] != changed["id"]
    listed = admin.get(FEEDBACK).json()["feedback"]
    mine = [item for item in listed if item["answer"]["id"] == answer["answer_id"]]
    assert {item["feedback"]["rating"] for item in mine} == {"up", "down"}
    assert mine[0]["answer"]["question"] == QUESTION
    citation = mine[0]["answer"]["citations"][0]
    assert (citation["source_key"], citation["collection"]) == ("휴가.md", "사규")
    assert {item["feedback"]["rating"] for item in admin.get(f"{FEEDBACK}&rating=up").json()["feedback"]} == {"up"}
    by_reason = admin.get(f"{FEEDBACK}&reason=helpful").json()["feedback"]
    assert [item["feedback"]["id"] for item in by_reason] == [changed["id"]]


def test_feedback_is_paged_newest_first(service: Running) -> None:
    own = service.caller()
    own.ingest(own.collection(), {"a.md": RULES})
    given = [give(own, ask(own)["answer_id"]).json()["id"] for _ in range(3)]
    first = own.get(f"{FEEDBACK}&limit=2").json()
    second = own.get(f"{FEEDBACK}&limit=2&cursor={first['next_cursor']}").json()
    assert [item["feedback"]["id"] for item in first["feedback"] + second["feedback"]] == given[::-1]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("form", ["{}", "chatcmpl-{}", "resp_{}"])
def test_the_ids_of_all_surfaces_are_taken(admin: Caller, form: str) -> None:
    identity = ask(admin)["answer_id"]
    shown = identity if form == "{}" else form.format(UUID(identity).hex)
    assert give(admin, shown).status_code == 200


@pytest.mark.parametrize(
    "body", [{"rating": "maybe"}, {"reason": "because"}, {"comment": "x" * 4001}, {"rating": "up", "extra": 1}]
)
def test_feedback_that_is_not_valid_is_refused(admin: Caller, body: dict[str, Any]) -> None:
    assert give(admin, ask(admin)["answer_id"], **body).status_code == 422


def test_others_learn_nothing(service: Running, tenant: str, admin: Caller) -> None:
    answer = ask(admin)
    give(admin, answer["answer_id"], comment="비밀 의견")
    stranger = service.caller()
    collection = UUID(admin.get("/api/v1/collections/사규").json()["id"])
    limited = Caller(
        service,
        {"Authorization": f"Bearer {service.key(Scope.ADMIN, tenant=tenant, collections=[collection])}"},
    )
    for somebody in (stranger, limited):
        refused, absent = give(somebody, answer["answer_id"]), give(somebody, str(uuid4()))
        nonsense = give(somebody, "resp_nonsense")
        assert refused.status_code == absent.status_code == nonsense.status_code == 404
        assert refused.text == absent.text == nonsense.text
    assert stranger.get(FEEDBACK).json() == {"feedback": [], "next_cursor": None}
    theirs = admin.get(f"{FEEDBACK}&limit=1").json()["feedback"][0]["feedback"]["id"]
    assert stranger.get(f"{FEEDBACK}&cursor={theirs}").json()["feedback"] == []
    assert limited.get(FEEDBACK).status_code == 403
    for purpose in ("", "?purpose=", "?purpose=%20%20%20"):  # nobody exports without a reason
        assert admin.get(f"/api/v1/feedback{purpose}").status_code == 422
    own = ask(limited)
    assert give(limited, own["answer_id"]).status_code == 200, "of its own answer it may speak"
    reader = service.caller(Scope.READ, tenant=tenant)
    assert reader.get(FEEDBACK).status_code == 403
    assert service.http.get(FEEDBACK).status_code == 401
    assert service.http.post(f"/api/v1/answers/{answer['answer_id']}/feedback", json={}).status_code == 401


@pytest.mark.parametrize("what", ["document", "collection", "archive"])
def test_quotes_go_with_what_they_quote(service: Running, what: str) -> None:
    own = service.caller()
    name = own.collection()
    file = {"자료.zip": zip_bytes({"휴가.md": RULES.encode()})} if what == "archive" else {"휴가.md": RULES}
    [document] = own.ingest(name, file)
    listed = own.get(f"/api/v1/collections/{name}/documents").json()["documents"]
    own.wait([item["id"] for item in listed])
    answer = ask(own)
    assert answer["status"] == "answered"
    give(own, answer["answer_id"], comment="좋다")
    address = f"/api/v1/collections/{name}" if what == "collection" else f"/api/v1/documents/{document['id']}"
    assert own.delete(address).status_code == 202
    row = kept(service, answer["answer_id"])
    assert row is not None and row.content_removed_at is not None
    assert (row.text, row.citations, row.question) == ("", [], QUESTION)
    [item] = own.get(FEEDBACK).json()["feedback"]
    assert (item["answer"]["citations"], item["feedback"]["comment"]) == ([], "좋다")


def test_quotes_go_with_a_replaced_version_too(service: Running) -> None:
    own = service.caller()
    name = own.collection()
    [document] = own.ingest(name, {"휴가.md": RULES})
    answer = ask(own)
    own.ingest(name, {"휴가.md": RULES + "\n새 문단이다.\n"})
    assert (row := kept(service, answer["answer_id"])) is not None and row.text, "it is kept as of its time"
    own.request("PATCH", f"/api/v1/collections/{name}", json={"retention": {"retired_versions": 0}})
    retention.expire_next(service.services.rag.database, UUID(document["collection_id"]))
    row = kept(service, answer["answer_id"])
    assert row is not None and (row.text, row.citations) == ("", [])


def recording_of(service: Running, caller: Caller) -> Recording:
    """An answer that is complete and not yet on record."""
    import asyncio

    from rag.access.policy import Action
    from rag.answering.service import Asked

    rag = service.services.rag
    principal = rag.authenticate(caller.headers["Authorization"].split()[1])
    permit = rag.policy.authorize(principal, Action.ASK)
    recording = Recording(permit, QUESTION, Surface.CHAT, rag.answerer.generator_name)
    recording.whole(asyncio.run(rag.answerer.complete(permit, Asked(QUESTION, 8))))
    return recording


def test_what_is_deleted_while_it_is_answered_is_not_kept(service: Running) -> None:
    own = service.caller()
    [document] = own.ingest(own.collection(), {"휴가.md": RULES})
    recording = recording_of(service, own)
    own.delete(f"/api/v1/documents/{document['id']}")
    AnswerLog(service.services.rag.database, AnswerLogSettings()).keep(recording)
    row = kept(service, str(recording.id))
    assert row is not None and (row.text, row.citations) == ("", [])


def test_without_content_only_ids_and_times_are_kept(service: Running, admin: Caller) -> None:
    recording = recording_of(service, admin)
    for kind in ("model", "step", "section", "source"):
        recording._note(Note(kind, QUESTION))
    AnswerLog(service.services.rag.database, AnswerLogSettings(content=False)).keep(recording)
    row = kept(service, str(recording.id))
    assert row is not None and (row.question, row.text, row.citations) == ("", "", [])
    assert [note["kind"] for note in row.notes] == ["model"], "step, section and source hold words"
    assert row.generator and row.timings_ms["total"] >= 0
    assert give(admin, str(recording.id)).status_code == 200


@pytest.mark.parametrize("text", ["경조휴가는 며칠인가요?\0", "경조휴가는 며칠인가요?\ud800"])
def test_no_character_of_a_question_keeps_its_answer_off_the_record(service: Running, admin: Caller, text: str) -> None:
    body = json.dumps({"model": "rag/사규", "messages": [{"role": "user", "content": text}]})
    headers = {"Content-Type": "application/json"}
    response = admin.post("/v1/chat/completions", content=body.encode(), headers=headers)
    assert response.status_code == 200
    row = kept(service, response.headers["x-answer-id"])
    assert row is not None and row.question.startswith("경조휴가는")


def test_a_nul_in_feedback_is_refused_before_the_database(admin: Caller) -> None:
    refused = give(admin, ask(admin)["answer_id"], comment="좋아요\0")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_retention_removes_answers_with_what_was_said(service: Running, admin: Caller) -> None:
    database = service.services.rag.database
    old, young = ask(admin)["answer_id"], ask(admin)["answer_id"]
    give(admin, old)
    with database.write() as session:
        session.get_one(AnswerRecord, UUID(old)).created_at = utc_now() - timedelta(days=400)
    log = AnswerLog(database, AnswerLogSettings(retention_days=365))
    assert give(admin, old).status_code == 404, "what is due is not shown before it goes"
    assert AnswerLog(database, AnswerLogSettings(retention_days=None)).expire() == 0
    assert log.expire() == 1 and log.expire() == 0
    assert kept(service, old) is None and kept(service, young) is not None
    with database.read() as session:
        for table in (AnswerSource, Feedback):
            assert session.scalars(select(table).where(table.answer_id == UUID(old))).all() == []
    assert any(chore.__name__ == "expire" for chore in service.services.ingest.jobs.upkeep.chores)  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [None, ModelTimeout(name="m"), RuntimeError("a fault of ours")])
def test_an_answer_that_broke_off_is_on_record_as_that(
    service: Running, admin: Caller, error: Exception | None
) -> None:
    """Its reader left, or what failed came after its first words: these were shown, and feedback may be given on them."""
    import asyncio

    from rag.answering.service import Asked

    rag = service.services.rag
    recording = Recording(recording_of(service, admin)._permit, QUESTION, Surface.NATIVE, "x")

    async def breaking() -> Any:
        async with aclosing(rag.answerer.stream(recording._permit, Asked(QUESTION, 8))) as events:
            async for event in events:
                yield event
                if isinstance(event, Sentence) and error is not None:
                    raise error

    async def read() -> None:
        async with aclosing(recording.listening(breaking())) as events:
            async for event in events:
                if isinstance(event, Sentence) and error is None:
                    return

    if error is None:
        asyncio.run(read())
    else:
        with pytest.raises(type(error)):
            asyncio.run(read())
    AnswerLog(rag.database, AnswerLogSettings()).keep(recording)
    row = kept(service, str(recording.id))
    assert row is not None and "5일" in row.text and row.citations and row.timings_ms["total"] > 0
    reasons = {None: "left", "model_timeout": "model_timeout", "": "internal_error"}
    reason = reasons[None if error is None else getattr(error, "code", "")]
    assert [note["detail"] for note in row.notes if note["kind"] == "incomplete"] == [reason]
    assert give(admin, str(recording.id)).status_code == 200
    whole = kept(service, ask(admin)["answer_id"])
    assert whole is not None and "incomplete" not in {note["kind"] for note in whole.notes}


def test_an_answer_that_found_nothing_before_it_broke_off_leaves_no_record(service: Running, admin: Caller) -> None:
    import asyncio

    recording = Recording(recording_of(service, admin)._permit, QUESTION, Surface.NATIVE, "x")

    async def broken() -> Any:
        for event in list[Note]():
            yield event
        raise StoreUnavailable

    async def read() -> None:
        async for _ in recording.listening(broken()):
            pass

    with pytest.raises(StoreUnavailable):
        asyncio.run(read())
    AnswerLog(service.services.rag.database, AnswerLogSettings()).keep(recording)
    assert kept(service, str(recording.id)) is None


def test_a_record_that_cannot_be_written_costs_no_answer(
    service: Running, admin: Caller, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = recording_of(service, admin)
    away = Database(f"sqlite:///{tmp_path / 'empty.sqlite'}")
    with caplog.at_level(logging.ERROR):
        AnswerLog(away, AnswerLogSettings()).keep(recording)
    away.close()
    assert "could not be put on record" in caplog.text
    assert QUESTION not in caplog.text


def items() -> Iterator[dict[str, Any]]:
    cited = {"source_key": "휴가.md", "quote": "경조휴가는 5일이다.", "collection": "사규"}
    answers = [
        {"id": "1", "question": QUESTION, "citations": [cited]},
        {"id": "2", "question": "급여일은?", "citations": [cited]},
        {"id": "3", "question": "", "citations": [cited]},
        {"id": "4", "question": "없는 것?", "citations": []},
    ]
    said = [
        ("1", "up", ""),
        ("2", "up", ""),
        ("2", "down", "25일이다."),
        ("3", "up", ""),
        ("4", "down", "6개월\n안이다."),
    ]
    for answer_id, rating, corrected in said:
        answer = next(item for item in answers if item["id"] == answer_id)
        comment = "틀렸다" if corrected else ""
        yield {"feedback": {"rating": rating, "comment": comment, "corrected_answer": corrected}, "answer": answer}


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_feedback_becomes_questions_that_evaluation_reads(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"문항.{suffix}"
    rows = question_rows(items(), "예")
    assert [(row["question"], row["document"], row["answer"], row["note"], row["reviewed"]) for row in rows] == [
        (QUESTION, "휴가.md", "", "", "예"),
        ("급여일은?", "휴가.md", "25일이다.", "틀렸다", ""),
        (
            "없는 것?",
            "",
            "6개월 안이다.",
            "틀렸다",
            "",
        ),  # a refusal that was wrong, for a reviewer to say where it stands
    ]
    sheet.write(path, rows, "ko")
    found, problems = sheet.read(path)
    assert problems == [] and found.left_out == 2
    [question] = found.questions
    assert (question.text, question.collection) == (QUESTION, "사규")
    assert (question.expected[0].names, question.expected[0].quote) == (("휴가.md",), "경조휴가는 5일이다.")


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_refusal_that_was_right_and_a_corrected_answer_are_read_as_they_were_said(
    tmp_path: Path, suffix: str
) -> None:
    """Who said that a refusal is right names no document, so there is nothing to review; corrections become expected answers."""
    right = {"feedback": {"rating": "up", "comment": "", "corrected_answer": ""}}
    answer = {"id": "5", "question": "없는 것?", "citations": []}
    assert question_rows(iter([right | {"answer": answer}]), "예") == []
    path = tmp_path / f"questions.{suffix}"
    rows = question_rows(items(), "yes")
    sheet.write(path, [row | {"reviewed": "yes"} for row in rows if row["document"]], "en")
    found, problems = sheet.read(path)
    assert problems == [] and [item.answers for item in found.questions] == [(), ("25일이다.",)]


def test_the_command_line_lists_and_exports(
    service: Running, admin: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.cli.main import app
    from tests.support.live import listening

    give(admin, ask(admin)["answer_id"], comment="명령줄에서 보인다")
    key = admin.headers["Authorization"].split()[1]
    with listening(service.services) as address:
        runner = CliRunner()
        shared = ["--server", address, "--key", key, "feedback"]
        listed = runner.invoke(app, [*shared, "list", "--reason", "분기 점검", "--rating", "up"])
        assert listed.exit_code == 0 and "명령줄에서 보인다" in listed.output
        path = tmp_path / "questions.csv"
        exported = runner.invoke(app, [*shared, "export", str(path), "--reason", "분기 점검"])
        assert exported.exit_code == 0, exported.output
        assert runner.invoke(app, [*shared, "export", str(path)]).exit_code == 2  # without a reason
    told = admin.get("/api/v1/audit/events", params={"kind": "export.feedback"}).json()["events"]
    assert [item["detail"]["purpose"] for item in told[:2]] == ["분기 점검"] * 2 and told[0]["detail"]["answers"] > 0
    found, problems = sheet.read(path)
    assert problems == [] and any(item.text == QUESTION for item in found.questions)
