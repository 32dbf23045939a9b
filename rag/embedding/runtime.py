"""What runs a local model: torch or OpenVINO, in the number format that a self-test found the fastest on this machine.

A backend file loads a model with its own library and hands it over as a `LoadedModel`; from there on all backends are alike.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from rag.domain.errors import ConfigurationError
from rag.domain.vectors import Embeddings
from rag.embedding import openvino_graph, openvino_narrow
from rag.embedding.base import Role
from rag.embedding.local import LocalEmbedder, ModelDescription, bounds_of
from rag.embedding.pieces import PROCESSOR_TEXTS, WIDE_TEXTS, Piece
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
from rag.embedding.torch_forwards import GpuForwards, TorchForward, choose_on_gpu
from rag.inference.batches import Arrays, Bounds, Forward, TokenIds
from rag.inference.lanes import Lanes
from rag.inference.memory import lacks_memory

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

_OPENVINO = "openvino-"
_NARROW_GRAPHS: frozenset[Precision] = frozenset({"openvino-int8", "openvino-bfloat16"})

CPU_TOKEN_BUDGET = 1024
"""Padded tokens a batch. CPU time is flat within the noise from 512 to 4,096 and some 30 % higher at 8,192, where buffers leave
the cache (`benchmarks/encoding.py --budget`); the smaller it is, the sooner a waiting query gets a lane."""

CUDA_TOKEN_BUDGET = 16_384
"""Padded tokens a batch on a GPU, which needs wide batches to be busy. Not measured here: no GPU was at hand."""

CUDA_SMALLEST = 2048
"""Padded tokens up to which a GPU is idle anyway, so that padding costs less than another launch. Not measured either."""

LARGE_MODEL_PARAMETERS = 100_000_000
LARGE_MODEL_LANE_THREADS = 4
"""A model this large is too slow on one thread for a single query, so that its lanes get up to four each."""

SELF_TEST_TOKENS = 128


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model as its library loaded it, in float32 on the CPU.

    Attributes:
        module: takes `input_ids` and `attention_mask`, int64 of shape (m, n), and gives a tuple of tensors, float32, as `Arrays`
            describes them. Its `body` is the transformer, the part that a narrower number format is for: pooling sums
            hundreds of tokens, which in bfloat16 costs the third digit (cosine 0.9965 instead of 0.9999 on abstracts).
    """

    module: torch.nn.Module
    tokenizer: TokenizerSpec


Compare = Callable[[Sequence[TokenIds], Arrays], NDArray[np.float32]]
"""Token ids and what a model made of them, to unit rows that have to agree between number formats."""


def dense_rows(token_ids: Sequence[TokenIds], arrays: Arrays) -> NDArray[np.float32]:
    """The dense vectors: a `Compare` for models that give nothing else."""
    return arrays[0]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Which model to run, and where to keep what is found out about it.

    Attributes:
        load: loads it; not called where an earlier start kept a graph.
        cache_dir: for the self-test's outcome and the converted graph; None repeats both at every start.
    """

    folder: Path
    name: str
    max_tokens: int | None
    cache_dir: Path | None
    load: Callable[[], LoadedModel]
    compare: Compare = dense_rows

    def key(self, device: str) -> dict[str, str]:
        """What a stored choice depends on."""
        library = f"openvino {openvino_graph.installed_version()}, narrowed {openvino_narrow.VERSION}"
        framework = f"torch {version('torch')}, {library}"
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
class Runtime:
    """A model that runs.

    Attributes:
        dimensions: width of the dense vectors.
    """

    forward: Forward
    lanes: Lanes
    tokenizer: TokenizerSpec
    dimensions: int
    precision: Precision
    cuda: bool = False

    def embedder(
        self,
        description: ModelDescription,
        finish: Callable[[list[TokenIds], Arrays], Embeddings],
        token_budget: int | None = None,
    ) -> LocalEmbedder:
        """An embedder on this runtime, tried on two texts: a broken model is refused at start, not at the first upload.

        Args:
            finish: token ids and what the model made of them, to vectors.
            token_budget: padded tokens a batch; by default by device.

        Raises:
            ModelUnavailable: its vectors are not sound.
        """
        tokenize, count_tokens = self.tokenizer.functions()
        forward = self.forward
        default = bounds_of(CUDA_TOKEN_BUDGET, CUDA_SMALLEST) if self.cuda else bounds_of(CPU_TOKEN_BUDGET)
        embedder = LocalEmbedder(
            description,
            bounds=Bounds(token_budget or default.budget, default.smallest, default.most_padding),
            tokenize=tokenize,
            count_tokens=count_tokens,
            forward=lambda token_ids: finish(token_ids, forward(token_ids)),
            lanes=self.lanes,
            lacks_memory=lacks_memory,
            token_decoder=self.tokenizer.decoder,
            piece=Piece(WIDE_TEXTS if self.cuda else PROCESSOR_TEXTS),
        )
        embedder.embed(["", SELF_TEST_TEXTS[0]], Role.PASSAGE)
        return embedder


def start(request: ModelRequest, precision: Precision | Literal["auto"]) -> Runtime:
    """Run the model: from the graph that an earlier start found the fastest, else loaded by its library.

    Args:
        precision: `auto` lets a self-test of some two seconds decide.

    Raises:
        ConfigurationError: the settings ask for a number format that this model can't run in.
    """
    runtime = _kept_runtime(request) if precision == "auto" else None
    return runtime or _torch_runtime(request, precision)


def _kept_runtime(request: ModelRequest) -> Runtime | None:
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
    except openvino_graph.GraphRefused as error:  # fewer processors than when it was chosen
        logger.info("the kept graph of %s is not loaded: %s", request.name, error)
        return None
    except openvino_graph.ConversionFailed as error:
        logger.warning("the kept graph of %s does not load and is made again: %s", request.name, error)
        return None
    return Runtime(forward, Lanes(spec.lanes), spec.tokenizer, spec.dimensions, choice.precision)


def _torch_runtime(request: ModelRequest, precision: Precision | Literal["auto"]) -> Runtime:
    """The model loaded by its library, in the number format that is asked for, or that a self-test finds the fastest."""
    import torch

    model = request.load()
    cuda = torch.cuda.is_available() and not precision.startswith(_OPENVINO)
    lanes, lane_threads = _start_lanes(model.module, cuda)
    if cuda:
        return _gpu_runtime(request, model, lanes, precision)
    if precision == "float16":
        raise ConfigurationError(
            detail="embedding.precision float16: there is no GPU, and a processor gains nothing by it",
            detail_ko="embedding.precision float16: GPU가 없고, CPU에서는 이득이 없습니다",
        )
    tokenize, _ = model.tokenizer.functions()
    plain = TorchForward(model.module, model.tokenizer.padding, "cpu")
    width = lanes.submit(partial(plain, tokenize(["width"])), urgent=True).result()[0].shape[1]
    spec = openvino_graph.GraphSpec(model.tokenizer, width, lanes.count, lane_threads)
    probe = tokenize(["", "word", SELF_TEST_TEXTS[0], SELF_TEST_TEXTS[-1][:60]])
    forwards = _Forwards(plain, partial(_graph_forward, request, model.module, spec), probe, request.compare)
    if precision == "auto":
        sample = [ids[:SELF_TEST_TOKENS] for ids in tokenize(SELF_TEST_TEXTS)]
        precision = _tested_precision(forwards, sample, lanes, request)
    return Runtime(forwards.keep(precision), lanes, model.tokenizer, width, precision)


def _gpu_runtime(
    request: ModelRequest, model: LoadedModel, lanes: Lanes, precision: Precision | Literal["auto"]
) -> Runtime:
    """The same on a GPU.

    Raises:
        ConfigurationError: it has no room for the model.
    """
    tokenize, _ = model.tokenizer.functions()
    forwards = GpuForwards(model.module, model.tokenizer.padding)
    try:
        if precision == "auto":
            precision = _tested_on_gpu(
                forwards, [ids[:SELF_TEST_TOKENS] for ids in tokenize(SELF_TEST_TEXTS)], lanes, request
            )
        forward = forwards.keep(precision)
        width = lanes.submit(partial(forward, tokenize(["width"])), urgent=True).result()[0].shape[1]
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        detail = (
            f"the model in {request.folder} has no room on the GPU in {precision}; "
            "name a narrower embedding.precision, or a smaller model"
        )
        raise ConfigurationError(
            detail=detail,
            detail_ko=f"{request.folder}의 모델을 {precision}(으)로 올릴 GPU 메모리가 모자랍니다. "
            "embedding.precision을 좁히거나 더 작은 모델을 쓰세요",
        ) from error
    return Runtime(forward, lanes, model.tokenizer, width, precision, cuda=True)


def _tested_on_gpu(forwards: GpuForwards, sample: list[TokenIds], lanes: Lanes, request: ModelRequest) -> Precision:
    """The stored or freshly tested precision of a GPU."""
    import torch

    candidates = candidate_precisions(frozenset(), torch.cuda.get_device_capability())

    def run(forward: Forward) -> NDArray[np.float32]:
        return request.compare(sample, lanes.submit(partial(forward, sample), urgent=False).result())

    # A choice among others, of an earlier release, is none for these.
    key = request.key(f"{torch.cuda.get_device_name()}: {' '.join(candidates)}")
    choice = remembered_choice(request.cache_dir, key, lambda: choose_on_gpu(forwards, run, candidates)).precision
    return choice if choice in ("float32", *candidates) else "float32"


def _graph_forward(
    request: ModelRequest, module: torch.nn.Module, spec: openvino_graph.GraphSpec, precision: Precision
) -> Forward:
    """The model on OpenVINO; converted first where no earlier start did it. Without a cache folder nothing is kept.

    Raises:
        ConversionFailed: it stays on torch.
        GraphRefused: so it does, and the converted graph is kept for other formats.
    """
    import torch

    with ExitStack() as stack:
        parent = request.cache_dir
        if parent is None:
            parent = Path(stack.enter_context(TemporaryDirectory(prefix="seogo-graph-")))
        folder, number_format = request.graph_folder(parent), precision.removeprefix(_OPENVINO)
        if openvino_graph.read_spec(folder) is not None:
            try:
                return openvino_graph.OpenVinoForward(folder, spec, number_format)
            except openvino_graph.GraphRefused:
                raise
            except openvino_graph.ConversionFailed:  # damaged: made again
                shutil.rmtree(folder, ignore_errors=True)
        ids = torch.arange(1, 17).reshape(2, 8) % 4
        example = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        openvino_graph.export(module, example, spec, folder)
        request.drop_stale_graphs(folder)
        return openvino_graph.OpenVinoForward(folder, spec, number_format)


def _start_lanes(module: torch.nn.Module, cuda: bool) -> tuple[Lanes, int]:
    """As many lanes as torch has threads, fewer and wider ones for a large model, a single one for a GPU.

    Returns:
        The lanes, and the threads of each.
    """
    import torch

    threads = torch.get_num_threads()
    size = sum(parameter.numel() for parameter in module.parameters())
    width = min(threads, LARGE_MODEL_LANE_THREADS) if size >= LARGE_MODEL_PARAMETERS else 1

    def prepare() -> None:
        torch.get_num_threads()  # torch's first call on a thread resets its number; so call it, then set ours
        torch.set_num_threads(width)

    lanes = Lanes(1 if cuda else max(1, threads // width), prepare)
    torch.set_num_threads(threads)  # the lanes' calls also changed the default of threads still to come
    return lanes, width


def _tested_precision(forwards: _Forwards, sample: list[TokenIds], lanes: Lanes, request: ModelRequest) -> Precision:
    """The stored or freshly tested precision; the test runs on a lane, as the real work will."""
    candidates = forwards.possible(
        candidate_precisions(processor()[1], openvino=openvino_graph.installed_version() is not None)
    )
    if not candidates:
        return "float32"

    def encode(precision: Precision) -> NDArray[np.float32]:
        return request.compare(sample, lanes.submit(partial(forwards.of(precision), sample), urgent=False).result())

    # The process's own seconds are what counts: neighbours on a shared machine disturb the wall clock.
    return remembered_choice(
        None if forwards.is_undecided else request.cache_dir,
        request.key("cpu"),
        lambda: choose_precision(encode, candidates, clock=time.process_time),
        among=("float32", *candidates),
    ).precision


class _Forwards:
    """One forward pass per precision, made from one loaded model; all but the kept one are dropped."""

    def __init__(
        self, plain: TorchForward, graph: Callable[[Precision], Forward], probe: list[TokenIds], compare: Compare
    ) -> None:
        self._plain = plain
        self._graph = graph
        self._probe = probe
        self._compare = compare
        self._made: dict[Precision, Forward] = {"float32": plain}
        self._refused: set[Precision] = set()
        self.is_undecided = False
        """Whether something was left out that the next start may find possible: what is chosen now is not for keeping."""

    def possible(self, candidates: Sequence[Precision]) -> tuple[Precision, ...]:
        """The candidates that this model can run in; one that can't be converted is left out, and the log says so.

        Where a child process survived none of OpenVINO's narrow formats, the processor may announce what it can't do, and
        nobody tries torch's out in a child: so that is left out too.
        """
        possible = [candidate for candidate in candidates if self._makes(candidate)]
        if self._refused >= _NARROW_GRAPHS and "bfloat16" in possible:
            logger.info("bfloat16 is left out of the self-test: no narrow format was survived in OpenVINO")
            possible.remove("bfloat16")
        return tuple(possible)

    def of(self, precision: Precision) -> Forward:
        """A forward pass to compare with others; a narrower one has a copy of the weights, for narrowing loses digits."""
        if precision not in self._made:
            graph = precision.startswith(_OPENVINO)
            self._made[precision] = self._checked(self._graph(precision)) if graph else self._plain.narrowed(precision)
        return self._made[precision]

    def keep(self, precision: Precision) -> Forward:
        """The forward pass to go on with; the copies made for comparison become free.

        Raises:
            ConfigurationError: the settings ask for what this model can't run in.
        """
        try:
            forward = self.of(precision)
        except openvino_graph.ConversionFailed as error:
            raise ConfigurationError(
                detail=f"embedding.precision {precision}: {error}",
                detail_ko=f"embedding.precision {precision}(으)로 실행할 수 없습니다: {error}",
            ) from error
        self._made.clear()
        return forward

    def _checked(self, graph: Forward) -> Forward:
        """`graph`, if it agrees with torch on texts of other lengths than it was traced with: tracing follows one path."""
        theirs = self._compare(self._probe, self._plain(self._probe))
        try:
            ours = self._compare(self._probe, graph(self._probe))
        except (
            Exception
        ) as error:  # a constant of the example's shape inside the graph ends in whatever the library raises
            raise openvino_graph.ConversionFailed(f"its graph does not run: {error}") from error
        cosine = float(np.min(np.sum(ours * theirs, axis=1))) if ours.shape == theirs.shape else 0.0
        if not cosine >= MIN_COSINE:  # written so that NaN fails too
            raise openvino_graph.ConversionFailed(f"its graph gives other vectors (cosine {cosine:.4f})")
        return graph

    def _makes(self, precision: Precision) -> bool:
        try:
            self.of(precision)
        except openvino_graph.ConversionFailed as error:
            logger.info("%s is left out of the self-test: %s", precision, error)
            if isinstance(error, openvino_graph.GraphRefused):
                self._refused.add(precision)
                self.is_undecided = self.is_undecided or not error.lasting
            return False
        return True
