"""Korean wording of every error, by its stable code. English stands in the docstrings of `errors.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rag.domain.errors import (
    ConfigurationError,
    RepositoryNotRead,
    RepositoryRefused,
    RepositoryTooLarge,
    SeogoError,
    SpaceConflict,
    error_type_of,
    fill,
)
from rag.domain.repository_reasons import KOREAN_DETAILS, READ_REASONS
from rag.domain.space_failure import SPACE_REASONS, SpaceFailure

UiLanguage = Literal["ko", "en"]

KOREAN: dict[str, str] = {
    "internal_error": "서고 내부에서 오류가 발생했습니다. 자세한 내용은 운영자 로그에 있습니다.",
    "input_error": "요청을 그대로 처리할 수 없습니다.",
    "invalid_request": "요청 형식이 올바르지 않습니다: {detail}",
    "prompt_too_long": "질문과 대화, 본문이 모델 {name}에 너무 깁니다. 이 모델은 {limit}토큰까지 받습니다.",
    "images_not_taken": "모델 {name}이(가) 받지 않는 내용입니다: {detail}",
    "model_refused": "모델 {name}이(가) 요청을 그대로 받지 않습니다: {detail}",
    "method_not_allowed": "이 주소에서는 {method} 요청을 받지 않습니다.",
    "host_not_served": "이 서비스의 주소가 아닙니다: {host}. 운영자가 `api.browsers.hosts`에 이름을 등록합니다.",
    "payload_too_large": "업로드가 한도 {limit_mb}MB를 넘었습니다. 저장된 내용은 없습니다.",
    "range_refused": "요청한 바이트 범위를 보낼 수 없습니다. 파일 안에서 서로 겹치지 않는 범위를 {limit}개까지 지정하세요.",
    "empty_file": "파일 {name}이(가) 비어 있습니다(0바이트).",
    "unsupported_format": "{name}의 내용은 {found} 형식이며, 이를 읽을 수 있는 파서가 없습니다.",
    "converter_missing": "파일 {name}은(는) {found} 형식입니다. 읽으려면 서버에 LibreOffice가 설치되어 있어야 합니다.",
    "file_encrypted": "파일 {name}에 암호가 걸려 있습니다. 암호를 해제한 뒤 다시 올려 주세요.",
    "file_damaged": "파일 {name}이(가) 손상되었거나 불완전합니다: {detail}",
    "personal_data_blocked": "{name}에 이 컬렉션이 검색을 막은 개인정보나 비밀값이 있습니다({kinds}). 큐레이터가 해제합니다.",
    "nothing_to_release": "개인정보 때문에 보류된 문서가 아닙니다.",
    "personal_data_hidden": "볼 수 없는 개인정보가 문서에 있어 원본을 내려받을 수 없습니다.",
    "no_text_found": "파일 {name}을(를) 읽었지만 텍스트가 없습니다.",
    "ocr_unavailable": (
        "{name}의 쪽은 그림입니다. 읽으려면 한국어 데이터가 있는 Tesseract(tesseract-ocr, tesseract-ocr-kor)를 설치하세요."
    ),
    "question_too_long": "질문이 {length}자입니다. 한도는 {limit}자입니다.",
    "questions_invalid": "{name}의 문항을 쓸 수 없습니다: {detail}",
    "name_taken": "이름 {name}은(는) 이미 사용 중입니다.",
    "filter_too_wide": "필터의 앞부분 조건에 맞는 문서가 {limit}건을 넘습니다. 더 길게 쓰거나 속성으로 거르세요.",
    "too_many_rules": "이 컬렉션에는 열람 규칙이 {limit}가지 있습니다. 개인 대신 그룹을 쓰거나 컬렉션을 나누세요.",
    "last_administrator": "그렇게 하면 관리자가 한 명도 남지 않습니다. 먼저 다른 사람을 관리자로 지정하세요.",
    "nothing_to_retry": "{name}의 최신 버전은 실패하지 않았고 빠짐없이 읽었으므로 다시 시도할 것이 없습니다.",
    "nothing_to_cancel": "{name}의 처리가 이미 끝나 취소할 것이 없습니다.",
    "space_conflict": "임베딩 공간 {name}은(는) 지금 그렇게 할 수 없는 상태입니다: {detail}",
    "switch_refused": "임베딩 공간 {name}(으)로 전환하지 않았습니다: {detail}",
    "space_not_found": "임베딩 공간 {name}이(가) 없습니다.",
    "generation_ended": "생성 작업 {name}은(는) 이미 끝나서 취소할 수 없습니다.",
    "generation_unfinished": "생성 작업 {name}의 결과가 없습니다. 현재 상태: {state}",
    "unknown_model": "이 키로 사용할 수 있는 모델 {name}이(가) 없습니다.",
    "licence_forbids": '{name}의 라이선스({licence})는 상업적 이용을 금지합니다. 이용 근거를 적으세요: {option} "사유".',
    "unsupported_request": "이 서버에서는 요청하신 내용을 처리하지 않습니다: {detail}",
    "reranker_missing": "이 서버에 설정된 리랭커가 없습니다. 운영자가 `rag.reranking`에 지정할 수 있습니다.",
    "generator_missing": "이 방식의 답변은 언어 모델이 작성하는데, 여기에는 설정된 모델이 없습니다. "
    "운영자가 `rag.generation.models`에 지정할 수 있습니다.",
    "not_authenticated": "API 키가 없거나 올바르지 않습니다. `Authorization: Bearer …` 헤더로 보내 주세요.",
    "would_lock_out": "이렇게 바꾸면 본인도 {name}을(를) 볼 수 없게 됩니다. 그래도 바꾸려면 `force`를 지정하세요.",
    "label_above_clearance": "등급 {label}은(는) 보안 인가 등급 {clearance}보다 높습니다.",
    "not_yours_to_open": "{name}의 열람 범위는 컬렉션 관리자가 정합니다. 소유자는 범위를 더 좁힐 수만 있습니다.",
    "path_rule_kept": (
        "{name}의 경로 규칙 {paths}은(는) 본인의 열람도 막습니다. 이 규칙과 그 뒤의 규칙은 바꾸지 말고 그대로 맨 뒤에 두세요."
    ),
    "access_ended": "보내는 동안 열람 권한이 끝났습니다. 키나 세션, 계정이 더 이상 유효하지 않습니다.",
    "directory_stopped": (
        "디렉터리 {name}을(를) 반영하면 계정 {active}개 중 {count}개가 정지됩니다. 변경하지 않았습니다. 필터를 먼저 확인하세요."
    ),
    "directory_groups_gone": (
        "디렉터리 {name}에 그 디렉터리가 채운 그룹 {count}개가 하나도 없습니다. 그 그룹으로 열람을 막은 문서가 있을 수 있습니다. "
        "변경하지 않았습니다. group_base와 group_filter를 먼저 확인하세요."
    ),
    "sign_in_failed": "로그인이 완료되지 않았습니다. 포털에서 다시 시작해 주세요.",
    "not_permitted": "이 키에는 해당 작업의 권한이 없습니다.",
    "rate_limited": "한 번에 요청이 너무 많습니다({who}: {what} {limit}). {retry_after_s}초 뒤 다시 시도해 주세요.",
    "not_found": "볼 수 있는 대상이 이 주소에 없습니다.",
    "repository_refused": "저장소 {name}을(를) 받을 수 없습니다: {detail}",
    "repository_not_read": "저장소 {name}을(를) 읽지 못했습니다: {detail}",
    "credentials_refused": "저장소 {name}이(가) 자격 증명을 받아들이지 않았거나, 그 자격 증명으로는 볼 수 없는 저장소입니다.",
    "ref_not_found": "저장소 {name}에 브랜치, 태그, 커밋 {ref}이(가) 없습니다.",
    "repository_too_large": "저장소 {name}이(가) 너무 큽니다: {detail}",
    "pattern_refused": "이 패턴으로는 찾을 수 없습니다: {detail}",
    "repository_not_found": "볼 수 있는 저장소 {name}이(가) 없습니다.",
    "symbol_not_found": "볼 수 있는 {name}의 정의가 없습니다.",
    "repository_unreachable": "저장소 {name}에 지금 연결할 수 없습니다. 이미 색인한 내용은 계속 답합니다.",
    "collection_not_found": "볼 수 있는 컬렉션 {name}이(가) 없습니다.",
    "document_not_found": "볼 수 있는 문서 {name}이(가) 없습니다.",
    "receipt_not_found": "볼 수 있는 삭제 확인서 {name}이(가) 없습니다.",
    "account_not_found": "볼 수 있는 계정 {name}이(가) 없습니다.",
    "group_not_found": "볼 수 있는 그룹 {name}이(가) 없습니다.",
    "grant_not_found": "볼 수 있는 권한 부여 {name}이(가) 없습니다.",
    "key_not_found": "볼 수 있는 키 {name}이(가) 없습니다.",
    "parse_limit_exceeded": "{name}을(를) 읽는 데 {resource} 한도를 넘어 중단했습니다.",
    "too_much_text": "{name}의 글({found}백만 자)이 파일 하나의 한도(약 {most}백만 자)를 넘습니다. 파일을 나누어 주세요.",
    "parser_crashed": "{name}을(를) 읽던 파서가 결과 없이 종료되었습니다. 서비스에는 영향이 없습니다.",
    "original_missing": "{name}의 저장된 원본을 찾지 못했습니다. 계속 그러면 파일을 다시 올려 주십시오.",
    "blob_tampered": "저장된 내용({name})이 서비스 밖에서 변경되었거나 손상되어 내보내지 않습니다.",
    "worker_lost": "{name}을(를) 처리하던 프로세스가 여러 번 비정상 종료되어 이 파일을 격리했습니다.",
    "unavailable": "서비스 일부를 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "index_unavailable": "검색 색인을 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "access_settling": "많은 문서의 열람 규칙이 바뀌어 검색 색인에 반영하는 중입니다. 몇 분 뒤 다시 시도해 주세요.",
    "store_unavailable": "데이터베이스를 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "blobs_unavailable": "원본 파일을 보관하는 저장소를 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "store_full": "데이터베이스가 있는 디스크가 가득 찼습니다. 저장된 것은 없으니, 자리를 만든 뒤 다시 시도해 주세요.",
    "store_damaged": "데이터베이스가 손상되었거나 데이터베이스가 아닙니다. 서고를 멈추고 백업으로 바꾸세요. "
    "`seogo doctor`로 확인할 수 있습니다.",
    "store_read_only": "데이터베이스에 쓸 수 없습니다. 서고를 실행하는 사용자에게 쓰기 권한을 주세요. "
    "`seogo doctor`로 확인할 수 있습니다.",
    "store_log_kept": "데이터베이스를 다른 작업이 쓰고 있어, 덮어쓰거나 삭제한 내용이 데이터베이스의 로그에 아직 남아 있습니다. "
    "삭제는 저절로 다시 시도합니다. 명령은 다시 실행해 주세요. 되풀이되면 서고를 멈추고 실행하세요.",
    "index_write_mismatch": "기록 후 색인에 청크 {expected}개 중 {found}개만 있습니다. 문서를 다시 처리합니다.",
    "purge_incomplete": "삭제한 {name}의 일부가 남아 있습니다. 지우기를 다시 시도합니다.",
    "audit_unavailable": "감사 기록을 남길 수 없어 요청을 거절했습니다.",
    "provider_unavailable": "로그인 제공자 {name}을(를) 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "model_unavailable": "모델 {name}을(를) 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "model_busy": "모델 {name}에 지금 요청이 너무 많습니다. 잠시 뒤 다시 시도해 주세요.",
    "model_timeout": "모델 {name}이(가) 제때 답하지 않았습니다. 잠시 뒤 다시 시도해 주세요.",
    "model_away": "모델 {name}의 서버에 지금 연결할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "model_unusable": "모델 {name}의 서버가 쓸 수 없는 답을 했습니다: {detail}. 운영자가 설정을 확인해야 합니다.",
    "model_broken": "모델 {name}의 답이 끊겼거나 읽을 수 없습니다. 다시 시도해 주세요.",
    "model_not_served": "모델 {name}을(를) 제공해야 할 서버가 그 모델을 알지 못합니다. 운영자가 설정을 확인해야 합니다.",
    "generation_stopped": "모델 {name}이(가) 쓴 글을 쓸 수 없어({guard}) 중단했습니다. 질문을 바꾸어 다시 물어 주세요.",
    "egress_refused": "호스트 {host}은(는) 설정에 없는 주소여서 이 프로세스가 접속하지 않았습니다.",
    "configuration_invalid": "설정이 올바르지 않습니다: {detail}",
    "anchors_unreadable": "감사 기록의 외부 확인점 파일을 읽을 수 없습니다. 어느 파일인지는 서비스의 로그에 있습니다.",
    "key_at_rest_missing": "저장된 내용을 암호화한 키 {key}이(가) `rag.encryption.key_files`의 파일에 없습니다.",
    "model_files_changed": "{folder}의 파일이 {name}의 벡터를 만든 모델과 다릅니다. 원래 파일을 되돌려 놓고 새 모델은 다른 "
    "폴더에서 `seogo index migrate`로 바꾸거나, 서비스를 멈추고 `seogo index rebuild`를 실행하세요.",
    "store_in_use": "데이터 폴더 {path}을(를) 다른 서고 프로세스가 사용 중입니다. --server로 서버 주소를 지정하세요. "
    "저장소를 직접 다루는 명령은 그 프로세스를 멈추고 실행해야 합니다.",
    "data_folder_refused": "{path}에 쓸 수 없습니다: {detail}. 이 사용자에게 쓰기 권한을 주거나 "
    "--data-dir로 다른 데이터 폴더를 지정하세요.",
    "schema_outdated": "데이터베이스가 {found}인데 {expected}이(가) 필요합니다. `seogo db upgrade`를 실행하세요.",
}


WARNINGS: dict[str, tuple[str, str]] = {
    "charset_replaced": ("문자 일부를 읽지 못해 대체했습니다.", "Some characters could not be read and were replaced."),
    "pages_without_text": (
        "텍스트가 없는 쪽이 있습니다(스캔 이미지): {detail}",
        "Some pages hold no text (scanned images): {detail}",
    ),
    "ocr": (
        "그림에서 문자를 인식한 쪽입니다. 틀린 글자가 있을 수 있습니다: {detail}",
        "Pages read from pictures by character recognition; some characters may be wrong: {detail}",
    ),
    "ocr_doubtful": (
        "문자를 제대로 알아보지 못한 쪽입니다. 원본을 확인하십시오: {detail}",
        "Pages whose characters could hardly be recognised; check the original: {detail}",
    ),
    "ocr_unavailable": (
        "그림인 쪽을 읽으려면 Tesseract(tesseract-ocr, tesseract-ocr-kor)를 설치하세요.",
        "To read the pages that are pictures, install Tesseract (tesseract-ocr, tesseract-ocr-kor).",
    ),
    "ocr_out_of_time": (
        "시간이 모자라 문자를 인식하지 못한 쪽이 있습니다: {detail}",
        "Pages whose pictures were not read because time ran out: {detail}",
    ),
    "attachments_not_read": (
        "첨부 파일 {detail}개는 읽지 않았습니다.",
        "Attached files that were not read: {detail}",
    ),
    "damaged_pages": ("손상되어 읽지 못한 쪽이 있습니다.", "Some pages are damaged and could not be read."),
    "unmapped_characters": (
        "글꼴 정보가 없어 읽지 못한 글자가 있습니다.",
        "Some characters have no mapping in their font.",
    ),
    "hidden_sheets": ("숨겨진 시트가 있습니다.", "There are hidden sheets."),
    "formulas_without_values": ("계산된 값이 없는 수식이 있습니다.", "Some formulas have no stored value."),
    "damaged_parts": ("손상되어 읽지 못한 부분이 있습니다.", "Some parts are damaged and could not be read."),
    "second_reader": (
        "파일이 손상되었거나 특이해 간이 판독기로 읽었습니다. 위치가 대략적이고, 빠진 내용이나 숨겨진 글이 있을 수 있습니다.",
        "Read by a simpler reader because the file is damaged or unusual: places are coarser, content may be missing, and "
        "hidden text may be among what was read.",
    ),
    "hidden_text": (
        "화면에 보이지 않는 글자가 있습니다. 숨겨진 글은 읽지 않았습니다.",
        "The file holds text or characters that a reader does not see; hidden text was left out.",
    ),
    "unseen_characters": (
        "보이지 않는 문자를 지우고 읽었습니다: {detail}",
        "Characters that a reader does not see were taken out: {detail}",
    ),
    "includes_not_followed": (
        "다른 파일을 불러오는 부분은 읽지 않았습니다.",
        "Other files that the document includes were not read.",
    ),
    "damaged_lines": ("형식이 깨진 줄이 있습니다.", "Some lines are damaged and were kept as they are."),
    "child_empty": ("비어 있는 파일이라 넣지 않았습니다", "Left out because it is empty"),
    "child_over_limit": (
        "파일 수나 풀린 크기의 한도를 넘어 넣지 않았습니다",
        "Left out because of the limit on files inside or on their unpacked size",
    ),
    "child_too_large": ("한 파일의 크기 한도를 넘어 풀지 않았습니다", "Not unpacked because it is too large"),
    "child_encrypted": ("암호가 걸려 있어 풀지 않았습니다", "Not unpacked because it is protected by a password"),
    "child_damaged": ("손상되어 풀지 못했습니다", "Could not be unpacked because it is damaged"),
    "child_not_a_file": ("링크나 장치라서 무시했습니다", "Ignored because it is a link or a device"),
    "child_unsupported": (
        "지원하지 않는 압축 방식이라 풀지 못했습니다",
        "Not unpacked because its compression method is not supported",
    ),
    "child_name_taken": ("같은 이름이 너무 많아 넣지 않았습니다", "Left out because too many have this name"),
    "children_too_deep": (
        "너무 깊이 들어 있어 안의 파일은 넣지 않았습니다.",
        "Files inside were left out because they lie too deep.",
    ),
    "container_cut_off": (
        "파일이 중간에서 손상되어 그 뒤의 내용은 읽지 못했습니다.",
        "The file is damaged in the middle; what follows could not be read.",
    ),
    "junk_left_out": (
        "운영체제가 만든 부가 파일은 넣지 않았습니다(개수)",
        "Files that an operating system leaves behind were left out (number)",
    ),
    "inline_images_left_out": (
        "본문에 박힌 작은 그림은 넣지 않았습니다(개수)",
        "Small pictures set into the text were left out (number)",
    ),
    "signature_not_verified": ("전자 서명은 검증하지 않았습니다.", "The digital signature was not verified."),
    "comments_left_out": ("메모와 댓글은 읽지 않았습니다.", "Comments were left out."),
    "hidden_slides": ("숨겨진 슬라이드가 있습니다(읽었습니다).", "There are hidden slides; they were read."),
    "hidden_rows": ("숨겨진 행이나 열이 있습니다(읽었습니다).", "There are hidden rows or columns; they were read."),
    "has_macros": (
        "매크로가 들어 있습니다. 실행하지도 읽지도 않았습니다.",
        "There are macros; they were neither run nor read.",
    ),
    "embedded_not_read": ("파일에 포함된 다른 파일은 읽지 않았습니다.", "Files embedded in this file were not read."),
    "external_content": ("외부에 연결된 내용은 가져오지 않았습니다.", "Content linked from elsewhere was not fetched."),
    "quote_not_closed": (
        "따옴표가 닫히지 않은 칸이 있어 그 줄만 따로 읽었습니다.",
        "A quotation mark is never closed; its line was read on its own.",
    ),
    "cells_left_out": ("표가 너무 넓어 일부 열을 읽지 않았습니다.", "A sheet is too wide; some columns were not read."),
    "converted": (
        "LibreOffice로 변환해 읽었습니다. 위치는 변환된 문서 기준입니다.",
        "Read through a conversion by LibreOffice; places are those of the converted document.",
    ),
    "formats_unknown": (
        "숫자 표시 형식을 알 수 없어 저장된 값을 그대로 읽었습니다.",
        "Number formats are not known here; values are shown as stored.",
    ),
}
"""What a parser read only in part, Korean and English, by the code in `ParsedDocument.warnings`.

A code may go with a detail after a colon, such as pages in `ocr:1-3` or a file's name: it stands at `{detail}`, or follows the
sentence.
"""


def warning_for(code: str, language: UiLanguage) -> str:
    """The user-facing sentence of a parser's warning; the code itself when a newer release wrote one unknown here."""
    kind, _, detail = code.partition(":")
    korean, english = WARNINGS.get(kind, (code, code))
    sentence = korean if language == "ko" else english
    if "{detail}" in sentence:
        return sentence.replace("{detail}", detail or "…")
    return f"{sentence}: {detail}" if detail and kind in WARNINGS else sentence


SKIPPED: dict[str, tuple[str, str]] = {
    "submodule": (
        "다른 저장소를 가리키는 서브모듈입니다. 필요하면 그 저장소를 따로 등록하세요.",
        "A submodule, which points to a commit of another repository. Add that one where it is wanted.",
    ),
    "symlink": ("심볼릭 링크는 따라가지 않습니다.", "A symbolic link, which is not followed."),
    "lfs_pointer": (
        "실제 내용이 Git LFS에 있는 포인터 파일입니다.",
        "A pointer: the contents lie in Git LFS.",
    ),
    "name_unusable": (
        "문서 이름으로 쓸 수 없는 경로입니다(읽을 수 없는 문자, 역슬래시, 앞뒤 공백, 지나친 길이).",
        "The path can't be the name of a document: characters that are no text, backslashes, outer spaces, or too long.",
    ),
    "same_name": (
        "유니코드 표기만 다른 같은 이름의 파일이 이미 있습니다.",
        "Another file has the same name, written in Unicode otherwise.",
    ),
    "empty": ("빈 파일입니다.", "The file is empty."),
    "too_large": ("색인할 수 있는 파일 크기를 넘었습니다.", "The file is larger than what is indexed."),
    "binary": ("텍스트가 아닌 파일입니다.", "The file holds no text."),
    "excluded": ("저장소 설정에서 제외한 경로입니다.", "The options of the repository exclude this path."),
    "not_included": (
        "저장소 설정에서 포함한 경로가 아닙니다.",
        "The options of the repository do not include this path.",
    ),
    "ignored": (
        ".seogoignore(설정했다면 .gitignore도)가 제외한 경로입니다.",
        "A .seogoignore (or .gitignore, where that is wanted) excludes this path.",
    ),
    "vendored": ("외부에서 가져온 코드입니다.", "Code that was copied in from others."),
    "generated": ("프로그램이 생성한 파일입니다.", "A file that a program generated."),
    "minified": ("사람이 읽을 수 없게 압축된 코드입니다.", "Code squeezed for machines, all on a few lines."),
    "reserved": (
        "`.history` 폴더는 저장소 이력 문서의 자리입니다.",
        "The folder `.history` is the place of the documents of the repository's history.",
    ),
    "lock_file": ("의존성 잠금 파일입니다.", "A lock file of a package manager."),
}
"""Why a file of a repository is not in the index, in Korean and English, by the code in `RepositoryFile.reason`."""


def skipped_for(code: str, language: UiLanguage) -> str:
    """The user-facing sentence of a reason in `SKIPPED`; the code itself when it is another."""
    return SKIPPED.get(code, (code, code))[0 if language == "ko" else 1]


GUARDS: dict[str, tuple[str, str]] = {
    "repetition": ("같은 말의 반복", "the same words again and again"),
    "runaway": ("끝나지 않는 글", "no end"),
    "language": ("질문과 다른 언어", "another language than the question"),
    "gibberish": ("뜻 없는 글자", "no words"),
    "leak": ("내부 지시의 노출", "the rules that it was given"),
    "tool_call": ("말로만 한 도구 호출", "a tool call that was told and not made"),
    "empty": ("빈 답", "nothing"),
    "too_slow": ("제한 시간 초과", "not done in its time"),
    "no_files": ("파일 없음", "no files"),
}
"""What the guards of generations are called in messages, in Korean and English, by their stable names."""


WAITING: dict[str, tuple[str, str]] = {
    "engine_slow": (
        "모델이 아직 답하지 않아 기다리고 있습니다.",
        "The model has not answered yet; still waiting.",
    ),
}
"""What is said while an answer is waited for, in Korean and English, by its stable code."""


def waiting_for(code: str, language: UiLanguage) -> str:
    """The user-facing sentence of a code in `WAITING`, in `language`."""
    return WAITING[code][0 if language == "ko" else 1]


def space_failure_for(recorded: str, language: UiLanguage) -> str:
    """Why an embedding space failed, from `embedding_space.error`; a sentence of an earlier release stays as it is."""
    failure = SpaceFailure.read(recorded)
    if failure is None:
        return recorded
    if failure.code in SPACE_REASONS:
        return fill(SPACE_REASONS[failure.code][0 if language == "ko" else 1], dict(failure.params))
    return message_for(failure.code, dict(failure.params), language)


def space_conflict_detail(params: Mapping[str, str | int | float], language: UiLanguage) -> str:
    """Why an embedding space is not in a state for what is asked.

    Args:
        params: `reason`, a key of `SPACE_REASONS`, and what its sentence takes; `failure` on record becomes its `{why}`, as
            `why_ko` does in Korean.
    """
    values = dict(params)
    if "failure" in values:
        values["why"] = space_failure_for(str(values["failure"]), language)
    if language == "ko" and "why_ko" in values:
        values["why"] = values["why_ko"]
    return fill(SPACE_REASONS[str(values["reason"])][0 if language == "ko" else 1], values)


def message_for(code: str, params: dict[str, str | int | float], language: UiLanguage) -> str:
    """The user-facing sentence of the error with this code, in `language`."""
    guard = params.get("guard")
    if isinstance(guard, str) and guard in GUARDS:
        params = params | {"guard": GUARDS[guard][0 if language == "ko" else 1]}
    reason = params.get("reason")
    if code == RepositoryNotRead.code and isinstance(reason, str) and reason in READ_REASONS:
        params = params | {"detail": fill(READ_REASONS[reason][0 if language == "ko" else 1], params)}
    if code == SpaceConflict.code and reason in SPACE_REASONS:
        params = params | {"detail": space_conflict_detail(params, language)}
    if language == "ko" and code in (RepositoryRefused.code, RepositoryTooLarge.code) and reason in KOREAN_DETAILS:
        params = params | {"detail": fill(KOREAN_DETAILS[str(reason)], params)}
    if language == "ko":
        params = params | {name: params[f"{name}_ko"] for name in ("detail", "found") if f"{name}_ko" in params}
    if language == "ko" and code in KOREAN:
        return fill(KOREAN[code], params)
    return fill(error_type_of(code).template_en(), params)


def detail_of(error: ConfigurationError, language: UiLanguage) -> str:
    """What is not right in the configuration, for the middle of another message: the detail alone where the sentence says no more
    than that something is wrong, in Korean where there is one."""
    if error.code != ConfigurationError.code or "detail" not in error.params:
        return localized(error, language)
    korean = language == "ko" and "detail_ko" in error.params
    return str(error.params["detail_ko" if korean else "detail"])


def localized(error: SeogoError, language: UiLanguage) -> str:
    """The user-facing sentence of `error`, in `language`."""
    return message_for(error.code, error.params, language)
