"""Results of a test run, held against the mapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping as Dict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from api.compliance.mapping import Mapping
from rag.domain.errors import ConfigurationError

Counts = Dict[str, Counter[str]]
"""Passed, failed and skipped cases, by test function: `file::function`."""


def read_junit(file: Path) -> Counts:
    """The cases of a JUnit file as pytest writes it (`--junit-xml`); parameters are put together.

    Raises:
        ConfigurationError: it is not there, or no such file.
    """
    try:
        text = file.read_text(encoding="utf-8")
        if "<!" in text.partition("<testsuite")[0].replace("<!--", ""):  # a document type could name files and expand
            raise ValueError("a document type")
        root = ElementTree.fromstring(text)  # noqa: S314 (without a document type there is nothing to expand)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise ConfigurationError(detail=f"{file}: not a JUnit file: {error}") from error
    found: dict[str, Counter[str]] = {}
    for case in root.iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        function = case.get("name", "").partition("[")[0]
        found.setdefault(f"{_file(case.get('classname', ''))}::{function}", Counter())[outcome] += 1
    return found


def _file(classname: str) -> str:
    """`tests.unit.test_x` is `tests/unit/test_x.py`; a class inside it is left out."""
    parts = classname.split(".")
    while len(parts) > 1 and parts[-1][:1].isupper():
        parts.pop()
    return "/".join(parts) + ".py"


def held_against(mapping: Mapping, counts: Counts) -> dict[str, Any]:
    """For each evidence its tests with their counts, and a verdict: passed, failed, incomplete (some not run) or command."""
    return {name: _evidence(shown.tests, counts) for name, shown in mapping.evidence.items()}


def _evidence(tests: tuple[str, ...], counts: Counts) -> dict[str, Any]:
    rows = {test: _counted(test, counts) for test in tests if not test.startswith("$")}
    outcomes = [row["verdict"] for row in rows.values()]
    verdict = "failed" if "failed" in outcomes else "incomplete" if {"not run", "skipped"} & set(outcomes) else "passed"
    return {"verdict": verdict, "tests": rows, "commands": [test[2:] for test in tests if test.startswith("$")]}


def _counted(test: str, counts: Counts) -> dict[str, Any]:
    cases: Counter[str] = Counter()
    for name, counted in counts.items():
        if name == test or name.startswith(f"{test}::"):
            cases += counted
    verdict = (
        "failed" if cases["failed"] else "passed" if cases["passed"] else "skipped" if cases["skipped"] else "not run"
    )
    return {"verdict": verdict, **{kind: cases[kind] for kind in ("passed", "failed", "skipped")}}
