"""`seogo code changes`: what differs between two states of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import httpx

_LIST = "/api/v1/repositories"


def add_to(code_app: typer.Typer) -> None:
    """Add the command."""
    code_app.command("changes")(code_changes)


def code_changes(
    context: typer.Context,
    repo: Annotated[str, typer.Argument(help="Name or id of the repository.")],
    before: Annotated[str, typer.Argument(metavar="FROM", help="Branch, tag or commit; 1.4 finds v1.4.")],
    after: Annotated[str, typer.Argument(metavar="[TO]", help="The later one; what is indexed when left out.")] = "",
    path: Annotated[str, typer.Option(help="Only this file or folder.")] = "",
    patch: Annotated[bool, typer.Option("--patch/--no-patch", help="Show the lines that changed.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what differs between two branches, tags or commits: files, lines, and the commits in between."""
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        wanted = {"from": before, "to": after, "path": path, "patches": "500" if patch else "0"}
        found = checked(client.get(f"{_LIST}/{_id_of(client, repo)}/changes", params=wanted))
    print_json(found) if as_json else _show(found)


def _id_of(client: httpx.Client, repo: str) -> str:
    """The id of a repository that is given by its name.

    Raises:
        CommandFailed: there are several of that name, or none.
    """
    from api.cli.connection import CommandFailed, checked
    from api.cli.texts import text

    listed = checked(client.get(_LIST))["repositories"]
    named = [str(item["id"]) for item in listed if repo in (item["name"], item["id"])]
    if len(named) != 1:
        known = ", ".join(f"{item['name']} ({item['id']})" for item in listed)
        missing = "" if named else f"{text('repo_none')} {text('repo_known')}: "
        raise CommandFailed(f"{repo}: {missing}{known or '–'}")
    return named[0]


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    from api.cli.terminal import one_line
    from api.cli.texts import text

    console = Console(highlight=False)
    before, after = (f"{state['name']} ({state['commit'][:12]})" for state in (found["before"], found["after"]))
    console.print(
        f"[bold]{escape(one_line(found['repository']))}[/bold] {escape(one_line(before))} → {escape(one_line(after))}"
    )
    for commit in found["commits"]:
        subject = commit["message"].partition("\n")[0]
        console.print(
            f"[yellow]{commit['commit'][:12]}[/yellow] {escape(subject)} [dim]({escape(one_line(commit['author']))})[/dim]"
        )
    for file in found["files"]:
        name = f"{file['before']} → {file['path']}" if file["before"] else file["path"]
        console.print(f"\n[cyan]{escape(one_line(name))}[/cyan] +{file['added']} -{file['removed']}")
        for line in (file["patch"] or "").splitlines():
            style = {"+": "green", "-": "red", "@": "dim"}.get(line[:1], "")
            console.print(escape(line), style=style, soft_wrap=True)
        if file["cut"]:
            console.print("…", style="dim")
    if not found["files"]:
        console.print(text("repo_same"))
    if found["more_files"] or found["more_commits"]:
        console.print("…", style="dim")
