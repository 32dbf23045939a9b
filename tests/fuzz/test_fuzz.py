"""Schemathesis over the committed OpenAPI document against the real application: every check, two tenants and a reading key.

A short run belongs to `make test`; `make fuzz` is the long one (`SEOGO_FUZZ=1 pytest -m fuzz tests/fuzz`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.fuzz.service import Fuzzed, fuzzed

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "openapi.json"
CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = 20261128
_SUMMARY = re.compile(r"(\d+) generated")
SHORT = (
    "collections/{name}$|documents/status|documents/{document_id}$|api/v1/search$|v1/files$|v1/models/|dify|/feedback$"
)
"""Operations of the short run: some of each surface, with bodies, forms, parameters and pages."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    with fuzzed(tmp_path_factory.mktemp("fuzzed")) as found:
        yield found


def fuzz(service: Fuzzed, folder: Path, principal: str, *options: str, timeout_s: float) -> str:
    """One run; its report. Fails with the report when any check does."""
    keys = folder / "keys.json"
    shown = {name: key for name, key in asdict(service).items() if name in ("admin", "reader", "stranger")}
    header = {name: [{"name": "Authorization", "value": f"Bearer {key}"}] for name, key in shown.items()}
    keys.write_text(json.dumps({"auth": [{"name": name, "fixedHeaders": value} for name, value in header.items()]}))
    config = folder / "schemathesis.toml"
    lines = [CONFIG.read_text(encoding="utf-8"), "[dictionaries]"]
    lines += [f"{name}.values = {json.dumps(values)}" for name, values in service.known.items()]
    lines += [
        "[parameters]",
        *(f'"path.{name}" = {{dictionary = "{name}", probability = 0.6}}' for name in service.known),
    ]
    config.write_text("\n".join(lines), encoding="utf-8")
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "--config-file", str(config), "run", str(DOCUMENT), "--url", service.address]
    command += ["--checks", "all", "--seed", str(SEED), "--no-color", "--generation-database", "none", "--no-shrink"]
    environment = {**os.environ, "FUZZ_KEYS": str(keys), "FUZZ_PRINCIPAL": principal}
    done = subprocess.run(
        [*command, *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, _told(done.stdout) + done.stderr[-2000:]
    count = _SUMMARY.search(done.stdout)
    assert count is not None, done.stdout[-3000:]
    sys.stdout.write(f"fuzzing as {principal}: {count[1]} requests, 0 failures\n")
    return done.stdout


def _told(report: str) -> str:
    """What failed, which stands in the middle of a report, and how it ended, without the bodies of half a megabyte."""
    short = re.sub(r"(.)\1{200,}", r"\1 (repeated)", report)
    start = min((place for title in ("= ERRORS =", "= FAILURES =") if (place := short.find(title)) >= 0), default=0)
    return short[start : start + 12_000] + "\n...\n" + short[-2000:]


@pytest.mark.parametrize(("principal", "examples"), [("admin", 6), ("reader", 2)])
def test_some_operations_keep_their_word(service: Fuzzed, tmp_path: Path, principal: str, examples: int) -> None:
    options = ("--phases", "examples,fuzzing", "-n", str(examples), "--include-path-regex", SHORT)
    fuzz(service, tmp_path, principal, *options, timeout_s=200)


def test_what_has_an_id_is_known_to_the_run(service: Fuzzed) -> None:
    """A run that only meets ids of nothing would test refusals alone."""
    paths = json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"]
    named = {name for path in paths for name in re.findall(r"\{(\w+)\}", path)}
    assert named - set(service.known) == {"commit", "model", "path", "provider"}, "names of what has no id of ours"
    assert all(service.known.values())


def test_the_checks_bite(service: Fuzzed, tmp_path: Path) -> None:
    """A document that promises something else is found out, so a run without failures says something."""
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    listed = document["paths"]["/api/v1/collections"]["get"]
    listed["responses"]["200"]["content"]["application/json"]["schema"] = {"type": "array"}
    document["paths"] = {"/api/v1/collections": {"get": listed}}
    other = tmp_path / "openapi.json"
    other.write_text(json.dumps(document))
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "run", str(other), "--url", service.address, "-H", f"Authorization: Bearer {service.admin}"]
    command += ["--phases", "fuzzing", "-n", "2", "--no-color", "--generation-database", "none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "violates schema" in done.stdout, done.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.skipif(not os.environ.get("SEOGO_FUZZ"), reason="half an hour; make fuzz sets SEOGO_FUZZ")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("principal", ["admin", "reader"])
@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing", "stateful"])
def test_every_operation_keeps_its_word(service: Fuzzed, tmp_path: Path, principal: str, phases: str) -> None:
    options = ("--phases", phases, "-n", "12", "--continue-on-failure", "--workers", "2")
    fuzz(service, tmp_path, principal, *options, timeout_s=1700)
