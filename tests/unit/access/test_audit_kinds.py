"""What every route is on the trail, written out: a deed that is put under another kind is seen here."""

from __future__ import annotations

from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.deps import Guard
from rag.access.audit_kinds import kind_of, unrecorded
from rag.access.policy import Action
from rag.domain.audit import AuditKind
from tests.support.audit_kinds import UNRECORDED, written


def _guarded() -> dict[str, tuple[Action, str, str]]:
    found = {}
    for prefix, router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for action in [item.call.action for item in route.dependant.dependencies if isinstance(item.call, Guard)]:
                for method in route.methods:
                    found[f"{method} {prefix}{route.path}"] = (action, method, prefix + route.path)
    return found


def test_every_route_is_the_kind_that_is_written_here() -> None:
    made = {
        route: UNRECORDED if unrecorded(action, method) else kind_of(action, method, path).value
        for route, (action, method, path) in _guarded().items()
    }
    assert made == written()


def test_what_reads_is_no_change_and_what_makes_is_no_reading() -> None:
    """The words of the kinds themselves: no GET makes, grants or deletes, and no DELETE reads."""
    reading = (
        "read",
        "listed",
        "watched",
        "searched",
        "verified",
        "replayed",
        "downloaded",
        "previewed",
        "feedback",
        "-",
    )
    for route, kind in written().items():
        last = kind.rpartition(".")[2]
        if route.startswith("GET "):
            assert last.endswith(reading), (route, kind)
        elif route.startswith("DELETE "):
            assert not last.endswith(reading), (route, kind)
    assert {kind for kind in written().values() if kind != UNRECORDED} <= {kind.value for kind in AuditKind}
