"""What `seogo models` says, in Korean and English."""

from __future__ import annotations

from api.cli.texts import ui_language

_TEXTS: dict[str, tuple[str, str]] = {
    "name": ("이름", "Name"),
    "kind": ("종류", "Kind"),
    "developer": ("개발사", "Developer"),
    "size": ("크기", "Size"),
    "context": ("문맥(토큰)", "Context (tokens)"),
    "licence": ("라이선스", "Licence"),
    "commercial": ("상업적 이용", "Commercial use"),
    "configured": ("설정됨", "Served"),
    "narrow": (
        "종류, 개발사, 라이선스는 더 넓은 화면(120자)이나 `seogo models show 이름`에서 보입니다.",
        "Kind, developer and licence are shown in a wider terminal (120 characters), or by `seogo models show NAME`.",
    ),
    "fact": ("항목", "Fact"),
    "value": ("내용", "Value"),
    "source": ("출처", "Source"),
    "generator": ("생성", "generator"),
    "embedder": ("임베딩", "embedder"),
    "reranker": ("재순위", "reranker"),
    "free": ("가능", "free"),
    "conditions": ("조건부", "conditions"),
    "forbidden": ("금지", "forbidden"),
    "unverified": ("확인 안 됨", "unverified"),
    "yes": ("예", "yes"),
    "no": ("아니요", "no"),
    "broken": ("고장", "broken"),
    "release": ("공개", "Release"),
    "parameters": ("매개변수", "Parameters"),
    "architecture": ("구조", "Architecture"),
    "languages": ("언어", "Languages"),
    "modalities": ("입력", "Inputs"),
    "quantisations": ("양자화", "Quantisations"),
    "engines": ("엔진", "Engines"),
    "parsers": ("파서", "Parsers"),
    "thinking": ("사고 모드", "Thinking"),
    "sampling": ("샘플링", "Sampling"),
    "failures": ("알려진 문제", "Known failures"),
    "good_for": ("적합한 일", "Good for"),
    "vectors": ("벡터", "Vectors"),
    "memory": ("문맥당 메모리", "Memory of a context"),
    "based_on": ("바탕 모델", "Based on"),
    "repository": ("배포처", "Published at"),
    "aliases": ("다른 이름", "Other names"),
    "measured": ("측정값", "Measured"),
    "none_known": ("알려진 것 없음", "none known"),
    "is": ("{alias}은(는) {name}입니다.", "{alias} is {name}."),
    "moving": (
        "{name}은(는) 때에 따라 다른 모델을 가리키는 이름입니다. 지금 무엇인지는 rag.generation.aliases에 적으세요.",
        "{name} is a moving tag. Which model it is now stands in rag.generation.aliases: put it there.",
    ),
    "unknown": (
        "카탈로그에 {name} 모델이 없습니다. 목록: `seogo models list`",
        "There is no {name}; see `seogo models list`.",
    ),
    "adapter_left_out": (
        "설정에 있는 어댑터 {adapter}이(가) 빠졌습니다. --lora {adapter}=경로를 주세요.",
        "The settings name the adapter {adapter}, which is left out: give --lora {adapter}=path.",
    ),
    "asked_elsewhere": (
        "설정은 {name}을(를) {urls}에서 찾는데, 이 명령은 포트 {port}에서 듣습니다. --port로 맞추세요.",
        "The settings ask for {name} at {urls}, and this command listens on port {port}: --port changes that.",
    ),
    "configured_as": (
        "설정에서는 {entry}을(를) {name}(이)라고 부릅니다. 그 이름으로 제공하려면 `seogo models launch {name}`",
        "The settings call {entry} {name}: `seogo models launch {name}` serves it under that name.",
    ),
    "missing_weights": ("{path}이(가) 없습니다.", "{path} is not there."),
    "missing_program": ("{name}을(를) 찾을 수 없습니다.", "{name} is not found."),
    "cuda": (
        "CUDA 13.2({found})에서는 {name}이(가) 알아볼 수 없는 글을 씁니다. CUDA 13.1이나 13.3을 쓰세요.",
        "On CUDA 13.2 ({found}) {name} writes gibberish. Use CUDA 13.1 or 13.3.",
    ),
    "cuda_noted": (
        "CUDA 13.2({found})라서 캐시를 BF16으로 둡니다. CUDA 13.1이나 13.3이 더 낫습니다.",
        "CUDA 13.2 ({found}), so the cache is kept in BF16. CUDA 13.1 or 13.3 is better.",
    ),
    "lora_form": ("--lora는 이름=경로입니다: {given}", "--lora is name=path: {given}"),
    "none_configured": (
        "설정된 생성 모델이 없습니다(rag.generation.models). 답은 원문 인용으로 나옵니다.",
        "No generator is configured (rag.generation.models). Answers are quotations.",
    ),
    "state": ("상태", "State"),
    "detail": ("내용", "Detail"),
    "ok": ("정상", "ok"),
    "unreachable": ("연결할 수 없음", "not reachable"),
    "refused": ("키가 거절됨", "the key is refused or can't be read"),
    "not_a_model_server": ("모델 서버가 아님", "not a model server"),
    "other_model": ("다른 모델을 제공함", "serves another model"),
    "no_adapter": ("LoRA 어댑터가 없음", "an adapter is missing"),
    "shorter": ("문맥이 설정보다 짧음", "its context is shorter than the settings say"),
    "longer": ("문맥이 설정보다 김", "its context is longer than the settings say"),
    "says": ("제공 중", "serves"),
    "tokens": ("{found:,} / 설정 {expected:,} 토큰", "{found:,} tokens, settings {expected:,}"),
}


def text(key: str, /, **values: object) -> str:
    """The text called `key`, in the terminal's language, with its placeholders filled."""
    korean, english = _TEXTS[key]
    return (korean if ui_language() == "ko" else english).format(**values)
