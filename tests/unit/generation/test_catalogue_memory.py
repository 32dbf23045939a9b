"""The arithmetic of weights and contexts against published figures."""

from __future__ import annotations

from typing import Any

import pytest

from rag.generation.catalogue import load_catalogue
from rag.generation.catalogue_entry import Architecture, Layers
from rag.generation.catalogue_memory import (
    GB,
    kv_bytes_per_sequence,
    kv_bytes_per_token,
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
    assert round(11.47 * 1024 * 1024 * KIB / (kv_bytes_per_token(qwen3_4b) or 1)) == 83_522


def test_windows_are_bounded_by_the_context() -> None:
    gemma = CATALOGUE.entries["Gemma-3-27b-it"].architecture
    assert gemma is not None
    each = 2 * 52 * 16 * 128 * 2
    assert kv_bytes_per_sequence(gemma, 500) == each * 500
    assert kv_bytes_per_sequence(gemma, 131_072) == each * 1024


def test_what_is_not_known_stays_unknown() -> None:
    entry = CATALOGUE.entries["Grok-2.5"]
    assert entry.architecture is not None
    assert kv_bytes_per_token(entry.architecture) is None
    assert kv_bytes_per_sequence(entry.architecture, 4096) is None
    assert weight_bytes(entry, "BF16") is None
