"""Landlock by raw system calls: what the process may write, and where it may connect.

Source of the numbers: Linux `include/uapi/linux/landlock.h`; the three calls have the same number on every
architecture that landlock supports except alpha.  Each ABI adds rights; asking for one that the kernel does not know
is an error, so the masks are cut down to the kernel's ABI first.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_QUERY = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_WRITE_FILE, _TRUNCATE, _IOCTL_DEV = 1 << 1, 1 << 14, 1 << 15
_CHANGES = sum(1 << bit for bit in range(4, 13)) | _WRITE_FILE  # remove and make: directory, file, node, link, socket
_REFER = 1 << 13
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract unix sockets, signals


def abi() -> int:
    """The kernel's landlock ABI; 0 where there is none (old kernel, switched off, or no Linux)."""
    if sys.platform != "linux":
        return 0
    found: int = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_QUERY)
    return max(0, found)


def restrict(version: int, writable: tuple[Path, ...], devices: tuple[Path, ...] = (Path("/dev/null"),)) -> None:
    """Forbid this process and its children every write outside `writable`, TCP from ABI 4, foreign signals from ABI 6.

    devices: files that may be written, and asked by ioctl, but not replaced.
    Reading stays free.  Cannot be undone.  Raises OSError if the kernel refuses.
    """
    files = _CHANGES | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    files |= _IOCTL_DEV if version >= 5 else 0
    fields = (files, *((_TCP,) if version >= 4 else ()), *((_SCOPES,) if version >= 6 else ()))
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for folder in writable:
            _allow(ruleset, folder, files)
        for device in devices:
            _allow(ruleset, device, files & (_WRITE_FILE | _TRUNCATE | _IOCTL_DEV))
        if _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, access: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", access, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc().syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock system call {number}: {os.strerror(error)}")
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
