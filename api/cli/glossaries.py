"""`seogo glossary`: show, import and clear the glossary of a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.addresses import at

glossary_app = typer.Typer(help="Glossaries of collections: show, import, clear.", no_args_is_help=True)

CollectionArgument = Annotated[str, typer.Argument(help="Name or id of the collection.")]


def _address(collection: str) -> str:
    return at("collections", collection, "glossary")


@glossary_app.command("show")
def glossary_show(
    context: typer.Context,
    collection: CollectionArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the glossary, as the CSV file that import reads."""
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures
    from api.cli.terminal import put_out
    from rag.domain.glossary import GlossaryEntry, entries_to_csv

    with reporting_failures(), connect(context.obj) as client:
        found = put_out(checked(client.get(_address(collection)), verbatim=True))
    if as_json:
        print_json(found)
        return
    entries = [GlossaryEntry(item["term"], tuple(item["expansions"]), item["note"]) for item in found["terms"]]
    typer.echo(entries_to_csv(entries), nl=False)


@glossary_app.command("import")
def glossary_import(
    context: typer.Context,
    collection: CollectionArgument,
    file: Annotated[Path, typer.Argument(help="CSV (term, expansions a;b;c, note), or JSON as the API takes it.")],
) -> None:
    """Put the glossary in FILE in place of the one before."""
    from api.cli.connection import CommandFailed, checked, connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CommandFailed(f"{file}: {error.strerror}") from error
        if file.suffix.lower() == ".json":
            headers = {"Content-Type": "application/json"}
            found = checked(client.put(_address(collection), content=content, headers=headers))
        else:
            headers = {"Content-Type": "text/csv"}
            found = checked(client.put(f"{_address(collection)}/csv", content=content, headers=headers))
    typer.echo(str(len(found["terms"])))


@glossary_app.command("clear")
def glossary_clear(context: typer.Context, collection: CollectionArgument) -> None:
    """Remove the glossary."""
    from api.cli.connection import checked, connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        checked(client.delete(_address(collection)))
