"""What the source tells about a class or function: how its parameters are used, and how the file itself calls it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from fixinplace.inputs.calls import called, constant, texts
from fixinplace.inputs.flowing import bounds, passed_on
from fixinplace.inputs.rebuilding import rebuilders
from fixinplace.inputs.values import Argument, Literal, Series, Value

_LAYERS = {"Conv1d": 3, "Conv2d": 4, "Conv3d": 5, "ConvTranspose1d": 3, "ConvTranspose2d": 4, "ConvTranspose3d": 5,
           "BatchNorm2d": 4, "BatchNorm3d": 5, "MaxPool2d": 4, "AvgPool2d": 4, "AdaptiveAvgPool2d": 4}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a constructor or a call.

    annotation: its text. needed: it has no default. default: if that is a value which can be written.
    positional: it stands for any number of arguments.
    """

    name: str
    annotation: str = ""
    needed: bool = True
    default: Value | None = None
    positional: bool = False


@dataclass(frozen=True)
class Knowledge:
    """Everything static about a unit.

    dims: parameter of the call → number of dimensions that its use tells. strings: name → values that the code
    compares it with. classes: classes of the file. calls: arguments with which the file builds the unit.
    guards: names in the conditions around what is to be reached, the nearest first. namesakes: name → what the file
    passes by that name. annotations: name → the annotation of the first parameter of that name. shapes: name → the
    letters and numbers of the shape that a docstring gives it. unpacked: name → how many variables it is assigned to.
    indexed: name → how many members are asked for by number. attributes: class → names that its objects have.
    nullable: names that are compared with None. keyed: name → strings that it is subscripted with.
    members: names of which nothing but single members are taken. numbers: name → whole numbers that it, or a member of
    it, is compared with. passed: name → what it is called where the file passes it on. absent: names that the file
    compares with None anywhere. bounds: name → how it is compared with which numbers, in order. rebuilders: functions
    of the file that put other parts into a network.
    """

    classes: tuple[str, ...] = ()
    dims: dict[str, int] = field(default_factory=dict)
    strings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    calls: tuple[tuple[Argument, ...], ...] = ()
    guards: tuple[str, ...] = ()
    namesakes: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unpacked: dict[str, int] = field(default_factory=dict)
    indexed: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, frozenset[str]] = field(default_factory=dict)
    nullable: frozenset[str] = frozenset()
    keyed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    passed: dict[str, frozenset[str]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    bounds: dict[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    rebuilders: tuple[str, ...] = ()


def read(tree: ast.Module, unit: str, lines: frozenset[int] = frozenset()) -> Knowledge:
    """What a file tells about one of its classes or functions; lines: those that are to be reached."""
    classes = tuple(node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name != unit)
    home = next((n for n in tree.body if getattr(n, "name", None) == unit), tree)
    strings = _strings(tree)
    own = frozenset(name for node in tree.body for name in _bound(node))
    calls = called(tree, unit, own)
    return Knowledge(
        classes,
        _dims(home),
        strings,
        calls,
        _guards(home, lines),
        _namesakes(tree, own),
        _annotations(tree),
        _shapes(home),
        _unpacked(home),
        _indexed(home),
        nullable=_nullable(home),
        keyed=_keyed(home),
        members=_members(home),
        numbers=_numbers(home),
        passed=passed_on(tree),
        absent=_nullable(tree),
        bounds=bounds(home),
        rebuilders=rebuilders(tree),
    )


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    return []


def _dims(home: ast.AST) -> dict[str, int]:
    """Number of dimensions by name: `b, c, h, w = x.shape`, `rearrange(x, "b c h w -> ...")`, `self.conv(x)`."""
    layers = {name: dims for node in ast.walk(home) for name, dims in _layers(node)}
    found: dict[str, int] = {}
    for node in ast.walk(home):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            name, others = _shape_of(node.value)
            targets = node.targets[0].elts
            if name and not any(isinstance(each, ast.Starred) for each in targets):
                found.setdefault(name, len(targets) - others)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Name):
            name = node.args[0].id
            called = ast.unparse(node.func)
            if called in layers:
                found.setdefault(name, layers[called])
            elif called.rpartition(".")[2] in ("rearrange", "reduce", "repeat") and len(node.args) > 1:
                _of_pattern(name, node.args[1], found)
    for name, dims in _subscripted(home).items():
        if dims > _PLAIN:
            found.setdefault(name, dims)
    return found


_PLAIN, _DEEPEST = 3, 5
"""Dimensions that a guess has anyway, and the most that one has."""


def _subscripted(home: ast.AST) -> dict[str, int]:
    """How many dimensions a name has at least: `x[:, :, i, :]`, `x.shape[3]`, `x.size(3)`."""
    found: dict[str, int] = {}
    for node in ast.walk(home):
        name, dims = "", 0
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Tuple):
            written = [
                each for each in node.slice.elts if isinstance(each, (ast.Slice, ast.Name, ast.UnaryOp, ast.BinOp))
            ]
            plain = [each for each in node.slice.elts if isinstance(each, ast.Constant) and type(each.value) is int]
            name = node.value.id
            dims = len(written) + len(plain) if len(written) + len(plain) == len(node.slice.elts) else 0
        elif isinstance(node, (ast.Subscript, ast.Call)):
            index = node.slice if isinstance(node, ast.Subscript) else node.args[0] if len(node.args) == 1 else None
            name, _ = _shape_of(node.value if isinstance(node, ast.Subscript) else node.func)
            number = index.value if isinstance(index, ast.Constant) else None
            dims = number + 1 if type(number) is int and number >= 0 else 0
        if name and dims <= _DEEPEST:
            found[name] = max(found.get(name, 0), dims)
    return found


_DOCUMENTED = re.compile(
    r"^\s*(\w+)\s*(?:\([^)\n]*\))?\s*:(?:.|\n(?!\s*\w+\s*(?:\([^)\n]*\))?:)){0,200}?"
    r"[(\[]\s*((?:[A-Z*]\w{0,2}|\d+)(?:\s*(?:,|x|\\times)\s*(?:[A-Z*]\w{0,2}|\d+))+)\s*[)\]]",
    re.M,
)


def _shapes(home: ast.AST) -> dict[str, tuple[str, ...]]:
    """Shapes by name as docstrings give them: `x: the image, of shape (B, 3, H, W)`."""
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(home):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            for name, letters in _DOCUMENTED.findall(ast.get_docstring(node) or ""):
                found.setdefault(name, tuple(re.split(r"\s*(?:,|x|\\times)\s*", letters)))
    return found


def _unpacked(home: ast.AST) -> dict[str, int]:
    """Parameters that are assigned to several variables as they are: `high, low = features`."""
    found: dict[str, int] = {}
    for node in ast.walk(home):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Tuple, ast.List)):
            elements = node.targets[0].elts
            if isinstance(node.value, ast.Name) and not any(isinstance(each, ast.Starred) for each in elements):
                found.setdefault(node.value.id, len(elements))
    return found


def _nullable(home: ast.AST) -> frozenset[str]:
    """Names that are compared with None: they may be left out, also where the signature asks for them."""
    compared = [node for node in ast.walk(home) if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name)]
    return frozenset(
        node.left.id
        for node in compared
        if isinstance(node.left, ast.Name) and constant(node.comparators[0]) == Literal(None)
    )


def _numbers(home: ast.AST) -> dict[str, tuple[int, ...]]:
    """Name → whole numbers that it is compared with: `patch[0] == 12`, `stride in (1, 2)`."""
    found: dict[str, list[int]] = defaultdict(list)
    for node in ast.walk(home):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq, ast.In, ast.NotIn)):
            left = node.left.value if isinstance(node.left, ast.Subscript) else node.left
            other = node.comparators[0]
            options = other.elts if isinstance(other, (ast.Tuple, ast.List, ast.Set)) else [other]
            values = [each.value for each in options if isinstance(each, ast.Constant)]
            found[_last(left)] += [value for value in values if type(value) is int]
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items() if name and values}


def _keyed(home: ast.AST) -> dict[str, tuple[str, ...]]:
    """Strings by name that it is subscripted with, and with nothing else: `batch["image"]`."""
    found: dict[str, list[str | None]] = defaultdict(list)
    for node in ast.walk(home):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            found[node.value.id] += texts([node.slice]) or [None]
    return {
        name: tuple(dict.fromkeys(each for each in keys if each is not None))
        for name, keys in found.items()
        if None not in keys
    }


def _members(home: ast.AST) -> frozenset[str]:
    """Names that are subscripted with one number at a time, one of them computed or from the end: `xs[i - 1]`."""
    found: dict[str, list[ast.expr]] = defaultdict(list)
    for node in ast.walk(home):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            found[node.value.id].append(node.slice)
    single = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Name)
    return frozenset(
        name
        for name, each in found.items()
        if all(isinstance(index, single) and not _is_text(index) for index in each)
        and any(isinstance(index, (ast.UnaryOp, ast.BinOp)) for index in each)
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _indexed(home: ast.AST) -> dict[str, int]:
    """How many members a name has that is subscripted with nothing but numbers: `xs[0]`, `xs[-3]`."""
    found: dict[str, int] = {}
    others: set[str] = set()
    for node in ast.walk(home):
        if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
            continue
        index = constant(node.slice)
        if isinstance(index, Literal) and type(index.value) is int:
            count = index.value + 1 if index.value >= 0 else -index.value
            found[node.value.id] = max(found.get(node.value.id, 0), count)
        else:
            others.add(node.value.id)
    return {name: count for name, count in found.items() if name not in others and 1 < count <= _MEMBERS}


_MEMBERS = 6


def _of_pattern(name: str, pattern: ast.expr, found: dict[str, int]) -> None:
    if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str) and "..." not in pattern.value:
        axes = re.sub(r"\([^)]*\)", "g", pattern.value.partition("->")[0]).split()
        found.setdefault(name, len(axes))


def _layers(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        built = ast.unparse(node.value.func).rpartition(".")[2]
        if built == "Sequential" and node.value.args and isinstance(node.value.args[0], ast.Call):
            built = ast.unparse(node.value.args[0].func).rpartition(".")[2]
        if built in _LAYERS:
            yield from ((ast.unparse(target), _LAYERS[built]) for target in node.targets)


def _shape_of(value: ast.expr) -> tuple[str, int]:
    """The name whose `.shape` or `.size()` an expression is, and how many values follow: `*x.shape, x.device`."""
    if isinstance(value, ast.Tuple) and value.elts and isinstance(value.elts[0], ast.Starred):
        return _shape_of(value.elts[0].value)[0], len(value.elts) - 1
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr == "size"
        and not value.args
    ):
        value = value.func
    if isinstance(value, ast.Attribute) and value.attr in ("shape", "size") and isinstance(value.value, ast.Name):
        return value.value.id, 0
    return "", 0


def _strings(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """Name → strings that it is compared with, or that choose from a dictionary by it."""
    found: dict[str, list[str]] = defaultdict(list)
    tables = {
        ast.unparse(target): texts(node.value.keys)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.comparators) == 1:
            other = node.comparators[0]
            options = other.elts if isinstance(other, (ast.Tuple, ast.List, ast.Set)) else [other]
            known = tables.get(ast.unparse(other), []) if isinstance(other, ast.Name) else texts(options)
            found[_last(node.left)] += known
        elif isinstance(node, ast.Subscript):
            keys = (
                texts(node.value.keys) if isinstance(node.value, ast.Dict) else tables.get(ast.unparse(node.value), [])
            )
            found[_last(node.slice)] += keys
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("startswith", "endswith")
        ):
            found[_last(node.func.value)] += texts(node.args)
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items() if name and values}


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value  # `mode.lower()`
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _namesakes(tree: ast.Module, own: frozenset[str]) -> dict[str, tuple[Value, ...]]:
    """Name → values of keyword arguments and of defaults, where they mean the same everywhere in the file."""
    found: dict[str, list[Value]] = defaultdict(list)

    def keep(name: str | None, node: ast.expr | None) -> None:
        value = None if node is None or name is None else constant(node, own)
        if name is not None and value is not None and value not in (Literal(None), Series(())):
            found[name].append(value)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for each in node.keywords:
                keep(each.arg, each.value)
        elif isinstance(node, ast.arguments):
            positional = [*node.posonlyargs, *node.args]
            defaults = [None] * (len(positional) - len(node.defaults)) + list(node.defaults)
            for argument, default in zip([*positional, *node.kwonlyargs], [*defaults, *node.kw_defaults], strict=True):
                keep(argument.arg, default)
    return {name: tuple(dict.fromkeys(values))[:_KEPT] for name, values in found.items()}


_KEPT = 4


def _annotations(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            found.setdefault(node.arg, ast.unparse(node.annotation))
    return found


def _guards(home: ast.AST, lines: frozenset[int]) -> tuple[str, ...]:
    """Names that decide whether some lines run: those in the conditions around them, and what these are made of."""
    found = dict.fromkeys(name for node in _conditions(home, lines) for name in _names(node))
    assigned = [
        node for node in ast.walk(home) if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
    ]
    for _ in range(_STEPS):
        told = [node for node in assigned if found.keys() & {_last(each) for each in _targets(node)}]
        places = frozenset(node.lineno for node in told)
        found.update(dict.fromkeys(name for node in _conditions(home, places) for name in _names(node)))
        found.update(dict.fromkeys(name for node in told if node.value is not None for name in _names(node.value)))
    return tuple(name for name in found if name not in ("self", ""))


_STEPS = 2


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _names(node: ast.AST) -> list[str]:
    return [_last(each) for each in ast.walk(node) if isinstance(each, (ast.Name, ast.Attribute))]


def _conditions(home: ast.AST, lines: frozenset[int]) -> Iterator[ast.expr]:
    """Conditions of the blocks that hold some lines."""
    for node in ast.walk(home):
        if not isinstance(node, (ast.If, ast.IfExp, ast.While)):
            continue
        if any(node.lineno <= line <= (node.end_lineno or node.lineno) for line in lines):
            yield node.test
