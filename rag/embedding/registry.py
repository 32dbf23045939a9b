"""Which embedders there are, and the space that the settings ask for. A new one: its file here, one entry below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rag.domain.errors import ConfigurationError
from rag.embedding.base import Embedder
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.cached import CachedEmbedder
from rag.embedding.languages import languages_of
from rag.embedding.lazy import LazyEmbedder
from rag.embedding.space import EmbeddingSpace
from rag.inference.fingerprint import computing_fingerprint, fingerprint
from rag.settings import EmbeddingSettings
from rag.text.analysis import Analyzer

DenseFactory = Callable[[EmbeddingSettings, Path], Embedder]


def _minilm(settings: EmbeddingSettings, cache: Path) -> Embedder:
    from rag.embedding.sentence_transformer import default_minilm_folder

    return _sentence_transformer(settings, cache, default_minilm_folder(), "all-MiniLM-L6-v2")


def _folder(settings: EmbeddingSettings, cache: Path) -> Embedder:
    if settings.folder is None or not settings.folder.is_dir():
        raise ConfigurationError(
            detail=f"embedding.folder: {settings.folder} is not a folder",
            detail_ko=f"embedding.folder: {settings.folder}은(는) 폴더가 아닙니다",
        )
    return _sentence_transformer(settings, cache, settings.folder, settings.folder.name)


def _sentence_transformer(settings: EmbeddingSettings, cache: Path, folder: Path, name: str) -> Embedder:
    from rag.embedding.sentence_transformer import load_sentence_transformer, width_of

    width = width_of(folder)
    if settings.dimensions is not None:
        if settings.dimensions > width:
            raise ConfigurationError(
                detail=f"embedding.dimensions: the model in {folder} has {width}",
                detail_ko=f"embedding.dimensions: {folder}의 모델은 {width}차원입니다",
            )
        width, name = settings.dimensions, f"{name}@{settings.dimensions}"
    languages = languages_of(settings)

    def load() -> Embedder:
        return load_sentence_transformer(
            folder,
            name=name,
            languages=languages,
            max_tokens=settings.max_tokens,
            precision=settings.precision,
            query_instruction=settings.query_instruction,
            dimensions=settings.dimensions,
            cache_dir=cache,
        )

    return LazyEmbedder(name, width, settings.max_tokens, languages, load)


def _flag(settings: EmbeddingSettings, cache: Path) -> Embedder:
    from rag.embedding.flag import load_flag, require_folder, widths

    if settings.folder is None:
        raise ConfigurationError(
            detail="embedding.folder: no folder is named", detail_ko="embedding.folder: 폴더를 적지 않았습니다"
        )
    folder = settings.folder
    require_folder(folder)
    width, token_width = widths(folder)
    # The parts are in the name, for vectors that lack one can't be taken over.
    name = folder.name + "/terms" * settings.term_weights + "/tokens" * settings.token_vectors
    languages = languages_of(settings)

    def load() -> Embedder:
        return load_flag(
            folder,
            name=name,
            languages=languages,
            max_tokens=settings.max_tokens,
            precision=settings.precision,
            term_weights=settings.term_weights,
            token_vectors=settings.token_vectors,
            query_instruction=settings.query_instruction,
            cache_dir=cache,
        )

    return LazyEmbedder(
        name,
        width,
        settings.max_tokens,
        languages,
        load,
        learned=settings.term_weights,
        multi=token_width if settings.token_vectors else None,
    )


def _openai_http(settings: EmbeddingSettings, cache: Path) -> Embedder:
    from rag.embedding.openai_http import open_openai_http

    return open_openai_http(settings)


DENSE: dict[str, DenseFactory] = {"minilm": _minilm, "folder": _folder, "flag": _flag, "openai_http": _openai_http}
"""Value of `embedding.dense` to factory; `none` means a lexical leg alone."""


def model_folder(settings: EmbeddingSettings) -> Path | None:
    """The folder of the dense model, for who needs its tokenizer alone; None where it runs elsewhere, or there is none."""
    if settings.dense == "minilm":
        from rag.embedding.sentence_transformer import default_minilm_folder

        return default_minilm_folder()
    return settings.folder if settings.dense in ("folder", "flag") else None


def build_space(settings: EmbeddingSettings, analyzer: Analyzer, cache: Path) -> EmbeddingSpace:
    """The space of the settings; questions are embedded once. `cache` keeps what a model's self-test found.

    Raises:
        ConfigurationError: a model folder is missing.
    """
    lexical = KiwiBm25Embedder(analyzer)
    dense = CachedEmbedder(DENSE[settings.dense](settings, cache)) if settings.dense != "none" else None
    folder = model_folder(settings)
    if folder is None:
        return EmbeddingSpace(lexical, dense)
    return EmbeddingSpace(lexical, dense, fingerprint(folder), computing_fingerprint(folder))
