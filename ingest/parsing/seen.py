"""The last look at what a parser made of a file, whichever parser it was: no text of it holds what nobody sees.

Parsers clean their texts by themselves (`characters.py`), by the same rule; what was taken out anywhere is counted and noted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from rag.domain.document import DocumentMetadata, Element, ParsedDocument
from rag.text.invisible import Unseen, counting, visible

UNSEEN_CHARACTERS = "unseen_characters"
"""Code of the warning; its detail is the count of each kind, such as `tag=40, zero_width=12`."""
_HARMLESS = frozenset({Unseen.SOFT_HYPHEN, Unseen.CONTROL})
"""Hyphenation and the dirt of old converters; noted only beside others."""


def as_seen(parse: Callable[[], ParsedDocument]) -> ParsedDocument:
    """What `parse` returns, without unseen characters in elements, title and metadata, and with the count of them noted.

    Lines stay lines, so line anchors stay right.
    """
    with counting() as taken:
        document = parse()
        found = replace(
            document,
            title=visible(document.title),
            elements=tuple(_element(item) for item in document.elements),
            metadata=_metadata(document.metadata),
        )
    noted = warning_of(taken)
    return replace(found, warnings=(*found.warnings, *noted)) if noted else found


def warning_of(taken: Mapping[Unseen, int]) -> tuple[str, ...]:
    """The warning for what was taken out; none where nothing could have been hidden with it."""
    if not any(count for kind, count in taken.items() if kind not in _HARMLESS):
        return ()
    counts = ", ".join(f"{kind.value}={count}" for kind, count in sorted(taken.items()) if count)
    return (f"{UNSEEN_CHARACTERS}:{counts}",)


def counted(warnings: tuple[str, ...] | list[str]) -> Counter[Unseen]:
    """What a document's warnings say was taken out of it."""
    found: Counter[Unseen] = Counter()
    for warning in warnings:
        code, _, detail = warning.partition(":")
        if code == UNSEEN_CHARACTERS:
            for item in detail.split(", "):
                kind, _, count = item.partition("=")
                if kind in set(Unseen) and count.isdigit():
                    found[Unseen(kind)] += int(count)
    return found


def _element(element: Element) -> Element:
    text = visible(element.text)
    return element if text == element.text else replace(element, text=text)


def _metadata(metadata: DocumentMetadata) -> DocumentMetadata:
    attributes = tuple((visible(name), visible(value)) for name, value in metadata.attributes)
    author = visible(metadata.author)
    if author == metadata.author and attributes == metadata.attributes:
        return metadata
    return replace(metadata, author=author, attributes=attributes)
