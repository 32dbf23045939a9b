"""Forward passes of rerankers in torch: packed rows in, one score from 0 to 1 for each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rag.reranking.shared_batches import Row, Scores

if TYPE_CHECKING:
    import torch

CPU_TOKEN_BUDGET = 1024
"""Padded tokens a batch. 100 passages of lognormal length pad by 1.03 with 512, 1.09 with 1,024, 1.19 with 2,048, 1.38 with 4,096
(`benchmarks/reranking.py --budget`); and the smaller it is, the sooner late work is cut and another question has its turn."""
CUDA_TOKEN_BUDGET = 32_768
"""Padded tokens a batch on a GPU, which needs wide batches to be busy. Not measured here: no GPU was at hand."""


def token_budget() -> int:
    """Padded tokens a batch on this machine's device."""
    import torch

    return CUDA_TOKEN_BUDGET if torch.cuda.is_available() else CPU_TOKEN_BUDGET


def mixes() -> bool:
    """Whether questions share batches on this machine's device: a GPU is idle in narrow ones. A processor is not, since a batch
    of its budget is two long rows, and there an answer's search can be asked again bit for bit."""
    import torch

    return torch.cuda.is_available()


class ClassifierForward:
    """The sigmoid of a sequence classifier with one label: 0.5 is where its training put relevant and irrelevant apart."""

    def __init__(self, model: torch.nn.Module, padding_token: int, device: str) -> None:
        self._runner = _Runner(model, padding_token, device, left=False)

    def __call__(self, rows: Sequence[Row]) -> Scores:
        """See `Forward`."""
        return self._runner.run(rows, lambda output: output.logits.view(-1).float().sigmoid())


def keep_words(model: Any, tokens: Sequence[int]) -> None:
    """Leave a causal model the logits of these tokens alone, in this order, in float32: nobody reads those of 150,000 words."""
    import torch

    weights = model.get_output_embeddings().weight[list(tokens)].detach().float().clone()
    head = torch.nn.Linear(weights.shape[1], len(tokens), bias=False)
    head.weight = torch.nn.Parameter(weights)
    model.set_output_embeddings(head)


class YesNoForward:
    """The share of "yes" in a causal model's next token, against "no": 0.5 is where it finds both as likely."""

    def __init__(self, model: torch.nn.Module, padding_token: int, device: str) -> None:
        """`model` has the logits of "no" and "yes" alone (`keep_words`)."""
        self._runner = _Runner(model, padding_token, device, left=True)

    def __call__(self, rows: Sequence[Row]) -> Scores:
        """See `Forward`."""

        def share(output: Any) -> torch.Tensor:
            chosen: torch.Tensor = output.logits[:, -1].float().softmax(dim=-1)[:, 1]
            return chosen

        # One position's logits are read.
        return self._runner.run(rows, share, logits_to_keep=1, use_cache=False)


class _Runner:
    """A model on its device, and rows as tensors."""

    def __init__(self, model: torch.nn.Module, padding_token: int, device: str, *, left: bool) -> None:
        import torch

        self._torch = torch
        self._device = device
        self._model = model.to(self._device).eval()
        self._padding_token = padding_token
        self._left = left

    def run(self, rows: Sequence[Row], read: Any, **options: Any) -> Scores:
        """Scores of m rows: `read` makes shape (m,) of the model's output."""
        torch = self._torch
        arrays = padded(rows, self._padding_token, left=self._left)
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array).to(self._device) for name, array in arrays.items()}
            scores: Scores = read(self._model(**tensors, **options)).cpu().numpy()
        return scores


def padded(rows: Sequence[Row], padding_token: int, *, left: bool) -> dict[str, NDArray[np.int64]]:
    """`input_ids`, `attention_mask` and, where rows have types, `token_type_ids`: each of shape (m, longest), int64."""
    width = max(len(row.ids) for row in rows)
    ids = np.full((len(rows), width), padding_token, dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for place, row in enumerate(rows):
        cells = slice(width - len(row.ids), width) if left else slice(0, len(row.ids))
        ids[place, cells] = row.ids
        mask[place, cells] = 1
        if row.types:
            types[place, cells] = row.types
    arrays = {"input_ids": ids, "attention_mask": mask}
    return arrays | {"token_type_ids": types} if rows[0].types else arrays
