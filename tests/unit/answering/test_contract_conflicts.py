"""Which documents contradict each other, and which of them a sentence that cites both stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from rag.answering.contract import verified
from rag.answering.contract_support import SupportChecker
from rag.domain.answer import Note, Sentence, Support
from rag.domain.passage import Passage
from rag.generation.base import Draft
from tests.support.passages import make_passage
from tests.support.proposals import Proposing, collected, request_for

CHECKER = SupportChecker.lexical()
DROPPED = ("removed", "1 citation: says otherwise")
NOTED = ("contradiction", "[1] [2]")


def documents(*texts: str) -> list[Passage]:
    made = []
    for number, text in enumerate(texts, start=1):
        passage = make_passage(text, rank=number)
        document, version = UUID(int=number), UUID(int=number + 50)
        source = replace(passage.source, document_id=document, version_id=version, title="안내", valid_to=None)
        made.append(replace(passage, source=source))
    return made


def settled(texts: Sequence[str], claim: str) -> tuple[Sentence, list[Passage], list[Passage], list[tuple[str, str]]]:
    """The first sentence shown, what it cites, all passages, and the notes."""
    passages = documents(*texts)
    draft = Draft(text=claim, cites=tuple(range(len(passages))))
    found = collected(verified(Proposing([draft]), request_for(passages), checker=CHECKER))
    sentence = next(item for item in found if isinstance(item, Sentence))
    cited = [passage for passage in passages if any(item.passage is passage for item in sentence.citations)]
    return sentence, cited, passages, [(item.kind, item.detail) for item in found if isinstance(item, Note)]


AGREE = {
    "a date without its year": (
        "개정 출장 규정은 2024년 3월 1일부터 시행한다.",
        "개정 출장 규정은 3월 1일부터 시행한다.",
        "개정 출장 규정은 2024년 3월 1일부터 시행합니다.",
    ),
    "a date without its day": (
        "개정 출장 규정은 2024년 3월 1일부터 시행한다.",
        "개정 출장 규정은 2024년 3월부터 시행한다.",
        "개정 출장 규정은 2024년 3월 1일부터 시행합니다.",
    ),
    "about": (
        "작년 전체 임직원 수는 1,234명이다.",
        "작년 전체 임직원 수는 약 1,200명이다.",
        "작년 전체 임직원 수는 1,234명입니다.",
    ),
    "about, in English": (
        "The archive holds 1,234 employee files.",
        "The archive holds about 1,200 employee files.",
        "Held in the archive are 1,234 employee files.",
    ),
    "two limits of one rule": (
        "비밀번호 길이는 10자 이상으로 한다.",
        "비밀번호 길이는 64자 이하로 한다.",
        "비밀번호 길이는 10자 이상으로 합니다.",
    ),
    "two limits, said before": (
        "비밀번호 길이는 최소 10자로 정한다.",
        "비밀번호 길이는 최대 64자로 정한다.",
        "비밀번호 길이는 최소 10자로 정합니다.",
    ),
    "of different years": (
        "2024년 신입 사원 채용 인원은 40명이다.",
        "2023년 신입 사원 채용 인원은 30명이다.",
        "2024년 신입 사원 채용 인원은 40명입니다.",
    ),
    "of before": (
        "국내 출장의 숙박비 한도는 1박에 9만원으로 한다.",
        "종전 국내 출장의 숙박비 한도는 1박에 8만원이었다.",
        "국내 출장의 숙박비 한도는 1박에 9만원입니다.",
    ),
    "compared with the year before": (
        "2023년 신입 사원 채용 인원은 30명이다.",
        "2024년 신입 사원 채용 인원은 40명이다.",
        "신입 사원 채용 인원은 40명으로 전년보다 늘었습니다.",
    ),
    "compared with each other": (
        "A 요금제의 월 데이터 제공량은 10GB이다.",
        "B 요금제의 월 데이터 제공량은 20GB이다.",
        "A 요금제보다 B 요금제의 월 데이터 제공량이 20GB로 많습니다.",
    ),
    "compared, in English": (
        "The basic plan includes 10 GB of data per month.",
        "The full plan includes 20 GB of data per month.",
        "The full plan includes 20 GB of data per month, more than the basic plan.",
    ),
}


@pytest.mark.parametrize("turned", [False, True], ids=["as written", "turned"])
@pytest.mark.parametrize("name", AGREE)
def test_documents_that_agree_or_only_differ_are_both_sources(name: str, turned: bool) -> None:
    first, second, claim = AGREE[name]
    sentence, cited, passages, notes = settled([second, first] if turned else [first, second], claim)
    assert sentence.support is Support.SUPPORTED
    assert cited == passages
    assert notes == []


OTHERWISE = {
    "amounts": ("노트북 지원금은 25,000원이다.", "노트북 지원금은 3만원이다.", "노트북 지원금은 25,000원입니다."),
    "days of one month": (
        "개정 출장 규정은 2024년 3월 1일부터 시행한다.",
        "개정 출장 규정은 3월 2일부터 시행한다.",
        "개정 출장 규정은 2024년 3월 1일부터 시행합니다.",
    ),
    "months": (
        "개정 출장 규정은 2024년 3월 1일부터 시행한다.",
        "개정 출장 규정은 2024년 4월부터 시행한다.",
        "개정 출장 규정은 2024년 3월 1일부터 시행합니다.",
    ),
    "years of one date": (
        "개정 출장 규정은 2024년 3월 1일부터 시행한다.",
        "개정 출장 규정은 2025년 3월 1일부터 시행한다.",
        "개정 출장 규정은 2024년 3월 1일부터 시행합니다.",
    ),
    "both about": (
        "작년 전체 임직원 수는 약 1,500명이다.",
        "작년 전체 임직원 수는 약 1,200명이다.",
        "작년 전체 임직원 수는 약 1,500명입니다.",
    ),
    "the same limit": (
        "비밀번호 길이는 10자 이상으로 한다.",
        "비밀번호 길이는 12자 이상으로 한다.",
        "비밀번호 길이는 10자 이상으로 합니다.",
    ),
    "one limit of two": (
        "비밀번호 길이는 10자 이상으로 한다.",
        "비밀번호 길이는 12자 이상 64자 이하로 한다.",
        "비밀번호 길이는 10자 이상으로 합니다.",
    ),
    "a limit and a value": (
        "국내 출장의 숙박비는 1박에 9만원으로 한다.",
        "국내 출장의 숙박비는 1박에 8만원 이내로 한다.",
        "국내 출장의 숙박비는 1박에 9만원입니다.",
    ),
    "rates of a raise": (
        "올해 전체 사원의 연봉 인상률은 3%로 정한다.",
        "올해 전체 사원의 연봉 인상률은 5%로 정한다.",
        "올해 전체 사원의 연봉 인상률은 3%입니다.",
    ),
    "more than": (
        "Absences of more than 10 days need the approval of the director.",
        "Absences of more than 20 days need the approval of the director.",
        "The director's approval is needed for absences of more than 10 days.",
    ),
    "of one year": (
        "2024년 신입 사원 채용 인원은 40명이다.",
        "2024년 신입 사원 채용 인원은 30명이다.",
        "2024년 신입 사원 채용 인원은 40명입니다.",
    ),
}


@pytest.mark.parametrize("turned", [False, True], ids=["as written", "turned"])
@pytest.mark.parametrize("name", OTHERWISE)
def test_a_document_that_says_otherwise_is_no_source(name: str, turned: bool) -> None:
    first, second, claim = OTHERWISE[name]
    sentence, cited, passages, notes = settled([second, first] if turned else [first, second], claim)
    assert sentence.support is Support.SUPPORTED
    assert cited == [passages[1 if turned else 0]]
    assert DROPPED in notes and NOTED in notes


@pytest.mark.parametrize("turned", [False, True], ids=["as written", "turned"])
@pytest.mark.parametrize(
    ("first", "second", "claim"),
    [
        (
            "정규직의 연차 휴가는 15일이다.",
            "정규직의 연차 휴가는 10일이다. 신청서는 그룹웨어 전자결재로 제출한다.",
            "정규직의 연차 휴가는 15일이고 신청서는 그룹웨어 전자결재로 제출합니다.",
        ),
        (
            "국내 출장의 숙박비 한도는 1박에 9만원으로 한다.",
            "국내 출장의 숙박비 한도는 1박에 8만원으로 한다. 정산 증빙은 법인카드 영수증으로 제출한다.",
            "국내 출장의 숙박비 한도는 1박에 9만원이며 정산 증빙은 법인카드 영수증으로 제출합니다.",
        ),
    ],
    ids=["leave", "lodging"],
)
def test_what_only_it_holds_keeps_a_document_a_source(first: str, second: str, claim: str, turned: bool) -> None:
    sentence, cited, passages, notes = settled([second, first] if turned else [first, second], claim)
    assert sentence.support is Support.SUPPORTED
    assert cited == passages
    assert [note for note in notes if note[0] == "contradiction"] and DROPPED not in notes
