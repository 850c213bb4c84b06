"""The write itself out of place, as `fix` would write it."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import replace

from fixinplace.detect.index import dotted
from fixinplace.model import Fix
from fixinplace.repair import copying, kept
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.ran import fix_at
from fixinplace.trace.events import Write

_NOT_OURS = ("FIP201", "FIP207", "FIP208", "FIP211", "FIP212", "FIP304", "FIP305", "FIP306", "FIP307")
"""Rules whose write is right as it is: an optimizer's step, a buffer's update."""
_MODULE = "inplace-module"
_FUNCTION = "FIP210"
_UNFILLED = (
    "The name gets a new tensor, which autograd follows. What `out=` named is not written any more: whoever else has "
    "it finds what it held, or what uninitialised memory holds."
)
LAST_RESORT = "clone-first"
"""The rewrite that clones the tensor and writes the clone."""


def propose(scene: Scene) -> Iterator[Proposal]:
    """The first write after the save, then all of the chain: later ones hit fresh memory once the first is gone."""
    offence = scene.offence
    if offence.rule in _NOT_OURS or (offence.rule == _FUNCTION and offence.silent):
        return
    made: list[tuple[str, Fix, tuple[str, ...]]] = []
    for write in offence.writes:
        for code, node in _places(scene, write):
            outcome = fix_at(code, node, write)
            if outcome is None or not isinstance(outcome.fix, Fix) or _comes_to_nothing(write, code, node):
                continue
            parameter = outcome.fix.parameter
            dropped = parameter is not None and _is_for_the_caller(scene, write, code, node, parameter)
            if outcome.lost or dropped:
                continue
            keeper = kept.keeper(write, code, node)
            if kept.is_object(keeper) and offence.save is not None and outcome.fix.rewrite != _MODULE:
                continue
            caveats = (*outcome.caveats, *argument(outcome.fix), *kept.told(keeper))
            one = (code.path, outcome.fix, caveats)
            if one not in made:
                made.append(one)
                excused = _wrapped(code, node) if offence.rule == _FUNCTION else ()
                yield replace(_proposal([one]), covers=write.instances.twins, excused=excused)
                yield from _cloned_before(code, node, one)
    if len(made) > 1:
        yield _proposal(made, 5)


def _cloned_before(code: Code, node: ast.expr | ast.stmt, made: tuple[str, Fix, tuple[str, ...]]) -> Iterator[Proposal]:
    """`self.slots = self.slots.clone()` in a line before the store, where what is stored does not keep the tensor.

    The last resort computes that first, and takes three lines; a run tells whether one is enough.
    """
    path, fix, caveats = made
    statement = code.statement(node)
    name = copying.written(statement)
    owner = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if fix.rewrite != LAST_RESORT or not isinstance(owner, ast.Subscript) or dotted(owner.value) != name:
        return
    text = f"{name} = {name}.clone()"
    edit = code.before_statement(statement, text)
    if edit is not None:
        yield Proposal(
            "out-of-place", Tier.PATCH, f"`{text}` before it is written", (Change(path, (edit,)),), "", 42, caveats
        )


def _wrapped(code: Code, node: ast.expr | ast.stmt) -> tuple[str, ...]:
    """What the forward of a custom Function returns: torch alone looks at it, and its caller gets an output of its own.

    With what it was given it returned a tensor that requires grad; with a new one the output alone does.
    """
    function = code.function(node)
    return () if function is None else (f"{code.qualified(function)}() returned ",)


def _comes_to_nothing(write: Write, code: Code, node: ast.expr | ast.stmt) -> bool:
    """True if a view is detached and its name not read again: what it is a view of was meant, and would stay as it is.

    What torch refuses has no meaning that a run could show; the new value of a name that nobody reads has none at all.
    """
    statement, function = code.statement(node), code.function(node)
    name = copying.written(statement)
    if write.op != "detach_" or not name.isidentifier() or function is None:
        return False
    loop, own = code.loop(node), code.text.span(statement)
    names = [each for each in ast.walk(function) if isinstance(each, ast.Name) and each.id == name]
    inside = [each for each in ast.walk(loop) if isinstance(each, ast.Name) and each.id == name] if loop else []
    anew = any(isinstance(each.ctx, ast.Store) for each in inside)
    later = [each for each in names if code.text.span(each).start > own.end]
    reads = later if anew else [*later, *(each for each in inside if not own.contains(code.text.span(each)))]
    return not any(isinstance(each.ctx, ast.Load) for each in reads)


def _is_for_the_caller(scene: Scene, write: Write, code: Code, node: ast.expr | ast.stmt, parameter: str) -> bool:
    """True if a function writes its argument and does no more than return it, and its caller drops what it returns.

    The caller meant the writing.  With a new tensor the function would do nothing at all, and no run would show it
    where whoever else holds the tensor does not read it.
    """
    outer = itertools.islice(itertools.dropwhile(lambda place: place != write.place, write.stack), 1, None)
    around = next((spot for spot in map(scene.node, outer) if spot is not None), None)
    function = code.function(node)
    if around is None or function is None or not isinstance(around[0].statement(around[1]), ast.Expr):
        return False
    own = code.text.span(code.statement(node))
    names = {parameter, copying.written(code.statement(node)).partition(".")[0]}
    named = [each for each in ast.walk(function) if isinstance(each, ast.Name) and each.id in names]
    reads = [each for each in named if isinstance(each.ctx, ast.Load) and not own.contains(code.text.span(each))]
    later = [each for each in reads if code.loop(node) is not None or code.text.span(each).start > own.end]
    return all(_is_given_back(code, each) for each in later)


def _is_given_back(code: Code, read: ast.Name) -> bool:
    """True for a name that a `return` gives as it is, alone or in a tuple."""
    up = code.above[id(read)]
    return isinstance(code.above[id(up)] if isinstance(up, ast.Tuple) else up, ast.Return)


def argument(fix: Fix) -> tuple[str, ...]:
    """What to tell where the written name is an argument."""
    sentence = f"`{fix.parameter}` is an argument: callers that this command does not reach may look at it afterwards"
    return () if fix.parameter is None else (sentence,)


def _proposal(made: list[tuple[str, Fix, tuple[str, ...]]], later: int = 0) -> Proposal:
    files: dict[str, list[Fix]] = {}
    for path, fix, _ in made:
        files.setdefault(path, []).append(fix)
    changes = tuple(Change(path, tuple(edit for fix in fixes for edit in fix.edits)) for path, fixes in files.items())
    titles = "; ".join(dict.fromkeys(fix.title for _, fix, _ in made))
    caveats = tuple(dict.fromkeys(caveat for _, _, some in made for caveat in some))
    rank = 40 if any(fix.rewrite == LAST_RESORT for _, fix, _ in made) else 10
    rank += 22 if any(caveat for caveat in caveats if "is an argument" not in caveat) else 0
    otherwise = _UNFILLED if all(fix.rewrite == "out-argument" for _, fix, _ in made) else ""
    return Proposal("out-of-place", Tier.PATCH, titles, changes, "", rank + later, caveats, otherwise=otherwise)


def _places(scene: Scene, write: Write) -> Iterator[tuple[Code, ast.expr | ast.stmt]]:
    """Where the write can be edited: where its module was built, else the innermost line of the user's own."""
    for place in dict.fromkeys((write.origin, write.place)):
        if (spot := scene.node(place)) is not None:
            yield spot


REPAIR = Repair(
    name="out-of-place",
    what="Rewrites the first in-place write after the save out of place: `h += skip` becomes `h = h + skip`.",
    why="The tensor that autograd has saved keeps its value; the name gets a new tensor.",
    propose=propose,
)
