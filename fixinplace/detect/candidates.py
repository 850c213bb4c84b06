"""Whether a file can hold a site at all, by its syntax alone.

Note [Candidates]
    Every site is an augmented assignment, a store into an element, `.data` or `.inplace`, a call of an in-place method
    or function by its own name, or a flag or `out=` that is written down: `Writes.write` is reached from nothing else.
    A file with none of these has no sites, whatever its values are, and is not read any further.  Names are taken as
    they stand, in whatever place: the question errs on the side of reading.  One exception is common enough to be
    told: a function of `torch.nn.init`, reached through a name that is an import and nothing else in the whole file.
"""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Iterable, Mapping

from fixinplace import catalogue
from fixinplace.detect.index import canonical, dotted, imported
from fixinplace.walking import every, walk

_INITIALISERS = "torch.nn.init."
_STORED = ("data", "inplace")


@functools.cache
def _methods() -> frozenset[str]:
    """Names of the methods that write the tensor they are called on."""
    named = (one.name.partition("Tensor.")[2] for one in catalogue.writers() if one.name.startswith("Tensor."))
    return frozenset(named)


@functools.cache
def _functions() -> frozenset[str]:
    """Last names of the functions that write an argument, whichever flags they are given."""
    written = (one for one in catalogue.writers() if one.target_position is not None and "(" not in one.name)
    return frozenset(one.name.rpartition(".")[2] for one in written if not one.name.startswith(_INITIALISERS))


@functools.cache
def _flagged() -> frozenset[str]:
    """Last names of what takes `inplace` by position too."""
    taking = (one for one in catalogue.writers() if one.flag_position is not None)
    return frozenset(one.name.partition("(")[0].rpartition(".")[2] for one in taking)


def may_hold_sites(tree: ast.Module) -> bool:
    """False only if no reading of the file would find a site; see Note [Candidates]."""
    names = [*every(tree, ast.Attribute), *every(tree, ast.Name), *every(tree, ast.alias)]
    forms = (ast.AugAssign, ast.Subscript, ast.Attribute, ast.keyword)
    if any(_writes(node) for kind in forms for node in every(tree, kind)):
        return True
    positional = any(map(_is_true, (argument for call in every(tree, ast.Call) for argument in call.args)))
    if positional and any(_last(name) in _flagged() for name in names):
        return True
    named = [node for node in names if _is_writer(node)]
    plain = _plain_imports(tree) if named else {}
    return not all(_is_initialiser(node, plain) for node in named)


def _writes(node: ast.AST) -> bool:
    """True for what writes by its form."""
    match node:
        case ast.AugAssign():
            return True
        case ast.Subscript(ctx=ast.Store()):
            return True
        case ast.Attribute(ctx=ast.Store(), attr=attr):
            return attr in _STORED
        case ast.keyword(arg="inplace", value=value):
            return _is_true(value)
        case ast.keyword(arg="out", value=value):
            return not isinstance(value, ast.Constant)
    return False


def _is_true(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _last(node: ast.AST) -> str:
    """The last name of an attribute, a name or what is imported."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case ast.alias(name=name):
            return name.rpartition(".")[2]
    return ""


def _is_writer(node: ast.AST) -> bool:
    name = _last(node)
    if isinstance(node, ast.Attribute) and (name in _methods() or catalogue.is_unknown_in_place(name)):
        return True
    return name in _functions()


def _plain_imports(tree: ast.Module) -> Mapping[str, str]:
    """Names that an import at the top of the file binds, and nothing else anywhere in it, with their paths."""
    top = [pair for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)) for pair in imported(node)]
    bound = Counter(name for node in walk(tree) for name in _bound(node))
    return {name: path for name, path in top if bound[name] == 1}


def _bound(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.Import() | ast.ImportFrom():
            return [name for name, _ in imported(node)]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return (name,)
        case ast.MatchMapping(rest=str(name)):
            return (name,)
    return ()


def _is_initialiser(node: ast.AST, plain: Mapping[str, str]) -> bool:
    """True for `nn.init.normal_` where `nn` is `torch.nn` for certain."""
    head, _, rest = dotted(node).partition(".") if isinstance(node, ast.Attribute) else ("", "", "")
    return head in plain and canonical(f"{plain[head]}.{rest}").startswith(_INITIALISERS)
