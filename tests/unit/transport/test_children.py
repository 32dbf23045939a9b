"""The guard hears its own process. So every place that starts another is known, with the reason why that one stays offline."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STARTERS = (
    "subprocess.",
    "os.fork",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.system",
    "os.popen",
    "pty.",
    "multiprocessing.",
    "concurrent.futures.ProcessPoolExecutor",
    "asyncio.create_subprocess",
)
NOT_STARTING = ("subprocess.TimeoutExpired", "subprocess.SubprocessError", "subprocess.CalledProcessError")
KNOWN = {
    # In a network namespace without an interface, or under a seccomp filter without sockets; refused where neither is there
    # (tests/integration/test_parse_sandbox.py::test_no_network).
    ("ingest/parsing/zygote_client.py", "subprocess.Popen"),
    ("ingest/parsing/zygote.py", "os.fork"),
    ("ingest/parsing/ocr_lanes.py", "os.fork"),
    ("ingest/parsing/ocr.py", "subprocess.run"),
    # The jail of LibreOffice: the same two, and Landlock (tests/integration/test_converter.py).
    ("ingest/parsing/converter.py", "subprocess.Popen"),
    ("ingest/parsing/office_runner.py", "subprocess.Popen"),
    # git, with no protocol allowed but while a mirror is fetched, and then from the hosts and folders of the settings alone
    # (tests/unit/mirrors/test_remotes.py, test_fetching_servers.py).
    ("rag/mirrors/git.py", "subprocess.Popen"),
    ("rag/mirrors/git.py", "subprocess.run"),
    ("rag/mirrors/fetching.py", "subprocess.Popen"),
    # The trial of a graph, under a guard of its own (tests/unit/embedding/test_graph_trial.py::test_the_child_reaches_nobody).
    ("rag/embedding/graph_trial.py", "subprocess.run"),
    # `seogo models serve`: becomes the engine that the operator asked for; no service does.
    ("api/cli/models.py", "os.execvpe"),
}


def names_of(tree: ast.Module) -> dict[str, str]:
    """Local names of what is imported, in full."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                (item.asname or item.name.split(".")[0]): (item.asname and item.name) or item.name.split(".")[0]
                for item in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {item.asname or item.name: f"{node.module}.{item.name}" for item in node.names}
    return found


def starters_in(source: str) -> Iterator[str]:
    """Every use of what starts a process, called or handed on."""
    tree = ast.parse(source)
    names = names_of(tree)
    for node in ast.walk(tree):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in names:
            used = ".".join([names[node.id], *parts])
            if used.startswith(STARTERS) and used not in NOT_STARTING and not used.isupper():
                yield used


def test_every_start_of_a_process_is_known() -> None:
    found = set()
    for package in ("rag", "ingest", "api"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith("ingest/samples"):
                uses = starters_in(path.read_text(encoding="utf-8"))
                found |= {(name, used) for used in uses if not used.endswith((".DEVNULL", ".PIPE"))}
    assert found == KNOWN


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.run(['x'])",
        "import subprocess as s\ns.Popen('x')",
        "from subprocess import check_output\ncheck_output('x')",
        "import os\nos.system('x')",
        "import os\nstart = os.posix_spawn",
        "from os import fork\nfork()",
        "import multiprocessing\nmultiprocessing.Process()",
        "from concurrent.futures import ProcessPoolExecutor\nProcessPoolExecutor()",
        "import asyncio\nasyncio.create_subprocess_exec('x')",
        "import multiprocessing.pool\nmultiprocessing.pool.Pool()",
    ],
)
def test_the_search_finds_each_way(source: str) -> None:
    assert list(starters_in(source))


def test_the_search_leaves_the_rest_alone() -> None:
    assert not list(starters_in("import os, re\nos.environ\nre.compile('x')\nforked = 1\nforked.bit_length()"))
