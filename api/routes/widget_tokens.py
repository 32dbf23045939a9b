"""Tokens for pages in browsers: a portal makes one with its key for each page, and the key itself stays on its server."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from api.audit import some
from api.deps import PROBLEMS, Caller, guarded
from api.schemas.widget_tokens import WidgetTokenIn, WidgetTokenList, WidgetTokenMade, WidgetTokenOut
from rag.access.policy import Action
from rag.access.widgets import WidgetTokens, WidgetWish
from rag.domain.audit import AuditKind

router = APIRouter(prefix="/widget-tokens", tags=["keys"], responses=PROBLEMS)
Maker = Annotated[Caller, Depends(guarded(Action.ISSUE_WIDGET_TOKENS))]


@router.post("", status_code=201)
def create_widget_token(body: WidgetTokenIn, caller: Maker) -> WidgetTokenMade:
    """Make a token with which a page searches, asks, says what it thinks of answers and shows what they cite.

    It can never do more than the key that made it, ends with it, and lasts an hour at most. The collections are fixed: those
    that are named, or those that the key may read now.
    """
    wish = WidgetWish(
        collections=caller.permit(body.collections).collections,
        lasts=body.lasts,
        subject=None if body.subject is None else body.subject.to_domain(),
        origins=None if body.origins is None else frozenset(origin.lower() for origin in body.origins),
    )
    token, row = WidgetTokens(caller.services.rag.database).create(caller.principal, wish)
    caller.audit.did(
        AuditKind.CREDENTIAL_CREATED,
        token_id=str(row.id),
        key_id=str(row.key_id),
        account_id=row.account_id and str(row.account_id),
        attributes=sorted(row.attributes or {}),
        expires_at=row.expires_at.isoformat(),
        **some("groups", row.groups or ()),
        **some("limited_to", row.collections),
    )
    return WidgetTokenMade.with_secret(row, token)


@router.get("")
def list_widget_tokens(caller: Maker) -> WidgetTokenList:
    """The tokens of the key that are in force, oldest first."""
    rows = WidgetTokens(caller.services.rag.database).list(caller.principal)
    return WidgetTokenList(tokens=[WidgetTokenOut.of(row) for row in rows])


@router.delete("/{token_id}", status_code=204)
def revoke_widget_token(token_id: UUID, caller: Maker) -> None:
    """Put a token of the key out of force; its open streams end within a second."""
    caller.audit.did(AuditKind.CREDENTIAL_REVOKED, token_id=str(token_id))
    WidgetTokens(caller.services.rag.database).revoke(caller.principal, token_id)
