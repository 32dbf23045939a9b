"""How much memory a model's weights and contexts take, from its architecture.

    weights               = parameters · bytes
    context, per token    = 2 · full layers · kv heads · head dim · bytes          (latent attention: layers · latent · bytes)
    context, per sequence = 2 · local layers · kv heads · head dim · bytes · min(window, context)

Counting all layers as full ones overstates the context 2 to 6 times. The state of linear layers does not grow with the
context and is small beside it; it is left out, as the entries do not give its size.
"""

from __future__ import annotations

from collections.abc import Mapping

from rag.generation.catalogue_entry import Architecture, Entry, Quantisation

GB = 10**9

BYTES: Mapping[Quantisation, float] = {
    "BF16": 2.0,
    "GGUF-BF16": 2.0,
    "FP8": 1.0,
    "GGUF-Q8": 1.0625,
    "GGUF-Q6": 0.8203,
    "GGUF-Q4": 0.6063,
    "GGUF-Q3": 0.4883,
    "AWQ": 0.5625,
    "GPTQ": 0.5625,
    "MXFP4": 0.5313,
}
"""Bytes of a weight. GGUF: llama.cpp's 8.5, 6.5625, 4.85 and 3.91 bits of Q8_0, Q6_K, Q4_K_M and Q3_K_M (its `quantize`
tool); AWQ and GPTQ: 4 bits and a scale of 16 bits with a zero point in groups of 128, rounded up for what stays in BF16;
MXFP4: 4 bits and a scale of 8 bits in blocks of 32 (OCP Microscaling Formats 1.0)."""


def weight_bytes(entry: Entry, quantisation: Quantisation) -> float | None:
    """Of the files; what is published where it is known, else parameters · bytes; None where neither is."""
    known = (entry.quantisations or {}).get(quantisation)
    if known is not None and known.weights_gb is not None:
        return known.weights_gb * GB
    return entry.parameters.total * GB * BYTES[quantisation] if entry.parameters is not None else None


def kv_bytes_per_token(architecture: Architecture, number_bytes: float = 2) -> float | None:
    """What one more token of context takes; None where the architecture is not known."""
    if architecture.layers is None or architecture.kv_heads is None or architecture.head_dim is None:
        return None
    if architecture.latent is not None:
        return architecture.layers.full * architecture.latent * number_bytes
    return 2 * architecture.layers.full * architecture.kv_heads * architecture.head_dim * number_bytes


def kv_bytes_per_sequence(architecture: Architecture, context: int, number_bytes: float = 2) -> float | None:
    """What a sequence takes on top, in the layers that see a window."""
    if architecture.layers is None or architecture.kv_heads is None or architecture.head_dim is None:
        return None
    seen = min(architecture.window or context, context)
    return 2 * architecture.layers.local * architecture.kv_heads * architecture.head_dim * number_bytes * seen
