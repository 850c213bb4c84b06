"""Writes that no saved tensor tells of: through `.data` into what is not saved yet, and into a gradient in a backward.

Note [Behind autograd]
    `h.data *= scale` changes `h`, and no backward knows: the gradient that comes to `h` later goes on as if the line
    did nothing.  No saved tensor is wrong, so nothing is an offence.  Whether it was meant so (a straight-through
    rounding is) only the author knows; the trace tells the place, for those who ask.
    Who holds the tensor is read off the line: the path before `.data`, or the name that an earlier line of the function
    bound to one (`d = h.data`), looked up in the frame without calling anything.

    `grad_output.neg_()` in the backward of a custom Function, or in a hook, changes what the engine may hand to others
    as well, which get the changed one.  The gradient is an argument of the outermost function of the user's that the
    engine calls.
"""

from __future__ import annotations

import inspect
import linecache
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType, FrameType
from typing import Any

import torch

from fixinplace.trace import memory
from fixinplace.trace.blame import Facts
from fixinplace.trace.frames import Frames, outwards, visible_names
from fixinplace.trace.holders import Scene
from fixinplace.trace.ledger import Written

DATA, GRADIENT = "FIP308", "FIP309"
_PATH = re.compile(r"(?<![\w.])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.data\b")
_BOUND = re.compile(r"^\s*([A-Za-z_]\w*)\s*=\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.data\s*(?:#.*)?$")
_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_MISSING = object()


class Behind:
    """Collects such writes, one for each place.

    texts: what was run instead of the file on the disk, by path. written: makes the record of a write.
    """

    def __init__(
        self,
        frames: Frames,
        texts: Mapping[str, str],
        written: Callable[[str, torch.Tensor, FrameType | None, Scene], Written],
    ) -> None:
        self._frames = frames
        self._texts = texts
        self._written = written
        self._paths: dict[tuple[CodeType, int], tuple[str, ...]] = {}
        self.facts: dict[tuple[CodeType, int], Facts] = {}

    def look(self, op: str, targets: Sequence[torch.Tensor], frame: FrameType | None) -> None:
        """Take notice of a write to tensors without history."""
        user = next((each for each in outwards(frame) if self._frames.owns(each.f_code.co_filename)), None)
        if user is None or (user.f_code, user.f_lasti) in self.facts:
            return
        for path in self._named(user):
            target = next((each for each in targets if _is_of(each, _at(user, path))), None)
            if target is not None:
                write = self._written(op, target, frame, Scene(names=(path,)))
                self.facts[user.f_code, user.f_lasti] = Facts([write], rule=DATA, silent=True)

    def look_at_gradient(self, op: str, targets: Sequence[torch.Tensor], frame: FrameType | None) -> None:
        """Take notice of a write inside a backward, by code of the user's."""
        user = next((each for each in outwards(frame) if self._frames.owns(each.f_code.co_filename)), None)
        outer = user
        while outer is not None and outer.f_back is not None and self._frames.owns(outer.f_back.f_code.co_filename):
            outer = outer.f_back
        if user is None or outer is None or (user.f_code, user.f_lasti) in self.facts:
            return
        for name, value in _arguments(outer):
            target = next((each for each in targets if memory.key(each) == memory.key(value)), None)
            if target is not None:
                note = f"`{name}` is the engine's own gradient, which others may be given as well"
                write = self._written(op, target, frame, Scene(names=(name,)))
                self.facts[user.f_code, user.f_lasti] = Facts([write], rule=GRADIENT, silent=True, note=note)

    def _named(self, frame: FrameType) -> tuple[str, ...]:
        """The paths before `.data` in the line that a frame is at, and those that its names were bound to."""
        key = (frame.f_code, frame.f_lineno)
        if key not in self._paths:
            file, line = frame.f_code.co_filename, self._line(frame.f_code.co_filename, frame.f_lineno)
            above = (self._line(file, number) for number in range(frame.f_code.co_firstlineno, frame.f_lineno))
            bound = {match[1]: match[2] for each in above if (match := _BOUND.match(each)) is not None}
            named = (bound[word] for word in _WORD.findall(line) if word in bound)
            self._paths[key] = tuple(dict.fromkeys((*_PATH.findall(line), *named)))
        return self._paths[key]

    def _line(self, file: str, number: int) -> str:
        text = self._texts.get(file)
        if text is None:
            return linecache.getline(file, number)
        lines = text.splitlines()
        return lines[number - 1] if 0 < number <= len(lines) else ""


def _at(frame: FrameType, path: str) -> object:
    name, *rest = path.split(".")
    found: object = visible_names(frame).get(name, _MISSING)
    for attribute in rest:
        known: Any = getattr(found, "__dict__", {})
        found = known.get(attribute, _MISSING)
    return found


def _arguments(frame: FrameType) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors that a function was given, by the names of its parameters."""
    code, known = frame.f_code, visible_names(frame)
    starred = bool(code.co_flags & inspect.CO_VARARGS)
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + starred]:
        given = known.get(name)
        for each in given if isinstance(given, tuple) else (given,):
            if isinstance(each, torch.Tensor):
                yield name, each


def _is_of(target: torch.Tensor, holder: object) -> bool:
    """True if the target lies in the memory of this result of an operation."""
    if not isinstance(holder, torch.Tensor) or not holder.requires_grad or holder.grad_fn is None:
        return False
    return memory.key(holder) == memory.key(target)
