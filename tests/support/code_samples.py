"""A small repository of a bank, written for tests."""

PAYMENTS = {
    "src/payments/service.py": '''"""결제 승인."""

from payments.gateway import charge
from payments.limits import LimitChecker
import payments.audit


class PaymentService:
    """Approves payments."""

    def __init__(self, checker: LimitChecker) -> None:
        self.checker = checker

    def approve(self, amount: int) -> bool:
        """한도를 확인하고 승인한다."""
        if not self.check(amount):
            return False
        charge(amount)
        payments.audit.record("approved", amount)
        return True

    def check(self, amount: int) -> bool:
        return self.checker.within(amount)


class RefundService(PaymentService):
    def approve(self, amount: int) -> bool:
        return super().approve(-amount)
''',
    "src/payments/gateway.py": '''"""The gateway to the card company."""


def charge(amount: int) -> None:
    """카드사에 청구한다."""
    send({"amount": amount})


def send(message: dict) -> None:
    print("ok", message)
''',
    "src/payments/limits.py": '''class LimitChecker:
    """일일 한도를 확인한다."""

    daily = 1_000_000

    def within(self, amount: int) -> bool:
        return amount <= self.daily
''',
    "src/payments/audit.py": '''def record(kind: str, amount: int) -> None:
    """감사 기록을 남긴다."""
    print(kind, amount)
''',
    "src/billing/gateway.py": '''def charge(invoice: str) -> None:
    """Another charge, for invoices."""
    print(invoice)


def run() -> None:
    charge("A-1")
''',
    "src/app.py": """from payments.service import PaymentService
from payments.limits import LimitChecker


def main() -> None:
    payment_service = PaymentService(LimitChecker())
    payment_service.approve(500)
    other = object()
    other.approve(1)
""",
    "tests/test_service.py": """from payments.limits import LimitChecker
from payments.service import PaymentService


def make() -> PaymentService:
    return PaymentService(LimitChecker())


def test_approve_within_the_limit() -> None:
    assert make().approve(10)


def test_limit() -> None:
    assert LimitChecker().within(1)
""",
    "README.md": "# 결제\n\nPaymentService approves payments.\n",
}
