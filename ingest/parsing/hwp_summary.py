"""What a Hangul document says about itself: the property set of HWP 5 ([MS-OLEPS]); `olefile` misreads its strings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingest.parsing.characters import one_line
from ingest.parsing.hwp5_records import u32
from rag.domain.document import DocumentMetadata

TITLE, SUBJECT, AUTHOR, KEYWORDS, LAST_AUTHOR, CREATED, SAVED = 2, 3, 4, 5, 8, 12, 13
"""Property ids (specification 5.0, 1.3, table 2), the same as in Office documents."""

_STRING, _TIME = 0x1F, 0x40
_MAX_PROPERTIES = 100
_MAX_CHARACTERS = 2_000
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_FIRST_HANGUL = datetime(1989, 1, 1, tzinfo=UTC)
"""Earlier times are what an empty field reads as."""


def read_summary(data: bytes) -> tuple[str, DocumentMetadata]:
    """Title and the rest; empty where the stream is missing or damaged, which costs no text."""
    texts: dict[int, str] = {}
    times: dict[int, str] = {}
    section = u32(data, 44)
    for index in range(min(u32(data, section + 4), _MAX_PROPERTIES)):
        identifier = u32(data, section + 8 + 8 * index)
        at = section + u32(data, section + 12 + 8 * index)
        kind = u32(data, at)
        if kind == _STRING:
            length = min(u32(data, at + 4), _MAX_CHARACTERS)
            text = data[at + 8 : at + 8 + 2 * length].decode("utf-16-le", errors="replace")
            texts[identifier] = one_line(text.split("\0")[0])
        elif kind == _TIME:
            times[identifier] = _time(u32(data, at + 4) | u32(data, at + 8) << 32)
    return texts.get(TITLE, ""), metadata(
        author=texts.get(AUTHOR, ""),
        created=times.get(CREATED, ""),
        modified=times.get(SAVED, ""),
        subject=texts.get(SUBJECT, ""),
        keywords=texts.get(KEYWORDS, ""),
        last_author=texts.get(LAST_AUTHOR, ""),
    )


def metadata(
    *, author: str, created: str, modified: str, subject: str = "", keywords: str = "", last_author: str = ""
) -> DocumentMetadata:
    """With the attributes that are not empty."""
    further = {"subject": subject, "keywords": keywords, "last_modified_by": last_author}
    return DocumentMetadata(author, created, modified, tuple((name, value) for name, value in further.items() if value))


def _time(ticks: int) -> str:
    """FILETIME, 100 ns since 1601, as ISO 8601; empty for a time before there was Hangul."""
    if not 0 < ticks < 1 << 60:
        return ""
    when = _EPOCH + timedelta(seconds=ticks // 10_000_000)
    return when.isoformat() if when >= _FIRST_HANGUL else ""
