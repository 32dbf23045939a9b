"""One call of an engine under guard: what it has written, what of it may go out, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import uuid4

from rag.generation import guards_tools as tools
from rag.generation.engine import (
    EngineCall,
    EngineEvent,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    digest_of,
)
from rag.generation.guards_gibberish import GibberishWatch
from rag.generation.guards_language import LanguageWatch, expected_of, wants_original
from rag.generation.guards_leak import LEAK, LeakWatch
from rag.generation.guards_repetition import RepetitionWatch
from rag.generation.guards_sentence import is_sentence

REPETITION = "repetition"
RUNAWAY = "runaway"
LANGUAGE = "language"
GIBBERISH = "gibberish"
TOOL_CALL = "tool_call"
EMPTY = "empty"
ALL_GUARDS = (REPETITION, RUNAWAY, LANGUAGE, GIBBERISH, TOOL_CALL, EMPTY, LEAK)
_UNITS_PER_TOKEN, _UNITS_OF_SLACK = 16, 256
_LETTER, _SYLLABLE = 2, 4
"""Units of a letter or digit, and of one of Hangul, Han or kana; all else, which may come in runs, has one. A token so has 8
letters or 4 syllables: more than any tokeniser gives on average, which is 4 to 5 in English, 1 to 2 in Korean. A few tokens may
hold more than the average; the slack is for them."""
_SYLLABLES = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """Lengths from which a generation has run away, in characters.

    Attributes:
        answer: whatever `max_tokens` of the call is; what can't be within that ends as an obedient engine would have ended it.
        reasoning: Qwen3's model card recommends room for 32,768 tokens, some 4 characters each.
    """

    answer: int = 400_000
    reasoning: int = 131_072


class Watch(Protocol):
    """Reads a stream of characters, with constant work for each and bounded memory."""

    @property
    def name(self) -> str:
        """The guard that this is a part of."""

    def feed(self, text: str) -> int | None:
        """Characters of `text` up to the one at which it has seen enough; None while it has not."""


class LengthWatch:
    """Counts."""

    name = RUNAWAY

    def __init__(self, limit: int) -> None:
        self._left = limit

    def feed(self, text: str) -> int | None:
        """Characters up to the first one beyond the limit."""
        if len(text) > self._left:
            return self._left + 1
        self._left -= len(text)
        return None


class TokenWatch:
    """Counts what the tokens of an answer can hold at most: one that holds more is of an engine that knows no `max_tokens`."""

    name = RUNAWAY

    def __init__(self, tokens: int) -> None:
        self._left = tokens * _UNITS_PER_TOKEN + _UNITS_OF_SLACK

    def feed(self, text: str) -> int | None:
        """Characters up to the last one within the limit, when there are more."""
        if len(text) * _SYLLABLE <= self._left:  # sure without a look at each
            self._left -= sum(map(_units, text))
            return None
        for at, character in enumerate(text):
            self._left -= _units(character)
            if self._left < 0:
                return at
        return None


class Attempt:
    """One call of the engine: what it has written, what of it may go out, and what is wrong with it."""

    def __init__(
        self,
        guards: frozenset[str],
        limits: Limits,
        call: EngineCall,
        *,
        held: bool,
        only_calls: bool = False,
        before: Attempt | None = None,
    ) -> None:
        self.call = call
        self.failed = ""
        self.told = False
        """Whether all that is wrong is that a call was told, and none made: as an answer it may well be good."""
        self.may_be_meant = False
        """Whether all that is wrong is that a short answer is in another language: one like it, said twice, is an answer."""
        self.in_reasoning = False
        self.is_out = only_calls
        self.usage: Usage | None = before.usage if before else None
        self.replica = ""
        self.retried = (before.failed,) if before else ()
        self._guards = guards
        self._last = ""
        self._tools = tools.names_of_tools(call) if TOOL_CALL in guards else frozenset[str]()
        self._only_calls = only_calls
        self._held: list[EngineEvent] | None = [] if held else None
        self._language = _language_watch(guards, call)
        self._answer = _watches(guards, limits.answer)
        if self._language is not None:
            self._answer.append(self._language)
        limited = RUNAWAY in guards and call.max_tokens is not None
        self._room = TokenWatch(call.max_tokens or 0) if limited else None
        self._reasoning = _watches(guards, limits.reasoning)
        self._arguments = _watches(guards - {GIBBERISH}, limits.answer)
        if call.withheld is not None:  # whichever guards a model needs: what is withheld is withheld
            self._answer.append(LeakWatch(call.withheld))
            self._arguments.append(LeakWatch(call.withheld))
        self._text = 0
        self._short: str | None = ""
        self._kept: list[str] = []
        self._is_call = False
        self._bare = False
        self._called = False
        self._blank = True
        self._end: Finished | None = None

    def take(self, event: EngineEvent) -> list[EngineEvent]:
        """The events that go out for the engine's next one; sets `failed` when a guard has seen enough."""
        if isinstance(event, TextDelta):
            shown = self._take_text(event.text)
        elif isinstance(event, ReasoningDelta):
            good = self._watched(self._reasoning, event.text)
            self.in_reasoning = bool(self.failed)
            shown = [ReasoningDelta(good)] if good else []
        elif isinstance(event, ToolCallDelta):
            shown = self._take_call(event)
        else:
            shown = self._take_end(event)
        if self._held is None:
            self._count_out(shown)
            return shown
        self._held += shown
        if self._end is None or self.failed:
            return []
        return self._held

    @property
    def ended(self) -> bool:
        """Whether the engine has said that it is done."""
        return self._end is not None

    @property
    def is_complete(self) -> bool:
        """Whether it is an answer after all, where nothing better comes."""
        return self.told or self.may_be_meant

    def unsent(self) -> list[EngineEvent]:
        """What has not gone out of one that is complete."""
        rest = self._rest()
        return rest if self._held is None else [*self._held, *rest]

    def finished(self) -> Finished:
        """The good end."""
        end = self._end or Finished("stop")
        sent = end.sent or (digest_of(self.call.messages) if self.call.withheld is not None else "")
        return replace(end, usage=self.usage, retried=self.retried, sent=sent)

    def _count_out(self, shown: Sequence[EngineEvent]) -> None:
        # Reasoning is no part of the answer: a second try after it is still silent.
        self.is_out = self.is_out or any(isinstance(item, TextDelta | ToolCallDelta) for item in shown)

    def _watched(self, watches: Sequence[Watch], text: str) -> str:
        """`text` as far as it is good."""
        ends = [(end, watch.name) for watch in watches if (end := watch.feed(text)) is not None]
        if not ends:
            return text
        end, self.failed = min(ends)
        return text[:end]

    def _take_text(self, text: str) -> list[EngineEvent]:
        full = self._room.feed(text) if self._room is not None else None
        good = self._watched(self._answer, text if full is None else text[:full])
        shown = self._take_good(good)
        return shown if full is None or self.failed else [*shown, *self._take_end(Finished("length"))]

    def _take_good(self, good: str) -> list[EngineEvent]:
        self._blank = self._blank and not good.strip()
        self._text += len(good)
        if self._short is not None:
            self._short = self._short + good if self._text <= tools.TELLING else None
        self._kept.append(good)
        if self._holds_all():
            return []
        kept = self._joined()
        out = len(kept)
        if self._tools and not self._called:
            out = tools.holds_from(kept, self._last)
            self._is_call = kept.startswith(tools.MARKS, out)
        self._kept = [kept[out:]] if out < len(kept) else []
        self._last = kept[:out][-1:] or self._last
        return [TextDelta(kept[:out])] if out else []

    def _holds_all(self) -> bool:
        """Whether nothing more may go out yet."""
        if self._blank or self._only_calls:
            return True  # an answer of nothing but blanks is none
        opened = self._language.open_at if self._language is not None else 0
        if not self.is_out and (opened is None or (self.failed and self._text <= opened)):
            return True
        if not self._tools or self._called:
            return False
        return self._is_call or (not self.is_out and self._may_be_bare())

    def _may_be_bare(self) -> bool:
        if self._text == len(self._short or ""):
            self._bare = self.call.response_format is None and tools.may_be_bare_call(self._short or "")
        return self._bare

    def _joined(self) -> str:
        kept, self._kept = "".join(self._kept), []
        return kept

    def _take_call(self, event: ToolCallDelta) -> list[EngineEvent]:
        good = self._watched(self._arguments, event.arguments)
        text = [] if self._called or self._is_call else self._rest()
        self._called = True
        return [*text, replace(event, arguments=good)]

    def _take_end(self, event: Finished) -> list[EngineEvent]:
        self._end = event
        self.usage = _sum(self.usage, event.usage)
        self.replica = event.replica
        if event.reason == "guard":  # the engine has guards of its own (vLLM's repetition detection)
            self.failed, self.in_reasoning = event.guard or REPETITION, self._blank
            return []
        if self._is_short_and_foreign():
            self.failed, self.may_be_meant = LANGUAGE, True
            return []
        cut_as_asked = event.reason == "length" and self.call.may_be_cut and self._blank
        if self._called or event.reason == "content_filter" or cut_as_asked:
            return self._rest()
        if self._tools:
            kept = self._joined()
            written = tools.written_calls(kept, self.call.tools) if kept.strip() else []
            if written:
                self._called = True
                self._end = replace(event, reason="tool_calls")
                return self._as_calls(kept, written)
            self._kept = [kept]
            lacking = self._lacks_call(event)
            self.told = not lacking and self._tells_call(event)
            if lacking or self.told:
                self.failed = TOOL_CALL
                return []
        if self._blank and EMPTY in self._guards and not self.call.sampling.stop:
            self.failed = EMPTY
            return []
        return self._rest()

    def _is_short_and_foreign(self) -> bool:
        """Whether a first answer was over before it was long enough to be stopped; a second one like it goes out."""
        return (
            not (self.retried or self.is_out or self._called)
            and self._language is not None
            and self._language.all_foreign()
            and (self._short is None or is_sentence(self._short))
            and not wants_original(self.call.messages)
        )

    def _as_calls(self, kept: str, written: Sequence[tools.WrittenCall]) -> list[EngineEvent]:
        """The calls, after what was written before them."""
        at = tools.holds_from(kept, self._last)
        before = kept[:at].rstrip() if at < len(kept) else ""
        text: list[EngineEvent] = [TextDelta(before)] if before and not self._only_calls else []
        ids = [f"call_{uuid4().hex[:24]}" for _ in written]
        return [*text, *tools.deltas_of(written, ids)]

    def _lacks_call(self, event: Finished) -> bool:
        return event.reason == "tool_calls" or self._only_calls or self._is_call or tools.is_required(self.call)

    def _tells_call(self, event: Finished) -> bool:
        if event.reason != "stop" or self._short is None or tools.has_results(self.call.messages):
            return False
        return tools.tells_a_call(self._short, self._tools)

    def _rest(self) -> list[EngineEvent]:
        kept = self._joined()
        return [TextDelta(kept)] if kept.strip() and not self._only_calls else []


def _units(character: str) -> int:
    if not character.isalnum():
        return 1
    return _SYLLABLE if _SYLLABLES.match(character) else _LETTER


def _watches(guards: frozenset[str], limit: int) -> list[Watch]:
    watches: list[Watch] = []
    if REPETITION in guards:
        watches += [RepetitionWatch(), RepetitionWatch(fold_digits=True)]
    if RUNAWAY in guards:
        watches.append(LengthWatch(limit))
    if GIBBERISH in guards:
        watches.append(GibberishWatch())
    return watches


def _language_watch(guards: frozenset[str], call: EngineCall) -> LanguageWatch | None:
    if LANGUAGE not in guards or expected_of(call) is None:
        return None
    return LanguageWatch()


def _sum(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return one or other
    return Usage(one.prompt + other.prompt, one.completion + other.completion, one.cached + other.cached)
