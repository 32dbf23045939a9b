"""`LongCut` as payloads of JSON: how it leaves the child. Nothing is believed: ids are made by whoever reads this.

The first says how many chunks there are and whether the document is suspect; the others hold some chunks each with what was found
in them, so that whoever stores them never has all of them as objects.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from ingest.parsing.wire import WireError, anchor_from_list, anchor_to_list
from ingest.pipeline.code_wire import count_of, findings_of, text_of
from ingest.pipeline.long_cutting import LongCut
from rag.domain.document import Chunk, ElementKind, chunk_id
from rag.domain.findings import ChunkFindings
from rag.domain.language import Language
from rag.domain.provision import ProvisionMark
from rag.text.injection import InjectionScore, Sign

_CHUNKS = 64
_PAYLOAD_BYTES = 1 << 18
"""Where a payload ends; one chunk alone may have more, as a table of short rows knows the cells of each."""
_MOST_BYTES = 16 << 20
"""Of one payload that is looked at: what JSON makes of it takes up to forty times as much."""
_WRONG = (KeyError, IndexError, TypeError, ValueError, RecursionError, OverflowError)


def encode_long(cut: LongCut) -> Iterator[bytes]:
    """The payloads, in order."""
    yield orjson.dumps({"chunks": len(cut.chunks), "suspect": [cut.suspect.value, cut.suspect.signs]})
    group: list[bytes] = []
    size = 0
    for chunk, found in zip(cut.chunks, cut.found, strict=True):
        item = orjson.dumps([*_chunk_to_list(chunk), found.to_json()])
        if group and (len(group) == _CHUNKS or size + len(item) > _PAYLOAD_BYTES):
            yield _listed(group)
            group, size = [], 0
        group.append(item)
        size += len(item)
    if group:
        yield _listed(group)


def _listed(items: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


@dataclass(frozen=True, slots=True)
class CutApart:
    """What a child answered. Its chunks are read as often as they are asked for, some at a time.

    Attributes:
        count: chunks.
        found: what stands in each.
    """

    count: int
    found: tuple[ChunkFindings, ...]
    suspect: InjectionScore
    _payloads: Sequence[memoryview]

    def chunks(self, version_id: UUID, recipe: str) -> Iterator[Chunk]:
        """The chunks in document order, with their ids.

        Raises:
            WireError: whatever is wrong with one of them.
        """
        paths: dict[tuple[str, ...], tuple[str, ...]] = {}
        ordinal = 0
        for payload in self._payloads:
            for *item, found in _items(payload):
                try:
                    chunk = _chunk_from_list(item, ordinal, chunk_id(version_id, recipe, ordinal), paths)
                    findings_of(found, chunk)
                except _WRONG as error:
                    raise WireError(f"not a chunk: {type(error).__name__}") from error
                yield chunk
                ordinal += 1


def decode_long(payloads: Sequence[memoryview], kinds: Collection[str]) -> CutApart:
    """The inverse of `encode_long`; chunks are looked at when they are asked for.

    Args:
        kinds: what may have been found.

    Raises:
        WireError: whatever is wrong with the first payload, with the number of chunks or with what was found in them.
    """
    try:
        data = _loaded(payloads[0])
        score, signs = data["suspect"]
        count = count_of(data["chunks"])
        suspect = InjectionScore(min(1.0, max(0.0, float(score))), tuple(map(Sign, dict.fromkeys(signs))))
        found = tuple(ChunkFindings.from_json(item[-1]) for payload in payloads[1:] for item in _items(payload))
        if any(finding.kind not in kinds for one in found for _, finding in one.found):
            raise ValueError("found what nobody looked for")
    except _WRONG as error:
        raise WireError(f"not a document that was cut: {type(error).__name__}") from error
    if len(found) != count:
        raise WireError("chunks are missing, or too many")
    return CutApart(count, found, suspect, payloads[1:])


def _items(payload: memoryview) -> list[Any]:
    items = _loaded(payload)
    if (
        not isinstance(items, list)
        or not 0 < len(items) <= _CHUNKS
        or not all(isinstance(i, list) and i for i in items)
    ):
        raise WireError("not a list of chunks")
    return items


def _loaded(payload: memoryview) -> Any:
    if len(payload) > _MOST_BYTES:
        raise WireError("larger than chunks are")
    return orjson.loads(payload)


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
