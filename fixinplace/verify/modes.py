"""Changes of modes, owners and attributes of files, which landlock does not know of, come to nothing: a seccomp filter.

Note [Done by doing nothing]
    A program that copies a file sets its mode as well, and minds if it may not.  So the calls are not refused: the
    kernel is told to leave them out and to say that they went well, which SECCOMP_RET_ERRNO with the error 0 does.
    What a proof compares does not depend on the modes of files.

Source of the numbers: Linux `include/uapi/linux/{seccomp,audit,filter}.h` and the tables of system calls.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # in struct seccomp_data
_ALLOW, _NOTHING = 0x7FFF0000, 0x00050000

_CALLS = {
    # chmod, fchmod, chown, fchown, lchown, setxattr, lsetxattr, fsetxattr, removexattr, lremovexattr, fremovexattr,
    # fchownat, fchmodat, fchmodat2
    "x86_64": (0xC000003E, (90, 91, 92, 93, 94, 188, 189, 190, 197, 198, 199, 260, 268, 452)),
    # fchmod, fchmodat, fchownat, fchown, setxattr, lsetxattr, fsetxattr, removexattr, lremovexattr, fremovexattr,
    # fchmodat2
    "aarch64": (0xC00000B7, (52, 53, 54, 55, 5, 6, 7, 14, 15, 16, 452)),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def leave() -> bool:
    """Have this process and its children leave the modes of files alone; False where the system cannot do that.

    Cannot be undone.
    """
    known = _CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if known is None:
        return False
    text = _instructions(*known)
    buffer = ctypes.create_string_buffer(text, len(text))
    program = _Program(len(text) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    done: int = libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)
    return done == 0


def _instructions(architecture: int, calls: tuple[int, ...]) -> bytes:
    """Another architecture's calls pass; of this one's, those that are named come to nothing."""
    count = len(calls)
    rows = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 0, count + 1, architecture), (_LOAD, 0, 0, _NUMBER_AT)]
    rows += [(_EQUAL, count - place, 0, number) for place, number in enumerate(calls)]
    rows += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOTHING)]
    return b"".join(struct.pack("=HBBI", *row) for row in rows)
