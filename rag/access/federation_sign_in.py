"""Signing in at the portal: to the provider and back (authorisation code with PKCE), and out again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit
from uuid import UUID, uuid4

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from rag.access.federation_accounts import FederatedAccounts
from rag.access.federation_claims import cleaned, person_of
from rag.access.federation_provider import Provider, fetched, posted
from rag.access.federation_sessions import SECRET_BYTES, Sessions
from rag.access.federation_tokens import TokenVerifier
from rag.access.identities import Identities
from rag.access.keys import digest
from rag.domain.errors import ConfigurationError, NotAuthenticated, ProviderUnavailable, SignInFailed
from rag.domain.principal import Principal, Scope
from rag.settings_identity import OidcProvider, SessionSettings
from rag.store import sign_in
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.sign_in import PendingSignIn
from rag.transport.secret_files import read_secret

_COOKIE_CHARS = 43
_PARAMETER = 2048


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send a browser, and the secret that it has to bring back in its cookie."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class LogoutOrder:
    """A provider's order to end sessions.

    Attributes:
        subject, session: whose, and which of the provider's; empty where it does not say.
        before: sessions that began later are not meant.
    """

    subject: str
    session: str
    before: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """A browser that came back signed in: who that is, the secret for its cookie, when that ends, and where it wanted to go."""

    principal: Principal
    session: str
    expires_at: datetime
    return_to: str


class SignIn:
    """The sign-in with one provider."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        verifier: TokenVerifier,
        accounts: FederatedAccounts,
        identities: Identities,
        sessions: Sessions,
        settings: SessionSettings,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._provider = provider
        self._verifier = verifier
        self._accounts = accounts
        self._identities = identities
        self._sessions = sessions
        self._patience = timedelta(seconds=settings.sign_in_s)
        self._clock = clock

    @property
    def settings(self) -> OidcProvider:
        """The provider's settings."""
        return self._provider.settings

    def depart(self, redirect_uri: str, return_to: str, browser: str = "", language: str = "") -> Departure:
        """Begin a sign-in.

        Args:
            redirect_uri: where the provider sends the browser back to.
            return_to: path on this service for afterwards; anything else counts as the root.
            browser: the secret that the browser has from a sign-in in another tab; a new one is made otherwise.

        Raises:
            ProviderUnavailable: nothing is known of the provider.
            ConfigurationError: the provider has no page to sign in.
        """
        endpoints = self._provider.endpoints()
        if not endpoints.authorization or not endpoints.token:
            raise ConfigurationError(detail=f"identity.oidc {self.settings.name}: the provider offers no sign-in")
        if len(browser) != _COOKIE_CHARS:
            browser = secrets.token_urlsafe(SECRET_BYTES)
        state = secrets.token_urlsafe(SECRET_BYTES)
        now = self._clock()
        row = PendingSignIn(
            id=uuid4(),
            state_hash=digest(state),
            browser_hash=digest(browser),
            provider=self.settings.name,
            redirect_uri=redirect_uri,
            return_to=local_path(return_to),
            expires_at=now + self._patience,
        )
        with self._database.write() as session:
            sign_in.begin(session, row, now)
        verifier = _derived(browser, state, "verifier")
        url = prepare_grant_uri(
            endpoints.authorization,
            self.settings.client_id,
            "code",
            redirect_uri,
            " ".join(self.settings.scopes),
            state,
            nonce=_derived(browser, state, "nonce"),
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            ui_locales=language or None,
        )
        return Departure(url, browser)

    def arrive(
        self, query: Mapping[str, str], browser: str, *, agent: str = "", address: str = "", replacing: str = ""
    ) -> Arrival:
        """End a sign-in with what the provider sent along.

        Raises:
            SignInFailed: too late, not begun in this browser, or the provider refused.
            NotAuthenticated: what it says can't be believed, or the person has no account here.
            ProviderUnavailable: it does not answer.
        """
        pending = self._pending(query.get("state", ""), browser)
        endpoints = self._provider.endpoints()
        issuer = query.get("iss")
        if (issuer is None and endpoints.names_issuer) or (issuer is not None and issuer != self.settings.issuer):
            raise SignInFailed(detail="issuer")  # the answer of another provider (RFC 9207)
        code = query.get("code", "")
        if "error" in query or not 0 < len(code) <= _PARAMETER:
            raise SignInFailed(detail="refused")
        state = query["state"]
        tokens = self._bought(endpoints.token, pending.redirect_uri, code, _derived(browser, state, "verifier"))
        access = str(tokens.get("access_token") or "")
        claims = self._verifier.identity(str(tokens.get("id_token") or ""), _derived(browser, state, "nonce"), access)
        claims = self._with_userinfo(claims, endpoints.userinfo, access)
        account_id = self._accounts.account_of(claims["sub"], person_of(self.settings, claims), claims["iat"])
        principal = self._identities.of_account(account_id, (Scope.READ,), tenant_id=self._accounts.tenant_id)
        secret, row = self._sessions.begin(
            principal,
            self.settings.name,
            claims["sub"],
            cleaned(claims.get("sid"), 255),
            browser=agent,
            address=address,
            replacing=replacing,
        )
        return Arrival(principal, secret, row.expires_at, pending.return_to)

    def farewell(self, return_to: str) -> str:
        """The provider's page that ends the sign-in there too; empty where it has none."""
        try:
            page = self._provider.endpoints().end_session
        except ProviderUnavailable:
            return ""  # here the session has ended; that there can't be done now
        if not page:
            return ""
        joint = "&" if urlsplit(page).query else "?"
        told = {"client_id": self.settings.client_id, "post_logout_redirect_uri": return_to}
        return f"{page}{joint}{urlencode(told)}"

    @property
    def tenant_id(self) -> UUID:
        """Whose people sign in with it."""
        return self._accounts.tenant_id

    def order_of(self, logout_token: str) -> LogoutOrder:
        """The provider's order to end sessions.

        Raises:
            NotAuthenticated: it is no order of the provider.
            ProviderUnavailable: the keys to check it with are not known.
        """
        claims = self._verifier.logout(logout_token)
        # By the provider's clock, which may be behind ours; ended once too often does less harm than once too few.
        before = datetime.fromtimestamp(claims["iat"] + 1 + self.settings.skew_s, UTC)
        return LogoutOrder(str(claims.get("sub") or ""), str(claims.get("sid") or ""), before)

    def obey(self, order: LogoutOrder) -> int:
        """End the sessions that an order names; how many ended."""
        return self._sessions.end_those_of(
            self._accounts.tenant_id, self.settings.name, order.subject, order.session, order.before
        )

    def _pending(self, state: str, browser: str) -> PendingSignIn:
        if not 0 < len(state) <= _PARAMETER or len(browser) != _COOKIE_CHARS:
            raise SignInFailed(detail="state")
        with self._database.read() as session:  # a guess must not make anybody wait who writes
            known = sign_in.begun(session, digest(state))
        if not known:
            raise SignInFailed(detail="state")
        with self._database.write() as session:
            pending = sign_in.taken(session, digest(state), self._clock())
        if pending is None or pending.provider != self.settings.name:
            raise SignInFailed(detail="state")
        if not hmac.compare_digest(pending.browser_hash, digest(browser)):
            raise SignInFailed(detail="browser")
        return pending

    def _bought(self, endpoint: str, redirect_uri: str, code: str, verifier: str) -> dict[str, Any]:
        """The tokens for a code."""
        settings, headers, named = self.settings, {"Accept": "application/json"}, {"client_id": self.settings.client_id}
        if settings.client_secret_file is not None:
            secret = read_secret(settings.client_secret_file)
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"  # RFC 6749, 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            named = {}
        form = prepare_token_request(
            "authorization_code", code=code, code_verifier=verifier, redirect_uri=redirect_uri, **named
        )
        try:
            with self._provider.client() as client:
                return posted(client, endpoint, form, headers)
        except httpx.HTTPStatusError as error:
            if error.response.is_client_error:
                raise SignInFailed(detail="code") from error
            raise ProviderUnavailable(name=settings.name) from error
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderUnavailable(name=settings.name) from error

    def _with_userinfo(self, claims: dict[str, Any], endpoint: str, access_token: str) -> dict[str, Any]:
        """With what the provider tells at its own address only; what the signed token says counts more."""
        if not self.settings.userinfo:
            return claims
        if not endpoint or not access_token:
            raise NotAuthenticated
        try:
            with self._provider.client() as client:
                told = fetched(client, endpoint, {"Authorization": f"Bearer {access_token}"})
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderUnavailable(name=self.settings.name) from error
        if told.get("sub") != claims["sub"]:
            raise NotAuthenticated
        return {**told, **claims}


def local_path(wanted: str) -> str:
    """`wanted` if it is a path on this service, else its root: a sign-in must not end on a stranger's page."""
    plain = wanted.isascii() and wanted.isprintable() and " " not in wanted and "\\" not in wanted
    if not plain or len(wanted) > _PARAMETER or not wanted.startswith("/") or wanted.startswith("//"):
        return "/"
    return wanted


def _derived(browser: str, state: str, what: str) -> str:
    """A value of one sign-in that only its browser's secret gives: 43 characters, as PKCE asks for (RFC 7636, 4.1)."""
    mac = hmac.new(browser.encode(), f"{what}:{state}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
