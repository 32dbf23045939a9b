"""`seogo ldap`: take over the people and groups of a directory."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli.texts import text

ldap_app = typer.Typer(help="Directories (LDAP, Active Directory): sync.", no_args_is_help=True)


@ldap_app.callback()
def ldap_common(context: typer.Context) -> None:
    """Directories of the settings. They are read by who has the store, not by a server that is asked to."""
    if context.obj is not None and context.obj.server:
        typer.secho(text("store_itself").format(command="ldap"), fg="red", err=True)
        raise typer.Exit(2)


@ldap_app.command("sync")
def ldap_sync(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Name of the directory in the settings; all when left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring accounts and groups in step with the directory."""
    from api.cli.auditing import note_by_operator
    from api.cli.commands import print_json
    from api.cli.connection import CommandFailed, reporting_failures
    from api.cli.services import guarded_egress, upgrade_schema
    from rag.access.audit import open_trail
    from rag.access.federation_directory import Directories
    from rag.bootstrap import open_database
    from rag.domain.audit import AuditKind
    from rag.store.tenant import tenant_id_of

    with reporting_failures():
        settings = context.obj.settings()
        wanted = [item for item in settings.rag.identity.ldap if name in (None, item.name)]
        if not wanted:
            raise CommandFailed(text("ldap_unknown"))
        upgrade_schema(settings)
        database = open_database(settings.rag)
        try:
            trail = open_trail(settings.rag, database)
            directories = Directories(database, settings.rag.identity, trail)
            found: dict[str, dict[str, Any]] = {}
            with guarded_egress(settings):
                for item in wanted:
                    found[item.name] = directories.sync(item, dry_run=dry_run).to_json()
                    if not dry_run:
                        told = {"directory": item.name, **found[item.name]}
                        kind, tenant_id = AuditKind.DIRECTORY_SYNCED, tenant_id_of(item.tenant)
                        note_by_operator(trail, kind, tenant_id, "seogo ldap sync", told)
        finally:
            database.close()
    if as_json:
        print_json(found)
        return
    for directory, counts in found.items():
        typer.echo(f"{directory}: " + ", ".join(f"{text(f'ldap_{key}')} {value}" for key, value in counts.items()))
