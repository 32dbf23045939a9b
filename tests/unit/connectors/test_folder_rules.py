"""Files of rules in folders: what they say holds for what lies below, and a broken one opens nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.connectors.access_files import RULES
from ingest.connectors.folder import FolderSource
from ingest.connectors.sync_plan import KnownItem, Listing
from ingest.pipeline.records import clean_source_key
from rag.domain.access import GivenRule, Label
from rag.domain.errors import InvalidRequest


def rule(folder: Path, **said: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RULES).write_text(json.dumps(said, ensure_ascii=False), "utf-8")


def document(folder: Path, name: str = "a.md") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("내용")


def listed(root: Path) -> Listing:
    return FolderSource(root, clean_source_key).listing()


def rules(root: Path) -> dict[str, GivenRule | None]:
    return {item.key: item.access for item in listed(root).items}


def test_the_nearest_readers_count_and_denials_and_labels_add_up(tmp_path: Path) -> None:
    document(tmp_path)
    document(tmp_path / "인사")
    document(tmp_path / "인사" / "급여" / "2026")
    document(tmp_path / "공지")
    rule(tmp_path / "인사", allow=["group:인사팀"], deny=["user:kim"], label="S")
    rule(tmp_path / "인사" / "급여", allow=["group:급여팀"], deny=["user:lee"], label="O")
    assert rules(tmp_path) == {
        "a.md": None,
        "공지/a.md": None,
        "인사/a.md": GivenRule(("group:인사팀",), ("user:kim",), Label.SENSITIVE),
        "인사/급여/2026/a.md": GivenRule(("group:급여팀",), ("user:kim", "user:lee"), Label.SENSITIVE),
    }


def test_a_change_of_the_rule_makes_the_file_suspect(tmp_path: Path) -> None:
    document(tmp_path)
    [before] = listed(tmp_path).items
    rule(tmp_path, label="S")
    [ruled] = listed(tmp_path).items
    rule(tmp_path, label="C")
    [again] = listed(tmp_path).items
    assert len({before.fingerprint, ruled.fingerprint, again.fingerprint}) == 3
    assert [KnownItem("a.md", item.fingerprint, "", "").ruled for item in (before, ruled)] == [False, True]


@pytest.mark.parametrize("text", ["{", "[]", '{"label": "X"}', '{"allow": "group:a"}', '{"who": []}', "[" * 100_000])
def test_what_lies_beside_a_broken_rule_is_left_alone(tmp_path: Path, text: str) -> None:
    document(tmp_path / "공지")
    document(tmp_path / "인사" / "급여")
    (tmp_path / "인사" / RULES).write_text(text)
    found = listed(tmp_path)
    assert [item.key for item in found.items] == ["공지/a.md"]
    assert [item.key for item in found.problems] == ["인사/"]
    assert found.problems[0].reason.startswith(RULES)
    (tmp_path / RULES).write_text(text)
    with pytest.raises(InvalidRequest):
        listed(tmp_path)


def test_a_link_does_not_lead_around_a_rule(tmp_path: Path) -> None:
    document(tmp_path / "z" / "인사" / "급여")
    rule(tmp_path / "z" / "인사", label="S")
    (tmp_path / "급여").symlink_to(tmp_path / "z" / "인사" / "급여")
    (tmp_path / "b.md").symlink_to(tmp_path / "z" / "인사" / "급여" / "a.md")
    found = rules(tmp_path)
    assert found["b.md"] == GivenRule(label=Label.SENSITIVE)
    assert all(access == GivenRule(label=Label.SENSITIVE) for access in found.values())
    (tmp_path / "공지").mkdir()
    document(tmp_path / "공지")
    (tmp_path / "공지" / RULES).symlink_to(tmp_path / "z" / "인사" / RULES)
    assert [item.key for item in listed(tmp_path).problems] == ["공지/"]
