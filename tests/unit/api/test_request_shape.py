"""What a request may hold: JSON's depth and width, and ranges of bytes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.app import create_app
from api.hardening.json_shape import check_shape
from api.hardening.ranges import parsed_ranges, span
from rag.domain.errors import InvalidRequest, RangeRefused

JSON_TYPES = {"Content-Type": "application/json"}


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def refused(text: bytes, **limits: int) -> bool:
    try:
        check_shape(text, **({"depth": 64, "members": 100_000} | limits))
    except InvalidRequest:
        return True
    return False


VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{},"\\가나\n', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='"\\[{,', max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_the_depth_is_the_parsers(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped).encode()
    depth = depth_of(value)
    assert not refused(text, depth=max(depth, 1))
    assert depth < 2 or refused(text, depth=depth - 1)


def test_the_width_counts_values() -> None:
    assert not refused(json.dumps(list(range(100))).encode(), members=100)
    assert refused(json.dumps(list(range(101))).encode(), members=100)
    assert not refused(json.dumps({"질문": "가, 나, 다 [그리고] {라}"}).encode(), members=1, depth=1)


@pytest.mark.parametrize(
    "text",
    [
        b'"' + b'\\"' * 1_000_000,
        b"[" * 2_000_000,
        b'{"a":' * 400_000,
        b"\\" * 2_000_000,
        b'"\\',
        b'"\\\\"' * 2_000_000,
    ],
    ids=["unended string", "arrays", "objects", "backslashes", "half an escape", "strings"],
)
def test_it_takes_time_linear_in_the_length(text: bytes) -> None:
    begun = time.process_time()
    refused(text)
    assert time.process_time() - begun < 30  # a square of 2,000,000 would take days


@pytest.fixture(scope="module")
def http() -> TestClient:
    return TestClient(create_app(), raise_server_exceptions=False)


@pytest.mark.parametrize(
    "path", ["/api/v1/answers", "/api/v1/search", "/v1/chat/completions", "/v1/embeddings", "/api/v1/collections"]
)
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000], ids=["open", "closed"])
def test_json_nested_a_hundred_thousand_deep_is_a_422(http: TestClient, path: str, body: bytes) -> None:
    response = http.post(path, content=body, headers=JSON_TYPES)
    assert response.status_code == 422, response.text
    assert "64" in response.text


def test_json_with_too_many_values_is_a_422(http: TestClient) -> None:
    body = b'{"question":[' + b"1," * 200_000 + b"1]}"
    response = http.post("/api/v1/answers", content=body, headers=JSON_TYPES | {"Accept-Language": "en"})
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_request"
    assert "100000 values" in response.json()["title"]


def test_a_number_of_a_million_digits_is_a_422(http: TestClient) -> None:
    response = http.post("/api/v1/answers", content=b'{"passages":' + b"1" * 1_000_000 + b"}", headers=JSON_TYPES)
    assert response.status_code == 422


def test_texts_as_token_numbers_may_be_many(http: TestClient) -> None:
    body = json.dumps({"model": "m", "input": [[1] * 500] * 300}).encode()
    response = http.post("/v1/embeddings", content=body, headers=JSON_TYPES)
    assert "values" not in response.text


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=0-99", [(0, 99)]),
        ("bytes=5-", [(5, None)]),
        ("bytes=-5", [(None, 5)]),
        ("bytes=0-0, 2-3 ,5-", [(0, 0), (2, 3), (5, None)]),
    ],
)
def test_ranges_are_read(header: str, ranges: list[tuple[int | None, int | None]]) -> None:
    assert parsed_ranges(header, 8) == ranges


@pytest.mark.parametrize(
    "header",
    [
        "bytes=",
        "bytes=-",
        "bytes=9-1",
        "items=0-1",
        "bytes=a-b",
        "bytes=0-5,5-9",
        "bytes=0-,1-",
        "bytes=0-,5-6",
        "bytes=-5,-6",
        "bytes=0-1,-5",
        "bytes=" + ",".join(f"{index * 2}-{index * 2}" for index in range(9)),
        "bytes=" + ",".join("0-" for _ in range(1300)),
        "bytes=" + "9" * 20 + "-",
        "bytes=٣-٤",
    ],
)
def test_ranges_that_overlap_or_are_many_or_are_none_are_refused(header: str) -> None:
    with pytest.raises(RangeRefused):
        parsed_ranges(header, 8)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 10)),
        ("bytes=90-500", (90, 10)),
        ("bytes=-7", (93, 7)),
        ("bytes=-700", (0, 100)),
        ("bytes=0-1,5-6", None),
    ],
)
def test_a_range_becomes_a_span(header: str, expected: tuple[int, int] | None) -> None:
    assert span(header, 100, 8) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(RangeRefused):
        span(header, 100, 8)


def test_ranges_are_refused_on_every_route(http: TestClient) -> None:
    many = "bytes=" + ",".join(f"{index * 2}-{index * 2}" for index in range(100))
    for path in ("/api/v1/health/live", "/v1/files/file-1/content", "/nowhere"):
        response = http.get(path, headers={"Range": many, "Accept-Language": "ko"})
        assert response.status_code == 416
        assert "바이트 범위" in response.text
