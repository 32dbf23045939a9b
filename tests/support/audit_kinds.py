"""What every route is on the audit trail, written out by hand and held against the code and against the trail itself."""

from __future__ import annotations

UNRECORDED = "-"
KINDS = """
-
    GET /api/v1/me
    GET /api/v1/me/keys
    GET /api/v1/me/sessions
    GET /auth/session
    GET /v1/models
    GET /v1/models/{model:path}
    POST /mcp
account.changed
    PATCH /api/v1/accounts/{account_id}
    PATCH /scim/v2/Users/{user_id}
    PUT /scim/v2/Users/{user_id}
account.created
    POST /api/v1/accounts
    POST /scim/v2/Users
account.deleted
    DELETE /api/v1/accounts/{account_id}
    DELETE /scim/v2/Users/{user_id}
account.read
    GET /api/v1/accounts
    GET /api/v1/accounts/{account_id}
    GET /api/v1/groups
    GET /api/v1/groups/{group_id}
    GET /api/v1/groups/{group_id}/members
    GET /scim/v2/Groups
    GET /scim/v2/Groups/{group_id}
    GET /scim/v2/ResourceTypes
    GET /scim/v2/ResourceTypes/{name}
    GET /scim/v2/Schemas
    GET /scim/v2/Schemas/{name}
    GET /scim/v2/ServiceProviderConfig
    GET /scim/v2/Users
    GET /scim/v2/Users/{user_id}
    POST /scim/v2/.search
    POST /scim/v2/Groups/.search
    POST /scim/v2/Users/.search
answer.rated
    POST /api/v1/answers/{answer}/feedback
answer.replayed
    GET /api/v1/answers/{answer}/replay
audit.read
    GET /api/v1/audit/events
audit.verified
    GET /api/v1/audit/verification
authentication.session_ended
    DELETE /api/v1/me/sessions/{session_id}
authentication.signed_out
    POST /auth/{provider}/logout
collection.changed
    PATCH /api/v1/collections/{name}
    POST /v1/vector_stores/{store_id}
collection.created
    POST /api/v1/collections
    POST /v1/vector_stores
collection.deleted
    DELETE /api/v1/collections/{name}
    DELETE /v1/vector_stores/{store_id}
collection.listed
    GET /api/v1/collections
    GET /v1/vector_stores
    POST /tools/list_knowledge_bases
collection.read
    GET /api/v1/collections/{name}
    GET /api/v1/collections/{name}/retention
    GET /v1/vector_stores/{store_id}
credential.changed
    PATCH /api/v1/keys/{key_id}
    PATCH /api/v1/me/keys/{key_id}
credential.created
    POST /api/v1/keys
    POST /api/v1/me/keys
    POST /api/v1/widget-tokens
credential.listed
    GET /api/v1/keys
    GET /api/v1/keys/{key_id}
    GET /api/v1/widget-tokens
credential.revoked
    DELETE /api/v1/keys/{key_id}
    DELETE /api/v1/me/keys/{key_id}
    DELETE /api/v1/widget-tokens/{token_id}
credential.rotated
    POST /api/v1/keys/{key_id}/rotate
    POST /api/v1/me/keys/{key_id}/rotate
document.changed
    PATCH /api/v1/documents/{document_id}
    POST /v1/vector_stores/{store_id}/files/{file_id}
document.deleted
    DELETE /api/v1/documents/{document_id}
    DELETE /v1/files/{file_id}
    DELETE /v1/vector_stores/{store_id}/files/{file_id}
document.downloaded
    GET /api/v1/documents/{document_id}/content
    GET /v1/files/{file_id}/content
document.listed
    GET /api/v1/collections/{name}/documents
    GET /api/v1/collections/{name}/sources
    GET /api/v1/repositories/{repository_id}/files
    GET /api/v1/sources/{source_id}/items
    GET /v1/files
    GET /v1/vector_stores/{store_id}/files
    POST /api/v1/documents/status
    POST /api/v1/sources/{source_id}/items/known
document.previewed
    GET /api/v1/chunks/{chunk_id}
    GET /api/v1/repositories/{repository_id}/commits/{commit}
    GET /api/v1/repositories/{repository_id}/files/{path:path}
document.read
    GET /api/v1/documents/{document_id}
    GET /api/v1/documents/{document_id}/versions
    GET /api/v1/repositories/{repository_id}/changes
    GET /v1/files/{file_id}
    GET /v1/vector_stores/{store_id}/file_batches/{batch_id}
    GET /v1/vector_stores/{store_id}/file_batches/{batch_id}/files
    GET /v1/vector_stores/{store_id}/files/{file_id}
    GET /v1/vector_stores/{store_id}/files/{file_id}/content
    POST /tools/fetch
document.receipt_read
    GET /api/v1/receipts
    GET /api/v1/receipts/{receipt_id}
document.reviewed
    POST /api/v1/documents/{document_id}/release
    POST /api/v1/documents/{document_id}/review
document.uploaded
    POST /api/v1/collections/{name}/documents
    POST /api/v1/collections/{name}/snapshots
    POST /v1/files
    POST /v1/vector_stores/{store_id}/file_batches
    POST /v1/vector_stores/{store_id}/files
export.feedback
    GET /api/v1/feedback
glossary.changed
    DELETE /api/v1/collections/{name}/glossary
    PUT /api/v1/collections/{name}/glossary
    PUT /api/v1/collections/{name}/glossary/csv
glossary.read
    GET /api/v1/collections/{name}/glossary
group.changed
    DELETE /api/v1/groups/{group_id}/members/{member_id}
    PATCH /api/v1/groups/{group_id}
    PATCH /scim/v2/Groups/{group_id}
    POST /api/v1/groups
    POST /api/v1/groups/{group_id}/members
    POST /scim/v2/Groups
    PUT /api/v1/groups/{group_id}/members
    PUT /scim/v2/Groups/{group_id}
group.deleted
    DELETE /api/v1/groups/{group_id}
    DELETE /scim/v2/Groups/{group_id}
ingestion.controlled
    POST /api/v1/collections/{name}/ingestion/cancel
    POST /api/v1/collections/{name}/ingestion/pause
    POST /api/v1/collections/{name}/ingestion/resume
    POST /api/v1/collections/{name}/ingestion/retry
    POST /api/v1/documents/{document_id}/cancel
    POST /api/v1/documents/{document_id}/retry
    POST /api/v1/ingestion/pause
    POST /api/v1/ingestion/resume
    POST /v1/vector_stores/{store_id}/file_batches/{batch_id}/cancel
ingestion.watched
    GET /api/v1/collections/{name}/ingestion
    GET /api/v1/collections/{name}/ingestion/events
    GET /api/v1/ingestion
model.used
    POST /rerank
    POST /score
    POST /v1/embeddings
    POST /v1/rerank
    POST /v1/score
permission.read
    GET /api/v1/collections/{name}/access
    GET /api/v1/documents/{document_id}/access
    GET /api/v1/documents/{document_id}/access/explain
    GET /api/v1/grants
permission.role_granted
    POST /api/v1/grants
permission.role_revoked
    DELETE /api/v1/grants/{grant_id}
permission.rule_changed
    POST /api/v1/collections/{name}/documents/access
    PUT /api/v1/collections/{name}/access
    PUT /api/v1/documents/{document_id}/access
program.read
    GET /api/v1/generations
    GET /api/v1/generations/{generation_id}
    GET /api/v1/generations/{generation_id}/archive
    GET /api/v1/generations/{generation_id}/files/{path:path}
    GET /api/v1/generations/{generation_id}/manifest
program.written
    DELETE /api/v1/generations/{generation_id}
    POST /api/v1/generations
    POST /api/v1/generations/{generation_id}/cancel
question.asked
    POST /api/v1/answers
    POST /tools/ask
    POST /v1/chat/completions
    POST /v1/responses
question.searched
    GET /api/v1/code/references
    GET /api/v1/code/symbols
    GET /api/v1/search
    POST /api/v1/admin/spaces/{space_id}/comparison
    POST /api/v1/code/map
    POST /api/v1/code/pack
    POST /api/v1/code/search
    POST /api/v1/search
    POST /continue/context
    POST /dify/retrieval
    POST /tools/search
    POST /tools/search_code
    POST /v1/vector_stores/{store_id}/search
repository.added
    POST /api/v1/repositories
repository.changed
    PATCH /api/v1/repositories/{repository_id}
repository.deleted
    DELETE /api/v1/repositories/{repository_id}
repository.read
    GET /api/v1/repositories
    GET /api/v1/repositories/{repository_id}
repository.synced
    POST /api/v1/repositories/{repository_id}/sync
setting.read
    GET /api/v1/admin/spaces
    GET /api/v1/admin/spaces/{space_id}
setting.space_changed
    DELETE /api/v1/admin/spaces/{space_id}
    POST /api/v1/admin/spaces
    POST /api/v1/admin/spaces/rollback
    POST /api/v1/admin/spaces/{space_id}/switch
source.synced
    POST /api/v1/collections/{name}/sources
    POST /api/v1/sources/{source_id}/items/delete
    PUT /api/v1/sources/{source_id}/items
"""
"""Kinds, and below each the routes whose deeds it is; `-` where a request that is allowed leaves no entry."""


def written() -> dict[str, str]:
    """Kind by method and path."""
    found, kind = {}, ""
    for line in KINDS.strip().splitlines():
        if line.startswith("    "):
            found[line.strip()] = kind
        else:
            kind = line
    return found
