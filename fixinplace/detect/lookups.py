"""Files in which what is mentioned does not tell what may be reached; see Note [Pieces of a file].

Names are looked up by texts that are computed, the module is handed on as a value, or making one class runs another.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping

from fixinplace import walking
from fixinplace.detect.evaluated import RUNS, is_pythons
from fixinplace.detect.index import all_imports
from fixinplace.detect.liveness import Function
from fixinplace.detect.outermost import outermost
from fixinplace.detect.single_lookups import bound_otherwise, is_own, own_names, single_lookups
from fixinplace.walking import every, remembered, scope, walk

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
_OF_OBJECTS = frozenset("__getattr__ __getattribute__".split())
"""What a class may define for its own objects; a module that does so has names that it does not spell."""


def looks_up(tree: ast.Module) -> bool:
    """True if what a file mentions does not tell what it may reach: names are looked up, classes run code when made."""
    by_itself = {id(one) for node in tree.body if is_by_itself(node) for one in walk(node.test)}  # type: ignore[attr-defined]
    own = {id(one.value) for one in every(tree, ast.Subscript) if is_own(one)}
    explaining = {id(one.value) for one in every(tree, ast.Expr)}
    plain = {
        *_defined_by_classes(tree),
        *_printers(tree),
        *single_lookups(tree),
        *_imported_for_them(tree),
        *_lines(tree),
    }
    telling = _LOOK_UP | _MAKES
    for node in walk(tree):
        match node:
            case ast.Name(id=name) if name in RUNS:
                words = {name} if is_pythons(node, tree) else set[str]()
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.keyword(arg=name) if name in RUNS:
                continue
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.keyword(arg=str(name)):
                words = {name}
            case ast.alias(name=path):
                words = {*path.split(".")}
            case ast.Constant(value=str(text)) if id(node) not in explaining | by_itself:
                words = {*IDENTIFIER.findall(text)} - RUNS
            case _:
                continue
        if not words.isdisjoint(telling) and id(node) not in plain:
            return True
        if "modules" in words and _is_table_of_modules(node, own, tree):
            return True
    return any(map(_is_made_by_calls, every(tree, ast.ClassDef))) or _gets_from_imports(tree) or _is_handed_on(tree)


def _defined_by_classes(tree: ast.Module) -> set[int]:
    """Where classes say what their objects have by names that nobody spells, and ask their parents for it."""
    bodies = [one for cls in every(tree, ast.ClassDef) for one in cls.body]
    methods = {id(one) for one in bodies if isinstance(one, Function) and one.name in _OF_OBJECTS}
    stores = (target for one in bodies if isinstance(one, ast.Assign) for target in one.targets)
    asked = (one for one in every(tree, ast.Attribute) if one.attr in _OF_OBJECTS and isinstance(one.value, ast.Call))
    return (
        methods
        | {id(one) for one in stores}
        | {
            id(one)
            for one in asked
            if getattr(one.value.func, "id", "") == "super"  # type: ignore[attr-defined]
        }
    )


def _imported_for_them(tree: ast.Module) -> set[int]:
    """`from importlib import import_module`, where all that calls it are single lookups."""
    single = single_lookups(tree)
    uses = (*every(tree, ast.Name), *every(tree, ast.Attribute))
    named = [one for one in uses if "import_module" in (getattr(one, "id", ""), getattr(one, "attr", ""))]
    aliases = [one for one in every(tree, ast.alias) if one.name == "import_module" and one.asname is None]
    return {id(one) for one in aliases} if all(id(one) in single for one in named) else set()


def _lines(tree: ast.Module) -> set[int]:
    """`sys._getframe().f_lineno`, which is for people, and `text.replace("__main__.", "")`."""
    above = walking.above(tree)
    found = [one for one in every(tree, ast.Attribute) if one.attr == "_getframe"]
    users = [above.get(id(above.get(id(one)))) for one in found]
    told = {
        id(one) for one, user in zip(found, users, strict=True) if getattr(user, "attr", "") in ("f_code", "f_lineno")
    }
    cut = (one.args[0] for one in every(tree, ast.Call) if getattr(one.func, "attr", "") == "replace" and one.args)
    return told | {id(one) for one in cut if isinstance(one, ast.Constant)}


def _printers(tree: ast.Module) -> set[int]:
    """`import builtins` of which nothing is used but `print`."""
    found = {alias.asname or alias.name: alias for one in every(tree, ast.Import) for alias in one.names
             if alias.name == "builtins"}  # fmt: skip
    printing = {id(one.value) for one in every(tree, ast.Attribute) if one.attr == "print"}
    uses = [one for one in every(tree, ast.Name) if one.id in found]
    if not all(id(one) in printing for one in uses):
        return set()
    return {id(alias) for alias in found.values()} | {id(one) for one in uses}


_FINDS = frozenset(
    "globals locals eval exec __import__ getmembers getmodule currentframe _getframe f_globals f_locals"
    " __globals__".split()
)
"""Names and attributes by which code finds a function of its own file."""


@remembered
def finds_itself(tree: ast.Module) -> bool:
    """True if a function of the file may be called by a text: `globals()[name](x)`, `getattr(this_module, name)(x)`."""
    names = {one.id for one in every(tree, ast.Name) if one.id not in RUNS or is_pythons(one, tree)}
    names |= {one.attr for one in every(tree, ast.Attribute)} - RUNS
    calls = (one for one in every(tree, ast.Call) if isinstance(one.func, ast.Name) and not one.args)
    return bool(names & _FINDS) or any(getattr(one.func, "id", "") == "vars" for one in calls) or _is_looked_up_in(tree)


def _is_looked_up_in(tree: ast.Module) -> bool:
    own = {id(one) for one in every(tree, ast.Name) if one.id in own_names(tree)}
    return _is_handed_on(tree) or not own.isdisjoint(single_lookups(tree))


def _is_table_of_modules(node: ast.AST, own: set[int], tree: ast.Module) -> bool:
    """`sys.modules`, in whatever way, but for the file's own entry."""
    if isinstance(node, ast.Attribute):
        return id(node) not in own and isinstance(node.value, ast.Name) and node.value.id in ("sys", "_sys")
    return isinstance(node, ast.alias) and any(path == "sys.modules" for _, path in all_imports(tree))


def _is_made_by_calls(node: ast.ClassDef) -> bool:
    """True for an enumeration with a constructor: its members are made when the class is."""
    names = {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}
    return any(name.endswith(("Enum", "Flag")) for name in names) and any(
        isinstance(each, Function) and each.name in ("__init__", "__new__", "_missing_", "_generate_next_value_")
        for each in node.body
    )


def _gets_from_imports(tree: ast.Module) -> bool:
    """`getattr(models, name)`, `vars(models)`, `find(models, name)`: what is imported may be this very file.

    Nor is it told who reads what a function puts into another module: `models.net = Net`.
    """
    paths = [pair for pair in all_imports(tree) if pair[1].partition(".")[0] not in _FAR]
    imported, outer = {name for name, _ in paths}, outermost(tree)
    modules = imported & {alias.asname or alias.name.split(".")[0]
                          for one in every(tree, ast.Import) for alias in one.names}  # fmt: skip
    used = {id(one.value): one for one in every(tree, ast.Attribute)}
    called = {id(one.func) for one in every(tree, ast.Call)}
    for name in (one for one in every(tree, ast.Name) if id(one) in outer):
        user = used.get(id(name))
        if name.id in modules and user is None and id(name) not in called:
            return True
        if name.id in imported and user is not None and user.attr == "__dict__":
            return True
    if any(_puts_into(one, dict(all_imports(tree)), outer, walking.above(tree)) for one in every(tree, ast.Attribute)):
        return True
    looks = (call for call in every(tree, ast.Call) if isinstance(call.func, ast.Name) and not call.args)
    return any(getattr(call.func, "id", "") in ("vars", "dir") for call in looks)


_NEAR = frozenset(
    "sys importlib builtins inspect gc types pkgutil runpy operator imp code codeop unittest pickle copyreg".split()
)
_FAR = (sys.stdlib_module_names - _NEAR) | frozenset(
    "torch torchvision torchaudio torchtext numpy scipy sklearn skimage PIL cv2 tqdm matplotlib pandas yaml einops h5py"
    " tensorboardX wandb tensorflow".split()
)
"""Modules that do not lead back to the file that imports them."""


def _puts_into(
    node: ast.Attribute, imports: Mapping[str, str], outer: frozenset[int], above: Mapping[int, ast.AST]
) -> bool:
    """True for `models.net = Net` in a function; `cudnn.benchmark = True` is nothing to be found."""
    owner = node.value
    if not isinstance(node.ctx, ast.Store) or not isinstance(owner, ast.Name) or owner.id not in imports:
        return False
    parent = above.get(id(node))
    told = isinstance(parent, ast.Assign) and isinstance(parent.value, ast.Constant)
    return id(owner) in outer and not told and scope(node, above) is not None


def _is_handed_on(tree: ast.Module) -> bool:
    """True if the module goes as a value where its names may be looked up: `getattr(utils, name)`."""
    own, outer, else_from = own_names(tree), outermost(tree), bound_otherwise(tree)
    plain = {id(one.value) for one in every(tree, ast.Attribute) if one.attr != "__dict__"}
    plain |= {id(one.value) for one in tree.body if isinstance(one, ast.Assign)}
    plain |= {id(one.func) for one in every(tree, ast.Call)}  # which raises, as no module can be called
    plain |= {id(one.right) for one in every(tree, ast.BinOp) if _is_text(one.left)}  # `"in [%s]" % this`
    loads = (one for one in every(tree, ast.Name) if one.id in own and id(one) in outer)
    loads = (one for one in loads if id(one) not in single_lookups(tree))
    loads = (one for one in loads if one.lineno < else_from.get(one.id, one.lineno + 1))
    subscripts = (one for one in every(tree, ast.Subscript) if is_own(one) and id(one) not in plain)
    return any(id(one) not in plain for one in loads) or any(True for _ in subscripts)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_by_itself(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":` without an `else`."""
    match node:
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[right]), orelse=[]):
            return isinstance(right, ast.Constant) and right.value == "__main__"
    return False
