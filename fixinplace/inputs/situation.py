"""A recipe that failed, and how it failed: what `mend` and `sizes` read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fixinplace.inputs import guess
from fixinplace.inputs.knowledge import Knowledge, Parameter
from fixinplace.inputs.values import Argument, Code, Literal, Path, Recipe, Record, Series, Tensor, Value, key, walk


@dataclass(frozen=True, slots=True)
class Fault:
    """What ended a run.

    function: qualified name of the innermost function of ours or the user's. names: words in the failing statement.
    pairs: numbers that the statement (or the condition around a `raise`) compares, got and wanted; for `a % b == 0`,
    a and the next multiple of b. texts: strings that it compares something with. blamed: names in the expression that
    failed, a part of the statement. started: the constructor had ended.
    """

    type: str
    message: str
    function: str = ""
    names: tuple[str, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    texts: tuple[str, ...] = ()
    blamed: tuple[str, ...] = ()
    started: bool = False


@dataclass(frozen=True)
class Situation:
    """A recipe that failed, why, and what is known of the unit's parameters."""

    recipe: Recipe
    fault: Fault
    knowledge: Knowledge
    init: tuple[Parameter, ...]
    call: tuple[Parameter, ...]

    def options(self, path: Path, name: str | None = None) -> tuple[Value, ...]:
        """What else may stand at a place."""
        name = key(path) if name is None else name
        parameters = self.call if path[0] == "call" else self.init
        known = next((each for each in parameters if each.name == name and len(path) == 2), Parameter(name))
        texts = tuple(Literal(each) for each in self.knowledge.strings.get(name, ()))
        texts += tuple(Literal(each) for each in self.fault.texts if name in self.fault.names)
        if path[0] == "call":
            return (*texts, *tensors(name, known.annotation, self.knowledge))
        return (*texts, *guesses(name, known.annotation, self.knowledge))

    def places(self) -> list[tuple[Path, Value]]:
        """Every value that can be to blame; those that the failing expression names first, then its statement's.

        What a constructor fails of is not what its object would be called with.
        """
        found = list(walk(self.recipe))
        if self.recipe.init is not None and not self.fault.started:
            found = [each for each in found if each[0][0] == "init"] or found
        blamed, names = self.fault.blamed, self.fault.names
        return sorted(
            found,
            key=lambda each: (key(each[0]) not in blamed, key(each[0]) not in names, not isinstance(each[1], Code)),
        )


def guesses(name: str, annotation: str, knowledge: Knowledge) -> tuple[Value, ...]:
    """What a constructor's argument may be: what the file passes by that name, and what the name says.

    A number is first what the name says, since the numbers of a guess have to fit each other.
    """
    made = guess.argument(name, annotation or knowledge.annotations.get(name, ""), knowledge.classes)
    known = knowledge.namesakes.get(name, ())
    first = made[:1] if isinstance(made[0], Literal) and all(isinstance(each, Literal) for each in known) else ()
    return tuple(dict.fromkeys((*first, *known, *made)))


def tensors(name: str, annotation: str, knowledge: Knowledge) -> tuple[Value, ...]:
    """What an argument of a call may be: the shape that a docstring gives, and what name and use say."""
    made = guess.tensor(name, annotation, knowledge.dims.get(name, 0))
    if (keys := knowledge.keyed.get(name)) and not annotation:
        inside = (Argument(each, tensors(each, "", replace(knowledge, keyed={}))[0]) for each in keys)
        made = (Record(tuple(inside), "dict"), *made)
    if name in knowledge.members and isinstance(made[0], Tensor):
        made = (made[0], *(Series((Tensor(guess.SHAPES[4]),) * count) for count in (5, 4)), *made[1:])
    count = knowledge.unpacked.get(name, 0) or (0 if knowledge.dims.get(name) else knowledge.indexed.get(name, 0))
    if count > 1 and isinstance(made[0], Tensor):
        several = [Series((each,) * count, False) for each in (made[0], Tensor(guess.SHAPES[4]))]
        rows = made[0].kind == "index" and made[0].shape[:1] == (count,)  # `source, target = edge_index`
        return (*made[:1], *several, *made[1:]) if rows else (*several, *made)
    letters = knowledge.shapes.get(name)
    if letters is None or not isinstance(made[0], Tensor):
        return made
    return (replace(made[0], shape=guess.lettered(letters).shape), *made)
