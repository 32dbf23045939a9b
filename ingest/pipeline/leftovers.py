"""What a deleted or failed version may still have in index, derived files and chunks."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ingest.pipeline.fault_points import reached
from rag.blobs.store import BlobStore
from rag.index.in_step import IndexWriter
from rag.store import chunk as chunks_table
from rag.store import code_symbol
from rag.store.session import Database


def remove_leftovers(
    database: Database, blobs: BlobStore, index: IndexWriter, version_ids: Sequence[UUID], step: str = "purge"
) -> None:
    """Remove everything that was made of these versions, deleted or failed; their originals are not touched.

    Called by the purge, by the end of a batch, and by the next step of a batch whose step in work wrote something after
    the purge had looked.

    Args:
        step: names the fault points.
    """
    if not version_ids:
        return
    index.delete_versions(version_ids)
    reached(f"{step}.points_removed", version_ids[0])
    with database.write() as session:
        chunks_table.delete_of_versions(session, version_ids)
        code_symbol.delete_of_versions(session, version_ids)
        reached(f"{step}.rows_removed", version_ids[0])
    for version_id in version_ids:
        blobs.delete_derived(version_id)
        reached(f"{step}.blob_removed", version_id)
    reached(f"{step}.blobs_removed", version_ids[0])
