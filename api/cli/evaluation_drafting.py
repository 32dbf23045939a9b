"""`seogo eval synthesize`: drafts of questions, by a model that is configured, for a person to review."""

from __future__ import annotations

from pathlib import Path

import typer

from api.cli.connection import CommandFailed, failure_text, reporting_failures
from api.cli.evaluation import opened_bench, shown_progress
from api.cli.evaluation_texts import text
from api.cli.options import Options
from api.cli.texts import ui_language
from rag.evaluation import sheet
from rag.evaluation.synthesis import draft_questions
from rag.generation.chat import ChatModel
from rag.generation.engine_chat import EngineChat
from rag.generation.registry import Generation
from rag.settings import ChatSettings

_DRAFT_S = 30.0
"""A chat model's time for one draft, where the settings do not give it longer: nobody waits for it as for an answer."""


def synthesize(options: Options, out: Path, collections: list[str] | None, count: int, seed: int) -> None:
    """`seogo eval synthesize`."""
    with reporting_failures():
        if out.suffix.lower() not in (".xlsx", ".csv"):
            raise CommandFailed(f"{text('sheet_name')}: {out.name}")
        settings = options.settings().rag
        if settings.chat.url is None and not settings.generation.models:
            raise CommandFailed(text("no_chat"))
        with opened_bench(options, "synthesize", collections) as bench, shown_progress(text("drafting")) as progress:
            chat, seen = _chat_model(settings.chat, bench.rag.generation), bench.told.documents
            drafts = draft_questions(
                bench.rag.database, bench.permit, chat, count, seed=seed, progress=progress, shown=seen
            )
            bench.told.detail["questions"] = len(drafts.rows)
        if drafts.rows:
            sheet.write(out, drafts.rows, ui_language())
    typer.echo(f"{text('drafted')}: {len(drafts.rows)}" + (f" → {out}" if drafts.rows else ""))
    if drafts.thrown:
        reasons = ", ".join(f"{name} {number}" for name, number in drafts.thrown.most_common())
        typer.echo(f"{text('thrown')}: {drafts.thrown.total()} ({reasons})")
    if drafts.stopped is not None:
        typer.secho(f"{text('drafting_stopped')}: {failure_text(drafts.stopped)}", fg="yellow", err=True)
    if not drafts.rows:
        typer.secho(text("nothing_drafted"), fg="red", err=True)
        raise typer.Exit(1)
    typer.echo(text("review_hint"))


def _chat_model(settings: ChatSettings, generation: Generation | None = None) -> ChatModel:
    """The model that is named for work around questions, with more time; else the generator of quick answers."""
    if settings.url is None:
        if generation is None:
            raise CommandFailed(text("no_chat"))
        return EngineChat(generation.router)
    from rag.generation.openai_chat import open_chat

    longest = max(settings.timeout_s, _DRAFT_S)
    chat: ChatModel | None = open_chat(settings.model_copy(update={"timeout_s": longest}))
    if chat is None:
        raise CommandFailed(text("no_chat"))
    return chat
