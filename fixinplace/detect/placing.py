"""Where the flags of in-place modules end up: behind which part of a `Sequential`, and out of sight where.

Note [Inner modules]
    A module with its flag on that stands in a `Sequential` behind a part that makes a new tensor writes what nobody
    but the `Sequential` has, whoever calls that.  `nn.Sequential(conv, bn, nn.ReLU(inplace=True))` says so in place;
    a list that modules are put into one after the other says so too, if all of it becomes a `Sequential` in that
    order.  That nothing takes the `Sequential` apart is told for the file, and assumed of others, as is that no hook
    of theirs keeps what its parts are called with.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from fixinplace import catalogue
from fixinplace.detect.chains import Chain
from fixinplace.detect.derived import as_layer
from fixinplace.detect.given import ASSUMED, COMPUTES, class_made, has_channels, is_given, is_layer, near
from fixinplace.detect.index import Index, dotted, parameter_names
from fixinplace.detect.kinds import Kind, Origin
from fixinplace.detect.own_kind import is_made, is_supposed
from fixinplace.detect.passing import hands_idle_layers
from fixinplace.detect.quiet import QUIET, Fresh
from fixinplace.detect.replacing import replace
from fixinplace.detect.scopes import assigned
from fixinplace.detect.values import NUMBER, ONE_OF, UNKNOWN, Value, is_opaque, named, options
from fixinplace.walking import every

if TYPE_CHECKING:
    from fixinplace.detect.program import Program

CONTAINERS = ("torch.nn.ModuleList", "torch.nn.ModuleDict", "torch.nn.ParameterList", "torch.nn.ParameterDict")
IDENTITY = "torch.nn.Identity"


def place(program: Program, parts: Iterable[Value], fresh: Fresh = Fresh.NO) -> Fresh:
    """Note what stands before each in-place part; the answer says if what leaves the last part is new.

    fresh: what the first part is called with is new, and nobody else has it.
    """
    for part in map(named, parts):
        _note(program, part, fresh)
        fresh = leaves(program, part, fresh)
    return fresh


def _note(program: Program, part: Value, fresh: Fresh) -> None:
    """Note what an in-place part, or one of some that may stand there, is called with."""
    for one in options(part):
        _not_told_apart(program, one)
        for flag in one.flags if is_flag(program, one) else ():
            program.note_place(flag, fresh)


def leaves(program: Program, part: Value, fresh: Fresh) -> Fresh:
    """What leaves a part, whichever it is, that is called with something so new."""
    return min(
        min(fresh, Fresh.NEW) if is_flag(program, one) else _leaves_new(program, one, fresh) for one in options(part)
    )


def place_all(program: Program, order: Chain[Value]) -> None:
    """Note what may stand before each in-place part of a list whose order is not known for certain."""
    leaving = leaving_each(program, order)
    for part in order.parts:
        _note(program, part, entering(part, order, leaving))


def _not_told_apart(program: Program, part: Value) -> None:
    """Note what may be an in-place module or anything else."""
    for flag in part.flags if part.kind is Kind.UNKNOWN else ():
        program.note_use(flag, UNKNOWN_PLACE)


def is_flag(program: Program, part: Value) -> bool:
    """True for a module that is in place itself; one of a class of the file has parts that are."""
    alone = part.kind is Kind.MODULE and not part.items and part.order is None
    return alone and bool(part.flags) and part.name not in program.index.classes


def left(program: Program, order: Chain[Value]) -> Fresh:
    """What leaves the last part, whichever that is; the first one is called with what others hold."""
    leaving = leaving_each(program, order)
    return Fresh.NO if order.empty else min((leaving[part] for part in order.lasts), default=Fresh.NO)


def behind_others(program: Program, order: Chain[Value]) -> frozenset[int]:
    """The flags of parts that what the whole is called with reaches through parts alone of which nothing is known."""
    reached, found = frozenset[Value](), order.firsts
    while found > reached:
        reached = found
        known = {one for one in found if not (is_opaque(one) or (is_layer(one) and not is_given(program, one)))}
        handing = {one for one in known if leaves(program, one, Fresh.NO) is Fresh.NO}
        found = reached | frozenset(two for one, two in order.follows if one in handing)
    return frozenset(flag for part in order.parts - reached for flag in part.flags)


def leaving_each(program: Program, order: Chain[Value]) -> dict[Value, Fresh]:
    """What leaves each part: the most that all orders allow."""
    leaving, known = dict.fromkeys(order.parts, Fresh.FREE), None
    while leaving != known:
        known = leaving
        leaving = {one: leaves(program, one, entering(one, order, leaving)) for one in order.parts}
    return leaving


def entering(part: Value, order: Chain[Value], leaving: dict[Value, Fresh]) -> Fresh:
    """What a part is called with, given what leaves each."""
    return Fresh.NO if part in order.firsts else min(map(leaving.__getitem__, order.before(part)), default=Fresh.NO)


def _leaves_new(program: Program, part: Value, fresh: Fresh) -> Fresh:
    """What a part returns: something new that it makes, or what it is given."""
    part = as_layer(program.index, part)
    if is_given(program, part):
        computes = makes_new(program, part)
        program.gives |= {ASSUMED, COMPUTES} if computes else {ASSUMED}
        return Fresh.NEW if computes else min(fresh, Fresh.NEW)
    if part.kind is not Kind.MODULE:
        return Fresh.NO
    if part.name == "torch.nn.Sequential" and part.exact:
        for one in part.items:
            fresh = leaves(program, one, fresh)
        return fresh
    if part.order is not None:
        return left(program, part.order)
    if part.name in program.index.classes:
        return Fresh.NEW if returns_new(program, part) else min(fresh, _hands_on(program, part))
    row = catalogue.result(part.name)
    if part.name == IDENTITY:
        return fresh
    if row is None or row.kind is not catalogue.Kind.TENSOR:
        return Fresh.NO
    most = Fresh.FREE if part.name in QUIET else Fresh.NEW
    if part.view or row.memory is not catalogue.Memory.FRESH:
        return min(fresh, most)
    return most


def makes_new(program: Program, part: Value) -> bool:
    """True for what stands for a layer with channels of its own, if nothing that is passed on hands tensors on."""
    if not has_channels(part.name[1:]) or part.exact:
        return part.exact and has_channels(part.name[1:])
    if hands_idle_layers(program.tree):
        return False
    passed, index = near(program), program.index
    classes = all(
        returns_new(program, Value(Kind.MODULE, name=one)) for one in passed & {*filter(index.is_module, index.classes)}
    )
    return classes and not any(_may_hand_on(program, one) for one in passed & {*index.functions})


def _may_hand_on(program: Program, function: str) -> bool:
    """True for a function of this file that may make a module of which it is not known that it makes something new."""
    summary, made = program.summary(("", function)), class_made(program, function)
    returns = summary.returns.kind if summary is not None else Kind.UNKNOWN
    return returns in (Kind.MODULE, Kind.UNKNOWN) and not (made is not None and has_channels(made.name[1:]))


def is_whole(program: Program, part: Value) -> bool:
    """True for a module that returns something new, or the very tensor that it was given: no view of that."""
    part = as_layer(program.index, part)
    if part.name == ONE_OF:
        return all(is_whole(program, one) for one in options(part))
    if part.name in program.index.classes:
        return returns_new(program, part)
    row = catalogue.result(part.name)
    return row is not None and row.kind is catalogue.Kind.TENSOR and row.memory is catalogue.Memory.FRESH


def returns_new(program: Program, part: Value) -> bool:
    """True if a module of this file returns what its `forward` has made."""
    if program.index.method(part.name, "__call__") is not None or binds_forward(program, part.name):
        return False
    if program.index.heirs(part.name):
        return False
    if is_supposed(program, part.name):
        return True
    value = returned(program, part)
    return value is not None and is_made(value)


def _hands_on(program: Program, part: Value) -> Fresh:
    """What leaves a module of this file that is called with something new: that or a part of it, or what it made."""
    key = (forward_of(program, part.name), "forward")
    summary, found = program.summary(key), program.index.method(*key)
    if summary is None or found is None or summary.keeps or summary.writes or part.flags:
        return Fresh.NO
    names, value = parameter_names(found[1]), summary.returns
    own = all(m.origin is Origin.ALLOCATED or (m.origin is Origin.PARAMETER and m.label in names) for m in value.memory)
    called = program.index.method(part.name, "__call__") is not None or binds_forward(program, part.name)
    plain = value.tensor and bool(value.memory) and not value.maybe and own
    return Fresh.NEW if plain and not called and not program.index.heirs(part.name) else Fresh.NO


def returned(program: Program, part: Value) -> Value | None:
    """What the `forward` of a class of this file returns."""
    summary = program.summary((forward_of(program, part.name), "forward"))
    return summary.returns if summary is not None else None


def binds_forward(program: Program, name: str) -> bool:
    """True for a class, or one that it derives from, that binds `forward` by another statement than `def`."""
    return any(not assigned(info.node).isdisjoint(("forward", "__call__")) for info in program.index.lineage(name))


def forward_of(program: Program, name: str) -> str:
    """The class that a class has its `forward` from."""
    found = program.index.method(name, "forward")
    return found[0].name if found is not None else name


def lost(program: Program, values: Iterable[Value], where: str) -> None:
    """Note that in-place modules go where their calls are not followed."""
    for value in values:
        for flag in value.flags:
            program.note_use(flag, where)
        lost(program, value.items, where)


def misplaced(program: Program, values: Iterable[Value]) -> None:
    """Note that modules stand in a `Sequential`, nobody knows behind what.

    Of a `Sequential` among them that concerns only the part that may come first: what it is called with is unknown.
    """
    for value in values:
        listed = value.kind in (Kind.LIST, Kind.DICT) and bool(value.items)
        whole = value.kind is Kind.MODULE and (
            value.name == "torch.nn.Sequential" or value.name in program.index.classes
        )
        flags = frozenset[int]() if listed else program.outer(value.flags) if whole else value.flags
        for flag in flags:
            program.note_use(flag, UNKNOWN_PLACE)
        misplaced(program, value.items if listed else ())


UNKNOWN_BEFORE = "nothing is known of the part before it in a `Sequential`"
UNKNOWN_PLACE = "which part of a `Sequential` it is, is not known"


def is_followed(node: ast.expr, parent: ast.AST | None) -> bool:
    """True for a use of a module by name that is followed: a call, another name or attribute, a place in a container.

    What functions do with the modules that they are given is followed where they are called.
    """
    match parent:
        case ast.Call() | ast.keyword() | ast.Starred() | ast.List() | ast.Tuple() | ast.Return() | ast.Attribute():
            return True
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            return True
        case ast.NamedExpr() | ast.IfExp() | ast.For() | ast.comprehension() | ast.Compare() | ast.If() | ast.Expr():
            return True
        case ast.Subscript(value=value):
            return value is node
        case ast.BoolOp() | ast.UnaryOp():
            return True
        case ast.Dict(values=values):
            return any(one is node for one in values)
        case ast.BinOp(op=ast.Add() | ast.Mult()):
            return True
    return False


def is_passed_on(parent: ast.AST | None) -> bool:
    """True where the module of an attribute goes somewhere with its flags: to a place, a name, a function's parameter.

    What Python itself does with it is none of that: `repr(self.act)` says if it is in place.
    """
    if isinstance(parent, ast.Call):
        return not (isinstance(parent.func, ast.Name) and hasattr(builtins, parent.func.id))
    return isinstance(parent, ast.keyword | ast.List | ast.Tuple | ast.Assign | ast.Return | ast.IfExp)


def method_of(node: ast.expr, above: Mapping[int, ast.AST]) -> ast.AST | None:
    """`self.model.forward`, which calls the model."""
    parent = above.get(id(node))
    return parent if isinstance(parent, ast.Attribute) and parent.attr == "forward" else None


def is_asked(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for a module that is only asked something: `if self.act is not None:`, `self.body[1].weight.grad`."""
    parent = above.get(id(node))
    match parent:
        case ast.Compare(ops=ops, comparators=others):
            return all(isinstance(op, (ast.Is, ast.IsNot)) for op in ops) and all(
                isinstance(one, ast.Constant) for one in others
            )
        case ast.If(test=test) | ast.IfExp(test=test):
            return test is node
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Call(func=ast.Name(id="isinstance")):
            return True
        case ast.Attribute(attr="modules" | "children" | "named_modules" | "named_children"):
            return True  # what is done with those, `goes_through` tells
        case ast.Attribute(attr=attr) if attr == "add_module" or attr in _SET_UP or attr in _NO_PARTS:
            called = above.get(id(parent))
            alone = attr not in _SET_UP or isinstance(above.get(id(called)), ast.Expr)
            return isinstance(called, ast.Call) and called.func is parent and alone
        case ast.Subscript(value=value, slice=index) if value is node and not isinstance(index, ast.Slice):
            of_part = above.get(id(parent))
            followed = isinstance(of_part, ast.Call) and of_part.func is parent
            return followed or (isinstance(of_part, ast.Attribute) and of_part.attr in _OF_PARTS)
        case ast.For(iter=source):
            return source is node
        case ast.Call(func=ast.Name(id="len")):
            return True
        case ast.Call(func=ast.Name(id="enumerate" | "zip"), args=args) if any(each is node for each in args):
            loop = above.get(id(parent))
            return isinstance(loop, ast.For) and loop.iter is parent
    return False


_SET_UP = frozenset("apply eval train to cuda cpu half float double bfloat16 requires_grad_ share_memory".split())
"""Methods that give the module back, alone in their statement; who visits its parts, `goes_through` tells."""
_NO_PARTS = frozenset("parameters named_parameters buffers named_buffers state_dict load_state_dict zero_grad".split())
"""Methods that give no module; `add_module` is followed as what makes it longer."""
_OF_PARTS = ("weight", "bias", "in_features", "out_features", "in_channels", "out_channels", "kernel_size", "stride")
"""What parts of a Sequential have that are no modules: to look at them calls nothing."""


def part_or_number(base: Value, attribute: str) -> Value:
    """What an attribute of a module may be of which nothing is known: a part of it; layers of torch have numbers."""
    plain = attribute in _OF_PARTS and all(one.name.startswith("torch.nn.") for one in options(base))
    return NUMBER if plain else replace(UNKNOWN, flags=base.flags)


def are_layers(program: Program, attribute: str) -> bool:
    """True if all that the file binds to an attribute, of whatever object, are layers of torch that compute."""
    index, tree = program.index, program.tree
    index.ledger.unrepeatable()
    classes = [info.attribute(attribute) for info in index.classes.values()]
    methods = any(attribute in info.methods for info in index.classes.values())
    stores = [one for one in every(tree, ast.Attribute) if one.attr == attribute and not isinstance(one.ctx, ast.Load)]
    made = all(_is_layer_made(program.above.get(id(one))) for one in stores)
    spelled = any(one.value == attribute for one in every(tree, ast.Constant))
    return made and not (methods or spelled) and all(_makes_one(one) for one in classes if one is not None)


def _is_layer_made(node: ast.AST | None) -> bool:
    """True for `self.conv1 = nn.Conv2d(...)`."""
    match node:
        case ast.Assign(targets=[_], value=ast.Call(func=func)):
            return _LAYERS.fullmatch(dotted(func).rpartition(".")[2]) is not None
    return False


_LAYERS = re.compile(r"Conv(Transpose)?[123]d|Linear|(Batch|Instance)Norm[123]d|GroupNorm|LayerNorm")


def _makes_one(value: Value) -> bool:
    row = catalogue.result(value.name.lstrip("!")) if value.kind in (Kind.MODULE, Kind.UNKNOWN) else None
    new = row is not None and row.memory is catalogue.Memory.FRESH and row.kind is catalogue.Kind.TENSOR
    return new and not value.flags


def flags_by_name(index: Index, attribute: str) -> frozenset[int]:
    """Flags of the in-place modules that any class binds an attribute to: `model.relu` for whatever model."""
    if index.ledger.owns(("attribute", attribute)):
        index.ledger.unrepeatable()
    return index.ledger.ask(index.flags_of, attribute)
