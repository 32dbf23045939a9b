"""Slips in a question: spaces, jamo, keyboard layout. Finds what was probably meant; the words as typed stay.

There is no vocabulary: a word is right when the index has it among what the permit covers. So nothing has to be built or kept
in step, and no correction can tell a word of documents that the asker may not read. Only a word with a part that occurs
nowhere is looked into: its neighbours at one slip are made (`rag.text.jamo`) and those whose pairs of syllables, then whose
morphemes, all occur are what could have been meant. Everything is asked in batches of bounded size.

Gain in nDCG@10 on the questions of ko_finlaw with noise by seed, paired 95 % interval (`benchmarks/noisy_questions.py`): clean
+.000 [.000, .000], blanks lost +.003 [.000, .009], blanks moved +.008 [.001, .017], one wrong jamo +.013 [-.002, .035], two
+.009 [-.009, .032], a word in the other keyboard layout +.044 [.016, .076]. Pairs of syllables forgive most slips already.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.index.base import VectorIndex
from rag.retrieval.rarity import term_scores
from rag.text.analysis import BIGRAM_MARK, Analyzer
from rag.text.jamo import VOWELS, slips, split, typed_in_english, typed_in_korean
from rag.text.kiwi import shared_kiwi
from rag.text.normalize import clean_characters

if TYPE_CHECKING:
    from kiwipiepy import Token

MAX_WORDS = 3
"""Words of one question that are looked into."""
_MAX_QUESTION = 400
"""Characters: a longer question has words enough."""
_MAX_LOOKUPS = 500
"""For one word: two syllables have 130 neighbours with some 250 pairs between them."""
_MAX_ANALYSED = 60
_MAX_MEANT = 2
_WORD_LENGTHS = range(2, 9)
_MAX_GAPS = 3
"""Neighbouring pairs that one slip can break; more are a word that the documents simply don't have."""
_FRESH_S = 60.0
_MAX_SCOPES, _MAX_KNOWN = 64, 10_000

_HANGUL_RUN = re.compile("[가-힣]+")
_LATIN_WORD = re.compile("(?<![A-Za-z0-9._@/-])[A-Za-z]{4,40}(?![A-Za-z0-9._@/-])")
_MIXED_RUN = re.compile("[가-힣ㄱ-ㅣ]*[ㄱ-ㅣ][가-힣ㄱ-ㅣ]*")
_ENDING_TAGS = ("J", "E", "VCP", "VCN", "VX", "XSV", "XSA", "SF", "SP", "SS")
_CONTENT_TAGS = ("N", "V", "MA", "XR")
_AFFIX_TAGS = ("XSN", "XPN")
_LIKELY_VOWELS = ({"ㅐ", "ㅔ", "ㅒ", "ㅖ"}, {"ㅚ", "ㅙ", "ㅞ"}, {"ㅏ", "ㅑ"}, {"ㅓ", "ㅕ"}, {"ㅗ", "ㅛ"}, {"ㅜ", "ㅠ"})


@dataclass(frozen=True, slots=True)
class Meant:
    """What a part of a question probably means.

    Attributes:
        kind: `spelling`, `spacing` or `keyboard`.
        found: as typed; the whole question for `spacing`.
        words: what to search also.
    """

    kind: str
    found: str
    words: tuple[str, ...]


class _View(NamedTuple):
    """What a correction may tell words of: the permit's documents but these."""

    permit: Permit
    excluded: frozenset[UUID]


class Speller:
    """Finds slips under a permit. Thread-safe."""

    def __init__(self, index: VectorIndex, analyzer: Analyzer) -> None:
        self._index = index
        self._analyzer = analyzer
        self._known: OrderedDict[object, tuple[float, dict[str, float]]] = OrderedDict()
        self._guard = Lock()

    def within(self, index: VectorIndex) -> Speller:
        """This speller on another index; what it remembers is shared, for all spaces have the same lexical terms."""
        bound = copy(self)
        bound._index = index
        return bound

    def meant(self, permit: Permit, question: str, excluded: frozenset[UUID] = frozenset()) -> list[Meant]:
        """What else the question may mean; empty for one without slips.

        Args:
            excluded: documents whose words don't count: whose rule changed, and whose points have not followed.

        Raises:
            IndexUnavailable: the engine can't be reached.
        """
        text, view = clean_characters(question), _View(permit, excluded)
        if len(text) > _MAX_QUESTION:
            return []
        return [*self._spaced(view, text), *self._other_layout(view, text), *self._corrected(view, text)]

    def _spaced(self, view: _View, text: str) -> list[Meant]:
        """Morphemes that appear when the spaces are put where Kiwi would put them, and that the documents have."""
        if len(_HANGUL_RUN.findall(text)) == 0:
            return []
        kiwi = shared_kiwi()
        before = self._analyzer.analyze(text).counts.keys()
        for variant in (kiwi.space(text), kiwi.space(text, reset_whitespace=True)):
            if variant == text:
                continue
            new = [
                token.form
                for token in kiwi.tokenize(variant)
                if token.tag.startswith("N") and token.len > 1 and token.form.lower() not in before
            ]
            present = self._scores(view, new)
            if words := tuple(dict.fromkeys(word for word in new if present[word])):
                return [Meant("spacing", text, words)]
        return []

    def _other_layout(self, view: _View, text: str) -> list[Meant]:
        """Words that make sense only when the keyboard was set to the other language."""
        typed = [(match[0], typed_in_korean(match[0])) for match in _LATIN_WORD.finditer(text)]
        typed += [(match[0], typed_in_english(match[0])) for match in _MIXED_RUN.finditer(text)]
        typed = [(found, word) for found, word in typed if word][:MAX_WORDS]
        if not typed:
            return []
        own = {found: self._morphemes(found) for found, _ in typed}
        other = {word: self._morphemes(word) for _, word in typed}
        scores = self._scores(view, [term for terms in (*own.values(), *other.values()) for term in terms])
        return [
            Meant("keyboard", found, (word,))
            for found, word in typed
            if not any(scores[term] for term in own[found])
            and other[word]
            and all(scores[term] for term in other[word])
        ]

    def _morphemes(self, text: str) -> list[str]:
        return [term for term in self._analyzer.analyze(text).counts if not term.startswith(BIGRAM_MARK)]

    def _corrected(self, view: _View, text: str) -> list[Meant]:
        words = _words(text)
        asked = [term for word in words for term in (*word.terms, *word.pairs)]
        scores = self._scores(view, asked)
        found: list[Meant] = []
        looked_into = 0
        for word in words:
            gaps = [index for index, pair in enumerate(word.pairs) if not scores[pair]]
            broken = any(not scores[term] for term in word.terms) or word.is_split
            if not (broken and 0 < len(gaps) <= _MAX_GAPS):
                continue
            looked_into += 1
            if meant := self._neighbours(view, word, gaps):
                found.append(Meant("spelling", word.text, meant))
            if looked_into == MAX_WORDS:
                break
        return found

    def _neighbours(self, view: _View, word: _Word, gaps: Sequence[int]) -> tuple[str, ...]:
        """Words one slip away whose every part occurs, the likeliest first."""
        inside = set.intersection(*({gap, gap + 1} for gap in gaps)) or set(range(gaps[0], gaps[-1] + 2))
        places = range(min(inside), max(inside) + 1)
        candidates: list[str] = []
        wanted: dict[str, None] = {}
        for candidate in slips(word.text, places):
            pairs = _pairs(candidate)
            if len(wanted) + len(pairs) > _MAX_LOOKUPS:
                break
            if len(candidate) > 1:
                candidates.append(candidate)
                wanted.update(dict.fromkeys(pairs))
        scores = self._scores(view, wanted)
        left = [item for item in candidates if all(scores[pair] for pair in _pairs(item))]
        left.sort(key=lambda item: (_unlikeliness(word.text, item), sum(scores[pair] for pair in _pairs(item))))
        return self._words_among(view, word, left[:_MAX_ANALYSED])

    def _words_among(self, view: _View, word: _Word, candidates: Sequence[str]) -> tuple[str, ...]:
        """Those that Kiwi reads as words which occur, in as few pieces as possible."""
        if not candidates:
            return ()
        read = dict(zip(candidates, shared_kiwi().tokenize(list(candidates)), strict=True))
        terms = {item: [token.form.lower() for token in tokens if _is_content(token)] for item, tokens in read.items()}
        scores = self._scores(view, [term for forms in terms.values() for term in forms])
        ranked = [
            (_pieces(read[item]), _unlikeliness(word.text, item), position, item)
            for position, item in enumerate(candidates)
            if terms[item] and _is_nominal(read[item]) and all(scores[term] for term in terms[item])
        ]
        best = [item for item in sorted(ranked) if item[0] < word.pieces or not word.is_split]
        return tuple(item[3] for item in best if item[:2] == best[0][:2])[:_MAX_MEANT]

    def _scores(self, view: _View, terms: Iterable[str]) -> dict[str, float]:
        """Best score of each term in what may be read; remembered for a minute, while the same may be read."""
        wanted = dict.fromkeys(terms)
        permit = view.permit
        scope = (permit.tenant_id, permit.collections, permit.as_of, permit.rules, permit.revision, view.excluded)
        with self._guard:
            expires, known = self._known.get(scope, (0.0, {}))
            if expires < time.monotonic() or len(known) > _MAX_KNOWN:
                expires, known = time.monotonic() + _FRESH_S, {}
            found = {term: known[term] for term in wanted if term in known}
        asked = [term for term in wanted if term not in found]
        selection = Selection(excluded=view.excluded) if view.excluded else None
        new = term_scores(self._index, permit, asked, selection) if asked else {}
        with self._guard:
            known.update(new)
            self._known[scope] = (expires, known)
            self._known.move_to_end(scope)
            while len(self._known) > _MAX_SCOPES:
                self._known.popitem(last=False)
        return found | new


@dataclass(frozen=True, slots=True)
class _Word:
    """The part of a Hangul run that carries meaning: particles and endings behind it are left out.

    Attributes:
        terms: its morphemes.
        pairs: its pairs of syllables, as the index has them.
        pieces: how many morphemes, single syllables twice, affixes not.
        is_split: whether a single syllable is among them, as where a slip breaks a word into what Kiwi knows.
    """

    text: str
    terms: tuple[str, ...]
    pairs: tuple[str, ...]
    pieces: int
    is_split: bool


def _words(text: str) -> list[_Word]:
    tokens = shared_kiwi().tokenize(text)
    words = []
    for run in _HANGUL_RUN.finditer(text):
        inside = [token for token in tokens if run.start() <= token.start < run.end()]
        kept = [token for token in inside if not token.tag.startswith(_ENDING_TAGS)]
        if not kept:
            continue
        body = text[run.start() : min(kept[-1].start + kept[-1].len, run.end())]
        content = [token for token in kept if _is_content(token)]
        if len(body) in _WORD_LENGTHS and content:
            is_split = any(token.len == 1 for token in inside[: inside.index(kept[-1]) + 1])
            terms = tuple(token.form.lower() for token in content)
            words.append(_Word(body, terms, _pairs(body), _pieces(kept), is_split))
    return words


def _is_content(token: Token) -> bool:
    return token.tag.startswith(_CONTENT_TAGS) and not token.tag.startswith(("VX", "VCP", "VCN"))


def _is_nominal(tokens: Sequence[Token]) -> bool:
    """Whether there is nothing but content and affixes: no particle or ending that would cut the word up."""
    return all(_is_content(token) or token.tag.startswith(_AFFIX_TAGS) for token in tokens)


def _pieces(tokens: Sequence[Token]) -> int:
    return sum(2 if token.len == 1 else 1 for token in tokens if not token.tag.startswith(_AFFIX_TAGS))


def _pairs(word: str) -> tuple[str, ...]:
    return tuple(BIGRAM_MARK + word[index : index + 2] for index in range(len(word) - 1))


def _unlikeliness(word: str, other: str) -> int:
    """0 for vowels that sound or lie alike, 1 for another slip inside a syllable, 2 for the rest."""
    if len(word) != len(other):
        return 2
    changed = [(one, two) for one, two in zip(word, other, strict=True) if one != two]
    if len(changed) != 1:
        return 2
    (one, two) = changed[0]
    left, right = split(one), split(two)
    if left[0] != right[0] or left[2] != right[2]:
        return 1
    vowels = {VOWELS[part[1]] for part in (left, right)}
    return 0 if any(vowels <= group for group in _LIKELY_VOWELS) else 1
