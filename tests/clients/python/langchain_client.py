"""Drives a service with LangChain's OpenAI classes and prints what came back, as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import openai
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

BASE, KEY = os.environ["BASE_URL"], os.environ["API_KEY"]
MODEL, QUESTION = os.environ["MODEL"], os.environ["QUESTION"]


def chat_model(**options: Any) -> ChatOpenAI:
    return ChatOpenAI(**{"model": MODEL, "base_url": BASE, "api_key": KEY, "max_retries": 0, **options})


def chat() -> Any:
    message = chat_model().invoke([("system", "Be brief."), ("human", QUESTION)])
    return {
        "text": message.content,
        "usage": message.usage_metadata,
        "finish": message.response_metadata["finish_reason"],
    }


def stream() -> Any:
    chunks = list(chat_model(stream_usage=True).stream(QUESTION))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    return {"text": whole.content, "usage": whole.usage_metadata, "chunks": len(chunks)}


def responses() -> Any:
    tool = {"type": "file_search", "vector_store_ids": [os.environ["STORE"]]}
    model = chat_model(model="rag/all", use_responses_api=True).bind_tools([tool])
    message = model.invoke(QUESTION)
    streamed = "".join(chunk.text for chunk in model.stream(QUESTION))
    blocks = [block for block in message.content if isinstance(block, dict) and block.get("type") == "text"]
    return {"text": message.text, "annotations": blocks[0]["annotations"], "streamed": streamed}


def embeddings() -> Any:
    models = openai.OpenAI(base_url=BASE, api_key=KEY).models.list()
    name = next(item.id for item in models if item.id.startswith("embed/"))
    model = OpenAIEmbeddings(model=name, base_url=BASE, api_key=KEY, check_embedding_ctx_length=False)
    vectors = model.embed_documents(["How long is parental leave?", "Pay day"])
    return {"count": len(vectors), "width": len(vectors[0]), "query": len(model.embed_query("leave"))}


def raw() -> Any:
    parameters = {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}
    tool = {
        "type": "function",
        "function": {"name": "look_up", "description": "Look up a rule", "parameters": parameters},
    }
    model = chat_model().bind_tools([tool])
    chunks = list(model.stream(QUESTION))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    return {
        "text": chat_model().invoke(QUESTION).content,
        "calls": [(call["name"], call["args"]) for call in model.invoke(QUESTION).tool_calls],
        "streamed": [(call["name"], call["args"]) for call in whole.tool_calls],
    }


def errors() -> Any:
    try:
        chat_model(model="gpt-4o").invoke(QUESTION)
    except openai.NotFoundError as error:
        return {"status": error.status_code, "code": error.code}
    return None


PARTS: dict[str, Callable[[], Any]] = {
    "chat": chat,
    "stream": stream,
    "responses": responses,
    "embeddings": embeddings,
    "errors": errors,
    "raw": raw,
}
sys.stdout.write(json.dumps({name: PARTS[name]() for name in sys.argv[1:]}, default=str))
