"""`seogo eval`: in this process and under a permit of the operator's, or of a key's (decision 0018)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Column, Table

from api.app import distribution_version
from api.cli.auditing import Told, noted
from api.cli.commands import print_json
from api.cli.connection import CommandFailed, reporting_failures
from api.cli.evaluation_texts import text
from api.cli.options import Options
from api.cli.services import retrieval_lane, upgrade_schema
from api.cli.texts import ui_language
from rag.access.audit import who_of
from rag.access.policy import Action
from rag.bootstrap import Rag
from rag.domain.audit import AuditKind
from rag.domain.principal import Permit
from rag.evaluation import comparing, tuning
from rag.evaluation import run as runs
from rag.evaluation.intervals import Interval
from rag.evaluation.judging import Judge, JudgedQuestion
from rag.evaluation.measures import MAIN, MEASURES
from rag.evaluation.questions import refuse
from rag.evaluation.reading import read_questions
from rag.evaluation.report import html_report
from rag.evaluation.running import run_questions
from rag.store import fusion_weight
from rag.store.base import utc_now
from rag.store.fusion_weight import FusionWeight

REPORT = "report.html"
_SHOWN = 10


class Bench(NamedTuple):
    """The lane, what the caller may search, and what of it the trail is to be told."""

    rag: Rag
    permit: Permit
    told: Told


class Ready(NamedTuple):
    """Questions that can be measured, and sentences about those that can't."""

    name: str
    judged: list[JudgedQuestion]
    left_out: list[str]


@contextmanager
def opened_bench(
    options: Options, command: str, collections: list[str] | None, kind: AuditKind = AuditKind.EVALUATED
) -> Iterator[Bench]:
    """The lane under a permit: of `--key` where one is given, else of whoever may read the data folder.

    The command is on the trail with the collections before it begins, and when the block has ended: show nothing before.
    """
    settings = options.settings()
    upgrade_schema(settings)
    with retrieval_lane(settings, local_operator=options.key is None) as rag:
        token = options.key if rag.operator is None else rag.operator.token
        principal = rag.authenticate(token or "")
        permit = rag.policy.authorize(principal, Action.SEARCH, collections)
        inside = sorted(permit.collections)
        with noted(rag.audit, kind, permit.tenant_id, f"seogo eval {command}", who_of(principal), inside) as told:
            yield Bench(rag, permit, told)


@contextmanager
def shown_progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while the block runs."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def ready_questions(bench: Bench, path: Path, *, skip_missing: bool) -> Ready:
    """The questions of a file, their expectations found on record.

    Raises:
        QuestionsInvalid: with every row that can't be used.
        CommandFailed: no question is left.
    """
    language = ui_language()
    if not path.exists():
        raise CommandFailed(f"{path}: {text('no_such_file')}")
    found = read_questions(path, language)
    judge = Judge(bench.rag.database, bench.rag.policy, bench.permit)
    judged, problems = judge.judge(found.questions)
    if problems and not skip_missing:
        typer.secho(text("skip_hint"), fg="yellow", err=True)
        raise refuse(path.name, problems, language)
    if not judged:
        raise CommandFailed(text("nothing_left"))
    left_out = [problem.text(language) for problem in problems]
    if found.left_out:
        left_out.append(f"{text('unreviewed')}: {found.left_out}")
    bench.told.detail["questions"] = len(judged)
    return Ready(found.name, judged, left_out)


def run(
    options: Options,
    questions: Path,
    collections: list[str] | None,
    out: Path | None,
    *,
    skip_missing: bool,
    as_json: bool,
) -> None:
    """`seogo eval run`."""
    with reporting_failures(), opened_bench(options, "run", collections) as bench:
        ready = ready_questions(bench, questions, skip_missing=skip_missing)
        with shown_progress(text("asking")) as progress:
            seen = bench.told.documents
            found = run_questions(bench.rag.retriever, ready.judged, ui_language(), progress, shown=seen)
        measured = runs.Run(found, conditions(bench, ready))
    folder = out or Path(f"eval-{questions.stem}-{datetime.now():%Y%m%d-%H%M%S}")
    runs.save(measured, folder)
    (folder / REPORT).write_text(html_report(measured, ui_language(), ready.left_out), encoding="utf-8")
    means = runs.summary(measured)
    if as_json:
        shown = {ranking: {name: value._asdict() for name, value in row.items()} for ranking, row in means.items()}
        print_json({"questions": len(found), "left_out": ready.left_out, "measures": shown, "folder": str(folder)})
        return
    console = Console()
    console.print(_means_table(means, measured))
    for sentence in ready.left_out[:_SHOWN]:
        console.print(f"{text('left_out')}: {escape(sentence)}", style="yellow")
    console.print(f"{text('written')}: {folder / REPORT}", highlight=False)


def conditions(bench: Bench, ready: Ready) -> dict[str, Any]:
    """The conditions of a run, for whoever compares it later."""
    settings, retriever = bench.rag.settings, bench.rag.retriever
    learned = [f"{language}/{kind}: {tuple(value)}" for (language, kind), value in sorted(retriever.weights.items())]
    reranking = settings.reranking
    return {
        "questions_from": ready.name,
        "made_at": f"{utc_now():%Y-%m-%d %H:%M:%S} UTC",
        "version": distribution_version(),
        "space": retriever.space.name,
        "reranker": reranking.backend
        if reranking.backend == "none"
        else f"{reranking.backend} {reranking.model}".strip(),
        "fusion": settings.retrieval.fusion,
        "weights": learned or "-",
        "candidates": settings.retrieval.candidates,
        "index": settings.index.backend,
        "collections": list(retriever.collection_names(bench.permit)),
    }


def _means_table(means: Mapping[str, Mapping[str, Interval]], measured: runs.Run) -> Table:
    count = len(measured.questions)
    columns = (Column(head, overflow="fold") for head in (text("ranking"), *MEASURES))
    table = Table(*columns, title=f"{count} {text('questions')}")
    for ranking, row in means.items():
        asked = measured.asked(ranking)
        table.add_row(
            ranking if asked == count else f"{ranking} [dim]{asked}/{count}[/dim]",
            *(_interval(row[name]) for name in MEASURES),
        )
    return table


def _interval(value: Interval) -> str:
    """A mean and its interval, the latter short enough for five of them in 80 columns."""
    return f"{value.mean:.3f} [dim]{value.low:.2f}–{value.high:.2f}[/dim]"


def _signed(value: Interval) -> str:
    return f"{value.mean:+.4f} \\[{value.low:+.4f}, {value.high:+.4f}]"


def compare(first: Path, second: Path, ranking: str, against: str | None, *, as_json: bool) -> None:
    """`seogo eval compare`."""
    with reporting_failures():
        found = comparing.compare(runs.load(first), runs.load(second), ranking, against)
    if as_json:
        print_json(_comparison_json(found))
        return
    console = Console()
    table = Table(text("measure"), text("difference"), text("wins"), text("losses"), text("ties"))
    for name, change in found.changes.items():
        table.add_row(name, _signed(change.difference), str(change.wins), str(change.losses), str(change.ties))
    table.title = f"{found.questions} {text('questions')}"
    console.print(table)
    if found.only_first or found.only_second:
        console.print(f"{text('only_one')}: {found.only_first} / {found.only_second}", style="yellow")
    _print_moved(console, text("regressions"), [m for m in found.moved if m.after < m.before], ranking, against)
    _print_moved(console, text("gains"), [m for m in reversed(found.moved) if m.after > m.before], ranking, against)


def _print_moved(
    console: Console, title: str, moved: Sequence[comparing.Moved], ranking: str, against: str | None
) -> None:
    if not moved:
        return
    table = Table(text("question"), f"{MAIN} {text('before')}", text("after"), text("rank"), title=title)
    for item in moved[:_SHOWN]:
        ranks = (item.first.rank_of_first(ranking), item.second.rank_of_first(against or ranking))
        shown = " → ".join(str(rank or "-") for rank in ranks)
        table.add_row(escape(item.first.text), f"{item.before:.3f}", f"{item.after:.3f}", shown)
    console.print(table)


def _comparison_json(found: comparing.Comparison) -> dict[str, Any]:
    changes = {
        name: {**change.difference._asdict(), "wins": change.wins, "losses": change.losses, "ties": change.ties}
        for name, change in found.changes.items()
    }
    moved = [
        {"id": item.first.id, "question": item.first.text, "before": item.before, "after": item.after}
        for item in found.moved
    ]
    only = {"only_first": found.only_first, "only_second": found.only_second}
    return {"questions": found.questions, **only, "changes": changes, "moved": moved}


def gate(run_path: Path, baseline: Path, *, write: bool, bound: float | None) -> None:
    """`seogo eval gate`."""
    with reporting_failures():
        measured = runs.load(run_path)
        if write:
            body = comparing.baseline_of(measured, comparing.BOUND if bound is None else bound)
            baseline.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
            typer.echo(f"{text('baseline_written')}: {baseline}")
            return
        fallen = comparing.gate(measured, comparing.load_baseline(baseline))
    if not fallen:
        typer.echo(text("gate_open"))
        return
    columns = (text("ranking"), text("measure"), text("baseline"), text("found"), text("bound"))
    table = Table(*columns, title=text("gate_closed"))
    for item in fallen:
        table.add_row(
            item.ranking, item.measure, f"{item.baseline:.4f}", f"{item.found:.4f}", f"{item.bound:.4f}", style="red"
        )
    Console().print(table)
    raise typer.Exit(1)


def tune(
    options: Options, questions: Path, collections: list[str] | None, *, apply: bool, skip_missing: bool, as_json: bool
) -> None:
    """`seogo eval tune`."""
    with reporting_failures(), opened_bench(options, "tune", collections) as bench:
        ready = ready_questions(bench, questions, skip_missing=skip_missing)
        with shown_progress(text("asking")) as progress:
            listed = tuning.fetch(bench.rag.retriever, ready.judged, progress)
        tuned, mixed = tuning.tune(bench.rag.retriever, listed), tuning.of_both_kinds(listed)
        fusion = bench.rag.settings.retrieval.fusion
        rows = rows_to_store(tuned, bench.rag.retriever.space.name, ready.name, fusion)
        if apply and rows:
            with bench.rag.database.write() as session:
                fusion_weight.put(session, rows)
            bench.told.detail["weights_stored"] = len(rows)
    if as_json:
        print_json(
            {
                "stored": apply and bool(rows),
                "fusion": fusion,
                "of_both_kinds": mixed,
                "groups": [_tuned_json(item) for item in tuned],
            }
        )
        return
    Console().print(_tuned_table(tuned))
    if mixed:
        typer.secho(f"{text('mixed')}: {mixed}", fg="yellow")
    typer.echo(text("nothing_stored" if not rows else "stored" if apply else "apply_hint"))


def rows_to_store(tuned: Sequence[tuning.Tuned], space: str, name: str, fusion: str = "scores") -> list[FusionWeight]:
    """What `--apply` stores: the weights worth it, with what they were learned on: the questions, and the engine's fusion."""
    how = "" if fusion == "scores" else f", {fusion}"
    counts = {(item.language, item.kind): item.questions for item in tuned}
    return [
        FusionWeight(
            space=space,
            kind=kind,
            language=language,
            lexical=weights.lexical,
            learned=weights.learned,
            learned_on=f"{name[:400]} ({counts[language, kind]}{how})",
            measured_at=utc_now(),
        )
        for (language, kind), weights in tuning.learned(tuned).items()
    ]


def _tuned_table(tuned: Sequence[tuning.Tuned]) -> Table:
    heads = ("language", "kind", "questions", "weights_now", "weights_chosen", "held_out", "gain", "verdict")
    table = Table(*(Column(text(head), overflow="fold") for head in heads))
    for item in tuned:
        gain = _signed(item.gain) if item.gain is not None else ""
        held_out = f"{item.before:.3f} → {item.after:.3f}" if item.gain is not None else ""
        table.add_row(
            item.language, item.kind, str(item.questions), _weights(item.now), _weights(item.chosen), held_out, gain,
            text(item.reason or "taken"),
        )  # fmt: skip
    return table


def _weights(found: tuple[float, float] | None) -> str:
    return "" if found is None else f"{found[0]:g} / {found[1]:g}"


def _tuned_json(item: tuning.Tuned) -> dict[str, Any]:
    return {
        "language": item.language,
        "kind": item.kind,
        "questions": item.questions,
        "verdict": item.reason or "taken",
        "now": item.now and item.now._asdict(),
        "chosen": item.chosen and item.chosen._asdict(),
        "held_out": {"before": item.before, "after": item.after, "gain": item.gain and item.gain._asdict()},
        "chosen_gain": item.chosen_gain,
    }


def show_weights(options: Options, *, reset: bool) -> None:
    """`seogo eval weights`."""
    kind = AuditKind.SETTING_CHANGED if reset else AuditKind.SETTING_READ
    with reporting_failures(), opened_bench(options, "weights", None, kind) as bench:
        space = bench.rag.retriever.space.name
        if reset:
            with bench.rag.database.write() as session:
                bench.told.detail["weights_forgotten"] = forgotten = fusion_weight.reset(session, space)
            typer.echo(f"{text('forgotten')}: {forgotten}")
            return
        with bench.rag.database.read() as session:
            rows = fusion_weight.all_weights(session)
            table = Table(
                text("space"), text("kind"), text("language"), "lexical / learned", text("learned_on"),
                text("measured_at"),
            )  # fmt: skip
            for row in rows:
                name = f"{row.space} ({text('in_use')})" if row.space == space else row.space
                weights, instant = _weights((row.lexical, row.learned)), f"{row.measured_at:%Y-%m-%d %H:%M}"
                table.add_row(escape(name), row.kind, row.language, weights, escape(row.learned_on), instant)
    if rows:
        Console().print(table)
    else:
        typer.echo(text("no_weights"))
