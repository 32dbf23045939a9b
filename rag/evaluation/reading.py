"""From a path to labelled questions: the one place that opens them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from rag.domain.messages import UiLanguage
from rag.evaluation import beir, sheet
from rag.evaluation.questions import Expected, Problem, QuestionSet, refuse


class Asked(NamedTuple):
    """A question and the documents that should be found, where somebody has said so."""

    question: str
    documents: tuple[Expected, ...]


def read_questions(path: Path, language: UiLanguage) -> QuestionSet:
    """The questions of a BEIR-style folder, or of a sheet (xlsx, csv, tsv).

    Raises:
        QuestionsInvalid: with every problem and its row.
    """
    found, problems = beir.read(path) if path.is_dir() else sheet.read(path)
    if not problems and not found.questions:
        problems = [Problem(None, "not_reviewed" if found.left_out else "no_rows")]
    if problems:
        raise refuse(path.name, problems, language)
    return found


def read_asked(path: Path, language: UiLanguage) -> list[Asked]:
    """The same for who compares two rankings, to whom a question without an answer says something too; also of JSON lines with
    `question` and `document` or `documents`. Documents count as a whole: places and quotes are not looked at.

    Raises:
        QuestionsInvalid: with every problem and its row.
    """
    if path.is_dir():
        return [Asked(item.text, item.expected) for item in read_questions(path, language).questions]
    found, problems = _json_lines(path) if path.suffix.lower() == ".jsonl" else sheet.asked(path)
    if not problems and not found:
        problems = [Problem(None, "no_rows")]
    if problems:
        raise refuse(path.name, problems, language)
    return [Asked(question, tuple(Expected((name,)) for name in names)) for question, names in found]


def _json_lines(path: Path) -> tuple[list[tuple[str, list[str]]], list[Problem]]:
    found: list[tuple[str, list[str]]] = []
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        return [], [Problem(None, "unreadable", str(error))]
    for row in rows:
        question = str(row.get("question") or "").strip() if isinstance(row, dict) else ""
        if question:
            named = row.get("document", row.get("documents")) or ""
            names = [str(name) for name in named] if isinstance(named, list) else str(named).split(";")
            found.append((question, [name.strip() for name in names if name.strip()]))
    return found, []
