"""Grammars of tree-sitter, one for each language that is read by syntax. They ship with their packages: nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from tree_sitter import Language, Node, Parser, Point, Tree

__all__ = ["Language", "Node", "Tree", "grammar", "parsed"]

_GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "java": ("tree_sitter_java", "language"),
    "kotlin": ("tree_sitter_kotlin", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "c": ("tree_sitter_c", "language"),
    "c++": ("tree_sitter_cpp", "language"),
    "c#": ("tree_sitter_c_sharp", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "ruby": ("tree_sitter_ruby", "language"),
    "sql": ("tree_sitter_sql", "language"),
    "shell": ("tree_sitter_bash", "language"),
    "html": ("tree_sitter_html", "language"),
    "css": ("tree_sitter_css", "language"),
    "toml": ("tree_sitter_toml", "language"),
    "json": ("tree_sitter_json", "language"),
}
_WINDOW = 1 << 16
"""Bytes that the parser is handed at once."""
_PATIENCE = 2_000
"""Reports of progress, one for every hundred steps of the parser, that any file may take."""
_PATIENCE_PER_KB = 60
"""Further reports for every KB. Real files of 15 languages take 3 to 24 a KB, C# up to 30, random characters 16 to 30."""


@cache
def grammar(name: str) -> Language:
    """The grammar called `name`; KeyError when there is none."""
    module, function = _GRAMMARS[name]
    load: Callable[[], object] = getattr(import_module(module), function)
    return Language(load())


def parsed(name: str, source: bytes) -> Tree | None:
    """The syntax tree of UTF-8 `source`; None where reading it would take too long.

    Steps are counted, not seconds: the same file has the same tree on a busy machine.
    """
    left = _PATIENCE + _PATIENCE_PER_KB * len(source) // 1024

    def read(offset: int, _: Point) -> bytes:
        return source[offset : offset + _WINDOW]

    def impatient(_: int, __: bool) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    try:
        return Parser(grammar(name)).parse(read, progress_callback=impatient)
    except ValueError:  # the only sign of a parse that was called off
        return None
