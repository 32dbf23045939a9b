"""Which models' vectors may be shortened: those that were trained so that their first dimensions stand for the whole.

Kusupati et al. 2022 (arXiv 2205.13147). The vectors of any other model are of no use when cut, so that a name is needed.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

FAMILIES = (
    "qwen3-embedding",  # model card: "MRL support", 32 dimensions and more
    "embeddinggemma",  # model card: 768, 512, 256, 128
    "nomic-embed-text-v1.5",  # model card: 768 to 64
    "jina-embeddings-v3",  # model card: 1024 to 32
    "jina-embeddings-v4",  # model card: 2048 to 128
    "arctic-embed-m-v1.5",  # model card: 256
    "arctic-embed-m-v2.0",  # model card: 256
    "arctic-embed-l-v2.0",  # model card: 256
)
_CUT_BY_OPERATOR = re.compile(r"(?!http/).*@\d+")
"""A local model whose vectors the settings shorten already (`embedding.dimensions`): who set that knew the model."""


def can_be_shortened(name: str) -> bool:
    """Whether the vectors of the embedder with this name may be cut to fewer dimensions."""
    lower = name.lower()
    return any(family in lower for family in FAMILIES) or _CUT_BY_OPERATOR.fullmatch(name) is not None


def shortened(rows: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """The first `dimensions` of rows of shape (n, d), brought back to unit length."""
    cut = rows[:, :dimensions]
    return np.asarray(cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), np.float32(1e-12)), dtype=np.float32)
