from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ingest.pipeline.vectors import pack, unpack
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
