"""One document from several children of the sandbox, of which each read some of its pages: a long scan takes longer than one.

What the layout of a part has to know of those before it, `pdf_seam.py` hands on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingest.parsing.bounds import bounded
from ingest.parsing.page_numbers import joined_ranges
from rag.domain.document import ParsedDocument
from rag.domain.errors import NoTextFound

MOST_PARTS = 30
"""Of one document. A part of a scan has 50 pages or more (two lanes, two seconds a page, the usual 120 s)."""

_OF_PAGES = frozenset({"ocr", "ocr_doubtful", "ocr_out_of_time", "pages_without_text"})
"""Warnings whose detail is pages."""


def joined(parts: Sequence[ParsedDocument], name: str) -> ParsedDocument:
    """The document of these parts, in order. Title and metadata are those of the first that has a title.

    Raises:
        NoTextFound: no part has any text.
        ParseLimitExceeded: together they hold more than a document may.
    """
    if len(parts) == 1:
        return parts[0]
    elements = tuple(element for part in parts for element in part.elements)
    if not elements:
        raise NoTextFound(name=name)
    return bounded(
        replace(
            parts[0],
            title=next((part.title for part in parts if part.title), ""),
            elements=elements,
            warnings=tuple(sorted(_warnings(parts))),
            next_page=0,
            seam="",
        ),
        name,
    )


def _warnings(parts: Sequence[ParsedDocument]) -> set[str]:
    pages: dict[str, list[str]] = {}
    others: set[str] = set()
    for part in parts:
        for warning in part.warnings:
            code, _, detail = warning.partition(":")
            if code in _OF_PAGES:
                pages.setdefault(code, []).append(detail)
            else:
                others.add(warning)
    return others | {f"{code}:{joined_ranges(details)}" for code, details in pages.items()}
