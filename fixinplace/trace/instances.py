"""Which instances of an in-place module there are beside the one that wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from fixinplace.trace.events import Instances

Site = tuple[int, int] | None


def instances(running: Sequence[torch.nn.Module], site: Callable[[torch.nn.Module], Site]) -> Instances:
    """What the modules that are running, innermost first, tell about the flags around the innermost.

    site: where a module was built, as far as that was seen.
    """
    inner, outer = running[0], running[-1]
    if not _is_on(inner):
        return Instances()
    flagged = [(path, each) for path, each in outer.named_modules() if _is_on(each)]
    here = site(inner)
    twins = tuple(path for path, each in flagged if here is not None and site(each) == here)
    around = {id(each): each for each in running[1:] if each is not inner}
    owners = tuple((type(each).__name__, path) for each in around.values() if (path := _path(inner, each)))
    return Instances(owners, tuple(path for path, _ in flagged), twins)


def _is_on(module: torch.nn.Module) -> bool:
    return bool(vars(module).get("inplace", False) is True)


def _path(inner: torch.nn.Module, outer: torch.nn.Module) -> str:
    return next((path for path, each in outer.named_modules() if each is inner), "")
