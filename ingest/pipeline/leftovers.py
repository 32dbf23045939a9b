"""What a deleted version may still have in index, derived files and chunks."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from rag.blobs.store import BlobStore
from rag.index.base import VectorIndex
from rag.store import chunk as chunks_table
from rag.store.session import Database


def remove_leftovers(database: Database, blobs: BlobStore, index: VectorIndex, version_ids: Sequence[UUID]) -> None:
    """Remove everything that was made of these deleted versions; their originals are not touched.

    Called by the purge, and by the next step of a batch whose step in work wrote something after the purge had looked.
    """
    if not version_ids:
        return
    index.delete_versions(version_ids)
    for version_id in version_ids:
        blobs.delete_derived(version_id)
    with database.write() as session:
        chunks_table.delete_of_versions(session, version_ids)
