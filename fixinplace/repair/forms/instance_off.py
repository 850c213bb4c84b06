"""`inplace` off for the guilty instance alone: a statement behind the loop, the constructor or the assignment."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from fixinplace.detect.index import dotted
from fixinplace.model import Edit
from fixinplace.repair.base import Change, Proof, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.flags import set_later
from fixinplace.trace.events import Write

_WALKS = ("modules", "named_modules", "children", "named_children")
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)
_Found = tuple[Code | None, Edit | None, str]


def propose(scene: Scene) -> Iterator[Proposal]:
    """One statement that names the instance, where it is seen by that name and has its flag already: in the nearest
    class that holds it, and, if objects of that class hold others, in the next one that holds it alone."""
    for write in scene.offence.writes[:1]:
        owners = write.instances.owners
        if write.origin == write.place or not owners:
            continue
        looped = _behind_the_loop(scene, write)
        found = [looped] if looped is not None else list(_in_the_classes(scene, write))
        proposals = list(_proposals(write, found or [_behind_the_assignment(scene, write)]))
        yield from proposals[:1]
        alone = (each for each in proposals[1:] if each.covers == (write.instances.path,) != proposals[0].covers)
        yield from (replace(each, rank=each.rank + 1) for each in itertools.islice(alone, 1))


def _proposals(write: Write, found: Iterable[_Found]) -> Iterator[Proposal]:
    for code, edit, title in found:
        if code is not None and edit is not None:
            changes, covers = (Change(code.path, (edit,)),), _alike(write, code, edit)
            yield Proposal("instance-off", Tier.PATCH, f"`{title}`", changes, rank=14, covers=covers, proof=Proof.OWN)


def _alike(write: Write, code: Code, edit: Edit) -> tuple[str, ...]:
    """Instances that the edit concerns: in a constructor, those of the same name in every object of the class."""
    spot = next(
        (node for node in ast.walk(code.tree) if isinstance(node, ast.ClassDef) and _holds(code, node, edit)), None
    )
    around = write.instances
    named = zip(around.owners, around.alike, strict=True)
    same = next((alike for (name, _), alike in named if spot is not None and spot.name == name), ())
    return same or (around.path,)


def _holds(code: Code, node: ast.ClassDef, edit: Edit) -> bool:
    span = code.text.span(node)
    return span.start <= edit.span.start and edit.span.end <= (code.line_end(span.end) or span.end)


def _statement(root: str, path: str) -> str:
    text = root
    for part in path.split("."):
        if not part.isdecimal() and not part.isidentifier():
            return f'{root}.get_submodule("{path}").inplace = False'
        text += f"[{part}]" if part.isdecimal() else f".{part}"
    return f"{text}.inplace = False"


def _behind_the_loop(scene: Scene, write: Write) -> _Found | None:
    """Where `for m in net.modules()` sets the flag of everything."""
    for code, node in set_later(scene, write):
        loop = code.loop(node)
        while loop is not None and (outer := code.loop(loop)) is not None:
            loop = outer
        match loop:
            case ast.For(iter=ast.Call(func=ast.Attribute(value=root, attr=attr))) if attr in _WALKS and dotted(root):
                path = _below(code, loop, dotted(root), write)
                text = _statement(dotted(root), path)
                return code, code.after_statement(loop, text), text
        return code, None, ""  # a flag that is set again is not switched off before
    return None


def _below(code: Code, loop: ast.For, root: str, write: Write) -> str:
    """The path of the instance below what the loop walks over."""
    owners = write.instances.owners
    first, _, rest = root.partition(".")
    kind = _class(code, loop)
    own = next((path for name, path in owners if first == "self" and kind is not None and kind.name == name), None)
    return (own or owners[-1][1]).removeprefix(f"{rest}." if rest else "")


def _class(code: Code, node: ast.AST) -> ast.ClassDef | None:
    return next((up for up in code.up(node) if isinstance(up, ast.ClassDef)), None)


def _in_the_classes(scene: Scene, write: Write) -> Iterator[_Found]:
    """In the constructors of the classes of the user's that hold the instance, the nearest first."""
    for name, path in write.instances.owners:
        for place in write.stack:
            code = scene.files(place.file) if place.function.split(".")[-2:-1] == [name] else None
            init = None if code is None else _constructor(code, name)
            if code is not None and init is not None and init.args.args:
                found = _in_constructor(code, init, path)
                if found is not None:
                    yield found
                break


def _constructor(code: Code, name: str) -> Function | None:
    kinds = (node for node in ast.walk(code.tree) if isinstance(node, ast.ClassDef) and node.name == name)
    inits = (each for kind in kinds for each in kind.body if isinstance(each, ast.FunctionDef))
    return next((each for each in inits if each.name == "__init__"), None)


def _in_constructor(code: Code, init: Function, path: str) -> _Found | None:
    root = init.args.args[0].arg
    text = _statement(root, path)
    for statement in init.body:
        match statement:
            case ast.Assign(targets=[target], value=value) if dotted(target) == f"{root}.{path}":
                if isinstance(value, ast.Call) and _takes_flag(code, value):
                    return code, _argument(code, value), f"{code.source_of(target)} = … inplace=False"
                return code, code.appended(statement, text), text
    last = init.body[-1]
    edit = code.appended(last, text) if isinstance(last, _SIMPLE) else code.after_statement(last, text)
    return None if isinstance(last, ast.Return) else (code, edit, text)


def _takes_flag(code: Code, call: ast.Call) -> bool:
    """True if a function of this file is called that has a parameter `inplace`, and none is given."""
    if not isinstance(call.func, ast.Name) or any(each.arg in (None, "inplace") for each in call.keywords):
        return False
    name = call.func.id
    made = next((each for each in code.tree.body if isinstance(each, ast.FunctionDef) and each.name == name), None)
    words = [] if made is None else [each.arg for each in (*made.args.args[len(call.args) :], *made.args.kwonlyargs)]
    return "inplace" in words and not any(isinstance(each, ast.Starred) for each in call.args)


def _argument(code: Code, call: ast.Call) -> Edit:
    if call.args or call.keywords:
        last = max((*call.args, *(each.value for each in call.keywords)), key=lambda each: code.text.span(each).end)
        return code.after(last, ", inplace=False")
    return code.replace(call, f"{code.source_of(call.func)}(inplace=False)")


def _behind_the_assignment(scene: Scene, write: Write) -> _Found:
    """Where the outermost module is built in the statement that builds the instance, or is bound to the name by which
    it is called: whether that is the one a run shows."""
    spot = scene.node(write.built)
    places = [*([spot] if spot is not None else []), *_bindings(scene, write)]
    for code, node in places:
        statement = code.statement(node)
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]):
                text = _statement(name, write.instances.owners[-1][1])
                return code, code.appended(statement, text), text
    return None, None, ""


def _bindings(scene: Scene, write: Write) -> Iterator[tuple[Code, ast.stmt]]:
    """The only assignments of local names by which modules were called, the outermost call first."""
    for place in reversed(write.stack):
        code = scene.files(place.file)
        node = None if code is None else code.at(place)
        home = None if code is None or node is None else code.function(node) or code.tree
        match node:
            case ast.Call(func=ast.Name(id=name)) if code is not None and home is not None:
                named = [each for each in ast.walk(home) if isinstance(each, ast.Name) and each.id == name]
                stores = [each for each in named if not isinstance(each.ctx, ast.Load)]
                if len(stores) == 1 and isinstance(code.above[id(stores[0])], ast.Assign):
                    yield code, code.statement(stores[0])


REPAIR = Repair(
    name="instance-off",
    what="Switches `inplace` off for the instance that wrote, in one statement that names it.",
    why="Where a loop, a factory or one line makes many instances, most of them do no harm and go on saving memory.",
    propose=propose,
)
