"""Settings of the ingestion lane."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from rag.settings import Address


class IngestSettings(BaseModel):
    """Everything below `ingest:` in the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_upload_mb: int = Field(100, ge=1, le=10_000, description="largest single upload request")
    batch_documents: int = Field(32, ge=1, le=500, description="documents that one durable workflow handles together")
    batch_mb: int = Field(32, ge=1, le=10_000, description="originals of one workflow together, unless one is larger")
    concurrency: int = Field(2, ge=1, le=64, description="workflows of bulk uploads running at once in this process")
    parse_concurrency: int = Field(2, ge=1, le=64, description="parser children running at once")
    parse_memory_mb: int = Field(1024, ge=128, le=16_384)
    parse_cpu_s: int = Field(60, ge=1, le=3600)
    parse_wall_s: int = Field(120, ge=1, le=7200)
    parse_output_mb: int = Field(50, ge=1, le=1000)
    child_depth: int = Field(3, ge=0, le=10, description="levels of files inside files that become documents")
    child_documents: int = Field(10_000, ge=1, le=1_000_000, description="files inside one upload, at all levels")
    child_mb: int = Field(2048, ge=1, le=1_000_000, description="their size in all, unpacked")
    child_ratio: int = Field(200, ge=1, le=10_000, description="their size as a multiple of the upload, beyond 64 MB")
    injection_flag_from: float = Field(
        0.6,
        gt=0,
        le=1.01,
        description="score from which a document that seems to speak to a model is flagged; 1.01: none",
    )
    chunk_tokens: int = Field(
        240, ge=32, le=4096, description="longest chunk in the embedder's tokens, heading included"
    )
    chunk_terms: int = Field(
        400, ge=32, le=8192, description="longest chunk in lexical terms, for languages that no dense model knows"
    )
    upkeep_every_s: float = Field(
        60.0, ge=1, le=3600, description="seconds between two looks for unfinished deletions and due retention rules"
    )
    queue_database_url: Address | None = Field(
        None, description="SQLAlchemy URL of the durable queue; none means SQLite in the data folder"
    )
    queue_password_file: Path | None = Field(None, description="file that holds the password of the URL's user")
    executor_id: str | None = Field(
        None, description="name of this worker, unique per process; none makes one that is new at every start"
    )
    lease_s: int = Field(30, ge=2, le=3600, description="seconds without a sign of life after which a worker is dead")
    tries: int = Field(3, ge=1, le=20, description="tries of a document before it is set aside")
    retry_pause_s: float = Field(
        5, ge=0, le=3600, description="pause before the second try; each further one is 4 times it"
    )
    outage_pause_s: float = Field(30, ge=0, le=3600, description="pause after a part of the service was away")
    program_jobs: int = Field(1, ge=1, le=64, description="programs being written at once in this process")
    program_tokens: int = Field(
        32_768, ge=256, le=1_000_000, description="longest program, reasoning included, in the model's tokens"
    )
    program_wait_s: float = Field(
        600.0,
        gt=0,
        le=86_400,
        description="longest wait of a program for a place on the engine, and for the first token",
    )
    program_total_s: float = Field(
        7200.0, gt=0, le=604_800, description="longest time that a program may be written for; then it has failed"
    )
    program_waiting: int = Field(20, ge=1, le=10_000, description="programs of one tenant that wait or are written")
    program_days: int = Field(30, ge=1, le=3650, description="days that a program that was written is kept")
    migration_share: float = Field(
        0.5, gt=0, le=1, description="share of one thread's time that building another embedding space may take"
    )
