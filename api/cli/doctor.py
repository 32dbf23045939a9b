"""`seogo doctor`: is this installation fit to work, and what to do where it is not."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy.orm import Session

from api.cli.connection import failure_text
from api.cli.doctor_deletions import deletion_lines
from api.cli.doctor_git import git_lines
from api.cli.doctor_keys import key_lines
from api.cli.doctor_models import Line, cuda_lines, generator_lines, reranker_line
from api.cli.doctor_spaces import beside_lines, language_lines
from api.cli.doctor_texts import check_name, text
from api.cli.options import Options
from api.cli.services import silence_libraries
from api.cli.texts import ui_language
from api.settings import Settings
from ingest.parsing.converter import find_converter, find_program
from ingest.parsing.ocr import WANTED_LANGUAGES, find_tesseract
from ingest.parsing.sandbox import ParseSandbox
from rag import bootstrap as rag_bootstrap
from rag.access.audit_anchors import untold_since
from rag.blobs.store import BlobStore
from rag.domain.errors import BlobsUnavailable, SeogoError, StoreInUse
from rag.domain.messages import localized
from rag.index.qdrant import QdrantIndex
from rag.reranking.registry import open_reranker
from rag.store import audit_event, chunk, schema

_EDGE_COMFORT_CHUNKS = 200_000
"""Beyond this the embedded index's exact search passes 20 ms (docs/decisions/0002-embedded-index.md)."""
_MIN_FREE_BYTES = 2 << 30
_NO_ROOM_BYTES = 96 << 20
"""What a data folder with little more than the samples takes, write-ahead logs included."""
_SWITCHES = ("HF_HUB_OFFLINE", "DO_NOT_TRACK")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Attributes:
        check: its code, the same in every language; programs that read `--json` go by it.
        status: ok, warning or error.
        detail, advice: what was found and what to do, in the terminal's language.
    """

    check: str
    status: str
    detail: str
    advice: str = ""


def doctor(options: Options, as_json: bool) -> None:
    """Run every check; exit code 1 when one is an error."""
    given = {name: os.environ.get(name) for name in _SWITCHES}
    silence_libraries()
    findings = [*_settings_and_more(options), *_egress(given)]
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in findings], ensure_ascii=False, indent=2))
    else:
        _print(findings)
    if any(item.status == "error" for item in findings):
        raise typer.Exit(1)


def _settings_and_more(options: Options) -> Iterator[Finding]:
    try:
        settings = options.settings()
    except SeogoError as error:
        yield Finding("configuration", "error", localized(error, ui_language()))
        return
    yield Finding("configuration", "ok", str(options.config or text("defaults")))
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("data folder", _data_folder),
        ("store", _store),
        ("originals", _originals),
        ("keys", _keys),
        ("deletions", _deletions),
        ("models and index", _models_and_index),
        ("reranker", _reranker),
        ("generators", _generators),
        ("parsers", _parsers),
        ("ocr", _ocr),
        ("git", _git),
        ("audit seal", _seal),
        ("audit anchors", _anchors),
    )
    told: set[str] = set()
    for name, check in checks:
        try:
            yield from check(settings)
        except StoreInUse:
            yield Finding(name, "warning", text("in_use"), text("in_use_advice"))
        except (SeogoError, OSError) as error:
            message = failure_text(error)
            if message not in told:  # a folder that can't be used fails every check that needs it
                yield Finding(name, "error", message)
            told.add(message)


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = rag_bootstrap.make_data_folder(settings.rag)
    free = shutil.disk_usage(folder).free
    status = "ok" if free >= _MIN_FREE_BYTES else "warning" if free >= _NO_ROOM_BYTES else "error"
    advice = "" if status == "ok" else text("free_advice")
    shown = f"{free >> 30} GiB" if free >> 30 else f"{free >> 20} MiB"
    yield Finding("data folder", status, text("free", folder=folder, free=shown), advice)


def _store(settings: Settings) -> Iterator[Finding]:
    database = rag_bootstrap.open_database(settings.rag)
    try:
        found, needed = schema.current(database), schema.head(database)
        where = database.url.render_as_string(hide_password=True)
        if found == needed:
            yield Finding("store", "ok", text("revision", where=where, found=found))
        else:
            detail = text("revision_needed", where=where, found=found, needed=needed)
            yield Finding("store", "error", detail, text("revision_advice"))
    finally:
        database.close()


def _originals(settings: Settings) -> Iterator[Finding]:
    """Whether the storage of originals answers, which no question needs, but every upload and every worker."""
    url = settings.rag.blob_url()
    try:
        BlobStore(url).require_reachable()
    except BlobsUnavailable as error:
        advice = text("originals_advice") if url.startswith("s3") else text("originals_folder_advice")
        yield Finding("originals", "error", f"{url}: {error.params['detail']}", advice)
        return
    yield Finding("originals", "ok", url)


def _keys(settings: Settings) -> Iterator[Finding]:
    """Keys that somebody waits for in vain."""
    yield from _of_record(settings, key_lines)


def _deletions(settings: Settings) -> Iterator[Finding]:
    """Deletions that somebody believes finished."""
    yield from _of_record(settings, deletion_lines)


def _of_record(settings: Settings, lines: Callable[[Session], Iterator[Line]]) -> Iterator[Finding]:
    """What the database tells; nothing where its schema is another, which the store's line says."""
    database = rag_bootstrap.open_database(settings.rag)
    try:
        if schema.current(database) != schema.head(database):
            return
        with database.read() as session:
            for line in lines(session):
                yield Finding(*line)
    finally:
        database.close()


def _models_and_index(settings: Settings) -> Iterator[Finding]:
    rag = rag_bootstrap.build(settings.rag)
    try:
        yield Finding("models", "ok", rag.space.name)
        for line in (*language_lines(rag.space, rag.spaces.current.settings), *beside_lines(rag.spaces)):
            yield Finding(*line)
        with rag.database.read() as session:
            wanted = chunk.count_active(session)
        held = rag.index.count()
        agree = held >= wanted
        yield Finding(
            "index",
            "ok" if agree else "error",
            text("points", backend=settings.rag.index.backend, held=held, wanted=wanted),
            "" if agree else text("points_advice"),
        )
        for difference in rag.index.differences if isinstance(rag.index, QdrantIndex) else ():
            detail = text("index_differs", difference=difference)
            yield Finding("index settings", "warning", detail, text("index_differs_advice"))
        if settings.rag.index.backend == "edge" and wanted > _EDGE_COMFORT_CHUNKS:
            yield Finding("index size", "warning", text("index_size", wanted=wanted), text("index_size_advice"))
    finally:
        rag.close()


def _reranker(settings: Settings) -> Iterator[Finding]:
    """What reads the best hits again; its server can be asked while the service holds the data folder."""
    yield Finding(*reranker_line(open_reranker(settings.rag.reranking), settings.rag.reranking))


def _generators(settings: Settings) -> Iterator[Finding]:
    """What writes, and the CUDA of this machine."""
    for line in (*generator_lines(settings.rag.generation), *cuda_lines()):
        yield Finding(*line)


def _parsers(settings: Settings) -> Iterator[Finding]:
    sandbox = ParseSandbox()
    try:
        capabilities = sandbox.capabilities()
    finally:
        sandbox.close()
    for name, value in capabilities.items():
        detail = text("layer_holds" if value else "layer_missing")
        yield Finding(f"parser sandbox: {name}", "ok" if value else "warning", detail)
    yield _converter()
    missing = [name for name in ("pypdfium2", "unstructured") if importlib.util.find_spec(name) is None]
    detail = text("parsers_missing", names=", ".join(missing)) if missing else text("parsers_installed")
    yield Finding("parsers", "error" if missing else "ok", detail)


def _converter() -> Finding:
    program = find_program()
    if not program:
        return Finding("LibreOffice", "warning", text("office_missing"), text("office_missing_advice"))
    if find_converter() is None:
        detail = text("office_unconfined", program=program)
        return Finding("LibreOffice", "warning", detail, text("office_unconfined_advice"))
    return Finding("LibreOffice", "ok", program)


def _ocr(settings: Settings) -> Iterator[Finding]:
    """What scans and pictures are read with."""
    tesseract = find_tesseract()
    advice = text("ocr_advice")
    if tesseract is None:
        yield Finding("ocr", "warning", text("ocr_missing"), advice)
        return
    missing = [language for language in WANTED_LANGUAGES if language not in tesseract.languages]
    detail = f"{tesseract.program}, {'+'.join(tesseract.languages)}"
    yield Finding("ocr", "warning" if missing else "ok", detail, advice if missing else "")


def _git(settings: Settings) -> Iterator[Finding]:
    """What repositories are fetched with."""
    for line in git_lines():
        yield Finding(*line)


def _seal(settings: Settings) -> Iterator[Finding]:
    """Whether the ends of the audit trail's chains are ones that the database alone can't make."""
    audit, shared = settings.rag.audit, settings.rag.store.url is not None
    if audit.seal_key_file is not None or not shared:
        yield Finding("audit seal", "ok", str(audit.seal_key_file or settings.rag.data_dir / "audit-seal.key"))
        return
    told = audit.anchor_file is not None or audit.anchor_url is not None
    detail = text("seal_told" if told else "seal_untold")
    yield Finding("audit seal", "warning" if told else "error", detail, text("seal_advice"))


def _anchors(settings: Settings) -> Iterator[Finding]:
    """Whom the ends of the audit trail's chains are told."""
    audit = settings.rag.audit
    told = [str(place) for place in (audit.anchor_file, audit.anchor_url) if place is not None]
    if not told:
        yield Finding("audit anchors", "warning", text("unanchored"), text("unanchored_advice"))
        return
    detail = text("anchored", places=", ".join(told), seconds=audit.anchor_every_s)
    if untold := _untold(settings):
        yield Finding("audit anchors", "error", f"{detail}; {untold}", text("untold_advice"))
    else:
        yield Finding("audit anchors", "ok", detail)


def _untold(settings: Settings) -> str:
    """What keeps the ends of chains from being told; empty where the newest could be."""
    database = rag_bootstrap.open_database(settings.rag)
    try:
        if schema.current(database) != schema.head(database):
            return ""  # the store's line says so
        with database.read() as session:
            failures = [row for head in audit_event.chains(session) if (row := untold_since(session, head)) is not None]
    finally:
        database.close()
    if not failures:
        return ""
    places = sorted({str(place) for row in failures for place in row.detail["to"]})
    last = max(row.at for row in failures).astimezone().isoformat(timespec="seconds")
    return text("untold", count=len(failures), places=", ".join(places), last=last)


def _egress(given: dict[str, str | None]) -> Iterator[Finding]:
    for name, value in given.items():
        detail = text("switch_own") if value is None else text("switch_given", value=value)
        yield Finding(f"egress: {name}", "ok", detail)
    proxies = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
    if proxies:
        yield Finding("egress: proxy", "warning", ", ".join(sorted(proxies)), text("proxy_advice"))


def _print(findings: list[Finding]) -> None:
    heads = ("head_check", "head_detail", "head_advice")
    table = Table("", *(Column(text(head), overflow="fold") for head in heads))
    marks = {"ok": f"[green]{text('mark_ok')}[/green]", "warning": "[yellow]!![/yellow]", "error": "[red]XX[/red]"}
    for item in findings:
        table.add_row(marks[item.status], *map(escape, (check_name(item.check), item.detail, item.advice)))
    Console().print(table)
