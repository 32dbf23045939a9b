"""`seogo feedback list|export`: what people said of answers, and questions for evaluation made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

feedback_app = typer.Typer(help="Feedback on answers: list, export as evaluation questions.", no_args_is_help=True)

RatingOption = Annotated[str | None, typer.Option("--rating", help="up or down; both when left out.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is put on the trail.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="Given since: an instant with offset (ISO 8601).")]
_PAGE = 500
_YES = {"ko": "예", "en": "yes"}


@feedback_app.command("list")
def feedback_list(
    context: typer.Context,
    reason: ReasonOption,
    rating: RatingOption = None,
    since: SinceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what was said, the newest first."""
    from api.cli.commands import print_json
    from api.cli.connection import connect, reporting_failures
    from api.cli.terminal import one_line

    with reporting_failures(), connect(context.obj) as client:
        items = list(_all_of(client, reason, rating, since))
    if as_json:
        print_json({"feedback": items})
        return
    for item in items:
        given, answer = item["feedback"], item["answer"]
        mark = "+" if given["rating"] == "up" else "-"
        said = " · ".join(part for part in (given["reason"], given["comment"]) if part)
        asked = one_line(answer["question"] or answer["id"])
        typer.echo(f"{mark} {given['changed_at'][:10]} {asked}  {one_line(said)}".rstrip())


@feedback_app.command("export")
def feedback_export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Sheet to write: .xlsx or .csv.")],
    reason: ReasonOption,
    rating: RatingOption = None,
    since: SinceOption = None,
) -> None:
    """Write answered questions as a sheet that `seogo eval` reads: the question, and the document and words cited first.

    Answers that people found good are marked as reviewed. The others wait for a reviewer, with the corrected answer beside.

    Refusals that were wrong are there too, without a document.
    """
    from api.cli.connection import connect, reporting_failures
    from api.cli.texts import text, ui_language
    from rag.evaluation import sheet

    language = ui_language()
    with reporting_failures(), connect(context.obj) as client:
        rows = question_rows(_all_of(client, reason, rating, since), _YES[language])
        sheet.write(file, rows, language)
    typer.echo(f"{text('questions_written')}: {len(rows)} ({file})")


def question_rows(items: Iterator[Mapping[str, Any]], yes: str) -> list[dict[str, str]]:
    """One row per answer that still has its question; of several opinions on one answer, a bad one counts.

    A refusal that somebody found wrong has no document yet: that is for its reviewer. One that was right is no question.
    """
    rows: dict[str, dict[str, str]] = {}
    for item in items:
        given, answer = item["feedback"], item["answer"]
        if not answer["question"] or not (answer["citations"] or given["rating"] != "up"):
            continue
        row = rows.setdefault(answer["id"], _row(answer, yes))
        if given["rating"] != "up":
            row["reviewed"] = ""
        row["answer"] = _with(row["answer"], " ".join(given["corrected_answer"].split()))
        row["note"] = _with(row["note"], given["comment"])
    return list(rows.values())


def _row(answer: Mapping[str, Any], yes: str) -> dict[str, str]:
    cited = answer["citations"][0] if answer["citations"] else {"source_key": "", "quote": "", "collection": ""}
    return {
        "question": answer["question"],
        "document": cited["source_key"],
        "quote": cited["quote"],
        "answer": "",
        "collection": cited["collection"],
        "note": "",
        "reviewed": yes if answer["citations"] else "",
    }


def _with(cell: str, line: str) -> str:
    return "\n".join(part for part in (cell, line) if part)


def _all_of(client: Any, reason: str, rating: str | None, since: str | None) -> Iterator[dict[str, Any]]:
    from api.cli.connection import checked

    cursor: str | None = None
    while True:
        wanted = {"purpose": reason, "rating": rating, "since": since, "cursor": cursor, "limit": _PAGE}
        params = {name: value for name, value in wanted.items() if value is not None}
        found = checked(client.get("/api/v1/feedback", params=params))
        yield from found["feedback"]
        cursor = found["next_cursor"]
        if cursor is None:
            return
