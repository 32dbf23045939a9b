"""The outline of a source file: by a grammar, by rules of its text, or, where there are neither, only its language."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ingest.parsing.code_abap import abap_outline
from ingest.parsing.code_cobol import cobol_outline
from ingest.parsing.code_grammars import parsed
from ingest.parsing.code_rules import Rules
from ingest.parsing.code_rules_data import CSS, HTML, JSON, SQL, TOML
from ingest.parsing.code_rules_jvm import CSHARP, JAVA, KOTLIN
from ingest.parsing.code_rules_native import CPP, GO, RUST, C
from ingest.parsing.code_rules_python import RULES as PYTHON
from ingest.parsing.code_rules_script import JAVASCRIPT, PHP, RUBY, SHELL, TSX, TYPESCRIPT
from ingest.parsing.code_walk import outline_of
from ingest.parsing.code_yaml import yaml_outline
from rag.domain.code import CodeOutline

CODE_TOO_LARGE = "code_too_large"
"""The file is cut by its lines: reading its syntax would have taken too long."""

_MAX_BYTES = 8 << 20
"""Larger files are not parsed: a tree takes about 20 times the memory of the text."""

_RULES: Mapping[str, Rules] = {
    "python": PYTHON,
    "java": JAVA,
    "kotlin": KOTLIN,
    "c#": CSHARP,
    "javascript": JAVASCRIPT,
    "typescript": TYPESCRIPT,
    "tsx": TSX,
    "php": PHP,
    "ruby": RUBY,
    "shell": SHELL,
    "c": C,
    "c++": CPP,
    "go": GO,
    "rust": RUST,
    "sql": SQL,
    "html": HTML,
    "css": CSS,
    "toml": TOML,
    "json": JSON,
}
"""By the name of the grammar."""
_BY_TEXT: Mapping[str, Callable[[str], CodeOutline]] = {
    "cobol": cobol_outline,
    "abap": abap_outline,
    "yaml": yaml_outline,
}


def outlined(text: str, name: str, language: str) -> tuple[CodeOutline, tuple[str, ...]]:
    """The outline, and codes of what could not be read.

    Args:
        name: of the file, with or without folders.
        language: as in `rag.text.code.LANGUAGE_NAMES`; empty when it is not known.
    """
    file = name.replace("\\", "/").rpartition("/")[2]
    grammar = "tsx" if file.lower().endswith("tsx") else language
    if (by_text := _BY_TEXT.get(language)) is not None:
        return by_text(text), ()
    rules = _RULES.get(grammar)
    if rules is None:
        return CodeOutline(language), ()
    source = text.encode("utf-8", "replace")
    tree = parsed(grammar, source) if len(source) <= _MAX_BYTES else None
    if tree is None:
        return CodeOutline(language, broken=True), (CODE_TOO_LARGE,)
    return outline_of(language, rules, grammar, tree, source, file), ()
