"""The operator at the command line: whoever may read the data folder may use it, without a stored key."""

from __future__ import annotations

import secrets
from hmac import compare_digest
from uuid import uuid5

from rag.domain.access import Label, Role
from rag.domain.document import NAMESPACE
from rag.domain.principal import Principal, PrincipalKind, Scope
from rag.store.session import Database
from rag.store.tenant import DEFAULT_TENANT, ensure_tenant


class LocalOperator:
    """A token that lives in this process only. A server that others can reach has none."""

    def __init__(self, database: Database, tenant: str = DEFAULT_TENANT) -> None:
        self.token = secrets.token_urlsafe(32)
        with database.write() as session:
            tenant_id = ensure_tenant(session, tenant).id
        scopes = frozenset({Scope.ADMIN, Scope.OPERATOR})
        self._principal = Principal(
            uuid5(NAMESPACE, "operator"),
            "operator",
            tenant_id,
            scopes,
            kind=PrincipalKind.OPERATOR,
            role=Role.ADMIN,
            clearance=Label.CONFIDENTIAL,
        )

    @property
    def principal(self) -> Principal:
        """The operator, for what this process does in its name."""
        return self._principal

    def principal_of(self, presented: str) -> Principal | None:
        """The operator, if `presented` is the token."""
        return self._principal if compare_digest(presented.encode(), self.token.encode()) else None
