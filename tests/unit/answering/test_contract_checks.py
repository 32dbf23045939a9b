"""The checks of the contract one by one, and all of them on the labelled sentences about the samples."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from types import FrameType

import pytest

from benchmarks.contract import judged, scores
from rag.answering.citing import aligned, claim_of, units_of, weights_for
from rag.answering.contract import DEFAULT_RULES, Examiner
from rag.answering.contract_exchanged import exchanged
from rag.answering.contract_names import missing_names, names_of
from rag.answering.contract_polarity import turned, turned_limits
from rag.answering.contract_problems import Problem, ProblemKind
from rag.answering.contract_support import SupportChecker
from rag.domain.errors import ModelUnavailable
from rag.domain.language import Language
from rag.generation.base import Draft
from rag.reranking.base import Reranker
from rag.text.analysis import Analyzer
from rag.text.question import QuestionReader
from tests.support.contract_cases import cases, held_out
from tests.support.passages import make_passage

CHECKER = SupportChecker.lexical()


def contrary(claim: str, source: str, lead: str = "") -> list[str]:
    return turned(claim, [(lead, source)], CHECKER.points_of)


CONTRARY = [
    ("직원은 겸직을 할 수 있다.", "직원은 겸직을 할 수 없다."),
    ("휴가 사용은 허용됩니다.", "휴가 사용은 금지한다."),
    ("파견근로자에게 이 규칙을 적용한다.", "파견근로자에게는 이 규칙을 적용하지 아니한다."),
    ("임원을 포함하여 지급한다.", "임원을 제외하여 지급한다."),
    ("급여를 지급하지 않습니다.", "급여를 지급한다."),
    ("이의를 제기하지 아니할 수 없다.", "이의를 제기할 수 없다."),
    ("그 휴일은 유급입니다.", "그 휴일은 무급으로 한다."),
    ("한도가 증가합니다.", "한도가 감소한다."),
    ("매수 주문을 낸다.", "매도 주문을 낸다."),
    ("개인정보를 암호화한다.", "개인정보를 암호화하지 않는다."),
    ("회사는 계약을 갱신하여야 합니다.", "회사는 계약을 갱신할 수 있다."),
    ("Clients may share the key.", "Clients must not share the key."),
    ("The edge accepts unsigned requests.", "The edge rejects unsigned requests."),
    ("Requests are never retried.", "Requests are retried."),
    ("A rollback needs approval.", "A rollback needs no approval."),
    ("Every node except the edge is restarted.", "Every node is restarted."),
    ("Enable the cache on the edge.", "Disable the cache on the edge."),
    ("The key must be rotated.", "The key may be rotated."),
    ("보고서는 다음 분기에 제출합니다.", "보고서는 직전 분기에 제출한다."),
    ("정산 결과는 익월에 통지합니다.", "정산 결과는 전월에 통지한다."),
    ("점검은 전 영업일에 시작합니다.", "점검은 다음 영업일에 시작한다."),
    ("The index is built from the next snapshot.", "The index is built from the previous snapshot."),
    ("복지 포인트는 퇴사한 직원에게 부여합니다.", "복지 포인트는 재직 중인 직원에게 부여한다."),
    ("수수료 전액을 환급합니다.", "수수료 일부를 환급한다."),
    ("의무실 진료는 유료입니다.", "의무실 진료는 무료로 한다."),
    ("공휴일 근무에 임금을 줍니다.", "공휴일에는 무급 근무를 한다."),
]


@pytest.mark.parametrize(("claim", "source"), CONTRARY)
def test_the_contrary_is_seen(claim: str, source: str) -> None:
    assert contrary(claim, source)


SAME = [
    ("겸직은 금지됩니다.", "직원은 겸직을 할 수 없다."),
    ("적용 대상에서 제외됩니다.", "적용하지 아니한다."),
    ("임원은 빼고 지급한다.", "임원을 제외하고 지급한다."),
    ("금지하지 않는다.", "금지하지 아니한다."),
    ("이의를 제기하지 아니할 수 없다.", "이의를 제기하여야 한다."),
    ("토요일은 급여가 없는 휴무일이다.", "토요일은 무급휴무일로 한다."),
    ("10만원을 초과할 수 없습니다.", "10만원 이하로 한다."),
    (
        "60일간 쓰지 않은 계정은 자동으로 잠깁니다.",
        "60일 동안 사용하지 않은 계정은 자동으로 잠그고, 신청이 없으면 회수한다.",
    ),
    ("회사는 휴가를 줄 수 있습니다.", "회사는 휴가를 줄 수 있다. 다만, 계약직에게는 주지 아니한다."),
    ("상시고용인력은 구분에 따릅니다.", "상시고용인력(제4호의 사람은 제외한다)은 구분에 따른다."),
    ("The edge does not accept unsigned requests.", "The edge rejects unsigned requests."),
    ("The edge will not start if the clock differs.", "The edge refuses to start when the clock differs."),
    ("It is decided at 06:00 at the latest.", "It is decided no later than 06:00."),
    ("The instruction goes to the queue.", "An instruction without an answer is handed to the queue."),
    ("보고서는 앞 분기에 제출합니다.", "보고서는 직전 분기에 제출한다."),
    ("다음 각 호의 서류를 제출한다.", "직전 분기의 서류를 제출한다. 다음 각 호의 서류를 제출한다."),
    ("퇴직금은 1년에 30일분을 줍니다.", "퇴직금은 재직 기간 1년에 30일분을 준다."),
    ("직원은 돌봄휴가를 하루 씁니다.", "직원은 1일의 무급 돌봄휴가를 쓴다."),
    ("구내 주차는 요금이 없습니다.", "구내에서는 무료 주차를 한다."),
]


@pytest.mark.parametrize(("claim", "source"), SAME)
def test_the_same_in_other_words_is_no_contrary(claim: str, source: str) -> None:
    assert contrary(claim, source) == []


def test_a_lead_is_said_of_all_its_items() -> None:
    lead, item = "다음 각 호의 사람에게는 이 규칙을 적용하지 않는다.", "1. 등기 임원"
    assert contrary("등기 임원에게는 이 규칙을 적용합니다.", item, lead) == ["negation"]
    assert contrary("등기 임원에게는 이 규칙을 적용하지 않습니다.", item, lead) == []
    assert contrary("등기 임원", item, lead) == [], "an item as it stands says nothing of itself"


EXCHANGED = [
    (
        "A session ends after 8 hours and is locked for 2 hours.",
        "A session ends after 2 hours and is locked for 8 hours.",
        ["8 hours", "2 hours"],
    ),
    ("로그는 30일 동안 두고 90일마다 지운다.", "로그는 90일 동안 두고 30일마다 지운다.", ["30일", "90일"]),
    ("로그는 30일 동안 두고 90일마다 지운다.", "로그는 30일 동안 두고 90일마다 지운다.", []),
    ("5일 이내에 알리고 10일 안에 고친다.", "10일 이내에 알리고 5일 이내에 고친다.", []),
    ("3회마다 점검하고 5명 동안 운영한다.", "5명마다 점검하고 3회 동안 운영한다.", []),
    ("It waits for 5 minutes and tries every 10 minutes.", "It tries every 10 minutes for 5 minutes.", []),
]


@pytest.mark.parametrize(("claim", "source", "wrong"), EXCHANGED)
def test_values_that_changed_places(claim: str, source: str, wrong: list[str]) -> None:
    assert exchanged(claim, [source]) == wrong


OPPOSITE_RULES = {
    "requests": (
        "내부 시스템은 10분 이내 1,000회를 넘으면 30분 동안 차단",
        "외부 시스템은 30분 이내 500회를 넘으면 10분 동안 차단",
        "하고, ",
        "한다.",
    ),
    "leave": (
        "연차는 3일 전까지 신청하고 5일 이내에 승인",
        "병가는 5일 전까지 신청하고 3일 이내에 승인",
        "하며, ",
        "한다.",
    ),
    "blocks": (
        "The internal system blocks a client for 30 minutes after 1,000 requests within 10 minutes",
        "The external system blocks a client for 10 minutes after 500 requests within 30 minutes",
        ", and ",
        ".",
    ),
}


@pytest.mark.parametrize("together", [False, True], ids=["two passages", "one passage"])
@pytest.mark.parametrize("rules", OPPOSITE_RULES.values(), ids=list(OPPOSITE_RULES))
def test_two_rules_with_each_others_values_may_be_joined(rules: tuple[str, str, str, str], together: bool) -> None:
    one, other, link, end = rules
    language = Language.ENGLISH if one.isascii() else Language.KOREAN
    sources = [f"{one}{end}", f"{other}{end}"]
    passages = [make_passage(text, language=language) for text in ([" ".join(sources)] if together else sources)]
    examiner = Examiner(passages, CHECKER, DEFAULT_RULES)

    def problems_of(text: str) -> list[Problem]:
        return list(examiner.examine(Draft(text=text, cites=tuple(range(len(passages))))).problems)

    assert problems_of(f"{one}{link}{other}{end}") == []
    for value in re.findall(r"\d+(?=분|일| minutes)", f"{one}{end}"):
        assert value in other, "each has the other's values"
    for spoiled in (_swapped(one), f"{_swapped(one)}{link}{_swapped(other)}"):
        assert ProblemKind.OTHER_SUBJECT in [problem.kind for problem in problems_of(f"{spoiled}{end}")]


def _swapped(rule: str) -> str:
    """A rule whose two lengths of time have changed places."""
    first, second = re.findall(r"\d+(?=분|일| minutes)", rule)
    return re.sub(r"\d+(?=분|일| minutes)", lambda match: second if match[0] == first else first, rule)


def test_looking_for_exchanged_values_costs_no_more_than_reading_them() -> None:
    def calls(values: int) -> int:
        claim = " ".join(f"{number}분 {('동안', '이내')[number % 2]}" for number in range(1, values + 1))
        evidence = [" ".join(f"{number}분 {('이내', '마다')[number % 2]}" for number in range(1, values + 1))] * 5
        counted = 0

        def count(frame: FrameType, event: str, _: object) -> None:
            nonlocal counted
            counted += event == "call" and frame.f_code.co_filename == exchanged.__code__.co_filename
            assert counted < 20_000

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            exchanged(claim, evidence)
        finally:
            sys.setprofile(before)
        return counted

    assert calls(200) < 3 * calls(100), "in step with the values, not with their pairs"


SUBJECTS = [
    ("신청은 20일 이내에 받고 심사는 10일 이내에 끝냅니다.", False),
    ("신청은 10일 이내에 받고 심사는 20일 이내에 끝냅니다.", True),
    ("심사는 20일 이내에 끝냅니다.", True),
    ("회사는 신청을 20일 이내에 받습니다.", False),
    ("회사는 신청을 20영업일 이내에 받습니다.", False),
]


@pytest.mark.parametrize(("text", "stands"), SUBJECTS)
def test_a_value_belongs_to_its_own_clause(text: str, stands: bool) -> None:
    passage = make_passage("회사는 신청을 10일 이내에 받고, 위원회는 심사를 20일 이내에 끝낸다.")
    assert Examiner([passage], CHECKER, DEFAULT_RULES).examine(Draft(text=text, cites=(0,))).stands is stands


LIMITS = [
    ("100만원 이상", "100만원 이하", True),
    ("100만원 미만", "100만원 이하", True),
    ("백만 원 초과", "1,000,000원 이하", True),
    ("5일 이후", "5일 이내", True),
    ("시행 14일 후까지", "시행일 14일 전까지", True),
    ("초등학교 6학년 이상", "초등학교 6학년 이하", True),
    ("at least 3 nodes", "at most 3 nodes", True),
    ("after 60 seconds", "within 60 seconds", True),
    ("no earlier than 06:00", "no later than 06:00", True),
    ("less than 1 won", "more than 1 won", True),
    ("최대 100만원", "100만원 이하", False),
    ("100만원을 넘지 못한다", "100만원 이하", False),
    ("up to 3 days", "within 3 days after receipt", False),
    ("3일 안에", "3일 이내", False),
    ("2025년 3월 1일부터", "2025. 3. 1. 이후", False),
    ("100만원", "100만원 이하", False),
    ("100만원 이상", "50만원 이하", False),
]


@pytest.mark.parametrize(("claim", "source", "wrong"), LIMITS)
def test_limits_from_the_other_side(claim: str, source: str, wrong: bool) -> None:
    assert bool(turned_limits(f"한도는 {claim}", [f"기준은 {source}"])) is wrong


NAMES = [
    ("HPG-4102 오류가 난다.", "HPG-4200 오류", ["HPG-4102"]),
    ("HR-6 양식을 쓴다.", "HR-60 양식을 쓴다.", ["HR-6"]),
    ("담당은 kim@bank.example이다.", "담당은 lee@bank.example이다.", ["kim@bank.example"]),
    ("/etc/hpg/hpg.yaml을 고친다.", "/etc/hpg/edge.yaml", ["/etc/hpg/hpg.yaml"]),
    ("round_amount가 반올림한다.", "def round_total(): ...", ["round_amount"]),
    ("getUserById를 부른다.", "getUserByName()", ["getUserById"]),
    ("SWIFT로 보낸다.", "전신환으로 보낸다.", ["SWIFT"]),
    ("Kafka를 쓴다.", "PostgreSQL을 쓴다.", ["Kafka"]),
    ("勞動法을 따른다.", "상법을 따른다.", ["勞動法"]),
    ("勤勞基準法을 따른다.", "근로기준법을 따른다.", []),
    ("kafka를 쓴다.", "Apache Kafka 3.5", []),
    ("The tool was written by Smith.", "The tool was written by Jones.", ["Smith"]),
    ("The node runs it.", "A node runs it.", []),
    ("20 MB까지다.", "20 MB까지다.", []),
]


@pytest.mark.parametrize(("text", "evidence", "missing"), NAMES)
def test_names_that_the_evidence_does_not_hold(text: str, evidence: str, missing: list[str]) -> None:
    assert missing_names(text, [evidence]) == missing


def test_units_and_connections_are_no_names() -> None:
    assert names_of("용량은 20 MB이고 e.g. 5 km이다.") == ()


# Alignment

TABLE = make_passage("| 직급 | 1회 한도(만원) |\n| --- | --- |\n| 부장 | 100 |\n| 과장 | 50 |\n| 사원 | 30 |")


@pytest.mark.parametrize(
    ("text", "row"), [("부장의 1회 한도는 100만원입니다.", "부장"), ("과장은 500,000원까지입니다.", "과장")]
)
def test_a_row_is_found_by_its_subject_and_its_value(text: str, row: str) -> None:
    units = units_of(TABLE, CHECKER.terms_of)
    claim = claim_of(text, CHECKER.terms_of)
    [unit] = aligned(claim, 0, units, weights_for(claim, units)).units
    assert unit.text == f"| 직급 | 1회 한도(만원) |\n| {row} | {'100' if row == '부장' else '50'} |"


def test_the_narrowest_run_of_sentences_is_taken() -> None:
    passage = make_passage("휴가는 15일이다. 병가는 60일이다. 출장비는 5만원이다. 숙박비는 7만원이다.")
    units = units_of(passage, CHECKER.terms_of)
    claim = claim_of("병가는 60일, 출장비는 50,000원입니다.", CHECKER.terms_of)
    found = aligned(claim, 0, units, weights_for(claim, units))
    assert [unit.text for unit in found.units] == ["병가는 60일이다.", "출장비는 5만원이다."]


def test_code_is_quoted_by_its_blocks() -> None:
    passage = make_passage("A = 1\n\ndef leave(days):\n    return days\n\nB = 2", language=Language.CODE)
    units = units_of(passage, CHECKER.terms_of)
    assert [unit.text for unit in units] == ["A = 1", "def leave(days):\n    return days", "B = 2"]


# The reranker's word


class _Fixed(Reranker):
    name, max_tokens = "fixed", 512

    def __init__(self, score: float) -> None:
        self._score = score

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        if self._score < 0:
            raise ModelUnavailable(name=self.name)
        return [self._score] * len(passages)


def problems(text: str, source: str, score: float | None) -> list[ProblemKind]:
    checker = SupportChecker(QuestionReader(Analyzer()), None if score is None else _Fixed(score))
    passage = make_passage(source, language=Language.ENGLISH if source.isascii() else Language.KOREAN)
    finding = Examiner([passage], checker, DEFAULT_RULES).examine(Draft(text=text, cites=(0,)))
    assert finding.draft.spans or finding.problems
    return [problem.kind for problem in finding.problems]


REWORDED = ("합격 통보는 전원에게 이메일로 발송됩니다.", "모든 지원자에게 합격 여부를 전자우편으로 알린다.")


@pytest.mark.parametrize(("score", "kept"), [(None, False), (0.9, True), (0.3, False), (-1.0, False)])
def test_a_reranker_vouches_for_other_words(score: float | None, kept: bool) -> None:
    assert (problems(*REWORDED, score) == []) is kept


def test_a_reranker_never_vouches_for_a_number() -> None:
    assert problems("연차는 16일입니다.", "연차는 15일이다.", 0.99) == [ProblemKind.FACTS]
    assert problems("겸직할 수 있습니다.", "직원은 겸직할 수 없다.", 0.99) == [ProblemKind.NEGATION]


def test_a_reranker_that_denies_is_believed_where_words_are_few() -> None:
    text, source = "연차휴가 신청은 부서 회의에서 정합니다.", "연차휴가 신청은 부서장이 정한다."
    assert problems(text, source, None) == problems(text, source, 0.5) == []
    assert problems(text, source, 0.001) == [ProblemKind.UNHELD]


@pytest.mark.parametrize(
    ("text", "score", "kept"),
    [
        ("서명 키는 180일이 지나면 만료됩니다.", None, True),
        ("서명 키는 190일이 지나면 만료됩니다.", None, False),
        ("서명 키는 만료됩니다.", None, False),
        ("서명 키는 만료됩니다.", 0.8, True),
        ("서명 키는 만료됩니다.", 0.1, False),
    ],
)
def test_across_languages_facts_or_a_reranker_must_vouch(text: str, score: float | None, kept: bool) -> None:
    assert (problems(text, "A signing key expires 180 days after it is issued.", score) == []) is kept


@pytest.mark.parametrize("kind", ProblemKind)
def test_every_problem_is_told_in_both_languages(kind: ProblemKind) -> None:
    problem = Problem(kind, ("3년",))
    assert any("가" <= character <= "힣" for character in problem.said(Language.KOREAN).replace("3년", ""))
    assert problem.said(Language.ENGLISH).replace("3년", "").isascii()


def test_labelled_sentences_about_the_samples() -> None:
    """Figures of 16 of each kind and language, and of more, are printed by `benchmarks/contract.py`."""
    found = judged(cases(8), CHECKER)
    assert len(found) >= 170
    precision, recall, kept = scores(found)
    assert recall == 1.0, [item.case.text for item in found if not item.right]
    assert precision >= 0.92
    assert kept >= 0.95


def test_labelled_sentences_that_had_no_part_in_the_rules() -> None:
    found = judged(held_out(), CHECKER)
    kept = [item.right for item in found if item.case.holds]
    caught = [item.right for item in found if not item.case.holds]
    assert sum(kept) / len(kept) >= 0.95 and sum(caught) / len(caught) >= 0.9
