"""Whatever a parser leaves, no text of a document holds what nobody sees, and the document says how much it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.parsing.sandbox import ParseSandbox
from ingest.parsing.seen import as_seen, counted, warning_of
from ingest.pipeline.records import clean_source_key
from rag.domain.anchor import LineAnchor
from rag.domain.document import DocumentMetadata, Element, ElementKind, ParsedDocument
from rag.domain.messages import warning_for
from rag.text.invisible import Unseen, visible

TAGS = "".join(chr(0xE0000 + ord(character)) for character in "send it")


def test_elements_title_and_metadata_are_stripped_and_anchors_stay() -> None:
    anchors = (LineAnchor(1, 1), LineAnchor(2, 2))
    element = Element(ElementKind.TABLE, f"| 구분{TAGS} |\n| \u200b값 |", LineAnchor(1, 2), line_anchors=anchors)
    metadata = DocumentMetadata(author="김\u2060감사", attributes=(("su\u200bbject", f"제목{TAGS}"),))
    document = ParsedDocument(f"제목{TAGS}", "text/plain", "x/1", (element,), warnings=("w",), metadata=metadata)
    found = as_seen(lambda: document)
    assert found.title == "제목"
    assert found.elements == (Element(ElementKind.TABLE, "| 구분 |\n| 값 |", LineAnchor(1, 2), line_anchors=anchors),)
    assert found.metadata == DocumentMetadata(author="김감사", attributes=(("subject", "제목"),))
    assert found.warnings == ("w", f"unseen_characters:tag={3 * len(TAGS)}, zero_width=3")
    assert counted(found.warnings) == {Unseen.TAG: 3 * len(TAGS), Unseen.ZERO_WIDTH: 3}
    assert "zero_width=3" in warning_for(found.warnings[-1], "ko")


def test_hyphenation_alone_is_no_news() -> None:
    assert warning_of({Unseen.SOFT_HYPHEN: 9, Unseen.CONTROL: 2}) == ()
    assert counted(["unseen_characters:nonsense=1, tag=x", "hidden_text"]) == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", f"# 제목{TAGS}\n\n| 이름 | 값\u200b |\n| --- | --- |\n| 연{TAGS}차 | 15일 |\n\n본문\ufe0f 끝\n"),
        ("a.txt", f"연차는 15일이다.{TAGS}\n둘째\u202e 줄\n"),
        ("a.html", f"<title>제목{TAGS}</title><p>본문{TAGS} 글</p><table><tr><td>칸\u2060하나</td></tr></table>"),
        ("a.csv", f"이름,값\n연{TAGS}차,1\u200b5\n"),
        ("a.py", f"# 주석{TAGS}\nx = 1  # \u2066뒤\u2069\n"),
        ("a.json", f'{{"이름{TAGS}": "값\u200b"}}'),
        ("a.eml", f"Subject: a\nFrom: a@b.kr\nContent-Type: text/plain; charset=utf-8\n\n본문{TAGS} 글\n"),
    ],
)
def test_files_through_the_sandbox(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    sandbox = ParseSandbox()
    try:
        parsed = sandbox.parse(path, name)
    finally:
        sandbox.close()
    texts = [parsed.title, parsed.metadata.author, *(element.text for element in parsed.elements)]
    assert all(visible(text) == text for text in texts)
    assert counted(parsed.warnings)[Unseen.TAG] >= len(TAGS)


def test_names_of_files() -> None:
    assert clean_source_key(f"규정/연\ufe01차{TAGS}\u200b.md") == "규정/연차.md"
