"""What has still to be looked up for a question, and how a report on it is divided: asked of a model, as search questions.

What comes back is only ever searched with, under the permit of the question, or is a heading; it is cut to a length, and text
of the passages is shown to the model as marked data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from anyio.to_thread import run_sync

from rag.generation.base import GenerationRequest
from rag.generation.grounded_prompt import PromptWriter
from rag.generation.guards_language import answer_language
from rag.generation.prompts.files import prompt, prompt_language
from rag.generation.routing import Job, ModelRouter
from rag.generation.saying import Speaker
from rag.text.inert import inert
from rag.text.reasoning import without_reasoning
from rag.text.template_tokens import neutralised
from rag.text.token_estimate import estimated_tokens

_TOKENS = 300
_READ_TOKENS = 5000
"""Of the passages, what a planner reads: the best ones nearly always fit, and it has to be quick."""
_LONGEST_QUESTION, _LONGEST_HEADING = 200, 60
_BULLET = re.compile(r"^\s*(?:[-*•#]+|\(?\d{1,2}[.):])\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_DONE = re.compile(r"\W*(?:DONE|끝)\W*\Z", re.IGNORECASE)


class Planner(Protocol):
    """Says what has to be looked up."""

    async def further(self, request: GenerationRequest, asked: Sequence[str], count: int) -> tuple[str, ...]:
        """At most `count` questions that have still to be searched for; none when the passages are enough.

        Args:
            asked: what was searched for already.

        Raises:
            ModelUnavailable, or one of its kinds: the model behind it can't be asked.
        """

    async def outline(self, request: GenerationRequest, count: int) -> tuple[str, ...]:
        """At most `count` headings of a report on the question that the passages can fill; raises as `further`."""


class ModelPlanner:
    """Asks the model that the router chooses."""

    def __init__(self, router: ModelRouter, writer: PromptWriter | None = None) -> None:
        self._router, self._writer = router, writer or PromptWriter()
        self._speaker = Speaker()

    async def further(self, request: GenerationRequest, asked: Sequence[str], count: int) -> tuple[str, ...]:
        """Questions that were not asked before, one a line of what the model says."""
        lines = await self._lines("plan", request, count, asked="\n".join(f"- {item}" for item in asked))
        known = {_key(item) for item in asked}
        found: dict[str, str] = {}
        for line in lines:
            if _DONE.match(line):
                break
            if _key(line) not in known:
                found.setdefault(_key(line), line[:_LONGEST_QUESTION])
        return tuple(found.values())[:count]

    async def outline(self, request: GenerationRequest, count: int) -> tuple[str, ...]:
        """Headings, without figures: those are for sentences that cite where they stand."""
        lines = await self._lines("outline", request, count)
        headings = (" ".join(word for word in inert(line).split() if not re.search(r"\d", word)) for line in lines)
        return tuple(dict.fromkeys(text[:_LONGEST_HEADING] for text in headings if text))[:count]

    async def _lines(self, name: str, request: GenerationRequest, count: int, **values: str) -> list[str]:
        words = prompt(name, prompt_language(request.language))
        excerpt = await run_sync(self._writer.excerpt, request, range(len(request.passages)), _READ_TOKENS)
        system = words.filled(0, marker=excerpt.marker, count=str(count))
        own = {key: neutralised(value).text for key, value in values.items()}
        user = words.filled(1, passages=excerpt.text, question=neutralised(request.question).text, **own)
        job = Job(
            "interactive",
            estimated_tokens(system) + estimated_tokens(user),
            _TOKENS,
            language=request.language,
            thinking=False,
            model=request.model,
            grounded=True,
        )
        choice = self._router.choose(job)
        language = answer_language(request)
        text = await self._speaker.said(
            choice, system, user, max_tokens=_TOKENS, tenant=request.tenant, language=language
        )
        return list(_cleaned(text))


def _cleaned(text: str) -> Iterator[str]:
    for line in without_reasoning(text).splitlines():
        words = _BULLET.sub("", _CONTROL.sub(" ", line)).strip(" \t\"'“”`*")
        if words:
            yield neutralised(words).text


def _key(question: str) -> str:
    """What two writings of a question have in common."""
    return re.sub(r"\W+", "", question).casefold()
