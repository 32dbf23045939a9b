from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Role
from rag.embedding.flag import _terms, load_flag, widths
from rag.embedding.local import LocalEmbedder
from rag.embedding.precision import Precision
from rag.embedding.registry import build_space
from rag.settings import EmbeddingSettings
from rag.text.analysis import Analyzer
from tests.support.tiny_models import TEXTS, bge_m3_folder, lognormal_texts

EVERY = frozenset(Language)
LIMIT = 64
MANY = [*TEXTS, *lognormal_texts(60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bge_m3_folder(tmp_path_factory.mktemp("flag") / "bge-m3", token_width=24, limit=LIMIT)


@pytest.fixture(scope="module")
def library(folder: Path) -> Any:
    from FlagEmbedding import BGEM3FlagModel

    return BGEM3FlagModel(str(folder), use_fp16=False, devices="cpu", colbert_dim=24)


def load(folder: Path, precision: Precision = "float32", **settings: Any) -> LocalEmbedder:
    return load_flag(folder, name="tiny m3", languages=EVERY, precision=precision, **settings)


@pytest.fixture(scope="module")
def whole(folder: Path) -> LocalEmbedder:
    """With every part, in float32."""
    return load(folder, token_vectors=True)


def encoded(library: Any, texts: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = library.encode(
        texts, batch_size=7, max_length=LIMIT, return_dense=True, return_sparse=True, return_colbert_vecs=True
    )
    return made


def assert_same(ours: Embeddings, theirs: dict[str, Any], tolerance: float = 1e-4) -> None:
    assert ours.dense is not None and ours.sparse is not None and ours.multi is not None
    np.testing.assert_allclose(ours.dense, theirs["dense_vecs"], atol=tolerance)
    for vector, expected in zip(ours.sparse, theirs["lexical_weights"], strict=True):
        weights = dict(zip(map(str, vector.indices), vector.values, strict=True))
        assert weights == pytest.approx({term: float(weight) for term, weight in expected.items()}, abs=tolerance)
    for matrix, rows in zip(ours.multi, theirs["colbert_vecs"], strict=True):
        np.testing.assert_allclose(matrix, rows, atol=tolerance)


def test_all_three_parts_are_those_of_the_library(whole: LocalEmbedder, library: Any) -> None:
    ours = whole.embed(MANY, Role.PASSAGE)
    theirs = encoded(library, MANY)
    assert_same(ours, theirs)
    assert sum(len(vector.indices) for vector in ours.sparse or ()) > 500  # there was something to compare


def test_parts_that_are_not_asked_for_are_not_there(folder: Path) -> None:
    embedder = load(folder, term_weights=False)
    made = embedder.embed(["서고"], Role.QUERY)
    assert (embedder.dimensions, embedder.learned, embedder.multi) == (32, False, None)
    assert made.dense is not None and made.dense.shape == (1, 32)
    assert made.sparse is None and made.multi is None
    with_terms = load(folder)
    assert (with_terms.learned, with_terms.multi) == (True, None)
    assert with_terms.embed(["서고"], Role.QUERY).sparse


def test_an_instruction_of_none_stands_before_no_query(folder: Path, whole: LocalEmbedder) -> None:
    expected = whole.embed(["휴가"], Role.QUERY).dense
    found = load(folder, query_instruction="none").embed(["휴가"], Role.QUERY).dense
    assert expected is not None and found is not None
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_texts_give_empty_parts(whole: LocalEmbedder) -> None:
    made = whole.embed([], Role.PASSAGE)
    assert made.dense is not None and made.dense.shape == (0, 32)
    assert (made.sparse, made.multi) == ((), ())


def test_term_weights_are_the_largest_of_each_token(whole: LocalEmbedder) -> None:
    weights = np.array([[9, 1, 3, 2, 0], [9, 0, 9, 9, 9]], dtype=np.float32)
    vectors = _terms([[4, 7, 5, 7], [6, 8]], weights)
    assert (vectors[0].indices, vectors[0].values) == ((4, 5, 7), (9.0, 3.0, 2.0))
    assert (vectors[1].indices, vectors[1].values) == ((6,), (9.0,))
    assert _terms([[4], [5]], np.zeros((2, 1), dtype=np.float32))[1].indices == ()
    specials = {0, 1, 2, 3}
    for vector in whole.embed(MANY, Role.PASSAGE).sparse or ():
        assert not specials & set(vector.indices)
        assert list(vector.indices) == sorted(set(vector.indices))


@pytest.mark.parametrize("precision", ["bfloat16", "openvino-float32", "openvino-bfloat16"])
def test_other_number_formats_give_nearly_the_same(folder: Path, library: Any, precision: Precision) -> None:
    embedder = load(folder, precision, token_vectors=True)
    assert embedder.precision == precision
    made = embedder.embed(MANY, Role.PASSAGE)
    theirs = encoded(library, MANY)
    assert made.dense is not None
    assert np.sum(made.dense * theirs["dense_vecs"], axis=1).min() > 0.999
    if precision == "openvino-float32":
        assert_same(made, theirs)


def test_a_kept_graph_gives_all_parts_again(folder: Path, library: Any, tmp_path: Path) -> None:
    auto: dict[str, Any] = {"precision": "auto", "token_vectors": True, "cache_dir": tmp_path}
    load(folder, **auto)
    [file] = tmp_path.glob("precision-*.json")
    stored = json.loads(file.read_text())
    stored["choice"]["precision"] = "openvino-float32"
    file.write_text(json.dumps(stored))
    kept = load(folder, **auto)
    assert kept.precision == "openvino-float32"
    assert_same(kept.embed(MANY, Role.PASSAGE), encoded(library, MANY))


def test_long_texts_are_cut_at_the_model_s_limit_or_below(folder: Path, whole: LocalEmbedder) -> None:
    assert whole.max_tokens == LIMIT
    assert load(folder, max_tokens=9999).max_tokens == LIMIT
    short = load(folder, max_tokens=16, token_vectors=True)
    assert short.count_tokens(["word " * 500, ""])[0] > LIMIT
    [rows, _] = short.embed(["word " * 500, ""], Role.PASSAGE).multi or ()
    assert rows.shape == (15, 24)  # all tokens but the first


def test_the_settings_describe_it_without_loading_it(folder: Path, tmp_path: Path) -> None:
    def space(**settings: Any) -> Any:
        return build_space(EmbeddingSettings(dense="flag", folder=folder, **settings), Analyzer(), tmp_path)

    plain, full = space(), space(token_vectors=True)
    assert (plain.dimensions, plain.learned, plain.multi) == (32, True, None)
    assert (full.dimensions, full.learned, full.multi) == (32, True, 24)
    assert not space(term_weights=False).learned
    assert len({plain.name, full.name, space(term_weights=False).name}) == 3
    vectors = full.embed_query("How long are records kept?", Language.ENGLISH)
    assert vectors.learned is not None
    assert vectors.multi is not None and vectors.multi.shape[1] == 24


def test_the_width_of_token_vectors_is_read_from_their_file(folder: Path, tmp_path: Path) -> None:
    assert widths(folder) == (32, 24)
    other = bge_m3_folder(tmp_path, token_width=8)
    state = torch.load(other / "colbert_linear.pt", weights_only=True)
    torch.save({label: tensor.float() for label, tensor in state.items()}, other / "colbert_linear.pt")
    assert widths(other) == (32, 8)
    (other / "colbert_linear.pt").write_bytes(b"an older format")
    assert widths(other) == (32, 32)


def test_a_folder_without_its_heads_is_refused(tmp_path: Path) -> None:
    folder = bge_m3_folder(tmp_path / "m3")
    (folder / "sparse_linear.pt").unlink()
    with pytest.raises(ConfigurationError, match=r"sparse_linear\.pt"):
        load(folder)
    with pytest.raises(ConfigurationError, match=r"config\.json"):
        load(tmp_path / "missing")
    (folder / "sparse_linear.pt").write_bytes(b"damaged")
    with pytest.raises(ConfigurationError):
        load(folder)


def test_a_model_with_infinite_weights_is_refused_at_start(tmp_path: Path) -> None:
    folder = bge_m3_folder(tmp_path)
    head = torch.load(folder / "sparse_linear.pt", weights_only=True)
    torch.save({label: torch.full_like(tensor, np.inf) for label, tensor in head.items()}, folder / "sparse_linear.pt")
    with pytest.raises(ModelUnavailable, match="tiny m3"):
        load(folder)
