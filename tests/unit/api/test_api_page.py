"""The page of the API names every route, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from api.app import ROUTERS
from tests.support.running import SAMPLES

PAGE = SAMPLES.parents[1] / "docs" / "api.md"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
Route = tuple[str, str]
"""Method and path, its parameters without names."""


def _plain(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path.partition("?")[0])


ROUTES: frozenset[Route] = frozenset(
    (method, _plain(prefix + route.path))  # type: ignore[attr-defined]
    for prefix, router in ROUTERS
    for route in router.routes
    for method in route.methods  # type: ignore[attr-defined]
    if method != "HEAD"
)


def _named(cell: str, base: str) -> Iterator[tuple[str, frozenset[Route]]]:
    """What is written in the first column of a row, and the routes that it may stand for.

    A method without a path belongs to the next path; a path without a method has those of the one before. `…` is the row's
    first path (that of the row above where it has none), or the longest beginning of it with which there is such a route.
    """
    methods: list[str] = []
    pending: list[str] = []
    first = True
    for written in re.findall(r"`([^`]+)`", cell):
        words = written.split()
        pending += [word for word in words if word in _METHODS]
        path = next((_plain(word) for word in words if word not in _METHODS), "")
        if not path:
            continue
        methods, pending = pending or methods, []
        if path.startswith("…"):
            parts = base.split("/")
            beginnings = ("/".join(parts[:length]) for length in range(len(parts), 1, -1))
            candidates = [{(method, beginning + path[1:]) for method in methods} & ROUTES for beginning in beginnings]
        else:
            candidates = [{(method, path) for method in methods} & ROUTES]
            base, first = (path, False) if first else (base, False)
        yield written, next((frozenset(item) for item in candidates if item), frozenset())


def routes_of(text: str) -> dict[str, frozenset[Route]]:
    """By what is written in the tables of routes, the routes of the application that it stands for."""
    found: dict[str, frozenset[Route]] = {}
    base, inside = "", False
    for line in text.splitlines():
        inside = line.startswith("|") and (inside or line.startswith("| Route |"))
        if not inside or line.startswith(("| Route |", "|---")):
            continue
        cell = line.split(" | ")[0]
        for written, stands_for in _named(cell, base):
            found[f"{cell}: {written}"] = stands_for
        base = next((_plain(item) for item in re.findall(r"[` ](/[^ `]+)`", cell)), base)
    return found


def test_every_route_stands_in_the_page() -> None:
    named = routes_of(PAGE.read_text("utf-8"))
    assert sorted(ROUTES.difference(*named.values())) == []


def test_the_page_names_no_route_that_is_none() -> None:
    assert [written for written, routes in routes_of(PAGE.read_text("utf-8")).items() if not routes] == []


@pytest.mark.parametrize(
    ("cell", "routes"),
    [
        ("`GET`, `POST /api/v1/accounts`", {("GET", "/api/v1/accounts"), ("POST", "/api/v1/accounts")}),
        ("`GET /api/v1/nothing`", set()),
        ("`GET /api/v1/me`, `…/keys`, `DELETE …/keys/{id}`",
         {("GET", "/api/v1/me"), ("GET", "/api/v1/me/keys"), ("DELETE", "/api/v1/me/keys/{}")}),
    ],
)  # fmt: skip
def test_a_row_stands_for(cell: str, routes: set[Route]) -> None:
    found = routes_of(f"| Route | Scope | |\n|---|---|---|\n| {cell} | read | x |\n")
    assert frozenset().union(*found.values()) == routes
