"""Java and Kotlin."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsing.code_grammars import Node
from ingest.parsing.code_rules import Definition, Rules, annotated, in_field, line_of, text_of, words
from rag.domain.code import Import, SymbolKind

_TESTS = ("Test", "ParameterizedTest", "RepeatedTest", "TestFactory", "TestTemplate", "Property")


def _declared(node: Node) -> Sequence[Node]:
    """The names of `int a = 1, b`."""
    return [name for item in in_field(node, "declarator") if (name := item.child_by_field_name("name"))]


def _java_import(node: Node) -> Sequence[Import]:
    module = next((text_of(child) for child in node.named_children if child.type != "asterisk"), "")
    return [Import(module, line_of(node))] if module else []


JAVA = Rules(
    definitions={
        "class_declaration": Definition(SymbolKind.CLASS),
        "record_declaration": Definition(SymbolKind.CLASS),
        "interface_declaration": Definition(SymbolKind.INTERFACE),
        "annotation_type_declaration": Definition(SymbolKind.INTERFACE),
        "enum_declaration": Definition(SymbolKind.ENUM),
        "enum_constant": Definition(SymbolKind.CONSTANT, within=False),
        "method_declaration": Definition(SymbolKind.METHOD),
        "constructor_declaration": Definition(SymbolKind.METHOD),
        "compact_constructor_declaration": Definition(SymbolKind.METHOD),
        "annotation_type_element_declaration": Definition(SymbolKind.METHOD),
        "field_declaration": Definition(SymbolKind.FIELD, _declared, within=False),
        "constant_declaration": Definition(SymbolKind.CONSTANT, _declared, within=False),
    },
    comments=frozenset({"line_comment", "block_comment"}),
    calls={
        "method_invocation": "name",
        "object_creation_expression": "type",
        "explicit_constructor_invocation": "constructor",
        "annotation": "name",
        "marker_annotation": "name",
    },
    members={"method_invocation": ("name", "object"), "field_access": ("field", "object")},
    types=frozenset({"type_identifier"}),
    inherits=frozenset({"superclass", "super_interfaces", "extends_interfaces"}),
    typed=frozenset({"type_arguments"}),
    opaque=words("string_literal decimal_integer_literal character_literal package_declaration"),
    imports={"import_declaration": _java_import},
    is_test=annotated(*_TESTS),
    ignored=words("String Object Integer Long Boolean Double Override super this"),
)
