"""Whether PDF reading loses text: every word of the text layer is in the output.

    python -m benchmarks.pdf_text_kept [FILE ...]

On the PDFs of `pdf_kgrag_small` and `parser_docling`, or on the files named. A word is lost when the output has it less often
than PDFium's own text, as a word and as a part of words too: line ends, columns and fonts part words at other places. Lines that
differ from a line of another page by nothing but numbers, and bare numbers, are not counted: they are headers and footers, which
are left out by intent.

Bar: no word.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pypdfium2

from benchmarks.data import DataMissing, unpacked
from ingest.parsing import media_types
from ingest.parsing.base import SourceFile
from ingest.parsing.pdf import PdfParser

SETS = ("pdf_kgrag_small", "parser_docling")
_WORD = re.compile(r"[^\W_]{2,}")
_MARKS = re.compile(r"[\W_]+")
_HYPHEN_AT_LINE_END = re.compile("[\x02\u00ad\ufffe](?:\r?\n)?")


def lost_words(path: Path) -> Counter[str]:
    """Words of the text layer that the output lacks, and how often."""
    document = PdfParser().parse(path, SourceFile(path.name, media_types.PDF))
    output = _plain("\n".join(element.text for element in document.elements))
    layer = _plain("\n".join(_lines(path)))
    squeezed, squeezed_layer = _MARKS.sub("", output), _MARKS.sub("", layer)
    lacking = Counter(_WORD.findall(layer)) - Counter(_WORD.findall(output))
    as_parts = {word: squeezed_layer.count(word) - squeezed.count(word) for word in lacking}
    return Counter({word: min(count, as_parts[word]) for word, count in lacking.items() if as_parts[word] > 0})


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _lines(path: Path) -> list[str]:
    """The text layer without what recurs on several pages."""
    pages = [
        _HYPHEN_AT_LINE_END.sub("", page.get_textpage().get_text_bounded()).splitlines()
        for page in pypdfium2.PdfDocument(path)
    ]
    on_pages = Counter(pattern for page in pages for pattern in set(map(_pattern, page)))
    return [line for page in pages for line in page if on_pages[_pattern(line)] == 1 and not line.strip().isdigit()]


def _pattern(line: str) -> str:
    return re.sub(r"\d+", "#", line.strip())


@contextlib.contextmanager
def _files(named: Sequence[Path]) -> Iterator[list[Path]]:
    if named:
        yield list(named)
        return
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(unpacked(name)) for name in SETS]
        yield [path for folder in folders for path in sorted(folder.rglob("*.pdf"))]


def main() -> int:
    """Print what each file lost; 1 when it is anything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    total = 0
    try:
        with _files(parser.parse_args().files) as paths:
            for path in paths:
                lost = lost_words(path)
                total += lost.total()
                print(
                    f"{path.name}: {lost.total()} lost", ", ".join(f"{word} ({n})" for word, n in lost.most_common(10))
                )
    except DataMissing as missing:
        print(missing)
        return 1
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
