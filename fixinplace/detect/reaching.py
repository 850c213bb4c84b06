"""Ways in which a piece of a file reaches parts of modules without their names: `for m in net.modules():`.

To see them is harmless, to call them or to keep them is not: an in-place module may then be called with something
that somebody else has.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from fixinplace import walking
from fixinplace.detect import inward
from fixinplace.detect.anatomy import is_tested
from fixinplace.detect.elsewhere import is_made_elsewhere
from fixinplace.detect.flattened import flattens
from fixinplace.detect.index import all_imports, dotted, parameter_names
from fixinplace.detect.initialisers import bound_otherwise, initialises, sets_values, wraps_weights
from fixinplace.detect.kept_local import keeps_parts_local
from fixinplace.detect.liveness import Function
from fixinplace.detect.other_kind import is_of_other_kind
from fixinplace.detect.outermost import outermost
from fixinplace.detect.part_names import parts_like_numbers, parts_or_attributes, stored_attributes
from fixinplace.detect.patterned import owner_of_part
from fixinplace.detect.scopes import bindings
from fixinplace.walking import every, functions, scope

_PARTS = frozenset("children named_children modules named_modules get_submodule".split())
_BY_PATH = frozenset("attrgetter getattr methodcaller".split())
"""Functions that reach a part by a text, where they are handed on themselves."""
_LOOKS = frozenset("isinstance hasattr type len print str issubclass id".split())
_THE_SAME = frozenset(
    "eval train to cuda cpu half float double bfloat16 type requires_grad_ apply share_memory to_empty compile xpu"
    " forward __call__ _call_impl _wrapped_call_impl _slow_forward".split()
)
"""Methods that return the module itself, or call it."""
Parents = Mapping[int, ast.AST]


def goes_through(root: ast.AST, above: Parents, tree: ast.Module) -> bool:
    """True if a piece of a file reaches parts of modules in a way that may call or keep them, and not only see them."""
    for node in every(root, ast.Attribute):
        called = above.get(id(node))
        call = called if isinstance(called, ast.Call) and called.func is node else None
        by_text = node.attr in ("__getattr__", "__getattribute__") and not _is_super(node.value)
        if by_text or (node.attr in _BY_PATH and not _is_called(node, above)):
            return True
        by_name = node.attr == "_modules" and (owner_of_part(called) is not None or _asks_for_weights(called, above))
        reached = node.attr in _PARTS and not _is_of_library(node, called, tree)
        reached = reached or (node.attr == "_modules" and not by_name and not _asks_for_names(node, called))
        reached = reached and not _is_own(node, above, tree)
        if reached and not only_sees(node, above, tree) and not is_made_elsewhere(node.value, tree):
            return True
        if node.attr == "apply" and call is not None and not _only_visits(node, call, above, tree):
            return True
    if every(root, ast.MatchClass):
        return True
    return any(one.id in _BY_PATH and not _is_called(one, above) for one in every(root, ast.Name))


def _asks_for_weights(part: ast.AST | None, above: Parents) -> bool:
    """True for `downsample._modules["1"].parameters()`."""
    asked = above.get(id(part)) if isinstance(part, ast.Subscript) else None
    return isinstance(asked, ast.Attribute) and asked.attr in _OF_WEIGHTS and isinstance(asked.ctx, ast.Load)


_OF_WEIGHTS = ("parameters", "named_parameters", "weight", "bias", "state_dict", "load_state_dict")


def _asks_for_names(node: ast.Attribute, parent: ast.AST | None) -> bool:
    """True for `for name in self._modules` and `self._modules.keys()`."""
    match parent:
        case ast.For(iter=source) | ast.comprehension(iter=source):
            return source is node
        case ast.Attribute(attr="keys") | ast.Compare(ops=[ast.In() | ast.NotIn()]):
            return True
        case ast.Call(func=ast.Name(id="len" | "sorted")):
            return True
    return False


def looks_at_parts(node: ast.Subscript, above: Parents, tree: ast.Module) -> bool:
    """True for `for m in self._modules[block]` that does no more with each part of that part than to look at it."""
    parent = above.get(id(node))
    if not isinstance(parent, ast.For) or parent.iter is not node:
        return False
    names = _names(parent.target)
    return (
        names is not None and not names & _outer(tree) and _are_looked_at(names, [_scope(parent, above)], above, tree)
    )


def only_sees(node: ast.Attribute, above: Parents, tree: ast.Module) -> bool:
    """True for `net.children()` of which each part is only looked at, or known to nobody once the function is done."""
    function = scope(node, above)
    if isinstance(function, Function) and flattens(function):
        return True
    call = above.get(id(node))
    parts = inward.source(node, above) or (call if isinstance(call, ast.Call) and call.func is node else None)
    looks = parts is not None and _only_looks(parts, above, tree)
    if isinstance(call, ast.Call) and call.args == [node] and not call.keywords:  # `init_weights(self.modules)`
        helpers = _meant(call.func, tree)
        looks = bool(helpers) and all(_sees_each(one, above, tree) for one in helpers or ())
    return looks or keeps_parts_local(function, tree)


def _is_of_library(node: ast.Attribute, parent: ast.AST | None, tree: ast.Module) -> bool:
    """True for `sys.modules`, and for a name on the way to another: `nn.modules.conv.Conv2d`."""
    path = dotted(node.value)
    inner = isinstance(parent, ast.Attribute) and path.partition(".")[0] in dict(all_imports(tree)) and path
    return path == "sys" or bool(inner)


def _is_own(node: ast.Attribute, above: Parents, tree: ast.Module) -> bool:
    """True for a loop over the parts of `self` that only looks at them and calls them; see Note [Own parts]."""
    parts = inward.source(node, above) if inward.owner(node, above, tree) else None
    if parts is not None and _is_length(above.get(id(parts))):
        return True
    loop = inward.gone_over(parts, above) if parts is not None else None
    names = _names(loop[1]) if loop is not None else None
    if loop is None or names is None or names & _outer(tree):
        return False
    used = (one for one in every(_scope(loop[0], above), ast.Name) if one.id in names and isinstance(one.ctx, ast.Load))
    return all(_calls(above.get(id(one)), one, tree) or _is_look(one, above, tree, deep=True) for one in used)


def _calls(parent: ast.AST | None, node: ast.expr, tree: ast.Module) -> bool:
    """True for `part(x)`, and for `self.run(part, x)` with a function of the file, or one that was handed in."""
    match parent:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=attr), args=args) if node in args:
            return attr in stored_attributes(tree) | {one.name for one in functions(tree)}
    return isinstance(parent, ast.Call) and parent.func is node


def _outer(tree: ast.Module) -> set[str]:
    """Names that some function binds outside of itself."""
    shared = {name for one in every(tree, ast.Global) for name in one.names}
    return shared | {name for one in every(tree, ast.Nonlocal) for name in one.names}


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func) == "super"


def _is_called(node: ast.Name | ast.Attribute, above: Parents) -> bool:
    """True for `getattr(...)`, whose attribute is followed; `attrgetter(...)` makes a function that is not."""
    parent = above.get(id(node))
    name = node.id if isinstance(node, ast.Name) else node.attr
    return name == "getattr" and isinstance(parent, ast.Call) and parent.func is node


def _only_looks(call: ast.Call, above: Parents, tree: ast.Module) -> bool:
    """True for `for m in self.modules():` where `m` is never called, bound to another name or handed on."""
    match above.get(id(call)):
        case ast.For(iter=source, target=target) as loop if source is call:
            around = _scope(loop, above)
        case ast.comprehension(iter=source, target=target) as each if source is call:
            around = above[id(each)]
        case ast.Call(func=ast.Name(id="list"), args=[source]) as listed if source is call:
            return _is_counted(listed, above)
        case ast.Call(func=ast.Name(id="enumerate" | "reversed")):
            return _sees_in_order(call, above, tree)
        case ast.Call(func=func, args=[source], keywords=[]) if source is call:
            helpers = _meant(func, tree)
            return bool(helpers) and all(_sees_each(one, above, tree) for one in helpers or ())
        case _:
            return False
    named = isinstance(call.func, ast.Attribute) and call.func.attr in inward.NAMED
    pair = target.elts if named and isinstance(target, ast.Tuple) and len(target.elts) == 2 else []
    names = _names(pair[1] if pair else target)
    return names is not None and not names & _outer(tree) and _are_looked_at(names, [around], above, tree)


def _sees_in_order(call: ast.Call, above: Parents, tree: ast.Module) -> bool:
    """True for `for i, m in enumerate(net.children()):` that only looks at each part."""
    found = inward.gone_over(call, above)
    if found is None:
        return False
    loop, names = found[0], _names(found[1])
    around = _scope(loop, above) if isinstance(loop, ast.For) else above[id(loop)]
    return names is not None and not names & _outer(tree) and _are_looked_at(names, [around], above, tree)


def _sees_each(function: Function, above: Parents, tree: ast.Module) -> bool:
    """True for a function of the parts `net.modules()` that only goes through them, and looks at each."""
    given = [one for one in parameter_names(function) if one not in ("self", "cls")][:1]
    uses = [one for one in every(function, ast.Name) if one.id in given]
    loops = [above.get(id(one)) for one in uses]
    if not given or not all(isinstance(loop, ast.For) and loop.iter in uses for loop in loops):
        return False
    names = [_names(loop.target) for loop in loops if isinstance(loop, ast.For)]
    return all(
        one is not None and not one & _outer(tree) and _are_looked_at(one, [function], above, tree) for one in names
    )


def _is_counted(node: ast.Call, above: Parents) -> bool:
    """True for `len(list(m.children()))` and `list(m.children()) == []`."""
    if _is_length(above.get(id(node))):
        return True
    match above.get(id(node)):
        case ast.Compare(ops=[ast.Eq() | ast.NotEq()], comparators=[ast.List(elts=[])]):
            return True
    return False


def _is_length(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


def _are_looked_at(
    names: set[str], nodes: Iterable[ast.AST], above: Parents, tree: ast.Module, deep: bool = True
) -> bool:
    """True if nothing is done with what the names stand for but to look; deep: functions of the file may look too."""
    used = (one for node in nodes for one in every(node, ast.Name) if one.id in names and isinstance(one.ctx, ast.Load))
    return all(
        _is_look(one, above, tree, deep) or (is_of_other_kind(one, above, tree) and not _reaches_in(one, above, tree))
        for one in used
    )


def _reaches_in(node: ast.Name, above: Parents, tree: ast.Module) -> bool:
    """True for `m.body`, a part of what is known: a class that derives from it may have parts in place."""
    parent = above.get(id(node))
    return isinstance(parent, ast.Attribute) and parent.attr in parts_or_attributes(tree)


def _scope(node: ast.AST, above: Parents) -> ast.AST:
    """The function around a statement, or the module: a name lives longer than its loop."""
    around = node
    while id(around) in above and not isinstance(around, Function | ast.Lambda):
        around = above[id(around)]
    return around


def _names(target: ast.expr) -> set[str] | None:
    """The names that a loop binds; None if it binds something else."""
    match target:
        case ast.Name(id=name):
            return {name}
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            found = [_names(one) for one in elts]
            return None if None in found else {name for one in found if one is not None for name in one}
    return None


def _is_look(node: ast.expr, above: Parents, tree: ast.Module, deep: bool) -> bool:
    parent = above.get(id(node))
    match parent:
        case ast.Subscript(value=value, slice=ast.Constant(value=0 | 1)) if value is node:
            return _is_look(parent, above, tree, deep)  # of a pair that `named_modules` gives
        case ast.Attribute(attr=attr, ctx=ast.Load()):
            return _is_harmless(parent, attr, above, tree)
        case ast.Attribute():
            around = above.get(id(parent))
            while isinstance(around, ast.Tuple):
                around = above.get(id(around))
            return isinstance(around, ast.Assign | ast.AugAssign | ast.AnnAssign)  # followed as a store
        case ast.Call(func=func):
            helpers = _meant(func, tree) if deep and func is not node else None
            place = parent.args.index(node) if node in parent.args else None
            starred = any(isinstance(one, ast.Starred) for one in parent.args)
            place = None if starred else place
            looks = bool(helpers) and all(_visits(one, above, tree, place) for one in helpers or ())
            sets = dotted(func) == "setattr" and parent.args[:1] == [node]  # followed as a store
            known = sets or dotted(func) in _LOOKS or wraps_weights(func, tree) or sets_values(func, tree)
            return func is not node and (known or looks or initialises(func, tree))
    computes = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div | ast.FloorDiv | ast.Sub | ast.Mod)
    return computes or isinstance(parent, ast.Compare | ast.FormattedValue)


def _is_harmless(node: ast.Attribute, attr: str, above: Parents, tree: ast.Module) -> bool:
    """True for `m.weight`, and for `m.eval()` alone in its statement; not for a part that is called or bound."""
    parent = above.get(id(node))
    called = isinstance(parent, ast.Call) and parent.func is node
    if attr in _THE_SAME:
        return called and attr[0] != "_" and attr != "forward" and isinstance(above.get(id(parent)), ast.Expr)
    if called and attr in parts_like_numbers(tree):
        return False  # `self.bias = nn.ReLU(inplace=True)`
    if attr not in parts_or_attributes(tree):
        return True
    looked_at = isinstance(parent, ast.Call) and not called and dotted(parent.func) in _LOOKS
    if isinstance(parent, ast.Call) and not called:
        helpers = _meant(parent.func, tree)
        visited = bool(helpers) and all(_visits(one, above, tree) for one in helpers or ())
        looked_at = looked_at or visited or initialises(parent.func, tree)
    if looked_at or is_tested(node, above):
        return True
    if isinstance(parent, ast.Attribute):  # `m.proj.weight`
        return _is_harmless(parent, parent.attr, above, tree)
    return isinstance(parent, ast.Compare | ast.FormattedValue)


def _only_visits(node: ast.Attribute, call: ast.Call, above: Parents, tree: ast.Module) -> bool:
    """True for `net.apply(f)` with a function that only looks at modules, or one of another file.

    `Function.apply(x)` is given something else.
    """
    owner = dotted(node.value).rsplit(".", 1)[-1]
    stored = any(one.id == owner and not isinstance(one.ctx, ast.Load) for one in every(tree, ast.Name))
    given = [*call.args, *(k.value for k in call.keywords)]
    if (owner[:1].isupper() and not stored) or len(given) != 1:
        return True
    visitor = given[0]
    if isinstance(visitor, ast.Lambda):
        return _are_looked_at(set(parameter_names(visitor)), [visitor.body], above, tree)
    found = _meant(visitor, tree) if not isinstance(visitor, ast.Call) else _made_visitors(visitor, tree)
    return found is not None and all(_visits(one, above, tree) for one in found)


def _made_visitors(call: ast.Call, tree: ast.Module) -> list[Function] | None:
    """The functions that `partial(f, ...)` calls, and those that `weights_init("kaiming")` may return."""
    if dotted(call.func) in ("partial", "functools.partial") and call.args:
        return _meant(call.args[0], tree)
    makers = _meant(call.func, tree)
    if not makers:
        return None
    inner = {one.name: one for maker in makers for one in functions(maker) if one is not maker}
    returned = [
        one.value for maker in makers for one in every(maker, ast.Return) if scope(one, walking.above(tree)) is maker
    ]
    names = [one.id for one in returned if isinstance(one, ast.Name)]
    known = returned and len(names) == len(returned) and all(name in inner for name in names)
    return [inner[name] for name in names] if known else None


def _is_plain_name(node: ast.Name, tree: ast.Module) -> bool:
    """True for a name that a function or an import has, where it is read."""
    if node.id not in bound_otherwise(tree):
        return True
    shared = {name for one in every(tree, ast.Global) for name in one.names}
    plain = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom)
    others = (one for one in tree.body if not isinstance(one, plain))
    return id(node) in outermost(tree) and node.id not in shared and node.id not in bindings(others)


def _meant(node: ast.expr, tree: ast.Module) -> list[Function] | None:
    """The functions and methods of the file that a name stands for, none for an import; None if it may be anything."""
    match node:
        case ast.Name(id=name) if _is_plain_name(node, tree):
            above = walking.above(tree)
            found = [one for one in functions(tree) if one.name == name]
            found = [one for one in found if not isinstance(above.get(id(one)), ast.ClassDef)]
        case ast.Attribute(attr=name) if name not in stored_attributes(tree):
            found = [one for one in functions(tree) if one.name == name]
            if not found:
                return None  # `found.append`
        case _:
            return None
    plain = all(dotted(one).rsplit(".", 1)[-1] in _PLAIN for each in found for one in each.decorator_list)
    return found if plain else None


def is_set_by_property(name: str, roots: Iterable[ast.Module | ast.ClassDef]) -> bool:
    """True for a name that no class among these gives to a method, but some to a property that can be set."""
    defined = (one for root in roots for one in functions(root) if one.name == name)
    found = [{dotted(each) for each in one.decorator_list} for one in defined]
    return {f"{name}.setter"} in found and all(one in ({"property"}, {f"{name}.setter"}) for one in found)


_PLAIN = ("staticmethod", "classmethod", "no_grad")


def _visits(function: Function, above: Parents, tree: ast.Module, place: int | None = 0) -> bool:
    """True for a function that only looks at what it is given at some place, None for any, and hands it to no other."""
    given = [one for one in parameter_names(function) if one not in ("self", "cls")]
    names = {*given} if place is None or place >= len(given) else {given[place]}
    return _are_looked_at(names, function.body, above, tree, deep=False)
