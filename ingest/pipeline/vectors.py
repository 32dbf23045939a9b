"""A version's vectors as one derived file, so that indexing never embeds twice.

The file is NumPy's npz with plain arrays (no pickle): `space` (name of the embedding space), `sparse_indptr`,
`sparse_indices`, `sparse_values` (CSR rows, one per chunk), `dense_rows` (ordinals that have a dense vector) and `dense`
(float32, shape (rows, d)).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rag.domain.vectors import SparseVector
from rag.embedding.space import TextVectors

FILE = "vectors.npz"


def pack(space: str, vectors: Sequence[TextVectors]) -> bytes:
    """The file for the vectors of n chunks, in ordinal order."""
    dense_rows = [i for i, item in enumerate(vectors) if item.dense is not None]
    dense = [item.dense for item in vectors if item.dense is not None]
    lengths = [len(item.sparse.indices) for item in vectors]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        space=np.array(space),
        sparse_indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        sparse_indices=np.array([i for item in vectors for i in item.sparse.indices], dtype=np.uint32),
        sparse_values=np.array([v for item in vectors for v in item.sparse.values], dtype=np.float32),
        dense_rows=np.array(dense_rows, dtype=np.int64),
        dense=np.stack(dense) if dense else np.zeros((0, 0), dtype=np.float32),
    )
    return buffer.getvalue()


def unpack(space: str, data: bytes) -> list[TextVectors] | None:
    """The vectors in the file; None when they belong to another embedding space."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        if str(arrays["space"]) != space:
            return None
        bounds = arrays["sparse_indptr"].tolist()
        indices, values = arrays["sparse_indices"].tolist(), arrays["sparse_values"].tolist()
        dense = dict(zip(arrays["dense_rows"].tolist(), arrays["dense"], strict=True))
    return [
        TextVectors(SparseVector(tuple(indices[low:high]), tuple(values[low:high])), dense.get(i))
        for i, (low, high) in enumerate(pairwise(bounds))
    ]
