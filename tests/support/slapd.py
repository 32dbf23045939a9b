"""An OpenLDAP server for the length of a test, where `slapd` is installed (Debian: apt-get install slapd)."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HINT = "slapd is not installed (Debian: apt-get install slapd)"
ROOT_DN, ROOT_PASSWORD = "cn=root,dc=bank,dc=example", "root-secret"
READER_DN, READER_PASSWORD = "cn=reader,dc=bank,dc=example", "reader-secret"


def root() -> Path | None:
    """The folder below which the server is installed, as its package lays it out; None when it is not."""
    for folder in (Path(os.environ.get("SEOGO_TEST_SLAPD", "/")), Path("/")):
        if (folder / "usr/sbin/slapd").exists() and (folder / "etc/ldap/schema/core.schema").exists():
            return folder
    return None


@dataclass
class Slapd:
    """A running server, with a certificate for 127.0.0.1 alone."""

    port: int
    tls_port: int
    certificate: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Without TLS, or with StartTLS."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """With TLS from the beginning."""
        return f"ldaps://127.0.0.1:{self.tls_port}"


@contextmanager
def running(folder: Path) -> Iterator[Slapd]:
    """A server with an empty suffix `dc=bank,dc=example`. Its reader gets two entries at once, and more only in pages."""
    home = root()
    assert home is not None
    certificate = _certificate(folder)
    (folder / "data").mkdir()
    modules = next(path for path in (home / "usr/lib/ldap", home / "usr/lib/openldap") if path.exists())
    schemas = "\n".join(f"include {home}/etc/ldap/schema/{name}.schema" for name in ("core", "cosine", "inetorgperson"))
    (folder / "slapd.conf").write_text(
        f"{schemas}\nmodulepath {modules}\nmoduleload back_mdb\npidfile {folder}/pid\n"
        f"TLSCertificateFile {certificate}\nTLSCertificateKeyFile {folder}/key.pem\n"
        f'database mdb\nsuffix "dc=bank,dc=example"\nrootdn "{ROOT_DN}"\nrootpw {ROOT_PASSWORD}\n'
        f'directory {folder}/data\nlimits dn.exact="{READER_DN}" size=2 size.pr=2 size.prtotal=unlimited\n'
        "access to attrs=userPassword by anonymous auth by * none\n"
        f'access to * by dn.exact="{READER_DN}" read by anonymous auth\n',
        encoding="utf-8",
    )
    port, tls_port = _free_port(), _free_port()
    urls = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
    libraries = [str(path) for path in (home / "usr/lib").glob("*-linux-gnu")]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)} if home != Path("/") else dict(os.environ)
    command = [str(home / "usr/sbin/slapd"), "-f", str(folder / "slapd.conf"), "-h", urls, "-d", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(port, process)
            yield Slapd(port, tls_port, certificate, process)
        finally:
            process.terminate()
            process.wait(30)
    shutil.rmtree(folder / "data")


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, "slapd did not start"
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.TraditionalOpenSSL
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    file = folder / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return file
