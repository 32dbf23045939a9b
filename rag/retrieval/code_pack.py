"""The context for a large job in one text: the map, the files that matter whole or trimmed, and what was left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rag.domain.code import Revision
from rag.domain.code_places import CodeScope
from rag.domain.errors import InvalidRequest
from rag.domain.principal import Permit
from rag.retrieval.code_folding import Folded, Span, foldable, folded
from rag.retrieval.code_lines import FileLines, read_files
from rag.retrieval.code_navigation import EVERYTHING
from rag.retrieval.code_scope import language_of
from rag.retrieval.repository_map import Counter, RankedFile, Ranking, RepositoryMap, RepositoryMaps, outline
from rag.store import code_query
from rag.store.code_query import SymbolRow
from rag.store.session import Database
from rag.text.token_estimate import estimated_tokens

LEAST_BUDGET = 500
MOST_BUDGET = 2_000_000
"""Tokens."""
_MAP_SHARE = 0.15
_MOST_OF_MAP = 12_000
_WHOLE_SHARE = 0.5
"""How much of what is left one file may take as a whole."""
_TRIMMED_SHARE = 0.3
"""The same for a file that the task does not ask for itself."""
_LOOKED_AT = 300
"""Files that are read for one pack."""
_TOGETHER = 25
_LISTED = 40
"""Files that are named as left out; of the others, how many they are."""
_FENCE = re.compile(r"`{3,}")


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of a pack.

    Attributes:
        place: `payments/src/login.py@abc123def456`; the key alone outside of repositories.
        collection: name of the one that it is in.
        lines: how many it has.
        folded: what of it stands in the pack; with nothing left out, all of it.
        tokens: of its part of the pack.
    """

    file: RankedFile
    place: str
    collection: str
    lines: int
    folded: Folded
    tokens: int

    @property
    def whole(self) -> bool:
        """Whether nothing of it is left out."""
        return not self.folded.left_out


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that matters and is not in the pack, and why: `budget`, `unreadable` (nothing of it may be read as lines)."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class CodePack:
    """A context.

    Attributes:
        text: Markdown; never more tokens than the budget.
        files: in the order of the text, by key.
        left_out: files that the task asks for, or that matter more than the least of those inside, best first.
        not_looked_at: further files of the scope, which matter less.
    """

    text: str
    tokens: int
    budget: int
    task: str
    map: RepositoryMap
    files: tuple[PackedFile, ...]
    left_out: tuple[LeftOut, ...]
    not_looked_at: int
    revisions: tuple[Revision, ...]


class _Read(NamedTuple):
    """A file that was read: its lines and what it defines."""

    file: RankedFile
    lines: FileLines
    rows: Sequence[SymbolRow]


@dataclass(frozen=True, slots=True)
class CodePacker:
    """Packs code under a permit. Thread-safe, and deterministic: the same state and task give the same text."""

    database: Database
    maps: RepositoryMaps

    def pack(
        self,
        permit: Permit,
        task: str,
        budget: int,
        *,
        scope: CodeScope = EVERYTHING,
        count: Counter = estimated_tokens,
    ) -> CodePack:
        """The context for a task in at most `budget` tokens.

        Raises:
            InvalidRequest: the task is empty, or the budget out of range.
            RepositoryNotFound, PatternRefused: of the scope.
            IndexUnavailable, StoreUnavailable, ModelUnavailable: the task can't be searched for.
        """
        if not task.strip():
            raise InvalidRequest(detail="task: empty", detail_ko="task: 비어 있습니다")
        if not LEAST_BUDGET <= budget <= MOST_BUDGET:
            raise InvalidRequest(
                detail=f"budget: {LEAST_BUDGET} to {MOST_BUDGET} tokens",
                detail_ko=f"budget: {LEAST_BUDGET}~{MOST_BUDGET}토큰이어야 합니다",
            )
        ranking = self.maps.ranked(permit, scope=scope, task=task)
        with self.database.read() as session:
            shown = outline(session, ranking, min(_MOST_OF_MAP, int(budget * _MAP_SHARE)), count)
        room = budget - count(_assembled(task, ranking, shown, [], [], len(ranking.files)))
        files, left_out = self._chosen(ranking, room, count)
        return _fitted(task, budget, ranking, shown, files, left_out, count)

    def chosen(self, permit: Permit, task: str, room: int, *, scope: CodeScope = EVERYTHING) -> list[PackedFile]:
        """The files of a pack, best first, without the text around them.

        Raises: as `pack`.
        """
        return self._chosen(self.maps.ranked(permit, scope=scope, task=task), room, estimated_tokens)[0]

    def _chosen(self, ranking: Ranking, room: int, count: Counter) -> tuple[list[PackedFile], list[LeftOut]]:
        """Files that fit into `room` tokens, best first, and those that do not."""
        files: list[PackedFile] = []
        left_out: list[LeftOut] = []
        for item, read in self._read(ranking):
            if read is None:
                left_out.append(LeftOut(item.key, "unreadable"))
                continue
            packed = _fitting(read, ranking, room, count)
            if packed is None:
                left_out.append(LeftOut(item.key, "budget"))
                continue
            files.append(packed)
            room -= packed.tokens
        return files, left_out

    def _read(self, ranking: Ranking) -> Iterator[tuple[RankedFile, _Read | None]]:
        """The best files with their lines, some at a time; None where there are no lines to be read."""
        best = ranking.files[:_LOOKED_AT]
        permit = ranking.within.permit
        for start in range(0, len(best), _TOGETHER):
            group = best[start : start + _TOGETHER]
            ids = [item.version_id for item in group]
            with self.database.read() as session:
                lines = read_files(session, permit, ids)
                rows = code_query.symbols_of(session, permit, ids)
            for item in group:
                found = lines.get(item.version_id)
                yield item, None if found is None else _Read(item, found, rows.get(item.version_id, ()))


def _fitting(read: _Read, ranking: Ranking, room: int, count: Counter) -> PackedFile | None:
    """The file as much of it as its share allows: whole, without what the task does not need, or its heads alone."""
    asked_for = read.file.wanted > 0
    share = int(room * (_WHOLE_SHARE if asked_for else _TRIMMED_SHARE))
    for spans in _ways(read, ranking, asked_for):
        shown = folded(read.lines.lines, spans)
        packed = PackedFile(
            read.file, _place(read.lines), read.lines.source.collection_name, max(read.lines.lines), shown, 0
        )
        tokens = count(_section(packed))
        if tokens <= share:
            return PackedFile(packed.file, packed.place, packed.collection, packed.lines, shown, tokens)
    return None


def _ways(read: _Read, ranking: Ranking, asked_for: bool) -> Iterator[list[Span]]:
    """What may be left out, the least first."""
    lines, rows = read.lines.lines, read.rows
    hits = ranking.hits.get(read.file.version_id, ())
    used: Mapping[str, float] = ranking.used.get(read.file.version_id, {})

    def hit(row: SymbolRow) -> bool:
        return row.name in ranking.mentioned or any(row.first <= last and first <= row.last for first, last in hits)

    def needed(row: SymbolRow) -> bool:
        return hit(row) or row.name in used

    if asked_for:
        yield []
        yield foldable(lines, rows, needed)
    yield foldable(lines, rows, hit)
    yield foldable(lines, rows, lambda row: False)


def _fitted(
    task: str,
    budget: int,
    ranking: Ranking,
    shown: RepositoryMap,
    files: list[PackedFile],
    left_out: list[LeftOut],
    count: Counter,
) -> CodePack:
    """The whole text; the least files go until it fits with everything around them."""
    place = {item.key: number for number, item in enumerate(ranking.files)}
    rest = max(0, len(ranking.files) - _LOOKED_AT)
    while True:
        left_out.sort(key=lambda item: place[item.key])
        text = _assembled(task, ranking, shown, files, left_out, rest)
        tokens = count(text)
        if tokens <= budget or not files:
            break
        dropped = files.pop()
        left_out.append(LeftOut(dropped.file.key, "budget"))
    if tokens > budget:
        raise InvalidRequest(
            detail=f"budget: the task alone takes {tokens} tokens",
            detail_ko=f"budget: 할 일의 설명만으로 {tokens}토큰입니다",
        )
    ordered = tuple(sorted(files, key=lambda item: item.file.key))
    return CodePack(text, tokens, budget, task, shown, ordered, tuple(left_out), rest, ranking.revisions)


def _assembled(
    task: str,
    ranking: Ranking,
    shown: RepositoryMap,
    files: Sequence[PackedFile],
    left_out: Sequence[LeftOut],
    rest: int,
) -> str:
    """Map first, then files by key, so that the beginning stays the same for prefix caches; the task stands last."""
    states = ", ".join(f"{item.repository}@{item.short}" for item in ranking.revisions)
    parts = [f"# Code{f' of {states}' if states else ''}"]
    if shown.text:
        parts.append(f"## Map\n\n{_fenced(shown.text, '')}")
    if files:
        parts.append("## Files")
        parts += [_section(item) for item in sorted(files, key=lambda item: item.file.key)]
    if left_out or rest:
        parts.append(f"## Left out\n\n{_listed(left_out, rest)}")
    parts.append(f"## Task\n\n{task.strip()}")
    return "\n\n".join(parts) + "\n"


def _listed(left_out: Sequence[LeftOut], rest: int) -> str:
    lines = [f"- {item.key}: {_REASONS[item.reason]}" for item in left_out[:_LISTED]]
    more = len(left_out) - len(lines) + rest
    if more:
        lines.append(f"- {more} more files that matter less")
    return "\n".join(lines)


_REASONS = {"budget": "no room in the budget", "unreadable": "nothing to be read as lines"}


def _section(item: PackedFile) -> str:
    kept = f"all {item.lines} lines" if item.whole else f"trimmed, {item.lines} lines"
    return f"### {item.place} ({kept})\n\n{_fenced(item.folded.text, language_of(item.file.key))}"


def _fenced(text: str, language: str) -> str:
    longest = max((len(found) for found in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _place(lines: FileLines) -> str:
    source = lines.source
    return f"{source.source_key}@{source.commit[:12]}" if source.commit else source.source_key
