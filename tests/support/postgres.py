"""A throw-away PostgreSQL cluster on a private socket folder and a free port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.loopback import free_port

HINT = "PostgreSQL's server programs are not installed (Debian: apt-get install postgresql)"


def bin_dir() -> Path | None:
    """Folder of `initdb` and `postgres`; None when they are not installed."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def cluster() -> Iterator[str]:
    """The SQLAlchemy URL of a running, empty cluster, without a database name."""
    programs = bin_dir()
    if programs is None:
        raise FileNotFoundError(HINT)
    with tempfile.TemporaryDirectory(prefix="seogo-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        as_user = _switch_user(folder)
        subprocess.run(
            [
                *as_user,
                programs / "initdb",
                "-D",
                folder / "data",
                "-U",
                "seogo",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )
        port = free_port()
        options = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off -c max_connections=200"
        control = [*as_user, programs / "pg_ctl", "-D", folder / "data", "-w"]
        log = folder / "log"
        subprocess.run([*control, "-o", options, "-l", log, "start"], check=True, stdout=subprocess.DEVNULL, cwd="/")
        try:
            yield f"postgresql+psycopg://seogo@127.0.0.1:{port}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=False, stdout=subprocess.DEVNULL, cwd="/")


def _switch_user(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package brings a user for it."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    return ["runuser", "-u", "postgres", "--"]
