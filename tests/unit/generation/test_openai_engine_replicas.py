"""Tries, replicas, places and breakers of the engine behind HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import replace

import pytest

from rag.domain.errors import ModelBusy, ModelNotServed, ModelTimeout, ModelUnavailable, SeogoError
from rag.generation.engine import ChatEngine, EngineCall, EngineEvent, Finished, TextDelta
from rag.generation.openai_engine import open_engine
from rag.settings import ServedModel
from rag.transport.breaker import Tolerance
from tests.support.engine_server import (
    Behaviour,
    EngineServer,
    Exchange,
    engine_server,
    refusing,
    saying,
    unused_port,
)

CALL = EngineCall([{"role": "user", "content": "금리는?"}])
LONG = 60.0


def opened(*urls: str, tolerance: Tolerance | None = None, **more: object) -> ChatEngine:
    given = {"name": "m", "urls": urls, "context_tokens": 4096, **more}
    return open_engine(ServedModel.model_validate(given), tolerance=tolerance)


async def all_of(engine: ChatEngine, call: EngineCall = CALL) -> list[EngineEvent]:
    async with aclosing(engine.stream(call)) as events:
        return [event async for event in events]


def answered_by(engine: ChatEngine, call: EngineCall = CALL) -> str:
    last = asyncio.run(all_of(engine, call))[-1]
    assert isinstance(last, Finished)
    return last.replica


@contextmanager
def engines(*behaviours: Behaviour) -> Iterator[list[EngineServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(engine_server(behaviour)) for behaviour in behaviours]


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One behaviour per request, the last one again."""
    left = list(behaviours)

    async def behave(exchange: Exchange) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return behave


async def open_ended(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.delta(content="가")
    await asyncio.sleep(LONG)


async def hanging_up(exchange: Exchange) -> None:
    pass


@pytest.mark.parametrize(
    "first",
    [hanging_up, refusing(429), refusing(502), refusing(503), refusing(504), refusing(429, Retry_After="1")],
)
def test_it_is_asked_again_before_the_first_token(first: Behaviour) -> None:
    with engine_server(in_turn(first, saying("예"))) as stub:
        start = time.monotonic()
        assert asyncio.run(all_of(opened(stub.url)))[0] == TextDelta("예")
        assert len(stub.exchanges) == 2
        assert stub.bodies()[0] == stub.bodies()[1]
        assert time.monotonic() - start >= 0.1  # not at once


def test_retry_after_is_kept() -> None:
    with engine_server(in_turn(refusing(429, Retry_After="1"), saying("예"))) as stub:
        start = time.monotonic()
        asyncio.run(all_of(opened(stub.url)))
        assert time.monotonic() - start >= 1.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 501])
def test_what_asking_again_does_not_mend_is_asked_once(status: int) -> None:
    with engine_server(refusing(status)) as stub:
        with pytest.raises(SeogoError):
            asyncio.run(all_of(opened(stub.url)))
        assert len(stub.exchanges) == 1


def test_another_replica_takes_over_at_once() -> None:
    down = f"http://127.0.0.1:{unused_port()}"
    for bad in (refusing(500), refusing(404), refusing(503, Retry_After="3"), hanging_up):
        with engines(bad, saying("예")) as (broken, well):
            engine = opened(broken.url, down, well.url)
            for _ in range(4):
                assert answered_by(engine) == f"{well.url}/v1"


def test_a_request_that_is_at_fault_is_not_carried_to_every_replica() -> None:
    with engines(refusing(400), refusing(400)) as stubs:
        with pytest.raises(SeogoError):
            asyncio.run(all_of(opened(*(stub.url for stub in stubs))))
        assert sum(len(stub.exchanges) for stub in stubs) == 1


def test_the_idlest_replica_is_asked() -> None:
    with engines(open_ended, open_ended, open_ended) as stubs:

        async def nine(engine: ChatEngine) -> None:
            streams = [engine.stream(CALL) for _ in range(9)]
            for stream in streams:
                await anext(stream)
            for stream in streams:
                await stream.aclose()

        asyncio.run(nine(opened(*(stub.url for stub in stubs))))
        assert [len(stub.exchanges) for stub in stubs] == [3, 3, 3]


def test_the_same_beginning_goes_to_the_same_replica() -> None:
    with engines(saying("예"), saying("예"), saying("예")) as stubs:
        engine = opened(*(stub.url for stub in stubs))
        homes = {}
        for number in range(12):
            call = EngineCall(CALL.messages, affinity=f"대화 {number}")
            homes[number] = answered_by(engine, call)
            assert {answered_by(engine, call) for _ in range(2)} == {homes[number]}
        assert len(Counter(homes.values())) == 3  # and different ones spread

        shorter = opened(*(stub.url for stub in stubs[:2]))
        for number, home in homes.items():
            if home != f"{stubs[2].url}/v1":  # only what was on the third moves
                assert answered_by(shorter, EngineCall(CALL.messages, affinity=f"대화 {number}")) == home


def test_a_replica_with_clearly_more_to_do_loses_even_its_own() -> None:
    with engines(open_ended, open_ended) as stubs:
        call = EngineCall(CALL.messages, affinity="같은 머리말")

        async def twelve(engine: ChatEngine) -> None:
            streams = [engine.stream(call) for _ in range(12)]
            for stream in streams:
                await anext(stream)
            for stream in streams:
                await stream.aclose()

        asyncio.run(twelve(opened(*(stub.url for stub in stubs), concurrency=16)))
        counts = sorted(len(stub.exchanges) for stub in stubs)
        assert counts[0] >= 4
        assert counts[1] > counts[0]


def test_a_broken_replica_is_passed_over_and_comes_back_by_a_probe() -> None:
    rest = 0.6
    with engines(refusing(500), saying("예")) as (broken, well):
        engine = opened(broken.url, well.url, tolerance=Tolerance(failures=2, rest_s=rest))
        for _ in range(12):
            assert answered_by(engine) == f"{well.url}/v1"
        assert len(broken.exchanges) == 2
        broken.behaviour = saying("예")
        time.sleep(rest)
        assert {answered_by(engine) for _ in range(6)} == {f"{broken.url}/v1", f"{well.url}/v1"}


async def silent(exchange: Exchange) -> None:
    await exchange.head()
    await asyncio.sleep(LONG)


def test_a_replica_that_takes_calls_and_hangs_is_passed_over_after_the_first() -> None:
    with engines(silent, saying("예")) as (hung, well):
        engine = opened(hung.url, well.url, first_token_s=0.3)
        for _ in range(6):
            assert answered_by(engine) == f"{well.url}/v1"
        assert len(hung.exchanges) == 1


def test_while_others_are_there_a_probe_does_not_wait_long_for_its_first_token() -> None:
    with engines(in_turn(refusing(503), silent), saying("예")) as (hung, well):
        engine = opened(hung.url, well.url, tolerance=Tolerance(failures=1, rest_s=0.1))
        start = time.monotonic()
        while len(hung.exchanges) < 2:  # refused, then the probe
            assert answered_by(engine) == f"{well.url}/v1"
            time.sleep(0.05)
        assert time.monotonic() - start < 20  # not for the whole of `first_token_s`
        hung.behaviour = saying("예")
        time.sleep(0.2)
        assert f"{hung.url}/v1" in {answered_by(engine) for _ in range(4)}


def test_a_lone_replica_is_given_up_after_two_calls_in_a_row_that_hang() -> None:
    with engines(in_turn(silent, saying("예"), silent)) as (stub,):
        engine = opened(stub.url, first_token_s=0.3)
        for asked, error in enumerate((ModelTimeout, None, ModelTimeout, ModelTimeout), 1):
            if error is None:
                answered_by(engine)
            else:
                with pytest.raises(error):
                    answered_by(engine)
            assert len(stub.exchanges) == asked
        with pytest.raises(ModelTimeout):
            answered_by(engine)
        assert len(stub.exchanges) == 4


async def dripping(exchange: Exchange) -> None:
    await exchange.head()
    while True:
        await exchange.delta(content="가")
        await asyncio.sleep(0.02)


def test_a_replica_that_writes_for_others_does_not_hang() -> None:
    with engine_server(in_turn(dripping, silent, silent, saying("예"))) as stub:
        engine = opened(stub.url, first_token_s=0.4)

        async def check() -> None:
            async with aclosing(engine.stream(CALL)) as events:

                async def read() -> None:
                    async for _ in events:
                        pass

                await anext(events)
                reading = asyncio.create_task(read())
                for _ in range(2):  # as where a prompt is so long that it takes more than a minute to be read
                    with pytest.raises(ModelTimeout):
                        await all_of(engine)
                assert (await all_of(engine))[0] == TextDelta("예")
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading

        asyncio.run(check())


def test_where_the_others_are_passed_over_the_last_one_is_asked_again() -> None:
    with engines(refusing(500), saying("예")) as (broken, well):
        engine = opened(broken.url, well.url, tolerance=Tolerance(failures=2, rest_s=60))
        for _ in range(6):
            answered_by(engine)
        assert len(broken.exchanges) == 2
        well.behaviour = in_turn(refusing(503), saying("예"))
        assert answered_by(engine) == f"{well.url}/v1"
        assert len(broken.exchanges) == 2


def test_while_a_probe_runs_no_other_call_waits_for_it() -> None:
    rest = 0.3
    with engine_server(refusing(500)) as stub:
        engine = opened(stub.url, tries=1, tolerance=Tolerance(failures=1, rest_s=rest))

        async def probing() -> None:
            with pytest.raises(ModelUnavailable):
                await all_of(engine)
            with pytest.raises(ModelUnavailable):
                await all_of(engine)
            assert len(stub.exchanges) == 1  # the second was not sent
            await asyncio.sleep(rest)
            stub.behaviour = silent
            probe = asyncio.create_task(all_of(engine))
            await asyncio.to_thread(stub.wait_for, lambda: len(stub.exchanges) == 2)
            with pytest.raises(ModelUnavailable):
                await all_of(engine)
            probe.cancel()
            with pytest.raises(asyncio.CancelledError):
                await probe
            stub.behaviour = open_ended
            async with aclosing(engine.stream(CALL)) as events:
                await anext(events)
                # The first token of the probe is enough: others need not wait for its end.
                stub.behaviour = saying("예")
                assert (await all_of(engine))[0] == TextDelta("예")

        async def silent(exchange: Exchange) -> None:
            await asyncio.sleep(LONG)

        asyncio.run(probing())


def test_the_error_of_a_replica_that_is_passed_over_is_its_own() -> None:
    with engine_server(refusing(404)) as stub:
        engine = opened(stub.url, tolerance=Tolerance(failures=2))
        for _ in range(4):
            with pytest.raises(ModelNotServed):
                asyncio.run(all_of(engine))
        assert len(stub.exchanges) == 2


def test_who_finds_no_place_waits_and_is_then_told_that_it_is_busy() -> None:
    with engine_server(open_ended) as stub:
        engine = opened(stub.url, concurrency=2, queue_s=0.3)

        async def crowd() -> None:
            first, second = engine.stream(CALL), engine.stream(CALL)
            await anext(first)
            await anext(second)
            with pytest.raises(ModelBusy):
                await all_of(engine)
            assert len(stub.exchanges) == 2
            await first.aclose()
            third = engine.stream(CALL)
            assert await anext(third) == TextDelta("가")
            await second.aclose()
            await third.aclose()

        asyncio.run(crowd())


def test_places_go_to_those_who_wait_in_their_order() -> None:
    with engine_server(saying("예")) as stub:
        engine = opened(stub.url, concurrency=1, queue_s=30)

        async def crowd() -> list[int]:
            ended: list[int] = []

            async def one(number: int) -> None:
                await all_of(engine)
                ended.append(number)

            tasks = []
            for number in range(8):
                tasks.append(asyncio.create_task(one(number)))
                await asyncio.sleep(0)
            tasks[3].cancel()  # one who gives up costs nobody his place
            await asyncio.gather(*tasks, return_exceptions=True)
            return ended

        assert asyncio.run(crowd()) == [0, 1, 2, 4, 5, 6, 7]
        assert len(stub.exchanges) == 7


def test_a_place_offered_to_one_who_gives_up_is_not_lost() -> None:
    with engine_server(open_ended) as stub:
        engine = opened(stub.url, concurrency=1, queue_s=30)

        async def crowd() -> None:
            first = engine.stream(CALL)
            await anext(first)
            waiting = [asyncio.create_task(all_of(engine)) for _ in range(2)]
            await asyncio.sleep(0.05)
            stub.behaviour = saying("예")
            await first.aclose()  # offers its place to the first who waits, who is cancelled in the same moment
            waiting[0].cancel()
            assert (await asyncio.wait_for(waiting[1], 5))[0] == TextDelta("예")
            with pytest.raises(asyncio.CancelledError):
                await waiting[0]

        asyncio.run(crowd())


def test_places_are_shared_between_event_loops() -> None:
    with engine_server(open_ended) as stub:
        engine = opened(stub.url, concurrency=1, queue_s=10)

        async def elsewhere() -> None:
            stub.behaviour = saying("예")
            assert (await all_of(engine))[0] == TextDelta("예")

        async def here() -> None:
            first = engine.stream(CALL)
            await anext(first)
            other = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(elsewhere())))
            await asyncio.sleep(0.2)
            assert len(stub.exchanges) == 1  # it waits
            await first.aclose()
            await other

        asyncio.run(here())


def unseen(waited: float = 0.0) -> EngineCall:
    """The call of one who sees nothing before the answer is complete, and has `waited` for the search."""
    return replace(CALL, unseen_since=time.monotonic() - waited)


def test_who_sees_nothing_waits_less_and_closes_the_only_replica_to_nobody() -> None:
    with engines(silent) as (stub,):
        engine = opened(stub.url, first_token_s=30, first_token_unseen_s=0.2)
        for asked in range(1, 8):  # more than the failures that open a breaker
            with pytest.raises(ModelTimeout):
                answered_by(engine, unseen())
            assert len(stub.exchanges) == asked
        stub.behaviour = saying("예")
        assert answered_by(engine) == f"{stub.url}/v1"


def test_an_only_replica_that_nobody_hears_from_is_passed_over_after_five_waits_in_a_row() -> None:
    with engines(silent) as (stub,):
        engine = opened(stub.url, first_token_s=0.6, first_token_unseen_s=0.2)  # a third of it, as by default
        for asked in range(1, 6):
            with pytest.raises(ModelTimeout):
                answered_by(engine, unseen())
            assert len(stub.exchanges) == asked
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            answered_by(engine, unseen())
        assert len(stub.exchanges) == 5, "who asks now is told at once"
        assert time.monotonic() - start < 0.2


def test_waits_at_the_same_time_and_waits_beside_an_answer_are_none_in_a_row() -> None:
    async def at_once(engine: ChatEngine) -> None:
        failed = await asyncio.gather(*(all_of(engine, unseen()) for _ in range(12)), return_exceptions=True)
        assert [type(error) for error in failed] == [ModelTimeout] * 12

    with engines(silent) as (stub,):
        engine = opened(stub.url, first_token_s=0.6, first_token_unseen_s=0.2)
        for _ in range(3):
            asyncio.run(at_once(engine))
            with pytest.raises(ModelTimeout):
                answered_by(engine, unseen())
            stub.behaviour = saying("예")
            assert answered_by(engine, unseen()) == f"{stub.url}/v1"
            stub.behaviour = silent


def test_who_sees_nothing_waits_no_longer_than_others() -> None:
    with engines(silent) as (stub,):
        engine = opened(stub.url, first_token_s=0.2, first_token_unseen_s=30)
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            answered_by(engine, unseen())
        assert time.monotonic() - start < 20


def test_where_others_are_short_waits_that_were_in_vain_count_too() -> None:
    with engines(silent, saying("예")) as (hung, well):
        engine = opened(hung.url, well.url, first_token_s=1, first_token_unseen_s=0.3)
        for _ in range(12):
            assert answered_by(engine, unseen()) == f"{well.url}/v1"
        assert len(hung.exchanges) == 3  # 0.3 of what opens the breaker each, rounded up to two of five


async def headless(exchange: Exchange) -> None:
    await asyncio.sleep(LONG)


def after(seconds: float, *, headed: bool) -> Behaviour:
    """An engine that takes its time to the first token, its headers before that or with it."""

    async def behave(exchange: Exchange) -> None:
        if headed:
            await exchange.head()
        await asyncio.sleep(seconds)
        if not headed:
            await exchange.head()
        await exchange.say("예")

    return behave


def test_an_engine_of_which_not_even_headers_come_is_given_up_soon_by_who_sees_nothing() -> None:
    with engines(headless) as (stub,):
        engine = opened(stub.url)
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(ModelTimeout):
                answered_by(engine, unseen())
            assert time.monotonic() - start < 5.0, "with the settings as they are shipped, which are 3.5 s and 20 s"
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            answered_by(engine)
        assert time.monotonic() - start < 0.5, "who asks now is told at once"
        assert len(stub.exchanges) == 2


def test_headers_before_the_first_token_show_that_the_engine_is_at_work() -> None:
    with engines(after(1.0, headed=True)) as (stub,):
        assert answered_by(opened(stub.url, headers_s=0.3), unseen()) == f"{stub.url}/v1"


def test_engines_that_send_headers_with_the_first_token_have_the_time_for_that() -> None:
    kinds = ("sglang", "llamacpp", "ollama", "openai")
    with engines(*[after(4.5, headed=False)] * len(kinds)) as stubs:

        async def at_once() -> list[list[EngineEvent]]:
            asked = (opened(stub.url, engine=kind) for stub, kind in zip(stubs, kinds, strict=True))
            return await asyncio.gather(*(all_of(engine, unseen()) for engine in asked))

        ends = [events[-1] for events in asyncio.run(at_once())]
        assert [end.replica for end in ends if isinstance(end, Finished)] == [f"{stub.url}/v1" for stub in stubs]


def test_who_streams_from_the_only_replica_waits_for_headers_as_for_the_first_token() -> None:
    with engines(after(1.0, headed=False)) as (stub,):
        assert answered_by(opened(stub.url, headers_s=0.3)) == f"{stub.url}/v1"
    with engines(after(1.0, headed=False), after(1.0, headed=False)) as stubs:
        engine = opened(*(stub.url for stub in stubs), headers_s=0.3)
        assert answered_by(engine).startswith("http"), "the last that can be asked is waited for"
        assert [len(stub.exchanges) for stub in stubs] == [1, 1]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_replica_of_which_no_headers_come_gives_way_to_another(streamed: bool) -> None:
    with engines(headless, headless, saying("예")) as (hung, other, well):
        engine = opened(hung.url, other.url, well.url, headers_s=0.4)
        for _ in range(9):
            start = time.monotonic()
            assert answered_by(engine, CALL if streamed else unseen()) == f"{well.url}/v1"
            assert time.monotonic() - start < 3.0
        assert len(hung.exchanges) + len(other.exchanges) <= 10, "five failures close a replica"


@pytest.mark.parametrize(("waited", "least", "most"), [(2.0, 1.2, 3.0), (4.0, 0.9, 2.5)])
def test_a_search_that_waited_for_a_model_is_a_part_of_the_wait_for_headers(
    waited: float, least: float, most: float
) -> None:
    with engines(headless) as (stub,):
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            answered_by(opened(stub.url), unseen(waited))
        assert least < time.monotonic() - start < most
