"""State that an object keeps to itself where the frame of the step has no path to it: a norm within a `Sequential`.

Note [State of a class]
    The object may be a part of a part, so nothing in the frame names it; its class does.  Every class of the files that
    the stacks run through is asked for attributes that a method reads before it writes them, and that hold a tensor
    from the start (a buffer, the result of a call).  The edit goes into the method: a run tells whether it was that
    state, and an edit of another class's leaves the error where it was.

    An average of what the rounds computed (`self.mean.mul_(0.9).add_(m)`) is updated without grad mode, as torch's own
    norms do it: no weights take part in such an update, so nothing is taught less.  Otherwise, and for a recurrent
    state, the history is dropped in the method, before it first reads the state.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fixinplace.repair.base import Change, Wrap
from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.carried import carried_states
from fixinplace.repair.steps.choice import Choice, joined
from fixinplace.repair.steps.constant import is_average
from fixinplace.repair.steps.facts import Reader, untracked
from fixinplace.repair.steps.hidden import hidden_states, kept_by
from fixinplace.repair.steps.kinds import bound_parts, detached_text, kind, may_be_none
from fixinplace.repair.steps.lines import flat
from fixinplace.repair.steps.moving import CannotMove, pasted_before
from fixinplace.repair.steps.paths import path, touch
from fixinplace.repair.steps.situation import Situation
from fixinplace.repair.steps.stores import Kept
from fixinplace.trace.events import Place

_SETS_UP = frozenset("__init__ reset reset_state reset_parameters init_weights init_hidden".split())


def inner_states(at: Situation) -> list[list[Kept]]:
    """The states of each class in sight that may have a graph, where the frame names none; of the one that saved, if
    that has some.
    """
    if carried_states(at) or any(True for _ in hidden_states(at)):
        return []
    found = [(owner, _states(code, owner)) for code in _files(at) for owner in code.tree.body
             if isinstance(owner, ast.ClassDef)]  # fmt: skip
    saving = _saving(at)
    return [states for owner, states in found if states and any(owner is each for each in saving)] or [
        states for _, states in found if states
    ]


def cut_inside(at: Situation) -> Iterator[Choice]:
    """The update without grad mode; the history dropped in the method; see Note [State of a class]."""
    for states in inner_states(at):
        if all(is_average(each) for each in states):
            yield from _without_grad(at, states)
        if not any(may_be_none(each.code, None, each.name) for each in states):
            yield from _detached(at, states)


def _saving(at: Situation) -> list[ast.ClassDef]:
    """The classes whose methods were running when the tensor was saved."""
    stack = at.scene.offence.save.stack if at.scene.offence.save is not None else ()
    spots = (spot for place in stack if (spot := at.scene.node(place)) is not None)
    return [up for code, node in spots for up in code.up(node) if isinstance(up, ast.ClassDef)]


def _without_grad(at: Situation, states: Sequence[Kept]) -> Iterator[Choice]:
    changes = []
    for kept in states:
        no_grad = kept.code.name_of("torch", "no_grad")
        for node in kept.stores:
            if no_grad is None or kept.code.head(node) is None:
                return
            span = kept.code.text.span(node)
            changes.append(Change(kept.code.path, wraps=(Wrap(span.start, span.end, f"with {no_grad}():"),)))
    names = " and ".join(dict.fromkeys(f"`{each.name}`" for each in states))
    meaning = (
        f"{_told(states)} constant for autograd, built up from values without their history, as the running statistics "
        f"of torch's own norms are: {at.loss} gives no gradient through what is kept, neither to earlier rounds nor to "
        f"its own."
    )
    yield Choice(f"{names} updated under `torch.no_grad()`", meaning, joined(*changes), 14)


def _detached(at: Situation, states: Sequence[Kept]) -> Iterator[Choice]:
    changes = []
    for kept in states:
        first = _first_use(kept)
        if first is None:
            return
        line = f"{kept.name} = {detached_text(kept.name, kind(kept.code, None, kept.name))}"
        try:
            changes.append(Change(kept.code.path, (pasted_before(kept.code, first, [line]),)))
        except CannotMove:
            return
    plural = len(states) > 1
    keeps = "keep their values and lose their history" if plural else "keeps its value and loses its history"
    names, their = " and ".join(f"`{each.name}`" for each in states), "their" if plural else "its"
    meaning = (
        f"Truncated backpropagation through time: {names} {keeps} whenever the method runs again, so that {at.loss} "
        f"gives no gradient to the computations of earlier calls."
    )
    yield Choice(f"{names} detached before {their} next use", meaning, joined(*changes), 15)


def _told(states: Sequence[Kept]) -> str:
    names = dict.fromkeys(f"`{each.name}`" for each in states)
    return f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'}"


def _first_use(kept: Kept) -> ast.stmt | None:
    """The first statement of the method that reads the state."""
    function = kept.code.function(kept.stores[0])
    if function is None:
        return None
    reader = Reader(kept.code)
    items = flat(reader, function.body)
    return next((each.node for each in items if touch(each.facts.reads | each.facts.writes, [kept.name])), None)


def _files(at: Situation) -> Iterator[Code]:
    """The user's files that the save, the write and the backward ran through, the nearest first."""
    offence, seen = at.scene.offence, set[str]()
    stacks: list[Place] = [*(offence.save.stack if offence.save is not None else ()), *offence.needed_stack]
    stacks += [place for write in offence.writes for place in write.stack]
    for code in (at.code, *(at.scene.files(each.file) for each in stacks)):
        if code is not None and code.path not in seen:
            seen.add(code.path)
            yield code


def _states(code: Code, owner: ast.ClassDef) -> list[Kept]:
    """What one method reads before it writes it, every time with its graph."""
    methods = [each for each in owner.body if isinstance(each, Function) and each.name not in _SETS_UP]
    found = [kept for each in methods for kept in kept_by(code, [each.body]) if _holds_tensor(owner, kept.name)]
    quiet = {id(kept) for kept in found if any(_is_quiet(code, node) for node in kept.stores)}
    return [kept for kept in found if kept.stores and not kept.is_counter and id(kept) not in quiet]


def _is_quiet(code: Code, node: ast.stmt) -> bool:
    """True for what runs without grad mode anyway."""
    ups = list(code.up(node))
    blocks = [item.context_expr for up in ups if isinstance(up, ast.With) for item in up.items]
    marks = [mark for up in ups if isinstance(up, Function) for mark in up.decorator_list]
    return any(untracked(each) for each in (*blocks, *marks))


def _holds_tensor(owner: ast.ClassDef, name: str) -> bool:
    """True if the class registers the attribute as a buffer, or binds it to a call somewhere."""
    for node in ast.walk(owner):
        match node:
            case ast.Call(func=ast.Attribute(attr="register_buffer"), args=[ast.Constant(value=str(held)), *_]):
                if name == f"self.{held}":
                    return True
            case ast.Assign(targets=[target], value=whole):
                for value, part in bound_parts(target, whole, name):
                    if isinstance(value, ast.Call) and part is None:
                        return not (path(value.func) or "").endswith("Parameter")
    return False
