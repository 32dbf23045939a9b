"""What is known of source code besides its text: definitions, uses, imports, and the commit that it was read at.

Everything here is syntax: nothing is compiled, so a use is joined to a definition by its name and what stands around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID


class SymbolKind(StrEnum):
    """What a definition is, in the words that most languages share."""

    MODULE = "module"
    CLASS = "class"
    INTERFACE = "interface"
    STRUCT = "struct"
    ENUM = "enum"
    TRAIT = "trait"
    FUNCTION = "function"
    METHOD = "method"
    FIELD = "field"
    CONSTANT = "constant"
    VARIABLE = "variable"
    TYPE = "type"
    MACRO = "macro"
    TABLE = "table"
    VIEW = "view"
    PROCEDURE = "procedure"
    SECTION = "section"
    KEY = "key"


class ReferenceRole(StrEnum):
    """How a name is used."""

    CALL = "call"
    TYPE = "type"
    INHERIT = "inherit"
    IMPORT = "import"
    USE = "use"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A definition.

    Attributes:
        name: as it is written, without what encloses it: `approve`.
        path: names from the outermost definition of the file inwards: `PaymentService.approve`; the same in all languages.
        signature: its head on one line, without the body: `def approve(self, amount: int) -> bool`.
        doc: its documentation comment or docstring, markers removed; empty when it has none.
        first, last: lines of the whole definition, decorators and the comment before it included, counted from 1.
        test: whether it is a test of something, by the conventions of its language.
    """

    name: str
    path: str
    kind: SymbolKind
    signature: str
    first: int
    last: int
    doc: str = ""
    test: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """Uses of one name in one role inside one definition.

    Attributes:
        name: the last part of what is used: `charge` of `self.gateway.charge(…)`.
        qualifier: what stands before it there: `self.gateway`; empty when nothing does.
        enclosing: path of the innermost definition around the uses; empty at the top of the file.
        lines: where, counted from 1, ascending, each once.
    """

    name: str
    role: ReferenceRole
    lines: tuple[int, ...]
    enclosing: str = ""
    qualifier: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """A module, file or package that a file takes names from.

    Attributes:
        module: as it is written: `payments.gateway`, `./login`, `java.util.List`, `<stdio.h>` without its brackets.
        names: what is taken from it, under the names that they have there; empty when it is taken whole.
    """

    module: str
    line: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeOutline:
    """The definitions, uses and imports of one file, each in the order of their lines.

    Attributes:
        language: name as in `rag.text.code.LANGUAGE_NAMES`: `python`, `c++`.
        broken: whether the syntax could not be read everywhere; what could be is here.
    """

    language: str
    symbols: tuple[Symbol, ...] = ()
    references: tuple[Reference, ...] = ()
    imports: tuple[Import, ...] = ()
    broken: bool = False


@dataclass(frozen=True, slots=True)
class CodeContext:
    """What a chunk of code knows of itself.

    Attributes:
        language: as in `CodeOutline`.
        symbol: path of the definition that it is, is part of, or begins with; empty for what lies outside of all.
        kind, signature, doc: of that definition.
        symbols: paths of all definitions that begin in it, outermost first.
        imports: modules that its file imports, as written.
    """

    language: str
    symbol: str = ""
    kind: str = ""
    signature: str = ""
    doc: str = ""
    symbols: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "language": self.language,
            "symbol": self.symbol,
            "kind": self.kind,
            "signature": self.signature,
            "doc": self.doc,
            "symbols": self.symbols,
            "imports": self.imports,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> CodeContext:
        """The inverse of `to_json`."""
        return CodeContext(**{**data, "symbols": tuple(data["symbols"]), "imports": tuple(data["imports"])})

    def without_prose(self) -> CodeContext:
        """The same without what somebody wrote in words: for a chunk in which personal data is hidden."""
        return CodeContext(self.language, self.symbol, self.kind, "", "", self.symbols, self.imports)


@dataclass(frozen=True, slots=True)
class Revision:
    """The state of a repository that a file was read at.

    Attributes:
        repository: its name, which is also the first part of the source key of each of its files.
        commit: hash of the commit, in full.
    """

    repository: str
    commit: str

    @property
    def short(self) -> str:
        """The first twelve digits of the commit."""
        return self.commit[:12]


@dataclass(frozen=True, slots=True)
class MirrorText:
    """Where a text comes from that is read from a repository's mirror.

    Attributes:
        path: of the file inside the repository; empty for the message of the commit.
    """

    repository_id: UUID
    path: str = ""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that differs between two commits.

    Attributes:
        status: `added`, `modified`, `deleted` or `renamed`.
        before: its path in the older commit where it was renamed; empty otherwise.
        patch: unified diff of it, without file headers; empty for a binary file or where none was asked for.
        cut: whether the patch was too long and ends early.
    """

    path: str
    status: str
    added: int
    removed: int
    before: str = ""
    patch: str = field(default="", repr=False)
    cut: bool = False

    def with_patch(self, patch: str, *, cut: bool) -> FileChange:
        """The same with a patch."""
        return replace(self, patch=patch, cut=cut)
