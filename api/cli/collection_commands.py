"""`seogo collections`, as the command line declares it; `commands.py` and `privacy.py` do it."""

from __future__ import annotations

from typing import Annotated

import typer

collections_app = typer.Typer(
    help="Collections: list, create, style, retention, privacy, delete.", no_args_is_help=True
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@collections_app.command("list")
def collections_list(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the collections."""
    from api.cli.commands import list_collections

    list_collections(context.obj, as_json)


@collections_app.command("create")
def collections_create(
    context: typer.Context,
    name: str,
    kind: Annotated[str, typer.Option(help="documents or code")] = "documents",
    description: str = "",
) -> None:
    """Make a collection."""
    from api.cli.commands import create_collection

    create_collection(context.obj, name, kind, description)


@collections_app.command("delete")
def collections_delete(context: typer.Context, name: str) -> None:
    """Delete a collection with all its documents and print the receipt."""
    from api.cli.commands import delete_collection

    delete_collection(context.obj, name)


@collections_app.command("retention")
def collections_retention(
    context: typer.Context,
    name: str,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="NAME=NUMBER, more than once: retired_days, retired_versions, document_days, dated_days; NAME= ends "
            "one, the others stay. Or all rules as JSON; {} for none.",
        ),
    ] = None,
) -> None:
    """Show what the retention rules would delete now; with --set, change the rules first. Nothing is deleted here."""
    from api.cli.commands import collection_retention

    collection_retention(context.obj, name, rules or [])


@collections_app.command("style")
def collections_style(
    context: typer.Context,
    name: str,
    tone: Annotated[str | None, typer.Option(help="formal, plain or default")] = None,
    length: Annotated[str | None, typer.Option(help="short, normal, long or default")] = None,
    shape: Annotated[str | None, typer.Option("--format", help="prose, list, table, steps or default")] = None,
) -> None:
    """Show how answers from the collection are written; with options, change it first."""
    from api.cli.commands import collection_style

    collection_style(context.obj, name, {"tone": tone, "length": length, "format": shape})


@collections_app.command("privacy")
def collections_privacy(
    context: typer.Context,
    name: str,
    default: Annotated[str | None, typer.Option(help="allow, tag, mask or block: of every kind not named")] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="KIND=TREATMENT, such as resident_number=mask; more than once")
    ] = None,
    raw_from: Annotated[str | None, typer.Option(help="viewer, contributor, curator or admin see raw values")] = None,
    patterns: Annotated[
        list[str] | None, typer.Option("--pattern", help="NAME=PATTERN in RE2 syntax; more than once")
    ] = None,
) -> None:
    """Show what is done about personal data in the collection; with options, change it first."""
    from api.cli.privacy import collection_privacy

    collection_privacy(context.obj, name, default, kinds or [], raw_from, patterns or [])
