"""Folders like Qwen3-Embedding's: an instruction for queries, the last token's state, fewer dimensions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rag.domain.errors import ConfigurationError
from rag.domain.language import Language
from rag.embedding.base import Role
from rag.embedding.local import LocalEmbedder
from rag.embedding.precision import Precision
from rag.embedding.registry import build_space
from rag.embedding.sentence_transformer import _load, load_sentence_transformer, prompts_of
from rag.embedding.torch_forwards import TorchForward
from rag.inference.batches import Padding
from rag.settings import EmbeddingSettings
from rag.text.analysis import Analyzer
from tests.support.tiny_models import QWEN_PROMPT, TEXTS, encoder_folder, lognormal_texts, qwen3_folder

MANY = [*TEXTS, *lognormal_texts(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qwen3_folder(tmp_path_factory.mktemp("qwen3"))


@pytest.fixture(scope="module")
def library(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def load(folder: Path, precision: Precision | None = "float32", **settings: Any) -> LocalEmbedder:
    return load_sentence_transformer(
        folder, name="tiny qwen", languages=frozenset(Language), precision=precision or "auto", **settings
    )


def dense(embedder: LocalEmbedder, texts: list[str], role: Role) -> NDArray[np.float32]:
    vectors = embedder.embed(texts, role).dense
    assert vectors is not None
    return vectors


def test_queries_have_the_folder_s_own_prompt_and_passages_none(folder: Path, library: Any) -> None:
    embedder = load(folder)
    np.testing.assert_allclose(dense(embedder, MANY, Role.QUERY), library.encode(MANY, prompt=QWEN_PROMPT), atol=1e-4)
    np.testing.assert_allclose(dense(embedder, MANY, Role.QUERY), library.encode_query(MANY), atol=1e-4)
    np.testing.assert_allclose(dense(embedder, MANY, Role.PASSAGE), library.encode(MANY), atol=1e-4)
    np.testing.assert_allclose(dense(embedder, MANY, Role.PASSAGE), library.encode_document(MANY), atol=1e-4)
    assert not np.allclose(dense(embedder, ["a"], Role.QUERY), dense(embedder, ["a"], Role.PASSAGE), atol=1e-2)
    assert embedder.count_tokens([QWEN_PROMPT])[0] < 80 < embedder.max_tokens  # so that there was room for the texts


def test_a_task_of_one_s_own_is_put_into_qwen_s_template(folder: Path, library: Any) -> None:
    task = "Find the clause"
    embedder = load(folder, query_instruction=task)
    expected = library.encode(MANY, prompt=f"Instruct: {task}\nQuery:")
    np.testing.assert_allclose(dense(embedder, MANY, Role.QUERY), expected, atol=1e-4)
    np.testing.assert_allclose(dense(embedder, MANY, Role.PASSAGE), library.encode(MANY), atol=1e-4)


def test_prompts(folder: Path, tmp_path: Path) -> None:
    assert prompts_of(folder) == {Role.QUERY: QWEN_PROMPT, Role.PASSAGE: ""}
    assert prompts_of(folder, "T") == {Role.QUERY: "Instruct: T\nQuery:", Role.PASSAGE: ""}
    assert prompts_of(folder, "none") == {Role.QUERY: "", Role.PASSAGE: ""}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    assert prompts_of(tmp_path, "T")[Role.QUERY] == "Instruct: T\nQuery:"  # known by its architecture too
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "xlm-roberta"}))
    assert prompts_of(tmp_path) == {Role.QUERY: "", Role.PASSAGE: ""}
    assert prompts_of(tmp_path, "query: ")[Role.QUERY] == "query: "  # as it is
    described = {"prompts": {"query": "query: ", "passage": "passage: "}}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(described))
    assert prompts_of(tmp_path) == {Role.QUERY: "query: ", Role.PASSAGE: "passage: "}  # e5
    (tmp_path / "config_sentence_transformers.json").write_text("{ damaged")
    assert prompts_of(tmp_path) == {Role.QUERY: "", Role.PASSAGE: ""}


def test_padding_is_on_the_left_whatever_the_tokenizer_says(folder: Path) -> None:
    """The last position of a row is then its last token, which is what such a model was trained to be read at."""
    model = _load(folder, None, prompted=True)
    assert model.tokenizer.padding.left
    tokenize, _ = model.tokenizer.functions()
    short, long = tokenize(["Wombats dig burrows.", "word " * 40])

    def last_position(left: bool) -> NDArray[np.float32]:
        ids, mask = Padding(model.tokenizer.padding.token, left).arrays([short, long])
        with torch.inference_mode():
            body: Any = model.module.body
            states = body({"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)})
        row = states["token_embeddings"][0, -1]
        return np.asarray(row / row.norm())

    [ours] = TorchForward(model.module, model.tokenizer.padding, "cpu")([short, long])
    np.testing.assert_allclose(last_position(left=True), ours[0], atol=1e-5)
    assert float(last_position(left=False) @ ours[0]) < 0.9  # a padding token's state: wrong, and nothing would say so


def test_an_encoder_with_absolute_positions_is_not_padded_on_the_left(tmp_path: Path) -> None:
    assert not _load(encoder_folder(tmp_path, pooling="lasttoken"), None, prompted=False).tokenizer.padding.left


def test_company_does_not_change_a_vector(folder: Path) -> None:
    embedder = load(folder)
    alone = np.concatenate([dense(embedder, [text], Role.PASSAGE) for text in MANY])
    np.testing.assert_allclose(dense(embedder, MANY, Role.PASSAGE), alone, atol=1e-5)


def test_fewer_dimensions_are_cut_and_brought_back_to_unit_length(folder: Path, library: Any) -> None:
    embedder = load(folder, dimensions=12)
    assert embedder.dimensions == 12
    expected = library.encode(MANY, truncate_dim=12, normalize_embeddings=True)
    np.testing.assert_allclose(dense(embedder, MANY, Role.PASSAGE), expected, atol=1e-4)
    assert load(folder, dimensions=32).dimensions == 32
    with pytest.raises(ConfigurationError, match="dimensions"):
        load(folder, dimensions=33)


@pytest.mark.parametrize("precision", ["openvino-float32", "openvino-bfloat16", "bfloat16"])
def test_a_number_format_that_it_can_t_run_in_is_refused_and_in_others_it_is_the_same_model(
    folder: Path, library: Any, precision: Precision
) -> None:
    """Whether the library can convert a decoder depends on both libraries' versions; a wrong graph must not get through."""
    try:
        embedder = load(folder, precision)
    except ConfigurationError as error:
        assert precision.startswith("openvino")
        assert precision in str(error)
        return
    cosines = np.sum(dense(embedder, MANY, Role.PASSAGE) * library.encode(MANY), axis=1)
    assert cosines.min() > 0.999


def test_the_self_test_ends_with_right_vectors(folder: Path, library: Any, tmp_path: Path) -> None:
    for _ in range(2):  # the second start uses what the first one kept
        embedder = load(folder, None, cache_dir=tmp_path)
        cosines = np.sum(dense(embedder, MANY, Role.QUERY) * library.encode(MANY, prompt=QWEN_PROMPT), axis=1)
        assert cosines.min() > 0.999


def test_the_settings_describe_it_without_loading_it(folder: Path, tmp_path: Path) -> None:
    def space(**settings: Any) -> Any:
        chosen: dict[str, Any] = {"dense": "folder", "folder": folder, "precision": "float32", **settings}
        return build_space(EmbeddingSettings(**chosen), Analyzer(), tmp_path)

    whole, cut = space(), space(dimensions=12, query_instruction="Find the clause")
    assert (whole.dimensions, whole.learned, whole.multi) == (32, False, None)
    assert cut.dimensions == 12
    assert cut.name != whole.name  # their vectors don't go together
    assert space(query_instruction="Find the clause").name == whole.name  # the passages' do
    vector = cut.embed_query("How long are records kept?", Language.ENGLISH).dense
    expected = load(folder, dimensions=12, query_instruction="Find the clause", max_tokens=256)
    np.testing.assert_allclose(vector, dense(expected, ["How long are records kept?"], Role.QUERY)[0], atol=1e-5)
    with pytest.raises(ConfigurationError, match="32"):
        space(dimensions=64)
