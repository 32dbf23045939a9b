"""AsciiDoc within a line: marks, macros, links and attributes become what a reader sees.

Names are those of the AsciiDoc Language documentation (docs.asciidoctor.org). Every pattern is linear: it holds no nested
repetition, and each length is capped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingest.parsing.characters import one_line

_ATTRIBUTE = re.compile(r"(\\?)\{([a-zA-Z0-9_][\w-]{0,100})\}")
_BUILT_IN = {
    "nbsp": " ", "zwsp": "", "sp": " ", "empty": "", "blank": "", "lt": "<", "gt": ">", "amp": "&", "plus": "+",
    "apos": "'", "quot": '"', "lsquo": "‘", "rsquo": "’", "ldquo": "“", "rdquo": "”", "vbar": "|", "asterisk": "*",
    "tilde": "~", "caret": "^", "startsb": "[", "endsb": "]", "backtick": "`", "two-colons": "::", "deg": "°",
    "two-semicolons": ";;", "cpp": "C++", "pp": "++", "backslash": "\\",
}  # fmt: skip
_MAX_VALUE = 2_000
_MAX_LINE = 20_000

_PASS = re.compile(r"\+\+\+(.{0,2000}?)\+\+\+|pass:[a-z,]{0,20}\[(.{0,2000}?)\]")
_MACROS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\(\(\((?:[^()]{0,300})\)\)\)"), ""),  # an entry of the index, not shown
    (re.compile(r"\(\(([^()]{1,300})\)\)"), r"\1"),
    (re.compile(r"\[\[[^\[\]]{1,200}\]\]"), ""),
    (re.compile(r"(?:indexterm|anchor):[^\s\[\]]{0,200}\[[^\[\]]{0,300}\]"), ""),
    (re.compile(r"<<[^<>,]{1,300},([^<>]{1,300})>>"), r"\1"),
    (re.compile(r"<<#?([^<>]{1,300})>>"), r"\1"),
    (re.compile(r"footnote(?:ref)?:[^\s\[\]]{0,100}\[([^\[\]]{1,2000})\]"), r" (\1)"),
    (re.compile(r"menu:([^\s\[\]]{1,100})\[([^\[\]]{0,300})\]"), r"\1 > \2"),
    (re.compile(r"(?:kbd|btn|stem|latexmath|asciimath|indexterm2|icon):\[([^\[\]]{0,500})\]"), r"\1"),
    (re.compile(r"(?:image|icon):[^\s\[\]:][^\s\[\]]{0,300}\[([^\[\],=]{0,300})[^\[\]]{0,300}\]"), r"\1"),
    (re.compile(r"(?:link|mailto|xref):[^\s\[\]]{1,1000}\[([^\[\]]{1,500})\]"), r"\1"),
    (re.compile(r"(?:link|mailto|xref):([^\s\[\]]{1,1000})\[\]"), r"\1"),
    (re.compile(r"(?:https?|ftp|irc)://[^\s\[\]<>]{1,1000}\[([^\[\]]{1,500})\]"), r"\1"),
    (re.compile(r"((?:https?|ftp|irc)://[^\s\[\]<>]{1,1000})\[\]"), r"\1"),
)
_WINDOW = re.compile(r"\^$|,\s*(?:window|role|opts|rel)=[^,]{0,100}$")
_UNCONSTRAINED = re.compile(r"(\*\*|__|``|##)(?=\S)(.{1,2000}?)(?<=\S)\1")
_CONSTRAINED = re.compile(r"(?<![\w\\])(?:\[[^\[\]]{0,100}\])?([*_`#])(?=\S)((?:(?!\1).){1,2000})(?<=\S)\1(?!\w)")
_RAISED = re.compile(r"([\^~])([^\s^~]{1,100})\1")
_ESCAPE = re.compile(r"\\(?=[*_`#^~{<\[+(]|[a-z]+:)")
_REPLACEMENTS = (("(C)", "©"), ("(R)", "®"), ("(TM)", "™"), (" -- ", " — "), ("...", "…"))


def substituted(text: str, attributes: Mapping[str, str]) -> str:
    """`{name}` replaced, once: a value is text, so that values that name each other can't multiply."""

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        name = found[2].lower()
        return attributes.get(name, _BUILT_IN.get(name, found[0]))[:_MAX_VALUE]

    return _ATTRIBUTE.sub(value, text) if "{" in text else text


def shown(text: str, attributes: Mapping[str, str]) -> str:
    """What a reader sees of one line or paragraph, on one line."""
    text = substituted(text, attributes)
    if len(text) > _MAX_LINE:
        return one_line(text)
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[1] if found[1] is not None else found[2])
        return f"\x00{len(kept) - 1}\x00"

    text = _PASS.sub(keep, text.replace("\x00", ""))
    for pattern, replacement in _MACROS:
        text = pattern.sub(replacement, text)
    for _ in range(2):  # marks may stand in each other once: *_both_*
        text = _UNCONSTRAINED.sub(r"\2", text)
        text = _CONSTRAINED.sub(r"\2", text)
    text = _ESCAPE.sub("", _RAISED.sub(r"\2", text))
    for written, meant in _REPLACEMENTS:
        text = text.replace(written, meant)
    for number, original in enumerate(kept):
        text = text.replace(f"\x00{number}\x00", original)
    return one_line(_WINDOW.sub("", text))
