"""Definitions first: what a question names in so many words stands before what only speaks of it.

A name that is written as code has it (`PaymentService.approve`, `parse_date()`) lifts the chunk that defines it, found or not,
before everything else. Names that neighbouring words of the question would make lift a little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.personal_data.reading import selection_masked
from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.retrieval.code_question import CodeQuestion
from rag.retrieval.fusion import FusedHit
from rag.store.code_lookup import Definition, defining_chunks, definitions
from rag.store.session import Database
from rag.text.code_names import Identifier

SYMBOL = "symbol"
"""Name under which the boost stands among those of a passage."""
WRITTEN_BOOST = 1.0
CAPITALISED_BOOST = 0.3
NAME_BOOST = 0.02
_MOST = 60
"""Definitions by one name that are looked at; of more than that, none is meant."""
_MOST_NAMED, _FEW = 200, 8
"""Definitions by names of the question's words that are looked at, and those by one of them: a frequent name tells nothing."""
_SHORTEST_NAME = 2
"""Words of a name that is only made of the question's words: single ones are the words of every second question."""


@dataclass(frozen=True, slots=True)
class CodeRanking:
    """Lifts definitions under a permit. Thread-safe."""

    database: Database

    def lifted(self, permit: Permit, fused: Sequence[FusedHit], question: CodeQuestion | None) -> Sequence[FusedHit]:
        """The ranking with the definitions that a question names in front."""
        if question is None:
            return fused
        boosts = self._boosts(permit, question)
        if not boosts:
            return fused
        best, last = (fused[0].score, fused[-1].score) if fused else (1.0, 0.0)
        known = {hit.chunk_id: hit for hit in fused}
        raised = [_raised(hit, boosts.get(hit.chunk_id, 0.0), best) for hit in fused]
        missing = (key for key, boost in boosts.items() if key not in known and boost >= CAPITALISED_BOOST)
        raised += [_raised(FusedHit(key, last, {}), boosts[key], best) for key in missing]
        return sorted(raised, key=lambda hit: (-hit.score, hit.chunk_id))

    def _boosts(self, permit: Permit, question: CodeQuestion) -> dict[UUID, float]:
        """What each defining chunk is lifted by."""
        with self.database.read() as session:
            found = _defined(session, permit, question)
            if not found:
                return {}
            selection = selection_masked(session, permit)
            weighed: dict[Definition, float] = {}
            for item, boost in _weighed([item for item in found if _selected(item, selection)], question):
                weighed[item] = max(boost, weighed.get(item, 0.0))
            chunks = defining_chunks(session, list(weighed))
        boosts: dict[UUID, float] = {}
        for item, chunk_id in chunks.items():
            boosts[chunk_id] = max(weighed[item], boosts.get(chunk_id, 0.0))
        return boosts


def _defined(session: Session, permit: Permit, question: CodeQuestion) -> list[Definition]:
    """All that the question may name. Each written name has a query of its own, so that a frequent one hides no other."""
    found: dict[Definition, None] = {}
    for item in question.identifiers:
        whole: list[Definition] = []
        if len(item.path) > 1:
            whole = definitions(session, permit, [item.key], most=_MOST + 1, path=".".join(item.path))
        found |= dict.fromkeys(whole or definitions(session, permit, [item.key], most=_MOST + 1))
    names = [name for name, count in question.names.items() if count >= _SHORTEST_NAME]
    found |= dict.fromkeys(definitions(session, permit, sorted(names), most=_MOST_NAMED))
    return list(found)


def _selected(item: Definition, selection: Selection | None) -> bool:
    """Whether the index itself would have found the document: what a filter may tell, it tells there."""
    if selection is None:
        return True
    return item.document_id not in selection.excluded and (
        selection.documents is None or item.document_id in selection.documents
    )


def _weighed(found: Sequence[Definition], question: CodeQuestion) -> Iterator[tuple[Definition, float]]:
    """The definitions that are meant, each with its boost: less, the more there are by the same name."""
    for identifier in question.identifiers:
        meant = _meant(found, identifier)
        if 0 < len(meant) <= _MOST:
            boost = WRITTEN_BOOST if identifier.sure else CAPITALISED_BOOST
            for item in meant:
                yield item, boost / (1.0 + math.log2(len(meant)) / 2)
    written = {item.key for item in question.identifiers}
    by_name: dict[str, list[Definition]] = {}
    for item in found:
        by_name.setdefault(item.name.lower(), []).append(item)
    for name, items in by_name.items():
        if name not in written and question.names.get(name, 0) >= _SHORTEST_NAME and len(items) <= _FEW:
            for item in items:
                yield item, NAME_BOOST


def _meant(found: Sequence[Definition], identifier: Identifier) -> list[Definition]:
    """The definitions that an identifier names: by its whole path where there are such, else by its last part, in the letters
    that it is written in where there are such."""
    named = [item for item in found if item.name.lower() == identifier.key]
    wanted = ".".join(identifier.path).lower()
    if len(identifier.path) > 1:
        whole = [item for item in named if f".{item.path.lower()}".endswith(f".{wanted}")]
        if whole:
            return whole
    exact = [item for item in named if item.name == identifier.path[-1]]
    return exact if exact or not identifier.sure else named


def _raised(hit: FusedHit, boost: float, best: float) -> FusedHit:
    """The hit with a boost. A definition that is written out in the question counts like the best hit before it is lifted."""
    if boost <= 0.0:
        return hit
    score = max(hit.score, best) if boost >= CAPITALISED_BOOST else hit.score
    return FusedHit(hit.chunk_id, score * (1.0 + boost), hit.legs, hit.estimated, {**hit.boosts, SYMBOL: boost})
