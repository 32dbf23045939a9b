"""`verify` sees what it is meant to see: each finding is made once, by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from ingest import bootstrap as ingest_bootstrap
from ingest.jobs.audit import verify_queue
from ingest.pipeline import maintenance
from rag.store import worker
from rag.store.base import utc_now
from rag.store.version import DocumentVersion, Stage, VersionState
from tests.support.running import Running, running, settings_for


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = settings_for(tmp_path_factory.mktemp("verify"), {"rag": {"embedding": {"dense": "none"}}})
    with running(settings) as service:
        caller = service.caller()
        caller.ingest(caller.collection(), {"규정.md": "# 규정\n\n문이 여덟 시에 열립니다.\n"})
        deadline = time.monotonic() + 60
        while not found(service).settled:  # the job tidies up after its document answers
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield service


def found(service: Running) -> maintenance.Verification:
    pipeline, settings = service.services.ingest.pipeline, service.services.ingest.settings
    report = maintenance.verify(pipeline, tidied_after=timedelta(0))
    url = ingest_bootstrap.queue_url(settings, service.services.rag.settings)
    verify_queue(report, pipeline.database, url, timedelta(seconds=settings.lease_s))
    return report


def test_a_settled_store(filled: Running) -> None:
    report = found(filled)
    assert report.healthy and report.settled
    assert report.chunks == report.points == 1


def test_derived_files_that_nobody_needs(filled: Running) -> None:
    blobs, database = filled.services.rag.blobs, filled.services.rag.database
    with database.read() as session:
        known = session.scalars(select(DocumentVersion.id)).one()
    unknown = uuid4()
    blobs.put_derived(known, "parsed.json", b"{}")
    blobs.put_derived(unknown, "vectors.npz", b"x")
    try:
        report = found(filled)
        assert report.stray_derived == sorted([f"{known}/parsed.json", f"{unknown}/vectors.npz"])
        assert not report.healthy
    finally:
        blobs.delete_derived(known, "parsed.json")
        blobs.delete_derived(unknown)


def test_an_original_without_a_row_is_swept_unless_it_is_young(filled: Running) -> None:
    pipeline, blobs = filled.services.ingest.pipeline, filled.services.rag.blobs
    writer = blobs.writer(100)
    writer.write(b"cut off between the last byte and the row")
    stray = writer.finish("x").content_hash
    assert found(filled).stray_originals == [stray]
    assert maintenance.sweep_originals(pipeline, 0) == 0
    assert blobs.exists(stray)
    assert maintenance.sweep_originals(pipeline, utc_now().timestamp() + 60) == 1
    assert found(filled).healthy


def test_a_worker_without_a_sign_of_life(filled: Running) -> None:
    database = filled.services.rag.database
    with database.write() as session:
        worker.renew(session, "gestorben")
        session.get_one(worker.Worker, "gestorben").seen_at = utc_now() - timedelta(hours=1)
    report = found(filled)
    assert report.dead_leases == ["gestorben"]
    assert report.healthy and not report.settled
    with database.write() as session:
        worker.forget(session, ["gestorben"])


def test_work_that_is_left(filled: Running) -> None:
    database = filled.services.rag.database
    with database.write() as session:
        row = session.scalars(select(DocumentVersion)).one()
        kept = (row.state, row.stage)
        row.state, row.stage, row.job_id = VersionState.RUNNING, Stage.INDEX, "ingest-1"
        version_id = row.id
    try:
        report = found(filled)
        assert report.unfinished == [version_id]
        assert not report.settled
    finally:
        with database.write() as session:
            row = session.get_one(DocumentVersion, version_id)
            row.state, row.stage = kept
