"""Which rerankers there are. A new one: its file here, one entry below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rag.domain.errors import ConfigurationError
from rag.reranking.base import Reranker
from rag.reranking.lazy import LazyReranker
from rag.settings import RerankingSettings

RerankerFactory = Callable[[RerankingSettings], Reranker]


def _flag(settings: RerankingSettings) -> Reranker:
    def load(folder: Path, name: str) -> Reranker:
        from rag.reranking.flag import load_flag

        return load_flag(folder, name=name, max_tokens=settings.max_tokens, precision=settings.precision)

    return _lazy(settings, load)


def _qwen3(settings: RerankingSettings) -> Reranker:
    def load(folder: Path, name: str) -> Reranker:
        from rag.reranking.qwen3 import load_qwen3

        return load_qwen3(
            folder,
            name=name,
            max_tokens=settings.max_tokens,
            instruction=settings.instruction,
            precision=settings.precision,
        )

    return _lazy(settings, load)


def _cross_encoder(settings: RerankingSettings) -> Reranker:
    def load(folder: Path, name: str) -> Reranker:
        from rag.reranking.cross_encoder import load_cross_encoder

        return load_cross_encoder(folder, name=name, max_tokens=settings.max_tokens, precision=settings.precision)

    return _lazy(settings, load)


def _http(settings: RerankingSettings) -> Reranker:
    from rag.reranking.http import open_http_reranker

    return open_http_reranker(settings)


def _lazy(settings: RerankingSettings, load: Callable[[Path, str], Reranker]) -> Reranker:
    """A local model, described by its folder; that the folder holds one is seen at once."""
    folder = settings.folder
    if folder is None or not folder.is_dir():
        raise ConfigurationError(
            detail=f"reranking.folder: {folder} is not a folder",
            detail_ko=f"reranking.folder: {folder}은(는) 폴더가 아닙니다",
        )
    missing = [name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(
            detail=f"reranking.folder: {folder} has no {', '.join(missing)}",
            detail_ko=f"reranking.folder: {folder}에 {', '.join(missing)} 파일이 없습니다",
        )
    name = f"{settings.backend}/{folder.resolve().name}/{settings.max_tokens}"
    return LazyReranker(name, settings.max_tokens, lambda: load(folder, name))


RERANKERS: dict[str, RerankerFactory] = {
    "flag": _flag,
    "qwen3": _qwen3,
    "cross_encoder": _cross_encoder,
    "http": _http,
}
"""Value of `reranking.backend` to factory; `none` means that the fused order stands."""


def open_reranker(settings: RerankingSettings) -> Reranker | None:
    """The reranker of the settings; None without one. A local model is loaded at its first use.

    Raises:
        ConfigurationError: the model's folder or address is missing.
    """
    return RERANKERS[settings.backend](settings) if settings.backend != "none" else None
