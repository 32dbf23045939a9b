"""COBOL, by rules of its text: programs, divisions, sections, paragraphs and records; PERFORM, CALL, GO TO and COPY.

Both reference formats (ISO/IEC 1989): in fixed format columns 1 to 6 hold a sequence number, column 7 says what the line is,
and 73 to 80 are the programmer's. No grammar: the dialects of mainframes differ too much.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.parsing.code_rules import words
from ingest.parsing.code_text_outline import TextOutline
from rag.domain.code import CodeOutline, Import, ReferenceRole, SymbolKind

_FIXED = re.compile(r"[\d ]{6}[ */\-Dd$]|[\d ]{0,6}$")
_FIXED_SHARE = 0.9
_FREE = re.compile(r">>\s*SOURCE\s+(?:FORMAT\s+)?(?:IS\s+)?FREE|\$SET\s+SOURCEFORMAT\W+FREE", re.I)
_PROGRAM_AREA = 72
_NAME = r"([A-Z0-9가-힣][\w가-힣-]*)"
_IDENTIFICATION = re.compile(r"\s*(?:IDENTIFICATION|ID)\s+DIVISION\b", re.I)
_PROGRAM = re.compile(rf"\s*(?:PROGRAM|FUNCTION|CLASS)-ID\s*\.\s*[\"']?{_NAME}", re.I)
_END_PROGRAM = re.compile(r"\s*END\s+(?:PROGRAM|FUNCTION|CLASS)\b", re.I)
_DIVISION = re.compile(r"\s*(ENVIRONMENT|DATA|PROCEDURE|IDENTIFICATION|ID)\s+DIVISION\b", re.I)
_SECTION = re.compile(rf"\s{{0,4}}{_NAME}\s+SECTION(?:\s+\d+)?\s*\.", re.I)
_PARAGRAPH = re.compile(rf"\s{{0,3}}{_NAME}\s*\.\s*(?:$|[A-Z])", re.I)
_RECORD = re.compile(rf"\s*(?:0?1|77)\s+{_NAME}", re.I)
_FILE = re.compile(rf"\s*(?:FD|SD)\s+{_NAME}", re.I)
_COPY = re.compile(rf"\bCOPY\s+[\"']?{_NAME}", re.I)
_PERFORM = re.compile(rf"\b(?:PERFORM|GO\s+TO|GO)\s+{_NAME}(?:\s+(?:THRU|THROUGH)\s+{_NAME})?", re.I)
_CALL = re.compile(rf"\bCALL\s+[\"']{_NAME}[\"']", re.I)
_NO_NAMES = words(
    "UNTIL VARYING WITH TEST TIMES TO END-IF END-PERFORM END-EVALUATE END-READ ELSE EXIT GOBACK CONTINUE STOP"
    " DECLARATIVES EJECT SKIP1 SKIP2 SKIP3"
)
_LITERAL = re.compile(r"\"[^\"]*\"|'[^']*'")
_PROGRAM_LEVEL, _DIVISION_LEVEL, _SECTION_LEVEL, _PARAGRAPH_LEVEL = range(4)


@dataclass(frozen=True, slots=True)
class _Line:
    """Attributes:
    code: without sequence area and comments; empty for a comment.
    comment: what a comment says.
    """

    code: str
    comment: str = ""


def cobol_outline(text: str) -> CodeOutline:
    """The outline of a program or a copybook."""
    reader = _Reader()
    lines = _lines(text.split("\n"))
    for number, line in enumerate(lines, start=1):
        reader.take(number, line)
    reader.found.end_all(len(lines))
    return reader.found.outline()


def _lines(lines: Sequence[str]) -> list[_Line]:
    filled = [line for line in lines if line.strip()]
    fixed = sum(_FIXED.match(line) is not None for line in filled)
    if fixed >= _FIXED_SHARE * len(filled) and not any(_FREE.search(line) for line in filled[:20]):
        return [_fixed(line) for line in lines]
    return [_free(line) for line in lines]


def _fixed(line: str) -> _Line:
    mark, code = line[6:7], line[7:]
    if mark in ("*", "/"):
        return _Line("", code.strip("* "))
    # Columns count bytes of the old code page, so a line in Korean may reach farther.
    code = code[: _PROGRAM_AREA - 7] if code.isascii() else code
    return _without_remark(code)


def _free(line: str) -> _Line:
    start = line.lstrip()
    if start.startswith("*") and not start.startswith("*>"):
        return _Line("", start.strip("* "))
    return _without_remark(line)


def _without_remark(code: str) -> _Line:
    code, found, remark = code.partition("*>")
    return _Line("" if found and not code.strip() else code, remark.strip())


class _Reader:
    """Goes through the lines of one file."""

    def __init__(self) -> None:
        self.found = TextOutline("cobol")
        self._division = ""
        self._begun = 0
        self._comments: list[str] = []
        self._open_sentence = False

    def take(self, number: int, line: _Line) -> None:
        """The next line."""
        if not line.code.strip():
            self._comments = [*self._comments, line.comment] if line.comment else []
            return
        first = number - len(self._comments)
        doc = "\n".join(self._comments).strip()
        self._comments = []
        if not self._structure(number, first, line.code, doc):
            self._uses(number, line.code)
        self._open_sentence = not line.code.rstrip().endswith(".")

    def _structure(self, number: int, first: int, code: str, doc: str) -> bool:
        """Whether the line begins a program, a division, a section or a paragraph."""
        if _IDENTIFICATION.match(code):
            self._begun, self._division = first, "IDENTIFICATION"
            return True
        if program := _PROGRAM.match(code):
            begun = self._begun or first
            self._begun = 0
            self.found.begin(
                _PROGRAM_LEVEL, SymbolKind.MODULE, program[1], code.strip(" ."), begun, line=number, doc=doc
            )
            return True
        if _END_PROGRAM.match(code):
            self.found.end_all(number)
            self._division = ""
            return True
        if division := _DIVISION.match(code):
            self._division = division[1].upper()
            self._begin(_DIVISION_LEVEL, " ".join(division[0].split()), number, first, code, doc, named=False)
            return True
        if section := _SECTION.match(code):
            self._begin(_SECTION_LEVEL, section[1], number, first, code, doc, named=self._division == "PROCEDURE")
            return True
        return (self._division != "PROCEDURE" and self._data(number, code)) or self._paragraph(number, first, code, doc)

    def _begin(
        self, level: int, name: str, number: int, first: int, code: str, doc: str, *, named: bool = True
    ) -> None:
        kind = SymbolKind.PROCEDURE if level == _PARAGRAPH_LEVEL else SymbolKind.SECTION
        self.found.begin(level, kind, name, code.strip().rstrip("."), first, line=number, doc=doc, named=named)

    def _data(self, number: int, code: str) -> bool:
        for pattern in (_RECORD, _FILE):
            if item := pattern.match(code):
                self.found.single(SymbolKind.FIELD, item[1], code.strip(" ."), number, number)
                return True
        return False

    def _paragraph(self, number: int, first: int, code: str, doc: str) -> bool:
        paragraph = _PARAGRAPH.match(code)
        if self._division != "PROCEDURE" or self._open_sentence or paragraph is None:
            return False
        if paragraph[1].upper() in _NO_NAMES:
            return False
        self._begin(_PARAGRAPH_LEVEL, paragraph[1], number, first, code[: paragraph.end(1)], doc)
        self._uses(number, code[paragraph.end(1) :])
        return True

    def _uses(self, number: int, code: str) -> None:
        if copied := _COPY.search(code):
            self.found.imports.append(Import(copied[1], number))
        for name in (called[1] for called in _CALL.finditer(code)):
            self.found.refer(name, ReferenceRole.CALL, number)
        for performed in _PERFORM.finditer(_LITERAL.sub("''", code)):
            for name in performed.groups():
                if name and name.upper() not in _NO_NAMES and not name.isdigit():
                    self.found.refer(name, ReferenceRole.CALL, number)
