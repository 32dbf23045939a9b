"""Questions about how often: `얼마마다`, `며칠에 한 번`, `연 몇 회` ask for a 주기; texts also state it as `매년`, `3일마다`."""

from __future__ import annotations

import re

PERIOD = "주기"
"""The noun that such a question asks for, in the place of the words that only ask."""
_UNIT = r"(?:시간|일|주일?|개월|달|분기|년|해)"
_TIMES = r"(?:번(?![째호지])|차례|회(?![의차사원장비식]))"
_ASKING = re.compile(
    rf"(?<![가-힣\d])(?:얼마\s?(?:만큼\s)?마다|얼마\s?만에\s한\s?{_TIMES}|얼마나\s자주|얼마\s(?:간격|주기)(?:으?로)?|며칠\s?(?:마다|간격으로)"
    rf"|몇\s?{_UNIT}\s?(?:마다|간격으로)|(?:며칠|몇\s?{_UNIT})에\s?(?:한|몇|1)\s?{_TIMES})"
)
_ONE_TIME = "".join(rf"(?<!{word} )" for word in ("이번", "지난", "다음", "저번", "마지막", "첫", "째", "제", r"\d"))
"""In front of a unit that is one of its kind: `지난 분기`, `둘째 주`, `12 월`."""
_COUNTING = re.compile(
    rf"(?<![가-힣\d]){_ONE_TIME}(?:하루|한\s?(?:달|주|해)|일\s?년|일주일|연간?|월|주|분기|매\s?(?:년|월|달|주|일|분기)"
    rf"|(?<!월 )1\s?(?:시간|일|주일?|개월|달|년))(?:에)?\s?몇\s?{_TIMES}(?!까지|\s이내)"
)
"""`1분기` and `12월 1일` are no units but the one quarter and the one day."""
_PAST = "".join(chr(code) for code in range(ord("가") + 20, ord("힣") + 1, 28) if chr(code) not in "있겠")
"""The syllables that end in ㅆ, as verbs in the past tense do."""
_HAPPENED = re.compile(rf"(?<!고 )(?<!기로 )(?<!도록 )[{_PAST}](?:나|니|는가|는지|습니까|어요|지요|죠|던가|을까)")
"""Asks what was, not what is done again and again; `한다고 했나요` asks for the rule that was told."""
SAYING_SO = (
    *("마다", "매년", "매월", "매달", "매주", "매일", "매분기", "연간", "분기별", "반기별", "월별", "일별"),
    *("연 1회", "연 2회", "년 1회", "월 1회", "월 2회", "주 1회", "분기 1회", "수시로", "정기적으로"),
)
"""How texts state it without the noun."""


def without_asking(question: str) -> str | None:
    """`question` without the words that ask how often; None where there are none, and it does not.

    How many times something was done, or is in a month that is named, is a count and no period.
    """
    left, found = _ASKING.subn(" ", question)
    if not _HAPPENED.search(question):
        left, counting = _COUNTING.subn(" ", left)
        found += counting
    return left if found else None
