"""What the command line says, in Korean and English."""

from __future__ import annotations

import os

from rag.domain.messages import UiLanguage

_TEXTS: dict[str, tuple[str, str]] = {
    "file": ("파일", "File"),
    "outcome": ("접수", "Upload"),
    "state": ("상태", "State"),
    "chunks": ("청크", "Chunks"),
    "note": ("비고", "Note"),
    "uploading": ("올리는 중", "Uploading"),
    "ingesting": ("처리 중", "Ingesting"),
    "paused": ("일시 중지됨", "paused"),
    "queue": ("대기", "queued"),
    "quarantine": ("격리", "quarantined"),
    "failures": ("실패", "failed"),
    "seconds_left": ("초 남음", "s left"),
    "affected": ("문서 수", "Documents"),
    "questions_written": ("쓴 문항", "Questions written"),
    "no_files": ("처리할 파일이 없습니다.", "There are no files to ingest."),
    "sources": ("출처", "Sources"),
    "question": ("질문", "Question"),
    "nothing": ("찾은 문단이 없습니다.", "Nothing was found."),
    "admin_key": (
        "관리자 API 키입니다. 다시 볼 수 없으니 지금 보관하세요",
        "This is the admin API key. It is shown only once; keep it now",
    ),
    "key_made": (
        "API 키입니다. 다시 볼 수 없으니 지금 보관하세요",
        "This is the API key. It is shown only once; keep it now",
    ),
    "serving": ("서비스 주소", "Serving at"),
    "loading": ("모델과 색인을 여는 중", "Opening models and index"),
    "loading_samples": ("예제 문서를 넣는 중", "Ingesting the sample documents"),
    "revoked": ("키를 폐기했습니다.", "The key is revoked."),
    "no_such_key": ("사용 중인 키가 아닙니다.", "There is no such key in force."),
    "deleted": ("문서를 삭제했습니다", "The document is deleted"),
    "rebuilding": ("색인을 다시 만드는 중", "Rebuilding the index"),
    "rebuilt": ("다시 만든 색인의 청크", "Chunks in the rebuilt index"),
    "optimized": ("색인을 최적화했습니다.", "The index is optimised."),
    "healthy": ("기록, 색인, 원본이 일치합니다.", "Record, index and originals agree."),
    "unhealthy": (
        "기록과 색인이 다릅니다. `seogo index rebuild`로 고칠 수 있습니다.",
        "Record and index differ. `seogo index rebuild` mends the index.",
    ),
    "space_building": ("새 임베딩 공간을 만드는 중", "Building the new embedding space"),
    "space_ready": ("새 임베딩 공간이 준비되었습니다", "The new embedding space is ready"),
    "space_switched": ("지금 답하는 임베딩 공간", "The embedding space that answers now"),
    "space_next": (
        "되돌리기: `seogo index rollback`. 되돌릴 필요가 없으면: `seogo index drop {id}`. 설정 파일의 embedding도 바꿔 두세요.",
        "To go back: `seogo index rollback`. Once sure: `seogo index drop {id}`. Change `embedding` in the configuration too.",
    ),
    "space_dropped": ("임베딩 공간을 지웠습니다", "The embedding space is dropped"),
    "space_which": ("--to 또는 --settings 중 하나를 지정하세요.", "Give either --to or --settings."),
    "space_no_questions": ("question 열에 질문이 없습니다.", "there is no question in a column `question`."),
    "space_drop": ("하락", "drop"),
    "upgraded": ("데이터베이스 리비전", "Database revision"),
    "unreachable": ("서버에 연결할 수 없습니다", "The server can't be reached"),
    "sync_new": ("새 파일", "new"),
    "sync_changed": ("바뀜", "changed"),
    "sync_touched": ("내용 같음", "same content"),
    "sync_unchanged": ("그대로", "unchanged"),
    "sync_missing": ("사라짐", "gone"),
    "sync_deleted": ("삭제함", "deleted"),
    "sync_refused": ("거절됨", "refused"),
    "sync_failed": ("실패", "failed"),
    "sync_unreadable": ("읽지 못함", "not readable"),
    "sync_dry": ("시험 실행이라 아무것도 바꾸지 않았습니다.", "A dry run: nothing was changed."),
    "sync_held_back": (
        "알려진 파일의 절반이 넘게 사라져 삭제하지 않았습니다. 맞다면 --force를 주세요.",
        "More than half of the known files are gone, so nothing was deleted. If that is right, give --force.",
    ),
    "sync_not_deleted": (
        "사라진 파일의 문서는 남겨 두었습니다. 함께 지우려면 --delete-missing을 주세요.",
        "Documents of files that are gone stay. To delete them too, give --delete-missing.",
    ),
    "code_title": ("제목", "Title"),
    "code_model": ("모델", "Model"),
    "code_tokens": ("토큰", "tokens"),
    "code_size": ("바이트", "Bytes"),
    "code_language": ("언어", "Language"),
    "code_syntax": ("문법", "Syntax"),
    "code_ok": ("정상", "ok"),
    "code_error": ("오류", "error"),
    "code_unchecked": ("검사 안 함", "unchecked"),
    "code_repaired": ("문법을 고침", "syntax mended"),
    "code_rejected": ("받지 않은 파일", "Not taken"),
    "code_cut_off": (
        "모델이 쓸 수 있는 길이가 다 차서 프로그램이 끝까지 쓰이지 않았습니다. 명세를 나누거나 문맥이 긴 모델을 쓰세요.",
        "The model ran out of room before the end of the program. Divide the specification, or use a model with more context.",
    ),
    "code_context": ("읽은 저장소 발췌", "Excerpts read"),
    "code_omitted": ("자리가 없어 뺀 것", "left out for lack of room"),
    "code_queued": ("차례를 기다리는 중", "Waiting for its turn"),
    "code_select": ("저장소에서 찾는 중", "Searching the repository"),
    "code_write": ("쓰는 중", "Writing"),
    "code_check": ("문법을 검사하는 중", "Checking syntax"),
    "code_repair": ("문법을 고치는 중", "Mending syntax"),
    "code_store": ("저장하는 중", "Storing"),
    "code_end": ("끝", "Done"),
    "code_cancelled": ("취소되었습니다.", "It was cancelled."),
    "code_deleted": ("생성 작업을 지웠습니다.", "The generation is deleted."),
    "code_saved": ("저장한 곳", "Saved in"),
    "code_exists": ("이미 있습니다. 덮어쓰려면 --force를 주세요.", "exists already. To write over it, give --force."),
    "code_outside": ("폴더 밖으로 나가는 경로입니다.", "leads out of the folder."),
    "demo_failed": ("예제 질문에 답하지 못했습니다.", "A sample question was not answered."),
}


def ui_language() -> UiLanguage:
    """Language of the terminal: `SEOGO_LANG`, else the locale."""
    wanted = os.environ.get("SEOGO_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "ko" if wanted.lower().startswith("ko") else "en"


def text(name: str) -> str:
    """The text called `name`, in the terminal's language."""
    korean, english = _TEXTS[name]
    return korean if ui_language() == "ko" else english
