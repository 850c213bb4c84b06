"""Order of evaluation inside one statement: what runs before a write, and under which condition."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from fixinplace.walking import above, children

_LAZY = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def is_lazy(node: ast.AST) -> bool:
    """True for lambdas and comprehensions: what stands in them runs later, never or several times."""
    return isinstance(node, _LAZY)


def chain(node: ast.AST, root: ast.AST, parents: Mapping[int, ast.AST]) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Pairs (child, parent) from `node` up to `root`."""
    while node is not root:
        parent = parents[id(node)]
        yield node, parent
        node = parent


def runs_first(node: ast.expr, root: ast.AST, target: str) -> bool:
    """True if nothing that computes or has an effect runs before `node` in `root`, and `node` always runs once.

    Loads of names, attributes and constants are no computation: a tensor loaded early is the same object that
    the write changes.  Attributes may be properties; the field's habit is that those are pure.  Attributes of the
    target itself (`x.requires_grad`) are read before the write for a reason.
    """
    for child, parent in chain(node, root, above(root)):
        if is_lazy(parent) or _conditional(child, parent):
            return False
        if not all(_is_load(earlier, target) for earlier in before(child, parent)):
            return False
    return True


def always_runs(node: ast.expr, root: ast.AST) -> bool:
    """True if `node` is evaluated exactly once whenever `root` is (no lambda, comprehension or short circuit)."""
    return not any(is_lazy(p) or _conditional(c, p) for c, p in chain(node, root, above(root)))


def others(node: ast.AST, root: ast.AST) -> list[ast.expr]:
    """Branches of conditional expressions that do not run where `node` does, nor in another round around it."""
    found: list[ast.expr] = []
    for child, parent in chain(node, root, above(root)):
        if is_lazy(parent):
            return []
        match parent:
            case ast.IfExp(body=body, orelse=orelse) if child is body or child is orelse:
                found.append(orelse if child is body else body)
    return found


def _conditional(child: ast.AST, parent: ast.AST) -> bool:
    match parent:
        case ast.BoolOp(values=values):
            return child is not values[0]
        case ast.IfExp(test=test):
            return child is not test
        case ast.Compare(left=left, comparators=comparators):
            return child is not left and child is not comparators[0]
        case ast.Assert(test=test):
            return child is not test
    return False


def keeps_nothing(left: ast.expr, op: ast.operator, right: ast.expr) -> bool:
    """True for an operator after which no operand is kept for backward: sums, and products with a number."""
    if isinstance(op, (ast.Add, ast.Sub)):
        return True
    return (_is_number(right) and isinstance(op, (ast.Mult, ast.Div))) or (
        _is_number(left) and isinstance(op, ast.Mult)
    )


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def before(child: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """Children of `parent` that are evaluated before `child`."""
    match parent:
        case ast.Assign(targets=targets, value=value):
            order: list[ast.AST] = [value, *targets]
        case ast.AnnAssign(target=target, value=value):
            order = [*([value] if value is not None else []), target]
        case ast.Dict(keys=keys, values=values):
            order = [n for pair in zip(keys, values, strict=True) for n in pair if n is not None]
        case _:
            order = list(children(parent))
    for node in order:
        if node is child:
            return
        yield node


def _is_load(node: ast.AST, target: str) -> bool:
    match node:
        case (
            ast.Name()
            | ast.Constant()
            | ast.operator()
            | ast.unaryop()
            | ast.boolop()
            | ast.cmpop()
            | ast.expr_context()
        ):
            return True
        case ast.Attribute(value=ast.Name(id=name)) if name == target:
            return False
        case ast.Attribute(value=value) | ast.Starred(value=value) | ast.keyword(value=value):
            return _is_load(value, target)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return all(_is_load(element, target) for element in elements)
        case ast.UnaryOp(operand=ast.Constant()):
            return True
    return False


def reads_once(node: ast.Call) -> bool:
    """True if no other argument can read what the first one is."""
    others = (*node.args[1:], *(one.value for one in node.keywords))
    return all(isinstance(one, (ast.Constant, ast.Attribute)) for one in others)


def attached(node: ast.expr) -> ast.expr:
    """`x` for `x.detach()`: the same elements."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr="detach"), args=[], keywords=[]):
            return value
    return node
