"""The frame in which a forward, a step and a backward all stand, found from three stacks.

Note [The common frame]
    Read from the outermost frame inwards, the three stacks agree as long as one call is running.  The last function in
    which they agree is where the order of the three was decided: below it each has calls of its own, and only its
    block can be rearranged.  Two runs of one function are told apart by the call above them, except that a loop calls
    the same function from the same place: state is then carried by an object, and the deepest function is still the
    one whose code has to change.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fixinplace.repair.base import Scene
from fixinplace.repair.code import Code, Function
from fixinplace.trace.events import Place


@dataclass(frozen=True)
class Frame:
    """A function's code with the three statements of it that were running.

    save is None where the forward is not seen in this function. above: the places of the calls that led here, the
    nearest first. inside_write, inside_needed: the functions of the user's that the two statements called, if any.
    """

    code: Code
    save: ast.stmt | None
    write: ast.stmt
    needed: ast.stmt
    save_node: ast.AST | None
    write_node: ast.AST
    needed_node: ast.AST
    above: tuple[Place, ...] = ()
    inside_write: Function | None = None
    inside_needed: Function | None = None

    @property
    def function(self) -> Function | None:
        """The function of this frame; None at module level."""
        return self.code.function(self.needed)

    @property
    def body(self) -> list[ast.stmt]:
        """The statements of the function or of the module."""
        return self.code.tree.body if self.function is None else self.function.body


def frame(scene: Scene, forward: bool = True) -> Frame | None:
    """The deepest frame of the user's that the save, the first write and the backward share; see Note [The common
    frame]. None where there is none, or where its source is not seen.

    forward: False asks for the one that the write and the backward share, wherever the save was.
    """
    offence = scene.offence
    if not offence.writes or offence.needed is None:
        return None
    write, needed = offence.writes[0], _stack(offence.needed_stack, offence.needed)
    saving = _stack(offence.save.stack, offence.save.place) if offence.save is not None and forward else ()
    stacks = [_stack(write.stack, write.place), needed]
    if saving:
        stacks.append(saving)
    found = None
    for level in _common(stacks):
        framed = _framed(scene, [stack[level] for stack in stacks], needed[:level])
        if framed is not None:
            inside = [_function(scene, stack[level + 1 : level + 2]) for stack in stacks[:2]]
            found = replace(framed, inside_write=inside[0], inside_needed=inside[1])
    return found


def _function(scene: Scene, places: Sequence[Place]) -> Function | None:
    spot = scene.node(places[0]) if places else None
    return None if spot is None else spot[0].function(spot[1])


def _stack(stack: Sequence[Place], place: Place | None) -> tuple[Place, ...]:
    """Places outermost first."""
    return tuple(reversed(stack)) if stack else () if place is None else (place,)


def _common(stacks: Sequence[Sequence[Place]]) -> Iterator[int]:
    for level in range(min(map(len, stacks))):
        places = [stack[level] for stack in stacks]
        if len({(place.file, place.function) for place in places}) > 1:
            return
        yield level
        if len({(place.line, place.column, place.end_line, place.end_column) for place in places}) > 1:
            return


def _framed(scene: Scene, places: Sequence[Place], outer: Sequence[Place]) -> Frame | None:
    spots = [scene.node(place) for place in places]
    if any(spot is None for spot in spots):
        return None
    (code, write), (_, needed) = [spot for spot in spots[:2] if spot is not None]
    saved = spots[2] if len(spots) > 2 else None
    save = saved[1] if saved is not None else None
    if code.function(write) is not code.function(needed):
        return None
    return Frame(
        code,
        None if save is None else code.statement(save),
        code.statement(write),
        code.statement(needed),
        save,
        write,
        needed,
        tuple(reversed(outer)),
    )
