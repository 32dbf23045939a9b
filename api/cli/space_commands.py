"""`seogo index migrate | rollback | spaces | drop`, as the command line declares them; `spaces.py` does them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Make them commands of `app`."""
    for name, command in (("migrate", migrate), ("rollback", rollback), ("spaces", spaces), ("drop", drop)):
        app.command(name)(command)


def migrate(
    context: typer.Context,
    to: Annotated[str | None, typer.Option(help="Model: minilm, folder, flag, openai_http, none.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder of the model.")] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML file with an `embedding` section, instead of --to.")
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            help="Evaluation questions: BEIR-style folder, or CSV, XLSX or JSON lines with question and document."
        ),
    ] = None,
    max_drop: Annotated[float, typer.Option(min=0, max=1, help="How much lower nDCG@10 may be.")] = 0.01,
    force: Annotated[bool, typer.Option("--force", help="Switch in any case; the record says so.")] = False,
    switch: Annotated[bool, typer.Option("--switch/--no-switch", help="Whether to switch, or only build.")] = True,
    languages: Annotated[
        str | None,
        typer.Option(help="Languages that reach the model, such as ko,en,code,other; without it, those that it knows."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=32, max=8192, help="Longest passage, in the model's tokens.")
    ] = None,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Decide without questions whose documents are not here, and say so.")
    ] = False,
) -> None:
    """Change the embedding model while the service answers: build, compare, switch. Can be interrupted and repeated."""
    from api.cli.spaces import MigrateOptions
    from api.cli.spaces import migrate as run_migrate

    wanted = MigrateOptions(
        to, folder, settings, questions, max_drop, force, switch, languages, max_tokens, skip_missing
    )
    run_migrate(context.obj, wanted)


def rollback(context: typer.Context) -> None:
    """Go back to the embedding space before the last switch."""
    from api.cli.spaces import rollback as run_rollback

    run_rollback(context.obj)


def spaces(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show the embedding spaces."""
    from api.cli.spaces import list_spaces

    list_spaces(context.obj, as_json)


def drop(context: typer.Context, space: Annotated[str, typer.Argument(help="Id of the space.")]) -> None:
    """Remove an embedding space that does not answer; no going back to it."""
    from api.cli.spaces import drop as run_drop

    run_drop(context.obj, space)
