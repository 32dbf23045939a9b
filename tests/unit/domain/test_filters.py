from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.errors import InvalidRequest
from rag.domain.filters import (
    AttributeCondition,
    AttributeValue,
    DocumentFilter,
    Period,
    Span,
    attribute_value,
    checked_attributes,
    covering,
    document_labels,
    label_groups,
)

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53).map(float)


def labels(attributes: dict[str, object], media_type: str = "", created: datetime | None = None) -> set[str]:
    return set(document_labels(checked_attributes(attributes), media_type, NOW, created, None))


def matches(found: set[str], where: DocumentFilter) -> bool:
    return all(found & set(group) for group in label_groups(where))


def test_a_text_is_kept_and_asked_for_composed() -> None:
    apart = unicodedata.normalize("NFD", "인사")
    assert attribute_value("dept", apart) == attribute_value("dept", "인사") == AttributeValue("text", "인사")
    full = unicodedata.normalize("NFD", "가" * 200)
    assert attribute_value("dept", full).text == "가" * 200, "its length is that of the composed text"


@given(st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 65535))
def test_a_covering_is_exactly_the_range(low: int, high: int, number: int) -> None:
    prefixes = covering(low, high, 2)
    own = {f"{number:04x}"[:end] for end in (2, 4)}
    assert bool(own & set(prefixes)) == (low <= number <= high)
    assert len(prefixes) <= 2 * 255 * 2
    assert len(own & set(prefixes)) <= 1, "no number is covered twice"


@given(numbers, numbers, numbers)
def test_a_range_of_numbers_holds_for_what_lies_in_it(value: float, low: float, high: float) -> None:
    found = labels({"금액".encode().hex(): value})
    name = "금액".encode().hex()
    for span in (Span(low, high), Span(low, None), Span(None, high)):
        where = DocumentFilter(attributes=(AttributeCondition(name, "number", span=span),))
        inside = (span.low is None or value >= span.low) and (span.high is None or value <= span.high)
        assert matches(found, where) == inside


@given(numbers, numbers)
def test_equal_numbers_have_equal_labels(value: float, other: float) -> None:
    where = DocumentFilter(attributes=(AttributeCondition("year", "number", any_of=(attribute_value("year", other),)),))
    assert matches(labels({"year": value}), where) == (value == other)
    assert matches(labels({"year": -0.0}), where) == (other == 0)


def test_a_range_needs_few_labels() -> None:
    """A range over years is asked with a few hundred keywords at most, whatever is stored."""
    [group] = label_groups(DocumentFilter(attributes=(AttributeCondition("year", "number", span=Span(2024.0, None)),)))
    assert len(group) <= 3 * 255
    assert all(len(label) < 40 for label in group)


def test_text_numbers_and_dates_do_not_match_each_other() -> None:
    found = labels({"a": "2024", "b": 2024, "c": "2024-03-01"})
    for name, given_value, expected in [
        ("a", "2024", True),
        ("a", 2024, False),
        ("b", 2024.0, True),
        ("b", "2024", False),
        ("c", "2024-03-01", True),
        ("c", "2024-03-02", False),
    ]:
        value = attribute_value(name, given_value)
        where = DocumentFilter(attributes=(AttributeCondition(name, value.kind, any_of=(value,)),))
        assert matches(found, where) is expected, (name, given_value)


def test_periods_are_asked_by_whole_days() -> None:
    found = labels({}, created=datetime(2024, 3, 1, 23, 0, tzinfo=UTC))
    for start, end, expected in [
        (datetime(2024, 3, 1, 23, 30, tzinfo=UTC), None, True),  # the same day: the record decides
        (datetime(2024, 3, 2, tzinfo=UTC), None, False),
        (None, datetime(2024, 2, 29, tzinfo=UTC), False),
        (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), True),
    ]:
        assert matches(found, DocumentFilter(created=Period(start, end))) is expected
    assert not matches(labels({}), DocumentFilter(created=Period(None, None))), "without a date there is no match"


def test_media_types() -> None:
    found = labels({}, "application/pdf")
    assert matches(found, DocumentFilter(media_types=("text/html", "application/pdf")))
    assert not matches(found, DocumentFilter(media_types=("text/html",)))
    assert label_groups(DocumentFilter()) == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"부서": "인사"},
        {"Dept": "인사"},
        {"": "x"},
        {"a" * 41: "x"},
        {"a": ""},
        {"a": "  "},
        {"a": "가" * 201},
        {"a": True},
        {"a": None},
        {"a": ["x"]},
        {"a": math.nan},
        {"a": math.inf},
        {"a": 10**400},
        {"a": "nul\x00"},
        {f"a{number}": 1 for number in range(17)},
        ["a"],
        "a",
    ],
)
def test_bad_attributes_are_refused(bad: object) -> None:
    with pytest.raises(InvalidRequest):
        checked_attributes(bad)


def test_values_come_back_as_they_were_given() -> None:
    given_values: dict[str, object] = {
        "dept": "인사",
        "year": 2024,
        "rate": 0.5,
        "day": "2024-02-29",
        "no_day": "2024-02-30",
    }
    found = checked_attributes(given_values)
    assert {name: value.plain for name, value in found.items()} == given_values
    assert [found[name].kind for name in given_values] == ["text", "number", "number", "date", "text"]
    assert found["day"] == AttributeValue("date", "2024-02-29", float(datetime(2024, 2, 29).toordinal()))
