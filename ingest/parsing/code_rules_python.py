"""Python."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Sequence
from inspect import cleandoc

from ingest.parsing.code_grammars import Node
from ingest.parsing.code_rules import Definition, Read, Rules, TestClue, every, line_of, named, nth, words
from rag.domain.code import Import, SymbolKind

_PREFIX = "rRuUbBfF"
_PLAIN_LITERAL = re.compile(r'"""[^"\\\r\0]*"""')
"""A literal that says what stands in it: Python's own reading, with its compiler, takes ten times as long."""


def _assigned(node: Node, read: Read) -> Sequence[Node]:
    """The names on the left: of `a = 1`, and of `self.a = 1` in a constructor, where fields are made."""
    left = node.child_by_field_name("left")
    if left is None:
        return ()
    if left.type == "attribute":
        return named(left, "identifier")[1:] if read(left).startswith("self.") else ()
    return [left] if left.type == "identifier" else named(left, "identifier")


def _imports(node: Node, read: Read) -> Sequence[Import]:
    line = line_of(node)
    if node.type == "import_statement":
        return [Import(_dotted(item, read), line) for item in node.children_by_field_name("name")]
    if node.type == "future_import_statement":
        return ()
    names = tuple(_dotted(item, read) for item in node.children_by_field_name("name"))
    return [Import(read(node.child_by_field_name("module_name")), line, names)]


def _dotted(node: Node, read: Read) -> str:
    return read(node.child_by_field_name("name") or node if node.type == "aliased_import" else node)


def _docstring(node: Node, read: Read) -> str:
    body = node.child_by_field_name("body")
    first = None if body is None else next((c for c in body.named_children if c.type != "comment"), None)
    if first is None or first.type != "expression_statement" or first.named_child_count != 1:
        return ""
    value = nth(first)
    if value is None or value.type != "string":
        return ""
    written = read(value)
    if _PLAIN_LITERAL.fullmatch(written) is not None:
        return cleandoc(written[3:-3])
    try:
        found = ast.literal_eval(written)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = written.lstrip(_PREFIX).strip("\"'")
    # An escape can stand for what no database takes: NUL, or half of a pair.
    return cleandoc(found.replace("\0", "").encode("utf-8", "replace").decode()) if isinstance(found, str) else ""


def _is_test(clue: TestClue) -> bool:
    if clue.kind is SymbolKind.CLASS:
        return clue.name.startswith("Test") and clue.file.startswith("test_")
    return clue.kind in (SymbolKind.FUNCTION, SymbolKind.METHOD) and clue.name.startswith("test")


RULES = Rules(
    definitions={
        "class_definition": Definition(SymbolKind.CLASS),
        "function_definition": Definition(SymbolKind.FUNCTION),
        "assignment": Definition(SymbolKind.VARIABLE, _assigned, (), within=False),
        "type_alias_statement": Definition(SymbolKind.TYPE, every("left"), ("right",), within=False),
    },
    wrappers=frozenset({"decorated_definition", "expression_statement"}),
    calls={"call": "function"},
    members={"attribute": ("attribute", "object")},
    typed=frozenset({"type"}),
    inherits=frozenset({"class_definition.superclasses"}),
    plain=frozenset({"keyword_argument"}),
    opaque=words("string_start string_content string_end integer float import_prefix"),
    imports=dict.fromkeys(("import_statement", "import_from_statement", "future_import_statement"), _imports),
    docstring=_docstring,
    is_test=_is_test,
    ignored=frozenset(dir(builtins)) | words("self cls Any Self"),
)
