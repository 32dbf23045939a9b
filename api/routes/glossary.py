"""The glossary of a collection: abbreviations and synonyms that questions are searched with too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import WithJsonSchema

from api.deps import PROBLEMS, Caller, guarded
from api.schemas.glossary import GlossaryIn, GlossaryOut
from rag.access.policy import Action
from rag.domain.glossary import GlossaryEntry, entries_from_csv
from rag.store import collection
from rag.store import glossary as glossary_table

router = APIRouter(prefix="/collections", tags=["collections"], responses=PROBLEMS)


@router.get("/{name}/glossary")
def get_glossary(name: str, caller: Annotated[Caller, Depends(guarded(Action.READ_GLOSSARY))]) -> GlossaryOut:
    """The whole glossary."""
    permit = caller.permit([name])
    with caller.services.rag.database.read() as session:
        row = collection.permitted(session, permit)[0]
        return GlossaryOut.of(glossary_table.entries_of(session, permit, row.id))


@router.put("/{name}/glossary")
def put_glossary(
    name: str, body: GlossaryIn, caller: Annotated[Caller, Depends(guarded(Action.CHANGE_GLOSSARY))]
) -> GlossaryOut:
    """Put a glossary in place of the one before. It counts from the next question on; nothing is indexed again."""
    return _replaced(name, body.entries(), caller)


@router.put("/{name}/glossary/csv")
def put_glossary_csv(
    name: str,
    content: Annotated[
        bytes,
        WithJsonSchema({"contentMediaType": "text/csv"}),  # of no type: any bytes are a text
        Body(media_type="text/csv", description="CSV in UTF-8 or CP949, up to 2 MiB: term, expansions (a;b;c), note"),
    ],
    caller: Annotated[Caller, Depends(guarded(Action.CHANGE_GLOSSARY))],
) -> GlossaryOut:
    """The same from a CSV file as the body."""
    caller.permit([name])
    return _replaced(name, entries_from_csv(content), caller)


@router.delete("/{name}/glossary")
def delete_glossary(name: str, caller: Annotated[Caller, Depends(guarded(Action.CHANGE_GLOSSARY))]) -> GlossaryOut:
    """Remove the glossary."""
    return _replaced(name, [], caller)


def _replaced(name: str, entries: Sequence[GlossaryEntry], caller: Caller) -> GlossaryOut:
    permit = caller.permit([name])
    with caller.services.rag.database.write() as session:
        row = collection.permitted(session, permit)[0]
        glossary_table.replace_all(session, row.tenant_id, row.id, entries)
    return GlossaryOut.of(entries)
