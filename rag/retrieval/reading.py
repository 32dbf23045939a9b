"""From a fused ranking to permitted passages: read from the record, boosted, read again by a reranker, arranged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.personal_data.reading import read_masked
from rag.domain.passage import LocatedChunk, Passage, RerankTrace
from rag.domain.principal import Permit
from rag.domain.provision import Path
from rag.retrieval.figures import exactness
from rag.retrieval.fusion import FusedHit
from rag.retrieval.ranking import Arrangement, Boosts, arranged, boosted
from rag.retrieval.reranking import SecondLook
from rag.settings import RetrievalSettings
from rag.store import attribute
from rag.store.session import Database

_SPARE = 2
"""Hits read from the record per passage wanted: some are withheld, repeated or merged away."""
_BOOSTED = 100
"""Hits read at least where boosts are on, and looked at for their provisions when a question names one."""
PROVISION_BOOST = 0.1
"""Added to the fused score of a passage that belongs to the provision asked for: enough to lead its equals, not to lift what has
nothing else of the question over what has. An article without the paragraph asked for gets its share."""
PROVISION = "provision"
"""Name under which it stands among a passage's boosts. So it counts for a reranker too, which reads past numbers of articles."""


@dataclass(frozen=True, slots=True)
class Read:
    """Passages as they are shown, the hits that the record does not permit, and the reranker's part."""

    found: Arrangement
    withheld: int
    rerank: RerankTrace


@dataclass(frozen=True, slots=True)
class PassageReader:
    """Reads passages under a permit. Thread-safe."""

    database: Database
    settings: RetrievalSettings
    second_look: SecondLook

    def read(self, permit: Permit, question: str, fused: Sequence[FusedHit], limit: int, of_code: str = "") -> Read:
        """The best hits that the record still permits; more are read until the limit is met or none are left.

        The reranker gets its candidates once, after the record has permitted every one of them; those of code with the question
        as `of_code` puts it.
        """
        rules = self.settings
        together = self._together(limit)
        passages, reranked = self.second_look.reordered(question, [])
        found, withheld, position = Arrangement((), ()), 0, 0
        while len(found.passages) < limit and position < len(fused):
            hits = fused[position : position + together]
            position += len(hits)
            permitted = self._permitted(permit, hits)
            withheld += len(hits) - len(permitted)
            passages += permitted
            if len(passages) < self.second_look.candidates and position < len(fused):
                continue
            if not reranked.candidates:
                passages, reranked = self.second_look.reordered(question, passages, of_code)
            found = arranged(
                passages, limit=limit, merge=rules.merge_neighbours, max_per_document=rules.max_per_document
            )
        return Read(found, withheld, reranked)

    def provisions_first(
        self, permit: Permit, fused: Sequence[FusedHit], provisions: Sequence[Path]
    ) -> Sequence[FusedHit]:
        """The ranking with passages of the provisions that a question names before their equals."""
        if not provisions:
            return fused
        head = [hit.chunk_id for hit in fused[:_BOOSTED]]
        with self.database.read() as session:
            read = read_masked(session, permit, head)
        boosts = {
            key: PROVISION_BOOST * max(exactness(item.chunk.provisions, path) / len(path) for path in provisions)
            for key, item in read.items()
        }
        raised = (_raised(hit, boosts.get(hit.chunk_id, 0.0)) for hit in fused)
        return sorted(raised, key=lambda hit: (-hit.score, hit.chunk_id))

    def _together(self, limit: int) -> int:
        """Hits read at once. A boost or a reranker can lift what stands below the first few."""
        wanted = max(_SPARE * limit, self.second_look.candidates)
        return max(wanted, _BOOSTED) if self._boosts().active else wanted

    def _boosts(self) -> Boosts:
        rules = self.settings
        return Boosts(rules.recency_half_life_days, rules.recency_weight, rules.authority_weight)

    def _permitted(self, permit: Permit, hits: Sequence[FusedHit]) -> list[Passage]:
        boosts = self._boosts()
        with self.database.read() as session:
            permitted = read_masked(session, permit, [hit.chunk_id for hit in hits])
            authority = self._authority(session, permitted.values()) if boosts.active else {}
        return boosted(list(_passages(hits, permitted)), boosts, datetime.now(UTC), authority)

    def _authority(self, session: Session, chunks: Iterable[LocatedChunk]) -> dict[UUID, float]:
        """What the documents' attribute says, where it is a number."""
        name = self.settings.authority_attribute
        found = attribute.of_documents(session, {source.document_id for _, source in chunks})
        values = {key: values[name].number for key, values in found.items() if name in values}
        return {key: number for key, number in values.items() if number is not None}


def _raised(hit: FusedHit, boost: float) -> FusedHit:
    """The hit with a boost, which is shown among its others."""
    if boost <= 0.0:
        return hit
    return FusedHit(hit.chunk_id, hit.score + boost, hit.legs, hit.estimated, {**hit.boosts, PROVISION: boost})


def _passages(hits: Sequence[FusedHit], found: Mapping[UUID, LocatedChunk]) -> Iterator[Passage]:
    for hit in hits:
        if hit.chunk_id in found:
            chunk, source = found[hit.chunk_id]
            yield Passage(rank=0, score=hit.score, chunk=chunk, source=source, legs=hit.legs, boosts=hit.boosts)
