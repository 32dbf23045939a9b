"""References, calls and tests are joined in every language that is read by syntax, as its own grammar or rules read it."""

from __future__ import annotations

import pytest

from ingest.parsing.code import read_code
from rag.domain.code import CodeOutline
from rag.domain.code_places import Use
from rag.store.session import Database
from tests.support.code_languages import LANGUAGES, Sample
from tests.support.code_world import CodeWorld

each_language = pytest.mark.parametrize("sample", LANGUAGES, ids=[sample.language for sample in LANGUAGES])


def outline_of(text: str, key: str) -> CodeOutline | None:
    return read_code(text.encode(), key).outline


@pytest.fixture
def world(sqlite: Database, sample: Sample) -> CodeWorld:
    made = CodeWorld(sqlite, outline=outline_of)
    made.repository("bank", sample.files)
    return made


def place(use: Use) -> str:
    return use.spot.place.partition("@")[0].removeprefix("bank/")


@each_language
def test_uses_calls_tests_and_imports_are_joined_with_what_is_meant(world: CodeWorld, sample: Sample) -> None:
    _require_uses(world, sample)
    _require_callers(world, sample)
    _require_tests(world, sample)
    _require_callees(world, sample)
    _require_importers(world, sample)


@pytest.mark.parametrize("language", ["php", "rust", "cobol"])
def test_spellings_are_compared_on_both_stores(database: Database, language: str) -> None:
    """What is asked of the database: modules with all of their path, and names in any case."""
    [sample] = [item for item in LANGUAGES if item.language == language]
    made = CodeWorld(database, outline=outline_of)
    made.repository("bank", sample.files)
    _require_uses(made, sample)
    _require_tests(made, sample)
    _require_importers(made, sample)


def _require_uses(world: CodeWorld, sample: Sample) -> None:
    for name, expected in sample.uses.items():
        found = world.navigator.uses(world.permit(), name)
        assert found.definitions, name
        assert {place(use): str(use.sure) for use in found.uses} == expected, name


def _require_callers(world: CodeWorld, sample: Sample) -> None:
    for name, expected in sample.callers.items():
        found = world.navigator.callers(world.permit(), name)
        assert found.definitions, name
        assert {use.enclosing for use in found.uses} == expected, name


def _require_tests(world: CodeWorld, sample: Sample) -> None:
    for name, expected in sample.tests.items():
        found = world.navigator.tests(world.permit(), name)
        assert {use.enclosing for use in found.uses} == expected, name
        assert all(use.test for use in found.uses)


def _require_callees(world: CodeWorld, sample: Sample) -> None:
    for name, expected in sample.callees.items():
        found = {item.name: item for item in world.navigator.callees(world.permit(), name)}
        for callee, where in expected.items():
            [first, *_] = found[callee].definitions
            assert first.spot.place.partition("@")[0] == f"bank/{where}", (name, callee)


def _require_importers(world: CodeWorld, sample: Sample) -> None:
    for path, expected in sample.importers.items():
        found = world.navigator.importers(world.permit(), path)
        assert {place(use) for use in found} == expected, path


def test_a_sample_says_something_of_each_kind() -> None:
    for kind in ("uses", "callers", "tests", "callees", "importers"):
        assert sum(bool(getattr(sample, kind)) for sample in LANGUAGES) >= 8, kind
