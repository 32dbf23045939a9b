"""Files of a repository that come back: what becomes of the path rules of the time before they went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.connectors.history_commits import COMMITS
from ingest.connectors.repository_options import RepositoryOptions
from rag.access import rules
from rag.domain.access import AccessRule, GivenRule
from rag.domain.errors import InvalidRequest, TooManyRules
from rag.store.base import in_groups
from rag.store.document import Document, key_begins
from rag.store.repository import Repository


def ruled_and_gone(session: Session, row: Repository) -> list[UUID]:
    """The deleted documents of files of this name that have a rule of their own."""
    query = select(Document.id).where(
        Document.collection_id == row.collection_id,
        key_begins(f"{row.name}/"),
        Document.deleted_at.is_not(None),
        Document.own_rule.is_not(None),
    )
    return list(session.scalars(query.order_by(Document.id)))


def taken_back(before: Sequence[RepositoryOptions], now: RepositoryOptions) -> list[RepositoryOptions]:
    """Those of the options before that have path rules which are not those of now: without any, nothing is to be looked at."""
    return [options for options in before if options.path_rules and options.path_rules != now.path_rules]


def follow_rules(
    session: Session, row: Repository, gone: Sequence[UUID], before: Sequence[RepositoryOptions], now: RepositoryOptions
) -> None:
    """Give deleted documents that have the rule which the options had for their paths before the one that they have now, or none.

    A document keeps its rule when it is deleted and when it comes back, so a path rule that an administrator did without would
    hold on for the files of then. What a curator has set on a single file stays. Nothing is in the index of these documents.

    Args:
        gone: some of `ruled_and_gone`; those that have come back meanwhile are left alone.
        before: all that they may have their rules of.
    """
    for document in _still_gone(session, gone):
        path = document.source_key.removeprefix(f"{row.name}/")
        given = now.rule_of(path)
        if path.startswith(COMMITS):
            continue
        for had in (options.rule_of(path) for options in before):
            if had is not None and had != given:
                _follow(session, document, had, given)


def _follow(session: Session, document: Document, had: GivenRule, given: GivenRule | None) -> None:
    # It names somebody who is gone, or there are too many rules: the document stays as closed as it is.
    with suppress(InvalidRequest, TooManyRules), session.begin_nested():
        own = document.own_rule
        if own is not None and rules.of_repository(session, document, had) == AccessRule.from_json(own):
            rules.set_by_repository(session, document, given)


def _still_gone(session: Session, gone: Sequence[UUID]) -> Iterator[Document]:
    for ids in in_groups(gone):
        query = select(Document).where(
            Document.id.in_(ids), Document.deleted_at.is_not(None), Document.own_rule.is_not(None)
        )
        yield from session.scalars(query.order_by(Document.id).with_for_update()).all()
