"""What the operator of an engine has to know about a launch, in Korean and English. Facts from the files stay as they are."""

from __future__ import annotations

from collections.abc import Iterator

from rag.domain.messages import UiLanguage
from rag.generation.catalogue_entry import Failure
from rag.generation.catalogue_memory import GB, kv_bytes_per_sequence, kv_bytes_per_token, weight_bytes
from rag.generation.catalogue_plan import Plan

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_TEXTS: dict[str, tuple[str, str]] = {
    "untried": ("{engine}에서 {name}이(가) 도는지 확인되지 않았습니다", "nobody has said whether {engine} runs {name}"),
    "unverified": (
        "상업적 이용 가능 여부가 확인되지 않았습니다. 라이선스({licence})를 먼저 읽으세요",
        "commercial use is unverified: read the licence ({licence}) first",
    ),
    "conditions": ("라이선스 {licence}의 조건: {terms}", "licence {licence}: {terms}"),
    "forbidden": (
        "라이선스 {licence}는 상업적 이용을 금지합니다. 예외 사유: {reason}",
        "licence {licence} forbids commercial use; exception: {reason}",
    ),
    "yarn_vain": (
        "--yarn을 뺐습니다. 문맥이 기본 길이를 넘지 않는데 늘리면 품질만 떨어집니다",
        "--yarn was left out: the context is not above the native one, and stretching costs quality",
    ),
    "yarn": (
        "YaRN 배율 {factor:g}: 긴 입력을 위한 배치에만 쓰세요",
        "YaRN with factor {factor:g}: for a deployment that is meant for long inputs",
    ),
    "open": (
        "서고만 닿을 수 있는 망에서 쓰세요. 엔진의 키는 일부 주소만 지킵니다",
        "only for a network that Seogo alone reaches: an engine's key guards a part of its addresses",
    ),
    "memory": (
        "메모리: 가중치 {weights:.1f}GB, {tokens:,}토큰 문맥 하나에 {context:.1f}GB(BF16)",
        "memory: weights {weights:.1f} GB; one context of {tokens:,} tokens {context:.1f} GB (BF16)",
    ),
    "failure": (
        "알려진 문제: {name} ({what}); 대책: {guards}",
        "known failure: {name} ({what}); guards: {guards}",
    ),
    "lora_all": (
        "llama.cpp는 어댑터를 모든 요청에 적용하며, 이름으로 제공하지 않습니다",
        "llama.cpp applies adapters to every request; it does not serve them by name",
    ),
    "ollama": (
        "실행 중에 한 번: Modelfile에 `FROM {file}`을 적고 `{create}`를 실행하세요",
        "once, while it runs: write `FROM {file}` into a file Modelfile, then `{create}`",
    ),
}


def note(language: UiLanguage, key: str, /, **values: object) -> str:
    """The text called `key` with its placeholders filled."""
    korean, english = _TEXTS[key]
    return (korean if language == "ko" else english).format(**values)


def notes_of(plan: Plan) -> tuple[str, ...]:
    """What stands in the catalogue about such a launch."""
    return tuple(_notes(plan))


def _notes(plan: Plan) -> Iterator[str]:
    entry, options, language = plan.entry, plan.options, plan.options.language
    support = entry.support(options.engine)
    if support.note:
        yield support.note
    if support.works is None:
        yield note(language, "untried", engine=options.engine, name=entry.name)
    yield from _licence(plan)
    if options.yarn and plan.factor is None:
        yield note(language, "yarn_vain")
    if plan.factor is not None:
        yield note(language, "yarn", factor=plan.factor)
    if options.host not in _LOOPBACK:
        yield note(language, "open")
    yield from _memory(plan)
    for item in _relevant(plan):
        yield note(language, "failure", name=item.name, what=item.what, guards=", ".join(item.guards))


def _licence(plan: Plan) -> Iterator[str]:
    licence, options = plan.entry.licence, plan.options
    if licence is None or licence.commercial is None:
        yield note(options.language, "unverified", licence=(licence.name if licence else None) or "?")
    elif licence.commercial == "conditions":
        yield note(options.language, "conditions", licence=licence.name, terms=licence.terms)
    elif licence.commercial == "forbidden":
        yield note(options.language, "forbidden", licence=licence.name, reason=options.licence_exception)


def _memory(plan: Plan) -> Iterator[str]:
    """What it takes on the GPUs together, where that is known."""
    weights, architecture = weight_bytes(plan.entry, plan.quantisation), plan.entry.architecture
    if weights is None or architecture is None or plan.context is None or plan.entry.kind != "generator":
        return
    each, apart = kv_bytes_per_token(architecture), kv_bytes_per_sequence(architecture, plan.context)
    if each is not None and apart is not None:
        context = (each * plan.context + apart) / GB
        yield note(plan.options.language, "memory", weights=weights / GB, tokens=plan.context, context=context)


def _relevant(plan: Plan) -> list[Failure]:
    """Failures that this deployment can meet."""
    context = plan.context or 0
    return [
        item
        for item in plan.entry.failures or ()
        if ("yarn_when_long" not in item.guards or plan.factor is not None)
        and ("route_images" not in item.guards or plan.options.engine == "ollama")
        and ("route_long_context" not in item.guards or context > item.above_tokens)
    ]
