"""Names that a file gives to the parts of modules, as far as they are written down."""

from __future__ import annotations

import ast

from fixinplace.walking import every, remembered


@remembered
def named_parts(tree: ast.Module) -> frozenset[str]:
    """Names that the file gives to parts: `add_module("conv", ...)`, `OrderedDict([("conv", ...)])`."""
    added = (name.value for name in added_names(tree) if isinstance(name, ast.Constant))
    pairs = (one.elts[0] for one in every(tree, ast.Tuple) if len(one.elts) > 1)
    listed = (first.value for first in pairs if isinstance(first, ast.Constant))
    return frozenset(name for name in (*added, *listed) if isinstance(name, str))


def added_names(root: ast.AST) -> list[ast.expr]:
    """The names that `add_module` is given."""
    added = (one for one in every(root, ast.Call) if isinstance(one.func, ast.Attribute) and len(one.args) == 2)
    return [one.args[0] for one in added if isinstance(one.func, ast.Attribute) and one.func.attr == "add_module"]
