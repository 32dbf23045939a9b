"""Settings of what the network may ask of this process."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rag.access.rates import Allowance

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](:\d{1,5})?")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\]")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConnectionSettings(_Section):
    """Connections and how fast requests have to arrive; the defaults suit an intranet, a proxy in front or not."""

    total: int = Field(2000, ge=8, le=100_000, description="connections at once; beyond it the idlest gives way")
    per_address: int = Field(200, ge=1, le=100_000, description="connections of one address (IPv6: one /64) at once")
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="addresses or networks of proxies in front: not counted per address, their X-Forwarded-For is believed",
    )
    head_s: float = Field(10.0, gt=0, le=600, description="within it a request's line and headers are there")
    idle_s: float = Field(15.0, gt=0, le=3600, description="a connection without a request is kept so long")
    body_grace_s: float = Field(10.0, gt=0, le=600, description="a body may stand still so long")
    body_bytes_per_s: int = Field(1024, ge=1, le=1 << 30, description="slowest body; counted while the server reads")
    body_s: float = Field(3600.0, gt=0, le=86_400, description="within it a body is there, however even its pace")
    stalled_s: float = Field(60.0, gt=0, le=3600, description="a reader that takes nothing of its answer loses it")
    head_bytes: int = Field(32_768, ge=1024, le=1 << 20, description="request line and headers together")
    target_bytes: int = Field(8192, ge=256, le=1 << 16, description="address with its query")
    headers: int = Field(100, ge=8, le=1000, description="headers of a request")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for item in given:
            ip_network(item)
        return given

    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of `trusted_proxies`."""
        return tuple(ip_network(item) for item in self.trusted_proxies)


class RequestSettings(_Section):
    """Shape of what a request may hold. Sizes of bodies are constants of `api.errors` and `ingest.max_upload_mb`."""

    json_depth: int = Field(64, ge=4, le=500, description="arrays and objects inside each other")
    json_members: int = Field(100_000, ge=100, le=10_000_000, description="values in a JSON body")
    model_json_members: int = Field(
        2_000_000, ge=100, le=50_000_000, description="the same of what goes to models: texts may come as token numbers"
    )
    ranges: int = Field(8, ge=1, le=100, description="ranges of bytes in one request")


class BrowserSettings(_Section):
    """What browsers may do with the answers, and under which names the service is asked."""

    hosts: tuple[str, ...] = Field(
        (), description="names that requests may ask for, such as seogo.bank.co.kr or *.bank.co.kr; none: any"
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="portals whose pages may call the API: https://portal.bank.co.kr"
    )
    frame_ancestors: tuple[str, ...] = Field((), description="portals that may show pages of this service in a frame")
    hsts_s: int = Field(0, ge=0, le=63_072_000, description="seconds for which browsers insist on TLS; 0: not told")

    @field_validator("cors_origins", "frame_ancestors")
    @classmethod
    def _are_origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for origin in given:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin: scheme, host and port alone, and no wildcard")
        return given

    @field_validator("hosts")
    @classmethod
    def _are_hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for host in given:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no host name, address or *.name")
        return tuple(host.lower() for host in given)


class AllowanceSettings(_Section):
    """What a key or tenant may use; what is not given is not limited."""

    requests: int | None = Field(None, ge=1, description="a minute")
    tokens_in: int | None = Field(None, ge=1, description="tokens that models read, a minute")
    tokens_out: int | None = Field(None, ge=1, description="tokens that models write, a minute")
    concurrent: int | None = Field(None, ge=1, description="requests at once, in each process")
    streams: int | None = Field(None, ge=1, description="answers that are being written at once, in each process")

    def allowance(self, *, apart: bool = False) -> Allowance:
        """The same for the limiter."""
        return Allowance(**self.model_dump(), apart=apart)


class RateSettings(_Section):
    """How much keys and tenants may ask for. All keys and sessions of an account count as one key, but for keys with an entry of
    their own in `keys`. Counts per minute hold for all processes on PostgreSQL, the others for each."""

    key: AllowanceSettings = AllowanceSettings()
    tenant: AllowanceSettings = AllowanceSettings()
    keys: dict[str, AllowanceSettings] = Field(
        default_factory=dict, description="of single keys, by prefix; in place of `key`"
    )
    tenants: dict[str, AllowanceSettings] = Field(
        default_factory=dict, description="of single tenants, by name; in place of `tenant`"
    )
    places: int = Field(
        400, ge=8, le=100_000, description="requests at once in a process; a tenant gets two thirds at most"
    )
    stream_places: int = Field(
        300, ge=4, le=100_000, description="answers at once in a process, shared in the same way"
    )
