"""Any sentence-transformers CrossEncoder with one label."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rag.domain.errors import ConfigurationError
from rag.reranking.gpu_precision import Precision, forward_on
from rag.reranking.pair_tokenizer import TemplatePrompt, serialised_tokenizer
from rag.reranking.pairs import PairReranker
from rag.reranking.torch_forward import ClassifierForward, mixes, token_budget


def load_cross_encoder(
    folder: Path,
    *,
    name: str,
    max_tokens: int,
    precision: Precision | Literal["auto"] = "auto",
    budget: int | None = None,
) -> PairReranker:
    """Load from a local folder; never from a hub, and no code from the folder is run.

    Scores are those of `CrossEncoder.predict` with its default for one label, the sigmoid. It is taken of models, too, that
    are saved with another activation (those of the ms-marco family give raw logits), so that scores are always 0 to 1.

    Args:
        precision: of the transformer on a GPU; `auto` lets a self-test decide.
        budget: padded tokens a batch; by default by device.

    Raises:
        ConfigurationError: the library can't load the folder, or it is not a classifier with one label.
    """
    from sentence_transformers import CrossEncoder

    serialised = serialised_tokenizer(folder)
    try:
        loaded = CrossEncoder(
            str(folder.resolve()),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": "float32"},
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ConfigurationError(
            detail=f"the reranker in {folder} can't be loaded: {error}",
            detail_ko=f"{folder}의 재순위화 모델을 읽을 수 없습니다: {error}",
        ) from error
    model = getattr(loaded[0], "model", None)
    if model is None or len(loaded) != 1 or not type(model).__name__.endswith("ForSequenceClassification"):
        raise ConfigurationError(
            detail=f"the reranker in {folder} is not a sequence classifier",
            detail_ko=f"{folder}의 재순위화 모델은 분류 모델이 아닙니다",
        )
    if loaded.num_labels != 1:
        raise ConfigurationError(
            detail=f"the reranker in {folder} has {loaded.num_labels} labels instead of one",
            detail_ko=f"{folder}의 재순위화 모델에 레이블이 하나가 아니라 {loaded.num_labels}개입니다",
        )
    prompt = TemplatePrompt(serialised)
    padding = loaded.tokenizer.pad_token_id or 0
    return PairReranker(
        name=name,
        max_tokens=min(max_tokens, loaded.max_seq_length or max_tokens),
        prompt=prompt,
        forward=forward_on(model, lambda moved, device: ClassifierForward(moved, padding, device), prompt, precision),
        token_budget=budget or token_budget(),
        mixed=mixes(),
    )
