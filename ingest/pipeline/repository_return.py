"""A repository that is added under the name of one that was deleted: what becomes of the path rules of the one before."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.connectors.history_commits import COMMITS
from ingest.connectors.repository_options import RepositoryOptions
from rag.access import rules
from rag.domain.access import AccessRule
from rag.domain.errors import InvalidRequest
from rag.store.document import Document, key_begins
from rag.store.repository import Repository


def lift_rules(session: Session, row: Repository, before: RepositoryOptions, now: RepositoryOptions) -> None:
    """Take from deleted documents the rules that the options had for their paths before and have no more.

    A document keeps its rule when it is deleted and when it comes back, so a path rule that an administrator did without would
    hold on for the files of then. What a curator has set on a single file stays. Nothing is in the index of these documents.
    """
    if not before.path_rules or before.path_rules == now.path_rules:
        return
    prefix = f"{row.name}/"
    query = select(Document).where(
        Document.collection_id == row.collection_id,
        key_begins(prefix),
        Document.deleted_at.is_not(None),
        Document.own_rule.is_not(None),
    )
    for document in session.scalars(query.with_for_update()):
        path = document.source_key.removeprefix(prefix)
        given = before.rule_of(path)
        if path.startswith(COMMITS) or given is None or now.rule_of(path) is not None:
            continue
        with suppress(InvalidRequest):  # it names somebody who is gone: the document stays as closed as it is
            if rules.of_repository(session, document, given) == AccessRule.from_json(document.own_rule):
                rules.set_by_repository(session, document, None)
