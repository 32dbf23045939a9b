"""Data model: the transfer request that comes in and the decision that goes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum


class CustomerType(StrEnum):
    """Customer group (고객구분)."""

    PERSONAL = "personal"  # 개인
    MINOR = "minor"  # 미성년: 만 14세 이상 19세 미만
    CORPORATE = "corporate"  # 법인


class Channel(StrEnum):
    """Non-face-to-face channel (채널)."""

    INTERNET = "internet"  # 인터넷뱅킹
    MOBILE = "mobile"  # 모바일뱅킹
    PHONE = "phone"  # 텔레뱅킹
    FIRM = "firm"  # 펌뱅킹


class AuthMethod(StrEnum):
    """Authentication method (인증수단)."""

    OTP = "otp"  # OTP, 보안 1등급
    BIOMETRIC = "biometric"  # 디지털OTP(생체인증), 보안 1등급
    CARD_SMS = "card-sms"  # 보안카드+SMS, 보안 2등급
    CARD = "card"  # 보안카드, 보안 3등급
    PIN = "pin"  # 간편비밀번호
    SERVER_CERT = "server-cert"  # 서버인증서


class Currency(StrEnum):
    """Currencies the engine can evaluate."""

    KRW = "KRW"
    USD = "USD"
    JPY = "JPY"
    EUR = "EUR"


class Outcome(IntEnum):
    """Result of an evaluation, ordered by severity."""

    APPROVE = 0
    STEP_UP = 1
    HOLD = 2
    REJECT = 3


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """One transfer as the channel received it.

    ``daily_used`` and ``year_used_usd`` are the amounts already sent today and this calendar year. Both are in
    the currency of the limit row: won for domestic transfers, US dollars for overseas remittances.
    """

    request_id: str
    account: str
    customer: CustomerType
    channel: Channel
    auth: AuthMethod
    amount: Decimal
    at: datetime
    currency: Currency = Currency.KRW
    daily_used: Decimal = Decimal(0)
    year_used_usd: Decimal = Decimal(0)
    usd_rate: Decimal | None = None  # 1단위당 미화 환산율 (USD per unit of currency)
    restricted: bool = False  # 한도제한계좌 여부
    new_payee: bool = False  # 신규 수취계좌 첫 이체 여부

    def __post_init__(self) -> None:
        """Refuse amounts that can never be transferred."""
        if self.amount <= 0:
            raise ValueError("amount must be positive")
        if self.daily_used < 0 or self.year_used_usd < 0:
            raise ValueError("used amounts must not be negative")

    @property
    def overseas(self) -> bool:
        """Whether this is an overseas remittance, that is, any transfer not in won."""
        return self.currency is not Currency.KRW


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule had to say about a request."""

    code: str
    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The engine's answer: the most severe outcome and every finding that led to it."""

    request_id: str
    outcome: Outcome
    limit_code: str | None
    value_date: date
    release_at: datetime | None = None
    findings: tuple[Finding, ...] = field(default_factory=tuple)

    @property
    def codes(self) -> list[str]:
        """Codes of all findings, in rule order."""
        return [finding.code for finding in self.findings]
