"""An answer's search, asked again: the same passages with the same scores, bit for bit, or what differs and why.

What a replay needs is kept with the answer (`Stood`): the permit, how the question was put, the space and the models, and the
candidates of the final ranking. A replay searches under the permit of whoever asks for it, narrowed to what the answer was
given under: nobody sees more by it than by searching themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.answering.code_answers import CodeAnswerer
from rag.answering.service import Asked
from rag.answering.signals import RIVALS
from rag.domain.filters import DocumentFilter
from rag.domain.passage import Passage, SearchResult
from rag.domain.principal import PassedRule, Permit
from rag.generation.chat import ChatMessage
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.store.answer_record import AnswerRecord
from rag.store.document import Document, covered
from rag.store.session import Database
from rag.store.version import DocumentVersion

_MOST_RULES = 1000
"""Rules of a permit that are kept one by one; of more, their digest alone."""
_MOST_CHANGES = 200
"""Documents that a difference names."""


class Cause(StrEnum):
    """Why a replay is not, or can't be, what the answer stood on."""

    NOT_KEPT = "not_kept"
    """What is needed was not kept, or was removed since."""
    RIGHTS = "rights"
    """Whoever replays may not read all that the asker might."""
    COLLECTIONS = "collections"
    """Collections that were searched are gone, or not to be seen."""
    DOCUMENTS = "documents"
    """Documents were added, replaced or deleted since."""
    SPACE = "space"
    RERANKER = "reranker"
    FUSION = "fusion"
    WORDING = "wording"
    """The question is understood otherwise than then."""
    RANKING = "ranking"
    """Passages or scores differ, for one of the other causes or for none that is known."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, with what it was and is."""

    cause: Cause
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it.

    Attributes:
        then: candidates as they were kept.
        found: what the search gives now; None where it could not be asked.
        now: its candidates.
        differences: empty where all is equal.
    """

    then: Sequence[Mapping[str, Any]]
    found: SearchResult | None
    now: Sequence[Mapping[str, Any]]
    differences: Sequence[Difference]

    @property
    def identical(self) -> bool:
        """Whether the same passages have the same scores in the same order, bit for bit."""
        return self.found is not None and list(self.then) == list(self.now)


def permit_on_record(permit: Permit) -> dict[str, Any]:
    """A permit as JSON: what could be read for an answer."""
    rules = sorted((str(item.collection_id), str(item.rule_id)) for item in permit.rules)
    kept = [list(item) for item in rules] if len(rules) <= _MOST_RULES else None
    return {
        "collections": sorted(str(item) for item in permit.collections),
        "as_of": None if permit.as_of is None else permit.as_of.isoformat(),
        "where": None if permit.where is None else _filters().dump_python(permit.where, mode="json"),
        "rules": kept,
        "rules_sha256": hashlib.sha256(json.dumps(rules).encode()).hexdigest(),
        "clearance": permit.principal.clearance.name,
    }


def asked_on_record(asked: Asked, *, content: bool) -> dict[str, Any]:
    """How a question was put, as JSON.

    Of the turns before it only those of the user are kept, and only where questions are: what was answered quotes documents
    that may be deleted later. Nothing but the length of an answer decides about a search.
    """
    context = asked.context or QuestionContext()
    turns = [{"role": item.role, **_turn(item)} for item in context.history] if content else []
    return {
        "passages": asked.passages,
        "mode": asked.mode,
        "model": asked.model,
        "infer_filters": context.infer_filters,
        "turns": len(context.history),
        "history": turns,
    }


def _turn(turn: ChatMessage) -> dict[str, Any]:
    return {"content": turn.content} if turn.role == "user" else {"characters": len(turn.content.strip())}


def stood_on(search: SearchResult, generator: str, model: str) -> dict[str, Any]:
    """Space, models and settings that an answer stood on, as JSON; of models whose files are here, which files these are."""
    trace = search.trace
    files = {"space_fingerprint": trace.fingerprint, "reranker_fingerprint": trace.rerank.fingerprint}
    return {name: value for name, value in files.items() if value} | {
        "space": trace.space,
        "reranker": trace.rerank.model,
        "reranked": trace.rerank.state.value,
        "fusion": trace.fusion,
        "weights": {str(kind): weights for kind, weights in trace.weights.items()},
        "generator": generator,
        "model": model,
        "asked": _digest(search.asked),
        "notes": sorted({note.kind for note in trace.notes}),
    }


def candidates_of(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """The final ranking as JSON: ids, places and scores, exact to the last bit; no words."""
    return [
        {
            "rank": item.rank,
            "chunk_id": str(item.chunk.id),
            "document_id": str(item.source.document_id),
            "version_id": str(item.source.version_id),
            "score": float(item.score),
            "rerank": None if item.rerank is None else float(item.rerank),
            "legs": {name: [leg.rank, float(leg.score)] for name, leg in sorted(item.legs.items())},
            "boosts": {name: float(value) for name, value in sorted(item.boosts.items())},
            "members": [str(member) for member in item.members],
        }
        for item in passages
    ]


@dataclass(frozen=True, slots=True)
class Replayer:
    """Asks again what an answer on record was searched for."""

    database: Database
    retriever: Retriever
    code: CodeAnswerer | None = None

    def where_of(self, record: AnswerRecord) -> DocumentFilter | None:
        """The filter that the answer was given under."""
        given = (record.permit or {}).get("where")
        return None if given is None else _filters().validate_python(given)

    def replay(self, record: AnswerRecord, permit: Permit, *, then: bool = False) -> Replay:
        """Search again.

        Args:
            permit: of whoever asks for it, for the collections of the answer that are there.
            then: read the versions of the moment of the question, where it was about the present: that finds what was
                replaced or added since, but scores count the words of the archive, too.
        """
        kept = record.candidates or []
        if record.permit is None or record.asked is None or record.stood_on is None or not record.question:
            return Replay(kept, None, (), (Difference(Cause.NOT_KEPT),))
        if record.asked["turns"] != len(record.asked["history"]):
            return Replay(kept, None, (), (Difference(Cause.NOT_KEPT, {"turns": record.asked["turns"]}),))
        narrowed, differences = self._narrowed(record, record.permit, permit)
        limit = int(record.asked["passages"])
        search = self._search(narrowed, record.question, limit, _context(record.asked))
        now = candidates_of(search.passages)
        differences += list(self._differing(record, narrowed, search, then=then))
        if now != list(kept):
            differences.append(Difference(Cause.RANKING, _ranking(kept, now)))
        return Replay(kept, search, now, tuple(differences))

    def _search(self, permit: Permit, question: str, limit: int, context: QuestionContext) -> SearchResult:
        """What an answer is searched by: the syntax or the history of code where these answer it, else the passages."""
        prepared = None if self.code is None else self.code.prepared(permit, question, limit, context)
        if prepared is not None:
            return prepared.search
        return self.retriever.search(permit, question, limit=max(limit, RIVALS), context=context).first(limit)

    def _narrowed(
        self, record: AnswerRecord, on_record: Mapping[str, Any], permit: Permit
    ) -> tuple[Permit, list[Difference]]:
        """The permit without what the asker could not read either, and what is missing in it."""
        differences: list[Difference] = []
        wanted = {UUID(item) for item in on_record["collections"]}
        narrowed = permit.narrowed(wanted)
        if gone := sorted(str(item) for item in wanted - narrowed.collections):
            differences.append(Difference(Cause.COLLECTIONS, {"gone": gone}))
        rules = on_record["rules"]
        if rules is None:
            if permit_on_record(narrowed)["rules_sha256"] != on_record["rules_sha256"]:
                differences.append(Difference(Cause.RIGHTS))
            return narrowed, differences
        held = {PassedRule(UUID(collection), UUID(rule)) for collection, rule in rules}
        if missing := len(held - narrowed.rules):
            differences.append(Difference(Cause.RIGHTS, {"rules": missing}))
        return narrowed.passing(held), differences

    def _differing(
        self, record: AnswerRecord, permit: Permit, search: SearchResult, *, then: bool
    ) -> Iterator[Difference]:
        before, now = record.stood_on or {}, stood_on(search, record.generator, "")
        for cause, names in (
            (Cause.SPACE, ("space", "space_fingerprint")),
            (Cause.RERANKER, ("reranker", "reranked", "reranker_fingerprint")),
            (Cause.FUSION, ("fusion", "weights")),
            (Cause.WORDING, ("asked", "notes")),
        ):
            # answers from before there were fingerprints are the same version as far as anybody knows
            known = [name for name in names if name in before or not name.endswith("_fingerprint")]
            was = {name: before.get(name) for name in known}
            if was != (is_now := {name: now.get(name) for name in known}):
                yield Difference(cause, {"then": was, "now": is_now})
        moment = record.asked_at or record.created_at
        with self.database.read() as session:
            changes = list(_changes(session, permit, moment))
        if changes:
            more = {"more": True} if len(changes) > _MOST_CHANGES else {}
            yield Difference(Cause.DOCUMENTS, {"changed": changes[:_MOST_CHANGES], "as_of_then": then} | more)


def _changes(session: Session, permit: Permit, since: datetime) -> Iterator[dict[str, Any]]:
    """What became of documents of the permit's collections since then; no names, which may be those of others' documents."""
    seen = covered(permit)
    activated = select(DocumentVersion).join(Document, Document.id == DocumentVersion.document_id)
    activated = activated.where(*seen, DocumentVersion.valid_from > since)
    for row in session.scalars(
        activated.order_by(DocumentVersion.valid_from, DocumentVersion.id).limit(_MOST_CHANGES + 1)
    ):
        change = "added" if row.number == 1 else "replaced"
        yield {
            "document_id": str(row.document_id),
            "change": change,
            "version": row.number,
            "at": _instant(row.valid_from),
        }
    gone = select(Document).where(*seen, Document.deleted_at > since)
    for document in session.scalars(gone.order_by(Document.deleted_at, Document.id).limit(_MOST_CHANGES + 1)):
        yield {"document_id": str(document.id), "change": "deleted", "at": _instant(document.deleted_at)}


def _ranking(then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Which passages are gone, new, moved or scored otherwise."""
    before = {item["chunk_id"]: item for item in then}
    after = {item["chunk_id"]: item for item in now}
    both = [key for key in before if key in after]
    return {
        "gone": [key for key in before if key not in after],
        "new": [key for key in after if key not in before],
        "moved": [key for key in both if before[key]["rank"] != after[key]["rank"]],
        "rescored": [key for key in both if before[key]["score"] != after[key]["score"]],
    }


def _context(asked: Mapping[str, Any]) -> QuestionContext:
    turns = tuple(
        ChatMessage(item["role"], item.get("content") or "·" * int(item.get("characters", 0)))
        for item in asked["history"]
    )
    return QuestionContext(turns, bool(asked["infer_filters"]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _instant(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


@lru_cache(1)
def _filters() -> TypeAdapter[DocumentFilter]:
    return TypeAdapter(DocumentFilter)
