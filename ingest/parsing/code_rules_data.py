"""What is no program: SQL, HTML, CSS, TOML and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsing.code_grammars import Node
from ingest.parsing.code_rules import Definition, Read, Rules, below, every, line_of, named, nth, unquoted, words
from rag.domain.code import Import, SymbolKind

_KEYS = 2
"""Levels of keys that are symbols: `scripts.build`."""
_MAX_SELECTOR = 120


def _sql_names(node: Node, _: Read) -> Sequence[Node]:
    """The name of what is created, without its schema."""
    reference = named(node, "object_reference")[:1]
    return [name for item in reference if (name := item.child_by_field_name("name"))]


def _sql_schema(node: Node) -> Node | None:
    reference = named(node, "object_reference")[:1]
    return reference[0].child_by_field_name("schema") if reference else None


def _sql(kind: SymbolKind, *body: str) -> Definition:
    return Definition(kind, _sql_names, body, owner=_sql_schema)


SQL = Rules(
    definitions={
        "create_table": _sql(SymbolKind.TABLE, "column_definitions", "create_query"),
        "create_view": _sql(SymbolKind.VIEW, "create_query"),
        "create_materialized_view": _sql(SymbolKind.VIEW, "create_query"),
        "create_function": _sql(SymbolKind.FUNCTION, "function_body"),
        "create_procedure": _sql(SymbolKind.PROCEDURE, "procedure_body"),
        "create_trigger": _sql(SymbolKind.PROCEDURE),
        "create_type": _sql(SymbolKind.TYPE),
        "create_sequence": _sql(SymbolKind.VARIABLE),
        "column_definition": Definition(SymbolKind.FIELD, within=False, body=()),
    },
    comments=frozenset({"comment", "marginalia"}),
    wrappers=frozenset({"statement"}),
    calls={"invocation": "*"},
    members={"object_reference": ("name", "schema")},
    typed=frozenset({"relation"}),
    names=frozenset({"identifier"}),
    opaque=frozenset({"literal"}),
)


def _html_id(node: Node, read: Read) -> Sequence[Node]:
    """The value of an element's `id`."""
    for tag in named(node, "start_tag", "self_closing_tag")[:1]:
        for attribute in named(tag, "attribute"):
            if read(nth(attribute)).lower() == "id" and attribute.named_child_count > 1:
                return named(attribute, "attribute_value", "quoted_attribute_value")[:1]
    return ()


def _html_source(node: Node, read: Read) -> Sequence[Import]:
    """Scripts and style sheets that a page loads."""
    tag = read(named(node, "tag_name")[0]).lower() if named(node, "tag_name") else ""
    wanted = {"script": "src", "link": "href"}.get(tag)
    if wanted is None:
        return ()
    return [
        Import(unquoted(read(nth(item, 1))), line_of(node))
        for item in named(node, "attribute")
        if read(nth(item)).lower() == wanted and item.named_child_count > 1
    ]


HTML = Rules(
    definitions={
        "element": Definition(SymbolKind.KEY, _html_id, ("element", "text", "script_element", "end_tag"), within=False)
    },
    names=frozenset(),
    opaque=words("raw_text text doctype end_tag"),
    imports={"start_tag": _html_source},
)


def _css_selectors(node: Node, read: Read) -> Sequence[Node]:
    return [item for item in named(node, "selectors") if len(read(item)) <= _MAX_SELECTOR]


def _css_import(node: Node, read: Read) -> Sequence[Import]:
    return [Import(unquoted(read(item)), line_of(node)) for item in named(node, "string_value")]


CSS = Rules(
    definitions={
        "rule_set": Definition(SymbolKind.KEY, _css_selectors, ("block",), within=False),
        "keyframes_statement": Definition(
            SymbolKind.KEY, below("keyframes_name"), ("keyframe_block_list",), within=False
        ),
    },
    names=frozenset(),
    opaque=frozenset({"declaration"}),
    imports={"import_statement": _css_import},
)
TOML = Rules(
    definitions={
        "table": Definition(SymbolKind.KEY, below("bare_key", "dotted_key", "quoted_key"), (), depth=_KEYS),
        "table_array_element": Definition(
            SymbolKind.KEY, below("bare_key", "dotted_key", "quoted_key"), (), depth=_KEYS
        ),
        "pair": Definition(SymbolKind.KEY, below("bare_key", "dotted_key", "quoted_key"), (), depth=_KEYS),
    },
    names=frozenset(),
    opaque=words("string array inline_table"),
)
JSON = Rules(
    definitions={"pair": Definition(SymbolKind.KEY, every("key"), (), depth=_KEYS)},
    names=frozenset(),
    opaque=words("array string number"),
)
