"""Why an embedding space failed, as its record keeps it, and why one is not in a state for what is asked: Korean and English by
a stable code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

SPACE_REASONS: dict[str, tuple[str, str]] = {
    "files_changed": (
        "{folder}의 파일이 벡터를 만든 모델과 달라 더는 쓰지 않습니다. 원래 파일을 되돌려 놓거나 새 모델을 다른 폴더에 두고 "
        "`seogo index migrate`를 다시 실행하세요",
        "the files in {folder} are not those that made its vectors, so that nothing is written to it any more. Put them back, "
        "or take a folder of their own for the new ones, and run `seogo index migrate` again",
    ),
    "state": ("상태가 {state}입니다", "it is {state}"),
    "failed": ("실패한 공간입니다. {why}", "it has failed: {why}"),
    "previous_state": ("이전 공간의 상태가 {state}입니다", "the space before it is {state}"),
    "previous_failed": ("이전 공간이 실패했습니다. {why}", "the space before it has failed: {why}"),
    "no_previous": ("되돌아갈 공간이 없습니다", "there is none to go back to"),
    "previous_unknown": ("이전 공간이 기록에 없습니다", "the space before it is not on record"),
    "not_opened": ("공간 {space}의 모델을 열 수 없습니다: {why}", "the model of {space} can't be opened: {why}"),
    "answers": ("이미 답하고 있는 공간입니다", "it answers already"),
    "answers_now": (
        "지금 답하는 공간입니다. 먼저 다른 공간으로 전환하세요",
        "it answers; switch to another one first",
    ),
    "read": ("아직 읽고 있는 검색이 있습니다. 다시 지우세요", "a search still reads it; drop it again"),
    "incomplete": (
        "색인에 청크 {wanted}개 중 {held}개만 있습니다",
        "its index holds {held} of {wanted} chunks",
    ),
    "other_beside": (
        "공간 {space}({id})이(가) 함께 유지되고 있습니다. 먼저 지우세요",
        "{space} ({id}) is kept in step: drop it first",
    ),
}
"""In Korean and English, for the middle of a message; `{why}` is the sentence of a failure on record."""


@dataclass(frozen=True, slots=True)
class SpaceFailure:
    """What the column `embedding_space.error` holds, as JSON.

    Attributes:
        code: a key of `SPACE_REASONS`, or an error's code.
        params: of its sentence.
    """

    code: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)

    def text(self) -> str:
        """For the record; `read` takes it."""
        return json.dumps({"code": self.code, "params": dict(self.params)}, ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> SpaceFailure | None:
        """What is on record; None where it is a sentence, as a release before this one wrote it, or empty."""
        try:
            values = json.loads(text)
            return cls(values["code"], values["params"])
        except (ValueError, TypeError, KeyError):
            return None
