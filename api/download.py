"""Sending a file that somebody uploaded: to be kept, never to be shown as a page of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.hardening.ranges import span
from api.watching import watched
from rag.blobs.store import BlobStore
from rag.domain.errors import OriginalMissing

MOST_RANGES = 100
"""`RequestShape` has refused what is more than the settings allow."""
CONTENT_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
"""Should a browser show it all the same: an opaque origin, no script, nothing loaded."""


def download(request: Request, blobs: BlobStore, content_hash: str, size: int, filename: str) -> StreamingResponse:
    """An original as an attachment, or the one range of its bytes that is asked for; its type is not told on purpose.

    Reads the beginning, so call it in a thread: once the headers are sent, nothing can be said of a store that is away.

    Raises:
        BlobsUnavailable: the storage of originals is away.
        OriginalMissing: it does not have this one.
        BlobTampered, KeyAtRestMissing: it can't be given out.
    """
    blobs.require_reachable()  # a store that says nothing would keep its reader ten times as long
    headers = {**file_headers(filename), "Accept-Ranges": "bytes", "ETag": f'"{content_hash}"'}
    wanted = _wanted(request, size, headers["ETag"])
    start, length = wanted or (0, size)
    headers["Content-Length"] = str(length)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return FileStream(
        _begun(blobs.stream(content_hash, start, length if wanted is not None else None), filename),
        status_code=200 if wanted is None else 206,
        media_type="application/octet-stream",
        headers=headers,
    )


def _begun(pieces: Iterator[bytes], filename: str) -> Iterator[bytes]:
    """The same pieces, the first of which is there."""
    try:
        first = next(pieces, b"")
    except FileNotFoundError:
        raise OriginalMissing(name=filename) from None
    return chain([first] if first else [], pieces)


class FileStream(StreamingResponse):
    """A file on its way, as long as its reader may have it: after that the connection is cut, so nobody takes it for whole."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        async with watched(scope, send, None) as sent:
            await super().__call__(scope, receive, sent)


def file_headers(filename: str) -> Mapping[str, str]:
    """What goes with every file that is sent."""
    return {
        "Content-Disposition": attachment(filename),
        "Content-Security-Policy": CONTENT_POLICY,
        "X-Content-Type-Options": "nosniff",
    }


def attachment(filename: str) -> str:
    """RFC 6266: the name as it is, and for old clients without what is not plain ASCII."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename)}"


def _wanted(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The range to send. One that is bound to another content by `If-Range` gets the whole (RFC 9110, 13.1.5)."""
    header = request.headers.get("range")
    if header is None or request.headers.get("if-range", etag) != etag:
        return None
    return span(header, size, MOST_RANGES)
