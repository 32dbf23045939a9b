"""The HTTP application on a store alone, for what needs no models, index or queue: it starts at once."""

from __future__ import annotations

from typing import Any, cast

from api.deps import Services
from api.settings import ApiSettings
from rag.access.audit import AuditTrail
from rag.access.federation import open_federation
from rag.access.identities import Identities
from rag.access.keys import Keys
from rag.access.policy import Policy
from rag.access.stored_secrets import StoredSecrets
from rag.bootstrap import Rag
from rag.settings import RagSettings
from rag.store.session import Database


def bare_services(database: Database, settings: RagSettings | None = None, api: ApiSettings | None = None) -> Services:
    """Services of which only the store, identities and the policy are there."""
    chosen, missing = settings or RagSettings(), cast(Any, None)
    keys = Keys(database)
    identities, audit = Identities(database, keys), AuditTrail(database)
    rag = Rag(
        settings=chosen,
        database=database,
        blobs=missing,
        analyzer=missing,
        spaces=missing,
        keys=keys,
        identities=identities,
        federation=open_federation(chosen.identity, database, identities, audit),
        policy=Policy(database),
        retriever=missing,
        answerer=missing,
        traffic=missing,
        audit=audit,
        code=missing,
        secrets=StoredSecrets(),
    )
    return Services(api or ApiSettings(), rag, missing)
