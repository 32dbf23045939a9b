"""From a body of `/v1/chat/completions` to the call of an engine.

What the caller says is passed on as it stands, but for what would make an engine fetch something, or mix tenants: pictures
must come as data URLs, and of the fields that engines know beside OpenAI's only those that shape the sampling are taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from api.generators import Writer
from api.openai.schemas import ChatRequest, ContentPart, Message
from rag.domain.errors import ImagesNotTaken, InvalidRequest, UnsupportedRequest
from rag.generation.engine import EngineCall, Sampling
from rag.generation.routing import Choice, Job, ModelRouter

_DATA_URL = re.compile(r"data:(?:image|audio|video)/[a-z0-9.+-]{1,40};base64,", re.IGNORECASE)
_LINKED = ("image_url", "video_url", "audio_url")
_PASSED = (
    "logit_bias",
    "min_tokens",
    "ignore_eos",
    "stop_token_ids",
    "bad_words",
    "skip_special_tokens",
    "include_stop_str_in_output",
    "length_penalty",
    "structured_outputs",
)
"""Fields that engines know by these names; vLLM all of them, others some."""
_AFFINE_CHARACTERS = 4096
"""Beginning of a conversation by which calls are told to share it; a system prompt is rarely longer."""


def check_answerable(body: ChatRequest) -> None:
    """Refuse what no model here answers.

    Raises:
        InvalidRequest, UnsupportedRequest: the body asks for it.
    """
    if body.n not in (None, 1):
        raise InvalidRequest(
            detail="n: only 1 answer per request", detail_ko="n: 한 요청에 답변은 하나입니다", param="n"
        )
    if body.functions:
        raise UnsupportedRequest(
            detail="functions: superseded by tools", detail_ko="functions: 대신 tools를 쓰세요", param="functions"
        )
    if body.logprobs:
        raise UnsupportedRequest(
            detail="logprobs: not given here", detail_ko="logprobs: 여기서는 주지 않습니다", param="logprobs"
        )


def engine_call(body: ChatRequest, writer: Writer, tenant: str, router: ModelRouter | None = None) -> EngineCall:
    """The call that `body` asks for.

    Args:
        router: knows what the writer takes, and what its template needs; None where nobody does.

    Raises:
        InvalidRequest, UnsupportedRequest: a message can't be passed on.
        ImagesNotTaken: there are pictures, and the writer sees none.
    """
    messages = [_message(message, f"messages[{i}]") for i, message in enumerate(body.messages)]
    beginning = json.dumps(messages[:2], ensure_ascii=False)[:_AFFINE_CHARACTERS]
    limit = body.most_tokens()
    return EngineCall(
        messages=messages,
        max_tokens=limit,
        may_be_cut=limit is not None,
        sampling=_sampling(body, _template_arguments(body, writer, router) if router is not None else {}),
        thinking=body.thinking(),
        tools=body.tools or (),
        tool_choice=body.tool_choice,
        parallel_tool_calls=body.parallel_tool_calls,
        response_format=body.response_format,
        adapter=writer.adapter,
        tenant=tenant,
        affinity=blake2b(f"{tenant}\0{beginning}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest(),
    )


def _template_arguments(body: ChatRequest, writer: Writer, router: ModelRouter) -> dict[str, Any]:
    """What the writer's template needs in a conversation with tools. The caller may set these otherwise, and no others:
    among a template's arguments can be a template.
    """
    job = Job("interactive", model=writer.name)
    parts = [part for message in body.messages if isinstance(message.content, list) for part in message.content]
    pictured = any(part.type == "image_url" for part in parts)
    if pictured and _chosen(router, replace(job, needs_vision=True), writer) is None:
        raise ImagesNotTaken(name=writer.name, detail="images")
    choice = _chosen(router, replace(job, needs_tools=True), writer) if body.tools else None
    known = choice.sampling.extra.get("chat_template_kwargs", {}) if choice is not None else {}
    given = body.chat_template_kwargs or {}
    return {name: given[name] if type(given.get(name)) is type(value) else value for name, value in known.items()}


def _chosen(router: ModelRouter, job: Job, writer: Writer) -> Choice | None:
    """The choice for the job, if it is the writer: raw is never another model than the one that was named."""
    try:
        choice = router.choose(job)
    except InvalidRequest:
        return None
    return choice if choice.engine is writer.engine else None


def _sampling(body: ChatRequest, template: Mapping[str, Any]) -> Sampling:
    extra = {name: value for name in _PASSED if (value := getattr(body, name)) is not None}
    if template:
        extra["chat_template_kwargs"] = dict(template)
    if body.reasoning_effort not in (None, "none"):
        extra["reasoning_effort"] = body.reasoning_effort
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        min_p=body.min_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        repetition_penalty=body.repetition_penalty,
        seed=body.seed,
        stop=body.stops(),
        extra=extra,
    )


def _message(message: Message, place: str) -> dict[str, Any]:
    if message.role == "function":
        raise UnsupportedRequest(
            detail=f"{place}.role: function is superseded by tool",
            detail_ko=f"{place}.role: function 대신 tool을 쓰세요",
            param=f"{place}.role",
        )
    # Few chat templates know OpenAI's newer name for it, and some refuse it.
    role = "system" if message.role == "developer" else message.role
    made: dict[str, Any] = {"role": role, "content": _content(message, place)}
    for field in ("name", "tool_calls", "tool_call_id"):
        if (value := getattr(message, field)) is not None:
            made[field] = value
    if (reasoning := message.reasoning_content or message.reasoning) is not None:
        made |= {"reasoning": reasoning, "reasoning_content": reasoning}
    return made


def _content(message: Message, place: str) -> str | list[dict[str, Any]] | None:
    if not isinstance(message.content, list):
        return message.content
    parts = [_part(part, f"{place}.content[{i}]") for i, part in enumerate(message.content)]
    # Text alone goes as a string, which every engine and every template takes.
    return message.text() if all(part["type"] == "text" for part in parts) else parts


def _part(part: ContentPart, place: str) -> dict[str, Any]:
    """The part, built anew: a field that is not known here never reaches an engine that might follow it."""
    match part.type:
        case "text" | "input_text" | "output_text":
            return {"type": "text", "text": part.text or ""}
        case "refusal":
            return {"type": "text", "text": part.refusal or ""}
        case "image_url" | "video_url" | "audio_url":
            given = getattr(part, part.type)
            url = given.get("url") if isinstance(given, dict) else given
            if not isinstance(url, str) or not _DATA_URL.match(url):
                where = f"{place}.{part.type}.url"
                raise UnsupportedRequest(
                    detail=f"{where}: only data: URLs with base64; nothing is fetched",
                    detail_ko=f"{where}: base64로 된 data: URL만 받습니다. 다른 주소의 내용은 가져오지 않습니다",
                    param=where,
                )
            detail = {"detail": given["detail"]} if isinstance(given, dict) and given.get("detail") else {}
            return {"type": part.type, part.type: {"url": url, **detail}}
        case "input_audio":
            audio = part.input_audio if isinstance(part.input_audio, dict) else {}
            return {"type": part.type, part.type: {name: str(audio.get(name, "")) for name in ("data", "format")}}
        case _:
            raise UnsupportedRequest(
                detail=f"{place}.type: {part.type}",
                detail_ko=f"{place}.type: {part.type}은(는) 받지 않습니다",
                param=f"{place}.type",
            )


def pictures(message: Message) -> Iterator[int]:
    """Positions of the parts that are no text."""
    if isinstance(message.content, list):
        for i, part in enumerate(message.content):
            if part.type in (*_LINKED, "input_audio"):
                yield i
