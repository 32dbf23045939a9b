"""Names of definitions as people give them. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_SEPARATORS = re.compile(r"::|->|=>|\.|#|/|\\")
_PIECES = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z0-9]*|[a-z0-9]+|[^\W\d_A-Za-z]+")
_CALL = re.compile(r"\(.*\)\s*;?$", re.DOTALL)


class Asked(NamedTuple):
    """A name, and what encloses it as far as it was given, outermost first: `a.B` for `a.B.approve`."""

    name: str
    enclosing: str

    def is_at(self, path: str) -> bool:
        """Whether a definition with this path is meant."""
        if not self.enclosing:
            return True
        outer = path.rpartition(".")[0]
        return outer == self.enclosing or outer.endswith(f".{self.enclosing}") or self._shorter(outer)

    def _shorter(self, outer: str) -> bool:
        """Whether what was given says more than the path: a module before the class."""
        return bool(outer) and self.enclosing.endswith(f".{outer}")


def asked_name(text: str) -> Asked:
    """A name as it is asked for: `approve()`, `PaymentService.approve`, `PaymentService::approve`, `Service#approve`,
    `Bank\\Pay\\Service`."""
    plain = _CALL.sub("", text.strip()).strip("`'\" ")
    parts = [part for part in _SEPARATORS.split(plain) if part] or [plain]
    return Asked(parts[-1], ".".join(parts[:-1]))


def hump_pieces(name: str) -> list[str]:
    """What an abbreviated name is made of: `Pay`, `Ser` of `PaySer`; `P`, `S` of `PS`; `pay`, `ser` of `pay_ser`."""
    if name.isupper() and name.isalpha():
        return list(name)
    return _PIECES.findall(name)


def matches_humps(pieces: Sequence[str], name: str) -> bool:
    """Whether each piece begins a part of the name, in order, the first of them the first part."""
    parts = [part.lower() for part in hump_pieces(name)] if not name.isupper() else name.lower().split("_")
    place = 0
    for number, piece in enumerate(pieces):
        wanted = piece.lower()
        while place < len(parts) and not parts[place].startswith(wanted):
            if number == 0:
                return False
            place += 1
        if place == len(parts):
            return False
        place += 1
    return True
