"""What a reader's client makes of an answer: rendered by a Markdown library in two dialects."""

from __future__ import annotations

from collections.abc import Iterator

import html5lib
from markdown_it import MarkdownIt

_COMMONMARK = MarkdownIt("commonmark", {"html": True})
_GFM = MarkdownIt("js-default", {"html": True, "linkify": True}).enable("linkify")
_ELEMENTS = (
    "html head body p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong s del table thead tbody tr th td "
    "sup section"
)
WORDS = frozenset(_ELEMENTS.split())
"""Elements that load nothing and lead nowhere."""


def renderings(text: str) -> Iterator[str]:
    """HTML by CommonMark, and by GFM with every address made a link that can be taken for one."""
    yield _COMMONMARK.render(text)
    yield _GFM.render(text)


def foreign(text: str, own: tuple[str, ...] = ()) -> list[str]:
    """Everything in the renderings of `text` that could load something or lead away.

    Args:
        own: what addresses may begin with.
    """
    found: list[str] = []
    for page in renderings(text):
        for node in html5lib.parse(page, namespaceHTMLElements=False).iter():
            href = node.attrib.get("href", "")
            if node.tag == "a" and href.startswith(own) and own:
                continue
            if not isinstance(node.tag, str):
                found.append("comment")
            elif node.tag not in WORDS:
                found.append(node.tag)
            elif set(node.attrib) - {"class", "start", "style"} or "url" in node.attrib.get("style", ""):
                found.append(f"{node.tag}: {sorted(node.attrib)}")
    return found
