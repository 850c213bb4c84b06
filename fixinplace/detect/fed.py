"""Whether something that is looked up is handed to something else that is: see Note [Single lookups]."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from fixinplace.detect.index import dotted
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, remembered, scope, walk

Parents = Mapping[int, ast.AST]


def feeds(top: ast.stmt, found: Iterable[ast.expr], above: Parents) -> bool:
    """True if in a statement of the module a thing that is looked up may be given another one, or itself.

    found: the names by which it looks something up.
    """
    marks = {id(node) for node in found if not _is_entry(node, above)}
    names = _bound(top, marks, above)
    for call in every(top, ast.Call):
        given = [*call.args, *(one.value for one in call.keywords)]
        finds = id(call.func) in marks  # which is given a text
        if not finds and _speaks(call.func, marks, names) and any(_speaks(one, marks, names) for one in given):
            return True
    return any(
        _speaks(target.value, marks, names) and _speaks(one.value, marks, names)
        for one in every(top, ast.Assign)
        for target in _single(one.targets)
        if isinstance(target, ast.Attribute) and dotted(target.value) != "self"
    )


def _single(targets: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """The names, attributes and entries that are bound, those in tuples too."""
    for target in targets:
        yield from _single(target.elts) if isinstance(target, ast.Tuple | ast.List) else (target,)


def is_given_away(node: ast.expr, above: Parents, tree: ast.Module) -> bool:
    """True for `Encoder(layers=eval(args.layers))`: a value that a class is given by a name that nobody calls."""
    call = above.get(id(node))
    name = above.get(id(call)) if isinstance(call, ast.Call) and call.func is node else None
    if not isinstance(name, ast.keyword) or name.arg is None or name.arg in _called(tree):
        return False
    made = above.get(id(name))
    return isinstance(made, ast.Call) and dotted(made.func).rpartition(".")[2][:1].isupper()


@remembered
def _called(tree: ast.Module) -> frozenset[str]:
    """The last names of all that is called."""
    return frozenset(dotted(one.func).rpartition(".")[2] for one in every(tree, ast.Call))


def _is_entry(node: ast.expr, above: Parents) -> bool:
    """True for `args[j] = eval(a)`, a number or a text among the settings of what is made."""
    around = above.get(id(node))
    while around is not None and not isinstance(around, ast.stmt):
        around = above.get(id(around))
    evaluates = getattr(node, "id", "") == "eval"
    return evaluates and isinstance(around, ast.Assign) and all(isinstance(t, ast.Subscript) for t in around.targets)


def _bound(top: ast.stmt, marks: set[int], above: Parents) -> set[str]:
    """Names, and attributes, that stand for what is looked up, or for what is made with it."""
    names: set[str] = set()
    stores: list[ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.For] = [
        *every(top, ast.Assign), *every(top, ast.AnnAssign), *every(top, ast.NamedExpr), *every(top, ast.For),
    ]  # fmt: skip
    grows = True
    while grows:
        before = len(names)
        for store in stores:
            value = store.iter if isinstance(store, ast.For) else store.value
            targets = store.targets if isinstance(store, ast.Assign) else [store.target]
            if value is not None and _speaks(value, marks, names) and not _runs(value, store, above):
                names |= {place for target in targets for one in walk(target) if (place := _place(one))}
                names |= {dotted(one.value) for one in _single(targets) if isinstance(one, ast.Subscript)} - {""}
        grows = len(names) > before
    return names


def _place(node: ast.AST) -> str:
    """The name or the attribute that is bound; empty for what a target only speaks of."""
    bound = isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load)
    return dotted(node) if bound else ""  # type: ignore[arg-type]


def _runs(value: ast.expr, store: ast.AST, above: Parents) -> bool:
    """True for `z = self.encoder(x)` in a method that makes nothing: what a network computes, and no network."""
    function = scope(store, above)
    made = isinstance(function, Function) and function.name != "__init__"
    own = isinstance(value, ast.Call) and dotted(value.func).startswith("self.")
    return made and own


def _speaks(node: ast.expr, marks: set[int], names: set[str]) -> bool:
    """True if an expression looks something up, or has a name of what was; not one of a text or a number of that."""
    telling = (call for call in every(node, ast.Call) if dotted(call.func) in _TELL)
    told = {id(one) for call in telling for each in call.args for one in walk(each)}
    return any(
        id(one) in marks or (isinstance(one, ast.Name | ast.Attribute) and dotted(one) in names)
        for one in walk(node)
        if id(one) not in told
    )


_TELL = ("str", "len", "sum", "int", "isinstance", "hasattr", "print", "repr")
