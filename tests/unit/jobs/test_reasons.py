"""Which of a step's failures is told, when all of its tries have failed."""

from __future__ import annotations

import pytest
from dbos import error as dbos_error

from ingest.jobs.workflows import _reason
from rag.domain.errors import ModelAway, ModelUnavailable, SeogoError, StoreUnavailable, Unavailable

AWAY, FAILED, STORE = ModelAway(name="m"), ModelUnavailable(name="m"), StoreUnavailable()


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([FAILED, STORE], STORE),
        ([AWAY, AWAY, AWAY], AWAY),
        ([FAILED, AWAY, AWAY], FAILED),
        ([AWAY, ValueError("?")], AWAY),
    ],
    ids=["the last", "away all the time", "away since it was asked", "not ours"],
)
def test_a_try_that_was_taken_is_told_before_those_that_found_nobody(errors: list[Exception], told: SeogoError) -> None:
    assert _reason(dbos_error.DBOSMaxStepRetriesExceeded("embed", 3, errors)) is told


def test_without_a_known_failure_the_service_is_unavailable() -> None:
    error = _reason(dbos_error.DBOSMaxStepRetriesExceeded("embed", 3, [ValueError("?")]))
    assert type(error) is Unavailable
