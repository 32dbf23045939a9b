"""Reasoning that an engine leaves in the content of an answer, taken out as it streams, however the tags are cut up."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.generation.engine import ReasoningClosed, ReasoningDelta, TextDelta

_OPEN, _CLOSE = "<think>", "</think>"
_LONE = re.compile(r"(?:\n[ \t]*|[.!?…。！？][ \t]*)</think>|</think>(?=[ \t\r]*\n)")
"""An end at the beginning or end of its line, or behind a sentence. Inside of one it is a word."""
_LAST = re.compile(r"</think>[ \t\r]*\Z")
_TAIL = 64
"""Characters that a search goes back: the tag, and blanks around it."""
_FENCE = "```"

Said = TextDelta | ReasoningDelta | ReasoningClosed


class ReasoningSplitter:
    """Takes `<think>…</think>` out of content.

    Reasoning begins at the start of the content or of a line: the word `<think>` inside a sentence is the answer's own. Many chat
    templates write the beginning into the prompt, so that only the end is in the content:

    - Where that is expected of the model (`leads`), content is reasoning until the end comes. If it never does and the model came
      to its own end, it answered without thinking aloud: then all of it is the answer, and is given out as such at the end. What
      was cut off, or ends in a call of a tool, stays reasoning.
    - Where it is not, `ReasoningClosed` says that what was given out was no answer.

    Attributes:
        led: whether the content began with such reasoning; None where nothing shows it.
    """

    def __init__(self, *, leads: bool = False) -> None:
        self.led: bool | None = None
        self._held = ""
        self._thinking = self._guessed = leads
        self._thoughts: list[str] = []  # while they may be the answer after all
        self._fresh = True  # at the start of the content or of a line, but for white space
        self._alone: _LoneEnd | None = None if leads else _LoneEnd()

    def feed(self, text: str) -> Iterator[Said]:
        """The events that are certain with this text."""
        text, self._held = self._held + text, ""
        if self._guessed and not self._thoughts:
            if self._may_be_opening(text):
                self._held = text
                return
            text = self._after_opening(text)
        while text:
            tag = _CLOSE if self._thinking else _OPEN
            at = self._find(text, tag)
            if at >= 0:
                yield from self._said(text[:at])
                text = text[at + len(tag) :]
                self._turn()
                continue
            keep = self._unsure(text, tag)
            self._held = text[len(text) - keep :]
            yield from self._said(text[: len(text) - keep])
            return

    def apart(self) -> Iterator[TextDelta]:
        """The engine gives reasoning in a field of its own: in the content there is none to be guessed."""
        self._alone = None
        if self._guessed:
            yield from self._as_answer()

    def finish(self, *, whole: bool = True) -> Iterator[Said]:
        """What was held back for a tag that never came; `whole`: whether the model came to an end of its own."""
        held, self._held = self._held, ""
        if self._guessed and whole:
            self._thoughts.append(held)
            self.led = False
            yield from self._as_answer()
            return
        yield from self._said(held)
        if self._alone is not None and self._alone.at_the_end():
            self.led = True
            yield ReasoningClosed()

    def _as_answer(self) -> Iterator[TextDelta]:
        text = "".join(self._thoughts)
        self._thinking = self._guessed = False
        self._thoughts = []
        if text:
            yield TextDelta(text)

    def _may_be_opening(self, text: str) -> bool:
        start = text.lstrip()
        return len(start) < len(_OPEN) and _OPEN.startswith(start)

    def _after_opening(self, text: str) -> str:
        """The text behind an opening tag, where there is one after all."""
        start = text.lstrip()
        if not start.startswith(_OPEN):
            return text
        self._guessed = False  # the tag says it
        return start[len(_OPEN) :]

    def _turn(self) -> None:
        if self._guessed:
            self.led = True
        self._guessed, self._thoughts, self._alone = False, [], None
        self._thinking = not self._thinking
        self._fresh = not self._thinking

    def _find(self, text: str, tag: str) -> int:
        at = text.find(tag)
        while at >= 0 and not self._thinking and not self._begins(text, at):
            at = text.find(tag, at + 1)
        return at

    def _begins(self, text: str, at: int) -> bool:
        before = text[text.rfind("\n", 0, at) + 1 : at]
        return not before.strip() and (self._fresh or "\n" in text[:at])

    def _unsure(self, text: str, tag: str) -> int:
        """Length of the end of `text` that may be the beginning of the tag."""
        for length in range(min(len(tag) - 1, len(text)), 0, -1):
            if text.endswith(tag[:length]):
                return length if self._thinking or self._begins(text, len(text) - length) else 0
        return 0

    def _said(self, text: str) -> Iterator[Said]:
        if not text:
            return
        if self._thinking:
            if self._guessed:
                self._thoughts.append(text)
            yield ReasoningDelta(text)
            return
        line = text[text.rfind("\n") + 1 :]
        self._fresh = not line.strip() and (self._fresh or len(line) < len(text))
        end = self._alone.end_in(text) if self._alone is not None else None
        if end is None:
            yield TextDelta(text)
            return
        self.led, self._alone = True, None
        if text[:end]:
            yield TextDelta(text[:end])
        yield ReasoningClosed()
        if text[end:]:
            yield TextDelta(text[end:])


class _LoneEnd:
    """Looks for an end of reasoning without a beginning in text that has gone out already: nothing is held back for it."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._tail = "\n"  # the content begins a line

    def end_in(self, text: str) -> int | None:
        """Characters of `text` up to behind the end, if it is complete with this text."""
        before = len(self._tail)
        looked_at = self._tail + text
        self._parts.append(text)
        self._tail = looked_at[-_TAIL:]
        for found in _LONE.finditer(looked_at):
            if not self._is_spoken_of(len(looked_at) - found.start()):
                return max(0, found.end() - before)
        return None

    def at_the_end(self) -> bool:
        """Whether the content ends with it."""
        found = _LAST.search(self._tail)
        return found is not None and not self._is_spoken_of(len(self._tail) - found.start())

    def _is_spoken_of(self, from_end: int) -> bool:
        """Whether an end so many characters from that of the text belongs to the answer: a beginning of it, or code, is open."""
        text = "".join(self._parts)
        text = text[: max(0, len(text) - from_end)]
        return text.count(_FENCE) % 2 == 1 or text.count(_OPEN) > text.count(_CLOSE)


class LeadingReasoning:
    """For which calls of a model the content is expected to begin with reasoning: by the catalogue, and by what it did. Safe
    to use from several threads: each step is one change of a set.

    Where nothing was known, the first answer that shows it can't be taken back where it was shown; the next ones need not be.
    """

    def __init__(self, known: frozenset[bool | None]) -> None:
        self._known = known
        self._learned: set[bool | None] = set()
        self._apart = False

    def expected(self, thinking: bool | None) -> bool:
        """Whether the content of a call with this `EngineCall.thinking` is taken for reasoning until its end comes."""
        return not self._apart and (thinking in self._known or thinking in self._learned)

    def learn(self, thinking: bool | None, *, led: bool | None, apart: bool) -> None:
        """Take in how an answer came: `led` as in `ReasoningSplitter`, `apart` as in `ChunkReader`."""
        self._apart = self._apart or apart
        if led:
            self._learned.add(thinking)
            self._apart = False  # another replica, or a server with other options, leaves it in the content
        elif led is False:
            self._learned.discard(thinking)
