"""What webhooks sign with, on both stores: sealed, turned to another key, and sealed where it was plain before."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from alembic import command
from alembic.config import Config

from rag.access import stored_secrets
from rag.access.stored_secrets import StoredSecrets
from rag.blobs.keyring import KeyAtRest, Keyring
from rag.domain.errors import BlobTampered, KeyAtRestMissing, StoreLogKept
from rag.domain.messages import localized
from rag.store import checkpoints, schema
from rag.store.repository import Repository
from rag.store.session import Database
from tests.support.busy_store import checkpoint_elsewhere
from tests.support.stores import add_collection

OLD, NEW = Keyring([KeyAtRest.of(bytes(32))]), Keyring([KeyAtRest.of(b"\1" * 32)])
BOTH = Keyring([NEW.active, OLD.active])
SECRET = "a-secret-of-a-webhook-of-43-characters-------"


def with_webhook(database: Database, secrets: StoredSecrets, secret: str = SECRET) -> UUID:
    identity = uuid4()
    collection = add_collection(database, f"모음 {identity}")
    row = Repository(
        id=identity, tenant_id=collection.tenant_id, collection_id=collection.id, name=str(identity), url="/srv/git/a"
    )
    row.webhook_secret = secrets.sealed_webhook(identity, secret)
    with database.write() as session:
        session.add(row)
    return identity


def stored(database: Database, identity: UUID) -> bytes | None:
    with database.read() as session:
        return session.get_one(Repository, identity).webhook_secret


def on_disk(database: Database) -> bytes:
    """Every byte of the embedded store, its journal included; of the other one, what a dump of the table shows."""
    if database.is_sqlite:
        place = Path(str(database.url.database))
        return b"".join(file.read_bytes() for file in place.parent.glob(f"{place.name}*"))
    with database.connection() as connection:
        rows = connection.exec_driver_sql("SELECT webhook_secret FROM repository").fetchall()
    return b"".join(bytes(row[0] or b"") for row in rows)


def test_a_secret_is_sealed_in_its_row_and_opens_in_no_other(database: Database) -> None:
    secrets = StoredSecrets(OLD)
    one, other = with_webhook(database, secrets), with_webhook(database, secrets)
    assert SECRET.encode() not in on_disk(database)
    assert secrets.webhook(one, stored(database, one)) == SECRET
    with pytest.raises(BlobTampered):
        secrets.webhook(other, stored(database, one))
    with pytest.raises(KeyAtRestMissing):
        StoredSecrets().webhook(one, stored(database, one))
    assert secrets.sealed_webhook(one, "") is None and secrets.webhook(one, None) == secrets.webhook(None, None) == ""


def test_keys_turn_and_every_secret_follows(database: Database) -> None:
    rows = [with_webhook(database, StoredSecrets(OLD)) for _ in range(3)]
    plain = with_webhook(database, StoredSecrets())
    with_webhook(database, StoredSecrets(), "")
    before = stored_secrets.inventory(database)
    assert (dict(before.keys), before.plain) == ({OLD.active.id: 3}, 1)
    with pytest.raises(KeyAtRestMissing):
        stored_secrets.rotate(database, NEW)
    assert [stored_secrets.rotate(database, BOTH) for _ in range(2)] == [3, 0]
    after = stored_secrets.inventory(database)
    assert (dict(after.keys), after.plain) == ({NEW.active.id: 3}, 1)
    assert all(StoredSecrets(NEW).webhook(row, stored(database, row)) == SECRET for row in rows)
    assert stored(database, plain) == SECRET.encode(), "what is plain is for the other command"


def test_what_was_plain_is_sealed_and_gone_from_the_disk(database: Database) -> None:
    rows = [with_webhook(database, StoredSecrets()) for _ in range(3)]
    assert SECRET.encode() in on_disk(database)
    assert [stored_secrets.encrypt(database, OLD) for _ in range(2)] == [3, 0]
    database.empty_log()
    assert SECRET.encode() not in on_disk(database)
    closed = StoredSecrets(Keyring([OLD.active], plain_readable=False))
    assert all(closed.webhook(row, stored(database, row)) == SECRET for row in rows)


def test_what_was_plain_is_gone_though_another_process_checkpoints_meanwhile(sqlite: Database) -> None:
    with_webhook(sqlite, StoredSecrets())
    with checkpoint_elsewhere(sqlite) as end:
        later = threading.Timer(0.7, end)
        later.start()
        assert stored_secrets.encrypt(sqlite, OLD) == 1
        sqlite.empty_log()
        later.join()
    assert SECRET.encode() not in on_disk(sqlite)


def test_what_stays_in_the_log_is_said_and_a_repetition_removes_it(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = with_webhook(sqlite, StoredSecrets())
    monkeypatch.setattr(checkpoints, "TRIES", 2)
    assert stored_secrets.encrypt(sqlite, OLD) == 1
    with checkpoint_elsewhere(sqlite), pytest.raises(StoreLogKept) as said:
        sqlite.empty_log()
    assert "again" in said.value.message_en() and "다시 실행" in localized(said.value, "ko")
    assert SECRET.encode() in on_disk(sqlite), "or there was nothing to say"
    sqlite.empty_log()
    assert SECRET.encode() not in on_disk(sqlite)
    assert StoredSecrets(OLD).webhook(row, stored(sqlite, row)) == SECRET


def test_the_migration_takes_secrets_over_and_back(database: Database) -> None:
    kept, sealed = with_webhook(database, StoredSecrets()), with_webhook(database, StoredSecrets(OLD))
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()).replace("%", "%%"))
    config.attributes["engine"] = database.engine
    command.downgrade(config, "0020_repositories")
    with database.connection() as connection:
        rows = connection.exec_driver_sql("SELECT webhook_secret FROM repository").fetchall()
    assert sorted(row[0] for row in rows) == ["", SECRET], "what is sealed has to be made anew"
    command.upgrade(config, "head")
    assert (stored(database, kept), stored(database, sealed)) == (SECRET.encode(), None)
