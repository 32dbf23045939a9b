"""Fusion weights that `seogo eval tune` learned and stored."""

from __future__ import annotations

from rag.domain.language import CollectionKind, Language
from rag.retrieval.fusion import LearnedWeights, Weights
from rag.store import fusion_weight
from rag.store.session import Database


def stored_weights(database: Database, space: str) -> Weights:
    """The weights of an embedding space, by language of the question and kind of collection."""
    with database.read() as session:
        rows = fusion_weight.of_space(session, space)
    return {
        (Language(row.language), CollectionKind(row.kind)): LearnedWeights(row.lexical, row.learned) for row in rows
    }
