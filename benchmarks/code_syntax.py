"""Reading source code by its syntax: how fast, and how many of the definitions that universal-ctags finds.

    python -m benchmarks.code_syntax [--files N] [--json FILE] [TREE…]

Trees are folders on this machine; without any, Python's library, the packages of this environment and the system's headers and
scripts serve. Each language is read (`read_code`), cut into chunks with the tokens of the embedder that the settings name, and
given to ctags, in one run on one core. A definition of ctags counts as found when one of ours has its name and its line.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from benchmarks.workbench import workbench
from ingest.bootstrap import budgets_for
from ingest.chunking.base import Budgets
from ingest.chunking.code_syntax import CodeChunker
from ingest.parsing.code import read_code
from ingest.parsing.code_languages import language_of
from ingest.parsing.code_rules import words
from rag.domain.code import Symbol
from rag.domain.document import ParsedDocument
from rag.domain.errors import SeogoError
from rag.domain.language import CollectionKind, Language

_CTAGS_NAMES = {
    "python": "Python", "java": "Java", "javascript": "JavaScript", "typescript": "TypeScript", "c": "C", "c++": "C++",
    "go": "Go", "php": "PHP", "ruby": "Ruby", "shell": "Sh", "c#": "C#", "rust": "Rust", "kotlin": "Kotlin",
}  # fmt: skip
_KINDS = words(
    "class function method member struct union enum enumerator interface macro typedef namespace module trait generator"
    " singletonMethod constant"
)
_LOCAL_CONSTANTS = frozenset({"JavaScript", "TypeScript"})
"""Where ctags calls every `const` a definition, those inside of functions too: they are no symbols here."""
_VERSION = UUID(int=1)
_MAX_BYTES = 1 << 20
_MIN_BYTES = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One language. `shared` is the share of ctags' definitions that were found; None where ctags can't read it."""

    language: str
    files: int
    mb: float
    broken: int
    read_mb_s: float
    cut_mb_s: float
    both_mb_s: float
    chunks: int
    symbols: int
    references: int
    ctags_mb_s: float | None = None
    ctags_definitions: int = 0
    shared: float | None = None


def default_trees() -> list[Path]:
    """Code that is on every machine which runs this."""
    library = Path(sysconfig.get_paths()["stdlib"])
    packages = Path(sysconfig.get_paths()["purelib"])
    return [library, packages, Path("/usr/include"), Path("/usr/share"), Path("web/src")]


def files_of(trees: Sequence[Path], most: int) -> dict[str, list[Path]]:
    """Up to `most` files of each language, the first by path of each tree."""
    found: dict[str, list[Path]] = defaultdict(list)
    for tree in trees:
        for path in sorted(tree.rglob("*")):
            language = language_of(path.name, "")
            if not language or len(found[language]) >= most or path.is_symlink() or not path.is_file():
                continue
            if _MIN_BYTES <= path.stat().st_size <= _MAX_BYTES:
                found[language].append(path)
    return {language: paths for language, paths in sorted(found.items()) if paths}


def measured(language: str, paths: Sequence[Path], budgets: Budgets) -> Row:
    """One language: read, cut, compared."""
    contents = [(path, path.read_bytes()) for path in paths]
    size = sum(len(content) for _, content in contents) / 1e6
    documents: list[tuple[Path, ParsedDocument]] = []
    began = time.process_time()
    for path, content in contents:
        try:
            documents.append((path, read_code(content, path.name)))
        except SeogoError as error:
            print(f"{path}: {error.code}", file=sys.stderr)
    read = time.process_time() - began
    chunker = CodeChunker(budgets)
    began = time.process_time()
    chunks = sum(len(chunker.chunk(document, _VERSION, str(path))) for path, document in documents)
    cut = time.process_time() - began
    outlines = {path: document.outline for path, document in documents if document.outline is not None}
    row = Row(
        language,
        len(documents),
        round(size, 2),
        sum(outline.broken for outline in outlines.values()),
        round(size / read, 2),
        round(size / cut, 2),
        round(size / (read + cut), 2),
        chunks,
        sum(len(outline.symbols) for outline in outlines.values()),
        sum(len(outline.references) for outline in outlines.values()),
    )
    name = _CTAGS_NAMES.get(language)
    if name is None or shutil.which("ctags") is None:
        return row
    symbols = {str(path): outline.symbols for path, outline in outlines.items()}
    return _compared(row, name, symbols, size)


def _compared(row: Row, name: str, symbols: dict[str, tuple[Symbol, ...]], size: float) -> Row:
    began = time.perf_counter()
    theirs = list(_tags(name, list(symbols)))
    seconds = time.perf_counter() - began
    names: dict[str, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for path, found in symbols.items():
        for symbol in found:
            names[path][symbol.name.rpartition(".")[2].lstrip("~")].append((symbol.first, symbol.last))
    shared = sum(
        any(first <= line <= last for first, last in names[path][tag.rpartition("::")[2].lstrip("~")])
        for path, tag, line in theirs
    )
    return Row(
        **{**asdict(row), "ctags_mb_s": round(size / seconds, 2), "ctags_definitions": len(theirs)}
        | {"shared": round(shared / len(theirs), 4) if theirs else None}
    )


def _tags(name: str, paths: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """File, name and line of every definition that ctags finds."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(paths))
        listed.flush()
        command = ["ctags", f"--language-force={name}", "-f", "-", "--sort=no", "--fields=nK", "-L", listed.name]
        done = subprocess.run(command, capture_output=True, check=True)
    for line in done.stdout.decode("utf-8", "replace").split("\n"):
        tag, _, rest = line.partition("\t")
        path, _, rest = rest.partition("\t")
        *_, kind, place = rest.split("\t") if rest.count("\t") >= 2 else ("", "", "")
        if kind == "constant" and name in _LOCAL_CONSTANTS:
            continue
        if kind in _KINDS and not tag.startswith(("__anon", "Anonymous")):
            yield path, tag, int(place.removeprefix("line:"))


def shown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    head = (
        "language    files     MB broken  read   cut  both MB/s  chunks symbols    uses | ctags MB/s  definitions found"
    )
    lines = [head]
    for row in rows:
        found = "–" if row.shared is None else f"{row.shared:.1%}"
        ctags = "–" if row.ctags_mb_s is None else f"{row.ctags_mb_s:.1f}"
        lines.append(
            f"{row.language:11}{row.files:6}{row.mb:7.2f}{row.broken:7}{row.read_mb_s:6.2f}{row.cut_mb_s:6.2f}"
            f"{row.both_mb_s:6.2f}{row.chunks:12}{row.symbols:8}{row.references:8} |{ctags:>11}{row.ctags_definitions:13}"
            f"{found:>8}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", type=Path, metavar="TREE")
    parser.add_argument("--files", type=int, default=200, help="files of a language")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if shutil.which("ctags") is None:
        print("ctags is not installed: its columns stay empty", file=sys.stderr)
    with (
        tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder,
        workbench(CollectionKind.CODE, Path(folder)) as bench,
    ):
        budgets = budgets_for(bench.settings.ingest, bench.rag.space)
        budgets(Language.CODE).count(["warm"])  # the tokenizer is loaded once, and not on the first language's account
        files = files_of(options.trees or default_trees(), options.files)
        rows = [measured(language, paths, budgets) for language, paths in files.items()]
    print(shown(rows))
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
