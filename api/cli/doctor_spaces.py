"""What `seogo doctor` looks at around and beside the embedding space that answers. Lines are check, status, detail, advice."""

from __future__ import annotations

from collections.abc import Iterator

from api.cli.doctor_models import Line
from api.cli.doctor_texts import text
from api.cli.texts import ui_language
from rag.domain.errors import ConfigurationError, ModelFilesChanged
from rag.domain.language import Language
from rag.domain.messages import localized, space_failure_for
from rag.embedding.languages import languages_of
from rag.embedding.space import EmbeddingSpace
from rag.retrieval.spaces import Spaces
from rag.settings import EmbeddingSettings
from rag.store import embedding_space as record
from rag.store.embedding_space import BESIDE, EmbeddingSpaceRow, SpaceState


def language_lines(space: EmbeddingSpace, settings: EmbeddingSettings) -> Iterator[Line]:
    """Which languages reach the dense model, and whether it could read more than are let through to it.

    Args:
        settings: the embedding section that opened the space.
    """
    if space.dense is None:
        yield "model languages", "ok", text("no_dense"), ""
        return
    known = [language for language in Language if space.knows(language)]
    able = languages_of(settings.model_copy(update={"languages": None}))
    kept = sorted(able - set(known))
    named = ", ".join(known) or text("languages_none")
    detail = text("languages_reach", languages=named, model=space.dense_name)
    others = sorted(set(Language) - set(known))
    if others:
        detail += text("languages_words", languages=", ".join(others))
    yield "model languages", "warning" if kept else "ok", detail, text("languages_advice") if kept else ""


def beside_lines(spaces: Spaces) -> Iterator[Line]:
    """Spaces that are kept in step without answering, whether their models are what they were; and those that failed."""
    with spaces.database.read() as session:
        rows = [row for row in record.all_spaces(session) if row.state in (*BESIDE, SpaceState.FAILED)]
    for row in rows:
        yield _failed(spaces, row) if row.state == SpaceState.FAILED else _kept(spaces, row)


def _failed(spaces: Spaces, row: EmbeddingSpaceRow) -> Line:
    """Files are to be put back only where others lie there now: a build may fail of anything, and they may be back."""
    advice = "space_again"
    try:
        spaces.of_record(row)
    except ModelFilesChanged:
        advice = "space_failed"
    except ConfigurationError:
        pass  # it answers nothing and takes no vectors, so that nobody waits for it
    detail = f"{row.name} ({row.id}), {row.state}: {space_failure_for(row.error, ui_language())}"
    return "space beside", "warning", detail, text(advice, id=row.id)


def _kept(spaces: Spaces, row: EmbeddingSpaceRow) -> Line:
    detail = f"{row.name} ({row.id}), {row.state}"
    try:
        spaces.of_record(row)
    except ModelFilesChanged as error:
        advice = text("space_failed", id=row.id)
        return "space beside", "warning", text("space_changed", space=detail, **error.params), advice
    except ConfigurationError as error:  # then nothing is ingested until it is back, or given up
        advice = text("space_away", id=row.id)
        return "space beside", "error", f"{detail}: {localized(error, ui_language())}", advice
    if row.error:  # its build waits, of which neither its state nor the opening of its model tells anything
        why = space_failure_for(row.error, ui_language())
        return "space beside", "warning", f"{detail}: {why}", text("space_waits", id=row.id)
    return "space beside", "ok", detail, ""
