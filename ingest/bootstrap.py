"""Wires the ingestion lane onto the retrieval lane."""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from ingest.chunking.base import Budget, Budgets
from ingest.chunking.structure import StructureChunker
from ingest.jobs.access_changes import drop_unused_rules
from ingest.jobs.intake import Intake
from ingest.jobs.programs import ProgramJobs
from ingest.jobs.repositories import RepositoryJobs, apart
from ingest.jobs.upkeep import Upkeep
from ingest.jobs.workflows import IngestJobs, JobSettings
from ingest.parsing.converter import find_converter
from ingest.parsing.sandbox import ParseLimits, ParseSandbox
from ingest.pipeline import maintenance, privacy
from ingest.pipeline.children import ChildLimits
from ingest.pipeline.code_cutting import CutRules, tokenizer_of
from ingest.pipeline.code_lane import CodeLane
from ingest.pipeline.code_sandbox import CodeSandbox
from ingest.pipeline.failed_spaces import FailedSpaces
from ingest.pipeline.long_cutting import PROBES, LongRules
from ingest.pipeline.long_sandbox import LongSandbox
from ingest.pipeline.programs import ProgramLimits, ProgramWriter
from ingest.pipeline.repository_sync import RepositorySync
from ingest.pipeline.steps import Interrupted, Pipeline
from ingest.settings import IngestSettings
from rag.access.audit_anchors import open_anchoring
from rag.access.audit_retention import AuditRetention
from rag.answering.log import AnswerLog
from rag.blobs.store import ABANDONED_S
from rag.bootstrap import Rag
from rag.domain.language import Language
from rag.embedding.registry import model_folder
from rag.embedding.space import EmbeddingSpace
from rag.generation.engine import Patience
from rag.index.in_step import IndexesInStep
from rag.settings import RagSettings
from rag.store.queue import BatchLimits, RetryRule
from rag.transport.secret_files import with_password

log = logging.getLogger(__name__)

_SWITCH_S = 0.001


@dataclass(frozen=True, slots=True)
class Ingest:
    """The ingestion lane of one process."""

    settings: IngestSettings
    pipeline: Pipeline
    jobs: IngestJobs
    intake: Intake
    programs: ProgramJobs
    repositories: RepositoryJobs
    upkeep: Upkeep | None = None

    @property
    def code(self) -> CodeLane:
        """What takes source files in bulk."""
        return self.repositories.sync.lane

    def close(self) -> None:
        """Stop the queue and the parser's children."""
        if self.upkeep is not None:
            self.upkeep.stop()
        self.jobs.stop()
        self.repositories.sync.lane.close()
        self.pipeline.sandbox.close()
        if self.pipeline.long is not None:
            self.pipeline.long.close()


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
        index=IndexesInStep(rag.spaces.writers),
        space=rag.space,
        sandbox=ParseSandbox(limits, concurrency=settings.parse_concurrency, converter=find_converter()),
        chunker=StructureChunker(lambda language: budgets_for(settings, rag.space)(language)),
        parse_concurrency=settings.parse_concurrency,
        retries=RetryRule(
            settings.tries, timedelta(seconds=settings.retry_pause_s), timedelta(seconds=settings.outage_pause_s)
        ),
        give_way=rag.traffic.give_way,
        in_step=rag.spaces.in_step,
        flag_from=settings.injection_flag_from,
        audit=rag.audit,
        long=LongSandbox(lambda: long_rules(settings, rag)),
        child_limits=ChildLimits(
            depth=settings.child_depth,
            documents=settings.child_documents,
            size=settings.child_mb << 20,
            ratio=settings.child_ratio,
            batch=settings.batch_documents,
        ),
    )


def build_writer(settings: IngestSettings, rag: Rag, stopping: threading.Event) -> ProgramWriter:
    """What writes programs, with the models of this process."""
    wait_s, total_s = settings.program_wait_s, settings.program_total_s
    limits = ProgramLimits(
        answer_tokens=settings.program_tokens,
        kept=timedelta(days=settings.program_days),
        patience=Patience(queue_s=wait_s, first_token_s=wait_s, total_s=total_s),
    )
    return ProgramWriter(
        database=rag.database,
        blobs=rag.blobs,
        retriever=rag.retriever,
        policy=rag.policy,
        identities=rag.identities,
        generation=rag.generation,
        stopping=stopping,
        limits=limits,
    )


def build_repositories(settings: IngestSettings, rag: Rag, pipeline: Pipeline, jobs: IngestJobs) -> RepositoryJobs:
    """What keeps repositories in step."""
    sync = RepositorySync(
        pipeline,
        CodeLane(pipeline, CodeSandbox(lambda: cut_rules(settings, rag)), jobs.wake),
        rag.settings.repositories,
        rag.settings.mirror_folder(),
        purge=apart(jobs.upkeep.purge_many),
        relabel=apart(jobs.upkeep.relabel_many),
    )
    return RepositoryJobs(sync)


def queue_url(settings: IngestSettings, rag: RagSettings) -> str:
    """The SQLAlchemy URL of the durable queue, the embedded default included."""
    if settings.queue_database_url is None:
        return f"sqlite:///{rag.data_dir / 'queue.sqlite'}"
    return with_password(settings.queue_database_url, settings.queue_password_file)


def build(settings: IngestSettings, rag: Rag, *, listen: bool) -> Ingest:
    """The lane with its queue started; `listen` says whether this process works on it."""
    pipeline = build_pipeline(settings, rag)
    job_settings = JobSettings(
        database_url=queue_url(settings, rag.settings),
        executor_id=settings.executor_id,
        concurrency=settings.concurrency,
        batch=BatchLimits(settings.batch_documents, settings.batch_mb << 20),
        listen=listen,
        lease=timedelta(seconds=settings.lease_s),
        build_share=settings.migration_share,
    )
    programs = ProgramJobs(
        build_writer(settings, rag, pipeline.stopping), settings.program_jobs, settings.program_waiting
    )
    jobs = IngestJobs(pipeline, job_settings, programs)
    repositories = build_repositories(settings, rag, pipeline, jobs)
    jobs.further.append(repositories)

    def drop_rules() -> None:
        drop_unused_rules(rag.database)

    def settle_privacy() -> None:
        with suppress(Interrupted):  # the process ends
            privacy.settle(pipeline)

    failed_spaces = FailedSpaces(rag.spaces)
    jobs.upkeep.after_build = failed_spaces.drop
    jobs.upkeep.chores += [drop_rules, settle_privacy, failed_spaces.drop]
    jobs.upkeep.chores.append(rag.blobs.sweep_incoming)
    jobs.upkeep.chores.append(AnswerLog(rag.database, rag.settings.answer_log).expire)
    jobs.upkeep.chores.append(AuditRetention(rag.audit, rag.settings.audit).cut_due)
    jobs.upkeep.chores.append(open_anchoring(rag.settings, rag.audit).tell_due)
    jobs.start()
    jobs.upkeep.chores.append(rag.federation.directories.sync_due)
    upkeep = (
        Upkeep([jobs.upkeep, programs, repositories], settings.upkeep_every_s, jobs.upkeep.chores) if listen else None
    )
    if upkeep is not None:
        # A thread that answers waits so long at most for each turn that a thread that ingests has.
        sys.setswitchinterval(_SWITCH_S)
        # Where nobody else runs, no upload is older than this process; elsewhere one may take hours, but not a day.
        cut_off_before = time.time() - (0 if job_settings.alone else ABANDONED_S)
        threading.Thread(target=_sweep, args=(pipeline, cut_off_before), name="sweep", daemon=True).start()
        upkeep.start()
    intake = Intake(rag.database, rag.blobs, jobs, rag.traffic.give_way)
    return Ingest(settings, pipeline, jobs, intake, programs, repositories, upkeep)


def _sweep(pipeline: Pipeline, before: float) -> None:
    """Remove what uploads left that a crash cut off. In the background: the list of a large store takes a while."""
    for sweep in (pipeline.blobs.sweep_incoming, partial(maintenance.sweep_originals, pipeline)):
        try:
            sweep(before)
        except Exception:  # the next start sweeps again
            log.exception("what cut-off uploads left could not be removed")


def cut_rules(settings: IngestSettings, rag: Rag) -> CutRules:
    """`budgets_for` code, for children that do without the model: of the space that answers, whatever is configured."""
    live = rag.spaces.current
    space = live.space
    tokens = min(settings.chunk_tokens, space.budget_embedder(Language.CODE).max_tokens)
    folder = model_folder(live.settings)
    return CutRules(tokenizer_of(folder), tokens if space.knows(Language.CODE) else 0, settings.chunk_terms)


def long_rules(settings: IngestSettings, rag: Rag) -> LongRules | None:
    """`budgets_for` every language, for a process that does without the model; None where the model counts elsewhere."""
    live = rag.spaces.current
    budgets, space = budgets_for(settings, live.space), live.space
    limits = {language: budgets(language).limit for language in Language}
    known = tuple(language for language in Language if space.knows(language))
    if not known or space.dense is None:
        return LongRules(limits)
    tokenizer = tokenizer_of(model_folder(live.settings))
    return LongRules(limits, tokenizer, known, tuple(space.dense.count_tokens(PROBES))) if tokenizer else None


def budgets_for(settings: IngestSettings, space: EmbeddingSpace) -> Budgets:
    """The budget of a language, in the tokens of the embedder that will see the chunk."""

    def budget(language: Language) -> Budget:
        embedder = space.budget_embedder(language)
        wanted = settings.chunk_tokens if space.knows(language) else settings.chunk_terms
        return Budget(min(wanted, embedder.max_tokens), embedder.count_tokens)

    return budget
