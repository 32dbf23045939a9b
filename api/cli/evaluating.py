"""The commands `seogo eval …`; what they do is in `evaluation.py`, which imports the heavy parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

eval_app = typer.Typer(
    help="Quality on labelled questions: run, answers, compare, gate, tune, weights, synthesize.", no_args_is_help=True
)

Questions = Annotated[
    Path, typer.Argument(help="Question sheet (xlsx, csv: question, document, place, quote) or BEIR-style folder.")
]
RunPath = Annotated[Path, typer.Argument(help="Folder of a run, or its run.json.")]
Collections = Annotated[
    list[str] | None, typer.Option("--collection", "-c", help="Name or id; may be repeated. All when left out.")
]
SkipMissing = Annotated[
    bool, typer.Option("--skip-missing", help="Leave out questions whose documents are not there, and say so.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RankingOption = Annotated[
    str, typer.Option("--ranking", help="search (what users get), fused, sparse, dense, learned.")
]


@eval_app.command("run")
def run(
    context: typer.Context,
    questions: Questions,
    collections: Collections = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for run, report and TREC files; made here by default.")
    ] = None,
    skip_missing: SkipMissing = False,
    as_json: Json = False,
) -> None:
    """Ask every question and measure what was found: a table here, a report in HTML, the run as JSON."""
    from api.cli.evaluation import run as run_evaluation

    run_evaluation(context.obj, questions, collections, out, skip_missing=skip_missing, as_json=as_json)


@eval_app.command("answers")
def answers(
    context: typer.Context,
    questions: Questions,
    foreign: Annotated[
        Path | None,
        typer.Option(
            help="Questions, one a line or labelled, about which the store holds nothing: all should be refused."
        ),
    ] = None,
    collections: Collections = None,
    model: Annotated[str, typer.Option(help="Configured model that answers; the router chooses when left out.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for report, picture and JSON; made here by default.")] = None,
    skip_missing: SkipMissing = False,
    as_json: Json = False,
) -> None:
    """Ask every question with and without the passages that answer it: citations, numbers, false answers and refusals."""
    from api.cli.evaluation_answers import Wanted
    from api.cli.evaluation_answers import answers as measure

    wanted = Wanted(questions, foreign, collections, model, out)
    measure(context.obj, wanted, skip_missing=skip_missing, as_json=as_json)


@eval_app.command("compare")
def compare(
    first: RunPath,
    second: RunPath,
    ranking: RankingOption = "search",
    against: Annotated[
        str | None, typer.Option(help="Ranking of the second run; the same as --ranking when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare two runs question by question: second minus first, with intervals, wins, losses and regressions."""
    from api.cli.evaluation import compare as compare_runs

    compare_runs(first, second, ranking, against, as_json=as_json)


@eval_app.command("gate")
def gate(
    run_path: RunPath,
    baseline: Annotated[Path, typer.Option(help="Baseline file.")],
    write: Annotated[bool, typer.Option("--write", help="Make the baseline from this run.")] = False,
    bound: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="How far a mean may fall, with --write.")
    ] = None,
) -> None:
    """Exit with 1 when a measure fell further below the baseline than its bound."""
    from api.cli.evaluation import gate as gate_run

    gate_run(run_path, baseline, write=write, bound=bound)


@eval_app.command("tune")
def tune(
    context: typer.Context,
    questions: Questions,
    collections: Collections = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Store what was learned; retrieval uses it from then on.")
    ] = False,
    skip_missing: SkipMissing = False,
    as_json: Json = False,
) -> None:
    """Learn fusion weights: chosen on one half of the questions, measured on the other."""
    from api.cli.evaluation import tune as tune_weights

    tune_weights(context.obj, questions, collections, apply=apply, skip_missing=skip_missing, as_json=as_json)


@eval_app.command("weights")
def weights(
    context: typer.Context,
    reset: Annotated[bool, typer.Option("--reset", help="Forget those of the embedding space in use.")] = False,
) -> None:
    """Show the fusion weights that were learned."""
    from api.cli.evaluation import show_weights

    show_weights(context.obj, reset=reset)


@eval_app.command("synthesize")
def synthesize(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Sheet to write: .xlsx or .csv.")],
    collections: Collections = None,
    count: Annotated[int, typer.Option(min=1, max=2000, help="Questions wanted.")] = 50,
    seed: Annotated[int, typer.Option(help="Another number samples other passages.")] = 20261128,
) -> None:
    """Draft questions from your documents with the configured generator or chat model, for a person to review."""
    from api.cli.evaluation_drafting import synthesize as draft

    draft(context.obj, out, collections, count, seed)
