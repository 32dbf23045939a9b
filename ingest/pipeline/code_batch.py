"""Source files on their way into a child, many together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from ingest.parsing import memory_file
from ingest.pipeline.code_cutting import Screening


@dataclass(frozen=True, slots=True)
class BatchFile:
    """One file: the key of its document, and what is in it."""

    source_key: str
    content: bytes = field(repr=False)


def written_batch(screening: Screening, files: Sequence[BatchFile]) -> AbstractContextManager[int]:
    """A descriptor of the batch; see `memory_file.written`."""
    head = {"screening": screening.to_json(), "files": [[file.source_key, len(file.content)] for file in files]}
    return memory_file.written("seogo-code", head, (file.content for file in files))


def read_batch(descriptor: int) -> tuple[Screening, list[BatchFile]]:
    """The inverse, in the child."""
    head, data = memory_file.read(descriptor)
    files = []
    at = 0
    for source_key, size in head["files"]:
        files.append(BatchFile(source_key, bytes(data[at : at + size])))
        at += size
    return Screening.from_json(head["screening"]), files
