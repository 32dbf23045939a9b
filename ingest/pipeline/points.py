"""From the chunks of a version to its points in one embedding space, by way of the stored vectors of that space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from ingest.pipeline import vectors as vector_file
from ingest.pipeline.chunks_to_index import ChunksToIndex, in_groups_of
from ingest.pipeline.embedding_pieces import embedded
from ingest.pipeline.vectors import PackedVectors
from rag.blobs.store import BlobStore
from rag.domain.document import Chunk
from rag.domain.vectors import TextVectors
from rag.index.base import IndexPoint, PointTags
from rag.retrieval.spaces import LiveSpace
from rag.store.version import DocumentVersion

UPSERT_POINTS = 256
"""Points handed to the index in one call."""


def first_group(versions: Iterable[DocumentVersion], chunks: int) -> list[DocumentVersion]:
    """The first of these versions, until they have so many chunks together; at least one where there is any."""
    group: list[DocumentVersion] = []
    held = 0
    for version in versions:
        group.append(version)
        held += version.chunk_count
        if held >= chunks:
            break
    return group


def stored_vectors(blobs: BlobStore, target: LiveSpace, version_id: UUID) -> PackedVectors | None:
    """The vectors of a version in this space; None when they are not stored."""
    return vector_file.load(blobs, version_id, target.vectors_name, target.id)


def store_vectors(blobs: BlobStore, target: LiveSpace, version_id: UUID, vectors: Sequence[TextVectors]) -> None:
    """Keep the vectors of a version in this space."""
    blobs.put_derived(version_id, vector_file.file_of(target.id), vector_file.pack(target.vectors_name, vectors))


def fitting(target: LiveSpace, chunks: ChunksToIndex, stored: PackedVectors | None) -> PackedVectors | None:
    """`stored`, if it is of these chunks, and has a model's vectors for just the languages that the model knows here."""
    if stored is None or len(stored) != len(chunks):
        return None
    known = [target.space.knows(language) for language in chunks.languages()]
    return stored if stored.modelled.tolist() == known else None


def version_points(
    blobs: BlobStore, target: LiveSpace, version: DocumentVersion, chunks: ChunksToIndex, tags: PointTags
) -> Iterator[list[IndexPoint]]:
    """A version's points in groups, from its stored vectors; embedded again only where those don't fit. Of a version that is
    purged meanwhile the last ones are missing, which `Pipeline.write` finds by their number."""
    stored = fitting(target, chunks, stored_vectors(blobs, target, version.id))
    lexical = stored is None and version.dense_pending  # what a model makes of them follows (`code_filling.py`)
    if stored is None and not lexical:
        made = embedded(chunks, target.space)
        [stored] = made.split([len(made)])
        store_vectors(blobs, target, version.id, stored)
    start = 0
    for group in in_groups_of(UPSERT_POINTS, chunks):
        end = start + len(group)
        vectors = target.space.embed_lexical(group) if stored is None else stored[start:end]
        yield [point(version, c, v, tags) for c, v in zip(group, vectors, strict=True)]
        start = end


def point(version: DocumentVersion, chunk: Chunk, vectors: TextVectors, tags: PointTags) -> IndexPoint:
    """A chunk as the index holds it.

    The validity is not known before activation: until then it is taken to begin with the upload.
    """
    return IndexPoint(
        chunk_id=chunk.id,
        tenant_id=version.tenant_id,
        collection_id=version.collection_id,
        document_id=version.document_id,
        version_id=version.id,
        sparse=vectors.sparse,
        dense=vectors.dense,
        learned=vectors.learned,
        multi=vectors.multi,
        labels=tags.labels,
        access=tags.access,
        valid_from=version.valid_from or version.created_at,
        valid_to=version.valid_to,
    )
