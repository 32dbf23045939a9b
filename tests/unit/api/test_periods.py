"""Periods of a filter: days and instants, to the ends of time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError

from api import errors
from api.schemas.common import Body
from api.schemas.filters import FilterIn
from rag.domain.errors import InvalidRequest
from rag.domain.filters import Period
from rag.domain.messages import localized


def period(**bounds: Any) -> Period | None:
    return FilterIn.model_validate({"uploaded": bounds}).to_domain().uploaded


@pytest.mark.parametrize("last", ["9999-12-31", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"])
def test_up_to_the_last_day_there_is_means_without_an_end(last: str) -> None:
    assert period(lte=last) == Period(None, None)
    begin = datetime(2024, 3, 1, tzinfo=UTC)
    assert period(gte="2024-03-01", lte=last) == Period(begin, None)
    assert period(lte=last, lt="2024-03-01") == Period(None, begin), "the nearer end counts"


@pytest.mark.parametrize("last", ["9999-12-31", "9999-12-31T23:59:59.999999Z"])
def test_after_the_last_day_there_is_nothing_to_ask_for(last: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        period(gt=last)
    assert "gt" in localized(refused.value, "en") and "gt" in localized(refused.value, "ko")
    assert localized(refused.value, "en") != localized(refused.value, "ko")


@pytest.mark.parametrize("bound", ["gte", "gt", "lte", "lt"])
@pytest.mark.parametrize(
    "instant", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:00:00-02:00", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_date_in_utc_is_refused(bound: str, instant: str) -> None:
    with pytest.raises(ValidationError):
        period(**{bound: instant})


def test_midnight_with_an_offset_is_an_instant_and_no_day() -> None:
    """A day of UTC would begin nine hours later, and `lte` would take all of it."""
    midnight = datetime(2024, 2, 29, 15, tzinfo=UTC)
    assert period(gte="2024-03-01T00:00:00+09:00") == Period(midnight, None)
    assert period(lte="2024-03-01T00:00:00+09:00") == Period(None, midnight + timedelta(microseconds=1))
    assert period(lte="2024-03-01") == Period(None, datetime(2024, 3, 2, tzinfo=UTC))


@pytest.mark.parametrize("given", ["2024-03-01T00:00:00", "2024-03-01T10:00:00", "1709251200", 1709251200, "2024-3"])
def test_what_is_neither_a_day_nor_an_instant_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        period(gte=given)


class Question(Body):
    filter: FilterIn


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    errors.install(app)

    @app.post("/api/v1/question")
    def ask(question: Question) -> None:
        """Nothing; what does not fit is refused before."""

    return TestClient(app)


NO_DAYS = {
    "text": "x",
    "month": "2024-13-01",
    "no zone": "2024-03-01T00:00:00",
    "no zone, no midnight": "2024-03-01T10:00:00",
    "digits": "1709251200",
    "number": 1709251200,
    "boolean": True,
    "before time": "0001-01-01T00:00:00+14:00",
}


@pytest.mark.parametrize("field", ["created", "modified", "uploaded"])
@pytest.mark.parametrize("given", NO_DAYS)
def test_a_refused_date_is_told_without_the_names_of_our_functions(client: TestClient, field: str, given: str) -> None:
    told = {}
    for language in ("ko", "en"):
        answer = client.post(
            "/api/v1/question",
            json={"filter": {field: {"gte": NO_DAYS[given]}}},
            headers={"Accept-Language": language},
        )
        assert answer.status_code == 422
        told[language] = answer.json()["title"]
        assert f"filter.{field}.gte.date: " in told[language] and f"filter.{field}.gte.datetime: " in told[language]
        assert not re.search("function-|_[a-z]+\\(|Value error", told[language]), told[language]
    assert "날짜가 아닙니다" in told["ko"] and re.search("시각이(?:어야| 아닙)", told["ko"])
    assert not re.search("Input should|written as|is needed", told["ko"]), told["ko"]
