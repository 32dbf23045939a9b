"""`seogo compliance`: the evidence of an installation, for an auditor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.texts import text

if TYPE_CHECKING:
    from rag.access.audit import AuditTrail
    from rag.settings import RagSettings
    from rag.store.session import Database

compliance_app = typer.Typer(help="Evidence for auditors: pack.", no_args_is_help=True)


@compliance_app.callback()
def compliance() -> None:
    """Evidence for auditors."""


@compliance_app.command("pack")
def pack(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="ZIP file to write; it must not be there.")],
    junit: Annotated[Path | None, typer.Option("--junit", help="Results of a test run (pytest --junit-xml).")] = None,
    sbom: Annotated[Path | None, typer.Option("--sbom", help="A bill of materials to put in.")] = None,
) -> None:
    """Versions, settings without secrets, components, API, mapping, audit state, test results; with a manifest of hashes.

    The exit code is 1 when the audit trail does not hold: the file is written all the same, and says so.
    """
    from api.cli.auditing import note_by_operator, opened
    from api.cli.connection import reporting_failures
    from api.compliance.pack import MANIFEST, write
    from rag.domain.audit import INSTALLATION, AuditKind

    with opened(context) as (database, trail, settings), reporting_failures():
        note_by_operator(trail, AuditKind.EVIDENCE_EXPORTED, INSTALLATION, "seogo compliance pack", {"to": str(out)})
        store = _store(database, trail, settings)
        hashes = write(out, context.obj.settings(), store=store, junit=junit, sbom=sbom)
    for name, digest in sorted(hashes.items()):
        typer.echo(f"{digest}  {name}")
    typer.echo(f"{text('pack_written')}: {out} ({len(hashes)} + {MANIFEST})")
    if not all(chain["whole"] for chain in store["audit"]["chains"]):
        typer.secho(text("pack_not_whole"), fg="red", err=True)
        raise typer.Exit(1)


def _store(database: Database, trail: AuditTrail, settings: RagSettings) -> dict[str, Any]:
    """The schema and the audit trail, as they are now."""
    from dataclasses import asdict

    from api.cli.auditing import verified
    from rag.store import schema

    found, names, outside = verified(database, trail, settings)
    chains = [
        asdict(item) | {"tenant": names.get(item.tenant_id), "whole": item.whole, "proven": item.proven}
        for item in found
    ]
    return {"schema": schema.current(database), "audit": {"chains": chains, "compared_with_anchors": outside}}
