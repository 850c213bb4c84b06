"""State that a loop carries from round to round, with the graph that made it: found, and cut at the step.

Note [Carried state]
    A path is carried if a round reads it before it binds it, the failing loss gets gradients through it, and the round
    writes it with what the save has flown into; `previous = y` does so in the round of the save and never again, a
    recurrent state in the next one too.  A loop is the loop around step and backward; where there is none, the function
    itself is called again and again, and attributes are what it carries.  A module may keep the state to itself: then a
    method on the way to the save both reads and writes an attribute of its object.

Note [Where the graph is cut]
    Right behind the step: what is computed afterwards uses the new weights and starts from a detached state.  A state
    that is only handed over behind the step (`h = h_next`) is detached in that assignment.  An object that takes its
    state in behind the step (`bank.update(f)`) is given what is detached: the object itself is no tensor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fixinplace.model import Edit
from fixinplace.repair.base import Change
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.facts import Reader
from fixinplace.repair.steps.forgotten import is_cache
from fixinplace.repair.steps.hidden import hidden_states
from fixinplace.repair.steps.kinds import detached_text, is_number, is_object, kind, may_be_none
from fixinplace.repair.steps.lines import Item, chain, flat, holding, needed, opened, tainted, way
from fixinplace.repair.steps.moving import CannotMove, pasted_after, pasted_before
from fixinplace.repair.steps.paths import EMPTY, Paths, begins, path, touch
from fixinplace.repair.steps.situation import Situation
from fixinplace.repair.steps.stores import Kept, stores


def cut_at_step(at: Situation) -> Iterator[Choice]:
    """The carried state detached at the step."""
    try:
        states = carried_states(at)
        hidden = {kept.state: kept for kept in hidden_states(at) if kept.state not in states}
        if states:
            yield _choice(at, states, _edits(at, states))
        if hidden:
            kinds = {state: _kind(at, kept) for state, kept in hidden.items()}
            once = [state for state, kept in hidden.items() if is_cache(kept)]
            cut = _choice(at, list(hidden), (pasted_after(at.code, at.by_hand or at.write, _detached(kinds)),))
            yield replace(cut, meaning=cut.meaning + _taught_once(once)) if once else cut
        if not states and not hidden:
            yield from _passed(at)
    except CannotMove:
        return


def _taught_once(states: Sequence[str]) -> str:
    shown, it = " and ".join(f"`{each}`" for each in states), "it" if len(states) == 1 else "them"
    computes = "is computed" if len(states) == 1 else "are computed"
    return f" {shown} {computes} once: what computes {it} learns from the first round and never again."


def cut_before_loop(at: Situation) -> Iterator[Choice]:
    """A value that was computed before the loop, detached there."""
    loop, save = at.loop, at.frame.save
    if loop is None or save is None or any(each is save for each in ast.walk(loop)):
        return
    items = way(at.reader, save, loop)
    source = None if items is None else holding(items, save)
    if items is None or source is None:
        return
    _, flowing = tainted(items, {source: None})
    names = sorted(n for n in flowing[-1] if any(begins(each, n) for each in _open(at)))
    again = any(_uses(at, save, each) and _uses(at, loop, each) for each in at.stepped or ())
    yield from _constant_in(at, loop, names, 18 if again else 22)


def cut_at_call(at: Situation) -> Iterator[Choice]:
    """What was computed before a function was called in whose loop step and backward stand: detached before the loop.

    Which of its names have a history, the run has told: a rollout's log-probabilities and values, not its rewards.
    """
    loop = at.loop
    if loop is None or at.around is None:
        return
    written = {each for item in flat(at.reader, loop.body) for each in item.facts.writes}
    opened = _open(at)
    names = [n for n in at.scene.offence.tracked if any(begins(each, n) for each in opened) and not touch(written, [n])]
    yield from _constant_in(at, loop, sorted(names), 19)


def _constant_in(at: Situation, loop: ast.For | ast.While, names: Sequence[str], rank: int) -> Iterator[Choice]:
    if not names or not _taught_otherwise(at, flat(at.reader, loop.body), names):
        return
    try:
        edits = (pasted_before(at.code, loop, _lines(at, names)),)
    except CannotMove:
        return
    shown = " and ".join(f"`{name}`" for name in names)
    are, it = ("is a constant", "it") if len(names) == 1 else ("are constants", "them")
    meaning = (
        f"{shown} {are} for the loop: {at.loss} gives no gradient to what computed {it} before, "
        f"and that part learns nothing from the loop."
    )
    title = f"{shown} detached before the loop in line {loop.lineno}"
    yield Choice(title, meaning, (Change(at.code.path, edits),), rank)


def _uses(at: Situation, node: ast.stmt, module: str) -> bool:
    return touch(at.reader.facts(node).flows, [module])


def _taught_otherwise(at: Situation, inside: Sequence[Item], names: Sequence[str]) -> bool:
    """True if the optimizer still has something to learn in the loop."""
    modules = at.stepped
    wanted, _ = needed(inside, at.wanted)
    flows = {f for n in wanted for f in inside[n].facts.flows if not any(begins(f, name) for name in names)}
    return modules is None or touch(flows, modules)


# --- which states


def round_of(at: Situation) -> list[ast.stmt]:
    """The statements of one round: of the loop, or of the function that is called again and again."""
    return at.frame.body if at.loop is None else at.loop.body


def _open(at: Situation) -> Paths:
    """What the failing loss wants from before the round."""
    first = round_of(at)[0]
    items = way(at.reader, first, at.needed)
    return at.wanted if items is None else needed(items, at.wanted)[1]


def carried_states(at: Situation) -> list[str]:
    """The carried paths; see Note [Carried state]."""
    inside = flat(at.reader, round_of(at))
    opened = _open(at)
    writes = {name for item in inside for name in item.facts.writes}
    found = [name for name in writes if any(begins(each, name) for each in opened) and not _anew(at, name)]
    if at.loop is None:
        found = [name for name in found if name.startswith("self.")]
    if at.frame.save is not None and holding(inside, at.frame.save) is not None:
        flowing = _carrying(at, inside)
        found = [name for name in found if touch([name], flowing[len(flowing) // 2] | flowing[-1])]
    found = [name for name in found if not is_number(at.code, at.frame.function, name)]
    return sorted(found, key=lambda name: _first(inside, name))


def kept_states(at: Situation) -> list[Kept]:
    """All states that are carried, those of the frame first, with the statements that write them in a round."""
    states = carried_states(at)
    own = [Kept(each, at.code, each, tuple(stores(at.reader, round_of(at), each))) for each in states]
    return own + [each for each in hidden_states(at) if each.state not in states]


def _carrying(at: Situation, inside: Sequence[Item]) -> list[Paths]:
    """The paths that carry what was saved in a round: before each statement of it and of the next, and behind both."""
    inside = opened(at.reader, inside)
    source = holding(inside, at.frame.save) if at.frame.save is not None else None
    return [EMPTY] if source is None else tainted([*inside, *inside], {source: None})[1]


def carrying(at: Situation) -> Paths:
    """All paths that carry what was saved in a round, somewhere in it or in the next."""
    return EMPTY.union(*_carrying(at, flat(at.reader, round_of(at))))


def _anew(at: Situation, name: str) -> bool:
    """True if a state begins again behind the step: `losses = []`."""
    return any(name in facts.binds and not facts.flows for node in behind(at) for facts in (at.reader.facts(node),))


def behind(at: Situation) -> list[ast.stmt]:
    """The statements of the round that run after the step."""
    found: list[ast.stmt] = []
    body = round_of(at)
    for block, index in reversed(chain(at.code, at.write)):
        found += block[index + 1 :]
        if block is body:
            break
    return found


def _first(inside: Sequence[Item], name: str) -> tuple[int, int]:
    """Where a path is written first."""
    item = next(item for item in inside if touch(item.facts.writes, [name]))
    places = [(n.lineno, n.col_offset) for n in ast.walk(item.node) if isinstance(n, ast.expr) and path(n) == name]
    return min(places, default=(item.node.lineno, 0))


def _passed(at: Situation) -> Iterator[Choice]:
    """A state that comes as an argument and that the caller gets back: detached where the function begins."""
    function, caller = at.frame.function, at.scene.node(at.frame.above[0]) if at.frame.above else None
    if function is None or caller is None:
        return
    code, node = caller
    call = next((each for each in ast.walk(node) if isinstance(each, ast.Call)), None)
    if call is None:
        return
    back = Reader(code).facts(code.statement(node)).binds
    names = [each.arg for each in function.args.args]
    given = zip(names[1:] if names[:1] == ["self"] else names, call.args, strict=False)
    states = [name for name, value in given if path(value) in back and any(begins(f, name) for f in _open(at))]
    if states:
        guarded = may_be_none(code, code.function(node), path(call.args[0]) or "")
        lines = [] if guarded else _lines(at, states)
        body = function.body
        documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        if lines and len(body) > documented:
            yield _choice(at, states, (pasted_before(at.code, body[int(documented)], lines),), "at the start")


# --- the edits


def _edits(at: Situation, states: Sequence[str]) -> tuple[Edit, ...]:
    rest = behind(at)
    late = {name: _handed_over(rest, name) or _handed_in(at, rest, name) for name in states}
    edits = [at.code.after(value, ".detach()") for values in late.values() for value in values]
    left = [name for name in states if not late[name]]
    if any(is_object(at.code, name) for name in left):
        raise CannotMove
    if left:
        edits.append(pasted_after(at.code, at.by_hand or at.write, _lines(at, left)))
    return tuple(edits)


def _handed_over(rest: Sequence[ast.stmt], name: str) -> list[ast.expr]:
    """The value of `h = h_next` behind the step."""
    for node in rest:
        match node:
            case ast.Assign(targets=[target], value=(ast.Name() | ast.Attribute()) as value) if path(target) == name:
                return [value]
    return []


def _handed_in(at: Situation, rest: Sequence[ast.stmt], name: str) -> list[ast.expr]:
    """What `bank.update(f)` behind the step takes of the round's graph."""
    flowing = carrying(at)
    found: list[ast.expr] = []
    for node in rest:
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner), args=args)) if path(owner) == name:
                found += [each for each in args if touch([path(each) or ""], flowing)]
    return found


def _lines(at: Situation, states: Sequence[str]) -> list[str]:
    return _detached({name: kind(at.code, at.frame.function, name) for name in states})


def _kind(at: Situation, kept: Kept) -> str:
    """What a state is that an object keeps to itself, by what the frame assigns, else by its own class."""
    seen = kind(at.code, at.frame.function, kept.state)
    return kind(kept.code, None, kept.name) if seen == "tensor" else seen


def _detached(kinds: Mapping[str, str]) -> list[str]:
    """One line for all tensors, and one for each collection."""
    tensors = [name for name, each in kinds.items() if each == "tensor"]
    lines = [f"{', '.join(tensors)} = {', '.join(detached_text(n, 'tensor') for n in tensors)}"] if tensors else []
    return [*lines, *(f"{n} = {detached_text(n, each)}" for n, each in kinds.items() if each != "tensor")]


def _choice(at: Situation, states: Sequence[str], edits: tuple[Edit, ...], where: str = "") -> Choice:
    names = " and ".join(f"`{name}`" for name in states)
    where = where or f"behind `{at.one_line(at.by_hand or at.write)}`"
    keeps = "keeps its value and loses its history" if len(states) == 1 else "keep their values and lose their history"
    meaning = (
        f"Truncated backpropagation through time: {names} {keeps} at each step, so that {at.loss} gives no gradient to "
        f"the computations of earlier rounds."
    )
    return Choice(f"{names} detached {where}", meaning, (Change(at.code.path, edits),), 15)
