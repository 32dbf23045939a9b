"""`seogo ingestion …`, `seogo documents retry|cancel` and `--watch`: the queue from the command line."""

from __future__ import annotations

from typing import Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from api.cli.addresses import at
from api.cli.commands import events, print_json
from api.cli.connection import CommandFailed, checked, connect, reporting_failures
from api.cli.options import Options
from api.cli.texts import text

_ENDS = ("done", "timeout")


def act_on_document(options: Options, document_id: str, action: str) -> None:
    """`seogo documents retry` and `cancel`."""
    with reporting_failures(), connect(options) as client:
        print_json(checked(client.post(at("documents", document_id, action))))


def show_status(options: Options, collection: str | None, as_json: bool) -> None:
    """`seogo ingestion status`."""
    with reporting_failures(), connect(options) as client:
        found = checked(client.get(_address(collection)))
    if as_json:
        print_json(found)
    else:
        typer.echo(described(found))


def switch(options: Options, collection: str | None, action: str) -> None:
    """`seogo ingestion pause` and `resume`."""
    with reporting_failures(), connect(options) as client:
        typer.echo(described(checked(client.post(f"{_address(collection)}/{action}"))))


def retry_collection(options: Options, collection: str, states: list[str] | None) -> None:
    """`seogo ingestion retry`."""
    body = {"states": states} if states else {}
    with reporting_failures(), connect(options) as client:
        found = checked(client.post(f"{_address(collection)}/retry", json=body))
    typer.echo(f"{text('affected')}: {found['documents']}")


def cancel_collection(options: Options, collection: str) -> None:
    """`seogo ingestion cancel`."""
    with reporting_failures(), connect(options) as client:
        found = checked(client.post(f"{_address(collection)}/cancel"))
    typer.echo(f"{text('affected')}: {found['documents']}")


def watch(options: Options, collection: str) -> None:
    """Follow the ingestion of a collection with a bar until nothing is left to do."""
    with reporting_failures(), connect(options) as client, bar_of(Console(stderr=True)) as progress:
        task = progress.add_task(text("ingesting"), total=None)
        while _follow(client, collection, progress, task) != "done":
            continue


def bar_of(console: Console) -> Progress:
    """The bar, behind the numbers: what stands at the end is cut first in a narrow terminal."""
    columns = (SpinnerColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), BarColumn(bar_width=10))
    return Progress(*columns, console=console, transient=True)


def _follow(client: httpx.Client, collection: str, progress: Progress, task: Any) -> str:
    """One stream of events; how it ended."""
    with client.stream("GET", f"{_address(collection)}/events") as response:
        if not response.is_success:
            response.read()
            checked(response)
        for event, data in events(response):
            if event == "error":
                raise CommandFailed(f"{data['title']} ({data['code']})")
            ended = data["active"] + data["failed"] + data["quarantined"] + data["cancelled"]
            left = data["queued"] + data["running"]
            progress.update(task, completed=ended, total=ended + left, description=described(data))
            if event in _ENDS:
                return event
    return "broken"


def described(found: dict[str, Any]) -> str:
    """What goes on, in a line: first what is in work and how long it takes, since a narrow terminal cuts the end."""
    pages = f" ({text('pages')} {found['pages_read']}/{found['pages']})" if found["pages"] else ""
    parts = [f"{stage} {count}{pages if stage == 'parse' else ''}" for stage, count in sorted(found["stages"].items())]
    if found["paused"]:
        parts.append(text("paused"))
    elif found["eta_s"]:
        parts.append(f"{found['eta_s']:.0f}{text('seconds_left')}")
    parts += [f"{text('queue')} {found['queued']}", f"active {found['active']}"]
    ended = {"failures": found["failed"], "quarantine": found["quarantined"]}
    parts += [f"{text(name)} {count}" for name, count in ended.items() if count]
    return " · ".join(parts)


def _address(collection: str | None) -> str:
    return "/api/v1/ingestion" if collection is None else at("collections", collection, "ingestion")
