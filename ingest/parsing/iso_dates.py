"""Dates as files claim them, in ISO 8601: HTML, mail headers, e-books and front matter each write them their own way."""

from __future__ import annotations

import re
from datetime import date, datetime
from email.utils import parsedate_to_datetime

_KOREAN = re.compile(r"(\d{4})\s*[년./-]\s*(\d{1,2})\s*[월./-]\s*(\d{1,2})\s*일?\.?$")
_YEAR_OR_MONTH = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?$")
_LONGEST = 64


def iso_date(text: str) -> str:
    """`text` in ISO 8601, with the offset where it has one; empty when it is no date that can be told."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return ""
    if _YEAR_OR_MONTH.match(text):
        return text
    try:
        return (date if len(text) == 10 else datetime).fromisoformat(text).isoformat()
    except ValueError:
        pass
    if found := _KOREAN.match(text):
        try:
            return date(int(found[1]), int(found[2]), int(found[3])).isoformat()
        except ValueError:
            return ""
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
