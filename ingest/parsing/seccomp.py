"""A seccomp filter that takes away system calls no parser needs: sockets, new processes, other processes' memory.

It holds where namespaces are forbidden, as in most containers. Classic BPF by hand, for x86-64 and AArch64; elsewhere
`install_filter` answers False. Numbers are from the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and
`include/uapi/asm-generic/unistd.h`, the filter's shape from `Documentation/userspace-api/seccomp_filter.rst`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_CLONE_THREAD = 0x00010000

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16


@dataclass(frozen=True, slots=True)
class _Machine:
    """Audit architecture, the number of clone, the calls that are refused, and those of them that start a program."""

    architecture: int
    clone: int
    refused: tuple[int, ...]
    starting: tuple[int, ...]


_EVERYWHERE = (
    424,  # pidfd_send_signal
    425,  # io_uring_setup: its operations pass by seccomp
    438,  # pidfd_getfd
)
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        56,
        # socket, fork, vfork, execve, execveat, ptrace, kill, unshare, setns, mount, process_vm_readv/writev, bpf,
        # add_key, request_key, keyctl, userfaultfd, perf_event_open
        (41, 57, 58, 59, 322, 101, 62, 272, 308, 165, 310, 311, 321, 248, 249, 250, 323, 298, *_EVERYWHERE),
        (57, 58, 59),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        220,
        # the same without fork and vfork, which AArch64 lacks
        (198, 221, 281, 117, 129, 97, 268, 40, 270, 271, 280, 217, 218, 219, 282, 241, *_EVERYWHERE),
        (221,),
    ),
}
_CLONE3 = 435
_X32_NUMBERS = 0x40000000


def install_filter(*, programs: bool = False) -> bool:
    """Filter this process's system calls from here on; False where the kernel or the machine offers no filter.

    `programs`: new processes and programs stay allowed, for a process that reads no file itself (`ocr_lanes.py`).

    `forbid_new_privileges` must have been called. A refused call fails with EPERM; clone3, whose flags a filter can't
    see, with ENOSYS, upon which the C library falls back to clone, which may make threads only.
    """
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        return False
    program = _program(machine, programs)
    code = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), header, 0, 0) == 0)


def _program(machine: _Machine, programs: bool) -> bytes:
    """The filter: each instruction is (code, jump if true, jump if false, constant)."""
    refuse = _ERRNO | errno.EPERM
    instructions: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 1, 0, machine.architecture),
        (_RETURN, 0, 0, _KILL),  # 32-bit calls have other numbers: no way round the list below
        (_LOAD, 0, 0, _AT_NUMBER),
        (_AT_LEAST, 0, 1, _X32_NUMBERS),
        (_RETURN, 0, 0, refuse),
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    for number in machine.refused:
        if programs and number in machine.starting:
            continue
        instructions += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    if not programs:
        instructions += [
            (_EQUAL, 0, 3, machine.clone),
            (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
            (_ANY_BIT, 1, 0, _CLONE_THREAD),
            (_RETURN, 0, 0, refuse),
        ]
    instructions.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
