"""Commands that speak the HTTP API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.cli.connection import CommandFailed, checked, connect, reporting_failures
from api.cli.ingesting import find_files, ingest_files, outcome_table, outcomes_json
from api.cli.options import Options
from api.cli.texts import text

_EXCERPT = 240


def ingest(options: Options, paths: Sequence[Path], collection: str, kind: str, as_json: bool) -> None:
    """`seogo ingest`."""
    with reporting_failures():
        files = find_files(paths)
        if not files:
            raise CommandFailed(text("no_files"))
        with connect(options) as client:
            outcomes = ingest_files(client, files, collection, kind, Console(stderr=True))
    if as_json:
        typer.echo(outcomes_json(outcomes))
    else:
        Console().print(outcome_table(outcomes))
    if any(item.failed for item in outcomes):
        raise typer.Exit(1)


def search(options: Options, question: str, collections: list[str] | None, limit: int, as_json: bool) -> None:
    """`seogo search`."""
    with reporting_failures(), connect(options) as client:
        body = {"question": question, "collections": collections, "limit": limit}
        found = checked(client.post("/api/v1/search", json=body))
    if as_json:
        _print_json(found)
        return
    console = Console()
    if not found["passages"]:
        console.print(text("nothing"))
    for passage in found["passages"]:
        console.print(f"[bold]{passage['rank']}.[/bold] {escape(place(passage))}  [dim]{passage['score']:.3f}[/dim]")
        console.print(escape(_excerpt(passage["text"])), style="dim")


def ask(options: Options, question: str, collections: list[str] | None, as_json: bool) -> None:
    """`seogo ask`."""
    with reporting_failures(), connect(options) as client:
        if as_json:
            body = {"question": question, "collections": collections}
            _print_json(checked(client.post("/api/v1/answers", json=body)))
        else:
            print_answer(client, question, collections, Console())


def print_answer(client: httpx.Client, question: str, collections: list[str] | None, console: Console) -> bool:
    """Stream an answer to the terminal, then its sources; whether there was an answer."""
    body = {"question": question, "collections": collections, "stream": True}
    places: dict[int, list[str]] = {}
    answered = False
    with client.stream("POST", "/api/v1/answers", json=body) as response:
        if not response.is_success:
            response.read()
            checked(response)
        for event, data in events(response):
            match event:
                case "sentence":
                    console.print(escape(data["rendered"]), highlight=False, end="")
                    _note_places(places, data["citations"])
                case "error":
                    raise CommandFailed(f"{data['title']} ({data['code']})")
                case "done":
                    answered = data["status"] == "answered"
                    refusal = data["abstention"]["message"] if data["abstention"] else ""
                    console.print(escape(refusal), style="yellow")
    _print_sources(places, console)
    return answered


def _note_places(places: dict[int, list[str]], citations: Sequence[dict[str, Any]]) -> None:
    """All places of a passage that an answer cites, each once."""
    for item in citations:
        known = places.setdefault(item["number"], [])
        if place(item) not in known:
            known.append(place(item))


def _print_sources(places: dict[int, list[str]], console: Console) -> None:
    if places:
        console.print(f"\n[bold]{text('sources')}[/bold]")
    for number, shown in sorted(places.items()):
        for line in shown:
            console.print(f"[cyan]\\[{number}][/cyan] {escape(line)}", highlight=False)


def events(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each server-sent event, as they arrive."""
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            yield name, json.loads(value)


def place(item: dict[str, Any]) -> str:
    """Where a passage or citation stands: file, provision of a rule, position, headings."""
    headings = " › ".join(item["heading_path"][1:])
    named = f"{item['source_key']} {item['provision']}".rstrip()
    return f"{named}, {item['anchor']['label']}" + (f" ({headings})" if headings else "")


def list_collections(options: Options, as_json: bool) -> None:
    """`seogo collections list`."""
    with reporting_failures(), connect(options) as client:
        found = checked(client.get("/api/v1/collections"))
    if as_json:
        _print_json(found)
        return
    table = Table("id", "name", "kind", "documents")
    for row in found["collections"]:
        table.add_row(row["id"], row["name"], row["kind"], str(row["documents"]))
    Console().print(table)


def create_collection(options: Options, name: str, kind: str, description: str) -> None:
    """`seogo collections create`."""
    with reporting_failures(), connect(options) as client:
        body = {"name": name, "kind": kind, "description": description}
        _print_json(checked(client.post("/api/v1/collections", json=body)))


def list_documents(options: Options, collection: str, as_json: bool) -> None:
    """`seogo documents list`, all pages."""
    rows: list[dict[str, Any]] = []
    with reporting_failures(), connect(options) as client:
        cursor: str | None = None
        while True:
            parameters = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
            page = checked(client.get(f"/api/v1/collections/{collection}/documents", params=parameters))
            rows += page["documents"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    if as_json:
        _print_json({"documents": rows})
        return
    table = Table("id", text("file"), text("state"), text("chunks"), text("note"))
    for row in rows:
        version = row["version"]
        note = version["failure"]["message"] if version["failure"] else (version["progress"] or {}).get("stage", "")
        table.add_row(row["id"], row["source_key"], version["state"], str(version["chunks"]), note)
    Console().print(table)


def show_document(options: Options, document_id: str) -> None:
    """`seogo documents show`."""
    with reporting_failures(), connect(options) as client:
        _print_json(checked(client.get(f"/api/v1/documents/{document_id}")))


def delete_document(options: Options, document_id: str) -> None:
    """`seogo documents delete`."""
    with reporting_failures(), connect(options) as client:
        _print_json(checked(client.delete(f"/api/v1/documents/{document_id}")))


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def _excerpt(body: str) -> str:
    line = " ".join(body.split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + "…"
