"""Personal data from upload to answer: what is counted, hidden, held back and released, and for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from ingest.pipeline import privacy
from ingest.pipeline.steps import Pipeline
from rag.domain.principal import Scope
from rag.store import chunk as chunks_table
from rag.store import collection as collections_table
from rag.store.code_symbol import CodeSymbol
from rag.store.tenant import Tenant
from rag.store.version import DocumentVersion
from tests.conftest import new_database
from tests.support.running import Caller, Running, running, settings_for

NUMBER = "900101-1234567"
SHOWN = "900101-1******"
MOBILE = "010-2345-6789"
KEY = "AKIAIOSFODNN7EXAMPLQ"
TEXT = f"""# 고객 상담 기록

상담 고객 김민수의 주민등록번호는 {NUMBER}이고 연락처는 {MOBILE}이다. 상담 내용은 대출 연장이다.
"""


@dataclass
class People:
    """A collection's admin, and somebody who may only read it."""

    admin: Caller
    viewer: Caller
    collection: str

    def policy(self, **policy: Any) -> None:
        """Change what is done about personal data."""
        response = self.admin.request("PATCH", f"/api/v1/collections/{self.collection}", json={"privacy": policy})
        assert response.status_code == 200, response.text


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service without a dense model: what the lexical leg must not see, no other may either (`for_index`)."""
    overrides: dict[str, Any] = {"rag": {"embedding": {"dense": "none"}}}
    if request.param == "postgres":
        cluster = request.getfixturevalue("postgres_cluster")
        overrides["rag"]["store"] = {"url": new_database(cluster)}
        overrides["ingest"] = {"queue_database_url": new_database(cluster)}
    with running(settings_for(tmp_path_factory.mktemp("service"), overrides)) as started:
        yield started


@pytest.fixture
def people(service: Running) -> Callable[..., People]:
    def make(kind: str = "documents", **policy: Any) -> People:
        tenant = f"t-{uuid4().hex[:8]}"
        admin = service.caller(tenant=tenant)
        made = People(admin, service.caller(Scope.READ, tenant=tenant), admin.collection(kind=kind))
        if policy:
            made.policy(**policy)
        return made

    return make


def settled(service: Running) -> None:
    """Let every version be looked through as its collection's policy wants it now."""
    while privacy.settle(service.services.ingest.pipeline):
        pass


def everything_that(caller: Caller, document_id: str) -> str:
    """All texts of a document that a caller can get hold of, as one."""
    found = caller.post("/api/v1/search", json={"question": "상담 고객의 번호는?", "explain": True})
    chunks = [item["chunk_id"] for item in found.json()["passages"]]
    answered = caller.post("/api/v1/answers", json={"question": "상담 고객 김민수의 주민등록번호는 무엇인가?"})
    streamed = caller.post("/api/v1/answers", json={"question": "김민수의 연락처는 무엇인가?", "stream": True})
    chat = {"model": "rag/auto", "messages": [{"role": "user", "content": "상담 고객 김민수의 연락처는?"}]}
    others = [caller.get(f"/api/v1/chunks/{chunk_id}") for chunk_id in chunks]
    others += [caller.get(f"/api/v1/documents/{document_id}"), caller.post("/v1/chat/completions", json=chat)]
    return "\n".join(item.text for item in (found, answered, streamed, *others))


def test_by_default_personal_data_is_counted_and_shown(people: Callable[..., People]) -> None:
    someone = people()
    [document] = someone.admin.ingest(someone.collection, {"상담.md": TEXT})
    assert document["version"]["personal_data"] == {
        "counts": {"phone": 1, "resident_number": 1},
        "released": None,
    }
    assert NUMBER in someone.viewer.search("상담 고객의 주민등록번호")[0]["text"]
    assert someone.viewer.get(f"/api/v1/documents/{document['id']}/content").status_code == 200


def test_what_is_masked_reaches_nobody_below_the_role(people: Callable[..., People]) -> None:
    someone = people(kinds={"resident_number": "mask", "phone": "mask"})
    files = {"상담.md": TEXT, f"김민수_{NUMBER}.md": "# 상담 접수\n\n상담 고객의 접수 내용이다.\n"}
    documents = someone.admin.ingest(someone.collection, files)
    [document] = [item for item in documents if item["source_key"] == "상담.md"]
    seen = everything_that(someone.viewer, document["id"])
    assert SHOWN in seen and "010-****-6789" in seen
    for hidden in (NUMBER, MOBILE, "1234567", "2345-6789"):
        assert hidden not in seen, seen[seen.find(hidden) - 300 : seen.find(hidden) + 40]
    raw = everything_that(someone.admin, document["id"])
    assert NUMBER in raw and MOBILE in raw
    listed = someone.viewer.get(f"/api/v1/collections/{someone.collection}/documents").text
    assert NUMBER not in listed and f"김민수_{SHOWN}.md" in listed


def test_no_error_tells_a_name_that_is_hidden(people: Callable[..., People], service: Running) -> None:
    someone = people(kinds={"resident_number": "mask"})
    documents = someone.admin.ingest(someone.collection, {f"{NUMBER}.pdf": b"%PDF-1.4 cut off", f"{NUMBER}.md": TEXT})
    states = {item["source_key"]: item for item in documents}
    failed, good = states[f"{NUMBER}.pdf"], states[f"{NUMBER}.md"]
    assert failed["version"]["state"] == "failed" and NUMBER in failed["version"]["failure"]["message"]
    store = f"vs_{UUID(good['collection_id']).hex}"
    listed = someone.viewer.get(f"/v1/vector_stores/{store}/files", params={"filter": "failed"}).text
    assert NUMBER not in listed and f"{SHOWN}.pdf" in listed
    principal = service.services.rag.authenticate(someone.admin.headers["Authorization"].split()[1])
    with service.services.rag.database.read() as session:
        tenant = session.get_one(Tenant, principal.tenant_id).name
    writer = service.caller(Scope.WRITE, tenant=tenant)
    for deed in ("retry", "cancel"):
        refused = writer.post(f"/api/v1/documents/{good['id']}/{deed}")
        assert refused.status_code == 409
        assert NUMBER not in refused.text and f"{SHOWN}.md" in refused.text


def test_masking_moves_neither_offsets_nor_anchors(people: Callable[..., People]) -> None:
    someone = people(default="mask")
    someone.admin.ingest(someone.collection, {"상담.md": TEXT})
    question = "상담 고객의 주민등록번호"
    [shown], [raw] = someone.viewer.search(question), someone.admin.search(question)
    assert len(shown["text"]) == len(raw["text"]) and shown["text"] != raw["text"]
    assert shown["anchor"] == raw["anchor"]


def test_the_index_knows_nothing_of_what_is_masked(people: Callable[..., People], service: Running) -> None:
    someone = people(default="mask")
    [document] = someone.admin.ingest(someone.collection, {"상담.md": TEXT})
    live = service.services.rag.spaces.current
    with service.services.rag.database.read() as session:
        version_id = UUID(document["version"]["id"])
        raw, indexed = chunks_table.of_version(session, version_id), chunks_table.for_index(session, version_id)
    assert NUMBER in raw[0].text and SHOWN in indexed[0].text
    terms = {chunk.id: live.space.embed_chunks([chunk])[0].sparse for chunk in (*raw, *indexed)}
    only_raw = set(live.space.embed_chunks(raw)[0].sparse.indices) - set(terms[indexed[0].id].indices)
    assert only_raw, "the number has terms of its own"
    stored = privacy_vectors(service, version_id)
    assert not only_raw & set(stored.indices)
    assert set(stored.indices) == set(live.space.embed_chunks(indexed)[0].sparse.indices)


def privacy_vectors(service: Running, version_id: UUID) -> Any:
    from ingest.pipeline import points

    pipeline = service.services.ingest.pipeline
    stored = points.stored_vectors(pipeline.blobs, pipeline.targets()[0], version_id)
    assert stored is not None
    return stored[0].sparse


def test_a_changed_policy_holds_from_the_next_question_and_then_in_the_index(
    people: Callable[..., People], service: Running
) -> None:
    someone = people()
    [document] = someone.admin.ingest(someone.collection, {"상담.md": TEXT})
    before = privacy_vectors(service, UUID(document["version"]["id"]))
    someone.policy(default="mask")
    assert SHOWN in someone.viewer.search("상담 고객")[0]["text"]
    settled(service)
    after = privacy_vectors(service, UUID(document["version"]["id"]))
    assert set(after.indices) < set(before.indices) or set(before.indices) - set(after.indices)
    assert SHOWN in someone.viewer.search("상담 고객")[0]["text"]
    someone.policy()
    assert NUMBER in someone.viewer.search("상담 고객")[0]["text"]
    settled(service)
    assert set(privacy_vectors(service, UUID(document["version"]["id"])).indices) == set(before.indices)


def unsettled(people: Callable[..., People], service: Running) -> list[UUID]:
    """Versions of a collection that all have to be looked through again."""
    someone = people()
    names = ("하나.md", "둘.md", "셋.md")
    documents = someone.admin.ingest(someone.collection, {name: f"{TEXT}\n{name}\n" for name in names})
    settled(service)
    someone.policy(default="mask")
    return [UUID(item["version"]["id"]) for item in documents]


def test_a_look_ends_when_its_time_is_up(people: Callable[..., People], service: Running) -> None:
    versions = unsettled(people, service)
    pipeline, ticks = service.services.ingest.pipeline, iter(range(100))
    assert privacy.settle(pipeline, 2, lambda: float(next(ticks))) == 2
    assert privacy.settle(pipeline, 0) == len(versions) - 2
    assert privacy.settle(pipeline, 0) == 0


def test_a_version_that_cannot_be_looked_through_keeps_no_other_waiting(
    people: Callable[..., People], service: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    versions = unsettled(people, service)
    look_again = privacy._look_again

    def broken(pipeline: Pipeline, version: DocumentVersion) -> None:
        if version.id == min(versions):
            raise ZeroDivisionError
        look_again(pipeline, version)

    pipeline = service.services.ingest.pipeline
    with monkeypatch.context() as patched:
        patched.setattr(privacy, "_look_again", broken)
        assert (privacy.settle(pipeline), privacy.settle(pipeline)) == (2, 0)
    assert str(min(versions)) in caplog.text
    assert privacy.settle(pipeline) == 1


def test_a_collection_that_another_process_is_at_is_left_to_it(
    people: Callable[..., People], service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = unsettled(people, service)
    pipeline = service.services.ingest.pipeline
    with monkeypatch.context() as patched:
        patched.setattr(collections_table, "claim_settling", lambda session, collection_id: False)
        assert privacy.settle(pipeline) == 0
    assert privacy.settle(pipeline) == len(versions)


def test_vectors_of_a_masked_version_are_not_taken_over_for_a_raw_one(
    people: Callable[..., People], service: Running
) -> None:
    someone = people(default="mask")
    [first] = someone.admin.ingest(someone.collection, {"상담.md": TEXT})
    masked = privacy_vectors(service, UUID(first["version"]["id"]))
    other = someone.admin.collection()
    [second] = someone.admin.ingest(other, {"상담.md": TEXT})
    assert first["version"]["content_hash"] == second["version"]["content_hash"], "or nothing could be taken over"
    assert privacy_vectors(service, UUID(second["version"]["id"])).indices != masked.indices


def test_a_document_that_nobody_looked_through_is_hidden_all_the_same(
    people: Callable[..., People], service: Running
) -> None:
    """As one that was stored by a release without any detection."""
    someone = people()
    [document] = someone.admin.ingest(someone.collection, {"상담.md": TEXT})
    with service.services.rag.database.write() as session:
        row = session.get_one(DocumentVersion, UUID(document["version"]["id"]))
        row.personal_data = row.privacy_key = None
    someone.policy(default="mask")
    assert NUMBER not in someone.viewer.search("상담 고객")[0]["text"]
    assert someone.viewer.get(f"/api/v1/documents/{document['id']}/content").status_code == 403


def test_the_original_takes_the_role(people: Callable[..., People]) -> None:
    someone = people(kinds={"resident_number": "mask"})
    documents = someone.admin.ingest(someone.collection, {"상담.md": TEXT, "안내.md": "# 안내\n\n영업시간 안내이다.\n"})
    by_name = {item["source_key"]: f"/api/v1/documents/{item['id']}/content" for item in documents}
    refused = someone.viewer.get(by_name["상담.md"])
    assert (refused.status_code, refused.json()["code"]) == (403, "personal_data_hidden")
    assert someone.viewer.get(by_name["안내.md"]).status_code == 200
    assert NUMBER in someone.admin.get(by_name["상담.md"]).text


def test_a_blocked_document_waits_for_a_curator(people: Callable[..., People]) -> None:
    someone = people(kinds={"resident_number": "block"})
    [document] = someone.admin.ingest(someone.collection, {"상담.md": TEXT})
    version = document["version"]
    assert (version["state"], version["failure"]["code"]) == ("failed", "personal_data_blocked")
    assert "resident_number" in version["failure"]["message"] and NUMBER not in str(document)
    assert version["personal_data"]["counts"]["resident_number"] == 1
    assert someone.admin.search("상담 고객") == []
    path = f"/api/v1/documents/{document['id']}/release"
    writer = someone.admin.running.caller(Scope.WRITE, tenant=str(tenant_of(someone)))
    for other in (someone.viewer, writer):
        assert other.post(path, json={"reason": "확인함"}).status_code in (403, 404)
    assert someone.admin.post(path, json={"reason": " "}).status_code == 422
    response = someone.admin.post(path, json={"reason": "개인정보 보호책임자 승인 2026-11"})
    assert response.status_code == 202, response.text
    [released] = someone.admin.wait([document["id"]])
    assert released["version"]["state"] == "active" and released["searchable"]
    assert released["version"]["personal_data"]["released"]["reason"] == "개인정보 보호책임자 승인 2026-11"
    assert SHOWN in someone.viewer.search("상담 고객")[0]["text"]
    assert someone.admin.post(path, json={"reason": "또"}).json()["code"] == "nothing_to_release"


def tenant_of(someone: People) -> str:
    """The name of the tenant, which keys are made for."""
    from rag.store.tenant import Tenant

    rag = someone.admin.running.services.rag
    principal = rag.authenticate(someone.admin.headers["Authorization"].removeprefix("Bearer "))
    with rag.database.read() as session:
        return session.get_one(Tenant, principal.tenant_id).name


def test_blocking_takes_what_is_searchable_away_at_once(people: Callable[..., People], service: Running) -> None:
    someone = people()
    [document] = someone.admin.ingest(someone.collection, {"상담.md": TEXT})
    assert someone.admin.search("상담 고객")
    someone.policy(kinds={"resident_number": "block"})
    assert someone.admin.search("상담 고객") == []
    shown = someone.admin.get(f"/api/v1/documents/{document['id']}").json()
    assert (shown["searchable"], shown["held_back_for"]) == (False, ["resident_number"])
    settled(service)
    assert someone.admin.search("상담 고객") == []
    someone.admin.post(f"/api/v1/documents/{document['id']}/release", json={"reason": "승인"})
    assert SHOWN in someone.viewer.search("상담 고객")[0]["text"]


def test_patterns_of_a_collection_are_found_and_checked(people: Callable[..., People], service: Running) -> None:
    someone = people()
    someone.admin.ingest(someone.collection, {"계약.md": "# 계약\n\n계약 KB-2024-000123 건의 담당은 여신부이다.\n"})
    someone.policy(
        kinds={"custom:contract_id": "mask"}, patterns=[{"name": "contract_id", "pattern": r"KB-\d{4}-\d{6}"}]
    )
    assert "KB-2024-000123" not in someone.viewer.search("계약 건의 담당")[0]["text"]
    settled(service)
    assert "**-****-******" in someone.viewer.search("계약 건의 담당")[0]["text"]
    address = f"/api/v1/collections/{someone.collection}"
    for bad in (r"(?=a)b", r"(a)\1", "[", "a*"):
        body = {"privacy": {"patterns": [{"name": "x", "pattern": bad}]}}
        response = someone.admin.request("PATCH", address, json=body)
        assert response.status_code == 422, (bad, response.text)
    assert (
        someone.admin.request("PATCH", address, json={"privacy": {"kinds": {"shoe_size": "mask"}}}).status_code == 422
    )
    assert someone.viewer.request("PATCH", address, json={"privacy": {"default": "allow"}}).status_code == 403


def test_secrets_in_programs_are_hidden(people: Callable[..., People]) -> None:
    someone = people(kind="code", default="mask")
    source = (
        f'"""Settings of the transfer gateway."""\n\nAWS_KEY = "{KEY}"\n'
        'DB = "postgresql://gateway:Tr4nsf3r!9@db.internal:5432/gw"\npassword = "hunter2-internal"\n'
        "def transfer_limit() -> int:\n    return 5000000\n"
    )
    [document] = someone.admin.ingest(someone.collection, {"gateway.py": source})
    assert document["version"]["personal_data"]["counts"] == {"cloud_key": 1, "credentials": 1, "secret": 1}
    seen = "\n".join(item["text"] for item in someone.viewer.search("settings of the transfer gateway AWS_KEY"))
    assert "AWS_KEY" in seen and "db.internal" in seen
    for secret in (KEY, "Tr4nsf3r", "hunter2"):
        assert secret not in seen


def test_a_policy_that_masks_later_takes_the_words_of_definitions_back(
    people: Callable[..., People], service: Running
) -> None:
    """The documentation of a class stands with each piece of it, and in the symbol index: neither is a piece that is masked."""
    someone = people(kind="code", default="tag")
    body = "\n".join(f"    def step_{n}(self) -> int:\n        return {n} + self.base\n" for n in range(120))
    apart = 'def apart() -> int:\n    """별개."""\n    return 1\n'
    source = f'class Contact:\n    """담당자 {MOBILE}, {NUMBER}."""\n\n{body}\n\n{apart}'
    [document] = someone.admin.ingest(someone.collection, {"contact.py": source})
    version = UUID(document["version"]["id"])
    assert NUMBER in _words_on_record(service, version)[0] and NUMBER in _words_on_record(service, version)[1]
    someone.policy(default="mask")
    settled(service)
    contexts, symbols = _words_on_record(service, version)
    assert NUMBER not in contexts + symbols and MOBILE not in contexts + symbols
    assert "Contact" in symbols and "def apart() -> int" in symbols and "별개." in symbols
    shown = someone.viewer.get("/api/v1/code/symbols", params={"name": "Contact"})
    assert shown.json()["definitions"] and NUMBER not in shown.text


def test_names_of_the_symbol_index_are_masked_as_names_of_documents_are(people: Callable[..., People]) -> None:
    """A module, or a key of a file of settings, can be called by a number of somebody."""
    someone = people(kind="code", default="mask")
    pay = f'import {{ pay }} from "./people/{NUMBER}";\n\nexport function close() {{\n  return pay(3);\n}}\n'
    limits = f'{{"people": {{"{NUMBER}": {{"transferLimit": 5000000}}}}}}\n'
    someone.admin.ingest(someone.collection, {"close.ts": pay, "limits.json": limits})
    code = "/api/v1/code"
    used = someone.viewer.get(f"{code}/references", params={"name": "pay"})
    assert used.json()["uses"]
    told = [used.text]
    for name in ("transferLimit", NUMBER, "close"):
        told.append(someone.viewer.get(f"{code}/symbols", params={"name": name}).text)
        told.append(
            someone.viewer.get(f"{code}/references", params={"name": name}).text.replace(f'"name":"{NUMBER}"', "")
        )
    for body in (
        {"query": "transferLimit"},
        {"query": "transfer[A-Z]imit", "regex": True},
        {"symbol": "transferLimit"},
    ):
        told.append(someone.viewer.post(f"{code}/search", json=body).text)
    told.append(someone.viewer.post("/tools/search_code", json={"query": "transferLimit"}).text)
    told.append(someone.viewer.post(f"{code}/map", json={}).text)
    told.append(someone.viewer.post(f"{code}/pack", json={"task": "transferLimit"}).text)
    assert not [text for text in told if NUMBER in text]


def _words_on_record(service: Running, version_id: UUID) -> tuple[str, str]:
    """What the pieces of a version know of the definitions around them, and what the symbol index says of those."""
    with service.services.rag.database.read() as session:
        chunks = chunks_table.of_version(session, version_id)
        symbols = session.scalars(select(CodeSymbol).where(CodeSymbol.version_id == version_id)).all()
        told = [f"{item.name} {item.signature} {item.doc}" for item in symbols]
    return "\n".join(str(item.code) for item in chunks), "\n".join(told)


def test_a_vector_stores_text_is_masked_too(people: Callable[..., People]) -> None:
    someone = people(default="mask")
    someone.admin.ingest(someone.collection, {"상담.md": TEXT})
    [store] = [
        item for item in someone.viewer.get("/v1/vector_stores").json()["data"] if item["name"] == someone.collection
    ]
    files = someone.viewer.get(f"/v1/vector_stores/{store['id']}/files").json()["data"]
    for item in files:
        content = someone.viewer.get(f"/v1/vector_stores/{store['id']}/files/{item['id']}/content").text
        assert NUMBER not in content
        assert someone.viewer.get(f"/v1/files/{item['id']}/content").status_code == 403
    found = someone.viewer.post(f"/v1/vector_stores/{store['id']}/search", json={"query": "상담 고객"}).text
    assert NUMBER not in found and SHOWN in found
