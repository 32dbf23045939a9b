"""The history of repositories: what changed between two states, a file at a commit, a commit. All of it under the same permit as
the documents that the files are."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.repository_changes import ChangesOut, CommitFilesOut, FileLinesOut
from rag.access.policy import Action
from rag.answering.changes import History

router = APIRouter(prefix="/repositories", tags=["repositories"], responses=PROBLEMS)

_LONGEST = 1800
_REF = 250

Ref = Annotated[str, Query(min_length=1, max_length=_REF, description="branch, tag (with or without its v) or commit")]


@router.get("/{repository_id}/changes")
def list_changes(
    repository_id: UUID,
    caller: Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))],
    from_: Annotated[
        str, Query(alias="from", min_length=1, max_length=_REF, description="the earlier state: branch, tag or commit")
    ],
    to: Annotated[str, Query(max_length=_REF, description="the later state; what is indexed when left out")] = "",
    path: Annotated[str, Query(max_length=_LONGEST, description="only this file or folder")] = "",
    patches: Annotated[int, Query(ge=0, le=500, description="files whose patches are wanted, most changed first")] = 50,
) -> ChangesOut:
    """What differs between two states of a repository: files with patches, and the commits in between."""
    permit = caller.permit()
    found = _history(caller).compare(permit, repository_id, from_, to, path=path, patches=patches)
    caller.audit.saw(found.documents)
    return ChangesOut.of(found)


@router.get("/{repository_id}/commits/{commit}")
def get_commit(
    repository_id: UUID, commit: str, caller: Annotated[Caller, Depends(guarded(Action.READ_CITED))]
) -> CommitFilesOut:
    """A commit that touches something that the key may read: its message, and the paths of that."""
    found = _history(caller).commit(caller.permit(), repository_id, commit[:_REF])
    caller.audit.saw(found.documents)
    return CommitFilesOut.told(found)


@router.get("/{repository_id}/files/{path:path}")
def get_file(
    repository_id: UUID,
    path: str,
    caller: Annotated[Caller, Depends(guarded(Action.READ_CITED))],
    commit: Annotated[
        str, Query(max_length=_REF, description="branch, tag or commit; what is indexed without it")
    ] = "",
    first: Annotated[int | None, Query(ge=1, le=10_000_000, description="the whole file when left out")] = None,
    last: Annotated[int | None, Query(ge=1, le=10_000_000)] = None,
    around: Annotated[int, Query(ge=0, le=10_000, description="lines shown before and after those")] = 0,
) -> FileLinesOut:
    """A place `path:first-last@commit` resolved: the lines that stand there, as far as the document at that path may be read."""
    start, end = first or 1, last or first
    found = _history(caller).file(
        caller.permit(), repository_id, path[:_LONGEST], commit=commit, first=start, last=end, around=around
    )
    caller.audit.saw([found.document.document_id])
    return FileLinesOut.of(found)


def _history(caller: Caller) -> History:
    rag = caller.services.rag
    return History(rag.database, rag.settings.mirror_folder())
