"""Evaluation sets. They are not part of the repository: SEOGO_EVAL_DATA names their folder."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("SEOGO_EVAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


class DataMissing(Exception):
    """The evaluation data is not on this machine."""


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """A BEIR-style set.

    Attributes:
        corpus: title and text by document id.
        queries: text by query id.
        qrels: grade by document id, by query id.
    """

    name: str
    corpus: dict[str, tuple[str, str]]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]


@contextmanager
def unpacked(name: str) -> Iterator[Path]:
    """The folder of a packed set, in a temporary place.

    Raises:
        DataMissing: it is not there.
    """
    archive = FOLDER / f"{name}.tar.xz"
    if not archive.is_file():
        raise DataMissing(f"{archive} is missing; SEOGO_EVAL_DATA names the folder of the evaluation sets")
    with tempfile.TemporaryDirectory(prefix="seogo-eval-") as folder:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        yield Path(folder) / name


def load(name: str) -> EvaluationSet:
    """Read a set."""
    with unpacked(name) as folder:
        corpus = {row["_id"]: (row.get("title", ""), row["text"]) for row in _rows(_corpus(folder))}
        qrels: dict[str, dict[str, int]] = {}
        for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines():
            query, document, grade = line.split("\t")
            if grade.lstrip("-").isdigit() and int(grade) > 0:
                qrels.setdefault(query, {})[document] = int(grade)
        queries = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl") if row["_id"] in qrels}
    return EvaluationSet(name, corpus, queries, qrels)


def handbook_pages() -> list[tuple[str, str]]:
    """Name and Markdown of each page of the handbook set."""
    path = FOLDER / "en_18f.jsonl.gz"
    if not path.is_file():
        raise DataMissing(f"{path} is missing; SEOGO_EVAL_DATA names the folder of the evaluation sets")
    return [(row["_id"], row["text"]) for row in _rows(path) if row["text"].strip()]


def _corpus(folder: Path) -> Path:
    packed = folder / "corpus.jsonl.gz"
    return packed if packed.is_file() else folder / "corpus.jsonl"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
