"""What the sheets of a workbook share, whatever its format: number formats, dates, and how much may be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from ingest.parsing.characters import squeeze
from ingest.parsing.number_format import CellValue, is_elapsed, is_moment, shown
from ingest.parsing.sheets import MAX_CELLS, MAX_CHARACTERS
from rag.domain.errors import ParseLimitExceeded

FORMULAS_WITHOUT_VALUES = "formulas_without_values"
"""Some formulas were never calculated (the file was written by a program): their cells are empty here."""

HIDDEN_TEXT = "hidden_text"
"""Text that a reader can't see; left out where that is sure."""

_EPOCH_1900, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)
_LAST_SERIAL = 2_958_466
"""The day after 9999-12-31."""

BUILT_IN = {
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    5: "#,##0",
    6: "#,##0",
    7: "#,##0.00",
    8: "#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    14: "yyyy-mm-dd",
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm",
    27: 'yyyy"年" mm"月" dd"日"',
    28: "mm-dd",
    29: "mm-dd",
    30: "mm-dd-yy",
    31: 'yyyy"년" mm"월" dd"일"',
    32: 'h"시" mm"분"',
    33: 'h"시" mm"분" ss"초"',
    34: "yyyy-mm-dd",
    35: "yyyy-mm-dd",
    36: 'yyyy"年" mm"月" dd"日"',
    37: "#,##0;-#,##0",
    38: "#,##0;-#,##0",
    39: "#,##0.00;-#,##0.00",
    40: "#,##0.00;-#,##0.00",
    41: "#,##0",
    42: "#,##0",
    43: "#,##0.00",
    44: "#,##0.00",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "##0.0E+0",
    49: "@",
}
"""Formats without a code in the file (ECMA-376 part 1, 18.8.30, the list for ko-kr). 14 and 22 follow the reader's system,
so the unambiguous order is taken; 5 to 8, 42 and 44 show the system's currency, which the file does not know."""


@dataclass(frozen=True, slots=True)
class CellStyle:
    """How a cell shows its value."""

    number_format: str = "General"
    white: bool = False


@dataclass
class Book:
    """What all sheets of a workbook share."""

    name: str
    strings: list[str] = field(default_factory=list)
    styles: list[CellStyle] = field(default_factory=list)
    dates_from_1904: bool = False
    warnings: set[str] = field(default_factory=set)
    cells: int = 0
    characters: int = 0

    def count(self, text: str) -> None:
        """Account for one more cell.

        Raises:
            ParseLimitExceeded: the workbook is too large to be read as a whole.
        """
        self.cells += 1
        self.characters += len(text)
        if self.cells > MAX_CELLS or self.characters > MAX_CHARACTERS:
            raise ParseLimitExceeded(name=self.name, resource="cells")

    def moment(self, serial: float) -> datetime | time | None:
        """A date serial number; a time of day below 1; None for what is no date."""
        if not 0 <= serial < _LAST_SERIAL:
            return None
        microseconds = round(serial % 1 * 86_400_000) * 1000
        if serial < 1 and not self.dates_from_1904:
            return (datetime(1900, 1, 1) + timedelta(microseconds=microseconds)).time()
        # 1900-02-29, which never was, has the number 60.
        days = int(serial) + (1 if serial < 60 and not self.dates_from_1904 else 0)
        start = _EPOCH_1904 if self.dates_from_1904 else _EPOCH_1900
        return start + timedelta(days=days, microseconds=microseconds)

    def shown(self, number: int | float, number_format: str) -> str:
        """A number or date as its cell shows it."""
        if number_format == "General" and isinstance(number, int):
            return str(number)
        value: CellValue = number
        if is_moment(number_format, number):
            value = self._elapsed(number) if is_elapsed(number_format) else self.moment(number)
        return squeeze(shown(number if value is None else value, number_format))

    def _elapsed(self, number: float) -> timedelta | None:
        return timedelta(days=number) if abs(number) < _LAST_SERIAL else None
