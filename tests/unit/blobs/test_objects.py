"""An object store over HTTP: what is said of one that is away, and how long that takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest
from starlette.requests import Request

from api.download import download
from rag.blobs import objects
from rag.blobs.objects import Reach, open_objects
from rag.blobs.store import BlobStore
from rag.domain.errors import BlobsUnavailable, ConfigurationError, OriginalMissing
from tests.support.object_store import ObjectStore, store_in_environment

GET = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    with store_in_environment(monkeypatch) as server:
        yield server


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where nobody listens."""
    with store_in_environment(monkeypatch):
        return "s3://blobs/prod"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent store is waited for no longer than a second and a half."""
    monkeypatch.setenv("AWS_READ_TIMEOUT", "1s")
    monkeypatch.setattr(objects, "_RETRY_S", {3: 0.5, 1: 0.5})


def written(blobs: BlobStore, content: bytes) -> str:
    writer = blobs.writer(1 << 30)
    writer.write(content)
    return writer.finish("a.md").content_hash


def test_originals_lie_in_a_store_over_plain_http_and_that_is_warned_of_once(
    store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        blobs = BlobStore("s3://blobs/prod")
        BlobStore("s3://blobs/prod")
    assert [
        record.message for record in caplog.records if store.url in record.message and "encrypted" in record.message
    ]
    assert len(caplog.records) == 1
    blobs.require_reachable()
    content_hash = written(blobs, b"text")
    assert store.objects == {f"blobs/prod/originals/{content_hash[:2]}/{content_hash}": b"text"}
    assert b"".join(blobs.stream(content_hash)) == b"text"
    assert list(blobs.original_hashes()) == [content_hash]


def test_what_the_environment_says_of_the_client_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://s3.example")
    monkeypatch.setenv("AWS_PROXY_URL", "http://proxy.example:3128")
    monkeypatch.setenv("AWS_READ_TIMEOUT", "90s")
    options = open_objects("s3://blobs/prod").client_options
    assert options["proxy_url"] == "http://proxy.example:3128"
    assert options["read_timeout"] == "90s"
    assert "allow_http" not in options
    assert open_objects("s3://blobs/prod", briefly=True).client_options["read_timeout"] == "2500ms"


def test_a_store_that_can_not_be_reached_is_said_to_be_away_by_every_call(nowhere: str) -> None:
    blobs = BlobStore(nowhere)
    with pytest.raises(BlobsUnavailable) as refused:
        blobs.require_reachable()
    assert "\n" not in str(refused.value.params["detail"])
    some = "0" * 64
    for call in (
        lambda: blobs.exists(some),
        lambda: list(blobs.stream(some)),
        lambda: list(blobs.original_hashes()),
        lambda: written(blobs, b"text"),
        lambda: blobs.put_original(b"text"),
        lambda: blobs.delete_original(some),
    ):
        with pytest.raises(BlobsUnavailable):
            call()


def test_a_bucket_that_is_not_there_is_away_and_no_missing_object(store: ObjectStore) -> None:
    store.gone = True
    blobs = BlobStore("s3://blobs/prod")
    with pytest.raises(BlobsUnavailable):
        blobs.require_reachable()
    with pytest.raises(BlobsUnavailable):
        blobs.put_original(b"text")
    with pytest.raises(BlobsUnavailable):
        written(blobs, b"text")


def test_a_silent_store_is_found_out_in_seconds_and_its_upload_given_up_at_once(store: ObjectStore) -> None:
    blobs = BlobStore("s3://blobs/prod")
    writer = blobs.writer(100)
    writer.write(b"text")
    store.speaking.clear()
    began = time.monotonic()
    with pytest.raises(BlobsUnavailable):
        blobs.require_reachable()
    writer.abort()
    assert time.monotonic() - began < 6


def test_a_silent_store_keeps_a_call_no_longer_than_the_client_waits(store: ObjectStore, impatient: None) -> None:
    blobs = BlobStore("s3://blobs/prod")
    store.speaking.clear()
    began = time.monotonic()
    with pytest.raises(BlobsUnavailable):
        blobs.exists("0" * 64)
    assert time.monotonic() - began < 3


def test_an_original_that_can_not_be_read_is_told_before_any_header(store: ObjectStore, impatient: None) -> None:
    blobs = BlobStore("s3://blobs/prod")
    content_hash = written(blobs, b"text")
    download(Request(GET), blobs, content_hash, 4, "a.md")
    with pytest.raises(OriginalMissing):
        download(Request(GET), blobs, "0" * 64, 4, "a.md")
    store.speaking.clear()
    with pytest.raises(BlobsUnavailable):
        download(Request(GET), blobs, content_hash, 4, "a.md")


def test_an_address_that_is_none_is_a_fault_of_the_settings() -> None:
    with pytest.raises(ConfigurationError):
        BlobStore("nonsense://x/y")


def test_a_store_is_looked_at_once_in_a_while_however_many_ask() -> None:
    now, looks, away = [100.0], [0], [False]

    def look() -> None:
        looks[0] += 1
        if away[0]:
            raise BlobsUnavailable(detail="connection refused")

    reach = Reach(look, lambda: now[0])
    for _ in range(10):
        reach.require()
    assert looks == [1]
    away[0] = True
    now[0] += 3.0
    for _ in range(10):
        with pytest.raises(BlobsUnavailable):
            reach.require()
    assert looks == [2]
    away[0] = False
    now[0] += 3.0
    reach.require()
