"""Tokens: what is believed, and every way of not being believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from rag.access.federation_provider import RETRY_S, Provider
from rag.access.federation_tokens import LOGOUT_EVENT, MAX_TOKEN_CHARS, TokenVerifier
from rag.domain.errors import ConfigurationError, NotAuthenticated, ProviderUnavailable
from rag.settings_identity import OidcProvider
from tests.support.oidc_provider import NOW, FakeProvider, unsigned


class Clock:
    def __init__(self, at: float = 0.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Bench:
    """A provider, and who believes it."""

    def __init__(self, **settings: Any) -> None:
        self.fake = FakeProvider()
        values = {
            "name": "sso",
            "issuer": self.fake.issuer,
            "client_id": "seogo",
            "audiences": ("seogo-api",),
            **settings,
        }
        self.settings = OidcProvider(**values)
        self.clock = Clock()
        self.provider = Provider(self.settings, transport=self.fake.transport(), clock=self.clock)
        self.verifier = TokenVerifier(self.provider, lambda: NOW)

    def refuses(self, text: str) -> bool:
        try:
            self.verifier.access(text)
        except NotAuthenticated:
            return True
        return False


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def test_a_good_token_is_believed_and_its_keys_are_fetched_once() -> None:
    bench = Bench()
    for sub in ("u-1", "홍길동", "u-3"):
        assert bench.verifier.access(bench.fake.token(bench.fake.claims(sub)))["sub"] == sub
    assert bench.fake.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://sso.other.example"},
        {"iss": "https://sso.bank.example/realms/main/"},
        {"iss": None},
        {"aud": "another-api"},
        {"aud": ["another-api", "third"]},
        {"aud": None},
        {"aud": {"seogo-api": 1}},
        {"azp": "another-client"},
        {"azp": None},
        {"client_id": "another-client"},
        {"exp": NOW - 61},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"exp": float("inf")},
        {"nbf": NOW + 61},
        {"nbf": "soon"},
        {"iat": NOW + 61},
        {"iat": None},
        {"iat": -(10**15), "nbf": 0},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "null\x00"},
        {"nonce": "n"},
        {"at_hash": "h"},
        {"typ": "ID"},
        {"typ": "Refresh"},
    ],
)
def test_a_token_that_says_anything_else_is_refused(bench: Bench, changed: dict[str, Any]) -> None:
    assert bench.refuses(bench.fake.token(bench.fake.claims(**changed)))


@pytest.mark.parametrize(
    "changed", [{"exp": NOW - 59}, {"nbf": NOW + 59}, {"iat": NOW + 59}, {"aud": ["x", "seogo-api"]}, {"typ": "Bearer"}]
)
def test_clocks_may_differ_a_little_and_others_may_be_meant_too(bench: Bench, changed: dict[str, Any]) -> None:
    assert not bench.refuses(bench.fake.token(bench.fake.claims(**changed)))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "id+jwt"},
        {"typ": "logout+jwt"},
        {"typ": "secevent+jwt"},
        {"typ": 1},
        {"kid": "nobody"},
        {"crit": ["exp"], "exp": 1},
        {"crit": ["b64"], "b64": True},
        {"alg": "RS384"},
    ],
)
def test_a_header_that_asks_for_anything_else_is_refused(bench: Bench, header: dict[str, Any]) -> None:
    good = {"alg": "RS256", "kid": "k1", "typ": "at+jwt"}
    made = {**good, **header}
    if made["alg"] == "RS256" and "crit" not in made and isinstance(made["typ"], str):
        text = bench.fake.token(header=header)
    else:
        signed = bench.fake.token()
        text = unsigned(made, bench.fake.claims()).rsplit(".", 1)[0] + "." + signed.rsplit(".", 1)[1]
    assert bench.refuses(text)


def test_no_signature_and_foreign_signatures_are_refused(bench: Bench) -> None:
    claims = bench.fake.claims()
    for algorithm in ("none", "None", "nOnE", ""):
        assert bench.refuses(unsigned({"alg": algorithm, "kid": "k1"}, claims))
    head, body, signature = bench.fake.token(claims).split(".")
    other = FakeProvider()
    assert bench.refuses(other.token(claims))  # the same name of a key, another key
    assert bench.refuses(f"{head}.{body}.")
    assert bench.refuses(f"{head}.{body}.{signature[:-8]}AAAAAAAA")
    assert bench.refuses(f"{head}.{unsigned({}, {**claims, 'sub': 'admin'}).split('.')[1]}.{signature}")


def test_the_public_key_is_no_shared_secret(bench: Bench) -> None:
    claims = bench.fake.claims()
    for material in (bench.fake.key.as_pem(private=False), bench.fake.key.as_der(private=False)):
        head = unsigned({"alg": "HS256", "kid": "k1", "typ": "at+jwt"}, claims).rsplit(".", 1)[0]
        mac = hmac.new(material, head.encode(), hashlib.sha256).digest()
        text = f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        assert bench.refuses(text)


def test_a_key_in_the_token_itself_is_nobodys() -> None:
    bench, intruder = Bench(), FakeProvider()
    public = intruder.key.as_dict(private=False)
    for header in ({"jwk": public}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/cert"}):
        assert bench.refuses(intruder.token(header=header))
    assert bench.refuses(intruder.token(header={"jwk": public, "kid": None}))
    assert set(bench.fake.asked) == {"/.well-known/openid-configuration", "/keys"}


def test_only_allowed_algorithms_and_keys_of_their_kind_count() -> None:
    curve = ECKey.generate_key("P-256", {"kid": "e1"})
    for settings, believed in (({}, True), ({"algorithms": ("RS256",)}, False)):
        bench = Bench(**settings)
        bench.fake.keys = {"e1": curve}
        text = bench.fake.token(header={"alg": "ES256"})
        assert bench.refuses(text) is not believed
    edwards = Bench(algorithms=("Ed25519",))
    edwards.fake.keys = {"o1": OKPKey.generate_key("Ed25519", {"kid": "o1"})}
    assert not edwards.refuses(edwards.fake.token(header={"alg": "Ed25519"}))


def test_keys_for_encryption_and_shared_secrets_in_the_list_are_no_signing_keys() -> None:
    bench = Bench()
    text = bench.fake.token()
    bench.fake.keys["k1"] = RSAKey.import_key({**bench.fake.key.as_dict(private=True), "use": "enc"})
    assert bench.refuses(text)
    secret = Bench()
    secret.fake.keys = {"s1": OctKey.import_key(b"0" * 32, {"kid": "s1"})}
    assert secret.refuses(secret.fake.token(header={"alg": "HS256"}))


@pytest.mark.parametrize(
    "text", ["", "..", "a.b.c", "eyJ.eyJ.eyJ", "eyJhbGciOiJSUzI1NiJ9.e30", "eyJ" + "." * 5, "é.é.é"]
)
def test_what_is_no_token_is_refused_quietly(bench: Bench, text: str) -> None:
    assert bench.refuses(text)


def test_a_very_long_token_is_not_looked_at(bench: Bench) -> None:
    text = bench.fake.token(bench.fake.claims(groups=["x" * 100] * 200))
    assert len(text) > MAX_TOKEN_CHARS and bench.refuses(text)


def test_without_an_audience_no_token_is_taken() -> None:
    bench = Bench(audiences=())
    assert bench.refuses(bench.fake.token())


def test_a_token_without_the_name_of_its_key_counts_when_only_one_key_fits() -> None:
    bench = Bench()
    nameless = bench.fake.token(header={"kid": None})
    assert not bench.refuses(nameless)
    two = Bench()
    two.fake.keys["k2"] = RSAKey.generate_key(2048, {"kid": "k2"})
    assert two.refuses(two.fake.token(header={"kid": None}))


def test_a_changed_key_is_found_at_once_and_strangers_cause_no_flood_of_requests() -> None:
    bench = Bench()
    old = bench.fake.token()
    assert not bench.refuses(old)
    bench.fake.rotate("k2")
    bench.clock.at = RETRY_S + 1
    assert not bench.refuses(bench.fake.token())
    assert bench.refuses(old)
    asked = bench.fake.asked["/keys"]
    for number in range(50):
        assert bench.refuses(bench.fake.token(header={"kid": f"unknown-{number}"}))
    assert bench.fake.asked["/keys"] == asked == 2


def test_while_the_provider_is_away_its_last_keys_count_for_a_bounded_time() -> None:
    bench = Bench(keys_fresh_s=600, keys_stale_s=3600)
    text = bench.fake.token()
    assert not bench.refuses(text)
    bench.fake.away = True
    for bench.clock.at in (601, 2000, 4199):
        assert not bench.refuses(text)
    bench.clock.at = 4201
    with pytest.raises(ProviderUnavailable):
        bench.verifier.access(text)
    bench.fake.away = False
    bench.clock.at = 4201 + RETRY_S + 1
    assert not bench.refuses(text)


def test_a_provider_that_was_never_reached_is_asked_rarely() -> None:
    bench = Bench()
    bench.fake.away = True
    for _ in range(20):
        with pytest.raises(ProviderUnavailable):
            bench.verifier.access(bench.fake.token())
    assert bench.fake.asked["/.well-known/openid-configuration"] == 1


def test_a_slow_provider_holds_nobody_up_whose_key_is_known() -> None:
    bench, entered, go_on = Bench(), threading.Event(), threading.Event()
    text = bench.fake.token()
    assert not bench.refuses(text)
    answer = bench.fake._answer

    def slow(request: Any) -> Any:
        entered.set()
        assert go_on.wait(20)
        return answer(request)

    bench.fake._answer = slow  # type: ignore[method-assign]
    bench.provider._transport = bench.fake.transport()
    bench.clock.at = 601
    first = threading.Thread(target=bench.refuses, args=(text,))
    first.start()
    assert entered.wait(20)
    assert not bench.refuses(text)  # this thread does not wait for the other one
    go_on.set()
    first.join(20)
    assert not first.is_alive()


@pytest.mark.parametrize(
    "says",
    [
        {"issuer": "https://sso.bank.example/realms/other"},
        {"jwks_uri": "https://evil.example/keys"},
        {"jwks_uri": "http://sso.bank.example/realms/main/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ""},
        {"token_endpoint": "https://evil.example/token"},
    ],
)
def test_a_document_that_points_elsewhere_is_not_believed(says: dict[str, Any]) -> None:
    bench = Bench()
    bench.fake.says = says
    with pytest.raises(ProviderUnavailable):
        bench.verifier.access(bench.fake.token())
    assert bench.fake.asked["/keys"] == 0


def test_other_hosts_count_when_the_settings_name_them() -> None:
    bench = Bench(hosts=("keys.bank.example",))
    bench.fake.says = {"jwks_uri": "https://keys.bank.example/realms/main/keys"}
    assert not bench.refuses(bench.fake.token())


def test_an_issuer_without_tls_is_refused_unless_it_is_this_machine_or_wanted() -> None:
    def made(issuer: str, **more: Any) -> Provider:
        return Provider(OidcProvider(name="a", issuer=issuer, client_id="c", **more))

    with pytest.raises(ConfigurationError):
        made("http://sso.bank.example")
    for issuer in ("http://localhost:9000", "http://127.0.0.1:9000/x", "http://[::1]:9000"):
        made(issuer)
    made("http://sso.bank.example", allow_http=True)


def identity_of(bench: Bench, **changed: Any) -> dict[str, Any]:
    claims = bench.fake.claims(**{"aud": "seogo", "nonce": "n", **changed})
    return bench.verifier.identity(bench.fake.token(claims, {"typ": "JWT"}), "n", "access")


def test_an_id_token_ends_only_the_sign_in_that_it_is_for(bench: Bench) -> None:
    assert identity_of(bench)["sub"] == "u-1"
    digest = hashlib.sha256(b"access").digest()[:16]
    half = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert identity_of(bench, azp=None, at_hash=half)["sub"] == "u-1"
    refused: list[dict[str, Any]] = [
        {"nonce": "another"},
        {"nonce": "\ud800"},
        {"nonce": None},
        {"aud": "seogo-api"},
        {"azp": "another"},
        {"aud": ["seogo", "x"], "azp": None},
        {"at_hash": "wrong"},
        {"exp": NOW - 61},
    ]
    for changed in refused:
        with pytest.raises(NotAuthenticated):
            identity_of(bench, **changed)


def test_an_order_to_log_out_is_one_and_nothing_else_is(bench: Bench) -> None:
    order = {"aud": "seogo", "azp": None, "sid": "s-1", "events": {LOGOUT_EVENT: {}}}

    def obeyed(**changed: Any) -> dict[str, Any]:
        return bench.verifier.logout(bench.fake.token(bench.fake.claims(**{**order, **changed}), {"typ": "logout+jwt"}))

    assert obeyed()["sid"] == "s-1"
    assert obeyed(sub=None)["sid"] == "s-1"
    refused: list[dict[str, Any]] = [
        {"events": None},
        {"events": {}},
        {"events": {LOGOUT_EVENT: "x"}},
        {"nonce": "n"},
        {"aud": "seogo-api"},
        {"iat": NOW - 361},
        {"sid": None, "sub": None},
        {"sid": "a\x00b"},
    ]
    for changed in refused:
        with pytest.raises(NotAuthenticated):
            obeyed(**changed)
    with pytest.raises(NotAuthenticated):  # an ID token is none
        bench.verifier.logout(bench.fake.token(bench.fake.claims(aud="seogo", nonce="n"), {"typ": "JWT"}))
