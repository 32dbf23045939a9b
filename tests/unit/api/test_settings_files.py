"""A file of settings that can't be used is refused in the language of the terminal, with the place and what is wrong there."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.settings import load_settings
from rag.domain.errors import ConfigurationError
from rag.domain.messages import localized


@pytest.mark.parametrize(
    ("content", "korean", "english"),
    [
        (None, "설정 파일이 없습니다", "No such file"),
        (b"rag: {a: 1\nb: 2", "2번째 줄 2번째 글자의 YAML 문법이 맞지 않습니다", "line 2, column 2"),
        ("rag: {}\n# 한글".encode("cp949"), "UTF-8이 아닙니다. 파일을 UTF-8로 저장하세요", "utf-8"),
        (
            b"- rag",
            "rag, ingest, api 구역이 있어야 하는데 list이(가) 있습니다",
            "expected the sections rag, ingest, api; found list",
        ),
        (b"rga: {}", "없는 구역입니다: rga. rag, ingest, api가 있습니다", "unknown sections: rga"),
    ],
    ids=["missing", "yaml", "encoding", "list", "section"],
)
def test_the_reason_is_said_in_both_languages(tmp_path: Path, content: bytes | None, korean: str, english: str) -> None:
    file = tmp_path / "seogo.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(file, None)
    assert korean in localized(refused.value, "ko")
    assert english in localized(refused.value, "en")
    assert str(file) in localized(refused.value, "ko")


def test_a_folder_is_no_file_of_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(tmp_path, None)
    assert "파일이 아니라 폴더입니다" in localized(refused.value, "ko")
