"""The arithmetic of weights and contexts against published figures."""

from __future__ import annotations

from typing import Any

import pytest

from rag.generation.catalogue import Architecture, Layers, load_catalogue
from rag.generation.catalogue_memory import (
    GB,
    GIB,
    architecture_of,
    kv_bytes_per_sequence,
    kv_bytes_per_token,
    sequences_in,
    tokens_in,
    weight_bytes,
)

KIB = 1024
PER_TOKEN = {
    "Qwen3-32B": 256,
    "Qwen3-30B-A3B": 96,
    "Qwen3.6-27B": 64,
    "Qwen3.6-35B-A3B": 20,
    "Llama-3.3-70B": 320,
    "gpt-oss-120b": 36,
    "Gemma-3-27b-it": 80,
    "A.X-4.0": 320,
    "SOLAR-10.7B": 192,
    "Phi-4": 200,
}
WEIGHTS = {
    ("Qwen3-32B", "FP8"): 33,
    ("Qwen3-30B-A3B", "FP8"): 30.5,
    ("Qwen3.6-27B", "FP8"): 27.8,
    ("Qwen3.6-35B-A3B", "FP8"): 35,
    ("Llama-3.3-70B", "FP8"): 70.6,
    ("gpt-oss-120b", "MXFP4"): 64,
    ("Gemma-3-27b-it", "FP8"): 27.4,
    ("A.X-4.0", "FP8"): 72,
    ("SOLAR-10.7B", "BF16"): 21.4,
    ("Phi-4", "BF16"): 29.4,
}
CATALOGUE = load_catalogue()


@pytest.mark.parametrize(("name", "kib"), PER_TOKEN.items())
def test_bytes_per_token_follow_from_the_layers(name: str, kib: int) -> None:
    architecture = CATALOGUE.entries[name].architecture
    assert architecture is not None
    assert kv_bytes_per_token(architecture) == kib * KIB


@pytest.mark.parametrize(("model", "gb"), WEIGHTS.items())
def test_weights(model: tuple[str, Any], gb: float) -> None:
    assert weight_bytes(CATALOGUE.entries[model[0]], model[1]) == gb * GB


def test_weights_that_only_the_parameters_tell_are_near_what_was_measured() -> None:
    """With the engine's own memory on top, a measured use is a little more than the files."""
    entry = CATALOGUE.entries["Qwen3.6-27B"]
    for quantisation, vram in (("GGUF-Q4", 18), ("GGUF-Q6", 24), ("GGUF-Q8", 30), ("GGUF-BF16", 55)):
        made = weight_bytes(entry, quantisation)  # type: ignore[arg-type]
        assert made == pytest.approx(vram * GB, rel=0.12)


def test_qwen3_4b_on_what_is_free() -> None:
    """11.47 GiB hold 83,522 tokens, to the nearest; vLLM's log said 83,488."""
    qwen3_4b = Architecture(
        model_class="Qwen3ForCausalLM", mixture=False, layers=Layers(full=36), kv_heads=8, head_dim=128
    )
    assert round(11.47 * GIB / (kv_bytes_per_token(qwen3_4b) or 1)) == 83_522
    assert tokens_in(11.47 * GIB, qwen3_4b) == 83_521  # no part of a token is kept
    assert tokens_in(11.47 * GIB, qwen3_4b) == pytest.approx(83_488, rel=0.001)


def test_windows_are_bounded_by_the_context() -> None:
    gemma = CATALOGUE.entries["Gemma-3-27b-it"].architecture
    assert gemma is not None
    each = 2 * 52 * 16 * 128 * 2
    assert kv_bytes_per_sequence(gemma, 500) == each * 500
    assert kv_bytes_per_sequence(gemma, 131_072) == each * 1024
    free = 2 * (81_920 * 8192 + each * 1024)
    assert sequences_in(free, gemma, 8192) == 2
    assert sequences_in(free - 1, gemma, 8192) == 1


def test_what_is_not_known_stays_unknown() -> None:
    entry = CATALOGUE.entries["Grok-2.5"]
    assert entry.architecture is not None
    assert kv_bytes_per_token(entry.architecture) is None
    assert sequences_in(10 * GIB, entry.architecture, 4096) is None
    assert weight_bytes(entry, "BF16") is None


@pytest.mark.parametrize(
    ("config", "layers", "kv_heads", "head_dim", "window", "latent"),
    [
        ({"num_hidden_layers": 64, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128, "hidden_size": 5120},
         Layers(full=64), 8, 128, None, None),
        ({"text_config": {"num_hidden_layers": 64, "full_attention_interval": 4, "num_attention_heads": 24,
                          "num_key_value_heads": 4, "head_dim": 256, "hidden_size": 5120}},
         Layers(full=16, linear=48), 4, 256, None, None),
        ({"num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 128,
          "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "hidden_size": 2880, "num_local_experts": 32},
         Layers(full=2, local=2), 8, 64, 128, None),
        ({"text_config": {"num_hidden_layers": 62, "sliding_window": 1024, "sliding_window_pattern": 6, "hidden_size": 5376,
                          "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128,
                          "max_position_embeddings": 131072}},
         Layers(full=10, local=52), 16, 128, 1024, None),
        ({"num_hidden_layers": 28, "sliding_window": 32768, "use_sliding_window": False, "hidden_size": 3584,
          "num_attention_heads": 28, "num_key_value_heads": 4, "max_position_embeddings": 32768},
         Layers(full=28), 4, 128, None, None),
        ({"num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "hidden_size": 7168,
          "kv_lora_rank": 512, "qk_rope_head_dim": 64, "n_routed_experts": 256},
         Layers(full=61), 128, 56, None, 576),
    ],
)  # fmt: skip
def test_layers_are_read_from_config_json(
    config: dict[str, Any], layers: Layers, kv_heads: int, head_dim: int, window: int | None, latent: int | None
) -> None:
    found = architecture_of(config)
    assert (found.layers, found.kv_heads, found.head_dim) == (layers, kv_heads, head_dim)
    assert (found.window, found.latent) == (window, latent)
