"""The words of a mail as their senders meant them: encoded headers, parameters, and bodies in whatever encoding.

The standard library decodes what follows the standards (RFC 2047, RFC 2231). Korean mail often does not: raw EUC-KR in headers,
a character split between two encoded words, a wrong charset or none. So headers and parameters are read here.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import quopri
import re
from urllib.parse import unquote_to_bytes

from ingest.parsing.characters import one_line
from ingest.parsing.charset import SAMPLE_BYTES, decode, detect_charset

_MAX_HEADER_CHARACTERS = 100_000
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_PARAMETER = re.compile(r";\s*([^=;\s\"]{1,100})\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^;]*)")
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*?)")
_ISO_2022_KR = b"\x1b$)C"
_KOREAN = frozenset(
    name
    for line in (
        "euc-kr euckr euc_kr ks_c_5601-1987 ks_c_5601-1989 ks_c_5601_1987 ks_c_5601 ksc5601 ksc_5601 ks_x_1001",
        "korean iso-ir-149 windows-949 x-windows-949 ms949 cp949 cp-949 949 uhc",
    )
    for name in line.split()
)
"""What Korean mail programs call CP949 or its subset EUC-KR."""
_VAGUE = frozenset({"ascii", "iso8859-1", "iso8859-15", "cp1252"})
"""What programs state without looking at the text."""
_NO_CHARSET = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "charmap"})


def codec_name(declared: str) -> str:
    """Python's name of a declared charset; empty when it is unknown or none for text."""
    name = declared.strip().strip("\"'").split("*")[0].lower()
    if name in _KOREAN:
        return "cp949"
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    return found.name if found._is_text_encoding and found.name not in _NO_CHARSET else ""


def body_text(data: bytes, declared: str) -> tuple[str, bool]:
    """The text, and whether characters had to be replaced. The charset is the declared one where the bytes bear it out."""
    codec = codec_name(declared)
    for attempt in _attempts(data, codec):
        try:
            return data.decode(attempt), False
        except (UnicodeError, ValueError):
            continue
    return decode(data, codec or detect_charset(data[:SAMPLE_BYTES]) or "utf-8")


def _attempts(data: bytes, codec: str) -> list[str]:
    """Charsets to try, the likeliest first."""
    if _ISO_2022_KR in data:
        return ["iso2022_kr", codec or "utf-8"]
    detected = detect_charset(data[:SAMPLE_BYTES]) or ""
    if codec in _VAGUE or not codec:
        order = [detected, codec]
    elif codec == "cp949" and detected == "utf-8" and re.search(b"[\xea-\xed][\x80-\xbf]{2}", data):
        order = ["utf-8", codec]  # three bytes of a Hangul syllable; CP949 has hardly a text that decodes so
    else:
        order = [codec, detected]
    return [name for name in order if name]


def header_text(raw: str) -> str:
    """A header's value as one line. `raw` is as `email` keeps it: bytes beyond ASCII as surrogates."""
    raw = raw[:_MAX_HEADER_CHARACTERS]
    parts: list[str] = []
    pending: list[tuple[str, bytes]] = []
    at = 0
    for found in _ENCODED_WORD.finditer(raw):
        between = raw[at : found.start()]
        if between.strip():
            parts += [_decoded(pending), _plain(between)]
            pending = []
        elif not pending:
            parts.append(between)
        pending.append((found[1], _word_bytes(found[2], found[3])))
        at = found.end()
    parts += [_decoded(pending), _plain(raw[at:])]
    return one_line("".join(parts))


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("ascii", errors="surrogateescape") if _is_ascii(text) else text.encode("utf-8", errors="replace")
    if encoding in "qQ":
        return quopri.decodestring(data, header=True)
    data = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    try:
        # One letter alone holds no byte; padding is often lost.
        return base64.b64decode(data[: len(data) - (len(data) % 4 == 1)] + b"=" * (-len(data) % 4))
    except binascii.Error:
        return b""


def _raw(text: str) -> bytes:
    """The bytes that `email` made this text of."""
    return text.encode("utf-8", errors="surrogateescape" if _is_ascii(text) else "replace")


def _is_ascii(text: str) -> bool:
    return all(character < "\x80" or "\udc80" <= character <= "\udcff" for character in text)


def _decoded(words: list[tuple[str, bytes]]) -> str:
    """Encoded words in a row. Those of one charset are joined first: a character may be split between two."""
    runs: list[tuple[str, bytes]] = []
    for charset, data in words:
        if runs and runs[-1][0].lower() == charset.lower():
            runs[-1] = (charset, runs[-1][1] + data)
        else:
            runs.append((charset, data))
    return "".join(body_text(data, charset)[0] for charset, data in runs)


def _plain(text: str) -> str:
    """Text outside of encoded words, which should be ASCII."""
    data = text.encode("utf-8", errors="surrogateescape") if _is_ascii(text) else b""
    if not data or (data.isascii() and _ISO_2022_KR not in data):
        return text
    return body_text(data, "")[0]


def parameters(raw: str) -> tuple[str, dict[str, str]]:
    """A structured header such as Content-Type: its value in lower case, and its parameters decoded (RFC 2231)."""
    raw = raw[:_MAX_HEADER_CHARACTERS]
    value = one_line(raw.split(";", 1)[0]).lower()
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for name, text in _PARAMETER.findall(raw):
        found = _SECTION.fullmatch(name.lower())
        if found:
            plain = re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') and len(text) > 1 else text.strip()
            sections.setdefault(found[1], {}).setdefault(int(found[2] or 0), (bool(found[3]), plain))
    return value, {name: _joined(list(dict(sorted(parts.items())).values())) for name, parts in sections.items()}


def _joined(parts: list[tuple[bool, str]]) -> str:
    encoded, first = parts[0]
    charset = ""
    if encoded and first.count("'") >= 2:
        charset, _, first = first.split("'", 2)
        parts = [(True, first), *parts[1:]]
    if not any(is_encoded for is_encoded, _ in parts):
        return header_text("".join(text for _, text in parts))
    data = b"".join(unquote_to_bytes(_raw(text)) if is_encoded else _raw(text) for is_encoded, text in parts)
    return one_line(body_text(data, charset)[0])
