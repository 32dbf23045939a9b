"""Whether a sentence turns its source round: negations, opposites, limits with the other side, duties made of permissions.

By rules on the clauses of both texts, no model: a claim's clause is held against the source's clause that shares most words
with it. Two turns are none: 금지하지 않는다 is 할 수 있다, and "does not reject" is "accepts".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.domain.fact_reading import facts_of, plain
from rag.domain.facts import Fact, FactKind, holds

_MIN_OVERLAP = 0.6
"""Share of a clause's words that the source's clause must hold before the two are held against each other."""
_AS_GOOD = 0.85
"""A clause that shares nearly as many words and does agree settles it."""

_MORE = 0.1
"""By how much more a whole sentence must hold for its word to count against that of its clause."""

_NEGATION = re.compile(
    r"""(?P<korean>(?:수|리)\s?[는가도]?\s?없 | 지\s?[는도를]?\s?(?:아니|않|못|말) | 아니(?=[다며고한하된되라]) | 아닌 | 아닙
        | 없(?=[다이는으음습었을고애도어]) | 금지 | 금하 | 금한 | 불가 | 불허 | 제외 | 배제 | 면제 | 불필요 | 말\s것 | 말아야
        | 외에는 | 밖에 | 이외에 | 빼[고며] | 뺀 | 빠[지진집] | 무급 | 무료 | 무효 | (?<![가-힣])(?:안|못)\s(?=[가-힣]))
    | \b(?:not|never|cannot|nor|neither|unpaid|prohibit\w*|forbid\w*|prevent\w*|exempt\w*|exclud\w*|no\slonger
        |(?:refus\w+|fail(?:s|ed)?|declin\w+)\sto)\b | n't\b
    | \b(?:no|none|without|except|excepting|unless)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_PREDICATE = re.compile(r"(?:[다요까음함됨임]|[a-z])\W*$")
"""How a statement ends; an item of a list that is repeated as it stands is none."""
_WITHOUT = {
    "무급": re.compile("급여|임금|보수|봉급|월급|급료|[유무]급|paid"),
    "무료": re.compile("요금|비용|수수료|값|[유무]료|fee|free"),
    "무효": re.compile("효력|[유무]효|valid"),
}
"""Words that negate one thing; before a noun they negate nothing else: `무급 생리휴가를 준다` gives a leave."""
_FINAL = 9
"""Characters after a Korean negation in which its sentence ends: it then negates what is said, else a word of it."""
_SUBORDINATE = re.compile(r"\b(?:when|while|because|since|that|which|if|unless)\b", re.IGNORECASE)
_ENGLISH_WORD = re.compile("[a-z]{2,}")
_AUXILIARY = "be been being have has had to the an any its their also yet all of in on by at with"
_AUXILIARIES = frozenset(_AUXILIARY.split())
_STEM = 5
"""Letters of a word that its forms share."""
_SCOPE_BEFORE, _SCOPE_AFTER = 10, 2
"""Characters before in Korean, words after in English, that hold what is negated."""
_BOUND_PHRASE = re.compile(
    r"\b(?:no|not) (?:later|earlier|more|less|fewer|longer|sooner) than\b|\b(?:not|never) exceed\w*"
    r"|\bnot only\b|뿐만 아니라|못지않"
    r"|(?:초과|넘)[가-힣]*\s?(?:[가-힣]+\s)?(?:수\s?없|지\s?(?:아니|않|못|말)|아니)[가-힣]*"
)
"""Negations that only say which side of a limit is meant."""
_OPPOSITES = (
    "증가|늘어|늘리|increas\\w+|raise[sd]?|grow\\w* <> 감소|줄어|줄이|decreas\\w+|reduc\\w+|lower(?:s|ed)\\b",
    "인상 <> 인하",
    "상승 <> 하락",
    "확대 <> 축소",
    "강화 <> 완화",
    "최소|최저|하한|minimum|at least <> 최대|최고|상한|maximum|at most|up to",
    "유지|계속|존속 <> 정지|중단|중지|폐지|소멸",
    "부여|발급|교부 <> 회수|박탈",
    "체결 <> 해지|해약",
    "가산 <> 차감|공제",
    "연장 <> 단축",
    "상향 <> 하향",
    "보관|보존 <> 폐기|파기",
    "일시불|일괄 <> 분할",
    "introduc\\w+|add(?:s|ed)\\b <> remov\\w+|drop(?:s|ped)\\b",
    "creat\\w+ <> delet\\w+",
    "grant\\w* <> revok\\w+",
    "(?<!un)lock\\w* <> unlock\\w*",
    "입금 <> 출금|인출",
    "매수|매입|buyer <> 매도|매각|seller",
    "채권자 <> 채무자",
    "허용|allow\\w*|permit\\w*|accept\\w*|approv\\w+ <> 차단|den(?:y|ies|ied)|reject\\w*|refus\\w+|block\\w*",
    "승인 <> 반려|거부|거절|기각",
    "(?<!비)공개|public <> 비공개|private",
    "필수|mandatory|required <> 선택|optional|임의",
    "국내|domestic <> 해외|국외|foreign",
    "내부|internal <> 외부|external",
    "(?<!비)활성|enabl\\w+ <> 비활성|disabl\\w+",
    "성공|succe\\w+ <> 실패|fail\\w*",
    "시작|개시|start\\w*|begin\\w* <> 종료|끝나|end(?:s|ed)?\\b",
    "(?<!비)정규직 <> 비정규직|기간제",
    "찬성 <> 반대",
    "암호화|encrypt\\w* <> 복호화|decrypt\\w*",
    "(?<!a)synchronous <> asynchronous",
    "above|upper <> below|lower\\b",
    "first <> last",
    "이전|전까지|사전 <> 이후|사후",
    "다음 ?(?:달|월|날|해|주|분기|학기|연도|회계|영업일)|익(?:월|일|년|영업일)|이듬해|이튿날|next"
    "|following (?:\\w+ )?(?:day|week|month|quarter|year|release|version) <> 직전|바로 앞|지난 ?(?:달|해|주|분기|학기)"
    "|전 ?(?:월|날|해|주|년|년도|분기|학기|회계연도|영업일)(?![가-힣]{2})|전달 ?(?=\\d|말|초|급여일)|previous|preceding",
    "재직(?! ?(?:기간|증명|연수|일수)) <> 퇴직(?! ?(?:금|급여|연금|소득|예정|사유|원서))|퇴사|퇴임",
    "전액|전부 <> 일부",
    "정기(?![가-힣]) <> 수시",
)
_SIDES = tuple(
    tuple(re.compile(rf"(?:(?<![A-Za-z])(?:{side}))", re.IGNORECASE) for side in pair.split(" <> "))
    for pair in _OPPOSITES
)
_LEVELED = (
    *(re.compile(f"{left.pattern}|{right.pattern}", re.IGNORECASE) for left, right in _SIDES),
    re.compile(r"유급|무급|(?<![a-z])(?:un)?paid"),
    re.compile("유료|무료"),
)
"""Words that stand on one side or the other: of two statements about the same, one may have either."""
_MUST = re.compile(
    r"(?:하여야|해야|어야|아야|여야)\s?(?:한|하|합|됩|된)|의무|\b(?:must|shall|required|have to|has to)\b",
    re.IGNORECASE,
)
_MAY = re.compile(r"수\s?(?:도|가)?\s?있|\b(?:may|can|could)\b", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r"(?<![가-힣]),\s?|(?<=[다고며나면서되여해만지는은에로]),\s?|(?<=\d[가-힣%]),\s?|(?<=\d[가-힣]{2}),\s?|(?<=\d[가-힣]{3}),\s?|[;:\n]\s?|[.!?]\s|(?:고|으며|하며|되며|이며|지만|으나|하나|되|는데|면서)\s(?=\S)"
    r"|\s(?:and|but|or|while|whereas|which|who|if|unless|except|however|although)\s",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\([^()]{6,}\)")
_MIN_CLAUSE = 5
"""Characters; what is shorter belongs to the clause before."""

_AFTER = re.compile(
    r"\s?(?:\([^()]{0,20}\)\s?)?(?:[을를가은는의에로]|이(?![상하내전후]))?\s?"
    r"(?P<word>이상|이하|미만|초과|이내|까지|안에|내에|이전|이후|부터|전에?|후에?|뒤에?|넘|한도|범위)(?P<tail>[^,.;]{0,16})"
    r"|\s?(?P<en>or (?:more|less|fewer|longer|above|below|earlier|later)|before|after)\b"
)
_COUNTED = re.compile(r"[가-힣]{1,3}(?=\s?(?:이상|이하|미만|초과|이내))")
"""`6학년 이상`: what is counted by a word that is no unit."""
_BEFORE = re.compile(
    r"(?P<word>최대|최소|적어도|최장|최단|at least|at most|no less than|not less than|no fewer than|no more than|not more than|"
    r"more than|less than|fewer than|greater than|up to|over|under|above|below|within|not exceed(?:ing)?|exceed(?:ing|s)?|"
    r"minimum of|maximum of|no later than|not later than|no earlier than|not earlier than|before|after|until|by|from|since)"
    r"\s(?:a |an |the |of )?$",
    re.IGNORECASE,
)
_SIDE_OF = {
    **dict.fromkeys(("한도", "범위"), "≤"),
    **dict.fromkeys(
        ("이상", "최소", "적어도", "최단", "부터", "이후", "from", "since", "at least", "no less than"), "≥"
    ),
    **dict.fromkeys(
        ("not less than", "no fewer than", "minimum of", "or more", "or longer", "or above", "or later"), "≥"
    ),
    **dict.fromkeys(("no earlier than", "not earlier than"), "≥"),
    **dict.fromkeys(
        ("초과", "넘", "more than", "greater than", "over", "above", "exceed", "exceeds", "exceeding"), ">"
    ),
    **dict.fromkeys(
        ("이하", "이내", "까지", "안에", "내에", "최대", "최장", "at most", "no more than", "not more than"), "≤"
    ),
    **dict.fromkeys(
        ("up to", "within", "not exceed", "not exceeding", "maximum of", "or less", "or fewer", "until"), "≤"
    ),
    **dict.fromkeys(("by", "no later than", "not later than", "or below", "or earlier", "이전"), "≤"),
    **dict.fromkeys(("미만", "less than", "fewer than", "under", "below"), "<"),
    **dict.fromkeys(("전", "전에", "before"), "before"),
    **dict.fromkeys(("후", "후에", "뒤", "뒤에", "after"), "after"),
}
_NEGATED = re.compile(r"수\s?[는가도]?\s?없|지\s?[는도를]?\s?(?:아니|않|못|말)|아니|금지|불가|안\s?된")
_TURNED = {"≥": "<", ">": "≤", "<": "≥"}
_TURNED_WORDS = ("초과", "넘", "이상", "미만")
_UPPER, _LOWER = frozenset(("≤", "<", "before")), frozenset(("≥", ">", "after"))
_COMPARISONS, _MOMENTS = frozenset("≥>≤<"), frozenset(("before", "after"))
_EDGES = (frozenset("≥>"), frozenset("≤<"))
"""Sides that differ only at the limit itself: told apart for numbers, not for dates and times."""

WordsOf = Callable[[str], Collection[str]]


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of a sentence with one predicate, and the content words in it.

    Attributes:
        led: 1 in a list whose lead negates what all its items say.
    """

    text: str
    words: frozenset[str]
    led: int = 0

    def turns(self, other: Clause) -> int:
        """How often it negates what `other` speaks of too; what only tells the side of a limit left out."""
        read = _BOUND_PHRASE.sub(" ", self.text)
        return sum(_concerns(match, read, other) for match in _NEGATION.finditer(read)) + self.led


def _concerns(match: re.Match[str], text: str, other: Clause) -> bool:
    """Whether a negation is the statement's own, or is of a word that the other clause has too."""
    korean = match["korean"] is not None
    if (about := _WITHOUT.get(match[0])) is not None and re.match(r"\s[가-힣]", text[match.end() :]):
        return bool(about.search(other.text) or _NEGATION.search(other.text))
    rest = _SUBORDINATE.split(text[match.end() :], maxsplit=1)[0].strip(" .\n")
    if len(rest) <= _FINAL and (korean or match.end() + len(rest) + _FINAL >= len(text)):
        return True
    if korean:
        scope = text[max(0, match.start() - _SCOPE_BEFORE) : match.start()].lower()
        return any(len(word) > 1 and word in scope for word in other.words) or bool(_NEGATION.search(other.text))
    scoped = [word for word in _ENGLISH_WORD.findall(rest.lower()) if word not in _AUXILIARIES][:_SCOPE_AFTER]
    return any(word[:_STEM] in other.text.lower() for word in scoped)


def clauses_of(text: str, words_of: WordsOf) -> list[Clause]:
    """The clauses of a text, in its order; asides in brackets after those around them."""
    read = plain(text)
    pieces = [*_pieces(_ASIDE.sub(" ", read)), *(aside[1:-1] for aside in _ASIDE.findall(read))]
    return [Clause(piece, frozenset(words_of(piece))) for piece in pieces if piece.strip()]


def _pieces(text: str) -> Iterator[str]:
    start = 0
    for match in _CLAUSE_END.finditer(text):
        if match.end() - start >= _MIN_CLAUSE and len(text) - match.end() >= _MIN_CLAUSE:
            yield text[start : match.end()]
            start = match.end()
    yield text[start:]


def turned(claim: str, evidence: Sequence[tuple[str, str]], words_of: WordsOf) -> list[str]:
    """Clauses of the claim that say the contrary of the clause of the evidence that is about the same.

    Args:
        evidence: each a list's lead, empty for none, and the text.
        words_of: content words of a text.

    Returns:
        What is wrong: `negation`, `opposite`, `duty`.
    """
    clauses, wholes = list[Clause](), list[Clause]()
    states = bool(_PREDICATE.search(claim))
    for lead, text in evidence:
        led = len(_NEGATION.findall(_BOUND_PHRASE.sub(" ", plain(lead)))) % 2 if lead and states else 0
        words = frozenset(words_of(lead)) if lead else frozenset[str]()
        clauses += [replace(item, words=item.words | words, led=led) for item in clauses_of(text, words_of)]
        wholes.append(Clause(_ASIDE.sub(" ", plain(text)), frozenset(words_of(text)) | words, led))
    problems = [_verdict(clause, clauses, wholes) for clause in clauses_of(claim, words_of)]
    return list(dict.fromkeys(problem for problem in problems if problem))


def _verdict(clause: Clause, clauses: Sequence[Clause], wholes: Sequence[Clause]) -> str:
    """By the source's clauses; by its sentences where those hold more of it than any clause does."""
    verdict = _against(clause, clauses)
    if verdict == "":
        return ""
    if verdict is None or _best(clause, wholes) >= _best(clause, clauses) + _MORE:
        whole = _against(clause, wholes) or ""
        return whole if verdict is None or not whole else verdict
    return verdict


def _best(clause: Clause, sources: Sequence[Clause]) -> float:
    return max((_shared(clause, source) for source in sources), default=0.0)


def _against(clause: Clause, sources: Sequence[Clause]) -> str | None:
    """What is wrong with a clause in the light of those that share most words with it.

    Returns:
        Empty when one of them says it; None when none is about the same.
    """
    shares = [(_shared(clause, source), source) for source in sources]
    best = _best(clause, sources)
    if best < _MIN_OVERLAP or not clause.words:
        return None
    near = sorted(
        (item for item in shares if item[0] >= _AS_GOOD * best), key=lambda item: (-item[0], len(item[1].words))
    )
    verdicts = [_compare(clause, source) for _, source in near]
    return "" if "" in verdicts else verdicts[0]


def _shared(clause: Clause, source: Clause) -> float:
    """Share of the clause's words that the source's holds, opposites taken for the same: which one it is comes after."""
    words, others = _leveled(clause), _leveled(source)
    squeezed = "".join(source.text.split()).lower()
    held = sum(word in others or (len(word) > 1 and word in squeezed) for word in words)
    return held / max(1, len(words))


def _leveled(clause: Clause) -> frozenset[str]:
    read = clause.text.lower()
    found = {number: match[0] for number, pattern in enumerate(_LEVELED) if (match := pattern.search(read))}
    rest = {word for word in clause.words if not any(word in written or written in word for written in found.values())}
    return frozenset(rest | {f"±{number}" for number in found})


def _compare(clause: Clause, source: Clause) -> str:
    turns = source.turns(clause)
    negated = clause.turns(source) % 2 != turns % 2
    opposite = _is_opposite(clause.text, source.text)
    if negated != opposite:
        return "negation" if negated else "opposite"
    if _MUST.search(clause.text) and not _MAY.search(clause.text) and _MAY.search(source.text):
        return "" if _MUST.search(source.text) or negated or turns else "duty"
    return ""


def _is_opposite(one: str, other: str) -> bool:
    for left, right in _SIDES:
        here = (bool(left.search(one)), bool(right.search(one)))
        there = (bool(left.search(other)), bool(right.search(other)))
        if here != there and here[::-1] == there and here[0] != here[1]:
            return True
    return False


def turned_limits(claim: str, evidence: Sequence[str]) -> list[str]:
    """Numbers and dates of the claim, as written, that the evidence limits from another side: 이상 for 이하, before for after."""
    sources = [limit for text in evidence for limit in limits_of(text)]
    wrong = []
    for fact, sides in limits_of(claim):
        others = frozenset[str]().union(*(found for held, found in sources if holds(fact, [held])))
        if _clash(sides, others, fact):
            wrong.append(fact.written)
    return wrong


def _clash(sides: frozenset[str], others: frozenset[str], fact: Fact) -> bool:
    """Whether two limits of one value exclude each other: comparisons with comparisons, moments with moments."""
    mine, other = sides, others
    for order in (_COMPARISONS, _MOMENTS):
        if sides & order and others & order:
            mine, other = sides & order, others & order
            break
    if not mine or not other or mine & other:
        return False
    if from_two_sides(mine, other):
        return True
    return fact.kind is FactKind.NUMBER and any(mine <= edges and other <= edges for edges in _EDGES)


def from_two_sides(sides: frozenset[str], others: frozenset[str]) -> bool:
    """Whether of two limits one is from below and one from above: 이상 and 이하."""
    return bool(sides and others) and ((sides <= _UPPER and others <= _LOWER) or (sides <= _LOWER and others <= _UPPER))


def limits_of(text: str) -> Iterator[tuple[Fact, frozenset[str]]]:
    """Each number, date or time that a text limits, and from which sides."""
    read = plain(text)
    facts = [fact for fact in facts_of(read) if fact.kind in (FactKind.NUMBER, FactKind.DATE, FactKind.TIME)]
    for fact in facts:
        sides = set[str]()
        counted = _COUNTED.match(read, fact.end) if not fact.unit else None
        after = _AFTER.match(read, counted.end() if counted else fact.end)
        if after:
            word = (after["word"] or after["en"]).lower()
            turn = word in _TURNED_WORDS and _NEGATED.search(after["tail"] or "")
            sides.add(_TURNED[_SIDE_OF[word]] if turn else _SIDE_OF[word])
        before = _BEFORE.search(read[max(0, fact.start - 24) : fact.start])
        if before:
            sides.add(_SIDE_OF[before["word"].lower()])
        if sides:
            yield fact, frozenset(sides)
