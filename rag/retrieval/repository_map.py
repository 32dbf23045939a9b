"""The repository map: the definitions that matter most, as an outline that fits into a number of tokens."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.anchor import LineAnchor
from rag.domain.code import Revision, Symbol, SymbolKind
from rag.domain.code_places import CodeScope
from rag.domain.filters import DocumentFilter
from rag.domain.passage import Passage
from rag.domain.principal import PassedRule, Permit
from rag.retrieval.code_graph import CodeGraph, graph_of
from rag.retrieval.code_lines import keys_shown, outlined
from rag.retrieval.code_navigation import EVERYTHING
from rag.retrieval.code_scope import ScopedPermit, scoped
from rag.retrieval.code_task import mentioned_names, wanted_files
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.store import code_query
from rag.store.code_query import State, SymbolRow
from rag.store.session import Database
from rag.text.token_estimate import estimated_tokens

Counter = Callable[[str], int]
"""Tokens of a text."""

_REMEMBERED = 8
_FOUND = 30
"""Passages whose files are wanted, where the task is searched for too."""
_OF_FOUND = 6.0
_LOOKED_AT = 400
"""Files whose definitions are read for one map: its budget hardly holds more."""
_WANTED = {
    *(SymbolKind.CLASS, SymbolKind.INTERFACE, SymbolKind.STRUCT, SymbolKind.ENUM, SymbolKind.TRAIT, SymbolKind.TYPE),
    *(
        SymbolKind.FUNCTION,
        SymbolKind.METHOD,
        SymbolKind.PROCEDURE,
        SymbolKind.TABLE,
        SymbolKind.VIEW,
        SymbolKind.MACRO,
    ),
    *(SymbolKind.CONSTANT, SymbolKind.MODULE),
}
_SIGNATURE = 160
"""Characters of a signature in a map."""
_MENTIONED = 4.0
"""How much more a definition counts that the task names."""
_UNUSED = 0.1
"""What a definition counts that nobody else uses, against one use of a name that only it has."""


class _Key(NamedTuple):
    """What a graph was made for: whoever may read the same of the same state gets the same."""

    tenant_id: UUID
    collections: frozenset[UUID]
    rules: frozenset[PassedRule]
    revision: int
    raw: bool
    where: DocumentFilter | None
    as_of: str
    scope: CodeScope
    commits: tuple[str, ...]
    state: State


@dataclass(frozen=True, slots=True)
class RankedFile:
    """A file with what it counts, by rank.

    Attributes:
        key: source key as the reader may see it.
        wanted: how much the task asks for it; 0 where it does not.
    """

    version_id: UUID
    document_id: UUID
    collection_id: UUID
    key: str
    rank: float
    wanted: float


@dataclass(frozen=True, slots=True)
class MapFile:
    """A file of a map with the definitions that are shown of it, by line."""

    file: RankedFile
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class RepositoryMap:
    """An outline.

    Attributes:
        text: for a prompt: paths, and below them definitions with their lines.
        tokens: of the text, as the counter counts; never above the budget.
        files: those that are shown, best first.
        files_total: files that the permit covers in the scope.
        revisions: states of the repositories that it is of.
    """

    text: str
    tokens: int
    files: tuple[MapFile, ...]
    files_total: int
    revisions: tuple[Revision, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """All files of a scope, best first, with how their definitions are used.

    Attributes:
        used: per file, how much each of its names is used by others.
        mentioned: identifiers of the task.
        hits: lines of the passages that retrieval gave for the task, by version.
    """

    within: ScopedPermit
    graph: CodeGraph
    files: tuple[RankedFile, ...]
    used: Mapping[UUID, Mapping[str, float]]
    revisions: tuple[Revision, ...]
    mentioned: frozenset[str]
    hits: Mapping[UUID, Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class RepositoryMaps:
    """Makes maps under permits, and remembers what they are made from. Thread-safe."""

    database: Database
    retriever: Retriever
    _graphs: OrderedDict[_Key, CodeGraph] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def map(
        self,
        permit: Permit,
        budget: int,
        *,
        scope: CodeScope = EVERYTHING,
        task: str = "",
        count: Counter = estimated_tokens,
    ) -> RepositoryMap:
        """The outline of a scope in at most `budget` tokens, for a task where one is given.

        Raises:
            RepositoryNotFound, PatternRefused: of the scope.
            IndexUnavailable, StoreUnavailable, ModelUnavailable: the task can't be searched for.
        """
        with self.database.read() as session:
            ranking = self._ranked(session, permit, scope, task)
            return outline(session, ranking, budget, count)

    def ranked(self, permit: Permit, *, scope: CodeScope = EVERYTHING, task: str = "") -> Ranking:
        """All files of a scope, best first.

        Raises: as `map`.
        """
        with self.database.read() as session:
            return self._ranked(session, permit, scope, task)

    def _ranked(self, session: Session, permit: Permit, scope: CodeScope, task: str) -> Ranking:
        within = scoped(session, permit, scope)
        graph = self._graph(session, within, scope)
        passages = self._passages(session, within, task) if graph.files else ()
        wanted = wanted_files(graph, task, _weights(graph, passages))
        ranks = graph.ranks(wanted)
        keys = keys_shown(session, within.permit, [(row.collection_id, row.source_key) for row in graph.files])
        files = [
            RankedFile(row.version_id, row.document_id, row.collection_id, key, float(rank), wanted.get(place, 0.0))
            for place, (row, key, rank) in enumerate(zip(graph.files, keys, ranks, strict=True))
        ]
        files.sort(key=lambda item: (-round(item.rank, 12), item.key, str(item.document_id)))
        used = {graph.files[place].version_id: names for place, names in graph.used.items()}
        revisions = tuple(Revision(row.name, row.commit) for row in within.repositories if row.commit)
        return Ranking(within, graph, tuple(files), used, revisions, frozenset(mentioned_names(task)), _hits(passages))

    def _graph(self, session: Session, within: ScopedPermit, scope: CodeScope) -> CodeGraph:
        permit = within.permit
        key = _Key(
            permit.tenant_id,
            permit.collections,
            permit.rules,
            permit.revision,
            permit.raw,
            permit.where,
            str(permit.as_of),
            scope,
            tuple(sorted(f"{row.id} {row.commit}" for row in within.repositories)),
            code_query.state(session, permit, within.prefixes),
        )
        with self._lock:
            known = self._graphs.get(key)
            if known is not None:
                self._graphs.move_to_end(key)
                return known
        files = code_query.files(session, permit, within.prefixes)
        meant = [row for row in files if within.holds(row.collection_id, row.source_key)]
        definitions = code_query.every_definition(session, permit, meant)
        graph = graph_of(meant, definitions, code_query.every_use(session, permit, meant))
        with self._lock:
            self._graphs[key] = graph
            while len(self._graphs) > _REMEMBERED:
                self._graphs.popitem(last=False)
        return graph

    def _passages(self, session: Session, within: ScopedPermit, task: str) -> tuple[Passage, ...]:
        """The best passages for a task."""
        if not task.strip():
            return ()
        question = task.strip()[: self.retriever.settings.max_question_chars]
        context = QuestionContext(infer_filters=False)
        found = self.retriever.search(within.filtered(session), question, limit=_FOUND, context=context).passages
        return tuple(item for item in found if within.holds(item.source.collection_id, item.source.source_key))


def _weights(graph: CodeGraph, passages: Sequence[Passage]) -> dict[int, float]:
    """Files of passages, with what they count for a task."""
    place_of = {row.version_id: place for place, row in enumerate(graph.files)}
    weights: dict[int, float] = {}
    for passage in passages:
        place = place_of.get(passage.source.version_id)
        if place is not None:
            weights[place] = weights.get(place, 0.0) + _OF_FOUND / (passage.rank + 1)
    return weights


def _hits(passages: Sequence[Passage]) -> dict[UUID, list[tuple[int, int]]]:
    found: dict[UUID, list[tuple[int, int]]] = {}
    for passage in passages:
        anchor = passage.anchor
        if isinstance(anchor, LineAnchor):
            found.setdefault(passage.source.version_id, []).append((anchor.first, anchor.last))
    return found


def outline(session: Session, ranking: Ranking, budget: int, count: Counter) -> RepositoryMap:
    """The best definitions of the best files that fit into the budget."""
    looked_at = ranking.files[:_LOOKED_AT]
    rows = code_query.symbols_of(session, ranking.within.permit, [item.version_id for item in looked_at])
    places = _places(ranking, looked_at, rows)
    few, many = 0, min(len(places), max(1, budget))
    best = _drawn(session, ranking, places[:0], count)
    while few < many:  # the tokens grow with the number of definitions
        middle = (few + many + 1) // 2
        tried = _drawn(session, ranking, places[:middle], count)
        if tried.tokens <= budget:
            few, best = middle, tried
        else:
            many = middle - 1
    return best


class _Place(NamedTuple):
    """A definition, or a file without any (None), by what it counts."""

    score: float
    file: RankedFile
    row: SymbolRow | None


def _places(ranking: Ranking, files: Sequence[RankedFile], rows: Mapping[UUID, Sequence[SymbolRow]]) -> list[_Place]:
    """What a map may show, best first. A definition gets its share of its file's rank, by how much it is used."""
    found = []
    for item in files:
        used = ranking.used.get(item.version_id, {})
        mine = [row for row in rows.get(item.version_id, ()) if row.kind in _WANTED and not row.test]
        if not mine:
            if item.wanted > 0:
                found.append(_Place(item.rank * _UNUSED, item, None))
            continue
        weights = [_of_symbol(row, used, ranking.mentioned) for row in mine]
        total = sum(weights)
        found += [_Place(item.rank * weight / total, item, row) for row, weight in zip(mine, weights, strict=True)]
    found.sort(key=lambda item: (-round(item.score, 12), item.file.key, item.row.first if item.row else 0))
    return found


def _of_symbol(row: SymbolRow, used: Mapping[str, float], mentioned: frozenset[str]) -> float:
    weight = _UNUSED + used.get(row.name, 0.0)
    if row.name in mentioned:
        weight *= _MENTIONED
    return weight * (0.5 if row.name.startswith("_") else 1.0)


def _drawn(session: Session, ranking: Ranking, places: Sequence[_Place], count: Counter) -> RepositoryMap:
    chosen = [place.row for place in places if place.row is not None]
    shown = dict(zip(chosen, outlined(session, ranking.within.permit, chosen), strict=True))
    by_file: dict[RankedFile, list[Symbol]] = {}
    for place in places:
        symbols = by_file.setdefault(place.file, [])
        symbol = shown.get(place.row) if place.row is not None else None
        if symbol is not None:
            symbols.append(symbol)
    files = [MapFile(item, tuple(sorted(symbols, key=_by_line))) for item, symbols in by_file.items()]
    text = "\n".join(_block(item) for item in sorted(files, key=lambda item: item.file.key))
    tokens = count(text) if text else 0
    return RepositoryMap(text, tokens, tuple(files), len(ranking.files), ranking.revisions)


def _by_line(symbol: Symbol) -> tuple[int, int]:
    return symbol.first, -symbol.last


def _block(item: MapFile) -> str:
    """`path:` and a line for each definition, indented by what encloses it."""
    lines = [f"{item.file.key}:"]
    for symbol in item.symbols:
        depth = sum(1 for outer in item.symbols if outer is not symbol and symbol.path.startswith(f"{outer.path}."))
        span = str(symbol.first) if symbol.first == symbol.last else f"{symbol.first}-{symbol.last}"
        lines.append(f"{'  ' * (depth + 1)}{symbol.signature[:_SIGNATURE]}  # {span}")
    return "\n".join(lines)
