"""Whether something that is looked up is handed to something else that is: see Note [Single lookups]."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from fixinplace.detect.index import dotted
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, scope, walk

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
    return False


def is_given_away(node: ast.expr, above: Parents) -> bool:
    """True for `Encoder(layers=eval(args.layers))`: a value that a class is given, and nobody else."""
    call = above.get(id(node))
    around = above.get(id(call)) if isinstance(call, ast.Call) and call.func is node else None
    around = above.get(id(around)) if isinstance(around, ast.keyword) else around
    path = dotted(around.func) if isinstance(around, ast.Call) and around.func is not call else ""
    return path.rpartition(".")[2][:1].isupper()


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
    """True if an expression looks something up, or has a name of what was."""
    return any(
        id(one) in marks or (isinstance(one, ast.Name | ast.Attribute) and dotted(one) in names) for one in walk(node)
    )
