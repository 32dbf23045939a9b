"""Currency rounding.

금액은 통화별 최소 단위로 처리한다. 원화와 엔화는 1단위 미만을 버리고, 달러와 유로는 소수 둘째 자리까지
은행원식(짝수) 반올림을 한다. 한도 판정을 위한 미화 환산은 고객에게 유리하지 않도록 항상 올림한다.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal

from .models import Currency

QUANTUM: dict[Currency, Decimal] = {
    Currency.KRW: Decimal("1"),
    Currency.JPY: Decimal("1"),
    Currency.USD: Decimal("0.01"),
    Currency.EUR: Decimal("0.01"),
}


def round_amount(amount: Decimal, currency: Currency) -> Decimal:
    """Round to the currency's smallest unit: won and yen down, dollar and euro half to even."""
    mode = ROUND_DOWN if QUANTUM[currency] == 1 else ROUND_HALF_EVEN
    return amount.quantize(QUANTUM[currency], rounding=mode)


def to_usd(amount: Decimal, currency: Currency, usd_rate: Decimal | None) -> Decimal:
    """Convert to US dollars for a limit check, rounding up to the next cent.

    ``usd_rate`` is the price of one unit of ``currency`` in dollars; it is not needed for dollars themselves.
    """
    if currency is Currency.USD:
        return round_amount(amount, currency)
    if usd_rate is None or usd_rate <= 0:
        raise ValueError(f"a positive usd_rate is required for {currency.value}")
    return (amount * usd_rate).quantize(QUANTUM[Currency.USD], rounding=ROUND_UP)


def format_amount(amount: Decimal, currency: Currency) -> str:
    """Format an amount for people, for example ``1,250,000 KRW`` or ``99.50 USD``."""
    return f"{round_amount(amount, currency):,} {currency.value}"
