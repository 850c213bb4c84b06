"""Writes behind autograd: through `.data` into what it has computed, and into a gradient that it hands out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.model import Edit, Fix, Span
from fixinplace.repair.base import Change, Proof, Proposal, Repair, Scene, Tier
from fixinplace.repair.behind import NAME
from fixinplace.repair.code import Code
from fixinplace.repair.ran import fix_at
from fixinplace.repair.steps.situation import situation

_MEANING = (
    "The gradient of `{0}` goes through this write like through any other operation. Today it passes the write by, as "
    "if the line did nothing: leave it so if that is meant."
)


_RULES = ("FIP301", "FIP308", "FIP309")
_SMOOTH = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_FLAT = frozenset(
    "round_ floor_ ceil_ trunc_ sign_ fill_ zero_ copy_ set_ eq_ ne_ lt_ le_ gt_ ge_ uniform_ normal_ bernoulli_ "
    "random_ exponential_ resize_ fix_".split()
)
"""Without a derivative, or of something else: who rounds through `.data` wants the gradient to pass it by."""
_DIFFERENTIATED = "data-differentiated"
_GRADIENT = "The gradient that the engine hands out keeps its values for everybody else who is given it."


def propose(scene: Scene) -> Iterator[Proposal]:
    """The write without `.data`: out of place where the whole tensor is written, in place where a part is; a write into
    a gradient out of place."""
    offence = scene.offence
    spot = scene.node(offence.writes[0].place) if offence.rule in _RULES and offence.writes else None
    if spot is None:
        return
    match offence.rule:
        case "FIP308":
            yield from _tracked(*spot)
        case "FIP309":
            yield from _apart(*spot)
        case _ if not (any(each.op == "data" and each.leaf for each in offence.writes) or _updates(scene)):
            yield from _differentiated(*spot)


def _updates(scene: Scene) -> bool:
    """True for a parameter's update by hand."""
    found = situation(scene)
    return found is not None and found.updates_by_hand


def _differentiated(code: Code, node: ast.expr | ast.stmt) -> Iterator[Proposal]:
    """The write to all of a computed tensor as an operation, see Note [Data that is differentiated]."""
    statement = code.statement(node)
    found = None if _has_no_derivative(statement) else _whole(code, statement) or _part_of_clone(code, statement)
    if found is not None:
        owner, edit = found
        now = "; ".join(line.strip() for line in edit.text.splitlines())
        title = f"`{now}`, which the gradient of `{code.source_of(owner)}` goes through"
        proof = Proof.HIDDEN | Proof.OWN
        yield Proposal(_DIFFERENTIATED, Tier.PATCH, title, (Change(code.path, (edit,)),), rank=3, proof=proof)


def _part_of_clone(code: Code, statement: ast.stmt) -> tuple[ast.expr, Edit] | None:
    """`h.data[done] = 0` as the same store into a clone."""
    found, head = _part(code, statement), code.head(statement)
    if found is None or head is None or not isinstance(statement, (ast.Assign, ast.AugAssign)):
        return None
    owner, edit = found
    text = code.source_of(owner)
    stored = _edited(code, statement, edit)
    return owner, code.replace(statement, f"{text} = {text}.clone(){code.newline}{head}{stored}")


def _has_no_derivative(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign():
            return False
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr))):
            return attr in _FLAT
        case ast.AugAssign(op=op):
            return not isinstance(op, _SMOOTH)
    return True


def _apart(code: Code, node: ast.expr | ast.stmt) -> Iterator[Proposal]:
    found = fix_at(code, node)
    if found is not None and isinstance(found.fix, Fix):
        changes = (Change(code.path, found.fix.edits),)
        yield Proposal(NAME, Tier.CHOOSE, found.fix.title, changes, _GRADIENT, 10, found.caveats, kind=NAME)


def _tracked(code: Code, node: ast.expr | ast.stmt) -> Iterator[Proposal]:
    statement = code.statement(node)
    found = _whole(code, statement) or _part(code, statement)
    if found is None and (binding := _binding(code, statement)) is not None:
        statement, found = binding, _part_of(code, binding.value)
    if found is not None:
        owner, edit = found
        text = code.source_of(owner)
        now = " ".join(_edited(code, statement, edit).split())
        title = f"`{now}`, which the gradient of `{text}` goes through"
        yield Proposal(NAME, Tier.CHOOSE, title, (Change(code.path, (edit,)),), _MEANING.format(text), 10, kind=NAME)


def _whole(code: Code, statement: ast.stmt) -> tuple[ast.expr, Edit] | None:
    """`h.data *= f` as `h = h * f`, `h.data.mul_(f)` as `h = h.mul(f)`."""
    match statement:
        case ast.AugAssign(target=ast.Attribute(value=owner, attr="data"), value=value):
            text, right = code.source_of(owner), code.source_of(value)
            between = code.text.text[code.text.span(statement.target).end : code.text.span(value).start]
            operator = between.strip().removesuffix("=")
            simple = isinstance(value, (ast.Name, ast.Attribute, ast.Call, ast.Constant, ast.Subscript))
            right = right if simple else f"({right})"
            return owner, code.replace(statement, f"{text} = {text} {operator} {right}")
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Attribute(value=owner, attr="data"), attr=attr) as func)
        ):
            if attr.endswith("_") and not attr.endswith("__"):
                text, end = code.source_of(owner), code.text.span(func).end
                arguments = code.text.text[end : code.text.span(statement).end]
                return owner, code.replace(statement, f"{text} = {text}.{attr[:-1]}{arguments}")
    return None


def _part(code: Code, statement: ast.stmt) -> tuple[ast.expr, Edit] | None:
    """`h.data[i] *= f` as `h[i] *= f`."""
    match statement:
        case ast.AugAssign(target=target) | ast.Assign(targets=[target]):
            node: ast.expr = target
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=target))):
            node = target
        case _:
            return None
    return None if _is_data(node) and node is target else _part_of(code, node)


def _part_of(code: Code, node: ast.expr) -> tuple[ast.expr, Edit] | None:
    while not _is_data(node):
        if not isinstance(node, (ast.Attribute, ast.Subscript)):
            return None
        node = node.value
    assert isinstance(node, ast.Attribute)
    return node.value, Edit(Span(code.text.span(node.value).end, code.text.span(node).end), "")


def _is_data(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "data"


def _binding(code: Code, statement: ast.stmt) -> ast.Assign | None:
    """`d = h.data` above `d *= f`: the last one of the function whose name the statement reads or writes."""
    function = code.function(statement)
    names = {each.id for each in ast.walk(statement) if isinstance(each, ast.Name)}
    found = None
    for node in ast.walk(function or code.tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in names and _is_data(value):
                if node.lineno < statement.lineno and (found is None or node.lineno > found.lineno):
                    found = node
    return found


def _edited(code: Code, statement: ast.stmt, edit: Edit) -> str:
    span = code.text.span(statement)
    text = code.text.text
    return text[span.start : edit.span.start] + edit.text + text[edit.span.end : span.end]


REPAIR = Repair(
    name=NAME,
    what="Drops `.data`, as a patch where what is written was saved before, else as a choice: `h.data *= scale` "
    "becomes `h = h * scale`, `h.data[i] *= scale` becomes `h[i] *= scale`; "
    "writes out of place into a gradient: `grad.neg()`.",
    why="Autograd does not see what is written through `.data`: the value changes and its gradient does not. Some mean "
    "that (straight-through rounding), most do not. Nor does it see who else has the gradient that a hook writes.",
    propose=propose,
)
