"""Windows, shared batches and refusals of the reranker that all local models stand on, with a model of arithmetic."""

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from rag.domain.errors import ModelUnavailable
from rag.reranking.lazy import LazyReranker
from rag.reranking.pairs import PairReranker
from rag.reranking.scripted import ScriptedReranker
from rag.reranking.shared_batches import Row, Scores, SharedBatches, TooLate
from rag.reranking.windows import OVERLAP, windows


class LetterPrompt:
    """One token per character; 1 before and 2 after."""

    tail = [2]  # noqa: RUF012

    def head(self, query: str, limit: int) -> list[int]:
        return [1, *map(ord, query[:limit])]

    def passages(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(map(ord, text)) for text in texts]

    def types(self, head: int, rest: int) -> list[int]:
        return []


def share_of_x(rows: Sequence[Row]) -> Scores:
    return np.array([row.ids.count(ord("x")) / len(row.ids) for row in rows], dtype=np.float32)


def reranker(forward=share_of_x, max_tokens: int = 60, budget: int = 240) -> PairReranker:
    return PairReranker(
        name="letters", max_tokens=max_tokens, prompt=LetterPrompt(), forward=forward, token_budget=budget
    )


@pytest.mark.parametrize(("length", "room"), [(0, 5), (5, 5), (6, 5), (100, 7), (1000, 64), (9, 1)])
def test_windows_cover_everything_and_overlap(length: int, room: int) -> None:
    found = windows(length, room)
    assert found[0].start == 0
    assert found[-1].stop >= length
    assert all(part.stop - part.start <= room or length <= room for part in found)
    for one, other in pairwise(found):
        assert one.stop - other.start >= int(room * OVERLAP)


def test_the_best_window_counts_wherever_it_stands() -> None:
    blank, hit = "o" * 40, "x" * 40
    scores = reranker().score("q", [blank * 6 + hit, hit + blank * 6, blank * 3 + hit + blank * 3, blank * 7, hit])
    assert min(scores[0], scores[1]) > 0.6
    assert scores[2] > 0.4
    assert scores[3] == 0.0


def test_no_row_is_longer_than_the_model_reads() -> None:
    seen: list[int] = []

    def forward(rows: Sequence[Row]) -> Scores:
        seen.extend(len(row.ids) for row in rows)
        return share_of_x(rows)

    reranker(forward).score("질" * 500, ["글" * 500, "", "x"])
    assert max(seen) <= 60


def test_batches_keep_to_their_budget_and_pad_little() -> None:
    widths: list[tuple[int, int, int]] = []

    def forward(rows: Sequence[Row]) -> Scores:
        lengths = [len(row.ids) for row in rows]
        widths.append((len(rows), max(lengths), sum(lengths)))
        return share_of_x(rows)

    reranker(forward).score("q", ["x" * (1 + i % 50) for i in range(200)])
    assert all(count * width <= 240 or count == 1 for count, width, _ in widths)
    assert sum(count * width for count, width, _ in widths) / sum(real for _, _, real in widths) <= 1.2


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_score_that_is_none_is_refused(broken: float) -> None:
    with pytest.raises(ModelUnavailable):
        reranker(lambda rows: np.full(len(rows), broken, dtype=np.float32)).score("q", ["a", "b"])


def test_a_model_that_fails_is_said_and_the_next_question_is_served() -> None:
    answers = iter([RuntimeError("out of memory"), None])

    def forward(rows: Sequence[Row]) -> Scores:
        if (error := next(answers)) is not None:
            raise error
        return share_of_x(rows)

    one = reranker(forward)
    with pytest.raises(ModelUnavailable):
        one.score("q", ["a"])
    assert len(one.score("q", ["a"])) == 1


def test_a_batch_without_memory_is_halved() -> None:
    sizes: list[int] = []

    def forward(rows: Sequence[Row]) -> Scores:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return share_of_x(rows)

    texts = ["x" * n for n in range(1, 9)]
    found = reranker(forward, budget=1000).score("q", texts)
    assert found == reranker().score("q", texts)
    assert sizes == [8, 4, 2, 2, 4, 2, 2]

    def broken(rows: Sequence[Row]) -> Scores:
        if len(rows) > 3:
            raise RuntimeError("device-side assert triggered")
        return share_of_x(rows)

    with pytest.raises(ModelUnavailable):  # another error says nothing about the batch's size
        reranker(broken, budget=1000).score("q", texts)


class Gate:
    """A model that waits until it is let go, and remembers its batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[list[int]]] = []

    def __call__(self, rows: Sequence[Row]) -> Scores:
        self.batches.append([row.ids for row in rows])
        self.entered.set()
        assert self.open.wait(20)
        return np.array([row.ids[0] / 100 for row in rows], dtype=np.float32)


def rows_of(mark: int, count: int, length: int) -> list[Row]:
    return [Row([mark] * length) for _ in range(count)]


def in_thread(batches: SharedBatches, rows: list[Row], waiting: int, found: dict[int, Scores]) -> threading.Thread:
    """Ask from a thread, and return when `waiting` jobs are in the queue."""
    thread = threading.Thread(target=lambda: found.update({rows[0].ids[0]: batches.score(rows)}))
    thread.start()
    end = time.monotonic() + 20
    while len(batches._queue._jobs) < waiting and time.monotonic() < end:
        time.sleep(0.002)
    return thread


def test_a_short_list_does_not_wait_for_a_long_one_and_rows_share_batches() -> None:
    gate, found = Gate(), dict[int, Scores]()
    batches = SharedBatches(gate, budget=40)
    threads = [in_thread(batches, rows_of(1, 20, 10), 1, found)]  # five batches of four; the first is in the model
    assert gate.entered.wait(20)
    threads.append(in_thread(batches, rows_of(2, 2, 10), 2, found))
    threads.append(in_thread(batches, rows_of(3, 2, 9), 3, found))
    gate.open.set()
    for thread in threads:
        thread.join(20)
    marks = [[ids[0] for ids in batch] for batch in gate.batches]
    assert marks[0] == [1, 1, 1, 1]
    served = [index for index, batch in enumerate(marks) if 2 in batch or 3 in batch]
    assert max(served) <= 2
    assert any({2, 3} <= set(batch) for batch in marks)
    assert {mark: scores.tolist() for mark, scores in found.items()} == {
        mark: pytest.approx([mark / 100] * count) for mark, count in ((1, 20), (2, 2), (3, 2))
    }


def test_without_mixing_a_batch_is_one_questions_whoever_waits_beside_it() -> None:
    gate, found = Gate(), dict[int, Scores]()
    batches = SharedBatches(gate, budget=40, mixed=False)
    threads = [in_thread(batches, rows_of(1, 3, 10), 1, found)]
    assert gate.entered.wait(20)
    threads += [in_thread(batches, rows_of(mark, 3, 10), mark, found) for mark in (2, 3)]
    gate.open.set()
    for thread in threads:
        thread.join(20)
    batches.close()
    assert [[ids[0] for ids in batch] for batch in gate.batches] == [[1] * 3, [2] * 3, [3] * 3]


def test_work_whose_time_is_up_is_cut_between_batches() -> None:
    gate = Gate()
    batches = SharedBatches(gate, budget=10)
    with pytest.raises(TooLate):
        batches.score(rows_of(1, 50, 10), deadline=time.monotonic() + 0.05)
    gate.open.set()
    assert batches.score(rows_of(2, 1, 10)).tolist() == pytest.approx([0.02])
    assert len(gate.batches) <= 3  # the one that it was at, the next question's, not the 49 that nobody waits for


def test_a_closed_queue_ends_its_thread() -> None:
    before = set(threading.enumerate())
    batches = SharedBatches(share_of_x, budget=10)
    (thread,) = set(threading.enumerate()) - before
    batches.close()
    assert not thread.is_alive()


def test_a_model_that_loads_longer_than_the_time_there_is_goes_on_loading() -> None:
    go, loads = threading.Event(), list[int]()

    def load() -> ScriptedReranker:
        loads.append(1)
        assert go.wait(20)
        return ScriptedReranker()

    lazy = LazyReranker("느린 모델", 100, load)
    with pytest.raises(ModelUnavailable):
        lazy.score("휴가", ["휴가"], deadline=time.monotonic() + 0.02)
    go.set()
    assert lazy.score("휴가 일수", ["휴가", "일수 휴가"]) == [0.5, 1.0]
    assert loads == [1]
