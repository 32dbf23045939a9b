"""An outline that grows line by line, for languages that are read by rules of their text."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rag.domain.code import CodeOutline, Import, Reference, ReferenceRole, Symbol, SymbolKind

_MAX_SIGNATURE = 300
_MAX_DOC = 2000


@dataclass(slots=True)
class _Open:
    """A definition whose end has not come yet."""

    place: int
    level: int
    inside: str


@dataclass(slots=True)
class TextOutline:
    """Definitions by the lines that they begin on; one ends where the next of its level, or of one farther out, begins."""

    language: str
    symbols: list[Symbol] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    _references: dict[tuple[str, ReferenceRole, str, str], list[int]] = field(default_factory=dict)
    _stack: list[_Open] = field(default_factory=list)

    @property
    def enclosing(self) -> str:
        """Path of what is open."""
        return self._stack[-1].inside if self._stack else ""

    def begin(
        self,
        level: int,
        kind: SymbolKind,
        name: str,
        signature: str,
        first: int,
        *,
        line: int = 0,
        doc: str = "",
        test: bool = False,
        named: bool = True,
    ) -> None:
        """Open a definition.

        Args:
            level: how far in it is; what is open of this level or of one farther in ends before it.
            first: its first line, the comment before it included, counted from 1.
            line: where it is itself; `first` when 0.
            named: whether its name is a part of the paths of what lies in it.
        """
        while self._stack and self._stack[-1].level >= level:
            self.end(first - 1)
        around = self.enclosing
        path = f"{around}.{name}" if around else name
        shown = " ".join(signature.split())[:_MAX_SIGNATURE]
        self.symbols.append(Symbol(name, path, kind, shown, first, max(first, line), doc[:_MAX_DOC], test))
        self._stack.append(_Open(len(self.symbols) - 1, level, path if named else around))

    def single(self, kind: SymbolKind, name: str, signature: str, line: int, last: int, *, test: bool = False) -> None:
        """A definition with nothing in it."""
        path = f"{self.enclosing}.{name}" if self.enclosing else name
        shown = " ".join(signature.split())[:_MAX_SIGNATURE]
        self.symbols.append(Symbol(name, path, kind, shown, line, last, test=test))

    def end(self, last: int) -> None:
        """Close what was opened last."""
        if self._stack:
            place = self._stack.pop().place
            symbol = self.symbols[place]
            self.symbols[place] = replace(symbol, last=max(symbol.last, last))

    def end_all(self, last: int, level: int = 0) -> None:
        """Close all that is open of this level or of one farther in."""
        while self._stack and self._stack[-1].level >= level:
            self.end(last)

    def refer(self, name: str, role: ReferenceRole, line: int, qualifier: str = "") -> None:
        """Note a use."""
        lines = self._references.setdefault((name, role, self.enclosing, qualifier), [])
        if not lines or lines[-1] != line:
            lines.append(line)

    def outline(self) -> CodeOutline:
        """What was noted."""
        symbols = tuple(sorted(self.symbols, key=lambda item: (item.first, -item.last)))
        references = tuple(
            Reference(name, role, tuple(lines), enclosing, qualifier)
            for (name, role, enclosing, qualifier), lines in self._references.items()
        )
        return CodeOutline(self.language, symbols, references, tuple(self.imports))
