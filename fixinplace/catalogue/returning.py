"""Rows of the results' table: kinds and aliases from schemas, dtypes from the sampled run, claims from `promises`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from fixinplace.catalogue import facts, modules, promises
from fixinplace.catalogue.sample import Sampled, Seen

Row = dict[str, Any]
SAMPLED = {
    "Tensor": "",
    "torch": "",
    "torch.nn.functional": "nn.functional.",
    "torch.special": "special.",
    "torch.linalg": "linalg.",
    "torch.fft": "fft.",
}
"""Namespace → prefix of its operators' names in torch's test database."""
_NUMBERS = ("int", "float", "bool", "number", "SymInt", "Scalar")


def rows(sampled: Sampled) -> dict[str, Row]:
    """All results, by the name of the callable, attribute or module."""
    found: dict[str, Row] = {}
    for namespace, owner, prefix in facts.NAMESPACES:
        found.update(_callables(namespace, owner, prefix, sampled))
    found.update(_dunders())
    found.update({name: _spelled(text) for name, text in promises.ROWS.items()})
    found.update({name: found[name] | _sampled(name, sampled) for name in promises.ROWS if name in found})
    found.update(_modules(found))
    return found


def _callables(namespace: str, owner: Any, prefix: str, sampled: Sampled) -> Iterator[tuple[str, Row]]:
    for name, function in facts.callables(owner):
        if name.startswith("_") or name.endswith("_"):
            continue
        spelled = f"{namespace}.{name}"
        operator = facts.operator(namespace, name)
        if operator is not None and not operator.writes():
            yield spelled, _of_operator(prefix + name, operator) | _sampled(spelled, sampled)
        elif namespace == "torch.nn.functional" and name in promises.FRESH_FUNCTIONALS:
            yield spelled, {"kind": _either(name, "tensor"), "memory": "fresh"} | _sampled(spelled, sampled)
        elif namespace == "Tensor" and name in promises.CONVERSIONS and callable(function):
            yield spelled, {"kind": "tensor", "memory": "maybe"}


def _of_operator(name: str, operator: facts.Operator) -> Row:
    kind = _kind(operator)
    row: Row = {
        "kind": _either(name, kind),
        "memory": _memory(name, operator) if kind in ("tensor", "tensors") else "fresh",
    }
    if kind not in ("tensor", "tensors"):
        return row
    if not operator.takes_tensor() or name in promises.LIKE | promises.UNTRACKED:
        row["tracked"] = False
    if name in promises.LIKE:
        row["dtype"] = "same"
    elif name in promises.DEFAULT_DTYPE:
        row["dtype"] = "float"
    elif name in promises.INDICES:
        row["dtype"] = "int"
    return row


def _kind(operator: facts.Operator) -> str:
    kinds = {_kind_of(text) for text in operator.returns()}
    if kinds == {"tensor", "tensors"}:
        return "either"
    return kinds.pop() if len(kinds) == 1 else "other"


def _kind_of(returned: str) -> str:
    if returned == "Tensor":
        return "tensor"
    if returned.startswith(("Tensor,", "List[Tensor]")):
        return "tensors"
    return "number" if returned in _NUMBERS else "other"


def _either(name: str, kind: str) -> str:
    return "either" if name in promises.EITHER else kind


def _memory(name: str, operator: facts.Operator) -> str:
    """See Note [Fresh] in promises.py."""
    if name in promises.VIEWS:
        return "view"
    if name in promises.LIARS | promises.CONVERSIONS | promises.ALWAYS_MAYBE:
        return "maybe"
    if name in promises.FRESH:
        return "fresh"
    if operator.composite:
        return "maybe"
    return {(False,): "fresh", (True,): "view"}.get(tuple(operator.aliases()), "maybe")


def _sampled(name: str, sampled: Sampled) -> Row:
    namespace, _, short = name.rpartition(".")
    seen = sampled.seen.get(SAMPLED.get(namespace, "?") + short)
    if seen is None or not seen.counts or seen.counts == {0}:
        return {}
    dtypes = [_dtype(seen.parts[number]) for number in sorted(seen.parts)]
    row: Row = {"dtype": dtypes[0]} if dtypes else {}
    if len(seen.counts) == 1 and len(dtypes) > 1:
        row["parts"] = dtypes
    return row | _tracked(seen, dtypes)


def _tracked(seen: Seen, dtypes: list[str]) -> Row:
    discrete = bool(dtypes) and set(dtypes) <= {"bool", "int"}
    return {"tracked": False} if discrete or (seen.asked and not seen.tracked) else {}


def _dtype(pairs: set[tuple[torch.dtype | None, torch.dtype]]) -> str:
    """The class of a result's dtype; `pairs` hold the operands' floating dtype (None: no floating operand) and it."""
    found = {result for _, result in pairs}
    if found == {torch.bool}:
        return "bool"
    floating = {(operand, result) for operand, result in pairs if operand is not None}
    integral = {result for operand, result in pairs if operand is None}
    if floating and {result for _, result in floating} == {torch.int64} and not any(r.is_floating_point for r in found):
        return "int"
    if not floating or any(operand != result for operand, result in floating):
        return "any"
    if not any(r.is_floating_point for r in integral):
        return "same"
    return "float" if integral == {torch.get_default_dtype()} else "any"


def _dunders() -> Iterator[tuple[str, Row]]:
    groups = {
        promises.ARITHMETIC: {"dtype": "same"},
        promises.DIVISION: {"dtype": "float"},
        promises.COMPARISONS: {"dtype": "bool", "tracked": False},
        promises.BITS: {"dtype": "same", "tracked": False},
    }
    for names, row in groups.items():
        for name in names:
            if hasattr(torch.Tensor, name):
                yield f"Tensor.{name}", {"kind": "tensor", "memory": "fresh"} | row


def _modules(found: dict[str, Row]) -> Iterator[tuple[str, Row]]:
    for name, _ in facts.modules():
        if name in modules.FUNCTIONALS:
            yield f"torch.nn.{name}", found[f"torch.nn.functional.{modules.FUNCTIONALS[name]}"]
        elif name in modules.ROWS:
            yield f"torch.nn.{name}", _spelled(modules.ROWS[name])
        elif name not in modules.WITHOUT_FORWARD:
            raise LookupError(f"torch.nn.{name}: no row in modules.py")


def _spelled(text: str) -> Row:
    kind, memory, *rest = text.split()
    row: Row = {"kind": kind, "memory": memory}
    if rest and rest[0] != "any":
        row["dtype"] = rest[0]
    return row | ({"tracked": False} if "untracked" in rest else {})
