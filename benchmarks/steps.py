"""What searching in steps can bring to questions that need two documents: are both of them among the passages of the answer?

    python -m benchmarks.steps

`en_hotpotqa200`: at once with 8 passages; in steps of 8 each, with a planner that reads perfectly; at once with as many as
the steps gathered. The planner is an oracle, in the place of a model: it asks for the title of a document that the question
needs, but only where the question or a passage that was found names it. So this is what the loop makes possible, not what a
model achieves.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from benchmarks.data import DataMissing, EvaluationSet, load
from benchmarks.retrieval import fill
from benchmarks.workbench import workbench
from rag.answering.service import Asked
from rag.answering.steps import StepwiseAnswerer
from rag.domain.answer import Note
from rag.domain.language import CollectionKind
from rag.domain.passage import Passage
from rag.domain.principal import Permit
from rag.generation.base import Draft, GenerationRequest
from rag.retrieval.service import Retriever
from rag.settings import AnswerSettings
from rag.text.question import QuestionReader

PASSAGES = 8


class Listening:
    """A generator that says nothing and keeps what it was given."""

    name = "listening"

    def __init__(self) -> None:
        self.passages: Sequence[Passage] = ()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        """No sentence."""
        self.passages = request.passages
        for draft in tuple[Draft, ...]():
            yield draft

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        """None."""
        return None


class Oracle:
    """Asks for the documents that it was told a question needs, as soon as it can know of them."""

    def __init__(self, needed: Mapping[str, Sequence[str]]) -> None:
        self._needed = needed

    async def further(self, request: GenerationRequest, asked: Sequence[str], count: int) -> tuple[str, ...]:
        """Titles that are named in what was read, and were not asked for yet."""
        read = "\n".join((request.question, *(item.chunk.search_text for item in request.passages))).casefold()
        titles = (title.partition(" (")[0] for title in self._needed.get(asked[0], ()))
        return tuple(title for title in titles if title.casefold() in read and title not in asked)[:count]

    async def outline(self, request: GenerationRequest, count: int) -> tuple[str, ...]:
        """None: only the mode `steps` is measured."""
        return ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Documents among the passages of one question, and how many passages and searches those took."""

    documents: frozenset[str]
    passages: int
    searches: int


async def in_steps(answerer: StepwiseAnswerer, heard: Listening, permit: Permit, question: str) -> Outcome:
    """What the steps gather for a question; nothing where all of their evidence was weak."""
    heard.passages = tuple[Passage, ...]()
    searches = 0
    async with aclosing(answerer.stream(permit, Asked(question, PASSAGES, mode="steps"))) as events:
        async for event in events:
            searches += isinstance(event, Note) and event.detail.startswith("search ")
    found = frozenset(passage.source.source_key for passage in heard.passages)
    return Outcome(found, len(heard.passages), searches)


def at_once(retriever: Retriever, permit: Permit, question: str, limit: int) -> Outcome:
    """What one search finds."""
    passages = retriever.search(permit, question, limit=limit).passages
    return Outcome(frozenset(passage.source.source_key for passage in passages), len(passages), 1)


def measure(data: EvaluationSet) -> dict[str, dict[str, Outcome]]:
    """Outcomes by question, by way of asking."""
    rows: dict[str, dict[str, Outcome]] = {"at once, 8 passages": {}, "in steps": {}, "at once, as many": {}}
    needed = {data.queries[query]: [data.corpus[doc][0] for doc in gold] for query, gold in data.qrels.items()}
    heard = Listening()
    with workbench("documents") as bench:
        fill(bench, data, CollectionKind.DOCUMENTS)
        permit, retriever = bench.permit(), bench.rag.retriever
        reader = QuestionReader(bench.rag.analyzer)
        answerer = StepwiseAnswerer(retriever, reader, heard, Oracle(needed), AnswerSettings())
        for query, question in data.queries.items():
            stepwise = asyncio.run(in_steps(answerer, heard, permit, question))
            rows["in steps"][query] = stepwise
            rows["at once, 8 passages"][query] = at_once(retriever, permit, question, PASSAGES)
            many = max(PASSAGES, stepwise.passages)
            rows["at once, as many"][query] = at_once(retriever, permit, question, many)
    return rows


def main() -> int:
    """Print the shares."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        data = load("en_hotpotqa200")
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{'':24}{'all found':>11}{'any found':>11}{'passages':>10}{'searches':>10}")
    for name, outcomes in measure(data).items():
        held = {query: [doc in item.documents for doc in data.qrels[query]] for query, item in outcomes.items()}
        every, some = (sum(map(check, held.values())) / len(held) for check in (all, any))
        passages = sum(item.passages for item in outcomes.values()) / len(held)
        searches = sum(item.searches for item in outcomes.values()) / len(held)
        print(f"{name:24}{every:11.3f}{some:11.3f}{passages:10.1f}{searches:10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
