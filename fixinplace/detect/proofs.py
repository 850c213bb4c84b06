"""Parameters that are tensors for certain: whoever calls the function, it raises with anything else.

Note [Proof by use]
    `x.size(0)`, `x.unsqueeze(1)` and `torch.exp(x)` work with tensors alone: an array has no method `size`, and torch's
    functions take no numbers.  Where every call of a function comes to such a line while the name still means the
    argument, the argument is a tensor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.index import dotted
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, remembered, walk

_METHODS = frozenset(
    "size dim unsqueeze permute contiguous masked_fill expand_as view_as type_as new_zeros new_ones new_tensor new_full"
    " index_select scatter_add data_ptr".split()
)
"""Methods of tensors that neither arrays, nor numbers, nor modules have; `size` of an array is no method."""
_FUNCTIONS = frozenset(
    "exp log sigmoid tanh relu softmax mean sum abs sqrt rsqrt matmul bmm mm norm clamp transpose flatten squeeze"
    " unsqueeze sin cos max min argmax chunk split unbind".split()
)
"""Functions of torch's whose first argument is a tensor."""
_LATER = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.GeneratorExp, ast.ListComp, ast.SetComp)
_LEAVES = (ast.Return, ast.Yield, ast.YieldFrom, ast.Await)


@remembered
def proved_tensors(function: Function) -> frozenset[str]:
    """The parameters of a function that are tensors, or it raises; see Note [Proof by use]."""
    found, bound = set[str](), set[str]()
    for statement in function.body:
        found |= {name for one in _always(statement) for name in _proved(one)} - bound
        if any(isinstance(one, _LEAVES) for one in walk(statement)) or isinstance(statement, ast.Try):
            break
        bound |= {one.id for one in every(statement, ast.Name) if not isinstance(one.ctx, ast.Load)}
    return frozenset(found)


def _always(statement: ast.stmt) -> Iterator[ast.AST]:
    """What a statement evaluates whenever it runs."""
    match statement:
        case ast.If(test=test) | ast.While(test=test) | ast.Assert(test=test):
            roots: list[ast.AST] = [test]
        case ast.For(iter=source):
            roots = [source]
        case ast.Assign(value=value) | ast.AugAssign(value=value) | ast.Expr(value=value):
            roots = [value]
        case ast.Return(value=ast.expr() as value) | ast.AnnAssign(value=ast.expr() as value):
            roots = [value]
        case _:
            roots = []
    while roots:
        node = roots.pop()
        if isinstance(node, _LATER):
            continue
        yield node
        match node:
            case ast.BoolOp(values=[first, *_]):
                roots.append(first)
            case ast.IfExp(test=test):
                roots.append(test)
            case ast.Compare(left=left, comparators=[right, *_]):
                roots += [left, right]
            case _:
                roots += ast.iter_child_nodes(node)


def _proved(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if attr in _METHODS:
            yield name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="view"), args=[first, *_], keywords=[]):
            if not dotted(first):  # `x.view(dtype)`, which arrays have
                yield name
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr=attr), args=[ast.Name(id=name), *_]):
            if attr in _FUNCTIONS:
                yield name
        case ast.Call(func=ast.Attribute(value=ast.Name(id="F"), attr="relu" | "softmax" | "pad" | "interpolate"),
                      args=[ast.Name(id=name), *_]):  # fmt: skip
            yield name
