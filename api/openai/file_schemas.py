"""Bodies of files, vector stores and their batches. Unknown fields are ignored, as clients send many."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.openai.attribute_filters import Attributes, Filters
from api.schemas.collections import CollectionName
from api.schemas.common import as_written, without_nul
from rag.domain.errors import InvalidRequest, UnsupportedRequest

Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=64)],
        Annotated[str, Field(max_length=512)],
    ],
    Field(max_length=16),
]
FileId = Annotated[str, Field(min_length=1, max_length=100)]
MAX_BATCH = 2000


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")
    _storable = field_validator("*")(without_nul)
    _as_written = field_validator("*", mode="wrap")(as_written)


class ChunkingStrategy(_Lenient):
    """How a file is to be cut; only `auto`, since the structure of a document decides here."""

    type: str
    static: dict[str, Any] | None = None


def refuse_chunking(given: ChunkingStrategy | None) -> None:
    """Refuse what is not honoured.

    Raises:
        UnsupportedRequest: another strategy than `auto` is asked for.
    """
    if given is not None and given.type != "auto":
        raise UnsupportedRequest(
            detail="chunking_strategy: only auto; documents are cut by their structure, so that citations find their place",
            detail_ko="chunking_strategy: auto만 됩니다. 인용이 자리를 찾도록 문서를 구조에 따라 나눕니다",
            param="chunking_strategy",
        )


def refuse_expiry(given: object) -> None:
    """Refuse an expiry, which is not kept here: retention rules of the collection delete documents.

    Raises:
        UnsupportedRequest: there is one.
    """
    if given is not None:
        raise UnsupportedRequest(
            detail="expires_after: not supported; use the retention rules of the collection",
            detail_ko="expires_after: 지원하지 않습니다. 컬렉션의 보존 규칙을 쓰세요",
            param="expires_after",
        )


class StoreIn(_Lenient):
    """Body of `POST /v1/vector_stores`."""

    name: CollectionName | None = None
    description: str = Field("", max_length=2000)
    file_ids: list[FileId] = Field(default_factory=list, max_length=MAX_BATCH)
    metadata: Metadata | None = None
    expires_after: dict[str, Any] | None = None
    chunking_strategy: ChunkingStrategy | None = None


class StoreChange(_Lenient):
    """Body of `POST /v1/vector_stores/{id}`; what is left out stays."""

    name: CollectionName | None = None
    metadata: Metadata | None = None
    expires_after: dict[str, Any] | None = None


class StoreFileIn(_Lenient):
    """A file to put into a vector store."""

    file_id: FileId
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None


class StoreFileChange(_Lenient):
    """Attributes that a file is to have in place of those that it has."""

    attributes: Attributes | None


class BatchIn(_Lenient):
    """Files to put into a vector store together."""

    file_ids: list[FileId] | None = Field(None, min_length=1, max_length=MAX_BATCH)
    files: list[StoreFileIn] | None = Field(None, min_length=1, max_length=MAX_BATCH)
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None

    def wanted(self) -> list[StoreFileIn]:
        """The files, each with what is said about it.

        Raises:
            InvalidRequest: none of the two lists is given, or both are.
        """
        if (self.file_ids is None) == (self.files is None):
            raise InvalidRequest(
                detail="file_ids, files: one of the two is needed", detail_ko="file_ids, files: 둘 중 하나를 적으세요"
            )
        refuse_chunking(self.chunking_strategy)
        if self.files is not None:
            for item in self.files:
                refuse_chunking(item.chunking_strategy)
            return self.files
        return [StoreFileIn(file_id=item, attributes=self.attributes) for item in self.file_ids or []]


class RankingOptions(_Lenient):
    """How results are chosen."""

    ranker: str | None = None
    score_threshold: float = Field(0.0, ge=0.0, le=1.0)


class StoreSearchIn(_Lenient):
    """Body of `POST /v1/vector_stores/{id}/search`."""

    query: (
        Annotated[str, Field(min_length=1, max_length=100_000)]
        | Annotated[list[Annotated[str, Field(min_length=1, max_length=100_000)]], Field(min_length=1, max_length=10)]
    )
    filters: Filters | None = None
    max_num_results: int = Field(10, ge=1, le=50)
    ranking_options: RankingOptions = RankingOptions()
    rewrite_query: bool = False

    def queries(self) -> list[str]:
        """The questions, one or several."""
        return [self.query] if isinstance(self.query, str) else self.query


Order = Literal["asc", "desc"]
