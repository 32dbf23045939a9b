from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from api.cli.commands import instant_of, parsed_attributes
from api.cli.connection import CommandFailed


@pytest.fixture(autouse=True)
def in_seoul(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Seoul")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-01-31", "2026-01-31T23:59:59.999999+09:00"),
        ("2025-12-31", "2025-12-31T23:59:59.999999+09:00"),
        ("2026-01-31T12:00:00", "2026-01-31T12:00:00+09:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T21:00:00+09:00"),
        ("2026-01-31T12:00:00+01:00", "2026-01-31T20:00:00+09:00"),
    ],
)
def test_a_date_means_its_end_and_local_time_gets_its_offset(given: str, expected: str) -> None:
    assert datetime.fromisoformat(instant_of(given)) == datetime.fromisoformat(expected)
    assert datetime.fromisoformat(instant_of(given)).tzinfo is not None


@pytest.mark.parametrize("bad", ["", "gestern", "2026-13-01", "2026-02-30", "20260101T"])
def test_what_is_no_date_is_refused(bad: str) -> None:
    with pytest.raises(CommandFailed):
        instant_of(bad)


def test_attributes_on_the_command_line() -> None:
    given = ["dept=인사", "year=2024", "rate=-0.5", "code=007", "flag=true", "day=2024-03-01", "formula=a=b", "gone="]
    assert parsed_attributes(given) == {
        "dept": "인사",
        "year": 2024,
        "rate": -0.5,
        "code": "007",
        "flag": "true",
        "day": "2024-03-01",
        "formula": "a=b",
        "gone": "",
    }
    with pytest.raises(CommandFailed):
        parsed_attributes(["dept"])
