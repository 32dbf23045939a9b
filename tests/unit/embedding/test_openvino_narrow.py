"""Matrices of eight bits: what they give, and which of a graph's they are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

openvino = pytest.importorskip("openvino")

from rag.embedding import openvino_narrow  # noqa: E402
from rag.embedding.openvino_narrow import GROUP, narrow  # noqa: E402

_WORDS = 50
_TEXTS = [list(range(start, start + 9)) for start in range(0, 40, 10)] + [[3], [7]]


def graph(*widths: int, transposed: bool = True, loud: int | None = None) -> Any:
    """A table of embeddings and matrices from width to width, one behind the other.

    Args:
        loud: a channel of the embeddings that is a hundred times as large as the others.
    """
    from openvino import opset13

    rng = np.random.default_rng(3)
    ids = opset13.parameter([-1, -1], np.int64, name="input_ids")
    mask = opset13.parameter([-1, -1], np.int64, name="attention_mask")
    table = rng.standard_normal((_WORDS, widths[0])).astype(np.float32)
    if loud is not None:
        table[:, loud] *= 100.0
    state = opset13.gather(opset13.constant(table), ids, opset13.constant(0))
    weighed = opset13.multiply(state, opset13.unsqueeze(opset13.convert(mask, np.float32), opset13.constant(2)))
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        matrix = rng.standard_normal((outputs, inputs)).astype(np.float32) / np.float32(np.sqrt(inputs))
        if loud is not None and number == 0:
            matrix[:, loud] /= 100.0
        stored = opset13.constant(matrix if transposed else np.ascontiguousarray(matrix.T))
        weighed = opset13.matmul(weighed, stored, False, transposed)
        weighed.set_friendly_name(f"matrix {number}")
    return openvino.Model([weighed.output(0)], [ids, mask], "graph")


def ran(model: Any) -> NDArray[np.float32]:
    """What it gives for a text, each row brought to unit length; shape (tokens, width)."""
    options = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    ids = np.array([[1, 5, 11, 30, 42]], np.int64)
    found = np.array(next(iter(compiled([ids, np.ones_like(ids)]).values())))[0]
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def stored_in_eight_bits(model: Any) -> list[str]:
    """Names of the matrices that come out of eight bits."""

    def comes_from(node: Any, kind: str) -> bool:
        if node.get_type_name() == "Constant":
            return bool(node.get_element_type().get_type_name() == kind)
        return any(comes_from(value.get_node(), kind) for value in node.input_values())

    matrices = [node for node in model.get_ordered_ops() if node.get_type_name() == "MatMul"]
    return [node.get_friendly_name() for node in matrices if comes_from(node.input_value(1).get_node(), "u8")]


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("width", [GROUP, 96])
def test_eight_bits_give_nearly_the_same(transposed: bool, width: int) -> None:
    expected = ran(graph(width, 2 * width, transposed=transposed))
    model = graph(width, 2 * width, transposed=transposed)
    assert narrow(openvino, model, _TEXTS)
    assert stored_in_eight_bits(model) == ["matrix 0"]
    assert np.sum(expected * ran(model), axis=1).min() > 0.9995


def test_a_loud_channel_leaves_the_others_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> float:
        model = graph(GROUP, GROUP, loud=5)
        narrow(openvino, model, _TEXTS)
        return float(1.0 - np.sum(expected * ran(model), axis=1).min())

    expected = ran(graph(GROUP, GROUP, loud=5))
    divided = lost()
    assert divided < 5e-4

    largest: Callable[..., list[NDArray[np.float32]]] = openvino_narrow._largest

    def as_the_matrix(library: Any, model: Any, nodes: Any, texts: Any) -> list[NDArray[np.float32]]:
        weights = [node.input_value(1).get_node().get_data() for node in nodes]
        assert [len(item) for item in largest(library, model, nodes, texts)] == [GROUP]
        return [
            np.abs(matrix).max(axis=0).astype(np.float32) for matrix in weights
        ]  # factors of one: nothing is divided

    monkeypatch.setattr(openvino_narrow, "_largest", as_the_matrix)
    if (undivided := lost()) < 1e-6:
        pytest.skip("this processor has no multiplication of eight bits: activations stay wide")
    assert undivided > 4 * divided


def test_of_the_matrices_that_lower_the_width_the_inner_ones_stay_wide() -> None:
    narrower = (256, 128, 256, 128, 256, 128, 256)
    model = graph(*narrower)
    assert narrow(openvino, model, _TEXTS)
    assert stored_in_eight_bits(model) == ["matrix 0", "matrix 1", "matrix 3", "matrix 4", "matrix 5"]


def test_where_there_is_nothing_to_narrow_nothing_changes() -> None:
    model = graph(64)
    assert not narrow(openvino, model, _TEXTS)
