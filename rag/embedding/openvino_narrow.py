"""An OpenVINO graph with matrices of eight bits, by which the library multiplies activations that it scales to eight bits itself.

Some channels of an activation are many times as large as the others of their group and leave these few of the 255 steps. So each
channel is divided by a factor, and the matrix multiplied by it (SmoothQuant, Xiao et al. 2023, equation 4 with half of the
difficulty to each side); the factors come from running a few texts.

MiniLM against bfloat16 on a processor with `avx512_vnni`, smallest cosine to float32 of 200 abstracts and of 400 single words
(`benchmarks/encoding.py` has the speed in whole):

    matrices                                  times as fast    abstracts    words
    all, scales per 128, equalised            1.30             .9995        .9986
    all, scales per 64, equalised             1.18             .9995        .9991
    all but the inner narrowing ones, 128     1.21             .9995        .9993    as it is here
    feed-forward, per 64, not equalised       1.18             .9992        .9976
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.inference.batches import TokenIds

GROUP = 128
"""Numbers of an activation, and of a row of a matrix, that share a scale."""

VERSION = 2
"""Of what is narrowed and how; what was kept or chosen under another one is made anew."""

_LEAST = 1e-5
"""Of a channel's largest number: one that is always zero can't be divided by."""
_STEPS = 127.0


def narrow(library: Any, model: Any, texts: Sequence[TokenIds]) -> bool:
    """Give the matrices of a graph eight bits, in place.

    Args:
        library: the module `openvino`, as whoever keeps its reporting out of reach loaded it.
        model: an `openvino.Model` whose inputs are `input_ids` and `attention_mask`.
        texts: what the factors come from: token ids of the kinds of texts that it will read, short ones too.

    Returns:
        Whether there was anything to narrow.
    """
    chosen = _chosen(model)
    if not chosen:
        return False
    for node, largest in zip(chosen, _largest(library, model, chosen, texts), strict=True):
        _narrow_one(library.opset13, node, largest)
    model.validate_nodes_and_infer_types()
    return True


def _chosen(model: Any) -> list[Any]:
    """Matrices that tokens are multiplied by: all that keep or raise the width, and the first and last of those that lower it.
    What a feed-forward layer is lowered from differs most between its channels, and costs the most digits."""
    found = [node for node in model.get_ordered_ops() if _has_matrix(node)]
    lowering = [node for node in found if _shape(node)[0] < _shape(node)[1]]
    left_out = {node.get_friendly_name() for node in lowering[1:-1]}
    return [node for node in found if node.get_friendly_name() not in left_out]


def _has_matrix(node: Any) -> bool:
    if node.get_type_name() != "MatMul" or node.input_value(1).get_node().get_type_name() != "Constant":
        return False
    tokens, matrix = node.input_value(0).get_partial_shape(), node.input_value(1).get_shape()
    turned = node.get_attributes()["transpose_a"]
    return len(matrix) == 2 and tokens.rank.is_static and len(tokens) == 3 and not turned


def _shape(node: Any) -> tuple[int, int]:
    """Outputs and inputs of a matrix."""
    rows, columns = node.input_value(1).get_shape()
    return (rows, columns) if node.get_attributes()["transpose_b"] else (columns, rows)


def _largest(library: Any, model: Any, nodes: Sequence[Any], texts: Sequence[TokenIds]) -> list[NDArray[np.float32]]:
    """For each node the largest magnitude of every channel of what comes in, over all tokens of the texts; shape (inputs,)."""
    opset13 = library.opset13
    tokens = opset13.constant(np.array([0, 1], np.int64))
    outputs = [opset13.reduce_max(opset13.absolute(node.input_value(0)), tokens, False).output(0) for node in nodes]
    watched = library.Model(outputs, model.get_parameters(), "watched")
    compiled = library.Core().compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    largest = [np.full(_shape(node)[1], _LEAST, np.float32) for node in nodes]
    for ids in texts:
        found = compiled([np.array([ids], np.int64), np.ones((1, len(ids)), np.int64)])
        for kept, new in zip(largest, found.values(), strict=True):
            np.maximum(kept, new, out=kept)
    return largest


def _narrow_one(opset13: Any, node: Any, largest: NDArray[np.float32]) -> None:
    """Put a matrix of eight bits, and the division before it, in the place of a matrix.

    Args:
        largest: of each channel that comes in, shape (inputs,).
    """
    transposed = node.get_attributes()["transpose_b"]
    stored = node.input_value(1).get_node().get_data().astype(np.float32)
    weights = stored if transposed else stored.T
    factors = np.sqrt(largest / np.maximum(np.abs(weights).max(axis=0), _LEAST))
    inverse = opset13.constant((1.0 / factors).astype(np.float32).reshape(1, 1, -1))
    divided = opset13.multiply(node.input_value(0), inverse)
    matrix = _eight_bits(opset13, weights * factors)
    node.input(0).replace_source_output(divided.output(0))
    if not transposed:
        matrix = opset13.transpose(matrix, opset13.constant(np.array([1, 0], np.int64)))
    node.input(1).replace_source_output(matrix.output(0))


def _eight_bits(opset13: Any, weights: NDArray[np.float32]) -> Any:
    """A node that gives `weights`, shape (outputs, inputs), out of eight bits and a scale to each group of a row."""
    outputs, inputs = weights.shape
    groups = inputs // GROUP if inputs % GROUP == 0 else 1
    grouped = weights.reshape(outputs, groups, inputs // groups)
    scale = np.maximum(np.abs(grouped).max(axis=2, keepdims=True) / _STEPS, np.finfo(np.float32).tiny)
    # Unsigned with its middle at 128: some kernels for signed weights are slower.
    stored = opset13.constant((np.clip(np.round(grouped / scale), -_STEPS, _STEPS) + 128).astype(np.uint8))
    middle = opset13.convert(opset13.constant(np.full(scale.shape, 128, np.uint8)), np.float32)
    wide = opset13.multiply(opset13.subtract(opset13.convert(stored, np.float32), middle), opset13.constant(scale))
    return opset13.reshape(wide, opset13.constant(np.array(weights.shape, np.int64)), False)
