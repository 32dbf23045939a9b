"""Comments without their markers."""

from __future__ import annotations

import re
from collections.abc import Sequence

_OPEN = re.compile(r"^\s*(?:/\*[*!]?|\(\*|<!--|\"\"\"|'''|#\||\{-)")
_CLOSE = re.compile(r"(?:\**\*/|\*\)|-->|\"\"\"|'''|\|#|-\})\s*$")
_LINE = re.compile(r"^\s*(?:///?!?/?|//!|#+!?:?|--+|;+|\*(?!/)|\"(?!\w)|%+)? ?")
_TAG = re.compile(r"</?[a-z]+(?:\s[^<>]*)?/?>")
"""Of C#'s documentation comments."""
_RULE = re.compile(r"^[-=*#~/_+\s]*$")


def plain_comment(comments: Sequence[str]) -> str:
    """What comments say, one below the other; lines of dashes and empty lines at both ends are left out."""
    lines: list[str] = []
    for comment in comments:
        text = _TAG.sub("", comment) if comment.startswith("///") else comment
        for line in _CLOSE.sub("", _OPEN.sub("", text)).split("\n"):
            plain = _LINE.sub("", line, count=1).rstrip()
            lines.append("" if _RULE.match(plain) else plain)
    return "\n".join(lines).strip("\n")
