"""Conformance: the real clients of other languages and frameworks, each in an environment of its own, against a live service.

They are kept apart since some of them need older releases of what Seogo itself stands on. `make test-clients` installs them
below `SEOGO_CLIENTS`, as pinned in `python/requirements.txt` and `node/package-lock.json`, and runs these tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.deps import Services
from rag.generation.engine import EngineCall, EngineEvent, Finished, TextDelta, ToolCallDelta, Usage
from rag.generation.registry import Generation
from rag.generation.routing import SingleModel
from tests.support.live import listening
from tests.support.running import Running, running, settings_for

pytestmark = pytest.mark.clients
HERE = Path(__file__).parent
QUESTION = "경조휴가는 며칠인가요?"
ANSWER = "경조휴가는 5일이다. [1]"
RAW = "llm/calling"
RULES = "# 휴가\n\n경조휴가는 5일이다.\n\n# 급여\n\n급여는 매월 25일에 지급한다.\n"
_TIMEOUT_S = 240


def installed() -> Path:
    """Where the clients are installed."""
    named = os.environ.get("SEOGO_CLIENTS")
    if named is None:
        pytest.skip("the clients are not installed: make test-clients")
    return Path(named).absolute()


@dataclass(frozen=True)
class Live:
    """A live service and how to run a client against it."""

    environment: dict[str, str]

    def run(self, command: list[str], *parts: str) -> dict[str, Any]:
        """What the client printed."""
        done = subprocess.run(
            [*command, *parts], env=self.environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def node(self, *parts: str) -> dict[str, Any]:
        """openai-node."""
        node = shutil.which("node")
        assert node, "node 20 is needed"
        return self.run([node, str(HERE / "node" / "drive.cjs")], *parts)

    def python(self, script: str, *parts: str) -> dict[str, Any]:
        """A client of Python, in the clients' own environment."""
        return self.run([str(installed() / "python" / "bin" / "python"), str(HERE / "python" / script)], *parts)


class Calling:
    """An engine that calls the first tool it is given, its arguments in pieces, and speaks when it has none."""

    name = "calling"
    context_tokens = 32_768

    async def stream(self, call: EngineCall) -> AsyncGenerator[EngineEvent, None]:
        if not call.tools:
            for event in (TextDelta("5일"), TextDelta("입니다."), Finished("stop", Usage(7, 3))):
                yield event
            return
        yield ToolCallDelta(0, id="call_1", name=call.tools[0]["function"]["name"])
        for piece in ('{"topic"', ': "휴가"}'):
            yield ToolCallDelta(0, arguments=piece)
        yield Finished("tool_calls", Usage(7, 3))

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A service with the embedded defaults, one collection, and an engine that can be asked without documents."""
    folder = tmp_path_factory.mktemp("live")
    clients = installed()
    engine = Calling()
    generation = Generation(SingleModel(engine), {engine.name: engine})
    with running(settings_for(folder)) as service:
        # Answers are quotations here, whatever the engine says: it is there for clients that ask it without documents.
        services = replace(service.services, rag=replace(service.services.rag, generation=generation))
        yield from _driven(service, services, folder, clients)


def _driven(service: Running, services: Services, folder: Path, clients: Path) -> Iterator[Live]:
    with listening(services) as address:
        caller = service.caller()
        caller.ingest(caller.collection("사규"), {"휴가.md": RULES})
        store = UUID(caller.get("/api/v1/collections/사규").json()["id"])
        yield Live(
            {
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "NODE_PATH": str(clients / "node" / "node_modules"),
                "BASE_URL": f"{address}/v1",
                "API_KEY": caller.headers["Authorization"].split()[1],
                "MODEL": "rag/사규",
                "STORE": f"vs_{store.hex}",
                "QUESTION": QUESTION,
                # Nothing is fetched, and nobody is told.
                "HF_HUB_OFFLINE": "1",
                "DO_NOT_TRACK": "1",
                "LANGSMITH_TRACING": "false",
            }
        )


def test_node_lists_models_asks_and_streams(live: Live) -> None:
    found = live.node("models", "chat", "stream")
    assert {"rag/all", "rag/사규"} <= set(found["models"])
    assert (found["chat"]["text"], found["chat"]["finish"]) == (ANSWER, "stop")
    [annotation] = found["chat"]["annotations"]
    assert annotation["type"] == "url_citation" and "휴가" in annotation["url_citation"]["title"]
    assert (found["stream"]["text"], found["stream"]["role"]) == (ANSWER, "assistant")
    assert found["stream"]["usage"]["total_tokens"] > 0


def test_node_uploads_polls_searches_and_deletes(live: Live) -> None:
    found = live.node("upload")["upload"]
    assert (found["status"], found["batch"]["completed"], found["listed"]) == ("completed", 1, 2)
    assert found["filename"] == "연료.md" and 0 < found["score"] <= 1
    assert "경유 14리터" in found["text"]
    assert found["deleted"] and "연료.md" not in found["left"]


def test_node_searches_files_in_responses(live: Live) -> None:
    found = live.node("responses")["responses"]
    assert found["text"] == found["streamed"] == ANSWER
    assert set(found["results"]) == {"휴가.md"}
    assert [item["type"] for item in found["annotations"]] == ["file_citation"]
    assert found["last"] == "response.completed"


def test_node_raises_its_own_errors(live: Live) -> None:
    found = live.node("errors")["errors"]
    assert found["model"] == {"status": 404, "code": "unknown_model", "kind": "NotFoundError"}
    assert found["store"] == {"status": 404, "code": "collection_not_found", "kind": "NotFoundError"}
    assert found["purpose"] == {"status": 422, "code": "invalid_request", "kind": "UnprocessableEntityError"}
    assert found["key"] == {"status": 401, "code": "not_authenticated", "kind": "AuthenticationError"}


@pytest.mark.parametrize("script", ["langchain_client.py", "llama_index_client.py"])
def test_frameworks_ask_and_stream(live: Live, script: str) -> None:
    found = live.python(script, "chat", "stream", "errors")
    assert found["chat"]["text"] == found["stream"]["text"] == ANSWER
    assert found["errors"] == {"status": 404, "code": "unknown_model"}
    if script == "llama_index_client.py":
        assert found["chat"]["completed"] == ANSWER
    else:
        assert found["chat"]["finish"] == "stop" and found["stream"]["chunks"] > 1
        assert found["chat"]["usage"]["total_tokens"] > 0 and found["stream"]["usage"]["total_tokens"] > 0


def test_langchain_searches_files_in_responses(live: Live) -> None:
    found = live.python("langchain_client.py", "responses")["responses"]
    assert found["text"] == found["streamed"] == ANSWER
    assert [item["type"] for item in found["annotations"]] == ["file_citation"]


def test_the_openai_release_before_this_one_works_too(live: Live) -> None:
    found = live.python("openai_client.py", "chat", "upload", "responses")
    assert found["chat"]["text"] == found["responses"]["text"] == ANSWER and found["chat"]["annotations"]
    assert found["upload"]["version"].startswith("2.")
    assert (found["upload"]["status"], found["upload"]["batch"]["completed"]) == ("completed", 1)
    assert found["responses"]["last"] == "response.completed"


@pytest.mark.parametrize("script", ["langchain_client.py", "llama_index_client.py"])
def test_frameworks_embed(live: Live, script: str) -> None:
    found = live.python(script, "embeddings")["embeddings"]
    assert found["count"] == 2 and found["width"] == found["query"] > 0


def test_node_embeds_in_base64(live: Live) -> None:
    found = live.node("embeddings")["embeddings"]
    assert found["count"] == 2 and found["width"] > 0


def raw_of(live: Live) -> Live:
    """The service asked for its engine itself, where this build has such models."""
    if RAW not in live.node("models")["models"]:
        pytest.skip("this build offers no engine without documents")
    return Live({**live.environment, "MODEL": RAW})


def test_node_passes_tools_to_an_engine_and_gets_its_calls(live: Live) -> None:
    found = raw_of(live).node("raw")["raw"]
    assert (found["text"], found["name"], found["finish"]) == ("5일입니다.", "look_up", "tool_calls")
    assert found["arguments"] == found["streamed"] == {"topic": "휴가"}
    assert found["indexes"] == [0]


def test_langchain_passes_tools_to_an_engine_and_gets_its_calls(live: Live) -> None:
    found = raw_of(live).python("langchain_client.py", "raw")["raw"]
    assert found["text"] == "5일입니다."
    assert found["calls"] == found["streamed"] == [["look_up", {"topic": "휴가"}]]
