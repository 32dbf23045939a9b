"""Which number format a reranker runs in on a GPU: half as wide where a self-test finds the same scores, in the same order.

The transformer is narrowed; what makes a score of its states stays in float32, for a score of eight bits would put passages that
are not alike on one place. Weights are narrowed on the processor and then moved.
"""

from __future__ import annotations

import copy
import gc
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rag.domain.errors import ConfigurationError
from rag.inference.memory import lacks_memory
from rag.reranking.pairs import PairPrompt
from rag.reranking.shared_batches import Forward, Row, Scores

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

GPU = "cuda"
"""Torch's name of the device."""
Precision = Literal["float32", "bfloat16", "float16"]
TOLERANCE = 0.01
"""Furthest that a score from 0 to 1 may lie from that in float32: passages that are twice as far apart keep their order."""
_QUESTION_TOKENS, _PASSAGE_TOKENS = 64, 256
_QUESTION = "연차휴가는 며칠인가요? How many days of annual leave does an employee have?"
_PASSAGES = (
    "제60조(연차 유급휴가) 사용자는 1년간 80퍼센트 이상 출근한 근로자에게 15일의 유급휴가를 주어야 한다.",
    "The annual leave of an employee is fifteen days; unused days are paid out in January.",
    "휴가를 쓰려는 사람은 사흘 전까지 부서장에게 신청서를 낸다. 급한 일이면 당일에 알린다.",
    "여신 심사위원회는 매월 첫째 주 수요일에 열리고, 부의 안건은 닷새 전까지 낸다.",
    "def days_of_leave(years: int) -> int:\n    return 15 + max(0, years - 1) // 2\n",
    "Passwords are changed every ninety days and are never sent by mail. " * 8,
    "환자의 진료기록은 10년간 보존하며, 열람은 본인의 동의가 있을 때에만 허용한다. " * 8,
    "",
)

Make = Callable[["torch.nn.Module", str], Forward]
"""A forward pass of a model on a device; moves the model there."""


def forward_on(
    model: torch.nn.Module, make: Make, prompt: PairPrompt, precision: Precision | Literal["auto"]
) -> Forward:
    """The forward pass on this machine's device: a GPU where there is one, else the processor, always in float32 there.

    Args:
        model: in float32 on the processor; narrowed and moved in place.
        precision: `auto` lets the self-test decide.

    Raises:
        ConfigurationError: the GPU has no room for it, or it does not run in the format that is asked for.
    """
    import torch

    if not torch.cuda.is_available():
        if precision not in ("auto", "float32"):
            log.warning(
                "reranking.precision %s is for GPUs, and there is none: the reranker runs in float32", precision
            )
        return make(model, "cpu")
    chosen = _tested(model, make, self_test_rows(prompt)) if precision == "auto" else precision
    try:
        forward = make(narrowed(model, chosen), GPU)
        forward(self_test_rows(prompt)[:1])
    except (RuntimeError, MemoryError) as error:  # the former says, too, that a layer has no such format
        detail = f"the reranker does not run on the GPU in {chosen}: {error}"
        raise ConfigurationError(
            detail=detail, detail_ko=f"재순위화 모델을 GPU에서 {chosen}(으)로 실행할 수 없습니다: {error}"
        ) from error
    return forward


def narrowed(model: torch.nn.Module, precision: Precision) -> torch.nn.Module:
    """`model` with its transformer in this format, in place; what comes behind it reads its states in float32."""
    import torch

    if precision != "float32":
        model.base_model.to(getattr(torch, precision))
        for child in model.children():
            if child is not model.base_model:
                child.register_forward_pre_hook(_in_float32)
    return model


def _in_float32(module: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(item.float() if getattr(item, "is_floating_point", bool)() else item for item in given)


def self_test_rows(prompt: PairPrompt) -> list[Row]:
    """A question beside passages that answer it, nearly do, and do not, in Korean and English, as the model reads them."""
    head, tail = prompt.head(_QUESTION, _QUESTION_TOKENS), prompt.tail
    rests = [ids[:_PASSAGE_TOKENS] + tail for ids in prompt.passages(_PASSAGES)]
    return [Row(head + rest, prompt.types(len(head), len(rest))) for rest in rests]


def candidates(capability: tuple[int, int]) -> tuple[Precision, ...]:
    """Formats that a GPU of this generation is fast in: float16 since Volta, 7.0, bfloat16 since Ampere, 8.0."""
    if capability < (7, 0):
        return ()
    return ("float16", "bfloat16") if capability >= (8, 0) else ("float16",)


def _tested(model: torch.nn.Module, make: Make, rows: list[Row]) -> Precision:
    """The format whose scores lie closest to those in float32, if that is within `TOLERANCE`."""
    import torch

    reference = _scores(make, copy.deepcopy(model), GPU, rows)
    if reference is None:  # no room in float32: the processor is the measure
        reference = make(model, "cpu")(rows)
    best: Precision = "float32"
    least = TOLERANCE
    for candidate in candidates(torch.cuda.get_device_capability()):
        scores = _scores(make, narrowed(copy.deepcopy(model), candidate), GPU, rows)
        off = float("inf") if scores is None else float(np.max(np.abs(scores - reference)))
        log.info("reranker self-test: %s lies %.5f off", candidate, off)
        if off <= least:  # false for NaN
            best, least = candidate, off
    return best


def _scores(make: Make, model: torch.nn.Module, device: str, rows: list[Row]) -> Scores | None:
    """Scores on a device, whose memory is free again afterwards; None where that is not enough, or the format not known."""
    import torch

    found: Scores | None = None
    try:
        found = make(model, device)(rows)
    except (RuntimeError, MemoryError) as error:
        log.info("reranker self-test: %s", "no room" if lacks_memory(error) else error)
    del model
    gc.collect()
    torch.cuda.empty_cache()
    return found
