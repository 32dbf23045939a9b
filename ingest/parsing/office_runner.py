"""The process that runs LibreOffice on a file nobody trusts: confined first, then told to convert.

`python -m ingest.parsing.office_runner FOLDER PROGRAM EXTENSION FILTER WALL_S CPU_S MEMORY_BYTES OUTPUT_BYTES`: FOLDER is an
empty private folder with the input in it as `input`; the result becomes `out/input.EXTENSION`. Exit status: 0 done (there
may still be no result: the file was not readable), 2 not confined enough to start, 3 out of time, 4 out of room.

A converter has to write files and start processes, so the parsers' jail does not fit. This one: a network namespace where the
kernel allows one, and in any case no sockets (seccomp); reads nothing but the system's programs and libraries, writes nothing
but FOLDER (Landlock, without which nothing is converted: a document may ask for any file as a picture of its own);
limits on memory, CPU time, size of a file; an empty environment; a profile made for this one run, in which macros, links and
active content are off. Whatever the program leaves running is found and killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ingest.parsing import confine
from ingest.parsing.landlock import restrict_files
from ingest.parsing.seccomp import install_converter_filter

NOT_CONFINED, OUT_OF_TIME, OUT_OF_ROOM = 2, 3, 4

_PR_SET_CHILD_SUBREAPER = 36
_REAP_EVERY_S = 0.005
_LOOK_EVERY_S = 0.2
_OPEN_FILES = 512

_READABLE = (
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share",
    "/bin",
    "/lib",
    "/lib64",
    "/etc/fonts",
    "/etc/libreoffice",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/var/lib/libreoffice",
    "/var/spool/libreoffice",
    "/var/cache/fontconfig",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)

_SETTINGS = (
    ("/org.openoffice.Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("/org.openoffice.Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "DisableActiveContent", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "DisablePythonRuntime", "true"),
    ("/org.openoffice.Office.Writer/Content/Update", "Link", "2"),
    ("/org.openoffice.Office.Calc/Content/Update", "Link", "2"),
    ("/org.openoffice.Office.Common/Save/Document", "WarnAlienFormat", "false"),
)
"""Level 3: only macros from trusted folders, of which there are none. 2: links are never updated."""

_ITEM = '<item oor:path="{path}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>'
_PROFILE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{items}</oor:items>'
)


@dataclass(frozen=True, slots=True)
class Run:
    """One conversion, as on the command line."""

    folder: Path
    program: str
    extension: str
    export_filter: str
    wall_s: float
    cpu_s: int
    memory_bytes: int
    output_bytes: int


def confine_self(run: Run) -> bool:
    """Take everything away that a conversion does not need; whether enough of it worked."""
    confine.enter_namespaces()
    if not confine.forbid_new_privileges():
        return False
    with (run.folder / "input").open("rb") as file:
        writable = (run.folder, Path("/dev/null"))
        # Its own entry in /proc is for this process, which looks there for what is left running.
        own = (Path(run.program).resolve().parents[1], Path(f"/proc/{os.getpid()}"))
        readable = [*map(Path, _READABLE), *own]
        if not restrict_files(readable, file.fileno(), writable=writable):
            return False
    if not install_converter_filter():
        return False
    resource.setrlimit(resource.RLIMIT_AS, (run.memory_bytes, run.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (run.cpu_s, run.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (run.output_bytes, run.output_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    return True


def write_profile(folder: Path) -> None:
    """A user profile whose only content is what must be off."""
    user = folder / "profile" / "user"
    user.mkdir(parents=True)
    items = "".join(_ITEM.format(path=path, name=name, value=value) for path, name, value in _SETTINGS)
    (user / "registrymodifications.xcu").write_text(_PROFILE.format(items=items), encoding="utf-8")


def command(run: Run) -> list[str]:
    """What is started."""
    return [
        run.program,
        "--headless",
        "--norestore",
        "--nolockcheck",
        "--nodefault",
        "--nologo",
        "--nofirststartwizard",
        f"-env:UserInstallation={(run.folder / 'profile').as_uri()}",
        "--convert-to",
        f"{run.extension}:{run.export_filter}",
        "--outdir",
        str(run.folder / "out"),
        str(run.folder / "input"),
    ]


def environment(folder: Path) -> dict[str, str]:
    """All that the program gets to know."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "SAL_USE_VCLPLUGIN": "svp",
        "SAL_DISABLE_OPENCL": "1",
        "SAL_DISABLE_SKIA": "1",
    }


def convert(run: Run) -> int:
    """Run the program to its end, or to that of its time or room; the exit status of this process."""
    for name in ("home", "tmp", "out"):
        (run.folder / name).mkdir()
    write_profile(run.folder)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)
    deadline = time.monotonic() + run.wall_s
    try:
        # Started inside: the signal that ends this process may come while the program starts.
        process = subprocess.Popen(  # noqa: S603 (a fixed program and arguments of ours)
            command(run),
            env=environment(run.folder),
            cwd=run.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None:
            if time.monotonic() > deadline:
                return OUT_OF_TIME
            if _size(run.folder) > 4 * run.output_bytes:
                return OUT_OF_ROOM
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_EVERY_S)
        return 0
    finally:
        kill_descendants()


def _size(folder: Path) -> int:
    """Bytes of all files below; what vanishes meanwhile has none."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total


def kill_descendants() -> None:
    """End all that was started here, in whatever session it has hidden: orphans become this process's children."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not end this half-way
    own = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(ChildProcessError):  # none left: the list alone may miss one while others end
        while True:
            for child in own.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(_REAP_EVERY_S)


def main(arguments: list[str]) -> int:
    """Entry point of the process."""
    folder, program, extension, export_filter, wall_s, cpu_s, memory_bytes, output_bytes = arguments
    run = Run(
        Path(folder), program, extension, export_filter, float(wall_s), int(cpu_s), int(memory_bytes), int(output_bytes)
    )
    # Not killed at once when the service dies: what was started here has to be ended first.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(OUT_OF_TIME))
    confine.die_with_parent(os.getppid(), signal.SIGTERM)
    os.umask(0o077)
    return convert(run) if confine_self(run) else NOT_CONFINED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
