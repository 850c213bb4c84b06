"""What a call passes in a bundle: `torch.zeros(n, **factory)`."""

from __future__ import annotations

import ast

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
    """What may be a key of a dict: texts, and the names of keywords."""
    texts = (one.value for one in every(tree, ast.Constant) if isinstance(one.value, str))
    return frozenset(texts) | {one.arg for one in every(tree, ast.keyword) if one.arg is not None}
