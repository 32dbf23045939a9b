"""SCIM 2.0 (RFC 7644): a directory keeps the users and groups of a tenant, by the key of one of its administrators."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError
from scim2_models import (
    Context,
    Error,
    InvalidValueException,
    ListResponse,
    NotFoundException,
    Resource,
    ResourceType,
    ResponseParameters,
    Schema,
    SCIMException,
    SearchRequest,
)
from starlette.responses import JSONResponse

from api.audit import some
from api.deps import Caller, base_url, guarded
from api.errors import language_of
from api.scim_errors import told_in
from rag.access.federation_scim import ScimDirectory
from rag.access.federation_scim_models import (
    CONFIG,
    LENIENT,
    MAX_RESULTS,
    PROVIDER,
    EnterpriseUser,
    Group,
    Person,
)
from rag.access.policy import Action
from rag.domain.audit import AuditKind

PREFIX = "/scim/v2"
MEDIA_TYPE = "application/scim+json"
_DEFAULT_COUNT = 100
_TOLD_CHARACTERS = 200
"""Of a value of an account, in an entry of the trail."""


class ScimRoute(APIRoute):
    """A route that tells SCIM's own errors in SCIM's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its errors caught."""
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handler(request)
            except SCIMException as error:
                return _told(request, error.to_error())
            except ValidationError as error:
                return _told(request, Error.from_validation_errors(error)[0])

        return handled


_ERROR: dict[str, Any] = {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
_REASONS = {400: "not valid", 401: "no valid key", 403: "not an administrator's", 404: "not there", 409: "taken"}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {**_ERROR, "description": reason} for status, reason in {**_REASONS, 422: "not valid", 503: "away"}.items()
}
router = APIRouter(prefix=PREFIX, tags=["scim"], route_class=ScimRoute, responses=_ANSWERS)
People = Annotated[Caller, Depends(guarded(Action.MANAGE_PEOPLE))]
Payload = Annotated[dict[str, Any], Body(media_type=MEDIA_TYPE)]
FilterText = Annotated[str | None, Query(alias="filter", max_length=2000)]
Start = Annotated[int, Query(alias="startIndex")]
Count = Annotated[int, Query()]
Names = Annotated[str | None, Query(max_length=1000)]
Without = Annotated[str | None, Query(alias="excludedAttributes", max_length=1000)]


@router.get("/ServiceProviderConfig")
def get_config(request: Request, caller: People) -> Response:
    """What this service can do."""
    return _shown(request, CONFIG, "ServiceProviderConfig")


@router.get("/ResourceTypes")
def list_resource_types(request: Request, caller: People) -> Response:
    """Users and groups."""
    return _listed(request, ResourceType, list(PROVIDER.resource_types), len(PROVIDER.resource_types), 1)


@router.get("/ResourceTypes/{name}")
def get_resource_type(request: Request, name: str, caller: People) -> Response:
    """One of them."""
    return _shown(request, _named(PROVIDER.resource_types, name), f"ResourceTypes/{name}")


@router.get("/Schemas")
def list_schemas(request: Request, caller: People) -> Response:
    """What of them is kept here."""
    return _listed(request, Schema, list(PROVIDER.schemas), len(PROVIDER.schemas), 1)


@router.get("/Schemas/{name}")
def get_schema(request: Request, name: str, caller: People) -> Response:
    """One of these."""
    return _shown(request, _named(PROVIDER.schemas, name), f"Schemas/{name}")


@router.post("/.search")
def search_all(request: Request, body: Payload, caller: People) -> Response:
    """Users and groups together: the users first. An attribute that one of them does not have holds for none of it."""
    directory, asked = _directory(caller), _search(body)
    shape = _shape(Person | Group, asked.attributes, asked.excluded)
    start, count, tenant_id = max(asked.start, 1), max(asked.limit, 0), caller.principal.tenant_id
    users, people = directory.users(tenant_id, asked.wanted, start, count)
    room, first = min(count, MAX_RESULTS) - len(people), max(start - users, 1)
    groups, others = directory.groups(tenant_id, asked.wanted, first, room, _wants_members(shape))
    return _listed(request, Person | Group, [*people, *others], users + groups, start, shape)


@router.get("/Users")
def list_users(
    request: Request,
    caller: People,
    wanted: FilterText = None,
    start: Start = 1,
    count: Count = _DEFAULT_COUNT,
    attributes: Names = None,
    excluded: Without = None,
) -> Response:
    """Users that came by SCIM, those that a filter holds for."""
    return _users(request, caller, wanted, start, count, _shape(Person, attributes, excluded))


@router.post("/Users/.search")
def search_users(request: Request, body: Payload, caller: People) -> Response:
    """The same, for filters too long for an address."""
    asked = _search(body)
    shape = _shape(Person, asked.attributes, asked.excluded)
    return _users(request, caller, asked.wanted, asked.start, asked.limit, shape)


@router.post("/Users", status_code=201)
def create_user(request: Request, body: Payload, caller: People) -> Response:
    """Make a user."""
    directory = _directory(caller)
    person = Person.model_validate(body, scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=LENIENT)
    made = directory.create_user(caller.principal.tenant_id, person)
    caller.audit.did(AuditKind.ACCOUNT_CREATED, account=str(made.id), said=_said(made))
    return _shown(request, made, status=201, context=Context.RESOURCE_CREATION_RESPONSE)


@router.get("/Users/{user_id}")
def get_user(
    request: Request, user_id: str, caller: People, attributes: Names = None, excluded: Without = None
) -> Response:
    """A user."""
    shape = _shape(Person, attributes, excluded)
    return _shown(request, _directory(caller).user(caller.principal.tenant_id, user_id), shape=shape)


@router.put("/Users/{user_id}")
def replace_user(request: Request, user_id: str, body: Payload, caller: People) -> Response:
    """Put a user in place of the one before. Without `active` it stays suspended, or not, as it is."""
    directory = _directory(caller)
    person = Person.model_validate(body, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST, scim_policy=LENIENT)
    before = directory.user(caller.principal.tenant_id, user_id)
    after = directory.replace_user(caller.principal.tenant_id, user_id, person)
    return _shown(request, _noted(caller, before, after))


@router.patch("/Users/{user_id}")
def patch_user(request: Request, user_id: str, body: Payload, caller: People) -> Response:
    """Change a user. With `active: false` it loses every access within a second."""
    directory = _directory(caller)
    before = directory.user(caller.principal.tenant_id, user_id)
    after = directory.patch_user(caller.principal.tenant_id, user_id, body)
    return _shown(request, _noted(caller, before, after))


@router.delete("/Users/{user_id}", status_code=204)
def delete_user(user_id: str, caller: People) -> Response:
    """Delete a user, with every access that it had."""
    directory = _directory(caller)
    before = directory.user(caller.principal.tenant_id, user_id)
    directory.delete_user(caller.principal.tenant_id, user_id)
    groups = some("groups_left", (item.value for item in before.groups or []))
    caller.audit.did(AuditKind.ACCOUNT_DELETED, account=str(before.id), said=_said(before), **groups)
    return Response(None, 204)


@router.get("/Groups")
def list_groups(
    request: Request,
    caller: People,
    wanted: FilterText = None,
    start: Start = 1,
    count: Count = _DEFAULT_COUNT,
    attributes: Names = None,
    excluded: Without = None,
) -> Response:
    """Groups that came by SCIM, those that a filter holds for."""
    return _groups(request, caller, wanted, start, count, _shape(Group, attributes, excluded))


@router.post("/Groups/.search")
def search_groups(request: Request, body: Payload, caller: People) -> Response:
    """The same, for filters too long for an address."""
    asked = _search(body)
    shape = _shape(Group, asked.attributes, asked.excluded)
    return _groups(request, caller, asked.wanted, asked.start, asked.limit, shape)


@router.post("/Groups", status_code=201)
def create_group(request: Request, body: Payload, caller: People) -> Response:
    """Make a group, with its members."""
    directory = _directory(caller)
    group = Group.model_validate(body, scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=LENIENT)
    made = directory.create_group(caller.principal.tenant_id, group)
    _moved(caller, Group(), made)
    return _shown(request, made, status=201, context=Context.RESOURCE_CREATION_RESPONSE)


@router.get("/Groups/{group_id}")
def get_group(
    request: Request, group_id: str, caller: People, attributes: Names = None, excluded: Without = None
) -> Response:
    """A group."""
    shape = _shape(Group, attributes, excluded)
    found = _directory(caller).group(caller.principal.tenant_id, group_id, _wants_members(shape))
    return _shown(request, found, shape=shape)


@router.put("/Groups/{group_id}")
def replace_group(request: Request, group_id: str, body: Payload, caller: People) -> Response:
    """Put a group in place of the one before."""
    directory = _directory(caller)
    group = Group.model_validate(body, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST, scim_policy=LENIENT)
    before = directory.group(caller.principal.tenant_id, group_id)
    after = directory.replace_group(caller.principal.tenant_id, group_id, group)
    return _shown(request, _moved(caller, before, after))


@router.patch("/Groups/{group_id}")
def patch_group(request: Request, group_id: str, body: Payload, caller: People) -> Response:
    """Change a group, as when somebody comes in or leaves."""
    directory = _directory(caller)
    before = directory.group(caller.principal.tenant_id, group_id)
    after = directory.patch_group(caller.principal.tenant_id, group_id, body)
    return _shown(request, _moved(caller, before, after))


@router.delete("/Groups/{group_id}", status_code=204)
def delete_group(group_id: str, caller: People) -> Response:
    """Delete a group. Who was in it stays."""
    directory = _directory(caller)
    before = directory.group(caller.principal.tenant_id, group_id)
    directory.delete_group(caller.principal.tenant_id, group_id)
    told = {"group_id": str(before.id), "group": _short(before.display_name)}
    caller.audit.did(AuditKind.GROUP_DELETED, **told, **some("members_removed", _ids(before)))
    return Response(None, 204)


def _moved(caller: Caller, before: Group, after: Group) -> Group:
    """`after`, with who was put into it and who was taken out on record, and the name that it had."""
    told = {"group_id": str(after.id), "group": _short(after.display_name)}
    if before.display_name is not None and before.display_name != after.display_name:
        told["group_before"] = _short(before.display_name)
    moved = some("members_added", _ids(after) - _ids(before)) | some("members_removed", _ids(before) - _ids(after))
    caller.audit.did(AuditKind.GROUP_CHANGED, **told, **moved)
    return after


def _ids(group: Group) -> set[str]:
    return {str(member.value) for member in group.members or []}


def _said(person: Person) -> dict[str, str]:
    """What a directory says of a user: names, by which it signs in, and what rules go by."""
    emails = [item.value for item in person.emails or [] if item.value]
    found = {name: getattr(person, name) for name in ("user_name", "external_id", "display_name", "title", "user_type")}
    found["email"] = emails[0] if emails else None
    if EnterpriseUser in person.get_extension_models().values() and (work := person[EnterpriseUser]) is not None:
        found |= {name: getattr(work, name) for name in type(work).model_fields}
    return {name: _short(value) for name, value in found.items() if isinstance(value, str) and value}


def _short(text: object) -> str:
    return str(text or "")[:_TOLD_CHARACTERS]


def _noted(caller: Caller, before: Person, after: Person) -> Person:
    """`after`, with what was changed and what became of its access on record."""
    was, said = _said(before), _said(after)
    changed = {
        name: [was.get(name, ""), said.get(name, "")]
        for name in sorted({*was, *said})
        if was.get(name) != said.get(name)
    }
    caller.audit.did(AuditKind.ACCOUNT_CHANGED, account=str(after.id), changed=changed)
    if before.active != after.active:
        kind = AuditKind.ACCOUNT_RESUMED if after.active else AuditKind.ACCOUNT_SUSPENDED
        caller.audit.also(kind, account=str(after.id))
    return after


def _directory(caller: Caller) -> ScimDirectory:
    caller.require_whole_tenant()
    return ScimDirectory(caller.services.rag.database, caller.principal.clearance)


def _users(
    request: Request, caller: Caller, wanted: str | None, start: int, count: int, shape: ResponseParameters[Any]
) -> Response:
    start, count = max(start, 1), max(count, 0)
    total, people = _directory(caller).users(caller.principal.tenant_id, wanted, start, count)
    return _listed(request, Person, people, total, start, shape)


def _groups(
    request: Request, caller: Caller, wanted: str | None, start: int, count: int, shape: ResponseParameters[Any]
) -> Response:
    start, count = max(start, 1), max(count, 0)
    directory, members = _directory(caller), _wants_members(shape)
    total, groups = directory.groups(caller.principal.tenant_id, wanted, start, count, members)
    return _listed(request, Group, groups, total, start, shape)


class _Search(NamedTuple):
    """What the body of a search asks for."""

    wanted: str | None
    start: int
    limit: int
    attributes: str | None
    excluded: str | None


def _search(body: dict[str, Any]) -> _Search:
    asked: SearchRequest[Any] = SearchRequest.model_validate(body, scim_ctx=Context.SEARCH_REQUEST, scim_policy=LENIENT)
    count = _DEFAULT_COUNT if asked.count is None else asked.count
    attributes, excluded = (
        ",".join(str(path) for path in paths) if paths else None
        for paths in (asked.attributes, asked.excluded_attributes)
    )
    wanted = None if asked.filter is None else str(asked.filter)
    return _Search(wanted, asked.start_index or 1, count, attributes, excluded)


def _shape(kind: Any, attributes: str | None, excluded: str | None) -> ResponseParameters[Any]:
    """Which attributes a directory wants to see.

    Raises:
        InvalidValueException: both lists at once, or a name that is no path.
    """
    if attributes and excluded:
        raise InvalidValueException(detail="attributes and excludedAttributes exclude each other")
    parameters: Any = ResponseParameters.__class_getitem__(kind)  # the index of a generic is a type to the checker
    found: ResponseParameters[Any] = parameters.model_validate(
        {"attributes": attributes or None, "excludedAttributes": excluded or None}, scim_policy=LENIENT
    )
    return found


def _wants_members(shape: ResponseParameters[Any]) -> bool:
    left_out = {str(path).casefold() for path in shape.excluded_attributes or []}
    asked = [str(path).casefold() for path in shape.attributes or []]
    return "members" not in left_out and (not asked or any("member" in path for path in asked))


def _named(listed: Any, name: str) -> Any:
    found = next((item for item in listed if str(item.id).casefold() == name.casefold()), None)
    if found is None:
        raise NotFoundException(detail="there is no such description")
    return found


def _located(request: Request, resource: Resource[Any]) -> None:
    """Write into a user or group under which address it is found."""
    home = f"{base_url(request)}{PREFIX}"
    for member in getattr(resource, "members", None) or []:
        member.ref = f"{home}/{member.type}s/{member.value}"
    if isinstance(resource, Person | Group) and resource.meta is not None:
        resource.meta.location = f"{home}/{resource.meta.resource_type}s/{resource.id}"


def _dump(resource: Any, context: Context, shape: ResponseParameters[Any] | None) -> dict[str, Any]:
    wanted = {} if shape is None else {"response_parameters": shape}
    found: dict[str, Any] = resource.model_dump(scim_ctx=context, **wanted)
    return found


def _shown(
    request: Request,
    resource: Any,
    place: str = "",
    *,
    status: int = 200,
    context: Context = Context.RESOURCE_QUERY_RESPONSE,
    shape: ResponseParameters[Any] | None = None,
) -> Response:
    _located(request, resource)
    headers = {"Cache-Control": "no-store"}
    if place:
        headers["Content-Location"] = f"{base_url(request)}{PREFIX}/{place}"
    elif resource.meta is not None and resource.meta.location is not None:
        headers["Location"] = str(resource.meta.location)
    return JSONResponse(_dump(resource, context, shape), status, headers, media_type=MEDIA_TYPE)


def _listed(
    request: Request,
    kind: Any,
    resources: list[Any],
    total: int,
    start: int,
    shape: ResponseParameters[Any] | None = None,
) -> Response:
    for resource in resources:
        _located(request, resource)
    response: Any = ListResponse.__class_getitem__(kind)
    page = response(
        total_results=total, start_index=start, items_per_page=len(resources), resources=resources[:MAX_RESULTS]
    )
    body = _dump(page, Context.RESOURCE_QUERY_RESPONSE, shape)
    return JSONResponse(body, 200, {"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)


def _told(request: Request, error: Error) -> Response:
    language = language_of(request)
    headers = {"Cache-Control": "no-store", "Content-Language": language}
    body = told_in(error, language).model_dump()
    return JSONResponse(body, error.status or 400, headers, media_type=MEDIA_TYPE)
