"""Questions of a BEIR-style folder: `queries.jsonl`, and `qrels/test.tsv`, `qrels/*.tsv` or `qrels.tsv` (Thakur et al. 2021)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rag.evaluation.questions import Expected, Problem, Question, QuestionSet

_HEADER = "query-id"
_MEASURED = "test.tsv"
"""Of several parts the one that is measured on; what a model may have been trained on says nothing of it."""


def read(folder: Path) -> tuple[QuestionSet, list[Problem]]:
    """The questions that have a judgement above 0, and what is wrong with the files.

    Documents are named by their id in the corpus; where the folder holds the corpus, by its titles too.
    """
    problems: list[Problem] = []
    queries = _file(folder, "queries.jsonl")
    parts = sorted((folder / "qrels").glob("*.tsv")) or [folder / "qrels.tsv"]
    judged = [part for part in parts if part.name == _MEASURED] or parts
    problems += [Problem(None, "missing_file", "queries.jsonl")] if queries is None else []
    problems += [Problem(None, "missing_file", item.name) for item in judged if not item.is_file()]
    if queries is None or problems:
        return QuestionSet(folder.name, ()), problems
    grades = _grades(judged, problems)
    titles = _titles(folder, {document for found in grades.values() for document in found}, problems)
    questions = [
        Question(
            str(row["_id"]),
            str(row["text"]),
            tuple(
                Expected(tuple(dict.fromkeys(name for name in (key, titles.get(key, "")) if name)), grade=grade)
                for key, grade in grades[str(row["_id"])].items()
            ),
            number,
            answers=_answers(row),
        )
        for number, row in _rows(queries, problems)
        if str(row.get("_id")) in grades and row.get("text")
    ]
    return QuestionSet(folder.name, tuple(questions)), problems


def _answers(row: Mapping[str, Any]) -> tuple[str, ...]:
    """`answer` or `answers` of a question, beside its text or among its metadata: one, or a list of wordings."""
    metadata = row.get("metadata")
    for place in (row, metadata if isinstance(metadata, dict) else {}):
        for name in ("answers", "answer"):
            found = place.get(name)
            if isinstance(found, str | int | float):
                return (str(found),)
            if isinstance(found, list) and found:
                return tuple(map(str, found))
    return ()


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _grades(files: list[Path], problems: list[Problem]) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
            parts = line.split("\t")
            if not line.strip() or (number == 1 and parts[0] == _HEADER):
                continue
            if len(parts) != 3 or not parts[2].strip().lstrip("-").isdigit():
                problems.append(Problem(number, "bad_judgement", f"{path.name}: {line[:80]}"))
            elif int(parts[2]) > 0:
                grades.setdefault(parts[0], {})[parts[1]] = int(parts[2])
    return grades


def _titles(folder: Path, wanted: set[str], problems: list[Problem]) -> dict[str, str]:
    corpus = _file(folder, "corpus.jsonl")
    if corpus is None:
        return {}
    rows = _rows(corpus, problems)
    return {str(row["_id"]): str(row.get("title") or "") for _, row in rows if str(row.get("_id")) in wanted}


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, Any]]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except ValueError:
                problems.append(Problem(number, "not_json", f"{path.name}: {line[:80].strip()}"))
                continue
            if isinstance(row, dict):
                yield number, row
