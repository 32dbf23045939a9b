"""The error for an embedding space that is not in a state for what is asked, with a reason that can be said in both languages."""

from __future__ import annotations

from rag.domain.errors import ConfigurationError, SpaceConflict
from rag.domain.messages import detail_of, space_conflict_detail
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState


def conflict(name: str, reason: str, **params: str | int | float) -> SpaceConflict:
    """The error to be raised.

    Args:
        name: of the space.
        reason: a key of `rag.domain.space_failure.SPACE_REASONS`.
        params: of its sentence; `failure`, what is on record of a space that failed, gives its `{why}`.
    """
    values = {**params, "reason": reason}
    return SpaceConflict(**{**values, "name": name, "detail": space_conflict_detail(values, "en")})


def of_state(row: EmbeddingSpaceRow) -> SpaceConflict:
    """The error for a space that is in a state of which this can't be asked."""
    if row.state == SpaceState.FAILED and row.error:
        return conflict(row.name, "failed", failure=row.error)
    return conflict(row.name, "state", state=row.state)


def of_previous(name: str, before: EmbeddingSpaceRow) -> SpaceConflict:
    """The error for the space `name`, which answers, when the one before it is in a state that can't be gone back to."""
    if before.state == SpaceState.FAILED and before.error:
        return conflict(name, "previous_failed", failure=before.error)
    return conflict(name, "previous_state", state=before.state)


def not_opened(name: str, row: EmbeddingSpaceRow, error: ConfigurationError) -> SpaceConflict:
    """The error for `row` whose model can't be opened here, such as a folder that is away; `name` is of the space that is asked
    to do something."""
    why, why_ko = detail_of(error, "en"), detail_of(error, "ko")
    return conflict(name, "not_opened", space=row.name, why=why, why_ko=why_ko)
