"""Forward passes of one model on torch, in the number formats that are compared.

On a GPU the weights are copied and narrowed on the processor, and only what runs is moved over: a card has to hold the model in
the format that it runs in, not in float32 as well.
"""

from __future__ import annotations

import copy
import gc
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag.embedding.precision import Precision, PrecisionChoice, choose_precision, least_cosine
from rag.inference.batches import Arrays, Forward, Padding, TokenIds
from rag.inference.memory import lacks_memory

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

GPU = "cuda"
"""Torch's name of the device."""


class TorchForward:
    """A model's module on torch, for one batch."""

    def __init__(self, module: torch.nn.Module, padding: Padding, device: str) -> None:
        import torch

        self._torch = torch
        self._module = module.to(device).eval()
        self._padding = padding
        self._device = device

    def narrowed(self, precision: Precision) -> TorchForward:
        """The same with a copy of the weights whose `body` has this number format."""
        return TorchForward(narrowed(copy.deepcopy(self._module), precision), self._padding, self._device)

    def __call__(self, token_ids: list[TokenIds]) -> Arrays:
        """The module's outputs for m token id lists, of which an empty one counts as one padding token."""
        torch = self._torch
        ids, mask = self._padding.arrays(token_ids)
        with torch.inference_mode():
            outputs = self._module(torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device))
            return tuple(output.cpu().numpy() for output in outputs)


def narrowed(module: torch.nn.Module, precision: Precision) -> torch.nn.Module:
    """`module` with its `body` brought to this number format, in place."""
    import torch

    if precision != "float32":
        module.body.to(getattr(torch, precision))
    return module


class GpuForwards:
    """One forward pass per precision on the GPU, made from a model on the processor; at most one beside that in float32."""

    def __init__(self, module: torch.nn.Module, padding: Padding) -> None:
        self._module = module
        self._padding = padding
        self._made: dict[Precision, TorchForward] = {}

    def of(self, precision: Precision) -> TorchForward:
        """A forward pass to compare with others."""
        if precision not in self._made:
            for other in [item for item in self._made if "float32" not in (item, precision)]:
                del self._made[other]
            module = narrowed(copy.deepcopy(self._module), precision)
            self._made[precision] = TorchForward(module, self._padding, GPU)
        return self._made[precision]

    def on_processor(self) -> TorchForward:
        """The model where it was loaded, in float32."""
        return TorchForward(self._module, self._padding, "cpu")

    def keep(self, precision: Precision) -> TorchForward:
        """The forward pass to go on with; whatever else was made becomes free, for other processes on the GPU too.

        Without one that was compared, the model itself is narrowed and moved: nothing is copied.
        """
        kept = self._made.pop(precision, None)
        self.free()
        return kept or TorchForward(narrowed(self._module, precision), self._padding, GPU)

    def free(self) -> None:
        """Drop what was made, and hand its memory back."""
        import torch

        self._made.clear()
        gc.collect()
        torch.cuda.empty_cache()


def choose_on_gpu(
    forwards: GpuForwards, run: Callable[[Forward], NDArray[np.float32]], candidates: Sequence[Precision]
) -> PrecisionChoice:
    """`choose_precision`; where float32 has no room on the GPU, the first candidate whose vectors are those of the processor.

    Args:
        run: the self-test's n texts by a forward pass; shape (n, d), float32, rows of unit length.
    """
    try:
        return choose_precision(lambda precision: run(forwards.of(precision)), candidates, clock=time.perf_counter)
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
    forwards.free()  # behind the block: the error's frames held weights
    logger.info("float32 and another format have no room on the GPU together: compared with the processor's vectors")
    reference = run(forwards.on_processor())
    for candidate in candidates:
        cosine = _agreement(forwards, run, candidate, reference)
        if cosine >= least_cosine(candidate):
            return PrecisionChoice(candidate, math.inf, cosine)
        forwards.free()
    return PrecisionChoice("float32")


def _agreement(
    forwards: GpuForwards,
    run: Callable[[Forward], NDArray[np.float32]],
    candidate: Precision,
    reference: NDArray[np.float32],
) -> float:
    """Smallest cosine of a candidate's vectors to these; 0 where it has no room either, or gives no numbers."""
    try:
        cosine = float(np.min(np.sum(run(forwards.of(candidate)) * reference, axis=1)))
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        return 0.0
    return 0.0 if math.isnan(cosine) else cosine
