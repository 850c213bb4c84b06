"""Files of many networks: what one piece does by texts, and with objects that it makes, does not concern the others."""

from __future__ import annotations

import pytest
from rewriting import fixes

HEAD = """\
import sys
import builtins
import importlib
import logging
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision.models as models
from lib import make, save

_module = sys.modules[__name__]
utils = _module
data = _module


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.fc(x))


class Tap(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.parts = nn.ModuleList(list(net.children()))

    def forward(self, x):
        kept = []
        for part in self.parts:
            x = part(x)
            kept.append(x)
        return kept


"""


def safe(code: str, head: str = HEAD) -> bool:
    """True if the in-place layer of `Net` may be rewritten, with some code behind it."""
    found = fixes(head + code)
    return bool(found) and all(fix.safe for fix in found)


APART = {
    "nothing else": "",
    "evaluation": "def test(net):\n    net.eval()\n    return net\n",
    "a method of that name": "class Agent:\n    def eval(self):\n        return self\n",
    "a function of that name": "def eval(net, x):\n    return x\ndef run(x):\n    return eval(None, x)\n",
    "the word": "def mode(m):\n    return m == 'eval' or m == 'exec'\n",
    "a local name": "def area(F):\n    return [F for _ in range(F)]\n",
    "a name of a comprehension": "def names(rows):\n    return [data for data in rows]\n",
    "an argument": "def load(data, utils):\n    return list(data), utils\n",
    "a name that is bound again": "data = 3\ndef size():\n    return int(data)\n",
    "a library as a value": "def log():\n    return logging\ndef window(name):\n    return getattr(torch, name)\n",
    "a library's table": "def names():\n    return sorted(n for n in models.__dict__)\n",
    "a library's setting": "import torch.backends.cudnn as cudnn\ndef fast():\n    cudnn.benchmark = True\n",
    "an abstract class": "from abc import ABC\nclass Base(ABC):\n    def __init__(self):\n        self.n = 1\n",
    "attributes that a class gives": "class Box:\n    def __getattr__(self, name):\n        return 1\n",
    "entries as attributes": "class Box(dict):\n    __getattr__ = dict.get\n    __setattr__ = dict.__setitem__\n",
    "what prints": "def quiet(is_master):\n    printed = builtins.print\n    return printed\n",
    "a line for people": "def where():\n    return sys._getframe().f_lineno\n",
    "a submodule's path": "import torch.nn.modules.loss\n",
    "one lookup": "class Pick(nn.Module):\n    def __init__(self, name):\n        super().__init__()\n"
    "        self.net = getattr(utils, name)()\n    def forward(self, x):\n        return x\n",
    "one lookup by a table": "def pick(name):\n    return globals()[name]()\n",
    "one import": "def pick(name):\n    return importlib.import_module(name)\n",
    "a text of the settings": "class Act(nn.Module):\n    def __init__(self, cfg):\n        super().__init__()\n"
    "        self.act = eval(cfg.act)()\n    def forward(self, x):\n        return x\n",
    "a text about torch": "class Act(nn.Module):\n    def __init__(self, name):\n        super().__init__()\n"
    "        self.act = eval('nn.' + name)()\n    def forward(self, x):\n        return x\n",
    "methods of distributions": "torch.distributions.Normal.mode = lambda self: self.mean\n",
    "a class that torch does not have": "class Masked(nn.Linear):\n    pass\nnn.Masked = Masked\n",
    "an `__enter__` of its own": "class Timer:\n    def __enter__(self):\n        return self\n"
    "    def __exit__(self, *args):\n        return None\ndef off():\n    with torch.no_grad():\n        return 1\n",
    "an object under the name of a library": "def fill(F, n):\n    F.relu = n\n    return F\n",
    "what is called with nothing": "def cast(x, dtype):\n    return getattr(x, dtype)()\n",
    "an entry of the settings": "def show(args):\n    return [getattr(args, k) for k in args]\n",
    "lists of sequences": "class Many(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        blocks = [nn.Sequential() for _ in range(2)]\n        blocks[0].add_module('a', nn.Identity())\n"
    "        self.blocks = nn.ModuleList(blocks)\n",
    "a layer under two names": "class Many(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
    "        part = nn.Sequential()\n        pool = nn.MaxPool2d(n)\n        if n > 2:\n            part = pool\n"
    "        else:\n            part.add_module('a', nn.Identity())\n        self.part = part\n",
    "names that are put together": "class Norm(nn.Sequential):\n    def __init__(self, n, norm, name=''):\n"
    "        super().__init__()\n        self.add_module(name + 'bn', norm(n))\n        self.add_module(name + 'act', norm(n))\n",
    "a state that is restored": "class Rows:\n    def __getitem__(self, i):\n        return make(i)\n"
    "class Old(nn.Module):\n    def load(self, state):\n        own = self.state_dict()\n        for k, v in state.items():\n"
    "            try:\n                own[k].copy_(v)\n            except Exception:\n                raise\n",
}


WATCH = "class Watch:\n    def attach(self, net):\n        net.fc.register_forward_hook(print)\n"
LOOKED_UP = {
    "two that are called": "class Pair(nn.Module):\n    def __init__(self, one, other):\n        super().__init__()\n"
    "        self.one, self.other = getattr(utils, one)(), getattr(utils, other)()\n"
    "    def forward(self, x):\n        y = self.one(x)\n        return self.other(y)\n",
    "one of each name": "class Many(nn.Module):\n    def __init__(self, names):\n        super().__init__()\n"
    "        self.parts = nn.ModuleList([getattr(utils, name)() for name in names])\n"
    "    def forward(self, x):\n        return [part(x) for part in self.parts]\n",
    "a value of a setting": "class Coder(nn.Module):\n    def __init__(self, layers):\n        super().__init__()\n"
    "        self.layers = layers\n    @classmethod\n    def build(cls, args):\n        return Coder(layers=eval(args.layers))\n",
    "the model of a table": "def parse(table, c):\n    layers = []\n    for n, m, args in table:\n"
    "        m = eval(m) if isinstance(m, str) else m\n        for j, a in enumerate(args):\n            args[j] = eval(a)\n"
    "        part = nn.Sequential(*[m(*args) for _ in range(n)]) if n > 1 else m(*args)\n        part.i, part.kind = n, str(m)\n"
    "        layers.append(part)\n    return nn.Sequential(*layers)\ndef other():\n    m = 'text'\n    return m\n",
    "what a decorator spells beside a value of a setting": "REG = {}\ndef register(name):\n    def mark(f):\n        REG[name] = f\n"
    "        return f\n    return mark\n@register('coder')\nclass Coder(nn.Module):\n    @classmethod\n"
    "    def build(cls, args):\n        return Coder(layers=eval(args.layers))\n@register('arch')\ndef arch(args):\n"
    "    return count(args)\ndef count(args):\n    return 3\ndef walk(net):\n    return [count(m) for m in Tap(net).children()]\n",
    "what another file has": "class Maker:\n    def get(self):\n        found = importlib.import_module(self.path)\n"
    "        return getattr(found, self.name)(*self.args)\n",
    "a text that is no path": "def parse(m):\n    m = eval(m)\n    print('there is no model.relu here')\n    return m()\n"
    "def model():\n    return 3\n",
    "a library by the file's former name": "import torchvision.models as utils\nclass Feat(nn.Module):\n"
    "    def __init__(self, name):\n        super().__init__()\n        net = getattr(utils, name)(pretrained=True)\n"
    "        self.features = nn.Sequential(*list(net.children())[:-2])\n    def forward(self, x):\n        return self.features(x)\n",
    "a module in a text": "def run(mode):\n    assert mode, 'wrong mode in [%s]' % sys.modules[__name__]\n"
    "    return 'of %s' % utils\n",
    "weights of a part by its name": "def freeze(net):\n    for p in net._modules['fc'].parameters():\n"
    "        p.requires_grad = False\n    return nn.Sequential(net, nn.Linear(4, 4))\ndef both():\n    return freeze(Net())\n",
    "an attribute with the name of a class": "def both(net):\n    return net.Tap, net.weight.Net\n",
    "a module that is called": "evaluate = utils\ndef run(loader):\n    return evaluate(loader)\n",
    "an evaluation of another file's": "def run(loader, model, args):\n    return eval(loader, model, args)\n",
}
APART |= LOOKED_UP | {
    "a local name of a class's": "def walk(Tap):\n    Net = 3\n    return Tap, Net\n",
    "an attribute of a class's name": "class Keep:\n    def both(self):\n        return self.Tap, self.Net\n",
    "parts in order": "class Heir(Net):\n    def show(self):\n        for i, m in enumerate(self.children()):\n"
    "            print(i, m.weight)\n",
    "named parts in order": "class Heir(Net):\n    def show(self):\n        for i, (n, m) in enumerate(self.named_modules()):\n"
    "            print(i, n, m.weight)\n",
    "hooks that are run by hand": "class Heir(Net):\n    def run(self, x):\n"
    "        for hook in self._forward_pre_hooks.values():\n            hook(self, x)\n",
    "a hook that is removed": "class Heir(Net):\n    def clear(self):\n        for k, hook in list(self._forward_pre_hooks.items()):\n"
    "            if isinstance(hook, int):\n                del self._forward_pre_hooks[k]\n",
    "a part that is gone": "class Heir(Net):\n    def __init__(self):\n        super().__init__()\n        self.add_module('pool', nn.MaxPool2d(2))\n"
    "    def fast(self, made):\n        del self.pool\n        self.add_module('pool', made)\n",
    "a flag of another meaning": "class Detect(nn.Module):\n    inplace = True\ndef both(net, flag):\n    m = net[-1]\n"
    "    if isinstance(m, Detect):\n        m.inplace = flag\n    return Net()\n",
}


@pytest.mark.parametrize("code", APART.values(), ids=APART.keys())
def test_what_a_piece_does_by_itself_concerns_no_other(code: str) -> None:
    assert safe(code)


TOGETHER = {
    "the file by its latest name": "import torchvision.models as utils\nutils = _module\nclass Feat(nn.Module):\n"
    "    def __init__(self, name):\n        super().__init__()\n        net = getattr(utils, name)(pretrained=True)\n"
    "        self.features = nn.Sequential(*list(net.children())[:-2])\n    def forward(self, x):\n        return self.features(x)\n",
    "a part by its name": "class Heir(Net):\n    def run(self, x):\n        y = x * 1\n"
    "        z = self._modules['relu'](y)\n        return z + y\n",
    "names of the file's own module": "def both():\n    return utils.Tap, utils.Net\n",
    "names of the table of modules": "def both():\n    return sys.modules[__name__].Tap, Net\n",
    "two objects of one class that looks things up": WATCH + "class Slot:\n    def __init__(self, name):\n"
    "        self.made = getattr(utils, name)()\n",
    "entries of a table": WATCH + "class Job:\n    def __init__(self, a, b):\n        self.parts = {}\n"
    "        self.parts['a'], self.parts['b'] = getattr(utils, a)(), getattr(utils, b)()\n"
    "        self.parts['b'].attach(self.parts['a'])\n",
    "entries of a table, one of which takes the other apart": "class Job:\n    def __init__(self, a, b):\n        self.parts = {}\n"
    "        self.parts['a'], n = getattr(utils, a)(), 1\n        self.parts['b'] = getattr(utils, b)(self.parts['a'])\n",
    "an attribute that gets the other one": "class Start:\n    def start(self):\n        self.net.fc.register_forward_hook(print)\n"
    "class Job:\n    def __init__(self, a, b):\n        self.one, self.two = getattr(utils, a)(), getattr(utils, b)()\n"
    "        self.two.net = self.one\n        self.two.start()\n",
    "values that are called": WATCH
    + "class Runner:\n    def __init__(self, net, watch):\n        watch().attach(net())\n"
    "def make(cfg):\n    return Runner(net=eval(cfg.net), watch=eval(cfg.watch))\n",
    "the file by a text of its name": WATCH + "def make(name):\n"
    "    return getattr(importlib.import_module(f'{__name__}'), name)()\n",
    "one of two by its name": "def run(a, b):\n    net = getattr(utils, a)()\n    tap = getattr(utils, b)(net)\n    return tap\n",
    "what is found in another function": "def pick(name):\n    return globals()[name]()\ndef run(x, name):\n    net = pick(name)\n"
    "    y = net.relu(x)\n    return y + x\n",
    "a network of a file": "def start(path):\n    net = torch.load(path)\n    return net.eval()\n"
    "def keep(net, f):\n    net.relu.register_forward_hook(f)\n",
    "a network of a checkpoint": "def start(path):\n    saved = torch.load(path)\n    return saved['model'].float()\n"
    "def keep(net, f):\n    net.relu.register_forward_hook(f)\n",
    "hooks that are put by hand": "class Heir(Net):\n    def put(self, f):\n        self._forward_pre_hooks[0] = f\n",
    "hooks that are kept": "class Heir(Net):\n    def put(self):\n        return self._forward_pre_hooks\n",
    "parts in order that are called": "class Heir(Net):\n    def run(self, x):\n        y = x\n"
    "        for i, m in enumerate(reversed(list(self.modules()))):\n            y = m(y)\n        return x + y\n",
    "a flag of anything": "def both(net, flag):\n    m = net[-1]\n    m.inplace = flag\n    return Net()\n",
    "a class that a function binds anew": "def put(net):\n    global Tap\n    Tap = net\n    return Net()\n",
    "a class that goes by a global name": "def name():\n    global Tap\n    return Tap, Net\n",
    "two by their names": "def both():\n    return Tap(Net())\n",
    "an evaluated text": "def run(x):\n    return eval(x)\ndef name():\n    return 'self.net.relu'\n",
    "a text that is put together": "def run(net, x):\n    which = 'net.' + x\n    return eval(which)(x)\n",
    "a text of a part": "def run(net, i, x):\n    return eval('net.relu')(x)\n",
    "a run of anything": "def run(text):\n    exec(text)\n",
    "the file as a value": "def pick(where, name):\n    return getattr(where, name)\ndef run(name):\n"
    "    return pick(utils, name)\n",
    "the file as a value of all": "def pick(where, name):\n    return getattr(where, name)\ndef run(name):\n"
    "    global utils\n    utils = utils\n    return pick(utils, name)\n",
    "an unknown module within": "def run(name):\n    import lib\n    lib = lib\n    return getattr(lib, name)\n"
    "def both():\n    return Tap, Net\n",
    "what a lookup finds is called": "class Pick(nn.Module):\n    def __init__(self, name):\n        super().__init__()\n"
    "        self.net = getattr(utils, name)()\n    def forward(self, x):\n        y = self.net.relu(x)\n        return y + x\n",
    "a class that torch has": "class GELU(nn.Module):\n    def forward(self, x):\n        return x\nnn.GELU = GELU\n",
    "two lookups": "def run(one, other):\n    return getattr(utils, one)(getattr(utils, other)())\n",
    "a lookup that is made twice": "def pick(name):\n    return getattr(utils, name)\n"
    "def run(one, other):\n    return pick(one)(pick(other)())\n",
    "a text of what is made and its part": "class Cfg:\n    act = 'Net().relu'\ndef run(cfg, x):\n    return eval(cfg.act)(x)\n",
    "a lookup in a loop": "def run(names, x):\n    for name in names:\n        x = globals()[name](x)\n    return x\n",
    "a lookup that has to do with the net": "def run(name, x):\n    net = Net()\n    return globals()[name](net), Tap\n",
    "a lookup beside a tap": "def run(name):\n    return Tap(getattr(utils, name)())\n",
    "the table of modules": "def run(name):\n    return sys.modules[name]\n",
    "an unknown module as a value": "import lib\ndef run(name):\n    return getattr(lib, name)\ndef both():\n    return Tap, Net\n",
    "a frame": "def run():\n    return sys._getframe().f_back\ndef both():\n    return Tap, Net\n",
}


@pytest.mark.parametrize("code", TOGETHER.values(), ids=TOGETHER.keys())
def test_what_may_put_two_pieces_together_leaves_it_to_a_run(code: str) -> None:
    assert not safe(code)


def test_a_function_that_the_file_finds_by_a_name_may_be_called_by_anybody() -> None:
    text = "def _scale(x):\n    x += 1\n    return x\ndef run(name, x):\n    y = x.exp()\n    return _scale(y)\n"
    assert fixes(HEAD + text)[-1].parameter is None
    found = fixes(HEAD + text + "def pick(name):\n    return getattr(utils, name)\n")
    assert found[-1].parameter == "x"


WALKER = """\
class Walker(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        kept = []
        for part in self.net.children():
            x = part(x)
            kept.append(x)
        return kept


"""
WRAPPED = {
    "by nobody": ("", True),
    "at once": ("def both():\n    return Walker(Net())\n", False),
    "by a default": ("def both(kind=Walker):\n    return kind(Net())\n", False),
    "by a table": ("KINDS = {'walk': Walker}\ndef both(kind):\n    return KINDS[kind](Net())\n", False),
    "by what derives from what": ("def both():\n    return nn.Module.__subclasses__()[-1](Net())\n", False),
}


@pytest.mark.parametrize(("code", "known"), WRAPPED.values(), ids=WRAPPED.keys())
def test_who_goes_over_what_it_is_handed_concerns_what_the_file_hands_it(code: str, known: bool) -> None:
    assert safe(WALKER + code) is known


PARTS = """\
import torch
import torch.nn as nn
from collections import OrderedDict


class Block({base}):
    def __init__(self):
        super().__init__({given})
        self.body = nn.Sequential(OrderedDict([("conv", nn.Conv2d(4, 4, 1)), ("act", nn.ReLU(inplace=True))]))

    def forward(self, x):
        return self.body(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()

    def forward(self, x):
        return self.block(x)


def visit(net, x):
    y, h = x, x
    for m in net.modules():
        {use}
    return y, h


def both(x):
    return visit(Net(), x)
"""
REACHED = {
    "parts by the names of a table": "h = m.conv(x); y = m.act(h)",
    "parts of parts": "h = m.body.conv(x); y = m.body.act(h)",
    "parts of what is asked for": "if isinstance(m, Block):\n            h = m.body.conv(x); y = m.body.act(h)",
    "parts of an heir of a layer": "if isinstance(m, nn.Conv2d):\n            h = m.body[0](x); y = m.body[1](h)",
    "what is kept of a kind": "kept = [m for m in net.modules() if isinstance(m, Block)]\n        h = kept[0].body[0](x); y = kept[0].body[1](h)",
}
SEEN = {
    "weights of parts": "if isinstance(m, Block):\n            nn.init.zeros_(m.body.conv.weight)",
    "a call of a kind": "if isinstance(m, Block):\n            y = m(x)",
    "weights of layers": "if isinstance(m, nn.Conv2d):\n            m.weight.data.zero_()",
}


@pytest.mark.parametrize("use", REACHED.values(), ids=REACHED.keys())
@pytest.mark.parametrize(("base", "given"), [("nn.Module", ""), ("nn.Conv2d", "4, 4, 1")])
def test_parts_of_parts_that_a_visitor_calls_are_called_with_what_it_has(base: str, given: str, use: str) -> None:
    found = fixes(PARTS.format(base=base, given=given, use=use))
    assert not (found and all(fix.safe for fix in found)) or (base == "nn.Module" and "nn.Conv2d)" in use)


@pytest.mark.parametrize("use", SEEN.values(), ids=SEEN.keys())
def test_a_visitor_that_looks_leaves_parts_of_parts_safe(use: str) -> None:
    found = fixes(PARTS.format(base="nn.Module", given="", use=use))
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


def test_a_part_by_the_name_of_a_number_is_called() -> None:
    text = PARTS.format(base="nn.Module", given="", use="h = x * 1; y = m.bias(h)").replace(
        "self.block = Block()", "self.block = Block(); self.fc = nn.Linear(4, 4); self.bias = nn.ReLU(inplace=True)"
    )
    (fix,) = (fix for fix in fixes(text) if "self.bias" in fix.title)
    assert not fix.safe
