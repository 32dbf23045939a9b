"""The process that the child which cuts a long document is forked from; `ingest.parsing.zygote` with other work.

`python -m ingest.pipeline.long_zygote FD RULES`: FD is the socket to the parent, RULES is `LongRules` as JSON. The input file of
a request is `written_long`. It serves one document: what it has loaded is worth hundreds of megabytes.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ingest.parsing import child, frames
from ingest.parsing.zygote import Zygote, withdraw
from ingest.pipeline.code_cutting import Screening
from ingest.pipeline.code_wire import packed
from ingest.pipeline.code_zygote import error_payload
from ingest.pipeline.long_cutting import LongCutter, LongRules
from ingest.pipeline.long_wire import encode_long
from rag.domain.errors import ParserCrashed
from rag.domain.language import Language

_LENGTH_BYTES = 4
_DETAIL_CHARACTERS = 4000


_TOLD_EVERY_S = 1.0


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


@contextmanager
def written_long(long: LongDocument, screening: Screening) -> Iterator[int]:
    """A descriptor of it, in memory; closed at the end of the block."""
    head = json.dumps({"source_key": long.source_key, "screening": screening.to_json()}).encode()
    descriptor = os.memfd_create("seogo-long", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as out:
            out.writelines((len(head).to_bytes(_LENGTH_BYTES, "big"), head, long.parsed))
        yield descriptor
    finally:
        os.close(descriptor)


def _read_long(descriptor: int) -> tuple[str, Screening, bytes]:
    with Path(f"/proc/self/fd/{descriptor}").open("rb") as source:
        head = json.loads(source.read(int.from_bytes(source.read(_LENGTH_BYTES), "big")))
        return head["source_key"], Screening.from_json(head["screening"]), source.read()


@dataclass
class LongZygote(Zygote):
    """`Zygote` whose child cuts a parse result."""

    cutter: LongCutter = field(default_factory=lambda: LongCutter(LongRules(dict.fromkeys(Language, 400))))

    def work(self, job: child.Job, zygote: int) -> None:
        """See `Zygote.work`."""
        child.run_confined(job, zygote, lambda _reader: _cut(job, self.cutter))


def _cut(job: child.Job, cutter: LongCutter) -> None:
    gc.disable()  # the process ends with its document
    source_key, screening, parsed = _read_long(job.input)
    try:
        made = cutter.cut(parsed, source_key, screening, _telling(job.output))
    except MemoryError:
        raise  # how the process ends tells what it took
    except Exception:
        detail = traceback.format_exc()[-_DETAIL_CHARACTERS:]
        frames.write_all(job.output, packed(error_payload(ParserCrashed(name=job.name), detail)))
        return
    for frame in encode_long(made):
        frames.write_all(job.output, frame)


def _telling(output: int) -> Callable[[], None]:
    """Lets whoever waits know that it goes on, now and then: where they would rather end it, they can."""
    told_at = time.monotonic()

    def tell() -> None:
        nonlocal told_at
        if time.monotonic() >= told_at + _TOLD_EVERY_S:
            told_at = time.monotonic()
            frames.write_all(output, frames.pack_pages(1, 1))

    return tell


def main(arguments: list[str]) -> None:
    """Entry point of the process."""
    descriptor, rules = int(arguments[0]), LongRules.from_json(json.loads(arguments[1]))
    network_namespace = withdraw()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # threads don't survive a fork
    cutter = LongCutter(rules)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=descriptor) as control:
        LongZygote(control, {}, network_namespace, cutter=cutter).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
