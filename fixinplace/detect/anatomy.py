"""What the syntax of one function body says; the same in every round, so it is worked out once."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fixinplace import walking
from fixinplace.detect.evaluated import is_pythons, names_something
from fixinplace.detect.guards import local_guards
from fixinplace.detect.index import dotted
from fixinplace.detect.liveness import APART, DECLARING, EMPTY, Liveness, Names, captured, declared
from fixinplace.detect.scopes import BINDERS, DEFINING, bindings, definitions, redefined
from fixinplace.walking import every, remembered, walk

_LOOKS = frozenset(
    "_version data_ptr _base grad_fn untyped_storage typed_storage storage storage_offset storage_type is_leaf _is_view"
    " is_set_to is_conj is_neg".split()
)
_HOOKS = ("register_hook", "retain_grad", "register_post_accumulate_grad_hook", "register_multi_grad_hook")
_CALLS = ("id", "locals", "globals", "vars")
SUSPENDING = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)
"""Where a generator or coroutine stops, and others run."""
_LOOKING = frozenset((ast.Attribute, ast.Constant, ast.Call))


@dataclass(frozen=True)
class Anatomy:
    """Facts of a body that need no values.

    above: parent of every node of the file, by identity. doubts: it looks at identities or history of tensors.
    suspended: a generator or coroutine, which runs later than its call, perhaps under another grad mode.
    captured, declared, stored: names that nested functions read, that are global or nonlocal, that are bound.
    guards: names that stand for "in training" or "in evaluation", see `guards.local_guards`.
    redefined: names of nested functions and classes that something else is, or may be, bound to as well.
    """

    liveness: Liveness
    above: Mapping[int, ast.AST]
    captured: Names
    declared: Names
    stored: Names
    redefined: Names
    doubts: tuple[str, ...]
    suspended: bool
    guards: Mapping[str, int]


def anatomy(body: Sequence[ast.stmt], at_exit: Names, above: Mapping[int, ast.AST]) -> Anatomy:
    """Facts of a body; `at_exit` are names that others may read once it has run, `above` covers the whole file."""
    nodes = [node for statement in body for node in walk(statement)]
    kinds = set(map(type, nodes))
    return Anatomy(
        Liveness(body, at_exit),
        above,
        EMPTY if kinds.isdisjoint(APART) else captured(body),
        EMPTY if kinds.isdisjoint(DECLARING) else declared(body),
        frozenset([n.id for n in nodes if type(n) is ast.Name and type(n.ctx) is ast.Store])
        | frozenset(EMPTY if kinds.isdisjoint(BINDERS) else _other_bindings(body)),
        EMPTY if kinds.isdisjoint(DEFINING) else redefined(list(body)),
        inspections(nodes),
        not kinds.isdisjoint(SUSPENDING),
        local_guards(nodes),
    )


def _other_bindings(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Names that a scope binds by imports, handlers and patterns."""
    defined = set(definitions(body))
    return (name for name in bindings(body) if name not in defined)


def inspections(nodes: Sequence[ast.AST]) -> tuple[str, ...]:
    """Doubts for every site of a function that looks at its own names, or at which tensor is which."""
    found: dict[str, None] = {}
    followed = [one for one in nodes if type(one) is ast.Attribute and one.attr in _HOOKS]
    plain = _computed_names(nodes) if followed else frozenset()
    for node in (one for one in nodes if type(one) in _INSPECTING):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if attr in _HOOKS and name in plain:
                pass  # see Note [Hooks]
            case ast.Attribute(attr=attr) if attr in _HOOKS:
                found[f"the function uses `.{attr}`, which can tell the tensor from its replacement"] = None
            case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
                found[f"the function calls `{name}`"] = None
            case ast.Compare(ops=ops, comparators=sides) if any(isinstance(o, (ast.Is, ast.IsNot)) for o in ops):
                if not (all(isinstance(side, ast.Constant) for side in sides) or _is_class(node.left)):
                    found["the function compares identities with `is`"] = None
    return tuple(found)


def _computed_names(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """Names that nothing but plain assignments bind: what they stand for is followed."""
    assigned = {id(target) for one in nodes if type(one) is ast.Assign for target in one.targets}
    stored = [one for one in nodes if type(one) is ast.Name and type(one.ctx) is not ast.Load]
    others = {one.id for one in stored if id(one) not in assigned}
    return frozenset(one.id for one in stored) - others


_INSPECTING = frozenset((ast.Attribute, ast.Call, ast.Compare))


def looks(nodes: Iterable[ast.AST], above: Mapping[int, ast.AST], tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Doubts for what looks at a tensor's identity, version or history: any call may.

    That it has a history at all, `x.grad_fn is None`, is true of its replacement as well.
    """
    for node in (one for one in nodes if type(one) in _LOOKING):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr="_version"):
                pass  # of a module: the version of its saved state
            case ast.Attribute(attr="grad_fn") if _is_asked_for_none(above.get(id(node))):
                pass
            case ast.Attribute(attr=text) | ast.Constant(value=str(text)):
                found = _LOOKS.intersection(text.split(".")) if "." in text else {text} & _LOOKS
                yield from (
                    (f"the file uses `.{name}`, which can tell the tensor from its replacement", node) for name in found
                )
            case ast.Call(func=ast.Name(id=name) as func) if is_pythons(func, tree) and not names_something(node, tree):
                yield f"the file calls `{name}`", node


def _is_asked_for_none(node: ast.AST | None) -> bool:
    match node:
        case ast.Compare(ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return True
    return False


def removed(node: ast.AST | None) -> str | None:
    """The attribute that `delattr(self, "conv")` and `self.__delattr__("conv")` remove; None for other calls."""
    match node:
        case ast.Call(func=ast.Name(id="delattr"), args=[ast.Name(id="self"), ast.Constant(value=str(name))]):
            return name
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="self"), attr="__delattr__"), args=[ast.Constant(value=str(name))]
        ):
            return name
    return None


def is_setattr(call: ast.AST | None, func: ast.Attribute) -> bool:
    """True for `self.__setattr__(name, value)`, which is followed as `setattr(self, name, value)`.

    `super().__setattr__(name, value)` stands in a method that is called where no name is written.
    """
    given = isinstance(call, ast.Call) and call.func is func and len(call.args) == 2 and not call.keywords
    starred = isinstance(call, ast.Call) and any(isinstance(one, ast.Starred) for one in call.args)
    return given and not starred and func.attr == "__setattr__" and isinstance(func.value, ast.Name)


def as_store(call: ast.Call) -> ast.Attribute | None:
    """`m.width`, as it is stored into by `setattr(m, "width", value)`; None where the name is not written down."""
    match call.args:
        case [owner, ast.Constant(value=str(name)), _] if name.isidentifier() and name != "inplace":
            return ast.copy_location(ast.Attribute(owner, name, ast.Store()), call)
    return None


_READING = ("items", "keys", "values", "get", "copy", "__len__", "__contains__", "__iter__")


def is_tested(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for `if m.last and ...:`, which tells no more than whether a value is true."""
    child: ast.AST = node
    parent = above.get(id(node))
    while isinstance(parent, ast.BoolOp | ast.UnaryOp):
        child, parent = parent, above.get(id(parent))
    return isinstance(parent, ast.If | ast.While | ast.IfExp | ast.Assert) and parent.test is child


def is_only_read(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for a table that is only gone through, looked up in or measured."""
    parent = above.get(id(node))
    match parent:
        case ast.Attribute(attr=attr):
            return attr in _READING
        case ast.Subscript(ctx=ast.Load(), value=value):
            return value is node
        case ast.Compare() | ast.comprehension() | ast.BoolOp() | ast.UnaryOp():
            return is_tested(node, above) or not isinstance(parent, ast.BoolOp | ast.UnaryOp)
        case ast.If() | ast.While():
            return True
        case ast.For(iter=source):
            return source is node
        case ast.Call(func=ast.Name(id=name)):
            return name in ("len", "list", "sorted", "str", "print", "iter", "enumerate", "dict", "deepcopy")
        case ast.Call(func=ast.Attribute(value=ast.Name(id="copy"), attr="deepcopy")):
            return True
        case ast.keyword(arg=None):
            return True
    return False


def _is_class(node: ast.expr) -> bool:
    """True for `type(x)` and `x.__class__`, which tells no tensor from its replacement."""
    return (isinstance(node, ast.Call) and dotted(node.func) == "type") or dotted(node).endswith(".__class__")


def is_of_config(node: ast.Attribute, above: Mapping[int, ast.AST]) -> bool:
    """True for `self.__dict__[key] = value` in a class of settings, which derives from none: numbers and texts."""
    cls: ast.AST | None = above.get(id(node))
    while cls is not None and not isinstance(cls, ast.ClassDef):
        cls = above.get(id(cls))
    plain = isinstance(cls, ast.ClassDef) and {dotted(base) for base in cls.bases} <= {"object"}
    named = isinstance(cls, ast.ClassDef) and cls.name.lower().endswith(_SETTINGS)
    parent = above.get(id(node))
    put = isinstance(parent, ast.Subscript) and isinstance(parent.ctx, ast.Store)
    put = put or (isinstance(parent, ast.Attribute) and parent.attr == "update")
    return isinstance(cls, ast.ClassDef) and plain and named and put and _holds_values(cls)


def _holds_values(cls: ast.ClassDef) -> bool:
    """True if a class sets itself numbers, texts and what it is given alone: an entry of its table may replace any."""
    inner = {id(one) for each in walking.functions(cls) for one in every(each, ast.Assign)}
    bound = [one.value for one in every(cls, ast.Assign)
             if id(one) not in inner or not all(isinstance(target, ast.Name) for target in one.targets)]  # fmt: skip
    arguments = [each.args for each in walking.functions(cls)]
    defaults = [one for each in arguments for one in (*each.defaults, *each.kw_defaults) if one is not None]
    plain = (ast.Constant, ast.Name, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.BinOp)
    values = all(isinstance(one, ast.Constant | ast.Tuple | ast.List | ast.UnaryOp) for one in defaults)
    return values and all(isinstance(one, plain) for one in bound)


_SETTINGS = ("config", "configs", "hparams", "params", "args", "options", "opts", "settings", "namespace")


def sets_settings(call: ast.Call, above: Mapping[int, ast.AST]) -> bool:
    """True for `for key, value in config.items(): setattr(self, key, value)`, with what the field calls settings."""
    loop: ast.AST | None = above.get(id(call))
    while loop is not None and not isinstance(loop, ast.For | ast.FunctionDef):
        loop = above.get(id(loop))
    match call.args, loop:
        case (
            [ast.Name(id="self"), ast.Name(id=key), ast.Name(id=value)],
            ast.For(
                target=ast.Tuple(elts=[ast.Name(id=first), ast.Name(id=second)]),
                iter=ast.Call(func=ast.Attribute(value=table, attr="items")),
            ),
        ):
            if isinstance(table, ast.Call) and dotted(table.func) == "vars" and table.args:
                table = table.args[0]
            name = dotted(table).removesuffix(".__dict__").rpartition(".")[2].lower()
            return (key, value) == (first, second) and name.endswith((*_SETTINGS, "kwargs", "cfg", "conf", "opt"))
    return False


GIVEN_SETTINGS = "what a class sets by the names of settings is none of its parts or methods"


def is_of_entries(node: ast.Attribute, above: Mapping[int, ast.AST]) -> bool:
    """True for `self.__dict__ = self` in a class of dicts, whose attributes are its entries, and for what fills it."""
    cls: ast.AST | None = above.get(id(node))
    while cls is not None and not isinstance(cls, ast.ClassDef):
        cls = above.get(id(cls))
    if not isinstance(cls, ast.ClassDef) or [dotted(base) for base in cls.bases] != ["dict"]:
        return False
    return any(map(_is_itself, every(cls, ast.Assign)))


def _is_itself(statement: ast.Assign) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=own), attr="__dict__")], value=ast.Name(id=whole)):
            return own == whole
    return False


def puts_entries(node: ast.AST, above: Mapping[int, ast.AST]) -> bool:
    """True for `__setattr__ = dict.__setitem__` in a class of dicts, whose attributes are its entries."""
    statement = above.get(id(node))
    cls = above.get(id(statement))
    match statement:
        case ast.Assign(value=ast.Attribute(value=ast.Name(id="dict"), attr="__setitem__" | "__delitem__")):
            return isinstance(cls, ast.ClassDef) and [dotted(base) for base in cls.bases] == ["dict"]
    return False


@remembered
def has_entries(tree: ast.Module) -> bool:
    """True if some class of the file has the entries of a dict for attributes: who reads one may read the other."""
    found = (one for one in every(tree, ast.Attribute) if one.attr == "__dict__")
    stored = (one for one in every(tree, ast.Name) if one.id == "__setattr__")
    above = walking.above(tree)
    return any(is_of_entries(one, above) for one in found) or any(puts_entries(one, above) for one in stored)
