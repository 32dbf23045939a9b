"""Reading pixels with Tesseract: Debian's `tesseract-ocr` and `tesseract-ocr-kor`, a program of its own per page.

Images go in and words come out through pipes; nothing is written. A parser cannot start programs (`seccomp.py`): inside
the sandbox `ocr_lanes.py` runs this code in processes that were forked before the file was looked at.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

WANTED_LANGUAGES = ("kor", "eng")
MAX_PIXELS = 40_000_000
"""An A3 page at 400 dpi has 31 million; more is scaled down before."""

PAGE_S = 60.0
"""One page may take so long; a dense page takes 2 to 4 s."""

_PATH = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"
_DATA_FOLDERS = ("usr/share/tesseract-ocr/*/tessdata", "usr/share/tessdata", "usr/local/share/tessdata")
"""Where Debian, Fedora and a build from source put the language data."""

_ENVIRONMENT = {"OMP_THREAD_LIMIT": "1", "LC_ALL": "C"}
"""Tesseract's own threads cost more than they give (its FAQ); pages are read side by side instead."""

_ONE_COLUMN = "4"
"""Page segmentation: lines across the page. The default loses whole lines of Korean: on rendered pages in three fonts 7.4 %
of the characters are wrong with it, 2.7 % so. Columns are found in the lines afterwards."""

_MAX_TSV_BYTES = 16 << 20
_POINTS = 72.0


@dataclass(frozen=True, slots=True)
class GrayImage:
    """Eight bits a pixel, row by row without padding."""

    width: int
    height: int
    dpi: int
    pixels: bytes

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in points."""
        return self.width * _POINTS / self.dpi, self.height * _POINTS / self.dpi


class PageReader(Protocol):
    """Reads pictures of pages. `lanes` calls may run side by side, from as many threads."""

    @property
    def lanes(self) -> int:
        """How many pages are read at once; 0: there is no Tesseract here."""

    @property
    def deadline(self) -> float:
        """`time.monotonic()` by which a parser should have its result ready."""

    def read(self, image: GrayImage) -> bytes | None:
        """Tesseract's TSV; None when it failed on this page."""


@dataclass(frozen=True, slots=True)
class Tesseract:
    """The program, as found on this machine. It is a `PageReader` where starting programs is allowed."""

    program: str
    languages: tuple[str, ...]
    lanes: int = 1
    budget_s: float = 3600.0

    @property
    def deadline(self) -> float:
        """Never before the reader's own patience ends."""
        return time.monotonic() + self.budget_s

    def read(self, image: GrayImage, before: Callable[[], None] | None = None) -> bytes | None:
        """Run it on one image; `before` runs in the new process."""
        header = b"P5\n%d %d\n255\n" % (image.width, image.height)
        command = [self.program, "stdin", "stdout", "-l", "+".join(self.languages), "--dpi", str(image.dpi)]
        try:
            done = subprocess.run(  # noqa: S603 (a fixed command; the languages are our own constants)
                [*command, "--psm", _ONE_COLUMN, "-c", "tessedit_create_tsv=1"],
                input=header + image.pixels,
                stdout=subprocess.PIPE,
                env=_ENVIRONMENT,
                cwd="/",
                timeout=PAGE_S,
                check=False,
                preexec_fn=before,  # a process with one thread
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout[:_MAX_TSV_BYTES] if done.returncode == 0 else None


def find_tesseract() -> Tesseract | None:
    """Tesseract with those of the wanted languages that are installed; None when there is nothing to work with.

    Looks at files only: this happens before every PDF.
    """
    program = shutil.which("tesseract", path=_PATH)
    if program is None:
        return None
    folders = [folder for pattern in _DATA_FOLDERS for folder in Path("/").glob(pattern)]
    installed = {
        language for language in WANTED_LANGUAGES for f in folders if (f / f"{language}.traineddata").is_file()
    }
    languages = tuple(language for language in WANTED_LANGUAGES if language in installed)
    return Tesseract(program, languages) if languages else None
