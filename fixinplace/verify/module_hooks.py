"""Full backward hooks of modules, in forward mode.

Note [What a full backward hook is given]
    torch passes what a module takes and returns through a function that computes nothing, and whose backward calls the
    hooks.  In forward mode there is no backward: the tensors go through as they are, so that what writes into them in
    place, which torch refuses to a wrapped output, writes into what the module has returned.  That the program has such
    hooks is noted: they may change gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch.utils.hooks

_WRAPPER: Any = torch.utils.hooks.BackwardHook


def pass_by(note: Callable[[], object]) -> None:
    """From now on nothing is wrapped; `note` is called wherever torch would."""

    def apply(hook: Any, fn: Callable[..., object], given: Sequence[object]) -> tuple[Sequence[object], None]:
        note()
        return given, None

    _WRAPPER._apply_on_tensors = apply
