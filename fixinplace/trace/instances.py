"""Which instances of an in-place module there are beside the one that wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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
    modules = dict(outer.named_modules())
    flagged = [(path, each) for path, each in modules.items() if _is_on(each)]
    here = site(inner)
    twins = tuple(path for path, each in flagged if here is not None and site(each) == here)
    around = {id(each): each for each in running[1:] if each is not inner}
    owners = [(each, path) for each in around.values() if (path := _path(inner, each))]
    on = tuple(path for path, _ in flagged)
    alike = tuple(tuple(_alike(modules, on, path, type(each))) for each, path in owners)
    return Instances(tuple((type(each).__name__, path) for each, path in owners), on, twins, alike)


def _is_on(module: torch.nn.Module) -> bool:
    return bool(vars(module).get("inplace", False) is True)


def _path(inner: torch.nn.Module, outer: torch.nn.Module) -> str:
    return next((path for path, each in outer.named_modules() if each is inner), "")


def _alike(
    modules: Mapping[str, torch.nn.Module], flagged: Iterable[str], path: str, kind: type[torch.nn.Module]
) -> Iterator[str]:
    """Those of the flagged that are at this path in an object of this class."""
    for each in flagged:
        if f".{each}".endswith(f".{path}") and isinstance(modules.get(each[: -len(path)].rstrip(".")), kind):
            yield each
