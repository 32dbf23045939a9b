"""The snapshot connector: a web page that a client fetched becomes a document named by its address."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import unquote, urlsplit

from ingest.connectors.upload import Details, Received
from rag.blobs.store import BlobStore
from rag.domain.access import GivenRule
from rag.domain.errors import InvalidRequest
from rag.domain.filters import AttributeValue

_BOM = b"\xef\xbb\xbf"
_IS_HTML = re.compile(r"\.x?html?$", re.IGNORECASE)


def received_snapshot(
    blobs: BlobStore,
    url: str,
    html: str,
    fetched_at: datetime,
    *,
    limit: int,
    clean: Callable[[str], str],
    attributes: Mapping[str, AttributeValue] | None,
    access: GivenRule | None = None,
) -> Received:
    """Take a page in. Its text is UTF-8 here whatever it says inside, so it gets a byte order mark, which counts more.

    Raises:
        InvalidRequest: the address has no host, or the page holds half a surrogate pair.
        PayloadTooLarge: the page passes the limit.
    """
    name = clean(snapshot_key(url))
    try:
        data = _BOM + html.removeprefix("\ufeff").encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(detail="html: not valid Unicode", detail_ko="html: 올바른 유니코드가 아닙니다") from error
    writer = blobs.writer(limit)
    try:
        writer.write(data)
    except BaseException:
        writer.abort()
        raise
    return Received(name, writer.hold(name), details=Details(attributes, url, fetched_at, access))


def snapshot_key(url: str) -> str:
    """The name of a page's document: host, path and query, without what does not tell pages apart.

    Raises:
        InvalidRequest: the address has no host.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest(detail="url: not an address", detail_ko="url: 주소가 아닙니다") from error
    if not host:
        raise InvalidRequest(detail="url: no host", detail_ko="url: 호스트가 없습니다")
    place = host if port is None else f"{host}:{port}"
    path = unquote(parts.path).strip("/") or "index"
    name = f"{place}/{path}" + (f"?{unquote(parts.query)}" if parts.query else "")
    return name if _IS_HTML.search(name) else f"{name}.html"
