from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.answer import Support
from rag.domain.document import ElementKind
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import Passage
from rag.domain.provision import ProvisionMark
from rag.generation.base import Draft, GenerationRequest
from rag.generation.extractive import ExtractiveGenerator
from rag.inference import traffic
from rag.inference.traffic import Traffic
from tests.support.passages import make_passage
from tests.support.proposals import sentences_of


def terms_of(text: str) -> Mapping[str, float]:
    """Every word is a term; particles are left out of the tests' texts."""
    return dict.fromkeys(re.findall(r"\w+", text), 1.0)


def drafts(
    question: str, passages: Sequence[Passage], sentences: int = 3, weights: Mapping[str, float] | None = None
) -> list[Draft]:
    chosen = terms_of(question) if weights is None else weights
    request = GenerationRequest(question, Language.KOREAN, chosen, passages, sentences)
    return list(ExtractiveGenerator(terms_of).drafts(request))


def quotes(question: str, *passages: Passage, sentences: int = 3) -> list[list[str]]:
    found = drafts(question, passages, sentences)
    return [[passages[span.index].chunk.text[span.start : span.end] for span in draft.spans] for draft in found]


LEAVE = make_passage("휴가 일수 는 15일이다. 휴가 신청 은 부서장 에게 한다. 회의실 은 3층이다.")
TRAVEL = make_passage("출장 한도 는 5만원이다. 출장 신청 은 총무팀 에 한다.", rank=2)
TABLE = make_passage("| 직급 | 한도 |\n| --- | --- |\n| 부장 | 100만원 |\n| 과장 | 50만원 |", kind=ElementKind.TABLE)


def test_a_sentence_is_of_the_article_that_the_question_names() -> None:
    amended = make_passage("제25조의2 는 작년에 개정 되었다.")
    named = make_passage("① 직원은 휴가를 간다. ② 감사부가 점검한다.", rank=2)
    marks = (ProvisionMark(0, ("제25조의2",)), ProvisionMark(14, ("제25조의2", "제2항")))
    article = replace(named, chunk=replace(named.chunk, provisions=marks))
    found = drafts("제25조의2", [article, amended], weights={"제25조의2": 1.0})
    assert found[0].spans[0].index == 0
    assert drafts("제25조의2", [named, amended], weights={"제25조의2": 1.0})[0].spans[0].index == 1


def test_the_sentence_that_holds_the_question_comes_first() -> None:
    assert quotes("휴가 신청", LEAVE, TRAVEL)[0] == ["휴가 신청 은 부서장 에게 한다."]
    assert quotes("출장 한도", LEAVE, TRAVEL)[0] == ["출장 한도 는 5만원이다."]


def test_what_has_nothing_of_the_question_is_never_quoted() -> None:
    found = quotes("휴가 신청", LEAVE, make_passage("전혀 다른 이야기 이다.", rank=2), sentences=20)
    assert ["회의실 은 3층이다."] not in found
    assert ["전혀 다른 이야기 이다."] not in found
    assert quotes("주차 요금", LEAVE, TRAVEL) == []


def test_a_further_sentence_must_add_something() -> None:
    same = [make_passage("휴가 일수 는 15일이다.", rank=rank) for rank in (1, 2, 3)]
    assert len(quotes("휴가 일수", *same)) == 1
    assert quotes("휴가 일수 출장 한도", LEAVE, TRAVEL)[:2] == [["휴가 일수 는 15일이다."], ["출장 한도 는 5만원이다."]]


def test_of_equal_sentences_the_better_passage_wins() -> None:
    first, second = (make_passage("휴가 일수 는 15일이다.", rank=rank) for rank in (1, 2))
    assert [span.index for span in drafts("휴가 일수", [first, second])[0].spans] == [0]


def test_the_retrievers_order_outweighs_a_word_that_hardly_counts() -> None:
    passages = [make_passage("휴가 를 쓴다."), make_passage("휴가 규정 을 읽는다.", rank=2)]
    assert drafts("휴가 규정", passages, weights={"휴가": 1.0, "규정": 0.1})[0].spans[0].index == 0
    assert drafts("휴가 규정", passages, weights={"휴가": 1.0, "규정": 1.0})[0].spans[0].index == 1


def test_a_sentence_gains_by_what_its_passage_is_about() -> None:
    about = make_passage("휴가 는 좋다. 신청 은 부서장 에게 한다.", rank=2)
    others = [make_passage("관계 없는 이야기 이다.", rank=rank) for rank in range(3, 11)]
    assert (
        drafts("휴가 신청 부서장", [make_passage("신청 은 부서장 에게 한다."), about, *others])[0].spans[0].index == 1
    )


def test_a_heading_speaks_for_its_sentences() -> None:
    under = make_passage("부서장 에게 신청 한다.", rank=2, headings=["제60조 휴가"])
    plain = make_passage("총무팀 에 신청 한다.", headings=["제70조 출장"])
    assert quotes("휴가 신청", plain, under)[0] == ["부서장 에게 신청 한다."]


def test_a_question_for_a_quantity_prefers_a_sentence_with_one() -> None:
    passage = make_passage("휴가 는 즐겁다. 휴가 는 15일이다.")
    assert quotes("휴가", passage)[0] == ["휴가 는 즐겁다."]
    assert quotes("휴가 며칠", passage)[0] == ["휴가 는 15일이다."]


def test_rare_terms_weigh_more() -> None:
    weights = {"휴가": 0.1, "출장": 5.0}
    [first, *_] = drafts("휴가 출장", [LEAVE, TRAVEL], weights=weights)
    assert first.spans[0].index == 1


@pytest.mark.parametrize("weights", [{}, {"휴가": 0.0}])
def test_a_question_without_weight_has_no_answer(weights: Mapping[str, float]) -> None:
    assert drafts("휴가", [LEAVE], weights=weights) == []


@pytest.mark.parametrize("most", [1, 2, 5])
def test_an_answer_has_no_more_sentences_than_asked_for(most: int) -> None:
    topics = ["휴가", "출장", "급여", "병가", "교육", "주차", "식대"]
    passages = [make_passage(f"{topic} 는 규정 에 따른다.", rank=rank) for rank, topic in enumerate(topics, start=1)]
    assert len(quotes(" ".join(topics), *passages, sentences=most)) == most


def test_a_table_row_comes_with_its_header_and_not_with_the_rule() -> None:
    assert quotes("부장 한도", TABLE)[0] == ["| 직급 | 한도 |", "| 부장 | 100만원 |"]
    assert not any("---" in line for found in quotes("부장 과장 한도", TABLE) for line in found)


def test_a_row_of_a_table_with_an_empty_header_comes_alone() -> None:
    passage = make_passage("|  |  |\n| --- | --- |\n| 1.01 | 정격 전압 |\n| 1.02 | 주파수 |", kind=ElementKind.TABLE)
    assert quotes("주파수", passage)[0] == ["| 1.02 | 주파수 |"]


def test_text_between_tables_ends_the_first_one() -> None:
    passage = make_passage(
        "| 직급 | 한도 |\n| 부장 | 100만원 |\n\n요금 은 다음 과 같다.\n\n| 지역 | 요금 |\n| 서울 | 5만원 |"
    )
    assert quotes("서울", passage)[0] == ["| 지역 | 요금 |", "| 서울 | 5만원 |"]


def test_a_blank_line_ends_a_table() -> None:
    passage = make_passage(
        "| 직급 | 한도 |\n| --- | --- |\n| 부장 | 100만원 |\n\n| 지역 | 요금 |\n| --- | --- |\n| 서울 | 5만원 |"
    )
    assert quotes("서울", passage)[0] == ["| 지역 | 요금 |", "| 서울 | 5만원 |"]


def test_a_header_alone_can_be_quoted() -> None:
    assert quotes("한도", make_passage("| 직급 | 한도 |", kind=ElementKind.TABLE)) == [["| 직급 | 한도 |"]]


def test_a_header_with_its_rule_can_be_quoted() -> None:
    assert quotes("한도", make_passage("| 직급 | 한도 |\n| --- | --- |", kind=ElementKind.TABLE)) == [
        ["| 직급 | 한도 |"]
    ]


def code_passage(lines: Sequence[str]) -> Passage:
    return make_passage("\n".join(lines), language=Language.CODE, kind=ElementKind.CODE)


def test_a_window_of_code_keeps_whole_lines_around_the_best_ones() -> None:
    lines = [f"    x{number} = {number}" for number in range(60)]
    lines[30:34] = ["", "def leave(days):", "    # 휴가 일수", "    return days"]
    [[window]] = quotes("휴가 일수 leave", code_passage(lines))
    shown = window.split("\n")
    assert len(shown) <= 14
    assert {"def leave(days):", "    # 휴가 일수", "    return days"} <= set(shown)
    assert window in "\n".join(lines)
    assert set(shown) <= set(lines)


def in_repository(number: int, text: str) -> Passage:
    made = replace(code_passage([text]), rank=number)
    source = replace(made.source, document_id=UUID(int=number), collection_kind=CollectionKind.CODE)
    return replace(made, source=source)


def test_of_a_repository_the_next_files_are_quoted_too_each_once_and_three_at_most() -> None:
    files = [in_repository(number, f"def leave_{number}(휴가): 일수") for number in range(1, 6)]
    twice = replace(in_repository(1, "def leave_again(휴가): 일수"), rank=2)
    found = drafts("휴가 일수", [files[0], twice, *files[1:]], sentences=3)
    assert [draft.spans[0].index for draft in found] == [0, 2, 3]
    assert len(drafts("휴가 일수", files, sentences=2)) == 2


def test_a_document_that_holds_the_question_stands_before_code_that_holds_less() -> None:
    rule = make_passage("휴가 일수 신청 한도 는 15일이다.")
    code = [in_repository(number, f"def leave_{number}(휴가): 일수") for number in range(2, 8)]
    assert drafts("휴가 일수 신청 한도", [rule, *code])[0].spans[0].index == 0


def test_rank_alone_adds_no_sentence_of_a_page_in_a_repository() -> None:
    page = make_passage("휴가 일수 는 15일이다. 회의실 은 3층이다. 커피 는 탕비실 에 있다.", headings=["휴가"])
    page = replace(page, source=replace(page.source, collection_kind=CollectionKind.CODE))
    assert len(drafts("휴가 일수", [page], sentences=4)) == 1


def test_of_a_repository_a_file_that_says_much_less_is_not_quoted() -> None:
    files = [in_repository(1, "def leave(휴가): 일수 신청 한도"), in_repository(2, "def other(휴가): pass")]
    assert len(drafts("휴가 일수 신청 한도", files)) == 1


def test_short_code_is_quoted_whole_without_blank_lines_around() -> None:
    assert quotes("leave", code_passage(["", "def leave():", "", "    return 15", ""])) == [
        ["def leave():\n\n    return 15"]
    ]


words = st.sampled_from(["휴가", "출장", "한도", "는", "15일", "이다.", "한다.", "\n", "\n\n", "| 직급 | 한도 |", "- "])
texts = st.lists(words, min_size=1, max_size=25).map(" ".join).filter(str.strip)
passages = st.builds(make_passage, texts, language=st.sampled_from([Language.KOREAN, Language.ENGLISH, Language.CODE]))


@given(
    st.lists(passages, min_size=1, max_size=3),
    st.lists(st.sampled_from(["휴가", "출장", "한도"]), min_size=1, max_size=3),
    st.integers(1, 5),
)
def test_every_quote_is_a_span_of_a_passage_and_stands_before_the_contract(
    found: list[Passage], asked: list[str], most: int
) -> None:
    proposed = drafts(" ".join(asked), found, most)
    assert len(proposed) <= most
    assert len({draft.spans for draft in proposed}) == len(proposed)
    for draft in proposed:
        assert draft.text is None
        for span in draft.spans:
            quoted = found[span.index].chunk.text[span.start : span.end]
            assert 0 <= span.start < span.end <= len(found[span.index].chunk.text)
            assert quoted == quoted.strip("\n")
    assert [item.support for item in sentences_of(proposed, found)] == [Support.VERBATIM] * len(proposed)


def test_ingestion_gives_way_while_sentences_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "LONGEST_WAIT_S", 3600.0)
    monkeypatch.setattr(traffic, "LINGER_S", 1.0)
    road, order = Traffic(), list[str]()
    worker = threading.Thread(target=lambda: (road.give_way(), order.append("ingested")))

    def slow_terms(text: str) -> Mapping[str, float]:
        if not order:
            order.append("begun")
            worker.start()
            worker.join(0.05)
        return terms_of(text)

    async def quote() -> None:
        request = GenerationRequest("휴가 신청", Language.KOREAN, terms_of("휴가 신청"), [LEAVE], 1)
        async for _ in ExtractiveGenerator(slow_terms, road).generate(request):
            order.append("quoted")

    asyncio.run(quote())
    worker.join(60)
    assert order == ["begun", "quoted", "ingested"], "what was chosen is on its way before ingestion goes on"
