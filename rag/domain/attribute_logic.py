"""Conditions on custom attributes joined by and, or and not: what OpenAI's filters can say and a `DocumentFilter` can't."""

from __future__ import annotations

from dataclasses import dataclass

from rag.domain.filters import AttributeCondition


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[AttributeLogic, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[AttributeLogic, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; so it is for a document that lacks the attribute."""

    part: AttributeLogic


AttributeLogic = AttributeCondition | AllOf | AnyOf | Not


def conjunction_of(logic: AttributeLogic) -> tuple[AttributeCondition, ...] | None:
    """The conditions that must all hold; None where the logic is more than that."""
    if isinstance(logic, AttributeCondition):
        return (logic,)
    if not isinstance(logic, AllOf):
        return None
    found: list[AttributeCondition] = []
    for part in logic.parts:
        inner = conjunction_of(part)
        if inner is None:
            return None
        found += inner
    return tuple(found)
