"""Whether a file can hold a site at all, by its syntax alone.

Note [Candidates]
    Every site is an augmented assignment, a store into an element, `.data` or `.inplace`, a call of an in-place method
    or function by its own name, or a flag or `out=` that is written down: `Writes.write` is reached from nothing else.
    A file with none of these has no sites, whatever its values are, and is not read any further.  Names are taken as
    they stand, in whatever place: the question errs on the side of reading.  Exceptions that are common enough to be
    told: a function of `torch.nn.init`, reached through a name that is an import and nothing else in the whole file;
    what no tensor takes, see `plain.py`; elements of, and sums in, names that are bound to containers, or numbers, that
    are written down, and to nothing else in the whole file.
"""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Mapping

from fixinplace import catalogue
from fixinplace.detect.index import canonical, dotted, imported
from fixinplace.detect.plain import Written, bound_by, takes_no_tensor
from fixinplace.walking import every, walk

_INITIALISERS = "torch.nn.init."
_WRITE_NOTHING = frozenset(("requires_grad_",))
"""Methods that are in place by their names, and write no element."""


@functools.cache
def _methods() -> frozenset[str]:
    """Names of the methods that write the tensor they are called on."""
    writing = (one for one in catalogue.writers() if one.name.startswith("Tensor.") and one.rule is not None)
    return frozenset(one.name.partition("Tensor.")[2] for one in writing) - _WRITE_NOTHING


@functools.cache
def _functions() -> frozenset[str]:
    """Last names of the functions that write an argument, whichever flags they are given."""
    written = (one for one in catalogue.writers() if one.target_position is not None and "(" not in one.name)
    return frozenset(one.name.rpartition(".")[2] for one in written if not one.name.startswith(_INITIALISERS))


@functools.cache
def _flagged() -> Mapping[str, int]:
    """Last name of what takes `inplace` by position too -> the first place where one of that name does."""
    found: dict[str, int] = {}
    for one in catalogue.writers():
        last = one.name.partition("(")[0].rpartition(".")[2]
        if one.flag_position is not None:
            found[last] = min(one.flag_position, found.get(last, one.flag_position))
    return found


def may_hold_sites(tree: ast.Module) -> bool:
    """False only if no reading of the file would find a site; see Note [Candidates]."""
    if any(map(_writes, (node for kind in (ast.Attribute, ast.keyword, ast.Assign) for node in every(tree, kind)))):
        return True
    if _stores(tree):
        return True
    if any(map(_takes_switch, every(tree, ast.Call))):
        return True
    names = [*every(tree, ast.Attribute), *every(tree, ast.Name), *every(tree, ast.alias)]
    positional = any(map(_is_true, (argument for call in every(tree, ast.Call) for argument in call.args)))
    if positional and any(_last(name) in _flagged() for name in names):
        return True
    called = (call.func for call in every(tree, ast.Call) if _calls_method(call))
    named = [*called, *(node for node in names if _last(node) in _functions())]
    plain = _plain_imports(tree) if named else {}
    return not all(_is_initialiser(node, plain) for node in named)


def _writes(node: ast.AST) -> bool:
    """True for what writes by its form, stores to elements and sums left out."""
    match node:
        case ast.Attribute(ctx=ast.Store(), attr="data"):
            return True
        case ast.Assign(targets=targets, value=ast.Constant(value=True)):
            return any(n.attr == "inplace" for target in targets for n in every(target, ast.Attribute))
        case ast.keyword(arg="inplace", value=value):
            return _is_true(value) or isinstance(value, (ast.Name, ast.Attribute))
        case ast.keyword(arg="out", value=value):
            return not isinstance(value, ast.Constant)
    return False


def _stores(tree: ast.Module) -> bool:
    """True for a store into an element, or an augmented assignment, that may be one of a tensor."""
    stored = [node for node in every(tree, ast.Subscript) if isinstance(node.ctx, ast.Store)]
    added = every(tree, ast.AugAssign)
    summed = {id(node.target) for node in added}
    stored = [node for node in stored if id(node) not in summed]
    added = tuple(node for node in added if not takes_no_tensor(node))
    if not stored and not added:
        return False
    written_down = Written(tree)
    return not all(written_down.is_container(node.value) for node in stored) or not all(
        written_down.is_number(node.target) for node in added
    )


def _takes_switch(node: ast.Call) -> bool:
    """True for `nn.ReLU(flag)`, by the last name of what is called; see Note [Switches]."""
    place = _flagged().get(_last(node.func))
    return place is not None and any(isinstance(one, (ast.Name, ast.Attribute)) for one in node.args[place : place + 1])


def _calls_method(node: ast.Call) -> bool:
    """True for a call of an in-place method, by its name."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    return name in _methods() or (catalogue.is_unknown_in_place(name) and name not in _WRITE_NOTHING)


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


def _plain_imports(tree: ast.Module) -> Mapping[str, str]:
    """Names that an import at the top of the file binds, and nothing else anywhere in it, with their paths."""
    top = [pair for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)) for pair in imported(node)]
    bound = Counter(name for node in walk(tree) for name in bound_by(node))
    return {name: path for name, path in top if bound[name] == 1}


def _is_initialiser(node: ast.AST, plain: Mapping[str, str]) -> bool:
    """True for `nn.init.normal_` where `nn` is `torch.nn` for certain."""
    head, _, rest = dotted(node).partition(".") if isinstance(node, ast.Attribute) else ("", "", "")
    return head in plain and canonical(f"{plain[head]}.{rest}").startswith(_INITIALISERS)
