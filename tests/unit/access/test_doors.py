"""Every route by which something of a document could be read is one that a test tries for whoever may not read it.

A new route fails here until it is in `tests/support/tenants.py` (`readings`, `code_readings`), or is said to be shown elsewhere,
or to tell nothing of documents, and why. Routes that change something are tried by `tests/integration/test_route_probes.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DESCRIPTION = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
ASKED_WITH = ("get", "post")

INTEGRATION = "tests/integration"
DOORS = {
    "POST /api/v1/search", "GET /api/v1/search", "POST /api/v1/answers", "GET /api/v1/chunks/{chunk_id}",
    "GET /api/v1/documents/{document_id}", "GET /api/v1/documents/{document_id}/content",
    "GET /api/v1/documents/{document_id}/versions", "POST /api/v1/documents/status",
    "GET /api/v1/collections", "GET /api/v1/collections/{name}", "GET /api/v1/collections/{name}/documents",
    "GET /api/v1/ingestion", "GET /api/v1/collections/{name}/ingestion", "GET /api/v1/collections/{name}/ingestion/events",
    "POST /v1/chat/completions", "POST /v1/responses", "GET /v1/files", "GET /v1/files/{file_id}",
    "GET /v1/files/{file_id}/content", "GET /v1/vector_stores/{store_id}", "GET /v1/vector_stores/{store_id}/files",
    "GET /v1/vector_stores/{store_id}/files/{file_id}/content", "POST /v1/vector_stores/{store_id}/search",
    "POST /dify/retrieval", "POST /continue/context",
    "POST /tools/search", "POST /tools/fetch", "POST /tools/ask", "POST /tools/list_knowledge_bases",
    "POST /tools/search_code", "POST /mcp",
    "POST /api/v1/code/search", "GET /api/v1/code/symbols", "GET /api/v1/code/references", "POST /api/v1/code/map",
    "POST /api/v1/code/pack",
}  # fmt: skip
"""Asked by `readings` and `code_readings`, whose source is looked at below."""
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "test_access.py::test_retention_shows_no_name_of_what_may_not_be_read": (
        "GET /api/v1/collections/{name}/retention",
    ),
    "test_access.py::test_receipts_name_no_document_that_may_not_be_read": (
        "GET /api/v1/receipts",
        "GET /api/v1/receipts/{receipt_id}",
    ),
    "test_access.py::test_an_admin_who_is_not_cleared_reads_no_quote_on_record": ("GET /api/v1/feedback",),
    "test_access.py::test_who_may_say_it": (
        "GET /api/v1/documents/{document_id}/access",
        "GET /api/v1/documents/{document_id}/access/explain",
    ),
    "test_access_stores.py::test_many_at_once_by_a_filter": ("POST /api/v1/collections/{name}/documents/access",),
    "test_access_stores.py::test_a_source_brings_rules": (
        "GET /api/v1/sources/{source_id}/items",
        "POST /api/v1/sources/{source_id}/items/delete",
    ),
    "test_access_stores.py::test_the_rule_of_a_collection_holds_for_clients_files_in_it": (
        "GET /v1/vector_stores/{store_id}/files/{file_id}",
    ),
    "test_access_stores.py::test_clients_files_are_as_closed_as_the_documents_that_they_are": (
        "GET /v1/vector_stores/{store_id}/file_batches/{batch_id}",
    ),
    "test_access_stores.py::test_a_program_is_read_by_who_may_read_all_that_it_was_written_from": (
        "GET /api/v1/generations",
        "GET /api/v1/generations/{generation_id}",
        "GET /api/v1/generations/{generation_id}/manifest",
        "GET /api/v1/generations/{generation_id}/archive",
        "GET /api/v1/generations/{generation_id}/files/{path}",
    ),
    "test_generations.py::test_what_is_hidden_from_some_readers_is_no_part_of_a_program": ("POST /api/v1/generations",),
    "test_repositories.py::test_readers_are_told_of_as_many_files_as_they_may_read": (
        "GET /api/v1/repositories",
        "GET /api/v1/repositories/{repository_id}",
    ),
    "test_repositories.py::test_a_list_of_files_tells_no_hidden_name_by_where_it_goes_on": (
        "GET /api/v1/repositories/{repository_id}/files",
    ),
    "test_repository_changes.py::test_changes_are_told_to_who_may_read_the_files": (
        "GET /api/v1/repositories/{repository_id}/files/{path}",
        "GET /api/v1/repositories/{repository_id}/changes",
        "GET /api/v1/repositories/{repository_id}/commits/{commit}",
    ),
    "test_audit.py::test_an_answer_is_replayed_bit_for_bit_until_something_changes": (
        "GET /api/v1/answers/{answer}/replay",
    ),
    "test_feedback.py::test_others_learn_nothing": ("POST /api/v1/answers/{answer}/feedback",),
}
"""Operations by the test that tries them."""
TELLS_NOTHING = {
    r"GET /api/v1/health/.*": "of the process alone",
    r"GET /api/v1/collections/\{name\}/glossary": "words that a curator wrote for the collection",
    r"(GET|POST) /api/v1/(accounts|groups|grants|keys|me|widget-tokens)(/.*)?": "people, rights and credentials",
    r"(GET|POST) /api/v1/admin/spaces(/.*)?": "numbers about the index as a whole, for the operator",
    r"GET /api/v1/audit/(events|verification)": "entries name documents by id, for whoever audits the whole tenant",
    r"GET /api/v1/collections/\{name\}/access": "a rule of the collection, for who keeps it",
    r"GET /v1/models(/.*)?": "names of models and collections",
    r"POST (/v1)?/(embeddings|rerank|score)": "texts that the caller brings",
    r"(GET|POST) /(auth|scim)/.*": "sign-in and directories",
    r"GET /v1/vector_stores": "the collections of the caller, each counted as in `GET /v1/vector_stores/{store_id}`",
    r"GET /api/v1/collections/\{name\}/sources": "sources of the collection, for who keeps them in step",
    r"GET /v1/vector_stores/\{store_id\}/file_batches/\{batch_id\}/files": "by the same function as the files of the store",
}
CHANGES = {
    r"POST /api/v1/collections": "made", r"POST /api/v1/collections/\{name\}/(documents|snapshots|sources)": "taken in",
    r"POST /api/v1/documents/\{document_id\}/(review|release|retry|cancel)": "answers with the one document, as it is read",
    r"POST /api/v1/(collections/\{name\}/)?ingestion/(pause|resume|retry|cancel)": "counts, as `GET …/ingestion`",
    r"POST /api/v1/sources/\{source_id\}/items/known": "which of the caller's own keys are unchanged",
    r"POST /api/v1/repositories(/\{repository_id\}/(sync|webhook))?": "a repository, as it is read",
    r"POST /api/v1/generations/\{generation_id\}/cancel": "a generation, as it is read",
    r"POST /v1/(files|vector_stores)": "taken in", r"POST /v1/vector_stores/\{store_id\}(/files(/\{file_id\})?)?": "put in",
    r"POST /v1/vector_stores/\{store_id\}/file_batches(/\{batch_id\}/cancel)?": "put in",
}  # fmt: skip
"""What changes something, and answers with no more than the routes above show."""


def operations() -> set[str]:
    return {
        f"{method.upper()} {path}"
        for path, methods in DESCRIPTION["paths"].items()
        for method in methods
        if method in ASKED_WITH
    }


def matched(known: Mapping[str, str]) -> set[str]:
    return {item for item in operations() for pattern in known if re.fullmatch(pattern, item)}


def test_every_route_that_could_tell_of_a_document_is_tried() -> None:
    elsewhere = {item for several in ELSEWHERE.values() for item in several}
    told = [DOORS, elsewhere, matched(TELLS_NOTHING), matched(CHANGES)]
    assert sorted(operations() - set().union(*told)) == [], "a route that nothing here knows"
    assert sorted(set().union(*told) - operations()) == [], "a route that is gone"
    for number, one in enumerate(told):
        for other in told[number + 1 :]:
            assert one & other == set(), "each stands in one place"
    for known in (TELLS_NOTHING, CHANGES):
        unused = [item for item in known if not any(re.fullmatch(item, one) for one in operations())]
        assert unused == []


def test_the_doors_are_those_that_the_readings_go_through() -> None:
    source = (ROOT / "tests" / "support" / "tenants.py").read_text(encoding="utf-8")
    body = source[source.index("def readings(") :]
    asked = {re.sub(r"\{[^{}]*\}", "{}", path.partition("?")[0]) for path in re.findall(r'"(/[a-z][^"]*)"', body)}
    asked = {re.sub(r"\{.*\}", "{}", item) if item.count("{") == 1 else item for item in asked}
    missing = [door for door in DOORS if re.sub(r"\{[^{}]*\}", "{}", door.split(" ")[1]) not in asked]
    assert missing == []


def test_what_is_shown_elsewhere_is() -> None:
    for place in ELSEWHERE:
        file, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / INTEGRATION / file).read_text(encoding="utf-8"), place
