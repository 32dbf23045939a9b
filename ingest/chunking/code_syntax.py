"""Source code cut by its syntax: definitions whole where they fit, small neighbours together, long ones at statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from ingest.chunking.base import Budgets, Room
from ingest.chunking.code import separators_for
from ingest.chunking.code_layout import Layout, Lines, Part, parts_of
from ingest.chunking.splitting import cut_to_size, parts_by_size
from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeContext, CodeOutline, Symbol
from rag.domain.document import Chunk, Element, ElementKind, ParsedDocument, chunk_id, recipe_of
from rag.domain.language import Language

_SMALL = 0.5
"""Share of the limit up to which several definitions go together: more, and a passage is about too many things."""
_MIXED = 0.5
"""Cost of a chunk of several definitions over that share."""
_TORN = 0.4
"""Cost of a cut between a definition and the lines before it: imports, a heading comment, the head of a class."""
_DEEP = 0.06
"""Cost of a cut inside a definition for every level of blocks that it opens, up to `_DEEP_MOST`."""
_DEEP_MOST = 0.6
_WINDOW = 64
"""Parts of one chunk."""
_MAX_HEADING = 100
"""Characters of a signature in the heading path."""
_MAX_DOC = 300
_MAX_IMPORTS = 40
_MAX_SYMBOLS = 200
"""More only begin in one chunk where a file has no line ends."""
_LINE_SEPARATORS = ("; ", ";", "}", ", ", ",", " ", "")


class _Atom(NamedTuple):
    """Lines that are not cut unless they alone are over the limit.

    Attributes:
        cut: what it costs to begin a chunk here.
        whole: whether it is a definition.
    """

    first: int
    last: int
    tokens: float
    cut: float
    whole: bool = False


class _Piece(NamedTuple):
    """What becomes a chunk: lines, or some characters of one line.

    Attributes:
        heads: signatures of the definitions around it, outermost first.
        span: start and end of its characters when it is a part of a line.
    """

    first: int
    last: int
    heads: tuple[str, ...]
    span: tuple[int, int] | None = None


class CodeChunker:
    """Cuts one source file; its chunks are runs of whole lines, except for a line that is longer than a chunk may be."""

    name = "code_syntax/1"

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets

    def chunk(self, document: ParsedDocument, version_id: UUID, source_key: str) -> list[Chunk]:
        """Chunks in the order of their lines, ordinals from 0.

        Args:
            document: with an outline and one CODE element, as `ingest.parsing.code` makes it.
            version_id: what the ids of the chunks are made from; those of the nil UUID have none, and get it.
        """
        budget = self._budgets(Language.CODE)
        [special] = budget.count([""])
        [element] = document.elements
        outline = document.outline or CodeOutline("")
        cutter = _Cutter(element, outline, Room(budget.limit, special, budget.count), source_key)
        recipe = recipe_of(document.parser, self.name)
        contexts = _Contexts(outline, cutter.begin)
        return [
            Chunk(
                id=chunk_id(version_id, recipe, ordinal) if version_id.int else version_id,  # nobody's
                ordinal=ordinal,
                text=text,
                anchor=LineAnchor(piece.first + cutter.begin, piece.last + cutter.begin),
                heading_path=path,
                language=Language.CODE,
                kind=ElementKind.CODE,
                tokens=tokens,
                code=contexts.of(piece.first + cutter.begin, piece.last + cutter.begin),
            )
            for ordinal, (piece, path, text, tokens) in enumerate(cutter.fitted())
        ]


class _Cutter:
    """The cutting of one file."""

    def __init__(self, element: Element, outline: CodeOutline, room: Room, source_key: str) -> None:
        if not isinstance(element.anchor, LineAnchor):
            raise TypeError("source code stands on lines")
        self.begin = element.anchor.first
        self._layout = Layout(element.text.split("\n"))
        self._text = element.text
        self._root = parts_of(outline, self.begin, len(self._layout.lines))
        self._by_syntax = bool(outline.symbols)
        self._room = room
        self._key = source_key
        self._paths: dict[tuple[str, ...], tuple[tuple[str, ...], int]] = {}

    def fitted(self) -> list[tuple[_Piece, tuple[str, ...], str, int]]:
        """What becomes chunks, each with its heading path, text and tokens.

        The cuts are made by estimate; then all texts are counted in one go, and what is over the limit is cut once more.
        """
        pieces = [piece for each in self._pieces() if (piece := self._trimmed(each)) is not None]
        counts = self._room.counts([self._written(piece) for piece in pieces])
        while any(n > self._limit(p) and self._can_be_cut(p) for p, n in zip(pieces, counts, strict=True)):
            done: list[tuple[_Piece, int | None]] = []
            for piece, tokens in zip(pieces, counts, strict=True):
                if tokens <= self._limit(piece) or not self._can_be_cut(piece):
                    done.append((piece, tokens))
                else:
                    done += ((each, None) for each in self._smaller(piece))
            fresh = iter(self._room.counts([self._written(piece) for piece, tokens in done if tokens is None]))
            pieces = [piece for piece, _ in done]
            counts = [next(fresh) if tokens is None else tokens for _, tokens in done]
        return [(p, self._path(p.heads)[0], self._written(p), n) for p, n in zip(pieces, counts, strict=True)]

    # -- heading path ----------------------------------------------------------------------------------------------

    def _path(self, heads: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
        """The heading path below `heads`, in at most half of the budget, and its tokens.

        The signatures farthest out go first where there is no room; the file's path goes last.
        """
        found = self._paths.get(heads)
        if found is None:
            names = [
                self._key,
                *(head if len(head) <= _MAX_HEADING else head[: _MAX_HEADING - 1] + "…" for head in heads),
            ]
            options = [(names[0], *names[dropped:]) for dropped in range(1, len(names) + 1)] + [()]
            half = self._room.limit // 2 - self._room.special
            counted = (
                (option, self._room.counts(["\n".join(option)])[0]) for option in options
            )  # mostly the first fits
            found = next(((option, tokens) for option, tokens in counted if tokens <= half), ((), 0))
            self._paths[heads] = found
        return found

    def _space(self, heads: tuple[str, ...]) -> int:
        return max(1, self._room.limit - self._room.special - self._path(heads)[1])

    def _limit(self, piece: _Piece) -> int:
        return self._space(piece.heads)

    # -- pieces ----------------------------------------------------------------------------------------------------

    def _pieces(self) -> list[_Piece]:
        """Every line of the file in a piece, by estimate."""
        if not self._by_syntax:
            return self._by_separators()
        done: list[_Piece] = []
        self._cut(self._root, (), done, 0)
        return done

    def _cut(self, part: Part, heads: tuple[str, ...], done: list[_Piece], depth: int) -> None:
        """Cut a part that is over the limit, or the whole file."""
        inner = heads if part.symbol is None else (*heads, part.symbol.signature)
        space = self._space(inner)
        atoms: list[_Atom] = []
        torn = False
        for stretch in part.stretches():
            if not isinstance(stretch, Part):
                atoms += self._between(stretch, space)
                torn = True
                continue
            tokens = self._layout.weight(stretch.first, stretch.last)
            if tokens <= space:
                atoms.append(_Atom(stretch.first, stretch.last, tokens, _TORN if torn else 0.0, whole=True))
            elif stretch.parts and depth < _WINDOW:
                self._pack(atoms, part, heads, inner, space, done)
                atoms = []
                self._cut(stretch, inner, done, depth + 1)
            else:
                self._pack(atoms, part, heads, inner, space, done)
                atoms = []
                self._cut_long(stretch, inner, done)
            torn = False
        self._pack(atoms, part, heads, inner, space, done)

    def _cut_long(self, part: Part, heads: tuple[str, ...], done: list[_Piece]) -> None:
        """Cut a definition without others in it at its statements."""
        inner = heads if part.symbol is None else (*heads, part.symbol.signature)
        space = self._space(inner)
        self._pack(self._between((part.first, part.last), space), part, heads, inner, space, done)

    def _between(self, lines: Lines, space: int) -> list[_Atom]:
        """Lines outside of the definitions in a part, statement by statement where they are over the limit."""
        return [
            _Atom(first, last, self._layout.weight(first, last), min(depth * _DEEP, _DEEP_MOST))
            for first, last, depth in self._layout.statements(*lines, space)
        ]

    def _pack(
        self,
        atoms: Sequence[_Atom],
        part: Part,
        heads: tuple[str, ...],
        inner: tuple[str, ...],
        space: int,
        done: list[_Piece],
    ) -> None:
        """Neighbours put together; what begins where the part begins has its signature in the text, not above it."""
        for group in _grouped(atoms, space):
            first, last = group[0].first, group[-1].last
            above = heads if first == part.first else inner
            if first == last and group[0].tokens > space:
                done += self._line_parts(first, above)
            else:
                done.append(_Piece(first, last, above))

    def _by_separators(self) -> list[_Piece]:
        """For a file whose syntax nobody has read: where langchain's splitter for its language cuts, moved to line starts."""
        layout, space = self._layout, self._space(())
        rate = max(1.0, layout.weight(0, len(layout.lines) - 1)) / max(1, len(self._text))
        size = max(1, int(space / rate))
        starts, offset, lines = [0], 0, 0
        for start, _ in parts_by_size(self._text, size, separators_for(self._key), keep="start"):
            lines += self._text.count("\n", offset, start)
            offset = start
            # A separator that begins with a line end is cut before it.
            line = lines + 1 if self._text[start : start + 1] == "\n" else lines
            if starts[-1] < line < len(layout.lines):
                starts.append(line)
        atoms = [
            atom
            for first, stop in zip(starts, [*starts[1:], len(layout.lines)], strict=True)
            for atom in self._between((first, stop - 1), space)
        ]
        done: list[_Piece] = []
        self._pack(atoms, self._root, (), (), space, done)
        return done

    def _line_parts(self, line: int, heads: tuple[str, ...]) -> Iterator[_Piece]:
        """Parts of a line that is over the limit, by estimate."""
        text = self._layout.lines[line]
        size = max(1, int(self._space(heads) * len(text) / max(1.0, self._layout.weight(line, line))))
        for span in parts_by_size(text, size, _LINE_SEPARATORS, keep="end"):
            yield _Piece(line, line, heads, span)

    def _smaller(self, piece: _Piece) -> list[_Piece]:
        """The parts of a piece that turned out to be over the limit."""
        if piece.first == piece.last:
            line = self._layout.lines[piece.first]
            span = piece.span or (0, len(line))
            room = Room(self._limit(piece), self._room.special, self._room.count)
            parts = cut_to_size(line, span, room, _LINE_SEPARATORS)
            return [
                _Piece(piece.first, piece.last, piece.heads, part) for part, _ in parts if line[slice(*part)].strip()
            ]
        halves = (self._trimmed(_Piece(*half, piece.heads)) for half in self._layout.halves(piece.first, piece.last))
        return [half for half in halves if half is not None]

    def _can_be_cut(self, piece: _Piece) -> bool:
        if piece.first != piece.last:
            return True
        start, end = piece.span or (0, len(self._layout.lines[piece.first]))
        return end - start > 1

    def _trimmed(self, piece: _Piece) -> _Piece | None:
        if piece.span is not None:
            return piece if self._written(piece).strip() else None
        lines = self._layout.trimmed(piece.first, piece.last)
        return None if lines is None else _Piece(*lines, piece.heads)

    def _written(self, piece: _Piece) -> str:
        text = self._layout.text(piece.first, piece.last)
        return text if piece.span is None else text[slice(*piece.span)]


def _grouped(atoms: Sequence[_Atom], space: float) -> Iterator[Sequence[_Atom]]:
    """Neighbours in groups under the limit, with the least sum of costs: what the cuts cost, and room left unused."""
    if len(atoms) == 1:
        yield atoms
        return
    costs, begins = [0.0], [0]
    much = _SMALL * space
    each = [(atom.tokens, atom.whole, atom.cut if place else 0.0) for place, atom in enumerate(atoms)]
    for stop in range(1, len(atoms) + 1):
        best, begin, tokens, definitions = float("inf"), stop - 1, 0.0, 0
        for first in range(stop - 1, max(-1, stop - 1 - _WINDOW), -1):
            more, whole, cut = each[first]
            tokens += more
            if tokens > space and first < stop - 1:
                break
            if whole:
                definitions += 1
            used = tokens / space
            cost = costs[first] + (0.0 if used >= 1.0 else (1 - used) ** 2) + cut
            if definitions > 1 and tokens > much:
                cost += _MIXED
            if cost < best:
                best, begin = cost, first
        costs.append(best)
        begins.append(begin)
    bounds = [len(atoms)]
    while bounds[-1]:
        bounds.append(begins[bounds[-1]])
    bounds.reverse()
    for first, stop in pairwise(bounds):
        yield atoms[first:stop]


class _Contexts:
    """What each chunk knows of itself."""

    def __init__(self, outline: CodeOutline, begin: int) -> None:
        self._outline = outline
        self._imports = tuple(dict.fromkeys(item.module for item in outline.imports))[:_MAX_IMPORTS]
        self._next = 0
        self._open: list[Symbol] = []

    def of(self, first: int, last: int) -> CodeContext:
        """The context of the lines `first` to `last`; to be asked for in order."""
        symbols = self._outline.symbols
        self._open = [item for item in self._open if item.last >= first]
        around = [item for item in self._open if item.last >= last]
        begun: list[Symbol] = []
        start = self._next
        while start < len(symbols) and symbols[start].first <= last:
            if symbols[start].first >= first:
                begun.append(symbols[start])
            start += 1
        self._open += (item for item in symbols[self._next : start] if item.last > last)
        self._next = start
        inner = max(around, key=lambda item: item.first, default=None)
        at_head = next((item for item in begun if item.first == first), None)
        symbol = at_head or inner or next(iter(begun), None)
        paths = tuple(dict.fromkeys(item.path for item in begun[:_MAX_SYMBOLS]))
        if symbol is None:
            return CodeContext(self._outline.language, symbols=paths, imports=self._imports)
        return CodeContext(
            self._outline.language,
            symbol.path,
            symbol.kind.value,
            symbol.signature,
            symbol.doc[:_MAX_DOC].rstrip(),
            paths,
            self._imports,
        )
