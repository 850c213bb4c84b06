"""Files in which what is mentioned does not tell what may be reached; see Note [Pieces of a file].

Names are looked up by texts that are computed, the module is handed on as a value, or making one class runs another.
"""

from __future__ import annotations

import ast
import re

from fixinplace.detect.index import all_imports
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, functions, remembered, walk

IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_LOOK_UP = frozenset(
    "globals locals eval exec __import__ import_module getmembers getmodule get_objects get_referrers currentframe"
    " _getframe f_globals f_locals f_back __subclasses__ __globals__ __builtins__ resolve_name locate"
    " spec_from_file_location SourceFileLoader runpy runctx __getattr__ __main__ getattr_static"
    " __getattribute__ find_class attrgetter methodcaller builtins find_spec".split()
)
"""Names, attributes and texts by which code finds what it does not mention."""
_MAKES = frozenset("__init_subclass__ __class_getitem__ __set_name__ __prepare__ __subclasshook__ metaclass".split())
"""What runs code of a class when another class is made, or is looked at."""


def looks_up(tree: ast.Module) -> bool:
    """True if what a file mentions does not tell what it may reach: names are looked up, classes run code when made."""
    by_itself = {id(one) for node in tree.body if is_by_itself(node) for one in walk(node.test)}  # type: ignore[attr-defined]
    own = {id(one.value) for one in every(tree, ast.Subscript) if _is_own(one)}
    explaining = {id(one.value) for one in every(tree, ast.Expr)}
    for node in walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.keyword(arg=name):
                words = {name}
            case ast.alias(name=path):
                words = {*path.split(".")}
            case ast.Constant(value=str(text)) if id(node) not in explaining | by_itself:
                words = {*IDENTIFIER.findall(text)}
            case _:
                continue
        if not words.isdisjoint(_LOOK_UP | _MAKES) or ("modules" in words and _is_table_of_modules(node, own)):
            return True
    return any(map(_is_made_by_calls, every(tree, ast.ClassDef))) or _gets_from_imports(tree) or _is_handed_on(tree)


_FINDS = frozenset(
    "globals locals eval exec __import__ getmembers getmodule currentframe _getframe f_globals f_locals"
    " __globals__".split()
)
"""Names and attributes by which code finds a function of its own file."""


@remembered
def finds_itself(tree: ast.Module) -> bool:
    """True if a function of the file may be called by a text: `globals()[name](x)`, `getattr(this_module, name)(x)`."""
    names = {one.id for one in every(tree, ast.Name)} | {one.attr for one in every(tree, ast.Attribute)}
    calls = (one for one in every(tree, ast.Call) if isinstance(one.func, ast.Name) and not one.args)
    return bool(names & _FINDS) or any(getattr(one.func, "id", "") == "vars" for one in calls) or _is_handed_on(tree)


def _is_table_of_modules(node: ast.AST, own: set[int]) -> bool:
    """`sys.modules`, in whatever way, but for the file's own entry."""
    if isinstance(node, ast.Attribute):
        return id(node) not in own and isinstance(node.value, ast.Name) and node.value.id in ("sys", "_sys")
    return isinstance(node, ast.alias)


def _is_made_by_calls(node: ast.ClassDef) -> bool:
    """True for an enumeration with a constructor: its members are made when the class is."""
    names = {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}
    return any(name.endswith(("Enum", "Flag", "ABC", "ABCMeta")) for name in names) and any(
        isinstance(each, Function) and each.name in ("__init__", "__new__", "_missing_", "_generate_next_value_")
        for each in node.body
    )


def _gets_from_imports(tree: ast.Module) -> bool:
    """`getattr(models, name)`, `vars(models)`, `find(models, name)`: what is imported may be this very file.

    Nor is it told who reads what a function puts into another module: `models.net = Net`.
    """
    modules = {alias.asname or alias.name.split(".")[0] for one in every(tree, ast.Import) for alias in one.names}
    imported = {name for name, _ in all_imports(tree)}
    used = {id(one.value): one for one in every(tree, ast.Attribute)}
    called = {id(one.func) for one in every(tree, ast.Call)}
    for name in every(tree, ast.Name):
        user = used.get(id(name))
        if name.id in modules and isinstance(name.ctx, ast.Load) and user is None and id(name) not in called:
            return True
        if name.id in imported and user is not None and user.attr == "__dict__":
            return True
    stores = (one for function in functions(tree) for one in every(function, ast.Attribute))
    if any(isinstance(one.ctx, ast.Store) and getattr(one.value, "id", "") in imported for one in stores):
        return True
    looks = (call for call in every(tree, ast.Call) if isinstance(call.func, ast.Name) and not call.args)
    return any(getattr(call.func, "id", "") in ("vars", "dir") for call in looks)


def _is_own(node: ast.AST | None) -> bool:
    """`sys.modules[__name__]`: the file itself."""
    match node:
        case ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Name(id="__name__")):
            return True
    return False


def own_names(tree: ast.Module) -> frozenset[str]:
    """Names of the module for itself: `_module = sys.modules[__name__]`, `utils = _module`."""
    found: set[str] = set()
    for node in (one for one in tree.body if isinstance(one, ast.Assign)):
        if _is_own(node.value) or (isinstance(node.value, ast.Name) and node.value.id in found):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def _is_handed_on(tree: ast.Module) -> bool:
    """True if the module goes as a value where its names may be looked up: `getattr(utils, name)`."""
    own = own_names(tree)
    plain = {id(one.value) for one in every(tree, ast.Attribute) if one.attr != "__dict__"}
    plain |= {id(one.value) for one in tree.body if isinstance(one, ast.Assign)}
    loads = (one for one in every(tree, ast.Name) if one.id in own and isinstance(one.ctx, ast.Load))
    subscripts = (one for one in every(tree, ast.Subscript) if _is_own(one) and id(one) not in plain)
    return any(id(one) not in plain for one in loads) or any(True for _ in subscripts)


def is_by_itself(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":` without an `else`."""
    match node:
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[right]), orelse=[]):
            return isinstance(right, ast.Constant) and right.value == "__main__"
    return False
