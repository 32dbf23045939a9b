"""What the index of a served corpus takes in memory by itself: the same points, written in a process that does nothing else.

    python -m tests.hostile.index_alone DATA

Prints megabytes. Vectors are read from the derived files of the service that has ended; the engine keeps a list for each term in
memory, so that it grows by the terms that are new with a document more than by anything else.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np

from api.cli.services import share_arenas
from ingest.pipeline.points import UPSERT_POINTS
from ingest.pipeline.vectors import PackedVectors, unpack
from rag.domain.vectors import SparseVector, TextVectors
from rag.index.base import IndexPoint, IndexSchema
from rag.index.edge import open_edge
from tests.hostile.serve import resident_mb

_LABELS = ("media:text/plain", "uploaded:2026", "uploaded:2026-01")


def stored(data: Path) -> Iterator[PackedVectors]:
    """The vectors of each version under a data folder."""
    for path in sorted(data.rglob("vectors-*.npz")):
        content = path.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            space = str(arrays["space"])
        found = unpack(space, content)
        if found is not None:
            yield found


def main() -> int:
    """Write the points and print what they took."""
    share_arenas()
    tenant, collection = uuid4(), uuid4()
    with tempfile.TemporaryDirectory(prefix="seogo-index-alone-") as folder:
        index = open_edge(Path(folder), IndexSchema("alone", None))
        index.upsert([IndexPoint(uuid4(), tenant, collection, uuid4(), uuid4(), SparseVector((1,), (1.0,)), None)])
        before = resident_mb()
        for vectors in stored(Path(sys.argv[1])):
            identity = (tenant, collection, uuid4(), uuid4())
            for start in range(0, len(vectors), UPSERT_POINTS):
                part: list[TextVectors] = list(vectors[start : start + UPSERT_POINTS])
                index.upsert([IndexPoint(uuid4(), *identity, item.sparse, None, labels=_LABELS) for item in part])
        vectors = part = []
        sys.stdout.write(f"{resident_mb() - before:.1f}\n")
        index.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
