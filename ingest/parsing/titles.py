"""A document's title: what its metadata says where that is a title, else its highest heading near the beginning."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.parsing.characters import one_line
from rag.domain.document import Element, ElementKind

_PRINTED_FROM = re.compile(r"^Microsoft (?:Office )?(?:Word|Excel|PowerPoint)\s*-\s*", re.I)
_EXTENSION = re.compile(r"\.(?:docx?|hwpx?|pptx?|xlsx?|pdf|indd|txt|html?)$", re.I)
_PLACEHOLDER = re.compile(
    r"(?:untitled|title|document|(?:powerpoint )?presentation|slide|"
    r"(?:powerpoint )?프레젠테이션|슬라이드|문서|빈 문서|제목 ?없음|무제)[ _-]?\d*",
    re.I,
)
"""What programs write when nobody gave a title."""

_RULES = re.compile(
    r"([가-힣A-Za-z0-9「][가-힣A-Za-z0-9 ·ㆍ「」・,()-]{0,48}"
    r"(?:(?<=[가-힣])(?<![방용기문수해요어공불위적])법|법률|시행령|시행규칙|규정|규칙|규약|지침|세칙|내규|정관|약관|강령|예규|훈령|조례))"
    r"(?:\s*[\[(<〈].*)?$"
)
"""Their names, also with a date behind; not how a sentence ends, and no 방법."""
_LONGEST_NAME = 300
_FIRST_PART = re.compile(r"제\s?\d{1,4}\s?[편장절조]")
_NEAR_THE_BEGINNING = 12
_MIN_LETTERS = 2


def document_title(metadata: str, elements: Sequence[Element], *, styled: str = "", beside: bool = False) -> str:
    """Empty when there is neither a usable title nor a heading that is one.

    Args:
        styled: what stands in the document in its style for titles.
        beside: whether the first heading is the title although others are as high, as on slides. Elsewhere all would be cited
            below it: 제1장 > 제2장.
    """
    return (
        usable_title(metadata) or usable_title(styled) or _name_of_rules(elements) or _highest_heading(elements, beside)
    )


def usable_title(metadata: str) -> str:
    """The title in the metadata, cleaned; empty for a placeholder, a number, or characters in the wrong encoding."""
    title = _EXTENSION.sub("", _PRINTED_FROM.sub("", one_line(_mended(metadata))))
    letters = sum(character.isalpha() for character in title)
    return "" if letters < _MIN_LETTERS or _PLACEHOLDER.fullmatch(title) else title


def _mended(text: str) -> str:
    """CP949 read as Latin-1, as old Korean PDF printers left it; empty if it can't be mended."""
    strange = sum("\x80" <= character <= "\u02ff" for character in text)
    if strange * 2 < len(text) or not text:
        return text
    try:
        mended = text.encode("latin-1").decode("cp949")
    except UnicodeError:
        return ""
    return mended if any("가" <= character <= "힣" for character in mended) else ""


def _name_of_rules(elements: Sequence[Element]) -> str:
    """The name of a statute or of rules that stands as a plain line above the first chapter or article; empty where none does."""
    for number, element in enumerate(elements[:_NEAR_THE_BEGINNING]):
        if element.kind is ElementKind.HEADING:
            above = elements[:number] if _FIRST_PART.match(element.text) else ()
            lines = [line.strip() for item in above if item.kind is ElementKind.TEXT for line in item.text.split("\n")]
            named = [found[1] for line in lines if len(line) <= _LONGEST_NAME and (found := _RULES.match(line))]
            return named[-1] if named else ""  # before the name may stand what is printed on every page
    return ""


def _highest_heading(elements: Sequence[Element], beside: bool) -> str:
    headings = [element for element in elements if element.kind is ElementKind.HEADING]
    near = [element for element in elements[:_NEAR_THE_BEGINNING] if element.kind is ElementKind.HEADING]
    if not headings:
        return ""
    highest = min(near or headings[:1], key=lambda element: element.level)
    as_high = sum(element.level <= highest.level for element in headings)
    return highest.text if as_high == 1 or beside else ""
