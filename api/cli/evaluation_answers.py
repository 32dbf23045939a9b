"""`seogo eval answers`: with the generator and the reranker that are configured, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape

from api.cli.commands import print_json
from api.cli.connection import CommandFailed, reporting_failures
from api.cli.evaluation import Bench, Ready, conditions, opened_bench, ready_questions, shown_progress
from api.cli.evaluation_texts import text
from api.cli.options import Options
from api.cli.texts import ui_language
from rag.evaluation import answers_report
from rag.evaluation.answers import AnswerResult, Trial, ask_all, ask_foreign
from rag.evaluation.answers_report import AnswersRun
from rag.evaluation.reading import read_questions
from rag.text.question import QuestionReader

_SHOWN = 10
_SHEETS = (".xlsx", ".xlsm", ".csv", ".tsv")


class Wanted(NamedTuple):
    """What is to be measured, and where it goes."""

    questions: Path
    foreign: Path | None
    collections: list[str] | None
    model: str
    out: Path | None


def answers(options: Options, wanted: Wanted, *, skip_missing: bool, as_json: bool) -> None:
    """The command."""
    with reporting_failures(), opened_bench(options, "answers", wanted.collections) as bench:
        ready = ready_questions(bench, wanted.questions, skip_missing=skip_missing)
        foreign = _foreign(wanted.foreign) if wanted.foreign is not None else []
        run = asyncio.run(_measure(bench, ready, foreign, wanted.model))
    folder = wanted.out or Path(f"eval-answers-{wanted.questions.stem}-{datetime.now():%Y%m%d-%H%M%S}")
    answers_report.save(run, folder, ui_language(), ready.left_out)
    if as_json:
        _print(run, ready, folder)
        return
    console = Console()
    console.print(escape(answers_report.as_text(run, ui_language())), highlight=False, soft_wrap=True)
    for sentence in ready.left_out[:_SHOWN]:
        console.print(f"{text('left_out')}: {escape(sentence)}", style="yellow")
    console.print(f"{text('written')}: {folder / 'answers.html'}", highlight=False)


def _print(run: AnswersRun, ready: Ready, folder: Path) -> None:
    """The means alone: what became of every question is in the folder."""
    body = {name: value for name, value in answers_report.as_json(run).items() if name not in ("questions", "foreign")}
    print_json({"questions": len(run.results), "left_out": ready.left_out, "folder": str(folder), **body})


async def _measure(bench: Bench, ready: Ready, foreign: Sequence[str], model: str) -> AnswersRun:
    rag = bench.rag
    settings, answerer, terms = rag.settings.answers, rag.answerer, QuestionReader(rag.analyzer).content_terms
    found: list[AnswerResult]
    with shown_progress(text("asking")) as progress:
        seen = bench.told.documents
        found = await ask_all(
            answerer, ready.judged, terms, settings.passages, model=model, progress=progress, shown=seen
        )
    others: list[Trial] = []
    if foreign:
        with shown_progress(text("asking")) as progress:
            others = await ask_foreign(
                answerer, bench.permit, foreign, settings.passages, model=model, progress=progress
            )
    about = conditions(bench, ready) | {
        "generator": answerer.generator_name,
        "model": model or "-",
        "passages": settings.passages,
        "min_confidence": settings.min_confidence,
    }
    return AnswersRun(tuple(found), tuple(others), settings.min_confidence, about)


def _foreign(path: Path) -> list[str]:
    """Questions of a labelled file, whose labels do not matter, or of a text file, one a line."""
    if path.is_dir() or path.suffix.lower() in _SHEETS:
        found = [question.text for question in read_questions(path, ui_language()).questions]
    elif path.is_file():
        found = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    else:
        raise CommandFailed(f"{path}: {text('no_such_file')}")
    if not found:
        raise CommandFailed(f"{text('no_foreign')}: {path}")
    return found
