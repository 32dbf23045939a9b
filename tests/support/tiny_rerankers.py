"""Rerankers with random weights, made on the spot in the real file formats: what loads them also loads the real ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

SENTENCES = (
    "연차유급휴가는 1년간 80퍼센트 이상 출근한 근로자에게 15일을 준다.",
    "제24조(경영상 이유에 의한 해고의 제한) 사용자는 해고를 피하기 위한 노력을 다하여야 한다.",
    "여신 심사위원회는 매월 첫째 주 수요일에 열리고, 부의 안건은 닷새 전까지 낸다.",
    "The annual leave of an employee is fifteen days; unused days are paid out in January.",
    "Passwords are changed every ninety days and are never sent by mail.",
    "환자의 진료기록은 10년간 보존하며, 열람은 본인의 동의가 있을 때에만 허용한다.",
    "def interest(amount, rate): return amount * rate  # 단리",
)
WORDS = [word for sentence in SENTENCES for word in sentence.split()]
QUESTION = "연차휴가는 며칠인가요? How many days of annual leave?"
_WIDE = 0.3
"""Of the weights' deviation: with the usual .02 all scores of a random model are .5, and any two loops agree."""


def passages(count: int, *, longest: int = 60, seed: int = 1) -> list[str]:
    """Texts of 1 to `longest` words from `SENTENCES`, Korean and English."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, longest))) for _ in range(count)]


def tiny_flag(folder: Path, *, layers: int = 2, positions: int = 514) -> Path:
    """The kind of bge-reranker-v2-m3: XLM-RoBERTa with one label."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification, XLMRobertaTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trained = Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=special, unk_token="<unk>", show_progress=False, initial_alphabet=["▁"]
    )
    trained.train_from_iterator(_corpus(), trainer)
    words = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    vocabulary = [(word, 0.0 if i < len(special) else -float(i)) for i, (word, _) in enumerate(words)]
    vocabulary.append(("<mask>", 0.0))
    torch.manual_seed(7)
    config = XLMRobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        num_labels=1,
        initializer_range=_WIDE,
    )
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    XLMRobertaTokenizer(vocab=vocabulary, model_max_length=positions - 2).save_pretrained(folder)
    return folder


def tiny_cross_encoder(folder: Path, *, labels: int = 1) -> Path:
    """The kind of the ms-marco models: BERT, whose token types tell question and passage apart."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer()
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    trained.train_from_iterator(_corpus(), trainer)
    torch.manual_seed(8)
    config = BertConfig(
        vocab_size=trained.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=256,
        num_labels=labels,
        initializer_range=_WIDE,
    )
    plain = folder.with_name(f"{folder.name}-plain")
    BertForSequenceClassification(config).save_pretrained(plain)
    BertTokenizer(vocab=trained.get_vocab(), model_max_length=256).save_pretrained(plain)
    CrossEncoder(str(plain), device="cpu").save_pretrained(str(folder))
    return folder


def tiny_qwen3(folder: Path, *, head: int = 8) -> Path:
    """The kind of Qwen3-Reranker: a causal model whose tokenizer knows the chat's marks, "yes" and "no"."""
    import json

    import torch
    from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM

    empty = Qwen2Tokenizer()
    trained = Tokenizer(models.BPE())
    trained.normalizer = empty.backend_tokenizer.normalizer
    trained.pre_tokenizer = empty.backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=700, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    trained.train_from_iterator([*_corpus(), *["yes\nno\n"] * 50], trainer)
    learned = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in learned["merges"]]
    tokenizer = Qwen2Tokenizer(vocab=learned["vocab"], merges=merges, padding_side="left")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    torch.manual_seed(9)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=4 * head,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=head,
        intermediate_size=8 * head,
        max_position_embeddings=2048,
        initializer_range=_WIDE,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "flag": tiny_flag,
    "cross_encoder": tiny_cross_encoder,
    "qwen3": tiny_qwen3,
}
"""Value of `reranking.backend` to what makes a folder for it."""


def _corpus() -> Iterator[str]:
    for _ in range(3):
        yield from (*SENTENCES, QUESTION)
