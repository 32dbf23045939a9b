"""What `seogo doctor` looks at around the embedding space that answers. Lines are check, status, detail, advice."""

from __future__ import annotations

from collections.abc import Iterator

from api.cli.doctor_models import Line
from rag.domain.language import Language
from rag.embedding.languages import languages_of
from rag.embedding.space import EmbeddingSpace
from rag.settings import EmbeddingSettings


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
