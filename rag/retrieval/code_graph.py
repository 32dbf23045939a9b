"""How the files of repositories hang together: who uses what the others define, and which of them matter.

The rank is PageRank over uses (Brin and Page 1998), as in the repository map of aider: what many files use is important, and what
the task at hand speaks of is where the walk begins again.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    clues, modules, count = _Clues.of(definers), _Modules(files), len(files)
    number_of, several = clues.number_of, len(clues.names)
    told, brought = array("q"), array("q")
    for source, name, role, qualifier in uses:
        if role == _IMPORT:
            brought.extend(source * count + target for target in modules.meant(qualifier, name))
        elif (clue := number_of.get(name)) is not None:
            told.append(2 * (source * several + clue) + bool(qualifier))
    folders: dict[str, int] = {}
    inside = [folders.setdefault(row.source_key.rpartition("/")[0], len(folders)) for row in files]
    shares = _shares(
        clues, np.array(told, dtype=np.int64), np.unique(brought).astype(np.int64), np.array(inside), count
    )
    lower: dict[str, list[int]] = defaultdict(list)
    for name, places in definers.items():
        lower[name.lower()] += places
    return CodeGraph(files, *shares.edges(count), shares.used(clues.names), lower)


@dataclass(frozen=True, slots=True)
class _Clues:
    """Names whose uses say something.

    Attributes:
        number_of: by name, its place in `names`.
        weights: float64, shape (c,): what a use weighs.
        targets: int64, shape (t,): the files that define the names, one name after the other.
        starts: int64, shape (c + 1,): where in `targets` those of a name begin.
    """

    names: Sequence[str]
    number_of: Mapping[str, int]
    weights: NDArray[np.float64]
    targets: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, definers: Mapping[str, Collection[int]]) -> _Clues:
        """Those among all names that are defined, with the files that define them."""
        weighed = {name: weight for name, places in definers.items() if (weight := _weight(name, len(places))) > 0.0}
        sizes = np.array([len(definers[name]) for name in weighed], dtype=np.int64)
        return cls(
            list(weighed),
            {name: number for number, name in enumerate(weighed)},
            np.array(list(weighed.values()), dtype=np.float64),
            np.array([place for name in weighed for place in definers[name]], dtype=np.int64),
            np.concatenate(([0], np.cumsum(sizes))),
        )


@dataclass(frozen=True, slots=True)
class _Shares:
    """What the uses of names (and, behind them, the imports) give: arrays of shape (s,), and (s + imports,) for the pairs.

    Attributes:
        pairs: source * files + target.
        weights: what each pair gets.
        clues, targets: which name of which file is used, for the first of the pairs.
    """

    pairs: NDArray[np.int64]
    weights: NDArray[np.float64]
    clues: NDArray[np.int64]
    targets: NDArray[np.int64]

    def edges(self, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
        """Sources, targets and weights of the edges between different files; what leaves one adds up to 1."""
        pairs, place = np.unique(self.pairs, return_inverse=True)
        weights = np.bincount(place, self.weights, minlength=len(pairs))
        sources, targets = pairs // max(1, count), pairs % max(1, count)
        apart = sources != targets
        sources, targets, weights = sources[apart], targets[apart], weights[apart]
        leaving = np.bincount(sources, weights, minlength=count)
        return sources.astype(np.int32), targets.astype(np.int32), weights / leaving[sources]

    def used(self, names: Sequence[str]) -> dict[int, dict[str, float]]:
        """Per file, how much each of the names that it defines is used by others."""
        several = max(1, len(names))
        keys, place = np.unique(self.targets * several + self.clues, return_inverse=True)
        weights = np.bincount(place, self.weights[: len(place)], minlength=len(keys))
        found: dict[int, dict[str, float]] = defaultdict(dict)
        for key, weight in zip(keys.tolist(), weights.tolist(), strict=True):
            found[key // several][names[key % several]] = weight
        return found


def _shares(
    clues: _Clues, told: NDArray[np.int64], brought: NDArray[np.int64], folders: NDArray[np.int64], count: int
) -> _Shares:
    """What each use of a name gives to each of the files that define it. A name that the file defines itself gives nothing.

    In arrays: a dictionary of pairs takes three times as long for 650,000 uses in 8,400 files.

    Args:
        told: int64, shape (u,): 2 * (source * names + name), and 1 more where something stands before the name.
        brought: int64, shape (i,): source * files + target of what is imported, ascending.
        folders: int64, shape (n,): the folder of each file.
    """
    several = max(1, len(clues.names))
    keys, place = np.unique(told >> 1, return_inverse=True)
    times = np.bincount(place, np.where(told & 1, _QUALIFIED, 1.0), minlength=len(keys))
    sources, names = keys // several, keys % several
    sizes = np.diff(clues.starts)[names]
    each = np.repeat(np.arange(len(keys)), sizes)
    within = np.arange(len(each)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    targets = clues.targets[clues.starts[names[each]] + within]
    own = np.bincount(each, targets == sources[each], minlength=len(keys)) > 0
    kept = ~own[each]
    each, targets = each[kept], targets[kept]
    pairs = sources[each] * count + targets
    near = np.isin(pairs, brought) | (folders[sources[each]] == folders[targets])
    weights = clues.weights[names[each]] * np.sqrt(times[each]) * np.where(near, 1.0, _UNCONNECTED)
    imports = np.full(len(brought), _OF_IMPORT)
    return _Shares(np.concatenate((pairs, brought)), np.concatenate((weights, imports)), names[each], targets)


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
