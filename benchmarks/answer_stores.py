"""The stores that answers are measured on: statutes, two-step questions, a handbook, the bundled samples.

Filling them takes minutes; with `--keep FOLDER` the next run uses them again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from api.cli.connection import connect
from api.cli.options import Options
from api.cli.samples import ingest_samples
from api.cli.services import retrieval_lane
from benchmarks.data import EvaluationSet, handbook_pages, load, unpacked
from benchmarks.retrieval import fill
from benchmarks.workbench import workbench
from rag.access.policy import Action
from rag.bootstrap import Rag
from rag.domain.language import CollectionKind
from rag.domain.principal import Permit
from rag.evaluation import beir
from rag.evaluation.judging import Judge, JudgedQuestion

STATUTES, TWO_STEP, HANDBOOK, SAMPLES = "ko_finlaw", "en_hotpotqa200", "en_18f", "samples"
_FILLED = "filled"


@dataclass(frozen=True, slots=True)
class Store:
    """A filled lane and the right to read all of it."""

    rag: Rag
    permit: Permit

    def judged(self, name: str) -> list[JudgedQuestion]:
        """The questions of a set, with what they should find in this store."""
        with unpacked(name) as folder:
            questions, problems = beir.read(folder)
        found, missing = Judge(self.rag.database, self.rag.policy, self.permit).judge(questions.questions)
        if problems or missing:
            raise ValueError(f"{name}: {len(problems) + len(missing)} questions can't be judged")
        return found


@contextmanager
def store(name: str, keep: Path | None) -> Iterator[Store]:
    """One of the four, filled."""
    with tempfile.TemporaryDirectory(prefix="seogo-bench-") as temporary:
        folder = (keep or Path(temporary)) / name
        folder.mkdir(parents=True, exist_ok=True)
        with _samples(folder) if name == SAMPLES else _filled(name, folder) as found:
            yield found


@contextmanager
def _filled(name: str, folder: Path) -> Iterator[Store]:
    with workbench(CollectionKind.DOCUMENTS, folder) as bench:
        if not (folder / _FILLED).exists():
            fill(bench, _handbook() if name == HANDBOOK else load(name), CollectionKind.DOCUMENTS)
            (folder / _FILLED).touch()
        yield Store(bench.rag, bench.permit())


@contextmanager
def _samples(folder: Path) -> Iterator[Store]:
    options = Options(data_dir=folder)
    if not (folder / _FILLED).exists():
        with connect(options) as client:
            ingest_samples(client, Console(stderr=True))
        (folder / _FILLED).touch()
    with retrieval_lane(options.settings(), local_operator=True) as rag:
        if rag.operator is None:
            raise RuntimeError("a local lane has an operator")
        principal = rag.authenticate(rag.operator.token)
        yield Store(rag, rag.policy.authorize(principal, Action.SEARCH, None))


def _handbook() -> EvaluationSet:
    """The handbook pages as a corpus without questions."""
    return EvaluationSet(HANDBOOK, {name: ("", text) for name, text in handbook_pages()}, {}, {})
