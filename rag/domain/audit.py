"""What stands on the audit trail, in which form it is hashed, and how each entry holds the one before.

The five fields are those that the Korean measures for the safety of personal data ask of an access record
(개인정보의 안전성 확보조치 기준, 제8조): who, when, from where, whose data, and what was done.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

INSTALLATION = UUID(int=0)
"""Stands in place of a tenant for what belongs to none, such as a key that nobody knows."""
MOST_NAMED = 1000
"""Documents that one entry names; an event about more of them is told by several."""
_LARGEST = 2**53 - 1
"""Integers beyond are not the same number in every reader of JSON (RFC 8259, 6)."""
_LENGTHS = {"name": 200, "kind": 20, "ip": 45, "surface": 20, "client": 300, "request_id": 128, "what": 500}


class AuditKind(StrEnum):
    """Everything that is put on the trail; the word before the point is its group."""

    SIGNED_IN = "authentication.signed_in"
    SIGN_IN_FAILED = "authentication.failed"
    SIGNED_OUT = "authentication.signed_out"
    SESSION_ENDED = "authentication.session_ended"
    CREDENTIAL_CREATED = "credential.created"
    CREDENTIAL_CHANGED = "credential.changed"
    CREDENTIAL_ROTATED = "credential.rotated"
    CREDENTIAL_REVOKED = "credential.revoked"
    CREDENTIALS_LISTED = "credential.listed"
    ACCOUNT_READ = "account.read"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_SUSPENDED = "account.suspended"
    ACCOUNT_RESUMED = "account.resumed"
    ACCOUNT_DELETED = "account.deleted"
    DIRECTORY_SYNCED = "account.directory_synced"
    GROUP_CHANGED = "group.changed"
    GROUP_DELETED = "group.deleted"
    PERMISSIONS_READ = "permission.read"
    PERMISSION_CHANGED = "permission.changed"
    ROLE_GRANTED = "permission.role_granted"
    ROLE_REVOKED = "permission.role_revoked"
    RULE_CHANGED = "permission.rule_changed"
    LABEL_CHANGED = "permission.label_changed"
    CLEARANCE_CHANGED = "permission.clearance_changed"
    SEARCHED = "question.searched"
    ASKED = "question.asked"
    EVALUATED = "question.evaluated"
    ANSWERED = "answer.given"
    ANSWER_REFUSED = "answer.abstained"
    ANSWER_BROKEN_OFF = "answer.broken_off"
    ANSWER_RATED = "answer.rated"
    ANSWER_REPLAYED = "answer.replayed"
    DOCUMENTS_SHOWN = "document.shown"
    DOCUMENTS_LISTED = "document.listed"
    DOCUMENT_READ = "document.read"
    DOCUMENT_PREVIEWED = "document.previewed"
    DOCUMENT_DOWNLOADED = "document.downloaded"
    DOCUMENT_UPLOADED = "document.uploaded"
    DOCUMENT_CHANGED = "document.changed"
    DOCUMENT_REVIEWED = "document.reviewed"
    DOCUMENT_DELETED = "document.deleted"
    RECEIPT_READ = "document.receipt_read"
    COLLECTIONS_LISTED = "collection.listed"
    COLLECTION_READ = "collection.read"
    COLLECTION_CREATED = "collection.created"
    COLLECTION_CHANGED = "collection.changed"
    COLLECTION_DELETED = "collection.deleted"
    GLOSSARY_READ = "glossary.read"
    GLOSSARY_CHANGED = "glossary.changed"
    SOURCE_SYNCED = "source.synced"
    REPOSITORY_ADDED = "repository.added"
    REPOSITORY_CHANGED = "repository.changed"
    REPOSITORY_SYNCED = "repository.synced"
    REPOSITORY_DELETED = "repository.deleted"
    REPOSITORY_READ = "repository.read"
    INGESTION_CONTROLLED = "ingestion.controlled"
    INGESTION_WATCHED = "ingestion.watched"
    SETTING_READ = "setting.read"
    SETTING_CHANGED = "setting.changed"
    SPACE_CHANGED = "setting.space_changed"
    INDEX_REBUILT = "setting.index_rebuilt"
    MODEL_USED = "model.used"
    PROGRAM_WRITTEN = "program.written"
    PROGRAM_READ = "program.read"
    FEEDBACK_EXPORTED = "export.feedback"
    EVIDENCE_EXPORTED = "export.evidence"
    AUDIT_EXPORTED = "export.audit"
    AUDIT_READ = "audit.read"
    AUDIT_VERIFIED = "audit.verified"
    AUDIT_REPORTED = "audit.reported"
    AUDIT_CUT = "audit.cut"
    ANCHOR_FAILED = "audit.anchor_failed"
    SEAL_BROKEN = "audit.seal_broken"
    RESEALED = "audit.resealed"
    PERSONAL_DATA_REVEALED = "privacy.revealed"
    PERSONAL_DATA_POLICY_CHANGED = "privacy.policy_changed"
    OUTPUT_BLOCKED = "security.output_blocked"
    DOCUMENT_FLAGGED = "security.document_flagged"
    DENIED = "refusal.denied"
    RATE_LIMITED = "refusal.rate_limited"

    @property
    def group(self) -> str:
        """What it belongs to."""
        return self.value.partition(".")[0]


class Outcome(StrEnum):
    """What became of it."""

    BEGUN = "begun"
    """A change that is about to be made: it is on the trail before it happens, and its end is an entry of its own."""
    DONE = "done"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    """Not there, or not the caller's to see: the caller can't tell which, and the trail does not ask."""
    REJECTED = "rejected"
    """The request was not valid, or could not be carried out as sent."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Who:
    """Who did it.

    Attributes:
        id: of the principal; None where nobody was recognised.
        kind: such as key, user, service, operator, widget.
        credential: id of what the principal showed.
    """

    id: UUID | None = None
    name: str = ""
    kind: str = ""
    credential: UUID | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """From where.

    Attributes:
        ip: address of the client.
        surface: the door, such as native, openai, dify, cli.
        client: what the client's software calls itself.
        request_id: by which the operator's log names the request.
    """

    ip: str = ""
    surface: str = ""
    client: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose data: the collections and documents, and the persons that the documents are about, where that is on record."""

    collections: tuple[UUID, ...] = ()
    documents: tuple[UUID, ...] = ()
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that happened.

    Attributes:
        what: the route or command, with its target.
        detail: small JSON of texts, integers, truth values, lists and objects; never the words of a question or document.
        at: when, in UTC.
    """

    kind: AuditKind
    tenant_id: UUID
    who: Who
    at: datetime
    origin: Origin = Origin()
    whose: Whose = Whose()
    what: str = ""
    outcome: Outcome = Outcome.DONE
    detail: Mapping[str, Any] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """The event as the row that is stored and hashed, cleaned of what no database keeps."""
        who, origin, whose = self.who, self.origin, self.whose
        texts = {
            "name": who.name,
            "kind": who.kind,
            "ip": origin.ip,
            "surface": origin.surface,
            "client": origin.client,
            "request_id": origin.request_id,
            "what": self.what,
        }
        short = {key: clean_text(text)[: _LENGTHS[key]] for key, text in texts.items()}
        return {
            "kind": self.kind.value,
            "at": self.at.astimezone(UTC),
            "outcome": self.outcome.value,
            "principal_id": who.id,
            "principal_name": short["name"],
            "principal_kind": short["kind"],
            "credential": who.credential,
            "ip": short["ip"],
            "surface": short["surface"],
            "client": short["client"],
            "request_id": short["request_id"],
            "collections": sorted(str(item) for item in whose.collections),
            "documents": sorted({str(item) for item in whose.documents}),
            "subjects": sorted({clean_text(item)[:200] for item in whose.subjects}),
            "what": short["what"],
            "detail": cleaned(dict(self.detail)),
        }


def in_parts(event: AuditEvent) -> list[AuditEvent]:
    """The event as entries that name at most `MOST_NAMED` documents each."""
    named = event.whose.documents
    starts = range(0, max(len(named), 1), MOST_NAMED)
    return [
        AuditEvent(
            event.kind,
            event.tenant_id,
            event.who,
            event.at,
            event.origin,
            Whose(event.whose.collections, named[start : start + MOST_NAMED], event.whose.subjects),
            event.what,
            event.outcome,
            event.detail,
        )
        for start in starts
    ]


def clean_text(text: str) -> str:
    """Text as every database keeps it and every reader writes it: composed (NFC), without NUL and halves of characters."""
    whole = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFC", whole)


def cleaned(value: Any) -> Any:
    """JSON with clean texts and keys.

    Raises:
        ValueError: a fraction, an integer that not every reader keeps, two keys that become one, or no JSON at all.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise ValueError("an integer beyond 2**53")
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        found = {clean_text(key): cleaned(item) for key, item in value.items()}
        if len(found) != len(value):
            raise ValueError("two keys are the same text")
        return found
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [cleaned(item) for item in value]
    raise ValueError(f"{type(value).__name__} has no one form in JSON")


def canonical(value: Any) -> bytes:
    """The one way to write `value`, which is clean, as JSON: keys in the order of their code points, no blanks, UTF-8.

    Raises:
        ValueError: it is not clean; two values never have the same form, not even those that look the same.
    """
    if cleaned(value) != value:
        raise ValueError("not clean")
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def genesis(tenant_id: UUID) -> str:
    """What stands before a tenant's first entry, in hex: no chain can be passed off as another tenant's."""
    return hashlib.sha256(b"seogo audit 1\n" + tenant_id.bytes).hexdigest()


def link(tenant_id: UUID, seq: int, fields: Mapping[str, Any], previous: str) -> str:
    """Hash of an entry in hex: SHA-256 of the hash before it and of the canonical row, `seq` and tenant in it."""
    row = {key: _plain(value) for key, value in fields.items()} | {"tenant_id": str(tenant_id), "seq": seq}
    return hashlib.sha256(bytes.fromhex(previous) + canonical(row)).hexdigest()


def seal(key: bytes, tenant_id: UUID, seq: int, last_hash: str) -> str:
    """What only the holder of `key` can write of a chain's end: HMAC-SHA256 in hex."""
    return hmac.new(key, canonical([str(tenant_id), seq, last_hash]), hashlib.sha256).hexdigest()


def seal_holds(key: bytes, tenant_id: UUID, seq: int, last_hash: str, given: str) -> bool:
    """Whether `given` is the seal of a chain's end by this key."""
    return hmac.compare_digest(seal(key, tenant_id, seq, clean_text(last_hash)).encode(), given.encode())


def vouch(key: bytes, tenant_id: UUID, *told: str | int) -> str:
    """What only the holder of `key` can write of something that an entry tells: HMAC-SHA256 in hex, never that of an end."""
    return hmac.new(key, canonical(["vouched", str(tenant_id), *told]), hashlib.sha256).hexdigest()


def vouched(key: bytes, given: object, tenant_id: UUID, *told: object) -> bool:
    """Whether `given` is what the holder of the key writes of this."""
    if not isinstance(given, str) or not all(isinstance(item, str | int) for item in told):
        return False
    return hmac.compare_digest(vouch(key, tenant_id, *told).encode(), given.encode())  # type: ignore[arg-type]


def key_name(key: bytes) -> str:
    """By which a key of seals is named where it must not be shown."""
    return hashlib.sha256(b"seogo audit seal key\n" + key).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value
