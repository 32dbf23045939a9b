"""Allowances through HTTP: refusals in each surface's shape, what is left, and places that come free with their reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from api.app import create_app
from rag.access.rates import RateLimiter
from rag.domain.principal import Scope
from rag.generation.engine import Finished, TextDelta, Usage
from rag.generation.metering import METER, MeteredEngine, spent
from rag.generation.scripted import ScriptedEngine
from tests.support.generators import generation_of
from tests.support.live import openai_client, served
from tests.support.running import Running, running, settings_for

ASKED: list[Any] = [{"role": "user", "content": "서고를 한 문장으로 설명해 줘."}]
SERVED = {"name": "글", "urls": ["http://127.0.0.1:9/v1"]}
RATES = {
    "tenants": {
        "분당": {"requests": 3},
        "토큰": {"requests": 1000, "tokens_in": 10_000, "tokens_out": 100},
        "동시": {"streams": 1},
    }
}


class Shop:
    """A service with limits, its address, and the engine behind it."""

    def __init__(self, service: Running, address: str, engine: ScriptedEngine, limiter: RateLimiter) -> None:
        self.service, self.address, self.engine, self.limiter = service, address, engine, limiter

    def http(self, tenant: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.service.key(Scope.ADMIN, tenant=tenant)}", "Accept-Language": "ko"}
        return httpx.Client(base_url=self.address, headers=headers, trust_env=False, timeout=30)

    def play(self, *script: Any) -> None:
        self.engine._scripts[:] = [list(script)]
        self.engine.calls.clear()
        self.engine.stopped.clear()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    engine = ScriptedEngine.saying("안녕하세요", name="model")
    generation = generation_of(MeteredEngine(engine), context_tokens=8000)
    served_model = {"name": "model", "urls": ["http://127.0.0.1:9/v1"], "context_tokens": 8000}
    settings = settings_for(
        tmp_path_factory.mktemp("rates"),
        {
            "rag": {"generation": {"models": [served_model]}, "embedding": {"dense": "none"}},
            "api": {"rates": RATES},
        },
    )
    with running(settings, generation=generation) as service:
        app = create_app(service.services)
        with served(app) as address:
            yield Shop(service, address, engine, app.state.limiter)


def eventually(held: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not held():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_past_its_requests_a_tenant_is_told_when_to_come_again(shop: Shop) -> None:
    with shop.http("분당") as http:
        left = [http.get("/api/v1/collections").headers["x-ratelimit-remaining-requests"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        native, compatible = http.get("/api/v1/collections"), http.get("/v1/models")
    for refused in (native, compatible):
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        assert refused.headers["x-ratelimit-limit-requests"] == "3"
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        assert refused.headers["x-ratelimit-reset-requests"]
    assert native.headers["content-type"] == "application/problem+json"
    assert native.json()["code"] == "rate_limited"
    assert native.json()["retryable"] is True
    assert "요청" in native.json()["title"]
    assert compatible.json()["error"]["type"] == "rate_limit_error"
    assert compatible.json()["error"]["code"] == "rate_limited"
    assert "x-should-retry" not in compatible.headers
    with shop.http("다른 테넌트") as other:
        assert other.get("/api/v1/collections").status_code == 200


def test_openais_client_knows_the_refusal(shop: Shop) -> None:
    key = shop.service.key(Scope.READ, tenant="분당")
    with openai_client(shop.address, key) as client, pytest.raises(openai.RateLimitError):
        for _ in range(4):
            client.models.list()


def test_tokens_are_charged_as_the_engine_counted_them(shop: Shop) -> None:
    shop.play(TextDelta("네"), Finished("stop", Usage(40, 60)))
    with shop.http("토큰") as http:
        body = {"model": "llm/model", "messages": ASKED}
        first = http.post("/v1/chat/completions", json=body)
        assert first.status_code == 200, first.text
        assert first.headers["x-ratelimit-limit-tokens"] == "100"
        second = http.post("/v1/chat/completions", json={**body, "stream": True})
        assert second.status_code == 200
        assert "[DONE]" in second.text
        third = http.post("/v1/chat/completions", json=body)
    assert third.status_code == 429
    assert third.headers["x-ratelimit-remaining-tokens"] == "0"
    assert len(shop.engine.calls) == 2


def test_a_reader_who_hangs_up_frees_the_place_and_pays_for_what_came(shop: Shop) -> None:
    shop.play(TextDelta("가"), TextDelta("나"), 60.0, Finished("stop"))
    body = {"model": "llm/model", "messages": ASKED, "stream": True}
    with shop.http("동시") as http:
        with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.status_code == 200
            pieces = answer.iter_bytes()
            assert next(pieces)
            refused = http.post("/v1/chat/completions", json=body)
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "1"
            assert http.get("/api/v1/collections").status_code == 200  # what writes nothing has places of its own
        assert eventually(lambda: not shop.limiter._streaming)
        assert not shop.limiter._active
        assert shop.engine.stopped == [0]
        shop.play(TextDelta("다"), Finished("stop"))
        assert http.post("/v1/chat/completions", json=body).status_code == 200


def test_refused_and_failed_requests_leave_no_place_taken(shop: Shop) -> None:
    reader = shop.service.key(Scope.READ, tenant="자유")
    with httpx.Client(base_url=shop.address, headers={"Authorization": f"Bearer {reader}"}, trust_env=False) as http:
        assert http.post("/api/v1/collections", json={"name": "x"}).status_code == 403
        assert http.post("/api/v1/answers", json={"nonsense": 1}).status_code == 422
        assert http.get("/api/v1/collections", headers={"Authorization": "Bearer none"}).status_code == 401
    assert eventually(lambda: not shop.limiter._active)
    assert shop.limiter._all_active == shop.limiter._all_streaming == 0


def test_one_tenants_storm_does_not_shut_out_another(shop: Shop) -> None:
    shop.play(TextDelta("가"), 60.0, Finished("stop"))
    body = {"model": "llm/model", "messages": ASKED, "stream": True}
    limiter, places = shop.limiter, shop.limiter._stream_places
    limiter._stream_places = 6
    try:
        with shop.http("폭주") as storm, shop.http("조용") as calm:
            answers = [
                storm.send(storm.build_request("POST", "/v1/chat/completions", json=body), stream=True)
                for _ in range(8)
            ]
            assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 4
            with calm.stream("POST", "/v1/chat/completions", json=body) as answer:
                assert answer.status_code == 200
            for held in answers:
                held.close()
    finally:
        limiter._stream_places = places
    assert eventually(lambda: not limiter._streaming)


def test_work_without_a_reader_is_nobodys() -> None:
    assert METER.get() is None
    spent(1, 1)
