"""A version's vectors as one derived file, so that indexing never embeds twice.

The file is NumPy's npz with plain arrays (no pickle): `space` (name of the embedding space), `sparse_indptr`,
`sparse_indices`, `sparse_values` (CSR rows, one per chunk), `dense_rows` (ordinals that have a dense vector) and `dense`
(float32, shape (rows, d)). A model with term weights of its own adds `learned_…` like `sparse_…`, one with token vectors
`multi_indptr` and `multi` (float16: they are a hundred times as many, and cosines keep three digits); both for `dense_rows`.
A version has a file for each space that it was embedded in.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from rag.blobs.store import BlobStore
from rag.domain.vectors import ModelVectors, SparseVector, TextVectors

FILE = "vectors.npz"
"""The file's name before there were several spaces. Still read; the name of its space is in it."""


def file_of(identity: str) -> str:
    """Name of the file for the space with this identity (`rag.embedding.identity`)."""
    return f"vectors-{identity}.npz"


def load(blobs: BlobStore, version_id: UUID, space: str, identity: str) -> list[TextVectors] | None:
    """A version's vectors in the space with this name and identity; None when they are not stored."""
    for name in (file_of(identity), FILE):
        data = blobs.get_derived(version_id, name)
        found = None if data is None else unpack(space, data)
        if found is not None:
            return found
    return None


def pack(space: str, vectors: Sequence[TextVectors]) -> bytes:
    """The file for the vectors of n chunks, in ordinal order."""
    known = {i: item.model for i, item in enumerate(vectors) if item.model is not None}
    dense = [item.dense for item in known.values()]
    arrays: dict[str, Any] = {
        "space": np.array(space),
        "dense_rows": np.array(list(known), dtype=np.int64),
        "dense": np.stack(dense) if dense else np.zeros((0, 0), dtype=np.float32),
        **_csr("sparse", [item.sparse for item in vectors]),
    }
    learned = [item.learned for item in known.values() if item.learned is not None]
    if learned:
        arrays |= _csr("learned", learned)
    multi = [item.multi for item in known.values() if item.multi is not None]
    if multi:
        arrays |= {"multi_indptr": _bounds([len(item) for item in multi])}
        arrays |= {"multi": np.concatenate(multi).astype(np.float16)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(space: str, data: bytes) -> list[TextVectors] | None:
    """The vectors in the file; None when they belong to another embedding space."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        if str(arrays["space"]) != space:
            return None
        sparse = _sparse_rows("sparse", arrays)
        rows = arrays["dense_rows"].tolist()
        learned = _sparse_rows("learned", arrays) if "learned_indptr" in arrays else [None] * len(rows)
        multi = _multi_rows(arrays) if "multi" in arrays else [None] * len(rows)
        made = [ModelVectors(*row) for row in zip(arrays["dense"], learned, multi, strict=True)]
    model = dict(zip(rows, made, strict=True))
    return [TextVectors(vector, model.get(i)) for i, vector in enumerate(sparse)]


def _bounds(lengths: Sequence[int]) -> NDArray[np.int64]:
    """Where each of several pieces begins, and the last one ends: shape (n + 1,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _csr(name: str, vectors: Sequence[SparseVector]) -> dict[str, NDArray[Any]]:
    return {
        f"{name}_indptr": _bounds([len(item.indices) for item in vectors]),
        f"{name}_indices": np.array([i for item in vectors for i in item.indices], dtype=np.uint32),
        f"{name}_values": np.array([v for item in vectors for v in item.values], dtype=np.float32),
    }


def _sparse_rows(name: str, arrays: Mapping[str, NDArray[Any]]) -> list[SparseVector]:
    indices, values = arrays[f"{name}_indices"].tolist(), arrays[f"{name}_values"].tolist()
    bounds = pairwise(arrays[f"{name}_indptr"].tolist())
    return [SparseVector(tuple(indices[low:high]), tuple(values[low:high])) for low, high in bounds]


def _multi_rows(arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
    multi = arrays["multi"].astype(np.float32)
    return [multi[low:high] for low, high in pairwise(arrays["multi_indptr"].tolist())]
