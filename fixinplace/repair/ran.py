"""Sites that a run has shown: what detection knows of them, with its doubts replaced by the fact that it happened.

Note [What a run overrules]
    Whether a tensor is written and whether autograd follows it is no longer a question once it has happened.  Who else
    looks at the tensor is: but a patch is proved by running all of the user's command, so a hazard that detection
    could not exclude is left to the proof, which compares every value that the command computes.  It is told as a
    caveat, since another command may show what this one did not, and other repairs are tried first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fixinplace import catalogue, detect, rewrite
from fixinplace.detect.index import dotted
from fixinplace.detect.order import runs_first
from fixinplace.detect.stores import OPERATORS
from fixinplace.model import Certainty, Facts, Finding, Fix, Found, Place, Refused, Site, Span, Usage
from fixinplace.names import REFUSALS, Kind
from fixinplace.repair.code import Code
from fixinplace.rewrite.conditions import is_unread_argument
from fixinplace.trace.events import Write

_MODULE = "FIP107"
_STORES = ("index_put_", "copy_", "fill_")
"""How `h[mask] *= 2` ends on a tensor, whose elements were computed apart."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rewrite at a node, or why there is none.

    caveats: who else might look at the tensor. lost: an argument is written, and its function does not read that.
    """

    fix: Fix | Refused
    caveats: tuple[str, ...] = ()
    lost: bool = False


def fix_at(code: Code, node: ast.expr | ast.stmt, write: Write | None = None) -> Outcome | None:
    """The rewrite of the write at a node, by detection's own facts where it has some; None where nothing writes.

    write: what ran there; a subscript that is written and is no view lies in a list or a dict.
    """
    span = code.text.span(node)
    found = _within(detect.scan(code.text, code.tree), span)
    whole = write is not None and not write.view and write.op not in _STORES
    item = _forced(code, node, whole)
    in_container = item is not None and item.facts.place is Place.ITEM
    forced = [_ran(one) for one in found if not in_container] or [one for one in (item,) if one is not None]
    findings = rewrite.plan(code.text, forced)
    fixed = [finding for finding in findings if isinstance(finding.outcome, Fix)]
    best = max(fixed or findings, key=lambda each: _closeness(each, span), default=None)
    if best is None:
        return None
    seen = [hazard.sentence for one in found for hazard in one.facts.hazards if REFUSALS[hazard.refusal] is Kind.SEEN]
    lost = any(one.facts.usage is Usage.STATEMENT and is_unread_argument(one.facts) for one in forced)
    return Outcome(best.outcome, tuple(dict.fromkeys(seen)), lost)


def _closeness(finding: Finding, span: Span) -> tuple[bool, int]:
    return finding.site.span == span, -(finding.site.span.end - finding.site.span.start)


def _within(found: tuple[Found, ...], span: Span) -> list[Found]:
    """The sites of the statement, if one of them is the place itself or lies in it."""
    near = [one for one in found if one.site.span == span or span.contains(one.site.span)]
    near = near or [one for one in found if one.site.span.contains(span)]
    if any(one.site.span == span and one.site.rule == _MODULE for one in near):
        return [one for one in near if one.site.span == span]  # other modules of the statement are built as they were
    statements = {one.site.statement for one in near}
    return [one for one in found if one.site.statement in statements]


def _ran(found: Found) -> Found:
    """The site with what the run has shown; hazards go, for the proof decides (see the Note above)."""
    site = replace(found.site, certainty=Certainty.RAN)
    return Found(site, replace(found.facts, tracked=True, hazards=()))


def _forced(code: Code, node: ast.expr | ast.stmt, whole: bool) -> Found | None:
    """A site for a write that detection did not take for one, since it could not tell the type."""
    for one, rule, op, target in writers(code, node):
        item = whole and isinstance(target, ast.Subscript) and rule != "FIP109"
        place, owner = (Place.ITEM, target) if item else _place(target)
        root = _root(code, one)
        facts = Facts(
            place=place,
            tracked=True,
            usage=_usage(one, root, owner),
            read_later=True,
            in_loop=code.loop(one) is not None,
            first=not isinstance(one, ast.expr) or runs_first(one, root, dotted(owner)),
            torch=code.name_of("torch"),
        )
        text = code.source_of(owner)
        spans = code.text.span(one), code.text.span(root)
        function = code.function(one)
        return Found(Site(rule, op, text, *spans, function.name if function else "", Certainty.RAN), facts)
    return None


def writers(code: Code, node: ast.expr | ast.stmt) -> Iterator[tuple[ast.expr | ast.stmt, str, str, ast.expr]]:
    """Node, rule, op and target of the write that a node is, or that its statement is."""
    statement = code.statement(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        writer = catalogue.writer(f"Tensor.{node.func.attr}")
        if writer is not None and writer.rule is not None:
            yield node, writer.rule, writer.name, node.func.value
    if isinstance(statement, ast.AugAssign) and type(statement.op) in OPERATORS:
        rule = {ast.Name: "FIP101", ast.Attribute: "FIP102"}.get(type(statement.target), "FIP103")
        yield statement, rule, f"Tensor.__{OPERATORS[type(statement.op)]}__", statement.target
    match statement:
        case ast.Assign(targets=[ast.Subscript() as target]):
            yield statement, "FIP109", "Tensor.__setitem__", target
        case ast.Expr(value=ast.Call() as call) if call is not node:
            yield from writers(code, call)


def _place(target: ast.expr) -> tuple[Place, ast.expr]:
    match target:
        case ast.Name():
            return Place.NAME, target
        case ast.Attribute() if dotted(target):
            return Place.ATTRIBUTE, target
        case ast.Subscript(value=value):
            place, owner = _place(value)
            return (Place.TEMPORARY, target) if place is Place.TEMPORARY else (Place.SUBSCRIPT, owner)
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if catalogue.writer(f"Tensor.{attr}"):
            return _place(value)
    return Place.TEMPORARY, target


def _root(code: Code, node: ast.expr | ast.stmt) -> ast.expr | ast.stmt:
    """The simple statement around a node, or the header expression of a compound one."""
    if isinstance(node, ast.stmt):
        return node
    last: ast.expr = node
    for up in code.up(node):
        if isinstance(up, ast.stmt):
            return last if isinstance(up, (ast.If, ast.While, ast.For, ast.With, ast.Match)) else up
        if isinstance(up, ast.expr):
            last = up
    return last


def _usage(node: ast.expr | ast.stmt, root: ast.expr | ast.stmt, owner: ast.expr) -> Usage:
    if not isinstance(node, ast.Call) or (isinstance(root, ast.Expr) and root.value is node):
        return Usage.STATEMENT
    rebound = isinstance(root, ast.Assign) and root.value is node and [dotted(each) for each in root.targets]
    return Usage.REBOUND if rebound and rebound == [dotted(owner)] != [""] else Usage.VALUE
