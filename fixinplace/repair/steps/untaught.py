"""A network that nobody steps, averaged from another one between its forward and the backward: its results detached.

Note [Nobody steps it]
    The target of BYOL, MoCo or a mean teacher follows the weights that are learned and is learned by no optimizer.
    Its parameters require grad all the same where nobody has said otherwise, so autograd keeps them, and the average
    that is taken in the forward overwrites what it kept.  What such a network computes is meant to be a constant.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Scene, Wrap
from fixinplace.repair.code import Code
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.paths import path
from fixinplace.trace.events import Save, Write

_HELD = ".param_groups["


def untaught(scene: Scene) -> Iterator[Choice]:
    """What the averaged network computes, made constant where it is called; see Note [Nobody steps it]."""
    offence = scene.offence
    write, save = next(iter(offence.writes), None), offence.save
    if write is None or save is None or write.by == "optimizer" or not write.names_complete:
        return
    if _learns(scene, save, write):
        return
    spots = (spot for place in save.stack if (spot := scene.node(place)) is not None)
    for code, node in spots:
        statement = code.statement(node)
        calls = [each for each in ast.walk(statement) if isinstance(each, ast.Call) and _holds(each, write.names)]
        if calls:
            yield from _constant(code, statement, calls, write.names)
            return


def _learns(scene: Scene, save: Save, write: Write) -> bool:
    """True if a gradient is read on the way to the write, from where save and write part: it is an update by hand."""
    around = {(place.file, place.function) for place in save.stack}
    for place in write.stack:
        spot = scene.node(place)
        if spot is not None and _reads_gradients(spot[0].function(spot[1]) or spot[0].tree):
            return True
        if (place.file, place.function) in around:
            return False
    return False


def _reads_gradients(body: ast.AST) -> bool:
    return any(isinstance(each, ast.Attribute) and each.attr == "grad" for each in ast.walk(body))


def _constant(code: Code, statement: ast.stmt, calls: list[ast.Call], names: tuple[str, ...]) -> Iterator[Choice]:
    if any(_HELD in name for name in names) or not isinstance(statement, ast.Assign):
        return
    shown = " and ".join(f"`{each}`" for each in dict.fromkeys(ast.unparse(call.func) for call in calls))
    made = _made_constant(code, statement, calls)
    if made is None:
        return
    how, change = made
    meaning = (
        f"What {shown} computes in line {statement.lineno} is a constant: no optimizer was seen to hold its weights, "
        f"and gradients reach neither them nor what it is given there."
    )
    yield Choice(f"{shown} in `{' '.join(code.source_of(statement).split())}` {how}", meaning, (change,), 5)


def _holds(call: ast.Call, names: tuple[str, ...]) -> bool:
    """True for the call of a module of which one of these is a parameter: `self.target(x)`, `self.target.2.weight`."""
    called = path(call.func)
    return called is not None and any(name.startswith(f"{called}.") for name in names)


def _made_constant(code: Code, statement: ast.Assign, calls: list[ast.Call]) -> tuple[str, Change] | None:
    """`.detach()` behind each call, or `no_grad` around the statement where one call gives several values."""
    several = isinstance(statement.targets[0], ast.Tuple) and statement.value in calls
    if not several:
        return "detached", Change(code.path, tuple(code.after(call, ".detach()") for call in calls))
    known = code.name_of("torch", "no_grad")
    if code.head(statement) is None or (known is None and not code.can_import("torch")):
        return None
    span = code.text.span(statement)
    header = known or "torch.no_grad"
    wrap = Wrap(span.start, span.end, f"with {header}():")
    return f"under `{header}()`", Change(code.path, wraps=(wrap,), imports=() if known else ("torch",))
