"""The reranker's place in the search, over HTTP: its order, its fall-back, and that it sees permitted texts alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from api.app import create_app
from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.reranking.registry import open_reranker
from rag.reranking.scripted import ScriptedReranker
from rag.retrieval.reranking import SecondLook
from rag.settings import RerankingSettings
from rag.store.base import utc_now
from rag.store.document import Document
from tests.support.live import asked_and_left, served
from tests.support.model_server import Answer, Call, model_server
from tests.support.running import Caller, Running, running, settings_for
from tests.support.tiny_rerankers import tiny_cross_encoder

TEXTS = {
    "a.md": "# 휴가\n\n연차휴가는 입사 1년이 지나면 열닷새를 준다. 연차 수당은 해마다 1월에 준다.\n",
    "b.md": "# 휴가\n\n경조휴가는 본인 결혼에 닷새, 자녀 결혼에 하루를 준다. 증빙을 붙여 신청한다.\n",
    "c.md": "# 출장\n\n국내 출장 여비는 등급에 따라 정하고, 연차휴가와 이어서 쓸 수 없다.\n",
    "d.md": "# 포상\n\n장기 근속자에게는 포상 휴가 사흘을 준다. 부서장이 추천한다.\n",
}
QUESTION = "연차휴가는 며칠인가요? 휴가"


class RecordingReranker:
    """Likes short passages, and remembers all that it was given."""

    name = "recording"
    max_tokens = 1000

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.asked: list[str] = []

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        self.seen += passages
        self.asked.append(query)
        return [1.0 / (1 + len(passage)) for passage in passages]


class SlowReranker(RecordingReranker):
    """Is never done in time."""

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        assert deadline is not None
        time.sleep(max(0.0, deadline - time.monotonic()))
        raise ModelUnavailable(name=self.name)


class BrokenReranker(RecordingReranker):
    """Is not there."""

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        raise ModelUnavailable(name=self.name)


class ForgetfulReranker(RecordingReranker):
    """Gives one score too few."""

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        return [0.5] * (len(passages) - 1)


@pytest.fixture(scope="module")
def caller(service: Running) -> Caller:
    made = service.caller()
    made.ingest(made.collection("휴가"), {key: text.encode() for key, text in TEXTS.items()})
    return made


@pytest.fixture
def second_look(service: Running) -> Iterator[Any]:
    """Gives the running service a reranker for one test."""
    retriever = service.services.rag.retriever
    before = retriever.second_look

    def use(reranker: Any, candidates: int = 50, budget_ms: int = 5000) -> Any:
        object.__setattr__(retriever, "second_look", SecondLook(reranker, candidates, budget_ms))
        return reranker

    yield use
    object.__setattr__(retriever, "second_look", before)


def asked(caller: Caller, limit: int = 10) -> dict[str, Any]:
    answer = caller.post("/api/v1/search", json={"question": QUESTION, "limit": limit})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_a_reranker_reads_the_question_as_it_was_understood(caller: Caller, second_look: Any) -> None:
    """A follow-up, an abbreviation or a slip says little by itself; passages would be ordered by what it does not say."""
    reranker = second_look(RecordingReranker())
    name = caller.collection("휴가약어")
    caller.ingest(name, {"c.md": TEXTS["c.md"].encode()})
    entries = {"terms": [{"term": "출여", "expansions": ["출장 여비"]}]}
    assert caller.request("PUT", f"/api/v1/collections/{name}/glossary", json=entries).status_code == 200
    turns = [{"role": "user", "content": "연차휴가는 며칠인가요?"}, {"role": "assistant", "content": "열닷새입니다."}]
    for body in (
        {"question": "그럼 결혼하면?", "history": turns},
        {"question": "출여는 얼마", "collections": [name]},
        {"question": "cnfwkd 여비", "collections": [name]},
    ):
        assert caller.post("/api/v1/search", json=body).status_code == 200
    follow_up, abbreviation, slip = reranker.asked
    assert follow_up == "연차휴가는 며칠인가요? 그럼 결혼하면?"
    assert abbreviation == "출여는 얼마 (출장 여비)"
    assert slip == "cnfwkd 여비 (출장)"


def order(found: dict[str, Any]) -> list[str]:
    return [item["source_key"] for item in found["passages"]]


def test_without_a_reranker_nothing_is_said_but_off(caller: Caller) -> None:
    found = asked(caller)
    assert found["trace"]["rerank"] == {
        "model": "",
        "state": "off",
        "candidates": 0,
        "milliseconds": 0.0,
        "error": None,
    }
    assert "rerank" not in found["trace"]["timings_ms"]
    assert {item["rerank"] for item in found["passages"]} == {None}


def test_the_reranker_s_order_counts_and_no_passage_is_lost(caller: Caller, second_look: Any) -> None:
    fused = asked(caller)
    reranker = second_look(RecordingReranker())
    found = asked(caller)
    assert sorted(order(found)) == sorted(order(fused))
    assert order(found) != order(fused)
    scores = [item["rerank"] for item in found["passages"]]
    assert scores == sorted(scores, reverse=True)
    assert [item["rank"] for item in found["passages"]] == list(range(1, len(scores) + 1))
    trace = found["trace"]["rerank"]
    assert (trace["model"], trace["state"], trace["candidates"]) == ("recording", "done", len(reranker.seen))
    assert found["trace"]["timings_ms"].keys() >= {"rerank", "record"}
    assert any(text.startswith("휴가\n") for text in reranker.seen)  # the headings are read too


def test_only_the_candidates_are_read_and_the_rest_stand_behind_them(caller: Caller, second_look: Any) -> None:
    fused = order(asked(caller))
    reranker = second_look(RecordingReranker(), candidates=2)
    found = asked(caller)
    assert len(reranker.seen) == 2
    assert set(order(found)[:2]) == set(fused[:2])
    assert order(found)[2:] == fused[2:]
    assert [item["rerank"] is None for item in found["passages"]] == [False, False] + [True] * (len(fused) - 2)


def test_candidates_beyond_the_limit_can_come_up(caller: Caller, second_look: Any) -> None:
    second_look(RecordingReranker())
    best = order(asked(caller))
    assert order(asked(caller, limit=1)) == best[:1]


@pytest.mark.parametrize(
    ("reranker", "state"),
    [(SlowReranker(), "late"), (BrokenReranker(), "unavailable"), (ForgetfulReranker(), "unavailable")],
)
def test_a_reranker_that_gives_nothing_leaves_the_fused_order(
    caller: Caller, second_look: Any, reranker: Any, state: str
) -> None:
    fused = asked(caller)
    second_look(reranker, budget_ms=50)
    found = asked(caller)
    assert found["passages"] == fused["passages"]
    assert found["trace"]["rerank"]["state"] == state
    assert bool(found["trace"]["rerank"]["error"]) is (state == "unavailable")
    assert found["trace"]["rerank"]["model"] == "recording"


def test_the_trace_says_why_a_server_was_refused_and_what_to_set(caller: Caller, second_look: Any) -> None:
    def logits(call: Call) -> Answer:
        return Answer({"results": [{"index": i, "relevance_score": 4.2} for i in range(len(call.body["documents"]))]})

    with model_server(logits) as server:
        given = {"backend": "http", "url": server.url, "model": "bge"}
        second_look(open_reranker(RerankingSettings.model_validate(given)))
        body = {"question": QUESTION}
        korean, english = (
            caller.post("/api/v1/search", json=body, headers={"Accept-Language": language}).json()["trace"]["rerank"]
            for language in ("ko", "en")
        )
        second_look(open_reranker(RerankingSettings.model_validate(given | {"scores": "logits"})))
        mended = asked(caller)
    assert korean["state"] == "unavailable" and "reranking.scores를 logits로" in korean["error"]
    assert "set reranking.scores to logits" in english["error"]
    assert (mended["trace"]["rerank"]["state"], mended["trace"]["rerank"]["error"]) == ("done", None)
    assert [item["rerank"] for item in mended["passages"]] == pytest.approx([0.98522597] * len(mended["passages"]))


def test_what_the_record_withholds_never_reaches_the_reranker(service: Running, second_look: Any) -> None:
    """The index still holds the points of a document that the record has just hidden."""
    caller = service.caller()
    caller.ingest(caller.collection("감춤"), {key: text.encode() for key, text in TEXTS.items()})
    [hidden] = [one for one in asked(caller)["passages"] if one["source_key"] == "c.md"]
    with service.services.rag.database.write() as session:
        session.execute(update(Document).where(Document.id == UUID(hidden["document_id"])).values(deleted_at=utc_now()))
    reranker = second_look(RecordingReranker())
    found = asked(caller)
    assert found["trace"]["withheld"] == 1
    assert len(reranker.seen) == len(TEXTS) - 1
    assert not any("출장 여비" in text for text in reranker.seen)


def test_texts_of_others_never_reach_the_reranker(service: Running, caller: Caller, second_look: Any) -> None:
    stranger = service.caller()
    secret = "# 비밀\n\n연차휴가 며칠 비밀 규정: 임원의 휴가는 서른 날이다.\n"
    stranger.ingest(stranger.collection("임원"), {"secret.md": secret.encode()})
    reranker = second_look(RecordingReranker())
    asked(caller)
    assert reranker.seen
    assert not any("비밀" in text for text in reranker.seen)
    asked(stranger)
    assert "비밀" in reranker.seen[-1]


def test_answers_are_drawn_from_the_reranked_passages(caller: Caller, second_look: Any) -> None:
    second_look(ScriptedReranker())
    answer = caller.post("/api/v1/answers", json={"question": "연차휴가는 입사 1년이 지나면 며칠을 주나요?"})
    assert answer.status_code == 200
    assert "열닷새" in str(answer.json())


def test_the_settings_wire_a_local_model(tmp_path: Path) -> None:
    model = {"backend": "cross_encoder", "folder": tiny_cross_encoder(tmp_path / "모델"), "max_tokens": 256}
    settings = settings_for(tmp_path / "data", {"rag": {"reranking": {**model, "budget_ms": 60_000}}})
    with running(settings) as started:
        caller = started.caller()
        caller.ingest(caller.collection("휴가"), {key: text.encode() for key, text in TEXTS.items()})
        found = asked(caller)
    assert found["trace"]["rerank"]["model"] == "cross_encoder/모델/256"
    assert (found["trace"]["rerank"]["state"], found["trace"]["rerank"]["candidates"]) == ("done", len(TEXTS))
    assert all(0.0 <= item["rerank"] <= 1.0 for item in found["passages"])


def test_a_server_that_is_not_up_stops_no_start_but_a_broken_folder_does(tmp_path: Path) -> None:
    SecondLook(BrokenReranker(), 10, 1000).warm_up()
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    broken = open_reranker(RerankingSettings(backend="cross_encoder", folder=tmp_path))
    with pytest.raises(ConfigurationError):
        SecondLook(broken, 10, 1000).warm_up()


def test_boosts_count_in_the_reranked_order() -> None:
    from tests.support.passages import make_passage

    plain, lifted = make_passage("가나다라"), replace(make_passage("가나다라마"), boosts={"authority": 0.5})
    found, _ = SecondLook(RecordingReranker(), 10, 1000).reordered("질문", [plain, lifted])
    assert found[0].boosts == {"authority": 0.5}


class PairReranker(RecordingReranker):
    """Takes a moment for each question, and remembers these and how long it was given."""

    def __init__(self, moment_s: float = 0.0) -> None:
        super().__init__()
        self.moment_s = moment_s
        self.calls: list[tuple[str, float | None]] = []

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        self.calls.append((query, deadline))
        time.sleep(self.moment_s)
        return [len(query) / (len(query) + len(passage)) for passage in passages]


def test_pairs_are_scored_in_one_go_until_one_deadline(caller: Caller, second_look: Any) -> None:
    reranker = second_look(PairReranker())
    body = {"text_1": ["휴가", "급여일", "휴가"], "text_2": ["가나", "가나다", "가나다라마바"]}
    scores = [item["score"] for item in caller.post("/v1/score", json=body).json()["data"]]
    assert scores == [0.5, 0.5, 0.25], "in the order given"
    assert [query for query, _ in reranker.calls] == ["휴가", "급여일"]
    assert len({deadline for _, deadline in reranker.calls}) == 1


def test_a_client_that_goes_away_has_no_more_pairs_scored(caller: Caller, second_look: Any) -> None:
    reranker = second_look(PairReranker(0.05))
    body = {"text_1": [f"질문 {number}" for number in range(200)], "text_2": ["가나다"] * 200}
    with served(create_app(caller.running.services)) as address:
        asked_and_left(f"{address}/v1/score", body, caller.headers, lambda: bool(reranker.calls))
        scored = -1
        while scored != len(reranker.calls):
            scored = len(reranker.calls)
            time.sleep(0.5)
        assert scored < 200
