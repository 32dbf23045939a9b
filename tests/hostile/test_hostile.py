"""Hostile files: each ends, none harms. An eighth of the corpus in every run, all of it in the slow one."""

from __future__ import annotations

import collections
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ingest.parsing.sandbox import ParseLimits, ParseSandbox
from rag.domain.errors import InputError, ParseLimitExceeded, ParserCrashed
from tests.hostile.containers import TRAVERSAL
from tests.hostile.contents import CANARY
from tests.hostile.corpus import FAMILIES
from tests.hostile.serve import PARSING

ROOT = Path(__file__).resolve().parents[2]
EIGHTH = 8
GROWTH_MB = 50
"""What serving may keep of the corpus beside the index, which is measured by itself (`index_alone.py`)."""

CRASHES_ALLOWED = 0
"""Parsers that die without a word: each is one that nobody foresaw, and worth a fix of its own."""


def made(folder: Path, every: int) -> list[dict[str, str]]:
    """The corpus, written by another process so that its making is not in what is measured here."""
    command = [sys.executable, "-m", "tests.hostile.corpus", str(folder), str(every)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return [json.loads(line) for line in (folder / "index.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def eighth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eighth")
    made(folder, EIGHTH)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    made(folder, 1)
    return folder


def parsed(corpus: Path) -> dict[str, str]:
    """How each file ends in the sandbox, by number and name. Anything but a document or an error of ours is raised."""
    ends = {}
    limits = ParseLimits(cpu_s=PARSING["parse_cpu_s"], wall_s=PARSING["parse_wall_s"])
    with ParseSandbox(limits) as sandbox:
        for line in (corpus / "index.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            label = f"{entry['family']}/{entry['file']}-{entry['name'][:40]!r}"
            try:
                document = sandbox.parse(corpus / entry["file"], entry["name"])
            except (InputError, ParseLimitExceeded, ParserCrashed) as error:
                assert error.code and error.message_en()
                ends[label] = error.code
            else:
                assert not any(CANARY in element.text for element in document.elements), label
                ends[label] = "document"
        assert sandbox.zygote_rss_kb() > 0  # it is still there
    return ends


def served(corpus: Path, folder: Path) -> dict[str, Any]:
    """What a real service in a namespace without any network makes of the corpus."""
    place = {name: folder / name for name in ("tmp", "home", "data")}
    for path in place.values():
        path.mkdir()
    report = folder / "report.json"
    command = [sys.executable, "-m", "tests.hostile.serve", str(corpus), str(place["data"]), str(report)]
    if may_unshare():
        command = [*(["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]), *command]
    hook = ROOT / "tests" / "airgap" / "hook"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEOGO_")}
    environment |= {
        "TMPDIR": str(place["tmp"]),
        "HOME": str(place["home"]),
        "SEOGO_LANG": "en",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join((str(hook), str(ROOT))),
        "AIRGAP_LOG": str(folder / "lookups"),
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


def may_unshare() -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode == 0
    )


def check_service(summary: dict[str, Any], folder: Path) -> None:
    """Every file at its end, with a code and a sentence; nothing left behind, nothing sent, nothing read from outside."""
    results = summary["results"]
    assert summary["unsettled"] == []
    for item in results:
        assert item["state"] == "active" or (item["code"] and item["message"]), item
        assert item.get("status", 0) < 500, item
    crashed = [
        (item["family"], item["name"]) for item in results if item["code"] in ("internal_error", "parser_crashed")
    ]
    assert len(crashed) <= CRASHES_ALLOWED, crashed
    assert summary["alive"]
    assert summary["canary"] == 0
    if may_unshare():
        assert summary["packets"] == 0
    assert not (folder / "lookups").exists(), (folder / "lookups").read_text()
    for name in ("tmp", "home"):
        assert list((folder / name).rglob("*")) == []
    assert escaped(folder) == []
    assert 0 <= summary["index_mb"] < summary["growth_mb"] + GROWTH_MB
    assert summary["growth_mb"] - summary["index_mb"] < GROWTH_MB


def escaped(folder: Path) -> list[Path]:
    """Files that an entry's name would have put somewhere."""
    places = [*folder.rglob(f"*{TRAVERSAL}*"), *Path("/tmp").glob(f"*{TRAVERSAL}*"), *Path("/").glob(f"*{TRAVERSAL}*")]
    return [*places, *ROOT.glob(f"*{TRAVERSAL}*")]


@pytest.mark.slow
def test_the_corpus_is_large_and_a_quarter_of_it_is_hwp(whole_index: list[dict[str, str]]) -> None:
    families = collections.Counter(entry["family"] for entry in whole_index)
    hwp = sum(entry["name"].lower().endswith((".hwp", ".hwpx")) for entry in whole_index)
    assert len(whole_index) >= 300 and len(families) >= 20 and families.keys() == FAMILIES.keys()
    assert hwp * 4 >= len(whole_index)


@pytest.fixture(scope="module")
def whole_index(request: pytest.FixtureRequest) -> list[dict[str, str]]:
    corpus: Path = request.getfixturevalue("whole")
    return [json.loads(line) for line in (corpus / "index.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.timeout(600)
def test_an_eighth_ends_in_the_sandbox(eighth: Path) -> None:
    ends = parsed(eighth)
    assert [label for label, end in ends.items() if end == "parser_crashed"] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_eighth_ends_in_the_service(eighth: Path, tmp_path: Path) -> None:
    check_service(served(eighth, tmp_path), tmp_path)


@pytest.mark.hostile
@pytest.mark.timeout(1800)
def test_every_file_ends_in_the_service(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the sandbox as well: the service parses nowhere else."""
    summary = served(whole, tmp_path)
    grown, index = summary["growth_mb"], summary["index_mb"]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(summary['results'])} files; the service grew by {grown:.1f} MB, the index alone takes {index:.1f}, "
            f"so {grown - index:.1f} beside it (bar {GROWTH_MB})\n"
        )
    check_service(summary, tmp_path)


@pytest.mark.parametrize("family", ["xxe", "external_links", "bit_flipped", "ole_loops", "hwp_records"])
def test_the_corpus_is_the_same_every_time(family: str) -> None:
    assert list(FAMILIES[family]()) == list(FAMILIES[family]())
