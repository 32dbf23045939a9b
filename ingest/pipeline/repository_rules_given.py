"""Which path rules the files of a repository may have: those that the index was made with, and those that were given since.

What was given between two looks stands in `Repository.applied` beside the options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ingest.connectors.repository_options import RepositoryOptions

_GIVEN = "path_rules_given"


def given_since(applied: Mapping[str, Any]) -> list[RepositoryOptions]:
    """The options that the index was made with, and the same with each set of path rules that was given since."""
    made = made_with(applied)
    return [made, *(made.with_path_rules(given) for given in applied.get(_GIVEN, ()))]


def made_with(applied: Mapping[str, Any]) -> RepositoryOptions:
    """The options that the index was made with."""
    return RepositoryOptions.of({name: value for name, value in applied.items() if name != _GIVEN})


def with_given(applied: Mapping[str, Any], given: Sequence[Any]) -> dict[str, Any]:
    """`applied`, and that these sets of path rules were given since; each stands there once."""
    known = [*applied.get(_GIVEN, ())]
    new = [item for item in given if item not in known and item != applied.get("path_rules", [])]
    return {**applied, _GIVEN: [*known, *new]} if known or new else dict(applied)


def newer_than(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[Any]:
    """The sets that were given while the index followed `before`."""
    known = (before or {}).get(_GIVEN, ())
    return [item for item in (now or {}).get(_GIVEN, ()) if item not in known]
