"""Rows of the writers' table: names from `facts`, decisions from `overlay`, dtypes from the sampled run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch

from fixinplace.catalogue import facts, overlay
from fixinplace.catalogue.facts import in_place, position

Row = dict[str, Any]
METHOD, FUNCTION, ARGUMENT, MODULE = "FIP104", "FIP105", "FIP106", "FIP107"
AUGMENTED, STORE, OUT = "FIP101", "FIP109", "FIP110"
METADATA, RANDOM, FILL, FOREACH = "FIP112", "FIP113", "FIP114", "FIP115"


def rows(promoting: frozenset[str]) -> dict[str, Row]:
    """All writers; `promoting` names the operators whose out-of-place form changes the dtype somewhere."""
    found: dict[str, Row] = {}
    for table in (_methods(promoting), _functions(promoting), _functionals(), _initialisers(), _flags(), _modules()):
        found.update(table)
    for more in (_outs(), _operators(), _setters(), _others()):
        found.update(more)
    return found


def _methods(promoting: frozenset[str]) -> Iterator[tuple[str, Row]]:
    for name, _ in facts.callables(torch.Tensor):
        if in_place(name):
            yield f"Tensor.{name}", _decide("Tensor", torch.Tensor, name, METHOD, promoting)


def _functions(promoting: frozenset[str]) -> Iterator[tuple[str, Row]]:
    for name, _ in facts.callables(torch):
        if not in_place(name):
            continue
        if name.startswith(("_foreach_", "_fused_")):
            yield f"torch.{name}", _foreach(name)
        else:
            yield f"torch.{name}", _decide("torch", torch, name, FUNCTION, promoting) | _argument(name)


def _functionals() -> Iterator[tuple[str, Row]]:
    owner = torch.nn.functional
    for name, _ in facts.callables(owner):
        if in_place(name):
            row = _decide("torch.nn.functional", owner, name, FUNCTION, frozenset()) | _argument(name)
            yield f"torch.nn.functional.{name}", row | _shared_arguments(name)


def _decide(namespace: str, owner: object, name: str, rule: str, promoting: frozenset[str]) -> Row:
    """The decision for a name ending in an underscore; raises if no class takes it and no twin exists."""
    twin = name[:-1]
    metadata = {"metadata": True} if name in overlay.METADATA | overlay.VIEWS else {}
    random = {"random": True} if twin in overlay.RANDOM or name in overlay.RANDOM_FILLS else {}
    if name in overlay.REFUSED:
        return (
            {"rule": METADATA if metadata else rule, "form": "none", "refusal": overlay.REFUSED[name]}
            | metadata
            | random
        )
    if name in overlay.VIEWS:
        return {"rule": METADATA, "form": "view", "counterpart": f"{namespace}.{twin}"} | metadata
    if name in overlay.FILLS:
        return {"rule": FILL, "form": "call", "counterpart": overlay.FILLS[name]}
    if name in overlay.RANDOM_FILLS:
        return {"rule": RANDOM, "form": "random", "counterpart": "torch.empty_like"} | random
    if not hasattr(owner, twin):
        raise LookupError(f"{namespace}.{name}: no twin and no decision in overlay.py")
    form = "cast" if twin in promoting else "same"
    return {"rule": rule, "form": form, "counterpart": f"{namespace}.{twin}"} | random


def _argument(name: str) -> Row:
    return {"target_position": 0, "target_keyword": "self" if name.startswith("_") else overlay.SELF_KEYWORD}


def _shared_arguments(name: str) -> Row:
    """The arguments that `F.elu_(x, alpha, scale)` has in common with `F.elu(x, alpha, inplace)`, if not all."""
    twin, known = getattr(torch.nn.functional, name[:-1], None), facts.operators().get(name)
    if twin is None or known is None:
        return {}
    written = [overlay.SELF_KEYWORD, *(argument.name for argument in known.schemas[0].arguments[1:])]
    pairs = zip(written, facts.parameters(twin), strict=False)
    same = [mine for mine, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)]
    return {} if same == written else {"shared": same}


def _foreach(name: str) -> Row:
    """See Note [Foreach] in overlay.py."""
    if name in overlay.REFUSED:
        return {"rule": FOREACH, "form": "none", "refusal": overlay.REFUSED[name], "target_position": 0}
    twin = {"counterpart": f"torch.{name[:-1]}"} if hasattr(torch, name[:-1]) else {}
    return {"rule": FOREACH, "form": "none", "refusal": "container-slot", "target_position": 0} | twin


def _initialisers() -> Iterator[tuple[str, Row]]:
    deprecated = {name[:-1] for name in dir(torch.nn.init) if in_place(name)}
    for name, function in facts.callables(torch.nn.init):
        if in_place(name) or (name in deprecated and hasattr(torch.nn.init, name)):
            random = {"random": True} if name.rstrip("_") in overlay.RANDOM else {}
            keyword = (*facts.parameters(function), "tensor")[0]
            target = {"target_position": 0, "target_keyword": keyword if in_place(name) else "tensor"}
            yield (
                f"torch.nn.init.{name}",
                {"rule": FUNCTION, "form": "none", "refusal": "initialiser"} | target | random,
            )


def _flags() -> Iterator[tuple[str, Row]]:
    for name, function in facts.callables(torch.nn.functional):
        if "inplace" in facts.parameters(function):
            row = _flag(ARGUMENT, f"torch.nn.functional.{name}", position(function, "inplace"), name)
            yield f"torch.nn.functional.{name}(inplace=)", row | _argument("input")


def _modules() -> Iterator[tuple[str, Row]]:
    for name, found in facts.modules():
        if "inplace" in facts.parameters(found):
            yield f"torch.nn.{name}(inplace=)", _flag(MODULE, f"torch.nn.{name}", position(found, "inplace"), name)


def _flag(rule: str, counterpart: str, at: int | None, name: str) -> Row:
    random = {"random": True} if name in overlay.RANDOM else {}
    place = {} if at is None else {"flag_position": at}
    return {"rule": rule, "form": "flag", "counterpart": counterpart} | place | random


def _outs() -> Iterator[tuple[str, Row]]:
    for namespace, owner, prefix in (*facts.NAMESPACES[1:], ("torch._C._nn", torch._C._nn, "")):
        for name, function in facts.callables(owner):
            if not name.startswith("_") and not in_place(name) and _takes_out(function, prefix + name):
                yield f"{namespace}.{name}(out=)", _out(f"{namespace}.{name}", prefix + name)


def _takes_out(function: Callable[..., Any], operator: str) -> bool:
    names = facts.parameters(function)
    if names:
        return "out" in names
    return operator in facts.operators() and facts.operators()[operator].has_out


def _out(counterpart: str, operator: str) -> Row:
    """A factory takes its dtype from `out`, so that dropping it changes the result."""
    name = operator.rsplit(".", maxsplit=1)[-1]
    random = {"random": True} if name in overlay.RANDOM else {}
    known = facts.operators().get(operator)
    if known is not None and not known.takes_tensor():
        return {"rule": OUT, "form": "none", "counterpart": counterpart, "refusal": "dtype-may-change"} | random
    return {"rule": OUT, "form": "out", "counterpart": counterpart} | random


def _operators() -> Iterator[tuple[str, Row]]:
    for name, plain in overlay.OPERATORS.items():
        if hasattr(torch.Tensor, name):
            yield f"Tensor.{name}", {"rule": AUGMENTED, "form": "operator", "counterpart": f"Tensor.{plain}"}
    yield "Tensor.__setitem__", {"rule": STORE, "form": "store"}


def _setters() -> Iterator[tuple[str, Row]]:
    for name, (rule, refusal) in overlay.SETTERS.items():
        metadata = {"metadata": True} if name in overlay.METADATA else {}
        yield f"Tensor.{name}", {"rule": rule, "form": "none", "refusal": refusal} | metadata


def _others() -> Iterator[tuple[str, Row]]:
    for name, (rule, refusal) in overlay.WITHOUT_UNDERSCORE.items():
        metadata = {"metadata": True} if name.split(".")[-1] in overlay.METADATA else {}
        yield name, {"rule": rule, "form": "none", "refusal": refusal} | metadata
