"""The storage of originals is away: what an upload is told before its body is read, what is cleaned up, what the doctor says."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from fastapi import Request

from api.cli import doctor
from api.uploading import receive
from ingest.jobs.intake import Intake
from rag.blobs.store import BlobRef, BlobStore, Held
from rag.domain.errors import BlobsUnavailable
from rag.settings import BlobSettings
from tests.support.object_store import store_in_environment
from tests.support.running import settings_for

HANGUL = re.compile("[가-힣]")


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> BlobStore:
    """A store at an address where nobody listens."""
    with store_in_environment(monkeypatch):
        return BlobStore("s3://blobs/prod")


def test_an_upload_is_refused_before_its_body_is_read(away: BlobStore) -> None:
    read: list[bytes] = []

    async def body() -> dict[str, Any]:
        read.append(b"x")
        return {"type": "http.request", "body": b"x", "more_body": True}

    ingest = SimpleNamespace(settings=SimpleNamespace(max_upload_mb=1), intake=None)
    caller: Any = SimpleNamespace(services=SimpleNamespace(ingest=ingest, rag=SimpleNamespace(blobs=away)))
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    request = Request(scope, cast(Callable[[], Awaitable[Any]], body))
    with pytest.raises(BlobsUnavailable):
        anyio.run(lambda: receive(request, caller, lambda now: cast(Any, None)))
    assert not read


def test_what_an_upload_left_there_does_not_stand_before_the_reason_that_it_failed(away: BlobStore) -> None:
    held = BlobRef("0" * 64, 1, Held("incoming/x", None))
    with pytest.raises(BlobsUnavailable):
        away.let_go(held)
    Intake(cast(Any, None), away, cast(Any, None)).discard([held])


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_doctor_says_that_the_storage_of_originals_is_away(
    away: BlobStore, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("SEOGO_LANG", language)
    settings = settings_for(tmp_path)
    [fine] = doctor._originals(settings)
    assert (fine.check, fine.status, fine.advice) == ("originals", "ok", "")
    moved = settings.rag.model_copy(update={"blobs": BlobSettings(url="s3://blobs/prod")})
    [found] = doctor._originals(settings.model_copy(update={"rag": moved}))
    assert (found.check, found.status) == ("originals", "error")
    assert "127.0.0.1" in found.detail and "AWS_ENDPOINT_URL" in found.advice
    assert bool(HANGUL.search(found.advice)) is (language == "ko")


def test_a_folder_that_is_not_there_any_more_is_away(tmp_path: Any) -> None:
    blobs = BlobStore((tmp_path / "blobs").as_uri())
    blobs.require_reachable()
    blobs = BlobStore((tmp_path / "blobs").as_uri())
    (tmp_path / "blobs").rmdir()
    with pytest.raises(BlobsUnavailable):
        blobs.require_reachable()
