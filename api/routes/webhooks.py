"""Webhooks of repositories: a push hook that is signed with the repository's own secret asks for a look at the remote."""

from __future__ import annotations

import logging
import secrets

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request

from api.audit import audit_of
from api.deps import PROBLEMS, Services, address_of, services_of
from api.schemas.repositories import WebhookTaken
from ingest.connectors.repository_options import RepositoryOptions
from ingest.connectors.webhooks import verified
from rag.access.audit import Deed, ServiceTrail, whose
from rag.domain.access import id_of
from rag.domain.audit import AuditKind
from rag.domain.errors import BlobTampered, KeyAtRestMissing, NotAuthenticated, PayloadTooLarge
from rag.store.repository import Repository

log = logging.getLogger(__name__)

router = APIRouter(prefix="/repositories", tags=["repositories"], responses=PROBLEMS)
_SECRET_BYTES = 32
_WEBHOOK_BYTES = 1 << 20


@router.post("/{repository_id}/webhook")
async def take_webhook(repository_id: str, request: Request) -> WebhookTaken:
    """Take a hook of GitLab, GitHub or Gitea: signed with the repository's own secret, it asks for a look, and no more.

    Hooks on issues and requests count where the repository reads those.

    No key is needed. A wrong signature, an unknown repository and one without a webhook are refused alike.
    """
    request.app.state.webhooks.enter(address_of(request))
    body = await _body(request)
    looked = await run_sync(_rung, request, services_of(request), repository_id, body)
    return WebhookTaken(looked=looked)


def _rung(request: Request, services: Services, repository_id: str, body: bytes) -> bool:
    """Whether a look follows.

    Raises:
        NotAuthenticated: nobody who knows the secret sent this.
    """
    identity = id_of(repository_id)
    with services.rag.database.read() as session:
        row = session.get(Repository, identity) if identity is not None else None
        known = row if row is not None and row.deleted_at is None and row.webhook_secret else None
    # as long for a repository that nobody knows as for any other
    secret = _secret_of(services, known) or secrets.token_urlsafe(_SECRET_BYTES)
    pushed = verified(request.headers, body, secret)
    if pushed is None or known is None:
        audit_of(request).arrived(request, None, webhook=repository_id[:100])
        raise NotAuthenticated
    talked = pushed.talk and bool(RepositoryOptions.of(known.options).history.api)
    if not talked and not pushed.concerns(known.ref):
        return False
    trail = ServiceTrail(services.rag.audit, known.tenant_id, "webhook", "native", audit_of(request).origin)
    said, data = f"{request.method} {request.url.path}", whose((known.collection_id,))
    trail.record([Deed(AuditKind.REPOSITORY_SYNCED, said, {"repository": str(known.id)}, data)])
    return services.ingest.repositories.wish(known.id)


def _secret_of(services: Services, known: Repository | None) -> str:
    """What the webhook signs with; empty where there is none, or it can't be opened, which nobody outside is told."""
    try:
        found = (None, None) if known is None else (known.id, known.webhook_secret)
        return services.rag.secrets.webhook(*found)
    except (KeyAtRestMissing, BlobTampered) as error:
        log.error("a webhook can't be verified: %s", error)
        return ""


async def _body(request: Request) -> bytes:
    """The body, as far as a webhook may have one.

    Raises:
        PayloadTooLarge: it is larger.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _WEBHOOK_BYTES:
            raise PayloadTooLarge(limit_mb=_WEBHOOK_BYTES >> 20)
    return bytes(body)
