"""What a model is told to write a program: the rules, excerpts of the repository as data, and the specification."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from rag.domain.language import Language
from rag.generation.engine import Message
from rag.generation.program_checks import Check
from rag.generation.program_format import WrittenFile

VERSION = 1
"""Of the prompt files; named in the manifest."""
_FOLDER = Path(__file__).parent / "prompts"
_ASCII_PER_TOKEN = 3.0
"""Characters of code in a token; Qwen3 and Llama 3 have 3 to 4."""
_FRAME = 24
"""Tokens around an excerpt or a turn."""
_CONTROL = re.compile(
    r"<\|([^|>\n]{1,60})\|>|<(/?)(think|tool_call|tool_response|start_of_turn|end_of_turn)>|\[(/?)INST\]"
)
_MARKS = re.compile(r"<{3}(?=\s*(?:/?END|FILE)\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A permitted piece of the repository.

    Attributes:
        place: where it stands in the file, such as `lines 10-24`.
        ordinal: its place among the pieces of its file.
        rank: how much the specification wants it, from 1.
    """

    collection: str
    path: str
    place: str
    ordinal: int
    rank: int
    text: str


@dataclass(frozen=True, slots=True)
class Packed:
    """Excerpts that fit, in canonical order (which prefix caches know again), and those that did not, best first."""

    included: tuple[Excerpt, ...]
    omitted: tuple[Excerpt, ...]
    tokens: int


def estimated_tokens(text: str) -> int:
    """A careful estimate: a token for each character beyond ASCII, one for three of the others."""
    ascii_characters = sum(char < "\x80" for char in text)
    return len(text) - ascii_characters + math.ceil(ascii_characters / _ASCII_PER_TOKEN)


def pack(excerpts: Sequence[Excerpt], budget: int) -> Packed:
    """The best excerpts that fit into `budget` tokens together."""
    included: list[Excerpt] = []
    omitted: list[Excerpt] = []
    used = 0
    for excerpt in sorted(excerpts, key=lambda item: item.rank):
        cost = estimated_tokens(excerpt.text) + estimated_tokens(excerpt.path) + _FRAME
        if used + cost > budget:
            omitted.append(excerpt)
            continue
        used += cost
        included.append(excerpt)
    included.sort(key=lambda item: (item.collection, item.path, item.ordinal))
    return Packed(tuple(included), tuple(omitted), used)


def writing_messages(spec: str, excerpts: Sequence[Excerpt], paths: Sequence[str], language: Language) -> list[Message]:
    """The conversation that asks for the program."""
    marker = secrets.token_hex(6)
    rules = Template(_prompt("program_write", language)).substitute(marker=marker)
    parts = [*_repository(excerpts, paths, marker, language), f"# {_word('spec', language)}\n\n{neutral(spec)}"]
    return [{"role": "system", "content": rules}, {"role": "user", "content": "\n\n".join(parts)}]


def repair_messages(
    spec: str, broken: Sequence[tuple[WrittenFile, Check]], language: Language, *, spec_chars: int = 4000
) -> list[Message]:
    """The conversation that asks for files whose syntax is broken, once more; the beginning of the specification is enough."""
    files = [
        f"<<<FILE {item.path}>>>\n{neutral(item.text)}<<<END FILE>>>\n{_word('error', language)}: {check.detail}"
        for item, check in broken
    ]
    content = f"# {_word('spec', language)}\n\n{neutral(spec[:spec_chars])}\n\n" + "\n\n".join(files)
    return [{"role": "system", "content": _prompt("program_repair", language)}, {"role": "user", "content": content}]


def fixed_tokens(spec: str, paths: Sequence[str], language: Language) -> int:
    """Tokens of everything but the excerpts."""
    return sum(
        estimated_tokens(str(message["content"])) + _FRAME for message in writing_messages(spec, [], paths, language)
    )


def neutral(text: str) -> str:
    """`text` with the control tokens of chat templates broken, so that no template takes them for its own."""
    return _CONTROL.sub(lambda match: f"{match.group()[0]}\u200b{match.group()[1:]}", text)


def _repository(excerpts: Sequence[Excerpt], paths: Sequence[str], marker: str, language: Language) -> list[str]:
    parts: list[str] = []
    if paths:
        parts.append(
            f"# {_word('paths', language)}\n\n[{marker}]\n" + "\n".join(map(_quoted, paths)) + f"\n[/{marker}]"
        )
    if excerpts:
        shown = [
            f"[{marker} {_quoted(item.path)} {item.place}]\n{_quoted(item.text)}\n[/{marker}]" for item in excerpts
        ]
        parts.append(f"# {_word('excerpts', language)}\n\n" + "\n\n".join(shown))
    return parts


def _quoted(text: str) -> str:
    """Text of the repository, which must end neither its place nor a file of the answer."""
    return _MARKS.sub("<\u200b<<", neutral(text))


@cache
def _prompt(name: str, language: Language) -> str:
    code = "ko" if language is Language.KOREAN else "en"
    return (_FOLDER / f"{name}.{code}.v{VERSION}.txt").read_text(encoding="utf-8")


_WORDS: Mapping[str, tuple[str, str]] = {
    "spec": ("명세", "Specification"),
    "paths": ("저장소의 파일 목록", "Files of the repository"),
    "excerpts": ("저장소 발췌", "Excerpts of the repository"),
    "error": ("오류", "Error"),
}


def _word(name: str, language: Language) -> str:
    korean, english = _WORDS[name]
    return korean if language is Language.KOREAN else english
