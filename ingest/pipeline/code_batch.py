"""Source files on their way into a child: one file without a name, which holds a head in JSON and the contents behind it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ingest.pipeline.code_cutting import Screening

_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class BatchFile:
    """One file: the key of its document, and what is in it."""

    source_key: str
    content: bytes = field(repr=False)


@contextmanager
def written_batch(screening: Screening, files: Sequence[BatchFile]) -> Iterator[int]:
    """A descriptor of the batch, in memory; closed at the end of the block."""
    head = {"screening": screening.to_json(), "files": [[file.source_key, len(file.content)] for file in files]}
    data = json.dumps(head).encode()
    descriptor = os.memfd_create("seogo-code", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as out:
            out.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
            out.write(data)
            out.writelines(file.content for file in files)
        yield descriptor
    finally:
        os.close(descriptor)


def read_batch(descriptor: int) -> tuple[Screening, list[BatchFile]]:
    """The inverse, in the child."""
    data = memoryview(Path(f"/proc/self/fd/{descriptor}").read_bytes())
    at = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    head = json.loads(bytes(data[_LENGTH_BYTES:at]))
    files = []
    for source_key, size in head["files"]:
        files.append(BatchFile(source_key, bytes(data[at : at + size])))
        at += size
    return Screening.from_json(head["screening"]), files
