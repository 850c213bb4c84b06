"""Modules that a constructor is given a class for: `norm_layer=nn.BatchNorm2d`, `self.bn1 = norm_layer(planes)`.

Note [Given modules]
    Which class it is only a caller says, but the one that stands there tells what kind: a module that computes a new
    tensor from its argument, or hands it on as `nn.Identity` does.  Where a convolution or a linear layer stands there,
    which turn so many channels into so many others, that it makes a new tensor is assumed and said.  That it keeps
    neither what it is called with nor what it returns is assumed and said, unless the file itself hands around a class
    that does keep something.  A value that may be such a class, or a function of the file that makes one, has the name
    `?torch.nn.BatchNorm2d`, an instance `!torch.nn.BatchNorm2d`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from fixinplace import catalogue
from fixinplace.detect import passing
from fixinplace.detect.index import ClassInfo, dotted, keyword, parameter_names
from fixinplace.detect.kinds import Kind, Origin
from fixinplace.detect.liveness import Function
from fixinplace.detect.values import UNKNOWN, Value, may_be_class
from fixinplace.walking import every, functions, remembered, walk

if TYPE_CHECKING:
    from fixinplace.detect.program import Program

SWITCHED = "classes that are passed in compute the same with `inplace=False`"
COMPUTES = "what is passed in for a convolution makes a new tensor"
ASSUMED = "modules of classes that are passed in keep nothing of what they are called with or return"


def default_class(program: Program, node: ast.expr | None) -> Value | None:
    """The value of a parameter whose default is a class of `torch.nn`; None for any other default."""
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return None
    head, _, rest = dotted(node).partition(".")
    if head in program.index.functions and not rest:
        return class_made(program, head)
    known = program.global_value(head)
    if known is None or known.kind is not Kind.PATH:
        return None
    return may_be_class(f"{known.name}.{rest}" if rest else known.name)


def named_class(function: Function, name: str) -> Value | None:
    """The value of a parameter that a constructor calls and that has the name of a norm, or of a convolution.

    `BatchNorm(planes)`, `conv(n_feats, n_feats, kernel_size)`: which is given channels twice.  A `drop_path` is a
    module of its kind, or a class of such, whatever is done with it.
    """
    builds = function.name == "__init__" or any(word in function.name for word in ("make", "build"))
    calls = [one for one in every(function, ast.Call) if isinstance(one.func, ast.Name) and one.func.id == name]
    if builds and _DROPS.fullmatch(name):
        path = "torch.nn.Dropout"
        return may_be_class(path) if calls else Value(Kind.UNKNOWN, 0, name=f"!{path}")
    if not builds or not calls:
        return None
    if "norm" in name.lower():
        return may_be_class("torch.nn.BatchNorm2d")
    turns = _CONV.fullmatch(name) is not None and all(len(one.args) + len(one.keywords) > 1 for one in calls)
    return may_be_class("torch.nn.Conv2d") if turns else None


_DROPS = re.compile(r"_*(drop_?(path|block)|stochastic_depth)(_layer)?")
_CONV = re.compile(r"_*conv(olution)?(\dd)?(_?(layer|block|fn|func|op|cls|class|type))?", re.IGNORECASE)


def class_made(program: Program, name: str) -> Value | None:
    """The class of torch's that a function of this file instantiates: `def conv3(i): return nn.Conv2d(i, i, 3)`."""
    summary = program.summary(("", name)) if name not in program.index.rebound else None
    plain = summary is not None and summary.returns.kind is Kind.MODULE and not summary.returns.flags
    return may_be_class(summary.returns.name) if plain and summary is not None else None


def made(function: Value, call: ast.Call) -> Value | None:
    """What calling a class that is passed in gives; None for what is no such class, or may write in place."""
    if function.kind is not Kind.UNKNOWN or not function.name.startswith("?"):
        return None
    bundled = any(k.arg is None for k in call.keywords) and bool(may_switch_on(function))
    switched = keyword(call, "inplace") is not None or bundled
    return UNKNOWN if switched else Value(Kind.UNKNOWN, 0, name="!" + function.name[1:])


def may_switch_on(function: Value) -> str:
    """The name of the class that a value may be, if instances of that write in place where they are told to."""
    path = function.name[1:] if function.kind is Kind.UNKNOWN and function.name.startswith("?") else ""
    row = catalogue.writer(f"{path}(inplace=)") if path else None
    return path if row is not None and row.rule == "FIP107" else ""


def has_channels(name: str) -> bool:
    """True for a class of layers that turn so many channels into so many others."""
    return name in _COMPUTE


_COMPUTE = ("torch.nn.Linear", *(f"torch.nn.{name}{n}d" for name in ("Conv", "ConvTranspose") for n in (1, 2, 3)))


def switches_otherwise(program: Program, call: ast.Call) -> str:
    """The name of a class or function of this file that may be called there and takes `inplace` itself; "" for none."""
    passed = program.words.passed_on
    for name in sorted(passed & {*program.index.functions}):
        if _takes_inplace(program.index.functions[name]) and _suits(program.index.functions[name], call):
            return name
    for name in sorted(passed & {*program.index.classes}):
        if _class_takes_inplace(program, name, call):
            return name
    return ""


def _takes_inplace(function: Function) -> bool:
    decorated = bool(function.decorator_list)
    return decorated or function.args.kwarg is not None or "inplace" in parameter_names(function)


def _suits(function: Function, call: ast.Call, bound: int = 0) -> bool:
    """False for `def hard_sigmoid(x, inplace=False)`, which `act_layer(inplace=True)` gives too little.

    bound: the first parameters that a class or an instance takes.
    """
    open_ = call.args or any(one.arg is None for one in call.keywords) or function.decorator_list
    needed = [*function.args.posonlyargs, *function.args.args]
    needed = needed[bound : len(needed) - len(function.args.defaults)]
    return bool(open_) or {one.arg for one in needed} <= {one.arg for one in call.keywords}


def _may_be_called(program: Program, name: str, call: ast.Call) -> bool:
    """False for a function or class of the file that a call gives too little."""
    if name in program.index.functions:
        return _suits(program.index.functions[name], call)
    found = _constructor(program, name)
    return found is None or _suits(found[1], call, 1)


def _constructor(program: Program, name: str) -> tuple[ClassInfo, Function] | None:
    """What says which arguments a class is made with, and the class that has it; None if that is not all there is."""
    index = program.index
    open_ = bool(index.classes[name].node.decorator_list) or index.method(name, "__new__") is not None
    return None if open_ else index.method(name, "__init__")


def _class_takes_inplace(program: Program, name: str, call: ast.Call) -> bool:
    """True unless `inplace=True` would be an error: the class has a constructor of its own, which does not take it."""
    index, found = program.index, _constructor(program, name)
    if found is None:
        return True
    if not _suits(found[1], call, 1):
        return False
    own = found[0].name == name and not (found[1].decorator_list or found[1].args.kwarg)
    return _takes_inplace(found[1]) and not (own and _only_switches(program, index.classes[name].node))


def _only_switches(program: Program, cls: ast.ClassDef) -> bool:
    """True for a class that only hands `inplace` on to torch: `F.relu6(x + 3, inplace=self.inplace)`."""
    above = program.above
    given = [one for one in every(cls, ast.Name) if one.id == "inplace"]
    kept = [one for one in every(cls, ast.Attribute) if one.attr == "inplace"]
    stored = [one for one in kept if not isinstance(one.ctx, ast.Load)]
    plain = all(isinstance(above.get(id(one)), ast.Assign) and dotted(one) == "self.inplace" for one in stored)
    read: list[ast.expr] = [*given, *(one for one in kept if isinstance(one.ctx, ast.Load))]
    return plain and all(_is_switch(one, above) for one in read)


def _is_switch(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for `inplace` in `self.inplace = inplace`, and for what a call takes as `inplace=`."""
    match above.get(id(node)):
        case ast.Assign(targets=[ast.Attribute(attr="inplace")]) | ast.keyword(arg="inplace"):
            return True
    return False


def is_given(program: Program, function: Value, call: ast.Call | None = None) -> bool:
    """True for an instance of a class that is passed in, of which nothing says that it keeps something.

    call: what makes the instance, with which not every class of the file can be called.
    """
    if not is_layer(function):
        return False
    row = catalogue.result(function.name[1:])
    fresh = row is not None and row.kind is catalogue.Kind.TENSOR and row.memory is not catalogue.Memory.VIEW
    if function.exact and fresh:  # it is what another file makes, see Note [Out of sight]
        classes, handed = program.index.classes, passing.names(program.tree)
        marked = any(one.decorator_list for one in functions(program.tree) if one in program.tree.body)
        open_to = (name for name, info in classes.items() if marked or name in handed or _may_register(program, info))
        return not any(_puts_by(program, name) for name in open_to if program.is_near(classes[name].node))
    around = (name for name in near(program) if call is None or _may_be_called(program, name, call))
    fitting = (name for name in around if _fits(program, name, function.name))
    return fresh and not any(_keeps(program, name) for name in fitting) and not passing.hands_methods(program)


def _may_register(program: Program, info: ClassInfo) -> bool:
    """True for a class that a decorator, or a base of another file, may put where others find it."""
    bases = {base for base in program.index.bases(info.name) if base not in program.index.classes}
    return bool(info.node.decorator_list) or any(not base.endswith(("Module", "object", "ABC")) for base in bases)


def _fits(program: Program, name: str, path: str) -> bool:
    """False for a class of the file that no norm which is passed in can be: it is to be made with more arguments.

    A whole block, or network, is no way to drop paths either.
    """
    found = program.index.method(name, "__init__") if name in program.index.classes else None
    if path.endswith(".Dropout") and name in program.index.classes:
        return _BLOCK.fullmatch(name) is None
    if found is None or not path.rpartition(".")[2].endswith(_NORMS) or found[1].decorator_list:
        return True
    if _BLOCK.fullmatch(name) is None or name in _bound_to_arguments(program.tree):
        return True
    given = found[1].args
    needed = len(given.posonlyargs) + len(given.args) - 1 - len(given.defaults)
    return needed <= _given_to_norms(program.tree)


_BLOCK = re.compile(r"_*(Bottle2?neck|\w*Block|\w*Res\w*Net|\w*Net(V\d)?$)\w*")


@remembered
def _bound_to_arguments(tree: ast.Module) -> frozenset[str]:
    """Names that stand in a `partial`, which may give what is missing."""
    partials = (one for one in every(tree, ast.Call) if _last(one.func) == "partial")
    return frozenset(one.id for call in partials for one in every(call, ast.Name))


_NORMS = ("Norm", "Norm1d", "Norm2d", "Norm3d")


@remembered
def _given_to_norms(tree: ast.Module) -> int:
    """The most arguments that a call of something with the name of a norm has."""
    calls = [one for one in every(tree, ast.Call) if _NAMES_NORM.search(_last(one.func))]
    given = [one for call in calls for one in (*call.args, *call.keywords)]
    if any(isinstance(one, ast.Starred) or (isinstance(one, ast.keyword) and one.arg is None) for one in given):
        return _MANY
    return max((len(one.args) + len(one.keywords) for one in calls), default=_MANY)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


_MANY = 100
_NAMES_NORM = re.compile(r"norm(?!al)", re.IGNORECASE)


def is_layer(value: Value) -> bool:
    """True for an instance of a class that is passed in, or that another file makes; see Note [Out of sight]."""
    return value.kind is Kind.UNKNOWN and value.name.startswith("!")


def hands_nothing(program: Program, call: ast.Call) -> bool:
    """True if a call passes nothing that runs code of this file, and nothing in the file replaces what it calls."""
    own = runs_code(program.tree)
    nodes = [node for each in (*call.args, *(k.value for k in call.keywords)) for node in walk(each)]
    made = all(dotted(node.func) in _PLAIN for node in nodes if isinstance(node, ast.Call))
    return (
        made
        and not any(_runs(node, own) for node in nodes)
        and dotted(call.func).rpartition(".")[2] not in _set(program.tree)
    )


_PLAIN = ("dict", "int", "len", "tuple", "list", "max", "min", "range", "float", "str", "bool", "round", "abs")


@remembered
def _set(tree: ast.Module) -> frozenset[str]:
    """Attributes that the file sets, of whatever."""
    return frozenset(one.attr for one in every(tree, ast.Attribute) if not isinstance(one.ctx, ast.Load))


@remembered
def runs_code(tree: ast.Module) -> frozenset[str]:
    """Names of functions and classes of a file, and of what is bound to something that has one, or a lambda, in it."""
    found = {one.name for one in (*functions(tree), *every(tree, ast.ClassDef))}
    stores, known = [*_stores(tree)], set[str]()
    while known != found:
        known = set(found)
        for names, value in stores:
            found |= names if any(_runs(node, known) for node in walk(value)) else set()
    return frozenset(found)


def _runs(node: ast.AST, names: Collection[str]) -> bool:
    name = getattr(node, "id", "") or getattr(node, "attr", "")
    return isinstance(node, ast.Lambda) or (name in names and _MEASURES.fullmatch(name) is None)


_MEASURES = re.compile(
    r"\w*(planes|channels?|chans?|stride|dilation|padding|pad|kernel\w*|size|dims?|groups|width|height|rate|prob|scale"
    r"|ratio|depth|cfg|config|eps|momentum|bias)s?|num_\w+|n_\w+|in_\w+|out_\w+"
)
"""How numbers and tables of settings are called that layers are made with."""


def _stores(tree: ast.Module) -> Iterator[tuple[set[str], ast.expr]]:
    """What is bound to names and attributes, and to which."""
    for one in every(tree, ast.Assign):
        yield _bound(one.targets), one.value
    for loop in every(tree, ast.For):
        yield _bound([loop.target]), loop.iter
    for walrus in every(tree, ast.NamedExpr):
        yield _bound([walrus.target]), walrus.value
    for hinted in every(tree, ast.AnnAssign):
        yield from [(_bound([hinted.target]), hinted.value)] if hinted.value is not None else []


def _bound(targets: Sequence[ast.expr]) -> set[str]:
    nodes = [one for each in targets for one in walk(each) if not isinstance(getattr(one, "ctx", None), ast.Load)]
    return {getattr(one, "id", "") or getattr(one, "attr", "") for one in nodes} - {""}


def _puts_by(program: Program, name: str) -> bool:
    """True if the `forward` of a class keeps something, or returns what it keeps."""
    found = program.index.method(name, "forward") if name in program.index.classes else None
    return found is not None and (_keeps_tensors(program, name) or any(map(_puts_away, walk(found[1]))))


def near(program: Program) -> frozenset[str]:
    """Classes and functions of this file that it hands around itself, where that has to do with what is looked at."""
    index, named = program.index, passing.names(program.tree)
    nodes = {**index.functions, **{name: info.node for name, info in index.classes.items()}}
    return frozenset(name for name in named & nodes.keys() if program.is_near(nodes[name]))


def _keeps(program: Program, name: str) -> bool:
    """True if a class of this file puts something away when it is called, or returns what it holds."""
    if name in program.index.functions and class_made(program, name) is not None:
        return False
    if name in program.index.functions:
        modules = (each for each in program.index.classes if program.index.is_module(each))
        return any(_keeps(program, each) for each in modules if program.is_near(program.index.classes[each].node))
    if any(_keeps_tensors(program, info.name) for info in (program.index.classes[name], *program.index.heirs(name))):
        return True
    for info in (*program.index.lineage(name), *program.index.heirs(name)):
        for method, function in info.methods.items():
            summary = program.summary((info.name, method))
            if method == "__init__" or summary is None:
                continue
            held = any(memory.origin in (Origin.ATTRIBUTE, Origin.GLOBAL) for memory in summary.returns.memory)
            if held or any(map(_puts_away, walk(function))):
                return True
    return False


def _keeps_tensors(program: Program, name: str) -> bool:
    """True if the `forward` of a class holds on to what it returns, as far as its own statements tell."""
    found = program.index.method(name, "forward")
    summary = program.summary((found[0].name, "forward")) if found is not None else None
    if summary is None or found is None:
        return False
    own = f"`{found[0].name}.forward`"
    return any(one.label == own or (one.origin is Origin.PARAMETER and one.label in summary.keeps)
               for one in summary.returns.memory)  # fmt: skip


def _puts_away(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(ctx=ast.Store()) | ast.Global() | ast.Nonlocal() | ast.Yield() | ast.YieldFrom():
            return True
        case ast.Subscript(value=ast.Attribute(), ctx=ast.Store()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Attribute(), attr=attr)):
            return attr in _PUTS
        case ast.Call(func=ast.Name(id="setattr")):
            return True
    return False


_PUTS = ("append", "add", "insert", "extend", "update", "setdefault", "appendleft", "put", "__setitem__")
