"""`/v1/rerank`, `/rerank`: the configured reranker in the shapes of Cohere and Jina (`documents`) and TEI (`texts`); `/score`.

A score is a probability from 0 to 1 in every shape. Open WebUI's external reranker takes the full address of `/v1/rerank`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any
from uuid import uuid4

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import Field

from api.deps import Caller, guarded
from api.openai.models import RERANK, reranker_of
from api.openai.schemas import Lenient
from api.streaming import GONE, while_connected
from rag.access.policy import Action
from rag.domain.errors import InvalidRequest, ModelTimeout, RerankerMissing, UnknownModel, UnsupportedRequest
from rag.reranking.base import Reranker

router = APIRouter(tags=["openai"])
bare_router = APIRouter(tags=["openai"])
"""The same without `/v1`, where TEI and vLLM have it."""

MOST_PASSAGES = 1000
_PATIENCE_S = 60.0
"""No question waits for this one, and a long list on a CPU takes its time."""


Texts = Annotated[list[str], Field(min_length=1, max_length=MOST_PASSAGES, fail_fast=True)]


class Document(Lenient):
    """A passage as Cohere and Jina allow it."""

    text: str


class RerankRequest(Lenient):
    """Body of `POST /v1/rerank`: a question with `documents`, or with `texts`."""

    model: str | None = Field(None, max_length=600)
    query: str = Field(min_length=1, max_length=100_000)
    documents: Annotated[list[str | Document], Field(min_length=1, max_length=MOST_PASSAGES, fail_fast=True)] | None = (
        None
    )
    texts: Texts | None = Field(None, description="TEI's shape")
    top_n: int | None = Field(None, ge=1)
    return_documents: bool = False
    return_text: bool = False
    raw_scores: bool = False


class ScoreRequest(Lenient):
    """Body of `POST /v1/score` (vLLM): one text against each of many, or pairs."""

    model: str | None = Field(None, max_length=600)
    text_1: str | Texts
    text_2: str | Texts


@bare_router.post("/rerank", response_model=None)
@router.post("/rerank", response_model=None)
async def rerank(
    body: RerankRequest, caller: Annotated[Caller, Depends(guarded(Action.USE_MODELS))]
) -> dict[str, Any] | list[dict[str, Any]]:
    """Passages in the order of their relevance to a question."""
    reranker = _reranker(caller, body.model)
    if body.raw_scores:
        raise UnsupportedRequest(
            detail="raw_scores: there are probabilities only",
            detail_ko="raw_scores: 확률만 드립니다",
            param="raw_scores",
        )
    if (body.documents is None) == (body.texts is None):
        raise InvalidRequest(
            detail="documents: give either documents or texts",
            detail_ko="documents: documents와 texts 중 하나를 적으세요",
            param="documents",
        )
    if body.texts is not None:
        return _as_tei(body, body.texts, await _ranked(reranker, body.query, body.texts))
    texts = [item if isinstance(item, str) else item.text for item in body.documents or ()]
    results: list[dict[str, Any]] = []
    for index, score in (await _ranked(reranker, body.query, texts))[: body.top_n]:
        result: dict[str, Any] = {"index": index, "relevance_score": score}
        results.append(result | ({"document": {"text": texts[index]}} if body.return_documents else {}))
    return {"id": f"rerank-{uuid4().hex}", "model": f"{RERANK}{reranker.name}", "results": results}


@bare_router.post("/score", response_model=None)
@router.post("/score", response_model=None)
async def score(
    body: ScoreRequest, request: Request, caller: Annotated[Caller, Depends(guarded(Action.USE_MODELS))]
) -> dict[str, Any] | Response:
    """How relevant texts are to a text, in the order given."""
    reranker = _reranker(caller, body.model)
    second = [body.text_2] if isinstance(body.text_2, str) else body.text_2
    first = [body.text_1] if isinstance(body.text_1, str) else body.text_1
    if len(first) not in (1, len(second)):
        raise InvalidRequest(
            detail="text_1: one text, or as many as text_2",
            detail_ko="text_1: 하나이거나 text_2와 개수가 같아야 합니다",
            param="text_1",
        )
    pairs = list(zip(first * len(second) if len(first) == 1 else first, second, strict=True))
    scores = await while_connected(request, _paired(reranker, pairs))
    if scores is None:
        return Response(status_code=GONE)
    return {
        "id": f"score-{uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": f"{RERANK}{reranker.name}",
        "data": [{"index": i, "object": "score", "score": value} for i, value in enumerate(scores)],
    }


def _reranker(caller: Caller, model: str | None) -> Reranker:
    """The configured reranker, if that is the one that was asked for; TEI's clients name none.

    Raises:
        RerankerMissing: there is none, or the caller may not use it.
        UnknownModel: another one was asked for.
    """
    reranker = reranker_of(caller)
    if reranker is None:
        raise RerankerMissing
    if model is not None and model != f"{RERANK}{reranker.name}":
        raise UnknownModel(name=model)
    return reranker


async def _scores(reranker: Reranker, query: str, texts: list[str], until: float | None = None) -> list[float]:
    until = time.monotonic() + _PATIENCE_S if until is None else until
    return await run_sync(partial(reranker.score, query, texts, deadline=until))


async def _paired(reranker: Reranker, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Scores of pairs in their order; those with the same first text go together, and all of them have one time."""
    until = time.monotonic() + _PATIENCE_S
    places: dict[str, list[int]] = {}
    for place, (query, _) in enumerate(pairs):
        places.setdefault(query, []).append(place)
    found: dict[int, float] = {}
    for query, own in places.items():
        if time.monotonic() >= until:
            raise ModelTimeout(name=reranker.name)
        scores = await _scores(reranker, query, [pairs[place][1] for place in own], until)
        found.update(zip(own, scores, strict=True))
    return [found[place] for place in range(len(pairs))]


async def _ranked(reranker: Reranker, query: str, texts: list[str]) -> list[tuple[int, float]]:
    """Positions and scores, best first; equal ones in the order given."""
    scores = await _scores(reranker, query, texts)
    return sorted(enumerate(scores), key=lambda item: -item[1])


def _as_tei(body: RerankRequest, texts: list[str], ranked: list[tuple[int, float]]) -> list[dict[str, Any]]:
    """TEI's bare list; it knows no `top_n`, which is heeded all the same."""
    items: list[dict[str, Any]] = []
    for index, value in ranked[: body.top_n]:
        item: dict[str, Any] = {"index": index, "score": value}
        items.append(item | ({"text": texts[index]} if body.return_text else {}))
    return items
