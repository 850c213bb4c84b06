"""Uses of a tensor after which it is still known who holds it.

Note [Safe is a closed world]
    `safe` is claimed without running anything, so everything that is done with a tensor between the place that
    made it and the write must be understood.  A list of what may go wrong is never complete (a bound method kept
    for later, a tensor as a dict key, an attribute set on it, a pattern that binds it, a class of the user with an
    operator of its own); a list of what is understood can be.  Whatever is not on it is no hazard, it only leaves
    the word `safe` to a run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace import catalogue

_READS = ("shape", "ndim", "dtype", "device", "T", "mT", "H", "mH", "real", "imag", "data", "is_cuda", "grad", "layout")
_OF_DICTS = ("items", "keys")
"""Methods of dicts, which are followed; no tensor has them."""
_OPERATORS = (ast.BinOp, ast.UnaryOp, ast.AugAssign, ast.IfExp, ast.BoolOp, ast.If, ast.While, ast.Expr, ast.Assert)
_BINDERS = (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.Return, ast.For, ast.comprehension)
_NESTING = (ast.Tuple, ast.List, ast.Dict, ast.Starred, ast.keyword, ast.Call, ast.Slice)
_TEXT = (ast.FormattedValue, ast.JoinedStr, ast.Raise)


def is_plain_use(node: ast.expr, parent: ast.AST | None, above: Mapping[int, ast.AST]) -> bool:
    """True if the parent of a tensor expression only computes with it, binds it to a name, or hands it on.

    Calls and containers are judged where they are evaluated; here they pass.
    """
    match parent:
        case ast.Attribute(attr=attr):
            user = above.get(id(parent))
            called = isinstance(user, ast.Call) and user.func is parent
            known = catalogue.result(f"Tensor.{attr}") or catalogue.writer(f"Tensor.{attr}")
            return attr in _READS or (called and (known is not None or attr in _OF_DICTS))
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot()], comparators=[right]):
            return isinstance(right if left is node else left, ast.Constant)  # whatever tensor it is, it is not None
        case ast.Compare(ops=ops):
            return not any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in ops)
        case ast.Dict(keys=keys):
            return not any(key is node for key in keys)
        case ast.Subscript():
            return True
        case ast.DictComp(value=value):
            return value is node
    allowed = (*_OPERATORS, *_BINDERS, *_NESTING, *_TEXT, ast.ListComp, ast.SetComp, ast.GeneratorExp)
    return isinstance(parent, allowed)


def is_passing(node: ast.expr, parent: ast.AST | None, above: Mapping[int, ast.AST]) -> bool:
    """True for a container that lives no longer than its statement: `return a, b`, `a, b = b, a`, `cat([a, b])`."""
    match parent:
        case ast.Return() | ast.Subscript() | ast.Compare() | ast.BinOp(op=ast.Mod()):
            return True
        case ast.For(iter=source) | ast.comprehension(iter=source):
            return source is node
        case ast.Assign(targets=targets):
            return all(isinstance(t, (ast.Tuple, ast.List)) for t in targets)
        case ast.Tuple() | ast.List() | ast.Dict():
            return is_passing(parent, above.get(id(parent)), above)
        case ast.Call() | ast.keyword() | ast.Starred():
            return True
    return False
