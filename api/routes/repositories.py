"""Repositories: git repositories whose files at a branch or tag are documents of a collection, kept in step by durable jobs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from api.deps import PROBLEMS, Caller, guarded
from api.document_view import receipts_out
from api.schemas.receipts import ReceiptOut
from api.schemas.repositories import (
    FileCounts,
    RepositoryAdded,
    RepositoryChange,
    RepositoryFileOut,
    RepositoryFilePage,
    RepositoryIn,
    RepositoryList,
    RepositoryOut,
    SyncIn,
)
from ingest.connectors.repository_options import RepositoryOptions
from ingest.pipeline.repository_return import follow_rules, ruled_and_gone, taken_back
from rag.access import rules
from rag.access.personal_data.reading import names_masked
from rag.access.policy import Action
from rag.access.rules import PathDecision
from rag.domain.errors import InvalidRequest, NotPermitted, RepositoryNotFound
from rag.domain.language import CollectionKind
from rag.domain.principal import Permit
from rag.mirrors.fetching import remote_of
from rag.settings_repositories import RepositorySettings
from rag.store import collection, repository, repository_rules, repository_work, tenant
from rag.store.repository import Repository, RepositoryFile
from rag.store.session import naming

router = APIRouter(prefix="/repositories", tags=["repositories"], responses=PROBLEMS)

Reader = Annotated[Caller, Depends(guarded(Action.READ_DOCUMENTS))]
Tender = Annotated[Caller, Depends(guarded(Action.CHANGE_COLLECTION))]
_SECRET_BYTES = 32
_NAME = 200


@router.post("", status_code=201)
def add_repository(body: RepositoryIn, caller: Tender) -> RepositoryAdded:
    """Add a repository to a collection of code; it is fetched and indexed in the background.

    Where one of the same name was deleted from the collection, its path rules hold again, unless the request has `path_rules`
    of its own (an empty list for none). The answer names them. Whom one of them holds back can't do without it."""
    permit = caller.permit([body.collection])
    (collection_id,) = permit.collections
    services = caller.services
    settings = _settings_of(caller, permit)
    options = RepositoryOptions.of(body.options.to_json())
    name = body.name or _name_in(body.url)
    remote = remote_of(settings, body.url, body.credential, name=name)
    secret = secrets.token_urlsafe(_SECRET_BYTES) if body.webhook else ""
    identity = uuid4()
    row = Repository(
        id=identity,
        tenant_id=permit.tenant_id,
        collection_id=collection_id,
        name=name,
        url=remote.url,
        ref=body.ref,
        credential=body.credential,
        options=options.to_json(),
        owner_id=permit.principal.id,
        webhook_secret=services.rag.secrets.sealed_webhook(identity, secret),
        poll_s=settings.poll_s if body.poll_s is None else body.poll_s,
    )
    with naming(services.rag.database, name) as session:
        (into,) = collection.permitted(session, permit)
        if into.kind != CollectionKind.CODE:
            raise InvalidRequest(
                detail=f"collection: {into.name} is no collection of code",
                detail_ko=f"collection: {into.name}은(는) 코드 컬렉션이 아닙니다",
            )
        kept = repository_rules.kept(session, collection_id, name)
        resumed = kept if "path_rules" not in body.options.model_fields_set else []
        options = options.with_path_rules(resumed) if resumed else options
        row.options = options.to_json()
        before = RepositoryOptions().with_path_rules(kept)
        rules.require_paths_decidable(session, permit, row, _decisions(before), _decisions(options))
        session.add(row)
        if lifted := taken_back([before], options):
            follow_rules(session, row, ruled_and_gone(session, row), lifted, options)
        repository_rules.forget(session, collection_id, name)
    services.ingest.repositories.wish(row.id)
    return _added(caller, permit, row.id, secret, [item.paths for item in options.path_rules] if resumed else [])


@router.get("")
def list_repositories(caller: Reader) -> RepositoryList:
    """The repositories of all collections that the key may see; of those that hold no file for it, the ones that it tends."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        read, tended = repository.of_reader(session, permit), _tended(caller)
        known = {row.id for row in read}
        rows = [row for row in repository.of_permit(session, permit) if row.id in known or row.collection_id in tended]
        return RepositoryList(repositories=_shown(session, caller, permit, rows))


@router.get("/{repository_id}")
def get_repository(repository_id: UUID, caller: Reader) -> RepositoryOut:
    """One repository: what it is doing, and why the last try failed where it did."""
    permit = caller.permit()
    with caller.services.rag.database.read() as session:
        row = repository.get_permitted(session, permit, repository_id)
        if row.collection_id not in _tended(caller) and row not in repository.of_reader(session, permit):
            raise RepositoryNotFound(name=str(repository_id))
        return _shown(session, caller, permit, [row])[0]


@router.patch("/{repository_id}")
def change_repository(repository_id: UUID, body: RepositoryChange, caller: Tender) -> RepositoryAdded:
    """Change a repository; what is left out stays. Rules of paths hold for what is indexed a moment later, the rest after
    the next look, which is at once."""
    permit = caller.permit()
    services, settings = caller.services, _settings_of(caller, permit)
    secret: str | None = None
    with services.rag.database.write() as session:
        found = repository.get_permitted(session, permit, repository_id)
        row = session.get_one(Repository, found.id, with_for_update=True, populate_existing=True)
        narrowed = permit.narrowed([row.collection_id])
        url, credential = body.url or row.url, row.credential if body.credential is None else body.credential
        row.url = remote_of(settings, url, credential, name=row.name).url
        row.credential = credential
        row.ref = row.ref if body.ref is None else body.ref
        row.poll_s = row.poll_s if body.poll_s is None else body.poll_s
        if body.options is not None:
            options = RepositoryOptions.of(body.options.to_json())
            before = _decisions(RepositoryOptions.of(row.options))
            rules.require_paths_decidable(session, narrowed, row, before, _decisions(options))
            row.options = options.to_json()
        if body.webhook is not None:
            secret = secrets.token_urlsafe(_SECRET_BYTES) if body.webhook else ""
            row.webhook_secret = services.rag.secrets.sealed_webhook(row.id, secret)
    if body.options is not None:
        services.ingest.repositories.change_rules(repository_id)
    services.ingest.repositories.wish(repository_id)
    return _added(caller, permit, repository_id, secret)


@router.delete("/{repository_id}", status_code=202)
def delete_repository(repository_id: UUID, caller: Tender) -> ReceiptOut:
    """Delete a repository: gone with its documents for every reader at once, and purged in the background."""
    permit = caller.permit()
    receipt = caller.services.ingest.repositories.delete(permit, repository_id)
    with caller.services.rag.database.read() as session:
        return receipts_out(session, permit, [receipt], caller.language)[0]


@router.post("/{repository_id}/sync", status_code=202)
def sync_repository(
    repository_id: UUID, caller: Annotated[Caller, Depends(guarded(Action.SYNC_SOURCES))], body: SyncIn | None = None
) -> RepositoryOut:
    """Look at the remote now."""
    permit = caller.permit()
    database = caller.services.rag.database
    with database.write() as session:
        row = repository.get_permitted(session, permit, repository_id)
        if body is not None and body.retry_failed:
            repository_work.forget_failed(session, row.id)
    caller.services.ingest.repositories.wish(repository_id)
    with database.read() as session:
        return _shown(session, caller, permit, [repository.get_permitted(session, permit, repository_id)])[0]


@router.get("/{repository_id}/files")
def list_files(
    repository_id: UUID,
    caller: Reader,
    skipped: Annotated[
        bool, Query(description="those that are not in the index; for who tends the collection")
    ] = False,
    cursor: Annotated[str | None, Query(max_length=1800, pattern=r"^[^\x00]*$")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 500,
) -> RepositoryFilePage:
    """Files of a repository by path: those in the index that the key may read, or those that were left out, and why."""
    permit = caller.permit()
    database = caller.services.rag.database
    with database.read() as session:
        row = repository.get_permitted(session, permit, repository_id)
        if skipped and row.collection_id not in _tended(caller):
            raise NotPermitted
        after = cursor if cursor is None or skipped else _path_behind(session, permit, row, cursor)
        rows = repository.page_of_files(session, permit, row.id, after=after, limit=limit + 1, skipped=skipped)
        page = rows[:limit]
        last = (page[-1].path if skipped else str(page[-1].document_id)) if len(rows) > limit else None
        if skipped:
            page = _readable(session, permit, row, page)
        caller.audit.listed((row.collection_id, None if item.reason else item.document_id) for item in page)
        names = names_masked(session, permit, [(row.collection_id, item.path) for item in page])
    files = [RepositoryFileOut.of(item, name, caller.language) for item, name in zip(page, names, strict=True)]
    return RepositoryFilePage(files=files, next_cursor=last)


def _path_behind(session: Session, permit: Permit, row: Repository, cursor: str) -> str:
    """The path that a page goes on after. A cursor is the id of a document: a path may hold what the caller may not see."""
    try:
        return repository.path_behind(session, permit, row, UUID(cursor))
    except ValueError:
        raise InvalidRequest(
            detail="cursor", detail_ko="cursor: 목록이 알려 준 값이 아닙니다. 첫 쪽부터 다시 요청하세요"
        ) from None


def _tended(caller: Caller) -> frozenset[UUID]:
    """The collections that the caller tends."""
    try:
        return caller.services.rag.policy.authorize(caller.principal, Action.CHANGE_COLLECTION).collections
    except NotPermitted:
        return frozenset()


def _readable(
    session: Session, permit: Permit, row: Repository, files: Sequence[RepositoryFile]
) -> list[RepositoryFile]:
    """Those of files without a document whose path rule lets the caller read them: a name tells something, too."""
    options = RepositoryOptions.of(row.options)
    given = [options.rule_of(item.path) for item in files]
    open_ones = {item for item in set(given) if rules.path_readable(session, permit, row, item)}
    return [item for item, rule in zip(files, given, strict=True) if rule in open_ones]


def _settings_of(caller: Caller, permit: Permit) -> RepositorySettings:
    """Where the caller's tenant may take repositories from, and with which credentials."""
    with caller.services.rag.database.read() as session:
        return caller.services.rag.settings.repositories.of_tenant(tenant.name_of(session, permit.tenant_id))


def _decisions(options: RepositoryOptions) -> list[PathDecision]:
    return [PathDecision(item.paths, item.given) for item in options.path_rules]


def _shown(session: Session, caller: Caller, permit: Permit, rows: Sequence[Repository]) -> list[RepositoryOut]:
    tended = _tended(caller)
    names = {item.id: item.name for item in collection.permitted(session, permit)}
    ids = [row.id for row in rows]
    counts = repository_work.counts(session, ids)
    only_read = [row.id for row in rows if row.collection_id not in tended]
    readable = repository_work.readable(session, permit, only_read) if only_read else {}
    shown = []
    for row in rows:
        tends = row.collection_id in tended
        counted = FileCounts(*counts.get(row.id, (0, 0)), row.done, row.total)
        counted = counted if tends else counted.scaled_to(readable.get(row.id, 0))
        pending = repository_work.waiting_for_vectors(session, row.id, None if tends else permit)
        shown.append(RepositoryOut.of(row, names[row.collection_id], counted, pending, caller.language, tends=tends))
    return shown


def _added(
    caller: Caller, permit: Permit, repository_id: UUID, secret: str | None, resumed: Sequence[str] = ()
) -> RepositoryAdded:
    with caller.services.rag.database.read() as session:
        row = repository.get_permitted(session, permit, repository_id)
        shown = _shown(session, caller, permit, [row])[0]
    path = f"/api/v1/repositories/{repository_id}/webhook" if secret else None
    return RepositoryAdded(
        repository=shown, webhook_secret=secret or None, webhook_path=path, path_rules_resumed=list(resumed)
    )


def _name_in(url: str) -> str:
    """What a repository is called by its address: `payments` of `git@git.example.kr:pay/payments.git`.

    Raises:
        InvalidRequest: nothing in it can be a name.
    """
    last = url.rstrip("/").removesuffix("/.git").replace(":", "/").rpartition("/")[2].removesuffix(".git").strip()
    if not last or last.startswith(".") or not last.isprintable():
        raise InvalidRequest(
            detail="name: the address has none; say one",
            detail_ko="name: 주소에서 이름을 알 수 없습니다. 이름을 적으세요",
        )
    return last[:_NAME]
