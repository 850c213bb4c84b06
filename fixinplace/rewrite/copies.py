"""Clones before a statement that writes through an index.

Note [Value before clone]
    `x[0] = (x ** 2).sum()` as `x = x.clone()` and the same store would square the clone, and the store would
    overwrite what the square has kept: the defect again.  Where the stored value reads the target, it gets a
    line and a name of its own, then comes the clone, then the store.  Python evaluates a value before its
    targets, so nothing changes places; for `x[i] += value` the index is read first, and must compute nothing.

Note [Views of the old tensor]
    `x[0], x[1] = x[1], x[0]` stores the old `x[1]` twice: the second value is a view that sees the first store.
    Evaluated before the clone it would see nothing, so several values must be new tensors.  A single value that is
    a view is read by the one store alone; only where the two overlap (`x[1:] = x[:-1]`, which torch leaves
    undefined) can the results differ, so that such a form is not called exact unless the indices show two parts.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import libcst as cst

from fixinplace.detect.identity import is_fresh
from fixinplace.detect.index import dotted
from fixinplace.detect.order import always_runs
from fixinplace.rewrite.base import Effect
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.choice import Step
from fixinplace.rewrite.kin import anew
from fixinplace.rewrite.lines import assigned, fresh_name
from fixinplace.rewrite.reads import mentions, parse, stores, walrus
from fixinplace.rewrite.setting import Setting
from fixinplace.rewrite.statement import Statement
from fixinplace.rewrite.values import operand, rest
from fixinplace.walking import walk

_ACTS = ast.Call | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr


@dataclass(frozen=True, slots=True)
class Copies:
    """Names to clone before a statement: those that its calls write a part of, and those that it stores into."""

    called: tuple[str, ...]
    stored: tuple[str, ...]
    kin: Mapping[str, tuple[str, ...]]
    """For a name that others share: the lines that clone, see Note [Kin]."""
    read_by: Mapping[str, tuple[str, ...]]
    """For a name that others share: their names."""

    def __bool__(self) -> bool:
        return bool(self.called or self.stored)

    def names(self) -> list[str]:
        """The names that the statement itself stores into, and all who share memory with them."""
        return [other for name in self.stored for other in (name, *self.read_by.get(name, ()))]

    def clones(self, names: Sequence[str]) -> list[str]:
        """The lines that clone these names."""
        return [line for name in names for line in self.kin.get(name, (f"{name} = {name}.clone()",))]


def copies(setting: Setting, steps: Sequence[Step]) -> Copies:
    """The clones that a statement needs, each once; raises Refusal."""
    copied = [step for step in steps if step.rewrite.effect is Effect.COPY]
    for step in copied:
        _check(setting, step, steps)
    called = [step.case.target for step in copied if step.call is not None and step.case.target]
    stored = [step.case.target for step in copied if step.call is None and step.case.target]
    shared = {step.case.target: step.case for step in copied if step.case.facts.family and step.case.target}
    kin = {name: anew(case, Effect.COPY).before for name, case in shared.items()}
    names = {name: tuple(holder.name for holder in case.facts.family) for name, case in shared.items()}
    if any(one != other and one in held for one in (*called, *stored) for other, held in names.items()):
        raise Refusal("no-safe-place", "the statement writes parts of one tensor under two names")
    return Copies(tuple(dict.fromkeys(called)), tuple(dict.fromkeys(stored)), kin, names)


def _check(setting: Setting, step: Step, steps: Sequence[Step]) -> None:
    target = step.case.target or ""
    if step.case.facts.in_loop:
        raise Refusal("quadratic-cost", f"a clone of `{target}` in every round of a loop would make its cost quadratic")
    if setting.before is None:
        raise Refusal("no-safe-place", f"`{target}` must be cloned before this line, where no statement can stand")
    if step.call is not None and not always_runs(step.call, setting.node):
        raise Refusal("no-safe-place", "the write may run never, or several times")
    others = (s for s in steps if s.rewrite.effect is Effect.REBIND and s.case.target == target)
    own = isinstance(setting.node, ast.AugAssign) and step.call is None
    if any(others) or (stores(target, setting.node) and not own) or walrus(target, setting.node):
        raise Refusal("evaluation-order", f"the statement binds `{target}` as well")
    inside = step.call is not None and not _is_statement(setting, step.call)
    names = (target, *(holder.name for holder in step.case.facts.family))
    if inside and any(_is_read(name, setting.node, step) for name in names):
        raise Refusal("evaluation-order", f"the statement reads the tensor of `{target}` in a second place")


def _is_read(name: str, root: ast.AST, step: Step) -> bool:
    """True if a statement reads a name apart from the operand that a call of it writes."""
    if step.call is None or not isinstance(step.operand, ast.Name):
        return mentions(name, root, skip=step.operand)
    given = (*step.call.args, *(word.value for word in step.call.keywords))
    return mentions(name, root, skip=step.call) or any(mentions(name, one) for one in given)


def _is_statement(setting: Setting, call: ast.Call) -> bool:
    return isinstance(setting.node, ast.Expr) and setting.node.value is call


def cloned(opened: Statement, small: cst.BaseSmallStatement, needed: Copies, steps: Sequence[Step], text: str
           ) -> tuple[list[str], cst.BaseSmallStatement]:  # fmt: skip
    """The lines that clone, and the statement that follows them; see Note [Value before clone]."""
    first: list[str] = []
    match small:
        case cst.Assign(value=value) if _read(opened, value, needed.names()):
            _only_stores(opened, small, needed)
            first, small = _value_first(opened, small, small, text)
        case cst.AugAssign(value=value) if _read(opened, value, needed.names()):
            _computes_nothing(opened, small.target)
            first, small = _value_first(opened, small, small, text)
        case cst.Expr(value=cst.Call() as call) if (step := _whole(opened, steps)) is not None:
            argument = _reading_argument(opened, call, step, needed)
            first, small = _value_first(opened, small, argument, text) if argument is not None else ([], small)
            return [*first, *needed.clones(needed.called)], small
    return [*needed.clones(needed.called), *first, *needed.clones(needed.stored)], small


def _value_first(opened: Statement, small: cst.BaseSmallStatement, holder: cst.Assign | cst.AugAssign | cst.Arg,
                 text: str) -> tuple[list[str], cst.BaseSmallStatement]:  # fmt: skip
    """A line that evaluates the holder's value, and the statement with the name of that in its place."""
    name = fresh_name(text)
    changed = small.deep_replace(holder, holder.with_changes(value=cst.Name(name)))
    assert isinstance(changed, cst.BaseSmallStatement)
    return [assigned(name, opened.code(holder.value))], changed


def _whole(opened: Statement, steps: Sequence[Step]) -> Step | None:
    """The step whose call is the statement, if it writes a part of something."""
    node = opened.small.value if isinstance(opened.small, cst.Expr) and not opened.header else None
    return next((step for step in steps if step.node is node and step.rewrite.effect is Effect.COPY), None)


def _reading_argument(opened: Statement, call: cst.Call, step: Step, needed: Copies) -> cst.Arg | None:
    """The argument of `x[0].mul_(x[1])` that reads `x` besides the written part; raises Refusal for several."""
    name = step.case.target or ""
    others = rest(step.case, call)
    given = [arg for arg in others if not isinstance(arg.value, cst.Comparison)]  # no gradient flows through these
    reading = [arg for arg in given if _read(opened, arg.value, [name, *needed.read_by.get(name, ())])]
    if not reading:
        return None
    if len(reading) > 1 or reading[0].star or not all(_is_atom(arg) for arg in others if arg not in reading):
        raise Refusal("evaluation-order", f"the arguments read `{name}`, which must be cloned before the call only")
    _computes_nothing(opened, operand(step.case, call))
    return reading[0]


def _is_atom(argument: cst.Arg) -> bool:
    """True for a name or a number: it may as well be read after what stands behind it."""
    match argument.value:
        case cst.UnaryOperation(expression=inner):
            return isinstance(inner, cst.BaseNumber)
    return isinstance(argument.value, cst.Name | cst.BaseNumber) and not argument.star


def _read(opened: Statement, value: cst.BaseExpression, names: Sequence[str]) -> bool:
    tree = parse(assigned("_", opened.code(value)))
    return any(mentions(name, tree) for name in names)


def _only_stores(opened: Statement, small: cst.Assign, needed: Copies) -> None:
    """Raise Refusal if the value is bound to a name too: it may be a view, which must then be one of the clone."""
    tree = parse(opened.code(small)).body[0]
    assert isinstance(tree, ast.Assign)
    if len(tree.targets) > 1 or not all(_base(leaf) in needed.stored for leaf in _leaves(tree.targets[0])):
        raise Refusal("evaluation-order", f"the value reads `{needed.stored[0]}` and is bound elsewhere too")
    values = tree.value.elts if isinstance(tree.value, ast.Tuple | ast.List) else [tree.value]
    several = not isinstance(tree.targets[0], ast.Subscript)
    if several and any(mentions(name, one) and not is_fresh(one) for one in values for name in needed.names()):
        raise Refusal(
            "evaluation-order", f"a later value may be a view of `{needed.stored[0]}` that sees the stores before it"
        )


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
    if any(isinstance(node, _ACTS) for node in walk(tree)):
        raise Refusal("evaluation-order", "the index is computed before the value, and both read the target")
