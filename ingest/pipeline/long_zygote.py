"""The process that the child which cuts a long document is forked from; `ingest.parsing.zygote` with other work.

`python -m ingest.pipeline.long_zygote FD RULES`: FD is the socket to the parent, RULES is `LongRules` as JSON. The input file of
a request is a `LongDocument` (`long_document.py`). It serves one document: what it has loaded is worth hundreds of megabytes.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import threading
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ingest.parsing import child, frames
from ingest.parsing.zygote import Zygote, keep_shared, serve
from ingest.pipeline.code_wire import packed
from ingest.pipeline.code_zygote import error_payload
from ingest.pipeline.long_cutting import LongCutter, LongRules
from ingest.pipeline.long_document import read_long
from ingest.pipeline.long_wire import encode_long
from rag.domain.errors import ParseLimitExceeded, ParserCrashed
from rag.text.kiwi import limit_threads

_DETAIL_CHARACTERS = 4000
_TOLD_EVERY_S = 1.0
_KIWI_THREADS = 2
"""However many cores there are: their heaps count as address space, which is capped."""


@dataclass
class LongZygote(Zygote):
    """`Zygote` whose child cuts a parse result."""

    cutter: LongCutter = field(kw_only=True)

    def work(self, job: child.Job, zygote: int) -> None:
        """See `Zygote.work`."""
        child.run_confined(job, zygote, lambda _reader: _cut(job, self.cutter))


def _cut(job: child.Job, cutter: LongCutter) -> None:
    gc.disable()  # the process ends with its document
    telling = threading.Event()
    teller = threading.Thread(target=_tell, args=(job.output, telling), daemon=True)
    teller.start()
    try:
        payloads = _answer(job, cutter)
    finally:
        telling.set()
        teller.join()  # nothing may stand between the frames of the answer
    for payload in payloads:
        frames.write_all(job.output, packed(payload))


def _answer(job: child.Job, cutter: LongCutter) -> Iterable[bytes]:
    """The payloads of the answer, or of the error in its place."""
    try:
        return list(encode_long(cutter.cut(*read_long(job.input))))
    except MemoryError:
        return [error_payload(ParseLimitExceeded(name=job.name, resource="memory"))]
    except Exception:
        return [error_payload(ParserCrashed(name=job.name), traceback.format_exc()[-_DETAIL_CHARACTERS:])]


def _tell(output: int, end: threading.Event) -> None:
    """Let whoever waits know that it goes on, now and then: where they would rather end it, they can."""
    while not end.wait(_TOLD_EVERY_S):
        frames.write_all(output, frames.pack_pages(1, 1))


def _made(rules: LongRules, control: socket.socket, network_namespace: bool) -> LongZygote:
    with suppress(OSError):  # where memory runs out, this process is to go and not the service
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # threads don't survive a fork
    limit_threads(_KIWI_THREADS)
    cutter = LongCutter(rules)
    keep_shared()
    return LongZygote(control, {}, network_namespace, cutter=cutter)


def main(arguments: list[str]) -> None:
    """Entry point of the process."""
    serve(int(arguments[0]), partial(_made, LongRules.from_json(json.loads(arguments[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
