"""Which rewrite takes which site of a statement."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import libcst as cst

from fixinplace import catalogue
from fixinplace.catalogue import Form, Writer
from fixinplace.detect.identity import is_fresh
from fixinplace.detect.index import dotted
from fixinplace.model import Found, Place, Refused, Usage
from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, rewrites
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.lines import is_dotted
from fixinplace.rewrite.reads import is_new, mentions
from fixinplace.rewrite.statement import Statement

_SWITCHED_ON = Writer("torch.nn.Module.inplace", "FIP108", Form.FLAG)
_OF_MODULES = ("FIP107", "FIP108")
_PROPERTIES = ("T", "mT", "H", "mH", "real", "imag", "data", "grad")
"""Attributes of a tensor that are computed views of it, or no operand of autograd."""


@dataclass(frozen=True, slots=True)
class Step:
    """A site with the rewrite that takes it.

    node: the libcst node, before anything was rewritten.  call, operand: the `ast` call, and what it overwrites.
    """

    case: Case
    rewrite: Rewrite
    node: Node
    call: ast.Call | None = None
    operand: ast.expr | None = None

    @property
    def exact(self) -> bool:
        """Whether the form computes the very same values, dtypes and gradients."""
        return self.rewrite.exact(self.case, self.node)


def writer_of(found: Found) -> Writer | None:
    """The catalogue's row for a site; a flag that is set on a module is no callable and has none there."""
    return _SWITCHED_ON if found.site.rule == "FIP108" else catalogue.writer(found.site.op)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The steps of a statement in order of evaluation, and the sites that are finished code and stay."""

    steps: tuple[Step, ...]
    finished: Mapping[Found, Refused]


def choose(opened: Statement, calls: Mapping[int, ast.Call], found: Sequence[Found]) -> Chosen:
    """Find the rewrite for each site; `calls` by end offset in order of evaluation.  Raises Refusal."""
    order = {end: number for number, end in enumerate(calls)}
    taken: dict[ast.Call | None, Step] = {}
    steps: list[Step] = []
    finished: dict[Found, Refused] = {}
    linked = _linked(calls, found)
    for one in sorted(found, key=lambda one: order.get(one.site.span.end, -1) if _is_call(one) else len(order)):
        call = _call(calls, one)
        operand = overwritten(_writer(one), call) if call is not None and one.site.rule not in _OF_MODULES else None
        if call is not None and one.facts.place is Place.TEMPORARY and is_new(operand):
            finished[one] = Refused("finished", "the tensor is new, and nothing has kept it yet")
            continue
        taken[call] = _step(opened, one, call, operand, taken, one in linked)
        steps.append(taken[call])
    return Chosen(tuple(steps), finished)


def _linked(calls: Mapping[int, ast.Call], found: Sequence[Found]) -> list[Found]:
    """The links of `x.t().mul_(2).add_(1)` but the last: each writes the view of which the next one is called.

    The last one is a statement, and puts the new value back: what a value is needed of is cloned before.
    """
    written = {id(calls[one.site.span.end]): one for one in found if _is_call(one) and one.site.span.end in calls}
    links: list[Found] = []
    for last in (one for one in written.values() if one.facts.usage is Usage.STATEMENT):
        one: Found | None = last
        while one is not None and (inner := _link_before(calls, written, one)) is not None:
            links.append(inner)
            one = inner
    return links


def _link_before(calls: Mapping[int, ast.Call], written: Mapping[int, Found], one: Found) -> Found | None:
    """The write whose result a call writes, on the same view of a name that the call does not read again."""
    call = calls[one.site.span.end]
    inner = written.get(id(overwritten(_writer(one), call))) if one.facts.place is Place.VIEW else None
    given = [*call.args, *(word.value for word in call.keywords)]
    again = any(mentions(one.site.target, each) for each in given)  # after the first write, and before it is back
    same = inner is not None and inner.facts.through == one.facts.through and inner.facts.place is Place.VIEW
    return inner if same and not again else None


def _writer(found: Found) -> Writer:
    writer = writer_of(found)
    assert writer is not None, "sites of unknown writers are refused before"
    return writer


def overwritten(writer: Writer, call: ast.Call) -> ast.expr | None:
    """The expression that an in-place call overwrites; None for `out=`, which overwrites without reading."""
    if writer.form is Form.OUT:
        return None
    if writer.name.startswith("Tensor."):
        return call.func.value if isinstance(call.func, ast.Attribute) else None
    position = writer.target_position or 0
    if len(call.args) > position and not any(isinstance(a, ast.Starred) for a in call.args[: position + 1]):
        return call.args[position]
    return next((k.value for k in call.keywords if k.arg is not None and k.arg == writer.target_keyword), None)


def _is_call(found: Found) -> bool:
    """False for operators, stores and attributes, which are statements of their own."""
    return not found.site.op.startswith("Tensor.__") and found.site.rule not in ("FIP108", "FIP111")


def _call(calls: Mapping[int, ast.Call], found: Found) -> ast.Call | None:
    """The `ast` node of a call; raises Refusal for one inside an f-string, whose positions Python 3.11 gets wrong."""
    if not _is_call(found):
        return None
    if found.site.span.end not in calls:
        raise Refusal("no-safe-place", "the call stands where it cannot be edited")
    return calls[found.site.span.end]


def _step(opened: Statement, found: Found, call: ast.Call | None, operand: ast.expr | None,
          taken: Mapping[ast.Call | None, Step], linked: bool = False) -> Step:  # fmt: skip
    writer = _writer(found)
    inner = taken.get(operand) if isinstance(operand, ast.Call) else None
    target = inner.case.target if inner is not None else _target(found, writer, call, operand)
    case = Case(found, writer, target, linked)
    node = opened.node(found.site.span, call is not None)
    rewrite = next((r for r in rewrites() if found.site.rule in r.rules and r.takes(case, node)), None)
    if rewrite is None and case.target is None:
        raise Refusal("not-assignable", "the written tensor has no name that could be bound to a new one")
    if rewrite is None:
        raise Refusal("no-counterpart", f"`{found.site.op}` has no out-of-place form that is exact here")
    refused = rewrite.refusal(case, node)
    if refused is not None:
        raise Refusal(refused.refusal, refused.sentence)
    step = Step(case, rewrite, node, call, operand)
    if _is_dropped(opened, step):
        raise Refusal("not-assignable", "the written tensor has no name that could be bound to the new one")
    return step


def _target(found: Found, writer: Writer, call: ast.Call | None, operand: ast.expr | None) -> str | None:
    """The name to bind, None if there is none; raises Refusal where the written tensor has no plain name."""
    place, target = found.facts.place, found.site.target
    if found.facts.each:
        return target
    if writer.form is Form.OUT and call is not None:
        return _out(call)
    view_of_part = writer.form is Form.VIEW and place in (Place.SUBSCRIPT, Place.SLOT, Place.VIEW)
    if found.site.rule in _OF_MODULES or place is Place.TEMPORARY or view_of_part:
        return None
    if place in (Place.ITEM, Place.SLOT):
        return target
    if not is_dotted(target):
        raise Refusal("not-assignable", f"`{target}` is no name that could be bound to a new tensor")
    _no_property(target)
    if (
        call is not None
        and place not in (Place.SUBSCRIPT, Place.VIEW)
        and (operand is None or dotted(operand) != target)
    ):
        raise Refusal("no-safe-place", f"how the call reaches `{target}` is not clear")
    return target


def _out(call: ast.Call) -> str:
    """The name, or the names, that `out=` is given; raises Refusal for anything else."""
    given = next((k.value for k in call.keywords if k.arg == "out"), None)
    several = given.elts if isinstance(given, ast.Tuple | ast.List) else [given]
    parts = [dotted(one) if one is not None else "" for one in several]
    if not all(parts) or not parts or len(set(parts)) < len(parts):
        raise Refusal("not-assignable", "`out=` is given something that is no name to bind the result to")
    for part in parts:
        _no_property(part)
    return ", ".join(parts)


def _no_property(target: str) -> None:
    """Raise Refusal for `x.T` and its like."""
    base, _, last = target.rpartition(".")
    if base and last in _PROPERTIES:
        raise Refusal("live-view", f"`{target}` is computed from its tensor, and cannot be bound to a new one")


def _is_dropped(opened: Statement, step: Step) -> bool:
    """True for a statement that writes a tensor without a name which others may hold: `x.view(-1).relu_()`.

    What an out-of-place method of torch has just made is nobody else's: `x.exp().relu_()` is only useless.
    """
    if opened.header or step.case.target is not None or step.rewrite.effect is not Effect.REBIND:
        return False
    if not isinstance(opened.small, cst.Expr) or opened.small.value is not step.node:
        return False
    return not (isinstance(step.operand, ast.Call) and is_fresh(step.operand))
