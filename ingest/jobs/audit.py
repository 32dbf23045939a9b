"""What the durable queue holds open, compared with the record: the part of `verify` that needs the queue's own tables."""

from __future__ import annotations

from datetime import timedelta

from dbos import DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy.exc import DatabaseError

from ingest.pipeline.maintenance import Verification
from rag.store import queue, worker
from rag.store.session import Database

_OPEN = ["ENQUEUED", "PENDING", "DELAYED"]


def verify_queue(found: Verification, database: Database, queue_url: str, lease: timedelta) -> None:
    """Add to `found` jobs without an end and leases of the dead. A queue that was never used has neither."""
    try:
        client = DBOSClient(system_database_url=queue_url, serializer=DBOSPortableJSONSerializer())
    except DatabaseError:
        return
    try:
        held = client.list_workflows(status=_OPEN, load_input=False, load_output=False)
    except DatabaseError:
        return
    finally:
        client.destroy()
    with database.read() as session:
        wanted = queue.open_jobs(session)
        living = worker.living(session, lease)
        expired = worker.expired(session, lease)
    found.endless_jobs = sorted(
        job.workflow_id for job in held if job.name == "ingest_batch" and job.workflow_id not in wanted
    )
    if not found.uncleaned:
        found.endless_jobs += sorted(job.workflow_id for job in held if job.name == "purge_document")
    holders = {job.executor_id for job in held if job.status == "PENDING" and job.executor_id}
    found.dead_leases = sorted((holders - set(living)) | set(expired))
