"""Options of a repository, and the patterns in them."""

from __future__ import annotations

import time

import pytest

from ingest.connectors.repository_options import HistoryOptions, RepositoryOptions
from rag.domain.access import GivenRule, Label
from rag.domain.errors import InvalidRequest
from rag.mirrors.path_patterns import PathPatterns, problem_of


def rules(*given: tuple[str, dict[str, object]]) -> RepositoryOptions:
    return RepositoryOptions.of({"path_rules": [{"paths": paths, "access": access} for paths, access in given]})


def test_the_last_rule_that_means_a_path_counts_alone() -> None:
    options = rules(
        ("*", {"label": "S"}),
        ("/src/인사/", {"allow": ["group:인사팀"], "label": "C"}),
        ("*.sql", {"deny": ["group:협력사"]}),
        ("/src/인사/공개/**", {}),
    )
    assert options.rule_of("a.py") == GivenRule(label=Label.SENSITIVE)
    assert options.rule_of("src/인사/급여.py") == GivenRule(("group:인사팀",), (), Label.CONFIDENTIAL)
    assert options.rule_of("src/인사/급여.sql") == GivenRule((), ("group:협력사",))
    assert options.rule_of("src/인사/공개/a.sql") == GivenRule()
    assert options.rule_of("lib/src/인사/a.py") == GivenRule(label=Label.SENSITIVE)


def test_a_rule_about_a_folder_comes_before_an_earlier_one_about_a_file() -> None:
    """git lets a pattern on the file itself win over one on its folder; with rights that would be a hole."""
    options = rules(("*.sql", {}), ("/hr/", {"label": "C"}))
    assert options.rule_of("hr/a.sql") == GivenRule(label=Label.CONFIDENTIAL)


def test_without_rules_there_is_none() -> None:
    assert RepositoryOptions().rule_of("a.py") is None
    assert rules(("*.sql", {})).rule_of("a.py") is None


def test_options_come_back_from_the_record_as_they_were() -> None:
    given = {
        "include": ["/src/", "*.md"],
        "exclude": ["*.bak", "!keep.bak"],
        "max_file_kb": 512,
        "path_rules": [{"paths": "/hr/", "access": {"allow": ["group:인사팀"]}}],
        "history": {"commits": 500, "api": "gitlab", "project": "결제/payments"},
    }
    options = RepositoryOptions.of(given)
    assert RepositoryOptions.of(options.to_json()) == options
    assert options.to_json()["path_rules"][0]["access"] == {"allow": ["group:인사팀"], "deny": [], "label": "O"}
    assert options.history.wanted
    assert not HistoryOptions().wanted


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"unknown": 1}, "options.unknown"),
        ({"include": ["[z-a]"]}, "options.include.0"),
        ({"include": ["ok", ""]}, "options.include.1"),
        ({"exclude": ["a\nb"]}, "options.exclude.0"),
        ({"exclude": ["# comment"]}, "options.exclude.0"),
        ({"exclude": ["x"] * 201}, "options.exclude"),
        ({"max_file_kb": 0}, "options.max_file_kb"),
        ({"path_rules": [{"paths": "!/hr/", "access": {}}]}, "options.path_rules.0.paths"),
        ({"path_rules": [{"paths": "/hr/"}]}, "options.path_rules.0.access"),
        ({"path_rules": [{"paths": "/hr/", "access": {"label": "X"}}]}, "options.path_rules.0.access"),
        ({"path_rules": [{"paths": "/hr/", "access": {"allow": "group:a"}}]}, "options.path_rules.0.access"),
        ({"history": {"commits": -1}}, "options.history.commits"),
        ({"history": {"api": "bitbucket"}}, "options.history.api"),
    ],
)
def test_what_is_not_valid_is_said_with_its_place(given: dict[str, object], place: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        RepositoryOptions.of(given)
    assert str(raised.value.params["detail"]).startswith(f"{place}: ")


def test_patterns_are_those_of_gitignore() -> None:
    patterns = PathPatterns(["*.py", "!keep.py", "/docs/", "src/**/gen/*.java", "[한가]*.md", "a?b", "\\#x"])
    meant = [
        path
        for path in (
            "a.py", "x/a.py", "keep.py", "docs/x", "x/docs/y", "src/gen/X.java", "src/a/b/gen/X.java", "한글.md", "axb", "#x",
        )
        if patterns.matches(path)
    ]  # fmt: skip
    assert meant == ["a.py", "x/a.py", "docs/x", "src/gen/X.java", "src/a/b/gen/X.java", "한글.md", "axb", "#x"]
    assert patterns.verdict("keep.py") is False
    assert patterns.verdict("other") is None


@pytest.mark.parametrize("line", ["[z-a]", "!", "a\\", "[[:alpha:]]x", "[a||b]", "x" * 501, "a\x00b"])
def test_what_is_no_pattern_is_told_or_passed_over(line: str) -> None:
    assert problem_of(line)
    with pytest.raises(ValueError, match="no pattern"):
        PathPatterns(["*.py", line])
    assert PathPatterns([line, "*.py"], lenient=True).matches("a.py")


def test_a_hostile_pattern_takes_no_time() -> None:
    begun = time.process_time()
    patterns = PathPatterns(["a*" * 14 + "b", "**/" * 40 + "x", *(f"*a*b*c{n}*" for n in range(2000))], lenient=True)
    for _ in range(20):
        patterns.matches("a" * 1700)
    assert time.process_time() - begun < 10
