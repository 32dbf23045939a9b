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


@dataclass(frozen=True, slots=True)
class _ConverterCalls:
    """Numbers of the calls that are made harmless in a program that starts others."""

    socket: int
    pretended: tuple[int, ...]
    """bind, listen: LibreOffice does not work when its own meeting point fails, and works when nobody ever comes."""

    refused: tuple[int, ...]


_CONVERTER = {
    "x86_64": _ConverterCalls(
        41,
        (49, 50),
        # connect, sendto, sendmsg, sendmmsg, ptrace, unshare, setns, mount, process_vm_readv/writev, bpf, add_key,
        # request_key, keyctl, userfaultfd, perf_event_open
        (42, 44, 46, 307, 101, 272, 308, 165, 310, 311, 321, 248, 249, 250, 323, 298, *_EVERYWHERE),
    ),
    "aarch64": _ConverterCalls(
        198,
        (200, 201),
        (203, 206, 211, 269, 117, 97, 268, 40, 270, 271, 280, 217, 218, 219, 282, 241, *_EVERYWHERE),
    ),
}
_AF_UNIX = 1


def install_filter(*, programs: bool = False) -> bool:
    """Filter this process's system calls from here on; False where the kernel or the machine offers no filter.

    `programs`: new processes and programs stay allowed, for a process that reads no file itself (`ocr_lanes.py`).

    `forbid_new_privileges` must have been called. A refused call fails with EPERM; clone3, whose flags a filter can't
    see, with ENOSYS, upon which the C library falls back to clone, which may make threads only.
    """
    machine = _MACHINES.get(os.uname().machine)
    return machine is not None and _install(_program(machine, programs))


def install_converter_filter() -> bool:
    """As `install_filter`, for a program that has to start others: sockets lead nowhere, no look into other processes.

    A socket can be made (of the local kind only), but neither bound nor connected nor sent from; binding and listening
    pretend to succeed.
    """
    machine, calls = _MACHINES.get(os.uname().machine), _CONVERTER.get(os.uname().machine)
    if machine is None or calls is None:
        return False
    instructions = [
        *(line for number in calls.pretended for line in ((_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO))),
        (_EQUAL, 0, 4, calls.socket),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_EQUAL, 1, 0, _AF_UNIX),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ALLOW),
    ]
    after = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    return _install(b"".join(_head(machine.architecture)) + b"".join(_refusals(calls.refused)) + after)


def _install(program: bytes) -> bool:
    code = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), header, 0, 0) == 0)


def _program(machine: _Machine, programs: bool) -> bytes:
    """The filter of a parser; it may make processes and run programs only where `programs`."""
    instructions = [
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    threads = [
        (_EQUAL, 0, 3, machine.clone),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    refused = tuple(number for number in machine.refused if not (programs and number in machine.starting))
    before = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    last = [*([] if programs else threads), (_RETURN, 0, 0, _ALLOW)]
    after = b"".join(struct.pack("HBBI", *instruction) for instruction in last)
    return b"".join(_head(machine.architecture)) + before + b"".join(_refusals(refused)) + after


def _head(architecture: int) -> list[bytes]:
    """Kill what comes in another architecture's numbers; each instruction is (code, jump if true, jump if false, constant)."""
    instructions = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),  # 32-bit calls have other numbers: no way round the list below
        (_LOAD, 0, 0, _AT_NUMBER),
        (_AT_LEAST, 0, 1, _X32_NUMBERS),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    return [struct.pack("HBBI", *instruction) for instruction in instructions]


def _refusals(numbers: tuple[int, ...]) -> list[bytes]:
    """Let these calls fail with EPERM."""
    instructions = [
        line for number in numbers for line in ((_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EPERM))
    ]
    return [struct.pack("HBBI", *instruction) for instruction in instructions]
