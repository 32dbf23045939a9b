"""`seogo keys`, as the command line declares it; `administration.py` does it."""

from __future__ import annotations

from typing import Annotated

import typer

keys_app = typer.Typer(help="API keys: create, list, rotate, revoke.", no_args_is_help=True)

CollectionsOption = Annotated[
    list[str] | None, typer.Option("--collection", "-c", help="Name or id; may be repeated. All when left out.")
]


@keys_app.command("create")
def keys_create(
    context: typer.Context,
    name: str,
    scope: Annotated[str, typer.Option(help="read, write, admin, or operator (embedding spaces)")] = "read",
    tenant: Annotated[str, typer.Option(help="Tenant, made when it does not exist.")] = "default",
    collections: CollectionsOption = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_525, help="Days until it expires.")] = None,
    citations: Annotated[
        str, typer.Option(help="What its chat client shows: annotations, open-webui, or inline+footer.")
    ] = "annotations",
    owner: Annotated[
        str | None, typer.Option(help="Account whose roles count; without, the key is the tenant's.")
    ] = None,
    clearance: Annotated[str, typer.Option(help="O, S or C: reads documents up to this label.")] = "O",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make an API key and print it once."""
    from api.cli.administration import create_key

    create_key(context.obj, name, scope, tenant, collections, days, citations, owner, clearance, description)


@keys_app.command("list")
def keys_list(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show the keys; never their secrets."""
    from api.cli.administration import list_keys

    list_keys(context.obj, as_json)


@keys_app.command("rotate")
def keys_rotate(
    context: typer.Context,
    prefix: str,
    grace: Annotated[int, typer.Option(min=0, help="Minutes for which the old secret opens too.")] = 0,
) -> None:
    """Give the key with this prefix a new secret and print it once."""
    from api.cli.administration import rotate_key

    rotate_key(context.obj, prefix, grace)


@keys_app.command("revoke")
def keys_revoke(context: typer.Context, prefix: str) -> None:
    """Put the key with this prefix out of force."""
    from api.cli.administration import revoke_key

    revoke_key(context.obj, prefix)
