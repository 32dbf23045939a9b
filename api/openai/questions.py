"""The question in a message: chat clients send along, in the same message, what their user pasted or attached."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEMPLATE = re.compile(r"\s*### Task:")
_CONTEXT_END = "</context>"
_QUERY = re.compile(r"<user_query>([^<]*)</user_query>")
_OPENING = re.compile(
    r"[ \t]*<(context|documents?|files?|file_content|attachments?|attached_files|sources?|environment_details)\b[^>\n]*>"
)
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_BEGINNING = 0.25
"""Of the room that there is, for the beginning of a text that has its question nowhere else: who pastes a text asks before or
behind it."""
_ENDS = 1000
"""So much is left of a long text that may be searched with: of more, a question in it would hardly count."""
_LONGEST_LINE = 500
_BETWEEN = "\n…\n"


@dataclass(frozen=True, slots=True)
class Put:
    """A question as it is searched with.

    Attributes:
        left_out: characters of the message that are not in it.
    """

    text: str
    left_out: int = 0


def put(message: str, longest: int) -> Put:
    """The question of a message, in no more than `longest` characters.

    A message that fits is the question. Of a longer one, attached texts are left out. Where there are none, or what is left is
    too long still, it is the first or last line if that ends as a question does, else beginning and end. Open WebUI's template
    for attached files is known at any length: most of it is orders to a model.
    """
    message = message.strip()
    text = _out_of_template(message)
    if len(text) > longest:
        text = _without_attached(text) or text
    if len(text) > longest:
        text = _asking_line(text) or _ends_of(text, min(longest, _ENDS))
    return Put(text, len(message) - len(text)) if len(text) < len(message) else Put(text)


def _out_of_template(message: str) -> str:
    """What the user wrote, where Open WebUI put its template around it or before it."""
    if not _TEMPLATE.match(message) or _CONTEXT_END not in message:
        return message
    behind = message.rpartition(_CONTEXT_END)[2]
    asked = _QUERY.findall(behind)
    return str(asked[-1] if asked else behind).strip() or message


def _without_attached(text: str) -> str:
    """The lines outside of fences and of elements that clients put files in; one that is never closed is text."""
    lines = text.split("\n")
    kept: list[str] = []
    unclosed: set[str] = set()
    at = 0
    while at < len(lines):
        closing = _closing(lines[at])
        end = _end(lines, at, closing) if closing and closing not in unclosed else None
        if end is None:
            unclosed |= {closing} if closing else set()
            kept.append(lines[at])
            at += 1
        else:
            at = end + 1
    return "\n".join(kept).strip()


def _closing(line: str) -> str:
    """What ends the attached text that a line begins; empty where it begins none."""
    if element := _OPENING.match(line):
        return f"</{element[1]}>"
    fence = _FENCE.match(line)
    return fence[1] if fence else ""


def _end(lines: list[str], start: int, closing: str) -> int | None:
    if closing.startswith("<"):
        return next((at for at in range(start, len(lines)) if closing in lines[at]), None)
    return next((at for at in range(start + 1, len(lines)) if lines[at].strip() == closing), None)


def _asking_line(text: str) -> str:
    """The last line, or the first, if it is a question."""
    first, _, rest = text.partition("\n")
    last = rest.rpartition("\n")[2]
    lines = (line.strip() for line in (last, first))
    return next((line for line in lines if line.endswith(("?", "？")) and len(line) <= _LONGEST_LINE), "")


def _ends_of(text: str, longest: int) -> str:
    """Beginning and end of a text, cut between words."""
    beginning = text[: int(longest * _BEGINNING)]
    beginning = beginning.rsplit(None, 1)[0] if len(beginning.split(None, 1)) > 1 else beginning
    end = text[len(text) - (longest - len(beginning) - len(_BETWEEN)) :]
    words = end.split(None, 1)
    return f"{beginning.rstrip()}{_BETWEEN}{words[1] if len(words) > 1 else end}"
