"""Business calendar: Korean bank holidays and the value date of overseas remittances.

주말, 관공서 공휴일과 대체공휴일, 근로자의 날은 영업일이 아니다. 휴일표는 매년 12월 1일에 다음 해분을 추가한다.
The table for 2026 is the one known on 2025-12-01; holidays announced later are passed in ``extra``.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time, timedelta

FX_CUTOFF = time(16, 0)  # CTL-FXCUT: 해외송금 당일 처리 마감

# (month, day) pairs; holidays that fall on a weekend are left out where no substitute day follows.
_HOLIDAYS: dict[int, frozenset[tuple[int, int]]] = {
    2025: frozenset(
        {
            (1, 1),  # 신정
            (1, 27),  # 임시공휴일
            (1, 28), (1, 29), (1, 30),  # 설날
            (3, 3),  # 삼일절 대체공휴일
            (5, 1),  # 근로자의 날
            (5, 5), (5, 6),  # 어린이날·부처님오신날과 대체공휴일
            (6, 3),  # 대통령선거일
            (6, 6),  # 현충일
            (8, 15),  # 광복절
            (10, 3),  # 개천절
            (10, 6), (10, 7), (10, 8),  # 추석과 대체공휴일
            (10, 9),  # 한글날
            (12, 25),  # 성탄절
        }
    ),
    2026: frozenset(
        {
            (1, 1),  # 신정
            (2, 16), (2, 17), (2, 18),  # 설날
            (3, 2),  # 삼일절 대체공휴일
            (5, 1),  # 근로자의 날
            (5, 5),  # 어린이날
            (5, 25),  # 부처님오신날 대체공휴일
            (6, 3),  # 지방선거일
            (8, 17),  # 광복절 대체공휴일
            (9, 24), (9, 25),  # 추석
            (10, 5),  # 개천절 대체공휴일
            (10, 9),  # 한글날
            (12, 25),  # 성탄절
        }
    ),
}  # fmt: skip


class CalendarError(LookupError):
    """Raised for a year whose holidays have not been entered; guessing could pay on a holiday."""


def is_business_day(day: date, extra: Collection[date] = ()) -> bool:
    """Whether the bank settles on ``day``; ``extra`` holds holidays announced after the release."""
    if day.year not in _HOLIDAYS:
        raise CalendarError(f"no holiday table for {day.year}")
    return day.weekday() < 5 and (day.month, day.day) not in _HOLIDAYS[day.year] and day not in extra


def next_business_day(day: date, extra: Collection[date] = ()) -> date:
    """Return the first business day after ``day``."""
    candidate = day + timedelta(days=1)
    while not is_business_day(candidate, extra):
        candidate += timedelta(days=1)
    return candidate


def value_date(received: datetime, extra: Collection[date] = ()) -> date:
    """Value date of an overseas remittance: the same day if received on a business day before 16:00."""
    if is_business_day(received.date(), extra) and received.time() < FX_CUTOFF:
        return received.date()
    return next_business_day(received.date(), extra)
