"""Where something of source code stands, as a reader may see it, and what navigation tells of it.

Everything is found by syntax: a use is joined to a definition by its name and what stands around it, so each says how sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from rag.domain.anchor import LineAnchor
from rag.domain.code import ReferenceRole, Symbol
from rag.domain.passage import Passage, Source


class Sureness(StrEnum):
    """How sure it is that a use is one of the definition that was asked for, surest first."""

    SURE = "sure"
    """The syntax says so: the same file or class defines it, or an import names the file that does."""
    LIKELY = "likely"
    """It is the only definition of the name that the permit covers, or what stands before the name is called like its class."""
    POSSIBLE = "possible"
    """The name is the same, and nothing else is known."""


@dataclass(frozen=True, slots=True)
class CodeScope:
    """What code is asked about. Empty fields hold for everything.

    Attributes:
        repositories: first parts of source keys: names of repositories.
        path: glob on the path inside the repository: `src/**/*.py`, `*.java` (in any folder), or a folder `src/login`.
        language: name as in `rag.text.code.LANGUAGE_NAMES`.
    """

    repositories: tuple[str, ...] = ()
    path: str = ""
    language: str = ""

    @property
    def everything(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.repositories or self.path or self.language)


@dataclass(frozen=True, slots=True)
class Spot:
    """Lines of a file, read under a permit.

    Attributes:
        chunk_id: the chunk in which `first` stands.
        first, last: lines, counted from 1.
        text: exactly these lines, without the last line break; what is hidden from the reader is masked.
        before, after: lines around them, at most as many as were asked for.
    """

    source: Source
    chunk_id: UUID
    first: int
    last: int
    text: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """`payments/src/login.py:10-24@abc123def456`; without `@…` for a file of no repository."""
        anchored = self.source.place(LineAnchor(self.first, self.last))
        span = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return anchored or f"{self.source.source_key}:{span}"


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition that the permit covers.

    Attributes:
        symbol: signature and documentation as the reader may see them.
        spot: the lines of its head; `symbol.first`..`symbol.last` are all of it.
    """

    symbol: Symbol
    language: str
    spot: Spot

    @property
    def whole(self) -> str:
        """The place of the whole definition."""
        return Spot(self.spot.source, self.spot.chunk_id, self.symbol.first, self.symbol.last, "").place


@dataclass(frozen=True, slots=True)
class Use:
    """A line in which a name is used.

    Attributes:
        enclosing: path of the definition around it; empty at the top of the file.
        qualifier: what stands before the name.
        test: whether it stands in a test.
    """

    name: str
    role: ReferenceRole
    enclosing: str
    qualifier: str
    spot: Spot
    sure: Sureness
    test: bool = False


@dataclass(frozen=True, slots=True)
class Uses:
    """What was found for a name.

    Attributes:
        definitions: of the name as it was asked for; empty for what is defined elsewhere (a library).
        uses: surest first, then by path and line.
        more: whether there are others that are not listed.
    """

    name: str
    definitions: tuple[Definition, ...]
    uses: tuple[Use, ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Callee:
    """Something that a definition calls.

    Attributes:
        definitions: where it may be defined, surest first; empty for what is defined elsewhere.
        uses: the calls.
    """

    name: str
    sure: Sureness
    definitions: tuple[Definition, ...]
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class FileOutline:
    """What a file defines and imports, as the reader may see it.

    Attributes:
        imports: modules as written, each once, in the order of their lines.
        lines: number of lines of the file as far as it was read; 0 where it has none.
    """

    source: Source
    language: str
    symbols: tuple[Symbol, ...]
    imports: tuple[str, ...] = ()
    lines: int = 0


@dataclass(frozen=True, slots=True)
class ModuleExplanation:
    """What is known of a file, folder or module, for whoever explains it.

    Attributes:
        name: as it was asked for.
        files: outlines, most important first; `more` when there are others.
        imports: what its files import from outside of it.
        importers: lines elsewhere that import it.
        passages: the best passages of it for the question, by hybrid retrieval.
    """

    name: str
    files: tuple[FileOutline, ...]
    imports: tuple[str, ...]
    importers: tuple[Use, ...]
    passages: tuple[Passage, ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class CodeMatch:
    """Lines that a search found.

    Attributes:
        spot: the lines, with two before and after.
        spans: what matched in `spot.text`, as offsets; empty where words or a symbol were searched for.
        symbol: path of the definition around it; empty outside of all.
        score: comparable within one result only; 0 where nothing is ranked.
    """

    spot: Spot
    language: str
    spans: tuple[tuple[int, int], ...] = ()
    symbol: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class CodeMatches:
    """A result of `search_code`.

    Attributes:
        how: `words`, `regex` or `symbol`.
        more: whether there are others that are not listed.
        partial: not everything was looked through: the time was up, or more was found outside of the scope than one question
            can look past.
        passages: what hybrid retrieval found, for `words` alone, in the order of `matches`.
        definitions: for `symbol` alone, in the order of `matches`.
    """

    how: str
    matches: tuple[CodeMatch, ...]
    more: bool = False
    partial: bool = False
    milliseconds: float = 0.0
    passages: tuple[Passage, ...] = field(default=(), repr=False)
    definitions: tuple[Definition, ...] = field(default=(), repr=False)
