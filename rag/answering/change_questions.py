"""Questions about what changed between two states of a repository, in Korean and English: which states, and what about them.

Whether a word is the name of a branch or tag only the repositories tell, so what is read here are candidates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_CHANGED = re.compile(
    r"바뀌|바뀐|바꾼|바꿨|바뀜|변경|변화|달라|차이|비교|수정|고쳐|고친|추가|삭제|없어진|사라진|새로"
    r"|\bdiff|\bchang|\bcompar|what'?s new|\bnew in\b|\badded\b|\bremoved\b|\bmodif|\bfixed\b",
    re.IGNORECASE,
)
_KIND = r"(?:버전|태그|릴리[스즈]|브랜치|커밋|version|release|tag|branch|commit)"
_QUOTE = r"[`'\"“”‘’]?"


def _ref(name: str) -> str:
    """The pattern of a name of a branch or tag, with what people write around it."""
    word = rf"(?P<{name}>[A-Za-z0-9]+(?:[._/+-][A-Za-z0-9]+)*)(?![A-Za-z0-9])"
    return rf"{_QUOTE}(?:(?:the\s+)?{_KIND}\s+)?{_QUOTE}{word}{_QUOTE}(?:\s?{_KIND})?"


_A, _B = rf"(?<![\w./-]){_ref('a')}", _ref("b")
_TOGETHER = r"\s*(?:사이|간의?|의\s*차이|차이|를?\s*비교|의)?"
_PAIRS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bbetween\s+{_A}\s+and\s+{_B}",
        rf"\bfrom\s+{_A}\s+(?:up\s+)?(?:to|until)\s+{_B}",
        rf"{_A}\s*(?:\.\.\.?|-+>|→|⇒|~)\s*{_B}",
        rf"{_A}\s*(?:와|과|하고|이랑|랑|및)\s*{_B}{_TOGETHER}",
        rf"{_A}\s*(?:에서|부터)\s*{_B}\s*(?:으로|로|까지|사이)?",
        rf"{_A}\s*(?:,|and|vs\.?|versus|to)\s*{_B}",
    )
)
_SINCE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (rf"\b(?:since|after)\s+{_A}", rf"{_A}\s*(?:이후|이래|부터|다음)(?:에|로|의)?")
)
_IN = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (rf"\b(?:in|with|of|by)\s+{_A}", rf"{_A}\s*(?:에서|에는|에|의|은|는)(?=\s)")
)
_PATH = re.compile(r"(?<![\w./:-])/?(?:[\w.@+-]+/)+(?:[\w.@+-]+)?")
"""A word with a slash; an address with `://` is none."""
_PARTICLE = re.compile(r"(?:안|내|쪽|아래|밑)?(?:에서|에|의|은|는|이|가|을|를|와|과|으로|로|만)?(?:는|도|만|의)?$")
_GLUED = re.compile(r"(?<=[A-Za-z0-9_/])[가-힣]+$")
_PARTICLES = re.compile(r"^[가-힣]+")
WORDS_OF_CHANGE = (
    "사이 사이에 바뀌다 바뀌었나 바뀐 바꾸다 변경 변경점 변경사항 변화 달라지다 달라졌나 달라진 차이 차이점 비교 수정 "
    "고치다 고쳐지다 추가 추가되다 "
    "삭제 없어지다 사라지다 새로 점 사항 부분 코드 소스 저장소 버전 릴리스 태그 브랜치 커밋 어떻게 무엇 이후 지다 간 "
    "흐름 로직 처리 과정 구현 동작 방식 기능 함수 클래스 모듈 파일 쪽 관련 flow logic process implementation behaviour behavior "
    "function class module file part feature diff "
    "changed change changes changing difference differences differ different compare compared between since after new added "
    "removed modified fixed version release tag branch commit code repository repo source what's"
)
"""What a question about changes is asked with, and is not about: no code says `흐름` of the flow that it is."""


@dataclass(frozen=True, slots=True)
class ChangeQuestion:
    """One reading of a question.

    Attributes:
        before: name of the earlier state; empty for the one before `after`.
        after: name of the later state; empty for the one that is indexed.
        rest: the question without these names.
    """

    before: str
    after: str
    rest: str

    def within(self, paths: Iterable[AskedPath]) -> ChangeQuestion:
        """The same where these words are paths, and so nothing that lines are looked through for."""
        rest = self.rest
        for path in paths:
            rest = rest.replace(path.written, " ")
        return ChangeQuestion(self.before, self.after, " ".join(rest.split()))


@dataclass(frozen=True, slots=True)
class AskedPath:
    """A word that may be the path of a file or folder.

    Attributes:
        written: as it stands in the question, with the particles that hang on it.
        spellings: what may be meant, with fewer of its letters taken for particles first.
    """

    written: str
    spellings: tuple[str, ...]


def asked_paths(text: str) -> tuple[AskedPath, ...]:
    """The words of a question with a slash in them. Whether they are paths only the repositories tell: `읽기/쓰기` is none."""
    found = []
    for written in dict.fromkeys(_PATH.findall(text)):
        spellings = (written, _PARTICLE.sub("", written), _GLUED.sub("", written))
        cleaned = dict.fromkeys(item.strip("/").rstrip(".") for item in spellings)
        found.append(AskedPath(written, tuple(item for item in cleaned if item)))
    return tuple(found)


def readings(question: str) -> Iterator[ChangeQuestion]:
    """What the question may ask to compare, the most telling first; nothing where it asks about no change."""
    if not _CHANGED.search(question):
        return
    for pattern in _PAIRS:
        for match in pattern.finditer(question):
            yield ChangeQuestion(match["a"], match["b"], _without(question, match))
    for pattern in _SINCE:
        for match in pattern.finditer(question):
            yield ChangeQuestion(match["a"], "", _without(question, match))
    for pattern in _IN:
        for match in pattern.finditer(question):
            yield ChangeQuestion("", match["a"], _without(question, match))


def _without(question: str, match: re.Match[str]) -> str:
    """The question without the names, and without the particles that hang on them."""
    after = _PARTICLES.sub("", question[match.end() :])
    return " ".join(f"{question[: match.start()]} {after}".split())
