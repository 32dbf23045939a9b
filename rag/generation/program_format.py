"""From what a model wrote to a set of files.

The prompt asks for `<<<FILE path>>>` … `<<<END FILE>>>`. Models that write Markdown all the same are read too: fenced blocks
whose path stands in the fence's first line, on the line before it or in a comment on the first line of the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.generation.program_paths import PathRefused, checked_path
from rag.text.reasoning import without_reasoning
from rag.text.template_tokens import restored

MAX_FILES = 500
MAX_FILE_CHARS = 1 << 20
MAX_CHARS = 8 << 20

_FILE = re.compile(r"\s*<{3}\s*FILE\b:?\s*(.+?)\s*>{3}\s*", re.IGNORECASE)
_END = re.compile(r"\s*<{3}\s*/?END(?:\s+FILE)?\b[^>]*>{3}\s*", re.IGNORECASE)
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})\s*([^`]*)")
_NAMED = re.compile(r"(?:title|file|filename|path|name)\s*[=:]\s*[\"']?([^\"'\s}]+)", re.IGNORECASE)
_PATH = (
    r"(?:[\w가-힣@.+()\[\]-]+/)*"
    r"(?:[\w가-힣@+()\[\]-][\w가-힣@.+()\[\]-]*\.[A-Za-z][A-Za-z0-9]{0,9}|Dockerfile|Makefile|LICENSE)"
)
_BEFORE = re.compile(
    rf"\s*(?:#{{1,6}}\s+|\d+[.)]\s+|[-*]\s+)?(?:(?:file|path|파일|경로)(?:\s*(?:name|명|이름))?\s*:\s*)?[*_`]*({_PATH})[*_`]*\s*:?\s*",
    re.IGNORECASE,
)
_COMMENT = re.compile(
    rf"\s*(?:#|//|--|;|/\*|<!--)\s*(?:(?:file|path|파일|경로)\s*:\s*)?({_PATH})\s*(?:\*/|-->)?\s*", re.IGNORECASE
)
_LONGEST_LINE = 600
"""Characters of a line that may say something about files; longer ones are content, and no pattern is tried on them."""
_MARKDOWN = frozenset({"md", "markdown"})
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file of a program: its path in its one form, and its text with `\\n` at the end of each line."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that was not taken.

    Attributes:
        reason: one of those of `checked_path`, or `too_large`, `too_many`, `cut_off`, `name_taken`, `personal_data`.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class WrittenProgram:
    """The files in the order in which they were written, and those that were not taken."""

    files: tuple[WrittenFile, ...]
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True)
class _Block:
    path: str
    lines: Sequence[str]
    closed: bool


def read_program(answer: str, *, cut_off: bool = False, written: Mapping[str, str] = _NOTHING) -> WrittenProgram:
    """The files in `answer`; of two with the same path the later one counts.

    Args:
        cut_off: whether the model was stopped before its end: a last file without an end is not taken then.
        written: what the prompt showed in place of template tokens, and the tokens: in a file they are what was meant.
    """
    lines = without_reasoning(answer.replace("\r\n", "\n"), code=True).split("\n")
    blocks = list(_marked(lines)) if any(_matched(_FILE, line) for line in lines) else list(_fenced(lines))
    files: dict[str, WrittenFile] = {}
    rejected: list[Rejected] = []
    size = 0
    for found in blocks:
        block = replace(found, path=restored(found.path, written))
        text = restored("\n".join(block.lines).strip("\n") + "\n", written)
        reason = _refusal(block, text, size, len(files), cut_off)
        if reason:
            rejected.append(Rejected(_shown(block.path), reason))
            continue
        path = checked_path(block.path)
        files.pop(path, None)
        if _is_taken(path, files):
            rejected.append(Rejected(path, "name_taken"))
            continue
        files[path] = WrittenFile(path, text)
        size += len(text)
    return WrittenProgram(tuple(files.values()), tuple(rejected))


def _matched(pattern: re.Pattern[str], line: str) -> re.Match[str] | None:
    return pattern.fullmatch(line) if len(line) <= _LONGEST_LINE else None


def _refusal(block: _Block, text: str, size: int, count: int, cut_off: bool) -> str:
    try:
        checked_path(block.path)
    except PathRefused as error:
        return str(error)
    if cut_off and not block.closed:
        return "cut_off"
    if len(text) > MAX_FILE_CHARS or size + len(text) > MAX_CHARS:
        return "too_large"
    return "too_many" if count >= MAX_FILES else ""


def _is_taken(path: str, files: dict[str, WrittenFile]) -> bool:
    """Whether another file is in the way: of the same name but for case, or where a folder has to be."""
    wanted = path.lower()
    for other in files:
        known = other.lower()
        if known == wanted or known.startswith(f"{wanted}/") or wanted.startswith(f"{known}/"):
            return True
    return False


def _shown(path: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in path)[:300]


def _marked(lines: Sequence[str]) -> Iterator[_Block]:
    path = ""
    begun = 0
    for number, line in enumerate(lines):
        start = _matched(_FILE, line)
        if path and (start or _matched(_END, line)):
            yield _Block(path, _unfenced(lines[begun:number]), closed=True)
            path = ""
        if start:
            path, begun = start.group(1), number + 1
    if path:
        yield _Block(path, _unfenced(lines[begun:]), closed=False)


def _unfenced(lines: Sequence[str]) -> Sequence[str]:
    """The content without a fence around all of it, which some models add."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    if len(filled) < 2:
        return lines
    first, last = filled[0], filled[-1]
    opening, closing = _matched(_FENCE, lines[first]), _matched(_FENCE, lines[last])
    if opening is None or closing is None or closing.group(2).strip() or closing.group(1) != opening.group(1):
        return lines
    return lines[first + 1 : last]


def _fenced(lines: Sequence[str]) -> Iterator[_Block]:
    number = 0
    while number < len(lines):
        opening = _matched(_FENCE, lines[number])
        if opening is None:
            number += 1
            continue
        end = _closing(lines, number, opening)
        content = lines[number + 1 : end]
        path = _path_of(lines, number, opening.group(2).strip(), content)
        if path:
            yield _Block(path, content, closed=end < len(lines))
        number = end + 1


def _closing(lines: Sequence[str], start: int, opening: re.Match[str]) -> int:
    """The line that closes the fence; the number of lines where none does. Markdown may hold fences of its own."""
    mark, info = opening.groups()
    nests = info.strip().split(":")[0].split(" ")[0].lower() in _MARKDOWN
    depth = 0
    for number in range(start + 1, len(lines)):
        found = _matched(_FENCE, lines[number])
        if found is None or found.group(1)[0] != mark[0] or len(found.group(1)) < len(mark):
            continue
        if found.group(2).strip():
            depth += nests
        elif depth:
            depth -= 1
        else:
            return number
    return len(lines)


def _path_of(lines: Sequence[str], fence: int, info: str, content: Sequence[str]) -> str:
    named = _NAMED.search(info)
    if named:
        return named.group(1)
    words = info.replace("{", " ").replace("}", " ").split()
    for word in words[:2]:
        candidate = word.split(":", 1)[1] if ":" in word else word
        if re.fullmatch(_PATH, candidate) and (":" in word or "." in candidate or "/" in candidate):
            return candidate
    above = next((lines[at] for at in range(fence - 1, max(-1, fence - 3), -1) if lines[at].strip()), "")
    for pattern, line in ((_BEFORE, above), (_COMMENT, content[0] if content else "")):
        found = _matched(pattern, line)
        if found:
            return found.group(1)
    return ""
