"""What anybody sees by any way, against an oracle that was written from the text of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.access_world import Findings, World
from tests.support.stores import migrated

PAIRS = 400
"""Some 8 s on one core; `python -m benchmarks.access_differential` asks 100,000 times."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(migrated(f"sqlite:///{tmp_path / 'seogo.sqlite'}"), seed=20261128)


def test_nothing_forbidden_is_seen_anywhere(world: World) -> None:
    found = world.run(PAIRS, changes_every=10, answers_every=20)
    assert found.seen == dict.fromkeys(found.seen, 0), found
    # It would be easy to see nothing forbidden by seeing nothing.
    assert found.cited > PAIRS and found.answers == PAIRS // 20
    everything = found.pairs * len(world.documents) / 2
    assert 0.1 * everything < found.readable < 0.9 * everything


def test_the_record_holds_back_what_an_index_that_ignores_the_permit_finds(tmp_path: Path) -> None:
    world = World(migrated(f"sqlite:///{tmp_path / 'seogo.sqlite'}"), seed=20261129, deaf_index=True)
    found = world.run(200, changes_every=5, answers_every=4)
    assert found.seen.pop("candidates") > 200 * len(world.documents) / 10, "what the test is about: the index leaks"
    assert found.seen == dict.fromkeys(found.seen, 0), found
    assert found.cited > 200 and found.answers == 50


def test_the_comparison_would_see_a_leak(world: World) -> None:
    """Rules that are not obeyed are found at once: the oracle is told of denials that the store does not know."""
    for held in world.documents:
        held.rule.deny = {f"user {person.id}" for person in world.people}
    for person, principal in zip(world.people, world.principals, strict=True):
        findings = Findings()
        world._ask(findings, person, principal, "거북이 규정 river", answer=True)
        if principal.role is not None:
            assert findings.seen["candidates"] and findings.seen["citations"] and findings.seen["counts"]
            return
    raise AssertionError("nobody had a role")
