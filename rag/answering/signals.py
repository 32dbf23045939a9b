"""What in the passages says that they answer the question, read off their texts alone: no model, no sentence splitter.

Term by term the texts are searched for, not analysed again: Kiwi would take ten times as long as everything else here. What a
passage holds is a set of the question's terms, and sets are integers with one bit a term.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from rag.domain.passage import Alternative, Passage
from rag.text.analysis import BIGRAM_MARK, BIGRAM_WEIGHT
from rag.text.frequency import PERIOD, SAYING_SO, without_asking
from rag.text.identifiers import identifier_terms
from rag.text.normalize import normalize_text

RIVALS = 16
"""Sections that the best one is held against. Fewer found count as rivals that hold nothing."""
CLOSE_RIVALS = 8
"""Of these the ones that the measures must agree about."""
_K1, _B, _TYPICAL_LENGTH = 1.2, 0.75, 450
"""BM25's constants, and the length in characters at which it changes nothing: that of a statute's article."""
_SHARES = {
    "score": 1.0,
    "bigrams": 0.5,
    "sentence": 0.5,
    "neighbours": 0.25,
    "heading": 0.25,
    "scope": 0.15,
    "title": 0.15,
}
"""What each measure counts in a section's relevance. Set by hand, `benchmarks/abstention.py` shows what comes of it: with the
score alone the right article is first for .78 of `ko_finlaw`'s questions, with all of them for .84."""
_MEASURES = ("score", "coverage", "bigrams", "sentence", "neighbours", "scope", "title")
_LEAST_SPREAD = 0.01
_PERIOD_WEIGHT = 0.5
"""What a 주기 counts that a question asks for by `얼마마다`: texts state one about anything. With all of its weight, questions on
what the handbook does not have come within a hundredth of the bar, with half of it within a twentieth."""
_SENTENCE_END = re.compile(r"\n+|(?<=[.?!。])\s+")
_HANGUL = re.compile("[가-힣]")
_HANGUL_RUN = re.compile("[가-힣]{2,}")
_LATIN_WORD = re.compile("[a-z0-9]+")
_ARTICLE = re.compile(r"제\s?\d+\s?조(?:\s?의\s?\d+)?")
_UPPER_ARTICLE = re.compile(rf"(?<![가-힣])(?:법|영|규칙|규정)\s?({_ARTICLE.pattern})")
"""How a decree or a rule names what it carries out: `법 제37조에 따른`."""
_LOWER_RULE = re.compile("시행령|시행규칙|시행세칙|시행지침")
_HANDED_ON = re.compile("대통령령|총리령|부령|고시|시행세칙|시행규칙")
_KIND_OF_RULE = re.compile(
    r"(?:에 관한 )?(?:법률|법|규정|규칙|지침)(?=\s|$)|시행령|시행규칙|시행세칙|시행지침|(?<=\s)(?:및|등)(?=\s|$)"
)
_OPENING = 160
_NAMED_FIRST = 3


class Signals(NamedTuple):
    """What was found, each without a unit.

    Attributes:
        lead: relevance of the best section over the mean of the others.
        accord: how far each measure by itself prefers the same section, 1 when all do.
        linked: 1 when what the best section carries out, or is carried out by, was found too; -1 when it points to a provision
            that was not; 0 when it points nowhere.
        scattered: share of the question's weight that only other sections hold than the two which hold most together.
        coverage: share of the question's weight in the passage that holds most of it.
    """

    lead: float
    accord: float
    linked: float
    scattered: float
    coverage: float


NOTHING = Signals(0.0, 0.0, 0.0, 0.0, 0.0)


class QuestionTerms:
    """The terms of one question and what they weigh, ready to be looked for in texts."""

    def __init__(
        self,
        question: str,
        weights: Mapping[str, float],
        bigrams: Mapping[str, float],
        terms_of: Callable[[str], Iterable[str]],
        alternatives: Sequence[Alternative] = (),
    ) -> None:
        """
        Args:
            weights: weight by content term.
            bigrams: weight by Hangul bigram of the question, marked as the analyzer marks them.
            terms_of: terms of any text.
            alternatives: other words for terms among them.
        """
        if (left := without_asking(question)) is not None:
            question = f"{left} {PERIOD}"
            weights = {term: weight * (_PERIOD_WEIGHT if term == PERIOD else 1.0) for term, weight in weights.items()}
            alternatives = [*alternatives, *(Alternative(frozenset({PERIOD}), frozenset({by})) for by in SAYING_SO)]
        names = list(weights)
        names += [term for item in alternatives for term in sorted(item.by) if term not in weights]
        self._bits = {term: 1 << place for place, term in enumerate(dict.fromkeys(names))}
        self.weights = weights
        self._total = sum(weights.values()) or 1.0
        self._masses: dict[int, float] = {}
        self._alternatives = [(self.mask(item.by), self.mask(item.terms)) for item in alternatives]
        hangul = [term for term in self._bits if _HANGUL.search(term)]
        self._long = [(term, self._bits[term]) for term in hangul if len(term) > 1]
        # A syllable alone is a word only where a word begins: `일` in `휴일` is not the day that was asked for.
        # A word that was taken apart into syllables is unknown to the analyzer: it is there as it stands or not at all.
        whole = {term: run for word in question.split() for run in _unknown(word, terms_of) for term in run}
        self._short = [
            (re.compile(whole.get(term) or rf"(?<![가-힣]){term}"), self._bits[term])
            for term in hangul
            if len(term) == 1
        ]
        self._other = {term: bit for term, bit in self._bits.items() if not _HANGUL.search(term)}
        self.bigrams = {term.removeprefix(BIGRAM_MARK): weight for term, weight in bigrams.items()}
        self._bigram_total = sum(self.bigrams.values())
        weighed = self.mask(weights)
        self._words = [(word, mask) for word in question.split() if (mask := self.mask(terms_of(word)) & weighed)]
        self._neighbours = [first[1] | second[1] for first, second in pairwise(self._words)]
        self._neighbour_total = sum(map(self.mass, self._neighbours))
        self.parts = _parts(normalize_text(question))

    @property
    def is_korean(self) -> bool:
        """Whether any term is written in Hangul."""
        return any(_HANGUL.search(term) for term in self.weights)

    def mask(self, terms: Iterable[str]) -> int:
        """The set of these terms, as far as they are looked for."""
        found = 0
        for term in terms:
            found |= self._bits.get(term, 0)
        return found

    def mass(self, mask: int) -> float:
        """Share of the question's weight in a set, 0 to 1."""
        if mask not in self._masses:
            held = (self.weights.get(term, 0.0) for term, bit in self._bits.items() if mask & bit)
            self._masses[mask] = sum(held) / self._total
        return self._masses[mask]

    def missing(self, mask: int) -> tuple[str, ...]:
        """Terms of the question outside a set, heaviest first."""
        absent = (term for term in self.weights if not mask & self._bits[term])
        return tuple(sorted(absent, key=lambda term: (-self.weights[term], term)))

    def missing_words(self, mask: int) -> tuple[str, ...]:
        """Words of the question, as they stand there, of whose terms any is outside a set."""
        return tuple(word for word, own in self._words if own & ~mask)

    def held(self, text: str) -> int:
        """The terms in a text that is spelled as they are."""
        found = 0
        for term, bit in self._long:
            if term in text:
                found |= bit
        for pattern, bit in self._short:
            if not found & bit and pattern.search(text):
                found |= bit
        return found | self.mask(identifier_terms(text)) if self._other else found

    def in_other_words(self, held: int) -> int:
        """The set, and what it holds in other words."""
        for by, terms in self._alternatives:
            if held & by == by:
                held |= terms
        return held

    def neighbours_in(self, mask: int) -> float:
        """Share of the question's neighbouring words that stand in one sentence, by weight."""
        if not self._neighbour_total:
            return 0.0
        return sum(self.mass(pair) for pair in self._neighbours if mask & pair == pair) / self._neighbour_total

    def score(self, text: str, held: int) -> float:
        """BM25 of a text against the most that any text could have, 0 to 1: terms, and bigrams at their share."""
        slowness = _K1 * (1 - _B + _B * len(text) / _TYPICAL_LENGTH)
        counts = Counter(identifier_terms(text)) if self._other else Counter[str]()
        found = 0.0
        for term, weight in self.weights.items():
            if held & self._bits[term]:
                count = counts[term] if term in self._other else text.count(term)
                found += weight * _saturated(count or 1, slowness)
        for bigram, weight in self.bigrams.items():
            found += BIGRAM_WEIGHT * weight * _saturated(text.count(bigram), slowness)
        return found / (self._total + BIGRAM_WEIGHT * self._bigram_total)

    def bigrams_in(self, text: str) -> float:
        """Share of the question's bigrams in a text, by weight; None of them in the question is all of them."""
        if not self._bigram_total:
            return 1.0
        return sum(weight for bigram, weight in self.bigrams.items() if bigram in text) / self._bigram_total


@dataclass(frozen=True, slots=True)
class _Section:
    """What one passage holds of the question.

    Attributes:
        held: its terms.
        measures: by name, 0 to 1 each.
        family: name of the statute or rule, without what kind it is; empty outside such.
        article: the one it stands in.
        lower: whether it carries out a statute or rule above it.
        upper: articles above that it names, in their order.
    """

    passage: Passage
    held: int
    measures: Mapping[str, float]
    family: str
    article: str
    lower: bool
    upper: tuple[str, ...]
    opening: tuple[str, ...]
    hands_on: bool

    @property
    def relevance(self) -> float:
        """The measures in one."""
        return sum(share * self.measures[name] for name, share in _SHARES.items())


class Reading(NamedTuple):
    """Passages read for one question.

    Attributes:
        relevances: by place in the passages given.
        missing: terms in none of the passages that an answer may draw on, heaviest first.
        missing_words: words of the question that have such a term.
        sections: how many were compared.
    """

    signals: Signals
    relevances: tuple[float, ...]
    missing: tuple[str, ...]
    missing_words: tuple[str, ...]
    sections: int


def read(question: QuestionTerms, passages: Sequence[Passage], shown: int) -> Reading:
    """Signals of the passages, best first, of which an answer may draw on the first `shown`."""
    if not passages:
        return Reading(NOTHING, (), question.missing(0), question.missing_words(0), 0)
    sections = [_section(question, passage) for passage in passages]
    rivals = _distinct(sections)[:RIVALS]
    close = rivals[:CLOSE_RIVALS]
    best = max(close, key=lambda item: item.relevance)
    others = sum(item.relevance for item in rivals if item is not best) / (RIVALS - 1)
    found = 0
    for item in sections[:shown]:
        found |= item.held
    signals = Signals(
        best.relevance - others,
        _accord(best, close),
        _linked(best, rivals),
        _scattered(question, best, close),
        max(question.mass(item.held) for item in sections[:shown]),
    )
    relevances = tuple(item.relevance for item in sections)
    return Reading(signals, relevances, question.missing(found), question.missing_words(found), len(rivals))


def _section(question: QuestionTerms, passage: Passage) -> _Section:
    chunk = passage.chunk
    heading, body = normalize_text("\n".join(chunk.heading_path)), normalize_text(chunk.text)
    text = f"{heading} {body}"
    in_heading = question.held(heading)
    sentences = [question.in_other_words(question.held(part) | in_heading) for part in _SENTENCE_END.split(body)]
    held = in_heading
    for mask in sentences:
        held |= mask
    held = question.in_other_words(held)
    scope, title = _names(chunk.heading_path)
    measures = {
        "score": question.score(text, held),
        "coverage": question.mass(held),
        "bigrams": question.bigrams_in(text),
        "sentence": max(map(question.mass, sentences)),
        "neighbours": max(map(question.neighbours_in, sentences)),
        "heading": question.mass(in_heading),
        "scope": _share(_KIND_OF_RULE.sub(" ", scope), question.parts),
        "title": _share(_KIND_OF_RULE.sub(" ", title), question.parts),
    }
    article = _ARTICLE.search(heading) or _ARTICLE.match(chunk.provision)
    return _Section(
        passage,
        held,
        measures,
        family="".join(_LOWER_RULE.sub("", scope).split()),
        article="".join(article[0].split()) if article else "",
        lower=bool(_LOWER_RULE.search(scope)),
        upper=_articles(body),
        opening=_articles(body[:_OPENING]),
        hands_on=bool(_HANDED_ON.search(body)),
    )


def _names(path: Sequence[str]) -> tuple[str, str]:
    """Name of the whole and of the part: `은행법 시행령` and `경영지도기준 등`."""
    if not path:
        return "", ""
    if len(path) > 1:
        return normalize_text(path[0]), normalize_text(_ARTICLE.sub(" ", path[-1]))
    parts = _ARTICLE.split(normalize_text(path[0]), maxsplit=1)
    return (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])


def _articles(text: str) -> tuple[str, ...]:
    return tuple("".join(found.split()) for found in _UPPER_ARTICLE.findall(text)[:_NAMED_FIRST])


def _parts(text: str) -> frozenset[str]:
    """Bigrams of the Hangul in a text, with and without its blanks, and its other words."""
    runs = _HANGUL_RUN.findall(text) + _HANGUL_RUN.findall("".join(text.split()))
    return frozenset(run[i : i + 2] for run in runs for i in range(len(run) - 1)) | _words(text)


def _share(name: str, parts: frozenset[str]) -> float:
    """How much of a name the question gives."""
    runs = _HANGUL_RUN.findall(name)
    own = {run[i : i + 2] for run in runs for i in range(len(run) - 1)} | _words(name)
    return len(own & parts) / len(own) if own else 0.0


def _unknown(word: str, terms_of: Callable[[str], Iterable[str]]) -> list[str]:
    """The part of a word that is known only by its syllables, two or more of them."""
    run = "".join(term for term in terms_of(word) if len(term) == 1 and _HANGUL.fullmatch(term))
    return [run] if len(run) > 1 and run in word else []


def _words(text: str) -> set[str]:
    return set(_LATIN_WORD.findall(text.lower()))


def _saturated(count: int, slowness: float) -> float:
    return count / (count + slowness)


def _distinct(sections: Sequence[_Section]) -> list[_Section]:
    """One passage for each section of a document: the parts of a long article do not compete."""
    found: dict[object, _Section] = {}
    for item in sections:
        found.setdefault((item.passage.source.document_id, item.passage.chunk.heading_path), item)
    return list(found.values())


def _accord(best: _Section, close: Sequence[_Section]) -> float:
    preferences = []
    for name in _MEASURES:
        values = [item.measures[name] for item in close]
        mean = sum(values) / CLOSE_RIVALS  # as in the lead, one that was not found holds nothing
        preferences.append((best.measures[name] - mean) / (max(values) - mean + _LEAST_SPREAD))
    return sum(preferences) / len(preferences)


def _linked(best: _Section, rivals: Sequence[_Section]) -> float:
    relatives = [item for item in rivals if item is not best and item.family == best.family and best.family]
    if best.lower:
        if not best.opening:
            return 0.0
        return 1.0 if any(item.article == best.opening[0] for item in relatives if not item.lower) else -1.0
    if best.article and any(best.article in item.upper for item in relatives if item.lower):
        return 1.0
    return -1.0 if best.family and best.hands_on else 0.0


def _scattered(question: QuestionTerms, best: _Section, close: Sequence[_Section]) -> float:
    together = best.held
    everything = best.held
    for item in close:
        everything |= item.held
        if question.mass(best.held | item.held) > question.mass(together):
            together = best.held | item.held
    return question.mass(everything) - question.mass(together)
