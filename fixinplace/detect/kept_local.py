"""Functions that go through the parts of networks for their weights alone: `init_vgg16_params(self, vgg16)`.

Note [Parts that stay]
    Such a function collects layers in lists of its own, asks of which class they are and copies weights.  If it calls
    nothing but what is known not to call a module, binds no attribute but weights, and returns and yields nothing, then
    no part of a network is called by it, or known to anybody once it has returned.
"""

from __future__ import annotations

import ast
import builtins

from fixinplace.detect.index import all_imports, dotted, parameter_names
from fixinplace.detect.liveness import DECLARING, Function
from fixinplace.detect.parents import bound_names
from fixinplace.walking import every, functions

_BUILTINS = frozenset(
    "len zip range enumerate list tuple set dict isinstance print hasattr type sorted reversed str int float min max"
    " sum any all id".split()
)
_METHODS = frozenset(
    "children named_children modules named_modules parameters named_parameters buffers named_buffers state_dict"
    " append extend items keys values size dim numel view view_as reshape copy_ clone detach fill_ zero_ normal_"
    " uniform_ t transpose permute contiguous unsqueeze squeeze mean sum format startswith endswith split join"
    " load_state_dict cpu numpy item tolist".split()
)
_WEIGHTS = frozenset("data weight bias running_mean running_var requires_grad eps momentum num_batches_tracked".split())
_LIBRARIES = ("torch.nn.init.", "torch.from_numpy", "torch.tensor", "torch.cat", "torch.zeros", "torch.ones", "numpy.",
              "math.", "torch.sqrt", "torch.load")  # fmt: skip
_LEAVING = (ast.Yield, ast.YieldFrom, ast.Await, ast.Lambda, *DECLARING)


def keeps_parts_local(function: ast.AST | None, tree: ast.Module) -> bool:
    """True for a function after which nobody knows a part that it went through; see Note [Parts that stay]."""
    if not isinstance(function, Function) or any(every(function, kind) for kind in _LEAVING):
        return False
    inner = [one for kind in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef) for one in every(function, kind)]
    returned = (one.value for one in every(function, ast.Return) if one.value is not None)
    if len(inner) > 1 or not all(isinstance(one, ast.Constant) for one in returned):
        return False
    calls = all(_is_known(one.func, tree) for one in every(function, ast.Call))
    return calls and _binds_weights(function) and _puts_locally(function)


def _binds_weights(function: Function) -> bool:
    """True if attributes get weights alone, which no part is: they are computed, or attributes as well."""
    stored = [one for one in every(function, ast.Attribute) if not isinstance(one.ctx, ast.Load)]
    bound = [
        target
        for one in every(function, ast.Assign)
        if isinstance(one.value, ast.Attribute | ast.Call | ast.Constant | ast.BinOp)
        for target in one.targets
    ]
    return all(one.attr in _WEIGHTS and one in bound for one in stored)


def _puts_locally(function: Function) -> bool:
    """True if what is put into a list or a table goes into one that the function itself has made."""
    made = {
        target.id
        for one in every(function, ast.Assign)
        if isinstance(one.value, ast.List | ast.ListComp | ast.Dict | ast.DictComp)
        for target in one.targets
        if isinstance(target, ast.Name)
    }
    stores = [one.id for one in every(function, ast.Name) if isinstance(one.ctx, ast.Store)]
    own = {name for name in made if stores.count(name) == 1} - {*parameter_names(function)}
    owners = [one.value for one in every(function, ast.Subscript) if not isinstance(one.ctx, ast.Load)]
    for call in every(function, ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("append", "extend"):
            owners.append(call.func.value)
    owners += [one.target for one in every(function, ast.AugAssign) if not isinstance(one.value, ast.Constant)]
    return all(isinstance(one, ast.Name) and one.id in own for one in owners)


def _is_known(function: ast.expr, tree: ast.Module) -> bool:
    match function:
        case ast.Name(id=name):
            return name in _BUILTINS and hasattr(builtins, name) and name not in bound_names(tree)
        case ast.Attribute(attr=attr) if attr in _METHODS:
            return attr not in {one.name for one in functions(tree)}
    head, _, rest = dotted(function).partition(".")
    return any(f"{path}.{rest}".startswith(_LIBRARIES) for name, path in all_imports(tree) if name == head)
