"""Tokens of sign-in providers as credentials of the API."""

from __future__ import annotations

from collections.abc import Mapping

from rag.access.federation_accounts import FederatedAccounts
from rag.access.federation_claims import person_of, scopes_of
from rag.access.federation_tokens import TokenVerifier, looks_signed, unproven_issuer
from rag.access.identities import Identities, Presented
from rag.domain.errors import NotAuthenticated
from rag.domain.principal import Principal
from rag.settings_identity import OidcProvider


class ProviderTokens:
    """The tokens of one provider."""

    def __init__(
        self, settings: OidcProvider, verifier: TokenVerifier, accounts: FederatedAccounts, identities: Identities
    ) -> None:
        self._settings = settings
        self._verifier = verifier
        self._accounts = accounts
        self._identities = identities

    def principal_of(self, text: str) -> Principal:
        """The principal behind a token, as the record has it: a token says who comes, the record whether it may.

        Raises:
            NotAuthenticated: not believed, allowed nothing, or the account is missing or suspended.
            ProviderUnavailable: the keys to check it with are not known.
        """
        claims = self._verifier.access(text)
        scopes = scopes_of(self._settings, claims)
        if not scopes:
            raise NotAuthenticated
        account_id = self._accounts.account_of(claims["sub"], person_of(self._settings, claims), claims["iat"])
        return self._identities.of_account(account_id, scopes, tenant_id=self._accounts.tenant_id)


class BearerTokens:
    """A `CredentialResolver` of the kind `jwt`: finds the provider that has to prove or disprove a token."""

    def __init__(self, by_issuer: Mapping[str, ProviderTokens]) -> None:
        self._by_issuer = by_issuer

    def resolve(self, presented: Presented) -> Principal | None:
        """The principal behind a token; None when the text is no token.

        Raises:
            NotAuthenticated: a token of nobody that is known here, or one that is not believed.
            ProviderUnavailable: the keys to check it with are not known.
        """
        if not looks_signed(presented.text):
            return None
        issuer = unproven_issuer(presented.text)
        tokens = self._by_issuer.get(issuer) if issuer is not None else None
        if tokens is None:
            raise NotAuthenticated
        return tokens.principal_of(presented.text)
