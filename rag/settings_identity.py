"""Settings of people: sign-in providers, sessions, directories."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from rag.settings_section import Section

SigningAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]
"""Signatures by a key pair. What the provider could have signed with a shared or public secret (HS…) is not among them."""


class ClaimNames(Section):
    """Where a provider's claims say what; a dot goes into an object: `realm_access.roles`."""

    user_name: str = Field("preferred_username", min_length=1, max_length=100)
    display_name: str = Field("name", max_length=100)
    email: str = Field("email", max_length=100)
    groups: str = Field("", max_length=100, description="list of names of groups; none means no groups are taken over")
    clearance: str = Field("", max_length=100, description="none means that clearances are given here")
    attributes: dict[str, str] = Field(default_factory=dict, description="attribute of accounts, and the claim it is")


class ClaimedRole(Section):
    """A role in the whole tenant for everybody of whom a claim says something."""

    claim: str = Field(min_length=1, max_length=100)
    value: str = Field(min_length=1, max_length=200, description="equal to the claim, or one of its list")
    role: Literal["viewer", "contributor", "curator", "admin"]


class OidcProvider(Section):
    """A sign-in provider (OpenID Connect) of one tenant, and the tokens of it that the API takes."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="in addresses: /auth/<name>/login")
    tenant: str = Field("default", min_length=1, max_length=100)
    issuer: str = Field(pattern=r"^https?://[^\s?#]+$", description="exactly as the provider's tokens say it")
    client_id: str = Field(min_length=1, max_length=200, description="of this service, for sign-in at the portal")
    client_secret_file: Path | None = Field(None, description="file that holds its secret; none means a public client")
    scopes: tuple[str, ...] = Field(("openid", "profile", "email"), description="asked for at sign-in")
    audiences: tuple[str, ...] = Field(
        (), description="tokens for these are taken by the API; none means no tokens are"
    )
    clients: tuple[str, ...] = Field(
        (), description="clients whose tokens the API takes (azp, client_id); none means this service's own alone"
    )
    token_scopes: dict[str, Literal["read", "write", "admin"]] = Field(
        default_factory=dict,
        description="what a token's scopes allow here; without any entry: reading and writing, never administration",
    )
    algorithms: tuple[SigningAlgorithm, ...] = Field(("RS256", "PS256", "ES256"), min_length=1)
    claims: ClaimNames = ClaimNames()
    roles: tuple[ClaimedRole, ...] = ()
    default_role: Literal["viewer", "contributor"] | None = Field(None, description="role of everybody who signs in")
    clearances: dict[str, Literal["C", "S", "O"]] = Field(
        default_factory=dict, description="value of the clearance claim, and the label that it stands for"
    )
    provision: bool = Field(False, description="make an account for whoever signs in for the first time")
    link: Literal["none", "user_name", "email"] = Field(
        "none",
        description="join a first sign-in to the account of this name (or verified e-mail), made by a directory or here",
    )
    userinfo: bool = Field(False, description="at sign-in, ask the provider's own address for more claims")
    ca_file: Path | None = Field(None, description="certificates that the provider's is checked against")
    hosts: tuple[str, ...] = Field((), description="hosts that its endpoints may name beside the issuer's own")
    allow_http: bool = Field(False, description="take an issuer without TLS that is not on this machine")
    timeout_s: float = Field(5.0, gt=0, le=60)
    skew_s: int = Field(60, ge=0, le=600, description="difference of clocks that is put up with, in seconds")
    keys_fresh_s: int = Field(600, ge=10, le=86_400, description="after that the provider is asked for its keys again")
    keys_stale_s: int = Field(
        86_400, ge=0, le=604_800, description="so long its last keys count while the provider is away"
    )


class SessionSettings(Section):
    """Signed-in browsers."""

    idle_s: int = Field(1800, ge=60, le=604_800, description="a session ends after so long without a request")
    absolute_s: int = Field(36_000, ge=300, le=2_592_000, description="and so long after the sign-in in any case")
    sign_in_s: int = Field(600, ge=60, le=3600, description="time for the way to the provider and back")


class LdapSettings(Section):
    """A directory (LDAP, Active Directory) that keeps the accounts and groups of a tenant."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    tenant: str = Field("default", min_length=1, max_length=100)
    url: str = Field(pattern=r"^ldaps?://[^\s/]+$", description="ldaps://dc1.bank.kr, or ldap:// with StartTLS")
    start_tls: bool = True
    ca_file: Path | None = None
    allow_plain: bool = Field(False, description="put up with a connection that nothing protects")
    bind_dn: str = Field("", max_length=500)
    bind_password_file: Path | None = None
    user_base: str = Field(min_length=1, max_length=500)
    user_filter: str = Field("(objectClass=inetOrgPerson)", max_length=2000)
    group_base: str = Field("", max_length=500, description="none means that no groups are taken over")
    group_filter: str = Field("(|(objectClass=groupOfNames)(objectClass=group))", max_length=2000)
    id_attribute: str = Field("entryUUID", max_length=100, description="of users and groups; objectGUID in AD")
    user_name: str = Field("uid", max_length=100, description="attribute; sAMAccountName in AD")
    display_name: str = Field("cn", max_length=100)
    email: str = Field("mail", max_length=100)
    group_name: str = Field("cn", max_length=100)
    member: str = Field("member", max_length=100, description="attribute of groups: DNs of what is in them")
    member_of: str = Field(
        "", max_length=100, description="attribute of users and groups, where groups do not name their members"
    )
    attributes: dict[str, str] = Field(default_factory=dict, description="attribute of accounts, and the directory's")
    page_size: int = Field(500, ge=1, le=1000)
    max_suspended_percent: float = Field(
        10.0,
        ge=0,
        le=100,
        description="a run that would suspend more of the accounts than this stops before it changes any; below 100, so does one "
        "that finds none of the groups any more that it filled",
    )
    every_s: int | None = Field(None, ge=60, le=604_800, description="how often; none means only by `seogo ldap sync`")
    timeout_s: float = Field(30.0, gt=0, le=600)


class IdentitySettings(Section):
    """Where people come from: sign-in providers, and directories."""

    oidc: tuple[OidcProvider, ...] = ()
    sessions: SessionSettings = SessionSettings()
    ldap: tuple[LdapSettings, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> IdentitySettings:
        """One issuer belongs to one tenant: whose token it is must never depend on the token."""
        for what, values in (
            ("names of providers", [item.name for item in self.oidc]),
            ("issuers", [item.issuer for item in self.oidc]),
            ("names of directories", [item.name for item in self.ldap]),
            ("tenants of directories", [item.tenant for item in self.ldap]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"{what} must differ")
        return self
