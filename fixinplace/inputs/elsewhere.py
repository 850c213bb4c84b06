"""Code of a file that puts something else where a class has a part, or a table an entry, once it is called.

Note [Set elsewhere]
    `def set_activation(self, act): self.act = act` is never called by made inputs, and neither is a function that gives
    any model another head, or that rebinds what the module keeps for all.  What is set there may hand on its input,
    whose memory the result of `self.act(y)` then shares; so made inputs settle nothing that is in doubt about a
    part that such code may set.  Constructors are run, and so is what the class calls itself: layers that are passed to
    them are tried as identities.  A table of layers that is handed in whole is not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fixinplace.model import Keeper, Span
from fixinplace.source import Text

SETS = "a part may be set to it"
"""Stands for the doubt of a keeper that this module finds."""

_SHOWN = 60
_OF_TENSORS = frozenset("data grad weight bias requires_grad shape dtype device training".split())
_ADDS = frozenset("update setdefault append add extend insert register_module add_module".split())
_HOLDERS = frozenset("Sequential ModuleList ModuleDict MethodType Identity".split())
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def set_elsewhere(tree: ast.Module, part: Text, nodes: Sequence[ast.stmt]) -> tuple[Keeper, ...]:
    """What may set a part, or a name of the module, that the definitions `nodes` call; see Note [Set elsewhere]."""
    called = frozenset(name for node in nodes for name in _called(node))
    mentioned = frozenset(each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name))
    definitions = (each for each in ast.walk(tree) if isinstance(each, _DEFINITIONS))
    decorators = {
        _last(by.func if isinstance(by, ast.Call) else by) for one in definitions for by in one.decorator_list
    }
    run = decorators | called
    functions = [each for each in tree.body if isinstance(each, _Function)]
    owners = [each for each in tree.body if isinstance(each, ast.ClassDef)]
    methods = [each for owner in owners for each in owner.body if isinstance(each, _Function)]
    constructors = [each for owner in owners if owner in nodes for each in owner.body if _is_constructor(each)]
    found = [_keeper(part, each) for one in (*functions, *methods) if one.name not in run and not _is_constructor(one)
             for each in _sets(one, called, mentioned)]  # fmt: skip
    return tuple(
        dict.fromkeys([*found, *(_keeper(part, each) for one in constructors for each in _handed_in(one, called))])
    )


def _is_constructor(node: ast.stmt) -> bool:
    return isinstance(node, _Function) and node.name == "__init__"


def _called(root: ast.AST) -> Iterator[str]:
    """Names and attributes through which something is called: `slots` and `self` of `self.slots["act"](y)`; those that
    a loop goes through."""
    for node in ast.walk(root):
        match node:
            case ast.Call(func=chain):
                yield from _chain(chain)
            case ast.For(iter=passed) | ast.comprehension(iter=passed):
                yield from (name for each in ast.walk(passed) if (name := _last(each)))


def _chain(node: ast.expr) -> Iterator[str]:
    while isinstance(node, (ast.Call, ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute):
            yield node.attr
        node = node.func if isinstance(node, ast.Call) else node.value
    yield _last(node)


def _sets(function: ast.AST, called: frozenset[str], mentioned: frozenset[str]) -> Iterator[ast.AST]:
    """The statements in a function that set what is called to something that the function was given."""
    given = _parameters(function)
    wide = {name for each in ast.walk(function) if isinstance(each, ast.Global) for name in each.names} & called
    for node in ast.walk(function):
        match node:
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if _may_be_given(value, given):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(_is_part(target, called, mentioned, wide, given) for target in targets):
                    yield node
            case ast.Call(func=ast.Attribute(value=ast.Name(id=table), attr=attr), args=args) if attr in _ADDS:
                if table in mentioned - given and any(_may_be_given(each, given) for each in args):
                    yield node


def _is_part(
    target: ast.expr, called: frozenset[str], mentioned: frozenset[str], wide: set[str], given: frozenset[str]
) -> bool:
    match target:
        case ast.Attribute(attr=attr):
            return attr in called - _OF_TENSORS
        case ast.Name(id=name):
            return name in wide
        case ast.Subscript(value=ast.Name(id=table)):
            return table in mentioned - given
        case ast.Subscript(value=ast.Attribute(attr=attr)):
            return attr in called - _OF_TENSORS
    return False


def _may_be_given(value: ast.expr, given: frozenset[str]) -> bool:
    """True for a parameter, what is made by or of one, and an identity; a layer of torch's is something else."""
    if isinstance(value, ast.Call):
        name = _last(value.func)
        if name[:1].isupper() and name not in _HOLDERS:
            return name in given
    return any(_last(each) in given | {"Identity"} for each in ast.walk(value) if not isinstance(each, ast.Attribute)
               or each.attr == "Identity")  # fmt: skip


def _handed_in(method: ast.AST, called: frozenset[str]) -> Iterator[ast.AST]:
    """What puts a whole table of layers that the constructor was given among the parts."""
    given = _parameters(method)
    for node in ast.walk(method):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr=attr), attr="update"), args=[ast.Name(id=name)]):
                if attr in called and name in given:
                    yield node
            case ast.Call(func=called_, args=[ast.Name(id=name)]) if _last(called_) == "ModuleDict" and name in given:
                yield node


def _parameters(function: ast.AST) -> frozenset[str]:
    """The parameters of a function and of those within it, but for `self`."""
    found = (each.arg for each in ast.walk(function) if isinstance(each, ast.arg))
    return frozenset(found) - {"self"}


def _keeper(part: Text, node: ast.AST) -> Keeper:
    assert isinstance(node, ast.expr | ast.stmt)
    span = part.span(node)
    text = " ".join(part.slice(span).split())
    return Keeper(
        Span(span.end - 1, span.end), text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...", SETS, mute=True
    )


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
