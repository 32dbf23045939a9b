"""An OpenLDAP server for the length of a test, where `slapd` is installed (Debian: apt-get install slapd)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.loopback import certificate_in, free_port, listening

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
    certificate, key = certificate_in(folder)
    (folder / "data").mkdir()
    modules = next(path for path in (home / "usr/lib/ldap", home / "usr/lib/openldap") if path.exists())
    schemas = "\n".join(f"include {home}/etc/ldap/schema/{name}.schema" for name in ("core", "cosine", "inetorgperson"))
    (folder / "slapd.conf").write_text(
        f"{schemas}\nmodulepath {modules}\nmoduleload back_mdb\npidfile {folder}/pid\n"
        f"TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n"
        f'database mdb\nsuffix "dc=bank,dc=example"\nrootdn "{ROOT_DN}"\nrootpw {ROOT_PASSWORD}\n'
        f'directory {folder}/data\nlimits dn.exact="{READER_DN}" size=2 size.pr=2 size.prtotal=unlimited\n'
        "access to attrs=userPassword by anonymous auth by * none\n"
        f'access to * by dn.exact="{READER_DN}" read by anonymous auth\n',
        encoding="utf-8",
    )
    port, tls_port = free_port(), free_port()
    urls = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
    libraries = [str(path) for path in (home / "usr/lib").glob("*-linux-gnu")]
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)} if home != Path("/") else dict(os.environ)
    command = [str(home / "usr/sbin/slapd"), "-f", str(folder / "slapd.conf"), "-h", urls, "-d", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            listening(port, process)
            yield Slapd(port, tls_port, certificate, process)
        finally:
            process.terminate()
            process.wait(30)
    shutil.rmtree(folder / "data")
