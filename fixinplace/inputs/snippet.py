"""The text of a probe with made inputs: what is run is what `--show-probe` prints.

Note [Generic values]
    A constant or a zero hides what a write changes: gates that start at zero cut off a branch's gradient, statistics of
    zero mean and unit variance make a norm an identity.  Parameters and running statistics are therefore moved.
    Inputs that require grad are results of an operation, as they are in a program; as leaves they could not be written.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fixinplace.inputs.values import Argument, Literal, Recipe, Tensor, Value

_IMPORTS = """\
import torch
from torch import nn
"""
_PREPARED = '''

def prepared(model, training=True, double=False):
    """The module with parameters and statistics of which no two are alike: zeros and ones hide what a write changes."""
    if not isinstance(model, nn.Module):
        return model
    with torch.no_grad():
        for each in model.parameters():
            if not nn.parameter.is_lazy(each) and each.is_floating_point():
                each.add_(torch.randn_like(each), alpha=0.05)
        for name, each in model.named_buffers():
            if name.endswith(("running_mean", "running_var")) and not nn.parameter.is_lazy(each):
                each.add_(torch.rand_like(each), alpha=0.2)
    model = model.double() if double else model
    return model.train(training)
'''
_GIVEN = '''

def given(tensor):
    """An input whose gradient is wanted, and that is no leaf, as what a layer is given seldom is."""
    return tensor.requires_grad_().clone()
'''
_PASSING = '''

class Passing(nn.Module):
    """Stands in for a module of the caller's: scales what it is given, and has the attributes that it is made with."""

    def __init__(self, *args, **kwargs):
        super().__init__()
        vars(self).update(kwargs)
        self.scale = nn.Parameter(torch.tensor(0.75))

    def forward(self, x, *args, **kwargs):
        return x * self.scale
'''
_BLOCK = '''

class Block(nn.Module):
    """Stands in for a class of residual blocks of the caller's: so many channels into so many others, at a stride."""

    expansion = 1

    def __init__(self, channels, planes, *args, **kwargs):
        super().__init__()
        stride = kwargs.get("stride", next((each for each in args if type(each) is int), 1))
        self.conv = nn.Conv2d(channels, planes * self.expansion, 3, stride, 1)
        self.aside = next((each for each in (*args, *kwargs.values()) if isinstance(each, nn.Module)), None)

    def forward(self, x):
        y, aside = torch.tanh(self.conv(x)), x if self.aside is None else self.aside(x)
        return y + aside if y.shape == aside.shape else y
'''


@dataclass(frozen=True, slots=True)
class Variant:
    """How a recipe is run: in training or evaluation mode, in float64, with inputs that require grad.

    rebuilt: a function of the file that the network is given to first; see Note [Given to be rebuilt].
    """

    training: bool = True
    double: bool = False
    tracked: bool = True
    rebuilt: str = ""


def text(bodies: Sequence[str], note: str = "") -> str:
    """The module: functions `call_1`, ... with these bodies, and `probe`, which returns a list of what they return.

    It needs the name `target`, the module that is run; `note` is its docstring.
    """
    functions = [f"\n\ndef call_{number}():\n{_indented(body)}" for number, body in enumerate(bodies, start=1)]
    joined = "".join(functions)
    imports = _IMPORTS
    for word, line in (("partial(", "from functools import partial\n"),
                       ("SimpleNamespace(", "from types import SimpleNamespace\n")):  # fmt: skip
        imports = line + imports if word in joined else imports
    helpers = [_PASSING if "Passing" in joined else "", _BLOCK if _needs_block(joined) else ""]
    helpers += [_PREPARED if "prepared(" in joined else ""]
    helpers.append(_GIVEN if "given(" in joined else "")
    listed = ", ".join(f"call_{number}()" for number in range(1, len(bodies) + 1))
    head = f'"""{note}"""\n\n' if note else ""
    return f"{head}{imports}{''.join(helpers)}{joined}\n\ndef probe():\n    return [{listed}]\n"


def _needs_block(text: str) -> bool:
    return re.search(r"(?<![\w.])Block\b", text) is not None


def _indented(body: str) -> str:
    return "".join(f"    {line}\n" for line in body.splitlines())


def body(recipe: Recipe, variant: Variant) -> str:
    """One call, from the seed, which depends on all the rest of it, to what it returns.

    Calls that share a seed would share values, and a leaf of one could not be told from a leaf of another.
    """
    lines = _lines(recipe, variant)
    return "\n".join([f"torch.manual_seed({zlib.crc32(repr(lines).encode()) % 10_000})", *lines])


def _lines(recipe: Recipe, variant: Variant) -> list[str]:
    lines = []
    function = recipe.callee
    if recipe.init is not None:
        options = (", training=False" if not variant.training else "") + (", double=True" if variant.double else "")
        arguments = ", ".join(_passed(each.name, each.value.code) for each in _ordered(recipe.init))
        lines.append(f"model = prepared({recipe.callee}({arguments}){options})")
        if variant.rebuilt:
            lines.append(f"model = target.{variant.rebuilt}(model) or model")
        function = "model" + (f".{recipe.method}" if recipe.method else "")
    elif recipe.method:
        function = f"{recipe.callee}.{recipe.method}"
    passed, names = [], []
    for index, each in enumerate(_ordered(recipe.call)):
        variable = (each.name or f"input_{index + 1}") + ("_" if each.name in _TAKEN else "")
        if _has_tensor(each.value):
            lines.append(f"{variable} = {_with_gradients(each.value, variant)}")
            names.append(variable)
        passed.append(_passed(each.name, variable if _has_tensor(each.value) else each.value.code))
    model = '"model": model, ' if recipe.init is not None else ""
    seen = ", ".join(f'"{name}": {name}' for name in names)
    lines.append(f"result = {function}({', '.join(passed)})")
    lines.append(f'return {{{model}"result": result, "given": {{{seen}}}}}')
    return lines


_TAKEN = frozenset("model result torch nn target prepared given partial SimpleNamespace Passing Block".split())


def _ordered(arguments: Sequence[Argument]) -> list[Argument]:
    return sorted(arguments, key=lambda each: bool(each.name))


def _passed(name: str, code: str) -> str:
    return f"{name}={code}" if name else code


def _has_tensor(value: Value) -> bool:
    return any(isinstance(each, Tensor) for each in _parts(value))


def _parts(value: Value) -> Iterator[Value]:
    yield value
    inside = getattr(value, "items", None) or [each.value for each in getattr(value, "fields", ())]
    for each in inside:
        yield from _parts(each)


def _with_gradients(value: Value, variant: Variant) -> str:
    """The code of a value whose floating tensors are given as the variant says."""
    if isinstance(value, Tensor):
        if value.kind not in ("float", "unit"):
            return value.code
        double = ".double()" if variant.double else ""
        code = f"({value.code}){double}" if double and value.kind == "unit" else value.code + double
        return f"given({code})" if variant.tracked else code
    if isinstance(value, Literal):
        return value.code
    code = value.code
    for each in sorted({part.code: part for part in _parts(value) if isinstance(part, Tensor)}.items()):
        code = code.replace(each[0], _with_gradients(each[1], variant))
    return code
