"""What is taken of a repository, who may read which part of it, and what is read beside its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from rag.access.path_rules import PathRules
from rag.domain.access import GivenRule
from rag.domain.errors import InvalidRequest
from rag.mirrors.path_patterns import PathPatterns, problem_of

HISTORY = ".history"
"""Folder below a repository's name that holds the documents of its history."""
_MOST = 200
"""Patterns of one list, and rules."""


def _pattern(line: str) -> str:
    if problem := problem_of(line):
        raise ValueError(problem)
    if not line.strip() or line.startswith("#"):
        raise ValueError("a pattern is needed, such as src/** or *.java")
    return line


def _positive(line: str) -> str:
    if line.startswith("!"):
        raise ValueError("a pattern without ! is needed: a later rule takes back an earlier one")
    return _pattern(line)


def _rule(given: dict[str, Any]) -> dict[str, Any]:
    try:
        return GivenRule.from_json(given).to_json()
    except InvalidRequest as error:
        raise ValueError(str(error.params.get("detail", "not a rule"))) from None


Pattern = Annotated[str, AfterValidator(_pattern)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PathRule(_Given):
    """Who may read what lies at some paths: a rule as at an upload (`allow`, `deny`, `label`)."""

    paths: Annotated[str, AfterValidator(_positive)] = Field(description="pattern as in .gitignore: /src/hr/, *.sql")
    access: Annotated[dict[str, Any], AfterValidator(_rule)] = Field(description="object with allow, deny and label")

    @cached_property
    def given(self) -> GivenRule:
        """The rule as a value."""
        return GivenRule.from_json(self.access)


class HistoryOptions(_Given):
    """What is read beside the files; each becomes documents below `<repository>/.history/`.

    Attributes:
        commits: newest commits whose messages are read.
        export: folder or `.tar.gz` on the server, below one of `repositories.roots`, that holds an export.
        api: kind of the server that is asked for merge or pull requests and issues.
        api_url: root of its interface; empty for the usual one on the repository's host.
        project: its path there; empty for the one in the repository's address.
        confidential: whether issues are taken that their project shows to few.
    """

    commits: int = Field(0, ge=0, le=200_000, description="newest commits whose messages are read; 0 for none")
    export: str = Field("", max_length=1000, description="folder or .tar.gz with an export of GitLab, GitHub or Gitea")
    api: Literal["", "gitlab", "github", "gitea"] = Field(
        "", description="server that is asked for requests and issues"
    )
    api_url: str = Field("", max_length=1000, description="root of its interface where it is unusual")
    project: str = Field("", max_length=500, description="path of the project there where it is unusual")
    confidential: bool = Field(
        False, description="take confidential issues too: whoever reads the collection sees them"
    )

    @property
    def wanted(self) -> bool:
        """Whether anything is read."""
        return bool(self.commits or self.export or self.api)


class RepositoryOptions(_Given):
    """Options of one repository. Patterns are those of `.gitignore`, on paths inside the repository.

    Attributes:
        include: when not empty, only what one of these means is taken.
        exclude: not taken; `!` takes back, also what would be skipped as vendored or generated.
        gitignore: whether files that git tracks in spite of a `.gitignore` are left out.
        max_file_kb: largest file; None for the server's own limit, which it can't pass.
        path_rules: who may read what; the last one that means a path counts, and it counts alone.
    """

    include: tuple[Pattern, ...] = Field((), max_length=_MOST)
    exclude: tuple[Pattern, ...] = Field((), max_length=_MOST)
    gitignore: bool = False
    max_file_kb: int | None = Field(None, ge=1, le=1_000_000)
    path_rules: tuple[PathRule, ...] = Field((), max_length=_MOST)
    history: HistoryOptions = HistoryOptions()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> RepositoryOptions:
        """The options of a JSON object.

        Raises:
            InvalidRequest: it is not valid; says where and why.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(str(part) for part in ("options", *first["loc"]))
            raise InvalidRequest(
                detail=f"{place}: {first['msg'].removeprefix('Value error, ')}",
                detail_ko=f"{place}: 값이 올바르지 않습니다: {first['msg'].removeprefix('Value error, ')}",
            ) from None

    def to_json(self) -> dict[str, Any]:
        """The mirror of `of`: what `Repository.options` holds."""
        return self.model_dump(mode="json")

    def with_path_rules(self, given: Sequence[Any]) -> RepositoryOptions:
        """The same with the path rules of another repository, as its options held them.

        Raises:
            InvalidRequest: they are not valid.
        """
        return RepositoryOptions.of({**self.to_json(), "path_rules": list(given)})

    def rule_of(self, path: str) -> GivenRule | None:
        """The rule for a path inside the repository: that of the last path rule that means it; None where none does."""
        return self._ruled.rule_of(path)

    @cached_property
    def included(self) -> PathPatterns | None:
        """What is taken alone; None for everything."""
        return PathPatterns(self.include) if self.include else None

    @cached_property
    def excluded(self) -> PathPatterns:
        """What is not taken, and what is taken whatever it looks like."""
        return PathPatterns(self.exclude)

    @cached_property
    def _ruled(self) -> PathRules:
        return PathRules([(PathPatterns([rule.paths]), rule.given) for rule in reversed(self.path_rules)])
