"""Ending in good order: what is in work is laid down, blamed on nobody, and taken up by the next start."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dbos import DBOS

from ingest.jobs import workflows
from rag.domain.principal import Scope
from tests.support.running import Caller, running, settings_for


@pytest.mark.parametrize("stops", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_stopping_again_and_again_fails_no_document(tmp_path: Path, stops: int) -> None:
    settings = settings_for(tmp_path, {"rag": {"embedding": {"dense": "none"}}, "ingest": {"batch_documents": 8}})
    files = {f"{n:02}.md": f"# 문서 {n}\n\n낱말 {n} 하나.\n" for n in range(24)}
    headers: dict[str, str] = {}
    for life in range(stops):
        with running(settings) as service:
            slow(service.services.ingest.pipeline.sandbox)
            if not headers:
                headers = service.caller(Scope.ADMIN, tenant="default").headers
                caller = Caller(service, headers)
                caller.upload(caller.collection("규정"), files)
            began = time.monotonic()
            while not progress(Caller(service, headers))["running"]:
                assert time.monotonic() < began + 60
                time.sleep(0.02)
            time.sleep(0.2 * life)
    with running(settings) as service:
        caller = Caller(service, headers)
        rows = caller.get("/api/v1/collections/규정/documents").json()["documents"]
        versions = [row["version"] for row in caller.wait([row["id"] for row in rows])]
        assert [item["state"] for item in versions] == ["active"] * len(files)
        assert {item["tries"] for item in versions} == {0}
        assert {item["number"] for item in versions} == {1}


def test_an_upgrade_takes_up_what_the_release_before_had_in_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(tmp_path, {"rag": {"embedding": {"dense": "none"}}, "ingest": {"batch_documents": 8}})
    with monkeypatch.context() as before:
        before.setattr(workflows, "WORKFLOW_VERSION", "1")
        with running(settings) as service:
            slow(service.services.ingest.pipeline.sandbox)
            headers = service.caller(Scope.ADMIN, tenant="default").headers
            caller = Caller(service, headers)
            caller.upload(
                caller.collection("규정"), {f"{n:02}.md": f"# 문서 {n}\n\n낱말 {n} 하나.\n" for n in range(24)}
            )
            began = time.monotonic()
            while not progress(Caller(service, headers))["running"]:
                assert time.monotonic() < began + 60
                time.sleep(0.02)
    with running(settings) as service:
        caller = Caller(service, headers)
        rows = caller.get("/api/v1/collections/규정/documents").json()["documents"]
        versions = [row["version"] for row in caller.wait([row["id"] for row in rows])]
        assert [item["state"] for item in versions] == ["active"] * 24
        assert {item["tries"] for item in versions} == {0}


def test_a_service_with_nothing_in_work_ends_without_a_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    with running(settings_for(tmp_path, {"rag": {"embedding": {"dense": "none"}}})) as service:
        caller = service.caller()
        caller.ingest(caller.collection("규정"), {"a.md": "# 문서\n\n낱말 하나.\n"})
        while DBOS.list_workflows(status=["PENDING", "ENQUEUED"]):
            time.sleep(0.02)
        monkeypatch.setattr("dbos._dbos.time", SimpleNamespace(time=time.time, sleep=slept.append))
    assert slept == []


def test_a_job_that_is_queued_or_just_claimed_is_waited_for(tmp_path: Path) -> None:
    with running(settings_for(tmp_path, {"rag": {"embedding": {"dense": "none"}}})) as service:
        jobs = service.services.ingest.jobs
        caller = service.caller()
        caller.ingest(caller.collection("규정"), {"a.md": "# 문서\n\n낱말 하나.\n"})
        while DBOS.list_workflows(status=["PENDING", "ENQUEUED"]):
            time.sleep(0.02)
        assert not jobs._has_work()
        slow(service.services.ingest.pipeline.sandbox)
        caller.upload("규정", {"b.md": "# 둘째\n\n낱말 둘.\n"})
        end = time.monotonic() + 30
        while not (seen := jobs._has_work()) and time.monotonic() < end:
            time.sleep(0.01)
        assert seen


def progress(caller: Caller) -> Any:
    return caller.get("/api/v1/collections/규정/ingestion").json()


def slow(sandbox: Any) -> None:
    """Parsing takes its time, so that the service ends in the middle of it."""
    parse = sandbox.parse

    def slowly(path: Path, name: str, **how: Any) -> Any:
        time.sleep(0.15)
        return parse(path, name, **how)

    sandbox.parse = slowly
