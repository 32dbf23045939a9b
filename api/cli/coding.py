"""`seogo code`: let a model write programs, follow it, and fetch what it made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

if TYPE_CHECKING:
    import httpx

code_app = typer.Typer(
    help="Repositories that are kept in step, and programs that a model writes.", no_args_is_help=True
)

Identity = Annotated[UUID, typer.Argument(help="Id of the generation.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the files; made when missing.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Write over files that exist.")]
_ADDRESS = "/api/v1/generations"
_POLL_S = 0.5


@code_app.command("generate")
def code_generate(
    context: typer.Context,
    spec: Annotated[Path, typer.Option("--spec", help="File with the specification, in UTF-8.")],
    repo: Annotated[list[str], typer.Option("--repo", help="Repository, or collection of code; may be repeated.")],
    output: OutputOption = None,
    force: ForceOption = False,
    title: Annotated[str, typer.Option(help="None takes the first line of the specification.")] = "",
    model: Annotated[str, typer.Option(help="Configured model; none leaves the choice to the router.")] = "",
    thinking: Annotated[bool | None, typer.Option("--thinking/--no-thinking", help="Reason before writing.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Let a model write the program of a specification; the exit code is 1 when it failed or a file's syntax is broken."""
    from api.cli.commands import print_json
    from api.cli.connection import CommandFailed, checked, connect, reporting_failures
    from api.cli.terminal import heard, put_out

    with reporting_failures(), connect(context.obj) as client:
        try:
            specification = spec.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandFailed(f"{spec}: {error}") from error
        meant = collections_meant(client, repo)
        body: dict[str, Any] = {"specification": specification, "repositories": meant, "title": title, "model": model}
        found = checked(client.post(_ADDRESS, json={**body, "thinking": thinking}))
        if not wait:
            print_json(found) if as_json else typer.echo(found["id"])
            return
        ended = _followed(client, found["id"])
        _require_done(ended)
        manifest = _manifest(client, found["id"])
        if output is not None:
            _save(client, manifest, output, force)
        print_json(put_out(manifest)) if as_json else _show(heard(manifest))
        if any(item["syntax"] == "error" for item in manifest["files"]):
            raise typer.Exit(1)


def collections_meant(client: httpx.Client, names: list[str]) -> list[str]:
    """The collections of code behind names: that of a repository stands for the collection it lies in, which is read whole.

    Raises:
        CommandFailed: repositories of one name lie in several collections.
    """
    from api.cli.connection import CommandFailed, checked
    from api.cli.texts import text

    known: dict[str, set[str]] = {}
    for item in checked(client.get("/api/v1/repositories"))["repositories"]:
        known.setdefault(item["name"], set()).add(item["collection"])
    if not known.keys() & set(names):
        return names
    collections = {item["name"] for item in checked(client.get("/api/v1/collections"))["collections"]}
    meant: dict[str, None] = {}
    for name in names:
        places = {name} if name in collections else known.get(name, {name})
        if len(places) > 1:
            raise CommandFailed(text("code_several").format(name=name, collections=", ".join(sorted(places))))
        meant |= dict.fromkeys(places)
    return list(meant)


@code_app.command("list")
def code_list(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the newest generations."""
    from rich.console import Console
    from rich.table import Column, Table

    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures
    from api.cli.terminal import shown
    from api.cli.texts import text

    with reporting_failures(), connect(context.obj) as client:
        found = checked(client.get(_ADDRESS))
    if as_json:
        print_json(found)
        return
    heads = (text("code_title"), text("state"), text("code_model"), text("code_tokens"))
    table = Table(Column("id", no_wrap=True), *(Column(head, overflow="fold") for head in heads))
    for item in found["generations"]:
        row = (item["title"], item["state"], item["model"], item["written_tokens"])
        table.add_row(item["id"], *map(shown, row))
    Console().print(table)


@code_app.command("show")
def code_show(context: typer.Context, generation: Identity) -> None:
    """Show how far a generation is and, at its end, its manifest, as JSON."""
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        found = checked(client.get(f"{_ADDRESS}/{generation}"))
        if found["state"] == "done":
            found["manifest"] = checked(client.get(f"{_ADDRESS}/{generation}/manifest"))
    print_json(found)


@code_app.command("download")
def code_download(
    context: typer.Context,
    generation: Identity,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files; made when missing.")],
    force: ForceOption = False,
) -> None:
    """Fetch the files of a generation."""
    from api.cli.connection import connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        _save(client, _manifest(client, str(generation)), output, force)


@code_app.command("cancel")
def code_cancel(context: typer.Context, generation: Identity) -> None:
    """Stop a generation."""
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        print_json(checked(client.post(f"{_ADDRESS}/{generation}/cancel")))


@code_app.command("delete")
def code_delete(context: typer.Context, generation: Identity) -> None:
    """Delete a generation with all its files."""
    from api.cli.connection import checked, connect, reporting_failures
    from api.cli.texts import text

    with reporting_failures(), connect(context.obj) as client:
        response = client.delete(f"{_ADDRESS}/{generation}")
        if not response.is_success:
            checked(response)
    typer.echo(text("code_deleted"))


def _followed(client: httpx.Client, identity: str) -> dict[str, Any]:
    """The generation at its end, with a bar until then."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    from api.cli.connection import checked
    from api.cli.texts import text

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[tokens]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(text("code_queued"), total=None, tokens="")
        while True:
            found: dict[str, Any] = checked(client.get(f"{_ADDRESS}/{identity}"))
            if found["state"] not in ("queued", "running"):
                return found
            progress.update(
                task,
                description=text(f"code_{found['stage']}"),
                completed=found["written_tokens"],
                total=found["limit_tokens"],
                tokens=f"{found['written_tokens']:,} {text('code_tokens')}",
            )
            time.sleep(_POLL_S)


def _require_done(ended: dict[str, Any]) -> None:
    from api.cli.connection import CommandFailed
    from api.cli.texts import text

    if ended["failure"]:
        raise CommandFailed(f"{ended['failure']['message']} ({ended['failure']['code']})")
    if ended["state"] != "done":
        raise CommandFailed(text("code_cancelled"))


def _show(manifest: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from api.cli.terminal import shown
    from api.cli.texts import text

    console = Console()
    table = Table(text("file"), text("code_size"), text("code_language"), text("code_syntax"), text("note"))
    for item in manifest["files"]:
        note = item["detail"] or (text("code_repaired") if item["repaired"] else "")
        row = (item["path"], f"{item['size']:,}", item["language"], text(f"code_{item['syntax']}"), note)
        table.add_row(*map(shown, row))
    console.print(table)
    for item in manifest["rejected"]:
        line = f"{text('code_rejected')}: {item['path']} ({item['reason']})"
        console.print(line, style="red", markup=False, highlight=False)
    if manifest["cut_off"]:
        console.print(text("code_cut_off"), style="yellow")
    line = f"{text('code_context')}: {len(manifest['included'])}, {text('code_omitted')}: {len(manifest['omitted'])}"
    console.print(f"{text('code_model')}: {manifest['model']}. {line}", markup=False, highlight=False)
    console.print(f"id: {manifest['id']}", markup=False, highlight=False)


def _manifest(client: httpx.Client, identity: str) -> dict[str, Any]:
    """The manifest as it is: files are fetched by the names in it, which a terminal may show otherwise."""
    from api.cli.connection import checked

    found: dict[str, Any] = checked(client.get(f"{_ADDRESS}/{identity}/manifest"), verbatim=True)
    return found


def _save(client: httpx.Client, manifest: dict[str, Any], output: Path, force: bool) -> None:
    """Write the files below `output`; none when one is in the way.

    Raises:
        CommandFailed: a file exists, a path leads out of the folder, or the folder can't be written.
    """
    from api.cli.connection import CommandFailed, checked
    from api.cli.terminal import one_line
    from api.cli.texts import text
    from rag.generation.program_paths import PathRefused, checked_path

    root = output.resolve()
    targets: dict[str, Path] = {}
    for item in manifest["files"]:
        try:
            target = (root / checked_path(item["path"])).resolve()  # links inside the folder are followed, then judged
        except PathRefused as error:
            raise CommandFailed(f"{one_line(item['path'])}: {error}") from error
        if not target.is_relative_to(root):
            raise CommandFailed(f"{one_line(item['path'])}: {text('code_outside')}")
        if target.exists() and not force:
            raise CommandFailed(f"{one_line(target)}: {text('code_exists')}")
        targets[item["path"]] = target
    for path, target in targets.items():
        response = client.get(f"{_ADDRESS}/{manifest['id']}/files/{quote(path)}")
        if not response.is_success:
            checked(response)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(response.content)
        except OSError as error:
            raise CommandFailed(f"{one_line(target)}: {error.strerror}") from error
    typer.echo(f"{text('code_saved')}: {root}", err=True)
