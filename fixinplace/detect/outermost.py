"""Which names in a file mean what its outermost scope binds: `F` in `F.relu(x)`, and not where `F` is a parameter."""

from __future__ import annotations

import ast

from fixinplace.detect.liveness import Function, Names, declared, own_names
from fixinplace.walking import children, every, remembered

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@remembered
def outermost(tree: ast.Module) -> frozenset[int]:
    """Identities of the names that are read and may be the module's; what an import in a function binds counts too."""
    found: set[int] = set()
    todo: list[tuple[ast.AST, Names]] = [(tree, frozenset())]
    while todo:
        node, own = todo.pop()
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load) and node.id not in own:
                found.add(id(node))
        else:
            todo += _inside(node, own)
    return frozenset(found)


def _inside(node: ast.AST, own: Names) -> list[tuple[ast.AST, Names]]:
    """The nodes right below one, with the names that functions around each of them bind."""
    if isinstance(node, Function):
        inner = (own | own_names(node)) - declared(node.body) - _imported(node)
        body = {id(one) for one in node.body}
        return [(one, inner if id(one) in body else own) for one in children(node)]
    if isinstance(node, ast.Lambda):
        inner = own | {one.arg for one in every(node.args, ast.arg)}
        return [(node.args, own), (node.body, inner)]
    if isinstance(node, _COMPREHENSIONS):
        bound = {one.id for each in node.generators for one in every(each.target, ast.Name)}
        return [(one, own if one is node.generators[0].iter else own | bound) for one in _parts(node)]
    return [(one, own) for one in children(node)]


def _parts(node: ast.AST) -> list[ast.AST]:
    """What stands in a comprehension; its first source is read in the scope around it."""
    inner = [children(one) if isinstance(one, ast.comprehension) else (one,) for one in children(node)]
    return [part for each in inner for part in each]


@remembered
def _imported(node: ast.AST) -> Names:
    """Names that imports in a function bind: they mean what they would mean outside."""
    return frozenset((one.asname or one.name.split(".")[0]) for one in every(node, ast.alias))
