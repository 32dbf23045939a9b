"""A search that explains itself, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.running import Caller, Running

RULE = (
    "재택근무는 주 2일까지 할 수 있으며, 부서장의 승인을 받아 전자결재로 신청한다. 보안 서약서를 내지 않은 직원은 할 수 없고, "
    "고객 정보를 다루는 업무는 회사가 정한 가상 데스크톱에서만 처리한다. 근무 시간과 휴게 시간은 사무실 근무와 같다."
)


@pytest.fixture(scope="module")
def caller(service: Running) -> Caller:
    made = service.caller()
    name = made.collection("explained")
    files = {
        "rules.md": f"# 재택근무\n\n{RULE}\n",
        "copy.md": f"# 재택근무\n\n{RULE}\n".replace(" ", "  ").replace("#  ", "# "),
        "older.md": f"# 재택근무\n\n{RULE}\n".replace("주 2일", "주 1일"),
    }
    made.ingest(name, {key: text.encode() for key, text in files.items()})
    return made


def asked(caller: Caller, **fields: Any) -> dict[str, Any]:
    body = {"question": "재택근무는 주 며칠까지 할 수 있나요?", "collections": ["explained"], **fields}
    found: dict[str, Any] = caller.post("/api/v1/search", json=body).json()
    return found


def test_a_copy_is_named_with_the_passage_that_stands_for_it(caller: Caller) -> None:
    found = asked(caller, explain=True)
    shown = {item["chunk_id"]: item["source_key"] for item in found["passages"]}
    # the copy differs in white space; the older rule in a number, so it is a rule of its own
    assert "older.md" in shown.values()
    assert len(shown) == 2
    [left_out] = found["explain"]["dropped"]
    assert left_out["reason"] == "copy"
    assert shown[left_out["shown_as"]] in ("rules.md", "copy.md")
    assert left_out["chunk_id"] not in shown


def test_an_explanation_names_what_was_searched_and_how(caller: Caller) -> None:
    found = asked(caller, explain=True, filter={"source_key": "o"})
    assert found["explain"]["collections"] == ["explained"]
    assert found["explain"]["filter"] == {"source_key": "o"}
    assert [item["source_key"] for item in found["passages"]] == ["older.md"]
    assert found["passages"][0]["legs"]["sparse"]["rank"] == 1
    assert found["passages"][0]["boosts"] == {}
    assert found["trace"]["legs"] == ["sparse"]


def test_an_english_question_says_what_its_legs_weigh(caller: Caller) -> None:
    found = asked(caller, explain=True, question="remote work days a week")
    assert set(found["explain"]["weights"]) == {"documents", "code"}
    assert found["explain"]["weights"]["documents"]["sparse"] > found["explain"]["weights"]["code"]["sparse"] > 0


def test_the_line_says_the_same_as_the_body(caller: Caller) -> None:
    question = "재택근무는 주 며칠까지 할 수 있나요?"
    wanted = {"question": question, "collections": "explained", "explain": "true"}
    by_line = caller.get("/api/v1/search", params=wanted).json()
    by_body = asked(caller, explain=True)
    for found in (by_line, by_body):
        found["trace"].pop("timings_ms")
    assert by_line == by_body
    assert asked(caller)["explain"] is None


def test_a_line_without_a_question_is_refused(caller: Caller) -> None:
    refused = caller.get("/api/v1/search", params={"collections": "explained"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
