"""Rows of the results' table: kinds and aliases from schemas, dtypes from the sampled run, claims from `promises`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from fixinplace.catalogue import facts, modules, promises
from fixinplace.catalogue.sample import Sampled, Seen

Row = dict[str, object]
SAMPLED = {
    "Tensor": ("", "nn.functional.", "linalg."),
    "torch": ("", "nn.functional.", "linalg."),
    "torch.nn.functional": ("nn.functional.",),
    "torch.special": ("special.",),
    "torch.linalg": ("linalg.",),
    "torch.fft": ("fft.",),
}
"""Namespace → prefixes under which torch's test database may have its operators."""
_NUMBERS = ("int", "float", "bool", "number")


def rows(sampled: Sampled) -> dict[str, Row]:
    """All results, by the name of the callable, attribute or module; raises if a sample contradicts a claim."""
    found: dict[str, Row] = {}
    for namespace, owner, prefix in facts.NAMESPACES:
        found.update(_callables(namespace, owner, prefix, sampled))
    for name, text in promises.ROWS.items():
        found[name] = _spelled(text)
    found.update(
        {f"Tensor.{name}": _spelled(t) for name, t in promises.OPERATORS.items() if hasattr(torch.Tensor, name)}
    )
    found.update(_modules(found))
    for name, row in found.items():
        _check(name, row, _seen(name, sampled))
    return found


def _callables(namespace: str, owner: object, prefix: str, sampled: Sampled) -> Iterator[tuple[str, Row]]:
    for name, _ in facts.callables(owner):
        if name.startswith(("_", *promises.INTERNAL)) or name.endswith("_"):
            continue
        spelled = f"{namespace}.{name}"
        operator = facts.operator(namespace, name)
        if operator is not None and not operator.writes():
            yield spelled, _of_operator(prefix + name, operator, _seen(spelled, sampled))
        elif namespace == "torch.nn.functional" and name in promises.FRESH_FUNCTIONALS:
            yield spelled, {"kind": "tensor", "memory": "fresh"} | _dtype_row(name, _seen(spelled, sampled))
        elif namespace == "Tensor" and name in promises.CONVERSIONS:
            yield spelled, {"kind": "tensor", "memory": "maybe"}


def _of_operator(name: str, operator: facts.Operator, seen: Seen | None) -> Row:
    kind = _kind(name, operator)
    if kind in ("number", "other"):
        return {"kind": kind, "memory": "fresh"}
    row = {"kind": kind, "memory": _memory(name, operator)} | _dtype_row(name, seen)
    if not operator.takes_tensor() or name in promises.UNTRACKED:
        row["tracked"] = False
    return row | _parts(operator, seen)


def _kind(name: str, operator: facts.Operator) -> str:
    if name in promises.EITHER:
        return "either"
    kinds = {_kind_of(returned) for returned in operator.returns()}
    return kinds.pop() if len(kinds) == 1 else "tensor" if kinds == {"tensor", "tensors"} else "other"


def _kind_of(returned: str) -> str:
    if returned == "Tensor":
        return "tensor"
    if returned.startswith(("Tensor,", "List[Tensor]")):
        return "tensors"
    return "number" if returned in _NUMBERS else "other"


def _memory(name: str, operator: facts.Operator) -> str:
    """See Note [Fresh] in promises.py."""
    if name in promises.VIEWS:
        return "view"
    if name in promises.LIARS | promises.CONVERSIONS | promises.ALWAYS_MAYBE:
        return "maybe"
    if name in promises.FRESH:
        return "fresh"
    aliases = operator.aliases()
    if operator.composite or len(aliases) > 1:
        return "maybe"
    return "view" if True in aliases else "fresh"


def _seen(name: str, sampled: Sampled) -> Seen | None:
    namespace, _, short = name.rpartition(".")
    keys = (prefix + short for prefix in SAMPLED.get(namespace, ()))
    return next((sampled.seen[key] for key in keys if key in sampled.seen), None)


def _dtype_row(name: str, seen: Seen | None) -> Row:
    """The dtype of the first result, and `tracked` where the results are known not to require grad."""
    dtypes = [_dtype(seen.parts[number]) for number in sorted(seen.parts)] if seen is not None else []
    dtype = promises.DTYPES.get(name) or (dtypes[0] if dtypes else "any")
    row: Row = {"dtype": dtype} if dtype != "any" else {}
    untracked = seen is not None and bool(dtypes) and (_discrete(seen) or (seen.asked and not seen.tracked))
    return row | ({"tracked": False} if untracked else {})


def _discrete(seen: Seen) -> bool:
    return all(not (r.is_floating_point or r.is_complex) for pairs in seen.parts.values() for _, r in pairs)


def _parts(operator: facts.Operator, seen: Seen | None) -> Row:
    lengths = {returned.count(",") + 1 for returned in operator.returns() if "List" not in returned} - {1}
    if seen is None or lengths != {len(seen.parts)}:
        return {}
    return {"parts": [_dtype(seen.parts[number]) for number in sorted(seen.parts)]}


def _dtype(pairs: Iterable[tuple[torch.dtype | None, torch.dtype]]) -> str:
    """The class of a result's dtype; `pairs` hold the operands' floating dtype (None: no floating operand) and it."""
    results = {result for _, result in pairs}
    if results == {torch.bool}:
        return "bool"
    if not any(r.is_floating_point or r.is_complex for r in results):
        return "int" if any(operand is not None for operand, _ in pairs) else "same"
    floating = [(operand, result) for operand, result in pairs if operand is not None]
    if not floating or any(operand != result for operand, result in floating):
        return "any"
    integral = {result for operand, result in pairs if operand is None and result.is_floating_point}
    if not integral:
        return "same"
    return "float" if integral == {torch.get_default_dtype()} else "any"


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


def _check(name: str, row: Row, seen: Seen | None) -> None:
    if seen is None:
        return
    if (row["memory"] == "fresh" and seen.shares) or (row["memory"] == "view" and seen.fresh):
        raise AssertionError(f"{name} is called {row['memory']}, and a sample shows the opposite")
