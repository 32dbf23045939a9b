"""What PPTX and ODP have in common: every slide begins with a heading, so that no chunk runs from one into the next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ingest.parsing.titles import document_title
from rag.domain.anchor import SlideAnchor
from rag.domain.document import Element, ElementKind
from rag.domain.messages import UiLanguage

HIDDEN_SLIDES = "hidden_slides"
"""Slides that are left out of the show; they were read."""

_HANGUL = re.compile("[가-힣]")
_NUMBERED = re.compile(r"(?:Slide|슬라이드) \d+")


def with_heading(elements: Iterable[Element], anchor: SlideAnchor) -> Iterator[Element]:
    """A slide's elements; one without a title is headed `슬라이드 3` or `Slide 3`, as programs call it in their lists."""
    found = list(elements)
    if found and all(element.kind is not ElementKind.HEADING for element in found):
        language: UiLanguage = "ko" if any(_HANGUL.search(element.text) for element in found) else "en"
        yield Element(ElementKind.HEADING, anchor.label(language).capitalize(), anchor, level=1)
    yield from found


def deck_title(metadata: str, elements: Sequence[Element]) -> str:
    """As `document_title`; the number of a slide is no title."""
    named = [e for e in elements if e.kind is not ElementKind.HEADING or not _NUMBERED.fullmatch(e.text)]
    return document_title(metadata, named, beside=True)
