"""`seogo code add|repos|repo|sync|files|remove`: git repositories that are kept in step."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

if TYPE_CHECKING:
    import httpx

_ADDRESS = "/api/v1/repositories"
_WORKING = ("waiting", "fetching", "indexing")

Named = Annotated[str, typer.Argument(help="Name or id of the repository.")]
InCollection = Annotated[
    str | None, typer.Option("--collection", "-c", help="Collection, where repositories of several have the name.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until files are searchable.")]


def add_to(group: typer.Typer) -> None:
    """Add the commands to `seogo code`."""
    for name, command in (
        ("add", code_add),
        ("repos", code_repos),
        ("repo", code_repo),
        ("sync", code_sync),
        ("files", code_files),
        ("remove", code_remove),
    ):
        group.command(name)(command)


def code_add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="https://…, ssh://…, git@host:path, or a folder on the server.")],
    collection: Annotated[str, typer.Option("--collection", "-c", help="Collection of code; made when it is missing.")],
    name: Annotated[str | None, typer.Option(help="None takes the last part of the address.")] = None,
    ref: Annotated[str, typer.Option(help="Branch or tag; none takes the remote's own branch.")] = "",
    credential: Annotated[str, typer.Option(help="Name of a credential of the settings.")] = "",
    options: Annotated[
        Path | None, typer.Option(help="JSON file: include, exclude, gitignore, max_file_kb, path_rules, history.")
    ] = None,
    poll: Annotated[int | None, typer.Option(min=0, help="Seconds between two looks; 0: on demand alone.")] = None,
    webhook: Annotated[bool, typer.Option("--webhook", help="Make a secret for a webhook, and show it.")] = False,
    wait: WaitOption = True,
    as_json: JsonOption = False,
) -> None:
    """Index a git repository and keep it in step; the exit code is 1 when it could not be read."""
    from api.cli.connection import checked, connect, reporting_failures
    from api.cli.ingesting import ensure_collection
    from api.cli.terminal import one_line
    from api.cli.texts import text

    with reporting_failures(), connect(context.obj) as client:
        ensure_collection(client, collection, "code")
        body = {
            "collection": collection,
            "url": url,
            "ref": ref,
            "credential": credential,
            "webhook": webhook,
            "poll_s": poll,
            **({"name": name} if name else {}),
            **({"options": _options_in(options)} if options else {}),
        }
        added = checked(client.post(_ADDRESS, json=body))
        if added["webhook_secret"] and not as_json:
            typer.echo(f"{text('repo_webhook')}: {added['webhook_path']}  {added['webhook_secret']}")
        if resumed := added["path_rules_resumed"]:
            typer.echo(f"{text('repo_rules_resumed')}: {', '.join(map(one_line, resumed))}", err=True)
        found = _followed(client, added["repository"]["id"]) if wait else added["repository"]
        told = {"path_rules_resumed": resumed} | ({"webhook_secret": added["webhook_secret"]} if webhook else {})
        _end(found | told, as_json)


def code_repos(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the repositories that are kept in step."""
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        found = checked(client.get(_ADDRESS))
    print_json(found) if as_json else listed(found["repositories"])


def listed(repositories: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of repositories, and below it what is to be said of some: sentences, which no column has room for."""
    from rich.console import Console
    from rich.table import Table

    from api.cli.terminal import one_line, shown
    from api.cli.texts import text

    names = ("repo_name", "repo_collection", "repo_ref", "state", "repo_commit", "repo_files")
    table = Table(*(text(name) for name in names))
    for item in repositories:
        row = (item["name"], item["collection"], item["ref"] or "HEAD", item["state"], item["commit"][:12])
        table.add_row(*map(shown, (*row, item["files"])), style="red" if item["failure"] else None)
    Console().print(table)
    for item in repositories:
        if remark := _remark(item):
            typer.secho(one_line(f"{item['name']}: {remark}"), fg="red" if item["failure"] else None)


def code_repo(
    context: typer.Context, repository: Named, collection: InCollection = None, as_json: JsonOption = False
) -> None:
    """Show one repository: what it is doing, and why the last look failed where it did."""
    from api.cli.connection import connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        found = _named(client, repository, collection)
    _show(found, as_json)


def code_sync(
    context: typer.Context,
    repository: Named,
    collection: InCollection = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that could not be read.")
    ] = False,
    wait: WaitOption = True,
    as_json: JsonOption = False,
) -> None:
    """Look at the remote now; the exit code is 1 when that fails."""
    from api.cli.connection import checked, connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        identity = _named(client, repository, collection)["id"]
        found = checked(client.post(f"{_ADDRESS}/{identity}/sync", json={"retry_failed": retry_failed}))
        _end(_followed(client, identity) if wait else found, as_json)


def code_files(
    context: typer.Context,
    repository: Named,
    collection: InCollection = None,
    skipped: Annotated[bool, typer.Option("--skipped", help="Those that are not in the index, and why.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the files of a repository."""
    from api.cli.commands import print_json
    from api.cli.connection import connect, reporting_failures
    from api.cli.terminal import one_line

    with reporting_failures(), connect(context.obj) as client:
        found = list(_files(client, _named(client, repository, collection)["id"], skipped))
    if as_json:
        print_json({"files": found})
        return
    for item in found:
        path = one_line(item["path"])
        typer.echo(f"{path}  {one_line(item['message'])}" if skipped else path)


def code_remove(context: typer.Context, repository: Named, collection: InCollection = None) -> None:
    """Delete a repository with all its documents; prints the receipt. Its path rules stay for the next one of its name."""
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures
    from api.cli.terminal import one_line
    from api.cli.texts import text

    with reporting_failures(), connect(context.obj) as client:
        found = _named(client, repository, collection)
        print_json(checked(client.delete(f"{_ADDRESS}/{found['id']}")))
        rules = ((found["tended"] or {}).get("options") or {}).get("path_rules") or []
        if rules:
            typer.echo(f"{text('repo_rules_kept')}: {', '.join(one_line(item['paths']) for item in rules)}", err=True)


def _options_in(path: Path) -> Any:
    from api.cli.connection import CommandFailed

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{path}: {error}") from error


def _named(client: httpx.Client, wanted: str, collection: str | None) -> dict[str, Any]:
    """The one repository that a name or id means.

    Raises:
        CommandFailed: there is none, or there are several.
    """
    from api.cli.connection import CommandFailed, checked
    from api.cli.texts import text

    if _is_id(wanted):
        return dict(checked(client.get(f"{_ADDRESS}/{quote(wanted)}")))
    every = checked(client.get(_ADDRESS))["repositories"]
    inside = [item for item in every if collection in (None, item["collection"], item["collection_id"])]
    found = [item for item in inside if item["name"] == wanted]
    if len(found) != 1:
        raise CommandFailed(f"{wanted}: {text('repo_several' if found else 'repo_none')}")
    return dict(found[0])


def _is_id(wanted: str) -> bool:
    try:
        UUID(wanted)
    except ValueError:
        return False
    return True


def _files(client: httpx.Client, identity: str, skipped: bool) -> Iterator[dict[str, Any]]:
    from api.cli.connection import checked

    cursor: str | None = None
    while True:
        query = {"skipped": str(skipped).lower()} | ({"cursor": cursor} if cursor else {})
        page = checked(client.get(f"{_ADDRESS}/{identity}/files", params=query))
        yield from page["files"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _followed(client: httpx.Client, identity: str) -> dict[str, Any]:
    """The repository once its files are searchable, with a bar until then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from api.cli.connection import checked
    from api.cli.looks import pause_after

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        since = time.monotonic()
        while True:
            began = time.monotonic()
            found: dict[str, Any] = checked(client.get(f"{_ADDRESS}/{identity}"))
            progress.update(task, description=found["state"], completed=found["done"], total=found["total"] or None)
            if found["state"] not in _WORKING and not found["looking"]:
                return found
            now = time.monotonic()
            time.sleep(pause_after(now - began, now - since))


def _end(found: Mapping[str, Any], as_json: bool) -> None:
    _show(found, as_json)
    if found["failure"]:
        raise typer.Exit(1)


def _show(found: Mapping[str, Any], as_json: bool) -> None:
    from api.cli.commands import print_json
    from api.cli.terminal import one_line
    from api.cli.texts import text

    if as_json:
        print_json(found)
        return
    at = f"{found['ref'] or 'HEAD'}@{found['commit'][:12]}" if found["commit"] else found["ref"] or "HEAD"
    counts = f"{found['files']} {text('repo_files')}"
    typer.echo(f"{one_line(found['name'])}  {one_line(at)}  {found['state']}  {counts}")
    if found["vectors_pending"]:
        typer.echo(text("repo_filling").format(count=found["vectors_pending"]))
    if remark := _remark(found):
        typer.secho(one_line(remark), fg="red" if found["failure"] else None)


def _remark(found: Mapping[str, Any]) -> str:
    if found["failure"]:
        return f"{found['failure']['message']} ({found['failure']['code']})"
    return str(found["note"]["message"]) if found["note"] else ""
