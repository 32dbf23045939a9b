"""Sign-in providers of this installation, wired: tokens for the API, sign-in for the portal, sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from rag.access.audit import AuditTrail
from rag.access.federation_accounts import FederatedAccounts
from rag.access.federation_bearer import BearerTokens, ProviderTokens
from rag.access.federation_directory import Directories
from rag.access.federation_provider import Provider
from rag.access.federation_sessions import Sessions
from rag.access.federation_sign_in import SignIn
from rag.access.federation_tokens import TokenVerifier
from rag.access.identities import CredentialKind, Identities
from rag.domain.errors import NotFound
from rag.settings_identity import IdentitySettings
from rag.store.session import Database


@dataclass(frozen=True, slots=True)
class Federation:
    """What routes need of the sign-in providers."""

    sign_ins: Mapping[str, SignIn]
    sessions: Sessions
    directories: Directories

    def sign_in(self, name: str) -> SignIn:
        """The sign-in with the provider of this name.

        Raises:
            NotFound: there is none.
        """
        found = self.sign_ins.get(name)
        if found is None:
            raise NotFound
        return found


def open_federation(
    settings: IdentitySettings,
    database: Database,
    identities: Identities,
    audit: AuditTrail,
    transport: httpx.BaseTransport | None = None,
) -> Federation:
    """Make the providers of the settings, and have their tokens and sessions taken as credentials. Nobody is called yet.

    Raises:
        ConfigurationError: an issuer is neither on this machine nor reached by https.
    """
    sessions = Sessions(database, identities, settings.sessions)
    tokens: dict[str, ProviderTokens] = {}
    sign_ins: dict[str, SignIn] = {}
    for item in settings.oidc:
        provider = Provider(item, transport=transport)
        verifier, accounts = TokenVerifier(provider), FederatedAccounts(database, item, audit)
        if item.audiences:
            tokens[item.issuer] = ProviderTokens(item, verifier, accounts, identities)
        sign_ins[item.name] = SignIn(database, provider, verifier, accounts, identities, sessions, settings.sessions)
    identities.register(CredentialKind.JWT, BearerTokens(tokens))
    identities.register(CredentialKind.SESSION, sessions, sessions.in_force)
    return Federation(sign_ins, sessions, Directories(database, settings, audit))
