"""A service whose blobs are encrypted: documents go in, are answered from, leave and are gone; and the commands for its keys."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from api.cli.main import app
from rag.access.stored_secrets import StoredSecrets
from rag.blobs.keyring import create_key_file, read_keyring
from rag.blobs.store import BlobStore
from rag.bootstrap import open_database
from rag.domain.audit import AuditKind
from rag.store import checkpoints
from rag.store.audit_event import AuditRow
from rag.store.repository import Repository
from tests.support.busy_store import checkpoint_elsewhere
from tests.support.running import running, settings_for
from tests.support.stores import add_collection

RULE = "제24조(연차휴가) 연차휴가는 17일로 한다. "
HOOK = "a-secret-of-a-webhook-of-43-characters-------"
QUIET = {"rag": {"embedding": {"dense": "none"}}}


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


def test_documents_live_and_die_under_encryption(tmp_path: Path) -> None:
    key = tmp_path / "key"
    create_key_file(key)
    encrypted = {"rag": {**QUIET["rag"], "encryption": {"key_files": [key]}}}
    folder = tmp_path / "data"
    with running(settings_for(folder, encrypted)) as service:
        caller = service.caller()
        collection = caller.collection()
        [document] = caller.ingest(collection, {"취업규칙.txt": RULE * 50})
        assert document["version"]["state"] == "active", document
        assert "17일" in caller.search("연차휴가는 며칠인가요?")[0]["text"]
        path = f"/api/v1/documents/{document['id']}/content"
        assert caller.get(path).content.decode() == RULE * 50
        part = caller.get(path, headers={"Range": "bytes=3-8"})
        assert part.content == (RULE * 50).encode()[3:9]
        assert files(folder)
        assert not any("연차".encode() in path.read_bytes() for path in files(folder))
        receipt = caller.delete(f"/api/v1/documents/{document['id']}").json()
        caller.receipt(receipt["id"])
        assert files(folder) == []


def seogo(folder: Path, *arguments: str, keys: list[Path]) -> tuple[int, str]:
    config = folder / "seogo.yaml"
    named = "".join(f"\n      - {key}" for key in keys)
    config.write_text(
        f"rag:\n  data_dir: {folder / 'data'}\n" + (f"  encryption:\n    key_files:{named}\n" if keys else "")
    )
    result = CliRunner().invoke(app, ["--config", str(config), "keys-at-rest", *arguments])
    return result.exit_code, result.output


def test_the_commands_make_rotate_and_encrypt(tmp_path: Path) -> None:
    old, new = tmp_path / "old.key", tmp_path / "new.key"
    assert seogo(tmp_path, "new", str(old), keys=[])[0] == 0
    assert seogo(tmp_path, "new", str(new), keys=[])[0] == 0
    assert seogo(tmp_path, "new", str(new), keys=[])[0] != 0
    (tmp_path / "data").mkdir()
    BlobStore(settings_for(tmp_path / "data").rag.blob_url()).put_derived(UUID(int=1), "parsed.json", RULE.encode())
    assert seogo(tmp_path, "encrypt", keys=[])[0] != 0
    assert "encrypted   0" in seogo(tmp_path, "status", keys=[old])[1]
    hooked = _with_a_plain_webhook(tmp_path / "data")
    assert "webhook secrets, plain  1" in seogo(tmp_path, "status", keys=[old])[1]
    code, said = seogo(tmp_path, "encrypt", keys=[old])
    assert code == 0, said
    assert "1 -> " in said and said.splitlines()[1].startswith("1 -> ")
    shown = seogo(tmp_path, "status", keys=[old])[1]
    assert "plain       0" in shown and "webhook secrets, plain  0" in shown
    assert _webhook(tmp_path / "data", hooked, old) == HOOK
    assert seogo(tmp_path, "rotate", keys=[new])[0] != 0  # the old one is needed to open what it wrapped
    code, said = seogo(tmp_path, "rotate", keys=[new, old])
    assert code == 0, said
    assert [line[:2] for line in said.splitlines()] == ["1 ", "1 "]
    assert [line[:2] for line in seogo(tmp_path, "rotate", keys=[new])[1].splitlines()] == ["0 ", "0 "]
    assert _webhook(tmp_path / "data", hooked, new) == HOOK


def test_a_store_that_others_are_busy_with_is_said_once_all_is_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    create_key_file(key)
    settings = settings_for(tmp_path / "data").rag
    (tmp_path / "data").mkdir()
    assert seogo(tmp_path, "status", keys=[key])[0] == 0
    BlobStore(settings.blob_url()).put_derived(UUID(int=1), "parsed.json", RULE.encode())
    hooked = _with_a_plain_webhook(tmp_path / "data")
    monkeypatch.setattr(checkpoints, "TRIES", 2)
    monkeypatch.setenv("SEOGO_LANG", "ko")
    server = open_database(settings)
    try:
        server.ping()
        with checkpoint_elsewhere(server):
            code, said = seogo(tmp_path, "encrypt", keys=[key])
        with server.read() as session:
            told = session.scalars(select(AuditRow.detail).where(AuditRow.kind == AuditKind.SETTING_CHANGED)).all()
    finally:
        server.close()
    assert code != 0 and "다시 실행" in said
    assert [line[:5] for line in said.splitlines()[:2]] == ["1 -> ", "1 -> "]
    assert [(one["blobs"], one["secrets"]) for one in told] == [(1, 1)]
    assert _webhook(tmp_path / "data", hooked, key) == HOOK
    code, said = seogo(tmp_path, "encrypt", keys=[key])
    assert code == 0 and [line[:5] for line in said.splitlines()] == ["0 -> ", "0 -> "]


def _with_a_plain_webhook(folder: Path) -> UUID:
    """A repository from before there was a key; the command before has made the store."""
    database = open_database(settings_for(folder).rag)
    try:
        collection, identity = add_collection(database), uuid4()
        owner = {"tenant_id": collection.tenant_id, "collection_id": collection.id}
        stored = StoredSecrets().sealed_webhook(identity, HOOK)
        with database.write() as session:
            session.add(Repository(id=identity, name="결제", url="/srv/git/pay", webhook_secret=stored, **owner))
        return identity
    finally:
        database.close()


def _webhook(folder: Path, identity: UUID, key: Path) -> str:
    database = open_database(settings_for(folder).rag)
    try:
        with database.read() as session:
            stored = session.get_one(Repository, identity).webhook_secret
        return StoredSecrets(read_keyring([key], plain_readable=False)).webhook(identity, stored)
    finally:
        database.close()


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620])
def test_a_key_that_others_can_read_stops_the_start(tmp_path: Path, mode: int) -> None:
    key = tmp_path / "key"
    create_key_file(key)
    key.chmod(mode)
    code, said = seogo(tmp_path, "status", keys=[key])
    assert code != 0
    assert key.read_text().strip() not in said
