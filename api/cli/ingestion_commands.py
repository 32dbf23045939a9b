"""`seogo ingestion`, as the command line declares it; `queueing.py` does it."""

from __future__ import annotations

from typing import Annotated

import typer

ingestion_app = typer.Typer(help="Ingestion: status, pause, resume, retry, cancel.", no_args_is_help=True)

AllOrOne = Annotated[str | None, typer.Argument(help="Collection; all when left out.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@ingestion_app.command("status")
def ingestion_status(context: typer.Context, collection: AllOrOne = None, as_json: JsonOption = False) -> None:
    """Show what goes on: counts by state, pace, time left."""
    from api.cli.queueing import show_status

    show_status(context.obj, collection, as_json)


@ingestion_app.command("pause")
def ingestion_pause(context: typer.Context, collection: AllOrOne = None) -> None:
    """Begin no new ingestion; uploads are taken and wait."""
    from api.cli.queueing import switch

    switch(context.obj, collection, "pause")


@ingestion_app.command("resume")
def ingestion_resume(context: typer.Context, collection: AllOrOne = None) -> None:
    """End a pause."""
    from api.cli.queueing import switch

    switch(context.obj, collection, "resume")


@ingestion_app.command("retry")
def ingestion_retry(
    context: typer.Context,
    collection: str,
    states: Annotated[
        list[str] | None,
        typer.Option("--state", help="quarantined (default), failed, cancelled, in_part; may be repeated."),
    ] = None,
) -> None:
    """Try everything again that was set aside; with `in_part`, read anew what was read only in part."""
    from api.cli.queueing import retry_collection

    retry_collection(context.obj, collection, states)


@ingestion_app.command("cancel")
def ingestion_cancel(context: typer.Context, collection: str) -> None:
    """Cancel everything that waits."""
    from api.cli.queueing import cancel_collection

    cancel_collection(context.obj, collection)
