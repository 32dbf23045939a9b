"""What the index of a served corpus takes in memory by itself: the same points, written in a process that does nothing else.

    python -m tests.hostile.index_alone DATA [--dry]

Prints megabytes. Points are those of the record and the derived files of the service that has ended. The engine keeps a list for
each term in memory, so that it grows by the terms that are new with a document more than by anything else. With `--dry` points
are made and not written: what this process takes beside the index, to be taken off.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np

from api.cli.services import share_arenas
from ingest.pipeline.chunks_to_index import ChunksToIndex, in_groups_of
from ingest.pipeline.labels import tags_of
from ingest.pipeline.points import UPSERT_POINTS, point
from ingest.pipeline.vectors import PackedVectors, unpack
from rag.domain.vectors import SparseVector
from rag.index.base import IndexPoint, IndexSchema
from rag.index.edge import open_edge
from rag.store import version as versions_table
from rag.store.session import Database
from tests.hostile.serve import resident_mb
from tests.support.running import settings_for


def points(data: Path) -> Iterator[list[IndexPoint]]:
    """The points of each version under a data folder, as many at once as the service writes; a model's vectors are left out."""
    database = Database(settings_for(data).rag.store_url())
    with database.read() as session:
        versions = versions_table.of_index(session)
    for version in versions:
        with database.read() as session:
            tags = tags_of(session, version)
        vectors, start = stored(data, version.id), 0
        for group in in_groups_of(UPSERT_POINTS, ChunksToIndex(database, version.id)):
            part = vectors[start : start + len(group)]
            yield [replace(point(version, c, v, tags), dense=None) for c, v in zip(group, part, strict=True)]
            start += len(group)
    database.engine.dispose()


def stored(data: Path, version_id: UUID) -> PackedVectors:
    """The vectors of a version, whatever their space is called."""
    [path] = data.rglob(f"derived/{version_id}/vectors-*.npz")
    content = path.read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        space = str(arrays["space"])
    found = unpack(space, content)
    assert found is not None, path
    return found


def main() -> int:
    """Write the points and print what they took."""
    share_arenas()
    data, dry = Path(sys.argv[1]), "--dry" in sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="seogo-index-alone-") as folder:
        index = open_edge(Path(folder), IndexSchema("alone", None))
        index.upsert([IndexPoint(*(uuid4() for _ in range(5)), SparseVector((1,), (1.0,)))])
        before, written = resident_mb(), 0
        for group in points(data):
            if not dry:
                index.upsert(group)
            written += len(group)
        group = []
        sys.stdout.write(f"{resident_mb() - before:.1f}\n")
        assert written, data
        index.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
