"""Places of source code inside sentences: `src/login.py:10-24@abc123` states no numbers, but says where something stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rag.domain.anchor import LineAnchor
from rag.domain.language import Language
from rag.domain.passage import Passage

_PLACE = re.compile(
    r"(?P<path>[^\s`'\"()\[\]{}<>:,]{1,500}):(?P<first>[0-9]{1,7})(?:[-–~](?P<last>[0-9]{1,7}))?(?:@(?P<commit>[0-9a-f]{7,64}))?"
    r"(?![0-9])"
)


def without_places(text: str, passages: Iterable[Passage]) -> str:
    """`text` with each place that lies in one of the passages as its path alone.

    One that lies in none stays as it is, so its numbers are held against the passages like any others, and are not found.
    """
    found = [item for item in passages if isinstance(item.chunk.anchor, LineAnchor)]
    if not found:
        return text
    return _PLACE.sub(lambda match: match["path"] if any(_lies_in(match, item) for item in found) else match[0], text)


def code_names_of(passage: Passage) -> Sequence[str]:
    """What a passage of source code is called: its path, and the definitions that it is of; nothing for everything else."""
    if passage.chunk.language is not Language.CODE:
        return ()
    code = passage.chunk.code
    names = (passage.source.source_key, passage.source.commit[:12])
    return names if code is None else (*names, code.symbol, code.signature, *code.symbols)


def _lies_in(match: re.Match[str], passage: Passage) -> bool:
    anchor, key, path = passage.chunk.anchor, passage.source.source_key, match["path"]
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if not isinstance(anchor, LineAnchor) or not anchor.first <= first <= last <= anchor.last:
        return False
    named = key == path or key.endswith(f"/{path}")
    return named and (match["commit"] is None or passage.source.commit.startswith(match["commit"][:12]))
