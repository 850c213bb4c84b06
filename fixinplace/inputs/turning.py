"""Other branches of what runs already: switches turned, options given, other words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fixinplace.inputs import guess
from fixinplace.inputs.knowledge import Parameter
from fixinplace.inputs.situation import Situation
from fixinplace.inputs.values import Argument, Code, Literal, Path, Recipe, Series, Tensor, Value, put, walk


def alternatives(situation: Situation) -> list[Recipe]:
    """Recipes that take other branches: switches turned, optional arguments given, other words.

    Parameters in the conditions around what is to be reached come first.
    """
    guards = {name: rank for rank, name in enumerate(situation.knowledge.guards)}
    now = dict(walk(situation.recipe))
    turns: list[tuple[bool, Path, Value]] = []
    for part, parameters in (("init", situation.init), ("call", situation.call)):
        for each in parameters:
            path: Path = (part, each.name)
            guarding = each.name in guards
            turns += [
                (guarding, path, value) for value in _turned(situation, path, each, guarding) if now.get(path) != value
            ]
    far = len(guards)
    turns.sort(key=lambda turn: (guards.get(str(turn[1][1]), far), _order(now.get(turn[1]), turn[2])))
    single = [put(situation.recipe, path, value) for _, path, value in turns]
    first = [(path, value) for guarding, path, value in turns if guarding]
    double = [
        put(put(situation.recipe, path, value), other, another)
        for index, (path, value) in enumerate(first)
        for other, another in first[index + 1 :]
        if other != path
    ]
    guarded = len(first)
    return list(dict.fromkeys([*single[:guarded], *double[:_PAIRS], *more_inputs(situation), *single[guarded:]]))


def more_inputs(situation: Situation) -> Iterator[Recipe]:
    """One and two tensors more for `*args`, like the last one before them."""
    recipe, names = situation.recipe, [each.name for each in situation.call]
    star = next((place for place, each in enumerate(situation.call) if each.positional), None)
    given = {each.name: each.value for each in recipe.call if each.name}
    if star is None or any(name not in given for name in names[:star]):
        return
    values = [*(given.pop(name) for name in names[:star]), *(each.value for each in recipe.call if not each.name)]
    like = next((each for each in reversed(values) if isinstance(each, Tensor)), Tensor(guess.SHAPES[3]))
    for count in (1, 2):
        bare = [Argument("", each) for each in (*values, *(like,) * count)]
        yield replace(recipe, call=(*bare, *(Argument(name, value) for name, value in given.items())))


_OFFLINE = re.compile(r"urlopen|[Nn]ame resolution|Max retries|[Nn]etwork is unreachable|Connection|couldn't connect")
_FETCHED = re.compile(r"(?:.*_)?(?:pre_?train(?:ed)?|download|weights?|checkpoint|ckpt|load)(?:_.*)?")
_DRAWN = re.compile(r"(?:.*_)?(?:rand|random|scratch)(?:_.*)?")


def offline(situation: Situation) -> Iterator[Recipe]:
    """Weights are drawn, and not fetched: what says otherwise is turned all at once, then flag by flag."""
    if not _OFFLINE.search(f"{situation.fault.type}: {situation.fault.message}"):
        return
    given = {path[1]: value for path, value in walk(situation.recipe) if path[0] == "init" and len(path) == 2}
    turns: list[tuple[Path, Value]] = []
    for each in situation.init:
        now, name = given.get(each.name, each.default), each.name.lower()
        if _FETCHED.fullmatch(name) and isinstance(now, Literal) and now.value:
            turns.append((("init", each.name), Literal(False if now.value is True else None)))
        elif _DRAWN.fullmatch(name) and now == Literal(False):
            turns.append((("init", each.name), Literal(True)))
    recipe = situation.recipe
    for path, value in turns:
        recipe = put(recipe, path, value)
    yield from (recipe, *(put(situation.recipe, path, value) for path, value in turns))


_PAIRS = 24
_NO_WORD = "other"
"""What no condition compares with: it takes the `else`."""


def _order(now: Value | None, value: Value) -> int:
    """Switches before options, words and numbers."""
    kinds = (isinstance(value, Literal) and type(value.value) is kind for kind in (bool, str, float, int))
    return next((place for place, yes in enumerate(kinds) if yes), 0 if now is None else 1)


def _turned(situation: Situation, path: Path, parameter: Parameter, guarding: bool) -> Sequence[Value]:
    now = dict(walk(situation.recipe)).get(path, parameter.default)
    texts = [Literal(text) for text in situation.knowledge.strings.get(parameter.name, ())]
    match now:
        case Literal(bool(on)):
            return [Literal(not on)]
        case Literal(None):
            return [*texts, *situation.options(path)[:3]]
        case Literal(str()):
            return [*texts, *([Literal(_NO_WORD)] if guarding else [])]
        case Literal(int(number)):
            told = situation.knowledge.numbers.get(parameter.name, ()) if guarding else ()
            turned = (2, 1, number * 2, 0) if guarding else (2, 1) if guess.counts(parameter.name) else ()
            return [Literal(each) for each in dict.fromkeys((*told, *turned)) if each != number]
        case Literal(float(number)):
            return [Literal(0.5 if number != 0.5 else 0.1), *([Literal(0.0)] if guarding else [])]
        case Code():
            return situation.options(path)[:4]
        case Tensor() if guarding:
            return [Series((now,) * 2), Literal(None)]
        case _:
            return []
