"""What a forked child of the zygote does: give everything up, identify, parse, answer, exit."""

from __future__ import annotations

import gc
import os
import signal
import sys
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.parsing import confine, frames
from ingest.parsing.base import Identified, Parser, SourceFile
from ingest.parsing.bounds import bounded, characters_of, require_readable
from ingest.parsing.identify import identify
from ingest.parsing.landlock import restrict_files
from ingest.parsing.ocr import PageReader
from ingest.parsing.ocr_lanes import may_need_ocr, open_lanes
from ingest.parsing.registry import ParserEntry, best, candidates, second_reader
from ingest.parsing.seccomp import install_filter
from ingest.parsing.seen import as_seen
from ingest.parsing.wire import encode_result
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, ParseLimitExceeded, ParserCrashed, SeogoError

_DETAIL_CHARACTERS = 4000
_TEXT_BYTES = 8 << 20
"""Share of the output kept free for text; children get the rest. The text of the longest mail is a tenth of it."""

_CPU_SHARE = 0.5
"""Of the CPU time for looking at pages; the other half is for what is then made of them."""

_TEXT_SHARE = 0.2
"""An answer of which characters are this share of its bytes is text: Hangul is a third, short rows with anchors are a half."""

_NEAR_THE_LIMIT = 0.9
"""An error raised with this share of the address space once in use is taken for the lack of more."""


@dataclass(frozen=True, slots=True)
class Job:
    """One parse.

    Attributes:
        name: file name as uploaded, for messages only.
        input: descriptor of the file, open for reading.
        output: descriptor of the pipe that takes the frames: how far it is, then the answer.
        memory_bytes: address space on top of the zygote's own.
        wall_s: seconds that the parse has from now on.
        output_bytes: the most that all of them may have.
        first_child: number of the first file inside that is wanted.
        parser: key of the one parser to use, after another has failed; empty for the best one.
        only_identify: whether nothing is wanted but the media type.
        first_page: number of the first page that is wanted, from 1.
        may_stop: whether the pages that there is no time for may be left to another child.
        seam: what the child before said of them.
    """

    name: str
    input: int
    output: int
    memory_bytes: int
    cpu_s: int
    wall_s: float
    output_bytes: int
    first_child: int = 0
    parser: str = ""
    only_identify: bool = False
    first_page: int = 1
    may_stop: bool = False
    seam: str = ""


def run(job: Job, zygote: int, parsers: Mapping[str, ParserEntry], loaded: Mapping[str, Parser]) -> None:
    """Never returns. Must be called in a process that was just forked from the zygote."""
    run_confined(job, zygote, lambda reader: frames.write_all(job.output, answer(job, parsers, loaded, reader)))


def run_confined(job: Job, zygote: int, work: Callable[[PageReader | None], None]) -> None:
    """The same for any work on the file of `job`."""
    exit_status = 1
    try:
        work(_let_go(job, zygote))
        exit_status = 0
    except BrokenPipeError:
        pass  # the parent gave up on us
    finally:
        # Not sys.exit: destructors of half-parsed C structures are the parser's last chance to crash.
        os._exit(exit_status)


def _let_go(job: Job, zygote: int) -> PageReader | None:
    os.setsid()
    confine.die_with_parent(zygote)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    confine.close_other_descriptors({job.input, job.output})
    reader = None
    if not job.only_identify and may_need_ocr(job.input):
        reader = open_lanes(job.wall_s, {job.input, job.output}, lambda: _confine_lane(job))
    confine_process(job.input)
    confine.limit_resources(job.memory_bytes, job.cpu_s)
    return reader


def _confine_lane(job: Job) -> None:
    """As the parser is confined, but for starting programs; and there is no file to read."""
    if confine.forbid_new_privileges():
        restrict_files(readable_paths(), None)
        install_filter(programs=True)
    confine.limit_resources(job.memory_bytes, job.cpu_s)


def confine_process(input_descriptor: int) -> dict[str, bool]:
    """Apply the layers that need no privilege and say which held."""
    privileges = confine.forbid_new_privileges()
    return {
        "landlock": privileges and restrict_files(readable_paths(), input_descriptor),
        "seccomp": privileges and install_filter(),
    }


def readable_paths() -> list[Path]:
    """What a parser may read besides its input: the interpreter, the libraries, and Seogo's own packages."""
    root = Path(__file__).resolve().parents[2]
    libraries = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    system = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/mime.types", "/etc/localtime")
    devices = ("/dev/null", "/dev/urandom", "/proc/self", "/proc/cpuinfo", "/proc/meminfo")
    own = [root / "ingest", root / "rag", Path(sys.base_prefix)]
    return own + [Path(path) for path in (*libraries, *system, *devices)]


def answer(
    job: Job, parsers: Mapping[str, ParserEntry], loaded: Mapping[str, Parser], reader: PageReader | None = None
) -> bytes:
    """The frame to send: the document, an error, or the parsers that the zygote has to load first.

    A parser that failed, and has a second reader, asks for that one: it gets a child of its own, with all that a child
    may take, and says what the first one's error was.
    """
    try:
        return _parse(job, parsers, loaded, reader)
    except MemoryError:
        gc.collect()
        error: SeogoError = ParseLimitExceeded(name=job.name, resource="memory")
        return _error_frame(error)
    except SeogoError as error:
        return _error_frame(_short_of_memory(job) or error)
    except Exception:
        detail = traceback.format_exc()[-_DETAIL_CHARACTERS:]
        return _error_frame(_short_of_memory(job) or ParserCrashed(name=job.name), detail)


def _parse(
    job: Job, parsers: Mapping[str, ParserEntry], loaded: Mapping[str, Parser], reader: PageReader | None
) -> bytes:
    path = Path(f"/proc/self/fd/{job.input}")
    identified = identify(path, job.name)
    if job.only_identify:
        return frames.pack_json("M", {"media_type": identified.media_type})
    keys = (job.parser,) if job.parser else candidates(identified, job.name, parsers)
    missing = [key for key in keys if key not in loaded]
    if missing:
        return frames.pack_json("N", {"parsers": missing})
    parser = best(identified, job.name, {key: loaded[key] for key in keys})
    room = max(job.output_bytes // 2, job.output_bytes - _TEXT_BYTES)
    source = SourceFile(
        job.name,
        identified.media_type,
        identified.charset,
        reader,
        room,
        job.first_child,
        job.first_page,
        job.may_stop,
        job.cpu_s * _CPU_SHARE,
        lambda read, total: frames.write_all(job.output, frames.pack_pages(read, total)),
        job.seam,
    )
    try:
        parsed = as_seen(lambda: parser.parse(path, source))
        return _document_frame(job, bounded(parsed, job.name))
    except Exception as error:
        if (second := _to_read_again(job, identified, parsers, error)) is None:
            raise
        return second


def _document_frame(job: Job, document: ParsedDocument) -> bytes:
    """The frame of the document.

    Raises:
        TooMuchText: it is larger than the service takes, for its text.
    """
    frame = frames.pack("R", encode_result(document))
    characters = characters_of(document)
    if len(frame) > job.output_bytes and characters > len(frame) * _TEXT_SHARE:
        require_readable(characters, job.name, characters * job.output_bytes // len(frame))
    return frame


def _to_read_again(
    job: Job, identified: Identified, parsers: Mapping[str, ParserEntry], error: Exception
) -> bytes | None:
    """The request for the second reader; None where the error stands: limits, passwords, files without text."""
    key = "" if job.parser else second_reader(identified, parsers)
    foreseen = isinstance(error, SeogoError)
    if not key or isinstance(error, MemoryError) or (foreseen and not isinstance(error, FileDamaged)):
        return None
    if _short_of_memory(job):
        return None
    known = error if isinstance(error, SeogoError) else ParserCrashed(name=job.name)
    detail = "" if foreseen else traceback.format_exc()[-_DETAIL_CHARACTERS:]
    return frames.pack_json("N", {"parsers": [key], "after": _error_data(known, detail)})


def _short_of_memory(job: Job) -> SeogoError | None:
    """Libraries turn a failed allocation into errors of all kinds; how close the process came tells."""
    import resource

    ceiling, _ = resource.getrlimit(resource.RLIMIT_AS)
    if ceiling == resource.RLIM_INFINITY:
        return None
    spare = ceiling - confine.peak_address_space()
    short = spare < (1 - _NEAR_THE_LIMIT) * job.memory_bytes
    return ParseLimitExceeded(name=job.name, resource="memory") if short else None


def _error_frame(error: SeogoError, detail: str = "") -> bytes:
    return frames.pack_json("E", _error_data(error, detail))


def _error_data(error: SeogoError, detail: str) -> dict[str, Any]:
    return {"code": error.code, "params": error.params, "detail": detail}
