"""Path rules that are changed again before the next look: files follow those of now, whatever was given in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from ingest.connectors.repository_options import RepositoryOptions
from ingest.pipeline.repository_rules_given import given_since, made_with, newer_than, with_given
from ingest.pipeline.repository_sync import RepositorySync
from rag.domain.access import AccessRule, EffectiveRule, Label
from rag.store import access_rule
from rag.store.base import Base, utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.repository import Repository, RepositoryFile
from rag.store.session import Database
from rag.store.tenant import Tenant

SENSITIVE, CONFIDENTIAL = (AccessRule(label=label) for label in (Label.SENSITIVE, Label.CONFIDENTIAL))


def _options(label: str | None) -> RepositoryOptions:
    rules = [] if label is None else [{"paths": "hr/", "access": {"label": label}}]
    return RepositoryOptions.of({"path_rules": rules})


FIRST, OTHER, OPEN = _options(Label.SENSITIVE.value), _options(Label.CONFIDENTIAL.value), _options(None)


class World:
    """A repository with a living file and one that is gone, both under its path rule, and no look going on."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'a.db'}")
        Base.metadata.create_all(self.database.engine)
        self.sync = RepositorySync(
            cast("Any", SimpleNamespace(database=self.database)), cast("Any", None), cast("Any", None), folder
        )
        tenant, collection, self.repository = uuid4(), uuid4(), uuid4()
        of_first = {"options": FIRST.to_json(), "applied": FIRST.to_json()}
        with self.database.write() as session:
            session.add(Tenant(id=tenant, name="t"))
            session.flush()
            session.add(Collection(id=collection, tenant_id=tenant, name="c", kind="code"))
            session.flush()
            named = {"tenant_id": tenant, "collection_id": collection, "name": "pay", "url": "x"}
            session.add(Repository(id=self.repository, **named, **of_first))
        self.living, self.gone = (self._file(tenant, collection, path) for path in ("hr/a.py", "hr/gone.py"))

    def _file(self, tenant: UUID, collection: UUID, path: str) -> UUID:
        identity, is_gone = uuid4(), "gone" in path
        with self.database.write() as session:
            ids = {"id": identity, "tenant_id": tenant, "collection_id": collection}
            document = Document(
                **ids, source_key=f"pay/{path}", owner_id=uuid4(), deleted_at=utc_now() if is_gone else None
            )
            session.add(document)
            session.flush()
            access_rule.set_own_rule(session, document, SENSITIVE)
            file = {"repository_id": self.repository, "path": path, "blob": "b", "size": 1}
            session.add(RepositoryFile(**file, document_id=None if is_gone else identity))
        return identity

    def change(self, options: RepositoryOptions) -> None:
        with self.database.write() as session:
            session.get_one(Repository, self.repository).options = options.to_json()
        self.sync.apply_rules(self.repository)

    def rules_of(self, identity: UUID) -> tuple[AccessRule, AccessRule]:
        """Its own rule, and that which decides."""
        with self.database.read() as session:
            document = session.get_one(Document, identity)
            row = session.get(access_rule.AccessRuleRow, document.access_rule_id) if document.access_rule_id else None
            deciding = AccessRule() if row is None else AccessRule(label=EffectiveRule.parse(row.rule).label)
            return AccessRule.from_json(document.own_rule), deciding


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.database.close()


@pytest.mark.parametrize("between", ["open", "other"])
def test_rules_that_are_given_back_close_what_was_opened_meanwhile(world: World, between: str) -> None:
    meanwhile = {"open": OPEN, "other": OTHER}[between]
    world.change(meanwhile)
    assert world.rules_of(world.living)[0] != SENSITIVE

    world.change(FIRST)

    assert world.rules_of(world.living) == (SENSITIVE, SENSITIVE)
    if between == "other":  # one without a rule gets it when it comes back
        assert world.rules_of(world.gone) == (SENSITIVE, SENSITIVE)


def test_rules_that_were_only_given_between_two_looks_go_with_the_files_that_went(world: World) -> None:
    world.change(OTHER)
    assert world.rules_of(world.gone) == (CONFIDENTIAL, CONFIDENTIAL)

    world.change(OPEN)

    assert world.rules_of(world.living) == world.rules_of(world.gone) == (AccessRule(), AccessRule())


def test_a_rule_too_many_leaves_a_file_that_is_gone_as_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.database.write() as session:  # the living one is none of this
        session.get_one(Document, world.living).deleted_at = utc_now()
    monkeypatch.setattr(access_rule, "MAX_RULES", 1)

    world.change(OTHER)

    assert world.rules_of(world.gone) == (SENSITIVE, SENSITIVE)


def test_what_was_given_stands_beside_the_options_once() -> None:
    first, other = FIRST.to_json(), OTHER.to_json()

    given = with_given(with_given(first, [other["path_rules"]]), [other["path_rules"], first["path_rules"]])

    assert given_since(given) == [FIRST, OTHER] and made_with(given) == FIRST
    assert with_given(first, []) == first == with_given(first, [first["path_rules"]])
    assert (
        newer_than(first, given) == [other["path_rules"]] and newer_than(given, given) == newer_than(None, None) == []
    )
