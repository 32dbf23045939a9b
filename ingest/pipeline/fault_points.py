"""Named places at which a test may kill the process: one before and one after everything that has to survive it.

In a service `reached` does nothing: no hook is installed, and neither a setting nor a request nor the environment can
install one. `tests/e2e/kill_points.py` kills a real process at each.
"""

from __future__ import annotations

from collections.abc import Callable

STEPS = ("identify", "parse", "chunk", "embed", "index", "activate", "tidy")
"""Durable steps of a batch. Each has three points: `begin` (nothing done), `end` (done, the queue does not know yet), and
`recorded` (the queue knows)."""

_EFFECTS = {
    "upload.received": "the originals are held, no row names them",
    "intake.row_written": "document and version are written, not committed",
    "intake.row_committed": "committed; the client has no answer yet",
    "delete.row_written": "the document is hidden, not committed",
    "delete.row_committed": "committed; no purge is queued",
    "delete.queued": "the purge is queued; the client has no answer yet",
    "retry.row_committed": "a version waits again; the client has no answer yet",
    "cancel.row_committed": "a version is cancelled; the client has no answer yet",
    "dispatch.claimed": "versions are given to a job, not committed",
    "dispatch.committed": "committed; the queue does not know the job",
    "dispatch.queued": "the queue knows the job",
    "batch.begin": "a worker has taken the job, no step began",
    "batch.end": "all steps are recorded, the job is not",
    "identify.row_written": "the media type is written, not committed",
    "identify.row_committed": "one document is identified, others are not",
    "parse.answered": "the parser's answer is in memory only",
    "parse.row_set_apart": "a document that takes long waits for a job of its own, not committed",
    "parse.set_apart": "committed; its batch still has a child at work for it",
    "parse.blob_written": "the parse result is stored, no row says so",
    "parse.row_committed": "one document is parsed, others are not",
    "children.rows_written": "files inside a document are written, not committed",
    "children.rows_committed": "committed and held back; their originals are not stored",
    "children.stored": "their originals are stored, they are held back still",
    "children.released": "they wait for their turn; the document that holds them is not parsed on record",
    "chunk.cut": "the chunks are in memory only",
    "chunk.rows_written": "chunks are written, not committed",
    "chunk.rows_committed": "one document is chunked, others are not",
    "embed.computed": "the vectors are in memory only",
    "embed.blob_written": "the vectors of one document are stored",
    "index.upserted": "some points of a version are in the index",
    "index.counted": "all points of a version are in the index",
    "activate.row_written": "a version is active, not committed",
    "activate.row_committed": "committed; the index still holds the version before it",
    "activate.old_points_removed": "the version before it has left the index",
    "fail.row_written": "a failure is written, not committed",
    "fail.row_committed": "a failure is recorded; what it left is still there",
    "tidy.points_removed": "a failed version has left the index",
    "tidy.rows_removed": "its chunks are gone, not committed",
    "tidy.blob_removed": "the derived files of one version are gone, those of others are not",
    "tidy.blobs_removed": "its derived files are gone, no row says so",
    "purge.begin": "a purge was taken up, nothing is removed",
    "purge.points_removed": "a deleted document has left the index",
    "purge.rows_removed": "its chunks are gone, not committed",
    "purge.blob_removed": "the derived files of one version are gone, those of others are not",
    "purge.blobs_removed": "its derived files are gone",
    "purge.original_dropped": "an original is gone, the lock on it and on others is held",
    "purge.original_removed": "its original is gone, no row says so",
    "purge.row_written": "what was removed of a group is written, not committed",
    "purge.row_committed": "committed; another group is not begun, no receipt is closed",
    "purge.log_emptied": "what was deleted stands nowhere any more, no receipt says so",
    "purge.receipt_written": "receipts are closed, not committed",
    "purge.receipt_committed": "some receipts are closed, others are not",
    "purge.end": "the purge is on record, the queue does not know",
}

FAULT_POINTS: dict[str, str] = {
    **{f"{step}.{moment}": f"{moment} of the step {step}" for step in STEPS for moment in ("begin", "end", "recorded")},
    **_EFFECTS,
}
"""Every point, and what is done at that moment and what is not."""

MIGRATION_POINTS: dict[str, str] = {
    "migrate.begun": "a new space is on record, nothing is built",
    "migrate.vectors_stored": "a group's vectors in the new space are stored, none is in its index",
    "migrate.upserted": "a version is in the new index, the record does not say so",
    "migrate.cursor_committed": "a group is built and on record",
    "migrate.compared": "all is built and equals the record, which does not say that it is ready",
    "migrate.ready": "it is ready on record, the queue does not know",
}
"""Points of building a space (`ingest/pipeline/migration.py`), which the workload of ingestion never reaches."""

PROGRAM_POINTS: dict[str, str] = {
    "program.recorded": "a generation is committed, no job is queued",
    "program.select.end": "the excerpts are stored, the queue does not know",
    "program.write.streaming": "the model is writing, nothing of it is stored",
    "program.write.end": "the answer is stored, the queue does not know",
    "program.check.end": "the files are read and checked, the queue does not know",
    "program.repair.end": "files are mended, the queue does not know",
    "program.store.blobs_written": "the files are stored, no row names them",
    "program.store.end": "it is done on record, the queue does not know",
}
"""Points of writing a program (`ingest/pipeline/programs.py`), likewise."""

CODE_POINTS: dict[str, str] = {
    "code.rows_written": "a group of files is written with its chunks, not committed",
    "code.rows_committed": "committed; originals and points are missing",
    "code.originals_stored": "the originals are stored, the index holds nothing",
    "code.points_written": "the points are in the index, no version answers",
    "code.activated": "the versions answer, not committed",
    "code.activation_committed": "committed; the index still holds the versions before them",
    "code.settled": "the versions before them have left the index, the caller does not know",
    "code.filled": "the vectors of a group are stored, its points have none",
    "code.fill_written": "its points have them, the record does not say so",
}
"""Points of the bulk way of repositories (`ingest/pipeline/code_lane.py`, `code_filling.py`), likewise."""

REPOSITORY_POINTS: dict[str, str] = {
    "repository.wanted": "a look is wanted on record, no job has it",
    "repository.given": "a job has the repository on record, the queue does not know the job",
    "repository.begin": "the state says that it is fetched; rules that changed are not applied",
    "repository.ruled": "rules are applied, nothing is fetched",
    "repository.fetched": "the mirror is that of the remote, no row says so",
    "repository.planned": "what is to be done is known, nothing is done",
    "repository.claimed": "new files are on record as begun, none is indexed",
    "repository.taken": "a batch answers, its files are on record as begun still",
    "repository.noted": "a batch is on record, the queue does not know",
    "repository.removed": "documents of files that are gone are hidden, no purge is queued",
    "repository.finished": "the commit is on record and the repository given back, the queue does not know",
    "repository.failed": "a failure is on record and the repository given back, the queue does not know",
    "repository.hidden": "a repository is deleted on record, no purge is queued",
    "repository.mirror_removed": "its mirror is gone, its rows are not",
    "repository.forgotten": "its rows are gone, the queue does not know",
}
"""Points of keeping repositories in step (`ingest/pipeline/repository_sync.py`, `ingest/jobs/repositories.py`), likewise."""

DELETION_POINTS: dict[str, str] = {
    "items.rows_written": "documents of a source are hidden with their receipts, not committed",
    "items.rows_committed": "committed; no purge is queued",
    "items.queued": "their purge is queued; the client has no answer yet",
    "collection.row_written": "a collection is deleted with its receipt, not committed",
    "collection.row_committed": "committed; none of its documents is hidden, no job is queued",
    "collection.queued": "the job is queued; the client has no answer yet",
    "collection.batch_written": "a batch of its documents is hidden with their receipts, not committed",
    "collection.batch_committed": "committed; the queue does not know, others are not hidden",
    "collection.batch_purged": "a batch is purged, the queue does not know",
    "collection.close_written": "its receipt is closed, not committed",
    "collection.closed": "its receipt is closed, the queue does not know",
    "retention.batch_written": "what is due is hidden with receipts, not committed",
    "retention.batch_committed": "committed; no purge has it",
}
"""Points of deleting many documents at once (`ingest/pipeline/removal.py`, `retention.py`); those of the purge are above."""

Hook = Callable[[str, str], None]
_hook: Hook | None = None


def reached(name: str, subject: object = "") -> None:
    """Say that the point `name` is reached for a document, version or job."""
    if _hook is not None:
        _hook(name, str(subject))


def install(hook: Hook | None) -> None:
    """Let a test's `hook` see every point that is reached; None takes it away again."""
    global _hook
    _hook = hook
