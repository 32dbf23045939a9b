"""What `seogo doctor` looks at around generators: the CUDA of this machine, licences, engines. Lines are check, status,
detail, advice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from api.cli.cuda import Cuda, installed_cuda
from rag.generation.catalogue import Catalogue, load_catalogue
from rag.generation.catalogue_check import EngineCheck, check_engines
from rag.generation.catalogue_serving import described
from rag.settings import GenerationSettings, ServedModel

Line = tuple[str, str, str, str]

_ADVICE = {
    "unreachable": "start the engine (`seogo models launch`), or correct its address in rag.generation.models",
    "refused": "correct api_key_file in rag.generation.models",
    "not_a_model_server": "correct the address in rag.generation.models; it ends in /v1",
    "other_model": "correct served_as in rag.generation.models, or start the engine with the right --served-model-name",
    "no_adapter": "start the engine with --lora, or take the adapter out of rag.generation.models",
    "shorter": "start the engine with a longer context, or set context_tokens to what it has",
    "longer": "set context_tokens to what the engine has, to make use of it",
}


def cuda_lines(found: Sequence[Cuda] | None = None) -> Iterator[Line]:
    """CUDA 13.2 is refused: models of the Qwen3.6 family write gibberish on it."""
    versions = installed_cuda() if found is None else found
    if not versions:
        return
    refused = [cuda for cuda in versions if cuda.refused]
    advice = (
        "move to CUDA 13.1 or 13.3: on 13.2 Qwen3.6 writes gibberish; until then llama.cpp with --cache-type-k bf16 "
        "--cache-type-v bf16, as `seogo models launch --engine llamacpp` does"
    )
    yield (
        "cuda",
        "error" if refused else "ok",
        ", ".join(map(str, refused or versions)),
        advice if refused else "",
    )


def generator_lines(
    settings: GenerationSettings,
    check: Callable[[GenerationSettings, Catalogue], list[EngineCheck]] = check_engines,
) -> Iterator[Line]:
    """Licences of the configured generators, and whether their engines are there."""
    if not settings.models:
        yield "generators", "ok", "none: answers are quotations", ""
        return
    catalogue = load_catalogue()
    for served in settings.models:
        yield _licence(served, catalogue, settings)
    for found in check(settings, catalogue):
        status = "error" if found.trouble else "ok" if found.state == "ok" else "warning"
        detail = f"{found.url}: {found.state.replace('_', ' ')}" + (f" ({found.detail})" if found.detail else "")
        yield f"engine: {found.model}", status, detail, _ADVICE.get(found.state, "")


def _licence(served: ServedModel, catalogue: Catalogue, settings: GenerationSettings) -> Line:
    check, entry = f"licence: {served.name}", described(served, catalogue, settings.aliases).entry
    if entry is None:
        return check, "warning", "not in the catalogue", "name its entry in `catalogue`, or read its licence"
    licence = entry.licence
    if licence is None or licence.commercial is None:
        name = licence.name if licence is not None else "unknown"
        return check, "warning", f"{name}: commercial use is unverified", "read the licence before it is used"
    detail = f"{licence.name}: {licence.commercial}" + (f" ({licence.terms})" if licence.terms else "")
    if licence.commercial != "forbidden":
        return check, "ok", detail, ""
    if served.licence_exception:
        return (
            check,
            "warning",
            f"{detail}; exception: {served.licence_exception}",
            "keep the exception's grounds on file",
        )
    return check, "error", detail, "take another model, or state the grounds in licence_exception"
