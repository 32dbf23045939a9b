"""What is said of repositories that is no error, in Korean and English: notes on a look, and why files are left out."""

from __future__ import annotations

from rag.domain.errors import all_error_types
from rag.domain.messages import SKIPPED, UiLanguage, message_for, skipped_for

NOTES: dict[str, tuple[str, str]] = {
    "history_not_read": (
        "파일은 이 커밋과 같지만, 커밋 메시지·이슈·병합 요청을 이번에는 새로 읽지 못했습니다. 다음 동기화 때 다시 읽습니다.",
        "The files are those of the commit; its messages, issues and requests could not be read. The next look tries again.",
    ),
    "history_unfinished": (
        "이슈와 병합 요청이 많아 이번에는 정해진 시간 동안 읽은 데까지만 담았습니다. 다음 동기화가 그다음부터 이어서 읽습니다.",
        "There was no time for all issues and requests: those that were read are here, and the next look goes on from there.",
    ),
    "history_rewritten": (
        "이 커밋은 이전 커밋에서 이어지지 않습니다(강제 푸시 또는 다른 브랜치). 색인은 새 커밋과 같습니다.",
        "The commit does not continue the one before (a forced push, or another branch). The index equals the new one.",
    ),
    "empty_repository": (
        "저장소에 아직 커밋이 없습니다.",
        "There is no commit in the repository yet.",
    ),
    "no_files": (
        "이 커밋에는 색인할 파일이 없습니다.",
        "The commit has no file to be indexed.",
    ),
}
"""By the code in `Repository.note`."""

LEFT_OUT: dict[str, tuple[str, str]] = {
    "name_taken": (
        "이 이름의 문서가 이미 컬렉션에 업로드되어 있습니다. 그 문서를 지우면 다음 동기화 때 색인됩니다.",
        "A document of this name was uploaded to the collection. Once it is deleted, the next look takes the file.",
    ),
}
"""By the code in `RepositoryFile.reason`; `SKIPPED` has those of the choice, and errors their own."""


def note_text(code: str, language: UiLanguage) -> str:
    """The sentence of a note; the code itself where a newer release wrote it."""
    korean, english = NOTES.get(code, (code, code))
    return korean if language == "ko" else english


def left_out_text(code: str, language: UiLanguage) -> str:
    """Why a file is not in the index; the code itself where a newer release wrote it."""
    if code in LEFT_OUT:
        return LEFT_OUT[code][0 if language == "ko" else 1]
    known = code not in SKIPPED and any(kind.code == code for kind in all_error_types())
    return message_for(code, {}, language) if known else skipped_for(code, language)
