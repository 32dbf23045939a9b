"""Texts of HTML elements as a browser shows them: what is skipped, what is hidden, what leads elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingest.parsing.docx_numbering import number_text
from ingest.parsing.html_style import Look


def _names(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


SKIPPED = _names("script style noscript template head iframe object embed svg canvas audio video select datalist map")
"""Not text of the page, or not shown by a browser that runs scripts."""

BLOCKS = _names(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure",
    "footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu nav ol p pre section summary table",
    "tbody td tfoot th thead tr ul",
)
"""Elements that begin a new line."""

_LIST_TYPES = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_NAVIGATION_ROLES = frozenset({"navigation", "menu", "menubar", "search", "tablist", "toolbar"})
_NAVIGATION_NAMES = re.compile(
    r"(?:^|[\s_-])(?:gnb|lnb|snb|fnb|nav|navbar|navigation|menu|breadcrumbs?|sidebar|sitemap|skip|pagination|paging|"
    r"quick|toolbar|sns|share|related)(?:$|[\s_-])",
    re.I,
)
"""What Korean and English sites call them (global, local, side and foot navigation bar, as Korean web agencies say)."""

_MOSTLY_LINKS = 0.7
_MOST_NODES = 2_000
_MAX_DEPTH = 200
_WORD = re.compile(r"\w")


class Sight:
    """What was seen and what was not; `hidden` once some text was left out or could hardly be seen."""

    def __init__(self) -> None:
        self.hidden = False

    def seen(self, text: str | None, look: Look) -> str:
        """`text` if a reader sees it."""
        if not text:
            return ""
        if look.shows or _WORD.search(text) is None:
            return text
        self.hidden = True
        return "" if look.surely_hidden else text

    def note_hidden(self, node: Any) -> None:
        """Remember that `node` is left out, if there was anything to read in it."""
        if not self.hidden and node.tag not in SKIPPED:
            self.hidden = any(_WORD.search(text) for text in node.itertext() if text)

    def visible_text(self, node: Any, look: Look, depth: int = 0) -> Iterator[str]:
        """Pieces of the text in `node`, blocks parted by a blank; joined and squeezed they are what is read."""
        yield self.seen(node.text, look)
        for child in node:
            if isinstance(child.tag, str) and child.tag not in SKIPPED:
                yield from self._visible_child(child, look, depth)
            yield self.seen(child.tail, look)

    def _visible_child(self, child: Any, look: Look, depth: int) -> Iterator[str]:
        inner = look.inside(child)
        if inner is None:
            self.note_hidden(child)
        elif depth > _MAX_DEPTH:
            yield " ".join(child.itertext())
        elif child.tag == "img":
            yield f" {child.get('alt', '')} "
        else:
            apart = child.tag in BLOCKS or child.tag == "br"
            yield " " * apart
            if child.tag == "li" and (number := list_number(child)):
                yield number + " "
            yield from self.visible_text(child, inner, depth + 1)
            yield " " * apart


def list_number(item: Any) -> str:
    """What a browser shows before an item of a numbered list."""
    ordered = item.getparent()
    if ordered is None or ordered.tag != "ol":
        return ""
    start = ordered.get("start", "1")
    place = _place(item, ordered)
    return (
        number_text(
            place + (int(start) if start.isdecimal() and len(start) < 6 else 1),
            _LIST_TYPES.get(ordered.get("type", ""), ""),
        )
        + "."
    )


def _place(item: Any, ordered: Any) -> int:
    """How many items stand before; kept on the item before, so that a list of n items takes n looks."""
    before = item.getprevious()
    while before is not None and before.tag != "li":
        before = before.getprevious()
    if before is None:
        return 0
    known = before.get(_PLACE)
    place = (int(known) if known is not None else sum(1 for _ in before.itersiblings("li", preceding=True))) + 1
    item.set(_PLACE, str(place))
    return place


_PLACE = "seogo-place"


def is_navigation(node: Any) -> bool:
    """Whether a block is a menu: it says so, and nearly all its text are links."""
    if node.tag == "nav":
        return True
    if node.get("role", "") in _NAVIGATION_ROLES:
        return node.tag in BLOCKS
    if node.tag in ("header", "footer", "aside"):
        return _is_mostly_links(node)
    named = _NAVIGATION_NAMES.search(f"{node.get('id', '')} {node.get('class', '')}")
    return node.tag in ("div", "ul", "ol", "section") and named is not None and _is_mostly_links(node)


def _is_mostly_links(node: Any) -> bool:
    whole = linked = 0
    for number, part in enumerate(node.iter()):
        if number > _MOST_NODES:
            return False
        if part.tag in ("table", "p", "pre"):
            return False
        if not isinstance(part.tag, str) or part.tag in SKIPPED:
            continue
        length = len((part.text or "").strip())
        whole += length + len((part.tail or "").strip() if part is not node else "")
        if part.tag == "a":
            linked += len("".join(part.itertext()).strip())
    return linked > 0 and linked >= _MOSTLY_LINKS * whole
