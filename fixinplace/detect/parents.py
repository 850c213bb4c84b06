"""What classes of a file derive from, those included that are not named by their own names.

Note [Parents without a name]
    `Parent = Base`, then `class Net(Parent)`; `def build(parent): class Net(parent): ...`; `class Net(KINDS["base"])`:
    such a class may derive from any class of the file that is used as a value somewhere.  What it overrides, and the
    attributes that it sets, are then known of where methods of those classes are read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from fixinplace.detect.for_others import for_others
from fixinplace.walking import every, remembered


def parents(node: ast.ClassDef, imports: Mapping[str, str], tree: ast.Module) -> Iterator[str]:
    """Dotted names of all that a class may derive from; see Note [Parents without a name]."""
    for base in node.bases:
        name = _path(base.value if isinstance(base, ast.Subscript) else base)
        head, _, rest = name.partition(".")
        yield ".".join(filter(None, (imports.get(head, head), rest)))
        if head not in imports and _is_open(name, tree):
            yield from sorted(used_as_values(tree) | ({one.id for one in every(base, ast.Name)} & _classes(tree)))


def _is_open(name: str, tree: ast.Module) -> bool:
    """True for a base that is computed, or that a variable, a parameter or an attribute of a class stands for."""
    head, _, rest = name.partition(".")
    if name.rpartition(".")[2] in _classes(tree):
        return False
    return not name or head in bound_names(tree) or (bool(rest) and head in _classes(tree))


@remembered
def bound_names(tree: ast.Module) -> frozenset[str]:
    """What assignments and parameters of a file bind, in whatever scope."""
    stored = {one.id for one in every(tree, ast.Name) if not isinstance(one.ctx, ast.Load)}
    return frozenset(stored | {one.arg for one in every(tree, ast.arg)})


def _path(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


@remembered
def _classes(tree: ast.Module) -> frozenset[str]:
    return frozenset(one.name for one in every(tree, ast.ClassDef))


@remembered
def used_as_values(tree: ast.Module) -> frozenset[str]:
    """Classes of the file that stand somewhere as a value: not called at once, asked for, or written as a base.

    Nor in tables that the file keeps for others.
    """
    apart = {id(one.func) for one in every(tree, ast.Call)} | for_others(tree)
    apart |= {id(base) for one in every(tree, ast.ClassDef) for base in one.bases}
    apart |= {id(one.value) for one in every(tree, ast.Attribute)}
    for call in every(tree, ast.Call):
        if isinstance(call.func, ast.Name) and call.func.id in ("super", "isinstance", "issubclass"):
            apart |= {id(one) for argument in call.args for one in ast.walk(argument)}
    if any(one.attr == "__subclasses__" for one in every(tree, ast.Attribute)):
        return _classes(tree)
    return frozenset(one.id for one in every(tree, ast.Name) if id(one) not in apart) & _classes(tree)
