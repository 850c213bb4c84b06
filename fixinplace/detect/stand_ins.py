"""Stand-ins for libraries, and names that a file gives to attributes of its own."""

from __future__ import annotations

import ast
from collections import Counter

from fixinplace.detect.index import all_imports, dotted
from fixinplace.walking import every, functions, remembered

_CONFIGURES = ("side_effect", "configure_mock", "attach_mock")


@remembered
def mocks(tree: ast.Module) -> frozenset[str]:
    """Names of the module that stand for stand-ins, and for nothing else: `open = mock_open()`."""
    if any(one.attr in _CONFIGURES for one in every(tree, ast.Attribute)):
        return frozenset()
    imports = dict(all_imports(tree))
    stored = (one for one in every(tree, ast.Attribute) if not isinstance(one.ctx, ast.Load))
    set_up = {dotted(one).partition(".")[0] for one in stored if one.attr != "return_value"}
    made: set[str] = set()
    for node in (one for one in tree.body if isinstance(one, ast.Assign)):
        plain = isinstance(node.value, ast.Call) and not (node.value.args or node.value.keywords)
        full = imports.get(dotted(node.value.func), "") if plain else ""  # type: ignore[attr-defined]
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        if full in ("unittest.mock.MagicMock", "unittest.mock.Mock", "unittest.mock.mock_open"):
            made |= names if names.isdisjoint(set_up) and len(names) == len(node.targets) else set()
    used = {id(one.value) for one in every(tree, ast.Attribute)} | {id(one.func) for one in every(tree, ast.Call)}
    made -= {one.id for one in every(tree, ast.Name) if isinstance(one.ctx, ast.Load) and id(one) not in used}
    times = Counter(one.id for one in every(tree, ast.Name) if not isinstance(one.ctx, ast.Load))
    times += Counter(one.name for one in (*functions(tree), *every(tree, ast.ClassDef)))
    times += Counter(one.arg for one in every(tree, ast.arg))
    return frozenset(name for name in made if times[name] == 1)


@remembered
def given_names(tree: ast.Module) -> frozenset[str]:
    """Names that the file gives to attributes of its own: `self.update = step`, `SimpleNamespace(update=step)`."""
    stored = {one.attr for one in every(tree, ast.Attribute) if not isinstance(one.ctx, ast.Load)}
    made = [one for one in every(tree, ast.Call) if dotted(one.func).rpartition(".")[2] in _MAKES_FIELDS]
    texts = [each.value for one in made for each in every(one, ast.Constant) if isinstance(each.value, str)]
    return frozenset(stored | {k.arg for one in made for k in one.keywords if k.arg} | {*" ".join(texts).split()})


_MAKES_FIELDS = ("SimpleNamespace", "Namespace", "namedtuple", "make_dataclass", "dict", "type")


@remembered
def fallbacks(tree: ast.Module) -> frozenset[str]:
    """Imports that something else stands in for where they fail, and nowhere else: `except ImportError: cv2 = None`."""
    failing = (one for one in every(tree, ast.ExceptHandler) if one.type is not None)
    failing = (one for one in failing if dotted(one.type) in ("ImportError", "ModuleNotFoundError"))  # type: ignore[arg-type]
    idle = {cls.name for cls in every(tree, ast.ClassDef) if _is_idle(cls)}
    bound = (one for handler in failing for one in every(handler, ast.Assign))
    plain = (one for one in bound if isinstance(one.value, ast.Constant) or dotted(one.value) in idle)
    within = {id(target) for one in plain for target in one.targets}
    stored = [one for one in every(tree, ast.Name) if not isinstance(one.ctx, ast.Load)]
    other = {one.id for one in stored if id(one) not in within} | {one.arg for one in every(tree, ast.arg)}
    imported = {name for name, _ in all_imports(tree)}
    return frozenset({one.id for one in stored if id(one) in within} & imported - other)


def _is_idle(node: ast.ClassDef) -> bool:
    """True for a class that defines nothing, and derives from nothing that might."""
    body = all(isinstance(one, ast.Pass | ast.Expr) for one in node.body)
    return body and not node.keywords and all(dotted(one) == "object" for one in node.bases)
