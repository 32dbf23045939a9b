"""Who may be told what of a path of a repository, whether or not there is a document at it.

A path rule is about paths. What was left out of the index, or is gone from it, has no document whose rule could be asked, and a
document that is gone keeps the rule that it had then: there the rules of the options decide, as they are now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from rag.access.rules import path_readable
from rag.domain.access import GivenRule
from rag.domain.principal import Permit
from rag.mirrors.path_patterns import PathPatterns
from rag.store import repository_documents
from rag.store.repository import Repository
from rag.store.repository_documents import PathDocument


@dataclass(frozen=True, slots=True)
class PathRules:
    """The path rules of a repository; the last one that means a path counts, and it counts alone."""

    last_first: Sequence[tuple[PathPatterns, GivenRule]]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> PathRules:
        """Those of `Repository.options`.

        Raises:
            InvalidRequest, ValueError, KeyError: they are none, so that nothing may be told.
        """
        given = reversed(options.get("path_rules") or [])
        return cls([(PathPatterns([item["paths"]]), GivenRule.from_json(item["access"])) for item in given])

    def rule_of(self, path: str) -> GivenRule | None:
        """The rule for a path inside the repository; None where none means it."""
        return next((rule for patterns, rule in self.last_first if patterns.matches(path)), None)


def told_at(session: Session, permit: Permit, row: Repository, paths: Iterable[str]) -> dict[str, PathDocument]:
    """The documents at these paths of which the caller may be told: the permit covers them, and where one is gone, the rule of
    its path lets the caller read."""
    found = repository_documents.at_paths(session, permit, row, paths)
    ruled = ruled_out(session, permit, row, [path for path, item in found.items() if item.gone])
    return {path: item for path, item in found.items() if path not in ruled}


def kept_from(session: Session, permit: Permit, row: Repository, paths: Sequence[str]) -> frozenset[str]:
    """Those of these paths of which the caller must not be told: a document there is outside the permit, or the rule of the path
    holds the caller back."""
    return repository_documents.held_back(session, permit, row, paths) | ruled_out(session, permit, row, paths)


def ruled_out(session: Session, permit: Permit, row: Repository, paths: Iterable[str]) -> frozenset[str]:
    """Those of these paths whose rule in the options holds the caller back."""
    rules = PathRules.of(row.options)
    given = {path: rule for path in paths if (rule := rules.rule_of(path)) is not None}
    closed = {rule for rule in set(given.values()) if not path_readable(session, permit, row, rule)}
    return frozenset(path for path, rule in given.items() if rule in closed)
