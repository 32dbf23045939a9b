"""Settings of the retrieval and answering lane. Nothing is read at import; `api.settings.load_settings` fills them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """The relational store."""

    url: str | None = Field(None, description="SQLAlchemy URL; none means SQLite in the data folder")
    pool_size: int = Field(10, ge=1, le=200, description="connections kept per process (PostgreSQL)")


class BlobSettings(_Section):
    """Where originals and derived files lie."""

    url: str | None = Field(None, description="file:///… or s3://bucket/prefix; none means a folder in the data folder")


class IndexSettings(_Section):
    """The vector index."""

    backend: Literal["edge", "qdrant", "memory"] = "edge"
    url: str | None = Field(None, description="address of the Qdrant server, for the backend qdrant")
    api_key_file: Path | None = Field(None, description="file that holds the Qdrant API key")
    collection: str = Field("seogo", pattern=r"^[a-zA-Z0-9_-]{1,100}$", description="name on the Qdrant server")


class EmbeddingSettings(_Section):
    """Which models embed. The lexical leg is always on."""

    dense: Literal["minilm", "folder", "none"] = "minilm"
    folder: Path | None = Field(None, description="local sentence-transformers folder, for dense: folder")
    languages: tuple[Literal["ko", "en", "code", "other"], ...] = Field(
        ("en", "code"), description="languages that the dense model knows; texts in others never reach it"
    )
    max_tokens: int = Field(256, ge=32, le=8192, description="longest passage, in the dense model's tokens")
    precision: Literal["auto", "float32", "bfloat16", "openvino-float32", "openvino-bfloat16"] = "auto"


class RetrievalSettings(_Section):
    """Search."""

    candidates: int = Field(200, ge=20, le=1000, description="hits fetched from each leg before fusion")
    max_question_chars: int = Field(4000, ge=100, le=100_000)


class AnswerSettings(_Section):
    """Answers."""

    passages: int = Field(8, ge=1, le=50, description="passages that an answer may draw on")
    sentences: int = Field(4, ge=1, le=20, description="longest extractive answer, in sentences")


class RagSettings(_Section):
    """Everything below `rag:` in the configuration file."""

    data_dir: Path = Field(Path("seogo-data"), description="folder of the embedded store, index and blobs")
    cache_dir: Path | None = Field(
        None,
        description="folder of what can be made again, such as converted models; none means `cache` in the data folder",
    )
    store: StoreSettings = StoreSettings()
    blobs: BlobSettings = BlobSettings()
    index: IndexSettings = IndexSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    answers: AnswerSettings = AnswerSettings()

    def cache_folder(self) -> Path:
        """Where converted models and self-tests are kept."""
        return self.cache_dir or self.data_dir / "cache"

    def store_url(self) -> str:
        """The SQLAlchemy URL of the store, the embedded default included."""
        return self.store.url or f"sqlite:///{self.data_dir / 'seogo.sqlite'}"

    def blob_url(self) -> str:
        """The URL of the blob store, the embedded default included."""
        return self.blobs.url or (self.data_dir / "blobs").absolute().as_uri()
