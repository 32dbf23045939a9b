"""Other open PDF readers, each as plain text or Markdown by page or document: what Seogo's reader is compared with.

`unstructured` imports `unstructured_inference` (and with it torchvision and gigabytes of CUDA) even for its `fast`
strategy, which uses nothing of it: pdfminer does the work. Here what it imports and lacks are stand-ins that fail when
called.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument

_STAND_INS = frozenset({"unstructured_inference", "unstructured_pytesseract", "cv2", "pdf2image", "pi_heif"})


class _Numbers(type):
    """Thresholds that are read at import, as default arguments of what is never called."""

    def __getattr__(cls, name: str) -> float:
        if name.startswith("__"):
            raise AttributeError(name)
        return 0.5


class _StandIn(types.ModuleType):
    """A module whose every name is a class that can't be used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name.startswith("register"):
            return lambda: None  # called at import

        class Unused(metaclass=_Numbers):
            def __init__(self, *_: object, **__: object) -> None:
                raise RuntimeError(f"{name} is not part of the fast strategy")

        setattr(self, name, Unused)
        return Unused


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if fullname.split(".")[0] not in _STAND_INS:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class Unstructured:
    """`unstructured`'s `partition_pdf(strategy="fast")`."""

    name = "unstructured fast"

    def __init__(self) -> None:
        os.environ.setdefault("DO_NOT_TRACK", "1")
        os.environ.setdefault("SCARF_NO_ANALYTICS", "1")
        os.environ.setdefault("UNSTRUCTURED_DISABLE_NOTICE", "1")
        sys.meta_path.append(_Finder())  # last: a module that is installed is found before
        from unstructured.nlp import tokenize
        from unstructured.partition.pdf import partition_pdf

        from ingest.parsing.unstructured_adapter import sentence_splitter

        tokenize._get_nlp = sentence_splitter
        self._partition = partition_pdf

    def read(self, path: Path) -> ParsedDocument:
        """Its titles as headings, its list items as such, all else as text."""
        elements = self._partition(filename=str(path), strategy="fast", languages=[""])
        kinds = {"Title": ElementKind.HEADING, "ListItem": ElementKind.LIST_ITEM, "Table": ElementKind.TABLE}
        return _document(
            self.name, [(kinds.get(type(element).__name__, ElementKind.TEXT), element.text) for element in elements]
        )


class MarkItDown:
    """Microsoft's `markitdown`, its Markdown read by Seogo's Markdown parser."""

    name = "markitdown"

    def __init__(self) -> None:
        from markitdown import MarkItDown as Converter

        self._converter = Converter(enable_plugins=False)

    def read(self, path: Path) -> ParsedDocument:
        """Its Markdown, tables and headings included."""
        import tempfile

        from ingest.parsing import media_types
        from ingest.parsing.base import SourceFile
        from ingest.parsing.markdown import MarkdownParser

        text = self._converter.convert(str(path)).text_content
        with tempfile.TemporaryDirectory(prefix="seogo-peer-") as folder:
            copy = Path(folder) / "copy.md"
            copy.write_text(text, encoding="utf-8")
            return MarkdownParser().parse(copy, SourceFile(path.stem, media_types.MARKDOWN, "utf-8"))


class Pypdf:
    """`pypdf`'s `extract_text`, a text for each page."""

    name = "pypdf"

    def read(self, path: Path) -> ParsedDocument:
        """One text for each page."""
        import pypdf

        return _document(self.name, [(ElementKind.TEXT, page.extract_text()) for page in pypdf.PdfReader(path).pages])


def _document(parser: str, parts: Sequence[tuple[ElementKind, str]]) -> ParsedDocument:
    elements = tuple(
        Element(kind, text, LineAnchor(number, number), level=1 if kind is ElementKind.HEADING else 0)
        for number, (kind, text) in enumerate(parts, start=1)
        if text.strip()
    )
    return ParsedDocument("", "application/pdf", parser, elements)
