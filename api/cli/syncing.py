"""`seogo sync`: keeps a collection in step with a folder or a bucket.

What was taken is noted at the server after each batch, so a synchronisation that is killed goes on where it was. Deletions
come last and after ingestion: a renamed file finds the vectors of its old name.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import typer
from rich.console import Console

from api.cli.addresses import at
from api.cli.connection import CommandFailed, checked, connect, failure_text, reporting_failures, said
from api.cli.ingesting import NEW_KIND, ensure_collection, tell_other_kind
from api.cli.options import Options
from api.cli.terminal import one_line
from api.cli.texts import text
from ingest.connectors.sync_plan import FoundItem, ItemSource, KnownItem, Plan, content_hash, plan_for
from rag.domain.access import GivenRule
from rag.domain.errors import InvalidRequest, SeogoError

_BATCH_FILES = 32
_BATCH_BYTES = 32 << 20
_PAGE = 500
_POLL_S = 0.25
_LOOKS_PER_QUESTION = 8
"""Looks at what waits between two questions whether it is paused: two seconds."""
_QUIET_S = 2.0
_PURGE_S = 60.0


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How to synchronise."""

    collection: str
    kind: str | None = None
    ignore: Sequence[str] = ()
    delete_missing: bool = False
    dry_run: bool = False
    force: bool = False
    watch: bool = False
    interval_s: float = 10.0
    access: dict[str, Any] | None = None


@dataclass(slots=True)
class Told:
    """What earlier rounds of a watch told of: it is not told again while nothing changes.

    Attributes:
        refused: key and fingerprint of what was refused; it is not offered again.
        failed: keys of what could not be ingested.
    """

    refused: set[tuple[str, str]] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


@dataclass(slots=True)
class SyncReport:
    """What one round did, or with `dry_run` would do; lists of keys.

    Attributes:
        new, changed: what was taken, without what was refused or failed. With `dry_run` nobody knows that of a file yet.
        failed: what could not be ingested, now or in an earlier round, and is still the same.
        waiting: was taken, and will be searchable once somebody ends the pause of its ingestion.
    """

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    unchanged: int = 0
    missing: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    held_back: bool = False

    @property
    def did_something(self) -> bool:
        """Whether the round changed anything or met a difficulty."""
        happened = self.new or self.changed or self.deleted or self.refused or self.failed or self.waiting
        return bool(happened or self.held_back)

    @property
    def clean(self) -> bool:
        """Whether everything in the source is in the collection now."""
        return not (self.refused or self.failed or self.unreadable or self.waiting or self.held_back)


def sync(options: Options, location: str, wanted: SyncOptions, as_json: bool) -> None:
    """`seogo sync`."""
    with reporting_failures(), connect(options) as client:
        source = source_at(location, wanted)
        tell_other_kind(client, wanted.collection, wanted.kind)
        told = Told()
        report = synchronise(client, source, wanted, told)
        show(report, wanted, as_json)
        while wanted.watch:
            time.sleep(wanted.interval_s)
            report = _next_round(client, source, wanted, told)
            if report.did_something:
                show(report, wanted, as_json)
    if not report.clean:
        raise typer.Exit(1)


def _next_round(client: httpx.Client, source: ItemSource, wanted: SyncOptions, told: Told) -> SyncReport:
    """The next round of many: a server that restarts and a share that is away come back. What is in the way is told once."""
    trouble = ""
    while True:
        try:
            report = synchronise(client, source, wanted, told)
        except (CommandFailed, SeogoError, httpx.HTTPError, OSError) as error:
            now = failure_text(error)
            if now != trouble:
                typer.secho(now, fg="red", err=True)
            trouble = now
            time.sleep(wanted.interval_s)
            continue
        if trouble:
            typer.secho(text("sync_again"), err=True)
        return report


def rule_of(given: str | None) -> dict[str, Any] | None:
    """The rule of an option; None where it is not given."""
    if given is None:
        return None
    try:
        return GivenRule.from_json(json.loads(given)).to_json()
    except (ValueError, InvalidRequest) as error:
        raise typer.BadParameter(f"--access: {error}") from error


def source_at(location: str, wanted: SyncOptions) -> ItemSource:
    """The source at a path or an address."""
    from ingest.connectors.bucket import BucketSource
    from ingest.connectors.folder import FolderSource
    from ingest.pipeline.records import clean_source_key

    if "://" in location:
        return BucketSource(location, clean_source_key, ignore=wanted.ignore)
    quiet = _QUIET_S if wanted.watch else 0.0
    return FolderSource(Path(location), clean_source_key, ignore=wanted.ignore, quiet_s=quiet)


def synchronise(client: httpx.Client, source: ItemSource, wanted: SyncOptions, told: Told | None = None) -> SyncReport:
    """One round: compare, upload what changed, wait for its ingestion, delete what is gone.

    Args:
        told: of what earlier rounds told; what this one tells is added.
    """
    told = Told() if told is None else told
    listing = source.listing()
    report = SyncReport(unreadable=[{"key": item.key, "reason": item.reason} for item in listing.problems])
    if wanted.dry_run and client.get(at("collections", wanted.collection)).status_code == 404:
        report.new = [item.key for item in listing.items]
        return report
    ensure_collection(client, wanted.collection, wanted.kind or NEW_KIND)
    body: dict[str, Any] = {"kind": source.kind, "location": source.location}
    if wanted.access is not None and not wanted.dry_run:
        body["access"] = wanted.access
    record = checked(client.post(at("collections", wanted.collection, "sources"), json=body))
    plan = plan_for(_known_items(client, record["id"], [item.key for item in listing.items]), listing)
    report.unchanged = plan.unchanged
    round_ = _Round(client, source, wanted, record["id"], plan, report, record["access"])
    hashes = round_.take([item for item in plan.suspects if (item.key, item.fingerprint) not in told.refused])
    round_.note_failures([item.key for item in listing.items], told)
    renamed = plan.renamed(hashes)
    report.missing = [item.key for item in plan.missing]
    if wanted.delete_missing and plan.missing:
        report.held_back = plan.too_many_missing(renamed) and not wanted.force
        if not report.held_back and not wanted.dry_run:
            round_.delete()
    return report


def _known_items(client: httpx.Client, source_id: str, keys: Sequence[str]) -> list[KnownItem]:
    """What is known of a source, which has these `keys` now: those that are not shown whole are found by asking for them."""
    found = list(_shown_items(client, source_id))
    hidden = {item.document_id: item for item in found if item.hidden}
    plain = {item.key for item in found if not item.hidden}
    asked = [key for key in keys if key not in plain] if hidden else []
    named: list[KnownItem] = []
    for start in range(0, len(asked), _PAGE):
        body = {"keys": asked[start : start + _PAGE]}
        page = checked(client.post(at("sources", source_id, "items", "known"), json=body), verbatim=True)
        for item in page["items"]:
            named.append(_known(item, page))
            hidden.pop(item["document_id"], None)
    return [*(item for item in found if not item.hidden), *named, *hidden.values()]


def _known(item: dict[str, Any], page: dict[str, Any]) -> KnownItem:
    identity = item["document_id"]
    hidden, failed = identity in page.get("hidden", ()), identity in page["failed"]
    return KnownItem(item["key"], item["fingerprint"], item["content_hash"], identity, hidden, failed)


def _shown_items(client: httpx.Client, source_id: str) -> Iterator[KnownItem]:
    cursor: str | None = None
    while True:
        parameters = {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
        page = checked(client.get(at("sources", source_id, "items"), params=parameters), verbatim=True)
        for item in page["items"]:
            yield _known(item, page)
        cursor = page["next_cursor"]
        if cursor is None:
            return


@dataclass(frozen=True, slots=True)
class _Opened:
    """A suspect with its content at hand."""

    item: FoundItem
    content: BinaryIO
    digest: str


@dataclass(slots=True)
class _Round:
    """One synchronisation at work."""

    client: httpx.Client
    source: ItemSource
    wanted: SyncOptions
    source_id: str
    plan: Plan
    report: SyncReport
    default: dict[str, Any] | None
    _looks: int = 0
    _running: int = 0

    def take(self, suspects: Sequence[FoundItem]) -> set[str]:
        """Upload what is new or changed, batch by batch; returns the hashes of what was looked at."""
        hashes: set[str] = set()
        waiting: dict[str, str] = {}
        for batch in _batches(suspects):
            with ExitStack() as stack:
                opened = [item for item in (self._open(suspect, stack) for suspect in batch) if item is not None]
                hashes |= {item.digest for item in opened}
                same = [item for item in opened if self.plan.is_same(item.item, item.digest)]
                fresh = [item for item in opened if not self.plan.is_same(item.item, item.digest)]
                self._note_kinds(same, fresh)
                if self.wanted.dry_run:
                    continue
                documents = self._upload(fresh)
            known = {item.item.key: self.plan.known[item.item.key].document_id for item in same}
            self._note([*same, *fresh], {**known, **documents})
            waiting.update({document_id: key for key, document_id in documents.items()})
        self._wait(waiting)
        return hashes

    def note_failures(self, keys: Sequence[str], told: Told) -> None:
        """Add to what failed now, of these `keys` that the source has, those whose document is as it failed before; whatever was
        not taken is neither new nor changed."""
        fresh = {*self.report.new, *self.report.changed}
        known = [self.plan.known[key] for key in keys if key in self.plan.known and key not in fresh]
        before = {item.document_id: item.key for item in known if item.failed}
        open_ones: list[str] = []
        for ids in _pages(list(before)):
            self._look(ids, before, open_ones)
        refused, failed = ({item["key"] for item in found} for found in (self.report.refused, self.report.failed))
        self.report.failed = [
            item for item in self.report.failed if item["key"] in fresh or item["key"] not in told.failed
        ]
        self.report.new = [key for key in self.report.new if key not in refused | failed]
        self.report.changed = [key for key in self.report.changed if key not in refused | failed]
        told.refused.update((item.key, item.fingerprint) for item in self.plan.suspects if item.key in refused)
        told.failed = failed

    def delete(self) -> None:
        """Delete the documents of what the source has no longer, and wait a minute for their purge."""
        receipts: list[str] = []
        for start in range(0, len(self.plan.missing), _PAGE):
            part = self.plan.missing[start : start + _PAGE]
            hidden = [item.document_id for item in part if item.hidden]
            gone = {"keys": [item.key for item in part if not item.hidden], "documents": hidden}
            body = checked(self.client.post(at("sources", self.source_id, "items", "delete"), json=gone))
            receipts += body["receipts"]
            self.report.deleted += [item.key for item in part]
        deadline = time.monotonic() + _PURGE_S
        while receipts and time.monotonic() < deadline:
            # on a local folder the work ends with the command; what is left is done with the next one
            if checked(self.client.get(at("receipts", receipts[-1])))["purged_at"] is None:
                time.sleep(_POLL_S)
            else:
                receipts.pop()

    def _open(self, item: FoundItem, stack: ExitStack) -> _Opened | None:
        try:
            content = stack.enter_context(self.source.open(item))
            return _Opened(item, content, content_hash(content))
        except OSError as error:  # gone or closed since the listing: known items stay, the next round sees
            self.report.unreadable.append({"key": item.key, "reason": error.strerror or str(error)})
            return None

    def _note_kinds(self, same: Sequence[_Opened], fresh: Sequence[_Opened]) -> None:
        self.report.touched += [item.item.key for item in same]
        self.report.new += [item.item.key for item in fresh if item.item.key not in self.plan.known]
        self.report.changed += [item.item.key for item in fresh if item.item.key in self.plan.known]

    def _upload(self, fresh: Sequence[_Opened]) -> dict[str, str]:
        """Upload a batch; returns document ids by key, of what was not refused."""
        if not fresh:
            return {}
        parts = [("files", (item.item.key, item.content)) for item in fresh]
        rules = {item.item.key: rule for item in fresh if (rule := self._rule(item.item)) is not None}
        response = self.client.post(
            at("collections", self.wanted.collection, "documents"),
            params={"source": self.source_id},
            files=parts,
            data={"file_access": json.dumps(rules)} if rules else None,
        )
        body = said(response, verbatim=True)
        if "documents" not in body:
            if len(fresh) > 1 and response.status_code == 413:  # together too large: one by one
                return {key: value for item in fresh for key, value in self._upload([item]).items()}
            if response.status_code not in (413, 415, 422):
                checked(response)
            self.report.refused += [{"key": item.item.key, "reason": body["title"]} for item in fresh]
            return {}
        documents: dict[str, str] = {}
        for item in body["documents"]:
            if item["failure"] is None:
                documents[item["source_key"]] = item["document_id"]
            else:
                self.report.refused.append({"key": item["source_key"], "reason": item["failure"]["message"]})
        return documents

    def _rule(self, item: FoundItem) -> dict[str, Any] | None:
        """What the source says of who may read an item; where it said something and does not any more, the default again."""
        if item.access is not None:
            return item.access.to_json()
        known = self.plan.known.get(item.key)
        return (self.default or {}) if known is not None and known.ruled else None

    def _note(self, opened: Sequence[_Opened], documents: dict[str, str]) -> None:
        items = [
            {
                "key": item.item.key,
                "fingerprint": item.item.fingerprint,
                "content_hash": item.digest,
                "size": item.item.size,
                "document_id": documents[item.item.key],
                "access": self._rule(item.item),
            }
            for item in opened
            if item.item.key in documents
        ]
        if items:
            checked(self.client.put(at("sources", self.source_id, "items"), json={"items": items}))

    def _wait(self, waiting: dict[str, str]) -> None:
        """Until every uploaded document is searchable or has failed, or its ingestion is paused and nothing of it in work."""
        ids = list(waiting)
        while ids:
            paused = self._is_paused()  # before the look at the documents, which then tells what this pause found
            open_ones: list[str] = []
            for page in _pages(ids):
                self._look(page, waiting, open_ones)
            ids = open_ones
            if ids and paused and not self._running:
                self.report.waiting += sorted(waiting[document_id] for document_id in ids)
                return
            self._running = 0
            if ids:
                time.sleep(_POLL_S)

    def _look(self, ids: Sequence[str], waiting: Mapping[str, str], open_ones: list[str]) -> None:
        body = checked(self.client.post("/api/v1/documents/status", json={"ids": ids}))
        for document in body["documents"]:
            self._note_state(document, waiting, open_ones)

    def _is_paused(self) -> bool:
        """Whether ingestion stands still until somebody says otherwise; asked now and then. A key that may not know goes on."""
        self._looks += 1
        if self._looks % _LOOKS_PER_QUESTION:
            return False
        response = self.client.get(at("collections", self.wanted.collection, "ingestion"))
        return bool(response.is_success and response.json()["paused"])

    def _note_state(self, document: dict[str, Any], waiting: Mapping[str, str], open_ones: list[str]) -> None:
        version = document["version"]
        if version["state"] in ("queued", "running"):
            self._running += version["state"] == "running"
            open_ones.append(document["id"])
        elif version["failure"]:
            self.report.failed.append({"key": waiting[document["id"]], "reason": version["failure"]["message"]})


def _pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE))


def _batches(items: Sequence[FoundItem]) -> Iterator[list[FoundItem]]:
    batch: list[FoundItem] = []
    size = 0
    for item in items:
        if batch and (len(batch) == _BATCH_FILES or size + item.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size
    if batch:
        yield batch


def show(report: SyncReport, wanted: SyncOptions, as_json: bool) -> None:
    """Print what a round did."""
    if as_json:
        typer.echo(json.dumps(asdict(report), ensure_ascii=False, indent=None if wanted.watch else 2))
        return
    console = Console()
    for name in ("new", "changed", "deleted"):
        for key in getattr(report, name):
            console.print(one_line(f"{text(f'sync_{name}')}: {key}"), markup=False, highlight=False)
    for key in report.waiting:
        console.print(one_line(f"{text('sync_waiting')}: {key}"), style="yellow", markup=False, highlight=False)
    for name in ("refused", "failed", "unreadable"):
        for item in getattr(report, name):
            line = f"{text(f'sync_{name}')}: {item['key']} ({item['reason']})"
            console.print(one_line(line), style="red", markup=False, highlight=False)
    counts = {name: len(getattr(report, name)) for name in ("new", "changed", "touched", "missing", "deleted")}
    shown = ", ".join(f"{text(f'sync_{name}')} {count}" for name, count in counts.items())
    console.print(f"{shown}, {text('sync_unchanged')} {report.unchanged}", highlight=False)
    if wanted.dry_run:
        console.print(text("sync_dry"), style="yellow")
    if report.held_back:
        console.print(text("sync_held_back"), style="red")
    elif report.missing and not wanted.delete_missing:
        console.print(text("sync_not_deleted"), style="yellow")
