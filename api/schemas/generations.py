"""Bodies of the routes by which programs are written."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.domain.errors import error_type_of
from rag.domain.language import Language
from rag.domain.messages import UiLanguage, message_for
from rag.store.program import Program, ProgramFile, ProgramStage, ProgramState

MAX_SPEC = 400_000
Words = Annotated[str, Field(min_length=1, max_length=100)]


class GenerationIn(Body):
    """A program that is wanted."""

    specification: str = Field(min_length=1, max_length=MAX_SPEC, description="all of it, Markdown as a rule")
    repositories: list[Words] = Field(
        min_length=1,
        max_length=10,
        description="collections of code (names or ids) that the program has to fit in with",
    )
    title: str = Field("", max_length=200, description="none takes the first line of the specification")
    language: Literal["ko", "en"] | None = Field(
        None, description="of the instructions to the model; none takes that of the specification"
    )
    model: str = Field("", max_length=100, description="name of a configured model; none leaves it to the router")
    thinking: bool | None = Field(None, description="whether it reasons first; none where the model can")

    def wanted_language(self) -> Language | None:
        """The language that was asked for."""
        return Language(self.language) if self.language else None


class GenerationFailure(BaseModel):
    """Why it failed."""

    code: str
    message: str = Field(description="in the language of Accept-Language")
    retryable: bool = Field(description="whether the same order can succeed later")


class GenerationOut(BaseModel):
    """How far a generation is."""

    id: UUID
    title: str
    repositories: list[UUID]
    state: ProgramState
    stage: ProgramStage = Field(description="what is being done, or was when it ended")
    written_tokens: int = Field(description="so far, reasoning included; an estimate until the engine has counted")
    limit_tokens: int | None = Field(description="most that it may write; known once the model is chosen")
    model: str = Field(description="that writes it; empty until it is chosen")
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    failure: GenerationFailure | None

    @classmethod
    def of(cls, row: Program, repositories: list[UUID], language: UiLanguage) -> GenerationOut:
        """The generation as JSON."""
        facts = row.facts or {}
        return cls(
            id=row.id,
            title=row.title,
            repositories=repositories,
            state=ProgramState(row.state),
            stage=ProgramStage(row.stage),
            written_tokens=row.written,
            limit_tokens=facts.get("answer_tokens"),
            model=row.writer,
            requested_by=row.key_name,
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            failure=_failure(row, language),
        )


class GenerationPage(BaseModel):
    """Generations, newest first."""

    generations: list[GenerationOut]
    next_cursor: str | None


class GeneratedFile(BaseModel):
    """One file of a program."""

    path: str
    sha256: str
    size: int = Field(description="bytes")
    language: str
    syntax: Literal["ok", "error", "unchecked"] = Field(
        description="unchecked: no parser for this language is installed here"
    )
    detail: str = Field(description="what is wrong and where, if anything is")
    repaired: bool = Field(description="whether its syntax was mended in a second round")


class RejectedFile(BaseModel):
    """A file that the model wrote and that was not taken."""

    path: str
    reason: str = Field(examples=["parent", "absolute", "cut_off", "too_large", "name_taken"])


class ContextPlace(BaseModel):
    """A piece of the repository, and how much the specification wanted it."""

    collection: str
    path: str
    place: str = Field(examples=["lines 10-24"])
    rank: int


class Manifest(BaseModel):
    """What was made, from what."""

    id: UUID
    title: str
    model: str
    prompt: str = Field(description="name and version of the prompt", examples=["program_write.ko.v1"])
    files: list[GeneratedFile]
    rejected: list[RejectedFile]
    masked: list[str] = Field(
        description="files in which the model wrote personal data or secrets by itself, which are stars now"
    )
    cut_off: bool = Field(description="whether the model came to the end of its room before the end of the program")
    included: list[ContextPlace] = Field(description="what the model read of the repository, in that order")
    omitted: list[ContextPlace] = Field(description="what was found and did not fit, best first")
    paths_listed: int = Field(description="paths of the repository that the model was told")
    paths_cut: bool = Field(description="whether there were more")
    context_tokens: int = Field(description="of what was read of the repository; an estimate")
    usage: dict[str, int] | None = Field(description="tokens as the engine counted them")
    reasons: list[str] = Field(description="why this model")
    retried: list[str] = Field(description="guards that stopped the model's first try, after which it was asked again")
    repair_failed: str | None = Field(description="code of the error that kept syntax from being mended")

    @classmethod
    def of(cls, row: Program, files: list[ProgramFile]) -> Manifest:
        """The manifest as JSON."""
        facts: dict[str, Any] = row.facts or {}
        return cls(
            id=row.id,
            title=row.title,
            model=row.writer,
            prompt=facts.get("prompt", ""),
            files=[file_out(item) for item in files],
            rejected=facts.get("rejected", []),
            masked=facts.get("masked", []),
            cut_off=facts.get("cut_off", False),
            included=facts.get("included", []),
            omitted=facts.get("omitted", []),
            paths_listed=facts.get("paths_listed", 0),
            paths_cut=facts.get("paths_cut", False),
            context_tokens=facts.get("context_tokens", 0),
            usage=facts.get("usage"),
            reasons=facts.get("reasons", []),
            retried=facts.get("retried", []),
            repair_failed=facts.get("repair_failed"),
        )


def file_out(row: ProgramFile) -> GeneratedFile:
    """The file as JSON."""
    return GeneratedFile.model_validate(
        {
            "path": row.path,
            "sha256": row.sha256,
            "size": row.size,
            "language": row.language,
            "syntax": row.verdict,
            "detail": row.detail,
            "repaired": row.repaired,
        }
    )


def _failure(row: Program, language: UiLanguage) -> GenerationFailure | None:
    if not row.failure_code:
        return None
    return GenerationFailure(
        code=row.failure_code,
        message=message_for(row.failure_code, row.failure_params or {}, language),
        retryable=error_type_of(row.failure_code).retryable,
    )
