"""The second try: the call after a guard has stopped the first, changed so that the same need not happen again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rag.domain.language import Language
from rag.generation.engine import EngineCall, Message
from rag.generation.guards_attempt import EMPTY, GIBBERISH, LANGUAGE, REPETITION, TOOL_CALL
from rag.generation.guards_language import expected_of, last_of_user
from rag.text.language import detect_language

_PENALTY = 1.1
"""Repetition penalty of the try after a loop. It costs 2 to 3 % of quality, so nothing begins with it."""
_COOL = 0.3
"""Highest temperature of the try after gibberish."""
_IN_KOREAN = "반드시 한국어로만 답하십시오."
_IN_ENGLISH = "Answer in English only."
_AS_ASKED = (
    "질문과 같은 언어(한국어 또는 영어)로만 답하십시오. Answer in the language of the question only, Korean or English."
)
_QUESTION = 600
"""Characters up to which what the user said is a question; in longer ones there are passages, in any language."""
_CALL_KOREAN = "도구가 필요하면 호출한다고 말만 하지 말고, 도구 호출 형식으로 실제로 호출하십시오."
_CALL_ENGLISH = "If a tool is needed, do not just say that you call it: make the call, in the format for tool calls."


def changed(call: EngineCall, guard: str, *, in_reasoning: bool) -> EngineCall:
    """The call of the second try."""
    korean = expected_of(call) is not Language.ENGLISH
    if in_reasoning or guard == EMPTY:
        call = replace(call, thinking=False)
    if guard == REPETITION:
        penalty = max(_PENALTY, call.sampling.repetition_penalty or 0.0)
        return replace(call, sampling=replace(call.sampling, repetition_penalty=penalty))
    if guard == LANGUAGE:
        return replace(call, messages=_instructed(call.messages, _language_wanted(call)))
    if guard == TOOL_CALL:
        return replace(call, messages=_instructed(call.messages, _CALL_KOREAN if korean else _CALL_ENGLISH))
    if guard == GIBBERISH:
        cool = min(_COOL, call.sampling.temperature if call.sampling.temperature is not None else _COOL)
        return replace(call, sampling=replace(call.sampling, temperature=cool, seed=None))
    return call


def _language_wanted(call: EngineCall) -> str:
    asked = last_of_user(call.messages)
    language = call.language or (detect_language(asked) if len(asked) <= _QUESTION else None)
    return _IN_KOREAN if language is Language.KOREAN else _IN_ENGLISH if language is Language.ENGLISH else _AS_ASKED


def _instructed(messages: Sequence[Message], instruction: str) -> list[Message]:
    """The conversation with an instruction behind what the user said last: templates take a system turn only first."""
    changed: list[Message] = list(messages)
    for at in range(len(changed) - 1, -1, -1):
        if changed[at].get("role") == "user":
            content: Any = changed[at].get("content")
            if isinstance(content, str):
                content = f"{content}\n\n{instruction}"
            else:
                content = [*(content or ()), {"type": "text", "text": instruction}]
            changed[at] = {**changed[at], "content": content}
            return changed
    return [*changed, {"role": "user", "content": instruction}]
