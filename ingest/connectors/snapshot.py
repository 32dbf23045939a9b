"""The snapshot connector: a web page that a client fetched becomes a document named by its address."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import SplitResult, unquote, urlsplit

from ingest.connectors.upload import Details, Received
from rag.blobs.store import BlobStore
from rag.domain.access import GivenRule
from rag.domain.errors import InvalidRequest
from rag.domain.filters import AttributeValue

_BOM = b"\xef\xbb\xbf"
_PORTS = {"http": 80, "https": 443}
_AHEAD = timedelta(days=1)
"""So far a client's clock may be ahead."""
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
        InvalidRequest: the address has no host, the page holds half a surrogate pair or is not fetched yet.
        PayloadTooLarge: the page passes the limit.
    """
    _require_past(fetched_at)
    name, address = clean(snapshot_key(url)), snapshot_address(url)
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
    return Received(name, writer.hold(name), details=Details(attributes, address, fetched_at, access))


def snapshot_address(url: str) -> str:
    """The address as it is kept and shown: without name and password of whoever fetched the page, and without what the same place
    is also written with: a host in capitals, the scheme's own port.

    Raises:
        InvalidRequest: the address has no host.
    """
    parts, host, port = _split(url)
    host = f"[{host}]" if ":" in host else host
    return parts._replace(netloc=_place(host, port)).geturl()


def snapshot_key(url: str) -> str:
    """The name of a page's document: host, path and query, without what does not tell pages apart.

    Raises:
        InvalidRequest: the address has no host.
    """
    parts, host, port = _split(url)
    path = unquote(parts.path).strip("/") or "index"
    name = f"{_place(host, port)}/{path}" + (f"?{unquote(parts.query)}" if parts.query else "")
    return name if _IS_HTML.search(name) else f"{name}.html"


def _split(url: str) -> tuple[SplitResult, str, int | None]:
    """The address, its host in small letters, and its port where that is not the scheme's own."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest(detail="url: not an address", detail_ko="url: 주소가 아닙니다") from error
    if not host:
        raise InvalidRequest(detail="url: no host", detail_ko="url: 호스트가 없습니다")
    return parts, host, None if port == _PORTS.get(parts.scheme) else port


def _place(host: str, port: int | None) -> str:
    return host if port is None else f"{host}:{port}"


def _require_past(fetched_at: datetime) -> None:
    if fetched_at > datetime.now(UTC) + _AHEAD:
        raise InvalidRequest(
            detail="fetched_at: lies more than a day in the future",
            detail_ko="fetched_at: 하루 넘게 앞선 시각입니다. 페이지를 가져온 시각이어야 합니다",
        )
