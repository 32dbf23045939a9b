"""The number format of rerankers on a GPU. The processor stands for it: torch computes there in the same formats."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rag.domain.errors import ConfigurationError
from rag.reranking import gpu_precision
from rag.reranking.base import Reranker
from rag.reranking.registry import open_reranker
from rag.settings import RerankingSettings
from tests.support.tiny_rerankers import MAKERS, QUESTION, passages

CARD = "cpu:0"
MAX_TOKENS = {"qwen3": 600, "flag": 400, "cross_encoder": 200}
pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # of libraries that FlagEmbedding imports


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("재순위")
    return {name: make(parent / name) for name, make in MAKERS.items()}


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Formats in which transformers were brought to the card, in order."""
    seen: list[str] = []
    plain = torch.nn.Module.to

    def to(self: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.nn.Module:
        if args == (CARD,):
            seen.append(str(next(self.base_model.parameters()).dtype).removeprefix("torch."))
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.nn.Module, "to", to)
    monkeypatch.setattr(gpu_precision, "GPU", CARD)
    yield seen


def opened(folders: dict[str, Path], backend: Any, **more: Any) -> Reranker:
    settings = RerankingSettings(backend=backend, folder=folders[backend], max_tokens=MAX_TOKENS[backend], **more)
    found = open_reranker(settings)
    assert found is not None
    return found


@pytest.mark.parametrize("backend", sorted(MAKERS))
def test_half_as_wide_with_the_same_order(backend: str, folders: dict[str, Path], moved: list[str]) -> None:
    texts = passages(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        wide = np.array(opened(folders, backend, precision="float32").score(QUESTION, texts))
        assert moved == ["float32"]
        moved.clear()
        found = np.array(opened(folders, backend).score(QUESTION, texts))
    assert moved[:3] == ["float32", "float16", "bfloat16"] and moved[3:] == ["float16"]
    assert 0 < np.abs(found - wide).max() < 0.01  # other digits, the same scores
    assert len(set(found.tolist())) == len(set(wide.tolist()))  # none fell together


def test_a_format_that_gives_other_scores_is_not_taken(
    folders: dict[str, Path], moved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_precision, "TOLERANCE", 0.0)
    opened(folders, "cross_encoder").score(QUESTION, ["글"])
    assert moved == ["float32", "float16", "bfloat16", "float32"]
    moved.clear()
    opened(folders, "cross_encoder", precision="bfloat16").score(QUESTION, ["글"])  # whoever names one gets it
    assert moved == ["bfloat16"]


def test_without_room_for_float32_the_processor_is_the_measure(
    folders: dict[str, Path], moved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = torch.nn.Module.to

    def small(self: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.nn.Module:
        if args == (CARD,) and next(self.base_model.parameters()).dtype is torch.float32:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return counted(self, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Module, "to", small)
    assert len(opened(folders, "cross_encoder").score(QUESTION, passages(3))) == 3
    assert moved == ["float16", "bfloat16", "float16"]
    with pytest.raises(ConfigurationError, match="float32"):
        opened(folders, "cross_encoder", precision="float32").score(QUESTION, ["글"])


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((6, 1), ()), ((7, 5), ("float16",)), ((8, 0), ("float16", "bfloat16")), ((9, 0), ("float16", "bfloat16"))],
)
def test_candidates(capability: tuple[int, int], expected: tuple[str, ...]) -> None:
    assert gpu_precision.candidates(capability) == expected
