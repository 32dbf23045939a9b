"""Which of the configured generators does the work around the question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rag.bootstrap import _open_chat
from rag.generation.openai_chat import OpenAiChat
from rag.generation.registry import open_generation
from rag.settings import RagSettings

MODELS: list[dict[str, Any]] = [
    {"name": "Qwen3-32B", "urls": ["http://gpu1:8000/v1"]},
    {
        "name": "house",
        "catalogue": "Qwen3.6-27B",
        "engine": "sglang",
        "served_as": "/models/house",
        "urls": ["http://gpu2:8000/v1"],
        "adapters": ["hr"],
    },
]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("", "Qwen3-32B at http://gpu1:8000"),
        ("house", "/models/house at http://gpu2:8000"),
        ("HCP-LLM-Latest", "/models/house at http://gpu2:8000"),
        ("Qwen3.6-27B", "/models/house at http://gpu2:8000"),
        ("인사", "/models/house:hr at http://gpu2:8000"),
    ],
)
def test_the_model_of_quick_answers_by_any_of_its_names(tmp_path: Path, job: str, expected: str) -> None:
    aliases = {"HCP-LLM-Latest": "newest", "newest": "house", "인사": "hr"}
    generation = {"models": MODELS, "aliases": aliases, "jobs": {"interactive": job} if job else {}}
    settings = RagSettings.model_validate({"data_dir": tmp_path, "generation": generation})
    chat = _open_chat(settings, open_generation(settings.generation))
    assert isinstance(chat, OpenAiChat)
    chat.close()
    assert chat.name.startswith(expected)
