"""Tokens of a sign-in provider at `/mcp`: how a client learns who gives them (RFC 9728), and which of them are taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from mcp import Client
from mcp.client.auth import utils
from mcp.shared.exceptions import MCPError
from sqlalchemy import update

from api.app import create_app
from api.mcp.metadata import WELL_KNOWN, ProtectedResource
from rag.access.federation import open_federation
from rag.settings import RagSettings
from rag.settings_identity import IdentitySettings, OidcProvider
from rag.store.account import Account
from rag.store.base import utc_now
from tests.support.bare import bare_services
from tests.support.live import served
from tests.support.mcp_client import ERAS, PLAIN, called, conversed, told
from tests.support.oidc_provider import FakeProvider
from tests.support.stores import migrated

DIRECT: Any = {"trust_env": False, "timeout": 60, "verify": PLAIN}
LISTING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@dataclass
class Door:
    """A served application that takes tokens for its own address, and the provider that gives them."""

    address: str
    provider: FakeProvider
    database: Any
    tenant: str
    services: Any

    @property
    def mcp(self) -> str:
        return f"{self.address}/mcp"

    def headers(self, **claims: Any) -> dict[str, str]:
        """The bearer token of somebody."""
        token = self.provider.token(self.provider.claims(**{"aud": AUDIENCE, "scope": "seogo.read", **claims}))
        return {"Authorization": f"Bearer {token}", "Accept-Language": "en"}


AUDIENCE = "https://seogo.bank.example/mcp"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    provider, tenant = FakeProvider(now=time.time()), f"t-{uuid4().hex[:8]}"
    settings = RagSettings(
        identity=IdentitySettings.model_validate({"oidc": [_provider(provider, tenant, audiences=[AUDIENCE])]})
    )
    database = migrated(f"sqlite:///{tmp_path_factory.mktemp('door') / 'seogo.sqlite'}")
    services = bare_services(database, settings)
    rag = services.rag
    open_federation(settings.identity, database, rag.identities, rag.audit, provider.transport())
    with served(create_app(services)) as address:
        yield Door(address, provider, database, tenant, services)
    database.close()


def _provider(provider: FakeProvider, tenant: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "sso",
        "tenant": tenant,
        "issuer": provider.issuer,
        "client_id": "seogo",
        "token_scopes": {"seogo.read": "read"},
        "provision": True,
        "default_role": "viewer",
        **more,
    }


def test_a_refusal_says_who_gives_tokens_as_the_protocols_client_reads_it(door: Door) -> None:
    refused = httpx.post(door.mcp, json=LISTING, **DIRECT)
    assert refused.status_code == 401
    named = utils.extract_resource_metadata_from_www_auth(refused)  # type: ignore[arg-type]
    assert named == f"{door.address}{WELL_KNOWN}/mcp"
    # Where a client looks by itself there is the same, and for the whole service too.
    places = utils.build_protected_resource_metadata_discovery_urls(None, door.mcp)
    assert places == [named, f"{door.address}{WELL_KNOWN}"]
    for place, resource in zip(places, (door.mcp, door.address), strict=True):
        answered = httpx.get(place, **DIRECT)
        assert answered.status_code == 200
        assert answered.json() == {
            "resource": resource,
            "resource_name": "Seogo (서고)",
            "authorization_servers": [door.provider.issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["seogo.read"],
        }
        read = asyncio.run(utils.handle_protected_resource_response(answered))  # type: ignore[arg-type]
        assert read is not None and str(read.authorization_servers[0]).rstrip("/") == door.provider.issuer
    # No other route speaks of it: elsewhere a key will do, and nobody is sent away to sign in.
    assert httpx.get(f"{door.address}/api/v1/collections", **DIRECT).headers["www-authenticate"] == "Bearer"


def test_the_public_address_is_what_is_named(door: Door) -> None:
    settings = door.services.settings.model_copy(update={"public_url": "https://seogo.bank.example"})
    with served(create_app(replace(door.services, settings=settings))) as address:
        refused = httpx.post(f"{address}/mcp", json=LISTING, **DIRECT)
        assert 'resource_metadata="https://seogo.bank.example/.well-known' in refused.headers["www-authenticate"]
        assert httpx.get(f"{address}{WELL_KNOWN}/mcp", **DIRECT).json()["resource"] == AUDIENCE


@pytest.mark.parametrize("mode", ERAS)
def test_a_token_for_this_service_is_its_persons_way_in(door: Door, mode: str) -> None:
    found = called(door.mcp, door.headers(sub="u-kim"), "list_knowledge_bases", {}, mode)
    assert found.structured_content == {"knowledge_bases": []}
    with door.database.read() as session:
        assert session.query(Account).filter_by(user_name="name-u-kim").count() == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.bank.example/mcp"},
        {"aud": "seogo"},
        {"aud": None},
        {"azp": "another-client"},
        {"scope": "openid"},
        {"scope": None},
        {"iss": "https://sso.other.example"},
        {"exp": 1},
        {"nonce": "of a sign-in"},
    ],
)
def test_a_token_for_anybody_else_is_none(door: Door, claims: dict[str, Any]) -> None:
    refused = httpx.post(door.mcp, json=LISTING, headers=door.headers(**claims), **DIRECT)
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
    assert "resource_metadata" in refused.headers["www-authenticate"]
    taken = httpx.post(door.mcp, json=LISTING, headers=door.headers(), **DIRECT)
    assert taken.status_code == 200, "the same token without that"


@pytest.mark.parametrize("mode", ERAS)
def test_whoever_is_suspended_has_no_token_any_more(door: Door, mode: str) -> None:
    headers, name = door.headers(sub=f"u-{mode}"), f"name-u-{mode}"

    def suspend() -> None:
        with door.database.write() as session:
            session.execute(update(Account).where(Account.user_name == name).values(suspended_at=utc_now()))

    async def talk(client: Client) -> None:
        assert not (await client.call_tool("list_knowledge_bases", {})).is_error
        await asyncio.to_thread(suspend)
        with pytest.raises(MCPError):
            await client.call_tool("list_knowledge_bases", {})

    conversed(door.mcp, headers, talk, mode)
    with pytest.raises(BaseException) as refused:
        called(door.mcp, headers, "list_knowledge_bases", {}, mode)
    assert "MCPError" in told(refused.value)


def test_without_a_provider_whose_tokens_are_taken_there_is_nobody_to_name() -> None:
    provider = OidcProvider.model_validate(_provider(FakeProvider(), "t"))
    assert ProtectedResource.of(()) is None
    assert ProtectedResource.of((provider,)) is None, "for signing in at the portal alone"
    taken = provider.model_copy(update={"audiences": ("seogo-api",), "token_scopes": {}})
    assert ProtectedResource.of((provider, taken)) == ProtectedResource((provider.issuer,), ())


def test_without_a_provider_a_refusal_asks_for_a_key(tmp_path: Path) -> None:
    database = migrated(f"sqlite:///{tmp_path / 'seogo.sqlite'}")
    with served(create_app(bare_services(database))) as address:
        assert httpx.post(f"{address}/mcp", json=LISTING, **DIRECT).headers["www-authenticate"] == "Bearer"
        for place in (WELL_KNOWN, f"{WELL_KNOWN}/mcp"):
            assert httpx.get(address + place, **DIRECT).status_code == 404
    database.close()
