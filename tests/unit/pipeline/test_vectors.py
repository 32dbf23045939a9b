from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ingest.pipeline.vectors import GrowingVectors, pack, unpack
from rag.domain.vectors import ModelVectors, SparseVector, TextVectors

SPACE = "kiwi-bm25/1+minilm/1"
DIMENSIONS = 8

weights = st.floats(width=32, allow_nan=False)
terms = st.dictionaries(st.integers(0, 2**32 - 1), weights, max_size=6)
sparse = terms.map(lambda found: SparseVector(tuple(found), tuple(found.values())))
dense = arrays(np.float32, DIMENSIONS, elements=weights)
several = st.lists(st.builds(TextVectors, sparse, st.none() | st.builds(ModelVectors, dense)), max_size=8)
halves = st.floats(-1, 1, width=16)
tokens = arrays(np.float32, st.tuples(st.integers(1, 4), st.just(3)), elements=halves)
complete = st.lists(
    st.builds(TextVectors, sparse, st.none() | st.builds(ModelVectors, dense, sparse, tokens)), max_size=8
)


@given(several)
def test_vectors_come_back_as_they_were(vectors: list[TextVectors]) -> None:
    found = unpack(SPACE, pack(SPACE, vectors))
    assert found is not None
    assert [item.sparse for item in found] == [item.sparse for item in vectors]
    for item, original in zip(found, vectors, strict=True):
        if original.dense is None or item.dense is None:
            assert item.dense is original.dense
        else:
            assert item.dense.dtype == np.float32
            np.testing.assert_array_equal(item.dense, original.dense)


@given(complete)
def test_term_weights_and_token_vectors_come_back_too(vectors: list[TextVectors]) -> None:
    found = unpack(SPACE, pack(SPACE, vectors))
    assert found is not None
    assert [item.learned for item in found] == [item.learned for item in vectors]
    for item, original in zip(found, vectors, strict=True):
        assert (item.multi is None) is (original.multi is None)
        if item.multi is not None and original.multi is not None:
            assert item.multi.dtype == np.float32
            np.testing.assert_array_equal(item.multi, original.multi)  # the values fit float16


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.text())
def test_vectors_of_another_space_are_not_used(space: str, other: str) -> None:
    data = pack(space, [TextVectors(SparseVector((1,), (0.5,)), None)])
    assert (unpack(other, data) is None) is (other != space)
    assert unpack(space, data) is not None


def test_the_file_holds_plain_arrays() -> None:
    data = pack(SPACE, [TextVectors(SparseVector((7,), (1.0,)), ModelVectors(np.ones(DIMENSIONS, dtype=np.float32)))])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        heads = [archive.read(name)[:128] for name in archive.namelist()]
    assert len(heads) == 6
    assert all(head.startswith(b"\x93NUMPY") and b"'|O'" not in head for head in heads)


def test_pickled_objects_are_never_loaded() -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("a pickle was loaded",))

    buffer = io.BytesIO()
    np.savez(buffer, space=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        unpack(SPACE, buffer.getvalue())
    with pytest.raises(ValueError, match="allow_pickle"):
        unpack(SPACE, pickle.dumps(Trap()))


def same(found: Sequence[TextVectors], wanted: Sequence[TextVectors]) -> bool:
    """Whether two lists of vectors are equal, arrays included."""
    return len(found) == len(wanted) and all(
        one.sparse == other.sparse
        and one.learned == other.learned
        and all(
            (mine is None) is (theirs is None) and (mine is None or theirs is None or np.array_equal(mine, theirs))
            for mine, theirs in ((one.dense, other.dense), (one.multi, other.multi))
        )
        for one, other in zip(found, wanted, strict=True)
    )


@given(complete, st.data())
def test_pieces_of_any_size_make_the_same_vectors(vectors: list[TextVectors], data: st.DataObject) -> None:
    made = GrowingVectors()
    left = vectors
    while left:
        size = data.draw(st.integers(1, len(left)))
        made.add(left[:size])
        left = left[size:]
    cut = data.draw(st.integers(0, len(vectors)))
    assert len(made) == len(vectors)
    first, second = made.split([cut, len(vectors) - cut])
    assert same(first, vectors[:cut]) and same(second, vectors[cut:])
    assert pack(SPACE, second) == pack(SPACE, vectors[cut:])
    assert second.modelled.tolist() == [item.model is not None for item in vectors[cut:]]


def test_a_term_takes_eight_bytes_until_it_is_asked_for() -> None:
    rows, terms = 2000, 100
    made = GrowingVectors()
    tracemalloc.start()
    try:
        for start in range(0, rows, 50):
            ids = [range(row * terms, (row + 1) * terms) for row in range(start, start + 50)]
            made.add([TextVectors(SparseVector(tuple(own), (0.5 + own[0],) * terms)) for own in ids])
        grown, _ = tracemalloc.get_traced_memory()
        [whole] = made.split([rows])
        found = unpack(SPACE, pack(SPACE, whole))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None
    assert found[rows - 1].sparse.indices == tuple(range((rows - 1) * terms, rows * terms))
    assert grown < 12 * rows * terms
    assert most < 60 * rows * terms  # as tuples they take 70, on top of the file
