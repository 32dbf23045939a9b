"""Signed tokens of a sign-in provider, and every reason not to believe one.

A token says who signed it, for whom, about whom and until when. Each of these is checked against the settings, never against
the token itself: the key comes from the provider's own list by name, the algorithm from the list of the settings.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from rag.access.federation_provider import Provider
from rag.domain.errors import NotAuthenticated

MAX_TOKEN_CHARS = 16 << 10
"""Longest token that is looked at; those of people in hundreds of groups have some 8 KB."""
_MAX_HEADER = 2048
_MAX_NAME = 255
_ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt", "jwt"})
"""`typ` of access tokens: RFC 9068, and what Keycloak, Entra ID and AD FS write."""
_ID_TYPES = frozenset({"jwt", "id+jwt"})
_LOGOUT_TYPES = frozenset({"jwt", "logout+jwt"})
_PARTY = ("azp", "client_id", "cid", "appid")
"""The client that a token was made for: OpenID Connect, RFC 9068, Okta, Entra ID and AD FS."""
_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash", "s_hash")
_NOT_ACCESS = frozenset({"id", "refresh", "logout", "offline"})
"""`typ` among the claims, by which Keycloak tells its kinds of tokens apart."""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_AGE_S = 300
"""Oldest order to end sessions that is obeyed: an old one that is sent again must not end sessions of now."""
_DIGESTS = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512, "519": hashlib.sha512}


def looks_signed(text: str) -> bool:
    """Whether a credential is written like a signed token: three parts, of which the first is a JSON object in base64."""
    return len(text) <= MAX_TOKEN_CHARS and text.count(".") == 2 and text.startswith("eyJ")


def unproven_issuer(text: str) -> str | None:
    """Whom a token names as its signer, before anything is proven: good for choosing who may disprove it, nothing else."""
    try:
        payload = text.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError, RecursionError):
        return None
    issuer = said.get("iss") if isinstance(said, dict) else None
    return issuer if isinstance(issuer, str) else None


class TokenVerifier:
    """Verifies the tokens of one provider. Each method returns claims of which all is proven, or refuses.

    `clock` gives seconds since 1970.
    """

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.time) -> None:
        self._provider = provider
        self._settings = provider.settings
        self._clock = clock

    def access(self, text: str) -> dict[str, Any]:
        """The claims of a token that a client shows to the API.

        Raises:
            NotAuthenticated: it is not one of this provider, for this service, of an allowed client, in force.
            ProviderUnavailable: the keys to check it with are not known.
        """
        settings = self._settings
        claims = self._claims(text, _ACCESS_TYPES, settings.audiences)
        allowed = settings.clients or (settings.client_id,)
        parties = [claims[name] for name in _PARTY if name in claims]
        if not parties or any(party not in allowed for party in parties):
            raise NotAuthenticated
        if any(name in claims for name in _OF_ID_TOKENS) or str(claims.get("typ", "")).lower() in _NOT_ACCESS:
            raise NotAuthenticated  # a proof of sign-in is no key to an API
        return claims

    def identity(self, text: str, nonce: str, access_token: str = "") -> dict[str, Any]:
        """The claims of the ID token that ends the sign-in which began with `nonce`.

        Raises:
            NotAuthenticated: it is none, or that of another sign-in.
            ProviderUnavailable: the keys to check it with are not known.
        """
        client = self._settings.client_id
        claims = self._claims(text, _ID_TYPES, (client,))
        party = claims.get("azp", client)
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if party != client or (several and "azp" not in claims):
            raise NotAuthenticated
        if not _same(claims.get("nonce"), nonce):
            raise NotAuthenticated
        if access_token and "at_hash" in claims and not _same(claims["at_hash"], _half_hash(text, access_token)):
            raise NotAuthenticated
        return claims

    def logout(self, text: str) -> dict[str, Any]:
        """The claims of an order to end sessions (OpenID Connect Back-Channel Logout 1.0, 2.6).

        Raises:
            NotAuthenticated: it is none, or an old one.
            ProviderUnavailable: the keys to check it with are not known.
        """
        claims = self._claims(text, _LOGOUT_TYPES, (self._settings.client_id,), needs_subject=False)
        events, issued = claims.get("events"), claims["iat"]
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict) or "nonce" in claims:
            raise NotAuthenticated
        if self._clock() - issued > LOGOUT_AGE_S + self._settings.skew_s:
            raise NotAuthenticated
        named = [claims[name] for name in ("sid", "sub") if claims.get(name) is not None]
        if not named or not all(_name(item) for item in named):
            raise NotAuthenticated
        return claims

    def _claims(
        self, text: str, types: frozenset[str], audiences: tuple[str, ...], *, needs_subject: bool = True
    ) -> dict[str, Any]:
        """What is proven for every kind of token: signer, signature, audience, times, subject."""
        if not looks_signed(text) or not audiences:
            raise NotAuthenticated
        claims = self._signed(text, types)
        if claims.get("iss") != self._settings.issuer:
            raise NotAuthenticated
        named = claims.get("aud")
        named = [named] if isinstance(named, str) else named
        if not isinstance(named, list) or not any(item in audiences for item in named if isinstance(item, str)):
            raise NotAuthenticated
        subject = claims.get("sub")
        if (needs_subject or subject is not None) and not _name(subject):
            raise NotAuthenticated
        self._check_times(claims)
        return claims

    def _signed(self, text: str, types: frozenset[str]) -> dict[str, Any]:
        try:
            header = jws.extract_compact(text.encode("ascii")).headers()
        except (JoseError, ValueError, RecursionError):
            raise NotAuthenticated from None
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "jwt")
        if algorithm not in self._settings.algorithms or "crit" in header or "b64" in header:
            raise NotAuthenticated
        if not isinstance(kind, str) or kind.lower() not in types or not isinstance(kid, str | None):
            raise NotAuthenticated
        key = self._provider.key(kid, algorithm)
        if key is None:
            raise NotAuthenticated
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        registry.max_header_length = _MAX_HEADER
        try:
            return jwt.decode(text, key, registry=registry).claims
        except (JoseError, ValueError, RecursionError):
            raise NotAuthenticated from None

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now, skew = self._clock(), self._settings.skew_s
        if not _number(claims.get("exp")) or now >= claims["exp"] + skew:
            raise NotAuthenticated
        for name in ("nbf", "iat"):
            value = claims.get(name, claims.get("iat"))
            if not _number(value) or now < value - skew:
                raise NotAuthenticated


def _number(value: object) -> bool:
    """Whether it is a moment, in seconds since 1970; before that nobody signed tokens, and not every such number is a date."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _name(value: object) -> bool:
    """Whether a value can be a name of something: printable, and not longer than OpenID Connect lets subjects be."""
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME and value.isprintable()


def _same(said: object, wanted: str) -> bool:
    return isinstance(said, str) and said.isascii() and compare_digest(said, wanted)


def _half_hash(text: str, access_token: str) -> str:
    """`at_hash` of an access token: the left half of its digest (OpenID Connect Core 1.0, 3.1.3.6)."""
    algorithm = jws.extract_compact(text.encode("ascii")).headers()["alg"]
    digest = _DIGESTS[algorithm[-3:]](access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
