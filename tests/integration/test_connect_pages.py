"""Every snippet of the pages about clients, extracted from them and run as far as a client can run here.

Configurations are read as their client reads them, and each address in them is called with the credential that stands beside it;
commands and programs are executed. What needs a service is for `make test-slow`; `make test` sees that the pages are whole.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from mcp import Client
from typer.testing import CliRunner

from api.app import create_app
from api.cli.main import app
from tests.support.live import served
from tests.support.mcp_client import PLAIN, conversed
from tests.support.running import Caller, running, settings_for

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = DOCS / "connect"
CLIENTS = (
    "chatbox", "cline", "continue", "curl", "cursor", "dify", "librechat", "msty", "open-webui", "openai-sdk", "vscode",
)  # fmt: skip
ADDRESS = "http://127.0.0.1:8080"
RULES = "# 출장 규정\n\n제1조(일비) 국내 출장의 일비는 30,000원으로 한다.\n"
QUESTION = "국내 출장의 일비는 얼마인가요?"
ANSWER = "30,000원"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_KEY = re.compile(r"sgk_…|\$\{input:[\w.-]+\}|\$\{env:\w+\}|\$\{\{ secrets\.\w+ \}\}|\{\{\w+\}\}|\$\{\w+\}")
"""The ways in which clients write "the key goes here"."""
_MADE = re.compile(r"`(seogo keys create [^`]+)`")
"""A command in a sentence that makes a key for the client of the page."""
_URL = re.compile(rf"{re.escape(ADDRESS)}[\w/.-]*")
_TIMEOUT_S = 120
DIRECT: Any = {"trust_env": False, "timeout": 60, "verify": PLAIN}


def text_of(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


def blocks(name: str, *languages: str) -> list[str]:
    """The code of a page in these languages, in order."""
    return [code for language, code in _BLOCK.findall(text_of(name)) if language in languages]


@dataclass
class Live:
    """A served application with the documents that the pages speak of."""

    address: str
    key: str
    folder: Path
    data: Path
    tenant: str

    def filled(self, snippet: str) -> str:
        """A snippet with the real address and key."""
        return _KEY.sub(self.key, snippet).replace(ADDRESS, self.address).replace("127.0.0.1:8080", self.address[7:])

    def run(self, *command: str) -> str:
        """What a command printed."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "SEOGO_API_KEY": self.key,
            "NO_PROXY": "127.0.0.1",
            "PYTHONIOENCODING": "utf-8",
        }
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def post(self, url: str, body: Any) -> Any:
        """A request as a client sends it, with the key as its bearer."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answered = httpx.post(url, json=body, headers=headers, **DIRECT)
        assert answered.status_code == 200, (url, answered.text)
        return answered.json()

    def chats(self, base: str, model: str) -> None:
        """A client of the OpenAI protocol with this base address finds its model and gets an answer."""
        headers = {"Authorization": f"Bearer {self.key}"}
        models = httpx.get(f"{base}/models", headers=headers, **DIRECT).json()["data"]
        assert model in [item["id"] for item in models]
        self.completes(f"{base}/chat/completions", model)

    def completes(self, url: str, model: str) -> None:
        """This very address answers."""
        answer = self.post(url, {"model": model, "messages": [{"role": "user", "content": QUESTION}]})
        assert ANSWER in answer["choices"][0]["message"]["content"]

    def speaks(self, url: str, headers: Mapping[str, str]) -> None:
        """A client of MCP with exactly this address and these headers gets in, in both eras, and finds something."""

        async def talk(client: Client) -> Any:
            assert {"search", "fetch"} <= {item.name for item in (await client.list_tools()).tools}
            return (await client.call_tool("search", {"query": QUESTION})).structured_content

        assert headers == {"Authorization": f"Bearer {self.key}"}
        for mode in ("legacy", "auto"):
            assert conversed(url, dict(headers), talk, mode)["results"]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("client")
    (folder / "travel-rules.md").write_text(RULES, encoding="utf-8")
    (folder / ".curlrc").write_text("fail-with-body\nmax-time = 60\n", encoding="utf-8")
    data, tenant = tmp_path_factory.mktemp("service"), f"t-{uuid4().hex[:8]}"
    with running(settings_for(data)) as service:
        owner: Caller = service.caller(tenant=tenant)
        owner.ingest(owner.collection("rules"), {"travel-rules.md": RULES}, timeout_s=300)
        with served(create_app(service.services)) as address:
            yield Live(address, owner.headers["Authorization"].split()[1], folder, data, tenant)


def test_there_is_a_page_for_each_client_in_both_languages_and_the_index_knows_it() -> None:
    assert {path.name for path in PAGES.glob("*.md")} == {
        f"{name}{end}" for name in CLIENTS for end in (".md", ".ko.md")
    }
    for end in (".md", ".ko.md"):
        linked = re.findall(r"\(connect/([\w-]+(?:\.ko)?\.md)\)", (DOCS / f"connect{end}").read_text("utf-8"))
        assert set(linked) == {f"{name}{end}" for name in CLIENTS}


@pytest.mark.parametrize("name", CLIENTS)
def test_both_languages_have_the_same_snippets_and_their_links_lead_somewhere(name: str) -> None:
    assert _BLOCK.findall(text_of(name)) == _BLOCK.findall(text_of(f"{name}.ko"))
    assert sorted(set(_URL.findall(text_of(name)))) == sorted(set(_URL.findall(text_of(f"{name}.ko"))))
    for page in (name, f"{name}.ko"):
        assert text_of(page).count("```") == 2 * len(_BLOCK.findall(text_of(page)))
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(page)):
            assert (PAGES / target).resolve().is_file(), target


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIENTS)
def test_every_address_on_a_page_is_one_of_the_service(live: Live, name: str) -> None:
    """Also those that stand in a table of fields, for clients that have no file to read."""
    found = set(_URL.findall(text_of(name)))
    assert found
    headers = {"Authorization": f"Bearer {live.key}"}
    whole = {"method": "POST", "json": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}}
    tried: dict[str, tuple[str, dict[str, Any]]] = {
        "/mcp": ("/mcp", whole),
        "/v1": ("/v1/models", {"method": "GET"}),
        "/v1/chat/completions": ("/v1/models", {"method": "GET"}),
        "/tools": ("/tools/openapi.json", {"method": "GET"}),
        "/dify": ("/dify/retrieval", {"method": "POST", "json": {"knowledge_id": "rules", "query": "일비"}}),
        "/dify/retrieval": ("/dify/retrieval", {"method": "POST", "json": {"knowledge_id": "rules", "query": "일비"}}),
        "/continue/context": ("/continue/context", {"method": "POST", "json": {"query": "일비"}}),
        "": ("/api/v1/collections", {"method": "GET"}),
    }
    for url in found:
        path, request = tried[url.removeprefix(ADDRESS)]
        answered = httpx.request(url=live.address + path, headers=headers, **DIRECT, **request)
        assert answered.status_code == 200, (url, answered.text)
        if url != ADDRESS and path != "/tools/openapi.json":
            assert httpx.request(url=live.address + path, **DIRECT, **request).status_code == 401


@pytest.mark.slow
def test_vs_code_gets_tools_and_a_model(live: Live) -> None:
    tools, models = (json.loads(live.filled(item)) for item in blocks("vscode", "json"))
    [server] = tools["servers"].values()
    assert server["type"] == "http" and tools["inputs"][0]["password"] is True
    # What is asked for is what the header takes.
    assert (
        f"${{input:{tools['inputs'][0]['id']}}}"
        in json.loads(blocks("vscode", "json")[0])["servers"]["seogo"]["headers"]["Authorization"]
    )
    live.speaks(server["url"], server["headers"])
    [provider] = models
    assert (provider["vendor"], provider["apiKey"]) == ("customendpoint", live.key)
    for model in provider["models"]:
        live.completes(model["url"], model["id"])


@pytest.mark.slow
def test_continue_gets_a_model_passages_and_tools(live: Live) -> None:
    [configuration] = (yaml.safe_load(live.filled(item)) for item in blocks("continue", "yaml"))
    [model], [context], [server] = (configuration[name] for name in ("models", "context", "mcpServers"))
    assert (model["provider"], model["apiKey"], configuration["schema"]) == ("vllm", live.key, "v1")
    live.chats(model["apiBase"], model["model"])
    assert (context["provider"], context["params"]["headers"]) == ("http", {"Authorization": f"Bearer {live.key}"})
    items = live.post(context["params"]["url"], {"query": QUESTION, "fullInput": f"@seogo {QUESTION}"})
    assert ANSWER in items[0]["content"] and set(items[0]) == {"name", "description", "content"}
    assert server["type"] == "streamable-http"
    live.speaks(server["url"], server["requestOptions"]["headers"])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("cline", "streamableHttp"), ("cursor", None)])
def test_editors_get_tools(live: Live, name: str, kind: str | None) -> None:
    [configuration] = (json.loads(live.filled(item)) for item in blocks(name, "json"))
    [server] = configuration["mcpServers"].values()
    assert server.get("type") == kind
    live.speaks(server["url"], server["headers"])


@pytest.mark.slow
def test_open_webui_gets_models_and_tools_both_ways(live: Live) -> None:
    [variables] = blocks("open-webui", "dotenv")
    settings = dict(line.split("=", 1) for line in live.filled(variables).split())
    assert settings["OPENAI_API_KEYS"] == live.key
    live.chats(settings["OPENAI_API_BASE_URLS"], "rag/all")
    [plain], [protocol] = (json.loads(live.filled(item)) for item in blocks("open-webui", "json"))
    assert (plain["type"], plain["auth_type"], protocol["type"]) == ("openapi", "bearer", "mcp")
    described = httpx.get(f"{plain['url']}/{plain['path']}", **DIRECT).json()
    assert described["servers"] == [{"url": plain["url"]}]
    for path, operations in described["paths"].items():
        if operations["post"]["operationId"] == "search":
            assert live.post(plain["url"] + path, {"query": QUESTION})["results"]
    live.speaks(protocol["url"], {"Authorization": f"Bearer {protocol['key']}"})


@pytest.mark.slow
def test_librechat_gets_a_model_and_tools_for_each_user(live: Live) -> None:
    [configuration] = (yaml.safe_load(live.filled(item)) for item in blocks("librechat", "yaml"))
    [endpoint] = configuration["endpoints"]["custom"]
    assert endpoint["apiKey"] == live.key
    for model in endpoint["models"]["default"]:
        live.chats(endpoint["baseURL"], model)
    [server] = configuration["mcpServers"].values()
    assert server["type"] == "streamable-http"
    assert configuration["mcpSettings"]["allowedAddresses"] == [server["url"].split("/")[2]]
    [written] = (yaml.safe_load(item)["mcpServers"]["seogo"] for item in blocks("librechat", "yaml"))
    assert written["headers"]["Authorization"] == "Bearer {{" + next(iter(written["customUserVars"])) + "}}"
    live.speaks(server["url"], server["headers"])


@pytest.mark.slow
def test_chatbox_gets_a_model(live: Live) -> None:
    [provider] = (json.loads(live.filled(item)) for item in blocks("chatbox", "json"))
    settings = provider["settings"]
    assert (provider["type"], settings["apiKey"]) == ("openai", live.key)
    for model in settings["models"]:
        live.completes(settings["apiHost"] + settings["apiPath"], model["modelId"])


@pytest.mark.slow
def test_what_the_key_option_on_the_pages_is_for_works(live: Live) -> None:
    """Clients without annotations: sources as text, by the key alone."""
    made = httpx.post(
        f"{live.address}/api/v1/keys",
        json={"name": "msty", "scopes": ["read"], "citation_style": "inline+footer"},
        headers={"Authorization": f"Bearer {live.key}"},
        **DIRECT,
    )
    assert made.status_code == 201, made.text
    other = replace(live, key=made.json()["secret"])
    body = {"model": "rag/all", "messages": [{"role": "user", "content": QUESTION}]}
    said = other.post(f"{live.address}/v1/chat/completions", body)["choices"][0]["message"]["content"]
    assert "[1]" in said and f"{live.address}/api/v1/chunks/" in said


def base_of_model(name: str) -> str:
    """The address that a page gives for its models where nobody writes it into a file: of a table of fields, or of a sentence."""
    [base] = {url for url in _URL.findall(text_of(name)) if url.endswith("/v1")}
    return base


@pytest.mark.slow
@pytest.mark.parametrize("name", ["msty", "cline", "dify"])
def test_fields_that_somebody_fills_in_make_a_model(live: Live, name: str) -> None:
    for page in (name, f"{name}.ko"):
        base, models = base_of_model(page), set(re.findall(r"`(rag/[\w-]+)`", text_of(page)))
        assert models == {"rag/all"}
        for model in models:
            live.chats(live.filled(base), model)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CLIENTS if _MADE.search(text_of(name))])
def test_the_command_for_a_key_makes_one_that_the_client_can_use(live: Live, name: str) -> None:
    """The very words of the page, given to the command itself on the service's data folder."""
    made = set(_MADE.findall(text_of(name)))
    assert made == set(_MADE.findall(text_of(f"{name}.ko"))) and len(made) == 1
    for command in made:
        program, *arguments = shlex.split(command)
        assert program == "seogo"
        done = CliRunner().invoke(app, ["--data-dir", str(live.data), *arguments, "--tenant", live.tenant])
        assert done.exit_code == 0, done.output
        theirs = replace(live, key=done.stdout.split()[-1])
        body = {"model": "rag/all", "messages": [{"role": "user", "content": QUESTION}]}
        said = theirs.post(f"{live.address}/v1/chat/completions", body)["choices"][0]["message"]
        assert ANSWER in said["content"] and "[1]" in said["content"]
        footer = f"{live.address}/api/v1/chunks/" in said["content"]
        assert footer == (name != "open-webui"), "sources under the answer, where the page promises them"


def test_the_pages_say_how_to_make_a_key_where_a_client_shows_no_annotations() -> None:
    assert {name for name in CLIENTS if _MADE.search(text_of(name))} == {"chatbox", "cline", "msty", "open-webui"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["curl", "dify"])
def test_commands_do_what_they_say(live: Live, name: str) -> None:
    shell, curl = shutil.which("bash"), shutil.which("curl")
    if shell is None or curl is None:
        pytest.skip("bash and curl are needed")
    script = "set -euo pipefail\n" + "\n".join(live.filled(item) for item in blocks(name, "sh"))
    printed = live.run(shell, "-c", script)
    if name == "dify":
        assert ANSWER in json.loads(printed)["records"][0]["content"]
        return
    answers, opened = printed.count(ANSWER), printed.count('"openapi"')
    assert answers >= 3 and opened == 1, printed
    message = json.loads(printed.split("data: ")[-1])
    assert message["result"]["structuredContent"]["results"]


@pytest.mark.slow
def test_programs_with_the_openai_package_run(live: Live) -> None:
    program = "\n".join(live.filled(item) for item in blocks("openai-sdk", "python"))
    printed = live.run(sys.executable, "-c", program)
    assert printed.count(ANSWER) >= 3 and "travel-rules.md" in printed
    assert "-> 출장 규정" in printed and f"{live.address}/api/v1/chunks/" in printed
