"""Token ids back to texts, and vectors brought to fewer dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from rag.embedding.cached import CachedEmbedder
from rag.embedding.decoding import decoder_of
from rag.embedding.matryoshka import can_be_shortened, shortened
from rag.embedding.sentence_transformer import default_minilm_folder
from rag.embedding.tokenizing import TokenizerSpec
from rag.inference.batches import Padding
from tests.support.hash_embedder import HashEmbedder


@pytest.fixture(scope="module")
def spec() -> TokenizerSpec:
    serialised = (default_minilm_folder() / "tokenizer.json").read_text(encoding="utf-8")
    return TokenizerSpec(serialised, 16, "right", Padding(0))


@pytest.mark.parametrize(
    "text", ["parental leave", "it's 25% off — don't!", "def f(x): return x**2", "경조휴가는 며칠인가요?"]
)
def test_a_models_own_tokens_come_back_as_a_text_with_the_same_tokens(spec: TokenizerSpec, text: str) -> None:
    from tokenizers import Tokenizer

    decode = spec.decoder()
    tokenizer = Tokenizer.from_str(spec.serialised)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    for special in (True, False):
        ids = tokenizer.encode(text, add_special_tokens=special).ids
        found = decode(ids)
        assert found is not None
        assert tokenizer.encode(found, add_special_tokens=special).ids == ids


@pytest.mark.parametrize("ids", [[], [101, 102], [-1], [10**6], [4438, 1690, 2919, 315, 5387, 30], [1, 2, 3]])
def test_what_is_no_text_of_this_model_is_none(spec: TokenizerSpec, ids: list[int]) -> None:
    assert spec.decoder()(ids) is None


def test_an_embedder_without_a_tokenizer_here_reads_no_tokens() -> None:
    assert decoder_of(HashEmbedder(dense=True)) is None
    assert decoder_of(CachedEmbedder(HashEmbedder(dense=True))) is None


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("Qwen3-Embedding-0.6B", True),
        ("http/Qwen/Qwen3-Embedding-8B@4096", True),
        ("KURE-v1@512", True),
        ("bge-m3/terms", False),
        ("http/BAAI/bge-m3@1024/terms", False),
        ("http/some-model@1024", False),
        ("all-MiniLM-L6-v2", False),
    ],
)
def test_only_models_that_were_trained_for_it_are_shortened(name: str, can: bool) -> None:
    assert can_be_shortened(name) is can


def test_shortened_vectors_have_unit_length_and_the_old_direction() -> None:
    rows = np.random.default_rng(3).standard_normal((4, 16)).astype(np.float32)
    cut = shortened(rows, 8)
    assert cut.shape == (4, 8) and cut.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(cut, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(cut * np.linalg.norm(rows[:, :8], axis=1, keepdims=True), rows[:, :8], atol=1e-5)
