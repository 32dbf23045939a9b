"""C and C++, Go and Rust."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ingest.parsing.code_grammars import Node
from ingest.parsing.code_rules import Definition, Read, Rules, TestClue, every, line_of, nth, unquoted, words
from rag.domain.code import Import, SymbolKind

_NAMES = words(
    "identifier field_identifier type_identifier destructor_name operator_name qualified_identifier operator_cast"
)
_GTEST = re.compile(r"(?:TYPED_)?TEST(?:_[FP])?$")
_MAX_DECLARATOR = 12


def _declarator(node: Node) -> Node | None:
    """The innermost declarator: `f` of `int *(f)(char **)`."""
    found: Node | None = node
    for _ in range(_MAX_DECLARATOR):
        if found is None or found.type in _NAMES:
            return found
        inner = found.child_by_field_name("declarator")
        if inner is None and found.type in ("reference_declarator", "parenthesized_declarator"):
            inner = nth(found)
        found = inner
    return None


def _function_of(node: Node) -> Node | None:
    """The function declarator of a declaration; None when it declares no function."""
    found = node.child_by_field_name("declarator")
    for _ in range(_MAX_DECLARATOR):
        if found is None or found.type == "function_declarator":
            break
        found = (
            found.child_by_field_name("declarator")
            if found.type in ("pointer_declarator", "init_declarator")
            else (found.named_child(0) if found.type == "reference_declarator" else None)
        )
    return found


def _gtest(node: Node, read: Read) -> list[Node]:
    """The types in the brackets of `TEST(Suite, Name)`: suite and name."""
    function = _function_of(node)
    macro = None if function is None else _declarator(function)
    parameters = None if function is None else function.child_by_field_name("parameters")
    if macro is None or parameters is None or node.child_by_field_name("type") or not _GTEST.match(read(macro)):
        return []
    return [item for each in parameters.named_children if (item := each.child_by_field_name("type"))]


def _c_function(node: Node, read: Read) -> Sequence[Node]:
    if len(test := _gtest(node, read)) == 2:
        return test[1:]
    return _last(_declarator(node))


def _last(node: Node | None) -> Sequence[Node]:
    """The last name of `a::b::c`."""
    while node is not None and node.type == "qualified_identifier":
        node = node.child_by_field_name("name")
    return [] if node is None else [node]


def _c_owner(node: Node) -> Node | None:
    """`Payment` of `bank::Payment::approve`."""
    found, owner = _declarator(node), None
    while found is not None and found.type == "qualified_identifier":
        owner, found = found.child_by_field_name("scope"), found.child_by_field_name("name")
    return owner


def _c_declared(node: Node, _: Read) -> Sequence[Node]:
    """The names of `int a = 1, *b, f(void);`."""
    found = [_declarator(item) for item in node.children_by_field_name("declarator")]
    return [name for item in found for name in _last(item)]


def _c_kind(node: Node, _: Read) -> SymbolKind:
    return SymbolKind.VARIABLE if _function_of(node) is None else SymbolKind.FUNCTION


def _with_body(node: Node, _: Read) -> Sequence[Node]:
    """A type that is defined here and not only named."""
    return [] if node.child_by_field_name("body") is None else node.children_by_field_name("name")


def _typedef(node: Node, read: Read) -> Sequence[Node]:
    """The new names of a `typedef`, but for that which the struct in it has already."""
    inner = node.child_by_field_name("type")
    own = "" if inner is None else read(inner.child_by_field_name("name"))
    return [name for name in _c_declared(node, read) if read(name) != own]


def _typedef_kind(node: Node, _: Read) -> SymbolKind:
    inner = node.child_by_field_name("type")
    anonymous = inner is not None and inner.child_by_field_name("name") is None
    if not anonymous or inner is None or inner.child_by_field_name("body") is None:
        return SymbolKind.TYPE
    return SymbolKind.ENUM if inner.type == "enum_specifier" else SymbolKind.STRUCT


def _include(node: Node, read: Read) -> Sequence[Import]:
    return [Import(unquoted(read(node.child_by_field_name("path")).strip()), line_of(node))]


def _c_is_test(clue: TestClue) -> bool:
    return _GTEST.match(clue.head.lstrip().partition("(")[0]) is not None


C = Rules(
    definitions={
        "function_definition": Definition(SymbolKind.FUNCTION, _c_function),
        "declaration": Definition(SymbolKind.VARIABLE, _c_declared, (), within=False, kind_of=_c_kind, outside=True),
        "field_declaration": Definition(SymbolKind.FIELD, _c_declared, (), within=False, kind_of=_c_kind),
        "struct_specifier": Definition(SymbolKind.STRUCT, _with_body),
        "union_specifier": Definition(SymbolKind.STRUCT, _with_body),
        "enum_specifier": Definition(SymbolKind.ENUM, _with_body),
        "enumerator": Definition(SymbolKind.CONSTANT, within=False),
        "type_definition": Definition(SymbolKind.TYPE, _typedef, (), within=False, kind_of=_typedef_kind),
        "preproc_def": Definition(SymbolKind.MACRO, body=(), within=False),
        "preproc_function_def": Definition(SymbolKind.MACRO, body=(), within=False),
    },
    calls={"call_expression": "function"},
    members={"field_expression": ("field", "argument")},
    types=frozenset({"type_identifier"}),
    names=words("identifier field_identifier"),
    opaque=words("string_literal number_literal char_literal primitive_type preproc_arg system_lib_string"),
    imports={"preproc_include": _include},
    ignored=words("NULL size_t uint8_t uint16_t uint32_t uint64_t int8_t int16_t int32_t int64_t bool sizeof"),
)
CPP = replace(
    C,
    definitions=dict(C.definitions)
    | {
        "function_definition": Definition(
            SymbolKind.FUNCTION, _c_function, ("field_initializer_list", "body"), owner=_c_owner
        ),
        "class_specifier": Definition(SymbolKind.CLASS, _with_body),
        "namespace_definition": Definition(SymbolKind.MODULE),
        "alias_declaration": Definition(SymbolKind.TYPE, body=(), within=False),
        "concept_definition": Definition(SymbolKind.TYPE, body=(), within=False),
    },
    wrappers=frozenset({"template_declaration"}),
    anonymous=frozenset({"lambda_expression"}),
    calls={"call_expression": "function", "new_expression": "type"},
    members={"field_expression": ("field", "argument"), "qualified_identifier": ("name", "scope")},
    arguments=frozenset({"template_argument_list"}),
    inherits=frozenset({"base_class_clause"}),
    is_test=_c_is_test,
    ignored=C.ignored | words("std string this nullptr move static_cast"),
)


def _go_kind(node: Node, _: Read) -> SymbolKind:
    kind = node.child_by_field_name("type")
    known = {"struct_type": SymbolKind.STRUCT, "interface_type": SymbolKind.INTERFACE}
    return known.get("" if kind is None else kind.type, SymbolKind.TYPE)


def _go_names(node: Node, _: Read) -> Sequence[Node]:
    return [item for item in node.children_by_field_name("name") if item.is_named]


def _go_receiver(node: Node) -> Node | None:
    """The type of `(p *Payment)`."""
    receiver = node.child_by_field_name("receiver")
    first = None if receiver is None else nth(receiver)
    return None if first is None else first.child_by_field_name("type")


def _go_import(node: Node, read: Read) -> Sequence[Import]:
    return [Import(unquoted(read(node.child_by_field_name("path"))), line_of(node))]


_GO_TEST = re.compile(r"(?:Test|Benchmark|Fuzz|Example)(?![a-z])")


def _go_is_test(clue: TestClue) -> bool:
    return clue.kind is SymbolKind.FUNCTION and clue.file.endswith("_test.go") and bool(_GO_TEST.match(clue.name))


GO = Rules(
    definitions={
        "function_declaration": Definition(SymbolKind.FUNCTION),
        "method_declaration": Definition(SymbolKind.FUNCTION, owner=_go_receiver),
        "method_elem": Definition(SymbolKind.METHOD, body=(), within=False),
        "type_spec": Definition(SymbolKind.TYPE, body=(), kind_of=_go_kind, outside=True),
        "type_alias": Definition(SymbolKind.TYPE, body=(), within=False, outside=True),
        "field_declaration": Definition(SymbolKind.FIELD, _go_names, (), within=False),
        "const_spec": Definition(SymbolKind.CONSTANT, _go_names, (), within=False),
        "var_spec": Definition(SymbolKind.VARIABLE, _go_names, (), within=False),
    },
    lone=frozenset({"type_declaration", "const_declaration", "var_declaration"}),
    anonymous=frozenset({"func_literal"}),
    calls={"call_expression": "function"},
    members={"selector_expression": ("field", "operand"), "qualified_type": ("name", "package")},
    types=frozenset({"type_identifier"}),
    inherits=frozenset({"type_elem"}),
    names=words("identifier field_identifier"),
    opaque=words("interpreted_string_literal raw_string_literal int_literal package_clause"),
    imports={"import_spec": _go_import},
    is_test=_go_is_test,
    shared=True,
    ignored=words(
        "string int int8 int16 int32 int64 uint uint8 uint16 uint32 uint64 float32 float64 byte rune bool error any"
        " len cap make new append copy delete panic recover nil true false"
    ),
)


def _rust_uses(node: Node, read: Read) -> Sequence[Import]:
    """`use a::{b, c::{d as e}};` as `a` with `b`, and `a::c` with `d`."""
    found: dict[str, list[str]] = {}
    waiting = [("", item) for item in node.children_by_field_name("argument")]
    while waiting:
        prefix, item = waiting.pop(0)
        path = read(item.child_by_field_name("path"))
        match item.type:
            case "scoped_use_list":
                inside = "::".join(part for part in (prefix, path) if part)
                waiting += [(inside, each) for each in item.children_by_field_name("list")]
            case "use_list":
                waiting += [(prefix, each) for each in item.named_children]
            case "use_as_clause":
                waiting += [(prefix, each) for each in item.children_by_field_name("path")]
            case "use_wildcard":
                found.setdefault("::".join(part for part in (prefix, read(nth(item))) if part), [])
            case "scoped_identifier":
                module = "::".join(part for part in (prefix, path) if part)
                found.setdefault(module, []).append(read(item.child_by_field_name("name")))
            case _:
                module, name = (prefix, read(item)) if prefix else (read(item), "")
                found.setdefault(module, []).extend([name] if name and name != "self" else [])
    return [Import(module, line_of(node), tuple(names)) for module, names in found.items()]


_RUST_TEST = re.compile(r"#\[(?:\w+::)*(?:test|rstest|bench)\b")


def _rust_is_test(clue: TestClue) -> bool:
    return clue.kind in (SymbolKind.FUNCTION, SymbolKind.METHOD) and _RUST_TEST.search(clue.head) is not None


RUST = Rules(
    definitions={
        "mod_item": Definition(SymbolKind.MODULE, _with_body),
        "struct_item": Definition(SymbolKind.STRUCT),
        "union_item": Definition(SymbolKind.STRUCT),
        "enum_item": Definition(SymbolKind.ENUM),
        "enum_variant": Definition(SymbolKind.CONSTANT, within=False),
        "trait_item": Definition(SymbolKind.TRAIT),
        "function_item": Definition(SymbolKind.FUNCTION),
        "function_signature_item": Definition(SymbolKind.FUNCTION, body=()),
        "field_declaration": Definition(SymbolKind.FIELD, body=(), within=False),
        "const_item": Definition(SymbolKind.CONSTANT, body=(), within=False),
        "static_item": Definition(SymbolKind.VARIABLE, body=(), within=False),
        "type_item": Definition(SymbolKind.TYPE, every("name"), (), within=False),
        "macro_definition": Definition(SymbolKind.MACRO, body=("macro_rule",)),
    },
    comments=frozenset({"line_comment", "block_comment"}),
    attributes=frozenset({"attribute_item"}),
    owners={"impl_item": lambda node: node.child_by_field_name("type")},
    calls={"call_expression": "function", "macro_invocation": "macro"},
    members={
        "field_expression": ("field", "value"),
        "scoped_identifier": ("name", "path"),
        "scoped_type_identifier": ("name", "path"),
    },
    types=frozenset({"type_identifier"}),
    arguments=frozenset({"type_arguments"}),
    inherits=frozenset({"trait_item.bounds", "impl_item.trait"}),
    names=words("identifier field_identifier"),
    tokens=frozenset({"token_tree"}),
    opaque=words("string_literal integer_literal primitive_type"),
    imports={"use_declaration": _rust_uses},
    is_test=_rust_is_test,
    ignored=words("Self self String Vec Option Result Some None Ok Err Box println format vec assert assert_eq"),
)
