"""What embedding servers answer, checked: nothing that a server sends is believed."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.domain.vectors import SparseVector
from rag.transport.server import UnusableAnswer

XLM_R_SPECIAL = frozenset({0, 1, 2, 3})
"""<s>, <pad>, </s>, <unk> of bge-m3's tokenizer (XLM-RoBERTa): they weigh nothing, as in FlagEmbedding."""


def dense_rows(answer: Any, count: int, width: int) -> NDArray[np.float32]:
    """Shape (`count`, `width`), float32, unit rows, in the order asked for, of an answer of `/v1/embeddings`.

    Raises:
        UnusableAnswer: rows missing, twice, of another width, with NaN, or of no length.
    """
    rows = np.empty((count, width), dtype=np.float64)
    for position, item in enumerate(in_order(answer, count)):
        row = _row(item.get("embedding"))
        if row.shape != (width,):
            found = len(row)
            raise UnusableAnswer(
                f"a vector of {found} numbers, where embedding.dimensions is {width}",
                f"벡터의 크기가 {found}인데 embedding.dimensions는 {width}입니다",
            )
        rows[position] = row
    norms = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    if not np.isfinite(norms).all() or (norms < 1e-12).any():
        raise UnusableAnswer("a vector with NaN, or of no length", "숫자가 아닌 값(NaN)이 있거나 길이가 0인 벡터입니다")
    unit: NDArray[np.float32] = (rows / norms).astype(np.float32)
    return unit


def in_order(answer: Any, count: int) -> list[dict[str, Any]]:
    """The items of `data` by their `index`, which must be 0 to `count` - 1, each once."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or len(data) != count:
        raise UnusableAnswer(f"not a list of {count} items", f"항목 {count}개로 된 목록이 아닙니다")
    items: dict[int, dict[str, Any]] = {}
    for item in data:
        index = item.get("index") if isinstance(item, dict) else None
        if type(index) is int:
            items[index] = item
    if items.keys() != set(range(count)):
        raise UnusableAnswer("items missing, or twice", "빠지거나 두 번 나온 항목이 있습니다")
    return [items[i] for i in range(count)]


def _row(value: Any) -> NDArray[np.float64]:
    """One vector, given as numbers or as base64 of little-endian float32."""
    if isinstance(value, str):
        try:
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float64)
        except (binascii.Error, ValueError) as error:
            raise UnusableAnswer(
                "a vector that is not base64 of float32", "base64로 쓴 float32가 아닌 벡터입니다"
            ) from error
    return _numbers(value)


def _numbers(value: Any) -> NDArray[np.float64]:
    try:
        row = np.asarray(value)
    except ValueError as error:
        raise UnusableAnswer("a vector with lists in it", "목록이 들어 있는 벡터입니다") from error
    if row.ndim != 1 or row.dtype.kind not in "fiu":
        raise UnusableAnswer("a vector that is not a list of numbers", "수의 목록이 아닌 벡터입니다")
    return row.astype(np.float64)


def pooled_terms(item: dict[str, Any], token_ids: Sequence[int]) -> SparseVector:
    """Term weights of one text from vLLM's `/pooling`: one number for each token, the two around the text left out or not.

    A token that comes twice has its greater weight, as in FlagEmbedding.
    """
    value = item.get("data")
    if isinstance(value, list) and all(isinstance(one, list) and len(one) == 1 for one in value):
        value = [one[0] for one in value]
    weights = _numbers(value) if value != [] else np.empty(0)
    ids = token_ids if len(weights) == len(token_ids) else token_ids[1:-1]
    if len(weights) != len(ids):
        raise UnusableAnswer(
            f"{len(weights)} weights for {len(token_ids)} tokens",
            f"토큰 {len(token_ids)}개에 가중치가 {len(weights)}개입니다",
        )
    best: dict[int, float] = {}
    for token, weight in zip(ids, weights.tolist(), strict=True):
        if token not in XLM_R_SPECIAL:
            best[token] = max(best.get(token, 0.0), weight)
        if not math.isfinite(weight):
            raise UnusableAnswer("a weight that is not a number", "수가 아닌 가중치입니다")
    return _sparse(best)


def listed_terms(answer: Any, count: int) -> list[SparseVector]:
    """Term weights of `count` texts from TEI's `/embed_sparse`: a list of {index, value} for each."""
    if not isinstance(answer, list) or len(answer) != count or not all(isinstance(one, list) for one in answer):
        raise UnusableAnswer(f"not a list of {count} lists", f"목록 {count}개로 된 목록이 아닙니다")
    return [_sparse(dict(_term(item) for item in one)) for one in answer]


def _term(item: Any) -> tuple[int, float]:
    index, value = (item.get("index"), item.get("value")) if isinstance(item, dict) else (None, None)
    if type(index) is not int or not 0 <= index < 2**32:
        raise UnusableAnswer("a term without an id", "번호가 없는 낱말입니다")
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
        raise UnusableAnswer("a weight that is not a number", "수가 아닌 가중치입니다")
    return index, float(value)


def _sparse(weights: dict[int, float]) -> SparseVector:
    indices = sorted(index for index, weight in weights.items() if weight > 0.0)
    return SparseVector(tuple(indices), tuple(weights[index] for index in indices))


def token_list(answer: Any) -> list[int]:
    """Token ids from vLLM's `/tokenize`."""
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    if not isinstance(tokens, list) or not all(type(token) is int and 0 <= token < 2**32 for token in tokens):
        raise UnusableAnswer("no token ids", "토큰 번호가 없습니다")
    return tokens


def token_counts(answer: Any, count: int) -> list[int]:
    """Lengths of `count` texts from TEI's `/tokenize`: a list of tokens for each."""
    if not isinstance(answer, list) or len(answer) != count or not all(isinstance(one, list) for one in answer):
        raise UnusableAnswer(f"not a list of {count} lists", f"목록 {count}개로 된 목록이 아닙니다")
    return [len(one) for one in answer]
