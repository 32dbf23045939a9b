"""What the contract asks of sentences about source code: names in backticks stand in the quoted lines, and quotes are lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answering.citing import Claim, Offsets, Unit
from rag.domain.answer import occurs
from rag.domain.fact_reading import facts_of, plain
from rag.domain.facts import holds
from rag.domain.language import Language

_CODE = re.compile(r"(?<![`\\])(`+)(?!`)(.{1,200}?)(?<!`)\1(?!`)")
_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|#)[A-Za-z_$][\w$]*)*")
_JOINTS = re.compile(r"\.|::|->|#")
_CALL = re.compile(r"\(.*\)\s*$", re.DOTALL)
_BLANKS = re.compile(r"\s+")


def code_names(text: str) -> tuple[str, ...]:
    """What a sentence has between backticks, without the parentheses of a call; each once."""
    found = (_CALL.sub("", match[2].strip()) for match in _CODE.finditer(text))
    return tuple(dict.fromkeys(name for name in found if name))


def missing_code(names: Sequence[str], quotes: Sequence[Unit]) -> list[str]:
    """Those that stand neither in the quoted lines nor in what these are called. `A.b` may stand there in its parts."""
    known = "\n".join(f"{unit.whole}\n{unit.around}" for unit in quotes)
    squeezed = _BLANKS.sub("", known)
    return [name for name in names if not _stands(name, known, squeezed)]


def telling_lines(unit: Unit, text: str, claim: Claim) -> tuple[Offsets, ...]:
    """The lines of a unit of code that a sentence stands on, as one run; prose is quoted as it is.

    Args:
        text: of the unit's passage.
    """
    if unit.language is not Language.CODE or len(unit.spans) != 1:
        return unit.spans
    start, end = unit.spans[0]
    lines = _lines(text, start, end)
    wanted = [name.lower() for name in claim.names]
    chosen = [line for line in lines if _tells(text[slice(*line)], wanted, claim)]
    if not chosen:
        chosen = [line for line in lines if any(term in text[slice(*line)].lower() for term in claim.terms)]
    return ((chosen[0][0], chosen[-1][1]),) if chosen else unit.spans


def _tells(line: str, names: Sequence[str], claim: Claim) -> bool:
    spelled = plain(line).lower()
    if any(occurs(part, spelled) for name in names for part in _JOINTS.split(name) if part):
        return True
    facts = facts_of(line)
    return any(holds(fact, facts, units_told=False) for fact in claim.facts)


def _lines(text: str, start: int, end: int) -> list[Offsets]:
    """The lines between two offsets that hold more than white space."""
    found, first = list[Offsets](), start
    for line in text[start:end].split("\n"):
        if line.strip():
            found.append((first, first + len(line)))
        first += len(line) + 1
    return found


def _stands(name: str, known: str, squeezed: str) -> bool:
    if not _NAME.fullmatch(name):
        return _BLANKS.sub("", name) in squeezed
    return occurs(name, known) or all(occurs(part, known) for part in _JOINTS.split(name))
