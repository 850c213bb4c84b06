"""Who can tell a tensor from the one that takes its place, and who only computes with whatever a name stands for.

Note [New to all]
    `assert y.data_ptr() == z.data_ptr()` sees where tensors lie.  It cannot see that a tensor which a function has made
    was replaced before anybody else had it: the function itself does not look, and had given it to nobody.  All that
    stood for the old one stands for the new one, so that what was one memory is one still.

Note [Variables that are read late]
    `def scaled(): return h * 2` reads the variable `h` when it runs, and so finds the new tensor after
    `h = h.add(1)` just as it finds the written one after `h.add_(1)`.  That holds for functions that make something
    new of the tensor: what they keep of it, or hand out, would be the old one.  The statement that writes must not call
    them: it consists of tensors and numbers alone.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from fixinplace.catalogue import Memory, result, writer
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Origin
from fixinplace.detect.liveness import APART
from fixinplace.detect.values import Memories, Value, overlap
from fixinplace.walking import every, functions, remembered, walk

_PLACES = ("data_ptr", "untyped_storage", "typed_storage", "storage")
_SUSPENDING = ast.Yield | ast.YieldFrom | ast.Await
_LOOKS = ("shape", "dtype", "device", "ndim")


def is_new_to_all(written: Value, given: Memories) -> bool:
    """True for a whole tensor that its function has made and shown to nobody; see Note [New to all].

    given: what others may hold, or may have been shown.
    """
    made = all(memory.origin is Origin.ALLOCATED for memory in written.memory)
    apart = not (written.maybe or written.view or overlap(written.memory, given))
    return bool(written.memory) and made and apart


def sees_place(sentence: str) -> bool:
    """True for the doubt that comes from asking where tensors lie; see Note [New to all]."""
    return any(f"`.{word}`" in sentence for word in _PLACES)


def read_by_functions(name: str) -> str:
    """The doubt about a variable that nested functions read."""
    return f"a nested function reads `{name}`"


def is_computed_with(name: str, body: Sequence[ast.stmt], above: Mapping[int, ast.AST]) -> bool:
    """True if functions within a body make new tensors of a variable of it; see Note [Variables that are read late]."""
    scopes = [one for statement in body for one in walk(statement) if type(one) in APART]
    if any(isinstance(one, _SUSPENDING) for scope in scopes for one in walk(scope)):
        return False
    uses = [one for scope in scopes for one in every(scope, ast.Name) if one.id == name]
    return all(isinstance(one.ctx, ast.Load) and makes_new(one, above) for one in uses)


def makes_new(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for a use that computes something new of a tensor, asks for its shape, or writes it on a line of its own."""
    parent = above[id(node)]
    user = above[id(parent)]
    match parent:
        case ast.BinOp() | ast.UnaryOp(op=ast.USub()):
            return not _defines_operators(_root(node, above))
        case ast.Attribute(attr=attr):
            row, writes = result(f"Tensor.{attr}"), writer(f"Tensor.{attr}") is not None
            called = isinstance(user, ast.Call) and user.func is parent
            stands = called and isinstance(above[id(user)], ast.Expr)
            new = row is not None and row.memory is Memory.FRESH and not writes
            return attr in _LOOKS or (called and new) or (writes and stands)
        case ast.Call(func=func):
            path = dotted(func) if dotted(func).startswith("torch.") and node is not func else ""
            row = result(path)
            stands = writer(path) is not None and isinstance(user, ast.Expr)
            return stands or (row is not None and row.memory is Memory.FRESH and not _may_be_flagged(parent))
    return False


def _may_be_flagged(call: ast.Call) -> bool:
    """True for `F.elu(x, 1.0, True)`, which writes its argument and gives that back."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    row = writer(f"torch.nn.functional.{name}(inplace=)")
    bundled = any(isinstance(one, ast.Starred) for one in call.args)
    named = any(one.arg in ("inplace", None) for one in call.keywords)
    return row is not None and (bundled or named or len(call.args) > (row.flag_position or 0))


def _root(node: ast.AST, above: Mapping[int, ast.AST]) -> ast.AST:
    while id(node) in above:
        node = above[id(node)]
    return node


@remembered
def _defines_operators(tree: ast.AST) -> bool:
    """True for a file with a class whose operators may keep their operands."""
    return any(one.name.startswith("__") and one.name.strip("_").lstrip("ri") in _OPERATORS for one in functions(tree))


_OPERATORS = frozenset("add sub mul matmul truediv floordiv mod pow and or xor lshift rshift neg".split()) | {"shift"}


def calls_torch_alone(root: ast.AST) -> bool:
    """True if all attributes of a statement are methods and properties of tensors, or functions of torch."""
    names = [one.attr for one in walk(root) if isinstance(one, ast.Attribute)]
    return all(
        one in _PATHS or any(map(result, (f"Tensor.{one}", f"torch.{one}"))) or writer(f"Tensor.{one}") for one in names
    )


_PATHS = frozenset(("nn", "functional", "T", "mT", *_LOOKS))


def is_fresh(node: ast.expr) -> bool:
    """True if the value shares memory with nothing for certain: operators, literals, rows, calls known to torch."""
    match node:
        case ast.BinOp() | ast.Compare() | ast.Constant():
            return True
        case ast.UnaryOp(op=operator):
            return not isinstance(operator, ast.UAdd)
        case ast.IfExp(body=body, orelse=orelse):
            return is_fresh(body) and is_fresh(orelse)
        case ast.Call(func=ast.Attribute(attr=attr) as func, keywords=keywords):
            row = result(f"Tensor.{attr}") or (result(dotted(func)) if dotted(func).startswith("torch.") else None)
            elsewhere = any(keyword.arg in (None, "out", "inplace") for keyword in keywords)
            elsewhere = elsewhere or _may_be_flagged(node)
            return row is not None and row.memory is Memory.FRESH and not elsewhere
        case ast.Subscript(slice=index):  # `x[[1, 0]]` and `x[:, [1, 0]]` pick rows and columns, and copy them
            return any(map(_are_numbers, index.elts if isinstance(index, ast.Tuple) else [index]))
    return False


def _are_numbers(index: ast.expr) -> bool:
    numbers = index.elts if isinstance(index, ast.List) else []
    return bool(numbers) and all(isinstance(one, ast.Constant) and type(one.value) is int for one in numbers)
