"""What a task speaks of: identifiers, paths and words, each with the files that they point to. Pure functions."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping

from rag.retrieval.code_graph import CodeGraph
from rag.text.identifiers import identifier_terms

_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|#|->)[A-Za-z_$][\w$]*)*")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+|[\w-]+\.[A-Za-z]{1,6}\b")
_OF_PATH, _OF_NAME, _OF_WORDS = 8.0, 3.0, 1.0
_CODELIKE = re.compile(r"[_$]|[a-z][A-Z]|\d")
_FREQUENT = 0.1
"""Share of the files whose paths and names have a word, beyond which it says nothing."""


def mentioned_names(task: str) -> list[str]:
    """Identifiers of a task, each once: those that look like code, and every other word."""
    found = (part for item in _IDENTIFIER.findall(task) for part in re.split(r"\.|::|#|->", item))
    return list(dict.fromkeys(part for part in found if len(part) > 2))


def wanted_files(graph: CodeGraph, task: str, found: Mapping[int, float]) -> dict[int, float]:
    """How much a task asks for each file: by its path, by what it defines, by words, and by what was `found` for it."""
    wanted: dict[int, float] = defaultdict(float)
    if not task.strip():
        return {}
    for path in dict.fromkeys(_PATH.findall(task)):
        ends = [place for place, row in enumerate(graph.files) if f"/{row.source_key}".endswith(f"/{path.strip('./')}")]
        for place in ends[:20]:
            wanted[place] += _OF_PATH / len(ends)
    for name in mentioned_names(task):
        places = graph.definers.get(name.lower(), ())
        if 0 < len(places) <= 20:
            weight = _OF_NAME if _CODELIKE.search(name) else _OF_NAME / 3
            for place in places:
                wanted[place] += weight / len(places)
    for place, weight in _by_words(graph, task).items():
        wanted[place] += _OF_WORDS * weight
    for place, weight in found.items():
        wanted[place] += weight
    return dict(wanted)


def _by_words(graph: CodeGraph, task: str) -> dict[int, float]:
    """Files whose paths hold rare words of the task, the best one with 1."""
    terms = {term for term in identifier_terms(task) if len(term) > 2}
    holding: dict[str, list[int]] = defaultdict(list)
    if not terms:
        return {}
    for place, row in enumerate(graph.files):
        for term in terms.intersection(identifier_terms(row.source_key)):
            holding[term].append(place)
    scores: dict[int, float] = defaultdict(float)
    for places in holding.values():
        if len(places) <= max(3, _FREQUENT * len(graph.files)):
            for place in places:
                scores[place] += math.log(1 + len(graph.files) / len(places))
    best = max(scores.values(), default=1.0)
    return {place: score / best for place, score in scores.items()}
