"""The table of transfer limits, a copy of 거래한도표.xlsx (sheet 비대면 이체한도).

When the workbook changes, change this module in the same release; nothing else holds a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from .models import AuthMethod, Channel, Currency, CustomerType, TransferRequest

RAISE_WAIT_HOURS = 24  # CTL-RAISE: 비대면 한도 상향은 24시간 뒤에 적용


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One row of the table; ``None`` in a key column matches everything."""

    code: str
    customer: CustomerType | None
    channel: Channel | None
    auth: AuthMethod | None
    currency: Currency
    per_transfer: Decimal
    daily: Decimal
    effective: date

    def matches(self, request: TransferRequest) -> bool:
        """Whether this row governs the request (currency is compared as domestic or overseas)."""
        return (
            self.customer in (None, request.customer)
            and self.channel in (None, request.channel)
            and self.auth in (None, request.auth)
            and (self.currency is not Currency.KRW) == request.overseas
        )


def _row(code: str, key: tuple[str, str, str], per_transfer: int, daily: int, effective: str) -> LimitRow:
    """Build a row from plain values; codes ending in FXO hold dollar amounts."""
    customer, channel, auth = key
    return LimitRow(
        code=code,
        customer=CustomerType(customer),
        channel=Channel(channel),
        auth=AuthMethod(auth),
        currency=Currency.USD if code.endswith("FXO") else Currency.KRW,
        per_transfer=Decimal(per_transfer),
        daily=Decimal(daily),
        effective=date.fromisoformat(effective),
    )


LIMITS: tuple[LimitRow, ...] = (
    # 개인
    _row("TRF-P-IB-OTP", ("personal", "internet", "otp"), 100_000_000, 500_000_000, "2024-01-02"),
    _row("TRF-P-IB-SCS", ("personal", "internet", "card-sms"), 20_000_000, 50_000_000, "2024-01-02"),
    _row("TRF-P-IB-SCD", ("personal", "internet", "card"), 5_000_000, 10_000_000, "2025-07-01"),
    _row("TRF-P-MB-OTP", ("personal", "mobile", "otp"), 50_000_000, 200_000_000, "2024-01-02"),
    _row("TRF-P-MB-BIO", ("personal", "mobile", "biometric"), 30_000_000, 100_000_000, "2025-07-01"),
    _row("TRF-P-MB-PIN", ("personal", "mobile", "pin"), 2_000_000, 5_000_000, "2025-07-01"),
    _row("TRF-P-TB-OTP", ("personal", "phone", "otp"), 20_000_000, 50_000_000, "2024-01-02"),
    _row("TRF-P-TB-SCD", ("personal", "phone", "card"), 3_000_000, 5_000_000, "2025-07-01"),
    # 미성년
    _row("TRF-Y-IB-OTP", ("minor", "internet", "otp"), 1_000_000, 2_000_000, "2024-01-02"),
    _row("TRF-Y-MB-BIO", ("minor", "mobile", "biometric"), 500_000, 1_000_000, "2025-07-01"),
    _row("TRF-Y-MB-PIN", ("minor", "mobile", "pin"), 300_000, 500_000, "2025-07-01"),
    # 법인
    _row("TRF-C-IB-OTP", ("corporate", "internet", "otp"), 1_000_000_000, 5_000_000_000, "2024-01-02"),
    _row("TRF-C-MB-OTP", ("corporate", "mobile", "otp"), 200_000_000, 1_000_000_000, "2024-01-02"),
    _row("TRF-C-FB-CRT", ("corporate", "firm", "server-cert"), 2_000_000_000, 10_000_000_000, "2025-07-01"),
    # 해외송금 (미화 환산 금액 기준)
    _row("TRF-P-IB-FXO", ("personal", "internet", "otp"), 10_000, 30_000, "2025-07-01"),
    _row("TRF-P-MB-FXO", ("personal", "mobile", "otp"), 5_000, 10_000, "2025-07-01"),
    _row("TRF-C-IB-FXO", ("corporate", "internet", "otp"), 100_000, 500_000, "2025-07-01"),
)

# 한도제한계좌: 채널과 인증수단에 관계없이 1회·1일 100만원
RESTRICTED = LimitRow(
    code="TRF-R-ALL",
    customer=None,
    channel=None,
    auth=None,
    currency=Currency.KRW,
    per_transfer=Decimal(1_000_000),
    daily=Decimal(1_000_000),
    effective=date(2024, 5, 2),
)


def find_limit(request: TransferRequest) -> LimitRow | None:
    """Return the row that governs a request, or ``None`` where the combination is not offered.

    A restricted account uses the restricted row only, so it cannot send money overseas.
    """
    rows = (RESTRICTED,) if request.restricted else LIMITS
    return next((row for row in rows if row.matches(request)), None)


def raised_limit_effective_at(requested_at: datetime, at_branch: bool) -> datetime:
    """When a raised limit starts to apply: at once at a branch, after 24 hours when raised online."""
    return requested_at if at_branch else requested_at + timedelta(hours=RAISE_WAIT_HOURS)
