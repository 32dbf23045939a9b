from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answering.contract import verified
from rag.answering.contract_citations import CitationBook
from rag.domain.answer import Note, Sentence, Support
from rag.generation.base import Draft, Span
from tests.support.passages import make_passage
from tests.support.proposals import Proposing, request_for, sentences_of

PASSAGES = [
    make_passage("연차휴가는 15일이다. 병가는 60일이다."),
    make_passage("출장비 한도는 50,000원이다.", rank=2),
    make_passage("급여일은 매월 25일이다.", rank=3),
]


def sentences(*drafts: Draft) -> list[Sentence]:
    return sentences_of(drafts, PASSAGES)


def marks(*drafts: Draft) -> list[list[int]]:
    return [[item.number for item in sentence.citations] for sentence in sentences(*drafts)]


def quote(index: int, start: int = 0, end: int = 5) -> Draft:
    return Draft((Span(index, start, end),))


def test_a_quotation_is_the_passages_own_words() -> None:
    [sentence] = sentences(Draft((Span(0, 0, 12), Span(1, 0, 3))))
    assert (sentence.text, sentence.support) == ("연차휴가는 15일이다.\n출장비", Support.VERBATIM)
    assert [item.passage for item in sentence.citations] == PASSAGES[:2]


@pytest.mark.parametrize("index", [-1, 3, 99])
def test_a_passage_that_was_never_retrieved_cannot_be_cited(index: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = sentences(quote(index), quote(0), Draft((Span(0, 0, 5), Span(index, 0, 5)), "연차가 있다."))
    assert [item.text for item in found] == ["연차휴가는"]
    assert caplog.text.count("never retrieved") + caplog.text.count("not retrieved") == 2
    assert CitationBook(PASSAGES).sentence(quote(index)) is None


@pytest.mark.parametrize("span", [(0, 0), (5, 2), (0, 10_000), (-5, 3)])
def test_a_span_outside_its_passage_removes_the_sentence(span: tuple[int, int]) -> None:
    assert sentences(quote(0, *span)) == []
    assert [item.text for item in sentences(quote(0, *span), quote(0))] == ["연차휴가는"]


def test_a_sentence_on_its_passages_is_supported() -> None:
    [sentence] = sentences(Draft((Span(0, 0, 12),), "연차는 15일입니다."))
    assert (sentence.text, sentence.support) == ("연차는 15일입니다.", Support.SUPPORTED)


@pytest.mark.parametrize("text", ["연차는 16일입니다.", "출장비는 50,000원입니다."])
def test_a_sentence_with_other_facts_is_marked_and_keeps_its_own_citations(text: str) -> None:
    [sentence] = sentences(Draft((Span(0, 0, 12),), text))
    assert (sentence.text, sentence.support) == (text, Support.UNSUPPORTED)
    assert [item.passage for item in sentence.citations] == PASSAGES[:1]


def test_a_sentence_without_citations_is_marked() -> None:
    [sentence] = sentences(Draft((), "규정에 따르면 그렇습니다."))
    assert (sentence.support, sentence.citations) == (Support.UNSUPPORTED, ())


@pytest.mark.parametrize("draft", [Draft(()), Draft((), ""), Draft((Span(0, 0, 5),), " \n"), Draft((Span(0, 5, 6),))])
def test_nothing_is_never_a_sentence(draft: Draft) -> None:
    assert sentences(draft) == []


def test_marks_count_passages_in_the_order_of_the_answer() -> None:
    assert marks(quote(2), quote(0), quote(2, 5, 8), Draft((Span(1, 0, 3), Span(0, 0, 3)))) == [[1], [2], [1], [3, 2]]


@pytest.mark.parametrize(
    "removed",
    [
        quote(1, 0, 10_000),
        pytest.param(Draft((Span(1, 0, 3), Span(9, 0, 3)))),
        pytest.param(Draft((Span(1, 0, 3),), " ")),
    ],
)
def test_a_removed_sentence_leaves_no_gap_in_the_marks(removed: Draft) -> None:
    assert marks(removed, quote(0)) == [[1]]


def test_sentences_come_as_they_are_read() -> None:
    read: list[int] = []

    def proposed() -> Iterator[Draft]:
        for index in range(3):
            read.append(index)
            yield quote(index)

    async def first() -> Sentence | Note:
        async with aclosing(verified(Proposing(proposed()), request_for(PASSAGES))) as stream:
            return await anext(stream)

    sentence = asyncio.run(first())
    assert isinstance(sentence, Sentence)
    assert sentence.citations[0].passage == PASSAGES[0]
    assert read == [0]


spans = st.builds(Span, st.integers(-1, 4), st.integers(-3, 30), st.integers(-3, 30))
drafts = st.builds(
    Draft, st.lists(spans, max_size=3).map(tuple), st.none() | st.text(alphabet="연차는 1560일.", max_size=12)
)


@given(st.lists(drafts, max_size=6))
def test_whatever_is_proposed_the_contract_holds(proposed: list[Draft]) -> None:
    for sentence in sentences_of(proposed, PASSAGES):
        assert sentence.text.strip()
        assert sentence.support is Support.UNSUPPORTED or sentence.citations
        for item in sentence.citations:
            assert item.passage in PASSAGES
            assert item.quote == item.passage.chunk.text[item.start : item.end]
        if sentence.support is Support.VERBATIM:
            assert all(line in "\n".join(p.chunk.text for p in PASSAGES) for line in sentence.text.split("\n"))
