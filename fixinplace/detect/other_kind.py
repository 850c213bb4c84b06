"""Parts that a test has found to be of a class that has no in-place layers: `if isinstance(m, nn.Conv2d): use(m)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from fixinplace.detect.index import all_imports, dotted
from fixinplace.walking import every

_LAYERS = re.compile(
    r"_?(Lazy)?(ConvTranspose|Conv|BatchNorm|InstanceNorm|MaxPool|AvgPool|AdaptiveAvgPool|AdaptiveMaxPool)[123]d|_ConvNd|"
    r"_BatchNorm|_InstanceNorm|_NormBase|SyncBatchNorm|GroupNorm|LayerNorm|Linear|Bilinear|Embedding|LSTM|GRU|RNN|LSTMCell|"
    r"GRUCell|RNNCell|RNNBase|MultiheadAttention"
)
"""Classes of torch whose objects work out of place."""


def is_plain_layer(path: str) -> bool:
    """True for the path of a layer of torch that works out of place, and has no parts that a program gives it."""
    return path.startswith(("nn.", "torch.nn.")) and _LAYERS.fullmatch(path.rpartition(".")[2]) is not None


def is_of_other_kind(node: ast.Name, above: Mapping[int, ast.AST], tree: ast.Module) -> bool:
    """True where a name stands behind `isinstance(m, kind)` with classes that are no in-place layers.

    An object of one of the file's own classes does what that class does, whoever calls it.
    """
    inner: ast.AST = node
    around = above.get(id(node))
    while around is not None and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        tests = _asked_before(around, inner)
        if any(_tells(one, node.id, tree, _is_asked(node, above)) for one in tests):
            return not _binds_again(around, node.id)
        inner, around = around, above.get(id(around))
    return False


def _asked_before(around: ast.AST, inner: ast.AST) -> list[ast.expr]:
    """The tests of a statement, or of an expression, that let something inside it run."""
    match around:
        case ast.If(test=test, body=body) if inner in body:
            return [test]
        case ast.IfExp(test=test, body=value) if inner is value:
            return [test]
        case ast.ListComp(elt=value, generators=each) | ast.GeneratorExp(elt=value, generators=each) if inner is value:
            return [test for one in each for test in one.ifs]
    return []


def _binds_again(node: ast.AST, name: str) -> bool:
    stores = [one for one in every(node, ast.Name) if one.id == name and isinstance(one.ctx, ast.Store)]
    return bool(stores) and not isinstance(node, ast.ListComp | ast.GeneratorExp)


def _is_asked(node: ast.Name, above: Mapping[int, ast.AST]) -> bool:
    """True for `m(x)` and `m.body`, and not where it is kept or handed on: others may then reach its parts."""
    parent = above.get(id(node))
    return isinstance(parent, ast.Attribute) or (isinstance(parent, ast.Call) and parent.func is node)


def _tells(test: ast.expr, name: str, tree: ast.Module, asked_of: bool) -> bool:
    """True for `isinstance(m, kind)`, also where more is asked; asked_of: it is called, or asked for an attribute."""
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return any(_tells(one, name, tree, asked_of) for one in values)
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=asked), kinds]):
            each = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
            plain = bool(each) and all(_is_plain(one, tree) for one in each)
            return asked == name and plain and (asked_of or not any(_is_own(one, tree) for one in each))
    return False


def _is_own(kind: ast.expr, tree: ast.Module) -> bool:
    return any(one.name == dotted(kind) for one in every(tree, ast.ClassDef))


def _is_plain(kind: ast.expr, tree: ast.Module) -> bool:
    """True for a layer of torch that works out of place, and for a class of the file that derives from `nn.Module`."""
    path = dotted(kind)
    head, _, rest = path.partition(".")
    full = {f"{one}.{rest}".rstrip(".") for name, one in all_imports(tree) if name == head}
    own = [one for one in every(tree, ast.ClassDef) if one.name == path]
    if own and not full:
        bases = [base for one in own for base in one.bases]
        return all(
            dotted(base) in ("nn.Module", "torch.nn.Module", "Module") or _is_plain(base, tree) for base in bases
        )
    torch = bool(full) and not own and all(one.startswith("torch.nn.") for one in full)
    return torch and all(_LAYERS.fullmatch(one.rpartition(".")[2]) for one in full)
