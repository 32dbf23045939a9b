"""`retrieval.fusion: rrf` through a whole service: one query to the engine, the same walls, and the trace says it.

Without a model: what two legs give together is in `tests/contract/test_hybrid_contract.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import Caller, Running, running, settings_for

RULES = {
    "휴가.md": "# 휴가 규정\n\n연차휴가는 15일이며 입사일을 기준으로 부여한다.\n",
    "여비.md": "# 여비 규정\n\n국내 출장의 숙박비는 8만원까지 실비로 정산한다.\n",
    "leave.md": "# Leave\n\nAnnual leave is fifteen days and counts from the day of joining.\n",
}


@pytest.fixture(scope="module", params=["rrf"])
def fused(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    folder: Path = tmp_path_factory.mktemp("fusion")
    with running(
        settings_for(folder, {"rag": {"retrieval": {"fusion": request.param}, "embedding": {"dense": "none"}}})
    ) as started:
        yield started, request.param


@pytest.fixture(scope="module")
def shelf(fused: tuple[Running, str]) -> tuple[Caller, str]:
    caller = fused[0].caller()
    name = caller.collection()
    caller.ingest(name, RULES)
    return caller, name


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("출장 숙박비는 얼마까지 정산하나요?", "여비.md"),
        ("How many days of annual leave are there?", "leave.md"),
    ],
)
def test_the_right_passage_comes_first_and_the_trace_says_how(
    fused: tuple[Running, str], shelf: tuple[Caller, str], question: str, best: str
) -> None:
    caller, name = shelf
    body = caller.post("/api/v1/search", json={"question": question, "collections": [name]}).json()
    assert body["passages"][0]["source_key"] == best
    assert (body["trace"]["fusion"], body["trace"]["legs"]) == (fused[1], ["sparse"])
    assert list(body["passages"][0]["legs"]) == [fused[1]]
    assert [item["legs"][fused[1]]["rank"] for item in body["passages"]] == sorted(
        item["legs"][fused[1]]["rank"] for item in body["passages"]
    )


def test_filters_and_tenants_hold(fused: tuple[Running, str], shelf: tuple[Caller, str]) -> None:
    caller, name = shelf
    service = fused[0]
    only = caller.search("휴가 leave 15일", collections=[name], filter={"source_key": "휴"})
    assert {item["source_key"] for item in only} == {"휴가.md"}
    other = service.caller(tenant="경쟁사")
    other.ingest(other.collection(), {"남의 휴가.md": "# 휴가\n\n연차휴가는 30일이다.\n"})
    assert {item["source_key"] for item in other.search("연차휴가는 며칠인가?")} == {"남의 휴가.md"}
    assert "남의 휴가.md" not in {item["source_key"] for item in caller.search("연차휴가는 며칠인가?")}


def test_an_answer_cites_what_the_engine_found(shelf: tuple[Caller, str]) -> None:
    caller, name = shelf
    answer = caller.post("/api/v1/answers", json={"question": "연차휴가는 며칠인가?", "collections": [name]}).json()
    assert "15일" in answer["text"]
