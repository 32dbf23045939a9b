"""Tool calls that a model tells instead of making them: read into real ones where they can mean only one thing.

Formats: Hermes and Qwen3 (`<tool_call>` with JSON), Qwen3-Coder (`<function=…>` with `<parameter=…>`), Mistral
(`[TOOL_CALLS]`), Llama 3 (`<|python_tag|>`, or nothing but JSON), each from the chat template of its family.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.generation.engine import EngineCall, Message, ToolCallDelta

MARKS = ("<tool_call>", "<function=", "[TOOL_CALLS]", "<|python_tag|>", "<function_call>")
"""What a written call begins with. Text is held back from there on."""
_LONGEST_MARK = max(map(len, MARKS))
_QUOTES = ('"', "'", "`", "“", "‘", "「")
_MARK = re.compile("|".join(map(re.escape, MARKS)))
TELLING = 800
"""Longest answer, in characters, that is taken for nothing but the announcement of a call."""
_CALL = re.compile(r"<(tool_call|function_call)>\s*(.*?)\s*(?:</\1>|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"<function=([^>\s]{1,200})>(.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\s]{1,200})>\n?(.*?)\n?</parameter>", re.DOTALL)
_FENCED = re.compile(r"```(?:json|tool_call|tool_code)?\s*\n(.*?)\n?```", re.DOTALL)
_KOREAN_DONE = (
    r"(?:(?:호출|실행)(?:했습니다|하였습니다|했어요|(?:을 )?완료했습니다|하겠습니다|할게요|해\s?보겠습니다|(?:하는 )?중입니다)"
    r"|(?:사용|이용)(?:했습니다|하였습니다|하겠습니다|할게요|해\s?보겠습니다))"
)
_BETWEEN = r"\s+(?:(?!(?:can|could|may|might|must|would|should|shall|cannot|not|never|no|if|how)\b)\w+\s+){0,2}"
"""Up to two words before the verb; what only may be, or is not, is no call."""
_ENGLISH_DONE = (
    rf"(?:\bI(?:'ve| have)?{_BETWEEN}(?:called|invoked|used|ran|executed)"
    rf"|\bI(?:'ve| have){_BETWEEN}run"
    rf"|\b(?:I(?:'ll| will|'m going to| am going to)|let me){_BETWEEN}(?:call|invoke|use|run|execute)"
    rf"|(?:\bI(?: am|'m)|(?:\A|[.!?:\n])\s*now){_BETWEEN}(?:calling|invoking|using|running|executing))\b"
)


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call that stood in the text: the tool's name, and its arguments as JSON."""

    name: str
    arguments: str


def names_of_tools(call: EngineCall) -> frozenset[str]:
    """Names of the tools that the model may call; none where calls are forbidden."""
    if call.tool_choice == "none":
        return frozenset()
    return frozenset(name for tool in call.tools if (name := _function_of(tool).get("name")))


def is_required(call: EngineCall) -> bool:
    """Whether the caller insists on a call."""
    return call.tool_choice == "required" or isinstance(call.tool_choice, Mapping)


def holds_from(text: str, before: str = "") -> int:
    """Where in `text` a written call begins, or may begin with its last characters; the length of `text` when nowhere.

    A mark right behind a quotation mark or a backtick is spoken of, and begins none.

    Args:
        before: what stands before `text`; its last character counts.
    """
    spoken = before[-1:] + text
    offset = len(spoken) - len(text)
    for match in _MARK.finditer(spoken):
        if match.start() >= offset and spoken[match.start() - 1 : match.start()] not in _QUOTES:
            return match.start() - offset
    for start in range(max(offset, len(spoken) - _LONGEST_MARK + 1), len(spoken)):
        begun = spoken[start:]
        if spoken[start - 1 : start] not in _QUOTES and any(mark.startswith(begun) for mark in MARKS):
            return start - offset
    return len(text)


def may_be_bare_call(text: str) -> bool:
    """Whether an answer that begins like this may be nothing but a call in JSON."""
    begun = text.lstrip()
    return not begun or begun.startswith(("{", "[{", "```json")) or "```json".startswith(begun)


def written_calls(text: str, tools: Sequence[Mapping[str, Any]]) -> list[WrittenCall]:
    """The calls that `text` holds; none unless every one of them is complete and of a tool that there is."""
    known = {str(function.get("name")): function for function in map(_function_of, tools)}
    calls: list[WrittenCall] = []
    for name, arguments in _proposed(text.strip(), known):
        parameters = known.get(name, {}).get("parameters") or {}
        required = parameters.get("required") or ()
        if name not in known or not isinstance(arguments, dict) or any(key not in arguments for key in required):
            return []
        calls.append(WrittenCall(name, json.dumps(arguments, ensure_ascii=False)))
    return calls


def deltas_of(calls: Sequence[WrittenCall], ids: Sequence[str]) -> Iterator[ToolCallDelta]:
    """The calls as an engine would have sent them."""
    for index, (call, call_id) in enumerate(zip(calls, ids, strict=True)):
        yield ToolCallDelta(index, call_id, call.name, call.arguments)


def tells_a_call(text: str, tools: frozenset[str]) -> bool:
    """Whether the answer says that a tool was or will be called, and is about nothing else."""
    if len(text) > TELLING:
        return False
    names = "|".join(re.escape(name) for name in sorted(tools))
    tool = rf"(?:도구|함수|툴|\btools?\b|\bfunctions?\b|(?<!\w)(?:{names})(?!\w))"
    said = rf"{tool}[^.\n]{{0,40}}{_KOREAN_DONE}|{_ENGLISH_DONE}[^.\n]{{0,40}}{tool}"
    return re.search(said, text, re.IGNORECASE) is not None


def has_results(messages: Sequence[Message]) -> bool:
    """Whether a tool has answered since the user spoke last: then a model may well say what it called."""
    for message in reversed(messages):
        if message.get("role") == "tool":
            return True
        if message.get("role") == "user":
            return False
    return False


def _function_of(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, Mapping) else {}


def _proposed(text: str, known: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Names and arguments of everything that looks like a call; a name that is no tool's where it can't be read."""
    marked = [match.group(2) for match in _CALL.finditer(text)]
    for mark in ("[TOOL_CALLS]", "<|python_tag|>"):
        if mark in text:
            marked.append(text.split(mark, 1)[1])
    if not marked and "<function=" in text:
        marked = [text[text.index("<function=") :]]
    if not marked:
        fenced = _FENCED.fullmatch(text)
        marked = [fenced.group(1) if fenced else text]
    for body in marked:
        functions = list(_FUNCTION.finditer(body))
        if functions:
            for function in functions:
                name = function.group(1)
                yield name, _typed(function.group(2), known.get(name, {}))
        else:
            yield from _from_json(body)


def _from_json(body: str) -> Iterator[tuple[str, Any]]:
    try:
        value = json.loads(body.strip())
    except ValueError:
        yield "", None
        return
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            yield "", None
            continue
        inner = item.get("function")
        item = inner if isinstance(inner, dict) else item
        arguments = item.get("arguments", item.get("parameters"))
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError:
                arguments = None
        yield str(item.get("name", "")), arguments


def _typed(body: str, function: Mapping[str, Any]) -> dict[str, Any] | None:
    """The parameters of Qwen3-Coder's format, which are texts: what the schema says is none is read as JSON."""
    properties = (function.get("parameters") or {}).get("properties") or {}
    values: dict[str, Any] = {}
    for match in _PARAMETER.finditer(body):
        name, written = match.groups()
        if (properties.get(name) or {}).get("type", "string") == "string":
            values[name] = written
            continue
        try:
            values[name] = json.loads(written)
        except ValueError:
            return None
    return values
