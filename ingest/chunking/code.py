"""Source code, cut by the syntax of its language."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_text_splitters import Language as SyntaxName
from langchain_text_splitters import RecursiveCharacterTextSplitter

from ingest.chunking.base import Block, Room, Unit
from ingest.chunking.splitting import cut_to_size

_SYNTAX: dict[str, SyntaxName] = {
    "py": SyntaxName.PYTHON, "pyi": SyntaxName.PYTHON, "js": SyntaxName.JS, "mjs": SyntaxName.JS, "jsx": SyntaxName.JS,
    "ts": SyntaxName.TS, "tsx": SyntaxName.TS, "java": SyntaxName.JAVA, "kt": SyntaxName.KOTLIN, "go": SyntaxName.GO,
    "rs": SyntaxName.RUST, "c": SyntaxName.C, "h": SyntaxName.C, "cc": SyntaxName.CPP, "cpp": SyntaxName.CPP,
    "hpp": SyntaxName.CPP, "cs": SyntaxName.CSHARP, "php": SyntaxName.PHP, "rb": SyntaxName.RUBY,
    "scala": SyntaxName.SCALA, "swift": SyntaxName.SWIFT, "lua": SyntaxName.LUA, "proto": SyntaxName.PROTO,
    "cob": SyntaxName.COBOL, "cbl": SyntaxName.COBOL, "ps1": SyntaxName.POWERSHELL, "html": SyntaxName.HTML,
}  # fmt: skip
_ANY = ("\n\n", "\n", " ", "")


def separators_for(source_key: str) -> Sequence[str]:
    """Where to cut, best place first: before definitions where the language is known by the file's name."""
    syntax = _SYNTAX.get(source_key.rpartition(".")[2].lower())
    return _ANY if syntax is None else RecursiveCharacterTextSplitter.get_separators_for_language(syntax)


def code_units(block: Block, room: Room, source_key: str) -> list[Unit]:
    """The parts of a CODE block that is longer than the limit."""
    # A definition's keyword belongs to the definition, so separators stay at the start of what follows.
    parts = cut_to_size(block.text, (0, len(block.text)), room, separators_for(source_key), keep="start")
    return [Unit(block, start, end, tokens) for (start, end), tokens in parts]
