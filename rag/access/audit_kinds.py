"""What each action is on the audit trail. A test fails on an action that has no kind and no reason to have none."""

from __future__ import annotations

from rag.access.policy import Action
from rag.domain.audit import AuditKind

_READING_METHODS = ("GET", "HEAD")
KINDS: dict[Action, AuditKind] = {
    Action.LIST_COLLECTIONS: AuditKind.COLLECTIONS_LISTED,
    Action.READ_COLLECTION: AuditKind.COLLECTION_READ,
    Action.CREATE_COLLECTION: AuditKind.COLLECTION_CREATED,
    Action.CHANGE_COLLECTION: AuditKind.COLLECTION_CHANGED,
    Action.DELETE_COLLECTION: AuditKind.COLLECTION_DELETED,
    Action.READ_GLOSSARY: AuditKind.GLOSSARY_READ,
    Action.CHANGE_GLOSSARY: AuditKind.GLOSSARY_CHANGED,
    Action.READ_DOCUMENTS: AuditKind.DOCUMENT_READ,
    Action.UPLOAD_DOCUMENTS: AuditKind.DOCUMENT_UPLOADED,
    Action.CHANGE_DOCUMENTS: AuditKind.DOCUMENT_CHANGED,
    Action.DELETE_DOCUMENTS: AuditKind.DOCUMENT_DELETED,
    Action.READ_RECEIPTS: AuditKind.RECEIPT_READ,
    Action.SYNC_SOURCES: AuditKind.SOURCE_SYNCED,
    Action.CONTROL_INGESTION: AuditKind.INGESTION_CONTROLLED,
    Action.CONTROL_ALL_INGESTION: AuditKind.INGESTION_CONTROLLED,
    Action.SEARCH: AuditKind.SEARCHED,
    Action.READ_CODE: AuditKind.SEARCHED,
    Action.ASK: AuditKind.ASKED,
    Action.GIVE_FEEDBACK: AuditKind.ANSWER_RATED,
    Action.READ_FEEDBACK: AuditKind.FEEDBACK_EXPORTED,
    Action.READ_GENERATIONS: AuditKind.PROGRAM_READ,
    Action.WRITE_PROGRAMS: AuditKind.PROGRAM_WRITTEN,
    Action.USE_MODELS: AuditKind.MODEL_USED,
    Action.MANAGE_SPACES: AuditKind.SPACE_CHANGED,
    Action.READ_AUDIT: AuditKind.AUDIT_READ,
    Action.MANAGE_ACCESS: AuditKind.PERMISSION_CHANGED,
    Action.MANAGE_PEOPLE: AuditKind.ACCOUNT_CHANGED,
    Action.MANAGE_KEYS: AuditKind.CREDENTIAL_CREATED,
    Action.MANAGE_OWN_KEYS: AuditKind.CREDENTIAL_CREATED,
    Action.ISSUE_WIDGET_TOKENS: AuditKind.CREDENTIAL_CREATED,
    Action.MANAGE_ROLES: AuditKind.ROLE_GRANTED,
    Action.READ_CITED: AuditKind.DOCUMENT_PREVIEWED,
    Action.REVIEW_DOCUMENTS: AuditKind.DOCUMENT_REVIEWED,
}
UNRECORDED: dict[Action, str] = {
    Action.READ_OWN_IDENTITY: "what the caller's own credential says of it; no content, and nobody else's data",
    Action.LIST_MODELS: "names of models and collections that clients ask for at every start; no content of anybody",
}
"""Actions that leave no entry where they only read and are allowed, and why; where they are refused, they do."""

ROUTES: dict[tuple[str, str], AuditKind] = {
    ("GET", "/collections/{name}/documents"): AuditKind.DOCUMENTS_LISTED,
    ("POST", "/documents/status"): AuditKind.DOCUMENTS_LISTED,
    ("GET", "/documents/{document_id}/content"): AuditKind.DOCUMENT_DOWNLOADED,
    ("GET", "/ingestion"): AuditKind.INGESTION_WATCHED,
    ("GET", "/collections/{name}/ingestion"): AuditKind.INGESTION_WATCHED,
    ("GET", "/collections/{name}/ingestion/events"): AuditKind.INGESTION_WATCHED,
    ("GET", "/collections/{name}/retention"): AuditKind.COLLECTION_READ,
    ("GET", "/files"): AuditKind.DOCUMENTS_LISTED,
    ("GET", "/files/{file_id}/content"): AuditKind.DOCUMENT_DOWNLOADED,
    ("GET", "/vector_stores/{store_id}/files"): AuditKind.DOCUMENTS_LISTED,
    ("POST", "/sources/{source_id}/items/known"): AuditKind.DOCUMENTS_LISTED,
    ("POST", "/vector_stores/{store_id}/file_batches/{batch_id}/cancel"): AuditKind.INGESTION_CONTROLLED,
    ("GET", "/audit/verification"): AuditKind.AUDIT_VERIFIED,
    ("GET", "/answers/{answer}/replay"): AuditKind.ANSWER_REPLAYED,
    ("GET", "/feedback"): AuditKind.FEEDBACK_EXPORTED,
    ("POST", "/documents/{document_id}/release"): AuditKind.DOCUMENT_REVIEWED,
    ("PUT", "/documents/{document_id}/access"): AuditKind.RULE_CHANGED,
    ("PUT", "/collections/{name}/access"): AuditKind.RULE_CHANGED,
    ("POST", "/collections/{name}/documents/access"): AuditKind.RULE_CHANGED,
    ("POST", "/repositories"): AuditKind.REPOSITORY_ADDED,
    ("GET", "/repositories"): AuditKind.REPOSITORY_READ,
    ("GET", "/repositories/{repository_id}"): AuditKind.REPOSITORY_READ,
    ("GET", "/repositories/{repository_id}/files"): AuditKind.DOCUMENTS_LISTED,
    ("PATCH", "/repositories/{repository_id}"): AuditKind.REPOSITORY_CHANGED,
    ("DELETE", "/repositories/{repository_id}"): AuditKind.REPOSITORY_DELETED,
    ("POST", "/repositories/{repository_id}/sync"): AuditKind.REPOSITORY_SYNCED,
    ("POST", "/keys/{key_id}/rotate"): AuditKind.CREDENTIAL_ROTATED,
    ("POST", "/me/keys/{key_id}/rotate"): AuditKind.CREDENTIAL_ROTATED,
    ("POST", "/auth/{provider}/logout"): AuditKind.SIGNED_OUT,
    ("DELETE", "/me/sessions/{session_id}"): AuditKind.SESSION_ENDED,
    ("POST", "/admin/spaces/{space_id}/comparison"): AuditKind.SEARCHED,
    ("POST", "/groups"): AuditKind.GROUP_CHANGED,
    ("PATCH", "/groups/{group_id}"): AuditKind.GROUP_CHANGED,
    ("DELETE", "/groups/{group_id}"): AuditKind.GROUP_DELETED,
    ("PUT", "/groups/{group_id}/members"): AuditKind.GROUP_CHANGED,
    ("POST", "/groups/{group_id}/members"): AuditKind.GROUP_CHANGED,
    ("DELETE", "/groups/{group_id}/members/{member_id}"): AuditKind.GROUP_CHANGED,
    ("POST", "/scim/v2/.search"): AuditKind.ACCOUNT_READ,
    ("POST", "/scim/v2/Users/.search"): AuditKind.ACCOUNT_READ,
    ("POST", "/scim/v2/Groups/.search"): AuditKind.ACCOUNT_READ,
    ("POST", "/scim/v2/Groups"): AuditKind.GROUP_CHANGED,
    ("PUT", "/scim/v2/Groups/{group_id}"): AuditKind.GROUP_CHANGED,
    ("PATCH", "/scim/v2/Groups/{group_id}"): AuditKind.GROUP_CHANGED,
    ("DELETE", "/scim/v2/Groups/{group_id}"): AuditKind.GROUP_DELETED,
}
"""Routes whose deed has a kind of its own beside that of their action; paths without the prefix of their surface."""

METHODS: dict[tuple[Action, str], AuditKind] = {
    (Action.MANAGE_ACCESS, "GET"): AuditKind.PERMISSIONS_READ,
    (Action.MANAGE_PEOPLE, "GET"): AuditKind.ACCOUNT_READ,
    (Action.MANAGE_PEOPLE, "POST"): AuditKind.ACCOUNT_CREATED,
    (Action.MANAGE_PEOPLE, "DELETE"): AuditKind.ACCOUNT_DELETED,
    (Action.MANAGE_KEYS, "GET"): AuditKind.CREDENTIALS_LISTED,
    (Action.MANAGE_KEYS, "PATCH"): AuditKind.CREDENTIAL_CHANGED,
    (Action.MANAGE_KEYS, "DELETE"): AuditKind.CREDENTIAL_REVOKED,
    (Action.MANAGE_OWN_KEYS, "PATCH"): AuditKind.CREDENTIAL_CHANGED,
    (Action.MANAGE_OWN_KEYS, "DELETE"): AuditKind.CREDENTIAL_REVOKED,
    (Action.ISSUE_WIDGET_TOKENS, "GET"): AuditKind.CREDENTIALS_LISTED,
    (Action.ISSUE_WIDGET_TOKENS, "DELETE"): AuditKind.CREDENTIAL_REVOKED,
    (Action.MANAGE_ROLES, "GET"): AuditKind.PERMISSIONS_READ,
    (Action.MANAGE_ROLES, "DELETE"): AuditKind.ROLE_REVOKED,
    (Action.MANAGE_SPACES, "GET"): AuditKind.SETTING_READ,
    (Action.SYNC_SOURCES, "GET"): AuditKind.DOCUMENTS_LISTED,
}
"""Actions that are several deeds, told apart by the method."""

READING = frozenset(
    {
        Action.LIST_COLLECTIONS,
        Action.READ_COLLECTION,
        Action.READ_GLOSSARY,
        Action.READ_DOCUMENTS,
        Action.READ_RECEIPTS,
        Action.SEARCH,
        Action.READ_CODE,
        Action.ASK,
        Action.READ_FEEDBACK,
        Action.READ_GENERATIONS,
        Action.LIST_MODELS,
        Action.USE_MODELS,
        Action.READ_AUDIT,
        Action.READ_CITED,
    }
)
"""Actions that change nothing: they are on the trail before what was read goes out. Any other is on it before it begins, too."""


def kind_of(action: Action, method: str, path: str) -> AuditKind:
    """What a request by this route is on the trail."""
    route = (method, path.removeprefix("/api").removeprefix("/v1"))
    return ROUTES.get(route) or METHODS.get((action, method)) or KINDS.get(action, AuditKind.DENIED)


def unrecorded(action: Action, method: str) -> bool:
    """Whether a request that is allowed leaves no entry: it only reads, whatever its method."""
    return action in UNRECORDED and not changes(action, method)


def changes(action: Action, method: str) -> bool:
    """Whether a request changes something; whatever is not known to read only is held to."""
    return action not in READING and method not in _READING_METHODS
