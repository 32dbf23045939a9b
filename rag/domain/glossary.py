"""The glossary of a collection: terms, and what they are called elsewhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag.domain.errors import InvalidRequest

MAX_TERMS = 10_000
MAX_EXPANSIONS = 20
MAX_TERM_CHARACTERS = 100
MAX_NOTE_CHARACTERS = 500
MIN_TERM_CHARACTERS = 2
"""One character stands in nearly every question."""
_HEADER = ("term", "용어", "약어", "약칭")
_SEPARATOR = ";"


@dataclass(frozen=True, slots=True)
class GlossaryEntry:
    """A term and its expansions: `자보법` → `자동차손해배상 보장법`."""

    term: str
    expansions: tuple[str, ...]
    note: str = ""


def checked_entries(given: Iterable[GlossaryEntry]) -> list[GlossaryEntry]:
    """Entries trimmed, empty expansions dropped, each term once.

    Raises:
        InvalidRequest: too many terms or expansions, one too long or too short, a term without expansion or given twice.
    """
    found: dict[str, GlossaryEntry] = {}
    for number, entry in enumerate(given, start=1):
        if number > MAX_TERMS:
            raise InvalidRequest(
                detail=f"glossary: {MAX_TERMS:,} terms are allowed",
                detail_ko=f"용어집: 용어는 {MAX_TERMS:,}개까지 됩니다",
            )
        item = _checked(entry, number)
        if item.term.casefold() in found:
            raise InvalidRequest(
                detail=f"glossary: {item.term} is given twice", detail_ko=f"용어집: {item.term}이(가) 두 번 있습니다"
            )
        found[item.term.casefold()] = item
    return list(found.values())


def _checked(entry: GlossaryEntry, number: int) -> GlossaryEntry:
    term = " ".join(entry.term.split())
    expansions = tuple(dict.fromkeys(text for item in entry.expansions if (text := " ".join(item.split()))))
    where = f"glossary, term {number}"
    if not expansions or len(expansions) > MAX_EXPANSIONS:
        raise InvalidRequest(
            detail=f"{where}: 1 to {MAX_EXPANSIONS} expansions are needed",
            detail_ko=f"{where}: 펼친 말이 1~{MAX_EXPANSIONS}개 있어야 합니다",
        )
    for text in (term, *expansions):
        if not MIN_TERM_CHARACTERS <= len(text) <= MAX_TERM_CHARACTERS or "\x00" in text:
            raise InvalidRequest(
                detail=f"{where}: {MIN_TERM_CHARACTERS} to {MAX_TERM_CHARACTERS} characters are allowed",
                detail_ko=f"{where}: {MIN_TERM_CHARACTERS}~{MAX_TERM_CHARACTERS}자여야 합니다",
            )
    if len(entry.note) > MAX_NOTE_CHARACTERS or "\x00" in entry.note:
        raise InvalidRequest(
            detail=f"{where}: the note may have {MAX_NOTE_CHARACTERS} characters",
            detail_ko=f"{where}: 비고는 {MAX_NOTE_CHARACTERS}자까지 됩니다",
        )
    return GlossaryEntry(term, expansions, entry.note.strip())


def entries_from_csv(content: bytes) -> list[GlossaryEntry]:
    """Entries of a CSV file in UTF-8 or CP949 (Excel's): term, expansions with semicolons between them, note.

    A first row that begins with `term` or `용어` is a header.

    Raises:
        InvalidRequest: not such a file, or as for `checked_entries`.
    """
    return checked_entries(_rows(_decoded(content)))


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidRequest(
        detail="glossary: the file is neither UTF-8 nor CP949", detail_ko="용어집: 파일이 UTF-8도 CP949도 아닙니다"
    )


def _rows(text: str) -> Iterable[GlossaryEntry]:
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1):
            cells = [cell.strip() for cell in row]
            if not any(cells) or (number == 1 and cells[0].casefold() in _HEADER):
                continue
            if not 2 <= len(cells) <= 3:
                raise InvalidRequest(
                    detail=f"glossary, line {number}: term, expansions and note are needed",
                    detail_ko=f"용어집 {number}번째 줄: 용어, 펼친 말, 비고가 있어야 합니다",
                )
            yield GlossaryEntry(cells[0], tuple(cells[1].split(_SEPARATOR)), cells[2] if len(cells) == 3 else "")
    except csv.Error as error:
        raise InvalidRequest(
            detail=f"glossary: not a CSV file ({error})", detail_ko=f"용어집: CSV 파일이 아닙니다({error})"
        ) from error


def entries_to_csv(entries: Sequence[GlossaryEntry]) -> str:
    """The glossary as a CSV file that `entries_from_csv` reads."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("term", "expansions", "note"))
    for entry in entries:
        writer.writerow((entry.term, _SEPARATOR.join(entry.expansions), entry.note))
    return text.getvalue()
