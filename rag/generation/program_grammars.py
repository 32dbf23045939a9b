"""Grammars of tree-sitter, for languages that Python's library has no parser for.

They ship with their packages: nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from tree_sitter import Language, Node, Parser

_GRAMMARS = {
    "java": ("tree_sitter_java", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "c": ("tree_sitter_c", "language"),
    "shell": ("tree_sitter_bash", "language"),
}
_MAX_BYTES = 512 << 10
"""Larger files are not checked: a grammar's worst case is far from linear."""
_SHOWN = 40


def knows(language: str) -> bool:
    """Whether there is a grammar for it, and installed."""
    return language in _GRAMMARS and find_spec(_GRAMMARS[language][0]) is not None


def is_small_enough(text: str) -> bool:
    """Whether a file of this length is checked."""
    return len(text.encode("utf-8", "replace")) <= _MAX_BYTES


def require_parses(language: str, text: str) -> None:
    """Raise ValueError with the first place that the grammar can't read."""
    source = text.encode("utf-8", "replace")
    root = Parser(_grammar(language)).parse(source).root_node
    if root.has_error:
        raise ValueError(_first_error(root, source))


def _first_error(root: Node, source: bytes) -> str:
    """Where the first error is: down into whatever holds one, a node at a time."""
    node = root
    while True:
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None or node.is_missing:
            break
        node = inner
        if node.is_error:
            break
    line = node.start_point.row + 1
    if node.is_missing:
        return f"line {line}: {node.type} is missing"
    begun = source[node.start_byte : node.end_byte][:_SHOWN].decode("utf-8", "ignore")
    return f"line {line}: not understood: {begun}"


@cache
def _grammar(language: str) -> Language:
    module, function = _GRAMMARS[language]
    load: Callable[[], object] = getattr(import_module(module), function)
    return Language(load())
