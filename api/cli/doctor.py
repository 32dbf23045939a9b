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
from rich.table import Column, Table

from api.cli.connection import failure_text
from api.cli.doctor_git import git_lines
from api.cli.doctor_keys import key_lines
from api.cli.doctor_models import cuda_lines, generator_lines
from api.cli.doctor_spaces import beside_lines, language_lines
from api.cli.options import Options
from api.cli.services import silence_libraries
from api.cli.texts import ui_language
from api.settings import Settings
from ingest.parsing.converter import find_converter, find_program
from ingest.parsing.ocr import WANTED_LANGUAGES, find_tesseract
from ingest.parsing.sandbox import ParseSandbox
from rag import bootstrap as rag_bootstrap
from rag.domain.errors import SeogoError, StoreInUse
from rag.domain.messages import localized
from rag.index.qdrant import QdrantIndex
from rag.store import chunk, schema

_EDGE_COMFORT_CHUNKS = 200_000
"""Beyond this the embedded index's exact search passes 20 ms (docs/decisions/0002-embedded-index.md)."""
_MIN_FREE_BYTES = 2 << 30
_NO_ROOM_BYTES = 96 << 20
"""What a data folder with little more than the samples takes, write-ahead logs included."""
_SWITCHES = ("HF_HUB_OFFLINE", "DO_NOT_TRACK")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `status` is ok, warning or error; `advice` says what to do."""

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
    yield Finding("configuration", "ok", str(options.config or "defaults"))
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("data folder", _data_folder),
        ("store", _store),
        ("keys", _keys),
        ("models and index", _models_and_index),
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
            advice = "stop it for a full check, or ask its /api/v1/health/ready"
            yield Finding(name, "warning", "a Seogo process is running on this data folder", advice)
        except (SeogoError, OSError) as error:
            message = failure_text(error)
            if message not in told:  # a folder that can't be used fails every check that needs it
                yield Finding(name, "error", message)
            told.add(message)


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = rag_bootstrap.make_data_folder(settings.rag)
    free = shutil.disk_usage(folder).free
    status = "ok" if free >= _MIN_FREE_BYTES else "warning" if free >= _NO_ROOM_BYTES else "error"
    advice = "" if status == "ok" else "make room or point --data-dir to a larger disk"
    shown = f"{free >> 30} GiB" if free >> 30 else f"{free >> 20} MiB"
    yield Finding("data folder", status, f"{folder} ({shown} free)", advice)


def _store(settings: Settings) -> Iterator[Finding]:
    database = rag_bootstrap.open_database(settings.rag)
    try:
        found, needed = schema.current(database), schema.head(database)
        where = database.url.render_as_string(hide_password=True)
        if found == needed:
            yield Finding("store", "ok", f"{where} at {found}")
        else:
            yield Finding("store", "error", f"{where} at {found}, needed {needed}", "run `seogo db upgrade`")
    finally:
        database.close()


def _keys(settings: Settings) -> Iterator[Finding]:
    """Keys that somebody waits for in vain."""
    database = rag_bootstrap.open_database(settings.rag)
    try:
        if schema.current(database) != schema.head(database):
            return  # the store's line says so
        with database.read() as session:
            for line in key_lines(session):
                yield Finding(*line)
    finally:
        database.close()


def _models_and_index(settings: Settings) -> Iterator[Finding]:
    rag = rag_bootstrap.build(settings.rag)
    try:
        yield Finding("models", "ok", rag.space.name)
        for line in (*language_lines(rag.space, rag.spaces.current.settings), *beside_lines(rag.spaces)):
            yield Finding(*line)
        reranker = rag.retriever.second_look.reranker  # its folder was looked at when it was opened
        yield Finding("reranker", "ok", reranker.name if reranker is not None else "none: the fused order stands")
        with rag.database.read() as session:
            wanted = chunk.count_active(session)
        held = rag.index.count()
        agree = held >= wanted
        yield Finding(
            "index",
            "ok" if agree else "error",
            f"{settings.rag.index.backend}: {held} points for {wanted} chunks",
            "" if agree else "run `seogo index verify`, then `seogo index rebuild`",
        )
        for difference in rag.index.differences if isinstance(rag.index, QdrantIndex) else ():
            advice = "docs/cluster.md tells how to change the collection; or change the setting"
            yield Finding("index settings", "warning", difference, advice)
        if settings.rag.index.backend == "edge" and wanted > _EDGE_COMFORT_CHUNKS:
            yield Finding(
                "index size", "warning", f"{wanted} chunks", "move to a Qdrant server (index.backend: qdrant)"
            )
    finally:
        rag.close()


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
        yield Finding(f"parser sandbox: {name}", "ok" if value else "warning", str(value))
    yield _converter()
    missing = [name for name in ("pypdfium2", "unstructured") if importlib.util.find_spec(name) is None]
    yield Finding("parsers", "error" if missing else "ok", f"missing: {missing}" if missing else "installed")


def _converter() -> Finding:
    program = find_program()
    if not program:
        advice = "to read DOC and PPT, install libreoffice-writer-nogui and libreoffice-impress-nogui"
        return Finding("LibreOffice", "warning", "not installed: DOC and PPT files are refused with a message", advice)
    if find_converter() is None:
        advice = "a kernel with Landlock (Linux 5.13 or newer) is needed"
        return Finding("LibreOffice", "warning", f"{program} can't be confined here and is not used", advice)
    return Finding("LibreOffice", "ok", program)


def _ocr(settings: Settings) -> Iterator[Finding]:
    """What scans and pictures are read with."""
    tesseract = find_tesseract()
    advice = "install tesseract-ocr and tesseract-ocr-kor; until then pages that are pictures are not read"
    if tesseract is None:
        yield Finding("ocr", "warning", "Tesseract or its language data is missing", advice)
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
    advice = (
        "name audit.seal_key_file, the same for all processes; a trail that is there: `seogo audit reseal --accept`"
    )
    detail = "whoever holds the database can rewrite the trail" + (
        " behind its last anchor" if told else ", and nothing shows it"
    )
    yield Finding("audit seal", "warning" if told else "error", detail, advice)


def _anchors(settings: Settings) -> Iterator[Finding]:
    """Whom the ends of the audit trail's chains are told."""
    audit = settings.rag.audit
    told = [str(place) for place in (audit.anchor_file, audit.anchor_url) if place is not None]
    if told:
        yield Finding("audit anchors", "ok", f"{', '.join(told)} every {audit.anchor_every_s:.0f} s")
        return
    advice = "name audit.anchor_file on storage that the database's operator can't write to, or audit.anchor_url"
    yield Finding("audit anchors", "warning", "nobody outside knows the ends of the trail's chains", advice)


def _egress(given: dict[str, str | None]) -> Iterator[Finding]:
    for name, value in given.items():
        detail = "set by Seogo itself" if value is None else f"{value} in the environment"
        yield Finding(f"egress: {name}", "ok", detail)
    proxies = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
    if proxies:
        yield Finding("egress: proxy", "warning", ", ".join(sorted(proxies)), "Seogo ignores it; unset it to be sure")


def _print(findings: list[Finding]) -> None:
    table = Table("", *(Column(head, overflow="fold") for head in ("check", "detail", "what to do")))
    marks = {"ok": "[green]ok[/green]", "warning": "[yellow]!![/yellow]", "error": "[red]XX[/red]"}
    for item in findings:
        table.add_row(marks[item.status], item.check, item.detail, item.advice)
    Console().print(table)
