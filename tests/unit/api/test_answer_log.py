"""An answer is put on record after its last byte, whatever the client does; ids of all surfaces name it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.requests import ClientDisconnect

from api.answer_log import RecordedStream, answer_id
from rag.access.policy import Action, Policy
from rag.answering.log import AnswerLog, Recording, Surface
from rag.domain.answer import Note
from rag.domain.errors import GenerationStopped, SeogoError
from rag.domain.principal import Principal, Scope
from rag.settings import AnswerLogSettings
from rag.store.session import Database
from tests.support.stores import add_collection, migrated


class Noting(AnswerLog):
    """Notes what had gone out when it was told to write."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Database(f"sqlite:///{folder / 'never.sqlite'}"), AnswerLogSettings())
        self.sent: list[dict[str, Any]] = []
        self.seen: list[int] = []
        self.closed: list[bool] = []

    def keep(self, recording: Recording) -> None:
        self.seen.append(len(self.sent))


async def body(source: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    async for item in source:
        yield item


async def writing(closed: list[bool]) -> AsyncGenerator[str, None]:
    try:
        yield "event: sentence\n\n"
        yield "event: done\n\n"
    finally:
        closed.append(True)


def recording(folder: Path) -> Recording:
    database = migrated(f"sqlite:///{folder / 'seogo.sqlite'}")
    row = add_collection(database)
    principal = Principal(uuid4(), "포털", row.tenant_id, frozenset({Scope.READ}))
    permit = Policy(database).authorize(principal, Action.ASK)
    database.close()
    return Recording(permit, "질문", Surface.NATIVE, "extractive/1")


def respond(log: Noting, folder: Path, spec: str, *, hangs_up_at: int | None = None) -> None:
    async def send(message: Any) -> None:
        if hangs_up_at is not None and len(log.sent) == hangs_up_at:
            raise OSError("gone")
        log.sent.append(message)

    async def receive() -> Any:
        await asyncio.sleep(60)

    scope = {"type": "http", "asgi": {"spec_version": spec}}

    async def run() -> None:
        source = writing(log.closed)
        texts = body(source)
        await RecordedStream(texts, source, log=log, recording=recording(folder))(scope, receive, send)

    asyncio.run(run())


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
def test_the_record_is_written_when_the_last_byte_is_out(tmp_path: Path, spec: str) -> None:
    log = Noting(tmp_path)
    respond(log, tmp_path, spec)
    assert log.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert log.seen == [len(log.sent)] == [4]
    headers = dict(log.sent[0]["headers"])
    assert headers[b"cache-control"] == b"no-cache" and UUID(headers[b"x-answer-id"].decode())


def test_a_client_that_hangs_up_after_the_last_event_costs_no_record(tmp_path: Path) -> None:
    log = Noting(tmp_path)
    with pytest.raises(ClientDisconnect):
        respond(log, tmp_path, "2.4", hangs_up_at=3)
    assert (log.seen, log.closed) == ([3], [True])


def test_a_client_that_hangs_up_in_the_middle_ends_what_writes(tmp_path: Path) -> None:
    log = Noting(tmp_path)
    with pytest.raises(ClientDisconnect):
        respond(log, tmp_path, "2.4", hangs_up_at=2)
    assert (log.seen, log.closed) == ([2], [True])


@pytest.mark.parametrize("form", ["{}", "chatcmpl-{}", "resp_{}"])
def test_ids_of_all_surfaces_name_the_answer(form: str) -> None:
    identity = uuid4()
    assert answer_id(form.format(identity)) == answer_id(form.format(identity.hex)) == identity


@pytest.mark.parametrize("given", ["", "resp_", "msg_" + "1" * 32, "1" * 31, "g" * 32, "resp_" + "1" * 33])
def test_other_ids_name_nothing(given: str) -> None:
    assert answer_id(given) is None


async def _events(*notes: Note, error: SeogoError | None) -> AsyncGenerator[Note, None]:
    for note in notes:
        yield note
    if error is not None:
        raise error


@pytest.mark.parametrize(
    ("notes", "error", "blocked"),
    [
        ((), None, []),
        ((Note("hidden", "3 characters"),), None, ["hidden"]),
        ((Note("hidden", "3 characters"),), GenerationStopped(name="m", guard="leak"), ["hidden", "leak"]),
        ((), GenerationStopped(name="m", guard="repetition"), []),
    ],
)
def test_what_was_kept_back_of_an_answer_is_known(
    tmp_path: Path, notes: tuple[Note, ...], error: SeogoError | None, blocked: list[str]
) -> None:
    kept = recording(tmp_path)

    async def listen() -> None:
        async for _ in kept.listening(_events(*notes, error=error)):
            pass

    try:
        asyncio.run(listen())
    except GenerationStopped as raised:
        assert raised is error
    assert kept.blocked == blocked
