"""Writing programs: from a specification and a repository to files that were checked, step by step.

Each step takes the id of a generation and is safe to repeat: what one hands to the next lies in the blob store. Before each, the
rights of the key that asked are looked at again: one that was revoked meanwhile gets nothing more.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from anyio.to_thread import run_sync

from ingest.pipeline.fault_points import reached
from ingest.pipeline.program_context import context_for
from ingest.pipeline.program_privacy import LookedThrough, looked_through
from ingest.pipeline.program_writing import Written, written_by
from ingest.pipeline.steps import Interrupted
from rag.access.identities import Identities
from rag.access.personal_data.reading import names_masked
from rag.access.policy import Action, Policy
from rag.blobs.store import BlobStore
from rag.domain.errors import GenerationStopped, InvalidRequest, NotFound, SeogoError, UnknownModel
from rag.domain.language import Language
from rag.domain.principal import Permit
from rag.generation.engine import ChatEngine, EngineCall, Patience
from rag.generation.guards import GuardedEngine
from rag.generation.program_checks import Check, Verdict, check_syntax
from rag.generation.program_format import WrittenFile, read_program
from rag.generation.program_prompt import (
    Excerpt,
    Packed,
    ProgramPrompt,
    fixed_tokens,
    pack,
    repair_prompt,
    writing_prompt,
)
from rag.generation.registry import Generation
from rag.generation.routing import Choice, Job
from rag.retrieval.code_pack import CodePacker
from rag.retrieval.repository_map import RepositoryMaps
from rag.retrieval.service import Retriever
from rag.store import program as programs_table
from rag.store.program import Program, ProgramFile, ProgramStage
from rag.store.session import Database

log = logging.getLogger(__name__)

SPEC = "spec.txt"
EXCERPTS = "excerpts.json"
ANSWER = "answer.json"
FILES = "files.json"
_ON_THE_WAY = (EXCERPTS, ANSWER, FILES)
"""What is needed until the end alone; it quotes documents, which may be deleted meanwhile."""
_PATHS = 400
"""Paths of the repository that are listed."""
_LEAST_ANSWER = 4096
"""Tokens that must be left for the program, where the model's context is not smaller still."""
_MARGIN = 256
UNHURRIED = Patience(queue_s=600.0, first_token_s=600.0, total_s=7200.0)
_DETAIL = 500


class Cancelled(Exception):
    """Somebody cancelled or deleted the generation meanwhile."""


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """How long and how much.

    Attributes:
        answer_tokens: of one program, reasoning included.
        kept: how long it is kept after its end.
        patience: how long one generation may take: 32,768 tokens take 18 minutes at 30 a second, on small machines an hour.
        look_s: seconds between two looks at whether it was cancelled, and two notes of how far it is.
    """

    answer_tokens: int = 32_768
    kept: timedelta = timedelta(days=30)
    patience: Patience = UNHURRIED
    look_s: float = 1.0


@dataclass(frozen=True, slots=True)
class ProgramWriter:
    """The steps and what they work with.

    Attributes:
        identities: who began a job, as it is now.
        stopping: set when this process is about to end; the job then goes on in the next one.
    """

    database: Database
    blobs: BlobStore
    retriever: Retriever
    policy: Policy
    identities: Identities
    generation: Generation | None
    stopping: threading.Event
    limits: ProgramLimits = ProgramLimits()

    def choice(self, language: Language, model: str, thinking: bool | None, tokens: int = 0) -> Choice:
        """The model that would write.

        Raises:
            UnknownModel: there is none, or none of this name.
            InvalidRequest: a prompt of so many tokens fits into none.
        """
        if self.generation is None:
            raise UnknownModel(name=model or "batch")
        job = Job(
            "batch",
            prompt_tokens=tokens,
            answer_tokens=min(_LEAST_ANSWER, self.limits.answer_tokens),
            language=language,
            thinking=thinking,
            model=model,
        )
        return self.generation.router.choose(job)

    def select(self, program_id: UUID) -> None:
        """Search the repository for what the specification speaks of."""
        row = self._enter(program_id, ProgramStage.SELECT)
        # Whoever may read the documents reads the program: what is hidden from some of them is no part of it.
        permit = self._permit(row).masked()
        packer = CodePacker(self.database, RepositoryMaps(self.database, self.retriever))
        spec = self._text(program_id, SPEC)
        with self.database.read() as session:
            paths = programs_table.paths_permitted(session, permit, _PATHS + 1)
            listed = paths[:_PATHS]
            shown = names_masked(session, permit, [(collection_id, path) for path, _, collection_id in listed])
        room = self._room(row, fixed_tokens(spec, shown, Language(row.language)))
        excerpts = context_for(packer, self.retriever, permit, spec, room, self.stopping)
        found = {
            "excerpts": [asdict(item) for item in excerpts],
            "paths": shown,
            "path_documents": [str(identity) for _, identity, _ in listed],
        }
        self._put(program_id, EXCERPTS, found)
        with self.database.write() as session:
            sources = (*(UUID(item.document) for item in excerpts), *(identity for _, identity, _ in listed))
            programs_table.note_sources(session, program_id, sources)
            programs_table.note(
                session, program_id, paths_listed=min(len(paths), _PATHS), paths_cut=len(paths) > _PATHS
            )
        reached("program.select.end", program_id)

    def _room(self, row: Program, fixed: int) -> int:
        """Tokens of what is chosen of the repository: what the model takes that is going to write, beside its answer. A file that
        is made to fit into more than that would be left out as a whole."""
        try:
            choice = self.choice(Language(row.language), row.model, row.thinking, fixed)
        except SeogoError:  # said when it is time to write
            return _LEAST_ANSWER
        room, answer = self._shared_out(choice, fixed)
        return max(0, room - answer)

    def _shared_out(self, choice: Choice, fixed: int) -> tuple[int, int]:
        """Tokens of excerpts and answer together, and those of the answer."""
        context = choice.engine.context_tokens
        room = context - fixed - _MARGIN
        return room, min(self.limits.answer_tokens, max(_LEAST_ANSWER, context // 2), room)

    def write(self, program_id: UUID) -> None:
        """Let the model write; its answer is kept as it is."""
        row = self._enter(program_id, ProgramStage.WRITE, written=0)
        permit = self._permit(row)
        language = Language(row.language)
        spec, (excerpts, paths) = self._text(program_id, SPEC), self._still_permitted(permit, program_id)
        fixed = fixed_tokens(spec, paths, language)
        choice = self.choice(language, row.model, row.thinking, fixed)
        room, answer = self._shared_out(choice, fixed)
        if answer < min(_LEAST_ANSWER, choice.engine.context_tokens // 4):
            name, context = choice.engine.name, choice.engine.context_tokens
            raise InvalidRequest(
                detail=f"specification: some {fixed} tokens, the model {name} takes {context} with its answer",
                detail_ko=f"specification: 약 {fixed}토큰입니다. 모델 {name}은(는) 답까지 합해 {context}토큰을 받습니다",
            )
        packed = pack(excerpts, room - answer)
        prompt = writing_prompt(spec, packed.included, paths, language)
        self._note_packing(program_id, prompt, packed, choice, answer)
        written = self._generate(program_id, row, choice, prompt, answer, ProgramStage.WRITE)
        self._put(
            program_id, ANSWER, {"text": written.text, "cut_off": written.cut_off, "written": dict(prompt.written)}
        )
        with self.database.write() as session:
            programs_table.note(session, program_id, cut_off=written.cut_off, **written.facts)
        reached("program.write.end", program_id)

    def check(self, program_id: UUID) -> None:
        """Read the files out of the answer, hide what may not stand in them and check their syntax.

        Raises:
            GenerationStopped: there is not one file in it.
        """
        row = self._enter(program_id, ProgramStage.CHECK)
        permit = self._permit(row)
        answer = self._json(program_id, ANSWER)
        program = read_program(answer["text"], cut_off=answer["cut_off"], written=answer["written"])
        seen = self._looked_through(permit, program_id, program.files)
        rejected = [asdict(item) for item in (*program.rejected, *seen.rejected)]
        with self.database.write() as session:
            programs_table.note(session, program_id, rejected=rejected, masked=list(seen.masked))
        if not seen.files:
            raise GenerationStopped(name=row.model_used, guard="no_files")
        self._put(program_id, FILES, [_entry(item, check_syntax(item.path, item.text)) for item in seen.files])
        reached("program.check.end", program_id)

    def repair(self, program_id: UUID) -> None:
        """Let the model mend the files whose syntax is broken, once. What it can't mend stays, and says so."""
        files: list[dict[str, Any]] = self._json(program_id, FILES)
        broken = [item for item in files if item["verdict"] == Verdict.ERROR]
        if not broken:
            return
        row = self._enter(program_id, ProgramStage.REPAIR)
        permit = self._permit(row)
        try:
            mended = self._mended(program_id, row, permit, broken)
        except SeogoError as error:
            log.warning("the syntax of %d files could not be mended: %s", len(broken), error.code)
            with self.database.write() as session:
                programs_table.note(session, program_id, repair_failed=error.code)
            return
        self._put(program_id, FILES, [mended.get(item["path"], item) for item in files])
        reached("program.repair.end", program_id)

    def store(self, program_id: UUID) -> None:
        """Keep each file as a blob and a row; what was needed on the way goes."""
        row = self._enter(program_id, ProgramStage.STORE)
        self._permit(row)
        rows: list[ProgramFile] = []
        for ordinal, item in enumerate(self._json(program_id, FILES)):
            content = item["text"].encode("utf-8", "replace")
            self.blobs.put_result(program_id, blob_of(ordinal), content)
            rows.append(_file_row(program_id, ordinal, item, content))
        reached("program.store.blobs_written", program_id)
        with self.database.write() as session:
            if not programs_table.finish(session, program_id, rows):
                raise Cancelled
        self.blobs.delete_results(program_id, _ON_THE_WAY)
        reached("program.store.end", program_id)

    def fail(self, program_id: UUID, error: SeogoError) -> None:
        """Record why it failed."""
        with self.database.write() as session:
            programs_table.fail(session, program_id, error.code, dict(error.params))
        self.blobs.delete_results(program_id, _ON_THE_WAY)

    def remove(self, program_id: UUID) -> None:
        """Remove everything of it. A job that is at work on it finds it gone, and stops."""
        self.blobs.delete_results(program_id)
        with self.database.write() as session:
            programs_table.remove(session, program_id)
        self.blobs.delete_results(program_id)  # what a job wrote in between

    def abandon(self, program_id: UUID) -> None:
        """End a job that was cancelled: what it read of documents goes; of one that was deleted, all that was written since."""
        with self.database.read() as session:
            gone = session.get(Program, program_id) is None
        self.blobs.delete_results(program_id, None if gone else _ON_THE_WAY)

    def _enter(self, program_id: UUID, stage: ProgramStage, written: int | None = None) -> Program:
        if self.stopping.is_set():
            raise Interrupted
        with self.database.write() as session:
            if not programs_table.advance(session, program_id, stage, written=written):
                raise Cancelled
            row = session.get(Program, program_id)
            if row is None:
                raise Cancelled
            return row

    def _permit(self, row: Program) -> Permit:
        """What the key, or the account, that asked may read now.

        Raises:
            NotAuthenticated: it is not in force any more.
            NotPermitted, CollectionNotFound: it lost a right since, or a collection is gone.
        """
        with self.database.read() as session:
            repositories = programs_table.repositories_of(session, [row.id]).get(row.id, [])
        principal = self.identities.current(row.key_id)
        if principal.tenant_id != row.tenant_id:
            raise NotFound
        return self.policy.authorize(principal, Action.WRITE_PROGRAMS, [str(item) for item in repositories])

    def _still_permitted(self, permit: Permit, program_id: UUID) -> tuple[list[Excerpt], list[str]]:
        """Excerpts and paths that were chosen, as far as they may be read now: it may be hours since, and a restart."""
        found = self._json(program_id, EXCERPTS)
        excerpts = [Excerpt(**item) for item in found["excerpts"]]
        # "" and missing ids are what an older version stored: what can't be checked is left out.
        listed = list(zip(found["paths"], found.get("path_documents", []), strict=False))
        ids = {item for item in (*(one.document for one in excerpts), *(identity for _, identity in listed)) if item}
        with self.database.read() as session:
            kept = programs_table.still_permitted(session, permit, map(UUID, ids))
        return (
            [item for item in excerpts if item.document and UUID(item.document) in kept],
            [path for path, identity in listed if UUID(identity) in kept],
        )

    def _note_packing(
        self, program_id: UUID, prompt: ProgramPrompt, packed: Packed, choice: Choice, answer: int
    ) -> None:
        with self.database.write() as session:
            row = session.get(Program, program_id)
            if row is not None:
                row.model_used = choice.engine.name
            programs_table.note(
                session,
                program_id,
                prompt=prompt.identity,
                adapter=choice.adapter,
                included=[_place(item) for item in packed.included],
                omitted=[_place(item) for item in packed.omitted],
                context_tokens=packed.tokens,
                answer_tokens=answer,
                reasons=list(choice.reasons),
            )

    def _looked_through(self, permit: Permit, program_id: UUID, files: Sequence[WrittenFile]) -> LookedThrough:
        """The files as they may be kept, by what the model was shown, as far as it may be read now."""
        excerpts, paths = self._still_permitted(permit, program_id)
        return looked_through(self.database, permit, [*(item.text for item in excerpts), *paths], files)

    def _mended(
        self, program_id: UUID, row: Program, permit: Permit, broken: Sequence[dict[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        language = Language(row.language)
        asked = [(WrittenFile(item["path"], item["text"]), Check(**_check_of(item))) for item in broken]
        prompt = repair_prompt(self._text(program_id, SPEC), asked, language)
        choice = self.choice(language, row.writer, False, prompt.tokens)
        room = choice.engine.context_tokens - prompt.tokens - _MARGIN
        written = self._generate(
            program_id, row, choice, prompt, min(self.limits.answer_tokens, room), ProgramStage.REPAIR
        )
        wanted = {item["path"] for item in broken}
        mended: dict[str, dict[str, Any]] = {}
        read = read_program(written.text, cut_off=written.cut_off, written=prompt.written)
        seen = self._looked_through(permit, program_id, read.files)
        for item in seen.files:
            check = check_syntax(item.path, item.text)
            if item.path in wanted and check.verdict is Verdict.OK:
                mended[item.path] = {**_entry(item, check), "repaired": True}
        with self.database.write() as session:
            masked = [path for path in seen.masked if path in mended]
            programs_table.note(session, program_id, masked=sorted({*(row.facts or {}).get("masked", []), *masked}))
        return mended

    def _generate(
        self,
        program_id: UUID,
        row: Program,
        choice: Choice,
        prompt: ProgramPrompt,
        tokens: int,
        stage: ProgramStage,
    ) -> Written:
        """One generation, to its end.

        Raises:
            GenerationStopped: a guard stopped it.
            ModelUnavailable: the engine can't be used.
            Cancelled, Interrupted: it is not wanted any more, or not here.
        """
        engine: ChatEngine = choice.engine if isinstance(choice.engine, GuardedEngine) else GuardedEngine(choice.engine)
        thinking = choice.thinking if choice.thinking is not None else stage is ProgramStage.WRITE
        call = EngineCall(
            prompt.messages,
            max_tokens=max(1, tokens),
            sampling=choice.sampling,
            thinking=thinking,
            adapter=choice.adapter,
            tenant=str(row.tenant_id),
            patience=self.limits.patience,
        )
        before = row.written

        async def look(written: Written) -> None:
            reached("program.write.streaming", program_id)
            await run_sync(self._look, program_id, stage, before + written.tokens)

        written = asyncio.run(written_by(engine, call, look, self.limits.look_s))
        self._look(program_id, stage, before + written.tokens)
        return written

    def _look(self, program_id: UUID, stage: ProgramStage, tokens: int) -> None:
        self._enter(program_id, stage, written=tokens)

    def _put(self, program_id: UUID, name: str, value: object) -> None:
        self.blobs.put_result(program_id, name, json.dumps(value, ensure_ascii=True).encode())

    def _json(self, program_id: UUID, name: str) -> Any:
        return json.loads(self._text(program_id, name))

    def _text(self, program_id: UUID, name: str) -> str:
        content = self.blobs.get_result(program_id, name)
        if content is None:
            raise Cancelled  # deleted meanwhile
        return content.decode()


def blob_of(ordinal: int) -> str:
    """Name of the blob that holds a file of a program."""
    return f"file-{ordinal:05d}"


def _place(excerpt: Excerpt) -> dict[str, Any]:
    return {"collection": excerpt.collection, "path": excerpt.path, "place": excerpt.place, "rank": excerpt.rank}


def _entry(item: WrittenFile, check: Check) -> dict[str, Any]:
    return {"path": item.path, "text": item.text, "repaired": False, **asdict(check)}


def _check_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"language": item["language"], "verdict": Verdict(item["verdict"]), "detail": item["detail"]}


def _file_row(program_id: UUID, ordinal: int, item: dict[str, Any], content: bytes) -> ProgramFile:
    return ProgramFile(
        program_id=program_id,
        ordinal=ordinal,
        path=item["path"],
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        language=item["language"],
        verdict=item["verdict"],
        detail=item["detail"][:_DETAIL],
        repaired=item["repaired"],
    )
