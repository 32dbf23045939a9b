"""Bodies of the routes about git repositories that are kept in step."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.access import AccessIn
from api.schemas.common import Body
from api.schemas.documents import Failure
from rag.domain.errors import error_type_of
from rag.domain.messages import UiLanguage, message_for
from rag.domain.repository_texts import left_out_text, note_text
from rag.store.repository import Repository, RepositoryFile

Pattern = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00\n]+$", examples=["src/**", "*.sql"])]
_Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\s/\\\x00-\x1f\x7f.][^/\\\x00-\x1f\x7f]*$",
        description="first part of the name of each of its files; left out, the last part of its address",
        examples=["payments"],
    ),
]
_MOST = 200


class PathRuleIn(Body):
    """Who may read what lies at some paths."""

    paths: Pattern = Field(description="pattern as in .gitignore, without !")
    access: AccessIn


class HistoryIn(Body):
    """What is read beside the files."""

    commits: int = Field(0, ge=0, le=200_000, description="newest commits whose messages are read; 0 for none")
    export: str = Field("", max_length=1000, description="folder or .tar.gz on the server with an export")
    api: Literal["", "gitlab", "github", "gitea"] = Field(
        "", description="server that is asked for requests and issues"
    )
    api_url: str = Field("", max_length=1000, description="root of its interface where it is unusual")
    project: str = Field("", max_length=500, description="path of the project there where it is unusual")
    confidential: bool = Field(
        False, description="take confidential issues too: whoever reads the collection sees them"
    )


class OptionsIn(Body):
    """What is taken of a repository, and who may read it."""

    include: list[Pattern] = Field([], max_length=_MOST, description="when not empty, only what one of these means")
    exclude: list[Pattern] = Field([], max_length=_MOST, description="not taken; ! takes back")
    gitignore: bool = Field(
        False,
        description="leave out what a .gitignore means, though git tracks it; .seogoignore and ! in exclude take back",
    )
    max_file_kb: int | None = Field(None, ge=1, le=1_000_000, description="largest file; none for the server's limit")
    path_rules: list[PathRuleIn] = Field(
        [], max_length=_MOST, description="who may read what; the last that means a path counts, alone"
    )
    history: HistoryIn = HistoryIn()

    def to_json(self) -> dict[str, Any]:
        """As the connector reads it."""
        return self.model_dump(mode="json")


class RepositoryIn(Body):
    """A repository to be indexed."""

    collection: str = Field(min_length=1, max_length=100, description="collection of code, by name or id")
    url: str = Field(
        min_length=1,
        max_length=1000,
        pattern=r"^[^\x00]+$",
        examples=[
            "https://git.example.kr/pay/payments.git",
            "git@git.example.kr:pay/payments.git",
            "/srv/git/payments.git",
        ],
        description="address, without user and password",
    )
    name: _Name | None = None
    ref: str = Field(
        "", max_length=250, pattern=r"^[^\x00]*$", description="branch or tag; empty: the remote's own branch"
    )
    credential: str = Field(
        "", max_length=100, pattern=r"^[^\x00]*$", description="name of a credential of the settings"
    )
    options: OptionsIn = OptionsIn()
    poll_s: int | None = Field(
        None, ge=0, le=604_800, description="seconds between two looks; 0: on demand alone; none: as the server has it"
    )
    webhook: bool = Field(False, description="make a secret for a webhook, which the answer shows once")


class RepositoryChange(Body):
    """What is to be different; what is left out stays."""

    url: str | None = Field(None, min_length=1, max_length=1000, pattern=r"^[^\x00]+$")
    ref: str | None = Field(None, max_length=250, pattern=r"^[^\x00]*$")
    credential: str | None = Field(None, max_length=100, pattern=r"^[^\x00]*$")
    options: OptionsIn | None = None
    poll_s: int | None = Field(None, ge=0, le=604_800)
    webhook: bool | None = Field(None, description="true: a new secret in place of the one before; false: none")


class SyncIn(Body):
    """How to look at the remote."""

    retry_failed: bool = Field(False, description="try files again that could not be read before")


class Tended(BaseModel):
    """What only who tends the collection sees of a repository."""

    credential: str = Field(description="name of a credential of the settings; empty for none")
    options: dict[str, Any]
    webhook: bool = Field(description="whether a webhook is set up")
    skipped: int = Field(description="files that are not in the index; `files?skipped=true` says why")


class Note(BaseModel):
    """What is worth knowing of the last look."""

    code: str
    message: str


class FileCounts(NamedTuple):
    """How many files are in the index, how many are not, and how far a look has got."""

    files: int
    skipped: int
    done: int
    total: int

    def scaled_to(self, files: int) -> FileCounts:
        """The same as somebody sees it who may read so many of the files: how many there are beside them is not told."""
        return FileCounts(files, 0, files * self.done // self.total if self.total else 0, files)


class RepositoryOut(BaseModel):
    """A repository. What was indexed goes on answering while it is fetched, and when that fails."""

    id: UUID
    collection_id: UUID
    collection: str
    name: str
    url: str
    ref: str = Field(description="empty: the remote's own branch")
    state: str = Field(examples=["waiting", "fetching", "indexing", "filling", "ready", "failed"])
    looking: bool = Field(description="whether a look at the remote is wanted or at work")
    done: int = Field(description="files that are as in the commit, while it is being indexed")
    total: int = Field(
        description="all of them; for who may only read, those that it may read, and `done` in proportion"
    )
    files: int = Field(description="files in the index; for who may only read, those that it may read")
    vectors_pending: int = Field(description="files found by words already, and by meaning a little later")
    head: str = Field(description="commit of the branch or tag when it was last fetched")
    commit: str = Field(description="commit that the index holds; empty while it holds none")
    note: Note | None
    failure: Failure | None = Field(description="why the last try failed")
    poll_s: int
    created_at: datetime
    fetched_at: datetime | None
    indexed_at: datetime | None
    due_at: datetime | None = Field(description="when the next look is due; none: on demand alone")
    tended: Tended | None = Field(description="none for who may only read")

    @classmethod
    def of(
        cls,
        row: Repository,
        collection: str,
        counts: FileCounts,
        pending: int,
        language: UiLanguage,
        *,
        tends: bool,
    ) -> RepositoryOut:
        """The repository as JSON."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            collection=collection,
            name=row.name,
            url=row.url,
            ref=row.ref,
            state=row.state,
            looking=bool(row.job_id) or row.wanted_at is not None,
            done=counts.done,
            total=counts.total,
            files=counts.files,
            vectors_pending=pending,
            head=row.head,
            commit=row.commit,
            note=Note(code=row.note, message=note_text(row.note, language)) if row.note else None,
            failure=_failure(row, language),
            poll_s=row.poll_s,
            created_at=row.created_at,
            fetched_at=row.fetched_at,
            indexed_at=row.indexed_at,
            due_at=row.due_at,
            tended=_tended(row, counts.skipped) if tends else None,
        )


class RepositoryAdded(BaseModel):
    """A repository that was added or changed."""

    repository: RepositoryOut
    webhook_secret: str | None = Field(description="of a new webhook: shown this once")
    webhook_path: str | None = Field(description="where a webhook is to be sent, below the address of this service")
    path_rules_resumed: list[str] = Field(
        description="patterns of the path rules that hold again: those of a repository of this name that was deleted"
    )


class RepositoryList(BaseModel):
    """The repositories that the key may see, by name."""

    repositories: list[RepositoryOut]


class RepositoryFileOut(BaseModel):
    """A file of a repository."""

    path: str
    blob: str = Field(description="git's hash of its content; of a submodule, the commit that it points to")
    size: int = Field(description="bytes")
    document_id: UUID | None = Field(description="none for a file that is not in the index")
    reason: str | None = Field(description="why it is not in the index")
    message: str | None = Field(description="the same as a sentence")

    @classmethod
    def of(cls, row: RepositoryFile, path: str, language: UiLanguage) -> RepositoryFileOut:
        """The file as JSON, under the path that the caller may see."""
        return cls(
            path=path,
            blob=row.blob,
            size=row.size,
            document_id=None if row.reason else row.document_id,
            reason=row.reason or None,
            message=left_out_text(row.reason, language) if row.reason else None,
        )


class RepositoryFilePage(BaseModel):
    """Files of a repository by path."""

    files: list[RepositoryFileOut]
    next_cursor: str | None


class WebhookTaken(BaseModel):
    """What a webhook led to."""

    looked: bool = Field(
        description="whether the remote is looked at for it; false for a push that is not about this branch or tag"
    )


def _tended(row: Repository, skipped: int) -> Tended:
    return Tended(credential=row.credential, options=row.options, webhook=bool(row.webhook_secret), skipped=skipped)


def _failure(row: Repository, language: UiLanguage) -> Failure | None:
    if row.error_code is None:
        return None
    message = message_for(row.error_code, row.error_params or {}, language)
    return Failure(code=row.error_code, message=message, retryable=error_type_of(row.error_code).retryable)
