"""A parse result on its way into the child that cuts it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from ingest.parsing import memory_file
from ingest.pipeline.code_cutting import Screening


@dataclass(frozen=True, slots=True)
class LongDocument:
    """What is to be cut.

    Attributes:
        name: file name as uploaded, for messages only.
        source_key: key of its document.
        parsed: as `encode_document` writes it.
    """

    name: str
    source_key: str
    parsed: bytes = field(repr=False)


def written_long(long: LongDocument, screening: Screening) -> AbstractContextManager[int]:
    """A descriptor of it; see `memory_file.written`."""
    head = {"source_key": long.source_key, "screening": screening.to_json()}
    return memory_file.written("seogo-long", head, (long.parsed,))


def read_long(descriptor: int) -> tuple[bytes, str, Screening]:
    """The parse result, the key of its document and what its collection wants looked for, in the child."""
    head, parsed = memory_file.read(descriptor)
    return bytes(parsed), head["source_key"], Screening.from_json(head["screening"])
