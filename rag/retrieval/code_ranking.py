"""Programs first, and of these definitions: what a question names in so many words stands before what only speaks of it.

What is written about programs (pages, tables of messages, interface descriptions) says in the question's own words what
programs say in names, and would stand before all of them, in Korean above all. Asked of a collection of code, it counts less, and
still less where a place in the code is asked for (`어디에서`, `which function`). So do tests, unless they are asked for. A file
that the question names counts whole.

A name that is written as code has it (`PaymentService.approve`, `parse_date()`) lifts the chunk that defines it, found or not,
before everything else. Names that neighbouring words of the question would make lift a little.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.personal_data.reading import selection_masked
from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.retrieval.code_question import CodeQuestion
from rag.retrieval.fusion import FusedHit
from rag.store.code_lookup import Definition, Origin, defining_chunks, definitions, origins
from rag.store.session import Database
from rag.text.code import DATA_LANGUAGES
from rag.text.code_names import Identifier
from rag.text.code_paths import is_test_path

SYMBOL = "symbol"
"""Name under which the boost stands among those of a passage."""
WRITTEN_BOOST = 1.0
CAPITALISED_BOOST = 0.3
NAME_BOOST = 0.02
_MOST = 60
"""Definitions by one name that are looked at; of more than that, none is meant."""
_MOST_NAMED, _FEW = 200, 8
"""Definitions by names of the question's words that are looked at, and those by one of them: a frequent name tells nothing."""
PLACE = "place"
"""Name under which it stands among the boosts what a hit counts less for being no program; negative."""
_ASIDE, _ASIDE_WHERE = -0.3, -0.5
"""Of what is no program: in general, and where a place is asked for."""
_TESTS = -0.2
_LOOKED_AT = 400
"""Best hits whose files are looked at."""
_NO_PROGRAM = DATA_LANGUAGES | {""}
"""Languages of what is no program."""
_WHERE = re.compile(
    r"어디|어느 ?(?:파일|함수|클래스|모듈|곳|부분|메서드|메소드)|(?:하는|되는|[인은는한]) ?(?:곳|부분|로직|기능|위치)|"
    r"(?<=는) 데(?=[가는를이에 ?]|$)|코드(?! ?(?:규칙|번호|값|표))|함수|클래스|메서드|메소드|모듈|구현|"
    r"\bwhere\b|\bwhich (?:function|method|class|module|file)\b|\b(?:code|function|method|class|logic) (?:that|which|for|to)\b|"
    r"\bimplement",
    re.IGNORECASE,
)
_OF_TESTS = re.compile(r"테스트|시험|\btests?\b|\bspecs?\b", re.IGNORECASE)
_SHORTEST_NAME = 2
"""Words of a name that is only made of the question's words: single ones are the words of every second question."""


@dataclass(frozen=True, slots=True)
class CodeRanking:
    """Lifts definitions under a permit. Thread-safe."""

    database: Database

    def lifted(
        self, permit: Permit, fused: Sequence[FusedHit], question: CodeQuestion | None, asked: str
    ) -> Sequence[FusedHit]:
        """The ranking with programs in front, and before them the definitions that a question names.

        Args:
            question: None where no collection of code is asked.
            asked: the question as it was put.
        """
        if question is None:
            return fused
        fused = self._programs_first(fused, asked)
        boosts = self._boosts(permit, question)
        if not boosts:
            return fused
        best, last = (fused[0].score, fused[-1].score) if fused else (1.0, 0.0)
        known = {hit.chunk_id: hit for hit in fused}
        raised = [_raised(hit, boosts.get(hit.chunk_id, 0.0), best) for hit in fused]
        missing = (key for key, boost in boosts.items() if key not in known and boost >= CAPITALISED_BOOST)
        raised += [_raised(FusedHit(key, last, {}), boosts[key], best) for key in missing]
        return sorted(raised, key=lambda hit: (-hit.score, hit.chunk_id))

    def _programs_first(self, fused: Sequence[FusedHit], asked: str) -> Sequence[FusedHit]:
        """The best hits of collections of code, what is no program or a test counting less."""
        looked_at = fused[:_LOOKED_AT]
        with self.database.read() as session:
            files = origins(session, [hit.chunk_id for hit in looked_at])
        if not files:
            return fused
        aside, of_tests = _ASIDE_WHERE if _WHERE.search(asked) else _ASIDE, _OF_TESTS.search(asked) is not None
        told = asked.lower()
        shares: dict[Origin, float] = {
            item: 0.0
            if item.source_key.rpartition("/")[2].lower() in told
            else aside
            if item.language in _NO_PROGRAM
            else _TESTS
            if not of_tests and is_test_path(item.source_key)
            else 0.0
            for item in set(files.values())
        }
        moved = [_moved(hit, shares[files[hit.chunk_id]]) if hit.chunk_id in files else hit for hit in looked_at]
        return sorted((*moved, *fused[_LOOKED_AT:]), key=lambda hit: (-hit.score, hit.chunk_id))

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


def _moved(hit: FusedHit, share: float) -> FusedHit:
    """The hit with a share of its score taken off."""
    if not share:
        return hit
    score = hit.score + share * abs(hit.score)
    return FusedHit(hit.chunk_id, score, hit.legs, hit.estimated, {**hit.boosts, PLACE: share})


def _raised(hit: FusedHit, boost: float, best: float) -> FusedHit:
    """The hit with a boost. A definition that is written out in the question counts like the best hit before it is lifted."""
    if boost <= 0.0:
        return hit
    score = max(hit.score, best) if boost >= CAPITALISED_BOOST else hit.score
    return FusedHit(hit.chunk_id, score * (1.0 + boost), hit.legs, hit.estimated, {**hit.boosts, SYMBOL: boost})
