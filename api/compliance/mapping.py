"""The mapping of requirements to tests, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

State = Literal["shown", "partly", "operator", "not"]
"""By tests alone; by tests, with what the note says left; the operator's duty; not covered."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Strict):
    """A text in both languages."""

    en: str
    ko: str


class Evidence(Words):
    """Tests and commands that show one thing."""

    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement."""

    ref: str
    title: Words
    state: State
    evidence: tuple[str, ...]
    note: Words


class Framework(_Strict):
    """A catalogue of requirements."""

    name: Words
    rows: tuple[Row, ...]

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: dict[str, object]) -> dict[str, object]:
        """Rows stand in the file as lists: ref, title, Korean title, state, evidence, note, Korean note."""
        rows = values["rows"]
        assert isinstance(rows, list)  # noqa: S101 (our own file)
        found = []
        for ref, en, ko, state, evidence, *note in rows:
            notes = Words(en=note[0], ko=note[1]) if note else Words(en="", ko="")
            found.append(Row(str(ref), Words(en=en, ko=ko), state, tuple(evidence), notes))
        return {**values, "rows": tuple(found)}


class Mapping(_Strict):
    """All of it."""

    evidence: dict[str, Evidence]
    frameworks: tuple[Framework, ...]

    def tests(self) -> Iterator[str]:
        """Every test and command that is named."""
        for shown in self.evidence.values():
            yield from shown.tests


def text() -> str:
    """The file as it is."""
    return files(__package__).joinpath("mapping.yaml").read_text(encoding="utf-8")


def load() -> Mapping:
    """The mapping of this version."""
    return Mapping.model_validate(yaml.safe_load(text()))
