"""Dify's external knowledge: `POST {base}/retrieval`, with `{base}` = `https://…/dify` and a knowledge id = a collection.

https://docs.dify.ai/en/use-dify/knowledge/external-knowledge-api, read in November 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from api.deps import Caller, base_url, guarded
from api.openai.attribute_filters import Comparison, Compound, Filters
from api.openai.file_schemas import RankingOptions, StoreSearchIn
from api.openai.ids import permit_for_store
from api.openai.store_search import StoreHit, found_in
from api.schemas.common import as_written
from rag.access.policy import Action
from rag.domain.errors import InvalidRequest

router = APIRouter(prefix="/dify", tags=["adapters"])

_MOST = 50


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")
    _as_written = field_validator("*", mode="wrap")(as_written)


class RetrievalSetting(_Lenient):
    """How many records, and how good at least."""

    top_k: int = Field(5, ge=1)
    score_threshold: float | None = Field(0.0, ge=0.0, le=1.0)


class Condition(_Lenient):
    """One condition on custom attributes; of several names one must fit."""

    name: str | Annotated[list[str], Field(min_length=1, max_length=16)]
    comparison_operator: str
    value: str | int | float | Annotated[list[str | int | float], Field(max_length=100, fail_fast=True)] | None = None


class MetadataCondition(_Lenient):
    """Conditions on custom attributes."""

    logical_operator: Literal["and", "or"] = "and"
    conditions: list[Condition] = Field(max_length=50, fail_fast=True)


class RetrievalIn(_Lenient):
    """What Dify sends."""

    knowledge_id: str = Field(min_length=1, max_length=200)
    query: str = Field(min_length=1, max_length=100_000)
    retrieval_setting: RetrievalSetting = RetrievalSetting()
    metadata_condition: MetadataCondition | None = None


class RecordOut(BaseModel):
    """One passage."""

    content: str
    score: float
    title: str
    metadata: dict[str, Any] = Field(description="never null, which Dify can't read")


class RetrievalOut(BaseModel):
    """The passages, best first."""

    records: list[RecordOut]


@router.post("/retrieval")
def retrieve(
    body: RetrievalIn, request: Request, caller: Annotated[Caller, Depends(guarded(Action.SEARCH))]
) -> RetrievalOut:
    """The passages of one collection for a question of Dify."""
    permit = permit_for_store(caller, body.knowledge_id)
    setting = body.retrieval_setting
    wanted = StoreSearchIn(
        query=body.query,
        filters=_filters(body.metadata_condition),
        max_num_results=min(setting.top_k, _MOST),
        ranking_options=RankingOptions(score_threshold=setting.score_threshold or 0.0),
    )
    return RetrievalOut(records=[_record(item) for item in found_in(caller, permit, wanted, base_url(request))])


def _record(hit: StoreHit) -> RecordOut:
    source = hit.passage.source
    place = hit.out()["source"]
    metadata = {
        **hit.attributes,
        "path": source.source_key,
        "description": f"{source.title} {hit.passage.chunk.provision}".rstrip(),
        "document_id": str(source.document_id),
        "version": source.version_number,
        "place": place["anchor"]["label"],
        "url": hit.url,
    }
    return RecordOut(content=hit.passage.chunk.text, score=hit.score, title=source.title, metadata=metadata)


_NUMERIC = {"=": "eq", "≠": "ne", ">": "gt", "<": "lt", "≥": "gte", "≤": "lte"}
_OTHERS = {"is": "eq", "is not": "ne", "in": "in", "not in": "nin", "before": "lt", "after": "gt"}


def _filters(given: MetadataCondition | None) -> Filters | None:
    if given is None or not given.conditions:
        return None
    return Compound(type=given.logical_operator, filters=[_condition(item) for item in given.conditions])


def _condition(given: Condition) -> Filters:
    operator = given.comparison_operator
    kind = _NUMERIC.get(operator) or _OTHERS.get(operator)
    if kind is None:
        known = ", ".join((*_OTHERS, *_NUMERIC))
        raise InvalidRequest(
            detail=f"metadata_condition: {operator!r} can't be asked here; known are {known}",
            detail_ko=f"metadata_condition: {operator!r} 조건은 쓸 수 없습니다. 쓸 수 있는 조건: {known}",
        )
    if given.value is None:
        raise InvalidRequest(
            detail=f"metadata_condition: {operator!r} needs a value",
            detail_ko=f"metadata_condition: {operator!r}에는 값이 필요합니다",
        )
    plain: Callable[[Any], Any] = _number if operator in _NUMERIC else _same
    value = [plain(item) for item in given.value] if isinstance(given.value, list) else plain(given.value)
    names = [given.name] if isinstance(given.name, str) else given.name
    try:
        parts: list[Comparison | Compound] = [
            Comparison.model_validate({"type": kind, "key": name, "value": value}) for name in names
        ]
    except ValidationError:
        raise InvalidRequest(
            detail="metadata_condition: a name or a value is not valid",
            detail_ko="metadata_condition: 쓸 수 없는 이름이나 값이 있습니다",
        ) from None
    return parts[0] if len(parts) == 1 else Compound(type="or", filters=parts)


def _same(value: Any) -> Any:
    return value


def _number(value: Any) -> Any:
    """Dify may send a number as text; the operators of numbers mean the number."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        raise InvalidRequest(
            detail=f"metadata_condition: {value!r} is no number",
            detail_ko=f"metadata_condition: {value!r}은(는) 숫자가 아닙니다",
        ) from None
