"""WebVTT and SubRip: what is said, each line with the time it is said at and, where known, by whom."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line
from ingest.parsing.text import read_lines
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

_TIMING = re.compile(
    r"\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,]\d{1,3}\s*-->\s*(?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3}(?:\s|$)"
)
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,100})?\s+([^<>]{1,200})>")
_TAG = re.compile(r"</?[a-zA-Z0-9:.][^<>]{0,300}>|\{\\[^{}]{0,300}\}")
_SECONDS_TOGETHER = 60
_CUES_TOGETHER = 20
"""Lines of one element: about a minute, so that an answer cites a moment and not the whole recording."""


@dataclass(frozen=True, slots=True)
class _Cue:
    """One caption: second it begins at, what is shown, and the lines of the file it stands on."""

    second: int
    text: str
    first: int
    last: int


class SubtitlesParser:
    """Notes, styles, identifiers and positions are left out; a caption of several lines becomes one."""

    name = "subtitles/1"
    media_types = (media_types.VTT, media_types.SRT)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type in self.media_types else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        elements = tuple(_element(group) for group in _groups(list(_cues(lines))))
        if not elements:
            raise NoTextFound(name=source.name)
        head = lines[0].removeprefix("WEBVTT").strip(" \t-") if lines[0].startswith("WEBVTT") else ""
        return ParsedDocument(one_line(head)[:200], source.media_type, self.name, elements, warnings=warnings)


def _cues(lines: Sequence[str]) -> Iterator[_Cue]:
    number = 0
    while number < len(lines):
        found = _TIMING.match(lines[number])
        number += 1
        if found is None:
            continue
        first = number
        while number < len(lines) and lines[number].strip():
            number += 1
        if text := _shown(" ".join(lines[first:number])):
            hours, minutes, seconds = int(found[1] or 0), int(found[2]), int(found[3])
            yield _Cue(hours * 3600 + minutes * 60 + seconds, text, first, number)


def _shown(text: str) -> str:
    """What a viewer reads, the speaker before it."""
    voice = _VOICE.search(text)
    spoken = one_line(html.unescape(_TAG.sub("", text)))
    return f"{one_line(voice[1])}: {spoken}" if voice and spoken else spoken


def _groups(cues: Sequence[_Cue]) -> Iterator[list[_Cue]]:
    group: list[_Cue] = []
    for cue in cues:
        if group and (len(group) >= _CUES_TOGETHER or cue.second - group[0].second >= _SECONDS_TOGETHER):
            yield group
            group = []
        group.append(cue)
    if group:
        yield group


def _element(cues: Sequence[_Cue]) -> Element:
    """Lines such as `[00:01:05] 김 부장: 한도는 그대로입니다.`"""
    lines = [f"[{cue.second // 3600:02}:{cue.second // 60 % 60:02}:{cue.second % 60:02}] {cue.text}" for cue in cues]
    anchors = tuple(LineAnchor(cue.first, cue.last) for cue in cues)
    return Element(ElementKind.TEXT, "\n".join(lines), LineAnchor(cues[0].first, cues[-1].last), line_anchors=anchors)
