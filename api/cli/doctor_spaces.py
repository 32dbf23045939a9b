"""What `seogo doctor` looks at around and beside the embedding space that answers. Lines are check, status, detail, advice."""

from __future__ import annotations

from collections.abc import Iterator

from api.cli.doctor_models import Line
from api.cli.texts import text, ui_language
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
        yield "model languages", "ok", "no dense model: texts of every language are found by their words alone", ""
        return
    known = [language for language in Language if space.knows(language)]
    able = languages_of(settings.model_copy(update={"languages": None}))
    kept = sorted(able - set(known))
    detail = f"{', '.join(known) or 'none'} reach {space.dense_name}"
    others = sorted(set(Language) - set(known))
    if others:
        detail += f"; {', '.join(others)}: found by words alone"
    advice = (
        "the model reads them too: `seogo index migrate` with `--languages ko,en,code,other` lets them through to it"
        if kept
        else ""
    )
    yield "model languages", "warning" if kept else "ok", detail, advice


def beside_lines(spaces: Spaces) -> Iterator[Line]:
    """Spaces that are kept in step without answering, whether their models are what they were; and those that failed."""
    with spaces.database.read() as session:
        rows = [row for row in record.all_spaces(session) if row.state in (*BESIDE, SpaceState.FAILED)]
    for row in rows:
        yield _failed(spaces, row) if row.state == SpaceState.FAILED else _kept(spaces, row)


def _failed(spaces: Spaces, row: EmbeddingSpaceRow) -> Line:
    """Files are to be put back only where others lie there now: a build may fail of anything, and they may be back."""
    advice = "doctor_space_again"
    try:
        spaces.of_record(row)
    except ModelFilesChanged:
        advice = "doctor_space_failed"
    except ConfigurationError:
        pass  # it answers nothing and takes no vectors, so that nobody waits for it
    detail = f"{row.name} ({row.id}), {row.state}: {space_failure_for(row.error, ui_language())}"
    return "space beside", "warning", detail, text(advice).format(id=row.id)


def _kept(spaces: Spaces, row: EmbeddingSpaceRow) -> Line:
    detail = f"{row.name} ({row.id}), {row.state}"
    try:
        spaces.of_record(row)
    except ModelFilesChanged as error:
        advice = text("doctor_space_failed").format(id=row.id)
        return "space beside", "warning", text("doctor_space_changed").format(space=detail, **error.params), advice
    except ConfigurationError as error:  # then nothing is ingested until it is back, or given up
        advice = text("doctor_space_away").format(id=row.id)
        return "space beside", "error", f"{detail}: {localized(error, ui_language())}", advice
    return "space beside", "ok", detail, ""
