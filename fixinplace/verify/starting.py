"""What is run for a unit, with the signature that Python knows: the first recipes, and what a built module tells."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch

from fixinplace.inputs import guess, situation
from fixinplace.inputs.calls import UNKNOWN
from fixinplace.inputs.knowledge import Knowledge, Parameter, read
from fixinplace.inputs.values import Argument, Build, Code, Literal, Recipe, Series, Tensor, Value, put, walk
from fixinplace.verify.callers import elsewhere

_CALLS = 3
"""How many calls of the project are tried as they are."""
_IMPORTED = 12
"""How many module classes that the file imports are thought of where one is asked for."""


@dataclass(frozen=True)
class Subject:
    """A class or function that may reach what is wanted, its parameters, and the first recipes to try."""

    knowledge: Knowledge
    init: tuple[Parameter, ...]
    call: tuple[Parameter, ...]
    starts: tuple[Recipe, ...]

    def hinted(self, recipe: Recipe, model: object) -> list[Recipe]:
        """Recipes whose first tensor suits the first layer of the module that was built."""
        if not isinstance(model, torch.nn.Module):
            return []
        first = next(
            ((path, value) for path, value in walk(recipe) if path[0] == "call" and isinstance(value, Tensor)), None
        )
        shapes = _first_shapes(model)
        if first is None or not shapes:
            return []
        return [put(recipe, first[0], each) for each in shapes if each != first[1]]


def subject(module: ModuleType, text: str, name: str, method: str, lines: frozenset[int]) -> Subject | str:
    """What is known of `name` (or its method) in the module; a sentence if it is not there or cannot be called."""
    target: Any = module
    for step in name.split("."):
        target = getattr(target, step, None)
    if target is None:
        return f"the module has no {name} once it is imported"
    known = read(ast.parse(text), name.partition(".")[0], lines)
    attributes = _attributes(module, target)
    imported = [each for each in attributes if each not in known.classes][:_IMPORTED]
    known = replace(known, attributes=attributes, classes=(*known.classes, *imported))
    path = getattr(module, "__file__", None)
    if path is not None and len(known.calls) < _CALLS:
        others = elsewhere(path, name.partition(".")[0], frozenset(vars(module)))
        known = replace(known, calls=tuple(dict.fromkeys([*known.calls, *others])))
    if isinstance(target, type):
        return _of_class(module, target, name, method, known)
    if not callable(target):
        return f"{name} cannot be called"
    call = _parameters(target, module)
    if isinstance(call, str):
        return call
    starts = [Recipe(f"target.{name}", None, _needed(call, known, calling=True))]
    starts += [Recipe(f"target.{name}", None, _completed(call, given, known, True)) for given in known.calls[:_CALLS]]
    return Subject(known, (), call, tuple(dict.fromkeys(starts)))


def _attributes(module: ModuleType, target: object) -> dict[str, frozenset[str]]:
    """Module classes that the module knows by name, its own and imported ones, with what their objects have."""
    found = {}
    for name, value in vars(module).items():
        if (
            isinstance(value, type)
            and issubclass(value, torch.nn.Module)
            and value is not target
            and not value.__module__.startswith("torch.")
        ):
            makers = [getattr(each.__dict__.get("__init__"), "__code__", None) for each in value.__mro__]
            made = [part for code in makers if code is not None for part in code.co_names]
            found[name] = frozenset([*dir(value), *made])
    return found


def _of_class(module: ModuleType, cls: type, name: str, method: str, known: Knowledge) -> Subject | str:
    if issubclass(cls, torch.autograd.Function):
        call = _parameters(cls.forward, module, skip=1)
        if isinstance(call, str):
            return call
        recipe = Recipe(f"target.{name}", None, _positional(_needed(call, known, calling=True)), "apply")
        return Subject(known, (), call, (recipe,))
    called = getattr(cls, method or ("forward" if issubclass(cls, torch.nn.Module) else "__call__"), None)
    if called is None:
        return f"{name} has no {method or 'forward'}"
    static = isinstance(inspect.getattr_static(cls, method, None), (staticmethod, classmethod)) if method else False
    init = _constructor(cls, module)
    call = _parameters(called, module, skip=0 if static else 1)
    if isinstance(init, str) or isinstance(call, str):
        return f"the signature of {name} cannot be read"
    arguments = _inputs(call, known)
    if static:
        return Subject(known, (), call, (Recipe(f"target.{name}", None, arguments, method),))
    plain = _needed(init, known)
    starts = [Recipe(f"target.{name}", _small(init, _lightened(plain, module)), arguments, method)]
    starts.append(Recipe(f"target.{name}", plain, arguments, method))
    if (without := _without(arguments, known)) != arguments:
        starts.append(Recipe(f"target.{name}", plain, without, method))
    names = {"", *(each.name for each in init)}  # a call with others is of another class of that name
    for given in [call for call in known.calls if all(each.name in names for each in call)][:_CALLS]:
        starts.append(Recipe(f"target.{name}", _completed(init, given, known), arguments, method))
    return Subject(known, init, call, tuple(dict.fromkeys(starts)))


def _constructor(cls: type, module: ModuleType) -> tuple[Parameter, ...] | str:
    """Parameters of the constructor; behind its `**kwargs` those of the classes above, which it may give itself."""
    found: tuple[Parameter, ...] = ()
    makers = [vars(each)["__init__"] for each in cls.__mro__ if "__init__" in vars(each)]
    for number, maker in enumerate(makers):
        if maker in (object.__init__, torch.nn.Module.__init__):
            break
        more = _parameters(maker, module, skip=1)
        if isinstance(more, str):
            return found if number else more
        known = {each.name for each in found}
        found += tuple(replace(each, needed=each.needed and not number) for each in more if each.name not in known)
        code = getattr(inspect.unwrap(maker), "__code__", None)
        if code is None or not code.co_flags & inspect.CO_VARKEYWORDS:
            break
    return found


def returning(each: Subject, recipe: Recipe, result: Any) -> Subject | None:
    """What a function builds, where it is a module: that is what is called."""
    built = result[0]["result"] if recipe.init is None and isinstance(result, list) else None
    if not isinstance(built, torch.nn.Module) or type(built).forward is torch.nn.Module.forward:
        return None
    call = _parameters(type(built).forward, None, skip=1)
    if isinstance(call, str):
        return None
    start = Recipe(recipe.callee, recipe.call, _inputs(call, each.knowledge))
    return Subject(each.knowledge, each.call, call, (start,))


def _positional(arguments: Sequence[Argument]) -> tuple[Argument, ...]:
    return tuple(Argument("", each.value) for each in arguments)


_LEFT_ALONE = ("device", "dtype", "generator", "out")


def _parameters(function: Any, module: ModuleType | None, skip: int = 0) -> tuple[Parameter, ...] | str:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        return str(error)
    found = []
    for each in list(signature.parameters.values())[skip:]:
        if each.kind is each.VAR_KEYWORD or (each.name in _LEFT_ALONE and each.default is not each.empty):
            continue
        annotation = (
            ""
            if each.annotation is each.empty
            else _annotation(each.annotation, vars(module) if module is not None else {})
        )
        default = _literal(each.default)
        star = each.kind is each.VAR_POSITIONAL
        needed = each.default is each.empty and not star
        found.append(Parameter(each.name, annotation, needed, default, star))
    return tuple(found)


def _annotation(annotation: Any, known: dict[str, Any]) -> str:
    """The text of an annotation; `target.Name` for a class of the module.  known: the module's names."""
    if isinstance(annotation, str):
        name = annotation.strip("\"'")
        resolved = known.get(name)
        return _annotation(resolved, known) if isinstance(resolved, type) else annotation
    if not isinstance(annotation, type) or hasattr(annotation, "__args__"):
        return str(annotation)
    cls: type = annotation
    own = known.get(cls.__name__) is cls and not _general(cls)
    return f"target.{cls.__name__}" if own else cls.__name__


def _general(cls: type) -> bool:
    """True for a class that is no project's own, or of which no object can be made."""
    package = cls.__module__.partition(".")[0]
    return package in ("torch", "numpy", "typing", *sys.builtin_module_names, *sys.stdlib_module_names) or (
        inspect.isabstract(cls) or issubclass(cls, enum.Enum)
    )


def _literal(value: Any) -> Value | None:
    if value is None or type(value) in (bool, int, float, str):
        return Literal(value)
    if type(value) in (list, tuple):
        items = [_literal(each) for each in value]
        return (
            Series(tuple(each for each in items if each is not None), type(value) is list)
            if None not in items
            else None
        )
    if isinstance(value, type) and issubclass(value, torch.nn.Module) and value.__module__.startswith("torch.nn"):
        return Code(f"nn.{value.__name__}")
    return None


def _needed(parameters: tuple[Parameter, ...], known: Knowledge, calling: bool = False) -> tuple[Argument, ...]:
    return tuple(Argument(each.name, _first(each, known, calling)) for each in parameters if each.needed)


def _inputs(parameters: tuple[Parameter, ...], known: Knowledge) -> tuple[Argument, ...]:
    """What a module is called with: what is needed, or else the first that may be given."""
    optional = [each for each in parameters if each.default == Literal(None) and _may_be_tensor(each)]
    return _needed(parameters, known, calling=True) or tuple(
        Argument(each.name, _first(each, known, True)) for each in optional[:_OFFERED]
    )


def _without(arguments: tuple[Argument, ...], known: Knowledge) -> tuple[Argument, ...]:
    """None for every input but the first that the code compares with None: a state that it makes itself."""
    left = [each.name for each in arguments[1:] if each.name in known.nullable]
    return tuple(Argument(each.name, Literal(None)) if each.name in left else each for each in arguments)


_OFFERED = 2
"""Optional inputs that are given where none is asked for: without any, a module computes nothing."""


def _may_be_tensor(parameter: Parameter) -> bool:
    return "Tensor" in parameter.annotation or parameter.annotation == ""


def _small(parameters: tuple[Parameter, ...], plain: tuple[Argument, ...]) -> tuple[Argument, ...]:
    """The arguments with defaults that make a large model replaced by smaller ones."""
    smaller = [(each.name, guess.smaller(each.name, each.default)) for each in parameters if each.default is not None]
    return (*plain, *(Argument(name, value) for name, value in smaller if value is not None))


def _lightened(arguments: tuple[Argument, ...], module: ModuleType) -> tuple[Argument, ...]:
    """The arguments with configurations of the module's own made such that they make a smaller model."""
    return tuple(Argument(each.name, _light(each.value, module)) for each in arguments)


def _light(value: Value, module: ModuleType) -> Value:
    if not isinstance(value, Build) or value.arguments:
        return value
    cls = getattr(module, value.callee.removeprefix("target."), None)
    parameters = _parameters(cls, module) if isinstance(cls, type) and dataclasses.is_dataclass(cls) else ()
    return value if isinstance(parameters, str) else replace(value, arguments=_small(parameters, ()))


def _first(parameter: Parameter, known: Knowledge, calling: bool) -> Value:
    if parameter.annotation.startswith("target."):
        return Build(parameter.annotation)
    texts = known.strings.get(parameter.name, ())
    if calling:
        guesses = situation.tensors(parameter.name, parameter.annotation, known)
    else:
        guesses = situation.guesses(parameter.name, parameter.annotation, known)
    if texts and (
        parameter.annotation in ("str", "")
        and not (calling and isinstance(guesses[0], Tensor) and not parameter.annotation)
    ):
        return Literal(texts[0])
    return guesses[0]


def _completed(
    parameters: tuple[Parameter, ...], given: tuple[Argument, ...], known: Knowledge, calling: bool = False
) -> tuple[Argument, ...]:
    """Arguments of a call in the project, by name, and guesses for what it leaves out."""
    names = [each.name for each in parameters if not each.positional]
    named: dict[str, Value] = {}
    for index, each in enumerate(given):
        name = each.name or (names[index] if index < len(names) else "")
        if name and each.value != UNKNOWN:
            named[name] = each.value
    for parameter in parameters:
        if parameter.needed:
            named.setdefault(parameter.name, _first(parameter, known, calling))
    return tuple(Argument(name, value) for name, value in named.items())


def _parts(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The module and all below it, each once, a part before what is registered behind it.

    torch's own `modules` fails where a part was registered by a number.
    """
    found: list[torch.nn.Module] = []
    left = [model]
    while left:
        each = left.pop(0)
        if each not in found:
            found.append(each)
            left[:0] = [part for part in each._modules.values() if part is not None]
    return found


def _first_shapes(model: torch.nn.Module) -> list[Tensor]:
    """What the first layer with parameters can be given; empty where it tells nothing."""
    nn = torch.nn
    for each in _parts(model):
        side, length, batch = guess.SIDE, guess.LENGTH, guess.BATCH
        if isinstance(each, (nn.Conv2d, nn.ConvTranspose2d)):
            sides = (guess.IMAGE, 14 * side) if each.in_channels == 3 else (side, guess.IMAGE)
            return [Tensor((batch, each.in_channels, size, size)) for size in sides]
        if isinstance(each, (nn.Conv1d, nn.ConvTranspose1d)):
            return [Tensor((batch, each.in_channels, size)) for size in (side, 4 * side)]
        if isinstance(each, (nn.Conv3d, nn.ConvTranspose3d)):
            return [
                Tensor((batch, each.in_channels, guess.DEPTH, side, side)),
                Tensor((batch, each.in_channels, side, side, side)),
            ]
        if isinstance(each, nn.BatchNorm2d):
            return [Tensor((batch, each.num_features, side, side))]
        if isinstance(each, nn.Linear):
            return [Tensor((batch, length, each.in_features)), Tensor((batch, each.in_features))]
        if isinstance(each, (nn.LSTM, nn.GRU, nn.RNN)):
            return [Tensor((batch, length, each.input_size))]
        if isinstance(each, nn.LayerNorm):
            return [Tensor((batch, length, *each.normalized_shape))]
        if isinstance(each, nn.Embedding):
            return [
                Tensor((batch, length), "index", each.num_embeddings),
                Tensor((batch,), "index", each.num_embeddings),
            ]
    return []
