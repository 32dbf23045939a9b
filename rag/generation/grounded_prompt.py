"""The prompt of a grounded answer: passages as marked data in a stable order, within what the model can read.

Order of everything: what is the same for many questions comes first (rules, then the conversation, then the passages in the
order of their documents), what is this question's own comes last (ranks, question, style), so that prefix caches hit.
"""

from __future__ import annotations

import hmac
import secrets
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from string import Template

from rag.domain.errors import InvalidRequest
from rag.domain.language import Language
from rag.domain.messages import UiLanguage
from rag.domain.passage import Passage
from rag.domain.style import AnswerStyle
from rag.generation.base import GenerationRequest
from rag.generation.engine import Message
from rag.generation.marks import marks_as_text
from rag.generation.memory import NO_MEMORY, Memory, remembered
from rag.generation.prompts.files import Prompt, prompt, prompt_language
from rag.text.invisible import visible
from rag.text.language import detect_language
from rag.text.sentences import split_sentences
from rag.text.template_tokens import neutralised
from rag.text.token_estimate import estimated_tokens

_MARKER_CHARACTERS = 8
_HISTORY_SHARE = 4
"""The conversation gets a quarter of the prompt at most: answers stand on passages, not on what was said."""
_LEAST_PASSAGE = 48
"""Tokens; less of a passage than this says nothing."""
_AROUND_PASSAGE = 40
"""Tokens of the two lines around a passage."""
_TEMPLATE_TOKENS = 128
"""What a model's template puts around system and user message, with a date and the like, and the line of the canary."""
_LONGEST_LABEL = 160


@dataclass(frozen=True, slots=True)
class GroundedPrompt:
    """Messages for a model, and how to read its answer.

    Attributes:
        shown: index in the request of the passage that is shown as number 1, 2, …
        written: what stands in the prompt for parts of the passages that a model must not read as they are.
        omitted: what of passages or conversation is not in it, for the trace.
        tokens: estimate of its length.
        affinity: prompts with the same value begin with the same text.
    """

    messages: tuple[Message, ...]
    shown: tuple[int, ...]
    identity: str
    tokens: int
    affinity: str
    written: Mapping[str, str] = field(default_factory=dict)
    omitted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some passages as they are shown, numbered from 1.

    Attributes:
        shown, written: as in `GroundedPrompt`.
        marker: the word in the lines around each.
    """

    shown: tuple[int, ...]
    text: str
    marker: str
    written: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Block:
    """A passage as it is shown, without its number."""

    index: int
    head: str
    body: str
    language: Language
    written: Mapping[str, str]
    tail: str = ""

    @property
    def tokens(self) -> int:
        """Estimate, the lines around it included."""
        return estimated_tokens(self.head) + estimated_tokens(self.body) + _AROUND_PASSAGE


class PromptWriter:
    """Writes prompts. Stateless but for the secret that its markers come from. Thread-safe."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(16)

    def estimate(self, request: GenerationRequest) -> int:
        """Tokens of the prompt with everything in it."""
        passages = sum(
            estimated_tokens(item.chunk.text) + _AROUND_PASSAGE + _label_tokens(item) for item in request.passages
        )
        history = sum(estimated_tokens(item.content) for item in request.history)
        return self._fixed(request, NO_MEMORY) + passages + history

    def least(self, request: GenerationRequest) -> int:
        """Tokens of the shortest prompt that can be written: the question, and something of one passage."""
        return self._fixed(request, NO_MEMORY) + _LEAST_PASSAGE + _AROUND_PASSAGE

    def write(self, request: GenerationRequest, budget: int) -> GroundedPrompt:
        """The prompt, in `budget` tokens.

        Raises:
            InvalidRequest: the question leaves no room for passages.
        """
        language = prompt_language(request.language)
        words = prompt(prompt_name(request.passages), language)
        memory = remembered(request.history, max(0, budget - self.least(request)) // _HISTORY_SHARE)
        room = budget - self._fixed(request, memory)
        blocks, omitted = _packed(_blocks(request.passages, words, language), room, words.entries(2)["cut"])
        if not blocks:
            raise InvalidRequest(
                detail=f"question: it leaves no room for passages in {budget} tokens",
                detail_ko=f"question: {budget}토큰 안에 문단을 넣을 자리가 남지 않습니다. 질문을 줄이세요",
            )
        if memory.forgotten or memory.older:
            omitted = (*omitted, f"history: {2 * len(memory.older)} turns condensed, {memory.forgotten} left out")
        return self._written(request, words, memory, blocks, omitted)

    def excerpt(self, request: GenerationRequest, indexes: Sequence[int], budget: int) -> Excerpt:
        """Some passages alone, in the order given."""
        words = prompt(prompt_name(request.passages), prompt_language(request.language))
        chosen = _blocks(request.passages, words, prompt_language(request.language))
        blocks, _ = _packed([chosen[index] for index in indexes], budget, words.entries(2)["cut"])
        marker = self._marker(request.tenant, [f"{block.head}\n{block.body}" for block in blocks])
        written = {shown: text for block in blocks for shown, text in block.written.items()}
        return Excerpt(tuple(block.index for block in blocks), _rendered(blocks, marker), marker, written)

    def _written(
        self,
        request: GenerationRequest,
        words: Prompt,
        memory: Memory,
        blocks: Sequence[_Block],
        omitted: tuple[str, ...],
    ) -> GroundedPrompt:
        ordered = sorted(blocks, key=lambda block: _place(request.passages[block.index]))
        question = neutralised(request.question.strip()).text
        turns = [turn.content for turn in memory.turns]
        older = [text for pair in memory.older for text in pair]
        texts = [f"{block.head}\n{block.body}" for block in ordered]
        marker = self._marker(request.tenant, [*texts, *turns, *older, question])
        system = words.filled(0, marker=marker)
        numbers = {block.index: number for number, block in enumerate(ordered, 1)}
        passages = _rendered(ordered, marker)
        user = words.filled(
            1,
            earlier=_earlier(memory, words),
            passages=passages,
            order=" ".join(f"[{numbers[index]}]" for index in sorted(numbers)),
            question=question,
            style=style_line(request.style, prompt_language(request.language)),
        )
        messages = (
            {"role": "system", "content": system},
            *({"role": turn.role, "content": turn.content} for turn in memory.turns),
            {"role": "user", "content": user},
        )
        begins = turns[0] if turns else "".join(older) + passages.partition("\n===")[0]
        return GroundedPrompt(
            messages,
            tuple(block.index for block in ordered),
            words.identity,
            _TEMPLATE_TOKENS + sum(estimated_tokens(str(item["content"])) for item in messages),
            sha256("\0".join((request.tenant, system, begins)).encode()).hexdigest()[:16],
            {shown: text for block in ordered for shown, text in block.written.items()},
            omitted,
        )

    def _fixed(self, request: GenerationRequest, memory: Memory) -> int:
        """Tokens of everything but the passages."""
        language = prompt_language(request.language)
        words = prompt(prompt_name(request.passages), language)
        ranks = 8 * len(request.passages)
        style = estimated_tokens(style_line(request.style, language))
        own = sum(estimated_tokens(text) for text in (*words.parts[:2], request.question))
        return own + ranks + style + memory.tokens + _TEMPLATE_TOKENS

    def _marker(self, tenant: str, texts: Sequence[str]) -> str:
        """A word that none of `texts` holds, so none can end its passage, or begin one.

        It is random, but the same for a tenant as long as the process lives: passages that come again stand in the prefix
        cache. A writer of documents who got hold of it gains nothing, since a text that holds it gets another.
        """
        for attempt in range(1 << 16):
            digest = hmac.new(self._secret, f"{tenant}#{attempt}".encode(), sha256).hexdigest()
            marker = digest[:_MARKER_CHARACTERS]
            if not any(marker in text for text in texts):
                return marker
        raise AssertionError("a text that holds 65,536 random words was not written by anybody")


def prompt_name(passages: Sequence[Passage]) -> str:
    """Which prompt is written: that for code where the best passage is code, or half of all are."""
    code = [passage.chunk.language is Language.CODE for passage in passages]
    return "grounded_code" if code and (code[0] or 2 * sum(code) >= len(code)) else "grounded"


def style_line(style: AnswerStyle, language: UiLanguage) -> str:
    """The one line that a collection's style is in a prompt, after a line break; empty for the default."""
    words = prompt("style", language)
    known = words.entries(0)
    rules = [known[name] for name in style.rules()]
    return f"\n{words.filled(1, rules=' '.join(rules))}" if rules else ""


def _blocks(passages: Sequence[Passage], words: Prompt, language: UiLanguage) -> list[_Block]:
    return [_block(index, passage, words.entries(2), language) for index, passage in enumerate(passages)]


def _block(index: int, passage: Passage, labels: Mapping[str, str], language: UiLanguage) -> _Block:
    chunk = passage.chunk
    body, written = (
        visible(chunk.text),
        dict[str, str](),
    )  # what was ingested by an older release may hold what nobody sees
    if chunk.language is not Language.CODE:  # in code, brackets with a number are what is asked about
        body, written = marks_as_text(body)
    neutral = neutralised(body)
    lines = (f"{labels[name]}: {neutralised(_line(value)).text}" for name, value in _labels(passage, labels, language))
    return _Block(index, "\n".join(lines), neutral.text, chunk.language, {**written, **neutral.written})


def _labels(passage: Passage, labels: Mapping[str, str], language: UiLanguage) -> Iterator[tuple[str, str]]:
    """What a reader has to know about a passage, by the name of its label."""
    source, chunk = passage.source, passage.chunk
    if spot := _code_spot(passage, labels):
        yield from _code_labels(passage, spot)
        yield "version", ", ".join(_version(passage, labels))
        return
    yield ("title", source.title) if source.title.strip() else ("file", source.source_key)
    if chunk.heading_path:
        yield "heading", " › ".join(chunk.heading_path)
    if chunk.provision:
        yield "provision", chunk.provision
    yield "place", chunk.anchor.label(language)
    yield "version", ", ".join(_version(passage, labels))


def _version(passage: Passage, labels: Mapping[str, str]) -> Iterator[str]:
    """Number and dates of a version."""
    source = passage.source
    yield str(source.version_number)
    for name, date in (("since", source.valid_from), ("until", source.valid_to), ("fetched", source.fetched_at)):
        if date is not None:
            yield Template(labels[name]).substitute(date=_day(date))


def _code_labels(passage: Passage, spot: str) -> Iterator[tuple[str, str]]:
    """What a reader has to know about a piece of code."""
    source, code = passage.source, passage.chunk.code
    if source.mirrored is not None:  # at one of the two ends of a comparison, which its title tells
        yield "title", source.title
    yield "file", source.source_key
    yield "place", spot
    if code is not None and code.symbol:
        yield "symbol", code.symbol
    if source.commit:
        yield "commit", source.commit[:12]


def _code_spot(passage: Passage, labels: Mapping[str, str]) -> str:
    """`path:line-line` of source code, in a prompt that has words for it; empty for everything else."""
    told = "symbol" in labels and passage.chunk.language is Language.CODE
    return passage.source.spot(passage.chunk.anchor) if told else ""


def _label_tokens(passage: Passage) -> int:
    """Tokens of the labels, at most: names of files and titles can be long, and all of them Korean."""
    shown = (_line(passage.source.title or passage.source.source_key), _line(" › ".join(passage.chunk.heading_path)))
    return _LONGEST_LABEL + sum(estimated_tokens(text) for text in shown)


def _day(instant: datetime) -> str:
    return instant.date().isoformat()


def _line(text: str) -> str:
    text = " ".join(visible(text).split())
    return text if len(text) <= _LONGEST_LABEL else f"{text[:_LONGEST_LABEL]}…"


def _place(passage: Passage) -> tuple[str, str, int, tuple[int, int]]:
    """Canonical order: collection, document, version, position; never the rank."""
    source = passage.source
    return str(source.collection_id), str(source.document_id), source.version_number, passage.ordinals


def _packed(blocks: Sequence[_Block], room: int, tail: str) -> tuple[list[_Block], tuple[str, ...]]:
    """The blocks that fit, from the best on; the one at the edge is cut at a sentence where enough of it is left.

    Returns:
        The blocks, and what was left out, in words.
    """
    taken: list[_Block] = []
    omitted: list[str] = []
    for rank, block in enumerate(blocks, 1):
        if block.tokens <= room:
            taken.append(block)
            room -= block.tokens
            continue
        cut = _cut(block, room, tail)
        if cut is not None:
            taken.append(cut)
            omitted.append(f"passage of rank {rank}: cut after {len(cut.body)} of {len(block.body)} characters")
        if left := [str(number) for number in range(rank + (cut is not None), len(blocks) + 1)]:
            omitted.append(f"passages of rank {', '.join(left)}: no room")
        break
    return taken, tuple(omitted)


def _cut(block: _Block, room: int, tail: str) -> _Block | None:
    """The block up to the last sentence that fits, and `tail` to say so; None where nothing worth showing does."""
    room -= estimated_tokens(block.head) + _AROUND_PASSAGE
    if room < _LEAST_PASSAGE:
        return None
    longest = bisect_right(range(len(block.body)), room, key=lambda size: estimated_tokens(block.body[:size])) - 1
    piece = block.body[:longest]
    language = block.language if block.language is not Language.OTHER else detect_language(piece)
    spans = split_sentences(piece, language)
    end = spans[-2][1] if len(spans) > 1 else longest  # one sentence longer than all the room is cut in its middle
    body = block.body[:end].rstrip()
    return _Block(block.index, block.head, body, block.language, block.written, f"\n{tail}") if body else None


def _rendered(blocks: Sequence[_Block], marker: str) -> str:
    return "\n\n".join(
        f"=== {marker} [{number}] ===\n{block.head}\n\n{block.body}{block.tail}\n=== {marker} /{number} ==="
        for number, block in enumerate(blocks, 1)
    )


def _earlier(memory: Memory, words: Prompt) -> str:
    """What was said before the latest turns, a line each; empty where nothing was."""
    if not memory.older:
        return ""
    labels = words.entries(2)
    lines = [f"- {labels['asked']}: {asked} / {labels['answered']}: {answered}" for asked, answered in memory.older]
    return "\n".join((f"{labels['earlier']}:", *lines, "", ""))
