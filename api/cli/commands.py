"""Commands that speak the HTTP API."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from api.cli.addresses import at
from api.cli.connection import CommandFailed, checked, connect, reporting_failures
from api.cli.ingesting import (
    NEW_KIND,
    find_files,
    ingest_files,
    outcome_table,
    outcomes_json,
    stage_of,
    tell_other_kind,
)
from api.cli.options import Options
from api.cli.sources import note_places, place, print_sources
from api.cli.terminal import heard, one_line, put_out, shown
from api.cli.texts import text

_EXCERPT = 240
_FENCE = re.compile(r"`{3,}|~{3,}")
_PURGE_S = 60.0
_POLL_S = 0.1


def ingest(
    options: Options,
    paths: Sequence[Path],
    collection: str,
    kind: str | None,
    as_json: bool,
    priority: str | None = None,
) -> None:
    """`seogo ingest`."""
    with reporting_failures():
        files = find_files(paths)
        if not files:
            raise CommandFailed(text("no_files"))
        with connect(options) as client:
            tell_other_kind(client, collection, kind)
            outcomes = ingest_files(client, files, collection, kind or NEW_KIND, Console(stderr=True), priority)
    if as_json:
        typer.echo(outcomes_json(outcomes))
    else:
        Console().print(outcome_table(outcomes))
    if any(item.failed for item in outcomes):
        raise typer.Exit(1)


def search(
    options: Options,
    question: str,
    collections: list[str] | None,
    limit: int,
    as_json: bool,
    as_of: str | None = None,
    filter_json: str | None = None,
    explain: bool = False,
) -> None:
    """`seogo search`."""
    with reporting_failures(), connect(options) as client:
        body = {"question": question, "collections": collections, "limit": limit, **_narrowing(as_of, filter_json)}
        body["explain"] = explain
        found = checked(client.post("/api/v1/search", json=body))
    if as_json:
        print_json(found)
        return
    console = Console()
    if not found["passages"]:
        console.print(text("nothing"))
    for passage in found["passages"]:
        console.print(f"[bold]{passage['rank']}.[/bold] {escape(place(passage))}  [dim]{passage['score']:.3f}[/dim]")
        console.print(escape(_excerpt(passage["text"])), style="dim")
        if explain:
            console.print(escape(_places(passage)), style="cyan")
    if explain:
        print_json({"trace": found["trace"], "explain": found["explain"]})


def _places(passage: dict[str, Any]) -> str:
    """Where a passage stood in each leg, and what else moved it."""
    legs = [f"{name} #{leg['rank']} {leg['score']:.3f}" for name, leg in passage["legs"].items()]
    boosts = [f"{name} +{value:.1%}" for name, value in passage["boosts"].items()]
    merged = [f"{len(passage['members'])} chunks"] if passage["members"] else []
    return "   ".join((*legs, *boosts, *merged))


def ask(
    options: Options,
    question: str,
    collections: list[str] | None,
    as_json: bool,
    as_of: str | None = None,
    filter_json: str | None = None,
    mode: str = "answer",
) -> None:
    """`seogo ask`."""
    with reporting_failures(), connect(options) as client:
        narrowing = {**_narrowing(as_of, filter_json), "mode": mode}
        if as_json:
            body = {"question": question, "collections": collections, **narrowing}
            print_json(checked(client.post("/api/v1/answers", json=body)))
        else:
            print_answer(client, question, collections, Console(), narrowing)


def _narrowing(as_of: str | None, filter_json: str | None) -> dict[str, Any]:
    """`--as-of` and `--filter` as fields of a request.

    Raises:
        CommandFailed: one of them can't be read.
    """
    fields: dict[str, Any] = {}
    if as_of is not None:
        fields["as_of"] = instant_of(as_of)
    if filter_json is not None:
        fields["filter"] = _json_option("--filter", filter_json)
    return fields


def instant_of(given: str) -> str:
    """An instant with its offset. A date means its end, and what has no offset is local time.

    Raises:
        CommandFailed: it is neither a date nor an instant.
    """
    try:
        if len(given) == len("2024-01-31"):
            next_day = date.fromisoformat(given) + timedelta(days=1)
            return (datetime.combine(next_day, clock()).astimezone() - timedelta(microseconds=1)).isoformat()
        instant = datetime.fromisoformat(given)
        return instant.astimezone().isoformat()
    except (ValueError, OverflowError):  # the last day and the first have no neighbour
        raise CommandFailed(f"--as-of: {given}: YYYY-MM-DD, YYYY-MM-DDThh:mm:ss+09:00") from None


def _json_option(name: str, given: str) -> Any:
    try:
        return json.loads(given)
    except ValueError as error:
        raise CommandFailed(f"{name}: {error}") from None


def print_answer(
    client: httpx.Client,
    question: str,
    collections: list[str] | None,
    console: Console,
    narrowing: Mapping[str, Any] | None = None,
) -> bool:
    """Stream an answer to the terminal, then its sources; whether there was an answer."""
    body = {"question": question, "collections": collections, "stream": True, **(narrowing or {})}
    places: dict[int, list[dict[str, Any]]] = {}
    found = _Found(console)
    answered = False
    with client.stream("POST", "/api/v1/answers", json=body) as response:
        if not response.is_success:
            response.read()
            checked(response)
        for event, data in events(response):
            match event:
                case "passages":
                    found.passages = data["passages"]
                case "waiting":
                    console.print(escape(data["message"]), style="dim", highlight=False)
                    found.show()
                case "note":
                    _print_note(data, console)
                case "sentence":
                    _print_rendered(data["rendered"], console)
                    note_places(places, data["citations"])
                case "error":
                    found.show()
                    raise CommandFailed(one_line(f"{data['title']} ({data['code']})"))
                case "done":
                    answered = data["status"] == "answered"
                    refusal = data["abstention"]["message"] if data["abstention"] else ""
                    console.print(escape(refusal), style="yellow")
    print_sources(places, console)
    return answered


class _Found:
    """Where the passages stand that an answer is to be written from: for who waits long for it, and where it is not written.

    Attributes:
        passages: of the last search result.
    """

    def __init__(self, console: Console) -> None:
        self.passages: Sequence[dict[str, Any]] = ()
        self._console = console
        self._shown: set[str] = set()

    def show(self) -> None:
        """Print the places, each once however often this is called."""
        new = [found for found in dict.fromkeys(map(place, self.passages)) if found not in self._shown]
        if new:
            self._console.print(f"\n[bold]{text('found')}[/bold]")
        for found in new:
            self._console.print(escape(found), style="cyan", highlight=False)
        self._shown.update(new)


def _print_note(note: Mapping[str, Any], console: Console) -> None:
    """Print the notes that a reader needs beside the answer."""
    match note["kind"]:
        case "step":
            console.print(escape(note["detail"]), style="dim", highlight=False)
        case "section_truncated":
            cut = text("section_cut").format(heading=note["detail"])
            console.print(f"\n{escape(cut)}", style="yellow", highlight=False)
        case "contradiction":
            console.print(f"\n\n{text('disagree')}: {escape(note['detail'])}", style="yellow", highlight=False)


def _print_rendered(rendered: str, console: Console) -> None:
    """Print Markdown as it is; lines of code are not wrapped, since what is copied has to be the code."""
    fence = ""
    for line in rendered.splitlines(keepends=True):
        mark = _FENCE.match(line)
        code = bool(fence or mark)
        if mark and (not fence or line.strip() == fence):
            fence = "" if fence else mark[0]
        console.print(escape(line), highlight=False, end="", soft_wrap=code)


def events(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each server-sent event, as they arrive."""
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            yield name, heard(json.loads(value))


def list_collections(options: Options, as_json: bool) -> None:
    """`seogo collections list`."""
    with reporting_failures(), connect(options) as client:
        found = checked(client.get("/api/v1/collections"))
    if as_json:
        print_json(found)
        return
    heads = (text("name"), text("kind"), text("documents"))
    table = Table(Column("id", no_wrap=True), *(Column(head, overflow="fold") for head in heads))
    for row in found["collections"]:
        table.add_row(row["id"], shown(row["name"]), row["kind"], str(row["documents"]))
    Console().print(table)


def create_collection(options: Options, name: str, kind: str, description: str) -> None:
    """`seogo collections create`."""
    with reporting_failures(), connect(options) as client:
        body = {"name": name, "kind": kind, "description": description}
        print_json(checked(client.post("/api/v1/collections", json=body)))


def delete_collection(options: Options, name: str) -> None:
    """`seogo collections delete`."""
    with reporting_failures(), connect(options) as client:
        receipt = checked(client.delete(at("collections", name)))
        print_json(_settled(client, receipt))


def collection_retention(options: Options, name: str, given: Sequence[str]) -> None:
    """`seogo collections retention`."""
    path = at("collections", name)
    with reporting_failures(), connect(options) as client:
        if given:
            rules = retention_rules(given, lambda: checked(client.get(path), verbatim=True)["retention"])
            checked(client.patch(path, json={"retention": rules}))
        found = checked(client.get(path))["retention"]
        print_json({"rules": found, "due": checked(client.get(f"{path}/retention", params={"limit": "1000"}))})


def retention_rules(given: Sequence[str], current: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The rules of `--set`: all of them as JSON, or those of `current` with the changes `name=number`; `name=` ends one.

    Raises:
        CommandFailed: it is neither.
    """
    if len(given) == 1 and given[0].lstrip().startswith("{"):
        try:
            return dict(json.loads(given[0]))
        except ValueError:
            raise CommandFailed(text("retention_set").format(given=given[0])) from None
    rules = dict(current())
    for pair in (part.strip() for item in given for part in item.split(",")):
        name, mark, value = (part.strip() for part in pair.partition("="))
        if not mark or name not in rules or not (value == "" or (value.isascii() and value.isdigit())):
            raise CommandFailed(text("retention_set").format(given=pair))
        rules[name] = int(value) if value else None
    return rules


def collection_style(options: Options, name: str, fields: Mapping[str, str | None]) -> None:
    """`seogo collections style`."""
    path = at("collections", name)
    changes = {field: value for field, value in fields.items() if value is not None}
    with reporting_failures(), connect(options) as client:
        style = checked(client.get(path), verbatim=True)["answer_style"]
        if changes:
            style |= {field: None if value == "default" else value for field, value in changes.items()}
            style = checked(client.patch(path, json={"answer_style": style}), verbatim=True)["answer_style"]
        print_json(put_out(style))


def show_versions(options: Options, document_id: str) -> None:
    """`seogo documents versions`."""
    with reporting_failures(), connect(options) as client:
        print_json(checked(client.get(at("documents", document_id, "versions"))))


def set_attributes(options: Options, document_id: str, pairs: Sequence[str]) -> None:
    """`seogo documents set`."""
    with reporting_failures(), connect(options) as client:
        given = parsed_attributes(pairs)
        changes = {name: None if value == "" else value for name, value in given.items()}
        print_json(checked(client.patch(at("documents", document_id), json={"attributes": changes})))


def parsed_attributes(pairs: Sequence[str]) -> dict[str, Any]:
    """Attributes as `name=value`; a value that is a number in JSON counts as one.

    Raises:
        CommandFailed: a pair has no equals sign.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark:
            raise CommandFailed(f"{pair}: name=value")
        try:
            number = json.loads(value)
        except ValueError:
            number = None
        found[name] = number if isinstance(number, int | float) and not isinstance(number, bool) else value
    return found


def show_receipt(options: Options, receipt_id: str) -> None:
    """`seogo documents receipt`."""
    with reporting_failures(), connect(options) as client:
        print_json(checked(client.get(at("receipts", receipt_id))))


def _settled(client: httpx.Client, receipt: dict[str, Any]) -> dict[str, Any]:
    """The receipt once the purge is finished, or as it is after a minute: on a local folder the work ends with the command."""
    deadline = time.monotonic() + _PURGE_S
    while receipt["purged_at"] is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        receipt = checked(client.get(at("receipts", receipt["id"])))
    return receipt


def list_documents(options: Options, collection: str, as_json: bool) -> None:
    """`seogo documents list`, all pages."""
    rows: list[dict[str, Any]] = []
    with reporting_failures(), connect(options) as client:
        cursor: str | None = None
        while True:
            parameters = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
            page = checked(client.get(at("collections", collection, "documents"), params=parameters))
            rows += page["documents"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    if as_json:
        print_json({"documents": rows})
        return
    heads = (text("file"), text("state"), text("chunks"), text("note"))
    table = Table(Column("id", no_wrap=True), *(Column(head, overflow="fold") for head in heads))
    for row in rows:
        version = row["version"]
        note = version["failure"]["message"] if version["failure"] else stage_of(version)
        table.add_row(row["id"], shown(row["source_key"]), version["state"], str(version["chunks"]), shown(note))
    Console().print(table)


def show_document(options: Options, document_id: str) -> None:
    """`seogo documents show`."""
    with reporting_failures(), connect(options) as client:
        print_json(checked(client.get(at("documents", document_id))))


def delete_document(options: Options, document_id: str) -> None:
    """`seogo documents delete`."""
    with reporting_failures(), connect(options) as client:
        print_json(_settled(client, checked(client.delete(at("documents", document_id)))))


def print_json(data: Any) -> None:
    """Print an answer as it came."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def _excerpt(body: str) -> str:
    line = " ".join(body.split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + "…"
