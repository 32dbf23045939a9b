"""The mapping names what is there, the pages say the mapping, and the pack holds evidence and no secret."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.compliance import mapping, pages, results
from api.compliance.pack import HIDDEN, MANIFEST, components, without_secrets
from rag.domain.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
MAPPING = mapping.load()
COMMANDS = re.compile(r"\$ (?:seogo (?P<seogo>[a-z -]+)|python (?P<file>\S+)|(?P<program>lint-imports))")


@cache
def functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_"))


def holds(test: str) -> bool:
    """Whether a test, or a command, is there."""
    if test.startswith("$"):
        found = COMMANDS.fullmatch(test)
        if found is None:
            return False
        if found["seogo"]:
            return CliRunner().invoke(app, [*found["seogo"].split(), "--help"]).exit_code == 0
        return found["file"] is None or (ROOT / found["file"]).is_file()
    name, _, function = test.partition("::")
    file = ROOT / name
    if not file.is_file() or not file.name.startswith("test_"):
        return False
    return function in functions(file) if function else bool(functions(file))


@pytest.mark.parametrize("test", sorted(set(MAPPING.tests())))
def test_every_test_that_is_named_exists(test: str) -> None:
    assert holds(test), f"{test} is gone; name what shows it now in api/compliance/mapping.yaml"


@pytest.mark.parametrize(
    "test",
    [
        "tests/unit/api/test_nowhere.py",
        "tests/unit/api/test_compliance.py::test_nothing",
        "$ seogo nothing",
        "$ python no.py",
    ],
)
def test_a_test_that_is_gone_is_seen(test: str) -> None:
    assert not holds(test)


def test_rows_and_evidence_fit() -> None:
    rows = [row for framework in MAPPING.frameworks for row in framework.rows]
    named = {name for row in rows for name in row.evidence}
    assert named == set(MAPPING.evidence)
    assert len(rows) >= 80
    for row in rows:
        assert bool(row.evidence) == (row.state in ("shown", "partly")), row
        assert row.state == "shown" or (row.note.en and row.note.ko), row


@pytest.mark.parametrize("name", ["compliance.md", "compliance.ko.md"])
def test_the_pages_are_current(name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == pages.pages()[name], "run `python -m api.compliance.pages docs` and commit the result"
    assert "<!--" not in written
    anchors = set(re.findall(r"\]\(#([a-z-]+)\)", written))
    assert anchors == {line[4:] for line in written.splitlines() if line.startswith("### ")}


JUNIT = """<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest">
<testcase classname="tests.unit.domain.test_access" name="test_deny_wins_over_everything[a]"/>
<testcase classname="tests.unit.domain.test_access" name="test_deny_wins_over_everything[b]"><failure message="x"/></testcase>
<testcase classname="tests.unit.access.test_rates" name="test_memory_is_bounded"><skipped/></testcase>
<testcase classname="tests.integration.test_route_probes" name="test_the_owner_is_let_in_everywhere"/>
</testsuite></testsuites>"""


def test_results_are_held_against_the_mapping(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(JUNIT)
    counts = results.read_junit(file)
    assert counts["tests/unit/domain/test_access.py::test_deny_wins_over_everything"] == Counter(passed=1, failed=1)
    found = results.held_against(MAPPING, counts)
    assert found["policy"]["verdict"] == "failed"
    assert found["probes"]["verdict"] == "passed"
    assert found["limits"]["verdict"] == "incomplete"
    assert found["audit-reading"]["commands"] == ["seogo audit verify"]
    assert found.keys() == MAPPING.evidence.keys()


@pytest.mark.parametrize(
    "text", ["", "no XML", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><testsuites>&e;</testsuites>']
)
def test_a_file_that_is_no_junit_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(text)
    with pytest.raises(ConfigurationError):
        results.read_junit(file)


def test_settings_are_shown_without_secrets() -> None:
    given: dict[str, Any] = {
        "store": {"url": "postgresql+psycopg://seogo:hunter2@db:5432/seogo", "password_file": "/run/secrets/db"},
        "chat": {"api_key_file": "/run/secrets/k", "model": "m", "max_tokens": 5},
        "models": [{"urls": ["http://u:hunter2@gpu/v1"]}],
        "oidc": {"client_secret": "hunter2", "access_token": "hunter2", "token_s": 5},
        "bind_password": "hunter2",
    }
    shown = without_secrets(given)
    assert "hunter2" not in json.dumps(shown)
    assert shown["store"]["url"] == f"postgresql+psycopg://{HIDDEN}@db:5432/seogo"
    assert (shown["store"]["password_file"], shown["chat"]["max_tokens"]) == ("/run/secrets/db", 5)


def test_components_have_versions_and_licences() -> None:
    found = {item["name"].lower(): item for item in components()}
    assert found["fastapi"]["version"] and "MIT" in found["fastapi"]["licence"]
    assert len(found) > 50


def test_the_pack_holds_what_its_manifest_says(tmp_path: Path) -> None:
    junit, sbom, out = tmp_path / "junit.xml", tmp_path / "sbom.cdx.json", tmp_path / "pack.zip"
    junit.write_text(JUNIT)
    sbom.write_text("{}")
    command = ["--data-dir", str(tmp_path / "data"), "compliance", "pack", "--out", str(out)]
    done = CliRunner().invoke(app, [*command, "--junit", str(junit), "--sbom", str(sbom)])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(out) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(parts.pop(MANIFEST))
    assert {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()} == {
        name: entry["sha256"] for name, entry in manifest["files"].items()
    }
    assert {"versions.json", "settings.json", "components.json", "openapi.json", "mapping.yaml", "audit.json"} <= set(
        parts
    )
    assert {"compliance.md", "compliance.ko.md", "tests.json", "sbom/sbom.cdx.json"} <= set(parts)
    assert json.loads(parts["versions.json"])["store"]
    assert json.loads(parts["settings.json"])["rag"]["data_dir"] == str(tmp_path / "data")
    assert all(chain["whole"] for chain in json.loads(parts["audit.json"])["chains"])
    assert hashlib.sha256(parts["openapi.json"]).hexdigest() in done.output
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1 and "pack.zip" in again.output


def test_a_trail_that_does_not_hold_is_in_the_pack_and_in_the_exit_code(tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    data, out = tmp_path / "data", tmp_path / "pack.zip"
    base = ["--data-dir", str(data)]
    assert CliRunner().invoke(app, [*base, "keys", "create", "감사"]).exit_code == 0
    engine = create_engine(f"sqlite:///{data / 'seogo.sqlite'}")
    with engine.begin() as connection:
        table = "audit_event"
        triggers = connection.execute(
            text("SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name=:t"), {"t": table}
        )
        for (name,) in triggers.all():
            connection.execute(text(f'DROP TRIGGER "{name}"'))
        changed = connection.execute(text("UPDATE audit_event SET principal_name = 'somebody else'"))
        assert changed.rowcount >= 1
    engine.dispose()
    done = CliRunner().invoke(app, [*base, "compliance", "pack", "--out", str(out)])
    assert done.exit_code == 1, done.output
    with zipfile.ZipFile(out) as archive:
        chains = json.loads(archive.read("audit.json"))["chains"]
    assert not all(chain["whole"] for chain in chains)
