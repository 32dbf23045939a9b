"""Questions about how often: `얼마마다`, `며칠에 한 번`, `연 몇 회` ask for a 주기; texts also state it as `매년`, `3일마다`."""

from __future__ import annotations

import re

PERIOD = "주기"
"""The noun that such a question asks for, in the place of the words that only ask."""
_UNIT = r"(?:시간|일|주일?|개월|달|분기|년|해)"
_TIMES = r"(?:번|차례|회)"
_ASKING = re.compile(
    rf"(?<![가-힣])(?:얼마\s?(?:만큼\s)?마다|얼마\s?만에\s한\s?{_TIMES}|얼마나\s자주|얼마\s(?:간격|주기)(?:으?로)?|며칠\s?(?:마다|간격으로)"
    rf"|몇\s?{_UNIT}\s?(?:마다|간격으로)|(?:며칠|몇\s?{_UNIT})에\s?(?:한|몇|1)\s?{_TIMES}"
    rf"|(?:하루|한\s?달|일\s?년|연간?|월|주|분기|매년|매월|매달|매주|매일|매분기|1\s?{_UNIT})(?:에)?\s?몇\s?{_TIMES}(?!까지|\s이내))"
)
SAYING_SO = (
    *("마다", "매년", "매월", "매달", "매주", "매일", "매분기", "연간", "분기별", "반기별", "월별", "일별"),
    *("연 1회", "연 2회", "년 1회", "월 1회", "월 2회", "주 1회", "분기 1회", "수시로", "정기적으로"),
)
"""How texts state it without the noun."""


def without_asking(question: str) -> str | None:
    """`question` without the words that ask how often; None where there are none, and it does not."""
    left, found = _ASKING.subn(" ", question)
    return left if found else None
