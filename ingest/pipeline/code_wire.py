"""`CutFile` as JSON: how it leaves the child. No pickle, and nothing is believed: ids are made by whoever reads this.

Vectors are packed numbers in base64; a chunk's place is its lines, from 1.
"""

from __future__ import annotations

import binascii
from array import array
from base64 import b64decode, b64encode
from typing import Any

import orjson

from ingest.parsing.wire import WireError, outline_from_list, outline_to_list
from ingest.pipeline.code_cutting import NOBODY, CutFile
from rag.domain.anchor import Anchor, LineAnchor
from rag.domain.code import CodeContext
from rag.domain.document import Chunk, ElementKind
from rag.domain.findings import ChunkFindings
from rag.domain.language import Language
from rag.domain.personal_data import PersonalDataRecord
from rag.domain.vectors import SparseVector
from rag.text.injection import InjectionScore, Sign

_LENGTH_BYTES = 4
_MOST = 2**31


def packed(payload: bytes) -> bytes:
    """One answer on the pipe."""
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


def unpacked(data: bytearray) -> list[memoryview]:
    """The whole answers at the beginning of `data`; what is cut off at its end is left out."""
    view, found, at = memoryview(data), [], 0
    while at + _LENGTH_BYTES <= len(view):
        end = at + _LENGTH_BYTES + int.from_bytes(view[at : at + _LENGTH_BYTES], "big")
        if end > len(view):
            break
        found.append(view[at + _LENGTH_BYTES : end])
        at = end
    return found


def encode_cut(cut: CutFile) -> bytes:
    """UTF-8 JSON."""
    data = {
        "media_type": cut.media_type,
        "parser": cut.parser,
        "title": cut.title,
        "warnings": cut.warnings,
        "chunks": [_chunk_to_list(chunk) for chunk in cut.chunks],
        "sparse": [None if vector is None else _vector_to_list(vector) for vector in cut.sparse],
        "found": [found.to_json() for found in cut.found],
        "record": [dict(cut.record.counts), cut.record.hidden],
        "suspect": [cut.suspect.value, [sign.value for sign in cut.suspect.signs]],
        "outline": None if cut.outline is None else outline_to_list(cut.outline),
    }
    return orjson.dumps(data)


def decode_cut(data: dict[str, Any]) -> CutFile:
    """The inverse of `encode_cut`, from its JSON.

    Raises:
        WireError: whatever is wrong with it.
    """
    try:
        contexts = _Contexts()
        chunks = tuple([_chunk_from_list(place, item, contexts) for place, item in enumerate(data["chunks"])])
        counts, hidden = data["record"]
        score, signs = data["suspect"]
        cut = CutFile(
            media_type=text_of(data["media_type"]),
            parser=text_of(data["parser"]),
            title=text_of(data["title"]),
            warnings=tuple(text_of(item) for item in data["warnings"]),
            chunks=chunks,
            sparse=tuple(None if item is None else _vector_from_list(item) for item in data["sparse"]),
            found=tuple(findings_of(item, chunk) for item, chunk in zip(data["found"], chunks, strict=True)),
            record=PersonalDataRecord(
                {text_of(kind): count_of(number) for kind, number in counts.items()},
                tuple(text_of(kind) for kind in hidden),
            ),
            suspect=InjectionScore(min(1.0, max(0.0, float(score))), tuple(Sign(sign) for sign in signs)),
            outline=None if data["outline"] is None else outline_from_list(data["outline"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, RecursionError, OverflowError, binascii.Error) as error:
        raise WireError(f"not a file that was cut: {type(error).__name__}") from error
    if len(cut.sparse) != len(chunks):
        raise WireError("not a vector for each chunk")
    return cut


def _chunk_to_list(chunk: Chunk) -> list[Any]:
    lines = [_lines(anchor) for anchor in chunk.line_anchors]
    code = None if chunk.code is None else chunk.code.to_json()
    place = [*_lines(chunk.anchor), lines]
    return [chunk.text, chunk.heading_path, *place, chunk.language.value, chunk.kind.value, chunk.tokens, code]


def _lines(anchor: Anchor) -> tuple[int, int]:
    if not isinstance(anchor, LineAnchor):
        raise TypeError("source code has lines")
    return anchor.first, anchor.last


def _chunk_from_list(ordinal: int, item: Any, contexts: _Contexts) -> Chunk:
    text, headings, first, last, lines, language, kind, tokens, code = item
    return Chunk(
        id=NOBODY,
        ordinal=ordinal,
        text=text_of(text),
        anchor=LineAnchor(count_of(first), count_of(last)),
        heading_path=tuple(text_of(heading) for heading in headings),
        language=Language(language),
        kind=ElementKind(kind),
        tokens=count_of(tokens),
        line_anchors=tuple(LineAnchor(count_of(low), count_of(high)) for low, high in lines),
        code=None if code is None else contexts.of(code),
    )


class _Contexts:
    """The contexts of a file's chunks: all of them name its imports, which are looked at once."""

    def __init__(self) -> None:
        self._imports: list[Any] = []
        self._checked: tuple[str, ...] = ()

    def of(self, data: Any) -> CodeContext:
        """One of them, from its JSON."""
        if data["imports"] != self._imports:
            self._imports = data["imports"]
            self._checked = tuple(map(text_of, self._imports))
        return CodeContext(
            language=text_of(data["language"]),
            symbol=text_of(data["symbol"]),
            kind=text_of(data["kind"]),
            signature=text_of(data["signature"]),
            doc=text_of(data["doc"]),
            symbols=tuple(map(text_of, data["symbols"])),
            imports=self._checked,
        )


def _vector_to_list(vector: SparseVector) -> list[str]:
    numbers = array("I", vector.indices), array("f", vector.values)
    return [b64encode(item.tobytes()).decode() for item in numbers]


def _vector_from_list(item: Any) -> SparseVector:
    indices, values = tuple(memoryview(b64decode(item[0])).cast("I")), tuple(memoryview(b64decode(item[1])).cast("f"))
    # A number that is none would spoil the index. It hides from min and max, but not from the sum.
    if values and not (min(values) > 0.0 and max(values) < 1e6 and sum(values) > 0.0):
        raise ValueError("not a weight")
    return SparseVector(indices, values)


def findings_of(item: Any, chunk: Chunk) -> ChunkFindings:
    """What was found in a chunk, in places that it has.

    Raises:
        KeyError, TypeError, ValueError: something else.
    """
    found = ChunkFindings.from_json(item)
    texts = (chunk.text, *chunk.heading_path)
    for where, (start, end, kind) in found.found:
        if not -1 <= where < len(chunk.heading_path) or not 0 <= start <= end <= len(texts[where + 1]):
            raise ValueError("a finding outside of its text")
        text_of(kind)
    return found


def text_of(value: Any) -> str:
    """A string that can be stored; see `ingest.parsing.wire`."""
    if not isinstance(value, str) or "\0" in value:
        raise TypeError("not a text")
    if not value.isascii():
        value.encode()
    return value


def count_of(value: Any) -> int:
    """A number that can be stored."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        raise TypeError("not a count that a database takes")
    return value
