"""What the kernel takes away from a parsing child: the network, memory, time, files, other processes.

Each layer is used where the kernel offers it; the sandbox's `capabilities` says which held. Two of them, the network
namespace and the seccomp filter, each keep a parser off the network alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

OPEN_FILES = 64


def enter_namespaces() -> bool:
    """Leave the network for good: a new network namespace without any interface up. Whether the kernel allowed it.

    An unprivileged process needs a user namespace for that; its own user and group stay mapped, so that files it may
    read outside stay readable. Must be called before there are threads.
    """
    user, group = os.geteuid(), os.getegid()
    if _unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        _map_ids(user, group)
        return True
    return _unshare(_CLONE_NEWNET)


def _unshare(flags: int) -> bool:
    unshare = getattr(_LIBC, "unshare", None)
    return unshare is not None and unshare(ctypes.c_int(flags)) == 0


def _map_ids(user: int, group: int) -> None:
    # The kernel wants setgroups denied before an unprivileged process maps a group (user_namespaces(7)).
    for file, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        try:
            Path(f"/proc/self/{file}").write_text(line)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOENT, errno.EACCES):
                raise


def die_with_parent(parent: int, with_signal: signal.Signals = signal.SIGKILL) -> None:
    """Be killed (or told so by another signal) when `parent` dies; at once if it is dead already."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(with_signal), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def forbid_new_privileges() -> bool:
    """No set-uid program raises this process's rights from here on; seccomp and landlock require it."""
    return bool(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0) == 0)


def limit_resources(memory_bytes: int, cpu_s: int) -> None:
    """Cap this process: `memory_bytes` of address space on top of what it has, `cpu_s` CPU seconds, no file written.

    At `cpu_s` the kernel sends SIGXCPU, which kills; a second later SIGKILL, in case a library handles the first.
    """
    ceiling = address_space() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def address_space() -> int:
    """Bytes of address space in use: what RLIMIT_AS counts (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def peak_address_space() -> int:
    """The most bytes of address space this process ever had; 0 when the kernel does not say."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmPeak:"):
            return int(line.split()[1]) * 1024
    return 0


def close_other_descriptors(keep: set[int]) -> None:
    """Close every open file but `keep` and the three standard ones, so that a child can't reach its siblings."""
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 (a Path for each is wasted work on the way to every parse)
        descriptor = int(entry)
        if descriptor > 2 and descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError as error:
                if error.errno != errno.EBADF:  # the listing's own descriptor is gone already
                    raise
