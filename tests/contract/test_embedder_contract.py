"""The contract on every embedder. A new one: a function that opens it, and its entry in `OPENERS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from rag.domain.language import Language
from rag.embedding.base import Embedder, Role
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.cached import CachedEmbedder
from rag.embedding.flag import load_flag
from rag.embedding.registry import build_space
from rag.embedding.sentence_transformer import default_minilm_folder, load_sentence_transformer
from rag.settings import EmbeddingSettings
from rag.text.analysis import Analyzer
from tests.contract.embedder_contract import TEXTS, EmbedderContract
from tests.support.hash_embedder import HashEmbedder
from tests.support.tiny_models import bge_m3_folder, encoder_folder, qwen3_folder

Opener = Callable[[Path], AbstractContextManager[Embedder]]
EVERY = frozenset(Language)


@contextmanager
def minilm(folder: Path) -> Iterator[Embedder]:
    yield load_sentence_transformer(
        default_minilm_folder(), name="MiniLM", languages=frozenset({Language.ENGLISH}), precision="float32"
    )


@contextmanager
def sentence_transformer(folder: Path) -> Iterator[Embedder]:
    model = encoder_folder(folder)
    yield load_sentence_transformer(model, name="tiny", languages=EVERY, precision="float32")


@contextmanager
def qwen3(folder: Path) -> Iterator[Embedder]:
    yield load_sentence_transformer(
        qwen3_folder(folder), name="tiny qwen", languages=EVERY, precision="float32", dimensions=16
    )


@contextmanager
def bge_m3(folder: Path) -> Iterator[Embedder]:
    model = bge_m3_folder(folder, token_width=24)
    yield load_flag(model, name="tiny m3", languages=EVERY, precision="float32", token_vectors=True)


@contextmanager
def bge_m3_narrow(folder: Path) -> Iterator[Embedder]:
    yield load_flag(bge_m3_folder(folder), name="tiny m3", languages=EVERY, precision="openvino-float32")


@contextmanager
def bge_m3_of_the_settings(folder: Path) -> Iterator[Embedder]:
    """As a service has it: described at once, loaded at first use, questions kept."""
    model = bge_m3_folder(folder / "m3")
    settings = EmbeddingSettings(dense="flag", folder=model, languages=("ko", "en"), precision="float32", max_tokens=48)
    yield build_space(settings, Analyzer(), folder / "cache").budget_embedder(Language.KOREAN)


@contextmanager
def kiwi_bm25(folder: Path) -> Iterator[Embedder]:
    yield KiwiBm25Embedder()


@contextmanager
def hash_dense(folder: Path) -> Iterator[Embedder]:
    yield HashEmbedder(dense=True)


@contextmanager
def hash_sparse(folder: Path) -> Iterator[Embedder]:
    yield CachedEmbedder(HashEmbedder())


OPENERS: tuple[Opener, ...] = (
    minilm,
    sentence_transformer,
    qwen3,
    bge_m3,
    bge_m3_narrow,
    bge_m3_of_the_settings,
    kiwi_bm25,
    hash_dense,
    hash_sparse,
)


@pytest.fixture(scope="module", params=OPENERS, ids=lambda opener: opener.__name__)
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    with request.param(tmp_path_factory.mktemp("embedder")) as opened:
        yield opened


class TestEmbedders(EmbedderContract):
    """All of them."""


def test_a_role_counts_where_a_model_has_a_prompt(tmp_path: Path) -> None:
    with qwen3(tmp_path) as embedder:
        query, passage = (embedder.embed([TEXTS[0]], role).dense for role in (Role.QUERY, Role.PASSAGE))
        assert query is not None and passage is not None
        assert float(query[0] @ passage[0]) < 0.999
