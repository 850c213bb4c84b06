"""What a call passes in a bundle: `torch.zeros(n, **factory)`."""

from __future__ import annotations

import ast

from fixinplace.detect.named import spelled_out
from fixinplace.walking import every, remembered

BUNDLED = "code in other files passes no `out=` in a bundle of arguments"


def names_nothing(call: ast.Call, parameter: str) -> bool:
    """True if the bundles of a call are written down in place, without an argument for a parameter."""
    bundles = [one.value for one in call.keywords if one.arg is None]
    return all(isinstance(one, ast.Dict) and all(_is_other(key, parameter) for key in one.keys) for one in bundles)


def _is_other(key: ast.expr | None, parameter: str) -> bool:
    return isinstance(key, ast.Constant) and key.value != parameter


def is_named(parameter: str, tree: ast.Module) -> bool:
    """True if a file names an argument for a parameter anywhere, so that a bundle may hold one."""
    return parameter in _keys(tree)


@remembered
def _keys(tree: ast.Module) -> frozenset[str]:
    """What may be a key of a dict: words of texts, keywords, fields of classes, and names where `locals` is called."""
    found = {*spelled_out(tree)}
    found |= {one.target.id for one in every(tree, ast.AnnAssign) if isinstance(one.target, ast.Name)}
    stored = (one for one in every(tree, ast.Attribute) if not isinstance(one.ctx, ast.Load))
    found |= {one.attr for one in stored if getattr(one.value, "id", "") != "self"}
    bodies = [each for cls in every(tree, ast.ClassDef) for each in cls.body if isinstance(each, ast.Assign)]
    found |= {target.id for each in bodies for target in each.targets if isinstance(target, ast.Name)}
    if any(one.id in ("locals", "vars") for one in every(tree, ast.Name)):
        found |= {one.id for one in every(tree, ast.Name)} | {one.arg for one in every(tree, ast.arg)}
    return frozenset(found)
