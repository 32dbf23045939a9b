"""Whether the configured engines serve what the settings say: one question to each, with an answer in words.

The question is `/models` of OpenAI's API. vLLM adds `max_model_len` to its answer, llama.cpp `meta.n_ctx_train`, which is
what the model was trained for and not what the server was started with, so it is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from rag.domain.errors import ConfigurationError
from rag.generation.catalogue import Catalogue
from rag.generation.catalogue_serving import described
from rag.settings import GenerationSettings, ServedModel
from rag.transport.server import authorization, checked_url

State = Literal["ok", "unreachable", "refused", "not_a_model_server", "other_model", "no_adapter", "shorter", "longer"]
TROUBLE: frozenset[State] = frozenset(
    {"unreachable", "refused", "not_a_model_server", "other_model", "no_adapter", "shorter"}
)
"""States in which answers fail. A longer context than the settings say is only unused memory."""
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """What one replica said.

    Attributes:
        model: its name in the settings.
        served: names that the engine serves.
        found, expected: tokens of context, where both are known.
    """

    model: str
    url: str
    state: State
    served: tuple[str, ...] = ()
    found: int | None = None
    expected: int | None = None
    detail: str = ""

    @property
    def trouble(self) -> bool:
        """Whether answers fail."""
        return self.state in TROUBLE


def check_engines(
    settings: GenerationSettings,
    catalogue: Catalogue,
    *,
    timeout_s: float = 5.0,
    transport: Callable[[], httpx.BaseTransport] = httpx.HTTPTransport,
) -> list[EngineCheck]:
    """Ask every replica of every configured model, side by side.

    Args:
        transport: makes what takes the place of the network in tests.
    """
    asked = [(served, url) for served in settings.models for url in served.urls]

    def ask(one: tuple[ServedModel, str]) -> EngineCheck:
        served, url = one
        with httpx.Client(transport=transport(), timeout=timeout_s, trust_env=False, follow_redirects=False) as client:
            return _checked(client, served, url, described(served, catalogue, settings.aliases).context_tokens)

    if not asked:
        return []
    with ThreadPoolExecutor(min(8, len(asked)), thread_name_prefix="check") as pool:
        return list(pool.map(ask, asked))


def _checked(client: httpx.Client, served: ServedModel, url: str, expected: int | None) -> EngineCheck:
    try:
        root = checked_url(served.name, url)
        headers = _headers(served)
    except ConfigurationError as error:
        return EngineCheck(served.name, url, "refused", detail=str(error))
    root = root if root.count("/") > 2 else f"{root}/v1"
    try:
        response = client.get(f"{root}/models", headers=headers)
    except httpx.HTTPError as error:
        return EngineCheck(served.name, url, "unreachable", detail=type(error).__name__)
    if response.status_code in (401, 403):
        return EngineCheck(served.name, url, "refused", detail=f"status {response.status_code}")
    if response.status_code != 200 or len(response.content) > _MOST_BYTES:
        return EngineCheck(served.name, url, "not_a_model_server", detail=f"status {response.status_code}")
    try:
        listed = dict(_listed(response.json()))
    except (ValueError, RecursionError):
        return EngineCheck(served.name, url, "not_a_model_server", detail="an answer in another shape")
    return _judged(served, url, listed, expected)


def _judged(served: ServedModel, url: str, listed: dict[str, int | None], expected: int | None) -> EngineCheck:
    wanted, names = served.served_as or served.name, tuple(listed)
    if served.engine == "ollama" and wanted not in listed and f"{wanted}:latest" in listed:
        wanted = f"{wanted}:latest"
    if wanted not in listed:
        return EngineCheck(served.name, url, "other_model", names, detail=wanted)
    if missing := [name for name in served.adapters if name not in listed]:
        return EngineCheck(served.name, url, "no_adapter", names, detail=", ".join(missing))
    found = listed[wanted]
    state: State = "ok"
    if found is not None and expected is not None and found != expected:
        state = "shorter" if found < expected else "longer"
    return EngineCheck(served.name, url, state, names, found, expected)


def _listed(answer: Any) -> Iterator[tuple[str, int | None]]:
    """Name and length of context of each model in the answer.

    Raises:
        ValueError: it is not in OpenAI's shape.
    """
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise ValueError("no list of models")
    for item in data:
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            raise ValueError("a model without a name")
        length = item.get("max_model_len")
        yield item["id"], length if isinstance(length, int) and not isinstance(length, bool) else None


def _headers(served: ServedModel) -> dict[str, str]:
    return {"Accept": "application/json"} | authorization(served.api_key_file)
