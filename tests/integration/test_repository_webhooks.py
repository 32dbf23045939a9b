"""Webhooks of repositories: no key, but the signature of the repository's own secret; all that is refused looks the same."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.address_limit import AddressLimit
from rag.blobs.keyring import create_key_file
from rag.domain.errors import RateLimited
from rag.store.repository import Repository
from tests.support.git_repository import GitRepository
from tests.support.running import Running, running, settings_for

PUSH = {"ref": "refs/heads/main", "project": {"default_branch": "main"}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    folder = tmp_path_factory.mktemp("hooks")
    (folder / "git").mkdir()
    create_key_file(folder / "key")
    rag = {
        "repositories": {"roots": [str(folder / "git")], "poll_s": 0},
        "embedding": {"dense": "none"},
        "encryption": {"key_files": [folder / "key"]},
    }
    # Nobody works on the queue: what a webhook asks for stays to be seen.
    with running(settings_for(folder / "data", {"rag": rag}), listen=False) as started:
        yield started, folder / "git"


@pytest.fixture
def hooked(place: tuple[Running, Path]) -> dict[str, Any]:
    """A repository with a webhook, of which nobody wants a look."""
    service, root = place
    source = GitRepository.new(root / uuid4().hex[:8], {"a.py": "x = 1\n"})
    caller = service.caller()
    body = {"collection": caller.collection(kind="code"), "url": str(source.folder), "ref": "main", "webhook": True}
    added = caller.post("/api/v1/repositories", json=body).json()
    _forget_wish(service, added["repository"]["id"])
    return {
        "secret": added["webhook_secret"],
        "path": added["webhook_path"],
        "id": added["repository"]["id"],
        "caller": caller,
    }


def _forget_wish(service: Running, repository_id: str) -> None:
    with service.services.rag.database.write() as session:
        row = session.get_one(Repository, UUID(repository_id))
        row.wanted_at = None


def _wanted(service: Running, repository_id: str) -> bool:
    with service.services.rag.database.read() as session:
        return session.get_one(Repository, UUID(repository_id)).wanted_at is not None


def _signed(secret: str, body: bytes) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "push", "Content-Type": "application/json"}


def test_a_signed_push_asks_for_a_look(place: tuple[Running, Path], hooked: dict[str, Any]) -> None:
    service = place[0]
    body = json.dumps(PUSH).encode()
    taken = service.http.post(hooked["path"], content=body, headers=_signed(hooked["secret"], body))
    assert (taken.status_code, taken.json()) == (200, {"looked": True})
    assert _wanted(service, hooked["id"])
    _forget_wish(service, hooked["id"])
    gitlab = {"X-Gitlab-Token": hooked["secret"], "X-Gitlab-Event": "Push Hook", "Content-Type": "application/json"}
    assert service.http.post(hooked["path"], content=body, headers=gitlab).json() == {"looked": True}
    _forget_wish(service, hooked["id"])
    other = json.dumps(PUSH | {"ref": "refs/heads/feature"}).encode()
    assert service.http.post(hooked["path"], content=other, headers=_signed(hooked["secret"], other)).json() == {
        "looked": False
    }
    assert not _wanted(service, hooked["id"])


def test_an_issue_asks_for_a_look_where_issues_are_read(place: tuple[Running, Path], hooked: dict[str, Any]) -> None:
    service = place[0]
    headers = {"X-Gitlab-Token": hooked["secret"], "X-Gitlab-Event": "Issue Hook", "Content-Type": "application/json"}
    assert service.http.post(hooked["path"], content=b"{}", headers=headers).json() == {"looked": False}
    with service.services.rag.database.write() as session:
        row = session.get_one(Repository, UUID(hooked["id"]))
        row.options = {"history": {"api": "gitlab"}}
    assert service.http.post(hooked["path"], content=b"{}", headers=headers).json() == {"looked": True}
    assert _wanted(service, hooked["id"])
    _forget_wish(service, hooked["id"])


def test_what_is_not_signed_by_this_secret_is_refused_as_if_nothing_were_there(
    place: tuple[Running, Path], hooked: dict[str, Any]
) -> None:
    service = place[0]
    body = json.dumps(PUSH).encode()
    good = _signed(hooked["secret"], body)
    unhooked = hooked["caller"].request("PATCH", f"/api/v1/repositories/{hooked['id']}", json={"poll_s": 0})
    assert unhooked.json()["webhook_secret"] is None and hooked["secret"] not in unhooked.text
    _forget_wish(service, hooked["id"])
    tried = [
        (hooked["path"], {}, body),
        (hooked["path"], _signed("guess", body), body),
        (hooked["path"], good, body + b" "),
        (hooked["path"], {"X-Gitlab-Token": ""}, body),
        (f"/api/v1/repositories/{uuid4()}/webhook", good, body),
        ("/api/v1/repositories/none/webhook", good, body),
    ]
    answers = {}
    for path, headers, content in tried:
        refused = service.http.post(path, content=content, headers=headers)
        assert refused.status_code == 401, (path, refused.text)
        answers[refused.text] = True
    assert len(answers) == 1 and not _wanted(service, hooked["id"])
    address = f"/api/v1/repositories/{hooked['id']}"
    renewed = hooked["caller"].request("PATCH", address, json={"webhook": True}).json()["webhook_secret"]
    assert renewed and renewed != hooked["secret"]
    assert service.http.post(hooked["path"], content=body, headers=good).status_code == 401
    hooked["caller"].request("PATCH", address, json={"webhook": False})
    assert service.http.post(hooked["path"], content=body, headers=_signed(renewed, body)).status_code == 401


def test_the_secret_lies_sealed_and_what_can_not_be_opened_is_refused_like_a_guess(
    place: tuple[Running, Path], hooked: dict[str, Any]
) -> None:
    service, root = place
    rest = (path for path in root.parent.rglob("*") if path.is_file())
    assert not [path for path in rest if hooked["secret"].encode() in path.read_bytes()]
    body = json.dumps(PUSH).encode()

    def rung() -> tuple[int, str]:
        answer = service.http.post(hooked["path"], content=body, headers=_signed(hooked["secret"], body))
        return answer.status_code, answer.text

    assert rung()[0] == 200
    guessed = service.http.post(hooked["path"], content=body, headers=_signed("guess", body)).text
    with service.services.rag.database.write() as session:
        row = session.get_one(Repository, UUID(hooked["id"]))
        kept = row.webhook_secret
        row.webhook_secret = service.services.rag.secrets.sealed_webhook(uuid4(), hooked["secret"])
    assert rung() == (401, guessed), "sealed for another row"
    with service.services.rag.database.write() as session:
        row = session.get_one(Repository, UUID(hooked["id"]))
        row.webhook_secret = kept
    assert rung()[0] == 200


def test_a_large_body_and_a_flood_are_refused(place: tuple[Running, Path], hooked: dict[str, Any]) -> None:
    service = place[0]
    large = b"x" * ((1 << 20) + 1)
    refused = service.http.post(hooked["path"], content=large, headers=_signed(hooked["secret"], large))
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
    now = [0.0]
    limit = AddressLimit(3, "webhook", clock=lambda: now[0])
    for _ in range(3):
        limit.enter("10.0.0.1")
    with pytest.raises(RateLimited) as flooded:
        limit.enter("10.0.0.1")
    assert flooded.value.params["retry_after_s"] == 21
    limit.enter("10.0.0.2")
    now[0] = 21.0
    limit.enter("10.0.0.1")
    for host in range(3):
        limit.enter(f"2001:db8::{host}")
    with pytest.raises(RateLimited):  # the rest of such an address is the caller's to choose
        limit.enter("2001:db8::ffff")
    limit.enter("2001:db8:0:1::1")


def test_a_webhook_leaves_an_entry_in_the_tenants_trail(place: tuple[Running, Path], hooked: dict[str, Any]) -> None:
    service, caller = place[0], hooked["caller"]
    body = json.dumps(PUSH).encode()
    service.http.post(hooked["path"], content=body, headers=_signed(hooked["secret"], body))
    events = caller.get("/api/v1/audit/events").json()["events"]
    kinds = [item["kind"] for item in events]
    assert "repository.added" in kinds and "repository.synced" in kinds
    synced = next(item for item in events if item["kind"] == "repository.synced")
    with service.services.rag.database.read() as session:
        row = session.get_one(Repository, UUID(hooked["id"]))
    assert synced["whose"]["collections"] == [str(row.collection_id)]
    assert synced["detail"] == {"repository": hooked["id"]}
    assert synced["origin"]["ip"] and synced["origin"]["request_id"] and synced["origin"]["surface"] == "native"
