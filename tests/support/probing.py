"""Probes made from the route table: every route, every field that can hold an id, every kind of caller without the right.

A field that looks like an id must be known here, as one that is probed or as one that is declared harmless; an unknown one
fails the build, so that no route comes in without its probes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from dbos import DBOS
from sqlalchemy import select

from api.app import create_app
from rag.store.audit_event import AuditCut, AuditedDocument, AuditHead, AuditRow
from rag.store.tables import METADATA
from tests.support.running import Running

LOOKS_LIKE_AN_ID = re.compile(
    r"(^|_)ids?$|^repo$|collection|parent|^model$|repositor|^cursor$|^after$|^before$|conversation|^answer$|subject|owner|"
    r"group|member|account|grant|tenant|^key$|^keys$|user_name|knowledge|^source$|^access$|^allow$|^deny$|version$"
)

Fields = tuple[str, ...]
"""Where a value stands: `("path", "document_id")`, `("query", "parent")`, `("body", "filter", "document_ids")`."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A field that holds an id, and of what.

    Attributes:
        sort: key of `Objects.known`.
        shape: how the id is written there.
        filters: a field that narrows a list, or names somebody: the refusal is the answer that an unknown id gives.
    """

    sort: str
    shape: str = "{}"
    filters: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One field of one route."""

    method: str
    path: str
    where: Fields
    slot: Slot

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.method} {self.path} {'.'.join(self.where)}"


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    method: str
    path: str
    arguments: dict[str, Any]


@dataclass
class Objects:
    """Ids by sort: those of the owner that are aimed at, and what fills the other fields of a request.

    Attributes:
        known: per sort, the ids aimed at.
        filling: per sort, an id that the caller may use, or the owner's where it has none.
    """

    known: dict[str, list[str]]
    filling: dict[str, str] = field(default_factory=dict)


PATH_SORTS = {
    "document_id": "document",
    "source_id": "source",
    "receipt_id": "receipt",
    "chunk_id": "chunk",
    "generation_id": "generation",
    "repository_id": "repository",
    "answer": "answer",
    "file_id": "file",
    "store_id": "store",
    "batch_id": "batch",
    "account_id": "account",
    "user_id": "account",
    "member_id": "account",
    "group_id": "group",
    "grant_id": "grant",
    "key_id": "key",
    "token_id": "widget",
    "session_id": "session",
    "space_id": "space",
}
"""Path parameters that mean the same wherever they stand."""

_COLLECTION = "/api/v1/collections/{name}"

PROBED: dict[tuple[str, str, Fields], Slot] = {
    ("GET", f"{_COLLECTION}/documents", ("query", "parent")): Slot("document"),
    ("POST", "/api/v1/documents/status", ("body", "ids", "[]")): Slot("document", filters=True),
    ("PUT", "/api/v1/sources/{source_id}/items", ("body", "items", "[]", "document_id")): Slot("document"),
    ("POST", "/api/v1/sources/{source_id}/items/delete", ("body", "documents", "[]")): Slot("document", filters=True),
    ("GET", "/api/v1/receipts", ("query", "document_id")): Slot("document", filters=True),
    ("GET", "/api/v1/receipts", ("query", "parent_id")): Slot("document", filters=True),
    ("GET", "/api/v1/search", ("query", "collections")): Slot("collection"),
    ("POST", "/api/v1/search", ("body", "collections", "[]")): Slot("collection"),
    ("POST", "/api/v1/search", ("body", "filter", "document_ids", "[]")): Slot("document", filters=True),
    ("POST", "/api/v1/answers", ("body", "collections", "[]")): Slot("collection"),
    ("POST", "/api/v1/answers", ("body", "filter", "document_ids", "[]")): Slot("document", filters=True),
    ("POST", "/api/v1/generations", ("body", "repositories", "[]")): Slot("collection"),
    ("POST", "/api/v1/repositories", ("body", "collection")): Slot("collection"),
    ("GET", "/v1/models/{model}", ("path", "model")): Slot("collection", "rag/{}"),
    ("POST", "/v1/chat/completions", ("body", "model")): Slot("collection", "rag/{}"),
    ("POST", "/v1/responses", ("body", "model")): Slot("collection", "rag/{}"),
    ("POST", "/v1/vector_stores", ("body", "file_ids", "[]")): Slot("file"),
    ("POST", "/v1/vector_stores/{store_id}/files", ("body", "file_id")): Slot("file"),
    ("POST", "/v1/vector_stores/{store_id}/file_batches", ("body", "file_ids", "[]")): Slot("file", filters=True),
    ("POST", "/v1/vector_stores/{store_id}/file_batches", ("body", "files", "[]", "file_id")): Slot("file", filters=True),
    ("GET", "/v1/files", ("query", "after")): Slot("file", filters=True),
    ("GET", "/v1/vector_stores", ("query", "after")): Slot("store", filters=True),
    ("GET", "/v1/vector_stores", ("query", "before")): Slot("store", filters=True),
    ("GET", "/v1/vector_stores/{store_id}/files", ("query", "after")): Slot("file", filters=True),
    ("GET", "/v1/vector_stores/{store_id}/files", ("query", "before")): Slot("file", filters=True),
    ("GET", "/v1/vector_stores/{store_id}/file_batches/{batch_id}/files", ("query", "after")): Slot("file", filters=True),
    ("GET", "/v1/vector_stores/{store_id}/file_batches/{batch_id}/files", ("query", "before")): Slot("file", filters=True),
    ("POST", "/dify/retrieval", ("body", "knowledge_id")): Slot("collection"),
    ("GET", "/api/v1/accounts", ("query", "after")): Slot("account", filters=True),
    ("PUT", "/api/v1/groups/{group_id}/members", ("body", "members", "[]")): Slot("account", filters=True),
    ("POST", "/api/v1/groups/{group_id}/members", ("body", "members", "[]")): Slot("account", filters=True),
    ("POST", "/api/v1/grants", ("body", "collection")): Slot("collection"),
    ("POST", "/api/v1/grants", ("body", "subject")): Slot("account", "user:{}", filters=True),
    ("POST", "/api/v1/keys", ("body", "collections", "[]")): Slot("collection"),
    ("POST", "/api/v1/keys", ("body", "owner_id")): Slot("account"),
    ("PATCH", "/api/v1/keys/{key_id}", ("body", "collections", "[]")): Slot("collection"),
    ("POST", "/api/v1/me/keys", ("body", "collections", "[]")): Slot("collection"),
    ("PATCH", "/api/v1/me/keys/{key_id}", ("body", "collections", "[]")): Slot("collection"),
    ("POST", "/api/v1/widget-tokens", ("body", "collections", "[]")): Slot("collection"),
    ("POST", "/api/v1/widget-tokens", ("body", "subject", "account_id")): Slot("account"),
    ("POST", "/api/v1/widget-tokens", ("body", "subject", "groups", "[]")): Slot("group", filters=True),
    ("GET", "/api/v1/documents/{document_id}/access/explain", ("query", "subject")): Slot("account", "user:{}", filters=True),
    ("POST", f"{_COLLECTION}/documents/access", ("body", "filter", "document_ids", "[]")): Slot("document", filters=True),
    ("POST", "/continue/context", ("body", "options", "collections", "[]")): Slot("collection"),
    **{
        ("POST", f"/api/v1/code/{name}", ("body", where, "[]")): Slot("collection")
        for name in ("search", "map", "pack")
        for where in ("collections", "repositories")
    },
    ("GET", "/api/v1/code/symbols", ("query", "repositories")): Slot("collection"),
    ("GET", "/api/v1/code/references", ("query", "repositories")): Slot("collection"),
    ("POST", "/tools/fetch", ("body", "id")): Slot("document"),
    ("POST", f"{_COLLECTION}/documents", ("query", "source")): Slot("source"),
    ("POST", f"{_COLLECTION}/documents", ("form", "access")): Slot("account", '{{"deny": ["user:{}"]}}', filters=True),
    ("POST", "/api/v1/admin/spaces/{space_id}/comparison", ("body", "collections", "[]")): Slot("collection"),
    ("POST", "/tools/search_code", ("body", "repo")): Slot("repository"),
}  # fmt: skip
"""Fields that hold ids beside the path parameters."""

_REPOSITORY = "/api/v1/repositories/{repository_id}"
_SIGNED = "takes no key, but the signature of its own secret; tested with the webhooks"
HARMLESS: dict[tuple[str, str, Fields], str] = {
    ("POST", f"{_REPOSITORY}/webhook", ("path", "repository_id")): _SIGNED,
    ("GET", f"{_REPOSITORY}/files", ("query", "cursor")): "a place to continue behind, in the repository asked for",
    ("GET", "/api/v1/generations/{generation_id}/files/{path}", ("path", "path")): "a file of the program before it",
    ("POST", "/api/v1/answers", ("body", "model")): "the name of a configured generator, the same for everybody",
    ("POST", "/api/v1/generations", ("body", "model")): "the name of a configured generator, the same for everybody",
    ("POST", "/v1/embeddings", ("body", "model")): "the name of an embedder, the same for everybody",
    ("POST", "/v1/rerank", ("body", "model")): "the name of a reranker, the same for everybody",
    ("POST", "/rerank", ("body", "model")): "the name of a reranker, the same for everybody",
    ("POST", "/v1/score", ("body", "model")): "the name of a reranker, the same for everybody",
    ("POST", "/score", ("body", "model")): "the name of a reranker, the same for everybody",
    ("POST", "/v1/chat/completions", ("body", "messages", "[]", "tool_call_id")): "of the conversation itself",
    ("POST", "/v1/chat/completions", ("body", "stop_token_ids")): "tokens",
    ("POST", "/v1/chat/completions", ("body", "stop_token_ids", "[]")): "tokens",
    ("POST", "/v1/responses", ("body", "conversation")): "refused: nothing is stored between requests",
    ("POST", "/v1/responses", ("body", "previous_response_id")): "refused: nothing is stored between requests",
    ("GET", "/api/v1/feedback", ("query", "cursor")): "for the whole tenant alone; a cursor of another one finds nothing",
    ("GET", "/api/v1/generations", ("query", "cursor")): "a place in time",
    ("GET", f"{_COLLECTION}/documents", ("query", "cursor")): "a key to continue behind, in the collection asked for",
    ("GET", "/api/v1/sources/{source_id}/items", ("query", "cursor")): "a place to continue behind, in the source asked for",
    ("PUT", "/api/v1/sources/{source_id}/items", ("body", "items", "[]", "key")): "a name inside the source",
    ("POST", "/api/v1/sources/{source_id}/items/known", ("body", "keys")): "names inside the source",
    ("POST", "/api/v1/sources/{source_id}/items/known", ("body", "keys", "[]")): "names inside the source",
    ("POST", "/api/v1/sources/{source_id}/items/delete", ("body", "keys")): "names inside the source",
    ("POST", "/api/v1/sources/{source_id}/items/delete", ("body", "keys", "[]")): "names inside the source",
    ("POST", "/v1/vector_stores/{store_id}/search", ("body", "filters", "key")): "the name of an attribute",
    ("POST", "/v1/vector_stores/{store_id}/search", ("body", "filters", "filters", "[]", "key")): "the name of an attribute",
    ("POST", f"{_COLLECTION}/documents/access", ("body", "cursor")): "a document of the collection asked for, or a 404",
    ("GET", "/api/v1/audit/events", ("query", "cursor")): "a number in the caller's own chain",
    ("POST", "/api/v1/widget-tokens", ("body", "subject")): "an object, whose fields are probed",
    ("POST", "/api/v1/accounts", ("body", "user_name")): "a name to be given, in the caller's own tenant",
    ("PATCH", "/api/v1/accounts/{account_id}", ("body", "user_name")): "a name to be given, in the caller's own tenant",
    ("GET", "/auth/{provider}/login", ("path", "provider")): "the name of a provider, public like its sign-in page",
    ("GET", "/auth/{provider}/callback", ("path", "provider")): "the name of a provider, public like its sign-in page",
    ("POST", "/auth/{provider}/logout", ("path", "provider")): "the name of a provider, public like its sign-in page",
    ("POST", "/auth/{provider}/backchannel-logout", ("path", "provider")): "the name of a provider, public like its page",
    ("GET", "/scim/v2/ResourceTypes/{name}", ("path", "name")): "of the standard, the same for everybody",
    ("GET", "/scim/v2/Schemas/{name}", ("path", "name")): "of the standard, the same for everybody",
    ("POST", "/api/v1/admin/spaces", ("body", "embedding", "model")): "a setting of the operator",
    ("GET", "/api/v1/repositories/{repository_id}/commits/{commit}", ("path", "commit")): "of the repository before it",
    ("GET", "/api/v1/repositories/{repository_id}/files/{path}", ("path", "path")): "a file of the repository before it",
}  # fmt: skip
"""Fields that look like ids, and why no probe is needed."""

RULED = (
    ("POST", f"{_COLLECTION}/snapshots", ("body", "access")),
    ("POST", f"{_COLLECTION}/sources", ("body", "access")),
    ("POST", "/api/v1/repositories", ("body", "options", "path_rules", "[]", "access")),
    ("PATCH", "/api/v1/repositories/{repository_id}", ("body", "options", "path_rules", "[]", "access")),
    ("PUT", "/api/v1/sources/{source_id}/items", ("body", "items", "[]", "access")),
    ("PUT", "/api/v1/documents/{document_id}/access", ("body",)),
    ("PUT", f"{_COLLECTION}/access", ("body",)),
    ("POST", f"{_COLLECTION}/documents/access", ("body",)),
)
"""Where a rule is given: its lists name accounts and groups of the tenant."""
for _method, _path, _where in RULED:
    PROBED[_method, _path, (*_where, "allow", "[]")] = Slot("account", "user:{}", filters=True)
    PROBED[_method, _path, (*_where, "deny", "[]")] = Slot("group", "group:{}", filters=True)
    if _where[-1] == "access":
        HARMLESS[_method, _path, _where] = "a rule, whose lists are probed"

QUERIES = {("GET", "/api/v1/documents/{document_id}/access/explain"): {"subject": "user:{account}"}}
"""Values of required query parameters that the schema alone does not make valid; `{account}` is an id of the request's own."""

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/chat/completions"): {"model": "rag/all", "messages": [{"role": "user", "content": "vault code?"}]},
    ("POST", "/v1/responses"): {"model": "rag/all", "input": "vault code?"},
    ("POST", "/dify/retrieval"): {
        "knowledge_id": "all", "query": "vault code", "retrieval_setting": {"top_k": 3, "score_threshold": 0.0}
    },
    ("POST", "/continue/context"): {"query": "vault code", "fullInput": "@seogo vault code", "options": {}},
    ("POST", "/api/v1/grants"): {"subject": "everyone", "role": "viewer", "collection": "vault"},
    ("POST", "/api/v1/keys"): {"name": "vault", "scopes": ["read"]},
    ("POST", "/api/v1/me/keys"): {"name": "vault", "scopes": ["read"]},
    ("PATCH", "/api/v1/keys/{key_id}"): {"description": "mine now"},
    ("PATCH", "/api/v1/me/keys/{key_id}"): {"description": "mine now"},
    ("PATCH", "/api/v1/accounts/{account_id}"): {"display_name": "mine now"},
    ("PUT", "/scim/v2/Users/{user_id}"): {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "vault", "active": False
    },
    ("PATCH", "/scim/v2/Users/{user_id}"): {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": False}],
    },
    ("PUT", "/scim/v2/Groups/{group_id}"): {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "vault", "members": []
    },
    ("PATCH", "/scim/v2/Groups/{group_id}"): {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "displayName", "value": "mine now"}],
    },
    ("PATCH", _COLLECTION): {"description": "mine now"},
    ("PATCH", "/api/v1/documents/{document_id}"): {"attributes": {"site": "mine"}},
    ("PUT", f"{_COLLECTION}/glossary"): {"terms": []},
    ("POST", f"{_COLLECTION}/sources"): {"kind": "folder", "location": "/srv/vault"},
    ("POST", f"{_COLLECTION}/snapshots"): {
        "url": "https://vault.example/a", "html": "<p>intruder</p>", "fetched_at": "2026-01-01T00:00:00Z"
    },
    ("PUT", "/api/v1/sources/{source_id}/items"): {
        "items": [{"key": "vault.md", "fingerprint": "1", "content_hash": "0" * 64, "size": 1, "document_id": str(UUID(int=3))}]
    },
    ("POST", "/api/v1/sources/{source_id}/items/known"): {"keys": ["vault.md"]},
    ("POST", "/api/v1/sources/{source_id}/items/delete"): {"keys": ["vault.md"]},
    ("POST", "/v1/vector_stores/{store_id}/files/{file_id}"): {"attributes": {"site": "mine"}},
    ("POST", "/v1/vector_stores/{store_id}"): {"name": "mine now"},
    ("POST", "/api/v1/answers/{answer}/feedback"): {"rating": "up"},
    ("POST", "/api/v1/code/search"): {"query": "vault code"},
    ("POST", "/api/v1/repositories"): {
        "collection": "vault", "url": "https://git.vault.example/a.git", "name": "vault",
        "options": {"path_rules": [{"paths": "*", "access": {}}]},
    },
    ("PATCH", "/api/v1/repositories/{repository_id}"): {"options": {"path_rules": [{"paths": "*", "access": {}}]}},
    ("POST", "/api/v1/generations"): {"specification": "a safe", "repositories": ["vault"]},
}  # fmt: skip
"""Bodies that the schema alone does not make valid."""


@cache
def api() -> dict[str, Any]:
    """The OpenAPI description of the application as it is, which is only read: making it takes a second."""
    return create_app().openapi()


def routes(description: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and operation of every route."""
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def fields_of(description: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Fields]:
    """Every field of an operation, in the path, the query, the headers and the JSON body."""
    for parameter in operation.get("parameters", ()):
        yield parameter["in"], parameter["name"]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        place = "body" if kind.endswith("json") else "form"
        for where in _inside(description, content.get("schema", {}), ()):
            yield (place, *where)


def _inside(description: Mapping[str, Any], schema: Mapping[str, Any], seen: tuple[str, ...]) -> Iterator[Fields]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name not in seen:
            yield from _inside(description, description["components"]["schemas"][name], (*seen, name))
        return
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(key, ()):
            yield from _inside(description, part, seen)
    if "items" in schema:
        yield ("[]",)
        yield from (("[]", *rest) for rest in _inside(description, schema["items"], seen))
    for name, part in schema.get("properties", {}).items():
        yield (name,)
        yield from ((name, *rest) for rest in _inside(description, part, seen))


def _is_id(where: Fields) -> bool:
    name = next(part for part in reversed(where) if part != "[]")
    return where[0] == "path" or LOOKS_LIKE_AN_ID.search(name) is not None


def targets(description: Mapping[str, Any]) -> tuple[list[Target], list[str]]:
    """Every field to be probed, and a sentence for each that nobody has said anything about."""
    found: dict[tuple[str, str, Fields], Target] = {}
    unknown = []
    for method, path, operation in routes(description):
        for where in dict.fromkeys(fields_of(description, operation)):
            key = (method, path, where)
            slot = PROBED.get(key) or (None if key in HARMLESS else _slot_of_path(path, where))
            if slot is not None:
                found[key] = Target(method, path, where, slot)
            elif _is_id(where) and key not in HARMLESS and not _is_list_of_probed(key):
                unknown.append(
                    f"{method} {path}: {'.'.join(where)} looks like an id: add it to PROBED, or to HARMLESS with why"
                )
    stale = [key for key in (*PROBED, *HARMLESS) if key not in _all(description)]
    unknown += [f"{method} {path}: {'.'.join(where)} is declared, and is no field" for method, path, where in stale]
    return list(found.values()), unknown


def _all(description: Mapping[str, Any]) -> set[tuple[str, str, Fields]]:
    every = routes(description)
    return {(method, path, where) for method, path, operation in every for where in fields_of(description, operation)}


def _is_list_of_probed(key: tuple[str, str, Fields]) -> bool:
    """The list itself, whose members are probed."""
    method, path, where = key
    inside = (method, path, (*where, "[]"))
    return inside in PROBED or inside in HARMLESS


def _slot_of_path(path: str, where: Fields) -> Slot | None:
    if where[0] != "path":
        return None
    if where[1] == "name" and path.startswith(_COLLECTION):
        return Slot("collection")
    sort = PATH_SORTS.get(where[1])
    if sort is not None and path.startswith("/scim/"):
        sort = f"scim {sort}"  # SCIM sees what came by it alone
    return None if sort is None else Slot(sort)


def example(description: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """The smallest value that a schema takes."""
    if "$ref" in schema:
        return example(description, description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]])
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return example(description, schema[key][0])
    kind = schema.get("type")
    if kind == "object":
        return {name: example(description, schema["properties"][name]) for name in schema.get("required", ())}
    if kind == "array":
        return [example(description, schema["items"])] if schema.get("minItems") else []
    if kind == "string":
        return _text(schema)
    return {"integer": max(1, int(schema.get("minimum", 1))), "number": 1.0, "boolean": False}.get(str(kind))


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "uuid":
        return str(UUID(int=5))
    if schema.get("format") == "date-time":
        return "2026-01-01T00:00:00Z"
    return "vault"


def request_for(
    description: Mapping[str, Any],
    target: Target,
    value: str,
    filling: Mapping[str, str],
    words: Mapping[tuple[str, str], str] | None = None,
) -> Request:
    """A valid request of the route, with `value` in the field that is aimed at.

    Args:
        filling: what stands in its other fields, by sort.
        words: what stands in those that hold no id, by path and name.
    """
    operation = description["paths"][target.path][target.method.lower()]
    aimed = target.slot.shape.format(value)
    path, query = target.path, {}
    for parameter in operation.get("parameters", ()):
        where = (parameter["in"], parameter["name"])
        if where == target.where:
            filled: Any = aimed
        elif where[0] == "path":
            slot = PROBED.get((target.method, target.path, where)) or _slot_of_path(target.path, where)
            word = (words or {}).get((target.path, where[1]), "vault.py")
            filled = slot.shape.format(filling[slot.sort]) if slot is not None else word
        elif parameter.get("required"):
            known = QUERIES.get((target.method, target.path), {})
            filled = known.get(where[1], "").format(**filling) or (words or {}).get((target.path, where[1]))
            filled = filled or example(description, parameter["schema"])
        else:
            continue
        if where[0] == "path":
            path = path.replace("{" + where[1] + "}", filled)
        elif where[0] == "query":
            query[where[1]] = filled
    arguments: dict[str, Any] = {"params": query} if query else {}
    return Request(target.method, path, arguments | _body(description, operation, target, aimed))


def _body(description: Mapping[str, Any], operation: Mapping[str, Any], target: Target, aimed: str) -> dict[str, Any]:
    contents = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in contents:
        schema = contents["multipart/form-data"]["schema"]
        name = "file" if "file" in [where[0] for where in _inside(description, schema, ())] else "files"
        fields = {target.where[1]: aimed} if target.where[0] == "form" else {}
        return {"files": [(name, ("x.md", b"intruder"))], "data": fields}
    if "text/csv" in contents:
        return {"content": b"vault,safe", "headers": {"Content-Type": "text/csv"}}
    kind = next((kind for kind in contents if kind in ("application/json", "application/scim+json")), None)
    if kind is None:
        return {}
    known = BODIES.get((target.method, target.path))
    body = known if known is not None else example(description, contents[kind]["schema"])
    body = json.loads(json.dumps(body))
    if target.where[0] == "body":
        body = _put(body, target.where[1:], aimed)
    return {"json": body, "headers": {"Content-Type": kind}}


def _put(body: Any, where: Sequence[str], value: str) -> Any:
    """`body` with `value` at a place, which is made where it is missing."""
    if not where:
        return value
    head, *rest = where
    if head == "[]":
        first = body[0] if isinstance(body, list) and body else None
        return [_put(first, rest, value)]
    body = dict(body) if isinstance(body, dict) else {}
    body[head] = _put(body.get(head), rest, value)
    return body


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")


def blanked(text: str, *values: str) -> str:
    """A body with ids and names blanked: what is left must not tell whether they exist."""
    for value in values:
        text = text.replace(value, "ID")
    text = _UUID.sub("ID", text)
    return re.sub(
        r'"(created|created_at|took_ms|total|search|read)":\s*[0-9.]+|"timings_ms":\s*\{[^}]*\}', "TIME", text
    )


def shape_of(value: str) -> str:
    """How an id is written, whatever it is the id of: alike for any two ids that nothing has."""
    blank = _UUID.sub("ID", value)
    return blank if "ID" in blank else "name"


def absent(value: str) -> str:
    """An id of the same shape that nothing has."""
    for shape in (r"(?P<head>[a-z_-]*)(?P<id>[0-9a-f]{32})", r"(?P<head>)(?P<id>[0-9a-f-]{36})"):
        if found := re.fullmatch(shape, value):
            other = uuid4()
            return found["head"] + (other.hex if len(found["id"]) == 32 else str(other))
    return f"nowhere-{uuid4().hex[:8]}"


VOLATILE = {
    "api_key": {"last_used_at", "last_address"},
    "collection": {"privacy_settled"},
    "worker": None,
    **{row.__tablename__: None for row in (AuditRow, AuditedDocument, AuditHead, AuditCut)},
}
"""Columns, or whole tables (None), that change when nothing was done: the use of a key, that upkeep looked through a collection,
a heartbeat, the trail of refusals."""
for _name, _columns in VOLATILE.items():
    assert (_columns or set()) <= set(METADATA.tables[_name].columns.keys()), f"{_name} has no such columns"


ADDED_TO = {"answer"}
"""Tables that whoever may ask adds to: a filter that finds nothing is answered too. What stood there stays as it was."""


PASSING = {"date", "content-length", "x-request-id", "x-process-time"}
"""Headers that differ between any two answers."""


def told_by(headers: Mapping[str, str], *values: str) -> dict[str, str]:
    """The headers of an answer with ids and names blanked, without those that differ anyway."""
    return {name.lower(): blanked(value, *values) for name, value in headers.items() if name.lower() not in PASSING}


def standing(running: Running, tenant_id: UUID) -> dict[str, frozenset[str]]:
    """Every row that is a tenant's or nobody's, the size of the index, every file of the blobs and mirrors by its content, and
    every job: what a refused request leaves as it was."""
    found = {}
    with running.services.rag.database.read() as session:
        for table in METADATA.sorted_tables:
            volatile = VOLATILE.get(table.name, set())
            if volatile is None:
                continue
            query = select(*(column for column in table.columns if column.name not in volatile))
            if "tenant_id" in table.columns:
                query = query.where(table.columns["tenant_id"] == tenant_id)
            found[table.name] = frozenset(repr(tuple(row)) for row in session.execute(query))
    found["index"] = frozenset({str(running.services.rag.index.count())})
    settings = running.services.rag.settings
    found["blobs"] = _files(Path(unquote(urlsplit(settings.blob_url()).path)))
    found["mirrors"] = _files(settings.mirror_folder())
    jobs = DBOS.list_workflows(load_input=False, load_output=False)
    found["jobs"] = frozenset(f"{job.workflow_id} {job.name} {job.status}" for job in jobs)
    return found


def _files(folder: Path) -> frozenset[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return frozenset(f"{path.relative_to(folder)} {sha256(path.read_bytes()).hexdigest()}" for path in files)


def changed(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    """By table, the rows that are other than they were."""
    found = {name: before[name] - after[name] if name in ADDED_TO else before[name] ^ after[name] for name in before}
    return {name: sorted(rows) for name, rows in found.items() if rows}
