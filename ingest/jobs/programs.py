"""Programs as durable jobs: a workflow each, a step per stage. A killed process goes on at the step it was in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from dbos import DBOS, SetWorkflowID, StepOptions
from dbos import error as dbos_error

from ingest.jobs.durable import SOON_S
from ingest.pipeline.fault_points import reached
from ingest.pipeline.programs import SPEC, Cancelled, ProgramWriter
from rag.domain.errors import InvalidRequest, ModelBusy, SeogoError, Unavailable
from rag.domain.language import CollectionKind, Language
from rag.domain.principal import Permit
from rag.store import collection
from rag.store import program as programs_table
from rag.store.base import utc_now
from rag.store.program import Program
from rag.store.session import Database
from rag.text.language import detect_language

log = logging.getLogger(__name__)

QUEUE = "programs"
_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_LOST_AFTER = timedelta(seconds=30)
_TIDIED = 100
_TITLE = 200


@dataclass(frozen=True, slots=True)
class ProgramOrder:
    """What a caller wants written.

    Attributes:
        language: of the prompt; None takes that of the specification.
        model: name of a configured model; empty leaves the choice to the router.
        thinking: None thinks where the model can.
    """

    spec: str
    title: str = ""
    language: Language | None = None
    model: str = ""
    thinking: bool | None = None


class ProgramJobs:
    """Takes orders, and runs them in turn.

    Args:
        at_once: how many this process writes at once.
        waiting: orders of one tenant that may wait or be written; more are refused, so that others come to their turn.
    """

    def __init__(self, writer: ProgramWriter, at_once: int, waiting: int) -> None:
        self._writer = writer
        self._at_once = at_once
        self._waiting = waiting
        self._workflow: Callable[[str], None] | None = None

    @property
    def writer(self) -> ProgramWriter:
        """What does the work."""
        return self._writer

    @property
    def _database(self) -> Database:
        return self._writer.database

    def order(self, permit: Permit, wanted: ProgramOrder) -> Program:
        """Record an order for the collections of the permit, and queue it.

        Raises:
            InvalidRequest: a collection is none of code.
            UnknownModel: there is no model, or none of this name.
            ModelBusy: too many of the tenant's orders wait.
        """
        language = wanted.language or _language_of(wanted.spec)
        choice = self._writer.choice(language, wanted.model, wanted.thinking)
        with self._database.read() as session:
            for row in collection.permitted(session, permit):
                if row.kind != CollectionKind.CODE:
                    raise InvalidRequest(
                        detail=f"repositories: {row.name} is no collection of code",
                        detail_ko=f"repositories: {row.name}은(는) 코드 컬렉션이 아닙니다",
                    )
            if programs_table.count_unfinished(session, permit.tenant_id) >= self._waiting:
                raise ModelBusy(name=choice.engine.name)
        program = Program(
            id=uuid4(),
            tenant_id=permit.tenant_id,
            key_id=self._writer.identities.errand_of(permit.principal),
            key_name=permit.principal.name,
            title=(wanted.title or _title_of(wanted.spec))[:_TITLE],
            language=language,
            model=wanted.model,
            thinking=wanted.thinking,
            spec_chars=len(wanted.spec),
        )
        self._writer.blobs.put_result(program.id, SPEC, wanted.spec.encode("utf-8", "replace"))
        with self._database.write() as session:
            programs_table.add(session, program, sorted(permit.collections))
        reached("program.recorded", program.id)
        self._submit(program.id)
        return program

    def cancel(self, permit: Permit, program_id: UUID) -> Program:
        """Stop it.

        Raises:
            NotFound: the permit does not cover it.
            GenerationEnded: it has ended.
        """
        with self._database.write() as session:
            row = programs_table.get_permitted(session, permit, program_id)
            programs_table.cancel(session, row)
        return row

    def delete(self, permit: Permit, program_id: UUID) -> None:
        """Remove it and all that was made; a job at work on it stops.

        Raises:
            NotFound: the permit does not cover it.
        """
        with self._database.read() as session:
            programs_table.get_permitted(session, permit, program_id)
        self._writer.remove(program_id)

    def register(self) -> None:
        """Make the workflow known; before the queue is launched."""
        writer = self._writer
        steps: Sequence[tuple[str, Callable[[UUID], None]]] = (
            ("program_select", writer.select),
            ("program_write", writer.write),
            ("program_check", writer.check),
            ("program_repair", writer.repair),
            ("program_store", writer.store),
        )

        @DBOS.workflow(name="write_program")
        def write_program(program_id: str) -> None:
            for name, step in steps:
                try:
                    if not DBOS.run_step(_options(name), _run_step, writer, step, program_id):
                        break
                except dbos_error.DBOSMaxStepRetriesExceeded as error:
                    DBOS.run_step(_options("program_fail"), _fail, writer, program_id, _reason(error))
                    break

        self._workflow = write_program

    def register_queue(self) -> None:
        """Make the queue known; once it is launched."""
        DBOS.register_queue(QUEUE, worker_concurrency=self._at_once, polling_interval_sec=SOON_S)

    def look_around(self) -> None:
        """Queue again what no job knows, and remove what is due."""
        with self._database.read() as session:
            lost = programs_table.unfinished(session, utc_now() - _LOST_AFTER)
            due = programs_table.due(session, utc_now() - self._writer.limits.kept, _TIDIED)
        for program_id in lost:
            self._submit(program_id)
        for program_id in due:
            self._writer.remove(program_id)

    def _submit(self, program_id: UUID) -> None:
        """Queue it, unless it is queued or running."""
        if self._workflow is None:
            raise RuntimeError("the queue is not started")
        job_id = f"program-{program_id}"
        known = DBOS.list_workflows(workflow_id_prefix=job_id, load_input=False, load_output=False)
        if any(item.status not in _ENDED for item in known):
            return
        with SetWorkflowID(f"{job_id}-{len(known)}"):
            DBOS.enqueue_workflow(QUEUE, self._workflow, str(program_id))


def _run_step(writer: ProgramWriter, step: Callable[[UUID], None], program_id: str) -> bool:
    """One step; False when the job is over. What a retry can't help is recorded at once."""
    try:
        step(UUID(program_id))
    except Cancelled:
        writer.abandon(UUID(program_id))
        return False
    except SeogoError as error:
        if _may_pass(error):
            raise
        writer.fail(UUID(program_id), error)
        return False
    except Exception as error:
        log.exception("a step of a program failed unexpectedly")
        raise Unavailable from error
    return True


def _may_pass(error: BaseException) -> bool:
    """Whether another try can help; a guard has made its second one already."""
    return isinstance(error, Unavailable) and error.retryable


def _fail(writer: ProgramWriter, program_id: str, error: SeogoError) -> None:
    writer.fail(UUID(program_id), error)


def _reason(error: dbos_error.DBOSMaxStepRetriesExceeded) -> SeogoError:
    return next((item for item in reversed(error.errors) if isinstance(item, SeogoError)), Unavailable())


def _options(name: str) -> StepOptions:
    return StepOptions(
        name=name,
        retries_allowed=True,
        max_attempts=6,  # some six minutes: an engine that starts anew with a large model is back by then
        interval_seconds=1.0,
        backoff_rate=4.0,
        should_retry=_may_pass,
    )


def _language_of(spec: str) -> Language:
    return Language.KOREAN if detect_language(spec) is Language.KOREAN else Language.ENGLISH


def _title_of(spec: str) -> str:
    """The first line with words in it."""
    lines = (line.strip().lstrip("#").strip() for line in spec.splitlines())
    return next((line for line in lines if line), "")
