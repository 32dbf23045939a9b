"""What the passages hold of a question, how sure that makes, and what keeps it from being sure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from rag.answering import evidence as weighing
from rag.answering.evidence import Evidence, confidence_of, weigh
from rag.answering.signals import NOTHING, QuestionTerms, read
from rag.domain.answer import Weakness
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import Alternative, Passage
from tests.support.passages import make_passage

BAR = 0.6


def words_of(text: str) -> list[str]:
    """Words are terms; the texts here have no particles."""
    return re.findall(r"\w+", text.lower())


def terms(question: str, *alternatives: Alternative, **weights: float) -> QuestionTerms:
    found = {word: weights.get(word, 1.0) for word in words_of(question)}
    bigrams = {f"2:{word[i : i + 2]}": 1.0 for word in found for i in range(len(word) - 1) if "가" <= word[0] <= "힣"}
    return QuestionTerms(question, found, bigrams, words_of, alternatives)


def passage(text: str, *headings: str, language: Language = Language.KOREAN, document: int = 0) -> Passage:
    made = make_passage(text, headings=headings, language=language)
    identity = UUID(int=document or abs(hash((text, headings))) % 2**64)
    return replace(made, source=replace(made.source, document_id=identity))


def weighed(question: QuestionTerms, passages: Sequence[Passage], shown: int = 8) -> Evidence:
    return weigh(question, passages, shown)


LEAVE = passage("연차 휴가 신청 기한 은 사흘 전이다.", "취업규칙", "제12조(휴가 신청)")
OTHERS = [passage(f"출장 여비 정산 {number} 회의실 예약", "여비규정", f"제{number}조") for number in range(1, 16)]


def test_a_passage_that_holds_the_question_alone_is_trusted() -> None:
    found = weighed(terms("연차 휴가 신청 기한"), [LEAVE, *OTHERS])
    assert found.coverage == 1.0 and found.missing == ()
    assert found.confidence > 0.9 and found.weaknesses(BAR) == ()
    assert found.relevances[0] == max(found.relevances)


def test_what_lies_in_a_repository_is_judged_as_code_whatever_it_is_written_in() -> None:
    page = passage("연차 휴가 신청 은 settle 에서 한다.", "저장소/README.md")
    in_repository = replace(page, source=replace(page.source, collection_kind=CollectionKind.CODE))
    question = terms("연차 휴가 신청 기한")
    alike = [passage(f"연차 휴가 신청 {number}", "규칙", f"제{number}조") for number in range(1, 16)]
    assert weighed(question, [page, *alike]).confidence < 0.5
    assert weighed(question, [in_repository, *alike]).confidence > BAR


def test_nothing_found_is_no_confidence() -> None:
    found = weighed(terms("연차 휴가"), [])
    assert (found.confidence, found.signals, set(found.missing)) == (0.0, NOTHING, {"연차", "휴가"})
    assert found.weaknesses(BAR) == (Weakness.LITTLE_COVERED,)


def test_many_passages_that_hold_the_same_part_stand_out_little() -> None:
    alike = [passage(f"휴가 신청 {number}", "규칙", f"제{number}조") for number in range(1, 17)]
    alone = weighed(terms("연차 휴가 신청 기한"), [alike[0], *OTHERS])
    among = weighed(terms("연차 휴가 신청 기한"), alike)
    assert among.signals.lead < 0.1 < alone.signals.lead
    assert among.confidence < 0.2 < alone.confidence
    assert Weakness.NOTHING_STANDS_OUT in among.weaknesses(BAR)


def test_chunks_of_one_section_are_no_rivals_of_each_other() -> None:
    parts = [passage(f"연차 휴가 신청 기한 {n}", "취업규칙", "제12조(휴가 신청)", document=7) for n in range(6)]
    apart = [passage(f"연차 휴가 신청 기한 {n}", "취업규칙", f"제{n + 1}조", document=7) for n in range(6)]
    question = terms("연차 휴가 신청 기한")
    assert weighed(question, [*parts, *OTHERS]).signals.lead > weighed(question, [*apart, *OTHERS]).signals.lead + 0.2


def test_words_scattered_over_passages_cost_confidence() -> None:
    words = ["연차", "휴가", "신청", "기한", "승인", "절차", "서류", "제출"]
    pairs = [words[i : i + 2] for i in range(0, 8, 2)]
    scattered = [passage(f"{first} 와 {second} 와 다른 것 {n}", "규칙") for n, (first, second) in enumerate(pairs * 2)]
    found = weighed(terms("연차 휴가 신청 기한 승인 절차 서류 제출"), scattered)
    assert found.signals.scattered == pytest.approx(0.5)
    assert found.confidence <= 0.05 and confidence_of(found.signals) < 0.3


def test_a_question_in_two_parts_may_be_answered_by_two_passages() -> None:
    both = [passage("연차 휴가 신청 기한", "규칙", "제1조"), passage("출장 여비 정산 방법", "여비규정", "제2조")]
    assert weighed(terms("연차 휴가 신청 기한 출장 여비 정산 방법"), both).signals.scattered == 0.0


def test_a_decree_whose_statute_was_not_found_points_elsewhere() -> None:
    decree = passage(
        "법 제37조에 따른 시설대여 비율 은 다음 과 같다.", "여신전문금융업법 시행령 제13조의2 시설대여 비율"
    )
    statute = passage("시설대여 회사 는 비율 을 지킨다.", "여신전문금융업법 제37조 중소기업 지원")
    other = passage("시설대여 비율 을 지킨다.", "여신전문금융업법 제38조 중소기업 지원")
    question = terms("시설대여 비율")
    assert weighed(question, [decree, statute]).signals.linked == 1.0
    alone = weighed(question, [decree, other])
    assert alone.signals.linked == -1.0
    assert alone.confidence < weighed(question, [decree, statute]).confidence


@pytest.mark.parametrize(
    ("text", "found", "linked"),
    [
        ("비율 은 대통령령으로 정한다.", "법 제37조에 따른 비율", 1.0),
        ("비율 은 대통령령으로 정한다.", "법 제38조에 따른 비율", -1.0),
        ("비율 은 백분의 오 이다.", "법 제38조에 따른 비율", 0.0),
    ],
)
def test_a_statute_that_hands_on_needs_the_decree(text: str, found: str, linked: float) -> None:
    statute = passage(text, "여신전문금융업법 제37조 시설대여 비율")
    decree = passage(found, "여신전문금융업법 시행령 제13조")
    assert weighed(terms("시설대여 비율"), [statute, decree]).signals.linked == linked


def test_what_a_question_names_that_is_nowhere_is_not_guessed() -> None:
    near = [passage("SWIFT 송금 한도 와 수수료 안내", "송금 한도")]
    named = weighed(terms("HPG-4102 송금 한도 조회 방법"), near)
    assert named.name_missing and named.confidence <= 0.05
    assert named.weaknesses(BAR)[0] is Weakness.NAME_MISSING
    assert not weighed(terms("SWIFT 송금 한도"), near).name_missing


def test_a_passage_that_hardly_holds_anything_is_not_enough_however_alone_it_stands() -> None:
    found = weighed(terms("화성 탐사선 연료 탱크 용량 휴가"), [LEAVE, *OTHERS])
    assert found.coverage < weighing.MIN_COVERAGE and found.confidence <= 0.05
    assert found.weaknesses(BAR)[0] is Weakness.LITTLE_COVERED


def test_other_words_for_a_term_count_as_the_term() -> None:
    question = terms("재택근무 신청", Alternative(frozenset(["재택근무"]), frozenset(["원격", "근무"])))
    held = weighed(question, [passage("원격 근무 신청 은 부서장 에게 한다.")])
    assert held.coverage == 1.0 and held.missing == ()
    assert weighed(question, [passage("원격 회의 신청 은 부서장 에게 한다.")]).missing == ("재택근무",)


def test_a_syllable_is_a_term_only_where_a_word_begins() -> None:
    question = terms("법 적용")
    assert weighed(question, [passage("방법 적용")]).missing == ("법",)
    assert weighed(question, [passage("은행 법 적용")]).missing == ()


def test_an_unknown_word_is_there_as_it_stands_or_not_at_all() -> None:
    syllables = dict.fromkeys("자보법", 1.0)
    question = QuestionTerms("자보법은?", syllables, {}, lambda word: [sign for sign in word if sign in syllables])
    assert weighed(question, [passage("자동차 보장 법 안내")]).coverage == 0.0
    assert weighed(question, [passage("이 자보법은 의무보험을 정한다.")]).coverage == 1.0


def test_to_lead_where_there_are_no_rivals_says_little() -> None:
    alone = weighed(terms("연차 휴가 신청 기한 승인"), [passage("연차 휴가")])
    assert alone.little_covered and alone.weaknesses(BAR)[0] is Weakness.LITTLE_COVERED
    assert not weighed(terms("연차 휴가 신청 기한 승인"), [passage("연차 휴가"), *OTHERS]).little_covered


def test_identifiers_are_found_whole_and_in_parts() -> None:
    question = QuestionTerms(
        "round_amount 180", {"roundamount": 2.0, "round": 1.0, "180": 1.0}, {}, lambda word: [word]
    )
    found = weighed(question, [passage("def round_amount(value): ...  # 180", language=Language.CODE)])
    assert found.missing == ()


def test_code_is_judged_by_coverage_alone() -> None:
    code = [passage(f"def fetch_input_{n}(): return None", language=Language.CODE) for n in range(16)]
    found = weighed(terms("fetch input"), code)
    assert found.confidence > BAR
    assert confidence_of(NOTHING._replace(coverage=0.5), code_coverage=0.5) == pytest.approx(0.6)


def test_a_korean_question_needs_less_of_code_than_an_english_one() -> None:
    words = [
        Alternative(frozenset({"감사"}), frozenset({"audit"})),
        Alternative(frozenset({"해시"}), frozenset({"hash"})),
    ]
    code = [passage(f"def audit_hash_{n}(row): hash audit", language=Language.CODE) for n in range(16)]
    korean = terms("감사 해시 어디에서 어떻게 계산", *words)
    english = terms("audit hash somewhere somehow computed")
    assert weighed(korean, code).coverage == weighed(english, code).coverage == pytest.approx(0.4)
    assert weighed(korean, code).weaknesses(BAR) == ()
    assert weighed(english, code).weaknesses(BAR) != ()
    off = weighed(terms("감사 위원회 위원 임기 연임", *words), code)
    assert Weakness.LITTLE_COVERED in off.weaknesses(BAR)


def test_a_reranker_has_a_say_within_bounds() -> None:
    signals = NOTHING._replace(lead=0.3, accord=0.6, coverage=0.7)
    without, surely, hardly = (confidence_of(signals, score) for score in (None, 1.0, 0.0))
    assert hardly < without < surely
    assert confidence_of(signals, 0.5) == pytest.approx(without)
    rated = replace(LEAVE, rerank=0.99)
    assert weighed(terms("연차 휴가"), [rated]).confidence > weighed(terms("연차 휴가"), [LEAVE]).confidence


def test_rivals_beyond_the_passages_wanted_are_weighed_but_not_drawn_on() -> None:
    far = passage("기한 은 사흘", "취업규칙", "제99조")
    question = terms("연차 휴가 기한")
    near = passage("연차 휴가", "취업규칙", "제1조")
    assert weighed(question, [near, far], shown=1).missing == ("기한",)
    assert weighed(question, [near, far], shown=2).missing == ()


def test_asking_for_fewer_passages_buys_no_confidence() -> None:
    alike = [passage(f"휴가 신청 {number}", "규칙", f"제{number}조") for number in range(1, 17)]
    question = terms("연차 휴가 신청 기한")
    assert weighed(question, alike, shown=1).confidence == weighed(question, alike, shown=8).confidence


def test_the_reasons_are_those_that_cost_most() -> None:
    signals = NOTHING._replace(lead=0.37, accord=0.72, linked=-1.0, scattered=0.4, coverage=0.6)
    found = Evidence(0.3, signals)
    assert found.weaknesses(BAR) == (Weakness.SCATTERED, Weakness.POINTS_ELSEWHERE)
    assert found.weaknesses(0.2) == ()


def test_relevances_stand_in_the_order_of_the_passages() -> None:
    found = read(terms("연차 휴가 신청 기한"), [*OTHERS[:3], LEAVE], 8)
    assert found.relevances.index(max(found.relevances)) == 3 and len(found.relevances) == 4
