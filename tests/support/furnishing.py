"""One of everything that has an id, for whoever aims at it: routes that must refuse it, pages that must show it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from api.session_cookie import PROOF_HEADER
from rag.access.federation_sessions import proof_of
from rag.domain.principal import Scope
from rag.store import program
from rag.store.program import Program, ProgramFile, ProgramState
from rag.store.repository import Repository
from tests.support.probing import Objects
from tests.support.running import Caller, Running

VAULT = "4711-ZULU"
"""What stands in the documents, and must not be read by anybody else."""
SCIM_USER, SCIM_GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{sort}" for sort in ("User", "Group"))


def secret_of(caller: Caller) -> str:
    """The key that a caller shows."""
    return caller.headers["Authorization"].split()[1]


def furnished(service: Running, owner: Caller, name: str) -> Objects:
    """One of everything, in a collection of its own."""
    known = documents(owner, name)
    collection, collection_id = known["collection"]
    [doomed] = owner.ingest(collection, {"vault-doomed.md": "# Vault\n\nNothing is written here.\n"}, timeout_s=300)
    receipt = owner.receipt(owner.delete(f"/api/v1/documents/{doomed['id']}").json()["id"])
    body = {"kind": "folder", "location": "/srv/vault"}
    source = owner.post(f"/api/v1/collections/{collection}/sources", json=body).json()
    known |= {
        "receipt": [receipt["id"]],
        "source": [source["id"]],
        "generation": [written_program(service, owner, collection_id)],
        "repository": [_repository(service, owner, f"{name}-code-{uuid4().hex[:8]}")],
        "space": [service.services.rag.spaces.current.id],
        **_people(owner, name),
    }
    known["session"] = [session_of(service, owner, known["account"][0]).id]
    return Objects(known, {sort: ids[0] for sort, ids in known.items()})


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser's session: its id, and what the browser sends with a request of a page of ours."""

    id: str
    headers: dict[str, str]


def session_of(service: Running, owner: Caller, account_id: str) -> SignedIn:
    """A new session of an account of the owner's tenant."""
    rag = service.services.rag
    tenant_id = rag.authenticate(secret_of(owner)).tenant_id
    principal = rag.identities.of_account(UUID(account_id), frozenset({Scope.READ}), tenant_id=tenant_id)
    cookie, row = rag.federation.sessions.begin(principal, "sso", f"u-{account_id}")
    site = "localhost:8080"  # one that no setting has to vouch for
    sent = {
        "Host": site,
        "Origin": f"http://{site}",
        "Cookie": f"seogo_session={cookie}",
        PROOF_HEADER: proof_of(cookie),
    }
    return SignedIn(str(row.id), sent)


def documents(owner: Caller, name: str) -> dict[str, list[str]]:
    """Two documents, an answer from one, and a file that is the other; each in a collection of its own."""
    text = f"# Vault\n\nThe vault code of the northern branch is {VAULT}, says {name}.\n"
    collection = owner.collection(f"{name}-{uuid4().hex[:8]}")
    [document] = owner.ingest(collection, {"vault.md": text}, timeout_s=300)
    found = owner.post("/api/v1/answers", json={"question": "What is the vault code?", "collections": [collection]})
    answer = found.json()
    chunk = owner.search("vault code northern branch", collections=[collection])[0]["chunk_id"]
    uploaded = owner.post(
        "/v1/files", files={"file": ("vault-file.md", text.encode())}, data={"purpose": "assistants"}
    ).json()
    store = owner.post("/v1/vector_stores", json={"name": f"{name}-store-{uuid4().hex[:8]}"}).json()
    batch = owner.post(f"/v1/vector_stores/{store['id']}/file_batches", json={"file_ids": [uploaded["id"]]}).json()
    placed = f"/v1/vector_stores/{store['id']}/files/{uploaded['id']}"
    until(lambda: owner.get(placed).json()["status"] == "completed")
    listed = owner.get(f"/api/v1/collections/{store['name']}/documents").json()["documents"]
    return {
        "collection": [collection, document["collection_id"]],
        "document": [document["id"], listed[0]["id"]],
        "chunk": [chunk],
        "answer": [answer["answer_id"]],
        "file": [uploaded["id"], f"file-{UUID(document['id']).hex}"],
        "store": [store["id"]],
        "batch": [batch["id"]],
    }


def _people(owner: Caller, name: str) -> dict[str, list[str]]:
    """An account, a group that it is in, a role of it, a key and a token; a user and a group that came by SCIM."""
    account = owner.post("/api/v1/accounts", json={"user_name": f"{name} keeper"}).json()["id"]
    group = owner.post("/api/v1/groups", json={"name": f"{name} keepers"}).json()["id"]
    owner.post(f"/api/v1/groups/{group}/members", json={"members": [account]})
    grant = owner.post("/api/v1/grants", json={"subject": f"user:{account}", "role": "viewer"}).json()["id"]
    key = owner.post("/api/v1/keys", json={"name": name, "scopes": ["read"]}).json()["id"]
    widget = owner.post("/api/v1/widget-tokens", json={}).json()["id"]
    pushed = owner.post("/scim/v2/Users", json={"schemas": [SCIM_USER], "userName": f"{name} guard"}).json()["id"]
    team = owner.post("/scim/v2/Groups", json={"schemas": [SCIM_GROUP], "displayName": f"{name} guards"}).json()["id"]
    return {
        "account": [account],
        "group": [group],
        "grant": [grant],
        "key": [key],
        "widget": [widget],
        "scim account": [pushed],
        "scim group": [team],
    }


def until(done: Any, timeout_s: float = 300.0) -> None:
    end = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def written_program(service: Running, owner: Caller, collection_id: str) -> str:
    """A program that was written for the owner, by its id."""
    rag = service.services.rag
    principal = rag.authenticate(secret_of(owner))
    row = Program(
        id=uuid4(), tenant_id=principal.tenant_id, key_id=principal.id, key_name="owner", title="vault 4711", language="en",
        spec_chars=1, state=ProgramState.DONE,
    )  # fmt: skip
    file = ProgramFile(
        program_id=row.id, ordinal=0, path="vault.py", sha256="0" * 64, size=5, language="python", verdict="ok"
    )
    with rag.database.write() as session:
        program.add(session, row, [UUID(collection_id)])
        session.add(file)
    rag.blobs.put_result(row.id, "file-00000", b"4711\n")
    return str(row.id)


def _repository(service: Running, owner: Caller, collection: str) -> str:
    """One that nobody looks at by itself: its remote is none that the settings allow. In a new collection, of code."""
    rag = service.services.rag
    collection_id = owner.get(f"/api/v1/collections/{owner.collection(collection, 'code')}").json()["id"]
    principal = rag.authenticate(secret_of(owner))
    row = Repository(
        id=uuid4(), tenant_id=principal.tenant_id, collection_id=UUID(collection_id), name="vault",
        url="https://git.vault.example/a.git", ref="", credential="", options={}, owner_id=principal.id,
    )  # fmt: skip
    with rag.database.write() as session:
        session.add(row)
    return str(row.id)
