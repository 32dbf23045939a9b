"""Servers of git on loopback: HTTPS with a certificate of its own authority and a password, and OpenSSH's sshd."""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.support.loopback import free_port, https_server, listening

SSHD = Path("/usr/sbin/sshd")
SSHD_HINT = "sshd is not installed (Debian: apt-get install openssh-server)"
USER, PASSWORD = "oauth2", "glpat-비밀-0123"


@dataclass
class HttpsServer:
    """git's own `http-backend` behind TLS and a password.

    Attributes:
        authorizations: what each request had as `Authorization`.
        answer: a status that is answered instead, with a `Location` where it is a redirection.
        drip: where set, the pack is sent in pieces of a kilobyte, with so many seconds between.
    """

    port: int
    ca_file: Path
    authorizations: list[str] = field(default_factory=list)
    answer: int = 0
    location: str = ""
    drip_s: float = 0.0

    def url(self, name: str) -> str:
        """The address of the bare repository `name` in the served folder."""
        return f"https://127.0.0.1:{self.port}/{name}"

    @property
    def host(self) -> str:
        """As the settings name it."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def https(folder: Path, served: Path) -> Iterator[HttpsServer]:
    """Serve the bare repositories in `served`; certificate and key lie in `folder`."""
    with https_server(folder, _Handler) as (server, port, certificate):
        state = HttpsServer(port, certificate)
        server.state, server.served = state, served  # type: ignore[attr-defined]
        yield state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read what they want to know."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._serve(body)

    def _serve(self, body: bytes) -> None:
        state: HttpsServer = self.server.state  # type: ignore[attr-defined]
        given = self.headers.get("Authorization", "")
        state.authorizations.append(given)
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if state.answer:
            self._say(state.answer, {"Location": state.location} if state.location else {}, b"")
        elif given != wanted:
            self._say(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
        else:
            self._backend(body, state)

    def _backend(self, body: bytes, state: HttpsServer) -> None:
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROJECT_ROOT": str(self.server.served),  # type: ignore[attr-defined]
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": USER,
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(headers.pop("Status", "200").split()[0])
        self._say(status, headers, content, state.drip_s if "pack-result" in " ".join(headers.values()) else 0.0)

    def _say(self, status: int, headers: dict[str, str], content: bytes, drip_s: float = 0.0) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        step = 1024 if drip_s else max(len(content), 1)
        for start in range(0, len(content), step):
            self.wfile.write(content[start : start + step])
            self.wfile.flush()
            time.sleep(drip_s)


@dataclass
class SshServer:
    """A running sshd that lets one key in; the files are what a credential names."""

    port: int
    user: str
    key: Path
    known_hosts: Path

    def url(self, folder: Path) -> str:
        """The address of a repository in a folder of this machine."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}{folder}"


@contextmanager
def sshd(folder: Path) -> Iterator[SshServer]:
    """A server as the user who runs the tests. Keys are made for it; the client's files have a name that needs quoting."""
    ours = folder / "열쇠 100% 'x'"
    ours.mkdir()
    for path in (folder / "host", ours / "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    keys = folder / "authorized_keys"
    shutil.copyfile(ours / "client.pub", keys)
    keys.chmod(0o600)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks itself in; its service makes it otherwise
    port = free_port()
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {keys}\nPidFile none\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nAcceptEnv GIT_PROTOCOL\n",
        encoding="utf-8",
    )
    command = [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            listening(port, process)
            host_key = " ".join((folder / "host.pub").read_text().split()[:2])
            known = ours / "known_hosts"
            known.write_text(f"[127.0.0.1]:{port} {host_key}\n")
            yield SshServer(port, _user(), ours / "client", known)
        finally:
            process.terminate()
            process.wait(30)


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
