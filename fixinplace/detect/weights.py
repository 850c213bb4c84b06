"""Weights that are got and set by their names: `w = getattr(module, name)`, `setattr(module, name, w / sigma)`.

Reparametrisations do so: spectral and weight norm, equalised learning rates, dropped weights.  What is computed is a
tensor, and no part that anybody calls; and what has a `data` of its own is no layer of torch.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace.detect.index import all_imports, dotted
from fixinplace.detect.liveness import Function, declared
from fixinplace.detect.part_names import stored_attributes
from fixinplace.walking import every, functions, scope

Parents = Mapping[int, ast.AST]
_OF_TENSORS = frozenset("data view size shape dim ndim detach clone norm grad numel reshape t mv mm new".split())
"""What tensors have, and layers of torch do not."""
_OF_LAYERS = frozenset("weight bias in_features out_features in_channels out_channels".split())
"""Weights and numbers of layers, which are no layers."""
_COMPUTES = (ast.Div, ast.Sub, ast.Pow, ast.MatMult)
"""Operators that give no module: a `Sequential` may be added to another one, and repeated."""
_DEPTH = 4


def is_used_as_tensor(node: ast.expr, above: Parents, tree: ast.Module) -> bool:
    """True for `getattr(module, name)` of whose result no more is done than to compute with it: no part is called."""
    parent = above.get(id(node))
    if isinstance(parent, ast.Call) and parent.func is node and not (parent.args or parent.keywords):
        return True  # `getattr(x, dtype)()`: an in-place layer is called with something
    if isinstance(parent, ast.Attribute):
        return _is_of_tensors(parent, tree) or parent.attr in _OF_LAYERS
    function = scope(node, above)
    if not isinstance(function, Function) or not isinstance(parent, ast.Assign) or parent.value is not node:
        return False
    match parent.targets:
        case [ast.Name(id=name)]:
            loads = [one for one in every(function, ast.Name) if one.id == name and isinstance(one.ctx, ast.Load)]
            own = name not in declared(function.body)
            return own and all(_computes_with(one, above, tree) for one in loads)
    return False


def _is_of_tensors(node: ast.Attribute, tree: ast.Module) -> bool:
    own = stored_attributes(tree) | {one.name for one in functions(tree)}
    return node.attr in _OF_TENSORS | _TAKES and (node.attr not in own or node.attr == "data")


def _computes_with(node: ast.Name, above: Parents, tree: ast.Module) -> bool:
    """True for a use that neither calls what is used nor keeps it for others to call."""
    match above.get(id(node)):
        case ast.Attribute() as attribute:
            return attribute.attr in _OF_LAYERS or _is_of_tensors(attribute, tree)
        case ast.BinOp() | ast.Compare() | ast.UnaryOp():
            return True
        case ast.Call(func=func, args=args):
            takes = isinstance(func, ast.Attribute) and func.attr in _TAKES - {one.name for one in functions(tree)}
            return node in args and (takes or _is_torch(func, tree))
    return False


_TAKES = frozenset("expand_as view_as mv mm matmul dot type_as new_tensor reshape_as mul sub div".split())


def _is_torch(func: ast.expr, tree: ast.Module) -> bool:
    """True for a function of torch that computes, `torch.mv`, `F.dropout`, and for `Parameter`."""
    path = dotted(func)
    head, _, rest = path.partition(".")
    names = {f"{full}.{rest}".rstrip(".") for name, full in all_imports(tree) if name == head}
    bound = any(one.id == head and not isinstance(one.ctx, ast.Load) for one in every(tree, ast.Name))
    return bool(names) and not bound and all(_is_computing(name) for name in names)


def _is_computing(path: str) -> bool:
    owner, _, last = path.rpartition(".")
    parameter = path in ("torch.nn.Parameter", "torch.nn.parameter.Parameter")
    return parameter or (owner in ("torch", "torch.nn.functional") and last not in _OTHERS)


_OTHERS = frozenset("compile jit load hub fx nn".split())


def is_computed(node: ast.expr, above: Parents, tree: ast.Module, depth: int = _DEPTH) -> bool:
    """True for an expression that gives a tensor or a number, and no module, whatever it is computed from."""
    if not depth:
        return False
    match node:
        case ast.BinOp(left=left, op=ast.Mult() | ast.Add(), right=right):
            return any(is_computed(one, above, tree, depth - 1) for one in (left, right)) or _scales(left, right)
        case ast.BinOp(op=op):
            return isinstance(op, _COMPUTES)
        case ast.Constant(value=None | float()) | ast.UnaryOp(op=ast.USub()):
            return True
        case ast.Attribute(attr="data"):
            return "data" not in {one.name for one in functions(tree)}
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=attr)):
            return _returns_computed(attr, above, tree, depth)
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in _TAKES:
            return attr not in {one.name for one in functions(tree)}
        case ast.Call(func=func):
            return _is_torch(func, tree)
        case ast.Name(id=name):
            return _is_bound_to_computed(node, name, above, tree, depth)
    return False


def _scales(left: ast.expr, right: ast.expr) -> bool:
    """True for a product with what a function of numbers gives: `weight * sqrt(2 / fan_in)`."""
    return any(isinstance(one, ast.Call) and dotted(one.func).rpartition(".")[2] == "sqrt" for one in (left, right))


def _returns_computed(method: str, above: Parents, tree: ast.Module, depth: int) -> bool:
    found = [one for one in functions(tree) if one.name == method]
    if len(found) != 1 or method in stored_attributes(tree) or found[0].decorator_list:
        return False
    returned = [one.value for one in every(found[0], ast.Return)]
    return bool(returned) and all(one is not None and is_computed(one, above, tree, depth - 1) for one in returned)


def _is_bound_to_computed(node: ast.Name, name: str, above: Parents, tree: ast.Module, depth: int) -> bool:
    """True for a name of a function that only such expressions are assigned to, behind one another."""
    function = scope(node, above)
    if not isinstance(function, Function):
        return False
    stored = [one for one in every(function, ast.Name) if one.id == name and not isinstance(one.ctx, ast.Load)]
    bound = [above.get(id(one)) for one in stored]
    values = [one.value for one in bound if isinstance(one, ast.Assign) and len(one.targets) == 1]
    mentioned = (one.id for value in values for one in every(value, ast.Name))
    again = name in mentioned or any(one.arg == name for one in every(function.args, ast.arg))
    return (
        bool(stored)
        and len(values) == len(stored)
        and not again
        and all(is_computed(value, above, tree, depth - 1) for value in values)
    )
