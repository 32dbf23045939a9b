"""What a model is told to write a program: the rules, excerpts of the repository as data, and the specification."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.domain.language import Language
from rag.generation.engine import Message
from rag.generation.program_checks import Check
from rag.generation.program_format import WrittenFile
from rag.generation.prompts.files import prompt, prompt_language
from rag.text.template_tokens import neutralised
from rag.text.token_estimate import estimated_tokens

_FRAME = 24
"""Tokens around an excerpt or a turn."""
_MARKS = re.compile(r"<{3}(?=\s*(?:/?END|FILE)\b)", re.IGNORECASE)
_MARK, _OTHER_MARK = "<<<", "‹‹‹"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A permitted piece of the repository.

    Attributes:
        place: where it stands in the file, such as `lines 10-24`.
        ordinal: its place among the pieces of its file.
        rank: how much the specification wants it, from 1.
        document: id of the document that it is from; no part of a prompt.
    """

    collection: str
    path: str
    place: str
    ordinal: int
    rank: int
    text: str
    document: str = ""


@dataclass(frozen=True, slots=True)
class Packed:
    """Excerpts that fit, in canonical order (which prefix caches know again), and those that did not, best first."""

    included: tuple[Excerpt, ...]
    omitted: tuple[Excerpt, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class ProgramPrompt:
    """What a model is sent.

    Attributes:
        identity: of the prompt file; named in the manifest.
        written: what stands in it for template tokens and marks of files, and those: to be put back into what is made of it.
    """

    identity: str
    messages: tuple[Message, ...]
    written: Mapping[str, str]

    @property
    def tokens(self) -> int:
        """An estimate of its length."""
        return sum(estimated_tokens(str(message["content"])) + _FRAME for message in self.messages)


def pack(excerpts: Sequence[Excerpt], budget: int) -> Packed:
    """The best excerpts that fit into `budget` tokens together."""
    included: list[Excerpt] = []
    omitted: list[Excerpt] = []
    used = 0
    for excerpt in sorted(excerpts, key=lambda item: item.rank):
        # As it will be shown: what stands for a token of a template is longer than the token.
        cost = sum(estimated_tokens(_quoted(part, {})) for part in (excerpt.text, excerpt.path)) + _FRAME
        if used + cost > budget:
            omitted.append(excerpt)
            continue
        used += cost
        included.append(excerpt)
    included.sort(key=lambda item: (item.collection, item.path, item.ordinal))
    return Packed(tuple(included), tuple(omitted), used)


def writing_prompt(spec: str, excerpts: Sequence[Excerpt], paths: Sequence[str], language: Language) -> ProgramPrompt:
    """The conversation that asks for the program."""
    marker = secrets.token_hex(6)
    words = prompt("program_write", prompt_language(language))
    written: dict[str, str] = {}
    parts = [*_repository(excerpts, paths, marker, language, written)]
    parts.append(f"# {_word('spec', language)}\n\n{_neutral(spec, written)}")
    return _asking(words.identity, words.filled(0, marker=marker), "\n\n".join(parts), written)


def repair_prompt(
    spec: str, broken: Sequence[tuple[WrittenFile, Check]], language: Language, *, spec_chars: int = 4000
) -> ProgramPrompt:
    """The conversation that asks for files whose syntax is broken, once more; the beginning of the specification is enough."""
    words = prompt("program_repair", prompt_language(language))
    written: dict[str, str] = {}
    parts = [f"# {_word('spec', language)}\n\n{_neutral(spec[:spec_chars], written)}"]
    parts += (
        f"<<<FILE {_quoted(item.path, written)}>>>\n{_quoted(item.text, written)}<<<END FILE>>>\n"
        f"{_word('error', language)}: {_quoted(check.detail, written)}"
        for item, check in broken
    )
    return _asking(words.identity, words.filled(0), "\n\n".join(parts), written)


def fixed_tokens(spec: str, paths: Sequence[str], language: Language) -> int:
    """Tokens of everything but the excerpts."""
    return writing_prompt(spec, [], paths, language).tokens


def _asking(identity: str, rules: str, content: str, written: Mapping[str, str]) -> ProgramPrompt:
    return ProgramPrompt(
        identity, ({"role": "system", "content": rules}, {"role": "user", "content": content}), written
    )


def _repository(
    excerpts: Sequence[Excerpt], paths: Sequence[str], marker: str, language: Language, written: dict[str, str]
) -> list[str]:
    parts: list[str] = []
    if paths:
        listed = "\n".join(_quoted(path, written) for path in paths)
        parts.append(f"# {_word('paths', language)}\n\n[{marker}]\n{listed}\n[/{marker}]")
    if excerpts:
        shown = [
            f"[{marker} {_quoted(item.path, written)} {item.place}]\n{_quoted(item.text, written)}\n[/{marker}]"
            for item in excerpts
        ]
        parts.append(f"# {_word('excerpts', language)}\n\n" + "\n\n".join(shown))
    return parts


def _neutral(text: str, written: dict[str, str]) -> str:
    """`text` without template tokens; what stands for them is added to `written`."""
    neutral = neutralised(text)
    written.update(neutral.written)
    return neutral.text


def _quoted(text: str, written: dict[str, str]) -> str:
    """Text of the repository or of a file, which must end neither its place nor a file of the answer."""
    quoted, count = _MARKS.subn(_OTHER_MARK, _neutral(text, written))
    if count:
        written[_OTHER_MARK] = _MARK
    return quoted


_WORDS: Mapping[str, tuple[str, str]] = {
    "spec": ("명세", "Specification"),
    "paths": ("저장소의 파일 목록", "Files of the repository"),
    "excerpts": ("저장소 발췌", "Excerpts of the repository"),
    "error": ("오류", "Error"),
}


def _word(name: str, language: Language) -> str:
    korean, english = _WORDS[name]
    return korean if language is Language.KOREAN else english
