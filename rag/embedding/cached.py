"""An embedder that remembers questions: people ask the same ones, and repeat theirs with another filter."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from threading import Lock

import numpy as np

from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Embedder, Role
from rag.embedding.decoding import Decode, decoder_of
from rag.embedding.outputs import take
from rag.embedding.pieces import Piece, piece_of

QUERY_CACHE_BYTES = 64 * 2**20
"""Some 11,000 questions of bge-m3 with term weights, or 500 with token vectors too."""

_ENTRY_BYTES = 500
_TERM_BYTES = 80
"""What Python takes for an entry without its arrays, and for a term's id and weight as objects in tuples."""


class CachedEmbedder:
    """Stands before any `Embedder` and keeps the vectors of queries by the SHA-256 of role and text; thread-safe.

    Beyond `max_bytes` the longest unused go first. A question that is asked twice at once is embedded once. Passages are passed
    on: `ingest/pipeline/reuse.py` takes their vectors from the record, where they outlive the process.
    """

    def __init__(self, embedder: Embedder, max_bytes: int = QUERY_CACHE_BYTES) -> None:
        self._embedder = embedder
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = Lock()
        self._kept: OrderedDict[bytes, Embeddings] = OrderedDict()
        self._coming: dict[bytes, Future[Embeddings]] = {}

    @property
    def name(self) -> str:
        """See `Embedder`."""
        return self._embedder.name

    @property
    def dimensions(self) -> int | None:
        """See `Embedder`."""
        return self._embedder.dimensions

    @property
    def learned(self) -> bool:
        """See `Embedder`."""
        return self._embedder.learned

    @property
    def multi(self) -> int | None:
        """See `Embedder`."""
        return self._embedder.multi

    @property
    def max_tokens(self) -> int:
        """See `Embedder`."""
        return self._embedder.max_tokens

    @property
    def languages(self) -> frozenset[Language]:
        """See `Embedder`."""
        return self._embedder.languages

    @property
    def piece(self) -> Piece:
        """See `piece_of`."""
        return piece_of(self._embedder)

    @property
    def size_bytes(self) -> int:
        """What the kept vectors take, roughly."""
        with self._lock:
            return self._bytes

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `Embedder`."""
        return self._embedder.count_tokens(texts)

    def token_decoder(self) -> Decode | None:
        """See `decoder_of`."""
        return decoder_of(self._embedder)

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        """See `Embedder`. The arrays of queries are read-only: they are shared with whoever asks the same."""
        if role is not Role.QUERY or not texts:
            return self._embedder.embed(texts, role)
        keys = [_key(text, role) for text in texts]
        by_key = dict(zip(keys, texts, strict=True))
        places, new = self._places(by_key)
        if new:
            self._make({key: by_key[key] for key in new}, role)
        return _joined([places[key].result() for key in keys])

    def _places(self, keys: Iterable[bytes]) -> tuple[dict[bytes, Future[Embeddings]], list[bytes]]:
        """Where the vectors of each key are or will be, and the keys that this caller has to make."""
        places: dict[bytes, Future[Embeddings]] = {}
        new: list[bytes] = []
        with self._lock:
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    places[key] = Future()
                    places[key].set_result(self._kept[key])
                elif key in self._coming:
                    places[key] = self._coming[key]
                else:
                    places[key] = self._coming[key] = Future()
                    new.append(key)
        return places, new

    def _make(self, new: dict[bytes, str], role: Role) -> None:
        """Embed what nobody has; whoever waits for it gets it, or the error."""
        try:
            made = self._embedder.embed(list(new.values()), role)
            rows = {key: _own(take(made, [i])) for i, key in enumerate(new)}
        except BaseException as error:
            with self._lock:
                places = [self._coming.pop(key) for key in new]
            for place in places:
                place.set_exception(error)
            return
        with self._lock:
            places = [self._coming.pop(key) for key in new]
            for key, row in rows.items():
                self._keep(key, row)
        for place, row in zip(places, rows.values(), strict=True):
            place.set_result(row)

    def _keep(self, key: bytes, row: Embeddings) -> None:
        size = _size(row)
        if size > self._max_bytes:
            return
        self._kept[key] = row
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._bytes -= _size(self._kept.popitem(last=False)[1])


def _key(text: str, role: Role) -> bytes:
    # A lone surrogate can't be encoded by the strict codec, and a question may hold one.
    return hashlib.sha256(f"{role.value}\0{text}".encode("utf-8", "surrogatepass")).digest()


def _own(row: Embeddings) -> Embeddings:
    """The same, never to be written again."""
    for array in (*((row.dense,) if row.dense is not None else ()), *(row.multi or ())):
        array.setflags(write=False)
    return row


def _size(row: Embeddings) -> int:
    dense = row.dense.nbytes if row.dense is not None else 0
    terms = sum(len(vector.indices) for vector in row.sparse or ())
    return _ENTRY_BYTES + dense + _TERM_BYTES * terms + sum(matrix.nbytes for matrix in row.multi or ())


def _joined(rows: Sequence[Embeddings]) -> Embeddings:
    """Embeddings of one text each, in one. All have the same parts."""
    if len(rows) == 1:
        return rows[0]
    first = rows[0]
    return Embeddings(
        dense=np.concatenate([row.dense for row in rows if row.dense is not None]) if first.dense is not None else None,
        sparse=tuple(vector for row in rows for vector in row.sparse or ()) if first.sparse is not None else None,
        multi=tuple(matrix for row in rows for matrix in row.multi or ()) if first.multi is not None else None,
    )
