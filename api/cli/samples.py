"""The bundled samples: ingesting them into an empty store, and the demonstration."""

from __future__ import annotations

import tempfile
from pathlib import Path

import httpx
import typer
from rich.console import Console
from rich.markup import escape

from api.cli.commands import print_answer
from api.cli.connection import checked, connect, reporting_failures
from api.cli.ingesting import FileOutcome, find_files, ingest_files, outcome_table
from api.cli.options import Options
from api.cli.texts import text

SAMPLE_DOCUMENTS = "예제-문서"
SAMPLE_CODE = "예제-코드"
_QUESTIONS = (
    ("위험직무를 담당하는 직원의 명령휴가는 1회에 연속 며칠 동안 실시하나요?", SAMPLE_DOCUMENTS),
    ("How long after it is issued does a gateway signing key expire?", SAMPLE_DOCUMENTS),
    ("Which decimal rounding mode does round_amount use for won and yen?", SAMPLE_CODE),
)


def samples_folder() -> Path:
    """The folder of the bundled samples."""
    import ingest

    return Path(ingest.__file__).parent / "samples"


def ingest_samples(client: httpx.Client, console: Console) -> list[FileOutcome]:
    """Ingest the samples into two collections, documents and code."""
    folder = samples_folder()
    documents = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name != "README.md"]
    code = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    outcomes = ingest_files(client, find_files(documents), SAMPLE_DOCUMENTS, "documents", console)
    return outcomes + ingest_files(client, find_files(code), SAMPLE_CODE, "code", console)


def store_is_empty(client: httpx.Client) -> bool:
    """Whether there is no collection yet."""
    return not checked(client.get("/api/v1/collections"))["collections"]


def demo(options: Options) -> None:
    """`seogo demo`: samples in, three questions, answers with citations, and exit code 1 when one is missing."""
    console = Console()
    answered = True
    with reporting_failures(), tempfile.TemporaryDirectory(prefix="seogo-demo-") as folder:
        chosen = options if options.server or options.data_dir else Options(options.config, Path(folder))
        with connect(chosen) as client:
            console.print(text("loading_samples"))
            outcomes = ingest_samples(client, console)
            console.print(outcome_table(outcomes))
            for question, collection in _QUESTIONS:
                console.print(f"\n[bold green]{text('question')}[/bold green] {escape(question)}\n", highlight=False)
                answered &= print_answer(client, question, [collection], console)
    if not answered or any(item.failed for item in outcomes):
        typer.secho(text("demo_failed"), fg="red", err=True)
        raise typer.Exit(1)
