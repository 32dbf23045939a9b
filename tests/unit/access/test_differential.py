"""What anybody sees by any way, against an oracle that was written from the text of the model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.domain.passage import SearchResult
from rag.retrieval.service import Retriever
from rag.retrieval.spelling import Speller
from tests.support.access_world import PLACES, Findings, World
from tests.support.stores import migrated

PAIRS = 240
"""Some 8 s on one core; `python -m benchmarks.access_differential` asks 100,000 times."""
ANSWERS_EVERY = 3


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(migrated(f"sqlite:///{tmp_path / 'seogo.sqlite'}"), seed=20261128)


@pytest.fixture
def on_edge(tmp_path: Path) -> Iterator[World]:
    made = World(migrated(f"sqlite:///{tmp_path / 'seogo.sqlite'}"), seed=20261129, folder=tmp_path / "index")
    yield made
    made.index.close()


def test_nothing_forbidden_is_seen_anywhere(world: World) -> None:
    found = world.run(PAIRS, changes_every=10, answers_every=ANSWERS_EVERY)
    assert found.seen == dict.fromkeys(PLACES, 0), found
    # It would be easy to see nothing forbidden by seeing nothing.
    assert found.cited > PAIRS and found.answers == PAIRS // ANSWERS_EVERY
    assert {person.kind for person in world.people} == {"user", "service", "key", "widget"}
    everything = found.pairs * len(world.documents) / 2
    assert 0.1 * everything < found.readable < 0.9 * everything


def test_the_record_holds_back_what_an_index_that_ignores_the_permit_finds(tmp_path: Path) -> None:
    world = World(migrated(f"sqlite:///{tmp_path / 'seogo.sqlite'}"), seed=20261129, deaf_index=True)
    found = world.run(200, changes_every=5, answers_every=4)
    assert found.seen.pop("candidates") > 200 * len(world.documents) / 10, "what the test is about: the index leaks"
    assert found.seen == dict.fromkeys(found.seen, 0), found
    assert found.cited > 200 and found.answers == 50


def test_nothing_forbidden_comes_out_of_edge(on_edge: World) -> None:
    found = on_edge.run(PAIRS // 4, changes_every=5, answers_every=ANSWERS_EVERY)
    assert found.seen == dict.fromkeys(PLACES, 0) and found.cited > PAIRS // 8, found


def test_what_is_said_in_a_log_or_remembered_would_be_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Retriever.search

    def telling(self: Retriever, *arguments: Any, **named: Any) -> SearchResult:
        logging.getLogger("rag.retrieval").debug("words: %s", [item.words for item in world.documents])
        return search(self, *arguments, **named)

    def careless(self: Speller, view: Any, terms: Any) -> dict[str, float]:
        scope = (
            view.permit.tenant_id,
            view.permit.collections,
            None,
            view.permit.rules,
            view.permit.revision,
            frozenset(),
        )
        self._known[scope] = (0.0, {word: 1.0 for item in world.documents for word in item.words})
        return dict.fromkeys(terms, 0.0)

    monkeypatch.setattr(Retriever, "search", telling)
    monkeypatch.setattr(Speller, "_scores", careless)
    found = world.run(6, changes_every=10, answers_every=10)
    assert found.seen["log output"] and found.seen["caches"], found


def test_the_comparison_would_see_a_leak(world: World) -> None:
    """Rules that are not obeyed are found at once: the oracle is told of denials that the store does not know."""
    for held in world.documents:
        held.rule.deny = {f"user {person.id}" for person in world.people}
    for person, principal in zip(world.people, world.principals, strict=True):
        findings = Findings()
        with asyncio.Runner() as world.loop:
            world._ask(findings, person, principal, "거북이 규정 river", answer=True)
        if principal.role is not None and person.kind == "user":
            assert findings.seen["candidates"] and findings.seen["citations"] and findings.seen["counts"]
            assert findings.seen["previews"] and findings.seen["lists"] and findings.seen["prompt"]
            return
    raise AssertionError("nobody had a role")
