"""`/v1/models`: what this key may ask, and what stands behind each name.

`rag/all` answers from everything that the key may read, `rag/<collection>` from one collection. `llm/<name>`,
`llm/<name>:<adapter>`, `embed/<name>` and `rerank/<name>` are the configured models themselves, which know no documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.deps import Caller, guarded
from api.generators import RAW, Writer, writer_named
from rag.access.policy import Action
from rag.domain.errors import CollectionNotFound, UnknownModel
from rag.domain.principal import Permit
from rag.embedding.base import Embedder
from rag.reranking.base import Reranker
from rag.store import collection

router = APIRouter(tags=["openai"])

PREFIX = "rag/"
ALL = "rag/all"
EMBED = "embed/"
RERANK = "rerank/"
_OWNER = "seogo"


@router.get("/models")
def list_models(caller: Annotated[Caller, Depends(guarded(Action.LIST_MODELS))]) -> dict[str, Any]:
    """The models of this key."""
    return {"object": "list", "data": [*_grounded(caller, caller.permit()), *_configured(caller)]}


@router.get("/models/{model:path}")
def get_model(model: str, caller: Annotated[Caller, Depends(guarded(Action.LIST_MODELS))]) -> dict[str, Any]:
    """One model."""
    if model.startswith(PREFIX):
        found = list(_grounded(caller, permit_for_model(caller, model)))
        return found[0] if model == ALL else found[1]
    for item in _configured(caller):
        if item["id"] == model:
            return item
    raise UnknownModel(name=model)


def permit_for_model(caller: Caller, model: str) -> Permit:
    """What the model may read for this caller.

    Raises:
        UnknownModel: it does not exist, or is not the caller's.
    """
    if model == ALL:
        return caller.permit()
    try:
        if model.startswith(PREFIX):
            return caller.permit([model.removeprefix(PREFIX)])
    except CollectionNotFound:
        pass
    raise UnknownModel(name=model)


def may_use_models(caller: Caller) -> bool:
    """Whether the caller may use the configured models directly.

    They read no documents, but a key that was made for some collections was not made to let its holder use the machines
    for anything else, so the operator has to say so (`api.limited_keys_use_models`).
    """
    limited = caller.principal.collections is not None
    return not limited or caller.services.settings.limited_keys_use_models


def writer_for(caller: Caller, model: str) -> Writer:
    """The generator behind `llm/<name>` or `llm/<name>:<adapter>`.

    Raises:
        UnknownModel: none is configured under that name, or the caller may not use it.
        NotPermitted: no scope of the caller covers models.
    """
    caller.services.rag.policy.require(caller.principal, Action.USE_MODELS)
    found = writer_named(caller, model.removeprefix(RAW)) if model.startswith(RAW) and may_use_models(caller) else None
    if found is None:
        raise UnknownModel(name=model)
    return found


def embedder_for(caller: Caller, model: str) -> Embedder:
    """The dense embedder behind `embed/<name>`.

    Raises:
        UnknownModel: none is configured under that name, or the caller may not use it.
    """
    dense = caller.services.rag.space.dense
    if dense is None or model != f"{EMBED}{dense.name}" or not may_use_models(caller):
        raise UnknownModel(name=model)
    return dense


def reranker_of(caller: Caller) -> Reranker | None:
    """The configured reranker, where there is one that the caller may use."""
    return caller.services.rag.retriever.second_look.reranker if may_use_models(caller) else None


def _adapters(caller: Caller, engine: str) -> tuple[str, ...]:
    models = caller.services.rag.settings.generation.models
    return next((model.adapters for model in models if model.name == engine), ())


def _grounded(caller: Caller, permit: Permit) -> Iterator[dict[str, Any]]:
    """`rag/all`, then the collections of the permit."""
    length = _grounded_length(caller)
    yield _model(ALL, length)
    with caller.services.rag.database.read() as session:
        rows = collection.permitted(session, permit)
    for row in rows:
        yield _model(f"{PREFIX}{row.name}", length, created=int(row.created_at.timestamp()))


def _grounded_length(caller: Caller) -> int:
    """What the longest of the generators takes; where none is configured, the longest question, as a token has a character."""
    rag = caller.services.rag
    engines = rag.generation.engines.values() if rag.generation is not None else ()
    return max((engine.context_tokens for engine in engines), default=rag.settings.retrieval.max_question_chars)


def _configured(caller: Caller) -> Iterator[dict[str, Any]]:
    """The generators with their adapters and aliases, the embedder, the reranker."""
    if not may_use_models(caller):
        return
    rag = caller.services.rag
    if rag.generation is not None:
        for name, engine in rag.generation.engines.items():
            if name in rag.generation.aliases:  # the alias stands above it
                continue
            yield _model(f"{RAW}{name}", engine.context_tokens)
            for adapter in _adapters(caller, name):
                yield _model(f"{RAW}{name}:{adapter}", engine.context_tokens, parent=f"{RAW}{name}")
        for alias in rag.generation.aliases:
            found = writer_named(caller, alias)
            if found is not None:
                yield _model(f"{RAW}{alias}", found.engine.context_tokens, root=f"{RAW}{found.name}")
    if (dense := rag.space.dense) is not None:
        yield _model(f"{EMBED}{dense.name}", dense.max_tokens)
    if (reranker := reranker_of(caller)) is not None:
        yield _model(f"{RERANK}{reranker.name}", reranker.max_tokens)


def _model(name: str, length: int, *, created: int = 0, root: str = "", parent: str | None = None) -> dict[str, Any]:
    """A model in OpenAI's shape, with vLLM's fields: `root` is what a moving name stands for, `parent` an adapter's base."""
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": _OWNER,
        "max_model_len": length,
        "root": root or name,
        "parent": parent,
    }
