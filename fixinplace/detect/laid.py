"""Where the strides of a tensor are soon forgotten: what reads it next lays its result out by sizes alone.

Note [Strides that nobody sees]
    `scores.masked_fill(mask, value)` is contiguous, whatever `scores` was; in place it keeps the strides.  `softmax`
    and lookups give a contiguous tensor of either, bit by bit the same.  Where all that reads a local name from
    then on is one of these, or asks for sizes, the difference ends there.  Products and sums are contiguous as well,
    but add up in an order that the strides decide.

Note [Products by letters]
    `torch.einsum("bhid,bhjd->bhij", q, k)` is one batched product of matrices: its result has the letters that both
    operands have, those of the first, those of the second, and is contiguous if the output names them in that order,
    however the operands lie.  Measured over 4,000 equations; it does not hold where a letter has the size 1 in one
    operand only, or where all that is summed over has the size 1, which is assumed not to be and said.

Note [Tables of distances]
    `a.sum(1, keepdim=True).expand(m, n) + b.sum(1, keepdim=True).expand(n, m).t()`: in each dimension one of both has
    stride 0, so that none says in which order the elements should lie, and torch lays them out in rows.  Measured over
    sizes from 1 on.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

from fixinplace import catalogue
from fixinplace.detect.index import dotted
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, functions, remembered

_OWNERS = ("torch", "Tensor", "torch.nn", "torch.nn.functional")
_ALWAYS = frozenset(
    "matmul mm bmm addmm baddbmm linear Linear softmax log_softmax Softmax LogSoftmax gather index_select"
    " embedding Embedding sum mean cumsum logsumexp".split()
)
_EXACT = frozenset("softmax log_softmax Softmax LogSoftmax gather index_select".split())
ASKS = frozenset("shape size dim ndim dtype device numel is_cuda requires_grad".split())
"""What a tensor is asked for that does not tell its elements."""
_KEEPS = frozenset("masked_fill masked_fill_ add add_ sub sub_ mul mul_ div div_".split())


def lays_anew(op: str) -> bool:
    """True for an op of torch, by its dotted name, whose result is contiguous, however its operands lie."""
    owner, _, name = op.rpartition(".")
    return owner in _OWNERS and name in _ALWAYS


SUMMED = "a letter has one size in both operands of `einsum`, and what is summed over has more than one element"


def is_ordered(call: ast.Call) -> bool:
    """True for `einsum` of two operands with a result that is contiguous, see Note [Products by letters]."""
    match call.args:
        case [ast.Constant(value=str(equation)), _, _]:
            operands, _, result = equation.replace(" ", "").replace("...", ".").partition("->")
            first, _, second = operands.partition(",")
        case _:
            return False
    shared = {*first} & {*second}
    plain = len({*first}) == len(first) and len({*second}) == len(second) and {*first} ^ {*second} <= {*result}
    ordered = (one for one in (shared, {*first} - shared, {*second} - shared))
    return plain and not shared <= {*result} and result == "".join(c for one in ordered for c in result if c in one)


def takes_all(index: ast.expr, new: Sequence[bool]) -> bool:
    """True for `x[:, None]` and `x[..., np.newaxis]`, which leave out no element.

    new: for each part of the index, whether it is None, which makes a dimension.
    """
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return len(parts) == len(new) and all(made or _is_whole(one) for one, made in zip(parts, new, strict=True))


def _is_whole(part: ast.expr) -> bool:
    match part:
        case ast.Slice(lower=None, upper=None, step=None):
            return True
        case ast.Constant(value=value):
            return value is ...
    return False


def _forgets(op: str) -> bool:
    return lays_anew(op) and op.rpartition(".")[2] in _EXACT


def forgets_strides(name: str, body: Sequence[ast.stmt], after: int, above: Mapping[int, ast.AST],
                    path: Callable[[ast.expr], str]) -> bool:  # fmt: skip
    """True if all that reads a local name from a line on sees nothing of its strides.

    path: the dotted name of the module or function of torch that a callee is, else "".
    """
    uses = [one for statement in body for one in every(statement, ast.Name) if one.id == name]
    again = (one.end_lineno or 0 for one in body if after and one.lineno > after and _binds(one, name))
    until = next(again, max((one.lineno for one in uses), default=0))
    seen = [one for one in uses if after <= one.lineno <= until and isinstance(one.ctx, ast.Load)]
    return all(_is_blind(one, name, above, path) for one in seen)


def spread(call: ast.Call, op: str, name: str) -> str:
    """The name of `a.sum(1, keepdim=True).expand(m, n)`, and of `.t()` of it; see Note [Tables of distances].

    op: the name of the call; name: that of its operand, a value.
    """
    if op == "Tensor.t" and name == COLUMN:
        return ROW
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Attribute(attr="sum"), keywords=options)), args=[_, _]
        ) if op == "Tensor.expand":
            kept = (one.value for one in options if one.arg == "keepdim")
            return COLUMN if any(isinstance(one, ast.Constant) and one.value for one in kept) else ""
    return ""


COLUMN, ROW = "a column", "a row"


def only_asks(function: Function, name: str, above: Mapping[int, ast.AST]) -> bool:
    """True if a function asks what it is given for a parameter about its sizes and the like, or hands it back."""
    if any(one.id == name and not isinstance(one.ctx, ast.Load) for one in every(function, ast.Name)):
        return False
    return all(_is_asking(one, above) for one in every(function, ast.Name) if one.id == name)


def computes_alone(function: Function, tree: ast.Module) -> bool:
    """True if a function calls functions of torch and methods of tensors alone, by names that nothing of the file has.

    What it does not do itself to the shapes of its arguments, nobody does.
    """
    own = {one.name for one in (*functions(tree), *every(tree, ast.ClassDef))} | _set_attributes(tree)
    called = {dotted(one.func).rpartition(".")[2] or getattr(one.func, "attr", "") for one in every(function, ast.Call)}
    known = (any(catalogue.result(f"{owner}.{name}") for owner in _OWNERS) for name in called)
    return own.isdisjoint(called) and all(known)


@remembered
def _set_attributes(tree: ast.Module) -> frozenset[str]:
    return frozenset(one.attr for one in every(tree, ast.Attribute) if not isinstance(one.ctx, ast.Load))


def _is_asking(node: ast.Name, above: Mapping[int, ast.AST]) -> bool:
    parent = above.get(id(node))
    match parent:
        case ast.Attribute(attr=attr):
            return attr in ASKS
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot()]):
            return left is node
        case ast.IfExp(body=body, orelse=orelse) if node in (body, orelse):
            return isinstance(above.get(id(parent)), ast.Return)
    return isinstance(parent, ast.Return)


def _binds(statement: ast.stmt, name: str) -> bool:
    """True for a statement after which the name certainly stands for something else, in a body that runs it."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=target)]):
            return target == name
    return False


def _is_blind(node: ast.expr, name: str, above: Mapping[int, ast.AST], path: Callable[[ast.expr], str]) -> bool:
    parent = above.get(id(node))
    match parent:
        case ast.Attribute(attr=attr):
            call = above.get(id(parent))
            called = isinstance(call, ast.Call) and call.func is parent
            if attr in ASKS or (called and _forgets(f"Tensor.{attr}")):
                return True
            return called and attr in _KEEPS and isinstance(call, ast.Call) and _is_own(call, name, above)
        case ast.Call(func=func) if func is not node:
            return _forgets(path(func))
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
            return _is_own(parent, name, above)
        case ast.AugAssign(target=target):
            return target is node
    return False


def _is_own(node: ast.expr, name: str, above: Mapping[int, ast.AST]) -> bool:
    """True for what goes under the same name again, or nowhere."""
    parent = above.get(id(node))
    match parent:
        case ast.Expr():
            return True
        case ast.Assign(targets=[ast.Name(id=target)]):
            return target == name
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
            return _is_own(parent, name, above)
    return False
