"""Errands that chat clients run on the model of a conversation: a title, tags, questions to go on with.

Open WebUI sends them as prompts that begin with `### Task:` and name the JSON that they want, LibreChat and Chatbox as prompts
that begin with a sentence of their own and want a title as plain text. They ask nothing of the documents, so nothing is
searched. What comes back is that JSON, or one short line, and nothing else: an errand is no way around the rule that
`rag/*` answers stand on passages. Without a model, or where it fails, the conversation's own words have to do.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync

from api.openai.schemas import ChatRequest
from rag.bootstrap import Rag
from rag.domain.errors import SeogoError
from rag.generation.engine import EngineCall, Sampling, TextDelta
from rag.generation.routing import Job
from rag.generation.saying import reasoning_tokens
from rag.text.analysis import BIGRAM_MARK
from rag.text.inert import inert
from rag.text.reasoning import without_reasoning

log = logging.getLogger(__name__)

_TASK = re.compile(r"\s*### Task:")
_FORM = re.compile(r'### (?:Output|\*\*Output Rules\*\*):[^<]{0,600}?"(title|tags|follow_ups|queries|prompt|text)"\s*:')
"""Where the prompt says what it wants, and before any text of users or documents, which it puts between tags."""
_PLAIN_TITLE = re.compile(
    r"\s*(?:Provide a concise, 5-word-or-less title for the conversation"
    r"|Please generate a concise, 5-word-or-less title for the conversation"
    r"|Please generate a concise title \(max \d{1,3} characters\) for a conversation that starts with"
    r"|Based on the chat history, give this conversation a name\.)"
)
"""How LibreChat (`createCompletionTitleRunnable`, and its assistants) and Chatbox (`nameConversation`) begin to ask for one."""
_PLAIN_TURN = re.compile(r"^(user|human|assistant|ai|system) ?: ?|^(?=Title:\s*\Z|```)", re.MULTILINE | re.IGNORECASE)
_OPEN, _CLOSE = "<chat_history>", "</chat_history>"
_LONGEST_PROMPT = 200_000
"""Clients put some turns into an errand; what is longer is a text that only begins like one."""
_TURN = re.compile(r"^(USER|ASSISTANT|SYSTEM): ?", re.MULTILINE)
_JSON = re.compile(r"\{.*\}", re.DOTALL)
_LISTS = ("tags", "follow_ups", "queries")
_MOST_TOKENS = 300
_PATIENCE_S = 20.0
_TITLE_CHARACTERS = 40
_LONGEST_TITLE = 80
_AROUND = " \t\"'“”‘’«»`*#"
_TAGS = 3
_MOST_ITEMS = 5
_ITEM_CHARACTERS = 200
_HANGUL = re.compile("[가-힣]")


@dataclass(frozen=True, slots=True)
class Errand:
    """What a client wants beside an answer.

    Attributes:
        form: key of the JSON that it wants.
        prompt: its own words.
        said: what the user said in the conversation, oldest first.
        plain: whether it is wanted as text, without the JSON.
    """

    form: str
    prompt: str
    said: tuple[str, ...]
    plain: bool = False


def errand_of(body: ChatRequest) -> Errand | None:
    """The errand that a request is; None for a question, also one that only begins like an errand."""
    prompt = body.messages[-1].text() if body.messages[-1].role == "user" else ""
    if len(prompt) > _LONGEST_PROMPT:
        return None
    before = tuple(m.text() for m in body.messages[:-1] if m.role == "user")
    if _PLAIN_TITLE.match(prompt):
        return Errand("title", prompt, _said(prompt, _PLAIN_TURN) or before, plain=True)
    if not _TASK.match(prompt):
        return None
    history, rest = _apart(prompt)
    form = _FORM.search(rest)
    if form is None:
        return None
    return Errand(form[1], prompt, before if history is None else _said(history) or _whole(history))


def _apart(prompt: str) -> tuple[str | None, str]:
    """The conversation in the prompt, if there is one, and the prompt without it."""
    start = prompt.find(_OPEN)
    end = prompt.find(_CLOSE, start) if start >= 0 else -1
    if end < 0:
        return None, prompt
    return prompt[start + len(_OPEN) : end].strip(), prompt[:start] + prompt[end + len(_CLOSE) :]


async def done(rag: Rag, errand: Errand, tenant: str) -> str:
    """The JSON that the errand wants, as text, or the text itself."""
    found = await _from_model(rag, errand, tenant)
    if found is None:
        found = await run_sync(lambda: _from_words(errand, lambda text: rag.analyzer.analyze(text).counts))
    if errand.plain and isinstance(found, str):
        return found
    return json.dumps({errand.form: found}, ensure_ascii=False)


async def _from_model(rag: Rag, errand: Errand, tenant: str) -> str | list[str] | None:
    """What a configured model makes of it; None where there is none, or it fails, or says something else."""
    if rag.generation is None:
        return None
    texts: list[str] = []
    try:
        choice = rag.generation.router.choose(Job("interactive", answer_tokens=_MOST_TOKENS, thinking=False))
        call = EngineCall(
            messages=[{"role": "user", "content": errand.prompt}],
            max_tokens=_MOST_TOKENS + reasoning_tokens(choice),
            sampling=Sampling(temperature=0.0),
            thinking=choice.thinking,
            adapter=choice.adapter,
            tenant=tenant,
            deadline=time.monotonic() + _PATIENCE_S,
        )
        async with aclosing(choice.engine.stream(call)) as events:
            async for item in events:
                if isinstance(item, TextDelta):
                    texts.append(item.text)
    except SeogoError as error:
        log.warning("an errand (%s) was done without a model: %s", errand.form, error)
        return None
    text = without_reasoning("".join(texts))
    return _title_in(text) if errand.plain else _read(errand.form, text)


def _title_in(text: str) -> str | None:
    """The first line of a model's answer as a title."""
    lines = (_line(inert(line)).strip(_AROUND) for line in text.splitlines())
    return next((line[:_LONGEST_TITLE] for line in lines if line), None)


def _read(form: str, text: str) -> str | list[str] | None:
    """The value under `form` in a model's answer, if it is of the right kind."""
    held = _JSON.search(text)
    try:
        value = json.loads(held[0])[form] if held else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if form in _LISTS:
        items = value if isinstance(value, list) else []
        kept = [_line(inert(item)) for item in items if isinstance(item, str) and item.strip()]
        return kept[:_MOST_ITEMS] or None
    return _line(inert(value)) if isinstance(value, str) and value.strip() else None


def _from_words(errand: Errand, terms_of: Callable[[str], Mapping[str, int]]) -> str | list[str]:
    match errand.form:
        case "title":
            return _title(errand.said[0] if errand.said else "")
        case "tags":
            return _tags("\n".join(errand.said), terms_of)
        case "queries":
            return [_line(errand.said[-1])] if errand.said else []
        case "prompt":
            return _line(errand.said[-1]) if errand.said else ""
        case "text":
            return ""  # how somebody goes on writing can't be known either
        case _:
            return []  # what could be asked next can't be known from what was


def _title(text: str) -> str:
    """The beginning of what was asked first, to the end of a word."""
    line = " ".join(text.split())
    if len(line) <= _TITLE_CHARACTERS:
        return line
    return line[: _TITLE_CHARACTERS + 1].rpartition(" ")[0] + "…" if " " in line else line[:_TITLE_CHARACTERS] + "…"


def _tags(text: str, terms_of: Callable[[str], Mapping[str, int]]) -> list[str]:
    """The most frequent of the longer words; equally frequent ones in the order of the text."""
    lower = text.lower()
    counts = {
        term: count
        for term, count in terms_of(text).items()
        if not term.startswith(BIGRAM_MARK) and len(term) >= (2 if _HANGUL.search(term) else 3) and term in lower
    }
    ranked = sorted(counts, key=lambda term: (-counts[term], lower.index(term)))
    return ranked[:_TAGS]


def _said(history: str, turn: re.Pattern[str] = _TURN) -> tuple[str, ...]:
    """The user's turns in a conversation that is written out with roles."""
    pieces = turn.split(history)
    turns: list[Any] = list(zip(pieces[1::2], pieces[2::2], strict=True))
    return tuple(text.strip() for role, text in turns if (role or "").lower() in ("user", "human") and text.strip())


def _whole(history: str) -> tuple[str, ...]:
    """All of a conversation without roles."""
    return (history.strip(),) if history.strip() and not _TURN.search(history) else ()


def _line(text: str) -> str:
    return " ".join(text.split())[:_ITEM_CHARACTERS]
