"""Word recall of the parsers on real files of many formats, against the reference Markdown of another parser.

    python -m benchmarks.parsing_office [--format docx …] [--misses] [--peers none]

Files: the set `parser_docling`, each with Markdown as docling's own tests expect it. That is no truth made by hand: it leaves
out what docling does not read, and holds LaTeX and placeholders that stand in no file. So its Markdown syntax, link addresses,
picture placeholders, labels of its own ("author:", "Bar chart") and LaTeX commands are taken out, in the same way for everybody,
and the measure is recall: which share of the reference's words a parser finds, in their order (longest common subsequence) and
in any order. A parser that can't read a file of a format that it knows scores 0 on it. A format's figure is over all its words.
Peers in the same run: unstructured (its own function for each format) and markitdown. "-": the peer has no reader for it.
Bar: recall in any order >= 0.95 on each format that Seogo reads, and no peer ahead there; exit status 1 where it is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import io
import json
import logging
import os
import re
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.data import DataMissing, unpacked
from benchmarks.word_recall import in_any_order, in_order, words
from ingest.parsing.converter import find_converter
from ingest.parsing.sandbox import ParseSandbox
from rag.domain.errors import SeogoError

BAR = 0.95
_TIE = 0.0005
"""Figures are printed with three digits; what looks equal there is."""

Read = Callable[[Path], str | None]
"""The text of a file; None where the reader does not know the format."""

_MATH = re.compile(r"\$\$.+?\$\$|(?<![\\$])\$(?!\s)[^$\n]+?(?<!\s)\$", re.S)
_LATEX = re.compile(r"\\(?:begin|end)\{\w+\*?\}|\\[a-zA-Z]+|[_^{}&]|\\.")
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)|<!--.*?-->", re.S)
_LINK = re.compile(
    r"(?<!\\)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]"  # [text]
    r"\(\s*(?:<[^>]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+\"[^\"]*\")?\s*\)"  # (address "title")
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_LABEL = re.compile(r"\[author: ([^\]\n]*?)(?:, time: (\d{4}-\d\d-\d\d)T[\d:.]+)?\]:")
_CHART_KIND = re.compile(r"^(?:bar|line|pie|scatter|other) chart$", re.I | re.M)
_CHECKBOX = re.compile(r"(?<=[-*] )\[[ xX]\]")
_CLOCK = re.compile(r"(?<![\d:])0?(\d)(:\d\d(?::\d\d)?)(?![\d:])")
_LIST = re.compile(r"^(\s*(?:>\s*)*)(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?", re.M)
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>~$&])")
_FENCE = re.compile(r"^\s*```\w*\s*$", re.M)
_EMPHASIS = re.compile(r"(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)")


def plain(markdown: str) -> str:
    """What a reader of the Markdown sees: no syntax, no pictures, no link addresses, no LaTeX commands, no list marks."""
    text = _FENCE.sub("", _IMAGE.sub(" ", markdown))
    text = _CHECKBOX.sub(" ", _CHART_KIND.sub("", _LABEL.sub(r"\1 \2:", text)))
    text = _MATH.sub(lambda found: " " + _LATEX.sub(" ", found[0]) + " ", text)
    for _ in range(3):  # links in links, as around pictures
        text = _LINK.sub(r"\1", text)
    text = _LIST.sub(r"\1", _TAG.sub(" ", text))
    return _EMPHASIS.sub(" ", html.unescape(_ESCAPE.sub(r"\1", text)))


def comparable(text: str) -> list[str]:
    """Words of the reference or of a reader's text, all treated alike: an underscore is no letter, and 9:05 is 09:05."""
    return words(_CLOCK.sub(r"\1\2", text.replace("_", " ")))


@dataclass
class Score:
    """Found and expected words of one reader on one format."""

    expected: int = 0
    ordered: float = 0.0
    unordered: float = 0.0
    failed: list[str] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)

    def add(self, expected: Sequence[str], found: Sequence[str]) -> None:
        """Count one file."""
        self.expected += len(expected)
        self.ordered += in_order(expected, found) * len(expected)
        self.unordered += in_any_order(expected, found) * len(expected)
        self.missing += Counter(expected) - Counter(found)

    def recall(self) -> tuple[float, float]:
        """In order, in any order."""
        return self.ordered / max(self.expected, 1), self.unordered / max(self.expected, 1)


def seogo(sandbox: ParseSandbox) -> Read:
    """Our side: the sandboxed parsers, as ingestion calls them."""

    def read(path: Path) -> str:
        return "\n".join(element.text for element in sandbox.parse(path, path.name).elements)

    return read


def unstructured() -> Read:
    """The peer's own function for each format, with what it needs to work without a network."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("SCARF_NO_ANALYTICS", "1")
    from unstructured.nlp import tokenize
    from unstructured.partition.csv import partition_csv
    from unstructured.partition.docx import partition_docx
    from unstructured.partition.html import partition_html
    from unstructured.partition.md import partition_md
    from unstructured.partition.pptx import partition_pptx
    from unstructured.partition.xlsx import partition_xlsx

    from ingest.parsing.unstructured_adapter import sentence_splitter

    tokenize._get_nlp = sentence_splitter
    readers = {
        "csv": partition_csv,
        "docx": partition_docx,
        "html": partition_html,
        "md": partition_md,
        "pptx": partition_pptx,
        "xls": partition_xlsx,
        "xlsm": partition_xlsx,
        "xlsx": partition_xlsx,
    }

    def read(path: Path) -> str | None:
        partition = readers.get(format_of(path))
        return None if partition is None else "\n".join(element.text for element in partition(str(path)))

    return read


def markitdown() -> Read:
    """The peer without plug-ins and without a network; its Markdown is cleaned like the reference."""
    from markitdown import MarkItDown, UnsupportedFormatException

    converter = MarkItDown(enable_plugins=False)

    def read(path: Path) -> str | None:
        if format_of(path) in ("asciidoc", "pdf", "vtt"):
            return None  # handed through as plain text, which is no reading; PDF is measured by another benchmark
        try:
            return plain(converter.convert_local(str(path)).text_content)
        except UnsupportedFormatException:
            return None

    return read


def format_of(path: Path) -> str:
    """The extension."""
    return path.suffix[1:].lower()


def files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file with the reference's text."""
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for expected in row["expected"]:
            if expected["kind"] == "md":
                yield folder / row["file"], plain((folder / expected["file"]).read_text(encoding="utf-8"))


Scores = dict[str, dict[str, Score]]
"""By format, by reader."""


def measure(folder: Path, readers: dict[str, Read], formats: Sequence[str]) -> Scores:
    """Let every reader read every file."""
    scores: Scores = defaultdict(dict)
    for path, reference in files(folder):
        kind = format_of(path)
        expected = comparable(reference)
        if formats and kind not in formats:
            continue
        for name, read in readers.items():
            text, failure = _attempt(read, path)
            if text is None and not failure:
                continue
            score = scores[kind].setdefault(name, Score())
            score.add(expected, comparable(text or ""))
            if failure:
                score.failed.append(f"{path.name}: {failure}")
    return scores


def _attempt(read: Read, path: Path) -> tuple[str | None, str]:
    """The text, or why there is none."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return read(path), ""
    except SeogoError as error:
        return None, error.code
    except Exception as error:  # a peer may raise whatever it likes
        return None, type(error).__name__


def report(scores: Scores, names: Sequence[str], *, misses: bool) -> list[str]:
    """Print the table; the bars that were missed."""
    print(f"{'format':<10}{'words':>8}" + "".join(f"{name:>24}" for name in names))
    missed: list[str] = []
    for kind in sorted(scores):
        row = scores[kind]
        cells = ""
        for name in names:
            cells += f"{'-':>24}" if name not in row else "{:>15.3f} / {:.3f} ".format(*row[name].recall())
        print(f"{kind:<10}{next(iter(row.values())).expected:>8}{cells}")
        missed += _missed(kind, row)
        if misses:
            for name in names[:1]:
                print("   ", *row[name].failed, dict(row[name].missing.most_common(40)) if name in row else "")
    print("recall of the reference's words: in order / in any order")
    return missed


def _missed(kind: str, row: dict[str, Score]) -> Iterator[str]:
    ours = row["seogo"].recall()
    if all(failure.endswith("unsupported_format") for failure in row["seogo"].failed) and ours[1] == 0:
        yield f"{kind}: not read"
        return
    if ours[1] < BAR:
        yield f"{kind}: {ours[1]:.3f}"
    for name, score in row.items():
        theirs = score.recall()
        if theirs[1] > ours[1] + _TIE or theirs[0] > ours[0] + _TIE:
            yield f"{kind}: behind {name}, {theirs[0]:.3f} / {theirs[1]:.3f}"


def main() -> int:
    """Measure and report; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--format", nargs="*", default=[], help="only these extensions")
    parser.add_argument("--misses", action="store_true", help="show the words that Seogo does not find")
    parser.add_argument("--peers", nargs="*", default=["unstructured", "markitdown"])
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")
    peers = {"unstructured": unstructured, "markitdown": markitdown}
    try:
        with unpacked("parser_docling") as folder, ParseSandbox(converter=find_converter()) as sandbox:
            readers = {"seogo": seogo(sandbox)}
            readers |= {name: make() for name, make in peers.items() if name in arguments.peers}
            missed = report(measure(folder, readers, arguments.format), list(readers), misses=arguments.misses)
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2
    print(f"bar {BAR}, no peer ahead: {'ok' if not missed else 'MISSED: ' + '; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
