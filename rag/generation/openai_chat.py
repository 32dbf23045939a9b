"""A chat model behind any OpenAI-compatible server: vLLM, llama.cpp, Ollama, SGLang."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.generation.chat import ChatMessage, ChatModel
from rag.settings import ChatSettings
from rag.transport.server import ModelServer, Patience, key_of

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
"""Reasoning inside the text, where no parser of the server took it out; an unfinished one goes on to the end."""
_CLOSED = re.compile(r"\A.*?</think>", re.DOTALL)
"""Reasoning whose beginning the chat template had put into the prompt."""


class OpenAiChat:
    """A `ChatModel` on `/chat/completions`."""

    def __init__(self, server: ModelServer, model: str) -> None:
        self._server = server
        self._model = model
        self._takes_template_options = True

    @property
    def name(self) -> str:
        """The model's name on its server."""
        return self._model

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        deadline: float | None = None,
    ) -> str:
        """The model's next turn, without its reasoning; see `ChatModel.complete`.

        Raises:
            ModelUnavailable: the server can't be reached, refuses, is too late, or gave no text.
        """
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": item.role, "content": item.content} for item in messages],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": False,
        }
        return _text_of(self._asked(body, deadline), self._model)

    def _asked(self, body: dict[str, Any], deadline: float | None) -> Any:
        """The reply; a server that does not know vLLM's template options is asked without them from then on."""
        if self._takes_template_options:
            plain = {**body, "chat_template_kwargs": {"enable_thinking": False}}
            reply = self._server.ask("/chat/completions", plain, deadline=deadline)
            if reply.status not in (400, 422):
                if reply.refused:
                    raise ModelUnavailable(name=self._model)
                return reply.data
            found = self._server.post("/chat/completions", body, deadline=deadline)
            self._takes_template_options = (
                False  # only once the plain request went through: else the texts were at fault
            )
            return found
        return self._server.post("/chat/completions", body, deadline=deadline)


def open_chat(settings: ChatSettings) -> ChatModel | None:
    """The chat model of the settings; None where no server is named.

    Raises:
        ConfigurationError: the settings are incomplete.
    """
    if settings.url is None:
        return None
    if not settings.model:
        raise ConfigurationError(detail="chat.model: the name of the model on its server is missing")
    patience = Patience(settings.timeout_s, tries=2)
    server = ModelServer(settings.url, name=settings.model, api_key=key_of(settings.api_key_file), patience=patience)
    return OpenAiChat(server, settings.model)


def _text_of(data: Any, model: str) -> str:
    try:
        content = data["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise ModelUnavailable(name=model) from error
    text = _CLOSED.sub("", _THINKING.sub("", content)).strip() if isinstance(content, str) else ""
    if not text:
        raise ModelUnavailable(name=model)
    return text
