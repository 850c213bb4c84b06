"""What a function computes that is the same without grad mode: nothing that leaves it needs a history.

Note [Without a history]
    A name is flat if all that it is ever bound to is made of gradients, numbers, tensors made anew, and flat names: in
    any grad mode such a value has no history.  What else a local name is bound to by arithmetic does no harm either, if
    a write uses it and nothing returns it: without grad mode a write records nothing of what it uses.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fixinplace.repair.code import Function

_METHODS = frozenset(
    "abs add addcdiv clamp clamp_max clamp_min clone detach div dot double exp float item log max mean min mul neg "
    "norm pow reciprocal rsqrt sign sqrt square sub sum".split()
)
_MADE = frozenset("empty full ones tensor zeros empty_like full_like ones_like zeros_like".split())
_NUMBERS = frozenset("float int bool len".split())


@dataclass(frozen=True)
class Gradless:
    """Names of a function that are flat, and those for its writes alone; see Note [Without a history]."""

    flat: frozenset[str]
    used: frozenset[str]

    def covers(self, statement: ast.stmt) -> bool:
        """True for a statement that does the same without grad mode."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                return name in self.flat or (name in self.used and _is_pure(value))
            case ast.AugAssign(target=ast.Name(id=name)):
                return name in self.flat
            case ast.Return(value=value):
                return value is None or self.is_flat(value)
        return False

    def is_flat(self, node: ast.expr) -> bool:
        """True for an expression that has no history in any mode."""
        return _is_pure(node) and _is_flat(node, self.flat)


def gradless(function: Function, writes: Sequence[ast.stmt]) -> Gradless:
    """What is flat in a function, and what its writes use and it does not return."""
    bound: dict[str, list[ast.expr | None]] = {}
    for name, value in [*_bindings(function), *((a.arg, None) for a in _arguments(function))]:
        bound.setdefault(name, []).append(value)
    flat = set(bound)
    while True:
        gone = {n for n in flat if not all(v and _is_pure(v) and _is_flat(v, frozenset(flat)) for v in bound[n])}
        if not gone:
            break
        flat -= gone
    returns = [each for each in ast.walk(function) if isinstance(each, ast.Return)]
    return Gradless(frozenset(flat), _names(writes) - _names(returns))


def _names(nodes: Sequence[ast.stmt]) -> frozenset[str]:
    return frozenset(each.id for one in nodes for each in ast.walk(one) if isinstance(each, ast.Name))


def _bindings(function: Function) -> Iterator[tuple[str, ast.expr | None]]:
    """Every name that is bound with its value; None for what a loop or an unpacking gives."""
    plain: set[int] = set()
    for node in ast.walk(function):
        match node:
            case (
                ast.Assign(targets=[ast.Name() as target], value=value)
                | ast.AugAssign(target=ast.Name() as target, value=value)
            ):
                plain.add(id(target))
                yield target.id, value
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in plain:
            yield node.id, None


def _arguments(function: Function) -> Iterator[ast.arg]:
    return (each for each in ast.walk(function.args) if isinstance(each, ast.arg))


def _is_flat(node: ast.expr, flat: frozenset[str]) -> bool:
    match node:
        case ast.Constant() | ast.Attribute(attr="grad") | ast.Call(func=ast.Name()):
            return True
        case ast.Name(id=name):
            return name in flat
        case ast.BinOp(left=left, right=right):
            return _is_flat(left, flat) and _is_flat(right, flat)
        case ast.UnaryOp(operand=inner):
            return _is_flat(inner, flat)
        case ast.Call(func=ast.Attribute(attr="detach" | "item")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr=attr)):
            return attr in _MADE
        case ast.Call(func=ast.Attribute(value=inner), args=args, keywords=keywords):
            return all(_is_flat(each, flat) for each in [inner, *args, *(k.value for k in keywords)])
    return False


def _is_pure(node: ast.expr) -> bool:
    """True for arithmetic: no call but of a function that is known to compute a new tensor or a number."""
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                known = name in _NUMBERS
            case ast.Call(func=ast.Attribute(value=owner, attr=attr), keywords=keywords):
                made = isinstance(owner, ast.Name) and owner.id == "torch" and attr in _MADE
                known = made or attr in _METHODS
                known = known and not {k.arg for k in keywords} & {"requires_grad", "out", None}
            case ast.Call():
                known = False
            case ast.expr():
                arithmetic = (ast.Constant, ast.Name, ast.Attribute, ast.BinOp, ast.UnaryOp, ast.Tuple)
                known = isinstance(each, arithmetic)
            case _:
                known = True
        if not known:
            return False
    return True
