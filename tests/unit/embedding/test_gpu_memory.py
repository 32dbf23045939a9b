"""What a model takes of a GPU's memory when it is loaded. The card is a ledger of bytes: what is moved there and still alive."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from rag.domain.errors import ConfigurationError
from rag.embedding import torch_forwards
from rag.embedding.runtime import LoadedModel, ModelRequest, start
from rag.embedding.tokenizing import TokenizerSpec
from rag.inference.batches import Padding

WIDTH = 64
FULL = 4 * WIDTH * WIDTH
"""Bytes of the body in float32, which is nearly all of the model."""
CARD = "cpu:0"


class Card:
    """A GPU with so many bytes.

    Attributes:
        most: bytes held at once so far.
        came: number formats of the bodies that were moved there, in order.
    """

    def __init__(self, size: float) -> None:
        self.size = size
        self.held = 0
        self.most = 0
        self.came: list[str] = []
        self.emptied = 0

    def take(self, module: torch.nn.Module) -> None:
        size = sum(item.numel() * item.element_size() for item in module.parameters())
        if self.held + size > self.size:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 16.00 GiB")
        self.held += size
        self.most = max(self.most, self.held)
        self.came.append(str(next(module.body.parameters()).dtype).removeprefix("torch."))
        weakref.finalize(module, self._give, size)

    def _give(self, size: int) -> None:
        self.held -= size


CARDS: list[Card] = []


class Body(torch.nn.Module):
    """Rounds as its number format does; `loud` weights lose in bfloat16 what float16 keeps."""

    def __init__(self, loud: bool) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.weight = torch.nn.Parameter(torch.randn(WIDTH, WIDTH, generator=generator))
        self.loud = loud

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.loud and self.weight.dtype is torch.bfloat16:
            rows = rows.roll(1, dims=1)
        return rows @ self.weight.float().T


class Model(torch.nn.Module):
    def __init__(self, loud: bool = False) -> None:
        super().__init__()
        self.body = Body(loud)

    def to(self, *args: Any, **kwargs: Any) -> Model:
        if args == (CARD,):
            CARDS[-1].take(self)
        return super().to(*args, **kwargs)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        steps = torch.arange(1, WIDTH + 1)
        rows = torch.sin((input_ids * attention_mask).sum(dim=1, keepdim=True) * steps / 10)
        return (torch.nn.functional.normalize(self.body(rows), dim=-1),)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 6))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "RTX A5000")
    monkeypatch.setattr(torch_forwards, "GPU", CARD)
    card = Card(1.6 * FULL)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: setattr(card, "emptied", card.emptied + 1))
    CARDS.append(card)
    yield card
    CARDS.clear()


def request(folder: Path, *, loud: bool = False) -> ModelRequest:
    tokenizer = Tokenizer(
        WordLevel({"[PAD]": 0, "word": 1, "은행": 2, "the": 3, "def": 4, "[UNK]": 5}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = Whitespace()
    spec = TokenizerSpec(tokenizer.to_str(), 128, "right", Padding(0))
    return ModelRequest(folder, "m", None, folder / "cache", lambda: LoadedModel(Model(loud), spec))


def test_what_is_compared_is_narrowed_before_it_is_moved(card: Card, tmp_path: Path) -> None:
    made = start(request(tmp_path), "auto")
    assert made.cuda and made.dimensions == WIDTH
    assert card.most <= 1.5 * FULL  # float32 and one narrow copy; two in float32 would be 2
    assert card.held < FULL * 1.01 and card.emptied
    assert np.isfinite(made.forward([[1, 2, 3]])[0]).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_named_format_never_puts_float32_on_the_card(card: Card, tmp_path: Path, precision: Any) -> None:
    card.size = 0.6 * FULL
    made = start(request(tmp_path), precision)
    assert (made.precision, card.came, card.held) == (precision, [precision], FULL // 2)


@pytest.mark.parametrize(("loud", "chosen"), [(False, "bfloat16"), (True, "float16")])
def test_without_room_for_float32_the_processor_is_the_measure(
    card: Card, tmp_path: Path, loud: bool, chosen: str
) -> None:
    card.size = 0.6 * FULL
    made = start(request(tmp_path, loud=loud), "auto")
    assert (made.precision, card.held) == (chosen, FULL // 2)
    [kept] = (tmp_path / "cache").glob("precision-*.json")
    assert json.loads(kept.read_text())["choice"]["precision"] == chosen
    del made
    card.came.clear()
    assert start(request(tmp_path, loud=loud), "auto").precision == chosen
    assert card.came == [chosen]  # remembered: nothing else is tried


def test_a_model_that_has_no_room_at_all_is_refused_in_words(card: Card, tmp_path: Path) -> None:
    card.size = 0.4 * FULL
    for precision in ("auto", "bfloat16", "float32"):
        with pytest.raises(ConfigurationError, match="no room on the GPU"):
            start(request(tmp_path), precision)  # type: ignore[arg-type]
    assert card.held == 0


def test_float16_is_for_gpus(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="float16"):
        start(request(tmp_path), "float16")
