"""ABAP, by rules of its text: reports, classes with their methods, forms, function modules; who calls and includes what."""

from __future__ import annotations

import re

from ingest.parsing.code_rules import words
from ingest.parsing.code_text_outline import TextOutline
from rag.domain.code import CodeOutline, Import, ReferenceRole, SymbolKind

_NAME = r"([/\w~-]+)"
_REPORT = re.compile(rf"(?:REPORT|PROGRAM|FUNCTION-POOL|CLASS-POOL|TYPE-POOL)\s+{_NAME}", re.I)
_BLOCKS: tuple[tuple[re.Pattern[str], SymbolKind, int], ...] = (
    (
        re.compile(rf"CLASS\s+{_NAME}\s+(?:DEFINITION|IMPLEMENTATION)(?!.*\b(?:DEFERRED|LOAD)\b)", re.I),
        SymbolKind.CLASS,
        1,
    ),
    (re.compile(rf"INTERFACE\s+{_NAME}(?!.*\b(?:DEFERRED|LOAD)\b)", re.I), SymbolKind.INTERFACE, 1),
    (re.compile(rf"METHOD\s+{_NAME}", re.I), SymbolKind.METHOD, 2),
    (re.compile(rf"FORM\s+{_NAME}", re.I), SymbolKind.PROCEDURE, 1),
    (re.compile(rf"FUNCTION\s+{_NAME}", re.I), SymbolKind.FUNCTION, 1),
    (re.compile(rf"MODULE\s+{_NAME}", re.I), SymbolKind.PROCEDURE, 1),
    (re.compile(rf"DEFINE\s+{_NAME}", re.I), SymbolKind.MACRO, 1),
)
_ENDS = {
    "ENDCLASS": 1, "ENDINTERFACE": 1, "ENDMETHOD": 2, "ENDFORM": 1, "ENDFUNCTION": 1, "ENDMODULE": 1,
    "END-OF-DEFINITION": 1,
}  # fmt: skip
_DECLARED = re.compile(rf"(?:CLASS-)?METHODS\s*:?\s*{_NAME}", re.I)
_TESTED = re.compile(r"\bFOR\s+TESTING\b", re.I)
_USES: tuple[tuple[re.Pattern[str], ReferenceRole], ...] = (
    (re.compile(rf"\bPERFORM\s+{_NAME}", re.I), ReferenceRole.CALL),
    (re.compile(r"\bCALL\s+FUNCTION\s+'([^']+)'", re.I), ReferenceRole.CALL),
    (re.compile(r"\bNEW\s+([/\w]+)\s*\(", re.I), ReferenceRole.CALL),
    (re.compile(r"\b(?:REF\s+TO|CREATE\s+OBJECT\s+\S+\s+TYPE)\s+([/\w]+)", re.I), ReferenceRole.TYPE),
    (re.compile(r"\bINHERITING\s+FROM\s+([/\w]+)", re.I), ReferenceRole.INHERIT),
    (re.compile(r"^INTERFACES\s*:?\s*([/\w]+)", re.I), ReferenceRole.INHERIT),
)
_MEMBER = re.compile(r"([/\w]+)\s*(?:->|=>)\s*([\w~]+)\s*\(")
_BARE = re.compile(r"(?:\b(\w+)\s+)?(?<![\w>~#-])([A-Za-z_]\w*)\((?=\s)")
"""`check( iv_amount )`, a method of the class itself or a function that is built in, and the word before it."""
_OPERATORS = words("NEW VALUE CONV COND SWITCH CORRESPONDING EXACT REF CAST REDUCE FILTER")
"""Words behind which a type stands there."""
_CALL_METHOD = re.compile(r"\bCALL\s+METHOD\s+(?:([/\w]+)\s*(?:->|=>)\s*)?([\w~]+)", re.I)
_INCLUDE = re.compile(r"INCLUDE\s+(?!TYPE\b|STRUCTURE\b)([/\w]+)", re.I)
_LITERAL = re.compile(r"'(?:[^']|'')*'|`[^`]*`|\|[^|]*\|")


def abap_outline(text: str) -> CodeOutline:
    """The outline of a program, an include or a class pool."""
    reader = _Reader()
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        reader.take(number, line)
    reader.found.end_all(len(lines))
    return reader.found.outline()


class _Reader:
    """Goes through the lines of one file."""

    def __init__(self) -> None:
        self.found = TextOutline("abap")
        self._comments: list[str] = []
        self._tests: set[str] = set()
        self._class = ""
        self._testing = False

    def take(self, number: int, line: str) -> None:
        """The next line."""
        stripped = line.strip()
        if line.startswith("*") or stripped.startswith('"'):
            self._comments.append(stripped.lstrip('*"! '))
            return
        if not stripped:
            self._comments = []
            return
        first, doc = number - len(self._comments), "\n".join(self._comments).strip("\n -=")
        self._comments = []
        code = _without_remark(stripped)
        if not self._structure(number, first, code, doc):
            self._uses(number, code)

    def _structure(self, number: int, first: int, code: str, doc: str) -> bool:
        """Whether the line begins or ends a definition."""
        word = re.split(r"[\s.]", code, maxsplit=1)[0].upper()
        if word in _ENDS:
            self.found.end_all(number, _ENDS[word])
            return True
        if report := _REPORT.match(code):
            self.found.begin(
                0, SymbolKind.MODULE, report[1], code.rstrip("."), first, line=number, doc=doc, named=False
            )
            return True
        for pattern, kind, level in _BLOCKS:
            if block := pattern.match(code):
                self._begin(level, kind, block[1], number, first, code, doc)
                return True
        if declared := _DECLARED.match(code):
            test = _TESTED.search(code) is not None
            if test:
                self._tests.add(f"{self._class}.{declared[1]}".lower())
            self.found.single(SymbolKind.METHOD, declared[1], code.rstrip(".,"), number, number, test=test)
        return False

    def _begin(self, level: int, kind: SymbolKind, name: str, number: int, first: int, code: str, doc: str) -> None:
        test = False
        if kind is SymbolKind.CLASS:
            self._class = name
            test = _TESTED.search(code) is not None
        elif kind is SymbolKind.METHOD:
            test = f"{self._class}.{name}".lower() in self._tests
        self.found.begin(level, kind, name, code.rstrip("."), first, line=number, doc=doc, test=test)
        self._uses(number, code)

    def _uses(self, number: int, code: str) -> None:
        if included := _INCLUDE.match(code):
            self.found.imports.append(Import(included[1], number))
        for pattern, role in _USES:
            for used in pattern.finditer(code):
                self.found.refer(used[1], role, number)
        if called := _CALL_METHOD.search(code):
            self.found.refer(called[2], ReferenceRole.CALL, number, called[1] or "")
            return
        bare = _LITERAL.sub("''", code)
        for member in _MEMBER.finditer(bare):
            self.found.refer(member[2], ReferenceRole.CALL, number, member[1])
        for own in _BARE.finditer(bare):
            if (own[1] or "").upper() not in _OPERATORS:
                self.found.refer(own[2], ReferenceRole.CALL, number)


def _without_remark(code: str) -> str:
    """Without the comment at the end of a line; a quote in a literal begins none."""
    bare = _LITERAL.sub(lambda literal: "'" * len(literal[0]), code)
    at = bare.find('"')
    return code if at < 0 else code[:at].rstrip()
