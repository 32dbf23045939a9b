"""The exact command that serves a model of the catalogue, for each engine that is known to run it.

Nothing is run here. Commands are lists of arguments, so that no shell takes them apart. Every engine is told to stay off
the network, and on the loopback unless its operator says otherwise: `--api-key` guards a part of vLLM's addresses alone.
"""

from __future__ import annotations

import re

from rag.domain.errors import InvalidRequest, LicenceForbids
from rag.generation.catalogue_engines import RENDERERS
from rag.generation.catalogue_entry import Entry, Quantisation
from rag.generation.catalogue_notes import notes_of
from rag.generation.catalogue_plan import SERVING_ENGINES, Launch, LaunchOptions, Plan, ServingEngine

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")


def render(entry: Entry, options: LaunchOptions) -> Launch:
    """The command for `entry`.

    Raises:
        LicenceForbids: and no exception is stated.
        InvalidRequest: the engine does not run it, the context is longer than it can be, or an option makes no sense.
    """
    _check_licence(entry, options)
    _check_engine(entry, options.engine)
    _check_names(options)
    quantisation = options.quantisation or _first(entry, options.engine)
    _check_quantisation(entry, options.engine, quantisation)
    context = _context(entry, options)
    plan = Plan(entry, options, quantisation, context)
    made = RENDERERS[options.engine](plan)
    environment = {**made.environment, **entry.support(options.engine).environment}
    return Launch(made.engine, made.command, environment, made.model, (*notes_of(plan), *made.notes))


def _check_licence(entry: Entry, options: LaunchOptions) -> None:
    if entry.licence is not None and entry.licence.commercial == "forbidden" and not options.licence_exception.strip():
        raise LicenceForbids(name=entry.name, licence=entry.licence.name or "?", option="--licence-exception")


def _check_engine(entry: Entry, engine: ServingEngine) -> None:
    support = entry.support(engine)
    if support.works is False:
        able = [name for name in SERVING_ENGINES if entry.support(name).works]
        note = f" ({support.note})" if support.note else ""
        raise InvalidRequest(
            detail=f"{engine} does not run {entry.name}{note}; known to run it: {', '.join(able) or 'none'}",
            detail_ko=f"{engine}은(는) {entry.name}을(를) 실행하지 못합니다. 실행할 수 있는 엔진: {', '.join(able) or '없음'}",
        )


def _check_names(options: LaunchOptions) -> None:
    for name in (*options.lora, *([options.served_name] if options.served_name else [])):
        if not _NAME.match(name):
            raise InvalidRequest(
                detail=f"{name!r} is no name for a model: letters, digits, dots, lines; 100 at most",
                detail_ko=f"{name!r}은(는) 모델 이름으로 쓸 수 없습니다: 영문자, 숫자, 점, 줄표로 100자까지 됩니다",
            )
    if options.gpus < 1:
        raise InvalidRequest(detail="a model needs one GPU or more", detail_ko="모델에는 GPU가 하나 이상 필요합니다")


def _first(entry: Entry, engine: ServingEngine) -> Quantisation:
    wants_gguf = engine in ("llamacpp", "ollama")
    for name in entry.quantisations or {}:
        if name.startswith("GGUF") == wants_gguf:
            return name
    return "GGUF-Q8" if wants_gguf else "BF16"


def _check_quantisation(entry: Entry, engine: ServingEngine, quantisation: Quantisation) -> None:
    if quantisation.startswith("GGUF") != (engine in ("llamacpp", "ollama")):
        other = "llamacpp or ollama" if quantisation.startswith("GGUF") else "vllm or sglang"
        raise InvalidRequest(
            detail=f"{quantisation} is not what {engine} reads; take --engine {other}",
            detail_ko=f"{engine}은(는) {quantisation}을(를) 읽지 못합니다. --engine {other}을(를) 쓰세요",
        )
    known = entry.quantisations or {}
    if known and quantisation not in known and not quantisation.startswith("GGUF"):
        raise InvalidRequest(
            detail=f"{entry.name} is not known as {quantisation}; known: {', '.join(known)}",
            detail_ko=f"{entry.name}에는 {quantisation}이(가) 없습니다. 있는 것: {', '.join(known)}",
        )


def _context(entry: Entry, options: LaunchOptions) -> int | None:
    """Tokens to start the engine with.

    Raises:
        InvalidRequest: more than the model can, or more than its native context without YaRN being allowed.
    """
    known = entry.context
    if known is None or known.native is None:
        return options.context
    wanted = options.context or known.native
    longest = known.extended or known.native
    name = options.context_of
    setting, setting_ko = ("--context",) * 2
    if name:
        setting, setting_ko = f"context_tokens of {name} in the settings", f"설정에서 {name}의 context_tokens"
    if wanted > longest:
        raise InvalidRequest(
            detail=f"{entry.name} has a context of {longest:,} tokens at most, not {wanted:,} ({setting})",
            detail_ko=f"{entry.name}의 문맥은 {longest:,}토큰까지입니다. {wanted:,}토큰은 쓸 수 없습니다({setting_ko})",
        )
    if wanted > known.native and not options.yarn:
        raise InvalidRequest(
            detail=f"{wanted:,} tokens are above the native {known.native:,} of {entry.name}: give --yarn, which costs "
            f"quality on short inputs, or a smaller {setting}",
            detail_ko=f"{wanted:,}토큰은 {entry.name}의 원래 길이 {known.native:,}토큰보다 깁니다. "
            f"--yarn을 주거나(짧은 입력에서 품질이 떨어집니다) {setting_ko}를 줄이세요",
        )
    return wanted
