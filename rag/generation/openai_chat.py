"""A chat model behind any OpenAI-compatible address inside the network: vLLM, SGLang, llama.cpp, Ollama."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.domain.errors import ConfigurationError
from rag.generation.chat import ChatMessage, ChatModel
from rag.generation.openai_engine_request import salt_of
from rag.settings import ChatSettings
from rag.text.reasoning import without_reasoning
from rag.transport.server import ModelServer, Patience, checked_url

_PATH = "/chat/completions"
_NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
"""Reasoning takes seconds that work around the answer does not have. vLLM, SGLang and llama.cpp know the field."""
_LARGEST_ANSWER = 4 * 2**20


class OpenAiChat:
    """A `ChatModel` over HTTP. Thread-safe."""

    def __init__(self, model: str, server: ModelServer) -> None:
        self._model, self._server = model, server
        self._takes_more = True
        self.name = f"{model} at {server.url}"

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        deadline: float | None = None,
        tenant: str = "",
    ) -> str:
        """The model's next turn, without its reasoning, stripped.

        Args:
            deadline: instant of `time.monotonic` by which the text is wanted.
            tenant: whose conversation it is; to servers that know the field, it goes as the salt of their prefix cache.

        Raises:
            ModelUnavailable: the server can't be reached, refuses, is too late, or gave reasoning and no text.
        """
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": False,
        }
        more = _NO_THINKING | ({"cache_salt": salt_of(tenant)} if tenant else {})
        text = spoken(self._answer(body, more, deadline))
        if not text:
            raise self._server.refused(_PATH, "an answer without text", "글이 없는 답입니다")
        return text

    def _answer(self, body: dict[str, Any], more: dict[str, Any], deadline: float | None) -> Any:
        if not self._takes_more:
            return self._server.post(_PATH, body, deadline=deadline)
        reply = self._server.exchange(_PATH, body | more, deadline=deadline)
        if reply.ok:
            return reply.body
        if reply.status not in (400, 422):
            raise self._server.refusal(reply)
        answer = self._server.post(_PATH, body, deadline=deadline)
        self._takes_more = False  # it was a field that was refused, not the messages
        return answer


def spoken(answer: Any) -> str:
    """What the model says in an answer of `/chat/completions`; empty where there is nothing, or reasoning alone."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str):
        return ""
    # JSON can hold halves of characters, which nothing after this could write down.
    return without_reasoning(content).encode("utf-8", "replace").decode("utf-8").strip()


def open_chat(settings: ChatSettings) -> ChatModel | None:
    """The chat model of the settings, None where no address is given; the server is not asked yet.

    Raises:
        ConfigurationError: the address is none, the model's name is missing, or the key file can't be read.
    """
    if settings.url is None:
        return None
    if not settings.model:
        raise ConfigurationError(detail="chat.model: the name of the model on that server is missing")
    root = checked_url(settings.model, settings.url)
    root = root if root.count("/") > 2 else f"{root}/v1"
    server = ModelServer(
        settings.model,
        root,
        key_file=settings.api_key_file,
        patience=Patience(timeout_s=settings.timeout_s, tries=3),
        connections=16,
        max_response_bytes=_LARGEST_ANSWER,
    )
    return OpenAiChat(settings.model, server)
