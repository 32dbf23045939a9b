"""Which languages reach a dense model where the settings name none: a model that reads Korean must not be kept from it."""

from __future__ import annotations

import json
from pathlib import Path

from rag.domain.language import Language
from rag.settings import EmbeddingSettings

EVERY = frozenset(Language)
ENGLISH_AND_CODE = frozenset({Language.ENGLISH, Language.CODE})
_MULTILINGUAL = frozenset({"xlm-roberta", "qwen3"})
"""`model_type` of architectures that exist with a multilingual vocabulary alone: XLM-R (bge-m3, multilingual-e5,
arctic-embed-l-v2 and what was trained on from them) and Qwen3-Embedding."""


def languages_of(settings: EmbeddingSettings) -> frozenset[Language]:
    """The languages that the settings name; else all for bge-m3, for folders of multilingual models and for a server's model,
    English and code for MiniLM and for folders of which nothing is known (docs/decisions/0003-language-gate.md)."""
    if settings.languages is not None:
        return frozenset(Language(item) for item in settings.languages)
    if settings.dense in ("flag", "openai_http"):
        return EVERY
    if settings.dense == "folder" and settings.folder is not None and _model_type(settings.folder) in _MULTILINGUAL:
        return EVERY
    return ENGLISH_AND_CODE


def _model_type(folder: Path) -> str:
    """What the folder's own description calls the architecture; empty where it does not say."""
    try:
        described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(described.get("model_type", "")) if isinstance(described, dict) else ""
