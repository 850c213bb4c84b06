"""Texts that are run: `eval(name)` gives what a setting names, `exec(text)` may do anything."""

from __future__ import annotations

import ast
import re

from fixinplace import walking
from fixinplace.detect.index import all_imports, dotted
from fixinplace.detect.outermost import outermost
from fixinplace.detect.plain import bound_by
from fixinplace.walking import every, remembered, scope, walk

RUNS = frozenset("eval exec".split())
"""What runs a text, as a function of Python's: `net.eval()` and the mode `"eval"` are something else."""
NAMES = "a text of the settings that `eval` runs names a class, a function or a value, and changes nothing"
_LIBRARIES = ("torch", "torchvision", "numpy", "math")


def is_pythons(node: ast.Name, tree: ast.Module) -> bool:
    """True for `eval` and `exec`, unless the name is that of something of the file's own."""
    if node.id not in RUNS or id(node) not in outermost(tree) or _is_given_network(node, tree):
        return False
    return not any(node.id in bound_by(one) or _assigns(one, node.id) for one in tree.body)


def _is_given_network(node: ast.Name, tree: ast.Module) -> bool:
    """True for `eval(loader, model, args)`, a function of another file: Python's is given names by a table, or none."""
    call = walking.above(tree).get(id(node))
    if not isinstance(call, ast.Call) or call.func is not node:
        return False
    return any(isinstance(one, ast.Name) and one.id in _NETWORKS for one in call.args)


_NETWORKS = ("model", "net", "network", "encoder", "decoder", "generator")


def _assigns(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(name in bound_by(target) for target in node.targets)


def names_something(call: ast.Call, tree: ast.Module) -> bool:
    """True for `eval(cfg.act)` and `eval("nn." + name)`: a text that comes from settings, or names what torch has.

    One that the code spells, `eval("self.layer" + str(i))`, may reach a part of a module.
    """
    match call:
        case ast.Call(func=ast.Name(id="eval"), args=[text], keywords=[]):
            texts = [one for one in every(text, ast.Constant) if isinstance(one.value, str)]
            keys = {id(one.slice) for one in every(text, ast.Subscript)}
            spelled = [one for one in texts if id(one) not in keys]
            if not spelled:
                given = isinstance(text, ast.Attribute | ast.Subscript) or _is_given(text, tree)
                return given and not _spells_parts(tree)
            return len(spelled) == 1 and _is_of_library(text, spelled[0], tree)
    return False


@remembered
def _spells_parts(tree: ast.Module) -> bool:
    """True if a text of the file may be the path to a part of a module: `"net.relu"`."""
    explaining = {id(one.value) for one in every(tree, ast.Expr)}
    texts = (one.value for one in every(tree, ast.Constant) if id(one) not in explaining)
    known = {name for one in walk(tree) for name in bound_by(one)}
    found = ((_PATH.search if _is_code(text) else _PATH.match)(text) for text in texts if isinstance(text, str))
    words = {word for one in found if one is not None and one[1] in known for word in one[2].split(".")}
    return any(one.attr in words for one in every(tree, ast.Attribute) if isinstance(one.ctx, ast.Store))


def _is_code(text: str) -> bool:
    """True for a text that is an expression of Python's as it is, and not the begin of one."""
    try:
        ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


_PATH = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?:\([^()]*\))?\.([A-Za-z_][\w.]*)")


def _is_given(text: ast.expr, tree: ast.Module) -> bool:
    """True for a name that no statement puts a text together for: a parameter, or what a loop goes over."""
    if not isinstance(text, ast.Name):
        return False
    around = scope(text, walking.above(tree)) or tree
    around = around if any(text.id in bound_by(one) for one in walk(around)) else tree
    assigned = [one for one in every(around, ast.Assign) if any(text.id in bound_by(target) for target in one.targets)]
    joined = [one for one in every(around, ast.AugAssign) if text.id in bound_by(one.target)]
    values = [one.value for one in assigned]
    return not joined and not any(isinstance(one.value, str) for value in values for one in every(value, ast.Constant))


def _is_of_library(text: ast.expr, spelled: ast.Constant, tree: ast.Module) -> bool:
    """True for a text that begins with the name of a library: `"nn." + act`, `f"nn.{act}"`, `"nn.%s" % act`."""
    first = text
    while isinstance(first, ast.BinOp | ast.JoinedStr):
        first = first.left if isinstance(first, ast.BinOp) else first.values[0]
    head, dot, rest = str(spelled.value).partition(".")
    paths = [path for name, path in all_imports(tree) if name == head]
    known = bool(paths) and all(path.partition(".")[0] in _LIBRARIES for path in paths)
    return first is spelled and bool(dot) and known and rest.strip("%s{}()") == ""


def runs_settings(tree: ast.Module) -> bool:
    """True if some text that comes from settings is run."""
    calls = [one for one in every(tree, ast.Call) if dotted(one.func) == "eval"]
    return any(names_something(one, tree) for one in calls)
