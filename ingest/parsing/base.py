"""What a parser is: a file format in, elements with anchors out.

A parser runs inside the sandbox's child process (`sandbox.py`), on a file that nobody trusts. It raises `SeogoError`s
for what the user can understand (`FileDamaged`, `FileEncrypted`, `NoTextFound`); anything else is reported as
`ParserCrashed`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rag.domain.document import ParsedDocument

if TYPE_CHECKING:
    from ingest.parsing.ocr import PageReader


@dataclass(frozen=True, slots=True)
class Identified:
    """What the content of a file says it is.

    Attributes:
        media_type: from the content; for kinds of text, the extension has a say (`identify.py`).
        extension: what the name claims, lower case, without the dot; the whole name (`dockerfile`) when it has none.
        charset: Python codec name for text formats, empty for binary ones.
    """

    media_type: str
    extension: str = ""
    charset: str = ""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What a parser may know of the file besides its bytes.

    Attributes:
        name: file name as uploaded, only for messages, the title and the kind of source code; never a path to open.
        charset: Python codec name that `identify` found, empty for binary formats.
        reader: reads pictures of pages; None where no pixels are to be read.
        children_bytes: the most bytes of files inside that may be handed over together.
        first_child: number of the first file inside that is wanted; those before were handed over already.
        first_page: number of the first page that is wanted, from 1.
        may_stop: whether a parser that runs out of time may leave the last pages to another one (`ParsedDocument.next_page`).
        seam: what the part before said of the pages that follow it (`ParsedDocument.seam`); empty for the first one.
        cpu_s: CPU seconds of this process by which it should, at the latest.
        told: is called with the pages that were read and with all that there are; None where nobody listens.
    """

    name: str
    media_type: str
    charset: str = ""
    reader: PageReader | None = None
    children_bytes: int = 42 << 20
    first_child: int = 0
    first_page: int = 1
    may_stop: bool = False
    cpu_s: float = math.inf
    told: Callable[[int, int], None] | None = None
    seam: str = ""

    def has_read(self, pages: int, total: int) -> None:
        """Say that so many pages of the whole file are done, those before `first_page` among them."""
        if self.told is not None:
            self.told(pages, total)

    def is_spent(self) -> bool:
        """Whether it is time to leave the rest to another process."""
        return self.may_stop and time.process_time() > self.cpu_s


class Parser(Protocol):
    """Reads one family of formats."""

    @property
    def name(self) -> str:
        """Name and version, such as `pdf/1`; part of every chunk id, so raise the version when the output changes."""
        ...

    @property
    def media_types(self) -> tuple[str, ...]:
        """What it may be offered; the same as in its registry entry."""
        ...

    def bid(self, identified: Identified) -> int:
        """How well it reads such a file: 0 cannot, 50 as a fallback, 100 made for it. The best bid wins."""
        ...

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """Read the file at `path` (which may be `/proc/self/fd/N`: open it, don't take it apart).

        Raises:
            FileDamaged, FileEncrypted, NoTextFound, ParseLimitExceeded: as their messages say.
        """
        ...
