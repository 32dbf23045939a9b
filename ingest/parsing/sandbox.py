"""Parsing in a disposable child process, from the service's side: send a file to the zygote, collect the answer.

```
service ── request + open file, result pipe, status pipe ──► zygote ── fork ──► child ── frames ──► result pipe
```
Whatever a file does to its parser, the service gets a `ParsedDocument` or a `SeogoError`: never a hang, a crash, or
more memory than the output cap. A child may say how far it is, and answers once; all of that counts as output. What it
writes is checked (`frames.py`), its answer is JSON (`wire.py`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ingest.parsing import frames
from ingest.parsing.converter import CONVERSIONS, CONVERTED, Converter
from ingest.parsing.media_types import BINARY
from ingest.parsing.outcome import Outcome, Told
from ingest.parsing.parts import MOST_PARTS, joined
from ingest.parsing.read_so_far import Listener, ReadSoFar
from ingest.parsing.slots import ParseSlots
from ingest.parsing.wire import WireError, decode_result
from ingest.parsing.zygote_client import ZygoteClient, ZygoteGone
from rag.domain.document import ParsedDocument
from rag.domain.errors import (
    ConfigurationError,
    ConverterMissing,
    EmptyFile,
    InputError,
    ParseLimitExceeded,
    ParserCrashed,
    SeogoError,
    all_error_types,
    error_type_of,
)
from rag.domain.messages import WARNINGS

_LOG = logging.getLogger(__name__)
_IMPORT_S = 120.0
_PARAM_CHARACTERS = 300
_MEMORY_SHARE = 0.75
"""A child that died without a word and had this share of its memory resident died of the lack of more."""

_IDENTIFY_CPU_S = 10
"""Of CPU time for saying what a file is: the directory of the largest ZIP that is let in takes less than one."""
_MEDIA_TYPE = re.compile(r"[!-~]{1,200}")
"""As long as the record has room for. Of a ZIP it may be what the file itself claims to be."""

_SEAM_BYTES = 48_000
"""Of what one child says for the next, as it stands in a message to the zygote, which takes 64 KiB."""

_ROUNDS = 3
"""For each reader: the first may ask for a parser to be loaded, one may meet a zygote that has just died."""


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one parse may take.

    Attributes:
        memory_bytes: address space on top of what the libraries themselves take.
        wall_s: seconds until the answer, importing a library the first time included.
        output_bytes: size of the answer.
    """

    memory_bytes: int = 1 << 30
    cpu_s: int = 60
    wall_s: float = 120.0
    output_bytes: int = 50 << 20


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a child asks for instead of answering.

    Attributes:
        parsers: to be loaded in the zygote.
        after: how the parser failed whose place they take; None where none has failed.
    """

    parsers: list[str]
    after: SeogoError | None = None


@dataclass(frozen=True, slots=True)
class _Wish:
    """Which part of a file one child is to read; `first_page` 0: none, all of it has been read."""

    first_child: int = 0
    first_page: int = 1
    may_stop: bool = True
    seam: str = ""

    def after(self, part: ParsedDocument, *, last: bool) -> _Wish:
        """What is left after a part of it. A child that nobody trusts can't ask for the same pages again."""
        going_on = self.may_stop and self.first_page < part.next_page <= part.pages
        seam = part.seam if len(json.dumps(part.seam)) <= _SEAM_BYTES else ""
        return _Wish(self.first_child, part.next_page if going_on else 0, may_stop=not last, seam=seam)

    def request(self) -> dict[str, Any]:
        """It in the words of the zygote, for the best parser."""
        pages = {"first_page": self.first_page, "may_stop": self.may_stop, "seam": self.seam}
        return {"op": "parse", "first_child": self.first_child, "load": [], "parser": "", **pages}


@dataclass(frozen=True, slots=True)
class _Turn:
    """One child's turn with an open file.

    Attributes:
        deadline: of `time.monotonic`.
        told: is called now and then with the pages that were read, and all that there are.
    """

    descriptor: int
    name: str
    deadline: float
    told: Told | None = None


class ParseSandbox:
    """Parses files in children of one zygote process, which starts at the first use. Thread-safe; `close` when done.

    Args:
        concurrency: children at once; more calls wait. One more runs, so that neither urgent calls nor the others hold them all.
        registry: module whose `PARSERS` the zygote imports. A constant of the program, never a setting.
        converter: reads the old Office formats; None where there is none.
    """

    def __init__(
        self,
        limits: ParseLimits | None = None,
        *,
        concurrency: int = 2,
        registry: str = "ingest.parsing.registry",
        converter: Converter | None = None,
    ) -> None:
        self._converter = converter
        self._limits = limits or ParseLimits()
        self._registry = registry
        self._slots = ParseSlots(concurrency)
        self._lock = threading.Lock()
        self._client: ZygoteClient | None = None
        self._closed = False

    def identify(self, path: Path, name: str, *, urgent: bool = False) -> str:
        """The media type of the file at `path`, which was uploaded as `name`.

        Raises:
            EmptyFile, FileEncrypted, FileDamaged, UnsupportedFormat, ParseLimitExceeded, ParserCrashed, ConfigurationError:
                as of `parse`; that no parser reads such a file is not among them.
        """
        cpu_s = min(_IDENTIFY_CPU_S, self._limits.cpu_s)
        request = {"op": "identify", "first_child": 0, "load": [], "parser": "", "cpu_s": cpu_s}
        with path.open("rb") as file, self._slots.held(urgent=urgent):
            if os.fstat(file.fileno()).st_size == 0:
                raise EmptyFile(name=name)
            found = self._rounds(self._turn(file.fileno(), name), request)
        if isinstance(found, str):
            return found
        raise ParserCrashed(name=name)

    def parse(
        self,
        path: Path,
        name: str,
        first_child: int = 0,
        *,
        urgent: bool = False,
        told: Callable[[ReadSoFar], None] | None = None,
    ) -> ParsedDocument:
        """Identify the file at `path`, which was uploaded as `name`, and parse it.

        Files inside it come with the result from number `first_child` on, as many as the output cap has room for. Pages for which
        one child has no time are read by further ones, each with all the time that a child has.

        Args:
            urgent: somebody waits for it; such a call does not wait for those that nobody waits for.
            told: is called now and then while the pages of a file are read, and between two parts of a long one; what it raises
                ends the work.

        Raises:
            EmptyFile, UnsupportedFormat, FileEncrypted, FileDamaged, NoTextFound: what is wrong with the file.
            ParseLimitExceeded: more than its share of `resource`: CPU time, time, memory, output, unpacked size.
            ConverterMissing: the format needs LibreOffice, and there is none.
            ParserCrashed: the child died, or its parser failed in a way nobody foresaw; the log has the details.
            ConfigurationError: children can't be kept off the network here, or a parser's library is missing.
        """
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise EmptyFile(name=name)
            wanted = _Wish(first_child)
            parts: list[ParsedDocument] = []
            listener = Listener(told)
            while wanted.first_page:
                with self._slots.held(urgent=urgent), listener.at_work():  # between two parts, others have their turn
                    parts.append(self._parse_part(self._turn(file.fileno(), name, listener.has_read), wanted))
                wanted = wanted.after(parts[-1], last=len(parts) + 1 >= MOST_PARTS)
                if wanted.first_page:
                    listener.has_read(wanted.first_page - 1, parts[0].pages)
        return joined(parts, name)

    def _turn(self, descriptor: int, name: str, told: Told | None = None) -> _Turn:
        """That begins now."""
        return _Turn(descriptor, name, time.monotonic() + self._limits.wall_s, told)

    def _parse_part(self, turn: _Turn, wanted: _Wish) -> ParsedDocument:
        try:
            return self._parse(turn, wanted)
        except ConverterMissing as missing:
            if self._converter is None:
                raise
            return self._parse_converted(self._converter, turn, missing)

    def _parse_converted(self, converter: Converter, turn: _Turn, missing: ConverterMissing) -> ParsedDocument:
        """Parse what LibreOffice makes of the file. What the child said of it is checked: it has read the file."""
        media_type = str(missing.params.get("media_type", ""))
        if media_type not in CONVERSIONS:
            raise ParserCrashed(name=turn.name)
        with converter.converted(turn.descriptor, media_type, turn.name) as path, path.open("rb") as file:
            document = self._parse(self._turn(file.fileno(), turn.name), _Wish(may_stop=False))
        own = {code for code in str(missing.params.get("warnings", "")).split() if code in WARNINGS}
        return replace(
            document,
            media_type=media_type,
            parser=f"legacy/1>{document.parser}",
            warnings=tuple(sorted({*document.warnings, *own, CONVERTED})),
        )

    def urgent_waits_s(self) -> float:
        """Seconds for which an urgent call has waited for a child, the longest of them; 0 where none waits."""
        return self._slots.urgent_waits_s()

    def capabilities(self) -> dict[str, bool]:
        """Which layers of confinement hold: `network_namespace`, `seccomp`, `landlock`."""
        return dict(self._zygote().capabilities)

    def zygote_rss_kb(self) -> int:
        """Resident memory of the zygote, for the operator's metrics."""
        return int(self._zygote().hello()["rss_kb"])

    def warm_up(self, *keys: str) -> None:
        """Import these parsers in the zygote now, instead of at their first file."""
        answer = self._zygote().ask({"op": "load", "load": list(keys)}, _IMPORT_S)
        if refused := answer.get("refused"):
            raise ConfigurationError(detail=f"parser: {refused}")

    def close(self) -> None:
        """Kill what is running and wait for the zygote's end."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client:
            client.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _zygote(self) -> ZygoteClient:
        with self._lock:
            if self._closed:
                raise RuntimeError("the sandbox is closed")
            if self._client is None:
                client = self._started()
                try:
                    self._require_confined(client)
                except ConfigurationError:
                    client.stop()
                    raise
                self._client = client
            return self._client

    def _require_confined(self, client: ZygoteClient) -> None:
        if not (client.capabilities.get("network_namespace") or client.capabilities.get("seccomp")):
            raise ConfigurationError(detail="neither a network namespace nor seccomp is available for parsers")

    def _started(self) -> ZygoteClient:
        return ZygoteClient(self._registry)

    def _forget(self, client: ZygoteClient) -> None:
        """A zygote that died or hangs is replaced at the next use."""
        with self._lock:
            if self._client is client:
                self._client = None
        client.kill()

    def _parse(self, turn: _Turn, wanted: _Wish) -> ParsedDocument:
        """Parse; a file that its parser fails on goes to the second reader, which may fail without a word."""
        answer = self._rounds(turn, wanted.request())
        if isinstance(answer, ParsedDocument):
            return answer
        if not isinstance(answer, _Wanted):
            raise ParserCrashed(name=turn.name)
        failed = answer.after or ParserCrashed(name=turn.name)
        second = wanted.request() | {"load": answer.parsers, "parser": answer.parsers[0]}
        try:
            read_again = self._rounds(replace(turn, told=None), second)
        except SeogoError as error:
            _LOG.warning("the second reader can't read the file either: %s", error)
            raise failed from error
        if isinstance(read_again, ParsedDocument):
            return read_again
        raise failed

    def _rounds(self, turn: _Turn, request: dict[str, Any]) -> ParsedDocument | _Wanted | str:
        """The document, its media type where only that is asked, or what is wanted after a parser has failed."""
        for _ in range(_ROUNDS):
            outcome = self._settled(turn, request)
            if outcome is None:
                continue
            result = self._result(outcome, turn.name)
            if not isinstance(result, _Wanted) or result.after:
                return result
            request = request | {"load": result.parsers}
        raise ParserCrashed(name=turn.name)

    def _settled(self, turn: _Turn, request: dict[str, Any]) -> Outcome | None:
        """What came back for one request; None where the zygote had just died, and another one may be asked."""
        client = self._zygote()
        try:
            outcome = self._exchange(client, turn.descriptor, request | {"name": turn.name}, turn.deadline, turn.told)
        except ZygoteGone:
            self._forget(client)
            return None
        status = outcome.status
        if not status.keys() & {"pid", "refused"}:
            self._forget(client)  # it died, or had all the time and did not even fork
            return outcome if outcome.exceeded else None
        if not outcome.exceeded and not status.keys() & {"status", "refused"}:
            self._forget(client)
            raise ParserCrashed(name=turn.name)
        return outcome

    def _exchange(
        self, client: ZygoteClient, descriptor: int, request: dict[str, Any], deadline: float, told: Told | None = None
    ) -> Outcome:
        limits = {
            "memory_bytes": self._limits.memory_bytes,
            "cpu_s": self._limits.cpu_s,
            "wall_s": max(0.0, deadline - time.monotonic()),
            "output_bytes": self._limits.output_bytes,
        }
        with contextlib.ExitStack() as open_pipes:
            result, result_writer = os.pipe()
            open_pipes.callback(os.close, result)
            status, status_writer = os.pipe()
            open_pipes.callback(os.close, status)
            try:
                client.send(limits | request, [descriptor, result_writer, status_writer])
            finally:
                os.close(result_writer)
                os.close(status_writer)
            # Leaving this block hangs up: whatever the child is still doing, the zygote kills it.
            outcome = Outcome()
            outcome.collect(result, status, deadline, self._limits.output_bytes, told)
            return outcome

    def _result(self, outcome: Outcome, name: str) -> ParsedDocument | _Wanted | str:
        """The document, what the child needs first, or the media type where only that was asked."""
        if outcome.exceeded:
            raise ParseLimitExceeded(name=name, resource=outcome.exceeded)
        if refused := outcome.status.get("refused"):
            raise ConfigurationError(detail=f"parser: {refused}")
        frame = frames.unpack(outcome.frame)
        if frame is None:
            raise self._death(outcome.status, name)
        tag, payload = frame
        try:
            if tag == "R":
                return decode_result(payload)
            data = json.loads(bytes(payload))
            if tag == "M":
                claimed = str(data["media_type"])
                return claimed if _MEDIA_TYPE.fullmatch(claimed) else BINARY
            if tag == "N":
                after = told_error(data["after"], name) if "after" in data else None
                return _Wanted([str(data["parsers"][0]), *map(str, data["parsers"][1:])], after)
            error = told_error(data, name)
        except (WireError, ValueError, LookupError, TypeError) as wrong:
            _LOG.warning("the answer of a parser child is malformed: %s", wrong)
            raise ParserCrashed(name=name) from wrong
        raise error

    def _death(self, status: dict[str, Any], name: str) -> SeogoError:
        """Why a child ended without an answer."""
        code = int(status["status"])
        died_of = os.WTERMSIG(code) if os.WIFSIGNALED(code) else 0
        if died_of == signal.SIGXCPU or float(status["cpu_s"]) >= self._limits.cpu_s:
            return ParseLimitExceeded(name=name, resource="CPU time")
        own_bytes = (int(status["max_rss_kb"]) - int(status["base_rss_kb"])) * 1024
        if own_bytes >= _MEMORY_SHARE * self._limits.memory_bytes:
            return ParseLimitExceeded(name=name, resource="memory")
        _LOG.warning("a parser child ended without an answer: signal %d, exit status %d", died_of, code)
        return ParserCrashed(name=name)


def told_error(data: dict[str, Any], name: str) -> SeogoError:
    """The error that a child reports. Its parameters are shown to users: short, and under the name that we know."""
    if detail := str(data.get("detail", "")):
        _LOG.warning("a parser failed in a way it does not know:\n%s", detail)
    kind = error_type_of(str(data["code"]))
    roots = (InputError, ParseLimitExceeded, ParserCrashed)
    # A parser taken over by its file can't claim, say, that a key is not permitted.
    if not issubclass(kind, roots) or kind not in set(all_error_types()):
        raise ValueError("a child may not raise this")
    params = {str(key): str(value)[:_PARAM_CHARACTERS] for key, value in data["params"].items()}
    params["name"] = name
    return kind(**params)
