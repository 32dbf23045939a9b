"""Java, Kotlin and C#."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsing.code_grammars import Node
from ingest.parsing.code_rules import Definition, Read, Rules, annotated, below, line_of, named, words
from rag.domain.code import Import, SymbolKind

_TESTS = ("Test", "ParameterizedTest", "RepeatedTest", "TestFactory", "TestTemplate", "Property")


def _declared(node: Node, _: Read) -> Sequence[Node]:
    """The names of `int a = 1, b`."""
    return [name for item in node.children_by_field_name("declarator") if (name := item.child_by_field_name("name"))]


def _java_import(node: Node, read: Read) -> Sequence[Import]:
    module = next((read(child) for child in node.named_children if child.type != "asterisk"), "")
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
    arguments=frozenset({"type_arguments"}),
    opaque=words("string_literal decimal_integer_literal character_literal package_declaration"),
    imports={"import_declaration": _java_import},
    is_test=annotated(*_TESTS),
    shared=True,
    ignored=words("String Object Integer Long Boolean Double Override super this"),
)


def _kotlin_kind(node: Node, _: Read) -> SymbolKind:
    """`interface` and `enum class` are classes to the grammar."""
    if any(child.type == "interface" for child in node.children):
        return SymbolKind.INTERFACE
    if named(node, "enum_class_body"):
        return SymbolKind.ENUM
    return SymbolKind.CLASS


def _kotlin_properties(node: Node, _: Read) -> Sequence[Node]:
    """The names of `val a = 1` and `val (a, b) = c`."""
    several = named(node, "multi_variable_declaration")
    return [name for item in named(several[0] if several else node, "variable_declaration") for name in _first(item)]


def _kotlin_parameter(node: Node, _: Read) -> Sequence[Node]:
    """A parameter of a constructor that is a property as well."""
    return _first(node) if any(child.type in ("val", "var") for child in node.children) else ()


def _first(node: Node) -> Sequence[Node]:
    return named(node, "identifier")[:1]


def _kotlin_import(node: Node, read: Read) -> Sequence[Import]:
    return [Import(read(item), line_of(node)) for item in named(node, "qualified_identifier", "identifier")[:1]]


KOTLIN = Rules(
    definitions={
        "class_declaration": Definition(SymbolKind.CLASS, body=("class_body", "enum_class_body"), kind_of=_kotlin_kind),
        "object_declaration": Definition(SymbolKind.CLASS, body=("class_body",)),
        "function_declaration": Definition(SymbolKind.FUNCTION, body=("function_body",)),
        "property_declaration": Definition(SymbolKind.VARIABLE, _kotlin_properties, (), within=False),
        "class_parameter": Definition(SymbolKind.FIELD, _kotlin_parameter, (), within=False),
        "enum_entry": Definition(SymbolKind.CONSTANT, below("identifier"), ("class_body",), within=False),
        "type_alias": Definition(SymbolKind.TYPE, "type", (), within=False),
    },
    comments=frozenset({"line_comment", "block_comment"}),
    anonymous=frozenset({"lambda_literal", "anonymous_function", "anonymous_initializer"}),
    calls={"call_expression": "*", "annotation": "*"},
    members={"navigation_expression": ("*", "*")},
    typed=frozenset({"user_type"}),
    arguments=frozenset({"type_arguments"}),
    plain=frozenset({"value_arguments"}),
    inherits=frozenset({"delegation_specifiers"}),
    opaque=words("string_content number_literal character_literal package_header"),
    imports={"import": _kotlin_import},
    is_test=annotated(*_TESTS),
    shared=True,
    ignored=words("String Int Long Boolean Double Float Any Unit List Map Set it this super"),
)


def _cs_declared(node: Node, _: Read) -> Sequence[Node]:
    """The names of `int a = 1, b`."""
    declarators = [each for item in named(node, "variable_declaration") for each in named(item, "variable_declarator")]
    return [name for item in declarators if (name := item.child_by_field_name("name"))]


def _cs_using(node: Node, read: Read) -> Sequence[Import]:
    return [Import(read(item), line_of(node)) for item in node.named_children[-1:]]


CSHARP = Rules(
    definitions={
        "namespace_declaration": Definition(SymbolKind.MODULE),
        "class_declaration": Definition(SymbolKind.CLASS),
        "record_declaration": Definition(SymbolKind.CLASS),
        "struct_declaration": Definition(SymbolKind.STRUCT),
        "interface_declaration": Definition(SymbolKind.INTERFACE),
        "enum_declaration": Definition(SymbolKind.ENUM),
        "enum_member_declaration": Definition(SymbolKind.CONSTANT, within=False),
        "method_declaration": Definition(SymbolKind.METHOD),
        "constructor_declaration": Definition(SymbolKind.METHOD, body=("constructor_initializer", "body")),
        "local_function_statement": Definition(SymbolKind.FUNCTION),
        "property_declaration": Definition(SymbolKind.FIELD, body=("accessors", "value")),
        "field_declaration": Definition(SymbolKind.FIELD, _cs_declared, (), within=False),
        "event_field_declaration": Definition(SymbolKind.FIELD, _cs_declared, (), within=False),
        "delegate_declaration": Definition(SymbolKind.TYPE, body=(), within=False),
    },
    anonymous=frozenset({"lambda_expression", "anonymous_method_expression"}),
    calls={"invocation_expression": "function", "object_creation_expression": "type", "attribute": "name"},
    members={
        "member_access_expression": ("name", "expression"),
        "qualified_name": ("name", "qualifier"),
    },
    typed=words(
        "parameter.type variable_declaration.type method_declaration.returns property_declaration.type"
        " cast_expression.type typeof_expression.type is_expression.right as_expression.right"
    ),
    arguments=frozenset({"type_argument_list"}),
    inherits=frozenset({"base_list"}),
    opaque=words("string_literal verbatim_string_literal integer_literal modifier predefined_type"),
    imports={"using_directive": _cs_using},
    is_test=annotated("Fact", "Theory", "Test", "TestCase", "TestMethod", "DataTestMethod"),
    shared=True,
    ignored=words("nameof base this"),
)
