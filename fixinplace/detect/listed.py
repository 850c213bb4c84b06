"""Lists of modules that hold what one class puts into them: `self.downs = nn.ModuleList([...])`.

Note [Fixed lists]
    What a loop over a `ModuleList` calls is one of the modules that the list was made with, or that methods of the
    class that makes it add to `self.downs`, if nobody else adds to it, and nobody has it who could.  That is told by
    the attribute's name, of whatever object in the file: it is bound to such a list and nothing else, gone through,
    measured, or asked for one element that is called, by a name or at once.  Other files are assumed not to change what
    it holds, as with `Sequential`; see Note [Inner modules].
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence

from fixinplace import walking
from fixinplace.detect.index import dotted
from fixinplace.detect.kin import are_kin
from fixinplace.detect.kinds import Kind
from fixinplace.detect.liveness import Function, declared
from fixinplace.detect.making import made_of_lists
from fixinplace.detect.texts import names_arguments
from fixinplace.detect.values import Value
from fixinplace.walking import every, functions, remembered, scope

LIST = "torch.nn.ModuleList"
_STATE = frozenset("apply eval train to cuda cpu half float double requires_grad_ load_state_dict zero_grad".split())
"""Methods that leave the list as it is, alone in their statement; who visits its parts, `goes_through` tells."""
_PARAMETERS = ("parameters", "named_parameters", "buffers", "named_buffers", "state_dict")
GROWS = ("append", "extend", "insert")


def holds_all(value: Value) -> bool:
    """True if all in-place modules of a list are those of the elements that were followed."""
    return bool(value.items) and value.flags <= frozenset(flag for item in value.items for flag in item.flags)


@remembered
def fixed_lists(tree: ast.Module) -> frozenset[str]:
    """Attributes that hold lists of modules which never change; see Note [Fixed lists]."""
    above = walking.above(tree)
    before = made_of_lists(tree)
    attributes = [one for one in every(tree, ast.Attribute) if id(one) not in before]
    makers = _makers(tree)
    made = {one.attr for one in attributes if _is_made(one, above, makers)}
    nested = _lists_of_lists(tree)
    fills = [one for one in attributes if one.attr in made
             and (_is_made(one, above, makers) or _is_grown(one, above, one.attr in nested))]  # fmt: skip
    fixed = {id(one) for one in fills}
    others = [one for one in attributes if one.attr in made and id(one) not in fixed and not _is_read(one, above)]
    used = {one.attr for one in others if not _is_of_another(one, fills, above, tree)}
    used |= {
        one.attr for one in fills if _is_grown(one, above, one.attr in nested) and not _is_alone(one, fills, above)
    }
    told = _told(tree)
    named = {one.value for one in every(tree, ast.Constant) if _is_text(one) and id(one) not in told}
    methods = {one.name for each in every(tree, ast.ClassDef) for one in functions(each)}
    return frozenset(made - used - named - methods)


def is_list(base: Value, node: ast.expr, tree: ast.Module) -> bool:
    """True for a list of modules, and for one that stands in a list of lists: `self.branches[-1]`."""
    nested = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute)
    return base.name == LIST or (nested and node.value.attr in _lists_of_lists(tree))  # type: ignore[attr-defined]


def unnested(target: ast.expr, part: Value, tree: ast.Module) -> tuple[ast.expr, Value]:
    """The list that grows, and by what: `self.branches[-1].append(part)` makes one of its lists longer."""
    match target:
        case ast.Subscript(value=ast.Attribute(attr=attr) as whole) if attr in _lists_of_lists(tree):
            return whole, Value(Kind.MODULE, name=LIST, items=(part,), flags=part.flags)
    return target, part


@remembered
def _lists_of_lists(tree: ast.Module) -> frozenset[str]:
    """Attributes that are bound to empty lists of modules, and only ever grow by lists of modules."""
    above = walking.above(tree)
    found: set[str] = set()
    others: set[str] = set()
    for node in every(tree, ast.Attribute):
        parent = above.get(id(node))
        if isinstance(node.ctx, ast.Store):
            into = found if _is_new_list(getattr(parent, "value", None), empty=True) else others
            into.add(node.attr)
        elif isinstance(parent, ast.Attribute) and parent.attr in GROWS:
            call = above.get(id(parent))
            plain = isinstance(call, ast.Call) and parent.attr == "append" and len(call.args) == 1
            if not plain or not _is_new_list(call.args[0], empty=False):  # type: ignore[union-attr]
                others.add(node.attr)
    return frozenset(found - others)


def _is_new_list(node: ast.AST | None, empty: bool) -> bool:
    made = isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "ModuleList"
    return made and not (empty and isinstance(node, ast.Call) and node.args)


def _told(tree: ast.Module) -> set[int]:
    """Texts that reach no attribute: `if name == "vgg"`, `urls["vgg"]`, and names that decorators register."""
    compared = (side for one in every(tree, ast.Compare) for side in (one.left, *one.comparators))
    marks = (mark for one in (*functions(tree), *every(tree, ast.ClassDef)) for mark in one.decorator_list)
    keys = (one.slice for one in every(tree, ast.Subscript) if isinstance(one.value, ast.Name))
    tables = () if _computes_names(tree) else every(tree, ast.Dict)
    entries = (key for one in tables if all(map(_is_text, one.values)) for key in one.keys if key is not None)
    named = {id(text) for node in (*compared, *marks, *keys, *entries) for text in every(node, ast.Constant)}
    return named | names_arguments(tree)


def _computes_names(tree: ast.Module) -> bool:
    """True if an attribute is reached whose name does not stand there: `getattr(net, key)`."""
    named = (one for one in every(tree, ast.Call) if dotted(one.func) in ("getattr", "setattr", "delattr"))
    return any(not all(map(_is_text, one.args[1:2])) for one in named)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_grown(node: ast.Attribute, above: Mapping[int, ast.AST], nested: bool = False) -> bool:
    """True for `self.downs.append(block)` in a statement of its own, and for `self.downs += [block]`.

    nested: the list is one of lists, and `self.downs[-1].append(block)` makes one of those longer.
    """
    method = above.get(id(node))
    if isinstance(method, ast.AugAssign):
        return method.target is node and isinstance(method.op, ast.Add)
    if isinstance(method, ast.Subscript) and method.value is node and not isinstance(method.slice, ast.Slice):
        method = above.get(id(method)) if nested else None
    call = above.get(id(method))
    grows = isinstance(method, ast.Attribute) and method.attr in GROWS
    return grows and isinstance(call, ast.Call) and call.func is method and isinstance(above.get(id(call)), ast.Expr)


def _is_alone(node: ast.Attribute, fills: Sequence[ast.Attribute], above: Mapping[int, ast.AST]) -> bool:
    """True if methods of one class alone, of their own instances, fill the lists under an attribute's name."""
    owners = [_owner(one, above) for one in fills if one.attr == node.attr]
    return None not in owners and len({*map(id, owners)}) == 1


def _owner(node: ast.Attribute, above: Mapping[int, ast.AST]) -> ast.ClassDef | None:
    """The class whose method speaks of `self.downs`."""
    function = scope(node, above)
    cls = above.get(id(function))
    if not isinstance(function, Function) or not isinstance(cls, ast.ClassDef) or not function.args.args:
        return None
    return cls if dotted(node.value) == function.args.args[0].arg else None


def _is_of_another(node: ast.Attribute, fills: Sequence[ast.Attribute], above: Mapping[int, ast.AST],
                   tree: ast.Module) -> bool:  # fmt: skip
    """True for `self.bn` in a class that makes a layer for it, and is no kin of those whose `bn` is a list."""
    cls = _owner(node, above)
    stores = [one for one in every(cls, ast.Attribute) if one.attr == node.attr] if cls is not None else []
    bound = [above.get(id(one)) for one in stores if not isinstance(one.ctx, ast.Load)]
    if not bound or not all(isinstance(one, ast.Assign) and isinstance(one.value, ast.Call) for one in bound):
        return False
    owners = [_owner(one, above) for one in fills if one.attr == node.attr]
    return cls is not None and not any(one is None or are_kin(one, cls, tree) for one in owners)


def _is_made(node: ast.Attribute, above: Mapping[int, ast.AST], makers: frozenset[str]) -> bool:
    """True for the target of `self.downs = nn.ModuleList(...)` and `self.downs = self._make_downs()`."""
    match above.get(id(node)):
        case ast.Assign(targets=[target], value=ast.Call(func=func)) if target is node:
            return dotted(func).rsplit(".", 1)[-1] in makers
    return False


def _makers(tree: ast.Module) -> frozenset[str]:
    """`ModuleList`, and functions of the file, by names that no others have, that make a new one or return None."""
    times = Counter(one.name for one in functions(tree))
    return frozenset(("ModuleList", *(one.name for one in functions(tree) if times[one.name] == 1 and _makes(one))))


def _makes(function: Function) -> bool:
    given = [one.value for one in every(function, ast.Return) if one.value is not None]
    lists = [isinstance(one, ast.Call) and dotted(one.func).rsplit(".", 1)[-1] == "ModuleList" for one in given]
    nothing = [isinstance(one, ast.Constant) and one.value is None for one in given]
    return any(lists) and all(a or b for a, b in zip(lists, nothing, strict=True))


def _is_read(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    parent = above.get(id(node))
    match parent:
        case ast.For(iter=source) | ast.comprehension(iter=source):
            return source is node
        case ast.Call(func=ast.Name(id="len")):
            return True
        case ast.Attribute(attr=attr) if attr in _PARAMETERS:
            return True
        case ast.Attribute(attr=attr) if attr in _STATE:
            call = above.get(id(parent))
            return isinstance(call, ast.Call) and call.func is parent and isinstance(above.get(id(call)), ast.Expr)
        case ast.Attribute(attr="modules" | "children"):
            return _is_initialised(above.get(id(parent)), above)
        case ast.Call(func=ast.Name(id="enumerate" | "zip")):
            around = above.get(id(parent))
            counted = (
                isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and around.func.id == "enumerate"
            )
            return isinstance(above.get(id(around)) if counted else around, ast.For | ast.comprehension)
        case ast.Subscript(value=value, slice=index, ctx=ast.Load()) if value is node:
            called = above.get(id(parent))
            if isinstance(called, ast.Subscript) and called.value is parent:  # a list of lists
                return not isinstance(index, ast.Slice) and _is_read(parent, above)
            calls = isinstance(called, ast.Call) and called.func is parent
            return not isinstance(index, ast.Slice) and (calls or _is_told(parent, above) or _is_named(parent, above))
    return False


def _is_initialised(call: ast.AST | None, above: Mapping[int, ast.AST]) -> bool:
    """True for `for m in self.extras.modules():` of which a function only asks what they are, and for their weights."""
    match above.get(id(call)):
        case ast.For(iter=source, target=ast.Name(id=name)) as loop if source is call:
            around = scope(loop, above)
            named = every(around, ast.Name) if around is not None else ()
            uses = [one for one in named if one.id == name and one is not loop.target]
            return around is not None and all(_is_weight_or_kind(above.get(id(one))) for one in uses)
    return False


def _is_weight_or_kind(parent: ast.AST | None) -> bool:
    match parent:
        case ast.Call(func=ast.Name(id="isinstance")) | ast.Attribute(attr="weight" | "bias"):
            return True
    return False


def _is_told(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for `downs[i]` in `downs[i] is not None`, a place that may be left out, and `isinstance(downs[i], ...)`."""
    match above.get(id(node)):
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return left is node
        case ast.Call(func=ast.Name(id="isinstance"), args=[first, _], keywords=[]):
            return first is node
    return False


def _is_named(node: ast.Subscript, above: Mapping[int, ast.AST]) -> bool:
    """True for `norm = self.norms[i]`, and `conv, norm = self.convs[i], self.norms[i]`, for names that are called."""
    around = above.get(id(node))
    match around:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return _is_called(name, around, above)
        case ast.Tuple(elts=values):
            bound = above.get(id(around))
            place = [one is node for one in values].index(True)
            match bound:
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=whole) if whole is around:
                    target = names[place] if len(names) == len(values) else None
                    return isinstance(target, ast.Name) and _is_called(target.id, bound, above)
    return False


def _is_called(name: str, node: ast.AST, above: Mapping[int, ast.AST]) -> bool:
    """True if a name of a function does nothing but call what it stands for."""
    function = scope(node, above)
    if not isinstance(function, Function):
        return False
    used = [one for one in every(function, ast.Name) if one.id == name and not isinstance(one.ctx, ast.Store)]
    called = (above.get(id(one)) for one in used)
    plain = all(isinstance(call, ast.Call) and call.func is one for one, call in zip(used, called, strict=True))
    return plain and name not in declared(function.body)
