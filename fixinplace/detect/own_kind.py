"""Modules that may hold one of their own class: `Block(n, submodule=Block(2 * n))`.

Note [Own kind]
    What the `forward` of such a class returns rests on what a module of the same class returns, further inside.  While
    it is read, one of its own class is supposed to keep nothing and to return a new tensor.  If what was read says the
    same of the whole, it is so: the innermost one holds none, and every other one follows from that which it holds.
    If not, the `forward` is read again without supposing anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fixinplace.detect.kinds import Origin

if TYPE_CHECKING:
    from fixinplace.detect.program import Key, Program
    from fixinplace.detect.summary import Summary
    from fixinplace.detect.values import Value


def is_supposed(program: Program, name: str) -> bool:
    """True for the class whose `forward` is being read, as long as nothing has spoken against it."""
    if program.reading != (name, "forward") or program.supposes is False:
        return False
    program.supposes = True
    return True


def read_supposing(program: Program, key: Key, read: Callable[[], None]) -> None:
    """Read a function; see Note [Own kind]."""
    program.reading, program.supposes = key, None
    read()
    if program.supposes and not is_new(program.summaries.get(key)):
        program.supposes = False
        read()
    program.reading = None


def is_new(summary: Summary | None) -> bool:
    """True for a function that keeps nothing, and returns a tensor that it has made."""
    return summary is not None and not summary.keeps and is_made(summary.returns)


def is_made(value: Value) -> bool:
    """True for a tensor that a function has made itself."""
    own = bool(value.memory) and all(one.origin is Origin.ALLOCATED for one in value.memory)
    return value.tensor and own and not value.maybe
