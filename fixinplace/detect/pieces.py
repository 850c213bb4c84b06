"""The pieces that a file consists of, and which of them can have to do with each other.

Note [Pieces of a file]
    A file may hold a trainer that uses autocast beside a layer that nobody in the file gives to it.  What one
    definition does with tensors concerns another one only if one leads to the other by the names that they mention, or
    if something leads to both: that may put them together.  Code in other files may do so as well; that it does not is
    assumed of all of them, as it is where the two stand in two files.

    What runs when the file is loaded concerns all of it.  It may also put what it mentions where others find it (a
    registry), so whatever its functions lead to is taken to lead on to that.  Where names are looked up by texts that
    are not in sight, the file is one piece, but for Note [Single lookups].
"""

from __future__ import annotations

import ast
import functools
import operator
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from fixinplace.detect.index import all_imports
from fixinplace.detect.liveness import Function
from fixinplace.detect.lookups import is_by_itself, looks_up
from fixinplace.detect.mentions import local_names, mentioned
from fixinplace.detect.single_lookups import single_lookups
from fixinplace.walking import every, walk

_INERT = frozenset((ast.Constant, ast.Name, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Lambda, ast.UnaryOp))
"""Expressions that run no code when they are evaluated."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something at the top of a file: a definition, an entry of a table, a test of a class of tests, a statement.

    defines: its names. mentions: whatever in it may be a name of the file. loaded: names that are mentioned in
    what runs when the file is loaded, and with which something may be done then.
    runs: the whole of it runs then. given: a library has it, and may call it from anywhere.
    """

    nodes: tuple[ast.AST, ...]
    line: int
    defines: frozenset[str]
    mentions: frozenset[str]
    loaded: frozenset[str] = frozenset()
    runs: bool = False
    given: bool = False

    @property
    def imports(self) -> bool:
        """It is an import: what it names stands elsewhere, and keeps nothing of this file."""
        return bool(self.nodes) and isinstance(self.nodes[0], ast.alias)


class Pieces:
    """The pieces of a file; sets of them are numbers with a bit for each."""

    def __init__(self, tree: ast.Module) -> None:
        sources = _packages(tree)
        for one in (each for each in tree.body if isinstance(each, ast.Assign) and isinstance(each.value, ast.Name)):
            source = sources.get(one.value.id)  # type: ignore[attr-defined]
            names = (target.id for target in one.targets if isinstance(target, ast.Name))
            sources |= dict.fromkeys(names, source) if source is not None else {}
        self.all = tuple(_registered(piece, sources) for piece in _pieces(tree, sources))
        self._lines = [piece.line for piece in self.all]
        apart = all(first.line < second.line or first.imports for first, second in pairwise(self.all))
        self._whole = looks_up(tree) or not apart
        self._around: dict[int, int] = {}
        self._finding = {bisect_right(self._lines, line) - 1 for line in single_lookups(tree).values()}
        self._below, self._everywhere, self._given = ((), 0, 0) if self._whole else _closures(self.all)

    def at(self, node: ast.AST) -> int:
        """The piece that a node stands in; -1 for the module itself."""
        line = getattr(node, "lineno", 0)
        return bisect_right(self._lines, line) - 1

    def around(self, piece: int) -> int:
        """The set of all pieces that may have to do with one; see Note [Pieces of a file]."""
        if piece < 0 or self._whole or self._given >> piece & 1 or piece in self._finding:
            return (1 << len(self.all)) - 1
        if piece not in self._around:
            self._around[piece] = functools.reduce(operator.or_, map(self._meeting, {piece, *self._finding}))
        return self._around[piece]

    def below(self, piece: int) -> frozenset[int]:
        """The pieces that one leads to by the names that it mentions, itself among them."""
        if piece < 0 or self._whole:
            return frozenset(range(len(self.all)))
        found, todo = {piece}, [piece]
        while todo:
            named = self.all[todo.pop()].mentions
            new = [n for n, one in enumerate(self.all) if n not in found and not one.imports and one.defines & named]
            found.update(new)
            todo += new
        return frozenset(found)

    def _meeting(self, piece: int) -> int:
        """The set of the pieces that one meets by the names that are mentioned."""
        found = self._everywhere | 1 << piece
        for below in self._below:
            found |= below if below >> piece & 1 else 0
        return found


def members(pieces: int) -> Iterator[int]:
    """The numbers of the pieces of a set."""
    while pieces:
        lowest = pieces & -pieces
        yield lowest.bit_length() - 1
        pieces ^= lowest


def _pieces(tree: ast.Module, sources: Mapping[str, str]) -> Iterator[Piece]:
    fixed, local = _fixed_tables(tree), local_names(tree)
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                name = alias.asname or alias.name.split(".")[0]
                yield Piece((alias,), statement.lineno, frozenset((name,)), frozenset(), runs=name == "*")
        elif isinstance(statement, Function | ast.ClassDef):
            yield from _definition(statement, sources, local)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            yield from _assigned(statement, fixed, local)
        else:
            yield _statement(statement, local)


def _registered(piece: Piece, sources: Mapping[str, str]) -> Piece:
    """The piece, with what leads to it if it is registered: whatever is used of the package that the registry is of."""
    if not sources or piece.imports:
        return piece
    marks = [d for one in piece.nodes for each in walk(one) if isinstance(each, Function | ast.ClassDef)
             for d in each.decorator_list if _mark(d).startswith("register")]  # fmt: skip
    marking = {id(name) for mark in marks for name in every(mark, ast.Name)}
    names = [each for one in piece.nodes for each in every(one, ast.Name)]
    into = {f"@{sources[each.id]}" for each in names if each.id in sources and id(each) in marking}
    used = {f"@{sources[each.id]}" for each in names if each.id in sources and id(each) not in marking}
    into |= used if piece.runs else set()  # `MODELS["net"] = Net`
    return replace(piece, defines=piece.defines | into, mentions=piece.mentions | used) if into or used else piece


def _packages(tree: ast.Module) -> dict[str, str]:
    """The package that each imported name is of; those that one name may be of are one, and so are relative ones."""
    found: dict[str, str] = {}
    same: dict[str, str] = {}
    for name, full in all_imports(tree):
        package = full.partition(".")[0] or "."
        known = found.setdefault(name, package)
        same[package] = same.get(known, known)
    relative = any(full.startswith(".") for _, full in all_imports(tree))
    stars = any(one.name == "*" for one in every(tree, ast.alias))
    if stars or relative:  # whatever is imported otherwise may be the same package by its name
        return {} if stars else {name: package if package in _APART else "." for name, package in found.items()}
    return {name: same.get(package, package) for name, package in found.items()}


_APART = frozenset(
    "torch torchvision torchaudio numpy os sys math typing functools itertools collections random re time".split()
)


def _mark(decorator: ast.expr) -> str:
    """The last name of a decorator."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _head(decorator: ast.expr) -> str:
    """The first name of a decorator: see `_registered` for those of registries that are imported."""
    names = every(decorator, ast.Name)
    return names[0].id if names else ""


def _definition(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, sources: Mapping[str, str], local: frozenset[int]
) -> Iterator[Piece]:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    names = frozenset((node.name,))
    if isinstance(node, ast.ClassDef) and _has_tests_alone(node):
        yield Piece(tuple(node.bases), first, names, mentioned(node.bases, local))
        yield from (Piece((each,), each.lineno, names, mentioned([each], local)) for each in node.body)
        return
    at_load = mentioned(_at_load(node), local)
    yield Piece((node,), first, names, mentioned([node], local), at_load, given=_is_for_others(node, sources))


_PLAIN_DECORATORS = (
    "staticmethod", "classmethod", "property", "no_grad", "enable_grad", "inference_mode", "dataclass", "overload",
    "abstractmethod", "override", "final", "wraps", "lru_cache", "cached_property", "setter", "contextmanager",
    "script", "ignore", "unused", "export", "once_differentiable", "custom_fwd", "custom_bwd",
)  # fmt: skip
_BY_NAME = re.compile(r"(set|tear)_?[uU]p_?\w*|(set|tear)_?[dD]own_?\w*|pytest_\w*|load_tests|__\w+__")


def _is_for_others(node: ast.AST, sources: Mapping[str, str]) -> bool:
    """True for what a library may call without being asked: a decorator gives it to one, or its name does."""
    defined = [one for one in walk(node) if isinstance(one, Function | ast.ClassDef)]
    marks = [decorator for one in defined for decorator in one.decorator_list]
    names = (_mark(one) for one in marks if not (_mark(one).startswith("register") and _head(one) in sources))
    own = isinstance(node, Function) and _BY_NAME.fullmatch(node.name)
    return bool(own) or any(name not in _PLAIN_DECORATORS for name in names)


def _at_load(node: ast.AST) -> Iterator[ast.AST]:
    """What a definition runs when it is made: decorators, what computes in defaults, annotations and class bodies."""
    if isinstance(node, Function):
        yield from node.decorator_list
        hints = [each.annotation for each in every(node.args, ast.arg)]
        found = [*node.args.defaults, *node.args.kw_defaults, *hints, node.returns]
        yield from (each for each in found if each is not None and not _is_inert(each))
    elif isinstance(node, ast.ClassDef):
        yield from node.decorator_list
        yield from (each for each in (*node.bases, *(k.value for k in node.keywords)) if not _is_plain_base(each))
        for each in node.body:
            if isinstance(each, Function | ast.ClassDef):
                yield from _at_load(each)
            elif not isinstance(each, ast.Assign | ast.AnnAssign) or not _is_inert_store(each):
                yield each


def _is_inert_store(node: ast.Assign | ast.AnnAssign) -> bool:
    """True for `name = value` where nothing is run for the value."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(each, ast.Name) for each in targets) and (node.value is None or _is_inert(node.value))


def _is_inert(node: ast.expr) -> bool:
    """True for an expression that runs no code of the file: a lambda does later, but not its defaults."""
    late = {id(one) for function in every(node, ast.Lambda) for one in walk(function.body)}
    parts = (one for one in walk(node) if id(one) not in late and isinstance(one, ast.expr))
    return all(type(one) in _INERT or _is_of_library(one) for one in parts)


def _is_of_library(node: ast.expr) -> bool:
    """`torch.float32`, `nn.Module`, `Optional[int]`: an attribute or a hint, of a short path of names."""
    match node:
        case ast.Attribute(value=ast.Name(id="torch" | "nn" | "F" | "np" | "math" | "typing" | "t")):
            return True
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="torch"))):
            return True
        case ast.Subscript(value=ast.Name(id="Optional" | "Union" | "List" | "Tuple" | "Dict" | "Callable" | "Type"
                           | "Sequence" | "Iterable" | "Any" | "list" | "dict" | "tuple" | "type")):  # fmt: skip
            return True
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)


def _is_plain_base(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


def _has_tests_alone(node: ast.ClassDef) -> bool:
    """True for a class of tests that do nothing but hand an entry of a table to a method from elsewhere."""
    return bool(node.body) and not node.decorator_list and not node.keywords and all(map(_is_test_alone, node.body))


def _is_test_alone(node: ast.stmt) -> bool:
    match node:
        case ast.FunctionDef(
            args=ast.arguments(args=[ast.arg(arg="self")], vararg=None, kwarg=None, kwonlyargs=[]),
            decorator_list=[],
            body=[ast.Expr(value=ast.Call(
                func=ast.Attribute(value=ast.Name(id="self")),
                args=[ast.Starred(value=ast.Subscript(value=ast.Name(), slice=ast.Constant(value=int())))],
                keywords=[],
            ))],
        ):  # fmt: skip
            return node.name.startswith("test")
    return False


def _fixed_tables(tree: ast.Module) -> frozenset[str]:
    """Names that stand for one value, of which nothing but entries with a written number is ever asked."""
    entries = {id(one.value) for one in every(tree, ast.Subscript) if isinstance(one.ctx, ast.Load)
               and isinstance(one.slice, ast.Constant) and type(one.slice.value) is int}  # fmt: skip
    names = every(tree, ast.Name)
    other = {one.id for one in names if isinstance(one.ctx, ast.Load) and id(one) not in entries}
    stored = Counter(one.id for one in names if not isinstance(one.ctx, ast.Load))
    other |= {one.attr for one in every(tree, ast.Attribute)}
    return frozenset(name for name, times in stored.items() if times == 1 and name not in other)


def _assigned(node: ast.Assign | ast.AnnAssign, fixed: frozenset[str], local: frozenset[int]) -> Iterator[Piece]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not all(isinstance(each, ast.Name) for each in targets):
        yield _statement(node, local)
        return
    names = frozenset(each.id for each in targets if isinstance(each, ast.Name))
    inert = _is_inert_store(node)
    if inert and isinstance(node.value, ast.List | ast.Tuple) and names <= fixed:
        yield from _table(node, names, node.value, local)
    else:
        found = mentioned([node], local)
        yield Piece((node,), node.lineno, names, found, frozenset() if inert else found)


def _table(
    node: ast.stmt, names: frozenset[str], table: ast.List | ast.Tuple, local: frozenset[int]
) -> Iterator[Piece]:
    """A piece for each entry that begins on a line of its own: `TABLE[3]` is one of them, `TABLE` all."""
    lines = [entry.lineno for entry in table.elts]
    if len(set(lines)) < len(lines) or not lines or lines[0] == node.lineno:
        yield Piece((node,), node.lineno, names, mentioned([node], local))
        return
    yield Piece((), node.lineno, names, frozenset())
    for number, entry in enumerate(table.elts):
        own = frozenset(each for name in names for each in (f"{name}[{number}]", f"{name}[]"))
        yield Piece((entry,), lines[number], own, mentioned([entry], local))


def _statement(node: ast.stmt, local: frozenset[int]) -> Piece:
    """What runs when the file is loaded, unless it only does where the file is run by itself."""
    silent = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    found = mentioned([node], local)
    defined = frozenset(
        one.name if isinstance(one, Function | ast.ClassDef) else one.id
        for one in walk(node)
        if isinstance(one, Function | ast.ClassDef) or (isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
    )
    if is_by_itself(node) or silent:
        return Piece((node,), node.lineno, defined, found)
    return Piece((node,), node.lineno, defined, found, found, runs=True)


def _closures(pieces: Sequence[Piece]) -> tuple[Sequence[int], int, int]:
    """For each piece the set of those that it leads to, itself among them; what runs at the start; what others call."""
    homes: dict[str, int] = defaultdict(int)
    for number, piece in enumerate(pieces):
        for name in piece.defines:
            homes[name] |= 1 << number
    imports = sum(1 << number for number, piece in enumerate(pieces) if piece.imports)
    edges = [_homes(homes, piece.mentions) for piece in pieces]
    below = _closed(edges)
    loaded = [_homes(homes, piece.loaded - _own_name(piece)) for piece in pieces]
    for number, taken in enumerate(loaded):
        own = taken & ~imports
        for each in members(_union(below, own) & ~imports):
            edges[each] |= own | 1 << number
    below = _closed(edges)
    running = sum(1 << number for number, piece in enumerate(pieces) if piece.runs)
    given = _union(below, sum(1 << number for number, piece in enumerate(pieces) if piece.given)) & ~imports
    return below, given | _union(below, running | functools.reduce(operator.or_, loaded, 0)), given


def _own_name(piece: Piece) -> frozenset[str]:
    """`net` of `@register("net")` above `def net():`: it is what is decorated, and no other piece."""
    definition = bool(piece.nodes) and isinstance(piece.nodes[0], Function | ast.ClassDef)
    return piece.defines if definition else frozenset()


def _union(below: Sequence[int], pieces: int) -> int:
    found = 0
    for each in members(pieces):
        found |= below[each]
    return found


def _homes(homes: dict[str, int], names: Iterable[str]) -> int:
    found = 0
    for name in names:
        found |= homes.get(name, 0)
    return found


def _closed(edges: Sequence[int]) -> list[int]:
    below = [edge | 1 << number for number, edge in enumerate(edges)]
    changed = True
    while changed:
        changed = False
        for number in range(len(below)):
            found = below[number]
            for each in members(found & ~(1 << number)):
                found |= below[each]
            changed = changed or found != below[number]
            below[number] = found
    return below
