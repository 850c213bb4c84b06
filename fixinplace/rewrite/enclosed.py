"""A nested function that writes a tensor of the function around it: it binds that name instead.

Note [Names of the function around]
    `def grow(): y.add_(1)` can be `nonlocal y; y = y.add(1)`: all functions read one variable.  That is the same as
    long as the variable is all that anybody has of the tensor.  Its bindings must make new ones, each use must compute
    something new of it, return it or write it, and the nested function must only be called, by its name, in
    statements that do nothing else: what is read to the left of a call would be the old tensor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fixinplace.catalogue import Memory, result, writer
from fixinplace.detect.index import dotted
from fixinplace.model import Edit, Found, Place, Span, Usage
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.choice import Step
from fixinplace.rewrite.compose import compose
from fixinplace.rewrite.reads import is_fresh
from fixinplace.rewrite.same import Same
from fixinplace.rewrite.setting import Setting, joint, settings
from fixinplace.rewrite.slots import own_nodes
from fixinplace.source import Text
from fixinplace.walking import above, walk

_RULES = ("FIP104", "FIP105", "FIP106")
_LOOKS = ("shape", "dtype", "device", "ndim")


def is_enclosed(found: Found) -> bool:
    """True for a statement that writes a name of an enclosing function, and nothing else forbids it."""
    facts = found.facts
    plain = facts.place is Place.NAME and facts.usage is Usage.STATEMENT and not facts.family and not facts.parameter
    return {hazard.refusal for hazard in facts.hazards} == {"closure"} and plain and found.site.rule in _RULES


def enclosed(part: Text, tree: ast.Module, found: Sequence[Found]) -> Iterator[Same]:
    """The nested functions that can bind what they write; see Note [Names of the function around]."""
    wanted = [one for one in found if is_enclosed(one) and one.facts.tracked is not False]
    table, parents = settings(part, tree, [one.site.statement for one in wanted]), above(tree)
    done: set[tuple[int, str]] = set()
    for one in wanted:
        setting = table.get(one.site.statement)
        inner = _around(setting.node, parents) if setting is not None else None
        outer = parents[id(inner)] if inner is not None else None
        if not isinstance(inner, ast.FunctionDef) or not isinstance(outer, ast.FunctionDef):
            continue
        name, span = one.site.target, part.span(inner)
        sites = [each for each in found if span.contains(each.site.span) and each.site.target == name]
        if (id(inner), name) in done or any(each not in wanted for each in sites):
            continue
        done.add((id(inner), name))
        if _is_only_called(inner, outer, parents) and _is_alone(name, inner, outer, parents):
            made = _binding(part, inner, sites, table, found)
            if made is not None:
                yield made


def _around(node: ast.AST, parents: Mapping[int, ast.AST]) -> ast.AST:
    """The function around a statement, or the class or module."""
    while not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Module)):
        node = parents[id(node)]
    return node


def _binding(part: Text, inner: ast.FunctionDef, sites: Sequence[Found], table: Mapping[Span, Setting],
             found: Sequence[Found]) -> Same | None:  # fmt: skip
    """The nested function with its declaration and its statements rewritten; None if one of them cannot be."""
    documented = isinstance(inner.body[0], ast.Expr) and isinstance(inner.body[0].value, ast.Constant)
    first = inner.body[1:2] if documented else inner.body[:1]
    start = part.span(first[0]).start if first else 0
    between, name = joint(part, start), sites[0].site.target
    if not first or between == "; ":
        return None
    steps: list[Step] = []
    edits, told = [Edit(Span(start, start), f"nonlocal {name}{between}")], [f"nonlocal {name}"]
    held = f"other functions may hold the tensor of `{name}`"
    for one in sites:
        alone = [each for each in found if each.site.statement == one.site.statement] == [one]
        doubts = tuple(doubt for doubt in one.facts.doubts if doubt != held)
        bound = replace(one, facts=replace(one.facts, hazards=(), doubts=doubts, read_later=True))
        try:
            composed = compose(part, table[one.site.statement], [bound], ()) if alone else None
        except Refusal:
            return None
        if composed is None or composed.behind or composed.finished or len(composed.lines) != 1:
            return None
        steps += composed.steps
        edits += composed.edits
        told += composed.lines
    if edits[1].span.start == start:  # both stand in one place
        edits[:2] = [Edit(edits[1].span, edits[0].text + edits[1].text)]
    return Same(tuple(sites), tuple(steps), tuple(edits), tuple(told))


def _is_only_called(inner: ast.FunctionDef, outer: ast.FunctionDef, parents: Mapping[int, ast.AST]) -> bool:
    """True if a plain nested function is called by name in statements of their own, and only that."""
    suspended = any(isinstance(n, ast.Yield | ast.YieldFrom | ast.Await) for n in walk(inner))
    own = {id(n) for n in own_nodes(outer)}
    same = [n for n in walk(outer) if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == inner.name]
    if suspended or inner.decorator_list or same != [inner]:
        return False
    for node in (n for n in walk(outer) if isinstance(n, ast.Name) and n.id == inner.name):
        call = parents[id(node)]
        if not isinstance(call, ast.Call) or call.func is not node or id(call) not in own:
            return False
        statement = parents[id(call)]
        plain = isinstance(statement, ast.Assign) and all(isinstance(t, ast.Name) for t in statement.targets)
        if not isinstance(statement, ast.Expr) and not plain:
            return False
    return True


def _is_alone(name: str, inner: ast.FunctionDef, outer: ast.FunctionDef, parents: Mapping[int, ast.AST]) -> bool:
    """True if the outer function's variable is all that anybody ever has of the tensors that it is bound to."""
    own = {id(n) for n in own_nodes(outer)}
    named = {arg.arg for arg in walk(outer) if isinstance(arg, ast.arg)}
    declared = any(isinstance(n, ast.Global | ast.Nonlocal) and name in n.names for n in walk(outer))
    mentions = [n for n in walk(outer) if isinstance(n, ast.Name) and n.id == name]
    stored = [n for n in mentions if not isinstance(n.ctx, ast.Load)]
    if name in named or declared or not stored or not all(id(n) in own and _makes_new(n, parents) for n in stored):
        return False
    return all(_is_used_plainly(n, own, parents) for n in mentions if isinstance(n.ctx, ast.Load))


def _makes_new(node: ast.Name, parents: Mapping[int, ast.AST]) -> bool:
    made = parents[id(node)]
    return isinstance(made, ast.Assign) and made.targets == [node] and is_fresh(made.value)


def _is_used_plainly(node: ast.Name, own: set[int], parents: Mapping[int, ast.AST]) -> bool:
    """True for a use that computes something new, returns the tensor from the outer function, or writes it."""
    parent = parents[id(node)]
    user = parents[id(parent)]
    match parent:
        case ast.BinOp() | ast.UnaryOp(op=ast.USub()):
            return True
        case ast.Attribute(attr=attr):
            row, writes = result(f"Tensor.{attr}"), writer(f"Tensor.{attr}") is not None
            called = isinstance(user, ast.Call) and user.func is parent
            stands = called and isinstance(parents[id(user)], ast.Expr)
            new = row is not None and row.memory is Memory.FRESH and not writes
            return attr in _LOOKS or (called and new) or (writes and stands)
        case ast.Call(func=func):
            name = dotted(func) if dotted(func).startswith("torch.") and node is not func else ""
            row = result(name)
            stands = writer(name) is not None and isinstance(user, ast.Expr)
            return stands or (row is not None and row.memory is Memory.FRESH)
        case ast.Return():
            return id(parent) in own
        case ast.Tuple():
            return isinstance(user, ast.Return) and id(user) in own
    return False
