"""Statutes and company rules: which 편·장·절·관, 조, 항, 호, 목, 부칙, 별표 each part of a document is.

The forms are those of the drafting standard for Korean statutes (법령 입안·심사 기준, Ministry of Government
Legislation): articles `제12조의2(제목)`, paragraphs `①`, items `1.`, sub-items `가.`. Articles that a parser left in a
paragraph become headings here, so that every format gives the same chunks. English contracts and acts get `Article 3` and
`Section 4.2` from their headings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ingest.chunking.base import Block
from rag.domain.anchor import Anchor, merge_anchors, mergeable
from rag.domain.document import Element, ElementKind
from rag.domain.provision import Path, ProvisionMark

_OPEN = r"[\s*_]*"
"""Blanks and Markdown's marks of emphasis, which plain-text copies of statutes keep."""
_BRANCH = r"(?:\s?의\s?(\d{1,3}))?"
_TITLE = r"[(\[【〔][^()\[\]【】〔〕\n]{1,80}[)\]】〕]"
_CITED = r"\s*(?:및|또는|내지|부터|까지|[에의를을와과은는]\s|제\s?\d)"
"""What follows an article's number where it is cited, not where it begins."""

_PART = re.compile(rf"{_OPEN}제\s?(\d{{1,4}})\s?(편|장|절|관){_BRANCH}(?=\s|$|[(:.])(?!{_CITED})")
_PART_LINE = re.compile(
    rf"{_OPEN}제\s?\d{{1,4}}\s?([편장절관]){_BRANCH}\s+\S[^.。\n]{{0,60}}(?<![다음임됨함.]){_OPEN}$"
)
_ARTICLE_HEADING = re.compile(rf"{_OPEN}(부\s?칙\s+)?제\s?(\d{{1,4}})\s?조{_BRANCH}(?!{_CITED})(?![가-힣])")
_ARTICLE_LINE = re.compile(
    rf"^{_OPEN}제\s?\d{{1,4}}\s?조(?:\s?의\s?\d{{1,3}})?[*_]*(?:\s?{_TITLE}|\s+삭제\b)[*_]*(?!{_CITED})(?=\s|$|[<〈①-⑳])",
    re.MULTILINE,
)
_SUPPLEMENT = re.compile(r"[\s*_#]*부\s*칙\s*(?:[<(〈\[].{1,60}[)>〉\]])?[\s*_]*$")
_ANNEX = re.compile(
    rf"[\s*_]*[\[<〈【(]?\s?(별표|별지|별첨|서식|부록)\s?(?:제\s?)?(\d{{1,3}})?(호)?{_BRANCH}(\s?서식)?(?=[\s\]>〉】)(]|$)(?!{_CITED})"
)
_ANNEX_LINE = re.compile(r"[\s*_]*[\[<〈【](?:별표|별지|별첨|서식)[^\]>〉】\n]{0,20}[\]>〉】][^.。\n]{0,80}$")
_ENGLISH = re.compile(r"\s*(article|section|clause)\s+(\d{1,4}(?:\.\d{1,3})*)\b", re.IGNORECASE)
_TITLE_ARTICLE = re.compile(rf"(?<!\S)제\s?(\d{{1,4}})\s?조{_BRANCH}(?=\s|$|\()")

_SIGN = "①-⑳㉑-㉟㊱-㊿"
_PARAGRAPH = re.compile(rf"{_OPEN}(?:([{_SIGN}])|제\s?(\d{{1,2}})\s?항(?=[\s.(])(?!{_CITED}))")
_INLINE_PARAGRAPH = re.compile(rf"(?<=[.다>)\]」】”\"])\s*([{_SIGN}])(?=\s|[가-힣(「\"“])")
_ITEM = re.compile(
    r"[\s*_]*(?:(\d{1,3})(?:의(\d{1,2}))?\\?\.(?=\s)(?!\s*\d{1,2}\.)|제\s?(\d{1,3})\s?호(?:의(\d{1,2}))?(?=[\s.:]))"
)
_SUB = re.compile(r"[\s*_]*([가-하거-허고-호])(?:\\?\.|목)(?=\s)")
_SUB_ORDER = "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허고노도로모보소오조초코토포호"
_MAX_GAP = 5
"""Items that may be missing from a sequence: repealed ones are often left out. A larger jump is another numbering, or a date."""
_RANK = {"편": 11, "장": 12, "절": 13, "관": 14}
_ARTICLE_RANK = 15
"""Heading levels of what only its form makes a heading: below every real one, in the order of a statute."""


def annotated(elements: Iterable[Element], title: str = "") -> Iterator[Block]:
    """The elements as blocks with their provisions; articles inside paragraphs become headings.

    Args:
        title: of the document; one that names an article (`… 제3조`) speaks for a text without article headings.
    """
    place = _Place()
    place.begin_titled(title)
    for element in elements:
        for part in _promoted(element):
            yield _read(part, place)


@dataclass
class _Place:
    """The provision that is being read, changed by each heading and line."""

    part: str = ""
    supplement: bool = False
    annex: str = ""
    article: str = ""
    level: int = 0
    paragraph: int = 0
    item: str = ""
    item_number: int = 0
    sub: str = ""

    def begin_titled(self, title: str) -> None:
        """Start inside the one article that the document's title names."""
        found = _TITLE_ARTICLE.findall(title)
        if len(found) == 1:
            self.article = _numbered(found[0][0], "조", found[0][1])

    def path(self) -> Path:
        """Parts of the provision, widest first."""
        root = [self.annex] if self.annex else ["부칙"] * self.supplement + [self.article] * bool(self.article)
        if not root:
            return (self.part,) if self.part else ()
        paragraph = [f"제{self.paragraph}항"] if self.paragraph else []
        return (*root, *paragraph, *(part for part in (self.item, self.sub) if part))

    def leave_items(self) -> None:
        """Back to the paragraph; the items' numbers go on."""
        self.item = self.sub = ""

    def _reset(self) -> None:
        self.paragraph, self.item_number = 0, 0
        self.leave_items()

    def heading(self, text: str, level: int) -> bool:
        """Move to what the heading begins; whether that is an article (or an annex, which is cited like one)."""
        if found := _ARTICLE_HEADING.match(text):
            self.supplement = self.supplement or bool(found[1])
            self.article, self.annex, self.level = _numbered(found[2], "조", found[3]), "", level
        elif found := _PART.match(text):
            self.part, self.article, self.annex = _numbered(found[1], found[2], found[3]), "", ""
            self.supplement = False
        elif _SUPPLEMENT.match(text):
            self.supplement, self.article, self.annex, self.level = True, "", "", level
        elif found := _ANNEX.match(text):
            number = _numbered_annex(found)
            self.supplement, self.article, self.annex, self.level = False, "", number, level
        elif found := _ENGLISH.match(text):
            self.article, self.annex, self.level = f"{found[1].capitalize()} {found[2]}", "", level
        else:
            if self.level and level <= self.level:
                self.article, self.annex, self.part, self.supplement, self.level = "", "", "", False, 0
                self._reset()
            return False
        self._reset()
        return bool(self.article or self.annex)

    def line(self, text: str) -> bool:
        """Move to what the line begins; whether it begins a paragraph, item or sub-item."""
        if not (self.article or self.annex or self.supplement):
            return False
        if found := _PARAGRAPH.match(text):
            self._reset()
            self.paragraph = _sign_number(found[1]) if found[1] else int(found[2])
            return True
        if found := _ITEM.match(text):
            number = int(found[1] or found[3])
            branch = found[2] or found[4]
            if number == 1 or self.item_number <= number <= self.item_number + _MAX_GAP:
                self.item, self.item_number, self.sub = _numbered(str(number), "호", branch), number, ""
                return True
        elif found := _SUB.match(text):
            expected = _SUB_ORDER.index(self.sub[0]) + 1 if self.sub else 0
            if _SUB_ORDER.find(found[1]) in (0, expected):
                self.sub = f"{found[1]}목"
                return True
        return False

    def inline(self, sign: str) -> bool:
        """Move to the paragraph of a sign inside a line, if it is the next one."""
        if not (self.article or self.supplement) or _sign_number(sign) != self.paragraph + 1:
            return False
        self._reset()
        self.paragraph = _sign_number(sign)
        return True


def _numbered(number: str, kind: str, branch: str | None) -> str:
    """`제12조의2`."""
    return f"제{int(number)}{kind}" + (f"의{int(branch)}" if branch else "")


def _numbered_annex(found: re.Match[str]) -> str:
    """`별표 1`, `별표 1의2`, `별지 제1호서식`."""
    kind, number, unit, branch, form = found.groups()
    if not number:
        return str(kind)
    stem = f"제{int(number)}호" if unit else str(int(number))
    return f"{kind} {stem}" + (f"의{int(branch)}" if branch else "") + ("서식" if form else "")


def _sign_number(sign: str) -> int:
    """1 for ①, 21 for ㉑, 36 for ㊱."""
    code = ord(sign)
    return code - 0x245F if code < 0x3251 else code - 0x3251 + 21 if code < 0x32B1 else code - 0x32B1 + 36


def _read(element: Element, place: _Place) -> Block:
    if element.kind is ElementKind.HEADING:
        article = place.heading(element.text, element.level)
        return Block(element, _marks([(0, place.path())]), article)
    if element.kind in (ElementKind.TABLE, ElementKind.CODE):
        place.leave_items()
        return Block(element, _marks([(0, place.path())]))
    return Block(element, _marks(_line_marks(element.text, place)))


def _line_marks(text: str, place: _Place) -> Iterator[tuple[int, Path]]:
    """A mark where the text begins, and where each paragraph, item and sub-item in it does."""
    start = 0
    for number, line in enumerate(text.split("\n")):
        begins = place.line(line)
        if not begins and not number:
            place.leave_items()  # a paragraph of its own after the items: it belongs to what the items belong to
        if begins or not number:
            yield start, place.path()
        for found in _INLINE_PARAGRAPH.finditer(line):
            if place.inline(found[1]):
                yield start + found.start(1), place.path()
        start += len(line) + 1


def _marks(found: Iterable[tuple[int, Path]]) -> tuple[ProvisionMark, ...]:
    """Marks without those that change nothing."""
    marks: list[ProvisionMark] = []
    for start, path in found:
        if path != (marks[-1].path if marks else ()):
            marks.append(ProvisionMark(start, path))
    return tuple(marks)


def _promoted(element: Element) -> Iterator[Element]:
    """The element cut before each article in it, the articles' titles as headings; a lone line `제2장 총칙` as one too."""
    if element.kind not in (ElementKind.TEXT, ElementKind.LIST_ITEM):
        yield element
        return
    text = element.text
    if "\n" not in text.strip():
        if found := _PART_LINE.match(text):
            yield replace(element, kind=ElementKind.HEADING, level=_RANK[found[1]])
            return
        if _SUPPLEMENT.match(text) or _ANNEX_LINE.match(text):
            yield replace(element, kind=ElementKind.HEADING, level=_RANK["편"])
            return
    titles = [found.span() for found in _ARTICLE_LINE.finditer(text)]
    ends = [start for start, _ in titles[1:]] + [len(text)]
    if titles and text[: titles[0][0]].strip():
        yield _slice(element, 0, titles[0][0])
    for (start, stop), end in zip(titles, ends, strict=False):
        yield replace(_slice(element, start, stop), kind=ElementKind.HEADING, level=_ARTICLE_RANK)
        if text[stop:end].strip(" \n*_"):
            yield _slice(element, stop, end)
    if not titles:
        yield element


def _slice(element: Element, start: int, end: int) -> Element:
    """The characters `start`..`end` of an element, blanks around them left out, with the anchors of their lines."""
    piece = element.text[start:end]
    start += len(piece) - len(piece.lstrip())
    end = start + len(piece.strip())
    lines = element.text.count("\n") + 1
    anchors: tuple[Anchor, ...] = ()
    if len(element.line_anchors) == lines:
        first = element.text.count("\n", 0, start)
        anchors = element.line_anchors[first : first + element.text.count("\n", start, end) + 1]
    anchor = (
        merge_anchors(anchors) if anchors and all(mergeable(anchors[0], item) for item in anchors) else element.anchor
    )
    return replace(element, text=element.text[start:end], anchor=anchor, line_anchors=anchors)
