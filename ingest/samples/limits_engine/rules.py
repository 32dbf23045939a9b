"""Rule evaluation.

Every rule is a function that looks at one request and returns a finding or ``None``. All rules run, in order,
and the most severe finding decides the outcome, so a rejected customer sees every reason at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal

from .bizcalendar import value_date
from .limits import LimitRow, find_limit
from .models import Currency, CustomerType, Decision, Finding, Outcome, TransferRequest
from .money import format_amount, round_amount, to_usd

CLOSE_START = time(23, 30)  # CTL-CLOSE: 이체 중단 시작
CLOSE_END = time(0, 30)  # CTL-CLOSE: 이체 중단 종료
NIGHT_END = time(6, 0)  # CTL-NIGHT: 00:30 이상 06:00 미만
NIGHT_RATIO = Decimal("0.5")  # CTL-NIGHT: 심야 1회 한도 비율
STEP_UP_AMOUNT = Decimal(5_000_000)  # CTL-STEPUP: 추가인증 기준금액
HOLD_AMOUNT = Decimal(10_000_000)  # CTL-HOLD: 지연이체 기준금액
HOLD_HOURS = 3  # CTL-HOLD: 지연 시간
FX_YEARLY_LIMIT_USD = Decimal(100_000)  # CTL-FXYEAR: 무증빙 해외송금 연간한도


@dataclass(frozen=True, slots=True)
class Context:
    """A request together with its limit row and its amount in the currency of that row."""

    request: TransferRequest
    limit: LimitRow | None
    amount: Decimal

    def exceeds(self, value: Decimal, ceiling: Decimal, code: str, what: str) -> Finding | None:
        """Reject when ``value`` is above ``ceiling``; an amount equal to the limit is allowed."""
        if value <= ceiling:
            return None
        currency = Currency.USD if self.request.overseas else Currency.KRW
        message = f"{what} {format_amount(value, currency)} exceeds {format_amount(ceiling, currency)}"
        return Finding(code, Outcome.REJECT, message)


Rule = Callable[[Context], Finding | None]


def service_hours(context: Context) -> Finding | None:
    """Transfers stop from 23:30 to 00:30 for the daily closing (일 마감)."""
    clock = context.request.at.time()
    if clock >= CLOSE_START or clock < CLOSE_END:
        return Finding("SVC_CLOSED", Outcome.REJECT, "transfers are closed from 23:30 to 00:30")
    return None


def limit_exists(context: Context) -> Finding | None:
    """The combination of customer, channel and authentication must be in the limit table."""
    if context.limit is None:
        return Finding("NO_LIMIT", Outcome.REJECT, "no limit is defined for this combination")
    return None


def per_transfer(context: Context) -> Finding | None:
    """The amount must not exceed the limit per transfer (1회 한도)."""
    if context.limit is None:
        return None
    return context.exceeds(context.amount, context.limit.per_transfer, "LIMIT_PER_TX", "amount")


def daily_total(context: Context) -> Finding | None:
    """The amount plus what was sent today must not exceed the daily limit (1일 한도)."""
    if context.limit is None:
        return None
    total = context.request.daily_used + context.amount
    return context.exceeds(total, context.limit.daily, "LIMIT_DAILY", "daily total")


def night_cap(context: Context) -> Finding | None:
    """From 00:30 to 06:00 people may send half of their limit per transfer; companies are not affected."""
    at_night = CLOSE_END <= context.request.at.time() < NIGHT_END
    if context.limit is None or not at_night or context.request.customer is CustomerType.CORPORATE:
        return None
    ceiling = context.limit.per_transfer * NIGHT_RATIO
    return context.exceeds(context.amount, ceiling, "LIMIT_NIGHT", "night amount")


def fx_yearly(context: Context) -> Finding | None:
    """A person may remit 100,000 US dollars a year without documents."""
    if not context.request.overseas or context.request.customer is not CustomerType.PERSONAL:
        return None
    total = context.request.year_used_usd + context.amount
    return context.exceeds(total, FX_YEARLY_LIMIT_USD, "LIMIT_FX_YEAR", "yearly total")


def new_payee_step_up(context: Context) -> Finding | None:
    """A person's first transfer to a payee needs an ARS call from 5,000,000 won on."""
    if not _guarded(context) or context.amount < STEP_UP_AMOUNT:
        return None
    return Finding("STEP_UP_NEW_PAYEE", Outcome.STEP_UP, "ARS authentication required for a new payee")


def new_payee_hold(context: Context) -> Finding | None:
    """A person's first transfer to a payee is held for three hours from 10,000,000 won on (지연이체)."""
    if not _guarded(context) or context.amount < HOLD_AMOUNT:
        return None
    return Finding("HOLD_NEW_PAYEE", Outcome.HOLD, f"held for {HOLD_HOURS} hours for a new payee")


def _guarded(context: Context) -> bool:
    """Whether the new-payee controls apply: a domestic first transfer by a person (개인)."""
    request = context.request
    return request.new_payee and not request.overseas and request.customer is CustomerType.PERSONAL


RULES: tuple[Rule, ...] = (
    service_hours,
    limit_exists,
    per_transfer,
    daily_total,
    night_cap,
    fx_yearly,
    new_payee_step_up,
    new_payee_hold,
)


def evaluate(request: TransferRequest) -> Decision:
    """Run every rule over a request and return the decision; no limit row means no transfer."""
    if request.overseas:
        amount = to_usd(request.amount, request.currency, request.usd_rate)
    else:
        amount = round_amount(request.amount, request.currency)
    if amount == 0:
        raise ValueError("amount rounds to zero")
    context = Context(request, find_limit(request), amount)
    findings = tuple(finding for rule in RULES if (finding := rule(context)) is not None)
    outcome = max((finding.outcome for finding in findings), default=Outcome.APPROVE)
    release_at = request.at + timedelta(hours=HOLD_HOURS) if outcome is Outcome.HOLD else None
    return Decision(
        request_id=request.request_id,
        outcome=outcome,
        limit_code=context.limit.code if context.limit else None,
        value_date=value_date(request.at) if request.overseas else request.at.date(),
        release_at=release_at,
        findings=findings,
    )
