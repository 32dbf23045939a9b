"""How much memory a model's weights and contexts take, from its architecture.

    weights               = parameters · bytes
    context, per token    = 2 · full layers · kv heads · head dim · bytes          (latent attention: layers · latent · bytes)
    context, per sequence = 2 · local layers · kv heads · head dim · bytes · min(window, context)
    sequences             = (share · memory · GPUs - weights - activations) / (per token · context + per sequence)

Counting all layers as full ones overstates the context 2 to 6 times. The state of linear layers does not grow with the
context and is small beside it; it is left out, as `config.json` alone does not give its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.generation.catalogue import Architecture, Entry, Layers, Quantisation

GB = 10**9
GIB = 1 << 30

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


def tokens_in(free_bytes: float, architecture: Architecture, number_bytes: float = 2) -> int | None:
    """Tokens of context that `free_bytes` hold together, over all sequences; local layers are not counted."""
    each = kv_bytes_per_token(architecture, number_bytes)
    return None if not each else int(free_bytes // each)


def sequences_in(free_bytes: float, architecture: Architecture, context: int, number_bytes: float = 2) -> int | None:
    """Sequences of full length that `free_bytes`, what weights and activations leave, hold at once."""
    each, apart = kv_bytes_per_token(architecture, number_bytes), kv_bytes_per_sequence(architecture, context)
    if each is None or apart is None:
        return None
    return int(free_bytes // (each * context + apart))


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """The architecture that a `config.json` describes, layer types included.

    Read are `layer_types`, else `full_attention_interval`, else `sliding_window` with `sliding_window_pattern`.
    """
    text = config.get("text_config", config)
    heads = text.get("num_attention_heads")
    width = text.get("head_dim") or (text["hidden_size"] // heads if heads else None)
    latent = text["kv_lora_rank"] + text["qk_rope_head_dim"] if text.get("kv_lora_rank") else None
    layers = _layers(text)
    return Architecture(
        model_class=next(iter(config.get("architectures") or ()), None),
        mixture=any(text.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts")),
        layers=layers,
        kv_heads=text.get("num_key_value_heads") or heads,
        head_dim=width,
        window=text.get("sliding_window") or text.get("attention_chunk_size") if layers.local else None,
        latent=latent,
    )


_LOCAL = ("sliding_attention", "chunked_attention", "local_attention")
_LINEAR = ("linear_attention", "mamba", "conv", "recurrent")


def _layers(text: Mapping[str, Any]) -> Layers:
    count = text["num_hidden_layers"]
    if types := text.get("layer_types"):
        local, linear = (sum(kind in group for kind in types) for group in (_LOCAL, _LINEAR))
        return Layers(full=len(types) - local - linear, local=local, linear=linear)
    if interval := text.get("full_attention_interval"):
        full = count // interval
        return Layers(full=full, linear=count - full)
    window, pattern = text.get("sliding_window"), text.get("sliding_window_pattern")
    if window and text.get("use_sliding_window", True) and window < text.get("max_position_embeddings", window):
        full = count // pattern if pattern else 0
        return Layers(full=full, local=count - full)
    return Layers(full=count)
