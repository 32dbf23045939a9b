"""What to look for in the syntax tree of a language: one table each, by the names that its grammar gives to nodes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.parsing.code_grammars import Node
from rag.domain.code import Import, SymbolKind

Read = Callable[[Node | None], str]
"""The characters of a node; empty for none. A node can't tell them itself: the tree does not keep the text."""

Naming = Callable[[Node, Read], Sequence[Node]]
"""The nodes that hold the names which a definition gives, none when it is no definition after all."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A kind of node that defines something.

    Attributes:
        kind: VARIABLE stands for whatever a name is bound to: a field in a class, nothing of note in a function, and a
            constant when its name has no small letters. A FUNCTION in a class is a method.
        name: the field that holds the name, or what finds it.
        body: fields, or types of children, before the first of which the signature ends.
        within: whether the names in it are its own: `approve` in `PaymentService` is `PaymentService.approve`.
        owner: what finds the node of a name that comes before in the path though it stands elsewhere: a receiver.
        depth: it counts below this many definitions only.
        kind_of: what tells the kind where the type of the node does not.
        outside: whether it is something of note only outside of functions, whatever it is.
    """

    kind: SymbolKind
    name: str | Naming = "name"
    body: tuple[str, ...] = ("body",)
    within: bool = True
    owner: Callable[[Node], Node | None] | None = None
    depth: int = 100
    kind_of: Callable[[Node, Read], SymbolKind] | None = None
    outside: bool = False


@dataclass(frozen=True, slots=True)
class TestClue:
    """What tells a test from other code.

    Attributes:
        head: decorators, annotations and signature, as written.
        owner: name of the definition around it; empty when there is none.
        file: name of the file without its folders.
    """

    __test__ = False

    kind: SymbolKind
    name: str
    head: str
    owner: str
    file: str


def never(_: TestClue) -> bool:
    """For languages that have no tests."""
    return False


@dataclass(frozen=True, slots=True)
class Rules:
    """How one language is read. All keys and members are types of nodes.

    Attributes:
        wrappers: nodes around a definition that belong to it: decorators, `export`, `template <…>`.
        lone: the same, but only around one definition: `type (…)`, `const a = 1, b = 2`.
        anonymous: functions without a name of their own, in which variables are nothing of note.
        attributes: nodes before a definition, beside it, that belong to it.
        calls: the field with what is called; with `*`, the first child.
        members: fields of the name and of what stands before it, in `a.b`.
        types: leaves that name a type wherever they stand.
        typed: nodes (or, as `node.field`, fields) below which a name is a type.
        arguments: nodes below which a name is a type even where something is inherited from: `T` of `Base<T>`.
        inherits: nodes (or, as `node.field`, fields) below which a name is one that is inherited from.
        plain: nodes below which a name is just a name again.
        names: leaves that may name anything.
        tokens: nodes in which nothing is told apart but a name before brackets is called: the arguments of a macro.
        opaque: nodes with nothing in them worth a look.
        docstring: what finds the documentation inside of a definition.
        named_call: what makes a definition of a call (`describe("…", () => …)`): its name, and whether it is a test.
        ignored: names that are in every file of the language.
        shared: whether a file sees what others of its package define, without an import, and such names begin with a capital:
            `Gateway.charge()`, of which nothing else in the file tells that `Gateway` is a class.
        owners: nodes that are no definition, but whose names are those of another: `impl T`.
    """

    definitions: Mapping[str, Definition]
    comments: frozenset[str] = frozenset({"comment"})
    wrappers: frozenset[str] = frozenset()
    lone: frozenset[str] = frozenset()
    anonymous: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    calls: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    types: frozenset[str] = frozenset()
    typed: frozenset[str] = frozenset()
    arguments: frozenset[str] = frozenset()
    inherits: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset({"identifier"})
    tokens: frozenset[str] = frozenset()
    opaque: frozenset[str] = frozenset()
    imports: Mapping[str, Callable[[Node, Read], Sequence[Import]]] = field(default_factory=dict)
    docstring: Callable[[Node, Read], str] | None = None
    named_call: Callable[[Node, Read], tuple[str, SymbolKind, bool] | None] | None = None
    owners: Mapping[str, Callable[[Node], Node | None]] = field(default_factory=dict)
    is_test: Callable[[TestClue], bool] = never
    ignored: frozenset[str] = frozenset()
    shared: bool = False


def line_of(node: Node) -> int:
    """The line that a node begins on, from 1."""
    return node.start_point.row + 1


def named(node: Node, *types: str) -> list[Node]:
    """Its named children of these types."""
    return [child for child in node.named_children if child.type in types]


def nth(node: Node, index: int = 0) -> Node | None:
    """A named child by its place; None where there are fewer."""
    return node.named_child(index) if index < node.named_child_count else None


def every(field_name: str) -> Naming:
    """Names that are all children in a field."""

    def find(node: Node, _: Read) -> Sequence[Node]:
        return node.children_by_field_name(field_name)

    return find


def below(*types: str) -> Naming:
    """Names that are the first child of one of these types."""

    def find(node: Node, _: Read) -> Sequence[Node]:
        return named(node, *types)[:1]

    return find


def unquoted(text: str) -> str:
    """A string literal without its quotes."""
    return text.strip("\"'`<>")


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def annotated(*names: str) -> Callable[[TestClue], bool]:
    """Tests that carry one of these annotations or attributes."""
    pattern = re.compile(r"[@\[,:\s](?:" + "|".join(names) + r")(?:Attribute)?\s*(?:[\](,]|$|\s)", re.MULTILINE)

    def is_test(clue: TestClue) -> bool:
        return clue.kind in (SymbolKind.METHOD, SymbolKind.FUNCTION) and pattern.search(clue.head) is not None

    return is_test
