"""Clones before a statement that writes through an index.

Note [Value before clone]
    `x[0] = (x ** 2).sum()` as `x = x.clone()` and the same store would square the clone, and the store would
    overwrite what the square has kept: the defect again.  Where the stored value reads the target, it gets a
    line and a name of its own, then comes the clone, then the store.  Python evaluates a value before its
    targets, so nothing changes places; for `x[i] += value` the index is read first, and must compute nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

import libcst as cst

from fixinplace.detect.index import dotted
from fixinplace.detect.order import always_runs
from fixinplace.rewrite.base import Effect
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.choice import Step
from fixinplace.rewrite.lines import assigned, fresh_name
from fixinplace.rewrite.reads import mentions, parse, stores, walrus
from fixinplace.rewrite.setting import Setting
from fixinplace.rewrite.statement import Statement

_ACTS = ast.Call | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr


def owners(setting: Setting, steps: Sequence[Step]) -> tuple[str, ...]:
    """Names to clone before the statement, each once; raises Refusal."""
    copied = [step for step in steps if step.rewrite.effect is Effect.COPY]
    for step in copied:
        _check(setting, step, steps)
    return tuple(dict.fromkeys(step.case.target for step in copied if step.case.target is not None))


def _check(setting: Setting, step: Step, steps: Sequence[Step]) -> None:
    target = step.case.target or ""
    if step.case.facts.in_loop:
        raise Refusal("quadratic-cost", f"a clone of `{target}` in every round of a loop would make its cost quadratic")
    if setting.before is None:
        raise Refusal("no-safe-place", f"`{target}` must be cloned before this line, where no statement can stand")
    if step.call is not None and not always_runs(step.call, setting.node):
        raise Refusal("no-safe-place", "the write may run never, or several times")
    others = (s for s in steps if s.rewrite.effect is Effect.REBIND and s.case.target == target)
    if any(others) or stores(target, setting.node) or walrus(target, setting.node):
        raise Refusal("evaluation-order", f"the statement binds `{target}` as well")
    inside = step.call is not None and not _is_statement(setting, step.call)
    if inside and mentions(target, setting.node, skip=step.operand):
        raise Refusal("evaluation-order", f"the statement reads `{target}` in a second place")


def _is_statement(setting: Setting, call: ast.Call) -> bool:
    return isinstance(setting.node, ast.Expr) and setting.node.value is call


def value_first(opened: Statement, small: cst.BaseSmallStatement, names: Sequence[str], text: str
                ) -> tuple[list[str], cst.BaseSmallStatement]:  # fmt: skip
    """See Note [Value before clone]: lines that evaluate the value, and the statement that stores it."""
    match small:
        case cst.Assign(value=value) if _read(opened, value, names):
            _only_stores(opened, small, names)
            name = fresh_name(text)
            return [assigned(name, opened.code(value))], small.with_changes(value=cst.Name(name))
        case cst.AugAssign(value=value) if _read(opened, value, names):
            _computes_nothing(opened, small.target)
            name = fresh_name(text)
            return [assigned(name, opened.code(value))], small.with_changes(value=cst.Name(name))
        case cst.Expr(value=cst.Call() as call):
            return _argument_first(opened, small, call, names, text)
    return [], small


def _argument_first(opened: Statement, small: cst.Expr, call: cst.Call, names: Sequence[str], text: str
                    ) -> tuple[list[str], cst.BaseSmallStatement]:  # fmt: skip
    """`x[0].mul_(x[1])`: the one argument that reads `x` comes first."""
    reading = [arg for arg in call.args if _read(opened, arg.value, names)]
    target = call.func.value if isinstance(call.func, cst.Attribute) else call.func
    if not reading:
        return [], small
    if len(reading) > 1 or len(call.args) > 1 or reading[0].star:
        raise Refusal("evaluation-order", f"the arguments read `{names[0]}`, which must be cloned before the call only")
    _computes_nothing(opened, target)
    name = fresh_name(text)
    changed = call.with_changes(args=[reading[0].with_changes(value=cst.Name(name))])
    return [assigned(name, opened.code(reading[0].value))], small.with_changes(value=changed)


def _read(opened: Statement, value: cst.BaseExpression, names: Sequence[str]) -> bool:
    tree = parse(assigned("_", opened.code(value)))
    return any(mentions(name, tree) for name in names)


def _only_stores(opened: Statement, small: cst.Assign, names: Sequence[str]) -> None:
    """Raise Refusal if the value is bound to a name too: it may be a view, which must then be one of the clone."""
    tree = parse(opened.code(small)).body[0]
    assert isinstance(tree, ast.Assign)
    if len(tree.targets) > 1 or not all(_base(leaf) in names for leaf in _leaves(tree.targets[0])):
        raise Refusal("evaluation-order", f"the value reads `{names[0]}` and is bound elsewhere too")


def _leaves(target: ast.expr) -> list[ast.expr]:
    match target:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return [leaf for element in elements for leaf in _leaves(element)]
    return [target]


def _base(target: ast.expr) -> str:
    while isinstance(target, ast.Subscript):
        target = target.value
    return dotted(target)


def _computes_nothing(opened: Statement, target: cst.BaseExpression) -> None:
    tree = parse(assigned("_", opened.code(target)))
    if any(isinstance(node, _ACTS) for node in ast.walk(tree)):
        raise Refusal("evaluation-order", "the index is computed before the value, and both read the target")
