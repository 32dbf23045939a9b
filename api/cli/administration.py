"""Commands that work on the store itself: keys, index, schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table
from sqlalchemy import select

from api.cli.auditing import Told, note_by_operator, noted
from api.cli.connection import reporting_failures
from api.cli.options import Options
from api.cli.services import retrieval_lane, upgrade_schema
from api.cli.terminal import shown
from api.cli.texts import text
from api.schemas.keys import KeyOut
from ingest import bootstrap as ingest_bootstrap
from ingest.jobs.audit import verify_queue
from ingest.pipeline import maintenance
from ingest.pipeline.steps import Pipeline
from rag import bootstrap as rag_bootstrap
from rag.access.audit import AuditTrail, open_trail
from rag.access.keys import Keys
from rag.domain.access import Label
from rag.domain.audit import INSTALLATION, AuditKind, Who
from rag.domain.errors import AccountNotFound, CollectionNotFound, InvalidRequest
from rag.domain.principal import CitationStyle, PrincipalKind, Scope
from rag.store import account, api_key, collection, schema
from rag.store.account import Account
from rag.store.api_key import ApiKey
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.tenant import tenant_id_of

_SHOWN_IDS = 20


@contextmanager
def recorded_store(options: Options) -> Iterator[tuple[Database, AuditTrail]]:
    """The store with its trail, for commands that change something: where the trail can't be opened, nothing is done."""
    with open_store(options) as database:
        yield database, open_trail(options.settings().rag, database)


@contextmanager
def open_store(options: Options) -> Iterator[Database]:
    """The store that the options name, brought to the present schema."""
    settings = options.settings()
    upgrade_schema(settings)
    database = rag_bootstrap.open_database(settings.rag)
    try:
        yield database
    finally:
        database.close()


def create_key(
    options: Options,
    name: str,
    scope: str,
    tenant: str,
    collections: list[str] | None,
    days: int | None,
    citations: str = CitationStyle.ANNOTATIONS,
    owner: str | None = None,
    clearance: str = Label.OPEN,
    description: str = "",
) -> None:
    """`seogo keys create`."""
    with reporting_failures(), recorded_store(options) as (database, trail):
        if scope not in set(Scope):
            raise InvalidRequest(
                detail=f"scope: one of {', '.join(Scope)}",
                detail_ko=f"scope: {', '.join(Scope)} 가운데 하나여야 합니다",
            )
        if citations not in set(CitationStyle):
            raise InvalidRequest(
                detail=f"citations: one of {', '.join(CitationStyle)}",
                detail_ko=f"citations: {', '.join(CitationStyle)} 가운데 하나여야 합니다",
            )
        if clearance not in set(Label):
            raise InvalidRequest(
                detail=f"clearance: one of {', '.join(Label)}",
                detail_ko=f"clearance: {', '.join(Label)} 가운데 하나여야 합니다",
            )
        expires = utc_now() + timedelta(days=days) if days else None
        limited = collection_ids(database, tenant, collections)
        secret, key = Keys(database).create(
            tenant,
            name,
            [Scope(scope)],
            limited,
            expires,
            CitationStyle(citations),
            Label(clearance),
            owner_id=_owner(database, tenant, owner),
            description=description,
        )
        made = {"key": str(key.id), "prefix": key.prefix, "scope": scope, "limited": limited is not None}
        note_by_operator(trail, AuditKind.CREDENTIAL_CREATED, key.tenant_id, "seogo keys create", made)
        typer.echo(f"{text('key_made')}:", err=True)
        typer.echo(secret)


def collection_ids(database: Database, tenant: str, names: list[str] | None) -> list[UUID] | None:
    """Ids of collections of a tenant that are named, by name or id; None stays None.

    Raises:
        CollectionNotFound: there is none of one of the names.
    """
    if names is None:
        return None
    with database.read() as session:
        found = collection.of_tenant(session, tenant_id_of(tenant))
    rows = {str(row.id): row.id for row in found} | {row.name: row.id for row in found}
    for name in names:
        if name not in rows:
            raise CollectionNotFound(name=name)
    return [rows[name] for name in names]


def _owner(database: Database, tenant: str, owner: str | None) -> UUID | None:
    """Id of the account of this name; None stays None.

    Raises:
        AccountNotFound: there is none.
    """
    if owner is None:
        return None
    with database.read() as session:
        row = account.by_user_name(session, tenant_id_of(tenant), owner)
    if row is None:
        raise AccountNotFound(name=owner)
    return row.id


def list_keys(options: Options, as_json: bool) -> None:
    """`seogo keys list`. In a terminal of 80 columns prefix and instants stay in one piece."""
    with reporting_failures(), open_store(options) as database:
        rows = Keys(database).list()
        with database.read() as session:
            owners = {row.id: row.user_name for row in session.scalars(select(Account))}
    if as_json:
        rows_json = [KeyOut.of(row).model_dump(mode="json") for row in rows]
        typer.echo(json.dumps({"keys": rows_json}, ensure_ascii=False, indent=2))
        return
    table = Table(Column(text("key_prefix"), no_wrap=True), Column(text("name"), overflow="fold"))
    table.add_column(text("key_scopes"), overflow="fold")
    table.add_column(text("state"), no_wrap=True)  # instants in one piece; addresses, which may be long, are folded
    for row in rows:
        owner = owners.get(row.owner_id, str(row.owner_id)) if row.owner_id else ""
        address = f"{text('key_from')} {row.last_address}" if row.last_address else ""
        name = "\n".join(part for part in (row.name, owner and f"({owner})", address) if part)
        rights = f"{', '.join(row.scopes)} ({row.clearance})"
        table.add_row(row.prefix, shown(name), rights, "\n".join(_state_of(row)))
    Console().print(table)


def _state_of(key: ApiKey) -> Iterator[str]:
    """When a key ends, was was used and was revoked, a line for each that is so."""
    for name, instant in (
        ("key_revoked", key.revoked_at),
        ("key_expires", key.expires_at),
        ("key_used", key.last_used_at),
    ):
        if instant is not None:
            yield f"{text(name)} {instant:%Y-%m-%d %H:%M}"


def rotate_key(options: Options, prefix: str, grace_minutes: int) -> None:
    """`seogo keys rotate`."""
    with reporting_failures(), recorded_store(options) as (database, trail):
        secret = Keys(database).rotate(prefix, timedelta(minutes=grace_minutes))
        if secret is not None:
            detail = {"prefix": prefix, "grace_minutes": grace_minutes}
            kind, what = AuditKind.CREDENTIAL_ROTATED, "seogo keys rotate"
            note_by_operator(trail, kind, _tenant_of(database, prefix), what, detail)
    if secret is None:
        typer.echo(text("no_such_key"))
        raise typer.Exit(1)
    typer.echo(f"{text('key_made')}:", err=True)
    typer.echo(secret)


def revoke_key(options: Options, prefix: str) -> None:
    """`seogo keys revoke`."""
    with reporting_failures(), recorded_store(options) as (database, trail):
        revoked = Keys(database).revoke(prefix)
        if revoked:
            kind, what = AuditKind.CREDENTIAL_REVOKED, "seogo keys revoke"
            note_by_operator(trail, kind, _tenant_of(database, prefix), what, {"prefix": prefix})
    typer.echo(text("revoked" if revoked else "no_such_key"))
    if not revoked:
        raise typer.Exit(1)


def _tenant_of(database: Database, prefix: str) -> UUID:
    with database.read() as session:
        key = api_key.by_prefix(session, prefix)
    return key.tenant_id if key is not None else INSTALLATION


@contextmanager
def _pipeline(options: Options, *, recreate_index: bool = False) -> Iterator[Pipeline]:
    settings = options.settings()
    upgrade_schema(settings)
    with retrieval_lane(settings, local_operator=False, recreate_index=recreate_index) as rag:
        pipeline = ingest_bootstrap.build_pipeline(settings.ingest, rag)
        try:
            yield pipeline
        finally:
            pipeline.sandbox.close()


@contextmanager
def _rebuilding(options: Options) -> Iterator[tuple[Pipeline, Told]]:
    """The pipeline with an empty index, which is on the trail before the old one goes; the index is that of all tenants."""
    operator = Who(None, "operator", PrincipalKind.OPERATOR)
    with (
        recorded_store(options) as (_, trail),
        noted(trail, AuditKind.INDEX_REBUILT, INSTALLATION, "seogo index rebuild", operator) as told,
        _pipeline(options, recreate_index=True) as pipeline,
    ):
        yield pipeline, told


def rebuild_index(options: Options) -> None:
    """`seogo index rebuild`."""
    with reporting_failures(), _rebuilding(options) as (pipeline, told):
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(text("rebuilding"), total=None)
            written = maintenance.rebuild_index(
                pipeline, lambda done, total: progress.update(task, completed=done, total=total)
            )
        told.detail["points"] = written
        typer.echo(f"{text('rebuilt')}: {written}")


def optimize_index(options: Options) -> None:
    """`seogo index optimize`."""
    with reporting_failures(), _pipeline(options) as pipeline:
        pipeline.index.optimize()
        typer.echo(text("optimized"))


def verify_index(options: Options, as_json: bool) -> None:
    """`seogo index verify`."""
    with reporting_failures(), _pipeline(options) as pipeline:
        found = maintenance.verify(pipeline)
        settings = options.settings()
        lease = timedelta(seconds=settings.ingest.lease_s)
        verify_queue(found, pipeline.database, ingest_bootstrap.queue_url(settings.ingest, settings.rag), lease)
    if as_json:
        shown_json = {**asdict(found), "healthy": found.healthy, "settled": found.settled}
        typer.echo(json.dumps(shown_json, default=str, indent=2))
    else:
        for name, value in asdict(found).items():
            shown = value if isinstance(value, int) else [str(item) for item in value[:_SHOWN_IDS]]
            typer.echo(f"{name}: {shown if isinstance(value, int) else f'{len(value)} {shown if shown else str()}'}")
        typer.echo(text("healthy" if found.healthy else "unhealthy"))
    if not found.healthy:
        raise typer.Exit(1)


def upgrade_database(options: Options) -> None:
    """`seogo db upgrade`."""
    with reporting_failures():
        typer.echo(f"{text('upgraded')}: {upgrade_schema(options.settings())}")


def show_revision(options: Options) -> None:
    """`seogo db current`."""
    with reporting_failures():
        database = rag_bootstrap.open_database(options.settings().rag)
        try:
            typer.echo(f"{text('upgraded')}: {schema.current(database)} (needed: {schema.head(database)})")
        finally:
            database.close()
