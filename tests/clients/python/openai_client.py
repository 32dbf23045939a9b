"""Drives a service with the openai client of the release before the present one, and prints what came back, as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import openai

MODEL, QUESTION = os.environ["MODEL"], os.environ["QUESTION"]
CLIENT = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)


def chat() -> Any:
    made = CLIENT.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": QUESTION}])
    message = made.choices[0].message
    return {"text": message.content, "annotations": [item.to_dict() for item in message.annotations or []]}


def upload() -> Any:
    store = CLIENT.vector_stores.create(name="python")
    content = "# 연료\n\n비상발전기는 시간당 경유 14리터를 쓴다.\n".encode()
    file = CLIENT.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("연료.md", content))
    batch = CLIENT.vector_stores.file_batches.upload_and_poll(store.id, files=[("둘.md", content + b"2")])
    found = CLIENT.vector_stores.search(store.id, query="비상발전기 경유").data
    return {
        "version": openai.__version__,
        "status": file.status,
        "batch": batch.file_counts.to_dict(),
        "filename": found[0].filename,
    }


def responses() -> Any:
    tools: Any = [{"type": "file_search", "vector_store_ids": [os.environ["STORE"]]}]
    with CLIENT.responses.stream(model="rag/all", input=QUESTION, tools=tools) as stream:
        kinds = [item.type for item in stream]
        return {"text": stream.get_final_response().output_text, "last": kinds[-1]}


PARTS: dict[str, Callable[[], Any]] = {"chat": chat, "upload": upload, "responses": responses}
sys.stdout.write(json.dumps({name: PARTS[name]() for name in sys.argv[1:]}, default=str))
