"""Other ways to run what works: a batch of one, odd sizes, evaluation mode, float64, inputs without gradients.

Note [What is passed in]
    A layer that is passed in may hand on its input as it is, and then whoever writes its result writes the input too.
    No default does that, and no stand-in of a search; `nn.Identity` is what people pass in to switch a norm, an
    activation or a projection off.  So where it fits, that is one of the ways to run a class.  Convolutions, pools and
    the like make new tensors; nobody replaces those by an identity and keeps the rest.

Note [The other way]
    `self.norm = nn.LayerNorm(d) if layer_norm else nn.Identity()`, `if remember: self.last.append(h)`: the arguments of
    a search go one way, and what is proved there is wrong on the other.  So every switch is thrown once, by itself:
    truth values, strings that the code compares with, a stride of one, as many channels out as in, no layer at all,
    a dtype that rounds.
    What then dies of a write is left out, since it says nothing of the way that is taken now.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from fixinplace.inputs import guess
from fixinplace.inputs.knowledge import Knowledge, Parameter
from fixinplace.inputs.snippet import Variant
from fixinplace.inputs.values import Code, Literal, Path, Recipe, Series, Tensor, Value, put, walk
from fixinplace.verify.starting import Subject

_SOME, _SWITCHES, _WORDS = 4, 8, 3
_IN = re.compile(r"(?:in_?(?:channels?|ch|chs|features|planes|dim|c)|inplanes|inp|dim|c1|c_in)")
_OUT = re.compile(r"(?:out_?(?:channels?|ch|chs|features|planes|dim|c)|planes|oup|c2|c_out|dim_out|out)")
_NO_SWITCH = re.compile(r".*(?:mask|states?|hidden|bias|inputs?|layer|fn|cls)|[xyh]\d?|mem(?:ory)?|weights?|targets?")
_DTYPE = re.compile(r"(?:.*_)?dtype")
_COUNT = re.compile(r"(?:num_|n_)?(?:depth|layers|blocks|extra|hops)")
_HANDED = re.compile(
    r"(?:.*_)?(?:act|activation|norm|drop|dropout|fn|func|function|callback|transform|proj|projection|head|layer|module)"
    r"(?:_?(?:layer|fn|func|cls|class|mod))?|.+_(?:fn|func|mod)"
)
_SEVERAL = re.compile(r"(?:.*_)?(?:blocks|layers|modules|heads|fns|funcs|functions|ops|acts|stages|branches|experts)")
_COMPUTING = re.compile(r"conv|linear|pool|embed|attn|attention|rnn|lstm|gru|bilinear|flatten|pad", re.I)


def handing_on(recipe: Recipe, init: Sequence[Parameter], call: Sequence[Parameter]) -> Iterator[Recipe]:
    """The recipe with one layer that is passed in replaced by an identity; see Note [What is passed in]."""
    given = dict(walk(recipe))
    found = []
    for part, parameters in (("init", init), ("call", call)):
        for each in parameters:
            path: Path = (part, each.name)
            other = _identity(each, given.get(path, each.default), path in given)
            if other is not None and not each.positional:
                found.append(put(recipe, path, other))
    yield from found[:_SOME]


def _identity(parameter: Parameter, now: Value | None, given: bool) -> Code | None:
    """What stands for a layer, a class of layers or a function that gives back its first argument."""
    named = _HANDED.fullmatch(parameter.name.lower()) is not None
    typed = "Callable" in parameter.annotation or parameter.annotation.rpartition(".")[2] in ("Module", "Type[Module]")
    if _SEVERAL.fullmatch(parameter.name.lower()) and now == Literal(None):
        return Code("[nn.Identity()]")
    if _COMPUTING.search(parameter.name) or (isinstance(now, Code) and _COMPUTING.search(now.code)):
        return None
    match now:
        case Code("nn.Identity" | "nn.Identity()"):
            return None
        case Code(code) if code.startswith(("nn.", "Passing")):
            return Code("nn.Identity()" if code.endswith(")") else "nn.Identity")
        case Literal(None) if (named or typed) and not parameter.name.endswith(("_layer", "_cls", "_class")):
            return Code("nn.Identity()")
        case None if named and not given and not parameter.needed and parameter.name.endswith("_layer"):
            return Code("nn.Identity")  # a default that is no literal: a partial of a norm
        case None if not given and not parameter.needed and parameter.name.endswith(("_fn", "_func", "_mod")):
            return Code("nn.Identity()")  # a function that is the default
    return None


def switched(recipe: Recipe, subject: Subject) -> Iterator[Recipe]:
    """The recipe with one switch thrown; see Note [The other way]."""
    given = dict(walk(recipe))
    found: list[Recipe] = []
    for part, parameters in (("init", subject.init), ("call", subject.call)):
        inner = next((given.get((part, e.name), e.default) for e in parameters if _IN.fullmatch(e.name)), None)
        for each in (e for e in parameters if not e.positional):
            now = given.get((part, each.name), each.default)
            found += [put(recipe, (part, each.name), other) for other in _thrown(each, now, inner, subject.knowledge)]
    yield from found[:_SWITCHES]


def _thrown(parameter: Parameter, now: Value | None, inner: Value | None, knowledge: Knowledge) -> Sequence[Value]:
    name = parameter.name
    match now:
        case Literal(None) | Code("torch.float32" | "torch.float") if _DTYPE.fullmatch(name):
            return [Code("torch.bfloat16")]
        case Literal(bool(value)):
            return [Literal(not value)]
        case Literal(str(value)):
            return _words(name, value, knowledge)
        case Literal(int(value) | float(value)) if name in knowledge.bounds and not isinstance(value, bool):
            return _across(value, knowledge.bounds[name])
        case Literal(int(value)) if name == "stride":
            return [Literal(1)] if value != 1 else []
        case Literal(int(value)) if _COUNT.fullmatch(name):
            return [Literal(0)] if value else []
        case Literal(int(value)) if _OUT.fullmatch(name) and isinstance(inner, Literal):
            return [inner] if value != inner.value else []
        case Series(items, listed) if items and not _NO_SWITCH.fullmatch(name):
            return [Series((), listed)]
        case Literal(None) if name in knowledge.nullable and not _NO_SWITCH.fullmatch(name):
            return [Literal(1)]
    return []


_HOLDS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq,
          "!=": operator.ne}  # fmt: skip


def _across(now: int | float, bounds: Sequence[tuple[str, float]]) -> Sequence[Value]:
    """Numbers on the other side of what the code compares with."""
    found: dict[float, None] = {}
    for name, bound in bounds:
        other = (
            each for each in (bound, bound + 1, bound - 1) if _HOLDS[name](each, bound) != _HOLDS[name](now, bound)
        )
        found.setdefault(next(other))
    return [Literal(type(now)(each)) for each in found][:_WORDS]


def _words(name: str, now: str, knowledge: Knowledge) -> list[Value]:
    """What the code compares a string with, under any name that it is passed on by; None among it comes first."""
    names = (name, *sorted(knowledge.passed.get(name, ())))
    words = dict.fromkeys(word for each in names for word in knowledge.strings.get(each, ()) if word != now)
    none: list[Value] = [Literal(None)] if knowledge.absent.intersection(names) else []
    return [*none, *map(Literal, [*words][:_WORDS])]


def variants(recipe: Recipe) -> Iterator[tuple[Recipe, Variant]]:
    """The recipe as it is first; every other differs from it in few things, which need not be possible."""
    yield recipe, Variant()
    yield recipe, Variant(training=False, tracked=False)
    if (odd := _resized(recipe, _odd)) != recipe:
        yield odd, Variant()
    if (single := _resized(recipe, _single)) != recipe:
        yield single, Variant(training=False)
    yield recipe, Variant(double=True)


def _resized(recipe: Recipe, change: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Recipe:
    for path, value in list(walk(recipe)):
        if path[0] == "call" and isinstance(value, Tensor):
            recipe = put(recipe, path, replace(value, shape=change(value.shape)))
    return recipe


def _single(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A batch of one."""
    return (1, *shape[1:]) if len(shape) > 1 and shape[0] == guess.BATCH else shape


def _odd(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Three samples, odd lengths, and sides that differ."""
    if not shape:
        return shape
    batch = 3 if shape[0] == guess.BATCH else shape[0]
    if len(shape) >= 4:
        return (batch, *shape[1:-2], shape[-2] + 1, shape[-1] - 1)
    if len(shape) == 3 and shape[1] == guess.LENGTH:
        return (batch, shape[1] - 1, shape[2])
    return (batch, *shape[1:])
