"""How well a sentence is held by what it cites: by words, and by a reranker where there is one.

The thresholds were set on the labelled sentences of `benchmarks/contract.py`, which prints what others would do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from rag.answering.citing import Alignment, Claim, Unit, claim_of, squeeze, weights_for, word_share, words_in
from rag.answering.contract_exchanged import dimension, exchanged
from rag.answering.contract_names import is_korean, missing_names
from rag.answering.contract_polarity import Clause, clauses_of, turned, turned_limits
from rag.answering.contract_problems import Problem, ProblemKind
from rag.domain.errors import SeogoError
from rag.domain.fact_reading import facts_of
from rag.domain.facts import Fact, FactKind, holds
from rag.domain.language import Language
from rag.reranking.base import Reranker
from rag.text.analysis import Analyzer
from rag.text.question import QuestionReader

log = logging.getLogger(__name__)

MIN_WORDS = 0.5
"""Share of a sentence's weighted words that its quotes must hold."""
SURE_WORDS = 0.85
"""From this share on no reranker is asked: the sentence is nearly the source's own."""
MIN_CLAUSE_WORDS = 0.3
"""The same for each clause: a sentence that is held may have one invented clause."""
MIN_CLAUSE_SIZE = 3
"""Words; a shorter clause is only a connection."""
RERANKER_HOLDS = 0.5
"""A reranker's score from which it vouches for a sentence whose words are put otherwise. Rerankers are trained so that 0.5
parts what answers from what does not; not measured here, where no trained model can be had."""
RERANKER_DENIES = 0.02
"""A score below which a sentence does not stand even though it shares many words with its source."""
MIN_WORDS_BESIDE_RERANKER = 0.2
OTHER_PASSAGE_MARGIN = 0.3
"""By how much another passage must hold more of a sentence than those cited to make the citation wrong."""
_OTHER_SUBJECT_MARGIN = 0.12
"""Share of the clause's words by which another unit must fit better for its value to be the right one."""
_HEADER_STEM = 6
"""Characters that forms of a header's word share: `Recommended`, `recommend`."""
FACT_SHARE = 1.5
"""What a fact counts among words, which weigh 1 to 3: that 90 % is said of the same thing is half of the matter."""
_DAYS = {"영업일": "일"}
"""Units of which each is written for the other by mistake: a limit of days and one of working days are rivals."""
_BUDGET_S = 2.0
_REMEMBERED = 2_048
"""Texts whose words are kept: the clauses of a passage are read again for every sentence that cites it."""

_CONNECT = (
    "설명 명시 다음 같 문서 자료 출처 제공 아래 위 즉 또한 한편 따라서 그러므로 그리고 다만 단 경우 해당 사항 대상 정도 현재 "
    "안 내 동안 간 이후 이전 전 후 때 이상 이하 미만 초과 이내 아니하 않 못하 말 없 있 가능 불가 불가능 금지 원칙 "
    "받 주 가지 두 보 나오 들 매 약 바로 모두 못 한 번 "
    "accord document passage sourc state provid section follow below note also therefor howev must shall requir need "
    "includ more less than least most up within no not never only per each every both all"
)
_CONNECTING = frozenset(_CONNECT.split())
"""Words that connect or limit: what they say is checked by other rules."""


class SupportChecker:
    """Reads sentences and judges them. Thread-safe."""

    def __init__(self, reader: QuestionReader, reranker: Reranker | None = None) -> None:
        self._reader = reader
        self._reranker = reranker
        self._terms = lru_cache(maxsize=_REMEMBERED)(self._read)

    @classmethod
    def lexical(cls) -> SupportChecker:
        """One that goes by words alone."""
        return cls(QuestionReader(Analyzer()))

    def terms_of(self, text: str) -> Collection[str]:
        """Content words of a text."""
        return self._terms(text)

    def _read(self, text: str) -> frozenset[str]:
        return self._reader.content_terms(text) - _CONNECTING

    def words_of(self, text: str) -> frozenset[str]:
        """Content words without numbers."""
        return words_in(text, self.terms_of)

    def points_of(self, text: str) -> frozenset[str]:
        """Content words, and what is stated in numbers: what two clauses share that are about the same."""
        stated = (f"{'-'.join(fact.parts) or fact.number} {fact.unit}" for fact in facts_of(text))
        return self.words_of(text) | frozenset(stated)

    def score(self, claim: str, quotes: Sequence[str]) -> float | None:
        """What the reranker gives the best of the quotes; None without one, or when it is away."""
        best = self.best(claim, quotes)
        return best[1] if best is not None else None

    def best(self, claim: str, quotes: Sequence[str]) -> tuple[int, float] | None:
        """Which of the quotes the reranker likes best, and its score; None without one, or when it is away."""
        if self._reranker is None or not quotes:
            return None
        try:
            scores = self._reranker.score(claim, quotes, deadline=time.monotonic() + _BUDGET_S)
        except SeogoError as error:
            log.warning("the reranker %s did not judge a sentence: %s", self._reranker.name, error)
            return None
        return max(enumerate(scores), key=lambda item: item[1], default=None)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the checks found of one sentence.

    Attributes:
        words: share of its words that the quotes hold.
    """

    problems: tuple[Problem, ...]
    words: float


def judge(claim: Claim, found: Sequence[Alignment], units: Sequence[Unit], checker: SupportChecker) -> Judgement:
    """Hold a claim against the quotes of the passages that it cites.

    Args:
        units: all of the cited passages, in which a value may belong to another subject.
    """
    quotes = [unit for item in found for unit in item.units]
    said = [
        unit for unit in quotes if unit.language is not Language.CODE
    ]  # `not` in code denies nothing that is said of it
    texts = [unit.whole for unit in quotes]
    weights = weights_for(claim, units)
    words = share_held(claim, quotes, weights)
    problems = [
        _problem(
            ProblemKind.FACTS, [fact.written for fact in claim.facts if not any(u.holds_fact(fact) for u in quotes)]
        ),
        _problem(
            ProblemKind.OTHER_SUBJECT, _of_other_subjects(claim, units, checker) or _exchanged(claim, quotes, units)
        ),
        _problem(ProblemKind.NAMES, missing_names(claim.text, [f"{unit.whole}\n{unit.around}" for unit in units])),
        _problem(
            ProblemKind.NEGATION, turned(claim.text, [(unit.lead, unit.text) for unit in said], checker.points_of)
        ),
        _problem(ProblemKind.LIMITS, turned_limits(claim.text, texts)),
        _unheld(claim, quotes, weights, words, checker),
    ]
    return Judgement(tuple(item for item in problems if item is not None), words)


def _exchanged(claim: Claim, quotes: Sequence[Unit], units: Sequence[Unit]) -> list[str]:
    """Values that changed places; the second of two rules may stand in a sentence that is not quoted, for it adds no word."""
    return exchanged(claim.text, [unit.whole for unit in quotes], [unit.whole for unit in units])


def share_held(claim: Claim, quotes: Sequence[Unit], weights: dict[str, float]) -> float:
    """How much of a sentence the quotes hold, 0 to 1: its words, and its facts at what one rare word weighs."""
    total = sum(weights.values())
    held = total * word_share(quotes, weights) if total else 0.0
    facts = [any(unit.holds_fact(fact) for unit in quotes) for fact in claim.facts]
    total += FACT_SHARE * len(facts)
    return (held + FACT_SHARE * sum(facts)) / total if total else 1.0


def _problem(kind: ProblemKind, words: Sequence[str]) -> Problem | None:
    return Problem(kind, tuple(words)) if words else None


def _unheld(
    claim: Claim, quotes: Sequence[Unit], weights: dict[str, float], words: float, checker: SupportChecker
) -> Problem | None:
    """Whether the words are those of the quotes, clause by clause, or a reranker vouches for them."""
    if not (claim.terms or claim.facts or claim.names):
        return Problem(ProblemKind.UNHELD)  # `네, 가능합니다.`: nothing in it can be found anywhere
    if _is_foreign(claim, quotes):
        return _unheld_in_translation(claim, quotes, checker)
    loose = _loose_clauses(claim, quotes, weights, checker)
    if words >= SURE_WORDS and not loose:
        return None
    score = checker.score(claim.text, [f"{unit.around}\n{unit.whole}" for unit in quotes])
    holds = words >= MIN_WORDS and not loose
    if score is not None:
        holds = score >= RERANKER_DENIES if holds else score >= RERANKER_HOLDS and words >= MIN_WORDS_BESIDE_RERANKER
    if holds:
        return None
    missing = sorted(term for term in weights if not any(unit.share_of_term(term) for unit in quotes))
    return Problem(ProblemKind.UNHELD, tuple(missing))


def _loose_clauses(
    claim: Claim, quotes: Sequence[Unit], weights: dict[str, float], checker: SupportChecker
) -> list[Clause]:
    clauses = clauses_of(claim.text, checker.words_of)
    if len(clauses) < 2:
        return []
    return [
        clause
        for clause in clauses
        if len(clause.words) >= MIN_CLAUSE_SIZE
        and word_share(quotes, {term: weights.get(term, 1.0) for term in clause.words}) < MIN_CLAUSE_WORDS
    ]


def _is_foreign(claim: Claim, quotes: Sequence[Unit]) -> bool:
    """Whether the quotes are in another script, so that words can't be compared."""
    if not quotes:
        return False
    whole = "\n".join(unit.whole for unit in quotes)
    return is_korean(claim.text) != is_korean(whole) and any(character.isalpha() for character in whole)


def _unheld_in_translation(claim: Claim, quotes: Sequence[Unit], checker: SupportChecker) -> Problem | None:
    """Across languages only facts and names can be compared: without any, and without a reranker, nothing vouches."""
    score = checker.score(claim.text, [unit.whole for unit in quotes])
    if score is not None:
        return None if score >= RERANKER_HOLDS else Problem(ProblemKind.UNHELD)
    anchors = sum(any(unit.holds_fact(fact) for unit in quotes) for fact in claim.facts)
    anchors += sum(any(unit.holds_name(name) for unit in quotes) for name in claim.names)
    return None if anchors else Problem(ProblemKind.UNHELD)


def _of_other_subjects(claim: Claim, units: Sequence[Unit], checker: SupportChecker) -> list[str]:
    """Facts of the claim that stand in a unit about something else, while the unit about the claim's subject has another value.

    The right number from another row of a table, from the sentence after, or from the other half of a sentence.
    """
    narrow = [part for unit in units for part in _by_clauses(unit, checker)]
    clauses = clauses_of(claim.text, checker.words_of)
    wrong = []
    for fact in claim.facts:
        clause = next((item for item in clauses if fact.written in item.text and len(item.words) > 1), None)
        about = claim if clause is None else claim_of(clause.text, checker.terms_of)
        others = tuple(item for item in about.facts if (item.kind, item.number, item.parts) != _value(fact))
        pool = units if clause is None else narrow
        holding = [unit for unit in pool if unit.holds_fact(fact)]
        said = claim.facts if clause is None else about.facts
        rivals = [
            unit for unit in pool if not unit.holds_fact(fact) and _has_other_value(unit, fact, said, claim.facts)
        ]
        # By its words alone, as of a table's row, and by the words and values that stand with it.
        subjects = [Claim(about.text, about.terms, facts, ()) for facts in ((), others)]
        in_other_column = any(_in_other_column(unit, fact, about) for unit in holding)
        in_other_clause = pool is narrow and any(_is_named(rival, holding, about) for rival in rivals)
        fits_better = (_fits_better(subject, rivals, holding, weights_for(subject, units)) for subject in subjects)
        if in_other_column or in_other_clause or any(fits_better):
            wrong.append(fact.written)
    return wrong


def _is_named(rival: Unit, holding: Sequence[Unit], claim: Claim) -> bool:
    """Whether a clause's whole subject is in the claim, and not with the value: `A는 60 %, B는 20 %` for `B는 60 %`."""
    own = rival.terms
    if not own or not own <= claim.terms:
        return False
    return all(any(not unit.holds_term(term) for term in own) for unit in holding)


def _fits_better(subject: Claim, rivals: Sequence[Unit], holding: Sequence[Unit], weights: dict[str, float]) -> bool:
    best = max((share_held(subject, (unit,), weights) for unit in holding), default=1.0)
    return any(share_held(subject, (unit,), weights) >= best + _OTHER_SUBJECT_MARGIN for unit in rivals)


def _value(fact: Fact) -> tuple[FactKind, Fraction, tuple[str, ...]]:
    return fact.kind, fact.number, fact.parts


def _in_other_column(unit: Unit, fact: Fact, claim: Claim) -> bool:
    """Whether a row has the value in a column that the claim does not name, and another value in the one that it does."""
    lines = unit.text.split("\n")
    if len(lines) != 2 or not unit.text.startswith("|") or holds(fact, facts_of(lines[0])):
        return False
    columns = list(zip(*(line.strip("| ").split("|") for line in lines), strict=False))
    named = [(header, cell) for header, cell in columns if _names(header, claim)]
    with_value = [column for column in columns if holds(fact, facts_of(column[1]))]
    return (
        bool(named and with_value)
        and not any(column in named for column in with_value)
        and all(any(other.kind is fact.kind for other in facts_of(cell)) for _, cell in named)
    )


def _names(header: str, claim: Claim) -> bool:
    """Whether a claim speaks of a column: by the words of its header."""
    words = [squeeze(word)[:_HEADER_STEM] for word in header.split()]
    said = squeeze(claim.text)
    return bool(words) and all(word in said for word in words)


def _by_clauses(unit: Unit, checker: SupportChecker) -> list[Unit]:
    """A sentence that gives several values of one unit, cut into its clauses; everything else as it is."""
    kinds = [
        (fact.kind, dimension(fact)) for fact in facts_of(unit.text) if fact.unit or fact.kind is not FactKind.NUMBER
    ]
    if len(unit.spans) > 1 + bool(unit.lead) or len(kinds) == len(set(kinds)):
        return [unit]
    return [replace(unit, text=clause.text) for clause in clauses_of(unit.text, checker.words_of)]


def _has_other_value(unit: Unit, fact: Fact, said: Sequence[Fact], stated: Sequence[Fact]) -> bool:
    """Whether a unit has a value in the fact's place that the claim does not have there.

    Args:
        said: what the claim says together with the fact; a value of the same kind and unit is another if it is none of these.
        stated: all that it says; one of these that is not `said`, also in another unit, has changed places with the fact.
    """
    for other in unit.facts:
        if other.kind is not fact.kind or _states(other, said):
            continue
        if _DAYS.get(other.unit, other.unit) == _DAYS.get(fact.unit, fact.unit) or (
            dimension(other) == dimension(fact) and _states(other, stated)
        ):
            return True
    return False


def _states(fact: Fact, stated: Sequence[Fact]) -> bool:
    """Whether one of `stated` has the value of `fact`."""
    return any(_value(item) == _value(fact) and (item.unit == fact.unit or not fact.unit) for item in stated)
