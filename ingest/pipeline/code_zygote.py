"""The process that children of the code lane are forked from; `ingest.parsing.zygote` with other work.

`python -m ingest.pipeline.code_zygote FD RULES`: FD is the socket to the parent, RULES is `CutRules` as JSON. The input file of
a request is a batch (`code_batch.py`). A child writes an answer for each file as soon as it has it, so that whoever waits
knows, when it dies, at which file it did.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import traceback
from dataclasses import dataclass, field
from functools import partial

from ingest.parsing import child, frames
from ingest.parsing.zygote import Zygote, keep_shared, serve
from ingest.pipeline.code_batch import BatchFile, read_batch
from ingest.pipeline.code_cutting import CutRules, Cutter, Screening
from ingest.pipeline.code_wire import encode_cut, packed
from rag.domain.errors import ParseLimitExceeded, ParserCrashed, SeogoError
from rag.domain.language import CollectionKind
from rag.domain.personal_data import PrivacyPolicy

_DETAIL_CHARACTERS = 4000
_WARM_UP = (
    '"""Warm-up, 준비."""\n\n\nclass Payment:\n    def approve(self, amount: int) -> bool:\n        # 한도를 본다\n'
    "        return amount < 10\n"
).encode()
"""With Hangul: the Korean analyser takes two seconds to load, which every child with a Korean comment would take anew."""
_PLAIN_WARM_UP = b'def sign(name):\n    password = "hunter2xyz"\n    return name\n'
"""What plain texts are sieved by is made at the first of them."""


@dataclass
class CodeZygote(Zygote):
    """`Zygote` whose children cut batches of source files."""

    cutter: Cutter = field(kw_only=True)

    def work(self, job: child.Job, zygote: int) -> None:
        """See `Zygote.work`."""
        child.run_confined(job, zygote, lambda _reader: _cut_all(job, self.cutter))


def _cut_all(job: child.Job, cutter: Cutter) -> None:
    gc.disable()  # the process ends with its batch
    screening, files = read_batch(job.input)
    for file in files:
        frames.write_all(job.output, packed(_answer(file, cutter, screening)))


def _answer(file: BatchFile, cutter: Cutter, screening: Screening) -> bytes:
    """What was made of a file, or the error in its place."""
    name = file.source_key.rpartition("/")[2]
    try:
        return encode_cut(cutter.cut(file.content, file.source_key, screening))
    except MemoryError:
        raise  # the whole child is short of it: the file has another one to itself
    except SeogoError as error:
        return error_payload(error)
    except RecursionError:
        return error_payload(ParseLimitExceeded(name=name, resource="depth"))
    except Exception:
        return error_payload(ParserCrashed(name=name), traceback.format_exc()[-_DETAIL_CHARACTERS:])


def error_payload(error: SeogoError, detail: str = "") -> bytes:
    """An error in the place of an answer; `told_error` reads it. `detail` is for the log."""
    return json.dumps({"code": error.code, "params": error.params, "detail": detail}).encode()


def _made(rules: CutRules, control: socket.socket, network_namespace: bool) -> CodeZygote:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # threads don't survive a fork
    cutter = Cutter(rules)
    # Loads the tokenizer and grammars, which all children then share.
    for source in (_WARM_UP, _PLAIN_WARM_UP):
        cutter.cut(source, "seogo/warm_up.py", Screening(PrivacyPolicy(), CollectionKind.CODE))
    keep_shared()
    return CodeZygote(control, {}, network_namespace, cutter=cutter)


def main(arguments: list[str]) -> None:
    """Entry point of the process."""
    serve(int(arguments[0]), partial(_made, CutRules(**json.loads(arguments[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
