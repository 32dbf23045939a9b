"""Ends of chains, told to the outside: a file that others keep, an address inside the network, or both.

A database that was rewritten from an older point, its end included, no longer agrees with what was told.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.audit import AuditTrail
from rag.domain.audit import AuditEvent, AuditKind, Origin, Outcome, Who
from rag.domain.errors import AuditUnavailable, ConfigurationError
from rag.settings import RagSettings
from rag.store import audit_event
from rag.store.audit_event import AuditHead, AuditRow, Wanted
from rag.store.base import utc_now
from rag.transport.server import checked_url, read_key

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_PAUSES_S = (0.2, 1.0)
"""Before the second and the third try; the next time that the chain is due is a fourth."""
_CUT_SHORT = " (cut short)"
"""Ends a line that was left half written, such as on a full disk: lines are only ever added."""
_BEGINNING = '{"tenant": "'
"""Of every line."""
_FAILURES = 10
"""Newest entries of failures that are looked at: beside the last that failed there may be some of ends that are lost."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of a chain as it was told.

    Attributes:
        seq, hash: of the last entry.
        at: when it was told.
        count: entries since the end that was told before.
    """

    tenant_id: UUID
    seq: int
    hash: str
    at: datetime
    count: int

    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(
            {
                "tenant": str(self.tenant_id),
                "seq": self.seq,
                "hash": self.hash,
                "time": self.at.isoformat(timespec="seconds"),
                "count": self.count,
            }
        )


class AnchorSink(Protocol):
    """Somewhere outside that keeps what it was told."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def tell(self, anchors: Sequence[Anchor]) -> None:
        """Keep these.

        Raises:
            OSError: it could not.
        """

    def holds(self, tenant_id: UUID, seq: int) -> bool:
        """Whether it still has this end, which it was told; True where nobody can look."""


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """A file that lines are added to, such as one on a medium that is written once."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def tell(self, anchors: Sequence[Anchor]) -> None:
        """Add lines, and wait until they are on the medium."""
        lines = "".join(f"{item.line()}\n" for item in anchors)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK  # nobody may be reading what is no file
        descriptor = os.open(self.path, flags, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{_CUT_SHORT}\n{lines}" if self._ends_within_a_line() else lines)
            file.flush()
            if stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe keeps nothing, so that it can't be waited for
                os.fsync(descriptor)

    def holds(self, tenant_id: UUID, seq: int) -> bool:
        """Whether one of its lines is this end; the newest are looked at first."""
        wanted = f'{_BEGINNING}{tenant_id}", "seq": {seq}, '.encode()
        try:
            with self._opened() as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return True
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
                    return lines.rfind(wanted) >= 0
        except (FileNotFoundError, ValueError):  # an empty file is not mapped
            return False
        except OSError:
            return True  # whether it can be written to, telling it will show

    def _ends_within_a_line(self) -> bool:
        try:
            with self._opened() as file:
                size = file.seek(0, os.SEEK_END)
                return size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
        except OSError:  # such as one that may be written to and not read, or a pipe
            return False

    def _opened(self) -> FileIO:
        """It for reading, without waiting for a writer, as a pipe would have it."""
        return open(self.path, "rb", buffering=0, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK))


@dataclass(frozen=True, slots=True)
class AnchorAddress:
    """An address inside the network: a POST with `{"anchors": […]}`, retried while it does not answer.

    Attributes:
        post: sends a body, and raises ConnectionError where it is not taken.
    """

    name: str
    post: Callable[[dict[str, object]], None]

    def tell(self, anchors: Sequence[Anchor]) -> None:
        """Post these."""
        self.post({"anchors": [json.loads(item.line()) for item in anchors]})

    def holds(self, tenant_id: UUID, seq: int) -> bool:
        """What it keeps, it alone knows."""
        return True


@dataclass(slots=True)
class Anchoring:
    """Tells the ends of all chains every so often. One that could not be told waits as long as one that was."""

    trail: AuditTrail
    sinks: Sequence[AnchorSink]
    every: timedelta
    now: Callable[[], datetime] = utc_now
    _failed: dict[UUID, datetime] = field(default_factory=dict)
    """When telling the chain of a tenant failed last: each failure makes that chain longer by an entry."""
    _looked: dict[UUID, datetime] = field(default_factory=dict)
    """When it was looked last whether the sinks hold the end of a chain that has not grown."""
    _missed: dict[tuple[UUID, str], int] = field(default_factory=dict)
    """The end of a tenant's chain that was said last not to be in the sink of this name."""

    def tell_due(self) -> int:
        """Tell the ends of chains that have grown since they were told last, and again those that are not held any more, or
        not yet: a file may be new. Returns how many."""
        now, told = self.now(), 0
        for anchor in self._due(now) if self.sinks else ():
            lacking = self._look_for_what_was_told(anchor)
            sinks = self.sinks if anchor.count else lacking
            failed = [sink.name for sink in sinks if not _told(sink, anchor)]
            if failed:
                self._failed[anchor.tenant_id] = now
                self._say_failed(anchor, failed)
                continue
            with self.trail.database.write() as session:
                head = audit_event.locked_head(session, anchor.tenant_id)
                head.anchored_seq, head.anchored_at = max(anchor.seq, _told_before(head)), now
            told += 1
        return told

    def _due(self, now: datetime) -> list[Anchor]:
        with self.trail.database.read() as session:
            heads = audit_event.chains(session)
        return [
            Anchor(head.tenant_id, head.seq, head.hash, now, head.seq - _told_before(head))
            for head in heads
            if self._is_due(now, head.anchored_at, self._failed.get(head.tenant_id))
            and (head.seq > _told_before(head) or self._is_lacking(head, now))
        ]

    def _is_lacking(self, head: AuditHead, now: datetime) -> bool:
        """Whether somewhere the end that was told last is not held; it is looked as seldom as ends are told."""
        if not self._is_due(now, self._looked.get(head.tenant_id)):
            return False
        self._looked[head.tenant_id] = now
        return bool(self._lacking(head.tenant_id, head.anchored_seq))

    def _lacking(self, tenant_id: UUID, before: int) -> list[AnchorSink]:
        return [sink for sink in self.sinks if before and not sink.holds(tenant_id, before)]

    def _is_due(self, now: datetime, *before: datetime | None) -> bool:
        # An instant that has not come is that of a clock that was ahead: to wait for it could take years.
        return all(instant is None or instant > now or now - instant >= self.every for instant in before)

    def _look_for_what_was_told(self, anchor: Anchor) -> list[AnchorSink]:
        """Where the end that was told last is not held; put on record once: whoever compares would not miss it.

        A sink that is new never had it, and one that was lost holds later ends soon: neither is said again.
        """
        before = anchor.seq - anchor.count
        lacking = self._lacking(anchor.tenant_id, before)
        missed = [sink.name for sink in lacking if self._missed.get((anchor.tenant_id, sink.name)) != before]
        if missed:
            log.error("%s: does not have the end of an audit chain that was told last", ", ".join(missed))
            self._missed |= {(anchor.tenant_id, name): before for name in missed}
            self._say(anchor.tenant_id, "find the end of the chain that was told", {"seq": before, "not_in": missed})
        return lacking

    def _say_failed(self, anchor: Anchor, failed: Sequence[str]) -> None:
        detail = {"seq": anchor.seq, "hash": anchor.hash, "to": list(failed)}
        self._say(anchor.tenant_id, "tell the end of the chain", detail)

    def _say(self, tenant_id: UUID, what: str, detail: Mapping[str, object]) -> None:
        who, origin = Who(None, "anchoring", "service"), Origin(surface="upkeep")
        try:
            self.trail.record(
                AuditEvent(
                    AuditKind.ANCHOR_FAILED,
                    tenant_id,
                    who,
                    self.now(),
                    origin,
                    what=what,
                    outcome=Outcome.FAILED,
                    detail=detail,
                )
            )
        except AuditUnavailable:
            log.error("an end of a chain was not told, or is lost, and that could not be put on record")


def _told(sink: AnchorSink, anchor: Anchor) -> bool:
    try:
        sink.tell([anchor])
    except (OSError, ConfigurationError) as error:  # such as a token whose file is gone
        log.error("the end of an audit chain could not be told to %s: %s", sink.name, type(error).__name__)
        return False
    return True


def _told_before(head: AuditHead) -> int:
    """The end that was told last, as the record says; 0 where it says what can't be: an end that is not there yet."""
    return head.anchored_seq if head.anchored_seq <= head.seq else 0


def untold_since(session: Session, head: AuditHead) -> AuditRow | None:
    """The entry that says that telling the end of a chain failed last, where none could be told since."""
    wanted = Wanted(kinds=(AuditKind.ANCHOR_FAILED.value,))
    rows = audit_event.newest(session, head.tenant_id, wanted, before=None, limit=_FAILURES)
    return next((row for row in rows if row.seq > _told_before(head) and "to" in row.detail), None)


def read_anchors(lines: Iterable[str], place: str) -> Iterator[Anchor]:
    """What was told, from lines of an anchor file; one that was left half written was never told, and is left out.

    Args:
        place: what the file is called in messages.

    Raises:
        ConfigurationError: a line is no anchor.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            # Of a line that lacked but its end, and got it with the mark, nothing is missing.
            given = json.loads(line.removesuffix(f"{_CUT_SHORT}\n"))
            yield Anchor(
                UUID(given["tenant"]),
                int(given["seq"]),
                str(given["hash"]),
                datetime.fromisoformat(given["time"]),
                int(given["count"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            if not _half_written(line):
                raise ConfigurationError(
                    detail=f"anchors, {place}, line {number}: not an anchor",
                    detail_ko=f"외부 확인점 파일 {place}의 {number}째 줄은 확인점이 아닙니다",
                ) from error
            log.warning("anchors, %s, line %d: half written, and left out", place, number)


def _half_written(line: str) -> bool:
    """Whether it is the beginning of one that did not come to its end: the last of a file, or one that was ended for it."""
    begun, cut_short = line.removesuffix("\n"), f"{_CUT_SHORT}\n"
    if line.endswith(cut_short):
        begun = line.removesuffix(cut_short)
    elif line.endswith("\n"):
        return False
    return begun.startswith(_BEGINNING) or _BEGINNING.startswith(begun)


def anchors_in(path: Path | None) -> list[Anchor]:
    """What an anchor file holds; nothing where there is no path, or no file yet.

    Raises:
        ConfigurationError: it can't be read, or holds something else.
    """
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8") as file:
            return list(read_anchors(file, str(path)))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            detail=f"anchors, {path}: {error}", detail_ko=f"외부 확인점 파일 {path}을(를) 읽을 수 없습니다: {error}"
        ) from error


def open_anchoring(settings: RagSettings, trail: AuditTrail) -> Anchoring:
    """Anchoring as the settings have it; without a file and an address it tells nobody.

    Raises:
        ConfigurationError: the file would lie in the data folder: who can change the one could change the other.
    """
    audit, sinks = settings.audit, list[AnchorSink]()
    if audit.anchor_file is not None:
        if audit.anchor_file.resolve().is_relative_to(settings.data_dir.resolve()):
            raise ConfigurationError(detail="audit.anchor_file: it lies in the data folder, which it is to watch over")
        sinks.append(AnchorFile(audit.anchor_file))
    if audit.anchor_url is not None:
        sinks.append(AnchorAddress(audit.anchor_url, _poster(audit.anchor_url, audit.anchor_key_file)))
    return Anchoring(trail, sinks, timedelta(seconds=audit.anchor_every_s))


def _poster(url: str, key_file: Path | None) -> Callable[[dict[str, object]], None]:
    import httpx

    address = checked_url("audit.anchor_url", url)
    read_key(key_file)

    def post(body: dict[str, object]) -> None:
        key = read_key(key_file)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            # No proxy and no key of the environment, and no redirect: the address given is the address meant.
            with httpx.Client(trust_env=False, timeout=_TIMEOUT_S) as client:
                client.post(address, json=body, headers=headers).raise_for_status()
        except httpx.HTTPError as error:
            raise ConnectionError(type(error).__name__) from error

    return partial(_retried, post)


def _retried(post: Callable[[dict[str, object]], None], body: dict[str, object]) -> None:
    for pause_s in _PAUSES_S:
        try:
            return post(body)
        except ConnectionError:
            time.sleep(pause_s)
    return post(body)
