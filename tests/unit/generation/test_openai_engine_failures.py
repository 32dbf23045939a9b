"""Everything that an engine can do wrong: the right error, in both languages, promptly, and nothing said of the request."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
import weakref
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from rag.domain.errors import (
    ConfigurationError,
    ModelBroken,
    ModelBusy,
    ModelNotServed,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    PromptTooLong,
    SeogoError,
)
from rag.domain.messages import localized
from rag.generation.engine import ChatEngine, EngineCall, EngineEvent, Finished, Patience, ReasoningDelta, TextDelta
from rag.generation.openai_engine import open_engine
from rag.settings import ServedModel
from tests.support.engine_server import DONE, Behaviour, Exchange, engine_server, refusing, saying, unused_port

SECRET = "주민등록번호 850101-1234567 고객의 대출 잔액"
KEY = "k-8f3a77d1c2"
CALL = EngineCall([{"role": "user", "content": f"{SECRET}은 얼마인가?"}], max_tokens=64)
QUICK: dict[str, object] = {"first_token_s": 0.4, "silence_s": 0.4, "total_s": 1.5}
"""For tests of what is late; elsewhere a slow machine must not pass for a slow engine."""
PATIENT = {"first_token_s": 30, "silence_s": 30, "total_s": 60}


def opened(*urls: str, key_file: Path | None = None, **more: object) -> ChatEngine:
    given = {"name": "m", "urls": urls, "api_key_file": key_file, "tries": 2, "context_tokens": 4096}
    return open_engine(ServedModel.model_validate(given | PATIENT | more))


def outcome(engine: ChatEngine, call: EngineCall = CALL) -> tuple[list[EngineEvent], SeogoError | None]:
    """What came, and what went wrong."""

    async def read() -> tuple[list[EngineEvent], SeogoError | None]:
        seen: list[EngineEvent] = []
        try:
            async with aclosing(engine.stream(call)) as events:
                async for event in events:
                    seen.append(event)
        except SeogoError as error:
            return seen, error
        return seen, None

    return asyncio.run(read())


def text_of(events: Sequence[EngineEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def sending(*parts: bytes, head: bool = True, then: float = 0.0) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        if head:
            await exchange.head()
        for part in parts:
            await exchange.raw(part)
        await asyncio.sleep(then)

    return behave


def dripping(piece: bytes, head: bool = True) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        if head:
            await exchange.head()
        while True:
            await exchange.raw(piece)
            await asyncio.sleep(0.01)

    return behave


async def typed_as_a_web_page(exchange: Exchange) -> None:
    await exchange.head(kind="text/html")
    await exchange.raw(b"<html>login</html>")


async def typed_as_json(exchange: Exchange) -> None:
    await exchange.head(kind="application/json")
    await exchange.raw(b'{"choices": [{"message": {"content": "x"}}]}')


async def compressed(exchange: Exchange) -> None:
    await exchange.head(Content_Encoding="gzip")
    await exchange.raw(b"\x1f\x8b")


async def huge_line(exchange: Exchange) -> None:
    await exchange.head()
    for _ in range(200):
        await exchange.raw(b"data: " + b"x" * 65_536)


async def refusing_without_end(exchange: Exchange) -> None:
    await exchange.head(500, "application/json")
    await asyncio.sleep(60)


LONG = 60.0
BEFORE: dict[str, tuple[Behaviour, type[SeogoError]]] = {
    "accepts and hangs up": (sending(head=False), ModelBroken),
    "hangs up behind the head": (sending(), ModelBroken),
    "never answers": (sending(head=False, then=LONG), ModelTimeout),
    "a head and no more": (sending(then=LONG), ModelTimeout),
    "half a head": (sending(b"HTTP/1.1 200 OK\r\nContent-", head=False, then=LONG), ModelTimeout),
    "keeps alive and says nothing": (dripping(b": ping\n\n"), ModelTimeout),
    "drips a line that does not end": (dripping(b"d"), ModelTimeout),
    "drips a head": (dripping(b"H", head=False), ModelTimeout),
    "no HTTP": (sending(b"SSH-2.0-OpenSSH_9.9\r\n\r\n", head=False), ModelBroken),
    "noise": (sending(b"data: \xff\xfe\x00garbage\n\n"), ModelBroken),
    "no JSON": (sending(b'data: {"choices": [\n\n'), ModelBroken),
    "JSON of another kind": (sending(b'data: {"tokens": 3}\n\n'), ModelBroken),
    "a number for a text": (sending(b'data: {"choices": [{"index": 0, "delta": {"content": 7}}]}\n\n'), ModelBroken),
    "deep nesting": (sending(b"data: " + b"[" * 100_000 + b"\n\n"), ModelBroken),
    "a line without end": (huge_line, ModelBroken),
    "a web page": (typed_as_a_web_page, ModelBroken),
    "an answer in one piece": (typed_as_json, ModelBroken),
    "compressed": (compressed, ModelBroken),
    "done without an answer": (sending(DONE), ModelBroken),
    "an error for an answer": (sending(b'data: {"error": {"message": "dead", "code": 500}}\n\n'), ModelBroken),
    "too long, told inside": (
        sending(b'data: {"error": {"message": "exceeds the available context size"}}\n\n'),
        PromptTooLong,
    ),
    "redirect": (refusing(302, "elsewhere", Location="http://192.0.2.1/"), ModelUnavailable),
    "wrong key": (refusing(401), ModelUnavailable),
    "wrong model": (refusing(404, "The model `m` does not exist."), ModelNotServed),
    "busy": (refusing(429), ModelBusy),
    "busy for long": (refusing(429, Retry_After="3600"), ModelBusy),
    "broken": (refusing(500), ModelUnavailable),
    "loading": (refusing(503, "Loading model"), ModelUnavailable),
    "a late gateway": (refusing(504), ModelTimeout),
    "too long (vLLM)": (refusing(400, "This model's maximum context length is 512 tokens. However"), PromptTooLong),
    "too long (SGLang)": (
        refusing(400, "The input (9 tokens) is longer than the model's context length"),
        PromptTooLong,
    ),
    "too long (llama.cpp)": (refusing(400, "the request exceeds the available context size (512)"), PromptTooLong),
    "too large": (refusing(413), PromptTooLong),
    "refused": (refusing(400, "top_k must be at least -1"), ModelRefused),
    "refused, quoting": (refusing(422, f"can't read: {SECRET}"), ModelRefused),
}


def checked(error: SeogoError | None, kind: type[SeogoError], stub_url: str, logged: str) -> None:
    assert type(error) is kind
    for language in ("ko", "en"):
        said = localized(error, language)
        assert "m" in said
        assert "…" not in said  # every placeholder is filled
        assert SECRET not in said
        assert stub_url not in said
    assert SECRET not in logged
    assert "850101" not in logged
    assert KEY not in logged
    assert logged or kind is PromptTooLong


@pytest.mark.parametrize(("behaviour", "kind"), BEFORE.values(), ids=BEFORE.keys())
def test_before_the_first_token(
    behaviour: Behaviour, kind: type[SeogoError], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, "rag")
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    with engine_server(behaviour) as stub:
        start = time.monotonic()
        limits = QUICK if kind is ModelTimeout else {}
        seen, error = outcome(opened(stub.url, key_file=tmp_path / "key", **limits))
        assert time.monotonic() - start < 5
        assert seen == []
        checked(error, kind, stub.url, caplog.text)
        assert stub.wait_for(lambda: all(one.over for one in stub.exchanges))
        assert stub.exchanges[0].headers["authorization"] == f"Bearer {KEY}"


TOKENS = [b'data: {"choices": [{"index": 0, "delta": {"content": "\xea\xb0\x80"}}]}\n\n'] * 3
AFTER: dict[str, tuple[Sequence[bytes], float, type[SeogoError]]] = {
    "hangs up": ((), 0, ModelBroken),
    "is silent": ((), LONG, ModelTimeout),
    "only keeps alive": ((b": ping\n\n",), LONG, ModelTimeout),
    "tells an error": ((b'data: {"error": {"message": "CUDA out of memory", "code": 500}}\n\n',), LONG, ModelBroken),
    "tells an error without data (Ollama)": ((b'{"error": "model runner stopped"}\n',), LONG, ModelBroken),
    "tells an error by its name (llama.cpp)": ((b'error: {"code": 500, "message": "slot"}\n\n',), LONG, ModelBroken),
    "gives up": ((b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]}\n\n',), LONG, ModelBroken),
    "talks nonsense": ((b"data: nonsense\n\n",), LONG, ModelBroken),
    "ends without a reason": ((DONE,), LONG, ModelBroken),
    "sends half a chunk": ((b'data: {"choices": [{"ind',), 0, ModelBroken),
}


@pytest.mark.parametrize(("more", "then", "kind"), AFTER.values(), ids=AFTER.keys())
def test_after_the_first_token_it_is_never_asked_again(
    more: Sequence[bytes], then: float, kind: type[SeogoError], caplog: pytest.LogCaptureFixture
) -> None:
    with engine_server(sending(*TOKENS, *more, then=then)) as stub:
        limits = {"silence_s": 0.4} if kind is ModelTimeout else {}
        seen, error = outcome(opened(stub.url, tries=5, **limits))
        assert text_of(seen) == "가가가"
        checked(error, kind, stub.url, caplog.text)
        assert len(stub.exchanges) == 1
        assert stub.wait_for(lambda: stub.exchanges[0].over)


def test_an_engine_that_is_down(caplog: pytest.LogCaptureFixture) -> None:
    start = time.monotonic()
    seen, error = outcome(opened(f"http://127.0.0.1:{unused_port()}", tries=3))
    assert time.monotonic() - start < 5
    assert seen == []
    checked(error, ModelUnavailable, "http", caplog.text)


def test_a_refusal_that_does_not_end_is_told_by_its_status() -> None:
    with engine_server(refusing_without_end) as stub:
        start = time.monotonic()
        _, error = outcome(opened(stub.url))
        assert type(error) is ModelUnavailable
        assert time.monotonic() - start < 10
        assert stub.wait_for(lambda: stub.exchanges[0].over)


def test_an_endless_answer_ends_when_its_time_is_up() -> None:
    with engine_server(dripping(TOKENS[0])) as stub:
        seen, error = outcome(opened(stub.url, total_s=1.5))
        assert len(text_of(seen)) > 3
        assert type(error) is ModelTimeout
        assert stub.wait_for(lambda: stub.exchanges[0].over)


def test_a_caller_s_deadline_is_kept_and_not_held_against_the_engine() -> None:
    with engine_server(sending(then=LONG)) as stub:
        engine = opened(stub.url)
        for _ in range(6):  # more than open a breaker
            start = time.monotonic()
            _, error = outcome(engine, EngineCall(CALL.messages, deadline=start + 0.1))
            assert type(error) is ModelTimeout
            assert time.monotonic() - start < 3
        stub.behaviour = saying("예")
        assert outcome(engine)[1] is None


def test_what_nobody_waits_for_has_times_of_its_own() -> None:
    async def slow(exchange: Exchange) -> None:
        await exchange.head()
        await asyncio.sleep(0.6)
        for _ in range(5):
            await exchange.raw(TOKENS[0])
            await asyncio.sleep(0.1)
        await exchange.raw(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n')

    times: dict[str, object] = {"first_token_s": 0.3, "total_s": 0.8, "queue_s": 0.1, "concurrency": 1}
    with engine_server(slow) as stub:
        assert type(outcome(opened(stub.url, **times))[1]) is ModelTimeout
        engine, call = opened(stub.url, **times), EngineCall(CALL.messages, patience=Patience(20, 20, 60))

        async def both() -> list[str]:
            async def one() -> str:
                async with aclosing(engine.stream(call)) as events:
                    return text_of([event async for event in events])

            return list(await asyncio.gather(one(), one()))

        assert asyncio.run(both()) == ["가" * 5, "가" * 5]
        longer = opened(stub.url, first_token_s=20)  # what the settings allow is never made less
        assert outcome(longer, EngineCall(CALL.messages, patience=Patience(0.1, 0.1, 0.1)))[1] is None


def test_an_answer_is_whole_once_its_reason_has_come() -> None:
    """Neither the count of tokens nor the closing line is needed."""
    end = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}\n\n'
    for behaviour in (sending(*TOKENS, end), sending(*TOKENS, end.rstrip()), sending(*TOKENS, end, then=LONG)):
        with engine_server(behaviour) as stub:
            seen, error = outcome(opened(stub.url))
            assert error is None
            assert text_of(seen) == "가가가"
            assert seen[-1] == Finished("length", replica=f"{stub.url}/v1")


def test_a_loop_that_vllm_stopped_is_not_a_good_end() -> None:
    end = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "repetition"}]}\n\n'
    with engine_server(sending(*TOKENS, end)) as stub:
        last = outcome(opened(stub.url))[0][-1]
        assert last == Finished("guard", None, "repetition", f"{stub.url}/v1")


def test_what_came_together_is_given_together() -> None:
    thought = b'data: {"choices": [{"index": 0, "delta": {"reasoning": "m"}}]}\n\n'
    end = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    with engine_server(sending(b"".join([thought, thought, *TOKENS, thought, *TOKENS, end]))) as stub:
        seen, _ = outcome(opened(stub.url))
        parts = [ReasoningDelta("mm"), TextDelta("가가가"), ReasoningDelta("m"), TextDelta("가가가")]
        assert seen == [*parts, Finished("stop", replica=f"{stub.url}/v1")]


def test_a_key_may_be_exchanged_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("first")
    key.chmod(0o600)
    with engine_server(saying("예")) as stub:
        engine = opened(stub.url, key_file=key, concurrency=1)
        assert outcome(engine)[1] is None
        key.write_text("second")
        assert outcome(engine)[1] is None
        assert [one.headers["authorization"] for one in stub.exchanges] == ["Bearer first", "Bearer second"]
        key.unlink()
        assert type(outcome(engine)[1]) is ConfigurationError
        key.write_text("third")
        key.chmod(0o600)
        assert outcome(engine)[1] is None  # its place was given back


def test_an_engine_that_does_not_speak_tls(caplog: pytest.LogCaptureFixture) -> None:
    with engine_server(saying("예")) as stub:
        seen, error = outcome(opened(stub.url.replace("http:", "https:")))
        assert seen == []
        checked(error, ModelUnavailable, stub.url, caplog.text)


def test_nothing_is_kept_of_event_loops_that_are_over() -> None:
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def read(engine: ChatEngine) -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        async with aclosing(engine.stream(CALL)) as events:
            assert [event async for event in events]

    with engine_server(saying("예")) as stub:
        engine = opened(stub.url)
        for _ in range(3):
            asyncio.run(read(engine))
        gc.collect()
        assert [loop() for loop in loops] == [None] * 3


def test_cookies_are_not_kept_and_redirects_not_followed() -> None:
    async def marking(exchange: Exchange) -> None:
        await exchange.head(Set_Cookie="a=b")
        await exchange.say("예")

    with engine_server(marking) as stub:
        engine = opened(stub.url)
        for _ in range(2):
            assert outcome(engine)[1] is None
        assert all("cookie" not in exchange.headers for exchange in stub.exchanges)


def test_proxies_and_keys_of_the_environment_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with engine_server(saying("예")) as stub:
        assert outcome(opened(stub.url))[1] is None
        assert KEY not in json.dumps(stub.exchanges[0].headers)
