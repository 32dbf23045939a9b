"""Text of a model or of a document as Markdown that renders to words: no image, no link, no HTML, no address to click.

An answer is shown by clients that we do not know, and a picture that a client fetches, or a link that somebody follows, carries
out whatever a document has talked the model into putting in its address. Links to documents are built by code from
citations, never read from a text.

- Images and links become their words; the address goes. Definitions of references go with theirs.
- An address that stands in the text by itself becomes code, which no renderer makes a link of: it can be read and copied.
- Tags that load or run something go; every other `<` that could begin a tag is written `&lt;`.
- What stands between backticks or fences stays, as it is inert there; both are closed at the end of the text, and only such
  backticks are left that open or close code, so that no text can open code in another. Fences lose the names of languages
  that clients draw or run.

What renders is judged by CommonMark 0.31 and GFM 0.29 with extended autolinks.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from rag.text.invisible import visible

_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)\Z")
_INFO = re.compile(r"[\w+#.-]{1,30}")
_DRAWN_LANGUAGES = (
    "html htm xhtml svg xml css scss js javascript jsx ts typescript tsx mjs vue svelte mermaid vega vega-lite vegalite dot "
    "graphviz plantuml echarts math latex tex katex markdown md mdx iframe artifact react"
)
"""Languages of code that clients draw, or run in a frame (Open WebUI: HTML, SVG, scripts and Mermaid)."""
_DRAWN = frozenset(_DRAWN_LANGUAGES.split())
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Around the number of a piece of code while the text beside it is changed. Noncharacters: no text holds them."""
_MARKERS = re.compile(f"[{_OPEN}{_CLOSE}]")
_HELD = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_BACKTICKS = re.compile(r"\\*(`+)")
_PIPE = re.compile(r"(?<!\\)\|")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(
    r"</?(?:a|applet|area|audio|base|body|button|canvas|details|dialog|div|embed|font|form|frame|frameset|head|html|iframe|image|"
    r"img|input|isindex|link|map|marquee|math|meta|noscript|object|param|picture|portal|script|select|slot|source|span|style|"
    r"svg|template|textarea|title|track|use|video|animate|set|foreignobject)(?=[\s/>])[^<>]{0,5000}>",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"<!--(?:[^<>]|<(?!!--)){0,5000}?-->")
_SCRIPT = re.compile(r"<(script|style)(?=[\s>])[^<>]{0,2000}>[^<]{0,20000}</\1\s*>", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]{0,5000})>")
_TAG_BEGINS = re.compile(r"<(?=[A-Za-z/!?])")
_TARGET = r"(?:[^()\n\\]|\\.|\((?:[^()\n\\]|\\.){0,2000}\)){0,5000}"
_LINK = re.compile(rf"(?P<image>!)?\[(?P<words>(?:[^\[\]\n\\]|\\.){{0,1000}})\]\({_TARGET}\)")
_DEFINITION = re.compile(
    r"^(?:[ \t]*(?:[-*+>]|\d{1,9}[.)])[ \t]*)*[ \t]{0,3}\[[^\[\]\n]{1,500}\]:[ \t]*"
    r"(?:<[^<>\n]*>|\S*(?:[:./]\S*)+)(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)
_TRIES = 5
_STOP = rf"\s<>|\\\"`{_OPEN}{_CLOSE}"
_TOP_LEVEL = (
    r"(?:com|net|org|edu|gov|mil|int|biz|info|pro|name|museum|aero|asia|coop|mobi|jobs|tel|travel|xxx|web|shop|app|dev|xyz|online|"
    r"site|top|cloud|link|click|zip|mov|live|store|tech|space|page|icu|club|рф|한국|xn--[a-z0-9-]{2,59}|"
    r"a[cdefgilmnoqrstuwxz]|b[abdefghijmnorstvwyz]|c[acdfghiklmnoruvwxyz]|d[ejkmoz]|e[cegrstu]|f[ijkmor]|g[abdefghilmnpqrstuwy]|"
    r"h[kmnrtu]|i[delmnoqrst]|j[emop]|k[eghimnprwyz]|l[abcikrstuvy]|m[acdeghklmnopqrstuvwxyz]|n[acefgilopruz]|om|"
    r"p[aefghklmnrstwy]|qa|r[eosuw]|s[abcdeghijklmnortuvxyz]|t[cdfghjklmnortvwz]|u[agksyz]|v[aceginu]|w[fs]|y[et]|z[amw])"
)
_LABELS = r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,10}"
_ADDRESS = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]{{1,31}}:/{{2,}}[^{_STOP}]{{1,5000}}"
    rf"|(?:data|javascript|vbscript|blob|file|about|mailto|xmpp|tel|sms):[^{_STOP}]{{1,5000}}"
    rf"|[\w.!#$%&'*+/=?^{{}}~-]{{1,64}}@(?:[\w-]{{1,63}}\.){{1,10}}[\w-]{{1,63}}"
    rf"|(?://)?www\.[^{_STOP}]{{1,5000}}"
    rf"|(?://)?(?<![\w.@-]){_LABELS}{_TOP_LEVEL}(?![\w@-])(?:(?::\d{{1,5}})?[/?#][^{_STOP}]{{0,5000}})?",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?'*_~)]}"
_FIRST_OF_ADDRESS = re.compile(r"[.:@]")


@dataclass(frozen=True, slots=True)
class Inert:
    """A text that renders to words.

    Attributes:
        images, links, tags: how many of each were taken out of it.
    """

    text: str
    images: int = 0
    links: int = 0
    tags: int = 0

    @property
    def removed(self) -> str:
        """What was taken out, in words for a note; empty for nothing."""
        counts = (("images", self.images), ("links", self.links), ("tags", self.tags))
        return ", ".join(f"{name}: {count}" for name, count in counts if count)


def inert(text: str) -> str:
    """`text` as Markdown that renders to words, see above."""
    return defused(text).text


def defused(text: str) -> Inert:
    """The same with what was taken out."""
    text = _MARKERS.sub("", visible(text.replace("\r\n", "\n").replace("\r", "\n")))
    blocks: list[str] = []
    prose: list[str] = []
    images = links = tags = 0

    def settle() -> None:
        nonlocal images, links, tags
        if prose:
            found = _Prose("\n".join(prose)).defused()
            images, links, tags = images + found.images, links + found.links, tags + found.tags
            blocks.append(found.text)
            prose.clear()

    lines = iter(text.split("\n"))
    for line in lines:
        opening = _FENCE.match(line)
        if opening is None or (opening["fence"][0] == "`" and "`" in opening["info"]):
            prose.append(line)
            continue
        settle()
        blocks.append(_fenced(opening, lines))
    settle()
    return Inert("\n".join(blocks), images, links, tags)


def addresses_as_code(text: str) -> str:
    """One line whose markup is escaped already, with its addresses as code."""
    return _ADDRESS.sub(lambda found: "".join(_as_code(found[0])), text)


def starts_with_code(text: str) -> bool:
    """Whether it has to begin on a line of its own."""
    return _FENCE.match(text.partition("\n")[0]) is not None


def _fenced(opening: re.Match[str], lines: object) -> str:
    """A block of code, closed, at the left margin: there it is no part of a list that might end before it does."""
    fence = opening["fence"]
    closing = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*\Z")
    named = _INFO.match(opening["info"].strip())
    language = named[0] if named is not None and named[0].lower() not in _DRAWN else ""
    code: list[str] = []
    for line in lines:  # type: ignore[attr-defined]
        if closing.match(line):
            break
        code.append(line)
    return "\n".join((f"{fence}{language}", *code, fence))


class _Prose:
    """A text without fences on its way; code in it is kept aside under numbers."""

    def __init__(self, text: str) -> None:
        self._held: list[str] = []
        self._images = self._links = self._tags = 0
        self._text = "\n".join(self._without_code(line) for line in text.split("\n"))

    def defused(self) -> Inert:
        """What becomes of it."""
        text = self._decoded(self._text)
        text = self._without_tags(text)
        text = self._without_links(text)
        text = self._without_addresses(text)
        text = _TAG_BEGINS.sub("&lt;", text)
        # Whatever the patterns above did not know for a link or a definition is none any more.
        text = text.replace("](", "] (").replace("]:", "] :").replace("![", "! [")
        text = re.sub(rf"\\+(?={_OPEN})", "", text)  # it would escape the backtick
        text = text.replace(f"{_CLOSE}{_OPEN}", f"{_CLOSE} {_OPEN}")  # two spans of code would become one
        text = _HELD.sub(lambda found: self._held[int(found[1])], text)
        return Inert(text, self._images, self._links, self._tags)

    def _hold(self, code: str) -> str:
        self._held.append(code)
        return f"{_OPEN}{len(self._held) - 1}{_CLOSE}"

    def _without_code(self, line: str) -> str:
        """A line with its spans of code kept aside, and every other backtick as an apostrophe.

        A span that goes on in the next line is none here: whether it is one depends on what stands between.
        """
        if "`" not in line:
            return line
        runs = list(_BACKTICKS.finditer(line))
        parts: list[str] = []
        last = at = 0
        while at < len(runs):
            opening = runs[at]
            parts.append(line[last : opening.start()])
            last = opening.end()
            closing = next((n for n in range(at + 1, len(runs)) if len(runs[n][1]) == len(opening[1])), None)
            if closing is not None and self._is_code(line[opening.end() : runs[closing].start(1)]):
                last = runs[closing].end()
                parts.append(self._hold(line[opening.start(1) : last]))
                at = closing
            else:
                parts.append("'" * len(opening[1]))
            at += 1
        return "".join((*parts, line[last:]))

    def _is_code(self, inside: str) -> bool:
        """Whether what stands between backticks is surely code: in a row of a table, a pipe would end the cell before it."""
        if not inside.strip():
            return False
        return _PIPE.search(inside) is None or not ("](" in inside or "<" in inside or _ADDRESS.search(inside))

    def _decoded(self, text: str) -> str:
        """Entities as their characters: what is written in code is read like anything else."""
        for _ in range(_TRIES):
            decoded = _ENTITY.sub(_character, text)
            if decoded == text:
                break
            text = visible(decoded)
        return text

    def _without_tags(self, text: str) -> str:
        if "<" not in text:
            return text
        text = _BREAK.sub(" ", text)
        for pattern in (_COMMENT, _SCRIPT, _TAG):
            text, count = pattern.subn("", text)
            self._tags += count
        return _AUTOLINK.sub(_apart, text)

    def _without_links(self, text: str) -> str:
        text, definitions = _DEFINITION.subn("", text) if "]:" in text else (text, 0)
        self._links += definitions
        for _ in range(_TRIES):
            changed = _LINK.sub(self._words, text) if "](" in text else text
            if changed == text:
                break
            text = changed
        return text

    def _without_addresses(self, text: str) -> str:
        for _ in range(_TRIES):  # what stood right before an address can be one by itself
            changed = _ADDRESS.sub(self._address, text) if _FIRST_OF_ADDRESS.search(text) else text
            if changed == text:
                break
            text = changed
        return text

    def _words(self, found: re.Match[str]) -> str:
        if found["image"]:
            self._images += 1
        else:
            self._links += 1
        return found["words"]

    def _address(self, found: re.Match[str]) -> str:
        code, rest = _as_code(found[0])
        return self._hold(code) + rest if code else rest


def _apart(autolink: re.Match[str]) -> str:
    """The address without its brackets, which alone may part it from the words around, as in plain mail: `Report<https://…>`."""
    text, start, end = autolink.string, autolink.start(), autolink.end()
    before = " " if start and (text[start - 1].isalnum() or text[start - 1] == ">") else ""
    return f"{before}{autolink[1]}{' ' if text[end : end + 1].isalnum() else ''}"


def _as_code(address: str) -> tuple[str, str]:
    """The address as code, and the punctuation behind it."""
    bare = address.rstrip(_TRAILING)
    return (f"`{bare}`" if bare else ""), address[len(bare) :]


def _character(found: re.Match[str]) -> str:
    decoded = html.unescape(found[0])
    if decoded == found[0]:
        return decoded
    return _MARKERS.sub("", decoded).replace("`", "'").replace("\n", " ").replace("\r", " ")
