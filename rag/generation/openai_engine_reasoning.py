"""Reasoning that an engine leaves in the content of an answer, taken out as it streams, however the tags are cut up."""

from __future__ import annotations

from collections.abc import Iterator

from rag.generation.engine import ReasoningDelta, TextDelta

_OPEN, _CLOSE = "<think>", "</think>"
_LONE = "\n" + _CLOSE
"""Templates that begin reasoning have it end on a line of its own; elsewhere an answer speaks of the tag."""


class ReasoningSplitter:
    """Takes `<think>…</think>` out of content.

    Reasoning begins at the start of the content or of a line: the word `<think>` inside a sentence is the answer's own. Many chat
    templates write the beginning into the prompt, so that only the end is in the content. Where that is expected of the model
    (`leads`), content is reasoning until the end comes. If it never does and the model came to its own end, it did not think
    aloud: then all of it is the answer, and is given out as such at the end. What was cut off, or ends in a call of a tool, stays
    reasoning.

    Attributes:
        led: whether the content had an end of reasoning without a beginning; False where an end was expected, and the model came
            to its own without; None where nothing shows it.
    """

    def __init__(self, *, leads: bool = False) -> None:
        self.led: bool | None = None
        self._held = ""
        self._thinking = self._guessed = leads
        self._thoughts: list[str] = []  # while they may be the answer after all
        self._fresh = True  # at the start of the content or of a line, but for white space
        self._tail = "\n"  # of the text that has gone out, as much as may be the beginning of a lone end

    def feed(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
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
        if self._guessed:
            yield from self._as_answer()

    def finish(self, *, whole: bool = True) -> Iterator[TextDelta | ReasoningDelta]:
        """What was held back for a tag that never came; `whole`: whether the model came to an end of its own."""
        held, self._held = self._held, ""
        if self._guessed and whole:
            self._thoughts.append(held)
            self.led = False
            yield from self._as_answer()
            return
        yield from self._said(held)

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
        self._guessed, self._thoughts, self._tail = False, [], ""
        self._thinking = not self._thinking
        self._fresh = not self._thinking

    def _find(self, text: str, tag: str) -> int:
        at = text.find(tag)
        while at >= 0 and not self._thinking and not self._begins(text, at):
            at = text.find(tag, at + 1)
        return at

    def _begins(self, text: str, at: int) -> bool:
        line = text.rfind("\n", 0, at)
        return (self._fresh or line >= 0) and not text[line + 1 : at].strip()

    def _unsure(self, text: str, tag: str) -> int:
        """Length of the end of `text` that may be the beginning of the tag."""
        for length in range(min(len(tag) - 1, len(text)), 0, -1):
            if text.endswith(tag[:length]):
                return length if self._thinking or self._begins(text, len(text) - length) else 0
        return 0

    def _said(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        if not text:
            return
        if self._thinking:
            if self._guessed:
                self._thoughts.append(text)
            yield ReasoningDelta(text)
            return
        line = text[text.rfind("\n") + 1 :]
        self._fresh = not line.strip() and (self._fresh or len(line) < len(text))
        if self.led is None:
            looked_at = self._tail + text
            self.led = True if _LONE in looked_at else None
            self._tail = looked_at[1 - len(_LONE) :]
        yield TextDelta(text)


class LeadingReasoning:
    """For which calls of a replica the content is expected to begin with reasoning: those of which the catalogue says so, until
    the replica shows that there it does not. Safe to use from several threads: each step is one change of an object.
    """

    def __init__(self, known: frozenset[bool | None]) -> None:
        self._known = known
        self._led: dict[bool | None, bool] = {}
        self._apart = False

    def expected(self, thinking: bool | None) -> bool:
        """Whether the content of a call with this `EngineCall.thinking` is taken for reasoning until its end comes."""
        return thinking in self._known and not self._apart and self._led.get(thinking, True)

    def learn(self, thinking: bool | None, *, led: bool | None, apart: bool) -> None:
        """Take in how an answer came: `led` as in `ReasoningSplitter`, `apart` as in `ChunkReader`.

        One that left reasoning in its content is never again taken for one that does not, whatever a single answer looks like:
        who asks could bring a model to end without a tag, and the next reader would be shown its thoughts.
        """
        if apart:
            self._apart = True
        elif led:
            self._led[thinking], self._apart = True, False
        elif led is False:
            self._led.setdefault(thinking, False)
