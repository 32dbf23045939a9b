"""Bodies of the tools. Models read what stands here: names and sentences are short."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.schemas.common import Body

_QUERY = Field(min_length=1, max_length=4000, description="a question or words, Korean or English")


class SearchQuery(Body):
    """What is looked for."""

    query: str = _QUERY


class FoundOut(BaseModel):
    """A passage that was found."""

    id: str = Field(description="what fetch takes")
    title: str
    url: str = Field(description="where a person can open it")


class FoundList(BaseModel):
    """The passages, best first."""

    results: list[FoundOut]


class FetchQuery(Body):
    """What is opened."""

    id: str = Field(
        min_length=1,
        max_length=2500,
        description="an id from search or search_code, doc://<document id>, repo://<repository>/<path>#L10-L20, or a place as it "
        "is cited: <repository>/<path>:10-20@<commit>",
    )


class FetchedOut(BaseModel):
    """A text with where it comes from."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, Any] = Field(
        description="place, collection, version; `next` is the id of the following part of a long text"
    )


class CodeQuery(Body):
    """What is looked for in source code."""

    query: str = _QUERY
    repo: str | None = Field(
        None, min_length=1, max_length=200, description="name of a repository, or of a collection of code"
    )
    path: str | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="folder or glob in a repository, such as src/login or **/*.py",
    )
    lang: str | None = Field(None, min_length=1, max_length=40, description="language, such as python, java, c++")


class CodeOut(FoundOut):
    """A piece of source code that was found."""

    repo: str
    path: str
    lines: str = Field(description="first and last line, such as 10-24")
    commit: str
    lang: str
    symbol: str = Field(description="the definition that it is or belongs to, such as PaymentService.approve")
    text: str


class CodeList(BaseModel):
    """The pieces, best first."""

    results: list[CodeOut]


class NoQuery(Body):
    """Nothing is asked for."""


class KnowledgeBaseOut(BaseModel):
    """A collection that the caller may read."""

    name: str
    kind: Literal["documents", "code"]
    description: str
    documents: int
    repositories: list[str] = Field(description="names of the repositories in it")


class KnowledgeBaseList(BaseModel):
    """All of them."""

    knowledge_bases: list[KnowledgeBaseOut]


class ToolQuestion(Body):
    """What is asked."""

    question: str = Field(min_length=1, max_length=4000, description="one whole question, Korean or English")


class MarkOut(FoundOut):
    """What a mark [n] of an answer stands for."""

    mark: int


class Answered(BaseModel):
    """An answer whose every sentence is held by what it cites, or a stated refusal."""

    status: Literal["answered", "abstained"]
    answer: str = Field(description="with marks [1] that stand for sources")
    sources: list[MarkOut]
    answer_id: str
