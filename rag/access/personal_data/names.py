"""Identifiers that are known by letters or by their label: e-mail addresses, passports, patient and employee numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.access.personal_data import checks, context
from rag.access.personal_data.numbers import ALONE, Candidate, alone
from rag.access.personal_data.tables import Labels
from rag.domain.findings import Kind

_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-'")
_LONGEST_LOCAL = 64  # RFC 5321, 4.5.3.1.1
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9])")
_FILES = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "js", "mjs", "css", "json", "html", "txt", "yaml", "yml", "xml"}
)
PASSPORTS = r"[MSRODGmsrodg](?:[0-9]{8}|[0-9]{3}[A-Za-z][0-9]{4})"
"""Their form, for `rag.text.sieve`."""
_PASSPORT = re.compile(rf"(?<![A-Za-z0-9*]){PASSPORTS}(?![A-Za-z0-9*-])")
_TOKEN = r"[A-Za-z]{0,4}-?[0-9][0-9A-Za-z]{0,11}(?:-[0-9A-Za-z]{1,8}){0,2}"  # noqa: S105 - a form, no secret
_FILL = r"[\s:=#(\[\"'|]{0,4}(?:은|는|이|가|을|를|is|was|no\.?|number)?[\s:=#(\[\"'|]{0,4}"
_PATIENT = (
    r"환자\s?(?:등록)?\s?번호|환자\s?id\b|병록\s?번호|차트\s?(?:번호|no\b)|진찰권\s?번호|\bmrn\b|medical record (?:number|no\b)|"
    r"(?:patient|chart|hospital)\s?(?:no\b\.?|number|id\b|#)"
)
_EMPLOYEE = (
    r"(?<![가-힣])사번(?!호)|(?:직원|임직원|사원|행원|교직원|공무원)\s?(?:번호|사번|id\b)|(?<![가-힣])(?:행번|교번|군번)(?!호)|"
    r"(?:employee|emp|staff|personnel|badge)\.?\s?(?:no\b\.?|number|id\b|#)"
)
_PASSPORT_LABEL = r"여권\s?(?:번호|no\b\.?|#)|passport\s?(?:no\b\.?|number|num\b|#)"
"""Other countries number theirs in their own ways, so the label alone tells those."""
_LABELS = {Kind.PATIENT: _PATIENT, Kind.EMPLOYEE: _EMPLOYEE, Kind.PASSPORT: _PASSPORT_LABEL}
_NEEDED = {
    Kind.PATIENT: ("환자", "병록", "차트", "진찰권", "mrn", "medical record", "patient", "chart", "hospital"),
    Kind.EMPLOYEE: (
        *("사번", "직원", "사원", "행원", "공무원", "행번", "교번", "군번"),
        *("employee", "emp", "staff", "personnel", "badge"),
    ),
    Kind.PASSPORT: ("여권", "passport"),
}
"""Of which every label holds one; looking for it is quick."""
FORMS = tuple(f"(?i:{words.replace('(?<![가-힣])', '')})" for words in _LABELS.values())
"""The labels, for `rag.text.sieve`."""
_THREE_DIGITS = re.compile("[0-9]{3}")
_HEADS = {kind: re.compile(words, re.IGNORECASE | re.ASCII) for kind, words in _LABELS.items()}
_AFTER_LABEL = re.compile(rf"{_FILL}({_TOKEN})(?![0-9A-Za-z*])", re.IGNORECASE | re.ASCII)
_BEFORE_LABEL = re.compile(rf"(?<![0-9A-Za-z*-])({_TOKEN})\s?\(\s?$", re.IGNORECASE | re.ASCII)
_LONGEST_TOKEN = 40
_CELL = re.compile(rf"\s{{0,9}}({_TOKEN})\s{{0,9}}(?=\||\n|$)")
_FEWEST_DIGITS = {Kind.PATIENT: 4, Kind.EMPLOYEE: 4, Kind.PASSPORT: 6}


def named(text: str, labels: Labels, *, labelled: bool = True) -> Iterator[Candidate]:
    """What in `text` may be an address, a passport, or a number that only its label tells.

    Args:
        labelled: whether one of the labels may stand in it.
    """
    yield from _addresses(text)
    if _THREE_DIGITS.search(text):
        yield from _passports(text, labels)
    if not labelled:
        return
    plain = text.lower()  # the labels ignore the case of ASCII letters alone
    for kind in _LABELS:
        if [part for part in _NEEDED[kind] if part in plain]:  # any() of a generator takes longer
            for label in _HEADS[kind].finditer(text):
                for found in _beside(text, label):
                    yield from _token(found, kind)
        for cell in labels.cells:
            if _HEADS[kind].search(cell.head):
                inside = _CELL.match(text, cell.start, cell.end)
                if inside is not None:
                    yield from _token(inside, kind)


def _beside(text: str, label: re.Match[str]) -> Iterator[re.Match[str]]:
    """The token behind a label, or before it where the label stands in brackets."""
    behind = _AFTER_LABEL.match(text, label.end())
    if behind is not None:
        yield behind
    if "(" in text[max(0, label.start() - 2) : label.start()]:
        before = _BEFORE_LABEL.search(text, max(0, label.start() - _LONGEST_TOKEN), label.start())
        if before is not None:
            yield before


def _token(found: re.Match[str], kind: str) -> Iterator[Candidate]:
    if kind == Kind.PASSPORT and checks.stamped(found.group(1)):
        return  # the day of issue behind a label of its own line
    if sum(char.isdigit() for char in found.group(1)) >= _FEWEST_DIGITS[Kind(kind)]:
        yield Candidate(*found.span(1), kind, 0.95)


def _passports(text: str, labels: Labels) -> Iterator[Candidate]:
    for found in _PASSPORT.finditer(text):
        start, end = found.span()
        value = found.group()
        # The form of today is rarely anything else; a letter and eight digits is many a part number.
        score = 0.65 if value[4].isalpha() else 0.45
        score -= 0.0 if value[0] in "MS" else 0.1
        before = labels.of(start) + text[max(0, start - context.BEFORE) : start]
        score += context.weight(Kind.PASSPORT, before, text[end : end + context.AFTER])
        score += ALONE if alone(text, start, end) else 0.0
        yield Candidate(start, end, Kind.PASSPORT, score)


def _addresses(text: str) -> Iterator[Candidate]:
    at = text.find("@")
    while at >= 0:
        start = at
        while start > 0 and at - start < _LONGEST_LOCAL and text[start - 1] in _LOCAL:
            start -= 1
        while start < at and not text[start].isalnum():
            start += 1
        domain = _DOMAIN.match(text, at + 1)
        if domain is not None and start < at and text[at - 1] not in ".%'" and _is_address(text, start, at, domain):
            yield Candidate(start, domain.end(), Kind.EMAIL, 1.0)
        at = text.find("@", at + 1)


def _is_address(text: str, start: int, at: int, domain: re.Match[str]) -> bool:
    """Neither a picture for dense screens (`icon@2x.png`) nor the address of a repository (`git@host:path`)."""
    if domain.group().rpartition(".")[2].lower() in _FILES:
        return False
    return not (text[start:at] == "git" and text[domain.end() : domain.end() + 1] in (":", "/"))
