from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.errors import ModelUnavailable
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.embedding.local import bounds_of
from rag.embedding.outputs import Outputs
from rag.inference.batcher import Batcher
from rag.inference.batches import Bounds, pack, padding_factor
from rag.inference.lanes import Lanes
from rag.inference.memory import lacks_memory

BOUNDS = Bounds(64, 8, 1.2)


def unit(token_ids: Sequence[list[int]]) -> Embeddings:
    """A fake model: the angle is the text's first token."""
    angles = np.array([ids[0] for ids in token_ids], dtype=np.float32)
    return Embeddings(dense=np.stack([np.cos(angles), np.sin(angles)], axis=1))


class RecordingModel:
    """Notes each batch by the first tokens of its texts. The first batch waits until it is let go."""

    def __init__(self, model: Callable[[Sequence[list[int]]], Embeddings] = unit, *, hold: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.entered, self.go_on = threading.Event(), threading.Event()
        self._model = model
        if not hold:
            self.go_on.set()

    def __call__(self, token_ids: list[list[int]]) -> Embeddings:
        self.batches.append([ids[0] for ids in token_ids])
        self.entered.set()
        assert self.go_on.wait(30)
        return self._model(token_ids)


def batcher(model: Callable[[list[list[int]]], Embeddings], lanes: int = 1, bounds: Bounds = BOUNDS) -> Batcher:
    return Batcher(
        name="fake",
        forward=model,
        results=Outputs(2),
        lanes=Lanes(lanes),
        bounds=bounds,
        lacks_memory=lacks_memory,
    )


def text(first: int, length: int) -> list[int]:
    return [first, *[0] * (length - 1)]


def rows(future: Future[Embeddings]) -> np.ndarray:
    dense = future.result(30).dense
    assert dense is not None
    return dense


def occupied(model: RecordingModel, **settings: object) -> Batcher:
    """A batcher whose only lane is at a first batch, text 99."""
    made = batcher(model, **settings)  # type: ignore[arg-type]
    made.submit(urgent=False, batches=[[text(99, 60)]])
    assert model.entered.wait(30)
    return made


# ---- merging


def test_waiting_questions_of_several_users_become_one_batch() -> None:
    model = RecordingModel()
    queue = occupied(model)
    futures = [queue.submit(urgent=True, batches=[[text(i, 10)]])[0] for i in range(1, 6)]
    model.go_on.set()
    for i, future in enumerate(futures, start=1):
        np.testing.assert_array_equal(rows(future), unit([[i]]).dense)
    assert model.batches == [[99], [1, 2, 3, 4, 5]]


def test_a_merged_batch_keeps_the_token_budget_and_the_order_of_those_who_wait() -> None:
    model = RecordingModel()
    queue = occupied(model)
    futures = [queue.submit(urgent=True, batches=[[text(i, 20)]])[0] for i in range(1, 6)]
    model.go_on.set()
    [future.result(30) for future in futures]
    assert model.batches == [[99], [1, 2, 3], [4, 5]]  # 3 x 20 of 64


def test_texts_of_very_different_length_are_not_merged_but_later_ones_may_be() -> None:
    model = RecordingModel()
    queue = occupied(model)
    futures = [queue.submit(urgent=True, batches=[[text(i, length)]])[0] for i, length in ((1, 20), (2, 2), (3, 19))]
    model.go_on.set()
    [future.result(30) for future in futures]
    assert model.batches == [[99], [1, 3], [2]]  # a padded 2 x 20 would be 1.8 times the 22 real tokens


def test_a_question_is_not_merged_with_passages_nor_behind_them() -> None:
    model = RecordingModel()
    queue = occupied(model)
    upload = queue.submit(urgent=False, batches=[[text(i, 10)] for i in (11, 12)])
    other = queue.submit(urgent=False, batches=[[text(13, 10)]])
    question = queue.submit(urgent=True, batches=[[text(1, 10)]])
    model.go_on.set()
    [future.result(30) for future in (*upload, *other, *question)]
    # The two batches of one upload were cut for two lanes, and stay apart; another's joins the first of them.
    assert model.batches == [[99], [1], [11, 13], [12]]


def test_nothing_is_merged_while_a_lane_stands_idle() -> None:
    model, gate = RecordingModel(), threading.Event()
    queue = batcher(model, lanes=2)
    blocker = queue._lanes.submit(
        lambda: gate.wait(30), urgent=True
    )  # so that both requests are there before a lane is
    other = queue._lanes.submit(lambda: gate.wait(30), urgent=True)
    futures = [queue.submit(urgent=True, batches=[[text(i, 10)]])[0] for i in (1, 2)]
    gate.set()
    model.go_on.set()
    assert blocker.result(30) and other.result(30)
    [future.result(30) for future in futures]
    assert sorted(model.batches) == [[1], [2]]


def test_a_cancelled_batch_is_not_run() -> None:
    model = RecordingModel()
    queue = occupied(model)
    first, second = (queue.submit(urgent=True, batches=[[text(i, 10)]])[0] for i in (1, 2))
    assert first.cancel()
    model.go_on.set()
    second.result(30)
    assert model.batches == [[99], [2]]


def test_one_user_s_broken_text_does_not_fail_another_s_question() -> None:
    def model(token_ids: Sequence[list[int]]) -> Embeddings:
        if any(ids[0] == 2 for ids in token_ids):
            raise RuntimeError("index out of range")
        return unit(token_ids)

    recording = RecordingModel(model)
    queue = occupied(recording)
    futures = [queue.submit(urgent=True, batches=[[text(i, 10)]])[0] for i in (1, 2, 3)]
    recording.go_on.set()
    assert rows(futures[0]).shape == rows(futures[2]).shape == (1, 2)
    with pytest.raises(RuntimeError, match="out of range"):
        futures[1].result(30)
    assert recording.batches == [[99], [1, 2, 3], [1], [2], [3]]


def test_concurrent_callers_each_get_their_own_rows() -> None:
    queue = batcher(RecordingModel(hold=False), lanes=2, bounds=bounds_of(64))

    def caller(number: int) -> bool:
        firsts = [number * 10 + i for i in range(1, 4)]
        role = Role.QUERY if number % 3 else Role.PASSAGE
        futures = queue.submit(urgent=role is Role.QUERY, batches=[[text(first, number % 7 + 1)] for first in firsts])
        return all(
            np.array_equal(rows(future), unit([[first]]).dense) for first, future in zip(firsts, futures, strict=True)
        )

    with ThreadPoolExecutor(12) as callers:
        assert all(callers.map(caller, range(120)))


# ---- padding


@given(st.lists(st.integers(1, 600), max_size=60))
def test_little_is_padded_in_every_batch(lengths: list[int]) -> None:
    bounds = bounds_of(1024)
    batches = pack(lengths, bounds)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        padded, real = len(batch) * max(lengths[i] for i in batch), sum(lengths[i] for i in batch)
        assert padded <= 1024
        assert padded <= max(bounds.smallest, 1.2 * real) + 1e-6


@pytest.mark.parametrize("count", [1, 8, 64, 256])
@pytest.mark.parametrize("median", [20, 60, 200])
def test_texts_of_lognormal_length_come_to_at_most_1_2_tokens_for_each_real_one(count: int, median: int) -> None:
    random = np.random.default_rng(count)
    lengths = np.clip(random.lognormal(np.log(median), 0.8, count), 3, 512).astype(int).tolist()
    assert padding_factor(lengths, pack(lengths, bounds_of(1024))) <= 1.2


# ---- memory


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_a_batch_that_is_too_large_is_halved_until_it_fits(error: Exception) -> None:
    def small(token_ids: Sequence[list[int]]) -> Embeddings:
        if len(token_ids) > 2:
            raise error
        return unit(token_ids)

    model = RecordingModel(small, hold=False)
    [future] = batcher(model).submit(urgent=False, batches=[[text(i, 5) for i in range(1, 8)]])
    np.testing.assert_array_equal(rows(future), unit([[i] for i in range(1, 8)]).dense)
    assert [batch for batch in model.batches if len(batch) <= 2] == [[1], [2, 3], [4, 5], [6, 7]]


def test_torch_s_own_error_is_one_of_memory_and_others_are_not() -> None:
    import torch

    assert lacks_memory(torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(RuntimeError) as found:
        torch.empty(1 << 60)
    assert lacks_memory(found.value)
    assert not lacks_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not lacks_memory(ValueError("allocation"))


def test_no_memory_for_a_single_text_is_an_unavailable_model() -> None:
    def never(token_ids: Sequence[list[int]]) -> Embeddings:
        raise MemoryError

    model = RecordingModel(never, hold=False)
    [future] = batcher(model).submit(urgent=False, batches=[[text(i, 5) for i in (1, 2, 3, 4)]])
    with pytest.raises(ModelUnavailable, match="fake"):
        future.result(30)
    assert model.batches == [[1, 2, 3, 4], [1, 2], [1]]


# ---- soundness

ONE = np.array([[0.6, 0.8]], dtype=np.float32)


def term(*values: float) -> SparseVector:
    return SparseVector(tuple(range(len(values))), values)


@pytest.mark.parametrize(
    "vectors",
    [
        Embeddings(dense=ONE),
        Embeddings(dense=ONE, sparse=(term(1.0),)),
        Embeddings(sparse=(term(1.0),), multi=(ONE,)),
        Embeddings(dense=ONE, sparse=(), multi=(ONE,)),
        Embeddings(dense=ONE, sparse=(term(1.0, float("nan")),), multi=(ONE,)),
        Embeddings(dense=ONE, sparse=(term(float("inf")),), multi=(ONE,)),
        Embeddings(dense=ONE, sparse=(term(2.0, -1.0),), multi=(ONE,)),
        Embeddings(dense=ONE, sparse=(term(1.0),), multi=()),
        Embeddings(dense=ONE, sparse=(term(1.0),), multi=(2 * ONE,)),
        Embeddings(dense=ONE, sparse=(term(1.0),), multi=(ONE * np.float32("nan"),)),
        Embeddings(dense=ONE, sparse=(term(1.0),), multi=(np.ones((1, 1), dtype=np.float32),)),
        Embeddings(dense=ONE[0], sparse=(term(1.0),), multi=(ONE,)),
        Embeddings(dense=ONE * np.float32("nan"), sparse=(term(1.0),), multi=(ONE,)),
    ],
)
def test_vectors_that_are_not_the_declared_ones_are_unsound(vectors: Embeddings) -> None:
    assert not Outputs(2, learned=True, multi=2).sound(vectors, 1)


def test_the_declared_vectors_are_sound() -> None:
    outputs = Outputs(2, learned=True, multi=2)
    whole = Embeddings(dense=ONE, sparse=(term(0.5, 1.5),), multi=(np.repeat(ONE, 3, axis=0),))
    assert outputs.sound(whole, 1)
    assert outputs.sound(Embeddings(dense=ONE, sparse=(term(),), multi=(ONE[:0],)), 1)
    assert outputs.sound(outputs.join([]), 0)
    assert not outputs.sound(whole, 2)
    assert Outputs(2).sound(Embeddings(dense=ONE), 1)
    assert not Outputs(2).sound(whole, 1)  # parts that were not declared
