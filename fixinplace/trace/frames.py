"""Where the program is: stacks as plain numbers, cheap to take and to keep.

Note [Raw stacks]
    A stack is taken at every save, so it is a flat tuple of numbers: the index of a code object and the instruction,
    innermost frame first.  It becomes places (`positions`) when the run is over and somebody asks.  Code objects are
    kept, frames never: a frame holds its locals, and a tensor must die when the program lets it go.

Note [Reading locals]
    Before Python 3.13 `frame.f_locals` leaves a copy of the locals in the frame, which would keep a tensor alive after
    `del`.  The copy is emptied after reading, unless the program holds it too, because it asked for `locals()`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType

Stack = tuple[int, ...]

_OURS = f"{Path(__file__).parent}/"
_SNAPSHOT = sys.version_info < (3, 13)
_FUNCTION = inspect.CO_OPTIMIZED | inspect.CO_NEWLOCALS
_DEPTH = 64
_OVERRIDES = ("__torch_function__", "__torch_dispatch__")
"""A user's overrides stand between the line that calls an operation and the operation."""
_DECORATORS = ("torch/utils/_contextlib.py", "torch/optim/optimizer.py")
_ALONE = 3
"""References to a copy of locals that only its frame, a variable and the call that counts them hold."""


class Frames:
    """Takes stacks; knows the user's own files, asking `own` once per file name."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._ask = own
        self._own: dict[str, bool] = {}
        self._index: dict[int, int] = {}
        self.codes: list[CodeType] = []
        self._mine: list[bool] = []
        self._skipped: list[bool] = []

    def stack(self, frame: FrameType | None, depth: int = _DEPTH) -> Stack:
        """The frames from this one outwards, without the tracer's own; at most `depth` of them."""
        found: list[int] = []
        index = self._index
        while frame is not None and len(found) < 2 * depth:
            code = frame.f_code
            number = index.get(id(code))
            if number is None:
                number = self._register(code)
            if not self._skipped[number]:
                found += (number, frame.f_lasti)
            frame = frame.f_back
        return tuple(found)

    def _register(self, code: CodeType) -> int:
        number = self._index[id(code)] = len(self.codes)
        self.codes.append(code)
        self._mine.append(code.co_name not in _OVERRIDES and self.owns(code.co_filename))
        self._skipped.append(code.co_filename.startswith(_OURS))
        return number

    def owns(self, file: str) -> bool:
        """True if this file is the user's."""
        known = self._own.get(file)
        if known is None:
            known = self._own[file] = self._ask(file)
        return known

    def entry(self, code: CodeType, instruction: int) -> Stack:
        """One frame of a stack; empty for the tracer's own."""
        number = self._index.get(id(code))
        if number is None:
            number = self._register(code)
        return () if self._skipped[number] else (number, instruction)

    def site(self, stack: Stack) -> tuple[int, int] | None:
        """Code and instruction of the innermost frame in the user's own code."""
        for position in range(0, len(stack), 2):
            if self._mine[stack[position]]:
                return stack[position], stack[position + 1]
        return None

    def innermost(self, frame: FrameType | None) -> tuple[int, int] | None:
        """As `site`, from a frame, without taking the whole stack."""
        while frame is not None:
            code = frame.f_code
            number = self._index.get(id(code))
            if number is None:
                number = self._register(code)
            if self._mine[number]:
                return number, frame.f_lasti
            frame = frame.f_back
        return None

    def construction(self, frame: FrameType | None, this: object) -> Stack:
        """The stack outside of the constructors of this object."""
        while frame is not None:
            code = frame.f_code
            inside = code.co_filename.startswith(_OURS) or (
                code.co_name == "__init__" and first_argument(frame) is this
            )
            if not inside:
                break
            frame = frame.f_back
        return self.stack(frame)

    def has_code(self, stack: Stack, file_end: str, name: str) -> bool:
        """True if a function of this name, in a file that ends so, is on the stack."""
        for number in stack[::2]:
            code = self.codes[number]
            if code.co_name == name and code.co_filename.endswith(file_end):
                return True
        return False

    def within(self, stack: Stack, file_end: str, name: str) -> list[CodeType]:
        """The code that this function has called, innermost first, decorators of torch left out."""
        found: list[CodeType] = []
        for code in (self.codes[number] for number in stack[::2]):
            if code.co_name == name and code.co_filename.endswith(file_end):
                break
            if not code.co_filename.endswith(_DECORATORS):
                found.append(code)
        return found


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """This frame and its callers."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def is_ours(frame: FrameType) -> bool:
    """True for frames of the tracer itself."""
    return frame.f_code.co_filename.startswith(_OURS)


def read_locals(frame: FrameType) -> dict[str, object]:
    """The names of a frame and their values; see Note [Reading locals]."""
    found = frame.f_locals
    copy = dict(found)
    if _SNAPSHOT and frame.f_code.co_flags & _FUNCTION == _FUNCTION and sys.getrefcount(found) == _ALONE:
        found.clear()
    return copy


def visible_names(frame: FrameType) -> dict[str, object]:
    """The locals of a frame, and the globals that its code mentions."""
    names = read_locals(frame)
    if frame.f_code.co_flags & _FUNCTION == _FUNCTION:
        known = frame.f_globals
        names |= {name: known[name] for name in frame.f_code.co_names if name in known and name not in names}
    return names


def first_argument(frame: FrameType) -> object:
    """What the function of this frame got as its first argument, `self` for a method; None if it has none."""
    code = frame.f_code
    if not code.co_argcount:
        return None
    return read_locals(frame).get(code.co_varnames[0])
