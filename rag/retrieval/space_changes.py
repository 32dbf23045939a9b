"""What an operator does with embedding spaces: begin one, switch to it, go back, drop it. Each is one transaction on record."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy.orm import Session

from rag.domain.errors import ConfigurationError, InvalidRequest, SpaceNotFound, SwitchRefused
from rag.domain.messages import detail_of
from rag.embedding.identity import identity_of
from rag.embedding.space import EmbeddingSpace
from rag.index import spaces as places
from rag.retrieval import space_conflicts
from rag.retrieval.space_conflicts import conflict
from rag.retrieval.space_records import is_of, recorded
from rag.retrieval.spaces import Spaces
from rag.settings import EmbeddingSettings
from rag.store import chunk
from rag.store import embedding_space as record
from rag.store.base import utc_now
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState

_SWITCHABLE = (SpaceState.READY, SpaceState.RETIRED)


def begin(spaces: Spaces, settings: EmbeddingSettings) -> EmbeddingSpaceRow:
    """Put a space on record to be built beside the current one; one that is built or in work already is left as it is.

    Raises:
        InvalidRequest: the settings name something that is not there.
        SpaceConflict: the space is the current one, or another one stands beside it.
        ModelUnavailable: its server is away, or gives what can't be used.
    """
    try:
        space = spaces.open_space(settings)
    except ConfigurationError as error:
        raise InvalidRequest(detail=detail_of(error, "en"), detail_ko=detail_of(error, "ko")) from error
    identity = _known_as(spaces, space)
    _ask_server(spaces, settings, space, identity)
    spaces.let_go()  # what is dropped below may still be open here
    with spaces.database.write() as session:
        row = record.locked(session, identity)
        if row is not None and row.state == SpaceState.CURRENT:
            raise conflict(row.name, "answers")
        if row is not None and row.state in record.IN_STEP:
            return row
        for other in record.in_step(session)[1:]:
            raise conflict(space.name, "other_beside", space=other.name, id=other.id)
        row = row or EmbeddingSpaceRow(id=identity)
        row.name, row.settings, row.configured = space.name, recorded(settings, space), None
        row.fingerprint = space.model_files
        row.state, row.place, row.error = SpaceState.BUILDING, identity, ""
        row.done, row.total, row.worked_s = 0, chunk.count_active(session), 0.0
        row.cursor_at, row.cursor_id, row.comparison, row.previous, row.forced = None, None, None, None, False
        row.created_at, row.ready_at, row.switched_at = utc_now(), None, None
        session.add(row)
        session.flush()  # a row of its own where two begin at once: what the other one builds is not dropped
        places.drop(spaces.config, identity)  # what an earlier try left
    return row


def _ask_server(spaces: Spaces, settings: EmbeddingSettings, space: EmbeddingSpace, identity: str) -> None:
    """Try the server of a new space's model before anything is on record: from then on every upload waits for it.

    Raises:
        ModelUnavailable: it is away, or gives what can't be used. A model in this process is loaded by the build.
    """
    with spaces.database.read() as session:
        new = identity not in {row.id for row in record.in_step(session)}
    if new and settings.dense == "openai_http":
        space.warm_up()


def _known_as(spaces: Spaces, space: EmbeddingSpace) -> str:
    """What the record calls the space: spaces in step from before fingerprints go by their names."""
    with spaces.database.read() as session:
        return next((row.id for row in record.in_step(session) if is_of(row, space)), identity_of(space))


def switch(spaces: Spaces, space_id: str, *, max_drop: float, force: bool) -> EmbeddingSpaceRow:
    """Let a space that is built answer from the next search on; the one before it is kept in step.

    Args:
        max_drop: how much lower its nDCG@10 on the evaluation questions may be.
        force: switch in any case; the record says so.

    Raises:
        SpaceNotFound, SpaceConflict: there is no such space that is built, or its model's files are not what they were.
        SwitchRefused: quality drops beyond the bound, or nobody has looked.
    """
    with spaces.database.read() as session:
        wanted = session.get(EmbeddingSpaceRow, space_id)
    if wanted is not None and wanted.state in _SWITCHABLE:
        _look_at_model(spaces, wanted, wanted.name)
    with spaces.database.write() as session:
        row, before = _both(session, space_id)
        reason = refusal(row.comparison, before.id, max_drop)
        if reason and not force:
            raise SwitchRefused(name=row.name, **reason)
        _exchange(spaces, row, before, SpaceState.RETIRED)
        row.previous, row.forced = before.id, bool(reason)
    _take_effect(spaces)
    return row


def refusal(comparison: dict[str, Any] | None, current_id: str, max_drop: float) -> dict[str, str]:
    """Why a switch is not advisable by the comparison on record, as `detail` and `detail_ko` of an error; empty when it is."""
    if comparison is None or comparison["against"] != current_id:
        return {
            "detail": "it was not compared with the space that answers now (--questions), and --force was not given",
            "detail_ko": "지금 답하는 공간과 비교하지 않았고(--questions) --force도 주지 않았습니다",
        }
    labelled = comparison["labelled"]
    if not labelled and comparison.get("left_out"):
        names = ", ".join(comparison["unknown"])
        return {
            "detail": f"none of the documents that the questions name is on record, so nothing was measured: {names}",
            "detail_ko": f"질문에 적힌 문서가 하나도 등록되어 있지 않아 품질을 재지 못했습니다: {names}",
        }
    if not labelled:
        return {
            "detail": "the questions name no documents, so they tell how much results change, not whether for the better",
            "detail_ko": "질문에 문서가 적혀 있지 않아, 결과가 얼마나 달라지는지는 알 수 있어도 나아지는지는 알 수 없습니다",
        }
    drop = float(comparison["drop"])
    if math.isnan(drop) or drop > max_drop:
        return {
            "detail": f"nDCG@10 drops by {drop:.4f} on {labelled} questions, {max_drop:.4f} is allowed",
            "detail_ko": f"질문 {labelled}개에서 nDCG@10이 {drop:.4f} 떨어집니다. {max_drop:.4f}까지 허용됩니다",
        }
    return {}


def roll_back(spaces: Spaces) -> EmbeddingSpaceRow:
    """Let the space that was current before answer again, at once: it was kept in step.

    Raises:
        SpaceConflict: there is none, it was dropped, or its model's files are not what they were.
    """
    _look_at_previous(spaces)
    with spaces.database.write() as session:
        now = record.current(session)
        if now is None or now.previous is None:
            raise conflict(now.name if now else "", "no_previous")
        before = record.locked(session, now.previous)
        if before is None:
            raise conflict(now.name, "previous_unknown")
        if before.state not in _SWITCHABLE:
            raise space_conflicts.of_previous(now.name, before)
        _exchange(spaces, before, now, SpaceState.READY)
    _take_effect(spaces)
    return before


def _look_at_previous(spaces: Spaces) -> None:
    """Whether there is something to go back to: other weights in its folder must not answer with its vectors."""
    with spaces.database.read() as session:
        now = record.current(session)
        before = None if now is None or now.previous is None else session.get(EmbeddingSpaceRow, now.previous)
    if now is not None and before is not None and before.state in _SWITCHABLE:
        _look_at_model(spaces, before, now.name)


def _look_at_model(spaces: Spaces, row: EmbeddingSpaceRow, asked: str) -> None:
    """Let a space fail whose model's files were changed: the lock on its row, later on, finds it so.

    Raises:
        SpaceConflict: they can't be looked at, so that the next start couldn't open them either. Nothing fails by that.
    """
    try:
        spaces.is_kept(row)
    except ConfigurationError as error:
        raise space_conflicts.not_opened(asked, row, error) from error


def give_up(spaces: Spaces, space_id: str) -> EmbeddingSpaceRow:
    """Take a space that does not answer off record: no write reaches it from now on. Its files are removed by the caller.

    Raises:
        SpaceNotFound, SpaceConflict: there is none, or it answers.
    """
    with spaces.database.write() as session:
        row = record.locked(session, space_id)
        if row is None:
            raise SpaceNotFound(name=space_id)
        if row.state == SpaceState.CURRENT:
            raise conflict(row.name, "answers_now")
        row.state = SpaceState.DROPPED
    spaces.in_step()
    return row


def _both(session: Session, space_id: str) -> tuple[EmbeddingSpaceRow, EmbeddingSpaceRow]:
    row = record.locked(session, space_id)
    current = record.current(session)
    if row is None or current is None:
        raise SpaceNotFound(name=space_id)
    before = record.locked(session, current.id)
    if before is None or before.state != SpaceState.CURRENT or row.state not in _SWITCHABLE:
        raise space_conflicts.of_state(row)
    return row, before


def _exchange(spaces: Spaces, to: EmbeddingSpaceRow, before: EmbeddingSpaceRow, becomes: SpaceState) -> None:
    to.state, before.state = SpaceState.CURRENT, becomes
    to.configured, to.switched_at = spaces.configured.model_dump(mode="json"), utc_now()


def _take_effect(spaces: Spaces) -> None:
    spaces.in_step()
    spaces.announce()
