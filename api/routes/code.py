"""Questions about code: search, definitions, uses, maps, packs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from api.deps import PROBLEMS, Caller, base_url, guarded
from api.schemas.code import (
    LANGUAGE,
    PATH,
    REPOSITORIES,
    CalleeOut,
    CodeMapIn,
    CodeMapOut,
    CodePackIn,
    CodePackOut,
    CodeSearchIn,
    CodeSearchOut,
    DefinitionOut,
    ReferencesOut,
    SymbolsOut,
    UseOut,
    Words,
)
from rag.access.policy import Action
from rag.domain.code import SymbolKind
from rag.domain.code_places import Callee, CodeScope, Definition, Use

router = APIRouter(prefix="/code", tags=["code"], responses=PROBLEMS)

Searcher = Annotated[Caller, Depends(guarded(Action.SEARCH))]
Reader = Annotated[Caller, Depends(guarded(Action.READ_CODE))]
"""Navigation and whole contexts are for developers, not for a page that shows answers."""
_TEXT = r"^[^\x00]*$"
"""PostgreSQL takes no zero in a text."""
Name = Annotated[
    str, Query(min_length=1, max_length=300, pattern=_TEXT, description="with what encloses it where that is known")
]
Repositories = Annotated[list[Words], Query(max_length=20, description=REPOSITORIES)]
Path = Annotated[str, Query(max_length=500, pattern=_TEXT, description=PATH)]
Language = Annotated[str, Query(max_length=30, description=LANGUAGE)]
Limit = Annotated[int, Query(ge=1, le=200)]
Wanted = Literal["uses", "callers", "callees", "tests", "importers"]


@router.post("/search")
def search_code(body: CodeSearchIn, request: Request, caller: Searcher) -> CodeSearchOut:
    """Lines of code by words, by a regular expression, or by a symbol."""
    permit = caller.permit(body.collections, body.as_of)
    found = caller.services.rag.code.searcher.search(
        permit,
        body.query,
        scope=body.scope,
        symbol=body.symbol,
        regex=body.regex,
        ignore_case=body.ignore_case,
        limit=body.limit,
    )
    caller.audit.searched(body.query or body.symbol, _once(item.spot.source.document_id for item in found.matches))
    return CodeSearchOut.of(found, base_url(request))


@router.get("/symbols")
def symbols(
    request: Request,
    caller: Reader,
    name: Name,
    kind: Annotated[list[SymbolKind] | None, Query(max_length=20)] = None,
    repositories: Repositories = [],  # noqa: B006 (FastAPI copies it)
    path: Path = "",
    language: Language = "",
    limit: Limit = 20,
) -> SymbolsOut:
    """Definitions of a name: exactly it first, then what begins with it, then what it abbreviates (`PaySer`)."""
    scope = CodeScope(tuple(repositories), path, language)
    navigator = caller.services.rag.code.navigator
    found = navigator.definitions(caller.permit(), name, scope=scope, kinds=kind or (), limit=limit)
    caller.audit.searched(name, _of_definitions(found))
    return SymbolsOut(definitions=[DefinitionOut.of(item, base_url(request)) for item in found])


@router.get("/references")
def references(
    request: Request,
    caller: Reader,
    name: Name,
    of: Annotated[
        Wanted, Query(description="importers: of a path or module; callees: what the definition calls")
    ] = "uses",
    repositories: Repositories = [],  # noqa: B006 (FastAPI copies it)
    path: Path = "",
    language: Language = "",
    limit: Limit = 50,
) -> ReferencesOut:
    """Where a name is used, what calls it, what it calls, which tests touch it, who imports it."""
    scope, permit = CodeScope(tuple(repositories), path, language), caller.permit()
    navigator = caller.services.rag.code.navigator
    definitions: tuple[Definition, ...] = ()
    uses: tuple[Use, ...] = ()
    callees: tuple[Callee, ...] = ()
    more = False
    if of == "callees":
        callees = navigator.callees(permit, name, scope=scope, limit=limit)
    elif of == "importers":
        uses = navigator.importers(permit, name, scope=scope, limit=limit)
    else:
        ask = {"uses": navigator.uses, "callers": navigator.callers, "tests": navigator.tests}[of]
        found = ask(permit, name, scope=scope, limit=limit)
        definitions, uses, more = found.definitions, found.uses, found.more
    told = [*_of_definitions(definitions), *_of_uses(uses)]
    for item in callees:
        told += [*_of_definitions(item.definitions), *_of_uses(item.uses)]
    caller.audit.searched(name, _once(told))
    base = base_url(request)
    return ReferencesOut(
        name=name,
        definitions=[DefinitionOut.of(item, base) for item in definitions],
        uses=[UseOut.of(item, base) for item in uses],
        callees=[CalleeOut.of(item, base) for item in callees],
        more=more,
    )


@router.post("/map")
def repository_map(body: CodeMapIn, caller: Reader) -> CodeMapOut:
    """The definitions that matter most, as an outline within a budget of tokens."""
    permit = caller.permit(body.collections, body.as_of)
    found = caller.services.rag.code.maps.map(permit, body.budget, scope=body.scope, task=body.task)
    caller.audit.searched(body.task, [item.file.document_id for item in found.files])
    return CodeMapOut.of(found)


@router.post("/pack")
def pack(body: CodePackIn, caller: Reader) -> CodePackOut:
    """The context for a large one-shot job: map, files whole or trimmed, and what was left out."""
    permit = caller.permit(body.collections, body.as_of)
    found = caller.services.rag.code.packer.pack(permit, body.task, body.budget, scope=body.scope)
    shown = [*(item.file.document_id for item in found.files), *(item.file.document_id for item in found.map.files)]
    caller.audit.searched(body.task, _once(shown))
    return CodePackOut.of(found)


def _of_definitions(found: Iterable[Definition]) -> list[UUID]:
    return _once(item.spot.source.document_id for item in found)


def _of_uses(found: Iterable[Use]) -> list[UUID]:
    return _once(item.spot.source.document_id for item in found)


def _once(ids: Iterable[UUID]) -> list[UUID]:
    return list(dict.fromkeys(ids))
