"""Lists that a function only lets grow at their ends: nothing else can change the order of their modules."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

from fixinplace import walking
from fixinplace.detect.chains import Chain
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Kind
from fixinplace.detect.liveness import Function, declared, own_names
from fixinplace.detect.other_kind import is_plain_layer
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import UNKNOWN, Value, chained, named, one_of, sequence
from fixinplace.walking import children, every, functions, remembered, walk

_GROWS = ("append", "extend")
_LOOKS = frozenset("Sequential OrderedDict ModuleList len enumerate list tuple print isinstance range reversed".split())
"""Functions that change nothing of a list which they are given."""
_ASK = frozenset("zip map filter sorted sum any all iter next set dict Compose super".split())
"""More of these, that do not hand on what a list holds in its order."""


def only_grows(body: Sequence[ast.stmt], name: str, above: Mapping[int, ast.AST]) -> bool:
    """True if a function changes the list under a name of its own by appending, and hands it to nobody who may."""
    uses = _uses(body, name)
    return uses is not None and all(_is_plain(one, above) for one in uses)


def _uses(body: Iterable[ast.AST], name: str) -> list[ast.Name] | None:
    """Where a function speaks of a name of its own; None if functions or classes within do that too."""
    found, todo = list[ast.Name](), [*body]
    while todo:
        node = todo.pop()
        if isinstance(node, Function) and name in own_names(node) - declared(node.body):
            todo += [node.args, *node.decorator_list]
        elif isinstance(node, (Function, ast.Lambda, ast.ClassDef)):
            if any(one.id == name for one in every(node, ast.Name)):
                return None
        elif name in _named_within(node):
            todo += children(node)
        else:
            found += [one for one in every(node, ast.Name) if one.id == name]
    return found


@remembered
def _named_within(statement: ast.AST) -> frozenset[str]:
    """Names that functions and classes inside a statement speak of."""
    inner = [one for one in walk(statement) if isinstance(one, (Function, ast.Lambda, ast.ClassDef))]
    return frozenset(name.id for one in inner for name in every(one, ast.Name))


@remembered
def changed(tree: ast.Module) -> frozenset[str]:
    """Names that are used in any way that may change a list."""
    above = walking.above(tree)
    return frozenset(one.id for one in every(tree, ast.Name) if not _only_reads(one, above))


def _only_reads(node: ast.Name, above: Mapping[int, ast.AST]) -> bool:
    parent = above.get(id(node))
    if isinstance(parent, ast.Attribute | ast.AugAssign):
        return False
    return _is_plain(node, above) and not (isinstance(parent, ast.Subscript) and not isinstance(parent.ctx, ast.Load))


def in_doubt(value: Value, name: str, tree: ast.Module) -> Value:
    """A module of the file's, a function, or a container of such, as others may have left it or bound it anew."""
    if is_called(value) and name in _rebound(tree):
        return unsettled(value)
    return given_up(value) if _holds_called(value) and name in changed(tree) else value


def is_called(value: Value) -> bool:
    """True for what is called, which computes what it was when that was read: a module, a function, some of these."""
    return value.kind in (Kind.MODULE, Kind.PATH) or _holds_called(value)


def _holds_called(value: Value) -> bool:
    held = any(named(one).kind in (Kind.MODULE, Kind.PATH) for one in value.items)
    return value.kind not in (Kind.MODULE, Kind.PATH) and (held or value.order is not None)


def unsettled(value: Value) -> Value:
    """What a name stands for that somebody else may have bound to another."""
    return replace(UNKNOWN, flags=value.flags)


def as_handed(value: Value, name: str, tree: ast.Module) -> Value:
    """A list of the function's own, of which nothing is known where code of other files is given it."""
    return given_up(value) if _holds_called(value) and name in _handed_out(tree) else value


@remembered
def _handed_out(tree: ast.Module) -> frozenset[str]:
    """Names that are given to a call of what the file neither defines nor is known to leave lists alone."""
    known = {
        *_LOOKS,
        *_GROWS,
        *_ASK,
        *(one.name for one in functions(tree)),
        *(one.name for one in every(tree, ast.ClassDef)),
    }
    calls = (one for one in every(tree, ast.Call) if dotted(one.func).rpartition(".")[2] not in known)
    given = (one for call in calls for one in (*call.args, *(word.value for word in call.keywords)))
    return frozenset(one.id for one in given if isinstance(one, ast.Name))


def as_left(value: Value, attribute: str, tree: ast.Module) -> Value:
    """A plain list or dict of an attribute, of which nothing is known where the file may change what it holds."""
    plain = value.kind in (Kind.LIST, Kind.DICT) and _holds_called(value)
    return given_up(value) if plain and attribute in _changed_attributes(tree) else value


@remembered
def _changed_attributes(tree: ast.Module) -> frozenset[str]:
    """Attributes that are used in any way that may change a list, or hand it on."""
    above = walking.above(tree)
    return frozenset(one.attr for one in every(tree, ast.Attribute) if not _only_asked(one, above))


def _only_asked(node: ast.Attribute, above: Mapping[int, ast.AST]) -> bool:
    """True for `self.acts = [...]`, `self.acts.append(act)`, and for what goes through a list or looks at it."""
    parent = above.get(id(node))
    match parent:
        case ast.Assign(targets=[target], value=value) if target is node:
            return isinstance(value, (ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.DictComp, ast.Call))
        case ast.Subscript(value=value):
            return value is node and isinstance(parent.ctx, ast.Load) and not isinstance(parent.slice, ast.Slice)
        case ast.For(iter=source) | ast.comprehension(iter=source):
            return source is node
        case ast.Attribute(attr="append" | "extend"):
            return isinstance(node.value, ast.Name) and isinstance(above.get(id(above.get(id(parent)))), ast.Expr)
        case ast.Attribute(attr=attr):
            return attr in ("items", "keys", "values", "get")
        case ast.Call(func=function):
            return function is not node and dotted(function).rpartition(".")[2] in (*_LOOKS, "zip")
    return isinstance(parent, (ast.Starred, ast.Compare, ast.If, ast.While))


@remembered
def _rebound(tree: ast.Module) -> frozenset[str]:
    """Names that a function declares to be the module's."""
    return frozenset(name for one in every(tree, ast.Global) for name in one.names)


def given_up(value: Value) -> Value:
    """A container of modules of which nothing is known any more but that it holds some."""
    return replace(value, items=(), exact=False, order=None)


def _is_plain(node: ast.Name, above: Mapping[int, ast.AST]) -> bool:
    parent = above.get(id(node))
    if isinstance(node.ctx, ast.Store):
        return _binds_new(parent)
    match parent:
        case ast.Attribute(attr=attr):
            call = above.get(id(parent))
            return isinstance(call, ast.Call) and (attr in _GROWS or inserted_at(call) is not None)
        case ast.Call(func=function):
            return dotted(function).rpartition(".")[2] in _LOOKS
    return isinstance(parent, _READING) or _is_returned_beside(node, above)


def inserted_at(call: ast.Call) -> int | None:
    """The place of `parts.insert(1, norm)`; None if it is not written down as a number, which none from the end is."""
    match call:
        case ast.Call(func=ast.Attribute(attr="insert"), args=[ast.Constant(value=int(place)), _], keywords=[]):
            return place
    return None


def only_looks(function: Function, name: str, above: Mapping[int, ast.AST]) -> bool:
    """True if a function does nothing to the list that is passed for a parameter."""
    uses = _uses(function.body, name)
    return uses is not None and all(_only_reads(one, above) and not _goes_into(one, above) for one in uses)


def _goes_into(node: ast.Name, above: Mapping[int, ast.AST]) -> bool:
    """True for `parts[0].append(x)` and `parts[0][1] = x`, and for what hands the list on."""
    parent = above.get(id(node))
    within = isinstance(above.get(id(parent)), (ast.Subscript, ast.Attribute))
    returned = isinstance(parent, ast.Return) or _is_returned_beside(node, above)
    return returned or (isinstance(parent, ast.Subscript) and within)


def _is_returned_beside(node: ast.Name, above: Mapping[int, ast.AST]) -> bool:
    """True for `return parts, (others, more)`, where each name stands once."""
    around = above.get(id(node))
    tuples = isinstance(around, ast.Tuple)
    while isinstance(around, ast.Tuple):
        around = above.get(id(around))
    once = isinstance(around, ast.Return) and sum(one.id == node.id for one in every(around, ast.Name)) == 1
    return tuples and once


def _binds_new(parent: ast.AST | None) -> bool:
    """True for `parts = []`, `parts = parts[1:]`, `parts += others`: a list that nobody else has, or the same one."""
    match parent:
        case ast.AugAssign():
            return True
        case ast.Assign(targets=[ast.Name()], value=value) | ast.AnnAssign(target=ast.Name(), value=value):
            sliced = isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice)
            copied = isinstance(value, ast.Call) and dotted(value.func) in ("list", "OrderedDict", "dict")
            return sliced or copied or isinstance(value, (ast.List, ast.ListComp, ast.BinOp, ast.Dict))
    return False


_READING = (ast.Subscript, ast.Starred, ast.Return, ast.BinOp, ast.For, ast.comprehension, ast.Compare, ast.If,
            ast.While, ast.UnaryOp)  # fmt: skip


def led_by(base: Value, value: Value, index: ast.expr) -> Chain[Value] | None:
    """How the modules of a list may stand after `parts[0] = value`."""
    before, first = chained(base), chained(sequence((value,), exact=True))
    at_first = isinstance(index, ast.Constant) and index.value == 0
    return before.led_by(named(value)) if at_first and before is not None and first is not None else None


def sliced(base: Value, index: ast.Slice) -> Chain[Value] | None:
    """How the modules of `parts[1:]` may stand."""
    before = chained(base) if base.kind is Kind.LIST else None
    if before is None or index.upper is not None or index.step is not None:
        return None
    match index.lower:
        case None:
            return before
        case ast.Constant(value=1):
            return before.tail()
    return None


def begun(arguments: Sequence[Value]) -> Chain[Value] | None:
    """How the modules of a `ModuleList` may stand that is made of this."""
    given = arguments[0] if arguments else sequence((), exact=True)
    return chained(given, others=True) if given.kind is Kind.LIST and len(arguments) < 2 else None


def longer_list(modules: Value, part: Value) -> Value:
    """A `ModuleList` with one module more at its end."""
    before, last = modules.order, chained(sequence((part,), exact=True), others=True)
    order = before.followed_by(last) if before is not None and last is not None else None
    return replace(
        modules, items=(one_of((*modules.items, part)),), flags=modules.flags | part.flags, exact=False, order=order
    )


def added(left: Value, right: Value) -> Chain[Value] | None:
    """How the modules of `parts + others` may stand."""
    before, after = chained(left, others=True), chained(right, others=True)
    return before.followed_by(after) if before is not None and after is not None else None


def has_other_name(name: str, body: Sequence[ast.stmt]) -> bool:
    """True if a name of a function may stand for what another one stands for as well: `b = self.body`.

    A layer that was made under another name, `modules = maxpool`, holds no others that could become more.
    """
    stores = [one for each in body for one in every(each, ast.Assign)]
    values = [one.value for one in stores if dotted(one.targets[0]) == name]
    return any(not isinstance(one, ast.Call) and not _is_single_layer(one, stores) for one in values)


def _is_single_layer(node: ast.expr, stores: Sequence[ast.Assign]) -> bool:
    bound = [one.value for one in stores if isinstance(node, ast.Name) and dotted(one.targets[0]) == node.id]
    made = [one for one in bound if isinstance(one, ast.Call) and is_plain_layer(dotted(one.func))]
    return bool(bound) and len(made) == len(bound)
