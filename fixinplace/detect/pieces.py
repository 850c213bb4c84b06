"""The pieces that a file consists of, and which of them can have to do with each other.

Note [Pieces of a file]
    A file may hold a trainer that uses autocast beside a layer that nobody in the file gives to it.  What one
    definition does with tensors concerns another one only if one leads to the other by the names that they mention, or
    if something leads to both: that may put them together.  Code in other files may do so as well; that it does not is
    assumed of all of them, as it is where the two stand in two files.

    What runs when the file is loaded concerns all of it.  It may also put what it mentions where others find it (a
    registry), so whatever its functions lead to is taken to lead on to that.  Where names are looked up by texts that
    are not in sight, the file is one piece.
"""

from __future__ import annotations

import ast
import functools
import operator
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fixinplace.detect.liveness import Function
from fixinplace.walking import children, every, walk

_LOOK_UP = frozenset("globals eval exec __import__".split())
_LOOK_UP_ATTRIBUTES = frozenset("import_module getmembers get_objects currentframe __subclasses__ __globals__".split())
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,60}")
_INERT = (ast.Constant, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Lambda, ast.UnaryOp)
_TABLES = (ast.List, ast.Tuple, ast.Dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """Something at the top of a file: a definition, an entry of a table, a test of a class of tests, a statement.

    defines: its names. mentions: whatever in it may be a name of the file. loaded: names that are mentioned in
    what runs when the file is loaded, and with which something may be done then.
    runs: the whole of it runs then.
    """

    nodes: tuple[ast.AST, ...]
    line: int
    defines: frozenset[str]
    mentions: frozenset[str]
    loaded: frozenset[str] = frozenset()
    runs: bool = False

    @property
    def imports(self) -> bool:
        """It is an import: what it names stands elsewhere, and keeps nothing of this file."""
        return bool(self.nodes) and isinstance(self.nodes[0], ast.alias)


class Pieces:
    """The pieces of a file; sets of them are numbers with a bit for each."""

    def __init__(self, tree: ast.Module) -> None:
        self.all = tuple(_pieces(tree))
        self._lines = [piece.line for piece in self.all]
        apart = all(first.line < second.line or first.imports for first, second in pairwise(self.all))
        self._whole = _looks_up(tree) or not apart
        self._around: dict[int, int] = {}
        self._below, self._everywhere = ((), 0) if self._whole else _closures(self.all)

    def at(self, node: ast.AST) -> int:
        """The piece that a node stands in; -1 for the module itself."""
        line = getattr(node, "lineno", 0)
        return bisect_right(self._lines, line) - 1

    def around(self, piece: int) -> int:
        """The set of all pieces that may have to do with one; see Note [Pieces of a file]."""
        if piece < 0 or self._whole:
            return (1 << len(self.all)) - 1
        if piece not in self._around:
            found = self._everywhere | 1 << piece
            for below in self._below:
                found |= below if below >> piece & 1 else 0
            self._around[piece] = found
        return self._around[piece]


def members(pieces: int) -> Iterator[int]:
    """The numbers of the pieces of a set."""
    while pieces:
        lowest = pieces & -pieces
        yield lowest.bit_length() - 1
        pieces ^= lowest


def _pieces(tree: ast.Module) -> Iterator[Piece]:
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                name = alias.asname or alias.name.split(".")[0]
                yield Piece((alias,), statement.lineno, frozenset((name,)), frozenset(), runs=name == "*")
        elif isinstance(statement, Function | ast.ClassDef):
            yield from _definition(statement)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            yield from _assigned(statement)
        else:
            yield _statement(statement)


def _definition(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[Piece]:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    if isinstance(node, ast.ClassDef) and _has_tests_alone(node):
        head = [*node.bases, *node.keywords]
        yield Piece(tuple(head), first, frozenset((node.name,)), _mentioned(head))
        yield from (Piece((each,), each.lineno, frozenset(), _mentioned([each])) for each in node.body)
        return
    loaded = _mentioned(node.decorator_list)
    if isinstance(node, ast.ClassDef):
        body = (each for each in node.body if not isinstance(each, Function | ast.ClassDef))
        calls = [call for each in (*body, *node.keywords) for call in every(each, ast.Call)]
        loaded |= _mentioned([*node.keywords, *calls])
    yield Piece((node,), first, frozenset((node.name,)), _mentioned([node]), loaded)


def _has_tests_alone(node: ast.ClassDef) -> bool:
    """True for a class of tests, each of which runs by itself: they leave each other nothing."""
    tests = all(isinstance(each, ast.FunctionDef) and each.name.startswith("test") for each in node.body)
    stores = any(not isinstance(each.ctx, ast.Load) for each in every(node, ast.Attribute))
    return tests and not stores and not node.decorator_list and not node.keywords


def _assigned(node: ast.Assign | ast.AnnAssign) -> Iterator[Piece]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not all(isinstance(each, ast.Name) for each in targets):
        yield _statement(node)
        return
    names = frozenset(each.id for each in targets if isinstance(each, ast.Name))
    calls = [call for call in every(node, ast.Call) if not _is_late(call, node)]
    if isinstance(node.value, _TABLES) and not calls and node.value.lineno < (node.end_lineno or 0):
        yield from _table(node, names, node.value)
    else:
        loaded = _mentioned(calls)
        yield Piece((node,), node.lineno, names, _mentioned([node]), loaded)


def _is_late(call: ast.Call, node: ast.AST) -> bool:
    """True for a call that a lambda makes."""
    return any(call in walk(function) for function in every(node, ast.Lambda))


def _table(node: ast.AST, names: frozenset[str], table: ast.expr) -> Iterator[Piece]:
    """A piece for each entry that begins on a line of its own: `TABLE[3]` is one of them, `TABLE` all."""
    entries = list(children(table)) if not isinstance(table, ast.Dict) else list(table.values)
    lines = [getattr(entry, "lineno", 0) for entry in entries]
    if len(set(lines)) < len(lines) or not lines or lines[0] == getattr(node, "lineno", 0):
        yield Piece((node,), getattr(node, "lineno", 0), names, _mentioned([node]))
        return
    yield Piece((), getattr(node, "lineno", 0), names, frozenset())
    for number, entry in enumerate(entries):
        own = frozenset(f"{name}[{number}]" for name in names) | frozenset(f"{name}[]" for name in names)
        yield Piece((entry,), lines[number], own, _mentioned([entry]))


def _statement(node: ast.stmt) -> Piece:
    """What runs when the file is loaded, unless it only does where the file is run by itself."""
    by_itself = isinstance(node, ast.If) and any(
        isinstance(one, ast.Name) and one.id == "__name__" for one in walk(node.test)
    )
    silent = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    mentioned = _mentioned([node])
    defined = frozenset(
        one.name if isinstance(one, Function | ast.ClassDef) else one.id
        for one in walk(node)
        if isinstance(one, Function | ast.ClassDef) or (isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
    )
    if by_itself or silent:
        return Piece((node,), node.lineno, defined, mentioned)
    return Piece((node,), node.lineno, defined, mentioned, mentioned, runs=True)


def _mentioned(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Whatever may be a name of the file: names, attributes, and texts that could be looked up."""
    found: set[str] = set()
    for node in (one for root in nodes for one in walk(root)):
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(number))):
                found.add(f"{name}[{number}]")
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.Constant(value=str(text)) if _IDENTIFIER.fullmatch(text):
                found.add(text)
    return frozenset(found | _all_of(nodes))


def _all_of(nodes: Iterable[ast.AST]) -> set[str]:
    """`TABLE[]` for a table that is used other than by one of its entries."""
    one = {id(each.value) for root in nodes for each in every(root, ast.Subscript)
           if isinstance(each.slice, ast.Constant) and isinstance(each.slice.value, int)}  # fmt: skip
    names = (each for root in nodes for each in every(root, ast.Name))
    return {f"{each.id}[]" for each in names if id(each) not in one} | {
        f"{each.attr}[]" for root in nodes for each in every(root, ast.Attribute)
    }


def _closures(pieces: Sequence[Piece]) -> tuple[Sequence[int], int]:
    """For each piece the set of those that it leads to, itself among them, and the set of what runs at the start."""
    homes: dict[str, int] = defaultdict(int)
    for number, piece in enumerate(pieces):
        for name in piece.defines:
            homes[name] |= 1 << number
    imports = sum(1 << number for number, piece in enumerate(pieces) if piece.imports)
    edges = [_homes(homes, piece.mentions) for piece in pieces]
    below = _closed(edges)
    loaded = [_homes(homes, piece.loaded) for piece in pieces]
    for number, taken in enumerate(loaded):
        own = taken & ~imports
        for each in members(_union(below, own) & ~imports):
            edges[each] |= own | 1 << number
    below = _closed(edges)
    running = sum(1 << number for number, piece in enumerate(pieces) if piece.runs)
    return below, _union(below, running | functools.reduce(operator.or_, loaded, 0))


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


def _looks_up(tree: ast.Module) -> bool:
    """True if names of the file are looked up in ways that cannot be followed."""
    if any(one.id in _LOOK_UP for one in every(tree, ast.Name)):
        return True
    if any(one.attr in _LOOK_UP_ATTRIBUTES for one in every(tree, ast.Attribute)):
        return True
    own = {id(one.value) for one in every(tree, ast.Subscript) if _is_own(one)}
    modules = (one for one in every(tree, ast.Attribute) if one.attr == "modules" and id(one) not in own)
    return any(isinstance(one.value, ast.Name) and one.value.id == "sys" for one in modules) or _is_handed_on(tree)


def _is_own(node: ast.AST | None) -> bool:
    """`sys.modules[__name__]`: the file itself."""
    match node:
        case ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Name(id="__name__")):
            return True
    return False


def own_names(tree: ast.Module) -> frozenset[str]:
    """Names of the module for itself: `_module = sys.modules[__name__]`, `utils = _module`."""
    found: set[str] = set()
    for node in (one for one in tree.body if isinstance(one, ast.Assign)):
        if _is_own(node.value) or (isinstance(node.value, ast.Name) and node.value.id in found):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def _is_handed_on(tree: ast.Module) -> bool:
    """True if the module goes as a value where its names may be looked up: `getattr(utils, name)`."""
    own = own_names(tree)
    plain = {id(one.value) for one in every(tree, ast.Attribute)}
    plain |= {id(one.value) for one in tree.body if isinstance(one, ast.Assign)}
    loads = (one for one in every(tree, ast.Name) if one.id in own and isinstance(one.ctx, ast.Load))
    subscripts = (one for one in every(tree, ast.Subscript) if _is_own(one) and id(one) not in plain)
    return any(id(one) not in plain for one in loads) or any(True for _ in subscripts)
