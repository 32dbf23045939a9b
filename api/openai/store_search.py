"""Search in vector stores: passages as `file_search` results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from uuid import UUID

from api.deps import Caller
from api.openai.attribute_filters import Filters, logic_of
from api.openai.file_schemas import StoreSearchIn
from api.openai.ids import FILE, shown
from api.schemas.common import AnchorOut
from api.schemas.search import passage_url
from rag.domain.messages import UiLanguage
from rag.domain.passage import Passage, documents_of
from rag.domain.principal import Permit
from rag.retrieval.understanding import QuestionContext
from rag.store import attribute, client_file
from rag.store.attribute_logic import filter_of


@dataclass(frozen=True, slots=True)
class StoreHit:
    """A passage with what OpenAI's clients know of its file.

    Attributes:
        score: 0 to 1, comparable within one search.
        url: where the passage can be opened, permission checked.
    """

    passage: Passage
    file_id: str
    score: float
    attributes: dict[str, str | int | float]
    url: str
    language: UiLanguage

    @property
    def filename(self) -> str:
        """The name of the file."""
        return self.passage.source.source_key

    def out(self) -> dict[str, Any]:
        """A result of a search; `source` is an addition of ours: where the passage stands."""
        source, chunk = self.passage.source, self.passage.chunk
        return {
            "file_id": self.file_id,
            "filename": self.filename,
            "score": self.score,
            "attributes": self.attributes,
            "content": [{"type": "text", "text": chunk.text}],
            "source": {
                "chunk_id": str(chunk.id),
                "title": source.title,
                "provision": chunk.provision,
                "anchor": AnchorOut.of(self.passage.anchor, self.language).model_dump(mode="json"),
                "url": self.url,
            },
        }


def narrowed(caller: Caller, permit: Permit, filters: Filters | None) -> Permit:
    """The permit for the documents for which the filters hold.

    Raises:
        InvalidRequest: a filter is not valid.
        FilterTooWide: it holds for too many documents.
    """
    if filters is None:
        return permit
    with caller.services.rag.database.read() as session:
        return permit.filtered(filter_of(session, permit, logic_of(filters)))


def found_in(caller: Caller, permit: Permit, body: StoreSearchIn, base: str) -> list[StoreHit]:
    """The passages for the questions of `body` under the permit, at most as many as it wants."""
    inside = narrowed(caller, permit, body.filters)
    retriever = caller.services.rag.retriever
    context = QuestionContext((), body.rewrite_query)
    lists = [
        retriever.search(inside, question, limit=body.max_num_results, context=context).passages
        for question in body.queries()
    ]
    passages = _in_turns(lists)[: body.max_num_results]
    hits = hits_of(caller, passages, base)
    caller.audit.searched("\n".join(body.queries()), documents_of(passages))
    return [item for item in hits if item.score >= body.ranking_options.score_threshold]


def hits_of(caller: Caller, passages: Sequence[Passage], base: str) -> list[StoreHit]:
    """Passages with their files' ids and attributes."""
    documents = {item.source.document_id for item in passages}
    with caller.services.rag.database.read() as session:
        attributes = attribute.of_documents(session, documents)
        files: Mapping[UUID, UUID] = client_file.file_ids(session, documents)
    return [
        StoreHit(
            item,
            shown(FILE, files[item.source.document_id]),
            _score(item),
            {name: value.plain for name, value in attributes.get(item.source.document_id, {}).items()},
            passage_url(base, item.chunk.id, item.source, item.anchor),
            caller.language,
        )
        for item in passages
    ]


def _score(passage: Passage) -> float:
    """The reranker's score where it read the passage, else the fused one; that reaches about 1."""
    score = passage.score if passage.rerank is None else passage.rerank
    return round(min(1.0, max(0.0, score)), 6)


def _in_turns(lists: Iterable[Sequence[Passage]]) -> list[Passage]:
    """The first of each list, then the second of each…; a passage counts where it comes first."""
    seen: dict[UUID, Passage] = {}
    for row in zip_longest(*lists):
        for item in row:
            if item is not None:
                seen.setdefault(item.chunk.id, item)
    return list(seen.values())
