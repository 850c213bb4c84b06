"""What the modules of a program keep beside their parameters, also where the function that made them has ended.

Note [State of modules]
    A program that is a function hands back what it computed, or nothing at all, and its modules die with it.  What
    they hold - the features of the last batch, a count of calls, a running value - is what the next evaluation or
    checkpoint would read, whether or not this run has read it.  So modules are kept to the end of the run, and what
    they hold is compared as the globals of a script are.  Parameters are left out: each step of training is compared
    by its gradients.  So torch's own layers, which hold nothing else, are not kept: whether the weights of one that was
    replaced are still there is what Note [A parameter that nobody differentiates] asks.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch

from fixinplace.verify.observe import REVERSE, Differentiation, Observer, UserCode
from fixinplace.verify.records import Records

MAX_MODULES = 2_000
_PARAMETER = torch.nn.Parameter


class Constructed:
    """Keeps the modules that the program makes from now on, up to a number of them, and only knows torch's own layers.

    It stays in the base class's constructor, in a process that ends with the run.  watching: False keeps none.
    """

    def __init__(self, watching: bool = True) -> None:
        self._made: list[Callable[[], torch.nn.Module | None]] = []
        if watching:
            self._watch()

    def _watch(self) -> None:
        module: Any = torch.nn.Module
        original, made = module.__init__, self._made

        def init(this: Any, *args: Any, **kwargs: Any) -> None:
            original(this, *args, **kwargs)
            if len(made) < MAX_MODULES:
                made.append(weakref.ref(this) if _holds_parameters(this) else lambda: this)

        module.__init__ = init

    def observe(self, records: Records, user: UserCode, differentiation: Differentiation = REVERSE) -> list[str]:
        """Record what they hold, each by the outermost module that it is in; returns notes."""
        observer = _Held(records, user, differentiation=differentiation)
        for number, module in self._outermost():
            observer.result(module, f"{type(module).__name__} no. {number}")
        return observer.notes

    def _outermost(self) -> list[tuple[int, torch.nn.Module]]:
        """By the number of the call that made them, which is the same in two versions whatever has died meanwhile."""
        left = [(number, made()) for number, made in enumerate(self._made, start=1)]
        whole = [(number, each) for number, each in left if each is not None and "_modules" in vars(each)]
        inner = {id(child) for _, each in whole for child in vars(each)["_modules"].values()}
        return [(number, each) for number, each in whole if id(each) not in inner]


def _holds_parameters(module: torch.nn.Module) -> bool:
    """True for torch's own layers but norms, which keep statistics."""
    cls = type(module)
    return cls.__module__.startswith("torch.nn.modules.") and "Norm" not in cls.__name__


class _Held(Observer):
    """Looks at everything but parameters, and at what torch's own modules have been configured with."""

    def _tensor(self, tensor: torch.Tensor, path: str, role: str) -> None:
        if not isinstance(tensor, _PARAMETER):
            super()._tensor(tensor, path, role)

    def _items(self, value: object, path: str) -> Iterator[tuple[str, object]]:
        own = isinstance(value, torch.nn.Module) and type(value).__module__.startswith("torch.")
        for step, item in super()._items(value, path):
            if not own or isinstance(item, torch.nn.Module | torch.Tensor):
                yield step, item
