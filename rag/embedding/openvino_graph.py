"""A model as an OpenVINO graph: converted once, kept in the cache folder, run from then on without torch.

OpenVINO fuses what torch runs one by one and, in bfloat16, uses kernels of its own for attention: MiniLM takes 0.4 of
torch's float32 time and 0.8 of its bfloat16 time on a processor with `avx512_bf16` (`benchmarks/encoding.py`). A start from
the kept graph imports neither torch nor sentence-transformers, which is most of a start's time.

`openvino.tools.ovc` reports every conversion to Google Analytics through the package `openvino_telemetry`, without asking,
unless that package can't be imported; so here it can't. A test fails when the library changes that seam.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import logging
import shutil
import sys
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rag.embedding import graph_trial
from rag.embedding.openvino_narrow import GROUP, narrow
from rag.embedding.precision import SELF_TEST_TEXTS, has_bfloat16, processor
from rag.embedding.tokenizing import TokenizerSpec
from rag.inference.batches import Arrays, Padding, TokenIds

logger = logging.getLogger(__name__)

WIDTH_MULTIPLE = 8
"""Batches are padded to a multiple of this many tokens: a new shape costs OpenVINO a preparation, which it then keeps."""

KEPT_SHAPES = 256
"""Preparations kept. The library's own 5,000 are hundreds of megabytes after a day of texts of every length."""

_WORDS = 60
"""Words that are run by themselves before a graph is narrowed: they are the shortest questions."""
_NARROW = "int8"
_LEFT_OVER_S = 3600.0
"""From which age on what is beside a kept graph is of a process that was killed."""

_MODEL = "model.xml"
_MANIFEST = "manifest.json"
_TOKENIZER = "tokenizer.json"


class ConversionFailed(Exception):
    """The library can't convert this model; it runs on torch instead."""


class GraphRefused(ConversionFailed):
    """The library would end this process over the graph: a child process that tried it did not survive.

    Attributes:
        lasting: whether it would end so again; else the next start asks anew.
    """

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """What has to be known besides the graph.

    Attributes:
        dimensions: width d of the vectors.
        lanes: requests that run at once.
        lane_threads: threads of each.
    """

    tokenizer: TokenizerSpec
    dimensions: int
    lanes: int
    lane_threads: int


def installed_version() -> str | None:
    """Version of the installed library, found without importing it."""
    if importlib.util.find_spec("openvino") is None:
        return None
    return importlib.metadata.version("openvino")


def export(module: Any, example: dict[str, Any], spec: GraphSpec, folder: Path) -> None:
    """Convert a torch module and write it to `folder`, in one step (aside, then renamed).

    Args:
        module: takes `input_ids` and `attention_mask`, int64 of shape (m, n), and gives what `Arrays` describes.
        example: such inputs, to trace it with.

    Raises:
        ConversionFailed: the library has no translation for an operation, or the folder can't be written.
    """
    openvino = _library()
    free = openvino.PartialShape([-1, -1])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer warns of every branch in the model's code
            model = openvino.convert_model(module, example_input=example, input=[free, free])
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.", suffix=".part"))
        try:
            openvino.save_model(model, str(aside / _MODEL), compress_to_fp16=False)
            (aside / _TOKENIZER).write_text(spec.tokenizer.serialised, encoding="utf-8")
            (aside / _MANIFEST).write_text(json.dumps(_manifest(spec), indent=2), encoding="utf-8")
            _put_in_place(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except Exception as error:  # tracing runs the model's own code, which may raise anything
        raise ConversionFailed(str(error)) from error


def _put_in_place(aside: Path, folder: Path) -> None:
    if read_spec(folder) is not None:
        return  # another process has just made the same one, and may be reading it
    shutil.rmtree(folder, ignore_errors=True)
    try:
        aside.rename(folder)
    except OSError:
        if read_spec(folder) is None:  # else another process has just made the same one
            raise


def read_spec(folder: Path) -> GraphSpec | None:
    """What `export` noted, None when there is nothing whole in `folder`."""
    try:
        noted = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        serialised = (folder / _TOKENIZER).read_text(encoding="utf-8")
        padding = Padding(int(noted["padding_token"]), bool(noted["padding_left"]))
        tokenizer = TokenizerSpec(serialised, int(noted["limit"]), str(noted["cut"]), padding)
        return GraphSpec(tokenizer, int(noted["dimensions"]), int(noted["lanes"]), int(noted["lane_threads"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("ignoring the damaged graph in %s: %r", folder, error)
        return None


def _manifest(spec: GraphSpec) -> dict[str, Any]:
    tokenizer = spec.tokenizer
    return {
        "limit": tokenizer.limit,
        "cut": tokenizer.cut,
        "padding_token": tokenizer.padding.token,
        "padding_left": tokenizer.padding.left,
        "dimensions": spec.dimensions,
        "lanes": spec.lanes,
        "lane_threads": spec.lane_threads,
    }


class OpenVinoForward:
    """The graph in one number format. Called from several lanes at once; each has a request of its own."""

    def __init__(self, folder: Path, spec: GraphSpec, precision: str, *, on_trial: bool = False) -> None:
        """Compile the graph in `folder`; on processors with AMX after a child process has done the same (`graph_trial.py`).

        Args:
            precision: `bfloat16`, `float32`, or `int8`, where the rest is bfloat16 if the processor has that.
            on_trial: this is that child process.

        Raises:
            ConversionFailed: the graph can't be read or compiled.
            GraphRefused: the child did not survive it.
        """
        library = _library()
        eight_bits = precision == "int8"
        rest = precision
        if eight_bits:
            rest = "bfloat16" if has_bfloat16(processor()[1]) else "float32"
        options = {
            "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[rest],
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP if eight_bits else 0,
            "NUM_STREAMS": spec.lanes,
            "INFERENCE_NUM_THREADS": spec.lanes * spec.lane_threads,
            # Bound to cores, the lanes would share theirs with a parser while others stand idle.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": KEPT_SHAPES,
        }
        try:
            core = library.Core()
            model = _narrowed(library, core, folder, spec) if eight_bits else core.read_model(str(folder / _MODEL))
            if precision != "float32" and not on_trial:
                _require_survival(folder, spec, precision)
            self._compiled = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise ConversionFailed(str(error)) from error
        self._padding = spec.tokenizer.padding
        self._own = threading.local()
        # The binding sets itself up with the first array it sees, and two threads that bring their first ones together
        # block each other for ever (pybind11's NumPy table, openvino 2026.4): so the first one comes from here, alone.
        self([[self._padding.token]])

    def __call__(self, token_ids: list[TokenIds]) -> Arrays:
        """The model's outputs, float32, for m token id lists."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        ids, mask = self._padding.arrays(token_ids, WIDTH_MULTIPLE)
        return tuple(np.array(output, dtype=np.float32) for output in request.infer([ids, mask]).values())


def _require_survival(folder: Path, spec: GraphSpec, precision: str) -> None:
    """Raises `GraphRefused` where a trial ended a child process. It is AMX, in narrow formats, whose kernels are known to."""
    if graph_trial.INSTRUCTIONS not in processor()[1]:
        return
    finding = graph_trial.tried(folder, precision, spec.lanes, spec.lane_threads)
    if finding.refused:
        raise GraphRefused(
            f"a child process that tried it with OpenVINO was {finding.refused}", lasting=finding.lasting
        )


def _narrowed(library: Any, core: Any, folder: Path, spec: GraphSpec) -> Any:
    """The graph with matrices of eight bits; made first from what the self-test's texts do in it, then kept where it can.

    Raises:
        ConversionFailed: there is nothing to narrow.
    """
    kept = folder / _NARROW / _MODEL
    if kept.is_file():
        return core.read_model(str(kept))
    model = core.read_model(str(folder / _MODEL))
    words = list(dict.fromkeys(word for text in SELF_TEST_TEXTS for word in text.split()))[:_WORDS]
    if not narrow(library, model, spec.tokenizer.functions()[0]([*SELF_TEST_TEXTS, *words])):
        raise ConversionFailed("it has no matrices that could be narrowed")
    try:
        _keep_narrowed(library, model, folder)
    except (OSError, RuntimeError) as error:  # a full or read-only disk: the next start makes it again
        logger.warning("the narrowed graph can't be kept in %s: %s", folder, error)
    return model


def _keep_narrowed(library: Any, model: Any, folder: Path) -> None:
    for leftover in folder.glob(f"{_NARROW}.*.part"):
        if time.time() - leftover.stat().st_mtime > _LEFT_OVER_S:
            shutil.rmtree(leftover, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=f"{_NARROW}.", suffix=".part"))
    try:
        library.save_model(model, str(aside / _MODEL), compress_to_fp16=False)
        with suppress(OSError):  # another process has just made the same one
            aside.rename(folder / _NARROW)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _library() -> Any:
    """The library, with its reporting out of reach."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino
