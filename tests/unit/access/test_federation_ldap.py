"""Reading a directory by LDAP: from an OpenLDAP server where there is one, and the ways of Active Directory."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from rag.access import federation_ldap
from rag.access.audit import AuditTrail
from rag.access.federation_directory import Directories
from rag.access.federation_ldap import folded_dn, read
from rag.access.groups import Groups
from rag.access.identities import Identities
from rag.access.keys import Keys
from rag.domain.errors import ConfigurationError, ProviderUnavailable
from rag.settings_identity import IdentitySettings, LdapSettings
from rag.store.account import Source
from rag.store.session import Database
from rag.store.tenant import tenant_id_of
from tests.support import slapd
from tests.support.slapd import READER_DN, READER_PASSWORD, ROOT_DN, ROOT_PASSWORD, Slapd

# The library leaves a line to the garbage collector when TLS can't be begun on it, and asks for what newer Pythons lack (it has
# its own then).
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning"),
]
BASE = "dc=bank,dc=example"
PEOPLE = 7


def test_names_are_compared_without_case_and_spaces() -> None:
    assert (
        folded_dn("CN=Hong, OU=People , DC=bank")
        == folded_dn("cn=hong,ou=people,dc=bank")
        == "cn=hong,ou=people,dc=bank"
    )
    assert folded_dn(r"cn=Kim\, Chul,dc=bank") == folded_dn(r"CN=kim\2C chul,DC=bank")
    assert folded_dn("no name") == "no name"


def ad_settings() -> LdapSettings:
    return LdapSettings(
        name="ad",
        url="ldaps://dc1.bank.example",
        user_base="ou=people",
        group_base="ou=groups",
        id_attribute="objectGUID",
        user_name="sAMAccountName",
        member_of="memberOf",
        attributes={"dept": "department"},
    )


def person(**values: Any) -> Any:
    guid = UUID("00112233-4455-6677-8899-aabbccddeeff")
    entry = {"dn": "CN=Hong,DC=bank", "objectguid": [guid.bytes_le], "samaccountname": [b"hong"]}
    raw = {name.casefold(): [str(value).encode()] for name, value in values.items()}
    return federation_ldap._person(ad_settings(), {**entry, **raw})


def test_active_directorys_names_ids_and_states() -> None:
    found = person(userAccountControl=512, department="여신", memberOf="CN=Team, DC=bank")
    assert (found.external_id, found.user_name) == ("00112233-4455-6677-8899-aabbccddeeff", "hong")
    assert not found.disabled and found.attributes == {"dept": ["여신"]} and found.member_of == ["cn=team,dc=bank"]
    assert person(userAccountControl=514).disabled and person(userAccountControl=66050).disabled
    assert person(nsAccountLock="TRUE").disabled and not person(userAccountControl="x").disabled


class Ranged:
    """A connection to a directory that gives three members at once."""

    def __init__(self, members: list[bytes]) -> None:
        self.members = members
        self.asked: list[str] = []
        self.response: list[dict[str, Any]] = []

    def search(self, dn: str, _filter: str, _scope: str, attributes: list[str]) -> None:
        [wanted] = attributes
        self.asked.append(wanted)
        first = int(wanted.split("=")[1].split("-")[0])
        part = self.members[first : first + 3]
        end = "*" if first + 3 >= len(self.members) else str(first + 2)
        self.response = [{"raw_attributes": {f"member;range={first}-{end}": part}}]


def test_members_that_come_in_parts_are_put_together() -> None:
    members = [f"cn=p{number}".encode() for number in range(8)]
    connection = Ranged(members)
    values = {"member": [], "member;range=0-2": members[:3]}
    whole = federation_ldap._whole(connection, "cn=team", values)  # type: ignore[arg-type]
    assert whole == {"member": members} and connection.asked == ["member;range=3-*", "member;range=6-*"]


def test_a_password_never_goes_over_an_open_line() -> None:
    plain = ad_settings().model_copy(update={"url": "ldap://dc1.bank.example", "start_tls": False})
    with pytest.raises(ConfigurationError):
        read(plain)


def test_nobody_there_is_no_empty_directory() -> None:
    with pytest.raises(ProviderUnavailable):
        read(ad_settings().model_copy(update={"url": "ldap://127.0.0.1:9", "start_tls": False, "timeout_s": 1.0}))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    if slapd.root() is None:
        pytest.skip(slapd.HINT)
    with slapd.running(tmp_path_factory.mktemp("slapd")) as started:
        fill(started)
        yield started


def fill(server: Slapd) -> None:
    with warnings.catch_warnings(action="ignore"):
        import ldap3
    root = ldap3.Connection(server.url, ROOT_DN, ROOT_PASSWORD, auto_bind=True, raise_exceptions=True)
    root.add(BASE, ["dcObject", "organization"], {"dc": "bank", "o": "은행"})
    for unit in ("people", "groups"):
        root.add(f"ou={unit},{BASE}", "organizationalUnit")
    reader = {"cn": "reader", "sn": "reader", "userPassword": READER_PASSWORD}
    root.add(READER_DN, "person", reader)
    for number in range(PEOPLE):
        values = {
            "cn": f"홍길동 {number}",
            "sn": "홍",
            "mail": f"p{number}@bank.example",
            "departmentNumber": "여신",
        }
        root.add(f"uid=p{number},ou=people,{BASE}", "inetOrgPerson", values)
    team = [f"UID=p0, OU=people, {BASE}", f"uid=p1,ou=people,{BASE}"]
    root.add(f"cn=여신팀,ou=groups,{BASE}", "groupOfNames", {"member": team})
    root.add(f"cn=본부,ou=groups,{BASE}", "groupOfNames", {"member": [f"cn=여신팀,ou=groups,{BASE}"]})
    root.unbind()


def openldap(server: Slapd, folder: Path, **fields: Any) -> LdapSettings:
    password = folder / "password"
    password.write_text(f"{READER_PASSWORD}\n", encoding="utf-8")
    password.chmod(0o600)
    values = {
        "name": "ldap",
        "tenant": "bank",
        "url": server.tls_url,
        "ca_file": server.certificate,
        "bind_dn": READER_DN,
        "bind_password_file": password,
        "user_base": f"ou=people,{BASE}",
        "group_base": f"ou=groups,{BASE}",
        "attributes": {"dept": "departmentNumber"},
        "page_size": 2,
        **fields,
    }
    return LdapSettings(**values)


def test_a_real_directory_is_taken_over_page_by_page(server: Slapd, tmp_path: Path, sqlite: Database) -> None:
    settings = openldap(server, tmp_path)
    directories = Directories(sqlite, IdentitySettings(ldap=(settings,)), AuditTrail(sqlite))
    outcome = directories.sync(settings)
    assert (outcome.people, outcome.created, outcome.groups_created) == (PEOPLE, PEOPLE, 2)
    assert not any(
        directories.sync(settings, dry_run=True).to_json()[name] for name in ("created", "changed", "suspended")
    )
    tenant = tenant_id_of("bank")
    named = {row.name: row for row in Groups(sqlite).list(tenant, Source.LDAP)}
    assert Groups(sqlite).members(tenant, named["본부"].id) == {named["여신팀"].id}
    [first, *_] = sorted(Groups(sqlite).members(tenant, named["여신팀"].id))
    principal = Identities(sqlite, Keys(sqlite)).of_account(first, ())
    assert len(principal.groups) == 2 and principal.attributes == {("dept", "여신")}


@pytest.mark.parametrize("fields", [{}, {"start_tls": True}])
def test_both_ways_to_tls_check_the_certificate(server: Slapd, tmp_path: Path, fields: dict[str, Any]) -> None:
    url = server.url if fields else server.tls_url
    assert len(read(openldap(server, tmp_path, url=url, **fields)).people) == PEOPLE
    for spoilt in ({"ca_file": None}, {"url": url.replace("127.0.0.1", "localhost")}):
        with pytest.raises(ProviderUnavailable):
            read(openldap(server, tmp_path, **{"url": url, **fields, **spoilt}))
    gc.collect()


def test_a_wrong_password_is_told_apart_from_a_server_that_is_away(server: Slapd, tmp_path: Path) -> None:
    settings = openldap(server, tmp_path)
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong", encoding="utf-8")
    wrong.chmod(0o600)
    with pytest.raises(ConfigurationError):
        read(settings.model_copy(update={"bind_password_file": wrong}))


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_password_file_that_is_away_or_open_to_others_is_a_fault_of_the_settings(
    tmp_path: Path, mode: int | None
) -> None:
    file = tmp_path / "비밀번호"
    if mode is not None:
        file.write_text("secret", encoding="utf-8")
        file.chmod(mode)
    settings = LdapSettings(
        name="ldap",
        tenant="bank",
        url="ldaps://127.0.0.1:9",
        bind_dn=READER_DN,
        bind_password_file=file,
        user_base=BASE,
    )
    with pytest.raises(ConfigurationError, match="비밀번호"):
        read(settings)


def test_a_list_that_breaks_off_is_none(server: Slapd, tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable):  # more than the server gives at once
        read(openldap(server, tmp_path, page_size=1000, user_base=f"ou=nobody,{BASE}"))
