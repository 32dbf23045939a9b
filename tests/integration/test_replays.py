"""Answers of every kind, asked again bit for bit while others search: with a neural model and a reranker, and on both engines."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from rag.generation.registry import Generation
from rag.generation.scripted import spoken
from rag.store.answer_record import AnswerRecord
from tests.contract.qdrant_stub import QdrantStub
from tests.support.running import Caller, Running, running, settings_for
from tests.support.scripted_desk import ScriptedDesk
from tests.support.tiny_rerankers import tiny_cross_encoder

FILES = {
    "조직.md": "# 조직\n\n감사팀장은 준법지원부 부서에 속한다.\n",
    "여비.md": "# 여비\n\n준법지원부의 출장비 한도는 하루 70,000원이다.\n",
    "leave.md": "# Annual leave\n\nAnnual leave is fifteen days and counts from the day of joining.\n",
    "travel.md": "# Travel\n\nTravel expenses are paid back within ten days after the receipts were handed in.\n",
    "meals.md": "# Meals\n\nMeals on a journey are paid up to twenty thousand won for each day.\n",
}
CODE = {
    "gateway.py": 'def charge_card(amount: int) -> None:\n    """카드사에 청구한다."""\n    print(amount)\n',
    "service.py": "from gateway import charge_card\n\n\ndef approve(amount: int) -> bool:\n    return charge_card(amount)\n",
}
KOREAN = "감사팀장이 속한 부서는 외부 일에 얼마를 쓸 수 있는가?"
SECOND = "준법지원부의 출장비 한도는 얼마인가?"
ENGLISH = "How many days of annual leave are there?"
OTHERS = 8


@pytest.fixture(scope="module")
def desk() -> ScriptedDesk:
    return ScriptedDesk("x")


@pytest.fixture(scope="module", params=["edge", "qdrant"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, desk: ScriptedDesk
) -> Iterator[Running]:
    """Embedded with a neural model and a reranker; or by words on what stands in for a server of Qdrant, whose dense products are
    numpy's, and differ in their last bits with where an array happens to lie."""
    folder: Path = tmp_path_factory.mktemp("replays")
    with ExitStack() as stack:
        if request.param == "qdrant":
            stub = stack.enter_context(QdrantStub())
            rag: dict[str, Any] = {"index": {"backend": "qdrant", "url": stub.url}, "embedding": {"dense": "none"}}
        else:
            model = tiny_cross_encoder(folder / "cross-encoder")
            rag = {"reranking": {"backend": "cross_encoder", "folder": model, "budget_ms": 60_000, "max_tokens": 64}}
        generation = Generation(desk.router, {"scripted": desk})
        rag["answers"] = {"min_confidence": 0.05}  # what a reranker of random weights thinks of the evidence is nothing
        settings = settings_for(folder / "data", {"rag": rag})
        yield stack.enter_context(running(settings, generation=generation))


@pytest.fixture(scope="module")
def admin(service: Running) -> Caller:
    caller = service.caller()
    caller.ingest(caller.collection("규정"), FILES, timeout_s=240)
    documents = caller.ingest(caller.collection("결제", kind="code"), CODE, timeout_s=240)
    assert {item["version"]["state"] for item in documents} == {"active"}, documents
    return caller


@contextmanager
def others_searching(caller: Caller) -> Iterator[None]:
    """So many who ask something else for the length of the block, in batches with whoever asks beside them."""
    ended, failed = threading.Event(), list[str]()

    def ask(number: int) -> None:
        turn = 0
        while not ended.is_set():
            turn += 1
            body = {"question": f"How are travel expenses number {number} {turn} paid back? 출장비 {turn}", "limit": 5}
            response = caller.post("/api/v1/search", json=body)
            if response.status_code != 200:
                failed.append(response.text)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(OTHERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failed == []


def replayed(caller: Caller, answer: str) -> dict[str, Any]:
    response = caller.get(f"/api/v1/answers/{answer}/replay")
    assert response.status_code == 200, response.text
    return dict(response.json())


ANSWER = "준법지원부의 한도는 하루 70,000원입니다. [1][2]"
CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "korean": ({"question": KOREAN, "collections": ["규정"]}, (ANSWER,)),
    "english": ({"question": ENGLISH, "collections": ["규정"]}, ("Annual leave is fifteen days. [1]",)),
    "steps": ({"question": KOREAN, "mode": "steps", "passages": 1}, (SECOND, "DONE", ANSWER)),
    "report": (
        {"question": KOREAN, "mode": "deep", "passages": 1},
        (SECOND, "DONE", "출장비 한도\n소속", ANSWER, "감사팀장은 그 부서에 속합니다. [1][2]"),
    ),
    "code": (
        {"question": "charge_card를 호출하는 곳은 어디인가요?", "collections": ["결제"]},
        ("`approve`입니다. [1]",),
    ),
    "words of code": ({"question": "카드사에 청구하는 코드", "collections": ["결제"]}, ("카드사에 청구한다. [1]",)),
}


@pytest.mark.parametrize("case", CASES)
def test_an_answer_is_the_same_again_while_others_search(
    service: Running, admin: Caller, desk: ScriptedDesk, case: str
) -> None:
    body, texts = CASES[case]
    desk.put(*map(spoken, texts))
    response = admin.post("/api/v1/answers", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()["answer_id"]
    with others_searching(admin):
        found = [replayed(admin, answer) for _ in range(5)]
    for one in found:
        assert one["then"] == one["now"] != [], one["differences"]
        assert one["identical"] and one["differences"] == []
    stood = found[0]["answer"]["stood_on"]
    rag = service.services.rag
    with_reranker = rag.retriever.second_look.reranker is not None
    if case not in ("code",):  # which is answered from the syntax, without a search
        assert stood["space"] == rag.space.name
        assert len(stood.get("space_fingerprint", "")) == (32 if rag.space.dense is not None else 0)
        assert bool(stood["reranker"]) == with_reranker == ("reranker_fingerprint" in stood)
        assert (stood["reranked"] == "done") == with_reranker
        assert all((item["rerank"] is not None) == with_reranker for item in found[0]["then"])
    legs = {leg for item in found[0]["then"] for leg in item["legs"]}
    assert ("dense" in legs) == (rag.space.dense is not None) or case != "english"


def test_the_hash_on_record_is_of_what_the_engine_got(service: Running, admin: Caller, desk: ScriptedDesk) -> None:
    engine = desk.put(spoken(ANSWER))
    answer = admin.post("/api/v1/answers", json={"question": SECOND, "collections": ["규정"]}).json()["answer_id"]
    assert engine.calls
    with service.services.rag.database.read() as session:
        kept = session.get_one(AnswerRecord, UUID(answer)).prompt_hash
    told = [
        json.dumps([dict(item) for item in call.messages], ensure_ascii=False, sort_keys=True) for call in engine.calls
    ]
    assert kept in [sha256(item.encode()).hexdigest() for item in told]
    assert replayed(admin, answer)["answer"]["prompt_sha256"] == kept
