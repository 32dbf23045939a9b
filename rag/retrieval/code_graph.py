"""How the files of repositories hang together: who uses what the others define, and which of them matter.

The rank is PageRank over uses (Brin and Page 1998), as in the repository map of aider: what many files use is important, and what
the task at hand speaks of is where the walk begins again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.domain.code import ReferenceRole
from rag.store.code_query import FileRow, key_of
from rag.text.code_paths import is_test_path, module_parts

_DAMPING = 0.85
_ROUNDS = 40
_CLOSE = 1e-7
_NAMESAKES = 8
"""Files that may define a name before its uses say nothing any more."""
_SHORT = 3
"""Letters below which a name is no clue: `i`, `db`."""
_WEIGHT_OF_TESTS = 0.3
_WEIGHT_OF_PRIVATE = 0.3
_WEIGHT_OF_LONG = 2.0
_LONG = 8
"""Letters from which a name of several words hardly occurs by accident."""
_IMPORT = ReferenceRole.IMPORT.value
_NOTHING: tuple[frozenset[int], float] = (frozenset(), 0.0)


@dataclass(frozen=True, slots=True)
class CodeGraph:
    """Files and the uses between them, as one permit covers them.

    Attributes:
        files: by source key.
        sources, targets: int32, shape (e,): the file that uses, the file that defines.
        weights: float64, shape (e,): what leaves one file adds up to 1.
        used: per file, how much each of the names that it defines is used by other files.
        definers: per name in lower case, the files that define it.
    """

    files: Sequence[FileRow]
    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    weights: NDArray[np.float64]
    used: Mapping[int, Mapping[str, float]]
    definers: Mapping[str, Sequence[int]]

    def ranks(self, wanted: Mapping[int, float]) -> NDArray[np.float64]:
        """How much each file matters, shape (n,), adding up to 1.

        Args:
            wanted: weight of files that are asked for; the others share as much as one of them.
        """
        count = len(self.files)
        start = np.full(count, 1.0 / max(1, count))
        for place, weight in wanted.items():
            start[place] += weight
        for place, row in enumerate(self.files):
            if is_test_path(row.source_key) and place not in wanted:
                start[place] *= _WEIGHT_OF_TESTS
        total = start.sum()
        if not count or total <= 0:
            return start
        start /= total
        return self._walked(start)

    def _walked(self, start: NDArray[np.float64]) -> NDArray[np.float64]:
        leaving = np.zeros(len(start), dtype=bool)
        leaving[self.sources] = True
        rank = start.copy()
        for _ in range(_ROUNDS):
            flow = np.bincount(self.targets, rank[self.sources] * self.weights, minlength=len(start))
            stuck = rank[~leaving].sum()
            fresh = (1.0 - _DAMPING) * start + _DAMPING * (flow + stuck * start)
            if np.abs(fresh - rank).sum() < _CLOSE:
                return np.asarray(fresh, dtype=np.float64)
            rank = fresh
        return rank


def graph_of(
    files: Sequence[FileRow], definitions: Iterable[tuple[str, str]], uses: Iterable[tuple[str, str, str]]
) -> CodeGraph:
    """The graph of these files; rows of other versions are passed over."""
    place_of = {key_of(row.version_id): place for place, row in enumerate(files)}
    definers: dict[str, dict[int, None]] = defaultdict(dict)
    for version, name in definitions:
        place = place_of.get(version)
        if place is not None:
            definers[name][place] = None
    stems: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(files):
        stems[module_parts(row.source_key)[-1]].append(place)
    edges: dict[tuple[int, int], float] = defaultdict(float)
    used: dict[int, dict[str, float]] = defaultdict(dict)
    clues, modules = _clues(definers), _clues(stems)
    for version, name, role in uses:
        source = place_of.get(version)
        targets, weight = clues.get(name) or (modules.get(name) if role == _IMPORT else None) or _NOTHING
        if source is None or source in targets:
            continue
        for target in targets:
            edges[source, target] += weight
            known = used[target]
            known[name] = known.get(name, 0.0) + weight
    lower: dict[str, list[int]] = defaultdict(list)
    for name, places in definers.items():
        lower[name.lower()] += places
    return CodeGraph(files, *_arrays(edges), used, lower)


def _clues(definers: Mapping[str, Collection[int]]) -> dict[str, tuple[frozenset[int], float]]:
    """Of each name that says something, the files that define it and what a use of it weighs."""
    weighed = ((name, frozenset(places), _weight(name, len(places))) for name, places in definers.items())
    return {name: (places, weight) for name, places, weight in weighed if weight > 0.0}


def _arrays(edges: Mapping[tuple[int, int], float]) -> tuple[Any, Any, Any]:
    """Edges as arrays; several uses count less than as many times one."""
    pairs = np.array(list(edges), dtype=np.int32).reshape(-1, 2)
    weights = np.sqrt(np.fromiter(edges.values(), dtype=np.float64, count=len(edges)))
    sources, targets = pairs[:, 0], pairs[:, 1]
    leaving = np.bincount(sources, weights) if len(edges) else np.zeros(0)
    return sources, targets, weights / leaving[sources] if len(edges) else weights


def _weight(name: str, files: int) -> float:
    """What a use of a name says about the files that define it."""
    if not files or files > _NAMESAKES or len(name) < _SHORT:
        return 0.0
    weight = 1.0 / files
    if name.startswith("_"):
        weight *= _WEIGHT_OF_PRIVATE
    if len(name) >= _LONG and ("_" in name.strip("_") or (name != name.lower() and name != name.upper())):
        weight *= _WEIGHT_OF_LONG
    return weight
