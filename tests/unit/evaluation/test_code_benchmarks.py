"""The benchmarks of code: questions out of a history (which issue is joined with which fix), and bars that can be missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.code_corpus import is_code
from benchmarks.code_history import FixQuestion, fix_questions, issue_questions, issues_of, mirrored, repositories_at
from benchmarks.code_retrieval import not_below_dense, reranker_of
from benchmarks.code_search import Times, bars
from tests.support.git_repository import GitRepository

FILES = {
    "src/limits.py": "DAILY = 1\n",
    "src/login.py": "TRIES = 5\n",
    "src/report.py": "ROWS = 1\n",
    "README.md": "#\n",
}


def issue(number: int, title: str, body: str = "", **more: Any) -> dict[str, Any]:
    return {"number": number, "title": title, "body": body, "updated_at": "2026-01-01T00:00:00Z", **more}


ISSUES = [
    issue(1, "일일 한도를 넘겨도 이체가 된다", "오백만 원을 넘겨도\n승인된다."),
    issue(2, "로그인을 다섯 번 틀려도 잠기지 않는다", ""),
    issue(3, "보고서 줄 수가 하나 모자란다", "첫 줄이 빠진다."),
    issue(4, "아무도 고치지 않은 이슈 하나", ""),
    issue(5, "짧다"),
    issue(20, "보고서를 고친다", "Fixes #3", pull_request={"merged_at": "2026-01-02T00:00:00Z"}),
]


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    made = GitRepository.new(tmp_path / "repos" / "payments", FILES)
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "issues.json").write_text(json.dumps(ISSUES), encoding="utf-8")
    return made


def asked(repository: GitRepository, most: int = 10) -> dict[str, FixQuestion]:
    talks = issues_of(repository.folder.parents[1] / "export")
    with mirrored(repository.folder) as mirror:
        return {item.name: item for item in issue_questions(mirror, talks, most, wanted=is_code)}


def test_an_issue_is_joined_with_the_commits_that_cite_it(repository: GitRepository) -> None:
    before = repository.git("rev-parse", "HEAD")
    repository.commit("한도를 본다 (#1)", {"src/limits.py": "DAILY = 5\n", "src/checks.py": "def check(): ...\n"})
    repository.commit("무관한 일", {"src/report.py": "ROWS = 2\n"})
    repository.commit("한도를 다시 본다, closes #1", {"src/checks.py": "def check(): pass\n", "README.md": "# 한도\n"})
    found = asked(repository)
    assert list(found) == ["#1"]
    question = found["#1"]
    assert question.text == "일일 한도를 넘겨도 이체가 된다\n\n오백만 원을 넘겨도\n승인된다."
    assert question.parent == before, "the tree before the first of the fixes"
    assert question.files == ("src/limits.py",), "no page, and no file that the fix itself made"


def test_a_request_that_closes_an_issue_leads_to_it_and_its_own_number_does_not(repository: GitRepository) -> None:
    repository.commit("보고서를 고친다 (#20)", {"src/report.py": "ROWS = 2\n"})
    repository.commit("로그인 잠금 (#2)", {"src/login.py": "TRIES = 3\n"})
    found = asked(repository)
    assert {name: item.files for name, item in found.items()} == {"#3": ("src/report.py",), "#2": ("src/login.py",)}
    assert list(found) == ["#3", "#2"], "oldest fix first"
    assert list(asked(repository, most=1)) == ["#2"], "the newest, where not all are wanted"


@pytest.mark.parametrize(
    ("message", "files"),
    [
        ("a/b#1 는 다른 저장소의 이슈", {"src/limits.py": "DAILY = 5\n"}),
        ("번호 없는 수정", {"src/limits.py": "DAILY = 5\n"}),
        ("이슈가 짧다 #5", {"src/limits.py": "DAILY = 5\n"}),
        ("없는 이슈 #77", {"src/limits.py": "DAILY = 5\n"}),
        ("새 파일만 (#1)", {"src/new.py": "A = 1\n"}),
        ("문서만 (#1)", {"README.md": "# 한도\n"}),
        ("너무 많이 (#1)", {f"src/f{n}.py": "A = 1\n" for n in range(5)} | {"src/limits.py": "DAILY = 5\n"}),
    ],
)
def test_what_is_no_question(repository: GitRepository, message: str, files: dict[str, str]) -> None:
    repository.commit(message, files)
    assert asked(repository) == {}


def test_commits_are_questions_of_their_own(repository: GitRepository) -> None:
    before = repository.git("rev-parse", "HEAD")
    fix = repository.commit("로그인을 세 번 틀리면 잠근다\n\nReviewed-by: 김개발", {"src/login.py": "TRIES = 3\n"})
    with mirrored(repository.folder) as mirror:
        found = fix_questions(mirror, 5, body=False, wanted=is_code)
    assert found == [FixQuestion(fix, before, "로그인을 세 번 틀리면 잠근다", ("src/login.py",))]


def test_a_folder_stands_for_the_repositories_in_it(repository: GitRepository) -> None:
    folder = repository.folder.parent
    bare = repository.bare(folder / "mirror.git")
    (folder / "notes").mkdir()
    assert repositories_at(folder) == [bare, repository.folder]
    assert repositories_at(repository.folder) == [repository.folder]
    assert repositories_at(bare) == [bare]


def test_the_bar_is_missed_where_the_search_finds_less_than_the_dense_leg() -> None:
    def values(search: list[float]) -> dict[str, dict[str, Any]]:
        return {
            "dense leg": {"recall@5": np.array([1.0, 0.0]), "recall@10": np.array([1.0, 0.0])},
            "search": {"recall@5": np.array(search), "recall@10": np.array([1.0, 1.0])},
        }

    assert not_below_dense(values([0.0, 1.0]))
    assert not not_below_dense(values([0.0, 0.9]))


def test_a_reranker_is_named_by_its_backend(tmp_path: Path) -> None:
    """It is loaded at its first use, so that a folder with the names of a model is enough."""
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    reranker = reranker_of(f"cross_encoder={tmp_path}")
    assert reranker is not None and reranker.name.startswith(f"cross_encoder/{tmp_path.name}/")
    assert reranker_of("") is None
    for wrong in ("cross_encoder", "nothing=/x"):
        with pytest.raises(SystemExit):
            reranker_of(wrong)


@pytest.mark.parametrize(
    ("patterns", "first_map", "reached"),
    [
        (Times(1999.0, 1.0), Times(9000.0, 2000.0), True),
        (Times(2000.0, 1.0), Times(1.0, 1.0), False),
        (Times(1.0, 1.0), Times(1.0, 2000.1), False),
    ],
)
def test_a_missed_bar_of_the_searches_is_told(
    patterns: Times, first_map: Times, reached: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bars({"pattern": patterns, "map, first": first_map}) is reached
    assert ("MISSED" in capsys.readouterr().out) is not reached
