"""Errors of lists, read: one value where several are meant, too few of them, or all alike where they differ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from fixinplace.inputs import guess
from fixinplace.inputs.situation import Situation
from fixinplace.inputs.values import Build, Code, Literal, Recipe, Record, Series, Tensor, Value, key, put, together

ITERATED = re.compile(
    r"object is not (?:iterable|subscriptable|reversible)|has no len\(\)|non-iterable|argument after \*"
    r"|called with an iterable|step must be greater than zero"
)


_SINGLE = re.compile(r"found element of type (?:tuple|list)|unsupported operand type.*'(?:tuple|list)'")


def single(situation: Situation) -> Iterator[Recipe]:
    """Several values stand where one is meant, as where another class has one for each of its stages: the first."""
    if _SINGLE.search(situation.fault.message):
        for path, value in situation.places():
            if isinstance(value, Series) and value.items and isinstance(value.items[0], Literal):
                yield put(situation.recipe, path, value.items[0])


def iterated(situation: Situation) -> Iterator[Recipe]:
    """One value stands where several are meant: a list of it, or of lists of it; a dictionary in a configuration."""
    if not ITERATED.search(situation.fault.message):
        return
    names = situation.fault.blamed or situation.fault.names
    asked = [each for each in situation.places() if key(each[0]) in names or _got(each[1], situation)]
    for path, value in asked:
        if len(path) > 2 and "subscriptable" in situation.fault.message:
            yield put(situation.recipe, path, Record(style="dict"))
        if isinstance(value, (Literal, Code, Build, Tensor)):
            for item in _items(value):
                for count in (3, 2, 4):
                    yield from together(situation.recipe, path, Series((item,) * count))
                yield put(situation.recipe, path, Series((Series((item, item)),) * 2))


def _items(value: Literal | Code | Build | Tensor) -> list[Value]:
    if isinstance(value, Literal) and type(value.value) not in (int, float):
        return [Literal(guess.WIDTH)]
    if isinstance(value, Literal):
        return list(dict.fromkeys([value, Literal(guess.WIDTH)]))
    return [Tensor(guess.SHAPES[4]), value] if isinstance(value, Tensor) else [value]


def _got(value: Value, situation: Situation) -> bool:
    """True for a value of the type that a message got, where it names nothing else."""
    found = re.search(r"iterable, but got (\w+)", situation.fault.message)
    return found is not None and isinstance(value, (Code, Build)) and found[1] in value.code


def pyramids(situation: Situation) -> Iterator[Recipe]:
    """Images, or sequences, in a list of which each has half the sides of the one before, or twice."""
    if not _UNEQUAL.search(situation.fault.message):
        return
    for path, value in situation.places():
        several = _stages(value) if key(path) in situation.knowledge.members else value
        if isinstance(several, Series) and len(several.items) > 1:
            images = [each for each in several.items if isinstance(each, Tensor) and len(each.shape) >= _IMAGE]
            if len(images) == len(several.items) and len({each.shape[2:] for each in images}) == 1:
                for times in (range(len(images) - 1, -1, -1), range(len(images))):
                    halved = tuple(map(_halved, images, times))
                    yield put(situation.recipe, path, replace(several, items=halved))


def _stages(value: Value) -> Value:
    """A list of images in place of one: as many as its batch has, whose samples stood for them so far."""
    if not isinstance(value, Tensor) or len(value.shape) <= _IMAGE:
        return value
    return Series((value,) * (value.shape[0] if 1 < value.shape[0] < _MANY else _STAGES))


_IMAGE, _STAGES, _MANY = 3, 4, 7
_UNEQUAL = re.compile(r"must match|broadcast a dimension|[Ss]izes? of tensors|not match|mismatch", re.I)


def _halved(image: Tensor, times: int) -> Tensor:
    """An image with sides twice as long so many times, from a side that can be halved itself."""
    return replace(image, shape=(*image.shape[:2], *(guess.SIDE << times for _ in image.shape[2:])))


_SERIES = re.compile(r"(?:must|should|has to|need(?:s|ed)? to) be (?:a |an |of type )?(?:tuple|list|sequence|iterable)")


def several(situation: Situation) -> Iterator[Recipe]:
    """One number stands where several are asked for, by the message or by the class that the condition names."""
    if not (_SERIES.search(situation.fault.message) or {"tuple", "list"} & {*situation.fault.names}):
        return
    for path, value in situation.places():
        if isinstance(value, Literal) and type(value.value) is int and key(path) in situation.fault.names:
            for count in (3, 2, 4):
                yield put(situation.recipe, path, Series((value,) * count, False))
                yield put(situation.recipe, path, Series((value,) * count))


_SHORT = re.compile(r"(list|tuple) index out of range|zip\(\) argument|must (have|be) (the )?same length|same number")


def lengths(situation: Situation) -> Iterator[Recipe]:
    """All lists at once as long as a number says, or all of one length; and a number that is what they are long."""
    series = [(path, value) for path, value in situation.places() if isinstance(value, Series) and value.items]
    places = [each for each in series if not any(each[0][: len(path)] == path != each[0] for path, _ in series)]
    told = _SHORT.search(situation.fault.message) or situation.fault.type == "AssertionError"
    if not places or not told:
        return
    numbers = [
        (path, value.value)
        for path, value in situation.places()
        if isinstance(value, Literal) and type(value.value) is int
    ]
    for length in dict.fromkeys([*(number for _, number in numbers if 1 < number <= 8), 4, 3, 5]):
        recipe = situation.recipe
        for path, each in places:
            recipe = put(recipe, path, replace(each, items=(each.items * length)[:length]))
        yield recipe
    for path, number in numbers:
        if guess.counts(key(path)) or key(path).startswith(("num_", "n_")):
            wanted = len(places[0][1].items)
            yield from (
                put(situation.recipe, path, Literal(each)) for each in (wanted, wanted - 1) if 0 < each != number
            )
