"""The outline of a source file: by a grammar, by rules of its text, or, where there are neither, only its language."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.parsing.code_grammars import parsed
from ingest.parsing.code_rules import Rules
from ingest.parsing.code_rules_jvm import JAVA
from ingest.parsing.code_rules_python import RULES as PYTHON
from ingest.parsing.code_walk import outline_of
from rag.domain.code import CodeOutline

CODE_TOO_LARGE = "code_too_large"
"""The file is cut by its lines: reading its syntax would have taken too long."""

_MAX_BYTES = 8 << 20
"""Larger files are not parsed: a tree takes about 20 times the memory of the text."""

_RULES: Mapping[str, Rules] = {
    "python": PYTHON,
    "java": JAVA,
}


def outlined(text: str, name: str, language: str) -> tuple[CodeOutline, tuple[str, ...]]:
    """The outline, and codes of what could not be read.

    Args:
        name: of the file, with or without folders.
        language: as in `rag.text.code.LANGUAGE_NAMES`; empty when it is not known.
    """
    file = name.replace("\\", "/").rpartition("/")[2]
    rules = _RULES.get(language)
    if rules is None:
        return CodeOutline(language), ()
    source = text.encode("utf-8", "replace")
    grammar = "tsx" if file.lower().endswith("tsx") else language
    tree = parsed(grammar, source) if len(source) <= _MAX_BYTES else None
    if tree is None:
        return CodeOutline(language, broken=True), (CODE_TOO_LARGE,)
    return outline_of(language, rules, grammar, tree, source, file), ()
