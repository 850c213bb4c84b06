"""A forward in one method, the step and the failing backward in another: what the loss reads of `self` is made again.

Note [Between methods]
    `self.forward()` keeps on `self` what `self.update()` differentiates, and `update` steps before its backward.  What
    the loss needs are statements of `forward`: they can stand in `update` as well where all that they read is on
    `self`, known to the file, or bound by one of them, and where no statement between the two changes it.  A local
    name that they bind must not mean anything there.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence

from fixinplace.repair.base import Change
from fixinplace.repair.code import Function
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.lines import Item, built_up, flat, holding, needed, repeatable, saved_part, tainted, way
from fixinplace.repair.steps.moving import CannotMove, checked, emitted, pasted_after
from fixinplace.repair.steps.paths import EMPTY
from fixinplace.repair.steps.recompute import last_step, sources
from fixinplace.repair.steps.situation import Situation


def from_method(at: Situation) -> Iterator[Choice]:
    """The statements of the other method that the failing loss comes from, behind the step; see Note [Between methods].

    at: a situation in the frame that the step and the backward share, below the one of all three.
    """
    step = last_step(at)
    method = _method(at)
    if step is None or method is None or at.frame.function is None:
        return
    chosen = _chosen(at, method, step)
    if not chosen:
        return
    try:
        edits = (pasted_after(at.code, step, emitted(at.code, chosen, ())),)
        yield _choice(at, method, chosen, Change(at.code.path, checked(at.code, edits)), step)
    except CannotMove:
        return


def _method(at: Situation) -> Function | None:
    """The method of the same class that ran the forward, called by a statement of the frame around."""
    around = at.around
    match around and around.save:
        case ast.Expr(value=ast.Call(func=ast.Name(id="self")) as call):
            call = ast.Call(
                ast.Attribute(ast.Name("self", ast.Load()), "forward", ast.Load()), call.args, call.keywords
            )
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="self"))) as call):
            pass
        case _:
            return None
    assert around is not None and around.save is not None
    if around.code is not at.code or at.frame.function is None:
        return None
    found = at.reader.called(call, around.save)
    same = found is not None and found is at.reader.called(call, at.frame.function)
    return found if same else None


def _chosen(at: Situation, method: Function, step: ast.stmt) -> list[Item]:
    """What the failing loss needs of the method, in order; nothing where it cannot be said elsewhere."""
    inside, save = flat(at.reader, method.body), _saved(at, method)
    around = at.around
    between = None if around is None or around.save is None else way(at.reader, around.save, around.needed)
    source = None if save is None else holding(inside, save)
    if between is None or source is None:
        return []
    items = [*inside, *between[1:], *at.items]
    stop = next((n + 1 for n, item in enumerate(items) if item.node is step), None)
    if stop is None:
        return []
    starts = {**sources(at, items, source, stop), source: saved_part(inside[source], save)}
    carrying, _ = tainted(items, starts)
    wanted, _ = needed(items, at.wanted)
    closed = built_up(items, {n for n in carrying & wanted if n < stop})
    if closed is None or source not in closed or not all(n < len(inside) for n in closed):
        return []
    effects = any(items[n].facts.acts or items[n].facts.jumps or items[n].wraps for n in closed)
    chosen = [items[n] for n in sorted(closed)]
    return chosen if not effects and repeatable(items, closed, stop) and _can_stand(at, method, chosen) else []


def _saved(at: Situation, method: Function) -> ast.AST | None:
    """The statement of the method in which the save was made."""
    save = at.scene.offence.save
    spots = (at.scene.node(place) for place in (save.stack if save is not None else ()))
    return next((node for code, node in filter(None, spots) if code is at.code and code.function(node) is method), None)


def _can_stand(at: Situation, method: Function, chosen: Sequence[Item]) -> bool:
    """True if statements of the method mean the same in the function of the step."""
    local = {node.id for node in ast.walk(method) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    local |= {each.arg for each in ast.walk(method.args) if isinstance(each, ast.arg)} - {"self"}
    assert at.frame.function is not None
    there = {node.id for node in ast.walk(at.frame.function) if isinstance(node, ast.Name)}
    known: set[str] = set()
    for item in chosen:
        read = {path.split(".")[0] for path in item.facts.reads} - known
        known |= {path.split(".")[0] for path in item.facts.writes}
        if read & local or (read - _global(at) - {"self"}):
            return False
    return not (known - {"self"}) & there


def _global(at: Situation) -> set[str]:
    tops = {each.id for node in at.code.tree.body for each in ast.walk(node) if isinstance(each, ast.Name)}
    defined = {node.name for node in at.code.tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return tops | defined | at.reader.imported | set(dir(builtins))


def _choice(at: Situation, method: Function, chosen: Sequence[Item], change: Change, step: ast.stmt) -> Choice:
    first, last = at.one_line(chosen[0].node), at.one_line(chosen[-1].node)
    shown = f"`{first}`" + (f" to `{last}`" if len(chosen) > 1 else "")
    kept = EMPTY.union(*(item.facts.writes for item in chosen))
    named = " and ".join(f"`{each}`" for each in sorted(kept) if each.startswith("self."))
    meaning = (
        f"{at.loss_first} is computed with the weights after the step, and so are its gradients. That part of "
        f"`{method.name}` runs a second time: dropout draws again, running statistics count it twice, and whatever "
        f"reads {named} later finds the new one."
    )
    title = f"{shown} of `{method.name}` computed again behind `{at.one_line(step)}`"
    return Choice(title, meaning, (change,), 20)
