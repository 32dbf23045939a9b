"""Questions that the syntax of code answers, in Korean and English: where something is used, what calls it, what it calls, what
tests it, where it is defined, what a module is made of.

A name that looks like code is one: between backticks, or with something that no word has (`getUser`, `MAX_LIMIT`, `f()`). A plain
word may be one too (`approve는 어디서 쓰이나`); whether it is, the symbol index knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Wanted(StrEnum):
    """What is asked about a name."""

    USES = "uses"
    CALLERS = "callers"
    CALLEES = "callees"
    TESTS = "tests"
    DEFINITION = "definition"
    MODULE = "module"


@dataclass(frozen=True, slots=True)
class CodeQuestion:
    """What is asked, and about which name, as it is written.

    Attributes:
        sure: whether the name can be nothing but one of the code.
    """

    wanted: Wanted
    name: str
    sure: bool


_NAME = r"(?P<name>`[^`\n]{1,200}`|[A-Za-z_$@][\w$]*(?:(?:\.|::|->|#|/|-(?=\w))[\w$]+)*(?:\(\))?)"
"""Read by ASCII's rules: a Korean particle hangs on the name, and is no part of it."""
_CODE_NAME = r"(?P<name>`[^`\n]{1,200}`|[A-Za-z_$@][\w$]*(?:(?:\.|::|->|#|_)[\w$]+)+(?:\(\))?|[A-Za-z_$@][\w$]*\(\))"
"""One that is spelt as no word of a language is: people look for offices and papers, too."""
_CALLED = (
    r"(?:the\s+)?(?:(?:function|method|class|constant|variable|module|package|file|symbol|interface|type|table)\s+)?"
)
_SORT = r"(?:\s*(?:함수|메서드|메소드|클래스|상수|변수|모듈|패키지|파일|심볼|인터페이스|타입|테이블|프로시저|코드))?"
_OBJECT = rf"{_NAME}{_SORT}(?:을|를|은|는|이|가|의)?\s*"
_SUBJECT = rf"{_NAME}{_SORT}(?:이|가|은|는|에서|안에서)\s*"
_EXPLAIN = r"\b(?:explain|describe|summari[sz]e)\s+(?:to\s+me\s+)?(?:the\s+)?"
_KINDS = r"(?:module|package|file|class)"
_USED = r"(?:사용|쓰이|쓰여|쓰는|쓰나|쓰고|써|씁|참조|이용|import|임포트)"
_WHAT = r"(?:무엇을|무얼|뭘|뭐를?|(?:어떤|무슨)\s*(?:것|코드|함수|메서드|메소드|프로시저)(?:들)?(?:을|를)?)\s*"
"""As an object: whatever stands before it as the topic of the sentence is what does it."""
_WHICH_PLACE = r"(?:어느|어떤|무슨)\s\S+\s+"
_IS_IT = r"(?:인가요?|인지|이야|야|이에요|예요|입니까|이죠|이지)?\s*[?.!]?\s*$"
"""The end of a question what something is, not what is done with it: a class that it inherits, a file that it stands in."""
_THINGS = r"(?:functions?|methods?|procedures?|else|code)\s+"
_COVERING = r"(?:(?:of|for|that|covers?|touch|touching|exercise)\s+)*"
_KOREAN: tuple[tuple[Wanted, str], ...] = (
    (Wanted.TESTS, rf"{_OBJECT}(?:(?:검증|확인|테스트)하는|에\s*대한|어떻게)?\s*(?:단위\s*)?테스트(?!하는)"),
    (Wanted.TESTS, rf"{_OBJECT}테스트하는\s*(?:것|곳|코드|파일|함수|케이스)"),
    (Wanted.CALLEES, rf"{_SUBJECT}(?:\S+\s)?{_WHAT}(?:호출|부르|부릅|콜)"),
    (
        Wanted.CALLEES,
        rf"{_SUBJECT}(?:\S+\s)?(?:호출하는|부르는|사용하는|쓰는)\s*(?:것|함수|메서드|메소드|코드|다른)",
    ),
    (Wanted.CALLERS, rf"{_OBJECT}(?:{_WHICH_PLACE}|\S+\s)?(?:호출|콜|부르|불리|부른)"),
    (Wanted.USES, rf"{_OBJECT}(?:어디(?:서|에서|에)?\s*|누가\s*|{_WHICH_PLACE}){_USED}"),
    (Wanted.USES, rf"(?:어디(?:서|에서)\s+|누가\s+|{_WHICH_PLACE}){_OBJECT}{_USED}"),
    (Wanted.USES, rf"{_OBJECT}(?:사용|참조|호출)처"),
    (Wanted.USES, rf"{_OBJECT}(?:사용|참조|이용|임포트|import|쓰)(?:하는|되는|이는|는)?\s*(?:곳|위치|코드|파일|데)"),
    (
        Wanted.DEFINITION,
        rf"{_OBJECT}(?:어디(?:서|에서|에)?\s*|{_WHICH_PLACE})?(?:정의|선언|구현)(?:되|된|한|하|는|가|이|를|\s*위치)",
    ),
    (Wanted.DEFINITION, rf"{_NAME}{_SORT}\s*(?:구현|정의|선언)?(?:은|는|이|가)\s*어디에?\s*(?:있|위치)"),
    (
        Wanted.MODULE,
        rf"{_NAME}\s*(?:모듈|패키지|파일|클래스)(?:을|를|이|가|은|는)?\s*(?:에\s*대해\s*)?(?:\S+\s)?"
        r"(?:설명|무엇|뭐|무슨|요약|구조|구성)",
    ),
    (
        Wanted.MODULE,
        rf"{_NAME}(?:은|는|이|가)\s*(?:무슨|어떤|뭐\s*하는|무엇을\s*하는)\s*(?:모듈|패키지|파일|클래스){_IS_IT}",
    ),
)
_ENGLISH: tuple[tuple[Wanted, str], ...] = (
    (Wanted.TESTS, rf"\b(?:which|what|where\s+are|show|find)\b.{{0,20}}\btests?\s+{_COVERING}{_CALLED}{_NAME}"),
    (Wanted.TESTS, rf"\b(?:is|are)\s+{_CALLED}{_NAME}\s+(?:tested|covered\s+by\s+tests?)\s*\??\s*$"),
    (Wanted.CALLEES, rf"\b(?:what|which)\s+(?:{_THINGS})?(?:does|do|is)\s+{_CALLED}{_NAME}\s+(?:call|use|calling)"),
    (Wanted.CALLEES, rf"\b(?:what|which)\s+(?:{_THINGS})?(?:is|are)\s+called\s+(?:by|from|in)\s+{_CALLED}{_NAME}"),
    (Wanted.CALLEES, rf"\bcallees\s+of\s+{_CALLED}{_NAME}"),
    (Wanted.CALLERS, rf"\b(?:what|who|which\s+\w+)\s+(?:calls?|invokes?)\s+{_CALLED}{_NAME}"),
    (Wanted.CALLERS, rf"\bcallers?\s+of\s+{_CALLED}{_NAME}"),
    (Wanted.CALLERS, rf"\bwhere\s+(?:is|are|does)\s+{_CALLED}{_NAME}\s+(?:get\s+)?(?:called|invoked)"),
    (Wanted.CALLERS, rf"\bwhere\s+(?:do|does)\s+\w+\s+(?:call|invoke)\s+{_CALLED}{_NAME}"),
    (Wanted.CALLERS, rf"\bwhere\s+{_CALLED}{_NAME}\s+(?:is|are)\s+(?:called|invoked)"),
    (Wanted.USES, rf"\bwhere\s+{_CALLED}{_NAME}\s+(?:is|are)\s+(?:used|referenced|imported)"),
    (Wanted.USES, rf"\bwhere\s+(?:is|are|does)\s+{_CALLED}{_NAME}\s+(?:being\s+|get\s+)?(?:used|referenced|imported)"),
    (Wanted.USES, rf"\bwhere\s+(?:do|does)\s+\w+\s+(?:use|import|reference)\s+{_CALLED}{_NAME}"),
    (Wanted.USES, rf"\b(?:what|who|which\s+\w+)\s+(?:uses?|imports?|references?)\s+{_CALLED}{_NAME}"),
    (Wanted.USES, rf"\b(?:uses|usages?|references)\s+(?:of|to)\s+{_CALLED}{_NAME}"),
    (Wanted.DEFINITION, rf"\bwhere\s+(?:is|are)\s+{_CALLED}{_NAME}\s+(?:defined|declared|implemented|located)"),
    (Wanted.DEFINITION, rf"\bwhere\s+(?:can|do)\s+(?:i|we|you)\s+find\s+{_CALLED}{_CODE_NAME}\s*\??\s*$"),
    (Wanted.DEFINITION, rf"\bwhere\s+{_CALLED}{_NAME}\s+(?:is|are)\s+(?:defined|declared|implemented)"),
    (Wanted.DEFINITION, rf"\bdefinition\s+of\s+{_CALLED}{_NAME}"),
    (Wanted.MODULE, rf"\bwhat\s+(?:does|is)\s+(?:the\s+)?{_KINDS}\s+{_NAME}\s*(?:do\b|for\b|\?|$)"),
    (Wanted.MODULE, rf"{_EXPLAIN}{_KINDS}\s+{_NAME}"),
    (Wanted.MODULE, rf"{_EXPLAIN}{_NAME}\s+{_KINDS}\b"),
)
_PATTERNS = tuple((wanted, re.compile(pattern, re.IGNORECASE | re.ASCII)) for wanted, pattern in (*_KOREAN, *_ENGLISH))
_SORTED = re.compile(
    "함수|메서드|메소드|클래스|상수|변수|모듈|패키지|심볼|function|method|class|module|package|symbol", re.IGNORECASE
)
_CODE = re.compile(r"`|[_$()#/]|::|->|\.\w|[a-z][A-Z]")
_TOLD_WORDS = (
    "the a an this that it they we you he she these those and or of in on at to for from by with what which where who when how "
    "is are was were do does did not no yes everything anything something"
)
_WORDS = frozenset(_TOLD_WORDS.split())


def code_question(question: str) -> CodeQuestion | None:
    """What the question asks about a name of the code; None where it asks nothing of the kind."""
    for wanted, pattern in _PATTERNS:
        for match in pattern.finditer(question):
            name = match["name"].strip("`").strip().removesuffix("()")
            if not name or name.lower() in _WORDS:
                continue
            sure = bool(_CODE.search(match["name"]) or _SORTED.search(match[0]))
            return CodeQuestion(wanted, name, sure)
    return None
