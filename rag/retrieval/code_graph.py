"""How the files of repositories hang together: who uses what the others define, and which of them matter.

The rank is PageRank over uses (Brin and Page 1998), as in the repository map of aider: what many files use is important, and what
the task at hand speaks of is where the walk begins again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.domain.code import ReferenceRole
from rag.store.code_query import FileRow
from rag.text.code_paths import import_parts, is_test_path, module_parts

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
_PARTS = 3
"""Parts of a module that are compared at most."""
_OF_IMPORT = 1.0
_QUALIFIED = 0.5
"""What `a.close()` counts against `close()`: it may be a method of anything."""
_UNCONNECTED = 0.05
"""What a use counts in a file that neither imports the one that defines the name nor lies beside it."""


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
    files: Sequence[FileRow], definitions: Iterable[tuple[int, str]], uses: Iterable[tuple[int, str, str, str]]
) -> CodeGraph:
    """The graph of files.

    Args:
        definitions: place of a file among `files`, and a name that it defines.
        uses: place of a file, and name, role and qualifier of a use in it.
    """
    definers: dict[str, dict[int, None]] = defaultdict(dict)
    for place, name in definitions:
        definers[name][place] = None
    clues, modules = _clues(definers), _Modules(files)
    counted: dict[tuple[int, str], float] = defaultdict(float)
    brought: set[tuple[int, int]] = set()
    for source, name, role, qualifier in uses:
        if role == _IMPORT:
            brought.update((source, target) for target in modules.meant(qualifier, name))
        elif name in clues:
            counted[source, name] += _QUALIFIED if qualifier else 1.0
    folders = [row.source_key.rpartition("/")[0] for row in files]
    edges: dict[tuple[int, int], float] = dict.fromkeys(brought, _OF_IMPORT)
    used: dict[int, dict[str, float]] = defaultdict(dict)
    for (source, name), times in counted.items():
        targets, weight = clues[name]
        if source in targets:
            continue
        weight *= math.sqrt(times)
        for target in targets:
            near = (source, target) in brought or folders[source] == folders[target]
            share = weight if near else weight * _UNCONNECTED
            edges[source, target] = edges.get((source, target), 0.0) + share
            used[target][name] = used[target].get(name, 0.0) + share
    lower: dict[str, list[int]] = defaultdict(list)
    for name, places in definers.items():
        lower[name.lower()] += places
    edges = {pair: weight for pair, weight in edges.items() if pair[0] != pair[1]}
    return CodeGraph(files, *_arrays(edges), used, lower)


class _Modules:
    """Which files an import means, by the ends of their paths."""

    def __init__(self, files: Sequence[FileRow]) -> None:
        self._ends: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, row in enumerate(files):
            parts = module_parts(row.source_key)
            for size in range(1, min(_PARTS, len(parts)) + 1):
                self._ends[parts[-size:]].append(place)
        self._known: dict[tuple[str, str], tuple[int, ...]] = {}

    def meant(self, module: str, name: str) -> tuple[int, ...]:
        """Places of the files; none where too many may be meant."""
        key = (module, name)
        if key not in self._known:
            given = import_parts(module)
            self._known[key] = self._at((*given, name)) or self._at(given)
        return self._known[key]

    def _at(self, parts: tuple[str, ...]) -> tuple[int, ...]:
        """By as much of the end as any path has; a part that nothing else has is enough only where it is all that there is."""
        for size in range(min(_PARTS, len(parts)), 0, -1):
            if found := self._ends.get(parts[-size:]):
                enough = size > 1 or len(parts) == 1
                return tuple(found) if enough and len(found) <= _NAMESAKES else ()
        return ()


def _clues(definers: Mapping[str, Collection[int]]) -> dict[str, tuple[frozenset[int], float]]:
    """Of each name that says something, the files that define it and what a use of it weighs."""
    weighed = ((name, frozenset(places), _weight(name, len(places))) for name, places in definers.items())
    return {name: (places, weight) for name, places, weight in weighed if weight > 0.0}


def _arrays(edges: Mapping[tuple[int, int], float]) -> tuple[Any, Any, Any]:
    """Edges as arrays."""
    pairs = np.array(list(edges), dtype=np.int32).reshape(-1, 2)
    weights = np.fromiter(edges.values(), dtype=np.float64, count=len(edges))
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
