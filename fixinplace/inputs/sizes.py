"""Errors about shapes, read: how many dimensions, and how large."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import replace

from fixinplace.inputs import guess
from fixinplace.inputs.situation import Situation
from fixinplace.inputs.values import Literal, Path, Recipe, Series, Tensor, Value, key, put, together, walk, wherever

_WIDEST, _MANY = 4096, 16
_BROADCAST = re.compile(
    r"broadcast a dimension of length (\d+) at (-\d+)!.*broadcastable to (?:torch\.Size\()?\[([\d, ]+)\]", re.S
)

# --- number of dimensions

_DIMENSIONS = (
    re.compile(r"[Ee]xpected (?P<want>\d)D or (?P<other>\d)D .*?(?:got|input of size:?) *(?:a )?(?P<got>\d)D"),
    re.compile(r"[Ee]xpected (?P<want>\d)D \(unbatched\) or (?P<other>\d)D \(batched\) input"),
    re.compile(r"[Ee]xpected (?P<want>\d)[ -]?D .*?got (?P<got>\d)[ -]?D"),
    re.compile(r"not enough values to unpack \(expected (?:at least )?(?P<want>\d+), got (?P<got>\d+)\)"),
    re.compile(r"too many values to unpack \(expected (?P<want>\d+)(?:, got (?P<got>\d+))?\)"),
    re.compile(r"expected (?P<want>\d+) dims\. Received (?P<got>\d+)-dim"),
    re.compile(r"[Dd]imension out of range \(expected to be in range of \[-?\d+, \d+\], but got (?P<index>-?\d+)\)"),
    re.compile(r"number of dims don't match in permute|dimensions? of the tensor input is not equal to the length"),
    re.compile(r"too many indices for tensor of dimension (?P<got>\d+)"),
    re.compile(r"expects? (?:input to be |a )?(?P<want>\d)[ -]?(?:D|dim)"),
    re.compile(r"(?:non-empty|expected an?) (?P<want>\d)D or (?P<other>\d)D"),
    re.compile(r"batch1? must be a (?P<bmm>\d)D"),
    re.compile(r"should have dimension (?P<want>\d) or \d \(got (?P<got>\d)\)"),
    re.compile(r"tuple index out of range|must be (?P<want>\d)[ -]?(?:D|dim)|number of subscripts"),
)  # fmt: skip


def dimensions(situation: Situation) -> Iterator[Recipe]:
    """Recipes whose tensors have as many dimensions as the message asks for."""
    message = situation.fault.message
    if (many := _TOO_MANY.search(message)) is not None:
        yield from _flatter(situation, int(many[2]) - int(many[1]))
    found = next((match for words in _DIMENSIONS for match in [words.search(message)] if match), None)
    if found is None:
        yield from _compared(situation)
        return
    told = {name: int(value) for name, value in found.groupdict().items() if value is not None}
    wanted = [told[name] for name in ("other", "want", "bmm") if name in told]
    if "index" in told:
        wanted.append(told["index"] + 1 if told["index"] >= 0 else -told["index"])
    tensors = [(path, value) for path, value in situation.places() if isinstance(value, Tensor)]
    for want in (*wanted, 4, 3, 2, 5, 1):
        for path, value in tensors:
            if (
                len(value.shape) != want
                and want in guess.SHAPES
                and (len(value.shape) == told.get("got", len(value.shape)) or not wanted)
            ):
                if value.kind == "bool" and want == _IMAGE:
                    yield from _masks(situation, path, value)
                new = replace(value, shape=_reshaped(value.shape, want))
                yield from together(situation.recipe, path, new)
                yield from wherever(situation.recipe, path, new)
    if "unpack" in message and wanted:
        for path, series in situation.places():
            if isinstance(series, Series) and series.items and len(series.items) != wanted[0]:
                yield put(situation.recipe, path, replace(series, items=(series.items * wanted[0])[: wanted[0]]))


def _compared(situation: Situation) -> Iterator[Recipe]:
    """Recipes with as many dimensions as a condition around a `raise` asks for: `if len(x.shape) != 3`."""
    for got, want in situation.fault.pairs:
        for path, value in situation.places():
            if isinstance(value, Tensor) and len(value.shape) == got != want and want in guess.SHAPES:
                yield from together(situation.recipe, path, replace(value, shape=_reshaped(value.shape, want)))


def _masks(situation: Situation, path: Path, value: Tensor) -> Iterator[Recipe]:
    """Recipes in which a mask has one channel, and the sides of an image beside it."""
    images = [each for _, each in situation.places() if isinstance(each, Tensor) and len(each.shape) == _IMAGE]
    for image in images[:1]:
        shape = (image.shape[0], 1, *image.shape[2:])
        yield put(situation.recipe, path, replace(value, shape=shape))


_TOO_MANY = re.compile(
    r"(?:sizes provided|in the equation) \((\d)\) (?:must be greater|does not match) .*(?:tensor|dimensions) \((\d)\)"
)


def _flatter(situation: Situation, fewer: int) -> Iterator[Recipe]:
    """Recipes in which one tensor has so many dimensions less."""
    for path, value in situation.places():
        if isinstance(value, Tensor) and 0 < fewer < len(value.shape):
            flat = replace(value, shape=guess.SHAPES[len(value.shape) - fewer])
            yield from (*together(situation.recipe, path, flat), *wherever(situation.recipe, path, flat))


_SAME = re.compile(
    r"same (?:shape|size|number|dim|length|batch)|differing shape|should be the same|incompatible shapes?"
    r"|[Ss]ize mismatch|must match|[Ss]hapes? mismatch|not equal|different (?:shape|size)|dimensions? mismatch",
    re.I,
)
_LETTERED = re.compile(r"(?<![\w.])[(\[]?\s*([B-Z*](?:\s*(?:,|x|\*)\s*(?:[A-Z]\b|\d+))+)")
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_WORDED = re.compile(r"(one|two|three|four|five)-dimensional", re.I)


def shapes(situation: Situation) -> Iterator[Recipe]:
    """Recipes whose tensors have the shape that a message spells, or that of another input."""
    message = situation.fault.message
    tensors = [(path, value) for path, value in situation.places() if isinstance(value, Tensor)]
    for letters in _LETTERED.findall(message):
        wanted = guess.lettered(re.split(r"\s*(?:,|x|\*)\s*", letters))
        yield from (put(situation.recipe, path, replace(value, shape=wanted.shape)) for path, value in tensors)
    for letter in re.findall(r"must be an? ([BN]) torch\.Tensor", message):
        one = guess.lettered([letter])
        yield from (put(situation.recipe, path, replace(value, shape=one.shape)) for path, value in tensors)
    for word in _WORDED.findall(message):
        shape = guess.SHAPES[_WORDS[word.lower()]]
        yield from (put(situation.recipe, path, replace(value, shape=shape)) for path, value in tensors)
    if _SAME.search(message) or situation.fault.type == "AssertionError":
        for path, value in tensors:
            for other, model in tensors:
                if other != path and model.shape != value.shape:
                    yield from together(situation.recipe, path, replace(value, shape=model.shape))


def _reshaped(shape: tuple[int, ...], dims: int) -> tuple[int, ...]:
    """The usual shape of so many dimensions, with the width of an image where there was one."""
    if len(shape) in (3, 4, 5) and dims in (4, 5) and shape[1] != guess.LENGTH:
        return (shape[0], shape[1], *guess.SHAPES[dims][2:])
    return guess.SHAPES[dims]


# --- sizes

_SIZES = (
    re.compile(r"\((?P<a>\d+)x(?P<got>\d+) and (?P<want>\d+)x(?P<b>\d+)\)"),
    re.compile(r"reduction dim, but got \[\d+, (?P<got>\d+)\] X \[(?P<want>\d+), \d+\]"),
    re.compile(r"to have (?P<want>\d+) channels, but got (?P<got>\d+) channels"),
    re.compile(r"size of tensor a \((?P<got>\d+)\) must match the size of tensor b \((?P<want>\d+)\)"),
    re.compile(r"normalized_shape=\[(?P<want>\d+)\].* got input of size ?(?:torch\.Size\()?\[(?:\d+, )*(?P<got>\d+)\]"),
    re.compile(r"should contain (?P<got>\d+) elements not (?P<want>\d+)"),
    re.compile(r"[Ee]xpected size (?P<want>\d+) but got size (?P<got>\d+)"),
    re.compile(r"[Ee]xpected (?:\w+ )*(?:to be |of )?(?P<want>\d+),? (?:but )?got (?:\w+ )*(?P<got>\d+)"),
    re.compile(r"input\.size\(-1\) must be equal to input_size\. Expected (?P<want>\d+), got (?P<got>\d+)"),
    re.compile(r"was expecting embedding dimension of (?P<want>\d+), but got (?P<got>\d+)"),
    re.compile(r"can't divide axis of length (?P<got>\d+) in chunks of (?P<unit>\d+)"),
    re.compile(r"(?P<got>\d+) (?:is not|must be|should be|not) divisible by (?:\w+ )*(?P<unit>\d+)"),
    re.compile(r"subscript \w has size (?P<got>\d+) for operand .* previously seen size (?P<want>\d+)"),
    re.compile(r"except in dimension \d+\. (?:Got|Expected size) (?P<want>\d+) (?:and|but got size) (?P<got>\d+)"),
    re.compile(r"[Ee]xpected input batch_size \((?P<got>\d+)\) to match target batch_size \((?P<want>\d+)\)"),
    re.compile(r"\((?P<got>\d+)\) must match the existing size \((?P<want>\d+)\)"),
)  # fmt: skip
_TOO_SMALL = re.compile(
    r"too small|[Kk]ernel size can't be greater|[Pp]adding size should be less|more than 1 value per|at least"
    r"|output size: 0"
)
_LISTS = re.compile(r"to be:? \[([\d, ]+)\] but got:? \[([\d, ]+)\]")
_SPLIT = re.compile(r"split_sizes to sum exactly to (\d+) .* but got split_sizes=\[([\d, ]+)\]", re.S)
_VIEW = re.compile(r"shape '\[([-\d, ]+)\]' is invalid for input of size (\d+)")


def sizes(situation: Situation) -> Iterator[Recipe]:
    """Recipes in which the size that the message found has become the one that it expected, or the other way round."""
    message = situation.fault.message
    yield from _listed(situation)
    pairs = list(situation.fault.pairs)
    for words in _SIZES:
        if (found := words.search(message)) is not None:
            told = {name: int(value) for name, value in found.groupdict().items()}
            want = told["want"] if "want" in told else _multiple(told["got"], told["unit"])
            pairs.append((told["got"], want))
            break
    if (found := _BROADCAST.search(message)) is not None:
        wanted = [int(word) for word in found[3].split(",")]
        pairs += [(wanted[int(found[2])], int(found[1]))] if len(wanted) >= -int(found[2]) else []
    if (found := _SPLIT.search(message)) is not None:
        pairs.append((int(found[1]), sum(int(word) for word in found[2].split(","))))
    if (found := _LISTS.search(message)) is not None:
        wants, gots = ([int(word) for word in part.split(",")] for part in found.groups())
        pairs += [(got, want) for got, want in zip(gots, wants, strict=False) if got != want]
    if pairs or "match" in message:
        yield from _agreeing(situation)
    for got, want in dict.fromkeys(pairs):
        yield from _parts(situation, got, want)
        yield from _sides(situation, got, want)
        yield from _points(situation, got, want)
        yield from _resized(situation, got, want, exact=True)
        yield from _resized(situation, want, got, exact=True)
        yield from _resized(situation, got, want)
        yield from _resized(situation, want, got)
    if (found := _VIEW.search(message)) is not None:
        yield from _viewed(situation, [int(word) for word in found[1].split(",")], int(found[2]))
    if not pairs:
        numbers = [int(word) for word in re.findall(r"(?<![\w.])\d+(?![\w.])", message)][:6]
        for got in numbers:
            for want in numbers:
                if got != want and want > 0:
                    yield from _resized(situation, got, want, exact=True)
    if _TOO_SMALL.search(message):
        yield from _larger(situation)
        yield from _fewer(situation)


_STEPS = re.compile(r"list of (\d) values to match the convolution dimensions, but got \w+=\[([\d, ]+)\]")


def _listed(situation: Situation) -> Iterator[Recipe]:
    """Recipes whose lists are as long as a convolution has dimensions: its stride says how many that are."""
    found = _STEPS.search(situation.fault.message)
    count = len(found[2].split(",")) if found is not None else 0
    for path, value in situation.places():
        if found is not None and path[0] == "init" and isinstance(value, Series) and len(value.items) == int(found[1]):
            yield put(situation.recipe, path, replace(value, items=value.items[:1] * count))


def _parts(situation: Situation, got: int, want: int) -> Iterator[Recipe]:
    """Two tensors that were joined, with the widths that the constructor was told and that make up what is wanted.

    `hidden_dim + input_dim` channels are wanted of `torch.cat([h, x], 1)`: 128 of the one, 96 of the other.
    """
    told = {path[1]: value for path, value in walk(situation.recipe) if path[0] == "init" and len(path) == 2}
    values = [told.get(each.name, each.default) for each in situation.init]
    widths = dict.fromkeys(v.value for v in values if isinstance(v, Literal) and type(v.value) is int)
    pairs = [(one, want - one) for one in widths if want - one in widths]
    tensors = [(path, value) for path, value in situation.places() if isinstance(value, Tensor) and path[0] == "call"]
    for (path, value), (other, beside) in itertools.permutations(tensors, 2):
        for place in (1, -1):
            sizes = [each.shape[place] for each in (value, beside) if len(each.shape) > 1]
            if len(sizes) == 2 and len(value.shape) == len(beside.shape) and sum(sizes) == got:
                for one, rest in pairs:
                    made = put(situation.recipe, path, replace(value, shape=_wide(value.shape, place, one)))
                    yield put(made, other, replace(beside, shape=_wide(beside.shape, place, rest)))


def _wide(shape: tuple[int, ...], place: int, size: int) -> tuple[int, ...]:
    """The shape with another size at a place, 1 or the last."""
    place %= len(shape)
    return (*shape[:place], size, *shape[place + 1 :])


def _agreeing(situation: Situation) -> Iterator[Recipe]:
    """Recipes whose tensors have the sides or the length that the constructor was told."""
    sizes = [value for path, value in walk(situation.recipe) if path[0] == "init" and guess.extents(key(path))]
    for size in dict.fromkeys(each.value for each in sizes if isinstance(each, Literal) and type(each.value) is int):
        for path, value in situation.places():
            if isinstance(value, Tensor) and len(value.shape) > 3:
                yield put(
                    situation.recipe, path, replace(value, shape=(*value.shape[:2], *(size,) * len(value.shape[2:])))
                )
            elif isinstance(value, Tensor) and len(value.shape) in (2, 3):
                yield put(situation.recipe, path, replace(value, shape=(value.shape[0], size, *value.shape[2:])))
                yield put(situation.recipe, path, replace(value, shape=(*value.shape[:-1], size)))


def _multiple(number: int, unit: int) -> int:
    return max(1, round(number / unit)) * unit if unit else number


def _resized(situation: Situation, got: int, want: int, exact: bool = False) -> Iterator[Recipe]:
    """Recipes in which a size that is, or leads to, `got` becomes one that leads to `want`."""
    if got == want or min(got, want) < 0:
        return
    ranked: list[tuple[int, Recipe]] = []
    for path, value in situation.places():
        for place, number in _numbers(path, value):
            new = _scaled(number, got, want) or _joined(place, number, got, want)
            if new is None or new == number or not 0 < new <= _WIDEST or (exact and number != got):
                continue
            if place < 0 and guess.counts(key(path)) and new > _MANY:
                continue
            rank = (number != got) * 2 + (path[0] == "init") + 2 * (_scaled(number, got, want) is None)
            made = _with_number(situation.recipe, path, value, place, new)
            alike = _all_alike(situation.recipe, path, made)
            ranked += [(rank, each) for each in (*alike, made, *with_others(made, path, place, number, new))]
    yield from (recipe for _, recipe in sorted(ranked, key=lambda each: each[0]))


def _all_alike(recipe: Recipe, path: Path, changed: Recipe) -> list[Recipe]:
    """The same change at every member of a list whose members are alike."""
    return list(together(recipe, path, dict(walk(changed))[path]))[:-1]


def with_others(changed: Recipe, path: Path, place: int, number: int, new: int) -> Iterator[Recipe]:
    """The change at all that goes with it: inputs of one shape; a constructor's width and the inputs that have it.

    One without the other only moves the error to where the two meet.
    """
    recipe = changed
    old = dict(walk(changed))[path]
    shape = (*old.shape[:place], number, *old.shape[place + 1 :]) if isinstance(old, Tensor) else ()
    for other, value in walk(changed):
        if not isinstance(value, Tensor) or other == path:
            continue
        if isinstance(old, Tensor) and value.shape == shape:
            recipe = put(recipe, other, replace(value, shape=old.shape))
        elif not shape and path[0] == "init" and number in value.shape[1:]:
            sizes = tuple(new if size == number else size for size in value.shape[1:])
            recipe = put(recipe, other, replace(value, shape=(value.shape[0], *sizes)))
    if recipe != changed:
        yield recipe


def _scaled(number: int, got: int, want: int) -> int | None:
    if number == got:
        return want
    if number > 1 and (got % number == 0 or number % max(got, 1) == 0) and number * want % max(got, 1) == 0:
        return number * want // max(got, 1)
    return None


def _joined(place: int, number: int, got: int, want: int) -> int | None:
    """What a size of a tensor has to be that something else was joined to: the rest stays."""
    return number + want - got if place >= 0 and got > number and number + want - got > 1 else None


def _numbers(path: Path, value: Value) -> Iterator[tuple[int, int]]:
    """Sizes in a value: dimensions of a tensor, the last first; a whole number."""
    if isinstance(value, Tensor):
        yield from ((place, value.shape[place]) for place in reversed(range(len(value.shape))))
    elif isinstance(value, Literal) and type(value.value) is int:
        yield -1, value.value


def _with_number(recipe: Recipe, path: Path, value: Value, place: int, number: int) -> Recipe:
    if isinstance(value, Tensor):
        shape = (*value.shape[:place], number, *value.shape[place + 1 :])
        return put(recipe, path, replace(value, shape=shape))
    return put(recipe, path, Literal(number))


_USUAL_SIDES = (4, 7, 8, 14, 16, 28, 32, 48, 64, 84, 96, 112, 128, 224, 256, 299)
_NEAR = 4


def _sides(situation: Situation, got: int, want: int) -> Iterator[Recipe]:
    """Images of the usual sizes, where a layer behind their flattened features says how many these must be.

    The nearest first to what makes so many of them; `got` stands for features only where no size of an input is it.
    """
    if "cannot be multiplied" not in situation.fault.message and "reduction dim" not in situation.fault.message:
        return
    for path, value in situation.places():
        if isinstance(value, Tensor) and len(value.shape) == _IMAGE and got not in value.shape:
            wanted = max(value.shape[-1], 1) * (want / max(got, 1)) ** 0.5
            for side in sorted(_USUAL_SIDES, key=lambda each: abs(math.log(each / wanted)))[:_NEAR]:
                yield put(situation.recipe, path, replace(value, shape=(*value.shape[:2], side, side)))


_IMAGE = 4
_BORDER = 6
"""By how much an image may have grown or shrunk for the sake of a kernel or of what is padded for it."""


def _points(situation: Situation, got: int, want: int) -> Iterator[Recipe]:
    """Kernels of one, where two images differ by the width of a border."""
    if not 0 < abs(got - want) <= _BORDER:
        return
    for path, value in situation.places():
        if path[0] == "init" and "kernel" in key(path) and isinstance(value, Literal) and type(value.value) is int:
            yield put(situation.recipe, path, Literal(1))


def _viewed(situation: Situation, shape: list[int], size: int) -> Iterator[Recipe]:
    """Other sizes where a view does not fit; fewer dimensions first where it has no place for all that is there."""
    known = math.prod(each for each in shape if each > 0)
    if -1 not in shape and known and size % known == 0:
        for path, value in situation.places():
            if isinstance(value, Tensor) and len(value.shape) == _IMAGE - 1:
                yield put(situation.recipe, path, replace(value, shape=guess.SHAPES[2]))
    for path, value in situation.places():
        for place, number in _numbers(path, value):
            for new in {number * known // size if size else 0, _multiple(number, known), number * 2, number // 2}:
                if 0 < new <= _WIDEST and new != number:
                    yield _with_number(situation.recipe, path, value, place, new)


def _larger(situation: Situation) -> Iterator[Recipe]:
    for path, value in situation.places():
        if isinstance(value, Tensor) and len(value.shape) > 2:
            for factor in (2, 4, 14):
                yield put(
                    situation.recipe,
                    path,
                    replace(value, shape=(*value.shape[:2], *(each * factor for each in value.shape[2:]))),
                )


def _fewer(situation: Situation) -> Iterator[Recipe]:
    """A constructor's number that is larger than every input becomes what the inputs have, a default as well."""
    sizes = [each.shape[-1] for _, each in walk(situation.recipe) if isinstance(each, Tensor) and each.shape]
    given = {path[1]: each for path, each in walk(situation.recipe) if path[0] == "init" and len(path) == 2}
    for parameter in situation.init:
        now = given.get(parameter.name, parameter.default)
        if isinstance(now, Literal) and type(now.value) is int and now.value > max(sizes, default=now.value):
            yield put(situation.recipe, ("init", parameter.name), Literal(max(sizes)))
