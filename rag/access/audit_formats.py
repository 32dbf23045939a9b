"""The trail in the words of others: JSON lines as they are hashed, OCSF and CEF for a SIEM.

OCSF 1.5.0 (https://schema.ocsf.io/1.5.0): sign-ins are of the class Authentication (3002), all else of API Activity (6003); a
test holds every kind against the published schema. CEF: ArcSight Common Event Format, version 26 (0 on the wire).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from rag.domain.audit import AuditKind, Outcome, clean_text
from rag.store.audit_event import AuditRow, fields_of
from rag.text.invisible import written_out

OCSF_VERSION = "1.5.0"
_AUTHENTICATION, _API_ACTIVITY = 3002, 6003
_LOGON, _LOGOFF, _OTHER = 1, 2, 99
_CREATE, _READ, _UPDATE, _DELETE = 1, 2, 3, 4
_ACTIVITIES = {_CREATE: "Create", _READ: "Read", _UPDATE: "Update", _DELETE: "Delete", _OTHER: "Other"}
_DELETES = ("deleted", "revoked", "role_revoked", "cut")
_CREATES = ("created", "uploaded", "role_granted", "written", "rated")
_READS = (
    "read",
    "listed",
    "shown",
    "previewed",
    "downloaded",
    "watched",
    "searched",
    "asked",
    "evaluated",
    "given",
    "abstained",
)
_INFORMATIONAL, _LOW, _MEDIUM = 1, 2, 3
_SEVERITIES = {_INFORMATIONAL: "Informational", _LOW: "Low", _MEDIUM: "Medium"}
_SUCCESS, _FAILURE, _UNKNOWN = 1, 2, 0
_LINE_ENDS = re.compile("([\\r\\n])")
_CEF_LINE_ENDS = {"\r": "\\r", "\n": "\\n"}
_CEF_SEVERITY = {_INFORMATIONAL: 2, _LOW: 4, _MEDIUM: 6}


def as_json(row: AuditRow, version: str) -> str:
    """Everything that the hash is made of, and the hash: whoever has the lines can check the chain alone."""
    fields = {key: _plain(value) for key, value in fields_of(row).items()}
    place = {"tenant_id": str(row.tenant_id), "seq": row.seq, "prev_hash": row.prev_hash, "hash": row.hash}
    return json.dumps(place | fields, ensure_ascii=False, sort_keys=True)


def as_ocsf(row: AuditRow, version: str) -> str:
    """One event of OCSF as JSON."""
    sign_in = row.kind.startswith("authentication.")
    class_uid = _AUTHENTICATION if sign_in else _API_ACTIVITY
    activity = _sign_in_activity(row) if sign_in else _activity(row)
    severity = severity_of(row)
    user = _without_empty(
        {"name": row.principal_name or "unknown", "uid": _text(row.principal_id), "type": row.principal_kind}
    )
    status = _SUCCESS if row.outcome == Outcome.DONE else _UNKNOWN if row.outcome == Outcome.BEGUN else _FAILURE
    event: dict[str, Any] = {
        "activity_id": activity,
        "category_uid": class_uid // 1000,
        "class_uid": class_uid,
        "type_uid": class_uid * 100 + activity,
        "time": int(row.at.timestamp() * 1000),
        "severity_id": severity,
        "severity": _SEVERITIES[severity],
        "status_id": status,
        "status": {_SUCCESS: "Success", _FAILURE: "Failure", _UNKNOWN: "Unknown"}[status],
        "status_detail": row.outcome,
        "message": f"{row.kind}: {row.what}",
        "metadata": {
            "version": OCSF_VERSION,
            "uid": f"{row.tenant_id}/{row.seq}",
            "sequence": row.seq,
            "log_name": "audit",
            "tenant_uid": str(row.tenant_id),
            "product": {"name": "Seogo", "vendor_name": "Seogo", "version": version},
        },
        "src_endpoint": _endpoint(row),
        "unmapped": {**fields_unmapped(row), "hash": row.hash, "prev_hash": row.prev_hash},
    }
    if sign_in:
        event |= {"user": user, "service": {"name": f"seogo-{row.surface or 'native'}"}}
    else:
        event |= {
            "activity_name": _ACTIVITIES[activity],
            "actor": {"user": user},
            "api": {
                "operation": row.kind,
                "service": {"name": f"seogo-{row.surface or 'native'}"},
                "request": {"uid": row.request_id or f"{row.tenant_id}/{row.seq}"},
            },
            "http_request": {"user_agent": row.client},
            "resources": _resources(row),
        }
    return json.dumps(event, ensure_ascii=False, sort_keys=True)


def as_cef(row: AuditRow, version: str) -> str:
    """One event of CEF as a line."""
    head = ("CEF:0", "Seogo", "Seogo", version, row.kind, row.kind.replace(".", " "))
    severity = _CEF_SEVERITY[severity_of(row)]
    extension = {
        "rt": str(int(row.at.timestamp() * 1000)),
        "externalId": f"{row.tenant_id}/{row.seq}",
        "src": row.ip if _is_ip(row.ip) else "",
        "suser": row.principal_name,
        "suid": _text(row.principal_id),
        "requestClientApplication": row.client,
        "request": row.what,
        "outcome": row.outcome,
        "cs1Label": "documents",
        "cs1": " ".join(row.documents),
        "cs2Label": "collections",
        "cs2": " ".join(row.collections),
        "cs3Label": "detail",
        "cs3": json.dumps(row.detail, ensure_ascii=False, sort_keys=True),
        "cs4Label": "hash",
        "cs4": row.hash,
        "cs5Label": "credential",
        "cs5": _text(row.credential),
        "cs6Label": "subjects",
        "cs6": " ".join(row.subjects),
    }
    said = " ".join(f"{key}={_cef_value(value)}" for key, value in extension.items() if value)
    return "|".join((*map(_cef_head, head), str(severity), said))


FORMATS: dict[str, Callable[[AuditRow, str], str]] = {"jsonl": as_json, "ocsf": as_ocsf, "cef": as_cef}
"""By name: an entry and the version of the product, to a line."""


def severity_of(row: AuditRow) -> int:
    """OCSF's severity: what was refused is more than what was done."""
    if row.outcome in (Outcome.DENIED, Outcome.FAILED):
        return _MEDIUM
    changes = ("permission.", "credential.", "account.", "audit.cut", "export.", "privacy.", "security.", "setting.")
    return _LOW if row.kind.startswith(changes) else _INFORMATIONAL


def fields_unmapped(row: AuditRow) -> dict[str, Any]:
    """What OCSF has no place for."""
    return {
        "outcome": row.outcome,
        "what": row.what,
        "credential": _text(row.credential),
        "collections": row.collections,
        "subjects": row.subjects,
        "detail": row.detail,
    }


def _endpoint(row: AuditRow) -> dict[str, str]:
    return {"ip": row.ip} if _is_ip(row.ip) else {"name": row.ip or row.surface or "local"}


def _resources(row: AuditRow) -> list[dict[str, str]]:
    documents = [{"uid": item, "type": "document"} for item in row.documents]
    return documents + [{"uid": item, "type": "collection"} for item in row.collections]


def _sign_in_activity(row: AuditRow) -> int:
    return {AuditKind.SIGNED_OUT.value: _LOGOFF, AuditKind.SESSION_ENDED.value: _LOGOFF}.get(row.kind, _LOGON)


def _activity(row: AuditRow) -> int:
    deed = row.kind.partition(".")[2]
    for activity, deeds in ((_DELETE, _DELETES), (_CREATE, _CREATES), (_READ, _READS)):
        if deed in deeds:
            return activity
    return _UPDATE if "changed" in deed else _OTHER


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat(timespec="microseconds") if hasattr(value, "isoformat") else value


def _text(value: UUID | None) -> str:
    return "" if value is None else str(value)


def _without_empty(values: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _cef_head(text: str) -> str:
    plain = clean_text(text).replace("\n", " ").replace("\r", " ")
    return written_out(plain).replace("\\", "\\\\").replace("|", "\\|")


def _cef_value(text: str) -> str:
    """A value on one line: ends of lines as CEF writes them, and other characters that nobody sees written out."""
    parts = _LINE_ENDS.split(clean_text(text))
    return "".join(
        _CEF_LINE_ENDS.get(part) or written_out(part).replace("\\", "\\\\").replace("=", "\\=") for part in parts
    )
