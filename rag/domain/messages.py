"""Korean wording of every error, by its stable code. English stands in the docstrings of `errors.py`."""

from __future__ import annotations

from typing import Literal

from rag.domain.errors import SeogoError, error_type_of, fill

UiLanguage = Literal["ko", "en"]

KOREAN: dict[str, str] = {
    "internal_error": "서고 내부에서 오류가 발생했습니다. 자세한 내용은 운영자 로그에 있습니다.",
    "input_error": "요청을 그대로 처리할 수 없습니다.",
    "invalid_request": "요청 형식이 올바르지 않습니다: {detail}",
    "method_not_allowed": "이 주소에서는 {method} 요청을 받지 않습니다.",
    "payload_too_large": "업로드가 한도 {limit_mb}MB를 넘었습니다. 저장된 내용은 없습니다.",
    "empty_file": "파일 {name}이(가) 비어 있습니다(0바이트).",
    "unsupported_format": "{name}의 내용은 {found} 형식이며, 이를 읽을 수 있는 파서가 없습니다.",
    "file_encrypted": "파일 {name}에 암호가 걸려 있습니다. 암호를 해제한 뒤 다시 올려 주세요.",
    "file_damaged": "파일 {name}이(가) 손상되었거나 불완전합니다: {detail}",
    "no_text_found": "파일 {name}을(를) 읽었지만 텍스트가 없습니다.",
    "question_too_long": "질문이 {length}자입니다. 한도는 {limit}자입니다.",
    "name_taken": "이름 {name}은(는) 이미 사용 중입니다.",
    "unknown_model": "이 키로 사용할 수 있는 모델 {name}이(가) 없습니다.",
    "not_authenticated": "API 키가 없거나 올바르지 않습니다. `Authorization: Bearer …` 헤더로 보내 주세요.",
    "not_permitted": "이 키에는 해당 작업의 권한이 없습니다.",
    "not_found": "볼 수 있는 대상이 이 주소에 없습니다.",
    "collection_not_found": "볼 수 있는 컬렉션 {name}이(가) 없습니다.",
    "document_not_found": "볼 수 있는 문서 {name}이(가) 없습니다.",
    "parse_limit_exceeded": "{name}을(를) 읽는 데 {resource} 한도를 넘어 중단했습니다.",
    "parser_crashed": "{name}을(를) 읽던 파서가 결과 없이 종료되었습니다. 서비스에는 영향이 없습니다.",
    "unavailable": "서비스 일부를 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "index_unavailable": "검색 색인을 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "store_unavailable": "데이터베이스를 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "index_write_mismatch": "기록 후 색인에 청크 {expected}개 중 {found}개만 있습니다. 문서를 다시 처리합니다.",
    "model_unavailable": "모델 {name}을(를) 잠시 사용할 수 없습니다. 잠시 뒤 다시 시도해 주세요.",
    "configuration_invalid": "설정이 올바르지 않습니다: {detail}",
    "store_in_use": "데이터 폴더 {path}을(를) 다른 서고 프로세스가 사용 중입니다. --server로 서버 주소를 지정하세요.",
    "schema_outdated": "데이터베이스가 {found}인데 {expected}이(가) 필요합니다. `seogo db upgrade`를 실행하세요.",
}


WARNINGS: dict[str, tuple[str, str]] = {
    "charset_replaced": ("문자 일부를 읽지 못해 대체했습니다.", "Some characters could not be read and were replaced."),
    "pages_without_text": ("텍스트가 없는 쪽이 있습니다(스캔 이미지).", "Some pages hold no text (scanned images)."),
    "damaged_pages": ("손상되어 읽지 못한 쪽이 있습니다.", "Some pages are damaged and could not be read."),
    "unmapped_characters": (
        "글꼴 정보가 없어 읽지 못한 글자가 있습니다.",
        "Some characters have no mapping in their font.",
    ),
    "hidden_sheets": ("숨겨진 시트가 있습니다.", "There are hidden sheets."),
    "formulas_without_values": ("계산된 값이 없는 수식이 있습니다.", "Some formulas have no stored value."),
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
}
"""What a parser read only in part, Korean and English, by the code in `ParsedDocument.warnings`.

A code may go with a detail after a colon, such as a file's name; it follows the sentence.
"""


def warning_for(code: str, language: UiLanguage) -> str:
    """The user-facing sentence of a parser's warning; the code itself when a newer release wrote one unknown here."""
    kind, _, detail = code.partition(":")
    korean, english = WARNINGS.get(kind, (code, code))
    sentence = korean if language == "ko" else english
    return f"{sentence}: {detail}" if detail and kind in WARNINGS else sentence


def message_for(code: str, params: dict[str, str | int | float], language: UiLanguage) -> str:
    """The user-facing sentence of the error with this code, in `language`."""
    if language == "ko" and code in KOREAN:
        return fill(KOREAN[code], params)
    return fill(error_type_of(code).template_en(), params)


def localized(error: SeogoError, language: UiLanguage) -> str:
    """The user-facing sentence of `error`, in `language`."""
    return message_for(error.code, error.params, language)
