"""`seogo access`: who may read a document, a collection, or the documents that a filter holds for."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli.addresses import at
from api.cli.texts import text

access_app = typer.Typer(help="Who may read: show, set, explain.", no_args_is_help=True)

DocumentOption = Annotated[str | None, typer.Option("--document", "-d", help="Id of a document.")]
CollectionOption = Annotated[str | None, typer.Option("--collection", "-c", help="Name or id of a collection.")]


def _address(document: str | None, collection: str | None) -> str:
    if (document is None) == (collection is None):
        raise typer.BadParameter(text("access_which"))
    if document is not None:
        return at("documents", document, "access")
    return at("collections", str(collection), "access")


@access_app.command("show")
def access_show(context: typer.Context, document: DocumentOption = None, collection: CollectionOption = None) -> None:
    """Print the rules that decide, as JSON."""
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures

    address = _address(document, collection)
    with reporting_failures(), connect(context.obj) as client:
        print_json(checked(client.get(address)))


@access_app.command("set")
def access_set(
    context: typer.Context,
    document: DocumentOption = None,
    collection: CollectionOption = None,
    filter: Annotated[
        str | None,
        typer.Option("--filter", help="With --collection: its documents that this JSON filter holds for; {} for all."),
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="user:NAME, group:NAME, attribute:NAME=VALUE; may be repeated.")
    ] = None,
    deny: Annotated[list[str] | None, typer.Option("--deny", help="The same; a denial wins over everything.")] = None,
    label: Annotated[str, typer.Option(help="C confidential, S sensitive, O open.")] = "O",
    force: Annotated[bool, typer.Option("--force", help="Also if you can't read it yourself afterwards.")] = False,
) -> None:
    """Put a rule in place of the one before; without --allow, --deny and --label it is lifted."""
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures

    address = _address(document, collection)
    if filter is not None and collection is None:
        raise typer.BadParameter(text("access_filter"))
    body: dict[str, Any] = {"allow": allow or [], "deny": deny or [], "label": label, "force": force}
    many = None if filter is None else {**body, "filter": _filter(filter)}
    with reporting_failures(), connect(context.obj) as client:
        if many is None:
            print_json(checked(client.put(address, json=body)))
        else:
            print_json(_set_many(client, address.removesuffix("/access"), many))


def _filter(given: str) -> Any:
    import json

    try:
        return json.loads(given) or None
    except ValueError as error:
        raise typer.BadParameter(f"--filter: {text('access_not_json')}: {error}") from error


def _set_many(client: Any, collection: str, body: dict[str, Any]) -> dict[str, int]:
    from api.cli.connection import checked

    totals, cursor = {"documents": 0, "changed": 0}, None
    while True:
        done = checked(client.post(f"{collection}/documents/access", json={**body, "cursor": cursor}))
        totals = {name: totals[name] + done[name] for name in totals}
        cursor = done["next_cursor"]
        if cursor is None:
            return totals


@access_app.command("explain")
def access_explain(
    context: typer.Context,
    document: Annotated[str, typer.Argument(help="Id of a document.")],
    subject: Annotated[str, typer.Argument(help="user:NAME, or a name.")],
) -> None:
    """Say why somebody can or can't read a document; the exit code is 1 when not."""
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures

    named = subject if ":" in subject else f"user:{subject}"
    with reporting_failures(), connect(context.obj) as client:
        found = checked(client.get(f"{_address(document, None)}/explain", params={"subject": named}))
    print_json(found)
    typer.echo(text("access_permitted" if found["permitted"] else "access_refused"), err=True)
    if not found["permitted"]:
        raise typer.Exit(1)
