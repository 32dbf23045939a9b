"""Which embedders there are, and the space that the settings ask for. A new one: its file here, one entry below."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from rag.domain.errors import ConfigurationError
from rag.domain.language import Language
from rag.embedding.base import Embedder
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.lazy import LazyEmbedder
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

    languages = frozenset(Language(item) for item in settings.languages)

    def load() -> Embedder:
        return load_sentence_transformer(
            folder,
            name=name,
            languages=languages,
            max_tokens=settings.max_tokens,
            precision=settings.precision,
            cache_dir=cache,
        )

    return LazyEmbedder(name, _width(folder), settings.max_tokens, languages, load)


def _width(folder: Path) -> int:
    """Width of a sentence-transformers folder's vectors, from its own description: loading the model would take seconds."""
    for path in (*sorted(folder.glob("*_Dense/config.json")), *sorted(folder.glob("*_Pooling/config.json"))):
        described = json.loads(path.read_text(encoding="utf-8"))
        for field in ("out_features", "word_embedding_dimension", "embedding_dimension"):
            if isinstance(described.get(field), int):
                return int(described[field])
    try:
        return int(json.loads((folder / "config.json").read_text(encoding="utf-8"))["hidden_size"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(detail=f"{folder} does not look like a sentence-transformers folder") from error


def _openai_http(settings: EmbeddingSettings, cache: Path) -> Embedder:
    from rag.embedding.openai_http import open_http_embedder

    return open_http_embedder(settings)


DENSE: dict[str, DenseFactory] = {"minilm": _minilm, "folder": _folder, "openai_http": _openai_http}
"""Value of `embedding.dense` to factory; `none` means a lexical leg alone."""


def build_space(settings: EmbeddingSettings, analyzer: Analyzer, cache: Path) -> EmbeddingSpace:
    """The space of the settings. `cache` keeps what a model's self-test found.

    Raises:
        ConfigurationError: a model folder is missing.
    """
    lexical = KiwiBm25Embedder(analyzer)
    dense = DENSE[settings.dense](settings, cache) if settings.dense != "none" else None
    return EmbeddingSpace(lexical, dense)
