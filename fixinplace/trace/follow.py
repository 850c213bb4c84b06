"""Who changes a memory that no operator writes: one saved tensor is compared after every step of the user's code.

Note [Second run]
    numpy, `x.data = y` in C, and kernels outside of torch leave no event.  A first run tells which saved tensor changed
    and its number; a second run of the same program copies that one and compares it, by the interpreter's own tracing,
    whenever a call, an operator or a store in the user's code has ended.  The instruction before the first difference
    is the writer, or called it.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType, FrameType
from typing import Any

import torch

from fixinplace.trace import frames as stacks
from fixinplace.trace import memory
from fixinplace.trace.frames import Frames
from fixinplace.trace.ledger import Save, Written

_WRITING = (
    "CALL",
    "CALL_FUNCTION_EX",
    "CALL_KW",
    "BINARY_OP",
    "STORE_SUBSCR",
    "STORE_ATTR",
    "STORE_SLICE",
    "FOR_ITER",
    "SEND",
)


class Follower:
    """Follows the save with this number; None follows nothing."""

    def __init__(self, frames: Frames, number: int | None) -> None:
        self._frames = frames
        self._number = number
        self._kept: torch.Tensor | None = None
        self._copy: torch.Tensor | None = None
        self._last: dict[FrameType, int] = {}
        self._steps: dict[CodeType, dict[int, str]] = {}
        self._found: Written | None = None

    def packed(self, save: Save) -> None:
        """Told of every save."""
        if save.number != self._number or save.kept is None or not memory.is_readable(save.kept):
            return
        with memory.Aside():
            self._kept, self._copy = save.kept, memory.copied(save.kept)
        for frame in stacks.outwards(sys._getframe(1)):
            if self._frames.owns(frame.f_code.co_filename):
                self._follow(frame)
                self._last[frame] = frame.f_lasti
        sys.settrace(self._call)

    def found(self, save: Save) -> Written | None:
        """Who changed it, if this is the save that was followed."""
        return self._found if save.number == self._number else None

    def stop(self) -> None:
        """The run is over."""
        if self._copy is not None:
            sys.settrace(None)
        for frame in self._last:
            frame.f_trace = None
        self._last.clear()
        self._kept = self._copy = None

    def _follow(self, frame: FrameType) -> None:
        frame.f_trace = self._step
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:
        if self._copy is None or not self._frames.owns(frame.f_code.co_filename):
            return None
        self._follow(frame)
        return self._step

    def _step(self, frame: FrameType, event: str, argument: object) -> Any:
        if self._copy is None or self._kept is None:
            return None
        before = self._last.get(frame)
        if before is not None and self._name(frame.f_code, before) in _WRITING:
            with memory.Aside():
                changed = not memory.same(self._copy, self._kept)
            if changed:
                self._tell(frame, before)
                return None
        if event == "return":
            self._last.pop(frame, None)
        else:
            self._last[frame] = frame.f_lasti
        return self._step

    def _name(self, code: CodeType, instruction: int) -> str:
        if code not in self._steps:
            self._steps[code] = {each.offset: each.opname for each in dis.get_instructions(code)}
        return self._steps[code].get(instruction, "")

    def _tell(self, frame: FrameType, instruction: int) -> None:
        outer = self._frames.stack(frame.f_back)
        stack = (*self._frames.entry(frame.f_code, instruction), *outer)
        self._found = Written(0, "", stack, 0, kind="foreign")
        self._kept = self._copy = None
