"""The audit trail: what happened, on record before anybody is told that it happened."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.audit_looks import Looks
from rag.access.audit_words import without_identifiers
from rag.domain.audit import AuditEvent, AuditKind, Origin, Outcome, Who, Whose, in_parts, seal, seal_holds
from rag.domain.errors import AuditUnavailable, ConfigurationError, StoreUnavailable
from rag.domain.principal import Principal
from rag.settings import RagSettings
from rag.store import audit_event
from rag.store.audit_event import AuditHead
from rag.store.base import utc_now
from rag.store.session import Database
from rag.transport.secret_files import read_secret

log = logging.getLogger(__name__)

_MOST_TOGETHER = 512
"""Requests in one transaction: what is lost where it fails is tried again one by one."""
_KEY_BYTES = 32


@dataclass(slots=True)
class _Ticket:
    """What one caller waits for."""

    events: Sequence[AuditEvent]
    done: bool = False
    error: BaseException | None = None


@dataclass(slots=True)
class AuditTrail:
    """Puts events on record. Thread-safe; `record` returns when they are committed.

    Callers that come while a transaction is being written share the next one: of those who wait, the first writes for all.
    That needs no thread of its own, and a hundred requests cost about as many flushes to disk as one.

    Attributes:
        seal_key: makes the end of a chain one that only its holder can write; None where there is no key.
        older_keys: those whose seals count too, until a chain is sealed with `seal_key` anew (`seogo audit reseal`).
        required: whether what can't be put on record is refused.
        looks: what was found when chains were last looked at over the API.
    """

    database: Database
    seal_key: bytes | None = None
    required: bool = True
    now: Callable[[], datetime] = utc_now
    looks: Looks = field(default_factory=Looks)
    older_keys: tuple[bytes, ...] = ()
    _seen: dict[UUID, int] = field(default_factory=dict)
    """How long the chains were when they were last added to here: they never get shorter."""
    _told_broken: set[UUID] = field(default_factory=set)
    _waiting: list[_Ticket] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def record(self, *events: AuditEvent) -> None:
        """Put these on record, in this order.

        Raises:
            AuditUnavailable: they could not be, and the settings require it.
        """
        ticket = _Ticket([part for event in events for part in in_parts(without_identifiers(event))])
        if not ticket.events:
            return
        with self._guard:
            self._waiting.append(ticket)
        with self._writing:
            while not ticket.done:
                self._write_waiting()
        if ticket.error is None:
            return
        # Its kind alone: the message of a database quotes the statement.
        log.error("an audit event could not be put on record: %s", type(ticket.error).__name__)
        if self.required:
            raise AuditUnavailable from ticket.error

    def by_operator(
        self,
        kind: AuditKind,
        tenant_id: UUID,
        what: str,
        who: Who,
        detail: Mapping[str, object] | None = None,
        *,
        whose: Whose = Whose(),  # noqa: B008 - a frozen value
        outcome: Outcome = Outcome.DONE,
    ) -> None:
        """Record what was done at the command line, on the store itself.

        Raises:
            AuditUnavailable: see `record`.
        """
        self.record(AuditEvent(kind, tenant_id, who, self.now(), at_the_machine(), whose, what, outcome, detail or {}))

    def _write_waiting(self) -> None:
        with self._guard:
            batch, self._waiting = self._waiting[:_MOST_TOGETHER], self._waiting[_MOST_TOGETHER:]
        try:
            self._commit(batch)
        except StoreUnavailable as error:
            _fail(batch, error)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:  # one that can't be written must not take the others with it
                self._one_by_one(batch)
        except BaseException as error:
            _fail(batch, error)
            raise
        for ticket in batch:
            ticket.done = True

    def _one_by_one(self, batch: Sequence[_Ticket]) -> None:
        for ticket in batch:
            try:
                self._commit([ticket])
            except Exception as error:
                ticket.error = error

    def _commit(self, batch: Sequence[_Ticket]) -> None:
        by_tenant: dict[UUID, list[AuditEvent]] = {}
        for ticket in batch:
            for event in ticket.events:
                by_tenant.setdefault(event.tenant_id, []).append(event)
        ends: dict[UUID, int] = {}
        broken: set[UUID] = set()
        with self.database.write(durable=True) as session:
            for tenant_id in sorted(by_tenant):  # the same order everywhere: two processes never wait for each other
                head = audit_event.locked_head(session, tenant_id)
                if not self.holds(head):
                    broken.add(tenant_id)
                self.append(session, head, by_tenant[tenant_id])
                ends[tenant_id] = head.seq
        self._seen |= ends
        self._told_broken = (self._told_broken - ends.keys()) | broken

    def append(self, session: Session, head: AuditHead, events: Sequence[AuditEvent]) -> None:
        """Add entries behind the locked head, and seal the new end with the key that the present seal bears.

        Where that seal does not hold, nothing is sealed: a valid seal would make good whatever was done to the chain. What comes
        is put on record all the same, behind an entry that says so, once for each process and tenant.

        Raises:
            ConfigurationError: the chain is sealed, and there is no key here.
        """
        if not self.keys and head.seal:
            log.error("an audit chain is sealed, and this process has no key: name it in audit.seal_key_file")
            raise ConfigurationError(detail="audit.seal_key_file: the trail is sealed, and this process has no key")
        key, whole = self.key_of(head), self.holds(head)
        if not whole and head.tenant_id not in self._told_broken:
            log.error("the seal of an audit chain does not hold: it was altered, or its key is another")
            events = [self._seal_broken(head), *events]
        audit_event.append(session, head, events)
        if whole and key is not None:
            head.seal = seal(key, head.tenant_id, head.seq, head.hash)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """All keys whose seals count, that for new chains first."""
        return () if self.seal_key is None else (self.seal_key, *self.older_keys)

    def key_of(self, head: AuditHead) -> bytes | None:
        """The key whose seal the end bears; that for new chains where nothing was written yet."""
        if head.seq == 0:
            return self.seal_key
        found = (key for key in self.keys if seal_holds(key, head.tenant_id, head.seq, head.hash, head.seal))
        return next(found, None)

    def holds(self, head: AuditHead) -> bool:
        """Whether the end is one that a holder of a key left, and not before one that was seen here; always without a key."""
        if not self.keys:
            return True
        return self.key_of(head) is not None and head.seq >= self._seen.get(head.tenant_id, 0)

    def sealed(self, tenant_id: UUID, seq: int, last_hash: str) -> str:
        """The seal of a chain's end; empty without a key."""
        return "" if self.seal_key is None else seal(self.seal_key, tenant_id, seq, last_hash)

    def _seal_broken(self, head: AuditHead) -> AuditEvent:
        return AuditEvent(
            AuditKind.SEAL_BROKEN,
            head.tenant_id,
            Who(None, "trail", "service"),
            self.now(),
            Origin(surface="upkeep"),
            what="add to a chain whose seal does not hold",
            outcome=Outcome.FAILED,
            detail={"seq": head.seq, "hash": head.hash, "seal": head.seal, "seen": self._seen.get(head.tenant_id, 0)},
        )


@dataclass(frozen=True, slots=True)
class Deed:
    """What a service did.

    Attributes:
        what: as one says it, such as `suspend an account`.
    """

    kind: AuditKind
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    whose: Whose = field(default_factory=Whose)


@dataclass(frozen=True, slots=True)
class ServiceTrail:
    """The trail as a service here writes it that acts of itself, such as the one that reads a directory.

    Attributes:
        name: of the service, such as that of the directory in the settings.
        surface: the door, such as ldap.
        origin: from where it was made to, where somebody did that.
    """

    trail: AuditTrail
    tenant_id: UUID
    name: str
    surface: str
    origin: Origin | None = None

    def record(self, deeds: Iterable[Deed], outcome: Outcome = Outcome.DONE) -> None:
        """Put these on record, in this order.

        Raises:
            AuditUnavailable: see `AuditTrail.record`.
        """
        who, origin, now = (
            Who(None, self.name, "service"),
            self.origin or Origin(surface=self.surface),
            self.trail.now(),
        )
        self.trail.record(
            *(
                AuditEvent(item.kind, self.tenant_id, who, now, origin, item.whose, item.what, outcome, item.detail)
                for item in deeds
            )
        )


def at_the_machine() -> Origin:
    """From where the command line is used: which user of the machine it is."""
    user = os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())
    return Origin("127.0.0.1", "cli", f"seogo (uid {os.getuid()}, {user})")


def who_of(principal: Principal) -> Who:
    """The principal as the trail names it."""
    return Who(principal.id, principal.name, principal.kind.value, principal.credential or principal.id)


def whose(collections: Iterable[UUID] = (), documents: Iterable[UUID] = (), subjects: Iterable[str] = ()) -> Whose:
    """Whose data, each named once."""
    return Whose(tuple(dict.fromkeys(collections)), tuple(dict.fromkeys(documents)), tuple(dict.fromkeys(subjects)))


def outcome_of(status: int) -> Outcome:
    """What an HTTP status says of a deed."""
    if status < 400:
        return Outcome.DONE
    if status in (401, 403, 429):
        return Outcome.DENIED
    if status == 404:
        return Outcome.NOT_FOUND
    return Outcome.REJECTED if status < 500 else Outcome.FAILED


def open_seal_key(settings: RagSettings) -> bytes | None:
    """The key of the seals: the one of the settings; beside an embedded store one of its own, made when it is missing.

    Raises:
        ConfigurationError: the file can't be read, others can read it, or it holds too little to be a key.
    """
    path = settings.audit.seal_key_file
    if path is None:
        if settings.store.url is not None:
            return None
        path = settings.data_dir / "audit-seal.key"
        _make_key(path)
    return _read_key("seal_key_file", path)


def open_older_keys(settings: RagSettings) -> tuple[bytes, ...]:
    """The keys of seals from before, that chains may still bear.

    Raises:
        ConfigurationError: see `open_seal_key`.
    """
    return tuple(_read_key("older_seal_key_files", path) for path in settings.audit.older_seal_key_files)


def open_trail(settings: RagSettings, database: Database) -> AuditTrail:
    """The trail as the settings have it.

    Raises:
        ConfigurationError: see `open_seal_key`.
    """
    key, older = open_seal_key(settings), open_older_keys(settings)
    return AuditTrail(database, key, settings.audit.required, older_keys=older)


def _read_key(setting: str, path: Path) -> bytes:
    key = read_secret(path).encode()
    if len(key) < _KEY_BYTES:
        raise ConfigurationError(detail=f"audit.{setting}: a key has at least {_KEY_BYTES} bytes")
    return key


def _make_key(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(_KEY_BYTES))


def _fail(batch: Sequence[_Ticket], error: BaseException) -> None:
    for ticket in batch:
        ticket.error, ticket.done = error, True
