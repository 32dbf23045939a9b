"""A served chat model behind OpenAI-compatible addresses inside the network: vLLM, SGLang, llama.cpp, Ollama and others.

A try may be repeated, on another replica or the same, only while nothing of an answer has come, and only in the first seconds:
who asks is told what is wrong within five.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

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
from rag.generation.engine import ChatEngine, EngineCall, EngineEvent, Finished, Patience, ReasoningDelta, TextDelta
from rag.generation.openai_engine_chunks import REPETITION, ChunkReader, EngineSaid, NotAChunk
from rag.generation.openai_engine_dialects import DIALECTS
from rag.generation.openai_engine_reasoning import LeadingReasoning
from rag.generation.openai_engine_replicas import Place, Replica, Replicas
from rag.generation.openai_engine_request import RequestWriter, has_pictures
from rag.generation.openai_engine_waits import PROBE_S, Waits, on_loop
from rag.settings import ServedModel
from rag.transport.breaker import CircuitBreaker, Tolerance
from rag.transport.redaction import loggable
from rag.transport.server import checked_url
from rag.transport.streaming import Broken, EventStream, Garbled, Refused, StreamFailed, StreamingServer, Unreached

log = logging.getLogger(__name__)

_PATH = "/chat/completions"
_RETRY_WITHIN_S = 4.0
"""Tries begin, and connections are made, within this time of the call: an error reaches its reader within 5 s."""
_PAUSE_S = 0.2
"""Before a replica that failed this call is asked again; doubled each time, drawn between a half and the whole of it."""
_TIMEOUTS_IN_WINDOW = 10
"""The window of a breaker has room for so many first tokens that never came: with few users they come minutes apart."""
_AFTER_THE_END_S = 2.0
"""How long the count of tokens is waited for, once an answer has ended."""
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|size|window)|exceed_context_size|longer than the model|max_model_len|prompt is too long"
    r"|maximum (?:sequence|input) length",
    re.IGNORECASE,
)
"""How vLLM, SGLang, llama.cpp, Ollama and OpenAI say that a prompt is too long."""


class _Again(Exception):
    """This try failed in a way that another may not, on the same replica (`here`) or on another only."""

    def __init__(self, error: SeogoError, after_s: float | None, *, here: bool = True) -> None:
        super().__init__(str(error))
        self.error, self.after_s, self.here = error, after_s, here


class OpenAiEngine:
    """A `ChatEngine` over HTTP. One object serves any number of event loops."""

    def __init__(
        self,
        served: ServedModel,
        context_tokens: int,
        writer: RequestWriter,
        replicas: Replicas,
        jitter: Callable[[], float] = random.random,
        *,
        leads: frozenset[bool | None] = frozenset(),
    ) -> None:
        """`jitter` gives numbers from 0 to 1; `leads` as `open_engine` has it."""
        self._served, self._writer, self._replicas, self._jitter = served, writer, replicas, jitter
        self._leads = {replica: LeadingReasoning(leads) for replica in replicas.all}
        self._headers_s = served.headers_s or DIALECTS[served.engine].headers_s
        self.name = served.name
        self.context_tokens = context_tokens

    async def stream(self, call: EngineCall) -> AsyncGenerator[EngineEvent, None]:
        """The answer as it comes. Closing the generator, or cancelling the task, closes the connection, which stops the engine.

        Raises:
            ModelUnavailable, or one of its kinds: no replica can be reached, or the one that answers is silent or broken.
            PromptTooLong, ImagesNotTaken, ModelRefused: the engine does not take this request.
        """
        body = self._writer.body(call)
        start = time.monotonic()
        patience = self._patience_for(call)
        end = start + patience.total_s
        end = end if call.deadline is None else min(end, call.deadline)
        answer = await self._begun(call, body, start, end, patience)
        try:
            events: Sequence[EngineEvent] = answer.first
            while True:
                for event in events:
                    yield event
                if answer.ended:
                    break
                events = await answer.next()
            last = answer.finished()
            await answer.aclose()  # whoever keeps the last event waiting keeps no place on the engine
            yield last
        finally:
            if call.response_format is None:  # a grammar leaves no room for reasoning
                self._leads[answer.replica].learn(call.thinking, led=answer.reader.led, apart=answer.reader.apart)
            await answer.aclose()

    async def aclose(self) -> None:
        """Close the connections that this event loop has open."""
        for replica in self._replicas.all:
            await replica.server.aclose()

    def _patience_for(self, call: EngineCall) -> Patience:
        served = self._served
        first_token_s = served.first_token_s
        if call.unseen_since is not None:
            first_token_s = min(first_token_s, served.first_token_unseen_s)
        own = Patience(served.queue_s, first_token_s, served.total_s)
        return own if call.patience is None else own.at_least(call.patience)

    async def _begun(
        self, call: EngineCall, body: Mapping[str, Any], start: float, end: float, patience: Patience
    ) -> _Answer:
        """The answer of the first replica that gives one, its first events read."""
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        last_try = min(start + _RETRY_WITHIN_S, end)
        # A search may itself have waited for a model: its reader's 5 s began before that.
        headers_s = math.inf if has_pictures(call.messages) else self._headers_s
        headed = math.inf if call.unseen_since is None else call.unseen_since + headers_s
        waits = Waits(patience.first_token_s, end, last_try, headed, headers_s)
        avoided: set[Replica] = set()
        for number in range(1, self._served.tries + 1):
            place = await self._replicas.take(call.affinity, avoided, min(start + patience.queue_s, end))
            leads = self._leads[place.replica].expected(call.thinking)
            reader = ChunkReader(leads=leads, stops=bool(call.sampling.stop))
            answer = _Answer(self._served, self.context_tokens, self._replicas, place, body, waits, reader)
            others = min(self._replicas.left(avoided | {place.replica}), self._served.tries - number)
            try:
                # A first connection has all the time that the settings give it.
                await answer.begin(content, None if number == 1 else waits.connect_s(others), others=others)
                return answer
            except _Again as again:
                await answer.aclose()
                avoided.add(place.replica)
                await self._pause(again, number, avoided, last_try)
            except BaseException:
                await answer.aclose()
                raise
        raise AssertionError("unreachable: the last try returns or raises")

    async def _pause(self, again: _Again, number: int, avoided: set[Replica], last_try: float) -> None:
        """Wait before the next try, but for none where another replica is left; raises when there is to be no other try."""
        elsewhere = self._replicas.others(avoided)
        pause = 0.0
        if not elsewhere:
            avoided.clear()
            pause = max(_PAUSE_S * 2.0 ** (number - 1) * (0.5 + 0.5 * self._jitter()), again.after_s or 0.0)
        last = number >= self._served.tries or not (elsewhere or again.here)
        if last or time.monotonic() + pause >= last_try:
            raise again.error from again.__cause__
        if pause:
            await asyncio.sleep(pause)


class _Answer:
    """One try: a place on a replica, and the stream that it gives."""

    def __init__(
        self,
        served: ServedModel,
        context_tokens: int,
        replicas: Replicas,
        place: Place,
        body: Mapping[str, Any],
        waits: Waits,
        reader: ChunkReader,
    ) -> None:
        self._served, self._context_tokens, self._body = served, context_tokens, body
        self._replicas, self._place, self._waits = replicas, place, waits
        self.reader = reader
        self._stream: EventStream | None = None
        self._released = False
        self._broken: StreamFailed | SeogoError | None = None  # behind events that are still to be given
        self.first: list[EngineEvent] = []
        self.ended = False

    @property
    def replica(self) -> Replica:
        """Whose it is."""
        return self._place.replica

    async def begin(self, content: bytes, connect_s: float | None, *, others: int) -> None:
        """Ask, and read as far as the first events.

        Args:
            others: how many replicas can be asked after this one.

        Raises:
            _Again: nothing came, and another try may do better.
            SeogoError: nothing came, and none would.
        """
        elsewhere = self._replicas.others({self._place.replica})
        patience = self._waits.first_token_s
        if self._place.is_probe and others:
            patience = min(patience, PROBE_S)
        begun = time.monotonic()
        limit = begun + patience
        headers = asyncio.timeout(None)

        def connected() -> None:
            headers.reschedule(on_loop(self._waits.headed_by(time.monotonic(), others=others)))

        try:
            async with asyncio.timeout_at(on_loop(min(limit, self._waits.end))):
                async with headers:
                    self._stream = await self.replica.server.open(
                        content, self._body, connect_s=connect_s, connected=connected
                    )
                while not self.first and not self.ended:
                    self.first = await self._read(self._stream)
        except TimeoutError as error:
            self._late(error, begun, limit, elsewhere=elsewhere, headless=headers.expired())
        except StreamFailed as failure:
            self._no_answer(failure)
        self._place.began()

    def _late(self, error: TimeoutError, begun: float, limit: float, *, elsewhere: bool, headless: bool) -> NoReturn:
        """What a try comes to of which nothing came in time."""
        down, share, missed = False, 0.0, "no token in time"
        if headless:
            down, share, missed = True, self.replica.mute(begun), "no headers in time"
        elif time.monotonic() >= limit:
            waited, longest = self._waits.first_token_s, self._served.first_token_s
            down, share = self.replica.blamed(begun, min(1.0, waited / longest), elsewhere=elsewhere)
        late = self._failed(ModelTimeout, missed, down=down, share=share)
        if not down:
            raise late from error
        raise _Again(late, None, here=False) from error

    async def next(self) -> list[EngineEvent]:
        """The next events; none when the answer has ended.

        Raises:
            ModelTimeout: the engine is silent, or the time for the whole answer is up.
            ModelBroken: the answer broke off, or is none.
        """
        if self._stream is None:
            raise AssertionError("begun before it is read on")
        after_the_end = self.reader.reason is not None
        limit = time.monotonic() + (_AFTER_THE_END_S if after_the_end else self._served.silence_s)
        try:
            async with asyncio.timeout(max(0.0, min(limit, self._waits.end) - time.monotonic())):
                return await self._read(self._stream)
        except TimeoutError as error:
            if after_the_end:  # the answer is whole, only its count of tokens is missing
                self.ended = True
                return list(self.reader.finish())
            down = time.monotonic() >= limit
            raise self._failed(ModelTimeout, "silent in mid-answer", down=down) from error
        except StreamFailed as failure:
            raise self._failed(ModelBroken, str(failure)) from failure

    def finished(self) -> Finished:
        """The last event; the replica did well."""
        if self.reader.reason is None:
            raise AssertionError("an answer has ended for a reason")
        self._place.succeeded()
        guard = REPETITION if self.reader.reason == "guard" else ""
        return Finished(self.reader.reason, self.reader.usage, guard, self._place.replica.server.url)

    async def aclose(self) -> None:
        """Close the connection, if there is one, and give the place back. May be called twice."""
        try:
            if self._stream is not None:
                await self._stream.aclose()
        finally:
            if not self._released:
                self._released = True
                self._replicas.release(self._place)

    async def _read(self, stream: EventStream) -> list[EngineEvent]:
        """Events of the payloads that came together; what is wrong behind them is raised when they are through."""
        if self._broken is not None:
            raise self._broken
        events: list[EngineEvent] = []
        try:
            payloads = await stream.next()
            for payload in payloads:
                events.extend(self.reader.read(payload))
            if not payloads or self.reader.done:
                events.extend(self._at_the_end())
        except NotAChunk as error:
            self._broken = Garbled(str(error))
        except EngineSaid as said:
            self._broken = self._told_inside(said)
        except Broken as error:
            self._broken = error
        if self._broken is not None and not events:
            raise self._broken
        if events:
            self._place.replica.wrote()
        return _together(events)

    def _at_the_end(self) -> Iterator[EngineEvent]:
        if self.reader.reason is None:
            raise Broken("the stream ended without an end of the answer")
        self.ended = True
        yield from self.reader.finish()

    def _told_inside(self, said: EngineSaid) -> SeogoError:
        if _TOO_LONG.search(str(said)):
            return PromptTooLong(name=self._served.name, limit=self._context_tokens)
        return self._failed(ModelBroken, f"it says {loggable(said, self._body, None)}")

    def _no_answer(self, failure: StreamFailed) -> NoReturn:
        """What a try comes to that gave nothing."""
        name = self._served.name
        if isinstance(failure, Refused):
            if failure.status == 429:
                log.warning("engine %s of %s is busy", self._place.replica.server.url, name)
                raise _Again(ModelBusy(name=name), failure.after_s) from failure
            if failure.status in (400, 413, 422):
                raise self._refusal(failure) from failure
        error = self._failed(_kind_of(failure), str(failure), down=failure.down)
        after_s = failure.after_s if isinstance(failure, Refused) else None
        raise _Again(error, after_s, here=failure.again) from failure

    def _refusal(self, failure: Refused) -> SeogoError:
        name = self._served.name
        log.warning("engine %s of %s refused a request: %s", self._place.replica.server.url, name, failure)
        if failure.status == 413 or _TOO_LONG.search(failure.complaint):
            return PromptTooLong(name=name, limit=self._context_tokens)
        return ModelRefused(name=name, detail=failure.said)

    def _failed(
        self, kind: type[ModelUnavailable], reason: str, *, down: bool = True, share: float = 0.0
    ) -> ModelUnavailable:
        name = self._served.name
        log.warning("engine %s of %s: %s", self._place.replica.server.url, name, reason)
        if down:
            self._place.failed(lambda: kind(name=name), share)
        return kind(name=name)


def _together(events: Sequence[EngineEvent]) -> list[EngineEvent]:
    """Texts that came together as one: when there is more to do than time, everything after this has less to do."""
    joined: list[EngineEvent] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta):
            joined[-1] = TextDelta(last.text + event.text)
        elif isinstance(event, ReasoningDelta) and isinstance(last, ReasoningDelta):
            joined[-1] = ReasoningDelta(last.text + event.text)
        else:
            joined.append(event)
    return joined


def _kind_of(failure: StreamFailed) -> type[ModelUnavailable]:
    if isinstance(failure, Refused):
        return {404: ModelNotServed, 408: ModelTimeout, 504: ModelTimeout}.get(failure.status, ModelUnavailable)
    return ModelUnavailable if isinstance(failure, Unreached) else ModelBroken


def open_engine(
    served: ServedModel,
    *,
    context_tokens: int | None = None,
    vision: bool | None = None,
    switches: Sequence[str] = ("enable_thinking",),
    leads: frozenset[bool | None] = frozenset(),
    tolerance: Tolerance | None = None,
) -> ChatEngine:
    """The engine of a served model; no server is asked yet.

    Args:
        context_tokens, vision: what the catalogue says, where the settings are silent.
        switches: what the model's chat template calls the switch for reasoning.
        leads: values of `EngineCall.thinking` with which its content begins with reasoning, in tags if in any.
        tolerance: when a replica is passed over.

    Raises:
        ConfigurationError: an address is none, the key file can't be read, it is unknown how long a prompt may be, or adapters
            are named for an engine that can't choose them by name.
    """
    tokens = served.context_tokens or context_tokens
    if tokens is None:
        raise ConfigurationError(
            detail=f"context_tokens of the model {served.name} is missing",
            detail_ko=f"모델 {served.name}의 context_tokens가 없습니다",
        )
    dialect = DIALECTS[served.engine]
    if served.adapters and dialect.adapter is None:
        raise ConfigurationError(detail=f"adapters of {served.name}: {served.engine} does not choose them by name")
    writer = RequestWriter(
        served.name,
        served.served_as or served.name,
        dialect,
        adapters=served.adapters,
        vision=served.vision if served.vision is not None else bool(vision),
        switches=switches,
    )
    roots = list(dict.fromkeys(_root(served.name, url) for url in served.urls))
    if tolerance is None:
        tolerance = Tolerance(window_s=max(Tolerance().window_s, _TIMEOUTS_IN_WINDOW * served.first_token_s))
    replicas = [
        Replica(
            StreamingServer(served.name, root, _PATH, key_file=served.api_key_file, connect_s=served.connect_s),
            CircuitBreaker(tolerance, time.monotonic),
        )
        for root in roots
    ]
    return OpenAiEngine(served, tokens, writer, Replicas(served.name, replicas, served.concurrency), leads=leads)


def _root(name: str, url: str) -> str:
    root = checked_url(name, url)
    return root if root.count("/") > 2 else f"{root}/v1"
