"""A report: sections under headings, each sentence cited, the sources at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from rag.answering.rendering import inline_code, ruled
from rag.domain.answer import PARAGRAPH, Note, Sentence, Support
from rag.domain.language import Language
from rag.domain.messages import UiLanguage
from rag.generation.base import LIMITED, TRUNCATED, Draft, GenerationRequest, Generator
from rag.generation.prompts.files import prompt, prompt_language
from rag.text.inert import inert

STEP, SECTION, SOURCE = "step", "section", "source"
"""Kinds of the notes that tell of a search as it happens, that hold a heading, before its sentences, and a source, at the end."""
SECTION_TRUNCATED = "section_truncated"
"""Kind of the note that holds the heading of a section which ended at its longest: the report goes on behind it."""


class SectionedGenerator:
    """Has a generator write one section after the other, all from the same passages.

    Only the end of the prompt differs between them, so that all but the first find the passages in the engine's cache.
    """

    def __init__(self, generator: Generator, headings: Sequence[str]) -> None:
        self._generator, self._headings = generator, headings

    @property
    def name(self) -> str:
        """That of the generator."""
        return self._generator.name

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        """A note with each heading, then its sentences; one text without headings where there are none.

        A section that ends at its longest is cut, and not the report; but a caller's limit is one of the whole.
        """
        for heading in self._headings or ("",):
            if heading:
                yield Note(SECTION, heading)
            part = replace(request, question=self._question(request, heading)) if heading else request
            limited = not heading
            async with aclosing(self._generator.generate(part)) as proposals:
                async for item in proposals:
                    kind = item.kind if isinstance(item, Note) else ""
                    limited = limited or kind == LIMITED
                    yield Note(SECTION_TRUNCATED, heading) if kind == TRUNCATED and not limited else item

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        """As the generator does it."""
        return await self._generator.repair(request, draft, problems)

    def _question(self, request: GenerationRequest, heading: str) -> str:
        words = prompt("section", prompt_language(request.language))
        others = ", ".join(other for other in self._headings if other != heading)
        left = words.filled(1, others=others) if others else ""
        return words.filled(0, question=request.question, heading=heading, others=f" {left.strip()}" if left else "")


def headed(sentence: Sentence, heading: str) -> Sentence:
    """The sentence under its heading, which is no statement and holds no figures; the sentence alone without one."""
    if not heading:
        return sentence
    text = ruled(sentence.text)  # rendering does it only where no heading stands before a table
    support = Support.SUPPORTED if sentence.support is Support.VERBATIM else sentence.support
    return replace(sentence, text=f"## {heading}\n\n{text}", support=support, gap=PARAGRAPH)


def source_notes(sentences: Sequence[Sentence], language: Language) -> Iterator[Note]:
    """What the sentences cite, by number: document, provision and place."""
    shown: UiLanguage = prompt_language(language)
    places: dict[int, list[str]] = {}
    for citation in (item for sentence in sentences for item in sentence.citations):
        source = citation.passage.source
        parts = (source.title or source.source_key, citation.provision, citation.anchor.label(shown))
        place = inline_code(citation.place) if citation.spot else inert(", ".join(part for part in parts if part))
        known = places.setdefault(citation.number, [])
        if place not in known:
            known.append(place)
    for number, found in sorted(places.items()):
        yield Note(SOURCE, f"[{number}] {'; '.join(found)}")
