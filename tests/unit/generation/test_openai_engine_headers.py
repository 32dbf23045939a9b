"""How long the headers of a response are waited for: with other replicas, behind a connection, with pictures to read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from rag.domain.errors import ModelTimeout, ModelUnavailable
from tests.support.engine_server import saying
from tests.unit.generation.test_openai_engine_replicas import (
    CALL,
    after,
    answered_by,
    engines,
    headless,
    opened,
    unseen,
)

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@contextmanager
def unconnectable() -> Iterator[str]:
    """The address of a host that lets nobody in: its queue of connections is full, and it answers no more."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(listening.getsockname())
            time.sleep(0.05)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            for one in waiting:
                one.close()


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_with_the_settings_as_shipped_the_third_is_asked_where_two_hang(streamed: bool) -> None:
    with engines(headless, headless, saying("예")) as (other, hung, well):
        engine = opened(other.url, hung.url, well.url)
        start = time.monotonic()
        assert answered_by(engine, CALL if streamed else unseen()) == f"{well.url}/v1"
        assert time.monotonic() - start < 4.5
        assert [len(stub.exchanges) for stub in (other, hung, well)] == [1, 1, 1], "each of those that hang was asked"


def test_of_two_replicas_the_first_has_its_two_seconds() -> None:
    with engines(saying("예"), after(1.5, headed=False)) as (well, slow):
        assert answered_by(opened(well.url, slow.url)) == f"{slow.url}/v1"


def test_the_time_for_headers_begins_with_the_connection() -> None:
    with unconnectable() as url:
        start = time.monotonic()
        with pytest.raises(ModelUnavailable) as caught:
            answered_by(opened(url, headers_s=0.2, connect_s=0.8, tries=1), unseen())
        assert not isinstance(caught.value, ModelTimeout), "nobody was reached, so nobody was slow"
        assert 0.7 < time.monotonic() - start < 2.0


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_an_address_that_lets_nobody_in_costs_no_more_than_a_connection(streamed: bool) -> None:
    with unconnectable() as one, unconnectable() as other, engines(saying("예")) as (well,):
        start = time.monotonic()
        assert answered_by(opened(one, other, well.url), CALL if streamed else unseen()) == f"{well.url}/v1"
        assert time.monotonic() - start < 5.0


def test_pictures_are_read_before_the_headers_come() -> None:
    """vLLM renders them first, and has so long as the first token may take."""
    call = replace(unseen(), messages=[{"role": "user", "content": [{"type": "text", "text": "이건?"}, PICTURE]}])
    with engines(after(1.6, headed=False)) as (stub,):
        assert answered_by(opened(stub.url, headers_s=0.3, vision=True), call) == f"{stub.url}/v1"
    with engines(after(1.6, headed=False), after(1.6, headed=False)) as stubs:
        engine = opened(*(stub.url for stub in stubs), headers_s=0.3, vision=True)
        assert answered_by(engine, replace(call, unseen_since=None)).startswith("http")
        assert sum(len(stub.exchanges) for stub in stubs) == 1, "no other has to read them, too"
