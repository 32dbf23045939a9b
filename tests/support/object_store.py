"""An object store that speaks as much of S3 as obstore asks for: objects, listings by page and by folder. It can fall silent."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

import pytest

_STAMP = "2026-01-02T03:04:05.000Z"


class ObjectStore(ThreadingHTTPServer):
    """One server with any number of buckets.

    Attributes:
        objects: by `bucket/key`.
        page: objects and folders that one listing tells of at most.
        speaking: cleared, it takes requests and answers none.
        asked: how many requests it answered.
        gone: whether it has no bucket any more, so that it answers 404 to everything.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.page = 1000
        self.asked = 0
        self.gone = False
        self.speaking = threading.Event()
        self.speaking.set()

    @property
    def url(self) -> str:
        """Its address, without encryption."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """What S3's tools are told of it."""
        secret = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        return {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": "us-east-1", **secret}

    def listing(self, bucket: str, prefix: str, delimiter: str, after: str) -> str:
        """A page of ListObjectsV2."""
        found: dict[str, int | None] = {}
        keys = sorted(key.partition("/")[2] for key in self.objects if key.startswith(f"{bucket}/{prefix}"))
        for key in keys:
            below = key[len(prefix) :].find(delimiter) if delimiter else -1
            name = key if below < 0 else key[: len(prefix) + below + 1]
            if name > after and not (below >= 0 and after.startswith(name)):
                found[name] = len(self.objects[f"{bucket}/{key}"]) if below < 0 else None
        names = list(found)[: self.page]
        more = len(found) > len(names)
        parts = [f"<IsTruncated>{str(more).lower()}</IsTruncated>"]
        parts += [f"<NextContinuationToken>{escape(names[-1])}</NextContinuationToken>"] if more else []
        for name in names:
            size = found[name]
            parts.append(
                f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
                if size is None
                else f"<Contents><Key>{escape(name)}</Key><LastModified>{_STAMP}</LastModified>"
                f'<ETag>"{hashlib.sha256(self.objects[f"{bucket}/{name}"]).hexdigest()[:32]}"</ETag>'
                f"<Size>{size}</Size></Contents>"
            )
        return f"<ListBucketResult>{''.join(parts)}</ListBucketResult>"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ObjectStore

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(asked.query, keep_blank_values=True).items()}
        place = unquote(asked.path).lstrip("/")
        if "list-type" in query:
            after = query.get("continuation-token") or query.get("start-after", "")
            found = self.server.listing(place.rstrip("/"), query.get("prefix", ""), query.get("delimiter", ""), after)
            self._answer(200, found.encode())
            return
        content = self.server.objects.get(place)
        if content is None:
            self._answer(404)
            return
        given = self.headers.get("Range")
        if given is None or self.command == "HEAD":
            self._answer(200, content)
            return
        first, _, last = given.removeprefix("bytes=").partition("-")
        end = min(int(last) + 1 if last else len(content), len(content))
        self._answer(206, content[int(first) : end], f"bytes {first}-{end - 1}/{len(content)}")

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        source = self.headers.get("x-amz-copy-source")
        if source is not None:
            content = self.server.objects[unquote(source).lstrip("/")]
        self.server.objects[unquote(urlsplit(self.path).path).lstrip("/")] = content
        self._answer(200, b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>" if source is not None else b"")

    def do_DELETE(self) -> None:
        self.server.objects.pop(unquote(urlsplit(self.path).path).lstrip("/"), None)
        self._answer(204)

    def do_POST(self) -> None:
        """Several objects at once are removed."""
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        bucket = urlsplit(self.path).path.strip("/")
        keys = [unescape(key) for key in re.findall("<Key>(.*?)</Key>", asked)]
        for key in keys:
            self.server.objects.pop(f"{bucket}/{key}", None)
        gone = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())

    def _answer(self, status: int, content: bytes = b"", part: str = "") -> None:
        self.server.speaking.wait(60)
        self.server.asked += 1
        if self.server.gone:
            status, content = 404, b"<Error><Code>NoSuchBucket</Code></Error>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", formatdate(1_767_322_000, usegmt=True))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:32]}"')
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A store that runs for the length of the block."""
    server = ObjectStore()
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that goes away is no news
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.speaking.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def store_in_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A store that runs for the length of the block, and of which the environment tells until the test ends."""
    with object_store() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server
