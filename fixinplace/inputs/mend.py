"""An error of a run, read: which other values its message asks for.

Every rule gives recipes, the likeliest first; which of them gets further is for a run to tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from fixinplace.inputs import guess, many
from fixinplace.inputs.objects import attributes, fields, sparse
from fixinplace.inputs.situation import Situation, guesses
from fixinplace.inputs.sizes import dimensions, shapes, sizes, with_others
from fixinplace.inputs.turning import more_inputs, offline
from fixinplace.inputs.values import (
    Build,
    Code,
    Literal,
    Path,
    Recipe,
    Record,
    Series,
    Tensor,
    Value,
    drop,
    key,
    put,
    together,
    walk,
    wherever,
)


def mended(situation: Situation) -> list[Recipe]:
    """Recipes that an error asks for, the likeliest first, without repetition."""
    found: dict[Recipe, None] = {}
    for rule in _RULES:
        for recipe in rule(situation):
            if recipe != situation.recipe:
                found.setdefault(recipe)
    if not found:
        found.update(dict.fromkeys(_other_kinds(situation)))
    if not found or situation.fault.type in ("AssertionError", "ValueError"):
        found.update(dict.fromkeys(_other_values(situation)))
    found.pop(situation.recipe, None)
    return list(found)


def anything(situation: Situation) -> list[Recipe]:
    """Other values at every place, for an error that no rule understands or whose mends have all been tried."""
    return list(dict.fromkeys([*_other_kinds(situation), *_other_values(situation)]))


# --- arguments that are missing or too many

_MISSING = re.compile(r"(?:(\w+)\.)?(\w+)\(\) missing \d+ required (?:positional|keyword-only) arguments?: (.*)")
_UNEXPECTED = re.compile(r"got (?:an unexpected keyword|multiple values for (?:keyword )?) ?argument '(\w+)'")


def _missing(situation: Situation) -> Iterator[Recipe]:
    found = _MISSING.search(situation.fault.message)
    if found is None:
        return
    names = re.findall(r"'(\w+)'", found[3])
    recipe = situation.recipe
    part = "init" if found[2] == "__init__" and recipe.init is not None else "call"
    for build in (
        path for path, value in walk(recipe) if isinstance(value, Build) and value.callee.endswith(f".{found[1]}")
    ):
        made = recipe
        for name in names:
            made = put(made, (*build, name), guesses(name, "", situation.knowledge)[0])
        yield made
    for name in names:
        recipe = put(recipe, (part, name), situation.options((part, name))[0])
    yield recipe


def _inside(situation: Situation) -> Iterator[Recipe]:
    """An object that is made on the way lacks an optional argument, which the message names."""
    words = {*re.findall(r"\w+", situation.fault.message)}
    for path, value in walk(situation.recipe):
        if isinstance(value, Build) and value.callee.rpartition(".")[2] in situation.fault.function.split("."):
            given = {each.name for each in value.arguments}
            for name in (name for name in situation.fault.names if name in words and name not in given):
                yield put(situation.recipe, (*path, name), guesses(name, "", situation.knowledge)[0])


def _unexpected(situation: Situation) -> Iterator[Recipe]:
    found = _UNEXPECTED.search(situation.fault.message)
    if found is None:
        return
    for path, _ in walk(situation.recipe):
        if len(path) == 2 and path[1] == found[1]:
            yield drop(situation.recipe, path)
    for path, value in situation.places():
        if isinstance(value, Code):
            yield from (put(situation.recipe, path, other) for other in situation.options(path)[:6])


# --- values of another type

_TYPED = (
    re.compile(r"'(\w+)' object (?:is not|does not|has no|cannot|doesn't)"),
    re.compile(r"'(\w+)' has no len|object of type '(\w+)'"),
    re.compile(r"unsupported operand type\(s\) for .*: '(\w+)' and '(\w+)'"),
    re.compile(r"not supported between instances of '(\w+)' and '(\w+)'"),
    re.compile(r"cannot unpack non-iterable (\w+) object"),
    re.compile(r"must be (?:[\w ]+, )?not (\w+)|found type (\w+)|but got (?:a |an )?(\w+)|not '?(\w+)'?$"),
    re.compile(r"Cannot .* type '?(\w+)'?"),
    re.compile(r"(\w+) is not a Module subclass|iteration over a 0-d (\w+)"),
)
_CLASSES: dict[str, tuple[type, ...]] = {
    "NoneType": (type(None),), "None": (type(None),), "int": (int,), "float": (float,), "str": (str,), "bool": (bool,),
}  # fmt: skip


def _of_type(value: Value, name: str) -> bool:
    if isinstance(value, Literal):
        return type(value.value) in _CLASSES.get(name, ())
    if isinstance(value, Series):
        return name == ("list" if value.listed else "tuple")
    if isinstance(value, Tensor):
        return name in ("Tensor", "FakeTensor")
    if isinstance(value, Record):
        return name in ("SimpleNamespace", "dict")
    return name in ("type", "Passing", "function", "builtin_function_or_method", "partial") or name in value.code


def _types(situation: Situation) -> Iterator[Recipe]:
    if "argument: 'self'" in situation.fault.message:
        yield from _instances(situation)
    names = [
        name
        for words in _TYPED
        for found in [words.search(situation.fault.message)]
        if found
        for name in found.groups()
    ]
    iterated = many.ITERATED.search(situation.fault.message)
    unset = _unset(situation) if {"NoneType", "None"} & {*names} else []
    for path, parameter in unset:
        yield from (put(situation.recipe, path, value) for value in situation.options(path, parameter)[:3])
    for path, value in situation.places():
        if any(name is not None and _of_type(value, name) for name in names):
            others = [
                other
                for other in situation.options(path)
                if type(other) is not type(value) or isinstance(value, (Code, Literal))
            ]
            others = [other for other in others if not _alike(other, value) and not (iterated and _empty(other))]
            yield from (put(situation.recipe, path, other) for other in others[:8])
            if isinstance(value, Literal) and isinstance(value.value, int):
                yield from (put(situation.recipe, path, Series((value,) * count, False)) for count in (2, 3, 4))


def _empty(value: Value) -> bool:
    return isinstance(value, Record) and not value.fields


def _instances(situation: Situation) -> Iterator[Recipe]:
    """A class stands where an instance is meant."""
    for path, value in situation.places():
        if isinstance(value, Code) and not value.code.endswith(")"):
            made = [Code(f"{value.code}()"), Code("Passing()")]
            yield from (put(situation.recipe, path, each) for each in made)


_CALLED = re.compile(r"'(\w+)' object is not callable")


def _callables(situation: Situation) -> Iterator[Recipe]:
    """An argument of a call that is called: a function of one tensor, that gives another one."""
    found = _CALLED.search(situation.fault.message)
    for path, value in situation.places():
        if found is not None and path[0] == "call" and len(path) == 2 and _of_type(value, found[1]):
            yield put(situation.recipe, path, Code("torch.tanh"))


_SCALED = re.compile(r"\((\d+)\) (?:doesn't|does not|must|should) match (?:\w+ )*\((\d+)\)")
_LARGEST = 512


def _scaled(situation: Situation) -> Iterator[Recipe]:
    """Images so much larger as what was made of them should be: `Input height (8) doesn't match model (112)`."""
    found = _SCALED.search(situation.fault.message)
    got, want = (int(found[1]), int(found[2])) if found is not None else (0, 0)
    for path, value in situation.places() if got else ():
        if isinstance(value, Tensor) and len(value.shape) > 2:
            sides = [side * want // got if side * want % got == 0 else 0 for side in value.shape[-2:]]
            if all(0 < side <= _LARGEST for side in sides) and tuple(sides) != value.shape[-2:]:
                yield put(situation.recipe, path, replace(value, shape=(*value.shape[:-2], *sides)))


_NARROW = re.compile(r"to have (\d+) channels, but got (\d+) channels")


def _wider(situation: Situation) -> Iterator[Recipe]:
    """Blocks that give four times as many channels, as bottlenecks do."""
    found = _NARROW.search(situation.fault.message)
    if found is not None and int(found[1]) == 4 * int(found[2]):
        for path, value in situation.places():
            if value == Code(guess.BLOCK):
                yield put(situation.recipe, path, Code(guess.WIDE))


def _modules(situation: Situation) -> Iterator[Recipe]:
    """A module is asked for: one of the file's own, or a stand-in."""
    if "is not a Module subclass" not in situation.fault.message:
        return
    own: list[Value] = [Build(f"target.{name}") for name in situation.knowledge.classes]
    for path, value in situation.places():
        if not isinstance(value, Build) and value != Code("Passing()"):
            alike = [each for each in own if key(path).lower().replace("_", "") in each.code.lower()]
            for each in (*alike, Code("Passing()"), *own[:4]):
                yield put(situation.recipe, path, each)


def _checked(situation: Situation) -> Iterator[Recipe]:
    """Instances of the classes that the failing condition asks for."""
    for path, value in situation.places():
        if key(path) in situation.fault.names and not isinstance(value, Tensor):
            for name in situation.fault.names:
                if name in situation.knowledge.classes:
                    yield put(situation.recipe, path, Build(f"target.{name}"))


def _alike(one: Value, two: Value) -> bool:
    return isinstance(one, Literal) and isinstance(two, Literal) and type(one.value) is type(two.value)


def _unset(situation: Situation) -> list[tuple[Path, str]]:
    """Optional parameters that the recipe leaves at their defaults, and values that are None; named ones first."""
    given = {path[:2] for path, _ in walk(situation.recipe)}
    found: list[tuple[Path, str]] = []
    for part, parameters in (("call", situation.call), ("init", situation.init)):
        left = [each for each in parameters if (part, each.name) not in given and not each.needed]
        found += [((part, each.name), each.name) for each in left if each.default == Literal(None)]
    found += [(path, key(path)) for path, value in walk(situation.recipe) if value == Literal(None)]
    return sorted(found, key=lambda each: each[1] not in situation.fault.names)[:6]


_SCALAR = re.compile(
    r"received an invalid combination of arguments - got \(.*?Tensor|must be [\w ]+, not Tensor"
    r"|only 0-dimensional arrays|only integer tensors of a single element|Boolean value of Tensor with more than one"
    r"|only one element tensors|a Tensor with \d+ elements cannot|'Tensor' object cannot be interpreted as an integer"
    r"|only supports 0-dimension",
    re.S,
)


def _scalars(situation: Situation) -> Iterator[Recipe]:
    """A tensor stands where one number is meant: what its name says, or one of the usual."""
    if not _SCALAR.search(situation.fault.message):
        return
    for path, value in situation.places():
        if isinstance(value, Tensor) and value.kind == "float":
            told = [each for each in guess.numbers(key(path)) if type(each) is not bool]
            for number in dict.fromkeys([*told[:2], 2, 0.3]):
                yield put(situation.recipe, path, Literal(number))


_GROUPS = re.compile(r"divisible by (?:num_)?groups")


def _grouped(situation: Situation) -> Iterator[Recipe]:
    """Fewer groups or wider layers, where a width is no multiple of the number of groups; defaults as well."""
    told = {path[1]: value for path, value in walk(situation.recipe) if path[0] == "init" and len(path) == 2}
    for each in situation.init if _GROUPS.search(situation.fault.message) else ():
        now = told.get(each.name, each.default)
        if isinstance(now, Literal) and type(now.value) is int and now.value > 1:
            few = [number for number in (8, 4, 2) if number < now.value]
            wide = [now.value * 2, now.value * 4] if guess.widths(each.name) else []
            for number in few if "group" in each.name or "cardinality" in each.name else wide:
                yield put(situation.recipe, ("init", each.name), Literal(number))


_NOTHING = re.compile(r"weight to be at least 1 at dimension 0, but got weight of size \[0")


def _squeezed(situation: Situation) -> Iterator[Recipe]:
    """Wider layers where a sixteenth of their width is nothing: `nn.Conv2d(c, c // 16, 1)`."""
    for path, value in situation.places() if _NOTHING.search(situation.fault.message) else ():
        if path[0] == "init" and isinstance(value, Literal) and type(value.value) is int and guess.widths(key(path)):
            yield from (put(situation.recipe, path, Literal(value.value * by)) for by in (16, 64))


_PADDED = re.compile(r"padding \((\d+), (\d+)\) at dimension \d of input \[(?:\d+, )*(\d+)\]")


def _padded(situation: Situation) -> Iterator[Recipe]:
    """Signals that are longer than what is added at their ends: a window of 1024 reflects 512 of them."""
    found = _PADDED.search(situation.fault.message)
    for path, value in situation.places() if found is not None else ():
        if found is not None and isinstance(value, Tensor) and value.shape[-1:] == (int(found[3]),):
            size = 2 * max(int(found[1]), int(found[2]))
            longer = put(situation.recipe, path, replace(value, shape=(*value.shape[:-1], size)))
            yield from with_others(longer, path, len(value.shape) - 1, value.shape[-1], size)
            yield longer


# --- tensors of another kind

_INTEGER = re.compile(
    r"scalar types?: Long|expected scalar type (?:Long|Int)|must be long|expects? .*(?:Long|int64)|indices must be"
    r"|tensors used as indices must be|one_hot is only applicable to index|dtype (?:int32/)?int64|integer tensor"
    r"|got .*FloatTensor"
)
_FLOATING = re.compile(
    r"expected scalar type (?:Float|Double)|should be the same|must have the same dtype"
    r"|not implemented for '(?:Long|Bool|Int)'|with a bool tensor is not supported"
    r"|Only Tensors of floating point|must be floating|expected .* dtype float|\bmean\(\): could not infer|Input type"
    r"|only supports floating|floating[- ]point|nothing that it returns has a gradient"
)
_BOOLEAN = re.compile(r"expected .*(?:bool|BoolTensor)|must be bool|only supports? boolean|mask.*dtype")
_RANGE = re.compile(r"index out of range|out of bounds|Target \d+ is out of|smaller than num_classes|index .* is out")


def _kinds(situation: Situation) -> Iterator[Recipe]:
    message = situation.fault.message
    for pattern, kind in ((_INTEGER, "index"), (_FLOATING, "float"), (_BOOLEAN, "bool")):
        if pattern.search(message):
            for path, value in situation.places():
                if isinstance(value, Tensor) and value.kind != kind:
                    shape = value.shape if kind != "index" or len(value.shape) < 3 else value.shape[:2]
                    yield put(situation.recipe, path, Tensor(shape, kind, 10))  # type: ignore[arg-type]
                    if shape != value.shape:
                        yield put(situation.recipe, path, Tensor(value.shape, kind, 10))  # type: ignore[arg-type]
    if _RANGE.search(message):
        told = [int(size) for size in re.findall(r"with size (\d+)", message) if size != "0"]
        for path, value in situation.places():
            if isinstance(value, Tensor) and value.kind == "index" and value.high > 2:
                for high in dict.fromkeys([*told, 2 if value.high <= 5 else 5]):
                    yield from together(situation.recipe, path, replace(value, high=high))
            elif isinstance(value, Tensor) and value.kind == "float":
                yield put(situation.recipe, path, Tensor(value.shape[:2], "index", 5))
    if re.search(r"between 0 and 1|in the range \[0|\[0, 1\]|NaN|nan\b", message):
        for path, value in situation.places():
            if isinstance(value, Tensor) and value.kind == "float":
                yield put(situation.recipe, path, replace(value, kind="unit"))


# --- what is left


def _positional(situation: Situation) -> Iterator[Recipe]:
    """Inputs for `*args`."""
    if len(situation.recipe.call) < 3:
        yield from more_inputs(situation)


def _strings(situation: Situation) -> Iterator[Recipe]:
    if situation.fault.type not in ("ValueError", "NotImplementedError", "KeyError", "AssertionError", "RuntimeError",
                                    "UnboundLocalError", "Exception"):  # fmt: skip
        return
    for path, value in situation.places():
        texts = situation.knowledge.strings.get(key(path), ())
        texts += situation.fault.texts if key(path) in situation.fault.names else ()
        if isinstance(value, (Literal, Code)):
            yield from (put(situation.recipe, path, Literal(text)) for text in texts if value != Literal(text))
    given = {path[:2] for path, _ in walk(situation.recipe)}
    for part, parameters in (("call", situation.call), ("init", situation.init)):
        for each in parameters:
            if each.name in situation.fault.names and (part, each.name) not in given:
                yield from (
                    put(situation.recipe, (part, each.name), Literal(text))
                    for text in situation.knowledge.strings.get(each.name, ())
                )


def _other_kinds(situation: Situation) -> Iterator[Recipe]:
    """Without a word that we understand: other shapes, and indices."""
    for path, value in situation.places():
        if isinstance(value, Tensor):
            shapes = [guess.SHAPES[dims] for dims in (4, 3, 2, 5, 1) if dims != len(value.shape)]
            for shape in shapes:
                new = replace(value, shape=shape)
                yield from wherever(situation.recipe, path, new)
                yield from together(situation.recipe, path, new)
            yield put(situation.recipe, path, Tensor((guess.BATCH, guess.LENGTH), "index", 10))


def _other_values(situation: Situation) -> Iterator[Recipe]:
    for path, value in situation.places():
        if not isinstance(value, Tensor):
            yield from (put(situation.recipe, path, other) for other in situation.options(path)[:9] if other != value)
    for path, name in _unset(situation):
        yield put(situation.recipe, path, situation.options(path, name)[0])


_RULES = (
    offline, _missing, _inside, _unexpected, _checked, _wider, _scaled, many.single, many.several, many.iterated,
    many.pyramids, _callables, _modules, fields, attributes, sparse, _scalars, dimensions, shapes, _kinds, _grouped,
    _squeezed, _padded, sizes, many.lengths, _types, _strings, _positional,
)  # fmt: skip
