"""Reads people and groups from a directory by LDAP. The only file that knows the LDAP library."""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rag.access.federation_claims import cleaned
from rag.access.federation_listing import DirectoryGroup, DirectoryPerson, Listing
from rag.access.federation_provider import is_loopback
from rag.domain.errors import ConfigurationError, ProviderUnavailable
from rag.settings_identity import LdapSettings
from rag.transport.secret_files import read_secret

if TYPE_CHECKING:
    from ldap3 import Connection

_DISABLED_IN_AD = 0x2
"""ACCOUNTDISABLE of userAccountControl."""
_STATUS = ("userAccountControl", "nsAccountLock", "loginDisabled")
"""Attributes by which Active Directory, 389 Directory Server and eDirectory say that an account is disabled."""
_MAX_VALUE = 200
_HEX_RUN = re.compile(r"(?:\\[0-9A-Fa-f]{2})+")
_ESCAPED = re.compile(r"\\(.)")
_SPECIAL = frozenset(',+"\\<>;=#')


def read(settings: LdapSettings) -> Listing:
    """Everybody and every group that the settings' filters find, in pages.

    Raises:
        ProviderUnavailable: the directory does not answer, or broke off: half a list is none.
        ConfigurationError: it refuses the name or password, nothing would protect them on their way, or the password
            can't be read from a file that nobody else can read.
    """
    try:
        with _connected(settings) as connection:
            people = [_person(settings, entry) for entry in _entries(connection, settings, people=True)]
            groups = [_group(settings, entry) for entry in _entries(connection, settings, people=False)]
    except OSError as error:
        raise ProviderUnavailable(name=settings.name) from error
    return Listing([item for item in people if item is not None], [item for item in groups if item is not None])


@contextmanager
def _connected(settings: LdapSettings) -> Iterator[Connection]:
    ldap3 = _library()
    secure = settings.url.startswith("ldaps://")
    host = settings.url.split("://", 1)[1].rsplit(":", 1)[0].strip("[]")
    if not (secure or settings.start_tls or settings.allow_plain or is_loopback(host)):
        raise ConfigurationError(detail=f"identity.ldap {settings.name}: neither ldaps:// nor start_tls")
    authorities = None if settings.ca_file is None else str(settings.ca_file)
    file = settings.bind_password_file
    password = None if file is None else read_secret(file)
    connection: Connection | None = None
    try:
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=authorities)
        server = ldap3.Server(settings.url, tls=tls, connect_timeout=settings.timeout_s, get_info=ldap3.NONE)
        connection = ldap3.Connection(
            server,
            user=settings.bind_dn or None,
            password=password,
            authentication=ldap3.SIMPLE if settings.bind_dn else ldap3.ANONYMOUS,
            receive_timeout=ceil(settings.timeout_s),  # whole seconds, as the socket's option wants them
            auto_referrals=False,  # a directory must not send us, and the password, elsewhere
            read_only=True,
            raise_exceptions=True,
        )
        connection.open()
        if settings.start_tls and not secure:
            connection.start_tls()
        connection.bind()
        yield connection
    except ldap3.core.exceptions.LDAPInvalidCredentialsResult as error:
        raise ConfigurationError(detail=f"identity.ldap {settings.name}: name or password is refused") from error
    except ldap3.core.exceptions.LDAPException as error:
        raise ProviderUnavailable(name=settings.name) from error
    finally:
        if connection is not None:
            _close(connection)


def _close(connection: Connection) -> None:
    """Take leave, and close what is left open when TLS could not be begun."""
    line = connection.socket
    with suppress(Exception):
        connection.unbind()
    if line is not None:
        line.close()


def _library() -> Any:
    try:
        with warnings.catch_warnings():
            # It asks pyasn1 for names that will change there some day.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(ldap3|pyasn1)\b")
            warnings.filterwarnings("ignore", message="(tagMap|typeMap) is deprecated", category=DeprecationWarning)
            import ldap3
            import ldap3.core.exceptions
    except ModuleNotFoundError as error:
        raise ConfigurationError(detail="identity.ldap needs the extra: pip install seogo[ldap]") from error
    return ldap3


def _entries(connection: Connection, settings: LdapSettings, *, people: bool) -> Iterator[Mapping[str, Any]]:
    """Entries page by page, each with its attributes as lists of bytes and without the case of their names."""
    base = settings.user_base if people else settings.group_base
    if not base:
        return
    wanted = {settings.id_attribute, settings.member_of} - {""}
    if people:
        wanted |= {settings.user_name, settings.display_name, settings.email, *settings.attributes.values(), *_STATUS}
    else:
        wanted |= {settings.group_name, settings.member}
    found = connection.extend.standard.paged_search(
        search_base=base,
        search_filter=settings.user_filter if people else settings.group_filter,
        search_scope="SUBTREE",
        attributes=sorted(wanted - {""}),
        paged_size=settings.page_size,
        paged_criticality=True,
        generator=True,
    )
    for entry in found:
        if entry.get("type") != "searchResEntry":
            continue  # a referral, which is not followed
        values = {name.casefold(): list(raw) for name, raw in entry["raw_attributes"].items()}
        yield {"dn": entry["dn"], **_whole(connection, entry["dn"], values)}


def _whole(connection: Connection, dn: str, values: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """With the rest of attributes that come in parts: Active Directory gives 1500 members at once (`member;range=0-1499`)."""
    for name in [item for item in values if ";range=" in item]:
        plain, _, bounds = name.partition(";range=")
        collected = values.pop(name)
        end = bounds.partition("-")[2]
        while end != "*":
            connection.search(dn, "(objectClass=*)", "BASE", attributes=[f"{plain};range={int(end) + 1}-*"])
            entry = connection.response[0]["raw_attributes"]
            [(part, more)] = [(key, raw) for key, raw in entry.items() if key.casefold().startswith(f"{plain};range=")]
            collected += more
            end = part.casefold().partition(";range=")[2].partition("-")[2]
        values[plain] = collected + values.get(plain, [])
    return values


def _person(settings: LdapSettings, entry: Mapping[str, Any]) -> DirectoryPerson | None:
    identity, name = _identity(settings, entry), _text(entry, settings.user_name)
    if not identity or not name:
        return None
    attributes = {ours: texts for ours, theirs in settings.attributes.items() if (texts := _texts(entry, theirs))}
    return DirectoryPerson(
        identity,
        folded_dn(entry["dn"]),
        name,
        _text(entry, settings.display_name),
        _text(entry, settings.email),
        attributes,
        _disabled(entry),
        _dns(entry, settings.member_of),
    )


def _group(settings: LdapSettings, entry: Mapping[str, Any]) -> DirectoryGroup | None:
    identity, name = _identity(settings, entry), _text(entry, settings.group_name)
    if not identity or not name:
        return None
    members = _dns(entry, settings.member)
    return DirectoryGroup(identity, folded_dn(entry["dn"]), name, members, _dns(entry, settings.member_of))


def _identity(settings: LdapSettings, entry: Mapping[str, Any]) -> str:
    """What the directory never gives to another entry; Active Directory's objectGUID is 16 bytes, little-endian."""
    raw = entry.get(settings.id_attribute.casefold()) or [b""]
    if settings.id_attribute.casefold() == "objectguid" and len(raw[0]) == 16:
        return str(UUID(bytes_le=raw[0]))
    return _decoded(raw[0])


def _disabled(entry: Mapping[str, Any]) -> bool:
    control = _text(entry, "userAccountControl")
    if control.lstrip("-").isdecimal() and int(control) & _DISABLED_IN_AD:
        return True
    return any(_text(entry, name).casefold() == "true" for name in _STATUS[1:])


def _texts(entry: Mapping[str, Any], name: str) -> list[str]:
    return [text for raw in entry.get(name.casefold()) or [] if (text := _decoded(raw))]


def _text(entry: Mapping[str, Any], name: str) -> str:
    return next(iter(_texts(entry, name)), "") if name else ""


def _dns(entry: Mapping[str, Any], name: str) -> Sequence[str]:
    raw = entry.get(name.casefold()) or [] if name else []
    return [folded_dn(value.decode("utf-8", "replace")) for value in raw]


def _decoded(raw: bytes) -> str:
    return cleaned(raw.decode("utf-8", "replace"), _MAX_VALUE)


def folded_dn(dn: str) -> str:
    """A name as names are compared: without the case, and without the spaces around commas and equals signs."""
    parse = _library().utils.dn.parse_dn
    try:
        parts = parse(dn, escape=False, strip=True)
    except _library().core.exceptions.LDAPInvalidDnError:
        return dn.casefold()
    return ",".join(f"{name.casefold()}={_escaped_alike(value).casefold()}" for name, value, _ in parts)


def _escaped_alike(value: str) -> str:
    r"""A value in which whatever is written with a backslash is written in one way: `\2C` for `\,` (RFC 4514, 2.4)."""
    raw = _HEX_RUN.sub(lambda run: bytes.fromhex(run[0].replace("\\", "")).decode("utf-8", "replace"), value)
    plain = _ESCAPED.sub(r"\1", raw)
    return "".join(f"\\{ord(char):02X}" if char in _SPECIAL else char for char in plain)
