"""Functions that fill the weights of layers, or wrap them: to be handed to one, a layer is neither called nor kept."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from fixinplace.detect.index import all_imports, dotted
from fixinplace.walking import every, functions, remembered

Parents = Mapping[int, ast.AST]
_INITIALISER = re.compile(r"_*(\w+_)?init(_weights?|_module)?_?|c2_\w+_fill")
FILLS = "what another file calls an initialiser of a module does not call it"


def initialises(function: ast.expr, tree: ast.Module) -> bool:
    """True for what another file calls an initialiser of layers: `kaiming_init(m)`, `c2_msra_fill(m.conv)`."""
    path = dotted(function)
    if _INITIALISER.fullmatch(path.rpartition(".")[2]) is None:
        return False
    return path.partition(".")[0] in dict(all_imports(tree)) and path not in bound_otherwise(tree)


def is_filled(node: ast.expr, above: Parents, tree: ast.Module) -> bool:
    """True for `self.body` in `constant_init(self.body[-1], 0)`, which fills the weights of a part."""
    part = above.get(id(node))
    call = above.get(id(part))
    alone = isinstance(call, ast.Call) and part in call.args and isinstance(above.get(id(call)), ast.Expr)
    picks = isinstance(part, ast.Subscript) and part.value is node and not isinstance(part.slice, ast.Slice)
    return alone and picks and isinstance(call, ast.Call) and initialises(call.func, tree)


def sets_values(function: ast.expr, tree: ast.Module) -> bool:
    """True for `nn.init.constant_(m.weight, value)`, which is given tensors and numbers."""
    head, _, rest = dotted(function).partition(".")
    paths = {f"{path}.{rest}" for name, path in all_imports(tree) if name == head}
    return (
        bool(paths) and all(path.startswith("torch.nn.init.") for path in paths) and head not in bound_otherwise(tree)
    )


def wraps_weights(function: ast.expr, tree: ast.Module) -> bool:
    """True for `weight_norm(m)` and its like of torch, which make a weight anew before each call."""
    path = dotted(function)
    return path.rpartition(".")[2] in _NORMS and path not in bound_otherwise(tree) | {
        one.name for one in functions(tree)
    }


_NORMS = frozenset("weight_norm remove_weight_norm spectral_norm remove_spectral_norm".split())


@remembered
def bound_otherwise(tree: ast.Module) -> frozenset[str]:
    """Names that something but a function or an import binds, parameters among them, and those of classes."""
    stored = {one.id for one in every(tree, ast.Name) if not isinstance(one.ctx, ast.Load)}
    return frozenset(
        stored | {one.arg for one in every(tree, ast.arg)} | {one.name for one in every(tree, ast.ClassDef)}
    )
