"""The router that knows its models: by job, by what fits, and around the failures that are known of them.

A name that was asked for, or set for the job, is taken unless it can't do the job; then, and where nothing was said, the
models that can are put in order. Each step leaves a reason for the trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.domain.errors import ConfigurationError, InvalidRequest, UnknownModel
from rag.domain.language import Language
from rag.generation.catalogue import Catalogue, followed
from rag.generation.catalogue_entry import Entry, Need, Preset
from rag.generation.catalogue_serving import described
from rag.generation.engine import ENGINE_DEFAULTS, ChatEngine, Sampling
from rag.generation.routing import Choice, Job
from rag.settings import GenerationSettings, JobKind, ServedModel

LONG_CONTEXT = 80_000
"""Tokens from which on a job is one of long context, whatever it was before (survey of models, November 2026)."""
_UNRANKED = 1000
_TEMPLATE_ENGINES = ("vllm", "sglang", "llamacpp")
"""Engines that take arguments of the chat template with a request."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A configured model; `position` is its place in the settings."""

    served: ServedModel
    engine: ChatEngine
    entry: Entry | None
    vision: bool
    position: int

    @property
    def name(self) -> str:
        return self.served.name

    @property
    def tools(self) -> bool | None:
        """Whether it calls tools; None where nobody has said."""
        parsers = self.entry.parsers if self.entry is not None else None
        return None if parsers is None or parsers.tool is None else parsers.tool != "none"

    @property
    def usable_tokens(self) -> int:
        """Longest context before a failure that is known to come with length."""
        loop = self.entry.failure("route_long_context") if self.entry is not None else None
        return self.engine.context_tokens if loop is None else min(self.engine.context_tokens, loop.above_tokens)

    def rank(self, need: Need) -> int:
        """1 is the first choice; models of which nothing is said come last."""
        known = self.entry.good_for if self.entry is not None else None
        return (known or {}).get(need, _UNRANKED)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A model that somebody named, and the adapter that the name stood for."""

    candidate: _Candidate
    adapter: str = ""


class CatalogueRouter:
    """A `ModelRouter` over the configured engines. Without state: safe from any thread."""

    def __init__(self, engines: Mapping[str, ChatEngine], catalogue: Catalogue, settings: GenerationSettings) -> None:
        """Prepare.

        Args:
            engines: by the names that the settings give to their models.

        Raises:
            ConfigurationError: a model has no engine, or a job or alias names a model that is not configured.
        """
        self._catalogue, self._settings = catalogue, settings
        self._candidates = tuple(
            self._candidate(position, served, engines) for position, served in enumerate(settings.models)
        )
        if not self._candidates:
            raise ConfigurationError(detail="rag.generation.models: there is none to choose from")
        for kind, name in settings.jobs.items():
            if self._named(name) is None:
                raise ConfigurationError(detail=f"rag.generation.jobs.{kind}: {name} is not configured")
        for alias in settings.aliases:
            if self._named(alias) is None:
                target = followed(alias, settings.aliases)
                raise ConfigurationError(detail=f"rag.generation.aliases.{alias}: {target} is not configured")

    def choose(self, job: Job) -> Choice:
        """The model for `job`, how to sample from it, and why.

        Raises:
            UnknownModel: the one that was asked for is not configured.
            InvalidRequest: none of the configured models can do it: too long for all of them, or images for none.
        """
        reasons: list[str] = []
        kind = self._kind(job, reasons)
        wanted = self._asked(job, kind, reasons)
        if wanted is not None and (obstacle := _obstacle(wanted.candidate, job)):
            if wanted.adapter:
                raise InvalidRequest(
                    detail=f"{obstacle}, and no other model has the adapter {wanted.adapter}",
                    detail_ko=f"이 요청을 할 수 있는 모델 가운데 어댑터 {wanted.adapter}이(가) 있는 것이 없습니다({obstacle})",
                )
            reasons.append(obstacle)
            wanted = None
        if wanted is None:
            wanted = _Wanted(self._best(job, kind, reasons))
        chosen = wanted.candidate
        thinking = self._thinking(job, kind, chosen, reasons)
        sampling = _sampling(job, kind, chosen, thinking, reasons)
        return Choice(chosen.engine, sampling, thinking, tuple(reasons), wanted.adapter)

    def named(self, name: str) -> tuple[ChatEngine, str] | None:
        """What goes by `name`: a model, an alias, an adapter, or an entry of the catalogue that is configured."""
        found = self._named(name)
        return None if found is None else (found.candidate.engine, found.adapter)

    def _candidate(self, position: int, served: ServedModel, engines: Mapping[str, ChatEngine]) -> _Candidate:
        if served.name not in engines:
            raise ConfigurationError(detail=f"rag.generation.models: {served.name} has no engine")
        known = described(served, self._catalogue, self._settings.aliases)
        return _Candidate(served, engines[served.name], known.entry, known.vision, position)

    def _kind(self, job: Job, reasons: list[str]) -> JobKind:
        needed = job.prompt_tokens + job.answer_tokens
        if needed > LONG_CONTEXT and job.kind != "long_context":
            reasons.append(f"{needed:,} tokens: long context")
            return "long_context"
        return job.kind

    def _asked(self, job: Job, kind: JobKind, reasons: list[str]) -> _Wanted | None:
        """The model that the request names, else the one set for the job."""
        name = job.model or self._settings.jobs.get(kind) or self._settings.jobs.get(job.kind)
        if not name:
            return None
        found = self._named(name)
        if found is None:
            raise UnknownModel(name=name)
        if found.adapter:
            reasons.append(f"{found.adapter} is an adapter of {found.candidate.name}")
        elif found.candidate.name != name:
            entry = found.candidate.entry
            behind = f" ({entry.name})" if entry is not None and entry.name not in (name, found.candidate.name) else ""
            reasons.append(f"{name} is {found.candidate.name}{behind}")
        reasons.append(f"{found.candidate.name}: {'asked for' if job.model else f'set for {kind}'}")
        return found

    def _named(self, name: str) -> _Wanted | None:
        """A configured model by its name, alias, adapter, or the name of its entry in the catalogue."""
        target = followed(name, self._settings.aliases)
        for candidate in self._candidates:
            if candidate.name == target:
                return _Wanted(candidate)
        base, _, adapter = target.rpartition(":")
        for candidate in self._candidates:
            if adapter in candidate.served.adapters and base in ("", candidate.name):
                return _Wanted(candidate, adapter)
        found = self._catalogue.find(target)
        for candidate in self._candidates:
            if found is not None and candidate.entry is not None and candidate.entry.name == found.entry.name:
                return _Wanted(candidate)
        return None

    def _best(self, job: Job, kind: JobKind, reasons: list[str]) -> _Candidate:
        """The first of those that can do it, in the order of `_order`."""
        able = [one for one in self._candidates if not _obstacle(one, job)]
        if not able:
            raise InvalidRequest(**_impossible(self._candidates, job))
        passed = [text for one in self._candidates if (text := _obstacle(one, job)) and text not in reasons]
        reasons += passed
        best = min(able, key=lambda one: _order(one, job, kind))
        if len(self._candidates) == 1:
            reasons.append(f"{best.name}: the one model there is")
        elif len(able) == 1:
            reasons.append(f"{best.name}: the one that can")
        else:
            reasons.append(f"{best.name}: first for {', '.join(_needs(job, kind))}")
        if job.needs_tools and _tools_broken(best):
            reasons.append(f"{best.name}: calls of tools are known to fail on {best.served.engine}")
        return best

    def _thinking(self, job: Job, kind: JobKind, chosen: _Candidate, reasons: list[str]) -> bool | None:
        """Request, then settings, then what the job is like; then what the model can."""
        by_class = self._settings.job_thinking
        setting = by_class.get(kind) or by_class.get(job.kind) or self._settings.thinking
        asked = job.thinking is not None or setting != "auto"
        if job.thinking is not None:
            wanted, why = job.thinking, "as asked"
        elif setting != "auto":
            wanted, why = setting == "on", "by the settings"
        elif job.grounded:
            wanted, why = job.multi_step, "several steps" if job.multi_step else "an answer from passages in one step"
        else:
            wanted, why = kind in ("code", "batch", "precise"), kind
        able = chosen.entry.thinking if chosen.entry is not None else "switch"
        if able == "none":
            if wanted and asked:
                reasons.append(f"{chosen.name} does not think")
            return False
        if able == "always":
            if not wanted and asked:
                reasons.append(f"{chosen.name} always thinks")
            return True
        if able is None and not asked:
            return None
        reasons.append(f"thinking {'on' if wanted else 'off'}: {why}")
        return wanted


def _obstacle(candidate: _Candidate, job: Job) -> str:
    """Why the model can't do the job; empty where it can."""
    needed = job.prompt_tokens + job.answer_tokens
    if needed > candidate.engine.context_tokens:
        return f"{candidate.name} takes {candidate.engine.context_tokens:,} tokens, the job needs {needed:,}"
    if needed > candidate.usable_tokens:
        return f"{candidate.name} repeats itself above {candidate.usable_tokens:,} tokens, the job needs {needed:,}"
    if job.needs_vision and not candidate.vision:
        return f"{candidate.name} takes no images"
    if job.needs_tools and candidate.tools is False:
        return f"{candidate.name} calls no tools"
    return ""


def _impossible(candidates: Sequence[_Candidate], job: Job) -> dict[str, str]:
    """Why no model can do it, as `detail` and `detail_ko` of an error."""
    if job.needs_vision and not any(one.vision for one in candidates):
        return {
            "detail": "none of the configured models takes images",
            "detail_ko": "설정된 모델 가운데 그림을 받는 것이 없습니다",
        }
    if job.needs_tools and all(one.tools is False for one in candidates):
        return {
            "detail": "none of the configured models calls tools",
            "detail_ko": "설정된 모델 가운데 도구를 부르는 것이 없습니다",
        }
    needed = job.prompt_tokens + job.answer_tokens
    able = [one for one in candidates if not _obstacle(one, _short(job))]
    longest = max((one.usable_tokens for one in able), default=0)
    if not longest:
        return {
            "detail": "none of the configured models takes images and calls tools",
            "detail_ko": "설정된 모델 가운데 그림을 받으면서 도구를 부르는 것이 없습니다",
        }
    return {
        "detail": f"prompt and answer need {needed:,} tokens, and the longest context of the models for it is {longest:,}",
        "detail_ko": f"입력과 답에 {needed:,}토큰이 필요한데, 쓸 수 있는 모델의 가장 긴 문맥은 {longest:,}토큰입니다",
    }


def _short(job: Job) -> Job:
    return Job(job.kind, needs_vision=job.needs_vision, needs_tools=job.needs_tools)


def _needs(job: Job, kind: JobKind) -> Iterator[Need]:
    """What ranks are looked up for, the most pressing first."""
    if job.needs_tools:
        yield "tools"
    if job.needs_vision:
        yield "images"
    yield kind


def _order(candidate: _Candidate, job: Job, kind: JobKind) -> tuple[float, ...]:
    """Smaller is better: known failures, ranks, Korean where it is asked for, size as the job wants it, place."""
    doubtful = job.needs_tools and (_tools_broken(candidate) or candidate.tools is None)
    ranks = [candidate.rank(need) for need in _needs(job, kind)]
    korean = candidate.rank("korean") if job.language is Language.KOREAN else 0
    return (float(doubtful), *ranks, korean, _measure(candidate, kind), candidate.position)


def _measure(candidate: _Candidate, kind: JobKind) -> float:
    """What decides between models without a rank: speed, room or size; unknown comes last."""
    parameters = candidate.entry.parameters if candidate.entry is not None else None
    if kind == "long_context":
        return -candidate.usable_tokens
    if parameters is None:
        return float("inf")
    return parameters.active if kind == "interactive" else -parameters.total


def _tools_broken(candidate: _Candidate) -> bool:
    return candidate.entry is not None and "tools" in candidate.entry.support(candidate.served.engine).broken


def _sampling(job: Job, kind: JobKind, chosen: _Candidate, thinking: bool | None, reasons: list[str]) -> Sampling:
    """The preset of the model for such a job."""
    extra = _template_arguments(job, chosen, reasons)
    presets = (chosen.entry.sampling if chosen.entry is not None else None) or {}
    precise = job.grounded or kind in ("code", "batch")
    name: Preset = "precise" if precise else "instruct" if thinking is False else "general"
    preset = presets.get(name)
    if preset is None:
        reasons.append("sampling: the model's own")
        return Sampling(extra=extra) if extra else ENGINE_DEFAULTS
    reasons.append(f"sampling: {name}")
    values = preset.model_dump(exclude={"thinking"}, exclude_none=True)
    return Sampling(**values, extra=extra)


def _template_arguments(job: Job, chosen: _Candidate, reasons: list[str]) -> dict[str, Any]:
    """What the chat template needs in conversations with tools, against what is known to go wrong there."""
    entry = chosen.entry
    if not job.needs_tools or entry is None or not entry.template_arguments:
        return {}
    if chosen.served.engine not in _TEMPLATE_ENGINES:
        return {}
    reasons.append(f"template: {', '.join(entry.template_arguments)}")
    return {"chat_template_kwargs": dict(entry.template_arguments)}
