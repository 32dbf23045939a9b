"""Folders of tiny random-weight chat models, one for each architecture that vLLM is tried with. Their words are noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Olmo2Config,
    Phi3Config,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
    SmolLM3Config,
)

from tests.support.tiny_served_models import _sizes, _trained

_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_HEADS: Mapping[str, int] = {"num_key_value_heads": 2, "max_position_embeddings": 512}
_TOKENS: Mapping[str, int] = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0}
_WIDE: Mapping[str, int] = {"head_dim": 32}
_EXPERTS: Mapping[str, int] = {"num_experts_per_tok": 2}

ARCHITECTURES: Mapping[str, Callable[..., PretrainedConfig]] = {
    "Qwen2ForCausalLM": lambda **sizes: Qwen2Config(**sizes),
    "Qwen3ForCausalLM": lambda **sizes: Qwen3Config(**sizes, **_WIDE),
    "Qwen3MoeForCausalLM": lambda **sizes: Qwen3MoeConfig(
        **sizes, **_WIDE, **_EXPERTS, num_experts=4, moe_intermediate_size=64
    ),
    "LlamaForCausalLM": lambda **sizes: LlamaConfig(**sizes),
    "MistralForCausalLM": lambda **sizes: MistralConfig(**sizes, sliding_window=None),
    "MixtralForCausalLM": lambda **sizes: MixtralConfig(**sizes, **_EXPERTS, num_local_experts=4),
    "Gemma2ForCausalLM": lambda **sizes: Gemma2Config(**sizes, **_WIDE, query_pre_attn_scalar=32, sliding_window=64),
    "Gemma3ForCausalLM": lambda **sizes: Gemma3TextConfig(
        **sizes, **_WIDE, query_pre_attn_scalar=32, sliding_window=64
    ),
    "Phi3ForCausalLM": lambda **sizes: Phi3Config(**sizes, original_max_position_embeddings=512),
    "Olmo2ForCausalLM": lambda **sizes: Olmo2Config(**sizes),
    "SmolLM3ForCausalLM": lambda **sizes: SmolLM3Config(**sizes),
    "GraniteForCausalLM": lambda **sizes: GraniteConfig(**sizes),
}
"""By the class that vLLM's registry knows; two layers of 128, four heads of 32."""


def tiny_model(architecture: str, folder: Path) -> Path:
    """A model of this architecture, with a tokenizer and a chat template."""
    torch.manual_seed(17)
    tokenizer = _trained(_SPECIAL, _SPECIAL[0])
    tokenizer.save_pretrained(folder)
    sizes: dict[str, Any] = {**_sizes(len(tokenizer)), **_HEADS, **_TOKENS}
    model = AutoModelForCausalLM.from_config(ARCHITECTURES[architecture](**sizes))
    assert type(model).__name__ == architecture
    model.save_pretrained(folder)
    return folder
