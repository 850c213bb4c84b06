"""A nested function that writes a tensor of the function around it: it binds that name instead.

Note [Names of the function around]
    `def grow(): y.add_(1)` can be `nonlocal y; y = y.add(1)`: all functions read one variable.  That is the same as
    long as the variable is all that anybody has of the tensor.  Its bindings must make new ones, each use must compute
    something new of it, return it or write it, and the nested function must only be called, by its name and at once,
    in statements that do nothing else or do not read the variable: what is read to the left of a call would be the
    old tensor, and so would what is returned before a `finally`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fixinplace.detect.identity import is_fresh, makes_new
from fixinplace.model import Edit, Found, Place, Span, Usage
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.choice import Step
from fixinplace.rewrite.compose import compose
from fixinplace.rewrite.reads import mentions
from fixinplace.rewrite.same import Same
from fixinplace.rewrite.setting import Setting, joint, settings
from fixinplace.rewrite.slots import own_nodes
from fixinplace.source import Text
from fixinplace.walking import above, walk

_RULES = ("FIP104", "FIP105", "FIP106")
_DEFINING = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


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
        called = _is_only_called(name, inner, outer, parents)
        if called and _makes_its_own(name, outer, tree, parents) and _is_alone(name, outer, parents):
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
    if not first or between == "; " or getattr(first[0], "decorator_list", []):
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


def _is_only_called(name: str, inner: ast.FunctionDef, outer: ast.FunctionDef, parents: Mapping[int, ast.AST]) -> bool:
    """True if a plain nested function is called by its name in statements that do not read the variable."""
    suspended = any(isinstance(n, ast.Yield | ast.YieldFrom | ast.Await) for n in walk(inner))
    same = [n for n in walk(outer) if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == inner.name]
    if suspended or inner.decorator_list or same != [inner]:
        return False
    named = [n for n in walk(outer) if isinstance(n, ast.Name) and n.id == inner.name]
    return all(_is_called_apart(n, name, outer, parents) for n in named)


def _is_called_apart(node: ast.Name, name: str, outer: ast.FunctionDef, parents: Mapping[int, ast.AST]) -> bool:
    """True for the name of a function that is called at once, by the outer one, in a line without the variable."""
    call = parents[id(node)]
    if not isinstance(call, ast.Call) or call.func is not node:
        return False
    above: ast.AST = call
    while not isinstance(above, ast.stmt | ast.Lambda | ast.GeneratorExp):
        above = parents[id(above)]
    if not isinstance(above, ast.stmt) or _around(above, parents) is not outer or _ends_something(above, parents):
        return False
    match above:
        case ast.Expr(value=value) | ast.Assign(value=value, targets=[ast.Name()]) if value is call:
            return True  # its arguments are computed before it runs, and nothing after
    header = (one for one in ast.iter_child_nodes(above) if not isinstance(one, ast.stmt | ast.excepthandler))
    return not isinstance(above, _DEFINING) and not any(mentions(name, one) for one in header)


def _ends_something(node: ast.AST, parents: Mapping[int, ast.AST]) -> bool:
    """True within a `finally`: what is returned before it runs is the old tensor."""
    while not isinstance(node, _DEFINING | ast.Module):
        parent = parents[id(node)]
        if isinstance(parent, ast.Try | ast.TryStar) and any(one is node for one in parent.finalbody):
            return True
        node = parent
    return False


def _is_alone(name: str, outer: ast.FunctionDef, parents: Mapping[int, ast.AST]) -> bool:
    """True if the outer function's variable is all that anybody ever has of the tensors that it is bound to."""
    own = {id(n) for n in own_nodes(outer)}
    named = {arg.arg for arg in walk(outer) if isinstance(arg, ast.arg)}
    declared = any(isinstance(n, ast.Global | ast.Nonlocal) and name in n.names for n in walk(outer))
    mentions = [n for n in walk(outer) if isinstance(n, ast.Name) and n.id == name]
    stored = [n for n in mentions if not isinstance(n.ctx, ast.Load)]
    looking = any(_looks_around(one) for one in walk(outer))
    if name in named or declared or looking or not all(id(n) in own for n in stored):
        return False
    return all(_is_used_plainly(n, own, parents) for n in mentions if isinstance(n.ctx, ast.Load))


def _looks_around(node: ast.AST) -> bool:
    """True for `locals()` and its like, which give the tensor of a variable without its name."""
    named = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return named in ("locals", "vars", "globals", "eval", "exec", "_getframe", "currentframe", "f_locals")


def _makes_its_own(name: str, outer: ast.FunctionDef, tree: ast.Module, parents: Mapping[int, ast.AST]) -> bool:
    """True if whatever binds a variable makes a new tensor: by torch, or by a method that no class of the file has."""
    methods = {one.name for one in walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    stored = [n for n in walk(outer) if isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load)]
    made = [parents[id(one)] for one in stored]
    new = (isinstance(one, ast.Assign) and len(one.targets) == 1 and is_fresh(one.value) for one in made)
    called = {one.attr for each in made for one in walk(each) if isinstance(one, ast.Attribute)}
    return bool(stored) and all(new) and called.isdisjoint(methods)


def _is_used_plainly(node: ast.Name, own: set[int], parents: Mapping[int, ast.AST]) -> bool:
    """True for a use that computes something new, returns the tensor from the outer function, or writes it."""
    parent = parents[id(node)]
    user = parents[id(parent)]
    match parent:
        case ast.Return():
            return id(parent) in own
        case ast.Tuple():
            return isinstance(user, ast.Return) and id(user) in own
    return makes_new(node, parents)
