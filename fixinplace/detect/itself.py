"""Names by which a file speaks of itself: `common = sys.modules[__name__]`, `common.ResBlock`.

Note [Names for itself]
    Public collections put the files of a repository together to one, and bind what were its imports to that one:
    `common.ResBlock` is the class `ResBlock` of the file.  It is read as that name where nothing else can be meant:
    both names are bound at the top of the file alone, each once, and nobody stores into the module under them.
"""

from __future__ import annotations

import ast
from collections import Counter

from fixinplace.detect.plain import bound_by
from fixinplace.detect.single_lookups import own_names

_DEFINED = (ast.FunctionDef, ast.ClassDef, ast.Assign)


def read_plainly(tree: ast.Module, text: str) -> ast.Module:
    """The tree of a text, with `ResBlock` for `common.ResBlock`; see Note [Names for itself]."""
    own = own_names(tree) if "__name__" in text else frozenset()
    if not own:
        return tree
    bound = Counter(name for node in ast.walk(tree) for name in bound_by(node))
    stored = {
        one.attr for one in ast.walk(tree) if isinstance(one, ast.Attribute) and not isinstance(one.ctx, ast.Load)
    }
    outer = {name for node in tree.body if isinstance(node, _DEFINED) for name in _defines(node)}
    alone = {name for name in outer - stored if bound[name] == 1}
    plain = _Plain(own & alone, alone)
    return plain.visit(ast.parse(text)) if plain.names else tree


def _defines(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node]
    return [name for target in targets for name in bound_by(target)]


class _Plain(ast.NodeTransformer):
    def __init__(self, names: frozenset[str] | set[str], known: set[str]) -> None:
        self.names, self.known = names, known

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """`common.ResBlock` as `ResBlock`, at its place."""
        self.generic_visit(node)
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attr, ctx=ast.Load()) if owner in self.names:
                if attr in self.known:
                    return ast.copy_location(ast.Name(attr, ast.Load()), node)
        return node
