"""A loop that writes the tensors of a list or a dictionary through its loop variable: a new collection instead.

Note [Weights of an inner step]
    Where torch refuses the write because the tensors are parameters, and grad mode off does not help since a later
    backward goes through the step, new weights are what is left.  The parameters stay what they were then, which is
    another program than the one that writes them: so that is said, and left to be chosen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.model import Edit, Fix, Span
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.ran import fix_at
from fixinplace.source import apply

_REFUSED = "FIP202"
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def propose(scene: Scene) -> Iterator[Proposal]:
    """`for w, g in zip(fast, grads): w.sub_(g)` becomes `fast = [w.sub(g) for w, g in zip(fast, grads)]`."""
    offence, inner = scene.offence, scene.offence.rule == _REFUSED
    spot = scene.node(offence.writes[0].place) if offence.rule in ("", _REFUSED) and offence.writes else None
    loop = spot[0].loop(spot[1]) if spot is not None else None
    if spot is None or not isinstance(loop, ast.For) or loop.orelse or len(loop.body) != 1 or loop.type_comment:
        return
    code, node = spot
    new = _new_value(code, node, loop.body[0])
    if new is None or "#" in code.source_of(loop) or _leaks(code, loop):
        return
    name, value = new
    for collection, target, over, key in _sources(code, name, loop.target, loop.iter):
        told = _from_elsewhere(code, loop, collection)
        if not (told or _made_here(code, loop, collection)):
            continue
        body, brackets = (f"{key}: {value}", "{}") if key else (value, "[]")
        text = f"{collection} = {brackets[0]}{body} for {target} in {over}{brackets[1]}"
        change = Change(code.path, (Edit(code.text.span(loop), text),))
        title = f"`{collection}` made anew out of place"
        tier, meaning = (Tier.CHOOSE, _meaning(collection)) if inner else (Tier.PATCH, "")
        yield Proposal("collect-items", tier, title, (change,), meaning, 15, (told,) if told and not inner else ())


def _meaning(collection: str) -> str:
    """See Note [Weights of an inner step]."""
    return (
        f"`{collection}` holds new values, through which gradients go back to the parameters that it held; these "
        f"stay what they were, and only an optimizer steps them. Gradients taken with `create_graph` are part of it."
    )


def _new_value(code: Code, node: ast.expr | ast.stmt, statement: ast.stmt) -> tuple[str, str] | None:
    """The name that the body's only statement writes, and the new value, out of place and on one line."""
    outcome, span = fix_at(code, node), code.text.span(statement)
    if outcome is None or not isinstance(outcome.fix, Fix) or code.statement(node) is not statement:
        return None
    edits, text = outcome.fix.edits, code.text.text
    if any(each.span.start < span.start or each.span.end > span.end for each in edits):
        return None
    moved = tuple(Edit(Span(e.span.start - span.start, e.span.end - span.start), e.text) for e in edits)
    changed = apply(text[span.start : span.end], moved)
    if "\n" in changed:  # several statements
        return None
    match ast.parse(changed).body:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value)]:
            return name, ast.get_source_segment(changed, value) or ""
    return None


def _sources(code: Code, name: str, target: ast.expr, over: ast.expr) -> Iterator[tuple[str, str, str, str]]:
    """The collection whose items the loop variable `name` is; target, iterable and key of the comprehension."""
    shown = code.source_of(over)
    match target, over:
        case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id="zip"), args=parts, keywords=[]):
            if len(targets) != len(parts):
                return
            for n, (each, part) in enumerate(zip(targets, parts, strict=True)):
                for collection, one, items, key in _sources(code, name, each, part):
                    mine = f"({one})" if "," in one else one
                    names = [mine if k == n else code.source_of(t) for k, t in enumerate(targets)]
                    texts = [items if k == n else code.source_of(p) for k, p in enumerate(parts)]
                    yield collection, ", ".join(names), f"zip({', '.join(texts)})", key
        case ast.Name(id=variable), ast.Name(id=collection) if variable == name:
            yield collection, name, shown, ""
        case ast.Name(id=variable), ast.Call(
            func=ast.Attribute(value=ast.Name(id=collection), attr="values"), args=[]
        ) if variable == name:
            key = "key" if "name" in code.source_of(code.loop(over) or over) else "name"
            yield collection, f"{key}, {name}", f"{collection}.items()", key
        case ast.Tuple(elts=[ast.Name(id=key), ast.Name(id=variable)]), ast.Call(
            func=ast.Attribute(value=ast.Name(id=collection), attr="items"), args=[]
        ) if variable == name:
            yield collection, f"{key}, {name}", shown, key


def _from_elsewhere(code: Code, loop: ast.For, collection: str) -> str:
    """Who else may look at a collection that an argument or a call gave, and that the name never leaves."""
    function = code.function(loop)
    if function is None:
        return ""
    arguments = {each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    names = (n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == collection)
    stores = [each for each in names if isinstance(each.ctx, ast.Store)]
    if collection in arguments and not stores:
        return f"`{collection}` is an argument: callers that this command does not reach may look at it afterwards"
    if len(stores) != 1 or collection in arguments:
        return ""
    match code.above[id(stores[0])]:
        case ast.Assign(targets=[ast.Name()], value=ast.Call(func=called)):
            return f"`{collection}` comes from `{code.source_of(called)}`: who keeps that one does not see the new one"
    return ""


def _made_here(code: Code, loop: ast.For, collection: str) -> bool:
    """True if the function of the loop makes the collection itself, as a list or a dictionary."""
    function = code.function(loop)
    inside = code.tree if function is None else function
    for node in ast.walk(inside):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == collection:
                if not isinstance(value, (ast.List, ast.ListComp, ast.Dict, ast.DictComp)):
                    return False
    made = (n for n in ast.walk(inside) if isinstance(n, ast.Name) and n.id == collection)
    return any(isinstance(each.ctx, ast.Store) for each in made)


def _leaks(code: Code, loop: ast.For) -> bool:
    """True if a loop variable is read behind the loop, where a comprehension leaves none."""
    names = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    function = code.function(loop)
    stack: list[ast.AST] = [code.tree if function is None else function]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load):
            return True
        if node is not loop and not (isinstance(node, _COMPREHENSIONS) and names & _bound(node)):
            stack += ast.iter_child_nodes(node)
    return False


def _bound(node: ast.AST) -> set[str]:
    """The names that a comprehension binds for itself."""
    targets = [each.target for each in ast.walk(node) if isinstance(each, ast.comprehension)]
    return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}


REPAIR = Repair(
    name="collect-items",
    what="Makes the list or dictionary anew whose tensors a loop writes: `fast = [w.sub(g) for w, g in zip(fast, g)]`.",
    why="A new tensor under the loop variable's name would not reach the collection that the tensors are read from.",
    propose=propose,
)
