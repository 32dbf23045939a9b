"""Nothing leaves the machine: the whole flow without a route, every lookup and connection traced."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import SAMPLES

_SWITCHES = re.compile(
    r"^(HF_|TRANSFORMERS_|DO_NOT_TRACK|SCARF|VLLM_|QDRANT__|RAY_|OTEL_|TOKENIZERS|SEOGO_|.*_PROXY$)", re.I
)
_FOREIGN = re.compile(
    r"(?:connect|sendto|sendmsg)\(\d+, \{sa_family=AF_INET6?, .*?(?:inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\")"
)


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def foreign_addresses(trace: str) -> set[str]:
    """Addresses outside loopback that a process tried to reach (DNS servers among them)."""
    found = {first or second for first, second in _FOREIGN.findall(trace)}
    return {address for address in found if not address.startswith(("127.", "::1", "::ffff:127."))}


def test_the_trace_reader_finds_a_lookup() -> None:
    line = '12 connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}, 16) = -1 ENETUNREACH'
    assert foreign_addresses(line) == {"10.0.0.2"}
    assert foreign_addresses(line.replace("10.0.0.2", "127.0.0.1")) == set()


def test_the_hook_notes_a_lookup_and_refuses_it(tmp_path: Path) -> None:
    log = tmp_path / "lookups"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).with_name("hook")), "AIRGAP_LOG": str(log)}
    code = "import socket; socket.getaddrinfo('seogo.invalid', 80)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "refused" in done.stderr
    assert "seogo.invalid" in log.read_text()


@pytest.mark.skipif(not _may_unshare(), reason="user and network namespaces are not available here (unshare -rn)")
@pytest.mark.timeout(600)
def test_start_ingest_search_and_ask_without_a_route(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not _SWITCHES.match(name)}
    log = tmp_path / "lookups"
    path = os.pathsep.join((str(Path(__file__).with_name("hook")), str(SAMPLES.parents[1])))
    environment |= {"SEOGO_LANG": "en", "HOME": str(tmp_path), "PYTHONPATH": path, "AIRGAP_LOG": str(log)}
    environment.pop("SEOGO_RAG__CACHE_DIR", None)  # so that the models are converted here, without a route
    data, trace = tmp_path / "data", tmp_path / "trace"
    data.mkdir()
    script = Path(__file__).with_name("flow.sh")
    command = ["sh", str(script), sys.executable, str(data), str(SAMPLES), str(_free_port())]
    if shutil.which("strace"):
        command = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-s", "64", "-o", str(trace), *command]
    namespace = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    done = subprocess.run([*namespace, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-2000:]
    outcomes = json.loads((data / "ingest.json").read_text())["documents"]
    assert outcomes and all(item["state"] == "active" for item in outcomes)
    assert json.loads((data / "search.json").read_text())["passages"]
    assert "180 days" in json.loads((data / "ask.json").read_text())["text"]
    assert "5영업일" in json.loads((data / "ask-ko.json").read_text())["text"]
    assert not log.exists(), log.read_text()
    if trace.exists():
        assert foreign_addresses(trace.read_text()) == set()
