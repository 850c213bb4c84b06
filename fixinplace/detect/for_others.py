"""Tables that a file keeps for others: it takes nothing out of them itself."""

from __future__ import annotations

import ast

from fixinplace.walking import every, functions, remembered, walk


@remembered
def for_others(tree: ast.Module) -> frozenset[int]:
    """Ids of what stands in tables of the module that nothing in the file reads, but for what hands them out.

    Other files may import the classes and functions in them as well.
    """
    handed = _handed_out(tree)
    read = {one.id for one in every(tree, ast.Name) if isinstance(one.ctx, ast.Load) and id(one) not in handed}
    found: set[int] = set()
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in read:
                found |= {id(node) for node in walk(value)}
    return frozenset(found)


def _handed_out(tree: ast.Module) -> set[int]:
    """Names that a test hands to what it inherits from another file, and takes nothing for: `self.check(*CASES[0])`."""
    own = {one.name for one in (*functions(tree), *every(tree, ast.ClassDef))} | _bound(tree)
    found: set[int] = set()
    for statement in every(tree, ast.Expr):
        match statement.value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name), args=args) if name not in own:
                found |= {id(node) for argument in args for node in walk(argument) if isinstance(node, ast.Name)}
    return found


def _bound(tree: ast.Module) -> set[str]:
    names = {one.id for one in every(tree, ast.Name) if not isinstance(one.ctx, ast.Load)}
    return names | {one.attr for one in every(tree, ast.Attribute) if not isinstance(one.ctx, ast.Load)}
