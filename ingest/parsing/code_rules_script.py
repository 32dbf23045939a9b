"""JavaScript and TypeScript, PHP, Ruby and Shell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ingest.parsing.code_grammars import Node
from ingest.parsing.code_rules import (
    Definition,
    Read,
    Rules,
    TestClue,
    every,
    line_of,
    named,
    nth,
    unquoted,
    words,
)
from rag.domain.code import Import, SymbolKind

_FUNCTIONS = words("arrow_function function_expression generator_function")
_GROUPS = words("describe context suite")
_CASES = words("it test specify")


def _js_value(node: Node) -> str:
    """Type of what a declaration binds its name to."""
    value = node.child_by_field_name("value") or node.child_by_field_name("right")
    return "" if value is None else value.type


def _js_kind(node: Node, _: Read) -> SymbolKind:
    value = _js_value(node)
    if value in _FUNCTIONS:
        return SymbolKind.FUNCTION
    return SymbolKind.CLASS if value == "class" else SymbolKind.VARIABLE


def _js_variable(node: Node, _: Read) -> Sequence[Node]:
    name = node.child_by_field_name("name")
    return [name] if name is not None and name.type == "identifier" else ()


def _js_assigned(node: Node, _: Read) -> Sequence[Node]:
    """The name of `Form.prototype.send = function () {…}` and `send = …`, where a function is assigned."""
    left = node.child_by_field_name("left")
    if left is None or _js_value(node) not in (*_FUNCTIONS, "class"):
        return ()
    if left.type == "identifier":
        return [left]
    if left.type != "member_expression":
        return ()
    return left.children_by_field_name("property")


def _js_owner(node: Node) -> Node | None:
    """`Form` of `Form.prototype.send`."""
    left = node.child_by_field_name("left")
    before = None if left is None else left.child_by_field_name("object")
    if before is None or before.type != "member_expression":
        return None
    return before.child_by_field_name("object")


def _js_pair(node: Node, _: Read) -> Sequence[Node]:
    """A member of an object that is a function."""
    return node.children_by_field_name("key") if _js_value(node) in _FUNCTIONS else ()


def _js_import(node: Node, read: Read) -> Sequence[Import]:
    """`import … from`, and `export … from`."""
    source = node.child_by_field_name("source")
    if source is None:
        return ()
    names: list[str] = []
    for clause in named(node, "import_clause", "export_clause"):
        names += (read(item) for item in named(clause, "identifier"))
        for group in (clause, *named(clause, "named_imports")):
            names += (
                read(item.child_by_field_name("name")) for item in named(group, "import_specifier", "export_specifier")
            )
    return [Import(unquoted(read(source)), line_of(node), tuple(names))]


def _js_required(node: Node, read: Read) -> Sequence[Import]:
    """`require("…")` and `import("…")`."""
    function = node.child_by_field_name("function")
    if function is None or function.end_byte - function.start_byte not in (6, 7):
        return ()
    arguments = node.child_by_field_name("arguments")
    first = None if arguments is None else nth(arguments)
    if read(function) not in ("require", "import") or first is None or first.type != "string":
        return ()
    return [Import(unquoted(read(first)), line_of(node))]


def _js_test(node: Node, read: Read) -> tuple[str, SymbolKind, bool] | None:
    """`describe("…", () => …)` and `it("…", …)`, also as `it.only` and `test.each(…)("…", …)`."""
    function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    while function is not None and function.type in ("member_expression", "call_expression"):
        function = function.child_by_field_name("object") or function.child_by_field_name("function")
    if function is None or function.type != "identifier" or arguments is None or arguments.named_child_count < 2:
        return None
    if function.end_byte - function.start_byte > 8:
        return None
    word, title = read(function), nth(arguments)
    if title is None or title.type not in ("string", "template_string") or word not in _GROUPS | _CASES:
        return None
    if not named(arguments, *_FUNCTIONS):
        return None
    return unquoted(read(title)), SymbolKind.SECTION if word in _GROUPS else SymbolKind.FUNCTION, True


_JS_DEFINITIONS = {
    "class_declaration": Definition(SymbolKind.CLASS),
    "function_declaration": Definition(SymbolKind.FUNCTION),
    "generator_function_declaration": Definition(SymbolKind.FUNCTION),
    "method_definition": Definition(SymbolKind.METHOD),
    "variable_declarator": Definition(SymbolKind.VARIABLE, _js_variable, ("value.body",), kind_of=_js_kind),
    "assignment_expression": Definition(
        SymbolKind.FUNCTION, _js_assigned, ("right.body",), owner=_js_owner, kind_of=_js_kind
    ),
    "pair": Definition(SymbolKind.FUNCTION, _js_pair, ("value.body",)),
}
JAVASCRIPT = Rules(
    definitions=_JS_DEFINITIONS
    | {"field_definition": Definition(SymbolKind.FIELD, "property", ("value.body",), kind_of=_js_kind)},
    wrappers=frozenset({"export_statement", "expression_statement"}),
    lone=frozenset({"lexical_declaration", "variable_declaration"}),
    anonymous=_FUNCTIONS,
    calls={
        "call_expression": "function",
        "new_expression": "constructor",
        "jsx_opening_element": "name",
        "jsx_self_closing_element": "name",
        "decorator": "*",
    },
    members={"member_expression": ("property", "object")},
    inherits=frozenset({"class_heritage"}),
    names=words("identifier shorthand_property_identifier property_identifier"),
    opaque=words("string regex number jsx_text"),
    imports={"import_statement": _js_import, "export_statement": _js_import, "call_expression": _js_required},
    named_call=_js_test,
    ignored=words("undefined arguments this super console"),
)
TYPESCRIPT = replace(
    JAVASCRIPT,
    definitions=_JS_DEFINITIONS
    | {
        "abstract_class_declaration": Definition(SymbolKind.CLASS),
        "interface_declaration": Definition(SymbolKind.INTERFACE),
        "enum_declaration": Definition(SymbolKind.ENUM),
        "enum_body": Definition(SymbolKind.CONSTANT, every("name"), (), within=False),
        "enum_assignment": Definition(SymbolKind.CONSTANT, within=False),
        "type_alias_declaration": Definition(SymbolKind.TYPE, body=()),
        "internal_module": Definition(SymbolKind.MODULE),
        "module": Definition(SymbolKind.MODULE),
        "function_signature": Definition(SymbolKind.FUNCTION, body=()),
        "method_signature": Definition(SymbolKind.METHOD, body=()),
        "abstract_method_signature": Definition(SymbolKind.METHOD, body=()),
        "property_signature": Definition(SymbolKind.FIELD, body=(), within=False),
        "public_field_definition": Definition(SymbolKind.FIELD, body=("value.body",), kind_of=_js_kind),
    },
    wrappers=JAVASCRIPT.wrappers | {"ambient_declaration"},
    attributes=frozenset({"decorator"}),
    calls={name: field for name, field in JAVASCRIPT.calls.items() if not name.startswith(("jsx", "decorator"))},
    types=frozenset({"type_identifier"}),
    arguments=frozenset({"type_arguments"}),
    inherits=frozenset({"class_heritage", "extends_type_clause"}),
    opaque=words("string regex number predefined_type accessibility_modifier"),
    ignored=JAVASCRIPT.ignored | words("Array Promise Record Partial"),
)
TSX = replace(
    TYPESCRIPT,
    calls={**TYPESCRIPT.calls, "jsx_opening_element": "name", "jsx_self_closing_element": "name"},
    opaque=TYPESCRIPT.opaque | {"jsx_text"},
)


def _php_elements(node: Node, _: Read) -> Sequence[Node]:
    """The names of properties, without their `$`, and of constants."""
    found: list[Node] = []
    for item in named(node, "property_element", "const_element"):
        for name in named(item, "variable_name", "name")[:1]:
            found += named(name, "name") if name.type == "variable_name" else [name]
    return found


def _php_use(node: Node, read: Read) -> Sequence[Import]:
    prefix = "".join(read(item) + "\\" for item in named(node, "namespace_name"))
    clauses = [
        each for group in (node, *named(node, "namespace_use_group")) for each in named(group, "namespace_use_clause")
    ]
    names = [read(nth(item)) for item in clauses]
    if prefix:
        return [Import(prefix.rstrip("\\"), line_of(node), tuple(names))]
    return [Import(name, line_of(node)) for name in names]


def _php_required(node: Node, read: Read) -> Sequence[Import]:
    """`require "…"`."""
    return [Import(unquoted(read(item)), line_of(node)) for item in named(node, "string", "encapsed_string")]


def _php_is_test(clue: TestClue) -> bool:
    if clue.kind is not SymbolKind.METHOD:
        return False
    return (clue.name.startswith("test") and clue.owner.endswith("Test")) or "#[Test]" in clue.head


PHP = Rules(
    definitions={
        "class_declaration": Definition(SymbolKind.CLASS),
        "interface_declaration": Definition(SymbolKind.INTERFACE),
        "trait_declaration": Definition(SymbolKind.TRAIT),
        "enum_declaration": Definition(SymbolKind.ENUM),
        "enum_case": Definition(SymbolKind.CONSTANT, within=False),
        "function_definition": Definition(SymbolKind.FUNCTION),
        "method_declaration": Definition(SymbolKind.METHOD),
        "property_declaration": Definition(SymbolKind.FIELD, _php_elements, (), within=False),
        "const_declaration": Definition(SymbolKind.CONSTANT, _php_elements, (), within=False),
    },
    anonymous=frozenset({"anonymous_function", "arrow_function"}),
    calls={
        "function_call_expression": "function",
        "member_call_expression": "name",
        "nullsafe_member_call_expression": "name",
        "scoped_call_expression": "name",
        "object_creation_expression": "*",
        "attribute": "*",
    },
    members={
        "member_call_expression": ("name", "object"),
        "nullsafe_member_call_expression": ("name", "object"),
        "scoped_call_expression": ("name", "scope"),
        "member_access_expression": ("name", "object"),
        "class_constant_access_expression": ("*", "*"),
        "qualified_name": ("*", "*"),
    },
    typed=frozenset({"named_type"}),
    inherits=frozenset({"base_clause", "class_interface_clause", "use_declaration"}),
    names=frozenset({"name"}),
    opaque=words("variable_name string integer text primitive_type namespace_name"),
    imports={
        "namespace_use_declaration": _php_use,
        "require_expression": _php_required,
        "require_once_expression": _php_required,
        "include_expression": _php_required,
        "include_once_expression": _php_required,
    },
    is_test=_php_is_test,
    shared=True,
    ignored=words("parent self static null true false array isset empty"),
)


def _rb_constant(node: Node, _: Read) -> Sequence[Node]:
    left = node.child_by_field_name("left")
    return [left] if left is not None and left.type == "constant" else ()


def _rb_string(node: Node) -> Node | None:
    arguments = node.child_by_field_name("arguments")
    return None if arguments is None else nth(arguments)


def _rb_required(node: Node, read: Read) -> Sequence[Import]:
    method, path = node.child_by_field_name("method"), _rb_string(node)
    if method is None or path is None or path.type != "string":
        return ()
    if read(method) not in ("require", "require_relative", "load", "autoload"):
        return ()
    return [Import(unquoted(read(path)), line_of(node))]


def _rb_test(node: Node, read: Read) -> tuple[str, SymbolKind, bool] | None:
    """`describe Payment do` and `it "…" do`."""
    method, title = node.child_by_field_name("method"), _rb_string(node)
    if method is None or title is None or node.child_by_field_name("block") is None:
        return None
    word = read(method)
    if word not in _GROUPS | _CASES:
        return None
    return unquoted(read(title)), SymbolKind.SECTION if word in _GROUPS else SymbolKind.FUNCTION, True


def _rb_is_test(clue: TestClue) -> bool:
    return clue.kind is SymbolKind.METHOD and clue.name.startswith("test_")


RUBY = Rules(
    definitions={
        "module": Definition(SymbolKind.MODULE, body=("body", "comment")),
        "class": Definition(SymbolKind.CLASS, body=("body", "comment")),
        "method": Definition(SymbolKind.FUNCTION),
        "singleton_method": Definition(SymbolKind.FUNCTION),
        "assignment": Definition(SymbolKind.CONSTANT, _rb_constant, (), within=False),
    },
    anonymous=frozenset({"lambda"}),
    calls={"call": "method"},
    members={"call": ("method", "receiver"), "scope_resolution": ("name", "scope")},
    inherits=frozenset({"superclass"}),
    types=frozenset({"constant"}),
    names=frozenset({"identifier"}),
    opaque=words("string_content integer simple_symbol"),
    imports={"call": _rb_required},
    named_call=_rb_test,
    is_test=_rb_is_test,
    ignored=words("puts raise attr_reader attr_accessor attr_writer private protected public lambda proc p"),
)


def _sh_sourced(node: Node, read: Read) -> Sequence[Import]:
    """`source lib.sh` and `. lib.sh`."""
    path = node.child_by_field_name("argument")
    if path is None or read(node.child_by_field_name("name")) not in ("source", "."):
        return ()
    return [Import(unquoted(read(path)), line_of(node))]


def _sh_assigned(node: Node, _: Read) -> Sequence[Node]:
    return named(node, "variable_name")[:1]


_SH_BUILTINS = re.split(
    r"\s+",
    "echo printf test cd exit return set unset export local shift read eval exec trap true false if then fi for do done"
    " cat grep sed awk cut tr head tail sort uniq rm cp mv mkdir ls chmod chown ln find xargs wc tee touch sleep kill",
)
SHELL = Rules(
    definitions={
        "function_definition": Definition(SymbolKind.FUNCTION),
        "variable_assignment": Definition(SymbolKind.VARIABLE, _sh_assigned, (), within=False),
    },
    wrappers=frozenset({"declaration_command"}),
    calls={"command": "name"},
    names=words("word variable_name"),
    opaque=words("raw_string number"),
    imports={"command": _sh_sourced},
    ignored=frozenset(_SH_BUILTINS),
)
