"""A message that exists only inside another format, written out as Internet mail: so it can be a document of its own.

The same message always gives the same bytes: they decide whether a new version has changed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from email.header import Header
from urllib.parse import quote

from ingest.parsing.mail_letter import SHOWN_FIELDS, Letter

_IDS = (("Message-ID", "message_id"), ("In-Reply-To", "in_reply_to"))


def eml_bytes(letter: Letter, files: Sequence[tuple[str, bytes]]) -> bytes:
    """The letter with its bodies as alternatives and its files as attachments."""
    lines = [f"{name}: {_header(letter.fields[name])}" for name in SHOWN_FIELDS if letter.fields.get(name)]
    lines += [f"{name}: {getattr(letter, attribute)}" for name, attribute in _IDS if getattr(letter, attribute)]
    if letter.references:
        lines.append("References: " + "\r\n ".join(letter.references))
    parts = [_body(body.text, html=body.html) for body in letter.bodies]
    parts += [_file(name, content) for name, content in files]
    mark = hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]
    lines += ["MIME-Version: 1.0", f'Content-Type: multipart/mixed; boundary="part-{mark}"', "", ""]
    whole = b"".join(b"--part-%s\r\n%s\r\n" % (mark.encode(), part) for part in parts)
    return "\r\n".join(lines).encode("ascii", errors="replace") + whole + b"--part-%s--\r\n" % mark.encode()


def _header(value: str) -> str:
    return value if value.isascii() else Header(value, "utf-8").encode(linesep="\r\n")


def _body(text: str, *, html: bool) -> bytes:
    kind = "html" if html else "plain"
    return _encoded(f"Content-Type: text/{kind}; charset=utf-8", text.encode("utf-8", errors="replace"))


def _file(name: str, content: bytes) -> bytes:
    disposition = f"Content-Disposition: attachment; filename*=UTF-8''{quote(name, safe='')}"
    return _encoded(f"Content-Type: application/octet-stream\r\n{disposition}", content)


def _encoded(header: str, content: bytes) -> bytes:
    return f"{header}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode() + base64.encodebytes(content)
