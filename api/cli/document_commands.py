"""`seogo documents`, as the command line declares it; `commands.py`, `queueing.py` and `privacy.py` do it."""

from __future__ import annotations

from typing import Annotated

import typer

documents_app = typer.Typer(
    help="Documents: list, show, versions, set, retry, cancel, release, delete, receipt.", no_args_is_help=True
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@documents_app.command("release")
def documents_release(
    context: typer.Context,
    document_id: str,
    reason: Annotated[str, typer.Option(help="Why it may be searched; stays on record.")],
) -> None:
    """Let a document be searched that is held back for personal data."""
    from api.cli.privacy import release_document

    release_document(context.obj, document_id, reason)


@documents_app.command("list")
def documents_list(
    context: typer.Context,
    collection: str,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the ingestion until it is done, then list.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the documents of a collection."""
    from api.cli.commands import list_documents
    from api.cli.queueing import watch as follow

    if watch:
        follow(context.obj, collection)
    list_documents(context.obj, collection, as_json)


@documents_app.command("show")
def documents_show(context: typer.Context, document_id: str) -> None:
    """Show one document as JSON."""
    from api.cli.commands import show_document

    show_document(context.obj, document_id)


@documents_app.command("versions")
def documents_versions(context: typer.Context, document_id: str) -> None:
    """Show the versions of a document and when each answered questions, as JSON."""
    from api.cli.commands import show_versions

    show_versions(context.obj, document_id)


@documents_app.command("set")
def documents_set(
    context: typer.Context,
    document_id: str,
    attributes: Annotated[list[str], typer.Argument(help="name=value; an empty value removes the attribute.")],
) -> None:
    """Change custom attributes of a document."""
    from api.cli.commands import set_attributes

    set_attributes(context.obj, document_id, attributes)


@documents_app.command("receipt")
def documents_receipt(context: typer.Context, receipt_id: str) -> None:
    """Show the receipt of a deletion as JSON."""
    from api.cli.commands import show_receipt

    show_receipt(context.obj, receipt_id)


@documents_app.command("retry")
def documents_retry(context: typer.Context, document_id: str) -> None:
    """Try a document again that failed, was set aside or was cancelled, or was read only in part."""
    from api.cli.queueing import act_on_document

    act_on_document(context.obj, document_id, "retry")


@documents_app.command("cancel")
def documents_cancel(context: typer.Context, document_id: str) -> None:
    """Stop the ingestion of a document."""
    from api.cli.queueing import act_on_document

    act_on_document(context.obj, document_id, "cancel")


@documents_app.command("delete")
def documents_delete(context: typer.Context, document_id: str) -> None:
    """Delete a document and print the receipt."""
    from api.cli.commands import delete_document

    delete_document(context.obj, document_id)
