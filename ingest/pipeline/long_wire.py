"""`LongCut` as frames of JSON: how it leaves the child. Nothing is believed: ids are made by whoever reads this.

The first frame says how many chunks there are, what was found in each and whether the document is suspect; the others hold some
hundred chunks each, so that whoever stores them never has all of them as objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

import orjson

from ingest.parsing.wire import WireError, anchor_from_list, anchor_to_list
from ingest.pipeline.code_wire import count_of, findings_of, packed, text_of
from ingest.pipeline.long_cutting import LongCut
from rag.domain.document import Chunk, ElementKind, chunk_id
from rag.domain.findings import ChunkFindings
from rag.domain.language import Language
from rag.domain.provision import ProvisionMark
from rag.text.injection import InjectionScore, Sign

_CHUNKS = 64
"""In one frame."""
_WRONG = (KeyError, IndexError, TypeError, ValueError, RecursionError, OverflowError)


def encode_long(cut: LongCut) -> Iterator[bytes]:
    """The frames, in order."""
    head = {
        "chunks": len(cut.chunks),
        "found": [found.to_json() for found in cut.found],
        "suspect": [cut.suspect.value, [sign.value for sign in cut.suspect.signs]],
    }
    yield packed(orjson.dumps(head))
    for start in range(0, len(cut.chunks), _CHUNKS):
        yield packed(orjson.dumps([_chunk_to_list(chunk) for chunk in cut.chunks[start : start + _CHUNKS]]))


@dataclass(frozen=True, slots=True)
class CutApart:
    """What a child answered. Its chunks are read as often as they are asked for, some hundred at a time.

    Attributes:
        count: chunks, which are at least as many as `found` has entries.
    """

    count: int
    found: tuple[ChunkFindings, ...]
    suspect: InjectionScore
    _frames: Sequence[memoryview]

    def chunks(self, version_id: UUID, recipe: str) -> Iterator[Chunk]:
        """The chunks in document order, with their ids.

        Raises:
            WireError: whatever is wrong with one of them.
        """
        paths: dict[tuple[str, ...], tuple[str, ...]] = {}
        ordinal = 0
        for frame in self._frames:
            for item in _checked(frame):
                try:
                    chunk = _chunk_from_list(item, ordinal, chunk_id(version_id, recipe, ordinal), paths)
                    findings_of(self.found[ordinal].to_json(), chunk)
                except _WRONG as error:
                    raise WireError(f"not a chunk: {type(error).__name__}") from error
                yield chunk
                ordinal += 1
        if ordinal != self.count:
            raise WireError("chunks are missing")


def decode_long(payloads: Sequence[memoryview]) -> CutApart:
    """The inverse of `encode_long`, from the payloads of its frames; chunks are looked at when they are asked for.

    Raises:
        WireError: whatever is wrong with the first.
    """
    try:
        data = orjson.loads(payloads[0])
        score, signs = data["suspect"]
        found = tuple(map(ChunkFindings.from_json, data["found"]))
        count = count_of(data["chunks"])
        suspect = InjectionScore(min(1.0, max(0.0, float(score))), tuple(Sign(sign) for sign in signs))
        for kind in {item.kind for item in chain.from_iterable((f for _, f in one.found) for one in found)}:
            text_of(kind)
    except _WRONG as error:
        raise WireError(f"not a document that was cut: {type(error).__name__}") from error
    if len(found) != count:
        raise WireError("not findings for each chunk")
    return CutApart(count, found, suspect, payloads[1:])


def _checked(frame: memoryview) -> list[Any]:
    try:
        items = orjson.loads(frame)
    except ValueError as error:
        raise WireError("not JSON") from error
    if not isinstance(items, list) or len(items) > _CHUNKS:
        raise WireError("not a list of chunks")
    return items


def _chunk_to_list(chunk: Chunk) -> list[Any]:
    lines = [anchor_to_list(anchor) for anchor in chunk.line_anchors]
    place = [anchor_to_list(chunk.anchor), lines]
    kinds = [chunk.language.value, chunk.kind.value, chunk.tokens]
    marks = [[mark.start, mark.path] for mark in chunk.provisions]
    return [chunk.text, chunk.heading_path, *place, *kinds, marks, chunk.references]


def _chunk_from_list(item: Any, ordinal: int, identity: UUID, paths: dict[tuple[str, ...], tuple[str, ...]]) -> Chunk:
    text, headings, anchor, lines, language, kind, tokens, provisions, references = item
    path = tuple(map(text_of, headings))
    return Chunk(
        id=identity,
        ordinal=ordinal,
        text=text_of(text),
        anchor=anchor_from_list(anchor),
        heading_path=paths.setdefault(path, path),  # the chunks of a section share it
        language=Language(language),
        kind=ElementKind(kind),
        tokens=count_of(tokens),
        line_anchors=tuple(map(anchor_from_list, lines)),
        provisions=tuple(ProvisionMark(count_of(start), tuple(map(text_of, where))) for start, where in provisions),
        references=tuple(map(text_of, references)),
    )
