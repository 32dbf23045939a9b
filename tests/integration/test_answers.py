"""Answers over HTTP: in one piece, streamed, and refused; in both languages."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tests.support.running import SAMPLES, Caller, Running

KOREAN = "위험직무를 담당하는 직원의 명령휴가는 1회에 연속 며칠 동안 실시하나요?"


@pytest.fixture(scope="module")
def caller(service: Running) -> Caller:
    made = service.caller(language="ko")
    name = made.collection("samples")
    files = ("취업규칙.docx", "정보보호_정책.pdf", "거래한도표.xlsx", "hanbit-gateway-manual.md")
    documents = made.ingest(name, {file: (SAMPLES / file).read_bytes() for file in files}, timeout_s=180)
    assert {item["version"]["state"] for item in documents} == {"active"}
    code = made.collection("code", kind="code")
    modules = sorted((SAMPLES / "limits_engine").glob("*.py"))
    made.ingest(code, {f"limits_engine/{path.name}": path.read_bytes() for path in modules})
    return made


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n", 1)
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


@pytest.mark.parametrize(
    ("question", "expected", "source", "kind"),
    [
        (KOREAN, "5영업일", "취업규칙.docx", "paragraph"),
        ("특권 계정 비밀번호의 최소 길이는 몇 자인가요?", "14자", "정보보호_정책.pdf", "page"),
        ("개인 체크카드로 해외 ATM에서 인출할 때 1일 한도는 미화 몇 달러인가요?", "2,000", "거래한도표.xlsx", "sheet"),
        (
            "How long after it is issued does a gateway signing key expire?",
            "180 days",
            "hanbit-gateway-manual.md",
            "lines",
        ),
        ("Which decimal rounding mode does round_amount use for won?", "ROUND_DOWN", "limits_engine/money.py", "lines"),
    ],
)
def test_each_format_answers_with_its_kind_of_anchor(
    caller: Caller, question: str, expected: str, source: str, kind: str
) -> None:
    answer = caller.post("/api/v1/answers", json={"question": question}).json()
    assert answer["status"] == "answered", answer["abstention"]
    first = answer["sentences"][0]
    assert expected in first["text"]
    for citation in first["citations"]:
        assert (citation["source_key"], citation["anchor"]["kind"]) == (source, kind)
        assert citation["quote"] in first["text"]


OFTEN = [
    "비밀번호는 얼마마다 바꿔야 하나요?",
    "비밀번호는 얼마나 자주 바꿔야 하나요?",
    "비밀번호는 몇 달마다 바꿔야 하나요?",
    "비밀번호는 며칠마다 바꿔야 하나요?",
    "비밀번호는 며칠에 한 번 바꿔야 하나요?",
    "비밀번호를 바꾸는 주기는?",
]


@pytest.mark.parametrize("question", OFTEN)
def test_how_often_is_answered_by_what_states_a_period(caller: Caller, question: str) -> None:
    body = caller.post("/api/v1/answers", json={"question": question}).json()
    assert body["status"] == "answered", body["abstention"]
    assert "변경 주기" in body["sentences"][0]["text"] and "90일" in body["sentences"][0]["text"]


@pytest.mark.parametrize(
    "question",
    [
        "소화기는 얼마나 자주 점검하나요?",
        "엘리베이터는 며칠마다 점검하나요?",
        "비상구는 얼마마다 점검하나요?",
        "화장실 청소는 하루에 몇 번 하나요?",
        "주주총회는 얼마마다 여나요?",
        "사옥 임대료는 몇 년에 한 번 올리나요?",
    ],
)
def test_how_often_something_is_done_that_is_not_there_is_refused(caller: Caller, question: str) -> None:
    assert caller.post("/api/v1/answers", json={"question": question}).json()["status"] == "abstained"


COUNTS = [
    "비밀번호는 12월에 몇 번 바꿨나요?",
    "비밀번호는 1분기에 몇 회 바꾸었나요?",
    "비밀번호는 한 달에 몇 번 바꿨나요?",
]


@pytest.mark.parametrize("question", COUNTS)
def test_how_many_times_in_a_given_time_is_not_answered_by_a_period(caller: Caller, question: str) -> None:
    body = caller.post("/api/v1/answers", json={"question": question}).json()
    assert body["status"] == "abstained", body["text"]


def test_a_page_citation_has_boxes_on_its_page(caller: Caller) -> None:
    body = {"question": "특권 계정 비밀번호의 최소 길이는 몇 자인가요?"}
    citation = caller.post("/api/v1/answers", json=body).json()["sentences"][0]["citations"][0]
    position = citation["anchor"]["position"]
    assert citation["anchor"]["label"] == f"{position['page']}쪽"
    assert position["boxes"] and all(page == position["page"] for page, _ in position["boxes"])


def test_a_stream_has_the_same_answer_as_one_piece(caller: Caller) -> None:
    whole = caller.post("/api/v1/answers", json={"question": KOREAN}).json()
    response = caller.post("/api/v1/answers", json={"question": KOREAN, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-accel-buffering"] == "no"
    streamed = events(response.text)
    assert [name for name, _ in streamed][:2] == ["passages", "sentence"]
    assert "".join(data["rendered"] for name, data in streamed if name == "sentence") == whole["text"]
    name, done = streamed[-1]
    assert name == "done" and UUID(done.pop("answer_id")) != UUID(whole["answer_id"])
    assert done == {
        "status": "answered",
        "generator": whole["generator"],
        "abstention": None,
        "notes": whole["notes"],
    }


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_refusal_says_what_was_searched_in_the_callers_language(caller: Caller, language: str) -> None:
    body = {"question": "화성 탐사선의 연료 탱크 용량은 몇 리터인가요?"}
    answer = caller.post("/api/v1/answers", json=body, headers={"Accept-Language": language}).json()
    assert answer["status"] == "abstained" and answer["sentences"] == []
    message = answer["abstention"]["message"]
    assert "samples" in message
    assert any("가" <= char <= "힣" for char in message.split("(")[0]) == (language == "ko")


def test_a_refusal_is_streamed_too(caller: Caller) -> None:
    body = {"question": "화성 탐사선의 연료 탱크 용량은 몇 리터인가요?", "stream": True}
    streamed = events(caller.post("/api/v1/answers", json=body).text)
    assert [name for name, _ in streamed] == ["passages", "done"]
    assert streamed[-1][1]["status"] == "abstained"
