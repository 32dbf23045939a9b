"""`seogo ingest`: files and folders into a collection, with a progress bar and an outcome per file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from api.cli.addresses import at
from api.cli.connection import CommandFailed, checked, said
from api.cli.looks import pause_after
from api.cli.terminal import shown
from api.cli.texts import text

NEW_KIND = "documents"
"""Kind of a collection that is made without one being named."""
_BATCH_FILES = 32
_BATCH_BYTES = 32 << 20
_STATUS_IDS = 500
_RUNNING = ("queued", "running")


@dataclass(slots=True)
class FileOutcome:
    """What became of one file, from upload to search."""

    source_key: str
    outcome: str
    document_id: str | None = None
    state: str = "refused"
    chunks: int = 0
    code: str | None = None
    message: str = ""
    stage: str = ""

    @property
    def failed(self) -> bool:
        """Whether the file is not searchable in the end."""
        return self.state in ("refused", "failed", "quarantined", "cancelled")


def find_files(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Files below `paths` with the names that they are kept under, relative to what was given; hidden ones are left out.

    Raises:
        CommandFailed: a path does not exist, or two files would have one name: the second would replace the first.
    """
    named: dict[str, Path] = {}
    for path in paths:
        for item, name in _found_at(path):
            other = named.setdefault(name, item)
            if other is not item and not other.samefile(item):
                raise CommandFailed(text("same_name").format(name=name, first=other, second=item))
    return [(item, name) for name, item in named.items()]


def _found_at(path: Path) -> Iterator[tuple[Path, str]]:
    """Files at or below a path, with their names."""
    if path.is_file():
        yield path, path.name
    elif path.is_dir():
        root = path.resolve() if path.name == ".." else path  # a name never begins with `..`
        yield from (
            (item, str(item.relative_to(root.parent))) for item in sorted(root.rglob("*")) if _wanted(item, root)
        )
    else:
        raise CommandFailed(f"{path}: {text('no_such_file')}")


def _wanted(item: Path, root: Path) -> bool:
    parts = item.relative_to(root).parts
    return item.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts)


def ingest_files(
    client: httpx.Client,
    files: Sequence[tuple[Path, str]],
    collection: str,
    kind: str,
    console: Console,
    priority: str | None = None,
) -> list[FileOutcome]:
    """Upload `files` and wait until each, and each file inside them, is searchable or has failed.

    One batch of few files is interactive.
    """
    ensure_collection(client, collection, kind)
    outcomes: list[FileOutcome] = []
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(text("uploading"), total=len(files))
        batches = list(_batches(files))
        lane = priority or ("bulk" if len(batches) > 1 else None)
        for batch in batches:
            outcomes += _upload(client, batch, collection, lane)
            progress.update(task, completed=len(outcomes))
        progress.update(task, completed=0, description=text("ingesting"))
        waiting_since = time.monotonic()
        while True:
            began = time.monotonic()
            if not _refresh(client, outcomes, collection):
                break
            finished = sum(item.state not in _RUNNING for item in outcomes)
            shown = f"{text('ingesting')}{_whereabouts(client, outcomes, collection)}"
            progress.update(task, completed=finished, total=len(outcomes), description=shown)
            now = time.monotonic()
            time.sleep(pause_after(now - began, now - waiting_since))
        progress.update(task, completed=len(outcomes))
    return outcomes


def _whereabouts(client: httpx.Client, outcomes: Sequence[FileOutcome], collection: str) -> str:
    """Stage of a file in work, or why none is."""
    running = next((item for item in outcomes if item.state == "running"), None)
    if running is not None:
        return f" ({running.stage})"
    paused = checked(client.get(at("collections", collection, "ingestion")))["paused"]
    return f" ({text('paused')})" if paused else ""


def ensure_collection(client: httpx.Client, name: str, kind: str) -> None:
    """Make the collection where it does not exist."""
    if client.get(at("collections", name)).status_code == 404:
        checked(client.post("/api/v1/collections", json={"name": name, "kind": kind}))


def tell_other_kind(client: httpx.Client, name: str, kind: str | None) -> None:
    """Say on stderr that the collection exists and is not of the kind that was named, which is that of a new one."""
    if kind is None:
        return
    response = client.get(at("collections", name))
    if response.is_success and (found := said(response)["kind"]) != kind:
        typer.secho(text("other_kind").format(name=name, found=found, kind=kind), fg="yellow", err=True)


def _batches(files: Sequence[tuple[Path, str]]) -> Iterator[list[tuple[Path, str]]]:
    batch: list[tuple[Path, str]] = []
    size = 0
    for path, name in files:
        weight = path.stat().st_size if path.is_file() else 0
        if batch and (len(batch) == _BATCH_FILES or size + weight > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((path, name))
        size += weight
    if batch:
        yield batch


def _upload(
    client: httpx.Client, batch: Sequence[tuple[Path, str]], collection: str, priority: str | None
) -> list[FileOutcome]:
    parts: list[tuple[str, tuple[str, BinaryIO]]] = []
    unread: list[FileOutcome] = []
    with ExitStack() as stack:
        for path, name in batch:
            try:
                parts.append(("files", (name, stack.enter_context(path.open("rb")))))
            except OSError as error:  # the others go in all the same
                message = error.strerror or str(error)
                unread.append(FileOutcome(name, "refused", code="not_readable", message=message))
        if not parts:
            return unread
        parameters = {"priority": priority} if priority else {}
        response = client.post(at("collections", collection, "documents"), files=parts, params=parameters)
    body = said(response)
    if len(parts) == 1 and not response.is_success and "code" in body:
        return [FileOutcome(parts[0][1][0], "refused", code=body["code"], message=body["title"]), *unread]
    documents = body["documents"] if "documents" in body else checked(response)["documents"]
    return [_outcome(item) for item in documents] + unread


def _outcome(item: dict[str, Any]) -> FileOutcome:
    failure = item["failure"]
    if failure is not None:
        return FileOutcome(item["source_key"], "refused", code=failure["code"], message=failure["message"])
    return FileOutcome(item["source_key"], item["outcome"], item["document_id"], state="queued")


def _refresh(client: httpx.Client, outcomes: list[FileOutcome], collection: str) -> bool:
    """Ask for the state of the first that are not finished; whether anything is left. Files found inside one join the list.

    They finish about in order, so a long rest need not be asked for each time.
    """
    open_ones = [item for item in outcomes if item.state in _RUNNING and item.document_id]
    part = {str(item.document_id): item for item in open_ones[:_STATUS_IDS]}
    if part:
        body = checked(client.post("/api/v1/documents/status", json={"ids": list(part)}))
        for document in body["documents"]:
            item = part.pop(document["id"])
            _note(item, document["version"])
            if item.state not in _RUNNING and document["children"]:
                outcomes += _inside(client, collection, document["id"])
        for item in part.values():
            item.state = "cancelled"  # deleted by somebody meanwhile
    return any(item.state in _RUNNING for item in outcomes)


def _inside(client: httpx.Client, collection: str, document_id: str) -> Iterator[FileOutcome]:
    """The files in a mail or an archive; those of an earlier version of it that are there no more are left out."""
    cursor: str | None = None
    while True:
        query = {"parent": document_id, "limit": str(_STATUS_IDS)} | ({"cursor": cursor} if cursor else {})
        page = checked(client.get(at("collections", collection, "documents"), params=query))
        for document in page["documents"]:
            if document["version"]["state"] != "retired":
                yield FileOutcome(document["source_key"], "inside", document["id"], state="queued")
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _note(item: FileOutcome, version: dict[str, Any]) -> None:
    item.state, item.chunks = version["state"], version["chunks"]
    item.stage = stage_of(version)
    if version["failure"]:
        item.code, item.message = version["failure"]["code"], version["failure"]["message"]


def stage_of(version: dict[str, Any]) -> str:
    """Where the ingestion of a version is, such as `parse 12/340`; empty where it has ended."""
    progress = version["progress"] or {"stage": "", "done": 0}
    return f"{progress['stage']} {progress['done']}/{progress['total']}" if progress["done"] else str(progress["stage"])


def outcome_table(outcomes: Sequence[FileOutcome]) -> Table:
    """A row per file."""
    table = Table()
    for name in ("file", "outcome", "state", "chunks", "note"):
        table.add_column(text(name), overflow="fold")
    for item in outcomes:
        style = "red" if item.failed else None
        note = f"{item.message} ({item.code})" if item.code else ""
        table.add_row(
            shown(item.source_key), item.outcome, item.state, str(item.chunks or ""), shown(note), style=style
        )
    return table


def outcomes_json(outcomes: Sequence[FileOutcome]) -> str:
    """The same for programs."""
    rows = [
        {
            "source_key": item.source_key,
            "outcome": item.outcome,
            "document_id": item.document_id,
            "state": item.state,
            "chunks": item.chunks,
            "code": item.code,
            "message": item.message,
        }
        for item in outcomes
    ]
    return json.dumps({"documents": rows}, ensure_ascii=False, indent=2)
