"""From a path to labelled questions."""

from __future__ import annotations

from pathlib import Path

from rag.domain.messages import UiLanguage
from rag.evaluation import beir, sheet
from rag.evaluation.questions import Problem, QuestionSet, refuse


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
