"""`x[i] = v`: `x = x.clone()` on a line before, and the store as it was."""

from __future__ import annotations

import ast

import libcst as cst

from fixinplace.catalogue import Form
from fixinplace.detect.apart import disjoint
from fixinplace.detect.identity import is_fresh
from fixinplace.model import Place, Refused, View
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example
from fixinplace.rewrite.forms import copy_from, masked_fill, masked_where
from fixinplace.rewrite.kin import has_value
from fixinplace.rewrite.lines import assigned
from fixinplace.rewrite.reads import mentions, parse
from fixinplace.rewrite.values import operand, rest

_VALUES = (Form.SAME, Form.CAST, Form.FLAG)
_CALLS = (Form.SAME, Form.CAST, Form.CALL, Form.RANDOM, Form.FLAG)

_KEEP_NO_RESULT = frozenset(
    "add_ sub_ mul_ div_ subtract_ multiply_ divide_ true_divide_ neg_ negative_ abs_ absolute_ square_ addcmul_ "
    "addcdiv_ lerp_ clamp_ clip_ clamp_min_ clamp_max_ fill_ zero_ copy_ masked_fill_ log_ log1p_ sin_ cos_ floor_ "
    "round_".split()
)
"""Methods whose backward needs at most what was there before, of which torch keeps a copy: `x[0].mul_(w).sub_(1)`."""


def _takes(case: Case, node: Node) -> bool:
    place = case.facts.place
    if copy_from.is_copy(case, node) and case.target is not None:
        return not copy_from.REWRITE.takes(case, node)
    if place not in (Place.SUBSCRIPT, Place.SLOT, Place.VIEW) or case.target is None:
        return False
    if place is Place.VIEW:
        return case.writer.form in _CALLS and not (case.writer.form in _VALUES and has_value(case))
    if isinstance(node, cst.Call):
        return case.writer.form in _CALLS
    better = (masked_fill.REWRITE, masked_where.REWRITE)
    return not any(case.site.rule in rewrite.rules and rewrite.takes(case, node) for rewrite in better)


def _refusal(case: Case, node: Node) -> Refused | None:
    if not isinstance(node, cst.Call):
        return None
    part = operand(case, node)
    if copy_from.is_copy(case, node):
        return None if isinstance(part, cst.Name) else copy_from.REWRITE.refusal(case, node)
    while isinstance(part, cst.Call) and case.facts.place is not Place.VIEW:
        link = part.func
        if not isinstance(link, cst.Attribute) or link.attr.value not in _KEEP_NO_RESULT:
            return Refused("no-counterpart", "each link of the chain writes what the one before it may have kept")
        part = link.value
    if case.facts.part or _is_view(part, case.target or ""):
        return None
    return Refused("live-view", f"the index may pick a copy: then the write does not reach `{case.target}` at all")


def _is_view(part: cst.BaseExpression, target: str) -> bool:
    """True if the indices of `x[i][j]` are numbers, slices, `...` and `None`, which certainly give a view.

    `x[[0, 2]].add_(1)` and `x[mask].zero_()` write into a copy that is dropped.  A clone of `x` would change nothing
    but who shares its memory, and detection has looked for sharers of the copy only.
    """
    if not isinstance(part, cst.Subscript) or cst.Module([]).code_for_node(part) == target:
        return True
    return all(_is_basic(element.slice) for element in part.slice) and _is_view(part.value, target)


def _is_basic(index: cst.BaseSlice) -> bool:
    if isinstance(index, cst.Slice):
        return True
    value = index.value if isinstance(index, cst.Index) else None
    while isinstance(value, cst.UnaryOperation) and isinstance(value.operator, cst.Minus):
        value = value.expression
    return isinstance(value, cst.Integer | cst.Ellipsis) or (isinstance(value, cst.Name) and value.value == "None")


def _edit(case: Case, node: Node) -> Node:
    return node


def _is_exact(case: Case, node: Node) -> bool:
    """False where a value may be a view of the target: see Note [Views of the old tensor]."""
    values = [arg.value for arg in rest(case, node)] if isinstance(node, cst.Call) else [node.value]
    names = [case.target or "", *(holder.name for holder in case.facts.family)]
    read = [value for value in values if any(mentions(name, one) for one in _given(value) for name in names)]
    return all(all(map(is_fresh, _given(value))) or _is_another_part(case, node, value) for value in read)


def _given(value: cst.BaseExpression) -> list[ast.expr]:
    """What a value consists of, each a tensor of its own."""
    tree = parse(assigned("_", cst.Module([]).code_for_node(value))).body[0]
    assert isinstance(tree, ast.Assign)
    return tree.value.elts if isinstance(tree.value, ast.Tuple | ast.List) else [tree.value]


def _is_another_part(case: Case, node: Node, value: cst.BaseExpression) -> bool:
    """True for `x[0] = x[1]`: what is read and what is written are parts of one tensor, and have nothing in common."""
    if isinstance(node, cst.Call):
        target = operand(case, node)
    else:
        target = node.target if isinstance(node, cst.AugAssign) else node.targets[0].target
    if isinstance(node, cst.Assign) and len(node.targets) > 1:
        return False
    written, read = _part(case, target), _part(case, value)
    return written is not None and read is not None and disjoint(written, read)


def _part(case: Case, node: cst.BaseExpression) -> list[View] | None:
    """The operations by which an expression takes a view of the tensor that all share; None for anything else."""
    steps: list[View] = []
    while isinstance(node, cst.Subscript):
        if not all(_is_basic(element.slice) for element in node.slice):
            return None
        index = cst.Module([]).code_for_node(node.with_changes(value=cst.Name("_"), lpar=(), rpar=()))
        steps.insert(0, View("index", "", "", (index.strip()[2:-1],)))
        node = node.value
    name = cst.Module([]).code_for_node(node)
    known = {holder.name: [*holder.steps] for holder in case.facts.family if not (holder.ahead or holder.copies)}
    if not case.facts.family:
        known[case.target or ""] = []
    return [*known[name], *steps] if name in known else None


REWRITE = Rewrite(
    name="clone-first",
    rules=("FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP113", "FIP114"),
    what="`x[i] = v`, `x[i] += v`, `x[i].add_(v)`, `x[i].mul_(v).sub_(1)` and `x.copy_(v)` get `x = x.clone()` on a "
    "line before and stay as they are; so does `xs[i]` for `xs[i][j] = v`, where a list or dict of the function holds "
    "the tensor. A value that reads `x` is evaluated first, on a line of its own.",
    why="The write goes into a new tensor, so that what earlier ops have kept stays as it was. This is exact for every "
    "kind of index; `x[i] = x[i] * v` would not be, since it keeps a part of `x` and then overwrites it.",
    safety="Safe if nobody else looks at the tensor and the value is no view of it, or one of another part. Refused in "
    "loops, where a clone in each round would make the cost quadratic.",
    examples=(
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y[0] *= 2
                return z + y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y = y.clone()
                y[0] *= 2
                return z + y
            """,
        ),
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                y[0] = y[1] * y[2]
                return y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                value = y[1] * y[2]
                y = y.clone()
                y[0] = value
                return y
            """,
        ),
        example(
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y.copy_(x[0])
                return z + y
            """,
            """
            import torch


            def f(x):
                y = x.exp()
                z = y * y
                y = y.clone()
                y.copy_(x[0])
                return z + y
            """,
        ),
        example(
            """
            import torch


            def f(x):
                maps = {"hit": x.sigmoid(), "size": x.exp()}
                maps["hit"][0] = 0.5
                return maps["hit"] * maps["size"]
            """,
            """
            import torch


            def f(x):
                maps = {"hit": x.sigmoid(), "size": x.exp()}
                maps["hit"] = maps["hit"].clone()
                maps["hit"][0] = 0.5
                return maps["hit"] * maps["size"]
            """,
        ),
    ),
    effect=Effect.COPY,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    exact=_is_exact,
    cost="one copy of {target}",
)
