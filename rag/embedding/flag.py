"""BAAI/bge-m3, and whatever is saved like it: dense vectors, term weights and token vectors from one pass of one model.

FlagEmbedding loads the folder; the encode loop is ours (`local.py`, `runtime.py`), and its vectors are those of FlagEmbedding's
`encode`. Faster because no batch runs twice to find out whether it fits, because texts are packed by tokens instead of a fixed
number of rows, and because term weights are made by array operations instead of a loop over tokens
(`benchmarks/flag_encoding.py`).
"""

from __future__ import annotations

import itertools
import json
import pickletools
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rag.domain.errors import ConfigurationError
from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.embedding.instructions import opted_out
from rag.embedding.local import LocalEmbedder, ModelDescription
from rag.embedding.outputs import Outputs
from rag.embedding.precision import Precision
from rag.embedding.runtime import LoadedModel, ModelRequest, start
from rag.embedding.tokenizing import TokenizerSpec
from rag.inference.batches import Arrays, Padding, TokenIds

if TYPE_CHECKING:
    import torch

_TERMS, _TOKENS = "sparse_linear.pt", "colbert_linear.pt"
_BYTES_PER_NUMBER = {"DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2}


def load_flag(
    folder: Path,
    *,
    name: str,
    languages: frozenset[Language],
    max_tokens: int | None = None,
    precision: Precision | Literal["auto"] = "auto",
    token_budget: int | None = None,
    term_weights: bool = True,
    token_vectors: bool = False,
    query_instruction: str = "",
    cache_dir: Path | None = None,
) -> LocalEmbedder:
    """Load a model from a local folder; never from a hub, and no code from the folder is run.

    Args:
        folder: has `config.json`, `tokenizer.json`, the weights, and both heads (`sparse_linear.pt`, `colbert_linear.pt`).
        max_tokens: cut texts here; never above the model's own limit, which is the default.
        precision: `auto` lets a self-test of some two seconds decide.
        token_budget: padded tokens a batch; by default by device.
        term_weights: give `Embeddings.sparse`: the term ids are the tokenizer's.
        token_vectors: give `Embeddings.multi`: one row for every token but the first.
        query_instruction: put before queries as it is; bge-m3 itself was trained without.
        cache_dir: where the self-test's outcome is kept for later starts; None repeats it at every start.

    Raises:
        ConfigurationError: the folder is not one, or the library can't load it.
        ModelUnavailable: the model loads, but its vectors are not sound.
    """
    require_folder(folder)
    outputs = Outputs(widths(folder)[0], term_weights, widths(folder)[1] if token_vectors else None)
    load = partial(_load, folder, max_tokens, outputs)
    request = ModelRequest(folder, name, max_tokens, cache_dir, load, partial(_comparable, outputs))
    runtime = start(request, precision)
    description = ModelDescription(
        name=name,
        languages=languages,
        outputs=outputs,
        max_tokens=runtime.tokenizer.limit,
        prompts={Role.QUERY: "" if opted_out(query_instruction) else query_instruction},
        precision=runtime.precision,
    )
    return runtime.embedder(description, partial(_finished, outputs), token_budget)


def require_folder(folder: Path) -> None:
    """Refuse a folder that is not whole: without its heads, the library would take random ones and say nothing.

    Raises:
        ConfigurationError: a file is missing.
    """
    missing = [file for file in ("config.json", "tokenizer.json", _TERMS, _TOKENS) if not (folder / file).is_file()]
    if missing:
        raise ConfigurationError(
            detail=f"{folder} is not a local folder like BAAI/bge-m3's: no {', '.join(missing)}",
            detail_ko=f"{folder}은(는) BAAI/bge-m3와 같은 모델 폴더가 아닙니다: {', '.join(missing)} 파일이 없습니다",
        )


def widths(folder: Path) -> tuple[int, int]:
    """Width of the dense vectors and of the token vectors, without loading anything.

    Raises:
        ConfigurationError: the folder does not say.
    """
    try:
        width = int(json.loads((folder / "config.json").read_text(encoding="utf-8"))["hidden_size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            detail=f"{folder}/config.json names no hidden_size",
            detail_ko=f"{folder}/config.json에 hidden_size가 없습니다",
        ) from error
    return width, _rows_of_largest_matrix(folder / _TOKENS, width) or width


def _rows_of_largest_matrix(file: Path, columns: int) -> int | None:
    """Rows of the matrix in a file of torch's, from its size; None for a format that is not read here.

    The file is a ZIP with one member per tensor, of raw numbers, and a pickle that names their type: the pickle's operations
    are listed, not run.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = {name.partition("/")[2]: name for name in archive.namelist()}
            largest = max(
                archive.getinfo(name).file_size for inner, name in members.items() if inner.startswith("data/")
            )
            types = {
                str(argument).rpartition(" ")[2]
                for _, argument, _ in pickletools.genops(archive.read(members["data.pkl"]))
                if isinstance(argument, str) and argument.startswith("torch ")
            }
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    numbers = [_BYTES_PER_NUMBER[item] for item in types if item in _BYTES_PER_NUMBER]
    return largest // numbers[0] // columns if len(numbers) == 1 else None


def _load(folder: Path, max_tokens: int | None, outputs: Outputs) -> LoadedModel:
    """The library's own loader, offline, in float32 on the CPU (half precision, its default, is wrong there)."""
    from FlagEmbedding import BGEM3FlagModel
    from tokenizers import Tokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # it warns of the pooler, which no vector needs
    try:
        theirs = BGEM3FlagModel(
            str(folder.resolve()),
            use_fp16=False,
            devices="cpu",
            trust_remote_code=False,
            colbert_dim=widths(folder)[1],
        )
    except Exception as error:  # of a damaged file each of the libraries below says so in its own way
        raise ConfigurationError(
            detail=f"the model in {folder} can't be loaded: {error}",
            detail_ko=f"{folder}의 모델을 읽을 수 없습니다: {error}",
        ) from error
    tokenizer, config = theirs.tokenizer, theirs.model.model.config
    if not isinstance(getattr(tokenizer, "backend_tokenizer", None), Tokenizer):
        raise ConfigurationError(
            detail="the model has no fast tokenizer (tokenizer.json)",
            detail_ko="모델에 빠른 토크나이저(tokenizer.json)가 없습니다",
        )
    # Positions are counted from behind the padding token's number (Liu et al. 2019), so that many are never used.
    own = min(tokenizer.model_max_length, config.max_position_embeddings - config.pad_token_id - 1)
    padding = Padding(tokenizer.pad_token_id)
    spec = TokenizerSpec(
        tokenizer.backend_tokenizer.to_str(), min(max_tokens or own, own), tokenizer.truncation_side, padding
    )
    special = (tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id)
    return LoadedModel(_whole(theirs.model, [item for item in special if item is not None], outputs), spec)


def _whole(theirs: Any, special: Sequence[int], outputs: Outputs) -> torch.nn.Module:
    """The transformer with the heads that are asked for; see `LoadedModel.module`."""
    import torch

    class Whole(torch.nn.Module):
        used: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.body = theirs.model
            self.body.pooler = None
            self.terms = theirs.sparse_linear if outputs.learned else None
            self.tokens = theirs.colbert_linear if outputs.multi is not None else None
            used = torch.ones(self.body.config.vocab_size)
            used[list(special)] = 0.0
            self.register_buffer("used", used)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
            hidden = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
            parts = [torch.nn.functional.normalize(hidden[:, 0], dim=-1)]
            if self.terms is not None:
                parts.append(torch.relu(self.terms(hidden)).squeeze(-1) * self.used[input_ids] * attention_mask)
            if self.tokens is not None:
                parts.append(torch.nn.functional.normalize(self.tokens(hidden[:, 1:]), dim=-1))
            return tuple(parts)

    return Whole().eval()


def _finished(outputs: Outputs, token_ids: list[TokenIds], arrays: Arrays) -> Embeddings:
    """Vectors of m texts from dense vectors (m, d), weights (m, n) and token vectors (m, n - 1, w), padded on the right."""
    dense, *others = arrays
    sparse = _terms(token_ids, others.pop(0)) if outputs.learned else None
    multi = None
    if outputs.multi is not None:
        # Copies: a view would keep the padded rows of the whole batch alive.
        multi = tuple(rows[: len(ids) - 1].copy() for ids, rows in zip(token_ids, others.pop(0), strict=True))
    return Embeddings(dense=dense, sparse=sparse, multi=multi)


def _terms(token_ids: Sequence[TokenIds], weights: NDArray[np.float32]) -> tuple[SparseVector, ...]:
    """Per text the largest weight of each token id, where it is above zero; ids ascending.

    Args:
        weights: shape (m, n), zero for padding and special tokens.
    """
    lengths = np.fromiter(map(len, token_ids), dtype=np.intp, count=len(token_ids))
    rows = np.repeat(np.arange(len(token_ids)), lengths)
    values = weights[:, : lengths.max(initial=0)][np.arange(lengths.max(initial=0)) < lengths[:, None]]
    terms = np.fromiter((term for ids in token_ids for term in ids), dtype=np.int64, count=int(lengths.sum()))
    above = ~(values <= 0)  # so that a NaN stays and is refused as unsound
    rows, terms, values = rows[above], terms[above], values[above]
    order = np.lexsort((-values, terms, rows))  # the largest weight of each id comes first, and stays
    rows, terms, values = rows[order], terms[order], values[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]) | (terms[1:] != terms[:-1])
    rows, ids, numbers = rows[first], terms[first].tolist(), values[first].tolist()
    ends = np.searchsorted(rows, np.arange(len(token_ids) + 1)).tolist()
    return tuple(
        SparseVector(tuple(ids[begin:end]), tuple(numbers[begin:end])) for begin, end in itertools.pairwise(ends)
    )


def _comparable(outputs: Outputs, token_ids: Sequence[TokenIds], arrays: Arrays) -> NDArray[np.float32]:
    """The dense vectors and, below them, the weights as unit rows, cut at the longest text (a graph pads further).

    Token vectors come from the same states as the weights, so that they need no comparison of their own.
    """
    if not outputs.learned:
        return arrays[0]
    weights = np.zeros((len(token_ids), max(1, arrays[0].shape[1], *map(len, token_ids))), dtype=np.float32)
    longest = max(map(len, token_ids))
    weights[:, :longest] = arrays[1][:, :longest]
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    weights = np.where(norms > 0, weights / np.maximum(norms, 1e-12), np.eye(1, weights.shape[1], dtype=np.float32))
    dense = np.zeros((len(token_ids), weights.shape[1]), dtype=np.float32)
    dense[:, : arrays[0].shape[1]] = arrays[0]
    return np.concatenate([dense, weights])
