"""Syntax of generated files, by what is installed: nothing is run, nothing is imported, no entity is expanded."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import json
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import PurePosixPath
from xml.parsers import expat

import yaml


class Verdict(StrEnum):
    """What is known of a file's syntax. `unchecked`: no parser for its language is installed."""

    OK = "ok"
    ERROR = "error"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on one file.

    Attributes:
        language: what the file is written in, by its name.
        detail: what is wrong, and where, as the parser says it.
    """

    language: str
    verdict: Verdict
    detail: str = ""


LANGUAGES = {
    ".py": "python",
    ".pyi": "python",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".xml": "xml",
    ".svg": "xml",
    ".xsd": "xml",
    ".ini": "ini",
    ".cfg": "ini",
    ".ipynb": "json",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".tsx": "tsx",
    ".java": "java",
    ".kt": "kotlin",
    ".go": "go",
    ".rs": "rust",
    ".c": "c",
    ".h": "c",
    ".cc": "c++",
    ".cpp": "c++",
    ".hpp": "c++",
    ".cs": "c#",
    ".rb": "ruby",
    ".php": "php",
    ".sh": "shell",
    ".sql": "sql",
    ".html": "html",
    ".css": "css",
    ".md": "markdown",
    ".txt": "text",
}
_DETAIL = 300
_YAML_DEPTH = 100
"""Brackets that may be open at once: the parser's time grows with their square (3,000 took 17 s)."""


def check_syntax(path: str, text: str) -> Check:
    """Whether the file at `path` can be read by a parser of its language."""
    language = LANGUAGES.get(PurePosixPath(path).suffix.lower(), "other")
    parse = _PARSERS.get(language) or _grammar_for(language, text)
    if parse is None:
        return Check(language, Verdict.UNCHECKED)
    try:
        parse(text)
    except (RecursionError, MemoryError):  # the latter is what Python's own parser says of too many levels
        return Check(language, Verdict.ERROR, "nested too deep")
    except _ERRORS as error:
        return Check(language, Verdict.ERROR, " ".join(_told(error).split())[:_DETAIL])
    return Check(language, Verdict.OK)


def _grammar_for(language: str, text: str) -> Callable[[str], None] | None:
    """A parser by tree-sitter; None where it has no grammar, or the file is too large for it."""
    if importlib.util.find_spec("tree_sitter") is None:
        return None
    from rag.generation import program_grammars

    if not program_grammars.knows(language) or not program_grammars.is_small_enough(text):
        return None
    return partial(program_grammars.require_parses, language)


def _told(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    return str(error) or type(error).__name__


def _python(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in generated code is no concern of this process
        ast.parse(text)


def _yaml(text: str) -> None:
    depth = deepest = 0
    for char in text:
        depth += (char in "[{") - (char in "]}")
        deepest = max(deepest, depth)
    if deepest > _YAML_DEPTH:
        raise RecursionError
    for _ in yaml.parse(text, Loader=yaml.SafeLoader):  # events alone: aliases are not expanded
        pass


def _xml(text: str) -> None:
    parser = expat.ParserCreate()

    def refuse(name: str, *_: object) -> None:
        raise ValueError(f"declares the entity {name}")

    parser.EntityDeclHandler = refuse
    parser.Parse(text.encode(), True)


def _ini(text: str) -> None:
    configparser.RawConfigParser(strict=False, allow_no_value=True).read_string(text)


def _json(text: str) -> None:
    json.loads(text)


def _toml(text: str) -> None:
    tomllib.loads(text)


_PARSERS: dict[str, Callable[[str], None]] = {
    "python": _python,
    "json": _json,
    "yaml": _yaml,
    "toml": _toml,
    "xml": _xml,
    "ini": _ini,
}
_ERRORS = (SyntaxError, ValueError, expat.ExpatError, configparser.Error, yaml.YAMLError)
