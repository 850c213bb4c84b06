"""First choice: the step goes behind the failing backward, so that every backward meets the weights of its forward.

What goes along with it: Note [What goes along].
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from fixinplace.model import Edit
from fixinplace.repair.base import Change
from fixinplace.repair.steps.along import (
    apart,
    cleared,
    divided,
    prepares,
    prepares_a_step,
    role_of,
    stepping,
)
from fixinplace.repair.steps.choice import Choice, joined
from fixinplace.repair.steps.later import limited
from fixinplace.repair.steps.lines import common
from fixinplace.repair.steps.moving import CannotMove, checked, cut, moved, pasted_after
from fixinplace.repair.steps.optimizers import clears, disjoint, scaler_update, step_of
from fixinplace.repair.steps.paths import touch
from fixinplace.repair.steps.situation import Situation


@dataclass(frozen=True)
class _Move:
    """What goes behind the statement `behind`, and what is dropped.

    loop: the loop that the step comes out of. joined: the step is dropped, since a later one is enough. passed: lines
    that stay between and use what the step writes. rising: lines that clear gradients which the step would need; they
    go up behind `below`, where those of the step are cleared. wiped: lines that stay, before the step now, and
    clear the gradients of the earlier backward; maybe: those of which that cannot be told.
    """

    going: tuple[ast.stmt, ...]
    behind: ast.stmt
    dropped: tuple[ast.stmt, ...] = ()
    loop: ast.For | None = None
    joined: bool = False
    passed: bool = False
    rising: tuple[ast.stmt, ...] = ()
    below: ast.stmt | None = None
    wiped: tuple[ast.stmt, ...] = ()
    maybe: tuple[ast.stmt, ...] = ()

    @property
    def steps(self) -> tuple[ast.stmt, ...]:
        """The optimizer steps among what goes."""
        return tuple(node for node in self.going if step_of(node) is not None)


def reordered(at: Situation) -> Iterator[Choice]:
    """The choices in which the failing backward comes before the step."""
    shared = common(at.code, at.write, at.needed)
    if shared is None or shared[1] >= shared[2]:
        return
    try:
        move = _out_of_loop(at, *shared) or _straight(at, *shared)
        if move is not None:
            yield from [_one_step(at, move)] if move.joined else _moved(at, move)
    except CannotMove:
        return


# --- what is moved


def _straight(at: Situation, block: list[ast.stmt], first: int, last: int) -> _Move | None:
    mover = at.by_hand or _guard(at, block[first]) or at.write
    if block[first] is not mover or (at.step is None and at.by_hand is None and not at.whole_update):
        return None
    first = _earliest(at, block, first)
    below, rising = _rising(at, block, first, last)
    found = divided(at, [node for node in block[first:last] if not any(node is each for each in rising)])
    if found is None:
        return None
    more, staying = found
    going = [*prepares(block, first), *more]
    again = _again(going, block[last:])
    if again:
        return _joined(at, going, block, last) if again == {at.optimizer} else None
    updates = [node for node in going if scaler_update(node)] if any(map(scaler_update, block[last + 1 :])) else []
    going = [node for node in going if not any(node is each for each in updates)]
    if not _free(at, going, [*staying, block[last]], block):
        return None
    passed = any(touch(at.flows(node), at.stepped or ()) for node in staying)
    wiped, maybe = _wiped(at, going, staying)
    if wiped and not at.backward.accumulates:
        return None
    dropped = tuple(updates)
    return _Move(tuple(going), block[last], dropped, None, False, passed, rising, below, wiped, maybe)


def _wiped(
    at: Situation, going: list[ast.stmt], staying: list[ast.stmt]
) -> tuple[tuple[ast.stmt, ...], tuple[ast.stmt, ...]]:
    """What stays and clears the gradients that the step was to use: for certain, and where that cannot be told."""
    if at.whole_update or not at.uses_gradients:
        return (), ()
    wiped: list[ast.stmt] = []
    maybe: list[ast.stmt] = []
    for node in staying:
        before = [each for each in going if each.lineno < node.lineno]
        written = [*([at.stepped] if at.by_hand else []), *map(at.modules, stepping(before))]
        for each in (each for each in ast.walk(node) if isinstance(each, ast.stmt)):
            owner = clears(each)
            theirs = at.modules(owner) if owner is not None and at.is_optimizer(owner) else ()
            if theirs == () or all(disjoint(theirs, mine) for mine in written):
                continue
            sure = each is node and theirs is not None and any(mine and not disjoint(theirs, mine) for mine in written)
            (wiped if sure else maybe).append(each)
    return tuple(wiped), tuple(maybe)


def _rising(
    at: Situation, block: list[ast.stmt], first: int, last: int
) -> tuple[ast.stmt | None, tuple[ast.stmt, ...]]:
    """Clearings before the failing backward that would clear, of parameters which both optimizers have, the step's own.

    They are right where the step's gradients are cleared; None and nothing where that is not in sight.
    """
    clearing = (n for n in reversed(block[:first]) if (owner := clears(n)) and cleared(at, owner, [at.optimizer]))
    below = next(clearing, None)
    shared = [n for n in block[first:last] if (owner := clears(n)) and cleared(at, owner, [at.optimizer]) is None]
    own = all(at.is_optimizer(clears(node) or "") for node in shared)
    return (below, tuple(shared)) if below is not None and shared and own and at.by_hand is None else (None, ())


def _earliest(at: Situation, block: list[ast.stmt], first: int) -> int:
    """The first step behind the save that writes something which the failing loss has used."""
    for n, node in enumerate(block[:first]):
        step, save = step_of(node), at.frame.save
        if step is not None and save is not None and save.lineno < node.lineno and at.uses(step.optimizer):
            return n
    return first


def _again(going: list[ast.stmt], rest: list[ast.stmt]) -> set[str]:
    """The optimizers that step after the failing backward as well."""
    return set(stepping(going)) & set(stepping(rest))


def _guard(at: Situation, node: ast.stmt) -> ast.stmt | None:
    """An `if` around the step that holds nothing else than what goes along with it."""
    if not isinstance(node, ast.If) or node.orelse or not any(each is at.write for each in node.body):
        return None
    optimizers = stepping(node.body)
    goes = all(each is at.write or role_of(at, each, optimizers) == "goes" for each in node.body)
    return node if goes else None


def _joined(at: Situation, going: list[ast.stmt], block: list[ast.stmt], last: int) -> _Move | None:
    """Drop the first step and the clearing behind it, where the second step follows in the same block."""
    direct = any((step := step_of(node)) is not None and step.optimizer == at.optimizer for node in block[last + 1 :])
    simple = (clears(n) or scaler_update(n) or prepares_a_step(n) or n is at.write for n in going)
    whole = direct and block[last] is at.needed and all(simple)
    return _Move((), block[last], tuple(going), joined=True) if whole else None


def _free(at: Situation, going: list[ast.stmt], staying: list[ast.stmt], block: list[ast.stmt]) -> bool:
    """True if no line that stays reads what goes, or writes what it reads."""
    order = {id(node): n for n, node in enumerate(block)}
    for mover in going:
        mine = at.reader.facts(mover)
        for other in staying:
            if order[id(other)] > order[id(mover)] and not apart(mine, at.reader.facts(other), at):
                return False
    return True


def _out_of_loop(at: Situation, block: list[ast.stmt], first: int, last: int) -> _Move | None:
    """A loop over optimizers in whose body the step stands, and the failing backward behind the loop."""
    loop = block[first]
    if not isinstance(loop, ast.For) or not any(each is at.write for each in loop.body) or loop.orelse:
        return None
    if at.step is None or any(isinstance(node, (ast.Break, ast.Continue, ast.Return)) for node in ast.walk(loop)):
        return None
    index = next(n for n, each in enumerate(loop.body) if each is at.write)
    between = [*loop.body[index + 1 :], *block[first + 1 : last]]
    found = divided(at, [at.write, *between])
    if found is None or found[0] != [at.write] or not _free(at, [loop.body[index]], between, [at.write, *between]):
        return None
    if any(not apart(at.reader.header(loop), at.reader.facts(node), at) for node in block[first + 1 : last]):
        return None
    going = [*prepares(loop.body, index), at.write]
    if len(loop.body) == len(going):
        return _Move((loop,), block[last])
    return _Move(tuple(going), block[last], loop=loop) if same_again(at, loop.iter) else None


def same_again(at: Situation, iterable: ast.expr) -> bool:
    """True if iterating once more gives the same: names and attributes, `zip` and the like of them."""
    match iterable:
        case ast.Call(func=ast.Name(id="zip" | "enumerate" | "reversed" | "list"), args=arguments, keywords=[]):
            return all(same_again(at, each) for each in arguments)
        case ast.Call(func=ast.Name(id="range")) | ast.Tuple() | ast.List():
            return True
        case ast.Call(func=ast.Attribute(value=owner, attr="values" | "items" | "keys"), args=[]):
            return same_again(at, owner)
        case ast.Attribute(value=owner):
            return same_again(at, owner)
        case ast.Name(id=name):
            return not at.one_shot(name)
    return False


# --- the choices


def _one_step(at: Situation, move: _Move) -> Choice:
    meaning = (
        f"`{at.optimizer}` takes one step on the sum of both gradients, each taken at the weights that its forward "
        f"used; as it stands, it is to step once for each."
    )
    title = f"one `{at.one_line(at.write)}`, behind `{at.failing}`: the earlier one is dropped"
    return Choice(title, meaning, (Change(at.code.path, tuple(cut(at.code, move.dropped))),), 12)


def _moved(at: Situation, move: _Move) -> Iterator[Choice]:
    change = Change(at.code.path, _edits(at, move))
    names = " and ".join(f"`{at.one_line(node)}`" for node in move.steps or [at.write])
    if at.by_hand is not None and not isinstance(at.by_hand, ast.Expr):
        names = f"the update in line {at.by_hand.lineno}"
    title = f"{names} moved behind `{at.failing}`"
    more = PASSED if move.passed else ""
    more += _CLEARED if at.by_hand is not None and at.again else ""
    if at.whole_update:
        kept = at.backward.with_argument("retain_graph", "True") if at.update_keeps_graph else None
        if kept is not None or not at.update_keeps_graph or at.backward.keeps_graph:
            meaning = _UPDATE.format(at.failing, at.one_line(at.write))
            yield Choice(title, meaning + more, joined(change, kept), 12)
        return
    if not at.uses_gradients:
        yield Choice(
            title, _CHANGED.format(" and ".join(f"`{each}`" for each in at.stepped or ())) + more, (change,), 10
        )
        return
    if not at.backward.accumulates or any(word.arg == "inputs" for word in at.backward.call.keywords):
        yield Choice(title, _FIRST + "." + more, (change,), 10)
        return
    optimizers = list(dict.fromkeys(stepping(list(move.going)))) or [at.optimizer]
    if move.rising:
        lines = " and ".join(f"`{at.one_line(node)}`" for node in move.rising)
        others = " and ".join(f"`{clears(node)}`" for node in move.rising)
        along = [each for each in optimizers if each != at.optimizer and (at.modules(each) is None or at.uses(each))]
        more += _ALSO.format(at.loss_first, " and ".join(f"`{each}`" for each in along)) if along else ""
        yield Choice(
            f"{title}, and {lines} before both", _SHARED.format(f"`{at.optimizer}`", others) + more, (change,), 14
        )
        return
    whose = " and ".join(f"`{each}`" for each in (at.stepped if at.by_hand and at.stepped else optimizers))
    for only, whom, separate in () if move.wiped else limited(at, optimizers):
        meaning = _LIMITED.format(
            at.loss, whom, whose, "step" if len(optimizers) > 1 else "steps", _UNLESS * (not separate)
        )
        yield Choice(f"{title}, which is limited to {whom}", meaning + more, joined(change, only), 10)
    yield Choice(title, _together(at, move, whose) + more, (change,), 14)


def _together(at: Situation, move: _Move, whose: str) -> str:
    """What the step finds where the failing backward gives gradients to what it writes."""
    lines = " and ".join(f"`{at.one_line(node)}`" for node in move.wiped or move.maybe)
    if move.wiped:
        return _WIPED.format(at.loss_first, whose, lines, "clear" if len(move.wiped) > 1 else "clears")
    return _ADDED.format(at.loss_first, whose, f", unless {lines} clears those first" if move.maybe else "")


_FIRST = "Every gradient is taken at the weights that its forward used, and the optimizers step afterwards"
_CHANGED = "Every gradient is taken at the weights that its forward used; the parameters of {0} are changed afterwards."
_LIMITED = (
    _FIRST + ". {0} gives gradients to {1} alone: {2} {3} on the gradients of the earlier backward only{4}."
)  # fmt: skip
_UNLESS = ", unless the optimizers share parameters"
_ADDED = (
    _FIRST + ". {0} also gives gradients to the parameters of {1}: they are added to those of the earlier backward "
    "before the step{2}."
)
_ALSO = " {0} also gives gradients to the parameters of {1}: they are added to its own before it steps."
_WIPED = (
    "Every gradient is taken at the weights that its forward used. {2} {3} those of the earlier backward, and what "
    "comes behind finds only what {0} gives to the parameters of {1}."
)
_SHARED = (
    _FIRST + ". What {0} and {1} share gets both gradients, and both step on their sum; and {1} steps all else of its "
    "own that the earlier backward comes by on both as well."
)
_UPDATE = (
    "`{0}` uses the weights that its forward used; all of `{1}`, with its own backward and step, comes afterwards."
)
_CLEARED = " It clears the gradients that it has used: a later update finds no gradient where both would write."
PASSED = " The lines between the two now see the weights from before the step."


def _edits(at: Situation, move: _Move) -> tuple[Edit, ...]:
    lines = moved(at.code, move.going)
    if move.loop is not None:
        header = f"for {at.code.source_of(move.loop.target)} in {at.code.source_of(move.loop.iter)}:"
        lines = [header, *(f"    {line}" for line in lines)]
    edits = [*cut(at.code, [*move.going, *move.dropped, *move.rising]), pasted_after(at.code, move.behind, lines)]
    if move.below is not None:
        edits.append(pasted_after(at.code, move.below, moved(at.code, move.rising)))
    return checked(at.code, edits)
