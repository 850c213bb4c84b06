"""Layers that other files make, parts under names that are computed, and what is checkpointed: residual networks."""

from __future__ import annotations

import sys
import types

import pytest
import torch
from rewriting import findings, fixed, fixes
from torch import nn

from fixinplace.model import Fix

BLOCK = """\
import torch
import torch.nn as nn
import torch.utils.checkpoint as cp
from layers import build_conv_layer, build_norm_layer


class Block(nn.Module):
    def __init__(self, planes=3, downsample=None, with_cp=True, conv_cfg=None, norm_cfg=dict(type='BN')):
        super().__init__()
        self.norm1_name, norm1 = build_norm_layer(norm_cfg, planes, postfix=1)
        self.norm2_name, norm2 = build_norm_layer(norm_cfg, planes, postfix=2)
        self.conv1 = build_conv_layer(conv_cfg, planes, planes, 3, padding=1)
        self.add_module(self.norm1_name, norm1)
        self.conv2 = build_conv_layer(conv_cfg, planes, planes, 3, padding=1)
        self.add_module(self.norm2_name, norm2)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.with_cp = with_cp

    @property
    def norm1(self):
        return getattr(self, self.norm1_name)

    @property
    def norm2(self):
        return getattr(self, self.norm2_name)

    def forward(self, x):
        def inner(x):
            identity = x
            out = self.conv1(x)
            out = self.norm1(out)
            out = self.relu(out)
            out = self.conv2(out)
            out = self.norm2(out)
            if self.downsample is not None:
                identity = self.downsample(x)
            out += identity
            return out

        if self.with_cp and x.requires_grad:
            out = cp.checkpoint(inner, x, use_reentrant=False)
        else:
            out = inner(x)
        out = self.relu(out)
        return out


class Stages(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = build_conv_layer(None, 3, 3, 1)
        self.relu = nn.ReLU(inplace=True)
        self.names = []
        for i in range(2):
            stage = nn.Sequential(Block(), Block())
            name = f'layer{i + 1}'
            self.add_module(name, stage)
            self.names.append(name)

    def forward(self, x):
        x = self.relu(self.conv(x))
        outs = []
        for name in self.names:
            stage = getattr(self, name)
            x = stage(x)
            outs.append(x)
        return tuple(outs)
"""


def unsafe(text: str) -> list[tuple[str, ...]]:
    return [fix.doubts for fix in fixes(text) if not fix.safe]


def test_a_residual_network_of_another_files_layers_is_safe() -> None:
    assert len(fixes(BLOCK)) == 3 and not unsafe(BLOCK)


def test_it_says_what_it_takes_for_granted() -> None:
    said = {one for fix in fixes(BLOCK) for one in fix.assumes}
    assert {why for why in said if "computed" in why} and {why for why in said if "what other files call" in why}
    assert {why for why in said if why.startswith("where checkpointing hides")}


class Skip(nn.Module):
    """A norm that hands on what it is given, as far as the assumptions go."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def layers(norm: type[nn.Module]) -> types.ModuleType:
    module = types.ModuleType("layers")
    module.build_conv_layer = lambda config, *args, **more: nn.Conv2d(*args, **more)  # type: ignore[attr-defined]
    module.build_norm_layer = lambda config, n, postfix: (f"bn{postfix}", norm())  # type: ignore[attr-defined]
    return module


def results(text: str) -> list[torch.Tensor]:
    torch.manual_seed(0)
    names: dict[str, object] = {"__name__": "program"}
    exec(compile(text, "program.py", "exec"), names)
    net = names["Stages"]()  # type: ignore[operator]
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    outs = net(x)
    sum(out.sum() * (n + 1) for n, out in enumerate(outs)).backward()
    return [*outs, x.grad, *(p.grad for p in net.parameters())]


@pytest.mark.parametrize("norm", [Skip, lambda: nn.BatchNorm2d(3)], ids=("handing on", "batch norm"))
def test_the_rewritten_network_computes_the_same(norm: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "layers", layers(norm))
    changed = fixed(BLOCK, findings(BLOCK))
    before, after = results(BLOCK), results(changed)
    assert changed != BLOCK and all(map(torch.equal, before, after))


RELU = "self.relu = nn.ReLU(inplace=True)"
LEFT = {
    "what another file calls a block": BLOCK.replace("build_conv_layer", "build_layer"),
    "a function of this file": BLOCK.replace("from layers import build_conv_layer, build_norm_layer", "from layers import build_norm_layer")
    + "\n\nclass Keep(nn.Module):\n    def forward(self, x):\n        self.last = x\n        return x\n\n\ndef build_conv_layer(*args, **more):\n    return Keep()\n",
    "a computed name that is spelled": BLOCK.replace("for name in self.names:", "for name in ('relu', *self.names):"),
    "a computed name that is spelled elsewhere": BLOCK.replace("self.names = []", "self.names = ['relu']"),
    "a name in another text": BLOCK.replace("self.names = []", "self.names = 'relu more'.split()[:1]"),
    "a layer of this file in a registry": BLOCK.replace("class Block", "from layers import NORMS\n\n\n@NORMS.register_module()\nclass Keep(nn.Module):\n    def forward(self, x):\n        self.last = x * 2\n        return self.last\n\n\nclass Block"),
    "a layer of this file that is registered by a call": BLOCK.replace("class Block", "from layers import NORMS\n\n\nclass Keep(nn.Module):\n    def forward(self, x):\n        self.last = x * 2\n        return self.last\n\n\nNORMS.register_module(module=Keep)\n\n\nclass Block"),
    "a layer around one of this file": BLOCK.replace("class Block", "class Keep(nn.Module):\n    def forward(self, x):\n        self.last = x * 2\n        return self.last\n\n\nclass Block").replace("planes, 3, padding=1)", "planes, 3, tail=Keep(), padding=1)"),
    "a layer around a class of this file": BLOCK.replace("class Block", "class Keep(nn.Module):\n    def forward(self, x):\n        self.last = x * 2\n        return self.last\n\n\nclass Block").replace("planes, 3, padding=1)", "planes, 3, tail=Keep, padding=1)"),
    "a keeper in a table of another file": BLOCK.replace("class Block", "from layers import NORMS\n\n\nclass Keep(nn.Module):\n    def forward(self, x):\n        self.last = x * 2\n        return self.last\n\n\nNORMS['Keep'] = Keep\n\n\nclass Block"),
    "a keeper in the configuration": BLOCK.replace("class Block", "class Keep(nn.Module):\n    def forward(self, x):\n        self.last = x * 2\n        return self.last\n\n\nclass Block").replace("dict(type='BN')", "dict(type=Keep)"),
    "a keeper that is registered by a call of a call": BLOCK.replace("class Block", "from layers import NORMS\n\n\nclass Keep(nn.Module):\n    def forward(self, x):\n        self.last = x * 2\n        return self.last\n\n\nNORMS.register_module('Keep')(Keep)\n\n\nclass Block"),
    "a method": BLOCK.replace("planes, 3, padding=1)", "planes, 3, tail=self.forward, padding=1)"),
    "a lambda under a name": BLOCK.replace("self.conv2 =", "tap = lambda x: x\n        self.conv2 =").replace("planes, 3, padding=1)", "planes, 3, tail=tap, padding=1)"),
    "a function in a table": BLOCK.replace("class Block", "def tap(x):\n    return x\n\n\nTAPS = {'a': tap}\n\n\nclass Block").replace("planes, 3, padding=1)", "planes, 3, tail=TAPS['a'], padding=1)"),
    "what a call makes": BLOCK.replace("planes, 3, padding=1)", "planes, 3, tail=partial(print), padding=1)"),
    "a layer around a lambda": BLOCK.replace("planes, 3, padding=1)", "planes, 3, tail=lambda x: x, padding=1)"),
    "a layer that the file puts there": BLOCK.replace("class Block", "import layers\n\n\nlayers.build_conv_layer = len\n\n\nclass Block"),
    "the name of a function": BLOCK.replace("getattr(self, name)", "getattr(self, torch.relu.__name__)"),
    "a name of an enumeration": BLOCK.replace("getattr(self, name)", "getattr(self, name.name)"),
    "a name among keywords": BLOCK + "\n\ndef run(**steps):\n    return Stages(), [*steps]\n\n\nran = run(relu=1)\n",
    "names in pieces": BLOCK.replace("getattr(self, name)", "getattr(self, f'{name}{x.dim()}')"),
    "a computed name without its number": BLOCK.replace("self.relu", "self.relu2").replace("self.names = []", "self.names = ['relu']"),
    "names that are nowhere computed": BLOCK.replace("self.add_module(name, stage)", "self.layer1 = stage"),
    "parts of an object that is handed in": BLOCK + "\n\ndef put(net, name, part):\n    net.add_module(name, part)\n    return Stages(), net\n",
    "attributes of any kind": BLOCK.replace("self.add_module(name, stage)", "setattr(self, name, stage or x)"),
}  # fmt: skip


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_what_is_not_taken_for_granted_is_left_to_a_run(text: str) -> None:
    assert unsafe(text) or len(fixes(text)) < 3


STATES = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.act = nn.ReLU(inplace=True)
        self.{hook}(self._convert)

    def _convert(self, *args):
        pass

    def forward(self, x):
        return self.act(self.lin(x))
"""


@pytest.mark.parametrize(
    ("hook", "safe"),
    [
        ("_register_load_state_dict_pre_hook", True),
        ("register_load_state_dict_post_hook", True),
        ("register_full_backward_hook", True),
        ("register_backward_hook", True),
        ("register_module_full_backward_hook", True),
        ("register_hook", False),
        ("register_forward_pre_hook", False),
    ],
)
def test_hooks_of_states_see_no_tensor_of_a_run(hook: str, safe: bool) -> None:
    (fix,) = fixes(STATES.format(hook=hook))
    assert fix.safe is safe, fix.doubts


KEEPING = """\
import torch
import torch.nn as nn
from layers import NORMS, build_norm


{mark}
class Keep(nn.Module):
    def __init__(self, n=3):
        super().__init__()

    def forward(self, x):
        self.last = x * 2
        return self.last


class Block(nn.Module):
    def __init__(self, n, norm=nn.BatchNorm1d):
        super().__init__()
        self.lin = nn.Linear(n, n)
        self.body = nn.Sequential({norm}, nn.ReLU(inplace=True))

    def forward(self, x):
        h = self.lin(x)
        return self.body(h)


def main():
    return Block({given})
"""


@pytest.mark.parametrize(
    ("mark", "norm", "given", "safe"),
    [
        ("@NORMS.register_module()", "build_norm(n)", "3", False),
        ("@NORMS.register_module()", "build_norm(n)[1]", "3", False),
        ("", "norm(n)", "3, Keep", False),
        ("", "build_norm(n)", "3", True),
        ("", "norm(n)", "3", True),
    ],
)
def test_a_keeper_that_comes_first_in_a_sequential(mark: str, norm: str, given: str, safe: bool) -> None:
    (fix,) = fixes(KEEPING.format(mark=mark, norm=norm, given=given))
    assert fix.safe is safe, fix.doubts


TEXTS = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.table = {{}}
        self.lin = nn.Linear(3, 3)
        self.act = nn.LeakyReLU(0.1, inplace=True)

    def note(self, {parameter}):
        self.said = f"{shown}"
        {more}

    def forward(self, x):
        return self.act(self.lin(x))
"""


@pytest.mark.parametrize(
    ("parameter", "shown", "more", "safe"),
    [
        ("filename", "{filename}", "pass", True),
        ("x", "{self.width}", "pass", True),
        ("x", "{self.width[0]}", "pass", True),
        ("x", "{self.width}", "self.width = self.lin(x)", False),
        ("x", "{self.table}", "self.table['x'] = self.lin(x)", False),
        ("x: torch.Tensor", "{x}", "pass", False),
    ],
)
def test_texts_of_what_is_no_tensor_name_no_operation(parameter: str, shown: str, more: str, safe: bool) -> None:
    (fix,) = fixes(TEXTS.format(parameter=parameter, shown=shown, more=more))
    assert fix.safe is safe, fix.doubts


CHECKPOINTED = """\
import torch
from torch.utils.checkpoint import checkpoint


class Net(torch.nn.Module):
    def inner(self, x):
        h = torch.sigmoid(x)
        h *= 2
        return h * x

    def forward(self, x):
        return checkpoint(self.inner, x, use_reentrant=False)
"""


def gradient(text: str) -> torch.Tensor:
    names: dict[str, object] = {}
    exec(text, names)
    x = torch.linspace(-1, 1, 5, requires_grad=True)
    names["Net"]()(x).sum().backward()  # type: ignore[operator]
    assert x.grad is not None
    return x.grad


def test_what_checkpointing_hides_becomes_right() -> None:
    (finding,) = findings(CHECKPOINTED)
    assert isinstance(finding.outcome, Fix) and finding.outcome.safe
    x = torch.linspace(-1, 1, 5, requires_grad=True)
    (right,) = torch.autograd.grad((torch.sigmoid(x) * 2 * x).sum(), x)
    assert torch.equal(gradient(fixed(CHECKPOINTED, (finding,))), right)
    assert not torch.equal(gradient(CHECKPOINTED), right)


AGAIN = """\
import torch
import torch.nn as nn
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        def inner(y):
            {inner}

        h = self.a(x)
        out = checkpoint(inner, h, use_reentrant=False)
        {after}
"""


@pytest.mark.parametrize(
    ("inner", "after", "safe"),
    [
        ("return self.a(y)", "return self.relu(out)", True),
        ("return y", "return self.relu(out)", False),
        ("return self.a(y)", "self.relu(h)\n        return out", False),
        ("self.relu(y)\n            return y * 2", "return out", False),
        ("return self.a(y)", "return self.relu(out) + h", True),
    ],
    ids=("its result", "what it hands on", "what it was given", "a write to its argument", "beside what it was given"),
)
def test_what_a_checkpointed_function_gives_and_keeps(inner: str, after: str, safe: bool) -> None:
    found = fixes(AGAIN.format(inner=inner, after=after))
    assert any(fix.safe for fix in found) is safe


TUPLES = """\
import collections
import torch
import torch.nn as nn

Params = collections.namedtuple('Params', ['width', 'depth'])
Params.__new__.__defaults__ = (None,) * len(Params._fields)


class Net(nn.Module):
    def __init__(self, params):
        super().__init__()
        self.params = params
        self.act = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.act(self.conv(x))


def make():
    return Net(Params(1))
"""


def test_defaults_of_named_tuples_compute_nothing() -> None:
    (fix,) = fixes(TUPLES)
    assert fix.safe, fix.doubts


def test_defaults_of_other_classes_may() -> None:
    (fix,) = fixes(
        TUPLES.replace(
            "Params.__new__.__defaults__ = (None,) * len(Params._fields)", "Net.__init__.__defaults__ = (1,)"
        )
    )
    assert not fix.safe


BUNDLE = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, n, **dd):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(n, **dd))
        self.fc = nn.Linear(n, n)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.fc(x)) + self.token
"""


@pytest.mark.parametrize(("more", "safe"), [("", True), ("\n\ndef make(t):\n    return Net(3, out=t)\n", False),
                                            ("\n\nOPTIONS = {'out': None}\n\n\ndef make():\n    return Net(3, **OPTIONS)\n", False),
                                            ("\n\ndef make(t):\n    return torch.zeros(3, **{'out': t})\n", False),
                                            ("\n\nfrom typing import NamedTuple\nclass Options(NamedTuple):\n    out: torch.Tensor\ndef make(o):\n    return Net(3, **o._asdict())\n", False),
                                            ("\n\nOPTIONS = dict(zip('out dtype'.split(), (None, None)))\ndef make():\n    return Net(3, **OPTIONS)\n", False),
                                            ("\n\ndef make(out):\n    return Net(3, **dict(locals()))\n", False)])  # fmt: skip
def test_a_bundle_holds_no_out_where_none_is_named(more: str, safe: bool) -> None:
    (fix,) = fixes(BUNDLE + more)
    assert fix.safe is safe


PATCHES = """\
import torch
from einops.layers.torch import Rearrange
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Sequential({parts})
        self.position = nn.Parameter(torch.zeros(1, 4, 3))

    def forward(self, img):
        x = self.embed(img)
        x += self.position
        return x
"""


@pytest.mark.parametrize(
    ("parts", "safe"),
    [("Rearrange('b c h -> b h c'), nn.Linear(3, 3)", True), ("nn.Linear(3, 3), Rearrange('b c h -> b h c')", False)],
)
def test_a_layer_behind_what_is_not_known_makes_something_new(parts: str, safe: bool) -> None:
    (fix,) = fixes(PATCHES.format(parts=parts))
    assert fix.safe is safe, fix.doubts


FORWARD = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 3, 1)]
        layers += [nn.LeakyReLU(0.2, True)]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model.{call}
"""


@pytest.mark.parametrize(("call", "safe"), [("forward(x)", True), ("forward, x", False)])
def test_a_call_of_forward_is_a_call(call: str, safe: bool) -> None:
    (fix,) = fixes(FORWARD.format(call=call))
    assert fix.safe is safe, fix.doubts


WRITES = {
    "masked_fill_": "y.masked_fill_(y > 0, {value})",
    "index_fill_": "y.index_fill_(0, torch.tensor([0]), {value})",
    "scatter_": "y.scatter_(1, torch.zeros(2, 1, dtype=torch.long), {value})",
}


@pytest.mark.parametrize("first", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", ["0.5", "torch.tensor(0.3, dtype=torch.float64)"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_these_give_the_dtype_of_the_tensor(write: str, value: str, first: torch.dtype) -> None:
    if "scatter" in write and "tensor" in value:
        pytest.skip("takes numbers, or tensors of its dtype")
    names = {"torch": torch, "y": torch.ones(2, 2, dtype=first)}
    before = eval(write.format(value=value).replace("_(", "(", 1), names)
    exec(write.format(value=value), names)
    assert before.dtype is first and torch.equal(before, names["y"])


@pytest.mark.parametrize("name", ["index_add", "index_copy", "scatter", "scatter_add", "masked_scatter"])
def test_these_refuse_another_dtype_in_either_form(name: str) -> None:
    target, index = torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.long)
    source = torch.ones(2, 2, dtype=torch.float64)
    arguments = {"masked_scatter": (target > 0, source), "index_add": (0, index[0], source),
                 "index_copy": (0, index[0], source)}.get(name, (0, index, source))  # fmt: skip
    for form in (name, name + "_"):
        with pytest.raises(RuntimeError):
            getattr(target, form)(*arguments)


@pytest.mark.parametrize("name", ["ELU", "CELU", "SELU"])
def test_the_gradient_of_an_exponential_unit_is_said_to_round_otherwise(name: str) -> None:
    (fix,) = fixes(FORWARD.format(call="forward(x)").replace("LeakyReLU(0.2, True)", f"{name}(inplace=True)"))
    assert fix.safe and any("rounded otherwise" in one for one in fix.assumes)


def test_other_units_round_as_before() -> None:
    (fix,) = fixes(FORWARD.format(call="forward(x)"))
    assert fix.safe and not any("rounded otherwise" in one for one in fix.assumes)


@pytest.mark.parametrize("other", ["Net.__init__", "Net.__new__"])
def test_defaults_of_classes_that_are_no_tuples(other: str) -> None:
    plain = "Params.__new__.__defaults__ = (None,) * len(Params._fields)"
    (fix,) = fixes(TUPLES.replace(plain, f"{other}.__defaults__ = (1,)"))
    assert not fix.safe


REMOVES = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.conv(x))

    def deploy(self, x):
        h = torch.exp(x)
        h += 1
        {remove}
        return h

{more}
"""


@pytest.mark.parametrize(
    ("remove", "more", "safe"),
    [
        ("delattr(self, 'conv')", "", True),
        ("self.__delattr__('conv')", "", True),
        ("delattr(self, x)", "", False),
        ("self.__delattr__(x)", "", False),
        ("delattr(self, 'conv')", "    def conv(self, x):\n        return x", False),
        ("self.__delattr__('conv')", "    def conv(self, x):\n        return x", False),
        ("delattr(self, 'conv')", "class Heir(Net):\n    conv = abs", False),
    ],
)
def test_what_a_class_removes_of_its_own(remove: str, more: str, safe: bool) -> None:
    found = [fix for fix in fixes(REMOVES.format(remove=remove, more=more)) if fix.rewrite == "inplace-module"]
    assert len(found) == 1 and found[0].safe is safe, [fix.doubts for fix in found]


MASKED = """\
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)

    def forward(self, x, mask):
        y = self.lin(x) * 2
        value = x.double().mean()
        {write}
        return y
"""


@pytest.mark.parametrize(
    ("write", "doubted"),
    [("y.masked_fill_(mask, value)", False), ("y.index_fill_(0, mask, value)", False), ("y.add_(value)", True)],
)
def test_a_fill_has_no_dtype_doubt(write: str, doubted: bool) -> None:
    (fix,) = fixes(MASKED.format(write=write))
    assert any("promote" in why for why in fix.doubts) is doubted
