"""Append-only audit log of decisions.

Each line is one JSON record holding the SHA-256 hash of the record before it, so a changed, removed or reordered
line is found by :func:`verify_log`. 계좌번호는 정보보호 정책 3.2.2에 따라 앞 3자리와 뒤 3자리만 남긴다.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .models import Decision, TransferRequest

GENESIS_HASH = "0" * 64
VISIBLE_DIGITS = 3


class AuditError(ValueError):
    """Raised when the log does not verify; the message names the first bad line."""


def mask_account(account: str) -> str:
    """Keep the first three and last three digits: ``110-234-567890`` becomes ``110-***-***890``."""
    positions = [index for index, char in enumerate(account) if char.isdigit()]
    hidden = set(positions[VISIBLE_DIGITS:-VISIBLE_DIGITS])
    return "".join("*" if index in hidden else char for index, char in enumerate(account))


def record_hash(record: dict[str, object]) -> str:
    """SHA-256 over the record without its own hash, as canonical JSON (sorted keys, no spaces)."""
    body = {key: value for key, value in record.items() if key != "hash"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class AuditLog:
    """A log file that is only ever appended to."""

    def __init__(self, path: Path) -> None:
        """Open the log at ``path``, verifying what is already there."""
        self.path = path
        self.count, self.last_hash = verify_log(path) if path.exists() else (0, GENESIS_HASH)

    def append(self, request: TransferRequest, decision: Decision) -> dict[str, object]:
        """Write one record and return it."""
        record: dict[str, object] = {
            "sequence": self.count + 1,
            "request_id": request.request_id,
            "account": mask_account(request.account),
            "amount": str(request.amount),
            "currency": request.currency.value,
            "received_at": request.at.isoformat(),
            "outcome": decision.outcome.name,
            "limit_code": decision.limit_code,
            "codes": decision.codes,
            "previous": self.last_hash,
        }
        record["hash"] = record_hash(record)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
        self.count, self.last_hash = self.count + 1, str(record["hash"])
        return record


def verify_log(path: Path) -> tuple[int, str]:
    """Check the whole chain; return the number of records and the last hash, or raise :class:`AuditError`."""
    previous = GENESIS_HASH
    count = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise AuditError(f"line {number}: not a JSON record") from error
        if not isinstance(record, dict) or record.get("hash") != record_hash(record):
            raise AuditError(f"line {number}: the record was changed")
        if record.get("previous") != previous or record.get("sequence") != number:
            raise AuditError(f"line {number}: the chain is broken")
        previous, count = str(record["hash"]), number
    return count, previous
