"""Qwen3-Reranker: a chat model that answers yes or no, through transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rag.domain.errors import ConfigurationError
from rag.reranking.gpu_precision import Precision, forward_on
from rag.reranking.pair_tokenizer import ChatPrompt, serialised_tokenizer
from rag.reranking.pairs import PairReranker
from rag.reranking.torch_forward import YesNoForward, keep_words, mixes, token_budget


def load_qwen3(
    folder: Path,
    *,
    name: str,
    max_tokens: int,
    instruction: str = "",
    precision: Precision | Literal["auto"] = "auto",
    budget: int | None = None,
) -> PairReranker:
    """Load from a local folder; never from a hub, and no code from the folder is run.

    Scores are those of the model card's reference code: the probability of "yes" against "no". Half is where the model finds
    both as likely.

    Args:
        instruction: the task, in English as the card advises; empty for the card's own.
        precision: of the transformer on a GPU; `auto` lets a self-test decide.
        budget: padded tokens a batch; by default by device.

    Raises:
        ConfigurationError: the library can't load the folder, or its tokenizer has no "yes" and "no".
    """
    from transformers import AutoModelForCausalLM

    prompt = ChatPrompt(serialised_tokenizer(folder), instruction)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder.resolve()), dtype="float32", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ConfigurationError(
            detail=f"the reranker in {folder} can't be loaded: {error}",
            detail_ko=f"{folder}의 재순위화 모델을 읽을 수 없습니다: {error}",
        ) from error
    # Padding is masked, so any token serves; configurations of Qwen name none.
    padding = getattr(model.config, "pad_token_id", None) or 0
    keep_words(model, [prompt.token("no"), prompt.token("yes")])
    return PairReranker(
        name=name,
        max_tokens=min(max_tokens, int(model.config.max_position_embeddings)),
        prompt=prompt,
        forward=forward_on(model, lambda moved, device: YesNoForward(moved, padding, device), prompt, precision),
        token_budget=budget or token_budget(),
        mixed=mixes(),
    )
