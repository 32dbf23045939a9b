"""`/v1/embeddings`: the configured dense model, asked directly, so that other software can share it.

The language gate of retrieval does not stand here: whoever names a model gets that model's vectors, Korean or not.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic import Field

from api.deps import Caller, guarded
from api.openai.models import embedder_for
from api.openai.schemas import Lenient
from rag.access.policy import Action
from rag.domain.errors import InvalidRequest, UnsupportedRequest
from rag.embedding.base import Embedder, Role
from rag.embedding.decoding import decoder_of
from rag.embedding.matryoshka import can_be_shortened, shortened
from rag.generation.metering import spent

router = APIRouter(tags=["openai"])

MOST_INPUTS = 2048
"""As OpenAI's API has it."""

MOST_TOKENS = 131_072
"""Of one text that comes as token ids; the longest context of the embedding models of today is a quarter of it."""

Texts = Annotated[list[str], Field(max_length=MOST_INPUTS, fail_fast=True)]
Tokens = Annotated[list[int], Field(max_length=MOST_TOKENS, fail_fast=True)]
TokenLists = Annotated[list[Tokens], Field(max_length=MOST_INPUTS, fail_fast=True)]


class EmbeddingsRequest(Lenient):
    """Body of `POST /v1/embeddings`."""

    model: str = Field(min_length=1, max_length=600)
    input: str | Texts | Tokens | TokenLists = Field(union_mode="left_to_right")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1, le=100_000)
    input_type: Literal["query", "document"] = Field(
        "document", description="extension: what the text is, for models that treat the two differently"
    )
    truncate: bool = Field(
        False, description="extension: cut texts that are longer than the model reads, instead of refusing them"
    )


@router.post("/embeddings", response_class=Response, responses={200: {"content": {"application/json": {}}}})
async def embeddings(
    body: EmbeddingsRequest, caller: Annotated[Caller, Depends(guarded(Action.USE_MODELS))]
) -> Response:
    """Vectors of texts."""
    return Response(await run_sync(partial(_answer, body, caller)), media_type="application/json")


def _answer(body: EmbeddingsRequest, caller: Caller) -> bytes:
    """The whole work, serialisation included: thousands of vectors as text would hold the event loop for a second."""
    with caller.services.rag.spaces.reading():
        dense = embedder_for(caller, body.model)
        _check_dimensions(body, dense)
        texts = _texts(body, dense)
        counts = dense.count_tokens(texts)
        if not body.truncate:
            _check_lengths(counts, dense.max_tokens)
        rows = dense.embed(texts, Role.QUERY if body.input_type == "query" else Role.PASSAGE).dense
    if rows is None:
        raise TypeError(f"{dense.name} gives no dense vectors")
    rows = rows if body.dimensions in (None, rows.shape[1]) else shortened(rows, body.dimensions or 0)
    used = sum(min(count, dense.max_tokens) for count in counts)
    spent(used, 0)
    return json.dumps(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": i, "embedding": vector}
                for i, vector in enumerate(_written(rows, body.encoding_format))
            ],
            "model": body.model,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
    ).encode()


def _written(rows: NDArray[np.float32], encoding: Literal["float", "base64"]) -> Sequence[Any]:
    """Rows of shape (n, d) as lists of numbers, or as base64 of d little-endian float32 each."""
    if encoding == "float":
        numbers: list[Any] = rows.tolist()
        return numbers
    return [base64.b64encode(row.astype("<f4").tobytes()).decode("ascii") for row in rows]


def _texts(body: EmbeddingsRequest, dense: Embedder) -> list[str]:
    """The inputs as texts.

    Raises:
        InvalidRequest: there is none, or an empty one.
        UnsupportedRequest: token ids that are not this model's.
    """
    given: list[Any] = [body.input] if isinstance(body.input, str) else list(body.input)
    if given and isinstance(given[0], int):
        given = [given]
    if not given:
        raise InvalidRequest(
            detail="input: nothing to embed", detail_ko="input: 임베딩할 내용이 없습니다", param="input"
        )
    texts = [item if isinstance(item, str) else _decoded(item, dense, i) for i, item in enumerate(given)]
    for i, text in enumerate(texts):
        if not text:
            raise InvalidRequest(
                detail=f"input[{i}]: an empty text", detail_ko=f"input[{i}]: 빈 텍스트입니다", param=f"input[{i}]"
            )
    return texts


def _decoded(token_ids: Any, dense: Embedder, index: int) -> str:
    decode = decoder_of(dense)
    text = decode(token_ids) if decode is not None else None
    if text is None:
        known = (
            "token ids that are not this model's" if decode is not None else "token ids, and the tokenizer is not here"
        )
        known_ko = (
            "이 모델의 것이 아닌 토큰 번호입니다"
            if decode is not None
            else "토큰 번호인데 토크나이저가 여기에 없습니다"
        )
        raise UnsupportedRequest(
            detail=f"input[{index}]: {known}; send texts (LangChain: check_embedding_ctx_length=False)",
            detail_ko=f"input[{index}]: {known_ko}. 텍스트를 보내세요(LangChain: check_embedding_ctx_length=False)",
            param=f"input[{index}]",
        )
    return text


def _check_dimensions(body: EmbeddingsRequest, dense: Embedder) -> None:
    """Refuse a width that the model's vectors can't be brought to without harm."""
    own, wanted = dense.dimensions or 0, body.dimensions
    if wanted is None or wanted == own:
        return
    if wanted > own:
        raise UnsupportedRequest(
            detail=f"dimensions: the model has {own}",
            detail_ko=f"dimensions: 이 모델의 차원은 {own}입니다",
            param="dimensions",
        )
    if not can_be_shortened(dense.name):
        detail = f"dimensions: the model's {own} can't be cut, as it was not trained for that (Matryoshka)"
        detail_ko = f"dimensions: 이 모델의 차원은 {own}이며, 줄여 쓰도록 학습되지 않아 자를 수 없습니다(Matryoshka)"
        raise UnsupportedRequest(detail=detail, detail_ko=detail_ko, param="dimensions")


def _check_lengths(counts: Sequence[int], limit: int) -> None:
    """Refuse what the model would not read to its end, as OpenAI's API does: a vector of half a text looks like any other."""
    for i, count in enumerate(counts):
        if count > limit:
            detail = f"input[{i}]: {count} tokens; the model reads {limit}. Send less, or `truncate: true`"
            detail_ko = f"input[{i}]: {count}토큰입니다. 모델은 {limit}토큰까지 읽습니다. 줄여 보내거나 `truncate: true`를 주세요"
            raise UnsupportedRequest(detail=detail, detail_ko=detail_ko, param=f"input[{i}]")
