"""`seogo audit`: verify, reseal, export, report, replay.

Verify, export and report work on the store itself, so that they need no service; the exit code of verify is 1 where a chain is
not whole, 2 where it could not be looked at, 3 where nothing outside the database speaks for it, or ends that did are lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from rag.access.audit import AuditTrail
    from rag.access.audit_verification import Verification
    from rag.domain.audit import AuditKind, Who
    from rag.settings import RagSettings
    from rag.store.audit_event import Wanted
    from rag.store.session import Database

audit_app = typer.Typer(help="The audit trail: verify, reseal, export, report, replay.", no_args_is_help=True)

TenantOption = Annotated[str | None, typer.Option("--tenant", help="Name of the tenant; `default` when left out.")]
WhoOption = Annotated[str, typer.Option("--who", help="Id of a principal or credential, or part of a name.")]
DocumentOption = Annotated[str | None, typer.Option("--document", help="Entries that name this document (id).")]
SinceOption = Annotated[str | None, typer.Option("--since", help="From this date or instant on (ISO 8601).")]
UntilOption = Annotated[str | None, typer.Option("--until", help="To the end of this date, or before this instant.")]
KindOption = Annotated[
    list[str] | None, typer.Option("--kind", help="Kind, or group such as document; may be repeated.")
]
_CANNOT_LOOK = 2
_UNPROVEN = 3


@audit_app.command("verify")
def audit_verify(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Name of one tenant; all when left out.")] = None,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", help="File of anchors; that of the settings when left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Follow every chain to its end; name the first entry that does not hold. Exit code 1 when one does not, 3 when one holds in
    itself and neither a seal nor an anchor speaks for it, or the anchors end before the last that was told."""
    import json
    from dataclasses import asdict

    with opened(context) as (database, trail, settings), _unreadable_is_2():
        wanted = None if tenant is None else _tenant_id(database, tenant)
        found, names, outside = verified(database, trail, settings, wanted, anchors)
        if not as_json:
            for item in found:
                typer.echo(_sentence(item, names.get(item.tenant_id, "-"), outside=outside))
        else:
            shown = [
                asdict(item) | {"tenant": names.get(item.tenant_id), "whole": item.whole, "proven": item.proven}
                for item in found
            ]
            typer.echo(json.dumps({"chains": shown}, default=str, ensure_ascii=False, indent=2))
    if not all(item.whole for item in found):
        raise typer.Exit(1)
    if not all(item.proven for item in found):
        raise typer.Exit(_UNPROVEN)


@audit_app.command("reseal")
def audit_reseal(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is put on the trail.")],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Name of one tenant; all when left out.")] = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Also chains that bear no seal that holds, or a cut that nobody vouches for."),
    ] = False,
) -> None:
    """Seal chains of audit.older_seal_key_files with the key of audit.seal_key_file. Each is looked at first,
    and takes entries meanwhile. Exit code 1 when one is not sealed."""
    from api.cli.connection import CommandFailed
    from api.cli.texts import text
    from rag.access.audit import at_the_machine
    from rag.access.audit_anchors import anchors_in
    from rag.access.audit_sealing import reseal
    from rag.domain.audit import Who
    from rag.domain.principal import PrincipalKind
    from rag.store import audit_event

    bad = False
    with opened(context) as (database, trail, settings):
        if not reason.strip():
            raise CommandFailed(text("audit_reason"))
        told = anchors_in(settings.audit.anchor_file)
        with database.read() as session:
            names, chains = _names(session), [head.tenant_id for head in audit_event.chains(session)]
        who, why = Who(None, "operator", PrincipalKind.OPERATOR), reason.strip()[:1000]
        for chain in chains if tenant is None else [_tenant_id(database, tenant)]:
            found = reseal(trail, chain, who, at_the_machine(), why, anchors=told, accept=accept)
            name = names.get(chain, "-")
            if not found.whole:
                typer.echo(_sentence(found, name, outside=bool(told)))
            if found.whole or (accept and found.problem in ("seal", "cut_unsealed")):
                typer.echo(f"{name}: {text('audit_resealed')}")
            else:
                bad = True
    if bad:
        raise typer.Exit(1)


def verified(
    database: Database,
    trail: AuditTrail,
    settings: RagSettings,
    tenant_id: UUID | None = None,
    anchors: Path | None = None,
) -> tuple[list[Verification], dict[UUID, str], bool]:
    """What was found of each chain, or of one; the tenants' names; and whether anything told to the outside was compared.

    That it was looked at is put on the trail.
    """
    from rag.access.audit_anchors import anchors_in
    from rag.access.audit_verification import told_meanwhile, verify
    from rag.domain.audit import INSTALLATION, AuditKind
    from rag.store import audit_event

    path = anchors or settings.audit.anchor_file
    all_told = anchors is None and path is not None  # somebody's own copy may be older than what was told last
    told, key, older_keys = anchors_in(path), trail.seal_key, trail.older_keys
    found: list[Verification] = []
    with database.read() as session:
        names = _names(session)
        # A tenant whose chain is not there is looked at too: it never had one, or it was emptied.
        chains = {*names, *audit_event.tenants(session), *(item.tenant_id for item in told)}
    for chain in sorted(chains) if tenant_id is None else [tenant_id]:
        with database.snapshot() as session:
            one = verify(session, chain, key=key, older_keys=older_keys, anchors=told, all_told=all_told)
        found.append(told_meanwhile(one, path))
    for item in found:
        detail = {
            "whole": item.whole,
            "proven": item.proven,
            "problem": item.problem or "",
            "at": item.at,
            "entries": item.entries,
            "lost": item.lost,
        }
        note_by_operator(trail, AuditKind.AUDIT_VERIFIED, item.tenant_id or INSTALLATION, "seogo audit verify", detail)
    return found, names, bool(told)


@audit_app.command("export")
def audit_export(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is put on the trail with the export.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; standard output else.")] = None,
    form: Annotated[str, typer.Option("--format", help="jsonl, ocsf or cef.")] = "jsonl",
    tenant: TenantOption = None,
    who: WhoOption = "",
    kind: KindOption = None,
    document: DocumentOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
) -> None:
    """Write entries, one a line: JSON as it is hashed, or OCSF or CEF for a SIEM."""
    from api.app import distribution_version
    from api.cli.connection import CommandFailed
    from api.cli.texts import text
    from rag.access.audit_formats import FORMATS
    from rag.domain.audit import AuditKind
    from rag.store import audit_event

    with opened(context) as (database, trail, _settings):
        if form not in FORMATS:
            raise CommandFailed(f"--format: {', '.join(FORMATS)}")
        if not reason.strip():
            raise CommandFailed(text("audit_reason"))
        tenant_id = _tenant_id(database, tenant)
        wanted = _wanted(who, kind, document, since, until)
        asked = {"reason": reason.strip()[:1000], "format": form, "to": str(output or "-"), **_as_detail(wanted)}
        # Before the first line: what can't be put on record is not written.
        note_by_operator(trail, AuditKind.AUDIT_EXPORTED, tenant_id, "seogo audit export", asked)
        count, version = 0, distribution_version()
        with database.snapshot() as session, _lines_to(output) as write:
            for row in audit_event.oldest(session, tenant_id, wanted):
                write(FORMATS[form](row, version))
                count += 1
        typer.echo(f"{text('audit_exported')}: {count}", err=True)


@audit_app.command("report")
def audit_report(
    context: typer.Context,
    tenant: TenantOption = None,
    who: WhoOption = "",
    kind: KindOption = None,
    document: DocumentOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the report as CSV (UTF-8 with BOM).")] = None,
) -> None:
    """Who saw which documents, how often, when first and last, and from where."""
    from api.cli.texts import text
    from rag.access.audit_report import sights
    from rag.domain.audit import AuditKind
    from rag.text.invisible import written_out

    with opened(context) as (database, trail, _settings):
        tenant_id = _tenant_id(database, tenant)
        wanted = _wanted(who, kind, document, since, until)
        note_by_operator(trail, AuditKind.AUDIT_REPORTED, tenant_id, "seogo audit report", _as_detail(wanted))
        with database.snapshot() as session:
            found = sights(session, tenant_id, wanted)
    rows = [
        [
            item.name or item.person,
            item.person,
            item.source_key or str(item.document_id),
            str(item.document_id),
            item.kind,
            str(item.times),
            item.first.astimezone().isoformat(timespec="seconds"),
            item.last.astimezone().isoformat(timespec="seconds"),
            " ".join(sorted(item.origins)),
        ]
        for item in found
    ]
    rows = [[written_out(cell) for cell in row] for row in rows]
    head = [text(f"audit_column_{name}") for name in _COLUMNS]
    if csv_file is not None:
        _write_csv(csv_file, head, rows)
        typer.echo(f"{text('audit_reported')}: {len(rows)} ({csv_file})", err=True)
        return
    from rich.console import Console
    from rich.table import Column, Table

    from api.cli.terminal import shown

    columns = (Column(item, overflow="fold") for number, item in enumerate(head) if number not in _IDS)
    table = Table(*columns)
    for row in rows:
        table.add_row(*(shown(item) for number, item in enumerate(row) if number not in _IDS))
    Console().print(table)


@audit_app.command("replay")
def audit_replay(
    context: typer.Context,
    answer: Annotated[str, typer.Argument(help="Id of the answer, of the completion or of the response.")],
    as_of_then: Annotated[
        bool, typer.Option("--as-of-then", help="Read the versions of the moment of the question.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask again what an answer was searched for. Exit code 1 when passages or scores differ; what differs is named."""
    from api.cli.addresses import at
    from api.cli.commands import print_json
    from api.cli.connection import checked, connect, reporting_failures
    from api.cli.terminal import one_line
    from api.cli.texts import text

    with reporting_failures(), connect(context.obj) as client:
        path = at("answers", answer, "replay")
        found = checked(client.get(path, params={"as_of_then": "true"} if as_of_then else {}))
    if as_json:
        print_json(found)
    else:
        kept = found["answer"]
        asker, question = one_line(kept["asked_by_name"]), one_line(kept["question"])
        typer.echo(f"{kept['asked_at'] or kept['created_at']}  {asker}  {question}")
        for item in found["then"]:
            typer.echo(f"  {item['rank']:>3}  {item['score']!r:<22}  {item['chunk_id']}")
        typer.echo(text("audit_replay_same" if found["identical"] else "audit_replay_differs"))
        for item in found["differences"]:
            typer.echo(f"  {text('audit_cause_' + item['cause'])}: {_brief(item['detail'])}")
    if not found["identical"]:
        raise typer.Exit(1)


def _brief(detail: dict[str, Any]) -> str:
    import json

    return json.dumps(detail, ensure_ascii=False)


_COLUMNS = ("name", "person", "document", "document_id", "kind", "times", "first", "last", "origins")
_IDS = (1, 3)
"""Columns that a table has no room for."""


@contextmanager
def opened(context: typer.Context) -> Iterator[tuple[Database, AuditTrail, RagSettings]]:
    """The store that the options name, with its trail, for the length of a block."""
    from api.cli.connection import reporting_failures
    from api.cli.services import upgrade_schema
    from rag import bootstrap
    from rag.access.audit import open_trail

    with reporting_failures():
        settings = context.obj.settings()
        upgrade_schema(settings)
        database = bootstrap.open_database(settings.rag)
        try:
            yield database, open_trail(settings.rag, database), settings.rag
        finally:
            database.close()


@contextmanager
def _unreadable_is_2() -> Iterator[None]:
    """A trail that can't be looked at is another finding than one that does not hold."""
    from api.cli.texts import ui_language
    from rag.domain.errors import SeogoError
    from rag.domain.messages import localized

    try:
        yield
    except SeogoError as error:
        typer.secho(f"{localized(error, ui_language())} ({error.code})", fg="red", err=True)
        raise typer.Exit(_CANNOT_LOOK) from None


def _names(session: Session) -> dict[UUID, str]:
    from sqlalchemy import select

    from rag.store.tenant import Tenant

    return {row.id: row.name for row in session.scalars(select(Tenant))}


def _tenant_id(database: Database, name: str | None) -> UUID:
    from api.cli.connection import CommandFailed
    from api.cli.texts import text
    from rag.store.tenant import DEFAULT_TENANT

    wanted = name or DEFAULT_TENANT
    with database.read() as session:
        found = {known: identity for identity, known in _names(session).items()}
    if wanted not in found:
        raise CommandFailed(f"{text('audit_no_tenant')}: {wanted}")
    return found[wanted]


@dataclass(slots=True)
class Told:
    """What a command says of itself for its entry: numbers and names, and the documents of which it shows something."""

    detail: dict[str, object] = field(default_factory=dict)
    documents: set[UUID] = field(default_factory=set)


@contextmanager
def noted(
    trail: AuditTrail, kind: AuditKind, tenant_id: UUID, what: str, who: Who, collections: Sequence[UUID] = ()
) -> Iterator[Told]:
    """Put on the trail what the block does: before it begins, and how it ended, with what the block says of that.

    Raises:
        AuditUnavailable: it can't be; nothing is done then, or what was done can't be told.
    """
    from rag.access.audit import whose
    from rag.domain.audit import Outcome

    told = Told()

    def note(outcome: Outcome) -> None:
        data = whose(collections, sorted(told.documents))
        trail.by_operator(kind, tenant_id, what, who, told.detail, whose=data, outcome=outcome)

    note(Outcome.BEGUN)
    try:
        yield told
    except BaseException:
        note(Outcome.FAILED)
        raise
    note(Outcome.DONE)


def note_by_operator(trail: AuditTrail, kind: AuditKind, tenant_id: UUID, what: str, detail: dict[str, Any]) -> None:
    """Put what the operator did on the trail, which was opened before it was done."""
    from rag.domain.audit import Who
    from rag.domain.principal import PrincipalKind

    trail.by_operator(kind, tenant_id, what, Who(None, "operator", PrincipalKind.OPERATOR), detail)


def _wanted(who: str, kind: list[str] | None, document: str | None, since: str | None, until: str | None) -> Wanted:
    from uuid import UUID

    from api.cli.commands import instant_of
    from api.cli.connection import CommandFailed
    from rag.store.audit_event import Wanted

    try:
        document_id = None if document is None else UUID(document)
    except ValueError:
        raise CommandFailed(f"--document: {document}") from None
    first = None if since is None else datetime.fromisoformat(_start_of(since))
    return Wanted(
        who, tuple(kind or ()), document_id, first, None if until is None else datetime.fromisoformat(instant_of(until))
    )


def _start_of(given: str) -> str:
    """A date as its beginning in local time; an instant as it is."""
    from api.cli.commands import instant_of

    whole = f"{given}T00:00:00" if len(given) == len("2026-01-31") else given
    return instant_of(whole)


def _as_detail(wanted: Wanted) -> dict[str, Any]:
    given = {
        "who": wanted.who,
        "kinds": list(wanted.kinds),
        "document": str(wanted.document_id or ""),
        "since": wanted.since.isoformat() if wanted.since else "",
        "until": wanted.until.isoformat() if wanted.until else "",
    }
    return {key: value for key, value in given.items() if value}


@contextmanager
def _lines_to(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield typer.echo
        return
    with _private(path, encoding="utf-8") as file:
        yield lambda line: file.write(f"{line}\n")


def _private(path: Path, *, encoding: str, newline: str | None = None) -> TextIO:
    """A file that nobody else can read, whatever the umask says and whatever was there: it names who did what."""
    import os
    import stat

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, 0)
    return os.fdopen(descriptor, "w", encoding=encoding, newline=newline)


def _write_csv(path: Path, head: list[str], rows: list[list[str]]) -> None:
    import csv

    with _private(path, encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([_harmless(item) for item in row] for row in rows)


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (CWE-1236)."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and len(cell) > 1 else cell


def _sentence(found: Verification, name: str, *, outside: bool) -> str:
    from api.cli.texts import text

    if found.problem is None:
        held = text("audit_sealed") if found.sealed else text("audit_unsealed")
        told = f"{text('audit_anchored')} {found.anchored}" if outside else text("audit_unanchored")
        cut = f", {text('audit_cut_through')} {found.cut_through}" if found.cut_through else ""
        told += f"; {text('audit_lost')} {found.lost}" if found.lost else ""
        whole = text("audit_whole" if found.sealed or found.anchors else "audit_unproven")
        return f"{name}: {whole} ({found.entries}, {found.last_hash[:12]}…{cut}; {held}; {told})"
    return f"{name}: {text('audit_broken')} {found.at}: {text(f'audit_{found.problem.value}')} ({found.problem.value})"
