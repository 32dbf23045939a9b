"""Parsing without a child process, for tests that are about something else, with files that misbehave on demand."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ingest.parsing.base import SourceFile
from ingest.parsing.identify import identify
from ingest.parsing.read_so_far import ReadSoFar
from ingest.parsing.registry import PARSERS, best, candidates
from rag.domain.document import ChildFile, ParsedDocument
from rag.domain.errors import ParserCrashed

FLAKY = "이 파일은 한 번 실패한다"
"""A file with this text crashes its parser the first time."""
BROKEN = "이 파일은 늘 실패한다"
"""A file with this text crashes its parser every time."""
HOLDS = "이 파일 안에 파일이 둘 있다"
"""A file with this text holds two files, made of its own text."""
HALF_READ = "이 파일은 반 넘게 읽었다"
"""A file with this text has been read for a minute when its parser first says so, and takes half of one more."""
LONG_AND_HALF_READ = "이 긴 파일은 반 넘게 읽었다"
"""One that has been read for ten minutes and takes five more."""
LASTING = "이 파일은 오래 읽는다"
"""A file with this text takes an hour to read, as its parser says once."""
POISON = "이 파일은 작업자를 죽인다"
"""A file with this text kills the whole process."""


class DirectSandbox:
    """`ParseSandbox` in this process. `scratch` remembers which flaky files have failed, over restarts too.

    Attributes:
        waits_s: for how many seconds an urgent call is said to wait.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self.waits_s = 0.0

    def urgent_waits_s(self) -> float:
        return self.waits_s

    def identify(self, path: Path, name: str, *, urgent: bool = False) -> str:
        return identify(path, name).media_type

    def parse(
        self,
        path: Path,
        name: str,
        first_child: int = 0,
        *,
        urgent: bool = False,
        told: Callable[[ReadSoFar], None] | None = None,
    ) -> ParsedDocument:
        text = path.read_text(encoding="utf-8")
        if POISON in text:
            os.kill(os.getpid(), signal.SIGKILL)
        marker = self._scratch / f"flaky-{path.name}"
        if BROKEN in text or (FLAKY in text and not marker.exists()):
            marker.touch()
            raise ParserCrashed(name=name)
        if LASTING in text and told is not None:
            told(ReadSoFar(pages=3, total=1200, seconds=9.0, page_s=3.0))
        if HALF_READ in text and told is not None:
            told(ReadSoFar(pages=60, total=91, seconds=60.0, page_s=1.0))
        if LONG_AND_HALF_READ in text and told is not None:
            told(ReadSoFar(pages=600, total=900, seconds=600.0, page_s=1.0))
        identified = identify(path, name)
        parsers = {key: PARSERS[key].factory() for key in candidates(identified, name, PARSERS)}
        parser = best(identified, name, parsers)
        source = SourceFile(name, identified.media_type, identified.charset, first_child=first_child)
        parsed = parser.parse(path, source)
        if HOLDS not in text:
            return parsed
        inside = text.replace(HOLDS, "")
        return replace(parsed, children=tuple(ChildFile(f"{n}.txt", f"{inside} {n}".encode()) for n in (1, 2)))

    def close(self) -> None:
        pass
