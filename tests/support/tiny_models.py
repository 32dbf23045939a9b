"""Models with random weights and a tokenizer trained on the spot, in the folder layouts of the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

TEXTS = [
    "The invoice is due within thirty days of receipt.",
    "",
    "word " * 2000,
    "Wombats dig burrows.",
    "def add(a, b):\n    return a + b",
    "한국어 문장도 토큰이 됩니다.",
    " ".join(f"Clause {i} limits the liability of the supplier." for i in range(20)),
    "a",
]
"""Short, empty, over-long, code, Korean."""

QWEN_PROMPT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"

_KOREAN = (
    "회사는 모든 거래 기록을 오 년 동안 보존하고 감독 기관이 요구하면 지체 없이 제출하여야 한다 "
    "환자의 동의를 받은 때에는 예외로 한다"
)
_ENGLISH = "the supplier keeps every record of a transaction for five years and hands it to the supervisor on request"


def lognormal_texts(count: int, *, seed: int = 5, median: float = 20.0, spread: float = 0.8) -> list[str]:
    """Korean and English texts in turn, of lognormal lengths with this median in words."""
    random = np.random.default_rng(seed)
    vocabularies = (_KOREAN.split(), _ENGLISH.split())
    lengths = np.maximum(1, random.lognormal(np.log(median), spread, count)).astype(int)
    return [" ".join(random.choice(vocabularies[i % 2], length)) for i, length in enumerate(lengths)]


def save_tokenizer(
    folder: Path, *, start: str | None = "<s>", end: str = "</s>", limit: int = 64, **settings: Any
) -> int:
    """Train and save a fast tokenizer that puts `start` and `end` around a text. Returns the size of its vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    template = " ".join(part for part in (start, "$A", end) if part)
    around = [(token, special.index(token)) for token in (start, end) if token]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=around)
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=limit, **names, **settings)
    fast.save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


def encoder_folder(folder: Path, *, pooling: str = "mean", max_seq_length: int = 48, roberta: bool = False) -> Path:
    """A sentence-transformers folder of BERT's or XLM-RoBERTa's shape, 32 wide."""
    import torch
    from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

    backbone = folder / "backbone"
    size: dict[str, Any] = {
        "vocab_size": save_tokenizer(backbone),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 80,
        "pad_token_id": 1,
    }
    torch.manual_seed(3)
    model = XLMRobertaModel(XLMRobertaConfig(**size)) if roberta else BertModel(BertConfig(**size))
    model.save_pretrained(backbone)
    return _sentence_transformer(folder, pooling, max_seq_length)


def qwen3_folder(folder: Path, *, max_seq_length: int = 128) -> Path:
    """A folder as Qwen3-Embedding's: decoder, last token, unit length, a prompt for queries; its tokenizer pads on the right."""
    import torch
    from transformers import Qwen3Config, Qwen3Model

    backbone = folder / "backbone"
    config = Qwen3Config(
        vocab_size=save_tokenizer(backbone, start=None, limit=max_seq_length, padding_side="right"),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=64,
        max_position_embeddings=2 * max_seq_length,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    torch.manual_seed(4)
    Qwen3Model(config).save_pretrained(backbone)
    return _sentence_transformer(folder, "lasttoken", max_seq_length, prompts={"query": QWEN_PROMPT, "document": ""})


def bge_m3_folder(
    folder: Path,
    *,
    layers: int = 2,
    width: int = 32,
    heads: int = 4,
    feed_forward: int = 64,
    limit: int = 64,
    token_width: int | None = None,
    spread: float = 0.25,
) -> Path:
    """A folder as BAAI/bge-m3's: XLM-RoBERTa, a head for term weights, and one for token vectors in half precision.

    Args:
        spread: of the weights. With the usual 0.02, a narrow model's first token hears nothing of the others.
    """
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=save_tokenizer(folder, limit=limit),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=feed_forward,
        max_position_embeddings=limit + 2,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=1,
        initializer_range=spread,
    )
    torch.manual_seed(6)
    XLMRobertaModel(config).save_pretrained(folder)
    torch.save(torch.nn.Linear(width, token_width or width).half().state_dict(), folder / "colbert_linear.pt")
    terms = torch.nn.Linear(width, 1)
    torch.nn.init.constant_(terms.bias, 0.3)  # else most weights fall below zero and are not there
    torch.save(terms.half().state_dict(), folder / "sparse_linear.pt")
    return folder


def _sentence_transformer(
    folder: Path, pooling: str, max_seq_length: int, prompts: dict[str, str] | None = None
) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    transformer = Transformer(str(folder / "backbone"), max_seq_length=max_seq_length)
    modules = [transformer, Pooling(32, pooling_mode=pooling)]
    whole = SentenceTransformer(modules=[*modules, Normalize()] if prompts else modules, device="cpu")
    whole.save(str(folder / "model"), create_model_card=False)
    if prompts:
        file = folder / "model" / "config_sentence_transformers.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "prompts": prompts}))
    return folder / "model"
