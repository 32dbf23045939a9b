"""BAAI/bge-reranker-v2-m3 and its kind, loaded by FlagEmbedding; the batches are ours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rag.domain.errors import ConfigurationError
from rag.reranking.gpu_precision import Precision, forward_on
from rag.reranking.pair_tokenizer import TemplatePrompt, serialised_tokenizer
from rag.reranking.pairs import PairReranker
from rag.reranking.torch_forward import ClassifierForward, mixes, token_budget


def load_flag(
    folder: Path,
    *,
    name: str,
    max_tokens: int,
    precision: Precision | Literal["auto"] = "auto",
    budget: int | None = None,
) -> PairReranker:
    """Load from a local folder; never from a hub.

    Scores are those of `FlagReranker.compute_score(normalize=True)`, but for texts with characters that the vocabulary lacks:
    with transformers 5 the library turns its token ids into text and back, which makes other rows of those. Half is where the
    model's training put relevant and irrelevant apart, and scores are comparable between questions; how many of a customer's
    passages at .5 are right, only labelled questions of theirs can say.

    Args:
        precision: of the transformer on a GPU; `auto` lets a self-test decide.
        budget: padded tokens a batch; by default by device.

    Raises:
        ConfigurationError: the library can't load the folder, or the model has more than one label.
    """
    from FlagEmbedding import FlagReranker

    serialised = serialised_tokenizer(folder)
    try:
        loaded = FlagReranker(str(folder.resolve()), use_fp16=False, devices="cpu")
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ConfigurationError(
            detail=f"the reranker in {folder} can't be loaded: {error}",
            detail_ko=f"{folder}의 재순위화 모델을 읽을 수 없습니다: {error}",
        ) from error
    model = loaded.model.float()
    if model.config.num_labels != 1:
        raise ConfigurationError(
            detail=f"the reranker in {folder} has {model.config.num_labels} labels instead of one",
            detail_ko=f"{folder}의 재순위화 모델에 레이블이 하나가 아니라 {model.config.num_labels}개입니다",
        )
    prompt = TemplatePrompt(serialised)
    padding = loaded.tokenizer.pad_token_id or 0
    return PairReranker(
        name=name,
        max_tokens=min(max_tokens, position_limit(model.config)),
        prompt=prompt,
        forward=forward_on(model, lambda moved, device: ClassifierForward(moved, padding, device), prompt, precision),
        token_budget=budget or token_budget(),
        mixed=mixes(),
    )


def position_limit(config: object) -> int:
    """Longest row that a model has positions for. RoBERTa's kind starts counting behind its padding token."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 2**31)
    roberta = str(getattr(config, "model_type", "")) in ("roberta", "xlm-roberta", "camembert")
    return positions - int(getattr(config, "pad_token_id", 0) or 0) - 1 if roberta else positions
