"""Classes that go through their own parts: `for part in self._modules.values(): x = part(x)`.

Note [Own parts]
    Where a method goes through `self.children()`, and does no more with a part than to look at it or to call it, the
    in-place modules that are called so are those that objects of this class have: what its methods, and those of the
    classes that derive from it, bind to attributes, and what else is put into its objects.  That may be what stands in
    some `Sequential`, or is handed on; an attribute of another class that is only ever called is none of it.  What a
    module of the file does to what it is called with concerns each caller of it anyway.
    So it is with `self.body.children()`, whose parts are what that attribute may hold, and with what
    `IntermediateLayerGetter(net)` does with the parts of a network whose class is known.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from fixinplace import walking
from fixinplace.detect.index import ClassInfo, all_imports, dotted, parameter_names
from fixinplace.detect.kinds import Kind
from fixinplace.detect.liveness import Function
from fixinplace.detect.parents import used_as_values
from fixinplace.detect.passed_in import is_passed_in
from fixinplace.detect.patterned import owner_of_part
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import ONE_OF, Value
from fixinplace.walking import every, functions, remembered, scope

if TYPE_CHECKING:
    from fixinplace.detect.program import Program

Parents = Mapping[int, ast.AST]
_OWN = frozenset("_modules children named_children".split())
"""What leads to the parts of a module, and not to parts of those."""
_DECORATORS = frozenset("property no_grad inference_mode override".split())
NAMED = ("items", "named_children", "named_modules")
"""What gives each part with its name."""
_READ = ("values", "items")


def owner(node: ast.Attribute, above: Parents, tree: ast.Module) -> str:
    """Whose parts a method reads by `self._modules` or `self.children()`: its class, and with `self.body.children()`
    the attribute, as `Net.body`; empty if it is not told.
    """
    held, attr = (
        (node.value.value, f".{node.value.attr}") if isinstance(node.value, ast.Attribute) else (node.value, "")
    )
    if node.attr not in _OWN or not isinstance(held, ast.Name) or owner_of_part(above.get(id(node))) is not None:
        return ""
    method = scope(node, above)
    cls = above.get(id(method)) if isinstance(method, Function) else None
    if not isinstance(method, Function) or not isinstance(cls, ast.ClassDef) or above.get(id(cls)) is not tree:
        return ""
    plain = all(dotted(one).rsplit(".", 1)[-1] in _DECORATORS for one in map(_callee, method.decorator_list))
    own = parameter_names(method)[:1] == [held.id]
    bound = any(one.id == held.id and not isinstance(one.ctx, ast.Load) for one in every(method, ast.Name))
    return f"{cls.name}{attr}" if plain and own and not bound and not _is_lent(cls, tree) else ""


def _callee(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _is_lent(cls: ast.ClassDef, tree: ast.Module) -> bool:
    """True if a method may be called with an object of another class: `Concurrent.forward(net, x)`."""
    methods = {one.name for one in cls.body if isinstance(one, Function)}
    loads = every(tree, ast.Attribute)
    lent = any(one.attr in methods and _names_class(one.value, cls.name) for one in loads)
    return lent or any(one.name in _OWN for one in functions(tree))


def _names_class(node: ast.expr, name: str) -> bool:
    """True for the class by its name, and for `type(net)` or `net.__class__`, which may be it."""
    match node:
        case ast.Call(func=ast.Name(id="type")) | ast.Attribute(attr="__class__"):
            return True
    return dotted(node).rsplit(".", 1)[-1] == name


def source(node: ast.Attribute, above: Parents) -> ast.Call | None:
    """The whole expression that gives the parts: `self._modules.values()`, `self.named_children()`."""
    if node.attr == "_modules":
        read = above.get(id(node))
        if not isinstance(read, ast.Attribute) or read.attr not in ("values", "items"):
            return None
        node = read
    call = above.get(id(node))
    return call if isinstance(call, ast.Call) and call.func is node and not (call.args or call.keywords) else None


def gone_over(parts: ast.Call, above: Parents) -> tuple[ast.For | ast.comprehension, ast.expr] | None:
    """The loop over some parts, and what it binds each one to; None for another use of theirs."""
    named = isinstance(parts.func, ast.Attribute) and parts.func.attr in NAMED
    steps = [1] if named else []
    whole: ast.AST = parts
    around = above.get(id(parts))
    while isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and not around.keywords:
        place = [one is whole for one in around.args].index(True)
        if around.func.id not in _GIVE_THEM:
            return None
        if around.func.id in ("enumerate", "zip"):
            steps.insert(0, 1 if around.func.id == "enumerate" else place)
        whole, around = around, above.get(id(around))
    if not isinstance(around, ast.For | ast.comprehension) or around.iter is not whole:
        return None
    target = around.target
    for step in steps:
        if not isinstance(target, ast.Tuple) or len(target.elts) <= step or any(map(_is_starred, target.elts)):
            return None
        target = target.elts[step]
    return around, target


_GIVE_THEM = ("enumerate", "zip", "reversed", "list", "tuple")
"""What goes over the parts that it is given, in one order or another."""


def _is_starred(node: ast.expr) -> bool:
    return isinstance(node, ast.Starred)


def names(
    nodes: Iterable[ast.AST],
    above: Parents,
    tree: ast.Module,
    sees: Callable[[ast.Attribute, Parents, ast.Module], bool],
) -> frozenset[str]:
    """Whose parts some pieces of a file go through, classes and attributes of classes; sees: they do no more."""
    found = {one: owner(one, above, tree) for node in nodes for one in every(node, ast.Attribute)}
    through = frozenset(name for one, name in found.items() if name and not sees(one, above, tree))
    return through | frozenset(one for node in nodes for one in tapped(node, above, tree) or ())


def reaches(program: Program, owners: frozenset[str], offset: int, function: str) -> bool:
    """True if the in-place module made at an offset may be a part of an object of one of these, or of an attribute.

    What stands in a `Sequential`, or is used other than by calling it, may get into one unseen: `Outer() + net.body`.
    """
    classes = {one for one in owners if "." not in one}
    placed, otherwise = program.placed.get(offset), program.flag_uses.get(offset, set()) - {"call"}
    for one in owners - classes:
        cls, _, attr = one.partition(".")
        if _grows_elsewhere(attr, program.tree):
            return True
        if _is_handed_in(program, cls, attr):
            continue
        held = [info.attribute(attr) for info in _family(program, {cls}).values()]
        parts = [_parts(program, value) for value in held if value is not None] or [None]
        if any(each is None or offset in each.flags or (otherwise and not each.exact) for each in parts):
            return True
        classes |= {each.name for each in parts if each is not None and each.name in program.index.classes}
    if classes and (otherwise or (placed and not _is_plain(program, classes))):
        return True
    family = _family(program, classes)
    if function.partition(".")[0] in family and not placed:
        return True
    everything = (info.attribute(attr) for info in family.values() for attr in {*info.attrs, *info.known})
    return any(_holds(program, value, offset) for value in everything if value is not None)


def _is_plain(program: Program, classes: Iterable[str]) -> bool:
    """True for classes whose objects have no parts but their attributes: no kind of `Sequential`."""
    index = program.index
    bases = {base for name in _family(program, classes) for base in index.bases(name)}
    return bases <= {"torch.nn.Module", "object", "abc.ABC", *index.classes}


def _family(program: Program, classes: Iterable[str]) -> dict[str, ClassInfo]:
    """Some classes, those that derive from them, and those that they derive from."""
    index = program.index
    own = (cls for each in classes for cls in (each, *(heir.name for heir in index.heirs(each))))
    return {info.name: info for cls in own for info in index.lineage(cls)}


def _parts(program: Program, value: Value) -> Value | None:
    """What an attribute holds, with the in-place modules that are parts of it: exact if all are known, None if none is.

    Of a module of the file, the parts are those of its class; what another file makes has parts of its own.
    """
    if value.kind is not Kind.MODULE or value.name not in (*_LISTS, *program.index.classes):
        return None
    if value.name in program.index.classes:
        return replace(value, flags=frozenset(), exact=True)
    parts = value.items if value.exact else value.order.parts if value.order is not None else None
    if parts is None or any(is_passed_in(part) or part.name == ONE_OF for part in parts):
        return replace(value, exact=False)
    flags = (part.flags for part in parts if part.name not in program.index.classes)
    return replace(value, flags=frozenset[int]().union(*flags), exact=True)


_LISTS = ("torch.nn.Sequential", "torch.nn.ModuleList")


@remembered
def _growing(tree: ast.Module) -> tuple[frozenset[str], frozenset[str]]:
    """Attributes that go under another name, and methods through which something that has another name may grow."""
    above = walking.above(tree)
    renamed: set[str] = set()
    for node in every(tree, ast.Attribute):
        parent = above.get(id(node))
        if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr) and parent.value is node:
            renamed.add(node.attr)
    grown = (one for one in every(tree, ast.Attribute) if one.attr in _GROW)
    others = (one for one in grown if not _is_of_self(one) and _may_be_anybodys(one, above))
    return frozenset(renamed), frozenset(one.attr for one in others)


_GROW = ("add_module", "append", "insert", "extend", "register_module")


def _is_of_self(node: ast.Attribute) -> bool:
    held = node.value
    return isinstance(held, ast.Attribute) and isinstance(held.value, ast.Name) and held.value.id == "self"


def _may_be_anybodys(node: ast.Attribute, above: Parents) -> bool:
    """True unless it is a method of `self`, or of a list or a module that the function around it has made."""
    called = isinstance(above.get(id(node)), ast.Call)
    function = scope(node, above)
    if not called or not isinstance(node.value, ast.Name) or not isinstance(function, Function):
        return True
    name = node.value.id
    bound = [one.value for one in every(function, ast.Assign) if any(_is_name(t, name) for t in one.targets)]
    stored = [one for one in every(function, ast.Name) if one.id == name and isinstance(one.ctx, ast.Store)]
    made = all(isinstance(each, _MADE) for one in bound for each in _branches(one))
    return not (name == "self" or (bound and made and len(bound) == len(stored)))


_MADE = (ast.List, ast.ListComp, ast.Call, ast.BinOp, ast.Constant)


def _branches(node: ast.expr) -> tuple[ast.expr, ...]:
    return (*_branches(node.body), *_branches(node.orelse)) if isinstance(node, ast.IfExp) else (node,)


def _grows_elsewhere(attr: str, tree: ast.Module) -> bool:
    """True if something puts modules into what an attribute holds, or may, by another name."""
    renamed, methods = _growing(tree)
    return bool(methods) or attr in renamed


def _is_handed_in(program: Program, cls: str, attr: str) -> bool:
    """True for an attribute that is only ever what a parameter is, in a class that this file never makes an object of:
    what is in it, others have made.
    """
    made = {dotted(one.func).rpartition(".")[2] for one in every(program.tree, ast.Call)}
    family = {cls, *(heir.name for heir in program.index.heirs(cls))}
    marked = any(program.index.classes[one].node.decorator_list for one in family & program.index.classes.keys())
    if marked or (made | used_as_values(program.tree)) & family:
        return False
    stores = [one for one in every(program.tree, ast.Attribute) if one.attr == attr and isinstance(one.ctx, ast.Store)]
    above = walking.above(program.tree)
    return bool(stores) and all(_is_parameter(above.get(id(one)), above) for one in stores)


def _is_parameter(node: ast.AST | None, above: Parents) -> bool:
    function = scope(node, above) if node is not None else None
    match node:
        case ast.Assign(targets=[_], value=ast.Name(id=name)) if isinstance(function, Function):
            stored = {one.id for one in every(function, ast.Name) if not isinstance(one.ctx, ast.Load)}
            return name in parameter_names(function) and name not in stored
    return False


def _holds(program: Program, value: Value, offset: int) -> bool:
    """True for an attribute that is the in-place module, or a `Sequential` that hands it what that is called with."""
    if value.name == "torch.nn.Sequential":
        return offset in program.outer(value.flags)
    return offset in value.flags or any(_holds(program, one, offset) for one in value.items)


def tapped(node: ast.AST, above: Parents, tree: ast.Module) -> frozenset[str] | None:
    """The classes of the file whose parts `IntermediateLayerGetter(net)` calls and taps; None if that is not told."""
    found: set[str] = set()
    for call in every(node, ast.Call):
        if dotted(call.func).rpartition(".")[2] == TAP:
            each = made(call.args[0], scope(call, above), tree) if call.args else None
            if each is None:
                return None
            found |= each
    return frozenset(found)


TAP = "IntermediateLayerGetter"


def made(node: ast.expr, function: ast.AST | None, tree: ast.Module) -> set[str] | None:
    """The classes of the file that an expression may make an object of; None if it may be any other one's."""
    match node:
        case ast.Constant():
            return set()
        case ast.Call(func=func, args=args, keywords=keywords):
            name, own = dotted(func), {one.name for one in tree.body if isinstance(one, ast.ClassDef)}
            given = {one.id for each in (*args, *keywords) for one in every(each, ast.Name)}
            given = {one for one in given if SETTINGS.fullmatch(one) is None}
            spelled = {one.value for each in (*args, *keywords) for one in every(each, ast.Constant)}
            if name in own:
                return {name}
            elsewhere = name.partition(".")[0] in dict(all_imports(tree)) and name.rpartition(".")[2] not in _LISTED
            return set() if elsewhere and not given and spelled.isdisjoint(own) else None
        case ast.Name(id=name) if isinstance(function, Function) and name not in parameter_names(function):
            bound = [one for one in every(function, ast.Assign) if any(_is_name(t, name) for t in one.targets)]
            stored = [one for one in every(function, ast.Name) if one.id == name and not isinstance(one.ctx, ast.Load)]
            found = [made(one.value, None, tree) for one in bound]
            if not found or len(found) != len(stored) or None in found:
                return None
            return {cls for each in found if each is not None for cls in each}
    return None


SETTINGS = re.compile(r"cfg|config|args|opt|self|pretrained\w*|weights|progress|num_\w+|\w+_channels|norm_layer")
"""What networks of other files are made with that is no network of this file."""
_LISTED = ("Sequential", "ModuleList", "ModuleDict")


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
