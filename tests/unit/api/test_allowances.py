"""Whose allowance is whose: single keys by prefix, single tenants by name, everybody else."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from starlette.datastructures import MutableHeaders

from api.hardening import admission
from api.hardening.admission import Admission, Allowances, tell
from api.hardening.settings import RateSettings
from rag.access.keys import Keys
from rag.access.policy import Action
from rag.access.rates import Allowance, RateLimiter, Standing
from rag.domain.errors import RateLimited
from rag.domain.principal import Principal, PrincipalKind, Scope
from rag.store.session import Database


@dataclass(frozen=True, slots=True)
class Owned(Principal):
    """A principal that is an account, and came with one of its keys."""

    credential: UUID | None = None


def test_a_key_has_its_own_by_prefix_and_a_tenant_by_name(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(database)
    _, portal = keys.create("은행", "포털", [Scope.READ])
    _, other = keys.create("병원", "기타", [Scope.READ])
    settings = RateSettings.model_validate(
        {"key": {"requests": 10}, "keys": {portal.prefix: {"requests": 500}}, "tenants": {"은행": {"streams": 3}}}
    )
    allowances = Allowances(settings, database)
    scopes = frozenset({Scope.READ})
    for _ in range(2):
        key, tenant = allowances.of(Principal(portal.id, "포털", portal.tenant_id, scopes))
        assert (key.requests, tenant.streams) == (500, 3)
    assert allowances.of(Owned(uuid4(), "홍길동", portal.tenant_id, scopes, credential=portal.id))[0].requests == 500
    key, tenant = allowances.of(Principal(other.id, "기타", other.tenant_id, scopes))
    assert (key.requests, tenant.streams) == (10, None)
    assert allowances.of(Principal(uuid4(), "operator", other.tenant_id, scopes))[0].requests == 10
    monkeypatch.setattr(admission, "_MOST_KEYS", 3)
    for _ in range(10):
        allowances.of(Principal(uuid4(), "x", other.tenant_id, scopes))
    assert len(allowances._known) <= 3


def test_all_keys_and_sessions_of_an_account_share_one_allowance(database: Database) -> None:
    """Or whoever makes a second key has twice as much. A key with an entry of its own is counted apart."""
    rows = [Keys(database).create("은행", name, [Scope.READ])[1] for name in ("하나", "둘", "따로")]
    settings = RateSettings.model_validate({"key": {"requests": 3}, "keys": {rows[2].prefix: {"requests": 5}}})
    limiter = RateLimiter(Allowances(settings, database).of, places=99, stream_places=99)
    kim, lee = uuid4(), uuid4()

    def admitted(account: UUID, credential: UUID | None, kind: PrincipalKind = PrincipalKind.USER) -> bool:
        scopes = frozenset({Scope.READ})
        principal = Principal(account, "김", rows[0].tenant_id, scopes, kind=kind, credential=credential)
        try:
            limiter.enter(limiter.subjects_of(principal), stream=False).leave()
        except RateLimited:
            return False
        return True

    ways = [rows[0].id, rows[1].id, None, rows[0].id, rows[1].id, uuid4()]
    assert [admitted(kim, credential) for credential in ways] == [True] * 3 + [False] * 3
    assert [admitted(kim, rows[2].id) for _ in range(6)] == [True] * 5 + [False]
    assert admitted(lee, None, PrincipalKind.SERVICE), "another's allowance is another's"


def test_a_guard_that_comes_late_takes_no_place() -> None:
    limiter = RateLimiter(lambda _: (Allowance(), Allowance()), places=10, stream_places=10)
    principal = Principal(uuid4(), "x", uuid4(), frozenset({Scope.READ}))
    in_time, late = Admission(limiter), Admission(limiter)
    in_time.enter(principal, Action.ASK)
    in_time.enter(principal, Action.ASK)
    late.leave()
    late.enter(principal, Action.ASK)
    assert limiter._all_active == limiter._all_streaming == 1
    in_time.leave()
    assert limiter._all_active == limiter._all_streaming == 0


def test_what_is_left_is_told_as_openai_does() -> None:
    headers = MutableHeaders()
    tell(
        headers,
        [Standing("requests", 60, 59, 1.4), Standing("tokens_in", 900, 90, 75.0), Standing("tokens_out", 50, 49, 0.02)],
    )
    assert dict(headers) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "900",
        "x-ratelimit-remaining-tokens": "90",
        "x-ratelimit-reset-tokens": "1m15s",
    }
    tell(headers, [Standing("tokens_out", 50, 49, 0.02)])
    assert headers["x-ratelimit-reset-tokens"] == "20ms"
