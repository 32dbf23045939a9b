"""Drives a service with LlamaIndex's classes for OpenAI-like servers and prints what came back, as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import openai
from llama_index.core.base.llms.types import ChatMessage
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

BASE, KEY = os.environ["BASE_URL"], os.environ["API_KEY"]
MODEL, QUESTION = os.environ["MODEL"], os.environ["QUESTION"]


def language_model(model: str = MODEL) -> OpenAILike:
    return OpenAILike(model=model, api_base=BASE, api_key=KEY, is_chat_model=True, context_window=32_768, max_retries=0)


def chat() -> Any:
    made = language_model().chat([ChatMessage(role="user", content=QUESTION)])
    return {"text": made.message.content, "completed": language_model().complete(QUESTION).text}


def stream() -> Any:
    pieces = [item.delta or "" for item in language_model().stream_chat([ChatMessage(role="user", content=QUESTION)])]
    return {"text": "".join(pieces)}


def embeddings() -> Any:
    models = openai.OpenAI(base_url=BASE, api_key=KEY).models.list()
    name = next(item.id for item in models if item.id.startswith("embed/"))
    model = OpenAILikeEmbedding(model_name=name, api_base=BASE, api_key=KEY)
    vectors = model.get_text_embedding_batch(["How long is parental leave?", "Pay day"])
    return {"count": len(vectors), "width": len(vectors[0]), "query": len(model.get_query_embedding("leave"))}


def errors() -> Any:
    try:
        language_model("gpt-4o").chat([ChatMessage(role="user", content=QUESTION)])
    except openai.NotFoundError as error:
        return {"status": error.status_code, "code": error.code}
    return None


PARTS: dict[str, Callable[[], Any]] = {"chat": chat, "stream": stream, "embeddings": embeddings, "errors": errors}
sys.stdout.write(json.dumps({name: PARTS[name]() for name in sys.argv[1:]}, default=str))
