"""The text of one Word paragraph, and what hangs on it: notes, comments, text boxes, charts, diagrams.

What is left out on purpose: text deleted under tracked changes, field codes, hidden text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ingest.parsing.docx_styles import Look, Styles, look_of, value_of
from ingest.parsing.omml import M, equation_text
from ingest.parsing.ooxml import MC, W
from ingest.parsing.remarks import picture_text

MAX_DEPTH = 100

_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}chart"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"

_SKIPPED = frozenset(
    {f"{W}del", f"{W}moveFrom", f"{W}instrText", f"{W}delText", f"{W}pPr", f"{W}rPr", f"{W}rt", f"{MC}Fallback"}
)
_BLANKS = {f"{W}tab": " ", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-", f"{W}ptab": " "}
_NOTES = {f"{W}footnoteReference": "footnotes", f"{W}endnoteReference": "endnotes", f"{W}commentReference": "comments"}


@dataclass
class ParagraphText:
    """What was found in one `w:p`: its own text, and what hangs on it."""

    text: str = ""
    boxes: list[Any] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    """Kind (`footnotes`, `endnotes`, `comments`) and id."""

    charts: list[str] = field(default_factory=list)
    diagrams: list[str] = field(default_factory=list)
    """Relationship ids."""

    hidden: bool = False
    """Some text was left out because nobody can see it."""

    fields: list[bool] = field(default_factory=list)
    """For each open field, whether its code is being read, which is no text."""


class TextCollector:
    """Reads paragraphs of one document.

    Args:
        styles: what runs inherit.
        white_page: False where the page has a ground of its own, on which white may be seen.
    """

    def __init__(self, styles: Styles, *, white_page: bool = True) -> None:
        self._styles = styles
        self._white_page = white_page

    def read(self, paragraph: Any, look: Look, *, painted: bool = False) -> ParagraphText:
        """Everything in a `w:p`.

        Args:
            look: what the paragraph gives its runs.
            painted: it stands in a table or a box, whose ground may be dark.
        """
        found = ParagraphText()
        if painted or not self._white_page:
            look = Look(shaded=True).over(look)
        self._collect(paragraph, found, look, 0)
        return found

    def _collect(self, element: Any, found: ParagraphText, look: Look, nesting: int) -> None:
        if nesting > MAX_DEPTH:
            return
        for child in element:
            tag = child.tag
            if tag in _SKIPPED or not isinstance(tag, str):
                continue
            if tag == f"{W}t":
                self._add(child.text or "", found, look)
            elif tag in _BLANKS:
                self._add(_BLANKS[tag], found, look)
            elif tag == f"{W}r":
                self._collect(child, found, self._run_look(child, look), nesting + 1)
            elif not _hanging(child, found):
                self._descend(child, found, look, nesting)

    def _descend(self, child: Any, found: ParagraphText, look: Look, nesting: int) -> None:
        tag = child.tag
        if tag == f"{MC}AlternateContent":
            self._collect(chosen(child), found, look, nesting + 1)
            return
        if tag == f"{M}oMath":
            self._add(f" {equation_text(child)} ", found, look)
            return
        self._collect(child, found, look, nesting + 1)

    def _run_look(self, run: Any, look: Look) -> Look:
        properties = run.find(f"{W}rPr")
        if properties is None:
            return look
        style = value_of(properties, "rStyle")
        inherited = self._styles.look(style).over(look) if style else look
        own = look_of(properties)
        # A painted ground stays painted: a run can add its own, not take away its paragraph's.
        return Look(own.vanish, own.white, own.shaded or inherited.shaded, own.tiny).over(inherited)

    def _add(self, text: str, found: ParagraphText, look: Look) -> None:
        if any(found.fields):
            return
        if look.hidden:
            found.hidden = found.hidden or bool(text.strip())
        else:
            found.text += text


def _hanging(child: Any, found: ParagraphText) -> bool:
    """Note what is not the paragraph's own text; whether `child` was that."""
    tag = child.tag
    if tag == f"{W}txbxContent":
        found.boxes.append(child)
    elif tag in _NOTES:
        found.notes.append((_NOTES[tag], child.get(f"{W}id", "")))
    elif tag == f"{W}fldChar":
        _field(child.get(f"{W}fldCharType", ""), found.fields)
    elif tag == f"{_WP}docPr":
        if text := picture_text(child.get("descr", "")):
            found.text += f" {text} "
    elif tag == _CHART:
        found.charts.append(child.get(f"{_R}id", ""))
    elif tag == _DIAGRAM:
        found.diagrams.append(child.get(f"{_R}dm", ""))
    else:
        return False
    return True


def _field(kind: str, fields: list[bool]) -> None:
    if kind == "begin":
        fields.append(True)
    elif kind == "separate" and fields:
        fields[-1] = False
    elif kind == "end" and fields:
        fields.pop()


def chosen(alternate: Any) -> Any:
    """Of the renderings of one content, the modern one; the other repeats it for old versions of Word."""
    choice = alternate.find(f"{MC}Choice")
    fallback = alternate.find(f"{MC}Fallback")
    return choice if choice is not None else fallback if fallback is not None else ()
