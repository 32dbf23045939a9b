"""The generator that asks a served model: passages and question in, cited sentences out as the model writes them.

The model only proposes. Which passage a number means is decided here, by the prompt that was sent; whether a sentence stands
on it is for `rag.answering.contract` to check.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from anyio.to_thread import run_sync

from rag.domain.answer import Note
from rag.domain.errors import (
    GenerationStopped,
    InvalidRequest,
    ModelBroken,
    ModelBusy,
    ModelUnavailable,
    PromptTooLong,
)
from rag.domain.language import Language
from rag.generation.base import LIMITED, NO_ANSWER, PROMPT_HASH, SENT_AGAIN, TRUNCATED, Draft, GenerationRequest
from rag.generation.drafting import Drafting, Piece
from rag.generation.engine import EngineCall, Finished, Sampling, TextDelta, digest_of
from rag.generation.grounded_prompt import GroundedPrompt, PromptWriter
from rag.generation.guards_language import answer_language
from rag.generation.prompts.files import prompt, prompt_language
from rag.generation.refusals import says_nothing
from rag.generation.routing import Choice, Job, ModelRouter
from rag.generation.saying import Speaker, reasoning_tokens
from rag.settings import GenerationSettings
from rag.text.language import detect_language
from rag.text.sentences import Span, split_sentences
from rag.text.template_tokens import neutralised, restored

log = logging.getLogger(__name__)

_REPAIR_TOKENS = 400
_REPAIR_PASSAGES = 3
_REPAIR_CONTEXT = 6000
_LEAST_CONTEXT_LEFT = 256
_HOTTEST = 1.0
"""Of the temperatures that callers may want, for words that have to stand on passages."""
_SHORTER = 0.8
"""Of a prompt that is too long for every model, what is tried next."""
_TOO_LONG_FOR_ENGINE = 0.6
"""Of a prompt that an engine found too long, what is written next. Llama 2's vocabulary, which SOLAR has, takes up to three
tokens for a Hangul syllable, and one is reckoned with."""
_SHORTENINGS = 2


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is sent, and to whom.

    Attributes:
        digest: of the messages of the call.
        limit: tokens of an answer that the caller wants at most, where that is less than it would have; reasoning is beside it.
    """

    choice: Choice
    prompt: GroundedPrompt
    call: EngineCall
    digest: str
    limit: int | None


class GroundedGenerator:
    """Writes answers with whichever model the router chooses."""

    name = "grounded/1"

    def __init__(self, router: ModelRouter, settings: GenerationSettings, writer: PromptWriter | None = None) -> None:
        self._router, self._settings = router, settings
        self._writer = writer or PromptWriter()
        self._speaker = Speaker()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        """The model's sentences as they are complete; none when it says that the passages do not answer.

        Raises:
            UnknownModel, InvalidRequest: no configured model can take it.
            GenerationStopped: a guard ended it; what came before is not to be trusted.
            ModelBroken: the model said nothing at all.
            ModelUnavailable, or another of its kinds: as the engine says.
        """
        if not request.passages:
            return
        first = prepared = await self._prepared(request)
        for note in _notes(prepared):
            yield note
        for tries_left in range(_SHORTENINGS, -1, -1):
            begun = False
            try:
                async with aclosing(self._written(request, prepared, first)) as items:
                    async for item in items:
                        begun = True
                        yield item
                return
            except PromptTooLong as error:
                if begun or not tries_left:
                    raise
                prepared = await self._shorter(request, prepared, error)
            for note in _shortened(prepared):
                yield note

    async def _written(
        self, request: GenerationRequest, prepared: _Prepared, first: _Prepared
    ) -> AsyncGenerator[Draft | Note, None]:
        """What comes of one prompt; `first` is the one that the notes before it told of."""
        drafting = Drafting(_split)
        reading = _Reading(len(request.passages), prepared.prompt)
        finished = Finished("stop")
        async with aclosing(self._speaker.stream(prepared.choice.engine, prepared.call)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    finished = event
                elif isinstance(event, TextDelta) and drafting.push(event.text):
                    for draft in reading.drafts(await run_sync(drafting.take)):
                        yield draft
                    if drafting.refused:
                        break
        self._check(prepared, finished, drafting)
        for draft in reading.drafts(await run_sync(partial(drafting.finish, complete=finished.reason != "length"))):
            yield draft
        for note in _last_notes(finished, drafting, first, refused=drafting.refused or reading.withheld):
            yield note

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        """One other wording of a sentence, asked for in one short call with the passages that it cites; None without one.

        Raises:
            ModelBusy: there is no room for it now.
        """
        if not draft.text or not request.passages:
            return None
        known = range(len(request.passages))
        cited = list(dict.fromkeys(index for index in draft.cites if index in known)) or list(known)
        excerpt = await run_sync(self._writer.excerpt, request, cited[:_REPAIR_PASSAGES], _REPAIR_CONTEXT)
        words = prompt("repair", prompt_language(request.language))
        user = words.filled(
            1,
            passages=excerpt.text,
            question=neutralised(request.question).text,
            sentence=neutralised(draft.text).text,
            problems=neutralised("; ".join(problems)).text,
        )
        shown = GroundedPrompt((), excerpt.shown, words.identity, 0, "", excerpt.written)
        try:
            system = words.filled(0, marker=excerpt.marker)
            job = self._job(replace(request, thinking=False), len(system) + len(user), _REPAIR_TOKENS)
            choice = self._router.choose(job)
            text = await self._speaker.said(
                choice,
                system,
                user,
                max_tokens=_REPAIR_TOKENS,
                tenant=request.tenant,
                language=answer_language(request),
            )
        except ModelBusy:
            raise
        except (ModelUnavailable, InvalidRequest) as error:
            log.warning("a sentence was not repaired: %s", error.code)
            return None
        pieces = await run_sync(partial(_pieces_of, text))
        if len(pieces) != 1 or pieces[0].text == draft.text:
            return None
        return _Reading(len(request.passages), shown).draft(pieces[0])

    async def _shorter(self, request: GenerationRequest, prepared: _Prepared, error: PromptTooLong) -> _Prepared:
        """The same in fewer tokens, after an engine said that it is too long: its tokenizer needs more than is estimated."""
        written = prepared.prompt.tokens
        log.warning("%s took no prompt of some %d tokens", prepared.choice.engine.name, written)
        least = self._writer.least(request) + _LEAST_CONTEXT_LEFT  # something of a passage, with its labels
        shorter = max(int(written * _TOO_LONG_FOR_ENGINE), least)
        if shorter >= written:
            raise error
        try:
            return await self._prepared(request, shorter)
        except InvalidRequest:
            raise error from None

    async def _prepared(self, request: GenerationRequest, most: int | None = None) -> _Prepared:
        own = self._settings.max_answer_tokens
        answer = min(own, request.most_tokens or own)
        choice, longest = self._chosen(request, answer)
        context = choice.engine.context_tokens
        limit = answer if answer < min(own, context // 4) else None
        answer = min(answer, context // 4)
        reasoning = reasoning_tokens(choice)
        budget = max(min(context - answer - reasoning, longest, most or longest), _LEAST_CONTEXT_LEFT)
        written = await run_sync(self._writer.write, request, budget)
        call = EngineCall(
            written.messages,
            max_tokens=answer + reasoning,
            sampling=asked_for(choice, request.temperature),
            thinking=choice.thinking,
            adapter=choice.adapter,
            tenant=request.tenant,
            affinity=written.affinity,
            unseen_since=None if request.multi_step else request.unseen_since,
            language=answer_language(request),
        )
        sent = self._speaker.as_sent(choice.engine, call)
        return _Prepared(choice, written, sent, digest_of(sent.messages), limit)

    def _chosen(self, request: GenerationRequest, answer_tokens: int) -> tuple[Choice, int]:
        """A model, and how long the prompt may be for it: all of it where any takes that, else less until one does."""
        size = self._writer.estimate(request)
        least = self._writer.least(request)
        while True:
            try:
                return self._router.choose(self._job(request, size, answer_tokens)), size
            except InvalidRequest:
                if size <= least:
                    raise
                size = max(least, int(size * _SHORTER))

    def _job(self, request: GenerationRequest, prompt_tokens: int, answer_tokens: int) -> Job:
        code = request.language is Language.CODE
        return Job(
            "code" if code else "precise" if request.multi_step else "interactive",
            prompt_tokens=prompt_tokens,
            answer_tokens=answer_tokens,
            language=request.language,
            thinking=request.thinking,
            model=request.model,
            grounded=True,
            multi_step=request.multi_step,
        )

    def _check(self, prepared: _Prepared, finished: Finished, drafting: Drafting) -> None:
        name = prepared.choice.engine.name
        log.debug("%s answered from %s", name, finished.replica or "?")
        if finished.reason == "guard":
            raise GenerationStopped(name=name, guard=finished.guard)
        if not drafting.wrote or finished.reason in ("tool_calls", "content_filter"):
            raise ModelBroken(name=name)


def asked_for(choice: Choice, temperature: float | None) -> Sampling:
    """The sampling of a choice at a caller's temperature, as far as an answer can be had at it.

    A model that reasons keeps its vendor's: at 0, which many clients send with every request, such models go round in circles.
    """
    if temperature is None or choice.thinking is not False:
        return choice.sampling
    return replace(choice.sampling, temperature=min(temperature, _HOTTEST))


class _Reading:
    """Turns numbers of a prompt into indexes of passages."""

    def __init__(self, passages: int, shown: GroundedPrompt) -> None:
        self._passages, self._shown = passages, shown
        self._waiting: list[Piece] = []
        self._begun = False

    @property
    def withheld(self) -> bool:
        """Whether all that has come says that there is no answer: an answer of nothing else is none."""
        return bool(self._waiting)

    def drafts(self, pieces: Iterable[Piece]) -> Iterator[Draft]:
        """The proposals. Words that only refuse wait until an answer follows them."""
        for piece in pieces:
            if not self._begun and says_nothing(piece):
                self._waiting.append(piece)
                continue
            self._begun = True
            yield from (self.draft(item) for item in (*self._waiting, piece))
            self._waiting.clear()

    def draft(self, piece: Piece) -> Draft:
        """The proposal. A number that was not shown stays, beyond all passages, for the contract to count."""
        cites = tuple(dict.fromkeys(self._index(number) for number in piece.numbers))
        return Draft(text=restored(piece.text, self._shown.written), cites=cites, gap=piece.gap)

    def _index(self, number: int) -> int:
        shown = self._shown.shown
        return shown[number - 1] if 1 <= number <= len(shown) else self._passages + number - 1


def _pieces_of(text: str) -> list[Piece]:
    drafting = Drafting(_split)
    drafting.push(text)
    return drafting.finish()


def _split(text: str) -> Sequence[Span]:
    """Sentences of a line that a model wrote, in the language that it is in."""
    korean = detect_language(text) is Language.KOREAN
    return split_sentences(text, Language.KOREAN if korean else Language.ENGLISH)


def _notes(prepared: _Prepared) -> Iterator[Note]:
    """What is known before the first word."""
    choice = prepared.choice
    yield Note("model", choice.engine.name)
    for reason in choice.reasons:
        yield Note("router", reason)
    thinking: Mapping[bool | None, str] = {True: "on", False: "off", None: "left to the model"}
    yield Note("thinking", thinking[choice.thinking])
    yield Note("prompt", prepared.prompt.identity)
    yield Note(PROMPT_HASH, prepared.digest)
    for detail in prepared.prompt.omitted:
        yield Note("omitted", detail)


def _shortened(prepared: _Prepared) -> Iterator[Note]:
    """What is left out of a prompt that was written again."""
    yield Note(
        "omitted", f"prompt: too long for {prepared.choice.engine.name}, written in {prepared.prompt.tokens} tokens"
    )
    for detail in prepared.prompt.omitted:
        yield Note("omitted", detail)


def _last_notes(finished: Finished, drafting: Drafting, prepared: _Prepared, *, refused: bool) -> Iterator[Note]:
    """What is known after the last."""
    for guard in finished.retried:
        yield Note("guard", f"{guard}: asked again")
    if finished.sent not in ("", prepared.digest):
        yield Note(SENT_AGAIN, finished.sent)
    if finished.reason == "length":
        left = len(drafting.left)
        if prepared.limit is not None:
            yield Note(LIMITED, f"the caller wants {prepared.limit} tokens at most")
        yield Note(
            TRUNCATED, f"ended after {prepared.call.max_tokens} tokens; {left} characters of a last sentence left out"
        )
    if refused:
        yield Note(NO_ANSWER, "the model found no answer in the passages")
    elif drafting.refused_in_part:
        yield Note(NO_ANSWER, "the model found no answer in the passages to a part of the question")
    if finished.usage is not None:
        usage = finished.usage
        yield Note("usage", f"prompt {usage.prompt} tokens, {usage.cached} of them cached; answer {usage.completion}")
