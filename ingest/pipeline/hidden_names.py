"""Names of source code that are themselves what readers are not to see: a token that is a key of a settings file, a password in
the address of an import.

A name goes where its chunk's mask does not reach: into the symbol table, into references and maps, and, split into words, above
the text of chunks that both legs read. Whether it is hidden is asked of the lines that it stands on, with their mask: the name
`password` beside a masked value stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeContext, CodeOutline, Import, Reference, Symbol
from rag.domain.document import Chunk
from rag.domain.findings import IN_TEXT, ChunkFindings, Finding, Kind, masked
from rag.domain.personal_data import PersonalDataRecord

_SHORTEST = 4
"""Characters of a value that is looked for inside of names that are written otherwise than in their line."""


@dataclass(frozen=True, slots=True)
class FileLines:
    """The lines of a file, by number from 1.

    Attributes:
        raw, shown: as they are, and as readers see them.
        values: what is hidden on each line, where anything is.
    """

    raw: Mapping[int, str]
    shown: Mapping[int, str]
    values: Mapping[int, Sequence[str]]

    @classmethod
    def of(cls, chunks: Sequence[Chunk], found: Sequence[ChunkFindings], record: PersonalDataRecord) -> FileLines:
        """The lines of a file's chunks."""
        raw, shown = dict[int, str](), dict[int, str]()
        values: dict[int, list[str]] = {}
        for chunk, one in zip(chunks, found, strict=True):
            items = one.only(record.hidden).of(IN_TEXT)
            whole = chunk.anchor_of(0, len(chunk.text))
            if isinstance(whole, LineAnchor):
                raw |= enumerate(chunk.text.split("\n"), start=whole.first)
                shown |= enumerate(masked(chunk.text, items).split("\n"), start=whole.first)
            for item in items:
                anchor = chunk.anchor_of(item.start, item.end)
                if isinstance(anchor, LineAnchor):
                    parts = chunk.text[item.start : item.end].split("\n")
                    for number in range(anchor.first, anchor.last + 1):
                        values.setdefault(number, []).extend(parts)
        return cls(raw, shown, values)

    @property
    def hidden(self) -> frozenset[int]:
        """The lines on which something stands that readers are not to see."""
        return frozenset(self.values)

    def hides(self, name: str, lines: Iterable[int]) -> bool:
        """Whether a name that stands on some of these lines is not to be seen on any of them."""
        there = list(lines)
        touched = [number for number in there if number in self.values]
        if not name or not touched or any(name in self.shown.get(number, "") for number in there):
            return False
        return any(
            name in self.raw.get(number, "")
            or any(len(value) >= _SHORTEST and value in name for value in self.values[number])
            for number in touched
        )


@dataclass(frozen=True, slots=True)
class HiddenNames:
    """What stands in the place of names that are hidden, stars, as many as they have letters.

    Attributes:
        paths: of definitions, and of what lies in them, by their own.
        modules: of imports, by their own.
    """

    lines: FileLines
    paths: Mapping[str, str]
    modules: Mapping[str, str]

    def word(self, word: str, lines: Iterable[int]) -> str:
        """A name as it may be shown, which stands on some of these lines."""
        return _starred(word) if self.lines.hides(word, lines) else word

    def path(self, path: str) -> str:
        """The path of a definition as it may be shown."""
        return self.paths.get(path, path)

    def outline(self, outline: CodeOutline) -> CodeOutline:
        """The outline without them."""
        return replace(
            outline,
            symbols=tuple(self._symbol(item) for item in outline.symbols),
            references=tuple(self._reference(item) for item in outline.references),
            imports=tuple(self._import(item) for item in outline.imports),
        )

    def context(self, code: CodeContext) -> CodeContext:
        """What a chunk knows of itself, without them."""
        return replace(
            code,
            symbol=self.path(code.symbol),
            symbols=tuple(self.path(path) for path in code.symbols),
            imports=tuple(self.modules.get(module, module) for module in code.imports),
        )

    def _symbol(self, item: Symbol) -> Symbol:
        name = self.word(item.name, range(item.first, item.last + 1))
        signature = item.signature if name == item.name else name
        return replace(item, name=name, path=self.path(item.path), signature=signature)

    def _reference(self, item: Reference) -> Reference:
        name, qualifier = self.word(item.name, item.lines), self.word(item.qualifier, item.lines)
        return replace(item, name=name, qualifier=qualifier, enclosing=self.path(item.enclosing))

    def _import(self, item: Import) -> Import:
        names = tuple(self.word(name, [item.line]) for name in item.names)
        return replace(item, module=self.word(item.module, [item.line]), names=names)


def hidden_names(outline: CodeOutline, lines: FileLines) -> HiddenNames:
    """The names of an outline that readers are not to see."""
    own: dict[str, str] = {}
    for symbol in outline.symbols:
        if lines.hides(symbol.name, range(symbol.first, symbol.last + 1)):
            own[symbol.path] = symbol.path.removesuffix(symbol.name) + _starred(symbol.name)
    every = {item.path for item in outline.symbols} | {item.enclosing for item in outline.references}
    paths = {path: new for path in every if (new := _followed(path, own)) != path} if own else {}
    modules = {item.module: _starred(item.module) for item in outline.imports if lines.hides(item.module, [item.line])}
    return HiddenNames(lines, paths, modules)


def _followed(path: str, own: Mapping[str, str]) -> str:
    """The path of a definition, with the stars of those that it lies in and of its own."""
    whole = path
    ends = (place for place in range(len(whole) - 1, 0, -1) if whole[place] == ".")
    for end in (len(whole), *ends):  # stars are as many as letters: lengths stay
        if (outer := whole[:end]) in own:
            changed = [new if new != old else char for old, new, char in zip(outer, own[outer], path, strict=False)]
            path = "".join(changed) + path[len(outer) :]
    return path


def _starred(name: str) -> str:
    return masked(name, [Finding(0, len(name), Kind.SECRET)])
