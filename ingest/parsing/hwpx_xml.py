"""XML of HWPX as a stream of events: no tree is built, so that memory stays small whatever the file holds."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from lxml import etree

from ingest.parsing.containers import UNREADABLE
from rag.domain.errors import ParseLimitExceeded

MAX_PART_BYTES = 256 << 20
"""Unpacked, of one part; a section of a thousand pages is about 20 MB."""

MAX_DEPTH = 1_000
"""Elements inside elements. A table inside a table adds six."""

_CHUNK_BYTES = 1 << 16


class PartDamaged(Exception):
    """The part is missing, no well-formed XML, or can't be unpacked."""


class Handler(Protocol):
    """What a part's events are given to; names come without their namespace, whose year differs between versions."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        ...

    def end(self, name: str) -> None:
        """It ends."""
        ...

    def text(self, text: str) -> None:
        """Characters."""
        ...


class _Target:
    """lxml's view of a handler."""

    def __init__(self, handler: Handler, name: str) -> None:
        self._start: Callable[[str, Mapping[str, str]], None] = handler.start
        self._end: Callable[[str], None] = handler.end
        self.data: Callable[[str], None] = handler.text
        self._name = name
        self._depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ParseLimitExceeded(name=self._name, resource="nesting")
        self._start(tag.rpartition("}")[2], attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._end(tag.rpartition("}")[2])

    def doctype(self, *_: Any) -> None:
        """No part has a document type: only a file that wants something defines entities."""
        raise PartDamaged

    def comment(self, _: str) -> None:
        """Not part of the text."""

    def pi(self, *_: Any) -> None:
        """Not part of the text."""

    def close(self) -> None:
        """Nothing to hand over."""


def read_part(archive: zipfile.ZipFile, part: str, handler: Handler, name: str) -> Iterator[None]:
    """Feed a part to `handler`, pausing after each piece so that what it built can be taken away.

    Raises:
        PartDamaged: after what came before the damage.
        ParseLimitExceeded: too large, or nested too deeply.
    """
    parser = etree.XMLParser(
        target=_Target(handler, name), resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False
    )
    size = 0
    try:
        with archive.open(part) as stream:
            while piece := stream.read(_CHUNK_BYTES):
                size += len(piece)
                if size > MAX_PART_BYTES:
                    raise ParseLimitExceeded(name=name, resource="unpacked size")
                parser.feed(piece)
                yield
        parser.close()
    except (etree.XMLSyntaxError, RuntimeError, KeyError, *UNREADABLE) as error:
        raise PartDamaged from error
    yield
