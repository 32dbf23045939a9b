"""Command line: check a transfer, print the limit table, ask the calendar, verify an audit log."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from .audit import AuditLog, verify_log
from .bizcalendar import CalendarError, is_business_day, next_business_day
from .limits import LIMITS, RESTRICTED
from .models import AuthMethod, Channel, Currency, CustomerType, Outcome, TransferRequest
from .money import format_amount
from .rules import evaluate

# 종료 코드: 승인 0, 추가인증 10, 지연 11, 거절 12, 입력 오류 1
EXIT_CODES = {Outcome.APPROVE: 0, Outcome.STEP_UP: 10, Outcome.HOLD: 11, Outcome.REJECT: 12}


def _decimal(text: str) -> Decimal:
    """Parse an amount, allowing thousands separators."""
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"not an amount: {text}") from error


def build_parser() -> argparse.ArgumentParser:
    """Define the four subcommands."""
    parser = argparse.ArgumentParser(prog="limits_engine", description="Hanbit Savings Bank transfer-limit engine")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="evaluate one transfer")
    check.add_argument("--customer", choices=[item.value for item in CustomerType], default="personal")
    check.add_argument("--channel", choices=[item.value for item in Channel], required=True)
    check.add_argument("--auth", choices=[item.value for item in AuthMethod], required=True)
    check.add_argument("--amount", type=_decimal, required=True)
    check.add_argument("--currency", choices=[item.value for item in Currency], default="KRW")
    check.add_argument("--usd-rate", type=_decimal, help="US dollars per unit of the currency")
    check.add_argument("--at", type=datetime.fromisoformat, required=True, help="for example 2025-07-01T10:00")
    check.add_argument("--daily-used", type=_decimal, default=Decimal(0))
    check.add_argument("--year-used-usd", type=_decimal, default=Decimal(0))
    check.add_argument("--account", default="110-000-000000")
    check.add_argument("--request-id", default="CLI-1")
    check.add_argument("--restricted", action="store_true", help="the account is a restricted one (한도제한계좌)")
    check.add_argument("--new-payee", action="store_true", help="first transfer to this payee")
    check.add_argument("--audit", type=Path, help="append the decision to this audit log")
    commands.add_parser("limits", help="print the limit table")
    day = commands.add_parser("day", help="say whether a date is a business day")
    day.add_argument("date", type=date.fromisoformat)
    verify = commands.add_parser("verify", help="verify an audit log")
    verify.add_argument("path", type=Path)
    return parser


def run_check(args: argparse.Namespace) -> int:
    """Evaluate one transfer, print the decision and return its exit code."""
    request = TransferRequest(
        request_id=args.request_id,
        account=args.account,
        customer=CustomerType(args.customer),
        channel=Channel(args.channel),
        auth=AuthMethod(args.auth),
        amount=args.amount,
        at=args.at,
        currency=Currency(args.currency),
        daily_used=args.daily_used,
        year_used_usd=args.year_used_usd,
        usd_rate=args.usd_rate,
        restricted=args.restricted,
        new_payee=args.new_payee,
    )
    decision = evaluate(request)
    print(f"{decision.outcome.name}  limit={decision.limit_code}  value_date={decision.value_date}")
    for finding in decision.findings:
        print(f"  {finding.code}: {finding.message}")
    if decision.release_at:
        print(f"  release at {decision.release_at.isoformat(timespec='minutes')}")
    if args.audit:
        AuditLog(args.audit).append(request, decision)
    return EXIT_CODES[decision.outcome]


def run_limits() -> int:
    """Print every row of the limit table."""
    for row in (*LIMITS, RESTRICTED):
        per_transfer, daily = format_amount(row.per_transfer, row.currency), format_amount(row.daily, row.currency)
        print(f"{row.code:<14} {per_transfer:>20} {daily:>20}  {row.effective}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, run the subcommand and return the exit code."""
    args = build_parser().parse_args(argv)
    try:
        if args.command == "check":
            return run_check(args)
        if args.command == "limits":
            return run_limits()
        if args.command == "day":
            word = "a business day" if is_business_day(args.date) else "not a business day"
            print(f"{args.date} is {word}; the next one is {next_business_day(args.date)}")
            return 0
        count, _ = verify_log(args.path)
        print(f"{count} records, chain intact")
        return 0
    except (CalendarError, ValueError, FileNotFoundError) as error:  # AuditError is a ValueError
        print(f"error: {error}", file=sys.stderr)
        return 1
