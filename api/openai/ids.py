"""Ids of the OpenAI surface: a prefix and the 32 hexadecimal digits of ours. A vector store is a collection, a file a document
or what a client keeps to become one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from api.deps import Caller
from rag.access.policy import Action
from rag.domain.errors import CollectionNotFound, DocumentNotFound
from rag.domain.principal import Permit

STORE, FILE, BATCH = "vs_", "file-", "vsfb_"
_HEX = re.compile(r"[0-9a-f]{32}")


def shown(prefix: str, identity: UUID) -> str:
    """The id as clients see it."""
    return f"{prefix}{identity.hex}"


def read_id(prefix: str, given: str) -> UUID:
    """The id behind what a client sent.

    Raises:
        DocumentNotFound: it can't be one of ours.
    """
    digits = given.removeprefix(prefix)
    if not given.startswith(prefix) or not _HEX.fullmatch(digits):
        raise DocumentNotFound(name=given)
    return UUID(digits)


def permit_for_store(caller: Caller, store_id: str, action: Action | None = None) -> Permit:
    """What the caller may do in a vector store; the name of its collection will do as well.

    Args:
        action: in place of the one that the route is bound to.

    Raises:
        CollectionNotFound: there is none that the caller may see.
    """
    return permit_for_stores(caller, [store_id], action)


def permit_for_stores(caller: Caller, store_ids: Sequence[str], action: Action | None = None) -> Permit:
    """The same for several."""
    shown_as = {_named(item): item for item in store_ids}
    try:
        return caller.services.rag.policy.authorize(caller.principal, action or caller.action, list(shown_as))
    except CollectionNotFound as error:
        raise CollectionNotFound(name=shown_as.get(str(error.params["name"]), store_ids[0])) from None


def _named(store_id: str) -> str:
    """As the policy knows it: the id in its long form, or what may be a name."""
    digits = store_id.removeprefix(STORE)
    return str(UUID(digits)) if store_id.startswith(STORE) and _HEX.fullmatch(digits) else store_id
