"""Receiving a multipart body into the blob store; on any error nothing of it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import anyio
from fastapi import Request

from api.deps import Caller
from api.watching import watched_over
from ingest.connectors.upload import DOCUMENT_FIELDS, DOCUMENT_FILES, Received, UploadReceiver
from ingest.parsing.members import decode_name
from ingest.pipeline.records import clean_source_key
from rag.domain.errors import PayloadTooLarge
from rag.domain.principal import Permit

_PIECE_BYTES = 1 << 18


class Reception(NamedTuple):
    """What came in.

    Attributes:
        permit: what the caller may do with it now: the body may have taken hours, in which a right can have ended.
        files: in order.
        fields: those that were wanted and sent, as text.
    """

    permit: Permit
    files: list[Received]
    fields: dict[str, str]


async def receive(
    request: Request,
    caller: Caller,
    permitted: Callable[[Caller], Permit],
    fields: tuple[bytes, ...] = DOCUMENT_FIELDS,
    file_field: bytes = DOCUMENT_FILES,
    *,
    others: bool = False,
) -> Reception:
    """Stream the body into the blob store: its files in order, and those of `fields` that it has.

    Args:
        permitted: the permit of the caller, which is asked for again once everything is there.
        file_field: name of the field that holds the files.
        others: whether fields of other names are passed over; else they are refused.

    Raises:
        BlobsUnavailable: the storage of originals is away.
        AccessEnded: the caller's access ended meanwhile; no more is taken from then on.
        InvalidRequest: the body is no such form, or has a field that is not known: then no more of it is read.
        NotAuthenticated, NotPermitted, CollectionNotFound: it may not do this any more.
    """
    ingest = caller.services.ingest
    limit = ingest.settings.max_upload_mb << 20
    if int(request.headers.get("content-length") or 0) > limit:
        raise PayloadTooLarge(limit_mb=ingest.settings.max_upload_mb)
    content_type = request.headers.get("content-type", "")
    receiver = UploadReceiver(
        caller.services.rag.blobs,
        content_type,
        limit,
        clean_source_key,
        fields,
        lambda raw: decode_name(raw, "utf-8"),
        file_field,
        others,
    )
    # Before the body: an upload to a store that is away would only be found out at its end.
    await anyio.to_thread.run_sync(caller.services.rag.blobs.require_reachable)
    try:
        await watched_over(request, _feed(receiver, request.stream(), limit, ingest.settings.max_upload_mb))
        files = receiver.finish()
        permit = await anyio.to_thread.run_sync(lambda: permitted(caller.anew(request)))
        return Reception(permit, files, receiver.fields())
    except BaseException:
        # Also when the client hangs up: the cancelled request must not leave blobs behind.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: ingest.intake.discard(receiver.abort()))
        raise


async def _feed(receiver: UploadReceiver, body: AsyncIterator[bytes], limit: int, limit_mb: int) -> None:
    pending, total = bytearray(), 0
    async for data in body:
        total += len(data)
        if total > limit:
            raise PayloadTooLarge(limit_mb=limit_mb)
        pending += data
        if len(pending) >= _PIECE_BYTES:
            await anyio.to_thread.run_sync(receiver.feed, bytes(pending))
            pending.clear()
    await anyio.to_thread.run_sync(receiver.feed, bytes(pending))
