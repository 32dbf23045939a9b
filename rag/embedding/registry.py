"""Which embedders there are, and the space that the settings ask for. A new one: its file here, one entry below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rag.domain.errors import ConfigurationError
from rag.domain.language import Language
from rag.embedding.base import Embedder
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.space import EmbeddingSpace
from rag.settings import EmbeddingSettings
from rag.text.analysis import Analyzer

DenseFactory = Callable[[EmbeddingSettings, Path], Embedder]


def _minilm(settings: EmbeddingSettings, cache: Path) -> Embedder:
    from rag.embedding.sentence_transformer import default_minilm_folder

    return _sentence_transformer(settings, cache, default_minilm_folder(), "all-MiniLM-L6-v2")


def _folder(settings: EmbeddingSettings, cache: Path) -> Embedder:
    if settings.folder is None or not settings.folder.is_dir():
        raise ConfigurationError(detail=f"embedding.folder: {settings.folder} is not a folder")
    return _sentence_transformer(settings, cache, settings.folder, settings.folder.name)


def _sentence_transformer(settings: EmbeddingSettings, cache: Path, folder: Path, name: str) -> Embedder:
    from rag.embedding.sentence_transformer import load_sentence_transformer

    return load_sentence_transformer(
        folder,
        name=name,
        languages=frozenset(Language(item) for item in settings.languages),
        max_tokens=settings.max_tokens,
        precision=settings.precision,
        cache_dir=cache,
    )


DENSE: dict[str, DenseFactory] = {"minilm": _minilm, "folder": _folder}
"""Value of `embedding.dense` to factory; `none` means a lexical leg alone."""


def build_space(settings: EmbeddingSettings, analyzer: Analyzer, cache: Path) -> EmbeddingSpace:
    """The space of the settings. `cache` keeps what a model's self-test found.

    Raises:
        ConfigurationError: a model folder is missing.
    """
    lexical = KiwiBm25Embedder(analyzer)
    dense = DENSE[settings.dense](settings, cache) if settings.dense != "none" else None
    return EmbeddingSpace(lexical, dense)
