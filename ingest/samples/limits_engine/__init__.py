"""Transfer-limit engine of Hanbit Savings Bank (한빛저축은행, a fictional bank).

The engine decides whether a non-face-to-face transfer is approved, needs step-up authentication, is held or is
rejected. Every figure it uses comes from 거래한도표.xlsx, sheet 비대면 이체한도 (HB-OPS-LMT-003).

Run ``python -m limits_engine --help`` for the command line.
"""

from .audit import AuditError, AuditLog, mask_account, verify_log
from .bizcalendar import CalendarError, is_business_day, next_business_day, value_date
from .limits import LIMITS, LimitRow, find_limit
from .models import AuthMethod, Channel, Currency, CustomerType, Decision, Finding, Outcome, TransferRequest
from .money import round_amount, to_usd
from .rules import evaluate

__version__ = "1.4.0"

__all__ = [
    "LIMITS",
    "AuditError",
    "AuditLog",
    "AuthMethod",
    "CalendarError",
    "Channel",
    "Currency",
    "CustomerType",
    "Decision",
    "Finding",
    "LimitRow",
    "Outcome",
    "TransferRequest",
    "evaluate",
    "find_limit",
    "is_business_day",
    "mask_account",
    "next_business_day",
    "round_amount",
    "to_usd",
    "value_date",
    "verify_log",
]
