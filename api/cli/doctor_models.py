"""What `seogo doctor` looks at around generators and rerankers: the CUDA of this machine, licences, engines, a reranker's server.
Lines are check, status, detail, advice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from api.cli import model_texts
from api.cli.cuda import Cuda, installed_cuda
from api.cli.doctor_texts import text
from api.cli.texts import ui_language
from rag.domain.errors import ModelAway, ModelUnavailable, ModelUnusable
from rag.domain.messages import localized
from rag.generation.catalogue import Catalogue, load_catalogue
from rag.generation.catalogue_check import EngineCheck, check_engines
from rag.generation.catalogue_serving import described
from rag.reranking.base import Reranker
from rag.settings import GenerationSettings, RerankingSettings, ServedModel

Line = tuple[str, str, str, str]

_ASKED = "연차휴가는 며칠인가요?"
_ANSWERS = "연차휴가는 입사 1년이 지나면 15일을 준다."
_DOES_NOT = "The server room is cleaned on the first Monday of every month."
"""A question, a passage that answers it, and one that does not: any reranker that reads Korean tells them apart."""


def cuda_lines(found: Sequence[Cuda] | None = None) -> Iterator[Line]:
    """CUDA 13.2 is refused: models of the Qwen3.6 family write gibberish on it."""
    versions = installed_cuda() if found is None else found
    if not versions:
        return
    refused = [cuda for cuda in versions if cuda.refused]
    detail = ", ".join(map(str, refused or versions))
    yield "cuda", "error" if refused else "ok", detail, text("cuda_advice") if refused else ""


def generator_lines(
    settings: GenerationSettings,
    check: Callable[[GenerationSettings, Catalogue], list[EngineCheck]] = check_engines,
) -> Iterator[Line]:
    """Licences of the configured generators, and whether their engines are there."""
    if not settings.models:
        yield "generators", "ok", text("no_generator"), ""
        return
    catalogue = load_catalogue()
    for served in settings.models:
        yield _licence(served, catalogue, settings)
    for found in check(settings, catalogue):
        status = "error" if found.trouble else "ok" if found.state == "ok" else "warning"
        detail = f"{found.url}: {model_texts.text(found.state)}" + (f" ({found.detail})" if found.detail else "")
        yield f"engine: {found.model}", status, detail, "" if found.state == "ok" else text(f"engine_{found.state}")


def reranker_line(reranker: Reranker | None, settings: RerankingSettings) -> Line:
    """The reranker; one on a server is asked, and says why it can't be used, or that its scores make no sense.

    A folder was looked at when it was opened; the model in it takes seconds to load and is left alone.
    """
    if reranker is None:
        return "reranker", "ok", text("no_reranker"), ""
    if settings.backend != "http":
        return "reranker", "ok", reranker.name, ""
    begun = time.monotonic()
    try:
        answers, does_not = reranker.score(_ASKED, [_ANSWERS, _DOES_NOT])
    except ModelUnavailable as error:
        late = time.monotonic() - begun >= 0.9 * settings.budget_ms / 1000
        kinds = ((ModelUnusable, "reranker_unusable"), (ModelAway, "reranker_away"))
        otherwise = "reranker_late" if late else "reranker_failed"
        advice = next((name for kind, name in kinds if isinstance(error, kind)), otherwise)
        said = f"{settings.url}: {localized(error, ui_language())}"
        return "reranker", "error", said, text(advice, ms=settings.budget_ms)
    detail = text("reranker_scores", name=reranker.name, answers=answers, does_not=does_not)
    return (
        ("reranker", "ok", detail, "")
        if answers > does_not
        else ("reranker", "warning", detail, text("reranker_blind"))
    )


def _licence(served: ServedModel, catalogue: Catalogue, settings: GenerationSettings) -> Line:
    check, entry = f"licence: {served.name}", described(served, catalogue, settings.aliases).entry
    if entry is None:
        return check, "warning", text("licence_unlisted"), text("licence_unlisted_advice")
    licence = entry.licence
    if licence is None or licence.commercial is None:
        name = licence.name if licence is not None else text("licence_unknown")
        return check, "warning", text("licence_unverified", name=name), text("licence_unverified_advice")
    detail = f"{licence.name}: {model_texts.text(licence.commercial)}" + (
        f" ({licence.terms})" if licence.terms else ""
    )
    if licence.commercial != "forbidden":
        return check, "ok", detail, ""
    if served.licence_exception:
        excused = text("licence_exception", detail=detail, grounds=served.licence_exception)
        return check, "warning", excused, text("licence_exception_advice")
    return check, "error", detail, text("licence_forbidden_advice")
