"""`seogo keys-at-rest`: the keys that blobs are encrypted with. On the store itself, wherever a server runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.texts import text

if TYPE_CHECKING:
    from rag.blobs.keyring import Keyring
    from rag.blobs.store import BlobStore

keys_at_rest_app = typer.Typer(
    help="Keys that blobs are encrypted with: new, status, rotate, encrypt.", no_args_is_help=True
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
    from api.cli.connection import reporting_failures
    from rag.blobs.rotation import inventory

    with reporting_failures():
        blobs, keyring = _opened(context)
        found = inventory(blobs)
    active = keyring.active.id if keyring is not None else "-"
    typer.echo(f"{text('at_rest_active'):<12}{active}")
    typer.echo(f"{text('at_rest_encrypted'):<12}{found.encrypted}")
    typer.echo(f"{text('at_rest_plain'):<12}{found.plain}")
    for key, count in sorted(found.keys.items()):
        typer.echo(f"{text('at_rest_key')} {key}  {count}")
    typer.echo(f"{text('at_rest_orphans')}  {found.orphans}")
    for place in found.keyless:
        typer.echo(f"{text('at_rest_keyless')}  {place}")
    if found.keyless:
        raise typer.Exit(1)


@keys_at_rest_app.command("rotate")
def rotate(context: typer.Context) -> None:
    """Wrap every data key under the first key of the settings. Blobs are not written anew, and stay readable meanwhile."""
    from api.cli.connection import reporting_failures
    from rag.blobs import rotation

    with reporting_failures():
        blobs, keyring = _required(context)
        changed = rotation.rotate(blobs, keyring)
    typer.echo(f"{changed} -> {keyring.active.id}  {text('at_rest_rotated')}")


@keys_at_rest_app.command("encrypt")
def encrypt(context: typer.Context) -> None:
    """Encrypt the blobs from before there was a key. May be broken off and repeated."""
    from api.cli.connection import reporting_failures
    from rag.blobs import rotation

    with reporting_failures():
        blobs, keyring = _required(context)
        changed = rotation.encrypt(blobs)
    typer.echo(f"{changed} -> {keyring.active.id}  {text('at_rest_done')}")


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
