"""The only file that imports `unstructured`, and what has to be done so that it neither phones home nor downloads.

- On import it asks `packages.unstructured.io` for a version unless `DO_NOT_TRACK` or `SCARF_NO_ANALYTICS` is set.
- To count sentences it installs a spaCy model from GitHub at first use. `unstructured.nlp.tokenize._get_nlp` is
  replaced by a blank pipeline with a rule-based sentence splitter; `tests/unit/parsing/test_unstructured_seam.py` fails
  when that function is no longer what it calls.
- Through spaCy and thinc it imports torch if that is installed: 4 s and 180 MB for nothing. torch is hidden meanwhile.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class Piece:
    """One `unstructured` element, with what Seogo keeps of it.

    Attributes:
        category: its class, such as `Title`, `NarrativeText`, `ListItem`, `Table`.
        page: page, slide or sheet, from 1; 0 when the format has none.
        depth: `category_depth`.
        rows: of a table, cell texts; empty otherwise. Of a sheet, all its rows from the first one on.
        sheet: name of the sheet, empty for other formats.
    """

    category: str
    text: str
    page: int
    depth: int
    rows: tuple[tuple[str, ...], ...] = ()
    sheet: str = ""


class UnstructuredOffice:
    """`partition_docx`, `partition_pptx` and `partition_xlsx`, imported when the object is made."""

    def __init__(self) -> None:
        self._partition = _load_partitions()

    def pieces(self, file: IO[bytes], kind: str) -> list[Piece]:
        """Elements of a `docx`, `pptx` or `xlsx` in order: speaker notes before their slide, a sheet as one table.

        Raises:
            Whatever python-docx, python-pptx and openpyxl raise on a damaged file.
        """
        # No language detection: rag.text does that, for each chunk.
        elements = self._partition[kind](file=file, languages=[""], **_OPTIONS[kind])
        return [_piece(element) for element in elements]


_OPTIONS: dict[str, dict[str, bool]] = {
    "docx": {"include_page_breaks": False},
    "pptx": {"include_page_breaks": False, "include_slide_notes": True},
    # A whole sheet keeps its empty rows and columns, so that a cell's place is known; a part of one says no place.
    "xlsx": {"find_subtable": False},
}


def _load_partitions() -> dict[str, Callable[..., list[Any]]]:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("SCARF_NO_ANALYTICS", "1")
    os.environ.setdefault("UNSTRUCTURED_DISABLE_NOTICE", "1")
    with _without_torch():
        from unstructured.nlp import tokenize
        from unstructured.partition.docx import partition_docx
        from unstructured.partition.pptx import partition_pptx
        from unstructured.partition.xlsx import partition_xlsx

        sentence_splitter()
    tokenize._get_nlp = sentence_splitter
    return {"docx": partition_docx, "pptx": partition_pptx, "xlsx": partition_xlsx}


@functools.lru_cache(maxsize=1)
def sentence_splitter() -> Any:
    """A spaCy pipeline without a model: tokens and sentences by rule, for any language."""
    import spacy

    pipeline = spacy.blank("xx")
    pipeline.add_pipe("sentencizer")
    return pipeline


@contextmanager
def _without_torch() -> Iterator[None]:
    """Let `import torch` fail for a while, unless it has been imported already."""
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # how importlib marks a module that can't be imported
    try:
        yield
    finally:
        del sys.modules["torch"]


def _piece(element: Any) -> Piece:
    metadata = element.metadata
    html = getattr(metadata, "text_as_html", None)
    return Piece(
        category=type(element).__name__,
        text=element.text,
        page=metadata.page_number or 0,
        depth=metadata.category_depth or 0,
        rows=_rows(html) if html else (),
        sheet=metadata.page_name or "",
    )


def _rows(table_html: str) -> tuple[tuple[str, ...], ...]:
    """Cell texts. The HTML is only taken apart, never shown: it has carried scripts before (a stored XSS)."""
    from lxml import html

    root = html.fragment_fromstring(table_html, create_parent="div")
    return tuple(tuple(" ".join(cell.itertext()) for cell in row.iter("td", "th")) for row in root.iter("tr"))
