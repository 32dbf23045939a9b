"""A Landlock rule set: a parsing child reads its input and the program's own libraries, and writes nowhere.

A converter (`office_runner.py`) may write in the one folder made for it.

Landlock needs no privilege (Linux 5.13). Structures and numbers are from the kernel's `include/uapi/linux/landlock.h`.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""System call numbers, the same on every architecture."""

_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_RIGHTS_OF_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
"""All file rights that a version of Landlock can take away; later versions add devices and sockets."""


def is_available() -> bool:
    """Whether the kernel offers Landlock."""
    return _version(ctypes.CDLL(None, use_errno=True)) >= 1


def _version(libc: ctypes.CDLL) -> int:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_CREATE_RULESET_VERSION))
    return int(version)


def restrict_files(readable: Iterable[Path], input_descriptor: int | None, *, writable: Iterable[Path] = ()) -> bool:
    """Leave read access to what is below `readable` and to the open input file, if any, and every access to what is below
    `writable`; False where Landlock is absent.

    `forbid_new_privileges` must have been called.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = _version(libc)
    if version < 1:
        return False
    everything = _RIGHTS_OF_VERSION[min(version, 3)]
    handled = ctypes.create_string_buffer(struct.pack("Q", everything))
    ruleset = libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(8), ctypes.c_uint(0))
    if ruleset < 0:
        return False
    try:
        if input_descriptor is not None:
            _allow(libc, ruleset, input_descriptor, _READ_FILE)
        for path in readable:
            _allow_path(libc, ruleset, path, _EXECUTE | _READ_FILE | _READ_DIR)
        for path in writable:
            _allow_path(libc, ruleset, path, everything)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint(0)) == 0)
    finally:
        os.close(ruleset)


def _allow_path(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not on this system
    try:
        # The kernel refuses a rule that gives a file the rights of a folder.
        _allow(libc, ruleset, descriptor, rights if path.is_dir() else rights & (_EXECUTE | _READ_FILE | _WRITE_FILE))
    finally:
        os.close(descriptor)


def _allow(libc: ctypes.CDLL, ruleset: int, descriptor: int, rights: int) -> None:
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor))
    libc.syscall(_ADD_RULE, ruleset, ctypes.c_int(_RULE_PATH_BENEATH), rule, ctypes.c_uint(0))
