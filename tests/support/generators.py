"""Generators of a service under test: a scripted engine behind the router that the product has."""

from __future__ import annotations

from typing import Any

from rag.generation.catalogue import load_catalogue
from rag.generation.catalogue_routing import CatalogueRouter
from rag.generation.registry import Generation
from rag.generation.scripted import ScriptedEngine
from rag.settings import GenerationSettings


def generation_of(
    engine: ScriptedEngine, *, aliases: dict[str, str] | None = None, jobs: dict[str, str] | None = None, **served: Any
) -> Generation:
    """The engine as the one configured model, with `served` as its further settings."""
    model = {"name": engine.name, "urls": ["http://127.0.0.1:9/v1"], **served}
    settings = GenerationSettings.model_validate({"models": [model], "aliases": aliases or {}, "jobs": jobs or {}})
    engines = {engine.name: engine}
    return Generation(CatalogueRouter(engines, load_catalogue(), settings), engines, settings.aliases)
