"""What special runs say about themselves at their end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ForwardEnd:
    """How far a forward-mode run came.

    stopped: why it went no further; empty if it came to its end.
    limited: forward mode is what stopped it, not what the program does.
    derivatives: how many were recorded.
    hooks: the program changes or watches gradients.
    leaf_written: a leaf, or a view of one, was written in grad mode.
    concerned: where the run stopped the program looks at such a leaf.
    flows: what it looks at there are leaves, and what was written into them has been computed with since.
    """

    stopped: str
    limited: bool
    derivatives: int
    hooks: bool
    leaf_written: bool
    concerned: bool
    flows: bool = False


@dataclass(frozen=True, slots=True)
class DataEnd:
    """What a run says in which parameters are written as data, see Note [A parameter that nobody differentiates].

    others: something written depends on another tracked value than the parameter itself.
    differentiated: the first backward that goes through such a parameter afterwards; empty if none does.
    unasked: a leaf that is no parameter is written, and the program never asks for its gradient afterwards.
    """

    others: bool
    differentiated: str
    unasked: bool = False
