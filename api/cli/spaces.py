"""`seogo index migrate | rollback | spaces | drop`: changing the model while the service answers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import typer
import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Column, Table

from api.cli.connection import CommandFailed, checked, connect, reporting_failures
from api.cli.options import Options
from api.cli.terminal import shown
from api.cli.texts import text, ui_language
from rag.domain.errors import InvalidRequest
from rag.domain.messages import localized
from rag.settings import EmbeddingSettings

if TYPE_CHECKING:
    from api.hardening.settings import RequestSettings
    from rag.evaluation.questions import Expected

_ADDRESS = "/api/v1/admin/spaces"
_LOOK_S = 0.5
_KEPT = ("max_tokens",)
"""Settings that a space made with `--to` takes over from the current one: its chunks were cut for them."""


@dataclass(frozen=True, slots=True)
class MigrateOptions:
    """What `seogo index migrate` was told.

    Attributes:
        to: a value of `embedding.dense`.
        folder: of the model.
        settings: a YAML file with a section `embedding`, alone or below `rag`.
        questions: evaluation questions: a BEIR-style folder, CSV, XLSX or JSON lines.
        switch: whether to switch, or only build and compare.
        languages: that reach the model, parted by commas; none leaves it to the settings.
        max_tokens: longest passage, in the model's tokens; none means that of the settings, or of the space that answers now.
        skip_missing: go on where questions expect documents that are not on record; they measure nothing.
    """

    to: str | None = None
    folder: Path | None = None
    settings: Path | None = None
    questions: Path | None = None
    max_drop: float = 0.01
    force: bool = False
    switch: bool = True
    languages: str | None = None
    max_tokens: int | None = None
    skip_missing: bool = False


def migrate(options: Options, wanted: MigrateOptions) -> None:
    """Build the space, compare it, switch to it."""
    with reporting_failures():
        wanted_settings(wanted)
        questions = _questions(options, wanted.questions) if wanted.questions else []
        with connect(options) as client:
            embedding = wanted_settings(wanted, _answering(client))
            body = {"embedding": embedding.model_dump(mode="json")}
            space = checked(client.post(_ADDRESS, json=body))
            space = _built(client, space)
            if questions:
                space = checked(client.post(f"{_ADDRESS}/{space['id']}/comparison", json={"questions": questions}))
                _show_comparison(space["comparison"])
                _require_known(space["comparison"], wanted)
            if not wanted.switch:
                typer.echo(f"{text('space_ready')}: {space['name']} ({space['id']})")
                return
            bound = {"max_drop": wanted.max_drop, "force": wanted.force}
            space = checked(client.post(f"{_ADDRESS}/{space['id']}/switch", json=bound))
            typer.echo(f"{text('space_switched')}: {space['name']} ({space['id']})")
            typer.echo(text("space_next").format(id=space["previous"]))


def _questions(options: Options, path: Path) -> list[dict[str, Any]]:
    questions = read_questions(path)
    require_comparable(path, questions, None if options.server else options.settings().api.requests)
    return questions


def rollback(options: Options) -> None:
    """Go back to the space before."""
    with reporting_failures(), connect(options) as client:
        began = time.perf_counter()
        space = checked(client.post(f"{_ADDRESS}/rollback"))
        took = (time.perf_counter() - began) * 1000
    typer.echo(f"{text('space_switched')}: {space['name']} ({space['id']}, {took:.0f} ms)")


def list_spaces(options: Options, as_json: bool) -> None:
    """Show the spaces."""
    with reporting_failures(), connect(options) as client:
        spaces = checked(client.get(_ADDRESS))["spaces"]
    if as_json:
        typer.echo(json.dumps(spaces, ensure_ascii=False, indent=2))
        return
    heads = (text("state"), text("chunks"), "nDCG@10", text("name"))
    table = Table(Column("id", no_wrap=True), *(Column(head, overflow="fold") for head in heads))
    for item in spaces:
        measured = item["comparison"]
        quality = f"{measured['ndcg_before']:.3f} → {measured['ndcg_after']:.3f}" if measured else ""
        state = (
            item["state"] + (" (forced)" if item["forced"] else "") + (f": {item['error']}" if item["error"] else "")
        )
        built = f"{item['done']}/{item['total']}" if item["total"] else ""
        table.add_row(item["id"], shown(state), built, quality, shown(item["name"]))
    Console().print(table)


def drop(options: Options, space_id: str) -> None:
    """Free what a space takes."""
    with reporting_failures(), connect(options) as client:
        space = checked(client.delete(f"{_ADDRESS}/{space_id}"))
    typer.echo(f"{text('space_dropped')}: {space['name']} ({space['id']})")


def wanted_settings(wanted: MigrateOptions, current: Mapping[str, Any] | None = None) -> EmbeddingSettings:
    """The embedding section of the space to be built; paths are made absolute, since the service may stand elsewhere.

    Args:
        current: the section of the space that answers now. With `--to`, passages stay as long as they are in it.

    Raises:
        CommandFailed: the options name no space, or not one alone.
    """
    if (wanted.to is None) == (wanted.settings is None):
        raise CommandFailed(text("space_which"))
    if wanted.settings is None:
        kept = {key: value for key, value in (current or {}).items() if key in _KEPT}
        values: dict[str, Any] = {**kept, "dense": wanted.to}
    else:
        values = _section(wanted.settings)
    if wanted.folder is not None:
        values["folder"] = wanted.folder
    if values.get("folder") is not None:
        values["folder"] = str(Path(values["folder"]).absolute())
    if wanted.languages is not None:
        values["languages"] = [item.strip() for item in wanted.languages.split(",") if item.strip()]
    if wanted.max_tokens is not None:
        values["max_tokens"] = wanted.max_tokens
    try:
        return EmbeddingSettings.model_validate(values)
    except ValidationError as error:
        found = "; ".join(f"embedding.{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise CommandFailed(found) from error


def _answering(client: httpx.Client) -> dict[str, Any]:
    """The embedding section of the space that answers now."""
    spaces = checked(client.get(_ADDRESS))["spaces"]
    return next((dict(space["settings"]) for space in spaces if space["state"] == "current"), {})


def _section(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CommandFailed(f"{path}: {error}") from error
    below = loaded.get("rag", loaded) if isinstance(loaded, dict) else None
    section = below.get("embedding") if isinstance(below, dict) else None
    if not isinstance(section, dict):
        raise CommandFailed(f"{path}: no section `embedding`")
    return dict(section)


def require_comparable(path: Path, questions: list[dict[str, Any]], limits: RequestSettings | None = None) -> None:
    """See before anything is built, which takes hours, that a comparison will take the questions.

    Args:
        path: what they were read from, for the message.
        limits: of the service's requests; None where they are not known.

    Raises:
        CommandFailed: they are too many, one has too much, or all together are more than a request may hold; it names the limits.
    """
    from api.errors import MAX_JSON_BYTES
    from api.hardening.json_shape import check_shape
    from api.hardening.settings import RequestSettings
    from api.schemas.spaces import MAX_DOCUMENTS, MAX_GRADE, MAX_QUESTIONS, ComparisonIn

    body = {"questions": questions}
    try:
        content = httpx.Request("POST", _ADDRESS, json=body).content
        ComparisonIn.model_validate(body)
        if limits is not None:
            check_shape(content, depth=limits.json_depth, members=limits.json_members)
        found = f"{len(content) / 2**20:.1f} MiB" if len(content) > MAX_JSON_BYTES else ""
    except ValidationError as error:
        deepest = max(
            error.errors(), key=lambda item: len(item["loc"])
        )  # a name or a list of names: which of both it is
        found = f"{'.'.join(map(str, deepest['loc']))}: {deepest['msg']}"
    except InvalidRequest as error:
        found = localized(error, ui_language())
    except UnicodeEncodeError as error:  # half of a pair, which JSON may hold and UTF-8 may not
        found = str(error)
    if found:
        limits_told = {"questions": MAX_QUESTIONS, "documents": MAX_DOCUMENTS, "grade": MAX_GRADE}
        members = (limits or RequestSettings()).json_members
        told = text("space_questions").format(**limits_told, megabytes=MAX_JSON_BYTES >> 20, members=members)
        raise CommandFailed(f"{path.name}: {found}. {told}")


def read_questions(path: Path) -> list[dict[str, Any]]:
    """Questions with the documents expected, as the service takes them: of a folder or a sheet as `seogo eval` reads them, with
    Korean or English columns and without what nobody has reviewed, or of JSON lines. Without documents they tell how much results
    change.

    Raises:
        QuestionsInvalid: they can't be read, or there is none.
    """
    from rag.evaluation.reading import read_asked

    return [
        {"question": item.question, "documents": [_expected(one) for one in item.documents]}
        for item in read_asked(path, ui_language())
    ]


def _expected(document: Expected) -> str | dict[str, Any]:
    """As the service takes it: a name, where that is all."""
    if len(document.names) == 1 and document.grade == 1:
        return document.names[0]
    return {"names": list(document.names), "grade": document.grade}


def _built(client: httpx.Client, space: dict[str, Any]) -> dict[str, Any]:
    """Wait until the space is built, with a bar."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(text("space_building"), total=None)
        while space["state"] == "building":
            left = "" if space["eta_s"] is None else f" · {space['eta_s']:.0f}{text('seconds_left')}"
            waits = f" · {shown(space['error'])}" if space["error"] else ""
            description = text("space_building") + left + escape(waits)
            progress.update(task, completed=space["done"], total=space["total"] or None, description=description)
            time.sleep(_LOOK_S)
            space = checked(client.get(f"{_ADDRESS}/{space['id']}"))
    if space["state"] not in ("ready", "retired"):
        raise CommandFailed(f"{space['name']}: {space['state']} {space['error']}".strip())
    return space


def _show_comparison(found: dict[str, Any]) -> None:
    typer.echo(f"overlap@10: {found['overlap']:.3f} ({found['questions']} {text('question')})")
    if found["labelled"]:
        typer.echo(
            f"nDCG@10: {found['ndcg_before']:.4f} → {found['ndcg_after']:.4f}, {text('space_drop')} {found['drop']:+.4f} "
            f"(95 %: {found['drop_low']:+.4f} … {found['drop_high']:+.4f}; {found['labelled']} {text('question')})"
        )


def _require_known(found: dict[str, Any], wanted: MigrateOptions) -> None:
    """Say which expected documents are not on record; a sheet that measures less than it seems to decides about nothing.

    Raises:
        CommandFailed: there are some, and neither `--skip-missing` nor `--force` was given.
    """
    if not found.get("left_out"):  # a server of an earlier release does not say
        return
    names = ", ".join(map(shown, found["unknown"]))
    sentence = text("space_unknown").format(count=found["left_out"], names=names)
    if wanted.switch and not (wanted.skip_missing or wanted.force):
        raise CommandFailed(f"{sentence} {text('space_skip_hint')}")
    typer.secho(sentence, fg="yellow", err=True)
