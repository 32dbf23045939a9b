"""The wire is watched while the composed system works: no packet to anybody but itself, and the watch would have seen one."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.airgap.flow import SURFACES
from tests.airgap.uplink import NAME_SERVER, Packet, missing, packet_of
from tests.support import postgres
from tests.support.running import SAMPLES

_SWITCHES = re.compile(r"HF_|TRANSFORMERS_|DO_NOT_TRACK|SCARF|VLLM_|RAY_|OTEL_|TOKENIZERS|SEOGO_|.*_PROXY$", re.I)
_LACKING = missing() or ("" if postgres.bin_dir() is not None else postgres.HINT)


def _ipv4(protocol: int, host: str, payload: bytes) -> bytes:
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, b"\0" * 4, socket.inet_aton(host)
    )
    return head + payload


def _ipv6(protocol: int, host: str, payload: bytes) -> bytes:
    head = struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64)
    return head + b"\0" * 16 + socket.inet_pton(socket.AF_INET6, host) + payload


def test_packets_are_read() -> None:
    question = b"\0" * 12 + b"\x05seogo\x02kr\0"
    udp = struct.pack("!HHHH", 4711, 53, 0, 0)
    assert packet_of(_ipv4(17, "10.0.0.1", udp + question)) == Packet("10.0.0.1", "udp", 53, "seogo.kr")
    assert packet_of(_ipv6(6, "2001:db8::1", struct.pack("!HH", 1, 443))) == Packet("2001:db8::1", "tcp", 443)
    assert packet_of(_ipv6(58, "2001:db8::1", bytes([128, 0]))) == Packet("2001:db8::1", "icmpv6", 0)
    assert packet_of(_ipv6(58, "ff02::2", bytes([133, 0]))) is None
    assert packet_of(_ipv6(0, "ff02::16", bytes([58, 0, 0, 0, 0, 0, 0, 0, 143, 0]))) is None


def composed_report(folder: Path, **more: str) -> dict[str, Any]:
    """What `composed.py` counted, with no telemetry switch in its environment."""
    folder.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not _SWITCHES.match(name)}
    path = os.pathsep.join((str(Path(__file__).with_name("hook")), str(SAMPLES.parents[1])))
    environment |= {"PYTHONPATH": path, "SEOGO_LANG": "en", "HOME": str(folder), "OPENBLAS_NUM_THREADS": "1", **more}
    environment |= {name: os.environ[name] for name in ("SEOGO_RAG__CACHE_DIR",) if name in os.environ}
    report = folder / "report.json"
    command = [sys.executable, "-m", "tests.airgap.composed", str(folder), str(report)]
    # Processes of their own, too: with the first of them ends whatever it started.
    namespaces = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]
    done = subprocess.run([*namespaces, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(report.read_text())
    return found


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(_LACKING), reason=_LACKING or "nothing lacks")
@pytest.mark.parametrize("switches", ["as the product sets them", "unset"])
def test_the_composed_system_sends_nothing_out(tmp_path: Path, switches: str) -> None:
    found = composed_report(tmp_path, **({"AIRGAP_SWITCHES_UNSET": "1"} if switches == "unset" else {}))
    flow, quiet, open_ = found["flow"], found["phoning, guard true"], found["phoning, guard false"]
    sys.stdout.write(
        f"on the wire, switches {switches}: {found['packets']} foreign packets for {flow['files']} files and "
        f"{flow['requests']} requests; control {len(found['control'])}; a library that phones: {quiet['packets']} packets "
        f"guarded ({quiet['refusals']} refusals logged), {open_['packets']} unguarded\n"
    )
    assert not flow["wrong"] and flow["states"]["active"] == flow["files"] >= 35, flow
    assert set(flow["surfaces"]) >= SURFACES, flow["surfaces"]
    assert (found["packets"], found["refusals"]) == (0, 0), found["shown"]
    # The capture bites: compiled code and lookups are counted,
    assert "udp 203.0.113.9:9" in found["control"], found["control"]
    assert f"udp {NAME_SERVER}:53 control.example" in found["control"], found["control"]
    # and so does the guard: the same library, refused and told of, then let go.
    assert quiet["packets"] == 0 and quiet["refusals"] >= 2, quiet
    assert open_["packets"] >= 2 and open_["refusals"] == 0, open_
