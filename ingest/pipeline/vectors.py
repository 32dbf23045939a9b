"""A version's vectors as one derived file, so that indexing never embeds twice.

The file is NumPy's npz with plain arrays (no pickle): `space` (name of the embedding space), `sparse_indptr`,
`sparse_indices`, `sparse_values` (CSR rows, one per chunk), `dense_rows` (ordinals that have a dense vector) and `dense`
(float32, shape (rows, d)). A model with term weights of its own adds `learned_…` like `sparse_…`, one with token vectors
`multi_indptr` and `multi` (float16: they are a hundred times as many, and cosines keep three digits); both for `dense_rows`.
A version has a file for each space that it was embedded in.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, overload
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


@dataclass(frozen=True, slots=True)
class _Rows:
    """Sparse vectors of n texts: `indptr` int64 (n + 1,), `indices` uint32 and `values` float32 (terms,)."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.uint32]
    values: NDArray[np.float32]

    def row(self, place: int) -> SparseVector:
        low, high = self.indptr[place], self.indptr[place + 1]
        return SparseVector(tuple(self.indices[low:high].tolist()), tuple(self.values[low:high].tolist()))

    def part(self, start: int, stop: int) -> _Rows:
        low, high = self.indptr[start], self.indptr[stop]
        return _Rows(self.indptr[start : stop + 1] - low, self.indices[low:high], self.values[low:high])


class PackedVectors(Sequence[TextVectors]):
    """The vectors of n texts in a few arrays; a text's own are made when it is asked for.

    A term takes 8 bytes so, and 80 as an id and a weight in tuples: a table of 300,000 rows has half a million of them.
    """

    def __init__(
        self,
        sparse: _Rows,
        known: NDArray[np.int64],
        dense: NDArray[np.float32],
        learned: _Rows | None = None,
        multi: tuple[NDArray[np.int64], NDArray[np.float16]] | None = None,
    ) -> None:
        """As in the file: `known` are the m places, ascending, that have a row in the other arrays."""
        self._sparse, self._known, self._dense, self._learned, self._multi = sparse, known, dense, learned, multi

    @classmethod
    def of(cls, vectors: Sequence[TextVectors]) -> PackedVectors:
        """These vectors packed; as they are when they are packed already."""
        if isinstance(vectors, PackedVectors):
            return vectors
        known = {place: item.model for place, item in enumerate(vectors) if item.model is not None}
        dense = [item.dense for item in known.values()]
        learned = [item.learned for item in known.values() if item.learned is not None]
        multi = [item.multi for item in known.values() if item.multi is not None]
        return cls(
            _rows([item.sparse for item in vectors]),
            np.array(list(known), dtype=np.int64),
            np.stack(dense) if dense else np.zeros((0, 0), dtype=np.float32),
            _rows(learned) if learned else None,
            (_bounds([len(item) for item in multi]), np.concatenate(multi).astype(np.float16)) if multi else None,
        )

    @classmethod
    def joined(cls, parts: Sequence[PackedVectors]) -> PackedVectors:
        """Several, one after the other."""
        starts = np.cumsum([0, *map(len, parts)])
        modelled = [part for part in parts if len(part._known)]
        learned = [part._learned for part in modelled if part._learned is not None]
        multi = [part._multi for part in modelled if part._multi is not None]
        bounds = [np.diff(item[0]) for item in multi]
        return cls(
            _joined_rows([part._sparse for part in parts]),
            np.concatenate(
                [np.zeros(0, np.int64), *[part._known + at for part, at in zip(parts, starts, strict=False)]]
            ),
            np.concatenate([part._dense for part in modelled]) if modelled else np.zeros((0, 0), dtype=np.float32),
            _joined_rows(learned) if learned else None,
            (_bounds(np.concatenate(bounds)), np.concatenate([item[1] for item in multi])) if multi else None,
        )

    @property
    def modelled(self) -> NDArray[np.bool_]:
        """Shape (n,): which of them have a model's vectors."""
        found = np.zeros(len(self), dtype=np.bool_)
        found[self._known] = True
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the file holds of them."""
        found: dict[str, NDArray[Any]] = {"dense_rows": self._known, "dense": self._dense}
        found |= _named("sparse", self._sparse)
        if self._learned is not None:
            found |= _named("learned", self._learned)
        if self._multi is not None:
            found |= {"multi_indptr": self._multi[0], "multi": self._multi[1]}
        return found

    def __len__(self) -> int:
        """n."""
        return len(self._sparse.indptr) - 1

    @overload
    def __getitem__(self, place: int) -> TextVectors: ...
    @overload
    def __getitem__(self, place: slice) -> PackedVectors: ...
    def __getitem__(self, place: int | slice) -> TextVectors | PackedVectors:
        """A text's vectors, or those of texts that follow one another."""
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                raise ValueError("packed vectors are taken in a row")
            return self._part(start, max(start, stop))
        if not 0 <= place < len(self):
            raise IndexError(place)
        row = int(np.searchsorted(self._known, place))
        found = row < len(self._known) and self._known[row] == place
        return TextVectors(self._sparse.row(place), self._model(row) if found else None)

    def _model(self, row: int) -> ModelVectors:
        learned = self._learned.row(row) if self._learned is not None else None
        multi = None
        if self._multi is not None:
            bounds, tokens = self._multi
            multi = tokens[bounds[row] : bounds[row + 1]].astype(np.float32)
        return ModelVectors(self._dense[row], learned, multi)

    def _part(self, start: int, stop: int) -> PackedVectors:
        low, high = np.searchsorted(self._known, (start, stop)).tolist()
        if low == high:
            return PackedVectors(self._sparse.part(start, stop), self._known[:0], np.zeros((0, 0), dtype=np.float32))
        learned = self._learned.part(low, high) if self._learned is not None else None
        multi = None
        if self._multi is not None:
            bounds, tokens = self._multi
            multi = (bounds[low : high + 1] - bounds[low], tokens[bounds[low] : bounds[high]])
        known = self._known[low:high] - start
        return PackedVectors(self._sparse.part(start, stop), known, self._dense[low:high], learned, multi)


class GrowingVectors:
    """Vectors that are made piece by piece, each piece packed when it comes."""

    def __init__(self) -> None:
        self._parts: list[PackedVectors] = []
        self._length = 0

    def add(self, vectors: Sequence[TextVectors]) -> None:
        """The next ones."""
        self._parts.append(PackedVectors.of(vectors))
        self._length += len(vectors)

    def __len__(self) -> int:
        """How many there are."""
        return self._length

    def split(self, lengths: Sequence[int]) -> Iterator[PackedVectors]:
        """All of them in parts of these lengths, which are theirs together."""
        whole = PackedVectors.joined(self._parts)
        for low, high in pairwise(_bounds(lengths).tolist()):
            yield whole[low:high]


def load(blobs: BlobStore, version_id: UUID, space: str, identity: str) -> PackedVectors | None:
    """A version's vectors in the space with this name and identity; None when they are not stored."""
    for name in (file_of(identity), FILE):
        data = blobs.get_derived(version_id, name)
        found = None if data is None else unpack(space, data)
        if found is not None:
            return found
    return None


def pack(space: str, vectors: Sequence[TextVectors]) -> bytes:
    """The file for the vectors of n chunks, in ordinal order."""
    arrays: dict[str, Any] = {"space": np.array(space), **PackedVectors.of(vectors).arrays()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(space: str, data: bytes) -> PackedVectors | None:
    """The vectors in the file; None when they belong to another embedding space."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        if str(arrays["space"]) != space:
            return None
        known = arrays["dense_rows"]
        learned = _read("learned", arrays) if "learned_indptr" in arrays else None
        multi = (arrays["multi_indptr"], arrays["multi"]) if "multi" in arrays else None
        return PackedVectors(_read("sparse", arrays), known, arrays["dense"], learned, multi)


def _bounds(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of several pieces begins, and the last one ends: shape (n + 1,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _rows(vectors: Sequence[SparseVector]) -> _Rows:
    return _Rows(
        _bounds([len(item.indices) for item in vectors]),
        np.array([i for item in vectors for i in item.indices], dtype=np.uint32),
        np.array([v for item in vectors for v in item.values], dtype=np.float32),
    )


def _joined_rows(parts: Sequence[_Rows]) -> _Rows:
    if not parts:
        return _rows(())
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    indices, values = (np.concatenate(found) for found in zip(*((p.indices, p.values) for p in parts), strict=True))
    return _Rows(_bounds(lengths), indices, values)


def _named(name: str, rows: _Rows) -> dict[str, NDArray[Any]]:
    return {f"{name}_indptr": rows.indptr, f"{name}_indices": rows.indices, f"{name}_values": rows.values}


def _read(name: str, arrays: Mapping[str, NDArray[Any]]) -> _Rows:
    return _Rows(arrays[f"{name}_indptr"], arrays[f"{name}_indices"], arrays[f"{name}_values"])
