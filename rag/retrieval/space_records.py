"""What the record of an embedding space says of its settings and its model, held against those that are here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from rag.domain.errors import ConfigurationError
from rag.domain.language import Language
from rag.embedding.identity import identity_of
from rag.embedding.space import EmbeddingSpace
from rag.settings import EmbeddingSettings
from rag.store.embedding_space import EmbeddingSpaceRow


def settings_of(row: EmbeddingSpaceRow) -> EmbeddingSettings:
    """The embedding section that opens a space on record.

    Raises:
        ConfigurationError: another release wrote what this one does not know.
    """
    try:
        return EmbeddingSettings.model_validate(row.settings)
    except ValidationError as error:
        detail = f"the embedding space {row.name} is of another release. Run `seogo index rebuild`"
        raise ConfigurationError(
            detail=detail,
            detail_ko=f"임베딩 공간 {row.name}은(는) 다른 판의 것입니다. `seogo index rebuild`를 실행하세요",
        ) from error


def is_of(row: EmbeddingSpaceRow, space: EmbeddingSpace) -> bool:
    """Whether a space on record is this one, by its model's files too where the record knows them."""
    return is_named_like(row, space) and row.fingerprint in ("", space.model_files)


def is_named_like(row: EmbeddingSpaceRow, space: EmbeddingSpace) -> bool:
    """The same whatever the files."""
    return row.id in (identity_of(space, row.fingerprint), identity_of(space, ""))


def recorded(settings: EmbeddingSettings, space: EmbeddingSpace) -> dict[str, Any]:
    """The settings of a space as its record keeps them: with the languages that reach its model, whatever a later release
    takes where none are named."""
    named = settings.languages or tuple(language.value for language in Language if space.knows(language))
    return settings.model_copy(update={"languages": named}).model_dump(mode="json")


def asks_for(configured: EmbeddingSettings, row: EmbeddingSpaceRow) -> bool:
    """Whether the configuration is that of the space, or still the one that it had when the space was switched to. Where it
    names no languages, those on record are meant."""
    for values in (row.settings, row.configured):
        try:
            if values is not None and _meant(configured, EmbeddingSettings.model_validate(values)):
                return True
        except ValidationError:
            continue
    return False


def _meant(configured: EmbeddingSettings, found: EmbeddingSettings) -> bool:
    return with_languages(configured, found.languages) == found


def with_languages(configured: EmbeddingSettings, known: Sequence[str] | None) -> EmbeddingSettings:
    """The configuration, with these languages where it names none."""
    if configured.languages is not None or known is None:
        return configured
    return configured.model_copy(update={"languages": tuple(known)})
