"""Folders of tiny random-weight models that vLLM serves: their words are noise, the protocol around them is real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

CORPUS = [
    "대출 금리는 기준 금리에 가산 금리를 더하여 정하며 매월 1일에 바뀐다.",
    "환자의 동의 없이 진료 기록을 외부에 제공하여서는 아니 된다.",
    "The invoice is due within thirty days of receipt.",
    "def add(a, b):\n    return a + b",
]
_WIDTH = 128
"""Four heads of 32: the CPU kernels of vLLM have none narrower."""
_CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def qwen3(folder: Path) -> Path:
    """A causal model with a byte-level BPE, for chat, and for embeddings by its last token."""
    torch.manual_seed(7)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = _trained(special, special[0])
    tokenizer.save_pretrained(folder)
    config = Qwen3Config(**_sizes(len(tokenizer)), num_key_value_heads=2, head_dim=32, max_position_embeddings=512)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


def lora(folder: Path, base: Path) -> Path:
    """A LoRA adapter of the causal model in `base`, in PEFT's format, strong enough to change what it says."""
    rank, width = 8, _WIDTH
    torch.manual_seed(17)
    tensors = {}
    for layer in range(2):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = torch.randn(rank, width)
        tensors[f"{name}.lora_B.weight"] = torch.randn(width, rank)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "r": rank,
        "lora_alpha": 64,
        "target_modules": ["q_proj"],
        "bias": "none",
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def cross_encoder(folder: Path) -> Path:
    """An XLM-RoBERTa with one label, as bge-reranker-v2-m3 is."""
    torch.manual_seed(11)
    XLMRobertaForSequenceClassification(_xlm_r(folder, num_labels=1)).save_pretrained(folder)
    return folder


def bge_m3(folder: Path) -> Path:
    """An XLM-RoBERTa with the two further heads of bge-m3."""
    torch.manual_seed(13)
    XLMRobertaModel(_xlm_r(folder)).save_pretrained(folder)
    for name, outputs in (("sparse_linear", 1), ("colbert_linear", _WIDTH)):
        torch.save(torch.nn.Linear(_WIDTH, outputs).state_dict(), folder / f"{name}.pt")
    return folder


def _xlm_r(folder: Path, **changes: Any) -> XLMRobertaConfig:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = _trained(special, special[1])
    around = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.backend_tokenizer.post_processor = around
    tokenizer.save_pretrained(folder)
    return XLMRobertaConfig(
        **_sizes(len(tokenizer)),
        max_position_embeddings=514,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        **changes,
    )


def _sizes(vocabulary: int) -> dict[str, int]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": _WIDTH,
        "intermediate_size": 2 * _WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }


def _trained(special: list[str], padding: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    named = {"pad_token": padding, "eos_token": special[-1] if padding == special[0] else "</s>"}
    if padding == "<pad>":
        named |= {"bos_token": "<s>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **named)
    if padding == special[0]:
        fast.chat_template = _CHAT_TEMPLATE
    return fast
