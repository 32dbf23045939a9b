"""From an `EngineCall` to the JSON that an engine of some dialect takes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from rag.domain.errors import ImagesNotTaken, ModelNotServed
from rag.generation.engine import EngineCall, Message
from rag.generation.openai_engine_dialects import Dialect

_SALTED_BY = b"seogo/prefix-cache/1"
_PICTURES = ("image_url", "input_image")
_OURS = frozenset({"model", "messages", "stream", "stream_options", "n", "cache_salt", "chat_template"})
"""Never taken from a caller: they say which model, in which cache, in which shape; a template is a program."""


class RequestWriter:
    """Writes the requests for one served model."""

    def __init__(
        self,
        name: str,
        served_as: str,
        dialect: Dialect,
        *,
        adapters: Sequence[str] = (),
        vision: bool = False,
        switches: Sequence[str] = ("enable_thinking",),
    ) -> None:
        """Prepare.

        Args:
            name: of the model, for messages; `served_as` is its name on the engine.
            vision: whether it takes images.
            switches: what the model's chat template calls the switch for reasoning.
        """
        self._name, self._served_as, self._dialect = name, served_as, dialect
        self._adapters, self._vision, self._switches = adapters, vision, switches

    def body(self, call: EngineCall) -> dict[str, Any]:
        """The request.

        Raises:
            ImagesNotTaken: there are images, sounds or the like that the model does not take.
            ModelNotServed: the adapter is none of those that the settings name.
        """
        self._check_parts(call.messages)
        body = {name: value for name, value in call.sampling.extra.items() if name not in _OURS}
        body |= {"model": self._model(call.adapter), "messages": list(call.messages)}
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        body |= self._sampling(call)
        if call.tools:
            body["tools"] = list(call.tools)
            if call.tool_choice is not None:
                body["tool_choice"] = call.tool_choice
            if call.parallel_tool_calls is not None:
                body["parallel_tool_calls"] = call.parallel_tool_calls
        if call.response_format is not None:
            body["response_format"] = call.response_format
        if call.thinking is not None:
            for name, value in self._dialect.thinking(call.thinking, self._switches).items():
                # The caller's other template arguments stay.
                body[name] = {**body.get(name, {}), **value} if isinstance(value, Mapping) else value
        if self._dialect.cache_salt and call.tenant:
            body["cache_salt"] = salt_of(call.tenant)
        return body

    def _model(self, adapter: str) -> str:
        if adapter and adapter not in self._adapters:
            raise ModelNotServed(name=f"{self._name}:{adapter}")
        return self._dialect.model(self._served_as, adapter)

    def _sampling(self, call: EngineCall) -> dict[str, Any]:
        sampling, dialect = call.sampling, self._dialect
        values = {
            "max_tokens": call.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            dialect.top_k: sampling.top_k,
            dialect.min_p: sampling.min_p,
            dialect.repetition_penalty: sampling.repetition_penalty,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
        }
        return {name: value for name, value in values.items() if name is not None and value is not None}

    def _check_parts(self, messages: Sequence[Message]) -> None:
        for message in messages:
            content = message.get("content")
            if not isinstance(content, list | tuple):
                continue
            for part in content:
                kind = part.get("type") if isinstance(part, Mapping) else None
                if kind in _PICTURES:
                    self._check_image(part)
                elif kind not in ("text", "refusal"):
                    raise ImagesNotTaken(name=self._name, detail=f"content of the type {str(kind)[:40]!r}")

    def _check_image(self, part: Mapping[str, Any]) -> None:
        if not self._vision:
            raise ImagesNotTaken(name=self._name, detail="images")
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if not isinstance(url, str) or not url.startswith("data:"):
            # The engine would fetch it, from wherever the caller says.
            raise ImagesNotTaken(name=self._name, detail="the address of an image; send the image itself (data:…)")


def has_pictures(messages: Sequence[Message]) -> bool:
    """Whether a request has images: vLLM renders them before it sends the headers of its response."""
    contents = (message.get("content") for message in messages)
    parts = (part for content in contents if isinstance(content, list | tuple) for part in content)
    return any(isinstance(part, Mapping) and part.get("type") in _PICTURES for part in parts)


def salt_of(tenant: str) -> str:
    """What keeps a tenant's prefix cache apart, without telling who it is. Ids of tenants are random, so none is guessed."""
    return hmac.new(_SALTED_BY, tenant.encode("utf-8"), hashlib.sha256).hexdigest()
