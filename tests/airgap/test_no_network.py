"""Nothing leaves the machine: the whole flow without a route, every lookup and connection traced."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.airgap.flow import SURFACES
from tests.support.loopback import free_port
from tests.support.running import SAMPLES

_SWITCHES = re.compile(
    r"^(HF_|TRANSFORMERS_|DO_NOT_TRACK|SCARF|VLLM_|QDRANT__|RAY_|OTEL_|TOKENIZERS|SEOGO_|.*_PROXY$)", re.I
)
_CALL = r"(?:connect|sendto|sendmsg|sendmmsg)\(\d+, .*?\{sa_family=AF_INET6?, .*?"
REFUSED = "is not a host that the settings name"
"""What the guard inside the process says when it refuses a destination (`rag/transport/egress.py`)."""
_ADDRESS = r"(?:inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\")"
_FOREIGN = re.compile(_CALL + _ADDRESS)


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode == 0


without_routes = pytest.mark.skipif(
    not _may_unshare(), reason="user and network namespaces are not available here (unshare -rn)"
)


def foreign_addresses(trace: str) -> set[str]:
    """Addresses outside loopback that a process tried to reach (DNS servers among them)."""
    found = {first or second for first, second in _FOREIGN.findall(trace)}
    return {address for address in found if not address.startswith(("127.", "::1", "::ffff:127."))}


@pytest.mark.parametrize(
    "line",
    [
        '12 connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}, 16) = -1 ENETUNREACH',
        '12 sendto(5, "a\\1b", 3, MSG_NOSIGNAL, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("10.0.0.2")}, 16) = 3',
        '12 sendmsg(5, {msg_name={sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("10.0.0.2")}, msg_namelen=16}, 0) = 1',
        '12 sendmmsg(5, [{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("10.0.0.2")}}}], 1) = 1',
        '12 connect(5, {sa_family=AF_INET6, sin6_port=htons(1), inet_pton(AF_INET6, "10.0.0.2", &sin6_addr)}, 28) = 0',
    ],
)
def test_the_trace_reader_finds_every_call(line: str) -> None:
    assert foreign_addresses(line) == {"10.0.0.2"}
    assert foreign_addresses(line.replace("10.0.0.2", "127.0.0.1")) == set()


def test_the_hook_notes_a_lookup_and_refuses_it(tmp_path: Path) -> None:
    log = tmp_path / "lookups"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).with_name("hook")), "AIRGAP_LOG": str(log)}
    code = "import socket; socket.getaddrinfo('seogo.invalid', 80)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "refused" in done.stderr
    assert "seogo.invalid" in log.read_text()


def without_a_route(folder: Path, *, wide: bool, unset: bool = False) -> tuple[Path, list[str], set[str]]:
    """The flow in a namespace without a route: its results, the lookups and connections tried, the foreign hosts traced."""
    environment = {name: value for name, value in os.environ.items() if not _SWITCHES.match(name)}
    log = folder / "lookups"
    path = os.pathsep.join((str(Path(__file__).with_name("hook")), str(SAMPLES.parents[1])))
    environment |= {"SEOGO_LANG": "en", "HOME": str(folder), "PYTHONPATH": path, "AIRGAP_LOG": str(log)}
    environment.pop("SEOGO_RAG__CACHE_DIR", None)  # so that the models are converted here, without a route
    if unset:
        environment["AIRGAP_SWITCHES_UNSET"] = "1"
    data, trace = folder / "data", folder / "trace"
    data.mkdir()
    ports = [str(free_port()) for _ in range(2 if wide else 1)]
    command = ["sh", str(Path(__file__).with_name("flow.sh")), sys.executable, str(data), str(SAMPLES), *ports]
    if shutil.which("strace"):
        tracing = ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "64", "-o", str(trace)]
        command = [*tracing, "-e", "trace=connect,sendto,sendmsg,sendmmsg", *command]
    namespace = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    done = subprocess.run([*namespace, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-2000:]
    assert REFUSED not in done.stderr, "the guard in the process had to refuse something"
    lookups = log.read_text().splitlines() if log.exists() else []
    return data, lookups, foreign_addresses(trace.read_text()) if trace.exists() else set()


def read(data: Path, name: str) -> Any:
    return json.loads((data / f"{name}.json").read_text())


def check_answers(data: Path) -> None:
    outcomes = read(data, "ingest")["documents"]
    assert outcomes and all(item["state"] == "active" for item in outcomes)
    assert read(data, "search")["passages"]
    assert "180 days" in read(data, "ask")["text"]
    assert "5영업일" in read(data, "ask-ko")["text"]


@without_routes
@pytest.mark.timeout(900)
def test_start_ingest_search_and_ask_without_a_route(tmp_path: Path) -> None:
    data, lookups, foreign = without_a_route(tmp_path, wide=False)
    check_answers(data)
    assert not lookups, lookups
    assert foreign == set()


@without_routes
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("switches", ["as the product sets them", "unset"])
def test_every_surface_works_without_a_route(tmp_path: Path, switches: str) -> None:
    data, lookups, foreign = without_a_route(tmp_path, wide=True, unset=switches == "unset")
    check_answers(data)
    flow = read(data, "flow")
    counts = f"{flow['files']} files, {flow['requests']} requests, {len(lookups)} lookups, {len(foreign)} foreign hosts"
    sys.stdout.write(f"no route, switches {switches}: {counts}\n")
    assert flow["writes"] and not flow["wrong"] and flow["requests"] > 100, flow
    assert set(flow["surfaces"]) >= SURFACES, flow["surfaces"]
    assert flow["files"] >= 35 and flow["states"]["active"] == flow["files"], flow
    assert read(data, "verify")["healthy"]
    assert "5영업일" in read(data, "ask-local")["text"]
    assert not lookups, lookups
    assert foreign == set()
