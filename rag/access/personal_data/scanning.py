"""Looking through the chunks of a document, and what is put on record about them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence

from rag.access.personal_data.detector import VERSION, Detector, detector_for
from rag.domain.document import Chunk, ElementKind
from rag.domain.findings import IN_TEXT, ChunkFindings, Finding
from rag.domain.language import CollectionKind
from rag.domain.personal_data import PersonalDataRecord, PrivacyPolicy, Release

_TAIL = 80
"""Characters of the chunks around that are read along: a number can go on there, and its label stand there."""


def scan_key(policy: PrivacyPolicy, kind: CollectionKind) -> str:
    """Tells whether a version was looked through as this policy wants it, and its points made accordingly."""
    told = [VERSION, kind.value, policy.to_json()]
    told[2] = {name: value for name, value in policy.to_json().items() if name != "raw_from"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def detector_of(policy: PrivacyPolicy, kind: CollectionKind) -> Detector:
    """The detector for a collection: with its patterns, and for programs where it holds some."""
    return detector_for(policy.patterns, code=kind is CollectionKind.CODE)


def scan(detector: Detector, chunks: Sequence[Chunk]) -> list[ChunkFindings]:
    """What stands in each of a document's chunks, in document order."""
    headings: dict[str, tuple[Finding, ...]] = {}  # the chunks of a section share them
    return [
        _scanned(detector, chunk, _before(chunks, place), _after(chunks, place), headings)
        for place, chunk in enumerate(chunks)
    ]


def scan_alone(detector: Detector, chunk: Chunk) -> ChunkFindings:
    """`scan` for a chunk whose neighbours are not at hand."""
    return _scanned(detector, chunk, _heading(chunk), "", {})


def record_of(found: Iterable[ChunkFindings], policy: PrivacyPolicy, release: Release | None) -> PersonalDataRecord:
    """What goes on record about a version: how often each kind occurs, and which the index does not get to see."""
    counts = Counter(kind for one in found for kind in one.kinds)
    return PersonalDataRecord(
        counts={kind: number for kind, number in counts.items() if policy.counts(kind)},
        hidden=tuple(sorted(kind for kind in counts if policy.hides(kind))),
        release=release,
    )


def _scanned(
    detector: Detector, chunk: Chunk, before: str, after: str, headings: dict[str, tuple[Finding, ...]]
) -> ChunkFindings:
    found = [(IN_TEXT, item) for item in _within(detector, before, chunk.text, after)]
    for place, heading in enumerate(chunk.heading_path):
        known = headings.get(heading)
        if known is None:
            known = headings[heading] = detector.find(heading)
        found += [(place, item) for item in known]
    return ChunkFindings(tuple(found))


def _within(detector: Detector, before: str, text: str, after: str) -> list[Finding]:
    """What stands in `text`, or reaches into it, in its own places."""
    start, end = len(before), len(before) + len(text)
    found = detector.find(before + text + after)
    return [
        Finding(max(0, item.start - start), min(len(text), item.end - start), item.kind)
        for item in found
        if item.start < end and item.end > start
    ]


def _before(chunks: Sequence[Chunk], place: int) -> str:
    """What is read along before a chunk: the end of the one before in its section, else its heading."""
    chunk = chunks[place]
    if place and chunk.kind is not ElementKind.TABLE and chunks[place - 1].heading_path == chunk.heading_path:
        return chunks[place - 1].text[-_TAIL:] + "\n"
    return _heading(chunk)


def _heading(chunk: Chunk) -> str:
    return chunk.heading_path[-1][-_TAIL:] + "\n" if chunk.heading_path else ""


def _after(chunks: Sequence[Chunk], place: int) -> str:
    later = chunks[place + 1 : place + 2]
    if not later or later[0].kind is ElementKind.TABLE or later[0].heading_path != chunks[place].heading_path:
        return ""
    return "\n" + later[0].text[:_TAIL]
