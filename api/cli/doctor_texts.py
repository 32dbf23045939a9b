"""What `seogo doctor` says, in Korean and English; and the names of its checks, whose codes stay what they are in `--json`."""

from __future__ import annotations

from api.cli.texts import ui_language

_CHECKS: dict[str, tuple[str, str]] = {
    "configuration": ("설정", "configuration"),
    "data folder": ("데이터 폴더", "data folder"),
    "store": ("데이터베이스", "store"),
    "originals": ("원본 저장소", "originals"),
    "keys": ("API 키", "keys"),
    "deletions": ("삭제", "deletions"),
    "models and index": ("모델과 색인", "models and index"),
    "models": ("임베딩 모델", "models"),
    "model languages": ("모델 언어", "model languages"),
    "space beside": ("함께 유지하는 공간", "space beside"),
    "reranker": ("리랭커", "reranker"),
    "index": ("색인", "index"),
    "index settings": ("색인 설정", "index settings"),
    "index size": ("색인 크기", "index size"),
    "generators": ("생성 모델", "generators"),
    "licence": ("라이선스", "licence"),
    "engine": ("엔진", "engine"),
    "cuda": ("CUDA(GPU 실행 환경)", "cuda"),
    "parsers": ("파서", "parsers"),
    "parser sandbox": ("파서 격리", "parser sandbox"),
    "LibreOffice": ("LibreOffice(DOC·PPT 변환)", "LibreOffice"),
    "ocr": ("문자 인식(OCR)", "ocr"),
    "git": ("Git(저장소 가져오기)", "git"),
    "ssh": ("SSH(저장소 가져오기)", "ssh"),
    "audit seal": ("감사 기록 봉인", "audit seal"),
    "audit anchors": ("감사 기록 확인점", "audit anchors"),
    "egress": ("외부 통신", "egress"),
}
"""By what stands before the colon in a check's code; what follows it is a name of its own."""

_TEXTS: dict[str, tuple[str, str]] = {
    "head_check": ("점검", "check"),
    "head_detail": ("내용", "detail"),
    "head_advice": ("할 일", "what to do"),
    "mark_ok": ("정상", "ok"),
    "defaults": ("기본값", "defaults"),
    "in_use": (
        "이 데이터 폴더에서 Seogo 프로세스가 실행 중입니다",
        "a Seogo process is running on this data folder",
    ),
    "in_use_advice": (
        "모두 점검하려면 그 프로세스를 멈추고, 아니면 그 서버의 /api/v1/health/ready에 물어보세요",
        "stop it for a full check, or ask its /api/v1/health/ready",
    ),
    "free": ("{folder} ({free} 남음)", "{folder} ({free} free)"),
    "free_advice": (
        "공간을 비우거나 --data-dir로 더 큰 디스크를 지정하세요",
        "make room or point --data-dir to a larger disk",
    ),
    "revision": ("{where}, 리비전 {found}", "{where} at {found}"),
    "revision_needed": ("{where}, 리비전 {found}, 필요한 리비전 {needed}", "{where} at {found}, needed {needed}"),
    "revision_advice": ("`seogo db upgrade`를 실행하세요", "run `seogo db upgrade`"),
    "originals_advice": (
        "원본 저장소가 켜져 있는지, 환경 변수 AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION이 맞는지, "
        "rag.blobs.url의 버킷이 있는지 확인하세요. 그때까지 문서를 올리거나 원본을 받을 수 없습니다",
        "see that the object store runs, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION are right "
        "in the environment, and the bucket of rag.blobs.url exists; until then nothing can be uploaded or downloaded",
    ),
    "originals_folder_advice": (
        "rag.blobs.url의 폴더가 마운트되어 있는지 확인하세요. 그때까지 문서를 올리거나 원본을 받을 수 없습니다",
        "see that the folder of rag.blobs.url is mounted; until then nothing can be uploaded or downloaded",
    ),
    "no_reranker": ("없음: 결합한 순위를 그대로 씁니다", "none: the fused order stands"),
    "reranker_scores": (
        "{name}: 시험 질문에 답하는 문단 {answers:.3f}, 답하지 않는 문단 {does_not:.3f}",
        "{name}: {answers:.3f} to a passage that answers a test question, {does_not:.3f} to one that does not",
    ),
    "reranker_blind": (
        "점수에 뜻이 없습니다. 서버를 그 모델의 옵션으로 시작했는지(Qwen3-Reranker는 `seogo models launch`의 --chat-template), "
        "한국어를 읽는 모델인지, reranking.scores가 맞는지 확인하세요",
        "its scores say nothing: see that the server was started with the model's own options (Qwen3-Reranker: --chat-template "
        "of `seogo models launch`), that the model reads Korean, and reranking.scores",
    ),
    "reranker_unusable": (
        "rag.reranking을 고치세요. 그때까지는 결합한 순위를 그대로 씁니다",
        "correct it in rag.reranking; until then the fused order stands",
    ),
    "reranker_failed": (
        "서버, 또는 그 앞의 프록시가 오류로 답했습니다. 서버 로그와 rag.reranking.url을 확인하세요. "
        "그때까지는 결합한 순위를 그대로 씁니다",
        "the server, or a proxy before it, answered with an error: see its log, and rag.reranking.url; until then "
        "the fused order stands",
    ),
    "reranker_late": (
        "budget_ms({ms}) 안에 답하지 못했습니다. 서버 로그를 보거나 rag.reranking.budget_ms를 늘리세요. "
        "그때까지는 결합한 순위를 그대로 씁니다",
        "it gave no answer within budget_ms ({ms}): see its log, or raise rag.reranking.budget_ms; until then "
        "the fused order stands",
    ),
    "reranker_away": (
        "서버를 켜거나 rag.reranking의 url을 고치세요. 그때까지는 결합한 순위를 그대로 씁니다",
        "start the server, or correct url in rag.reranking; until then the fused order stands",
    ),
    "points": ("{backend}: 청크 {wanted}개에 포인트 {held}개", "{backend}: {held} points for {wanted} chunks"),
    "points_advice": (
        "`seogo index verify`를 실행한 다음 `seogo index rebuild`를 실행하세요",
        "run `seogo index verify`, then `seogo index rebuild`",
    ),
    "index_differs": ("Qdrant 컬렉션이 설정과 다릅니다: {difference}", "{difference}"),
    "index_differs_advice": (
        "컬렉션을 바꾸는 방법은 docs/cluster.ko.md에 있습니다. 아니면 설정을 바꾸세요",
        "docs/cluster.md tells how to change the collection; or change the setting",
    ),
    "index_size": ("청크 {wanted}개", "{wanted} chunks"),
    "index_size_advice": (
        "Qdrant 서버로 옮기세요(index.backend: qdrant)",
        "move to a Qdrant server (index.backend: qdrant)",
    ),
    "layer_holds": ("적용됨", "holds"),
    "layer_missing": ("적용되지 않음", "does not hold"),
    "parsers_missing": ("없는 패키지: {names}", "missing: {names}"),
    "parsers_installed": ("설치됨", "installed"),
    "office_missing": (
        "설치되지 않음: DOC, PPT 파일은 안내와 함께 거절됩니다",
        "not installed: DOC and PPT files are refused with a message",
    ),
    "office_missing_advice": (
        "DOC, PPT를 읽으려면 libreoffice-writer-nogui와 libreoffice-impress-nogui를 설치하세요",
        "to read DOC and PPT, install libreoffice-writer-nogui and libreoffice-impress-nogui",
    ),
    "office_unconfined": (
        "{program}을(를) 여기서는 격리할 수 없어 쓰지 않습니다",
        "{program} can't be confined here and is not used",
    ),
    "office_unconfined_advice": (
        "Landlock이 있는 커널(Linux 5.13 이상)이 필요합니다",
        "a kernel with Landlock (Linux 5.13 or newer) is needed",
    ),
    "ocr_missing": ("Tesseract나 그 언어 데이터가 없습니다", "Tesseract or its language data is missing"),
    "ocr_advice": (
        "tesseract-ocr와 tesseract-ocr-kor를 설치하세요. 그때까지 그림으로 된 쪽은 읽지 않습니다",
        "install tesseract-ocr and tesseract-ocr-kor; until then pages that are pictures are not read",
    ),
    "seal_told": (
        "데이터베이스를 가진 사람이 마지막 확인점 뒤의 감사 기록을 새로 쓸 수 있습니다",
        "whoever holds the database can rewrite the trail behind its last anchor",
    ),
    "seal_untold": (
        "데이터베이스를 가진 사람이 감사 기록을 새로 쓸 수 있고, 그 흔적이 남지 않습니다",
        "whoever holds the database can rewrite the trail, and nothing shows it",
    ),
    "seal_advice": (
        "모든 프로세스에 같은 audit.seal_key_file을 지정하세요. 이미 있는 기록은 `seogo audit reseal --accept`",
        "name audit.seal_key_file, the same for all processes; a trail that is there: `seogo audit reseal --accept`",
    ),
    "anchored": ("{places}, {seconds:.0f}초마다", "{places} every {seconds:.0f} s"),
    "untold": (
        "사슬 {count}개의 끝을 알리지 못했습니다({places}; 마지막 시도 {last})",
        "the ends of {count} chains could not be told ({places}; last try {last})",
    ),
    "untold_advice": (
        "그곳에 쓸 수 있는지, anchor_key_file을 읽을 수 있는지 보세요. 까닭은 서비스의 로그에 있습니다",
        "see that it can be written to, and anchor_key_file be read; the service's log says why not",
    ),
    "unanchored": (
        "감사 기록 사슬의 끝을 외부에 알리지 않습니다",
        "nobody outside knows the ends of the trail's chains",
    ),
    "unanchored_advice": (
        "데이터베이스 운영자가 쓸 수 없는 저장소의 audit.anchor_file이나 audit.anchor_url을 지정하세요",
        "name audit.anchor_file on storage that the database's operator can't write to, or audit.anchor_url",
    ),
    "switch_own": ("Seogo가 스스로 설정함", "set by Seogo itself"),
    "switch_given": ("환경 변수 값 {value}", "{value} in the environment"),
    "proxy_advice": (
        "Seogo는 무시합니다. 확실히 하려면 환경 변수를 지우세요",
        "Seogo ignores it; unset it to be sure",
    ),
    "git_missing": ("설치되지 않음: 저장소를 읽을 수 없습니다", "not installed: no repository can be read"),
    "git_missing_advice": ("git {oldest} 이상을 설치하세요", "install git {oldest} or newer"),
    "git_old_advice": (
        "git {oldest} 이상을 설치하세요. 옛 버전은 이 컴퓨터의 git 설정까지 읽습니다",
        "install git {oldest} or newer: an older one reads configuration of this machine",
    ),
    "ssh_missing": (
        "설치되지 않음: 저장소를 HTTPS나 폴더에서만 가져옵니다",
        "not installed: repositories are fetched over HTTPS or from folders alone",
    ),
    "ssh_advice": ("SSH를 쓰려면 openssh-client를 설치하세요", "for SSH, install openssh-client"),
    "deletions_none": ("거듭 실패한 삭제가 없습니다", "no deletion fails again and again"),
    "deletions_open": (
        "삭제 {count}건을 거듭 끝내지 못했습니다({codes}). 검색에는 나오지 않지만 일부가 남아 있습니다. 확인서: {receipts}",
        "{count} deletions could not be finished ({codes}): nobody finds them, yet something is left. Receipts: {receipts}",
    ),
    "deletions_advice": (
        "`seogo documents receipt`로 이유를 보고 원인(권한, 저장소, 색인)을 없애세요. 서고가 자동으로 다시 시도합니다",
        "see why with `seogo documents receipt`, and mend the cause (rights, store, index); it is tried again by itself",
    ),
    "keys_none": (
        "정지되거나 삭제된 계정 때문에 거절되는 키가 없습니다",
        "no key in force is refused for an account that is suspended or deleted",
    ),
    "keys_known": (
        "비밀값을 아는 계정이 정지되거나 삭제되어 거절되는 키 {count}개: {prefixes}",
        "{count} in force and refused, since the account that knows the secret is suspended or deleted: {prefixes}",
    ),
    "keys_rotate": (
        "아직 쓰는 키면 `seogo keys rotate PREFIX`로 새 비밀값을 주고, 아니면 `seogo keys revoke PREFIX`로 폐기하세요",
        "give those that are needed a new secret (`seogo keys rotate PREFIX`), end the others (`seogo keys revoke PREFIX`)",
    ),
    "keys_owned": (
        "주인 계정이 정지되거나 삭제되어 거절되는 키 {count}개: {prefixes}",
        "{count} in force and refused, since the account that owns them is suspended or deleted: {prefixes}",
    ),
    "keys_revoke": (
        "계정을 다시 쓸 것이면 `seogo accounts resume`, 아니면 `seogo keys revoke PREFIX`로 폐기하세요",
        "`seogo accounts resume` opens them again; where nobody comes back, `seogo keys revoke PREFIX`",
    ),
    "no_dense": (
        "밀집 벡터 모델 없음: 모든 언어의 글을 단어로만 찾습니다",
        "no dense model: texts of every language are found by their words alone",
    ),
    "languages_reach": ("{model}에 넣는 언어: {languages}", "{languages} reach {model}"),
    "languages_none": ("없음", "none"),
    "languages_words": ("; 단어로만 찾는 언어: {languages}", "; {languages}: found by words alone"),
    "languages_advice": (
        "모델은 그 언어들도 읽습니다. `seogo index migrate`에 `--languages ko,en,code,other`를 주면 모델에 넣습니다",
        "the model reads them too: `seogo index migrate` with `--languages ko,en,code,other` lets them through to it",
    ),
    "space_changed": (
        "{space}: {folder}의 파일이 벡터를 만든 모델과 다릅니다. 다음에 쓸 때 이 공간을 포기합니다",
        "{space}: the files in {folder} are not those that made its vectors; the next write gives it up",
    ),
    "space_failed": (
        "원래 파일을 되돌려 놓거나 새 모델을 다른 폴더에 두고 `seogo index migrate`를 다시 실행하세요. "
        "필요 없으면 `seogo index drop {id}`",
        "put the files back, or the new model into a folder of its own, and run `seogo index migrate` again; "
        "or `seogo index drop {id}`",
    ),
    "space_again": (
        "`seogo index migrate`를 다시 실행하세요. 필요 없으면 `seogo index drop {id}`",
        "run `seogo index migrate` again; or `seogo index drop {id}`",
    ),
    "space_away": (
        "되돌려 놓기 전에는 문서가 처리되지 않습니다. 필요 없으면 `seogo index drop {id}`",
        "nothing is ingested until it is back; where it is not needed: `seogo index drop {id}`",
    ),
    "space_waits": (
        "해결되면 멈춘 곳부터 이어서 만듭니다. 필요 없으면 `seogo index drop {id}`",
        "its build goes on from where it was once that is mended; where it is not needed: `seogo index drop {id}`",
    ),
    "cuda_advice": (
        "CUDA 13.1이나 13.3으로 바꾸세요. 13.2에서는 Qwen3.6이 알아볼 수 없는 글을 씁니다. 그때까지는 "
        "`seogo models launch --engine llamacpp`처럼 llama.cpp에 --cache-type-k bf16 --cache-type-v bf16을 주세요",
        "move to CUDA 13.1 or 13.3: on 13.2 Qwen3.6 writes gibberish; until then llama.cpp with --cache-type-k bf16 "
        "--cache-type-v bf16, as `seogo models launch --engine llamacpp` does",
    ),
    "no_generator": ("없음: 답은 원문 인용으로 나옵니다", "none: answers are quotations"),
    "engine_unreachable": (
        "엔진을 켜거나(`seogo models launch`) rag.generation.models의 주소를 고치세요",
        "start the engine (`seogo models launch`), or correct its address in rag.generation.models",
    ),
    "engine_refused": (
        "rag.generation.models의 api_key_file을 고치세요",
        "correct api_key_file in rag.generation.models",
    ),
    "engine_not_a_model_server": (
        "rag.generation.models의 주소를 고치세요. /v1로 끝납니다",
        "correct the address in rag.generation.models; it ends in /v1",
    ),
    "engine_other_model": (
        "rag.generation.models의 served_as를 고치거나 엔진을 맞는 --served-model-name으로 켜세요",
        "correct served_as in rag.generation.models, or start the engine with the right --served-model-name",
    ),
    "engine_no_adapter": (
        "엔진을 --lora와 함께 켜거나 rag.generation.models에서 어댑터를 빼세요",
        "start the engine with --lora, or take the adapter out of rag.generation.models",
    ),
    "engine_shorter": (
        "엔진을 더 긴 문맥으로 켜거나 context_tokens를 엔진에 맞추세요",
        "start the engine with a longer context, or set context_tokens to what it has",
    ),
    "engine_longer": (
        "다 쓰려면 context_tokens를 엔진에 맞추세요",
        "set context_tokens to what the engine has, to make use of it",
    ),
    "licence_unlisted": ("카탈로그에 없습니다", "not in the catalogue"),
    "licence_unlisted_advice": (
        "`catalogue`에 항목 이름을 적거나 라이선스를 직접 읽으세요",
        "name its entry in `catalogue`, or read its licence",
    ),
    "licence_unknown": ("알 수 없음", "unknown"),
    "licence_unverified": ("{name}: 상업적 이용 여부가 확인되지 않음", "{name}: commercial use is unverified"),
    "licence_unverified_advice": ("쓰기 전에 라이선스를 읽으세요", "read the licence before it is used"),
    "licence_exception": ("{detail}; 예외 사유: {grounds}", "{detail}; exception: {grounds}"),
    "licence_exception_advice": ("예외의 근거를 보관하세요", "keep the exception's grounds on file"),
    "licence_forbidden_advice": (
        "다른 모델을 쓰거나 licence_exception에 사유를 적으세요",
        "take another model, or state the grounds in licence_exception",
    ),
}


def text(key: str, /, **values: object) -> str:
    """The text called `key`, in the terminal's language, with its placeholders filled."""
    korean, english = _TEXTS[key]
    return (korean if ui_language() == "ko" else english).format(**values)


def check_name(code: str) -> str:
    """Name of a check in the terminal's language, from its code: `licence: Qwen3-32B` keeps what follows the colon."""
    kind, colon, named = code.partition(": ")
    korean, english = _CHECKS[kind]
    return (korean if ui_language() == "ko" else english) + colon + named
