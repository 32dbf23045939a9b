"""Old Office formats through LibreOffice, where it is installed: from the service's side.

`office_runner.py` says how the program is confined. The result is a file in a private folder that is gone afterwards; it is
as little trusted as the original, and parsed in the same sandbox.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ingest.parsing import landlock, media_types, office_runner
from rag.domain.errors import ConfigurationError, FileDamaged, ParseLimitExceeded

_LOG = logging.getLogger(__name__)

CONVERSIONS: dict[str, tuple[str, str]] = {
    media_types.DOC: ("docx", "MS Word 2007 XML"),
    media_types.DOC_XML: ("docx", "MS Word 2007 XML"),
    media_types.RTF: ("docx", "MS Word 2007 XML"),
    media_types.PPT: ("pptx", "Impress MS PowerPoint 2007 XML"),
    media_types.XLSB: ("xlsx", "Calc MS Excel 2007 XML"),
}
"""Media type to the extension and the name of the export filter that LibreOffice writes for it."""

CONVERTED = "converted"
"""The file was read through a conversion: places (paragraphs, slides) are those of the converted file."""

_PLACES = (
    "/usr/bin/soffice",
    "/usr/lib/libreoffice/program/soffice",
    "/usr/local/bin/soffice",
    "/opt/libreoffice/program/soffice",
)
_OUTPUT_BYTES = 256 << 20
"""Pictures of a long presentation included; what is parsed afterwards has caps of its own."""

_MEMORY_BYTES = 4 << 30
"""Address space. LibreOffice maps some 1.5 GiB before it has read anything."""

_START_S = 15.0
"""For the runner itself, on top of the conversion's time."""


_END_S = 5.0
"""For the runner to end what it has started."""


@dataclass(frozen=True, slots=True)
class Converter:
    """An installed LibreOffice.

    Attributes:
        wall_s: seconds for one file; a first start takes about four.
    """

    program: str
    wall_s: float = 90.0
    cpu_s: int = 60
    memory_bytes: int = _MEMORY_BYTES
    output_bytes: int = _OUTPUT_BYTES

    @contextmanager
    def converted(self, descriptor: int, media_type: str, name: str) -> Iterator[Path]:
        """The open file as a file of the new format, while the block lasts.

        Raises:
            FileDamaged: LibreOffice can't read it.
            ParseLimitExceeded: it takes too long or too much room.
            ConfigurationError: the program can't be confined on this machine.
        """
        extension, export_filter = CONVERSIONS[media_type]
        with tempfile.TemporaryDirectory(prefix="seogo-office-") as place:
            folder = Path(place).resolve()
            with (folder / "input").open("wb") as copy, os.fdopen(os.dup(descriptor), "rb") as original:
                original.seek(0)
                shutil.copyfileobj(original, copy)
            self._run(folder, extension, export_filter, name)
            result = folder / "out" / f"input.{extension}"
            _check(result, self.output_bytes, name)
            yield result

    def _run(self, folder: Path, extension: str, export_filter: str, name: str) -> None:
        limits = (self.wall_s, self.cpu_s, self.memory_bytes, self.output_bytes)
        module = "ingest.parsing.office_runner"
        arguments = [str(folder), self.program, extension, export_filter, *map(str, limits)]
        process = subprocess.Popen(  # noqa: S603 (our own interpreter, arguments of ours)
            [sys.executable, "-m", module, *arguments],
            env={
                "PATH": os.defpath,
                "LANG": "C.UTF-8",
                "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
                "PYTHONSAFEPATH": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        try:
            status = process.wait(self.wall_s + _START_S)
        except subprocess.TimeoutExpired:
            status = office_runner.OUT_OF_TIME
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if status == office_runner.NOT_CONFINED:
            raise ConfigurationError(detail="LibreOffice can't be confined here: Landlock and seccomp are needed")
        if status == office_runner.OUT_OF_TIME:
            raise ParseLimitExceeded(name=name, resource="time")
        if status == office_runner.OUT_OF_ROOM:
            raise ParseLimitExceeded(name=name, resource="output")
        if status != 0:
            _LOG.warning("the LibreOffice runner ended with status %d", status)


def find_program() -> str:
    """Where LibreOffice is installed; empty where it is not."""
    return next((place for place in _PLACES if os.access(place, os.X_OK)), "")


def find_converter() -> Converter | None:
    """The LibreOffice of this machine; None where there is none, or where it could not be confined."""
    program = find_program()
    return Converter(program) if program and landlock.is_available() else None


def _check(result: Path, limit: int, name: str) -> None:
    """Accept nothing but a plain file: the folder was writable to a program that has read the document."""
    try:
        found = result.lstat()
    except OSError as error:
        raise FileDamaged(name=name, detail="LibreOffice") from error
    if not stat.S_ISREG(found.st_mode):
        raise FileDamaged(name=name, detail="LibreOffice")
    if found.st_size > limit:
        raise ParseLimitExceeded(name=name, resource="output")
