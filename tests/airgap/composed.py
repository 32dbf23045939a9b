"""The composed system in one namespace with a way out, and every packet that takes it.

    python -m tests.airgap.composed FOLDER REPORT

PostgreSQL, a vector server, a model server, `seogo serve --no-ingest` and `seogo worker`, all on loopback: what is asked of
them is `flow.py`. Then two controls: a process that sends (counted), and a library inside the services that phones home,
with the guard on (refused, none counted) and off (counted). Run it in a network and a mount namespace of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.airgap.flow import MODEL
from tests.airgap.uplink import Uplink, ask_nowhere, uplink
from tests.conftest import new_database
from tests.contract.qdrant_stub import QdrantStub
from tests.support import postgres
from tests.support.engine_server import engine_server, saying, unused_port

_READY_S = 90.0
_PHONING_S = 3.0


@dataclass
class System:
    """The services of one composition."""

    folder: Path
    config: Path
    address: str
    key: str = ""
    logs: list[Path] = field(default_factory=list)

    def seogo(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        command = [sys.executable, "-m", "api.cli.main", "--config", str(self.config), *arguments]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stderr[-2000:]}{done.stdout[-500:]}")
        return done

    @contextmanager
    def running(self, **environment: str) -> Iterator[None]:
        """Server and worker, ready, for the length of a block."""
        with ExitStack() as stack:
            for arguments in (("serve", "--no-ingest", "--port", self.address.rpartition(":")[2]), ("worker",)):
                stack.enter_context(self._started(arguments, environment))
            _wait_ready(self.address)
            yield

    @contextmanager
    def _started(self, arguments: tuple[str, ...], environment: dict[str, str]) -> Iterator[None]:
        log = self.folder / f"{arguments[0]}-{len(self.logs)}.log"
        self.logs.append(log)
        command = [sys.executable, "-m", "api.cli.main", "--config", str(self.config), *arguments]
        with log.open("wb") as out:
            process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out)
            try:
                yield
            finally:
                process.terminate()
                process.wait(60)

    def refusals(self) -> int:
        """Lines of the guard in the logs of all services."""
        return sum(log.read_text().count("is not a host that the settings name") for log in self.logs)


def _wait_ready(address: str) -> None:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        try:
            if httpx.get(f"{address}/api/v1/health/ready", trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the server is not ready")


@contextmanager
def composed(folder: Path) -> Iterator[System]:
    """Everything that the services stand on, and their configuration."""
    with (
        postgres.cluster() as cluster,
        QdrantStub() as qdrant,
        engine_server(saying("명령휴가는 1회에 ", "연속 5영업일 이상 실시합니다. [1]")) as engine,
    ):
        settings = {
            "rag": {
                "data_dir": str(folder / "data"),
                "store": {"url": new_database(cluster)},
                "blobs": {"url": (folder / "blobs").as_uri()},
                "index": {"backend": "qdrant", "url": qdrant.url},
                "repositories": {"roots": [str(folder / "git")]},
                "generation": {"models": [{"name": MODEL, "urls": [f"{engine.url}/v1"], "context_tokens": 8192}]},
            },
            "ingest": {"queue_database_url": new_database(cluster), "lease_s": 5},
        }
        (folder / "git").mkdir()
        config = folder / "seogo.yaml"
        config.write_text(yaml.safe_dump(settings, allow_unicode=True))
        system = System(folder, config, f"http://127.0.0.1:{unused_port()}")
        system.seogo("db", "upgrade")
        system.key = system.seogo("keys", "create", "airgap", "--scope", "admin").stdout.split()[-1]
        yield system
        if not engine.exchanges:
            raise RuntimeError("no model was asked")


def send_one_from_compiled_code() -> None:
    """A datagram whose connection Python does not hear of: `connect` and `send` of the C library."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
    address = struct.pack("=H2s4s8x", socket.AF_INET, struct.pack("!H", 9), socket.inet_aton("203.0.113.9"))
    if libc.connect(descriptor, address, len(address)) != 0 or libc.send(descriptor, b"x", 1, 0) != 1:
        raise OSError(ctypes.get_errno(), "the control could not send")
    os.close(descriptor)


def _controls(system: System, out: Uplink) -> dict[str, Any]:
    """What must be counted is: a datagram and a lookup of this process, and a phoning library once the guard is off."""
    before = len(out.settled())
    send_one_from_compiled_code()
    subprocess.run([sys.executable, "-S", "-c", "import socket; socket.getaddrinfo('control.example', 80)"], stderr=-3)
    control = [str(packet) for packet in out.settled()[before:]]
    phone = system.folder / "phone"
    counted: dict[str, Any] = {"control": control}
    for guard in ("true", "false"):
        before, refused = len(out.settled()), system.refusals()
        with system.running(AIRGAP_PHONE=str(phone), SEOGO_API__EGRESS_GUARD=guard):
            phone.touch()
            time.sleep(_PHONING_S)
            phone_packets = [str(packet) for packet in out.settled()[before:]] if guard == "true" else None
            if phone_packets is None:
                time.sleep(0.5)
                phone_packets = [str(packet) for packet in out.packets[before:]]
        phone.unlink()
        counted[f"phoning, guard {guard}"] = {
            "packets": len(phone_packets),
            "hosts": sorted(set(phone_packets))[:5],
            "refusals": system.refusals() - refused,
        }
    return counted


def main(folder: Path, report: Path) -> int:
    """Compose, ask, count, and write the report."""
    ask_nowhere(folder)
    with uplink() as out, composed(folder) as system:
        with system.running():
            flow = folder / "flow.json"
            command = [
                sys.executable,
                "-m",
                "tests.airgap.flow",
                system.address,
                system.key,
                str(flow),
                str(folder / "git"),
            ]
            subprocess.run(command, check=False)
            remote = ("--server", system.address, "--key", system.key)
            for arguments in (("collections", "list"), ("search", "연차휴가"), ("ask", "명령휴가는 며칠인가요?")):
                cli = [sys.executable, "-m", "api.cli.main", *remote, *arguments]
                subprocess.run(cli, check=True, stdout=subprocess.DEVNULL)
        system.seogo("index", "verify")
        found = [str(packet) for packet in out.settled()]
        summary = {
            "flow": json.loads(flow.read_text()),
            "packets": len(found),
            "shown": found[:20],
            "refusals": system.refusals(),
            **_controls(system, out),
        }
    report.write_text(json.dumps(summary, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
