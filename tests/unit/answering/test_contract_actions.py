"""What becomes of proposals, whatever a model writes: kept, written anew, marked, removed, refused. On the bundled samples."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from rag.answering import contract_repairs
from rag.answering.contract import DEFAULT_RULES, ContractRules, verified
from rag.answering.contract_repairs import Said
from rag.answering.contract_standing import standing
from rag.answering.contract_support import SupportChecker
from rag.domain.answer import Note, Sentence, Support
from rag.domain.errors import ModelBusy, ModelUnavailable
from rag.domain.language import Language
from rag.domain.list_marks import without_list_marks
from rag.domain.passage import Passage
from rag.generation.base import Draft, GenerationRequest, Span
from tests.support.passages import make_passage
from tests.support.proposals import Proposing, collected, request_for
from tests.support.sample_passages import GATEWAY, LIMITS, RULES, SECURITY, passage_with

CHECKER = SupportChecker.lexical()
PROBATION = passage_with(RULES, "수습기간 중에는 기본급의 90퍼센트")
SIDELINE = passage_with(RULES, "겸직 허가의 유효기간은 1년")
REMOTE = passage_with(RULES, "1주에 2일까지 재택근무")
PASSWORDS = passage_with(SECURITY, "| 특권 계정 | 14자")
TRANSFERS = passage_with(LIMITS, "| TRF-P-TB-SCD")
APPROVAL = passage_with(GATEWAY, "for more than 72 hours")
PASSAGES = [PROBATION, SIDELINE, REMOTE, PASSWORDS, TRANSFERS, APPROVAL]


def events(
    drafts: Sequence[Draft], *, repairs: Sequence[Draft | None] = (), rules: ContractRules = DEFAULT_RULES
) -> list[Sentence | Note]:
    return collected(verified(Proposing(drafts, repairs), request_for(PASSAGES), checker=CHECKER, rules=rules))


def one(text: str, *cites: int) -> Sentence:
    [sentence] = [item for item in events([Draft(text=text, cites=cites)]) if isinstance(item, Sentence)]
    return sentence


def notes(found: Sequence[Sentence | Note]) -> list[tuple[str, str]]:
    return [(item.kind, item.detail) for item in found if isinstance(item, Note)]


def cited(sentence: Sentence) -> list[Passage]:
    """The passages, each once, in the order of their marks."""
    return list({item.number: item.passage for item in sentence.citations}.values())


def quotes(sentence: Sentence) -> list[str]:
    return [item.quote for item in sentence.citations]


HELD = [
    ("수습기간에는 기본급의 90%를 받습니다.", 0, "수습기간 중에는 기본급의 90퍼센트를 지급한다."),
    ("겸직 허가는 1년간 유효합니다.", 1, "겸직 허가의 유효기간은 1년으로"),
    ("재택근무 직원은 통신비로 매월 30,000원을 받습니다.", 2, "통신비로 월 3만원을 지원한다."),
    ("특권 계정 비밀번호는 최소 14자입니다.", 3, "| 특권 계정 | 14자"),
    ("개인이 텔레뱅킹에서 보안카드로 이체할 때 1회 한도는 300만원입니다.", 4, "| TRF-P-TB-SCD"),
    ("An instruction that waits over 72 hours for approval is rejected.", 5, "for more than 72 hours"),
]


@pytest.mark.parametrize(("text", "cited", "words"), HELD)
def test_a_sentence_that_holds_quotes_the_words_that_it_stands_on(text: str, cited: int, words: str) -> None:
    sentence = one(text, cited)
    assert sentence.support is Support.SUPPORTED
    assert {item.passage.chunk.id for item in sentence.citations} == {PASSAGES[cited].chunk.id}
    assert any(words in quote for quote in quotes(sentence)), quotes(sentence)
    assert len(quotes(sentence)) <= 2
    assert sum(map(len, quotes(sentence))) < len(PASSAGES[cited].chunk.text)


def test_a_table_row_is_quoted_with_its_header_alone() -> None:
    sentence = one("특권 계정 비밀번호는 최소 14자입니다.", 3)
    assert [quote[:9] for quote in quotes(sentence)] == ["| 계정 유형 |", "| 특권 계정 |"]


def test_an_anchor_is_that_of_the_quoted_lines() -> None:
    [citation] = one("재택근무 직원은 통신비로 매월 30,000원을 받습니다.", 2).citations
    assert citation.anchor == REMOTE.chunk.anchor_of(citation.start, citation.end)
    assert citation.provision == "제19조의2제4항"


def test_the_passages_own_words_are_verbatim() -> None:
    sentence = one("③ 재택근무자는 회사가 지급한", 2)
    assert sentence.support is Support.UNSUPPORTED or sentence.citations, "half a sentence is no quotation"
    text = "④ 회사는 재택근무자에게 통신비로 월 3만원을 지원한다."
    assert one(text, 2).support is Support.VERBATIM
    assert quotes(one(text, 2)) == [text]


SPOILED = [
    ("수습기간에는 기본급의 95%를 받습니다.", 0, "facts"),
    ("겸직 허가는 1개월간 유효합니다.", 1, "facts"),
    ("재택근무 직원은 통신비로 매월 30,000달러를 받습니다.", 2, "facts"),
    ("재택근무는 1주에 3일까지 승인할 수 있습니다.", 2, "facts"),
    ("특권 계정 비밀번호는 최소 12자입니다.", 3, "other_subject"),
    ("개인이 텔레뱅킹에서 보안카드로 이체할 때 1회 한도는 2,000만원입니다.", 4, "other_subject"),
    ("제15조는 겸직 허가가 1년간 유효하다고 정합니다.", 1, "facts"),
    ("TRF-P-XX-SCD 코드의 1회 한도는 300만원입니다.", 4, "names"),
    ("겸직 허가는 Workday에서 신청하며 1년간 유효합니다.", 1, "names"),
    ("수습기간 중인 직원도 재택근무 대상에 들어갑니다.", 2, "negation"),
    ("직원은 회사의 허가 없이 다른 직업에 종사할 수 있습니다.", 1, "negation"),
    ("겸직 허가를 받으려면 개시 예정일 20일 후까지 인사부에 신청합니다.", 1, "limits"),
    ("An instruction that waits less than 72 hours for approval is rejected.", 5, "limits"),
    ("An instruction that waits over 72 hours for approval is not rejected.", 5, "negation"),
    ("수습기간에는 사택과 업무용 차량이 제공되고 자녀 학자금도 나옵니다.", 0, "unheld"),
    ("네, 그렇습니다.", 0, "unheld"),
]


@pytest.mark.parametrize(("text", "cited", "problem"), SPOILED)
def test_a_spoiled_sentence_is_marked_and_says_why(text: str, cited: int, problem: str) -> None:
    found = events([Draft(text=text, cites=(cited,))])
    [sentence] = [item for item in found if isinstance(item, Sentence)]
    assert sentence.support is Support.UNSUPPORTED
    assert any(kind == "unsupported" and problem in detail for kind, detail in notes(found)), notes(found)
    assert text.split()[0] not in str(notes(found)), "no text of documents or answers in notes"


@pytest.mark.parametrize("text", [text for text, *_ in HELD])
def test_a_wrong_mark_is_never_put_right(text: str) -> None:
    right = next(cited for other, cited, _ in HELD if other == text)
    for wrong in range(len(PASSAGES)):
        if wrong != right:
            sentence = one(text, wrong)
            assert sentence.support is Support.UNSUPPORTED, (text, wrong)
            assert all(item.passage is PASSAGES[wrong] for item in sentence.citations)


def test_invented_passages_are_dropped_and_counted() -> None:
    text = "겸직 허가는 1년간 유효합니다."
    found = events([Draft(text=text, cites=(1, 99, -1, 6)), Draft(text=text, cites=(42,))])
    first, second = (item for item in found if isinstance(item, Sentence))
    assert first.support is Support.SUPPORTED and cited(first) == [SIDELINE]
    assert second.support is Support.UNSUPPORTED and second.citations == ()
    assert ("removed", "3 citations: never retrieved") in notes(found)
    assert ("unsupported", "uncited") in notes(found)


def test_a_mark_for_the_look_of_it_is_dropped() -> None:
    found = events([Draft(text="겸직 허가는 1년간 유효합니다.", cites=(1, 3, 5))])
    [sentence] = [item for item in found if isinstance(item, Sentence)]
    assert cited(sentence) == [SIDELINE]
    assert ("removed", "2 citations: holds nothing of the sentence") in notes(found)


def test_a_sentence_of_two_passages_cites_both() -> None:
    sentence = one("재택근무자는 통신비로 월 3만원을 지원받고, 수습기간에는 기본급의 90%를 지급받습니다.", 2, 0)
    assert sentence.support is Support.SUPPORTED
    assert cited(sentence) == [REMOTE, PROBATION]


def test_a_sentence_is_written_anew_with_its_problems_told() -> None:
    wrong, right = (
        Draft(text="겸직 허가는 3년간 유효합니다.", cites=(1,)),
        Draft(text="겸직 허가는 1년간 유효합니다.", cites=(1,)),
    )
    generator = Proposing([wrong], [right])
    found = collected(verified(generator, request_for(PASSAGES), checker=CHECKER))
    assert [item.text for item in found if isinstance(item, Sentence)] == [right.text]
    assert notes(found) == [("repaired", "facts")]
    assert generator.problems == [["인용한 문서에 없는 숫자·날짜·금액·조항입니다: 3년간"]]


@pytest.mark.parametrize("said_first", [True, False])
def test_a_sentence_that_is_written_anew_is_not_said_twice(said_first: bool) -> None:
    true, false = "수습기간에는 기본급의 90%를 받습니다.", "수습기간의 급여는 다음과 같이 기본급의 80%입니다."
    drafts = [
        Draft(text=true, cites=(0,)),
        Draft(text=false, cites=(0,)),
        Draft(text="겸직 허가는 1년간 유효합니다.", cites=(1,)),
    ]
    if not said_first:
        drafts[:2] = drafts[1::-1]
    found = events(drafts, repairs=[Draft(text=true.rstrip("."), cites=(0,))])
    texts = [item.text.rstrip(".") for item in found if isinstance(item, Sentence)]
    assert texts == [true.rstrip("."), "겸직 허가는 1년간 유효합니다"]
    assert ("removed", "1 sentence: said already") in notes(found)


_TRUE = "수습기간에는 기본급의 90%를 받습니다."


def _said(first: str, anew: str) -> list[str]:
    """What is shown of `first`, and of a sentence that `anew` was written in the place of."""
    drafts = [Draft(text=first, cites=(0,)), Draft(text="수습기간의 급여는 기본급의 80%입니다.", cites=(0,))]
    found = events(drafts, repairs=[Draft(text=anew, cites=(0,))])
    return [item.text for item in found if isinstance(item, Sentence)]


@pytest.mark.parametrize("form", ["1. {}", "- {}"], ids=["number", "dash"])
def test_an_item_that_is_written_anew_is_not_said_twice(form: str) -> None:
    listed = form.format(_TRUE)
    assert _said(_TRUE, listed) == [_TRUE]
    assert _said(listed, _TRUE) == [listed]
    assert _said(listed, f"2. {_TRUE}") == [listed]


_FORMS = {
    "dot": "1. {}",
    "round": "12) {}",
    "rounds": "(1) {}",
    "dash": "- {}",
    "star": "* {}",
    "bullet": "• {}",
    "middle": "· {}",
    "two": "- 1. {}",
    "ga": "가. {}",
    "ring": "① {}",
    "rung": "①{}",
}
_FORMS_OF_MARKS = {name: form.replace("12", "17").replace("①", "⑰") for name, form in _FORMS.items()}
_OTHER_MARKS = {"bold": "**7.** {}", "bracketed": "⑺ {}", "dotted": "⒎ {}", "roman": "ii) {}", "capitals": "Ⅳ. {}"}


@pytest.mark.parametrize("mark", [*_FORMS_OF_MARKS, *_OTHER_MARKS])
def test_a_mark_of_a_list_is_no_fact(mark: str) -> None:
    text = (_FORMS_OF_MARKS | _OTHER_MARKS)[mark].format(_TRUE)
    sentence = one(text, 0)
    assert (sentence.text, sentence.support) == (text, Support.SUPPORTED)
    found = events([Draft(text="기본급의 80%를 받습니다.", cites=(0,))], repairs=[Draft(text=text, cites=(0,))])
    assert [item.text for item in found if isinstance(item, Sentence)] == [text]
    assert ("repaired", "facts") in notes(found)


_BEGINNINGS = {
    "ring, a log-in": "⑰로그인하면 {}",
    "ring, a number": "⑰번호대로 {}",
    "ring, important": "⑰중요하게도 {}",
    "round, a week": "17) 주중에 {}",
    "round, a meeting": "17) 회의 중 {}",
    "round, a principle": "17) 원칙 하나로 {}",
    "round, hours": "17) 시간을 기록하고 {}",
    "round, daily": "17) 일 기준으로 {}",
}


@pytest.mark.parametrize("form", _BEGINNINGS.values(), ids=_BEGINNINGS.keys())
def test_a_mark_before_words_that_begin_like_units_and_endings_is_no_fact(form: str) -> None:
    assert one(form.format(_TRUE), 0).support is Support.SUPPORTED


@pytest.mark.parametrize("text", [f"## 급여\n17) {_TRUE}", f"{_TRUE}\n⑲ {_TRUE}"])
def test_marks_of_lists_in_further_lines_are_no_facts(text: str) -> None:
    assert one(text, 0).support is Support.SUPPORTED


@pytest.mark.parametrize(
    "text",
    [
        f"제17조. {_TRUE}",
        f"17.3 {_TRUE}",
        f"17 시간 동안 {_TRUE}",
        f"17. 3. {_TRUE}",
        f"⑰항에 따라 {_TRUE}",
        f"⑰, ⑱에 따라 {_TRUE}",
        f"(17명) {_TRUE}",
        f"(17) 시간 동안 {_TRUE}",
        f"17) 시간 동안 {_TRUE}",
        f"17)  시간 동안 {_TRUE}",
        f"17) 일 이내에 {_TRUE}",
        f"(17) 개월 {_TRUE}",
        f"⑰번 서류로 {_TRUE}",
        f"⑰번은 {_TRUE}",
        f"⑰로 {_TRUE}",
        f"⑰으로 {_TRUE}",
        f"⑰처럼 {_TRUE}",
        f"⑰보다 {_TRUE}",
        f"⑰중 {_TRUE}",
        f"**⑰**항에 따라 {_TRUE}",
        "17) 수습기간에는 기본급의 17%를 받습니다.",
    ],
)
def test_a_number_that_says_something_is_a_fact_at_the_beginning_too(text: str) -> None:
    assert one(text, 0).support is Support.UNSUPPORTED


def test_under_a_heading_of_its_own_the_same_is_said_of_another_thing() -> None:
    assert _said(f"## 급여\n{_TRUE}", f"- {_TRUE}") == [f"## 급여\n{_TRUE}"]
    assert _said(_TRUE, f"## 급여\n{_TRUE}") == [_TRUE, f"## 급여\n{_TRUE}"]
    drafts = [
        Draft(text="## 정규직\n수습기간의 급여는 기본급의 80%입니다.", cites=(0,)),
        Draft(text=f"## 계약직\n{_TRUE}", cites=(0,)),
        Draft(text="겸직 허가는 1년간 유효합니다.", cites=(1,)),
    ]
    found = events(drafts, repairs=[Draft(text=f"## 정규직\n{_TRUE}", cites=(0,))])
    texts = [item.text for item in found if isinstance(item, Sentence)]
    assert texts == [f"## 정규직\n{_TRUE}", f"## 계약직\n{_TRUE}", "겸직 허가는 1년간 유효합니다."]


@pytest.mark.parametrize("form", _FORMS.values(), ids=_FORMS.keys())
def test_marks_of_lists_make_no_other_statement(form: str) -> None:
    said = Said()
    assert not said.again(_TRUE, anew=False)
    assert said.again(form.format(_TRUE), anew=True)
    assert said.again(f"다. {_TRUE}", anew=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3. 1. 시행합니다.", "4. 1. 시행합니다."),
        ("1.5배를 줍니다.", "2.5배를 줍니다."),
        ("| 급여 | 90% |", "| 급여 | 90% |\n| 기간 | 3월 |"),
        ("(갑) 수수료는 1,000원입니다.", "(을) 수수료는 1,000원입니다."),
        ("```\n- a\n```", "```\na\n```"),
        ("임시 한도는 - 5%", "임시 한도는 5%"),
        ("접수는 09:00 - 18:00", "접수는 09:00 18:00"),
        ("기준 금리 + 1.5%", "기준 금리 1.5%"),
        ("12. 25 (목) 쉽니다.", "11. 25 (목) 쉽니다."),
        ("5. 1 ~ 5. 10 쉽니다.", "6. 1 ~ 5. 10 쉽니다."),
        ("5. 1 - 5. 10 쉽니다.", "6. 1 - 5. 10 쉽니다."),
        ("9. 1자 시행합니다.", "8. 1자 시행합니다."),
        ("9. 1부터 시행합니다.", "8. 1부터 시행합니다."),
        ("①②에 따라 시행합니다.", "③②에 따라 시행합니다."),
    ],
    ids=[
        *("date", "decimal", "table", "party", "code", "minus", "hours", "plus"),
        *("weekday", "days", "days, a dash", "as of", "from", "rings"),
    ],
)
def test_statements_that_only_begin_alike_are_not_taken_for_one(one: str, other: str) -> None:
    said = Said()
    assert not said.again(one, anew=False)
    assert not said.again(other, anew=True)
    assert said.again(one, anew=True)


@pytest.mark.parametrize(
    "text", ["3~5일이 걸립니다.", "02-123-4567로 전화합니다.", "10명이 합니다.", "3-5일이 걸립니다."]
)
def test_an_item_that_begins_with_a_number_is_no_date(text: str) -> None:
    assert without_list_marks(f"1. {text}") == text


def test_what_two_sections_say_alike_stays() -> None:
    true, false = "수습기간에는 기본급의 90%를 받습니다.", "수습기간에는 기본급의 80%를 받습니다."
    drafts = [
        Note("section", "하나"),
        Draft(text=false, cites=(0,)),
        Note("section", "둘"),
        Draft(text=true, cites=(0,)),
    ]
    proposing = Proposing(drafts, [Draft(text=true, cites=(0,))])
    found = collected(verified(proposing, request_for(PASSAGES), checker=CHECKER, sections=2))
    assert [item.text for item in found if isinstance(item, Sentence)] == [true, true]


def test_problems_are_told_in_the_language_of_the_question() -> None:
    generator = Proposing([Draft(text="It is rejected after 73 hours for approval.", cites=(5,))])
    request = replace(request_for(PASSAGES), language=Language.ENGLISH)
    collected(verified(generator, request, checker=CHECKER))
    assert "73 hours" in generator.problems[0][0] and generator.problems[0][0].isascii()


@pytest.mark.parametrize("repairs", [0, 1, 3])
def test_a_sentence_is_written_anew_no_more_often_than_allowed(repairs: int) -> None:
    wrong = Draft(text="겸직 허가는 3년간 유효합니다.", cites=(1,))
    generator = Proposing([wrong], [wrong] * 9)
    rules = ContractRules(repairs=repairs)
    found = collected(verified(generator, request_for(PASSAGES), checker=CHECKER, rules=rules))
    assert len(generator.problems) == repairs
    assert notes(found) == [("unsupported", "facts")]


def test_what_is_not_held_can_be_removed() -> None:
    drafts = [
        Draft(text="겸직 허가는 3년간 유효합니다.", cites=(1,)),
        Draft(text="겸직 허가는 1년간 유효합니다.", cites=(1,)),
    ]
    found = events(drafts, rules=ContractRules(unsupported="remove"))
    assert [item.text for item in found if isinstance(item, Sentence)] == [drafts[1].text]
    assert notes(found) == [("removed", "1 sentence: facts")]


class _Away(Proposing):
    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        raise ModelUnavailable(name="writer")


def test_a_model_that_goes_away_before_the_repair_ends_no_answer() -> None:
    drafts = [
        Draft(text="겸직 허가는 3년간 유효합니다.", cites=(1,)),
        Draft(text="겸직 허가는 1년간 유효합니다.", cites=(1,)),
    ]
    found = collected(verified(_Away(drafts), request_for(PASSAGES), checker=CHECKER))
    supports = [item.support for item in found if isinstance(item, Sentence)]
    assert supports == [Support.UNSUPPORTED, Support.SUPPORTED]


class _OnePlace(Proposing):
    """A model that takes one generation at a time: none beside the answer that it writes."""

    writing = False

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        self.writing = True
        try:
            async with aclosing(super().generate(request)) as drafts:
                async for draft in drafts:
                    yield draft
                    await asyncio.sleep(0)
        finally:
            self.writing = False

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        if self.writing:
            raise ModelBusy(name="writer")
        return await super().repair(request, draft, problems)


def test_a_model_with_one_place_repairs_when_it_has_written_the_answer() -> None:
    wrong, right = (Draft(text=f"겸직 허가는 {years}년간 유효합니다.", cites=(1,)) for years in (3, 1))
    other = Draft(text="수습기간 중에는 기본급의 90퍼센트를 지급합니다.", cites=(0,))
    generator = _OnePlace([wrong, other], [right])
    found = collected(verified(generator, request_for(PASSAGES), checker=CHECKER))
    assert [item.text for item in found if isinstance(item, Sentence)] == [right.text, other.text]
    assert ("repaired", "facts") in notes(found)


def test_a_reader_who_leaves_while_the_answer_is_read_ahead_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract_repairs, "REPAIRS_S", 0.5)  # for so long the repair waits for the end of what has none
    generator = _OnePlace([Draft(text="겸직 허가는 3년간 유효합니다.", cites=(1,))] * 5_000)

    async def read() -> bool:
        async with aclosing(verified(generator, request_for(PASSAGES), checker=CHECKER)) as stream:
            await anext(stream)
            return generator.writing

    assert asyncio.run(read()) and not generator.writing


def test_an_answer_full_of_errors_is_not_written_anew_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Draft(text="겸직 허가는 3년간 유효합니다.", cites=(1,))
    generator = Proposing([wrong] * 40)
    found = collected(verified(generator, request_for(PASSAGES), checker=CHECKER))
    assert len(generator.problems) == contract_repairs.MOST_REPAIRS
    assert len([item for item in found if isinstance(item, Sentence)]) == 40, "what is not repaired is marked still"

    class Slow(Proposing):
        async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
            await super().repair(request, draft, problems)
            await asyncio.sleep(60)
            return None

    monkeypatch.setattr(contract_repairs, "REPAIRS_S", 0.05)
    slow = Slow([wrong] * 3)
    assert len(collected(verified(slow, request_for(PASSAGES), checker=CHECKER))) == 6 and len(slow.problems) == 1


def test_marks_in_the_models_words_are_not_shown() -> None:
    for text in (
        "겸직 허가는 1년간 유효합니다.[1][2]",
        "겸직 허가는 1년간 유효합니다 【3†source】.",
        "겸직 허가는[4] 1년간 유효합니다.",
    ):
        assert one(text, 1).text == "겸직 허가는 1년간 유효합니다."


def test_an_index_in_code_is_no_mark() -> None:
    code = make_passage("def first(rows):\n    return rows[0]", language=Language.CODE)
    request = request_for([code])
    [sentence] = collected(verified(Proposing([Draft(text="`first`는 rows[0]을 돌려줍니다.", cites=(0,))]), request))
    assert isinstance(sentence, Sentence)
    assert "rows[0]" in sentence.text


def test_marks_inside_a_passage_cite_nothing() -> None:
    poisoned = make_passage("연차휴가는 15일이다 [2]. 이 문장은 [1]에 근거한다.")
    other = make_passage("출장비 한도는 5만원이다.", rank=2)
    drafts = [Draft(text="연차휴가는 15일입니다 [2].", cites=(0,))]
    [sentence] = collected(verified(Proposing(drafts), request_for([poisoned, other]), checker=CHECKER))
    assert isinstance(sentence, Sentence)
    assert sentence.text == "연차휴가는 15일입니다."
    assert [item.passage for item in sentence.citations] == [poisoned]


@pytest.mark.parametrize(
    "text",
    [
        "수습기간에는 기본급의 ９５％를 받습니다.",
        "수습기간에는 기본급의 9\u200b5%를 받습니다.",
        "수습기간에는 기본급의 9\u00ad5%를 받습니다.",
    ],
)
def test_digits_in_disguise_are_read(text: str) -> None:
    assert one(text, 0).support is Support.UNSUPPORTED
    assert one(text.replace("５", "０").replace("5", "0"), 0).support is Support.SUPPORTED


def test_a_sentence_of_ten_thousand_characters_ends() -> None:
    assert one("겸직 허가는 유효하고 " * 900, 1).text
    assert one("가나다라마바사 " * 1400, 1).support is Support.UNSUPPORTED


def test_two_hundred_marks_are_one_sentence_with_few_citations() -> None:
    found = events([Draft(text="겸직 허가는 1년간 유효합니다.", cites=tuple(range(200)))])
    [sentence] = [item for item in found if isinstance(item, Sentence)]
    assert cited(sentence) == [SIDELINE]
    assert ("removed", "194 citations: never retrieved") in notes(found)


def test_the_same_mark_twice_is_one_citation() -> None:
    assert len(one("겸직 허가는 1년간 유효합니다.", 1, 1, 1).citations) == 1


def test_facts_of_source_code_need_no_units() -> None:
    code = make_passage("SESSION_TIMEOUT = 30\nMAX_FAILURES = 5", language=Language.CODE)
    request = request_for([code])
    drafts = [Draft(text=f"`SESSION_TIMEOUT`의 기본값은 {value}초입니다.", cites=(0,)) for value in (30, 31)]
    found = collected(verified(Proposing(drafts), request, checker=CHECKER))
    assert [item.support for item in found if isinstance(item, Sentence)] == [Support.SUPPORTED, Support.UNSUPPORTED]


# Versions and contradictions


def dated(text: str, rank: int, document: int, *, until: datetime | None = None, title: str = "여비규정") -> Passage:
    passage = make_passage(text, rank=rank)
    source = replace(
        passage.source, document_id=UUID(int=document), version_id=UUID(int=document + 50), title=title, valid_to=until
    )
    return replace(passage, source=source)


OLD = dated("국내 출장의 숙박비 한도는 1박에 7만원으로 한다.", 2, 8, until=datetime(2025, 3, 1, tzinfo=UTC))
NEW = dated("국내 출장의 숙박비 한도는 1박에 9만원으로 한다.", 1, 8)


def settled(passages: Sequence[Passage], drafts: Sequence[Draft], *, superseded: bool = False) -> list[Sentence | Note]:
    rules = ContractRules(superseded=superseded)
    return collected(verified(Proposing(drafts), request_for(passages), checker=CHECKER, rules=rules))


def test_a_replaced_version_cannot_be_cited_about_the_present() -> None:
    found = settled([NEW, OLD], [Draft(text="국내 출장의 숙박비 한도는 1박에 7만원입니다.", cites=(1,))])
    [sentence] = [item for item in found if isinstance(item, Sentence)]
    assert sentence.support is Support.UNSUPPORTED and sentence.citations == ()
    assert ("removed", "1 citation: superseded version") in notes(found)


def test_a_replaced_version_answers_for_its_time_and_says_so_once() -> None:
    draft = Draft(text="국내 출장의 숙박비 한도는 1박에 7만원입니다.", cites=(0,))
    found = settled([OLD], [draft, draft, Draft((Span(0, 0, len(OLD.chunk.text)),))], superseded=True)
    assert [item.support for item in found if isinstance(item, Sentence)] == [
        Support.SUPPORTED,
        Support.SUPPORTED,
        Support.VERBATIM,
    ]
    assert notes(found) == [("superseded", "[1] until 2025-03-01")]


OTHER = dated("국내 출장의 숙박비 한도는 1박에 8만원으로 한다.", 2, 9, title="출장 안내")
AGREEING = dated("국내 출장의 숙박비 한도는 1박에 90,000원으로 한다.", 2, 10, title="출장 안내")
UNLIKE = dated("국외 출장의 일비 한도는 1일에 8만원으로 한다.", 3, 11, title="출장 안내")


def test_sources_that_contradict_each_other_are_both_shown() -> None:
    found = settled([NEW, OTHER], [Draft(text="국내 출장의 숙박비 한도는 1박에 9만원입니다.", cites=(0,))] * 2)
    sentences = [item for item in found if isinstance(item, Sentence)]
    assert [item.support for item in sentences] == [Support.SUPPORTED, Support.VERBATIM, Support.SUPPORTED]
    assert sentences[1].text == OTHER.chunk.text
    assert [item.number for item in sentences[1].citations] == [2]
    assert ("contradiction", "[1] [2]") in notes(found)


def test_a_contradiction_that_the_answer_shows_is_only_noted() -> None:
    text = "국내 출장의 숙박비 한도는 문서에 따라 1박에 9만원 또는 8만원입니다."
    found = settled([NEW, OTHER], [Draft(text=text, cites=(0, 1))])
    assert len([item for item in found if isinstance(item, Sentence)]) == 1
    assert [note for note in notes(found) if note[0] == "contradiction"] == [("contradiction", "[1] [2]")]


@pytest.mark.parametrize("cites", [(0, 1), (1, 0)])
def test_a_document_that_says_otherwise_is_no_source_of_the_sentence(cites: tuple[int, ...]) -> None:
    """A model that cites both documents for the value of one: the other is shown beside it with its own."""
    found = settled([NEW, OTHER], [Draft(text="국내 출장의 숙박비 한도는 1박에 9만원입니다.", cites=cites)])
    first, second = (item for item in found if isinstance(item, Sentence))
    assert first.support is Support.SUPPORTED
    assert [item.passage for item in first.citations] == [NEW]
    assert [item.passage for item in second.citations] == [OTHER] and second.text == OTHER.chunk.text
    assert ("contradiction", "[1] [2]") in notes(found)
    assert ("removed", "1 citation: says otherwise") in notes(found)


@pytest.mark.parametrize("other", [AGREEING, replace(OTHER, source=NEW.source)], ids=["agrees", "same document"])
def test_documents_that_say_the_same_are_both_cited(other: Passage) -> None:
    found = settled([NEW, other], [Draft(text="국내 출장의 숙박비 한도는 1박에 9만원입니다.", cites=(0, 1))])
    [sentence] = [item for item in found if isinstance(item, Sentence)]
    assert len(sentence.citations) == 2


@pytest.mark.parametrize("other", [AGREEING, UNLIKE, replace(OTHER, source=NEW.source)])
def test_what_agrees_or_is_about_something_else_contradicts_nothing(other: Passage) -> None:
    found = settled([NEW, other], [Draft(text="국내 출장의 숙박비 한도는 1박에 9만원입니다.", cites=(0,))])
    assert notes(found) == []
    assert len(found) == 1


def test_english_sources_contradict_each_other_too() -> None:
    one_page = dated("A signing key expires 180 days after it is issued.", 1, 20)
    other = dated("A signing key expires 90 days after it is issued.", 2, 21)
    found = settled([one_page, other], [Draft(text="Signing keys expire 180 days after issue.", cites=(0,))])
    assert ("contradiction", "[1] [2]") in notes(found)


# Marked sentences alone are no answer


def shown(*drafts: Draft) -> list[tuple[str, Support]]:
    stream = standing(verified(Proposing(drafts), request_for(PASSAGES), checker=CHECKER))
    return [(item.text, item.support) for item in collected(stream) if isinstance(item, Sentence)]


def test_marked_sentences_wait_for_one_that_holds() -> None:
    bad, good = (
        Draft(text="겸직 허가는 3년간 유효합니다.", cites=(1,)),
        Draft(text="겸직 허가는 1년간 유효합니다.", cites=(1,)),
    )
    assert shown(bad, bad) == []
    assert [support for _, support in shown(bad, good, bad)] == [
        Support.UNSUPPORTED,
        Support.SUPPORTED,
        Support.UNSUPPORTED,
    ]


def test_sentences_that_hold_are_not_held_back() -> None:
    read: list[int] = []

    def proposed() -> Iterator[Draft]:
        for index in range(3):
            read.append(index)
            yield Draft(text="겸직 허가는 1년간 유효합니다.", cites=(1,))

    async def first() -> Sentence | Note:
        stream = standing(verified(Proposing(proposed()), request_for(PASSAGES), checker=CHECKER))
        async with aclosing(stream):
            return await anext(stream)

    assert isinstance(asyncio.run(first()), Sentence)
    assert read == [0]
