"""Lists that a constructor keeps under an attribute until they become a `Sequential`.

Note [Parts in the making]
    `self.features = [stem]`, `self.features.append(block)`, `self.features = nn.Sequential(*self.features)`: until its
    last line the attribute is a name of the constructor's own.  That needs that nothing else there speaks of it, that
    the instance is handed to nobody meanwhile, and that no method which may be called meanwhile speaks of it either.
    So is `self.features = nn.Sequential(stem)` up to the last `self.features.add_module(name, block)`: what the
    attribute was on the way there nobody has seen.  So is `self.layers = nn.ModuleList()`, and so is what both ways of
    a choice begin.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from fixinplace import walking
from fixinplace.detect.index import dotted
from fixinplace.detect.liveness import Function
from fixinplace.walking import every, functions, remembered, walk

_BECOMES = ("Sequential", "ModuleList")
_GROWS = ("append", "extend")
_INNER = (Function, ast.Lambda, ast.ClassDef)
Parents = Mapping[int, ast.AST]


def in_the_making(body: Sequence[ast.stmt], owner: str, above: Parents, tree: ast.Module) -> dict[str, ast.stmt]:
    """Attributes of `owner` that are lists of the function's own up to the statement that makes modules of them."""
    ends = {name: index for index, one in enumerate(body) for name in _made(one, owner)}
    return {name: body[last] for name, last in ends.items() if _is_own(name, owner, body[: last + 1], above, tree)}


@remembered
def made_of_lists(tree: ast.Module) -> frozenset[int]:
    """Ids of all that speaks of an attribute while it is a list of a constructor's own."""
    found: set[int] = set()
    for function in (one for cls in every(tree, ast.ClassDef) for one in cls.body if isinstance(one, Function)):
        owner = function.args.args[0].arg if function.args.args else ""
        for name, last in in_the_making(function.body, owner, walking.above(tree), tree).items():
            before = function.body[: function.body.index(last)]
            spoken = [one for each in (*before, last) for one in every(each, ast.Attribute) if dotted(one) == name]
            found |= {id(one) for one in spoken} - {id(one) for one in getattr(last, "targets", ())}
    return frozenset(found)


def growing(body: Sequence[ast.stmt], owner: str, above: Parents, tree: ast.Module) -> dict[str, ast.stmt]:
    """Lists of modules that grow under an attribute of `owner`, with the last statement that makes them longer."""
    found: dict[str, ast.stmt] = {}
    for start, one in enumerate(body):
        for name, begun in _begun(one, owner).items():
            ends = [n for n, each in enumerate(body) if n >= start and any(_grows(node, name) for node in walk(each))]
            if ends and _is_own(name, owner, body[: ends[-1] + 1], above, tree, begun):
                found[name] = body[ends[-1]]
    return found


def _begun(statement: ast.stmt, owner: str) -> dict[str, tuple[ast.stmt, ...]]:
    """The attributes that a statement makes lists of modules, with where it does: a choice does so on both ways."""
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name)) as target], value=ast.Call(func=func)):
            made = name == owner and dotted(func).rpartition(".")[2] in _BECOMES
            return {dotted(target): (statement,)} if made else {}
        case ast.If(body=[*_, _] as first, orelse=[*_, _] as other):
            ways = [[(name, at) for one in way for name, at in _begun(one, owner).items()] for way in (first, other)]
            once = [dict(way) for way in ways if len(dict(way)) == len(way)]
            both = once[0].keys() & once[1].keys() if len(once) == len(ways) else set()
            return {name: once[0][name] + once[1][name] for name in sorted(both)}
    return {}


def _grows(node: ast.AST, name: str) -> bool:
    return bool(name) and isinstance(node, ast.Attribute) and dotted(node) in (f"{name}.add_module", f"{name}.append")


def _made(statement: ast.stmt, owner: str) -> Iterator[str]:
    """`self.parts` for `self.parts = nn.Sequential(*self.parts)`."""
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name)) as target], value=ast.Call() as call):
            given = [one.value if isinstance(one, ast.Starred) else one for one in call.args]
            becomes = dotted(call.func).rpartition(".")[2] in _BECOMES and not call.keywords
            if name == owner and becomes and [dotted(one) for one in given] == [dotted(target)]:
                yield dotted(target)


def _is_own(
    name: str, owner: str, body: Sequence[ast.stmt], above: Parents, tree: ast.Module, begun: tuple[ast.stmt, ...] = ()
) -> bool:
    """begun: where a `Sequential`, or a `ModuleList`, is made under the name, which only grows from then on."""
    attr = name.rpartition(".")[2]
    nodes = [node for statement in body for node in walk(statement)]
    asked = [one for one in nodes if isinstance(one, ast.Attribute)]
    uses = [one for one in asked if one.attr == attr]
    plain = all(dotted(one) == name and _is_plain(one, above, body[-1], begun) for one in uses)
    if begun and any(isinstance(node, ast.Return) for node in nodes):
        return False
    if not plain or any(isinstance(node, _INNER) for node in nodes):
        return False
    alone = all(_is_asked(one, above) for one in nodes if isinstance(one, ast.Name) and one.id == owner)
    called = frozenset(one.attr for one in asked) - {"__init__"}
    return alone and not _speak_of(attr, called, tree)


def _is_asked(node: ast.Name, above: Parents) -> bool:
    """True for `self.width` and `super(Net, self)`: nobody else has the instance afterwards."""
    parent = above.get(id(node))
    return isinstance(parent, ast.Attribute) or (isinstance(parent, ast.Call) and dotted(parent.func) == "super")


def _is_plain(node: ast.Attribute, above: Parents, last: ast.stmt, begun: tuple[ast.stmt, ...]) -> bool:
    """True for `self.parts = [...]`, `self.parts.append(part)` and the parts that the last statement takes."""
    parent = above.get(id(node))
    match parent:
        case ast.Attribute(attr=attr) if begun:
            call = above.get(id(parent))
            given = len(call.args) if isinstance(call, ast.Call) and not call.keywords else 0
            return (attr, given) in (("add_module", 2), ("append", 1)) and isinstance(above.get(id(call)), ast.Expr)
        case _ if begun:
            return any(parent is one for one in begun)
        case ast.Assign(targets=[_], value=ast.List() | ast.ListComp()):
            return True
        case ast.Attribute(attr=attr):
            call = above.get(id(parent))
            return attr in _GROWS and isinstance(call, ast.Call) and isinstance(above.get(id(call)), ast.Expr)
    return any(one is node for one in walk(last))


def _speak_of(attr: str, asked: frozenset[str], tree: ast.Module) -> bool:
    """True if a method that is called by one of some names, or one that it calls, may use the attribute."""
    return any(attr in _speaks(one) for one in functions(tree) if one.name in _reached(asked, tree))


@remembered
def _speaks(function: Function) -> frozenset[str]:
    return frozenset(one.attr for one in every(function, ast.Attribute))


def _reached(names: frozenset[str], tree: ast.Module) -> frozenset[str]:
    """The attributes that may be asked for when functions of some names run, those names among them."""
    while True:
        more = names.union(*(_speaks(one) for one in functions(tree) if one.name in names)) - {"__init__"}
        if more == names:
            return names
        names = more
