"""Generations: programs that a model writes from a specification and a repository, as durable jobs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from api.deps import PROBLEMS, Caller, guarded
from api.download import FileStream, file_headers
from api.schemas.generations import GenerationIn, GenerationOut, GenerationPage, Manifest
from ingest.jobs.programs import ProgramOrder
from ingest.pipeline.programs import blob_of
from rag.access.policy import Action
from rag.domain.errors import GenerationUnfinished, InvalidRequest, NotFound
from rag.store import program
from rag.store.program import Program, ProgramFile, ProgramState

router = APIRouter(prefix="/generations", tags=["generations"], responses=PROBLEMS)

Reader = Annotated[Caller, Depends(guarded(Action.READ_GENERATIONS))]
Writer = Annotated[Caller, Depends(guarded(Action.WRITE_PROGRAMS))]
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The same program is the same archive: the earliest date that the format knows."""


@router.post("", status_code=202)
def order_program(body: GenerationIn, caller: Writer) -> GenerationOut:
    """Let a model write the program of a specification, with what retrieval finds in these collections of code."""
    permit = caller.permit(body.repositories)
    wanted = ProgramOrder(body.specification, body.title, body.wanted_language(), body.model, body.thinking)
    row = caller.services.ingest.programs.order(permit, wanted)
    return GenerationOut.of(row, sorted(permit.collections), caller.language)


@router.get("")
def list_generations(
    caller: Reader,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> GenerationPage:
    """Generations of all collections that the key may see, newest first."""
    permit = caller.permit()
    before = _read_cursor(cursor) if cursor else None
    with caller.services.rag.database.read() as session:
        rows = program.newest_permitted(session, permit, before=before, limit=limit + 1)
        repositories = program.repositories_of(session, [row.id for row in rows])
    shown = rows[:limit]
    following = f"{shown[-1].created_at.isoformat()}_{shown[-1].id}" if len(rows) > limit else None
    items = [GenerationOut.of(row, repositories.get(row.id, []), caller.language) for row in shown]
    return GenerationPage(generations=items, next_cursor=following)


@router.get("/{generation_id}")
def get_generation(generation_id: UUID, caller: Reader) -> GenerationOut:
    """How far a generation is."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        row = program.get_permitted(session, permit, generation_id)
        repositories = program.repositories_of(session, [row.id])
    return GenerationOut.of(row, repositories.get(row.id, []), caller.language)


@router.get("/{generation_id}/manifest")
def get_manifest(generation_id: UUID, caller: Reader) -> Manifest:
    """What was made: files with hash, language and syntax, and what the model read and did not read for them."""
    row, files = _finished(caller, generation_id)
    return Manifest.of(row, list(files))


@router.get("/{generation_id}/files/{path:path}", response_class=Response)
def get_file(generation_id: UUID, path: str, caller: Reader) -> Response:
    """One file, as a download."""
    row, _ = _finished(caller, generation_id)
    with caller.services.rag.database.read() as session:
        found = program.file_at(session, row.id, path)
    content = _content(caller, found)
    return Response(content, media_type="application/octet-stream", headers=_download(path.rsplit("/", 1)[-1]))


@router.get("/{generation_id}/archive", response_class=StreamingResponse)
def get_archive(generation_id: UUID, caller: Reader) -> StreamingResponse:
    """All files as a zip archive."""
    _, files = _finished(caller, generation_id)
    headers = _download(f"generation-{generation_id}.zip")
    return FileStream(_zipped(caller, files), media_type="application/zip", headers=headers)


@router.post("/{generation_id}/cancel")
def cancel_generation(generation_id: UUID, caller: Writer) -> GenerationOut:
    """Stop writing; the engine is stopped within a second."""
    row = caller.services.ingest.programs.cancel(caller.permit(), generation_id)
    with caller.services.rag.database.read() as session:
        repositories = program.repositories_of(session, [row.id])
    return GenerationOut.of(row, repositories.get(row.id, []), caller.language)


@router.delete("/{generation_id}", status_code=204)
def delete_generation(generation_id: UUID, caller: Writer) -> None:
    """Delete a generation with its files and its specification; one that is being written is stopped."""
    caller.services.ingest.programs.delete(caller.permit(), generation_id)


def _finished(caller: Caller, generation_id: UUID) -> tuple[Program, Sequence[ProgramFile]]:
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        row = program.get_permitted(session, permit, generation_id)
        caller.audit.saw(program.sources_of(session, row.id))
        if row.state != ProgramState.DONE:
            raise GenerationUnfinished(name=row.title, state=row.state)
        return row, program.files_of(session, row.id)


def _content(caller: Caller, file: ProgramFile) -> bytes:
    content = caller.services.rag.blobs.get_result(file.program_id, blob_of(file.ordinal))
    if content is None:
        raise NotFound  # deleted in this moment
    return content


def _zipped(caller: Caller, files: Sequence[ProgramFile]) -> Iterator[bytes]:
    """The archive, a file at a time: memory stays at the largest of them."""
    buffer = _Drained()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.path, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, _content(caller, file))
            yield buffer.drain()
    yield buffer.drain()


class _Drained(io.RawIOBase):
    """A sink that can't seek, emptied as the response goes out."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Keep `data` until it is drained."""
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        return len(part)

    def drain(self) -> bytes:
        """What was written since the last time."""
        drained, self._parts = b"".join(self._parts), []
        return drained


def _download(name: str) -> dict[str, str]:
    # Never inline: what a model wrote must not run as a page of ours.
    return dict(file_headers(name))


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    moment, _, identity = cursor.rpartition("_")
    try:
        read = datetime.fromisoformat(moment), UUID(identity)
    except ValueError:
        raise InvalidRequest(
            detail="cursor", detail_ko="cursor: 목록이 알려 준 값이 아닙니다. 첫 쪽부터 다시 요청하세요"
        ) from None
    if read[0].tzinfo is None:
        raise InvalidRequest(
            detail="cursor", detail_ko="cursor: 목록이 알려 준 값이 아닙니다. 첫 쪽부터 다시 요청하세요"
        )
    return read
