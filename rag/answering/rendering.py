"""An answer as Markdown with `[n]` marks, and where each mark stands.

The one place where an answer becomes text: whatever words of models and documents are in it, nothing of them loads, runs or leads
away (`rag.text.inert`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.domain.answer import Citation, Sentence, Support
from rag.domain.language import Language
from rag.text.inert import inert, starts_with_code
from rag.text.invisible import visible

UNHELD = {True: "(근거에서 확인되지 않음)", False: "(not confirmed by the sources)"}
"""What stands behind a sentence that its passages don't hold, in the language of the sentence; by whether that is Korean."""
_HANGUL = re.compile("[가-힣]")
_PIPE = re.compile(r"(?<!\\)\|")
"""A pipe that separates cells; an escaped one is text."""
_LAST_ROW = re.compile(r"\n[ \t]*\|[^\n]*\Z")
_OWN_LINE = re.compile(r"(?:^|\n)[ \t]*(?:`{3,}|~{3,})[ \t]*\Z")


@dataclass(frozen=True, slots=True)
class RenderedSentence:
    """A sentence as it is written.

    Attributes:
        text: the sentence with its marks, and the white space that separates it from the one before.
        start, end: characters of the sentence in the whole answer, separator left out.
        citations: those of the sentence, one per passage.
    """

    text: str
    start: int
    end: int
    citations: tuple[Citation, ...]


def render(sentence: Sentence, offset: int) -> RenderedSentence:
    """`sentence` as it follows after `offset` characters of the answer."""
    citations = tuple({item.number: item for item in sentence.citations}.values())
    marks = "".join(f"[{item.number}]" for item in citations)
    if sentence.support is Support.UNSUPPORTED:
        marks = f"{marks} {UNHELD[bool(_HANGUL.search(sentence.text))]}".lstrip()
    body = _body(sentence, marks)
    separator = _separator(sentence, body) if offset else ""
    start = offset + len(separator)
    return RenderedSentence(separator + body, start, start + len(body), citations)


def _separator(sentence: Sentence, body: str) -> str:
    """The gap before a sentence; code begins on a line of its own, or it would be none."""
    return "\n" if starts_with_code(body) and "\n" not in sentence.gap else sentence.gap


def _body(sentence: Sentence, marks: str) -> str:
    quoted = sentence.support is Support.VERBATIM  # what a model writes about code is prose, with fences of its own
    if quoted and any(item.passage.chunk.language is Language.CODE for item in sentence.citations):
        placed = all(item.passage.source.commit for item in sentence.citations)
        blocks = [f"{inline_code(item.place)}\n{_fenced(item.quote)}" for item in sentence.citations] if placed else ()
        return "\n".join((*(blocks or (_fenced(sentence.text),)), marks)).rstrip()
    text = inert(sentence.text)
    return f"{ruled(text)}{_apart(text)}{marks}".rstrip()


def _apart(text: str) -> str:
    """What stands between a text and its marks: a cell beyond the last one would not be shown, nor a fence be closed."""
    if _LAST_ROW.search(text):
        return "\n\n"
    return "\n" if text.startswith("|") or _OWN_LINE.search(text) else " "


def ruled(text: str) -> str:
    """A table with the rule under its header, without which it would not be shown as one; any other text as it is."""
    header, _, rest = text.partition("\n")
    if not (rest and header.startswith("|")):
        return text
    return f"{header}\n|{' --- |' * (len(_PIPE.findall(header)) - 1)}\n{rest}"


def _fenced(code: str) -> str:
    """Code as a block of its own."""
    code = visible(code)
    fence = _fence(code)
    return f"{fence}\n{code}\n{fence}"


def inline_code(text: str) -> str:
    """Code in one line; a backtick in it, which a path may have, would end it."""
    return f"`{' '.join(visible(text).split()).replace('`', ' ')}`"


def _fence(code: str) -> str:
    """A fence longer than any run of backticks in the code (CommonMark 0.31, 4.5)."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    return "`" * max(3, longest + 1)
