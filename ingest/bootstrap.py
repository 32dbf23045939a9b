"""Wires the ingestion lane onto the retrieval lane."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.chunking.base import Budget, Budgets
from ingest.chunking.structure import StructureChunker
from ingest.jobs.intake import Intake
from ingest.jobs.workflows import IngestJobs, JobSettings
from ingest.parsing.sandbox import ParseLimits, ParseSandbox
from ingest.pipeline.children import ChildLimits
from ingest.pipeline.steps import Pipeline
from ingest.settings import IngestSettings
from rag.bootstrap import Rag
from rag.domain.language import Language
from rag.embedding.space import EmbeddingSpace


@dataclass(frozen=True, slots=True)
class Ingest:
    """The ingestion lane of one process."""

    settings: IngestSettings
    pipeline: Pipeline
    jobs: IngestJobs
    intake: Intake

    def close(self) -> None:
        """Stop the queue and the parser's children."""
        self.jobs.stop()
        self.pipeline.sandbox.close()


def build_pipeline(settings: IngestSettings, rag: Rag) -> Pipeline:
    """The steps, without a queue: what maintenance commands need."""
    limits = ParseLimits(
        memory_bytes=settings.parse_memory_mb << 20,
        cpu_s=settings.parse_cpu_s,
        wall_s=settings.parse_wall_s,
        output_bytes=settings.parse_output_mb << 20,
    )
    return Pipeline(
        database=rag.database,
        blobs=rag.blobs,
        index=rag.index,
        space=rag.space,
        sandbox=ParseSandbox(limits, concurrency=settings.parse_concurrency),
        chunker=StructureChunker(budgets_for(settings, rag.space)),
        parse_concurrency=settings.parse_concurrency,
        child_limits=ChildLimits(
            depth=settings.child_depth,
            documents=settings.child_documents,
            size=settings.child_mb << 20,
            ratio=settings.child_ratio,
            batch=settings.batch_documents,
        ),
    )


def build(settings: IngestSettings, rag: Rag, *, listen: bool) -> Ingest:
    """The lane with its queue started; `listen` says whether this process works on it."""
    pipeline = build_pipeline(settings, rag)
    queue_url = settings.queue_database_url or f"sqlite:///{rag.settings.data_dir / 'queue.sqlite'}"
    jobs = IngestJobs(pipeline, JobSettings(queue_url, settings.executor_id, settings.concurrency, listen))
    jobs.start()
    if listen:
        rag.blobs.sweep_incoming()
    return Ingest(settings, pipeline, jobs, Intake(rag.database, rag.blobs, jobs, settings.batch_documents))


def budgets_for(settings: IngestSettings, space: EmbeddingSpace) -> Budgets:
    """The budget of a language, in the tokens of the embedder that will see the chunk."""

    def budget(language: Language) -> Budget:
        embedder = space.budget_embedder(language)
        wanted = settings.chunk_tokens if space.knows(language) else settings.chunk_terms
        return Budget(min(wanted, embedder.max_tokens), embedder.count_tokens)

    return budget
