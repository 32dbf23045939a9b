"""`seogo keys-at-rest`: the keys that blobs and stored secrets are encrypted with. On the store itself, server or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.texts import text

if TYPE_CHECKING:
    from rag.access.audit import AuditTrail
    from rag.blobs.keyring import Keyring
    from rag.blobs.store import BlobStore

keys_at_rest_app = typer.Typer(
    help="Keys that blobs and secrets are encrypted with: new, status, rotate, encrypt.", no_args_is_help=True
)


@keys_at_rest_app.command("new")
def new(file: Annotated[Path, typer.Argument(help="File to write; it must not be there.")]) -> None:
    """Make a key. Name its file first under `rag.encryption.key_files`, and keep a copy where the store is not."""
    from api.cli.connection import reporting_failures
    from rag.blobs.keyring import create_key_file
    from rag.domain.errors import ConfigurationError

    with reporting_failures():
        try:
            identity = create_key_file(file)
        except OSError as error:
            raise ConfigurationError(detail=f"{file}: {error.strerror}") from error
    typer.echo(f"{identity}  {file}")


@keys_at_rest_app.command("status")
def status(context: typer.Context) -> None:
    """What is encrypted, and with which keys."""
    from api.cli.auditing import opened
    from api.cli.connection import reporting_failures
    from rag.access import stored_secrets
    from rag.blobs.rotation import inventory

    with reporting_failures(), opened(context) as (database, _trail, _settings):
        blobs, keyring = _opened(context)
        found, secrets = inventory(blobs), stored_secrets.inventory(database)
    active = keyring.active.id if keyring is not None else "-"
    typer.echo(f"{text('at_rest_active'):<12}{active}")
    typer.echo(f"{text('at_rest_encrypted'):<12}{found.encrypted}")
    typer.echo(f"{text('at_rest_plain'):<12}{found.plain}")
    for key, count in sorted(found.keys.items()):
        typer.echo(f"{text('at_rest_key')} {key}  {count}")
    typer.echo(f"{text('at_rest_orphans')}  {found.orphans}")
    for key, count in sorted(secrets.keys.items()):
        typer.echo(f"{text('at_rest_secrets')}, {text('at_rest_key')} {key}  {count}")
    if secrets.keys or secrets.plain:
        typer.echo(f"{text('at_rest_secrets')}, {text('at_rest_plain')}  {secrets.plain}")
    for place in found.keyless:
        typer.echo(f"{text('at_rest_keyless')}  {place}")
    if found.keyless:
        raise typer.Exit(1)


@keys_at_rest_app.command("rotate")
def rotate(context: typer.Context) -> None:
    """Wrap every data key under the first key of the settings. Blobs are not written anew, and stay readable meanwhile.

    Data keys of stored secrets, too. Restart what serves and works with the new settings first: until then it wraps under the
    old key. A key that the status names no more can go from the settings."""
    from api.cli.auditing import opened
    from api.cli.connection import reporting_failures
    from rag.access import stored_secrets
    from rag.blobs import rotation

    with reporting_failures(), opened(context) as (database, trail, _settings):
        blobs, keyring = _required(context)
        changed = rotation.rotate(blobs, keyring)
        secrets = stored_secrets.rotate(database, keyring)
        _tell(trail, "rotate", keyring, changed, secrets)
    typer.echo(f"{changed} -> {keyring.active.id}  {text('at_rest_rotated')}")
    typer.echo(f"{secrets} -> {keyring.active.id}  {text('at_rest_secrets')}")


@keys_at_rest_app.command("encrypt")
def encrypt(context: typer.Context) -> None:
    """Encrypt the blobs and stored secrets from before there was a key. May be broken off and repeated."""
    from api.cli.auditing import opened
    from api.cli.connection import reporting_failures
    from rag.access import stored_secrets
    from rag.blobs import rotation

    with reporting_failures(), opened(context) as (database, trail, _settings):
        blobs, keyring = _required(context)
        secrets = stored_secrets.encrypt(database, keyring)
        changed = rotation.encrypt(blobs)
        _tell(trail, "encrypt", keyring, changed, secrets)
        typer.echo(f"{changed} -> {keyring.active.id}  {text('at_rest_done')}")
        typer.echo(f"{secrets} -> {keyring.active.id}  {text('at_rest_secrets')}")
        database.empty_log()  # also where nothing was left to seal: it may have been kept the last time


def _tell(trail: AuditTrail, command: str, keyring: Keyring, changed: int, secrets: int) -> None:
    """Put on the trail of the installation, since blobs are no tenant's own, which key is in use now."""
    from api.cli.auditing import note_by_operator
    from rag.domain.audit import INSTALLATION, AuditKind

    told = {"key": keyring.active.id, "blobs": changed, "secrets": secrets}
    note_by_operator(trail, AuditKind.SETTING_CHANGED, INSTALLATION, f"seogo keys-at-rest {command}", told)


def _required(context: typer.Context) -> tuple[BlobStore, Keyring]:
    from rag.domain.errors import ConfigurationError

    blobs, keyring = _opened(context)
    if keyring is None:
        raise ConfigurationError(detail=text("at_rest_no_key"))
    return blobs, keyring


def _opened(context: typer.Context) -> tuple[BlobStore, Keyring | None]:
    from rag.blobs.keyring import read_keyring
    from rag.blobs.store import BlobStore

    settings = context.obj.settings().rag
    keyring = read_keyring(settings.encryption.key_files, plain_readable=settings.encryption.plain_readable)
    return BlobStore(settings.blob_url(), keyring), keyring
