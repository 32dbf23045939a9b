"""Bodies made of many parts or long part headers are refused while they arrive, and leave nothing."""

from __future__ import annotations

import pytest

from ingest.connectors.upload import UploadReceiver
from rag.blobs.store import BlobStore
from rag.domain.errors import InvalidRequest

BOUNDARY = "b"
END = b"--b--\r\n"


def part(headers: bytes, content: bytes = b"x") -> bytes:
    return b"--b\r\n" + headers + b"\r\n" + content + b"\r\n"


def file(name: str, more: bytes = b"") -> bytes:
    disposition = f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n'
    return part(disposition.encode() + more)


def receive(body: bytes) -> int:
    """How many files were received."""
    blobs = BlobStore("memory:")
    receiver = UploadReceiver(blobs, "multipart/form-data; boundary=b", 1 << 20, str)
    try:
        for start in range(0, len(body), 1000):
            receiver.feed(body[start : start + 1000])
        return len(receiver.finish())
    except InvalidRequest:
        receiver.abort()
        raise


def test_usual_parts_pass() -> None:
    field = part(b'Content-Disposition: form-data; name="access"\r\n', b"")
    assert receive(file("가.txt", b"Content-Type: text/plain\r\nX-A: b\r\n") + field * 50 + END) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (part(b'Content-Disposition: form-data; name="access"\r\n') * 1200, "more than 1100 parts"),
        (b"".join(file(f"{number}.txt") for number in range(1001)), "more than 1000 files"),
        (file("a.txt", b"".join(b"X-%d: a\r\n" % number for number in range(20))), "multipart body"),
        (
            file("a.txt", b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(10))),
            "header too long|multipart body",
        ),
        (file("a.txt", b"X-Long: " + b"a" * 9000 + b"\r\n"), "header too long|multipart body"),
        (file("a.txt", b"X" * 9000 + b": a\r\n"), "header too long|multipart body"),
    ],
)
def test_too_many_parts_and_headers_are_refused(body: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        receive(body + END)
