"""What a provider says of a person, as the account knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag.domain.access import Label, Role
from rag.domain.principal import Scope
from rag.settings_identity import OidcProvider

MAX_GROUPS = 1000
"""Groups of one person that are taken over; more are a mistake in the provider's mapping."""
_MAX_VALUES = 50
_NAME = 200
_EMAIL = 320
_VALUE = 150


@dataclass(frozen=True, slots=True)
class Person:
    """A person as a provider describes it.

    Attributes:
        external_id: what the provider never gives to anybody else.
        verified_email: whether the provider has seen that the address is the person's.
        groups: names; None means that the provider does not say, and what is on record stays.
        attributes: names with lists of values, empty ones too; None likewise, as are names that are not among them.
        clearance: None likewise. A claim that the settings name and the provider leaves out gives the lowest, which shows less.
        roles: in the whole tenant.
    """

    external_id: str
    user_name: str
    display_name: str = ""
    email: str = ""
    verified_email: bool = False
    groups: tuple[str, ...] | None = None
    attributes: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    clearance: Label | None = None
    roles: frozenset[Role] = frozenset()


def person_of(settings: OidcProvider, claims: Mapping[str, Any]) -> Person:
    """The person that proven claims are about."""
    names = settings.claims
    user_name = _text(claims, names.user_name, _NAME) or str(claims["sub"])[:_NAME]
    return Person(
        external_id=external_id_of(settings.issuer, str(claims["sub"])),
        user_name=user_name,
        display_name=_text(claims, names.display_name, _NAME),
        email=_text(claims, names.email, _EMAIL),
        verified_email=claims.get("email_verified") in (True, "true"),
        groups=_groups(names.groups, claims),
        attributes=_attributes(names.attributes, claims),
        clearance=_clearance(settings, claims) if names.clearance else None,
        roles=frozenset(_roles(settings, claims)),
    )


def scopes_of(settings: OidcProvider, claims: Mapping[str, Any]) -> frozenset[Scope]:
    """What a token may do: what the settings say of its scopes, else reading and writing."""
    if not settings.token_scopes:
        return frozenset({Scope.READ, Scope.WRITE})
    said: set[str] = set()
    for name in ("scope", "scp", "roles"):
        value = claims.get(name)
        said.update(value.split() if isinstance(value, str) else _listed(value))
    return frozenset(Scope(scope) for name, scope in settings.token_scopes.items() if name in said)


def external_id_of(issuer: str, subject: str) -> str:
    """How an account keeps whom a provider calls what."""
    return f"{issuer}|{subject}"


def found(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by name; where there is none of that very name, a dot goes into an object."""
    if name in claims or "." not in name:
        return claims.get(name)
    place: Any = claims
    for part in name.split("."):
        if not isinstance(place, Mapping):
            return None
        place = place.get(part)
    return place


def cleaned(value: object, longest: int) -> str:
    """A value as one line of printable text, cut; empty when it is no plain value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return ""
    return "".join(char for char in str(value) if char.isprintable()).strip()[:longest]


def _listed(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(text for item in values if (text := cleaned(item, _NAME))))


def _text(claims: Mapping[str, Any], name: str, longest: int) -> str:
    return cleaned(found(claims, name), longest) if name else ""


def _texts(claims: Mapping[str, Any], name: str) -> list[str]:
    return _listed(found(claims, name))


def _groups(name: str, claims: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What is left out takes nobody out of a group, or what denies the group would not deny them any more."""
    if not name or found(claims, name) is None:
        return None
    return tuple(_texts(claims, name)[:MAX_GROUPS])


def _attributes(names: Mapping[str, str], claims: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...] | None:
    read = (
        (name, tuple(value[:_VALUE] for value in _texts(claims, claim)[:_MAX_VALUES]))
        for name, claim in names.items()
        if found(claims, claim) is not None
    )
    return tuple(read) or None


def _clearance(settings: OidcProvider, claims: Mapping[str, Any]) -> Label:
    """The highest of the labels that the claim's values stand for; none of them: open."""
    said = _texts(claims, settings.claims.clearance)
    labels = [Label(settings.clearances[value]) for value in said if value in settings.clearances]
    return max(labels, key=lambda label: label.rank, default=Label.OPEN)


def _roles(settings: OidcProvider, claims: Mapping[str, Any]) -> list[Role]:
    roles = [Role(item.role) for item in settings.roles if item.value in _texts(claims, item.claim)]
    return [*roles, Role(settings.default_role)] if settings.default_role else roles
