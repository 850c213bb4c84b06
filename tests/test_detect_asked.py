"""Parts that are reached and only asked for something, settings, and texts in tables of settings."""

from __future__ import annotations

import pytest
from rewriting import brought_together, fixes

NET = """\
import logging
import torch
import torch.nn as nn
from torch.nn.utils import weight_norm


class Net(nn.Module):
    def __init__(self, n, frozen=False):
        super().__init__()
        self.conv = nn.Conv2d(n, n, 3)
        self.relu = nn.ReLU(inplace=True)
        {init}

    def forward(self, x):
        return self.relu(self.conv(x))

    {method}


{after}
"""


def net(method: str = "pass", init: str = "pass", after: str = "") -> str:
    return NET.format(method=method.replace("\n", "\n    "), init=init.replace("\n", "\n        "), after=after)


def gets(body: str) -> str:
    """A class that gets parts by their names, as trainers do."""
    lines = "\n".join(f"            {line}" for line in body.splitlines())
    return net(after=f"class Trainer:\n    def __init__(self, net):\n        self.net = net\n        self.netG = Net(3)\n"
                     f"    def run(self, x, key):\n        for name in ['G']:\n{lines}\n")  # fmt: skip


WALK = """\
class Loader:
    def patch(self, states, module, keys, i=0):
        key = keys[i]
        if i + 1 == len(keys):
            if module.__class__.__name__.startswith('InstanceNorm') and getattr(module, key) is None:
                states.pop('.'.join(keys))
        else:
            {again}
"""
ASKED = {
    "its mode": gets("net = getattr(self.net, name)\nnet.eval()"),
    "its state": gets("torch.save(getattr(self.net, name).state_dict(), 'g.pth')"),
    "the one inside": gets(
        "net = getattr(self.net, name)\nif isinstance(net, nn.DataParallel):\n    net = net.module\nnet.load_state_dict(x)"
    ),
    "its parameters": gets("net = getattr(self.net, name)\nprint(net)\nprint(len(list(net.parameters())))"),
    "whether it is there": net(after=WALK.format(again="self.patch(states, getattr(module, key), keys, i + 1)")),
    "of a function": net(after=WALK.format(again="pass").replace("class Loader:\n    def patch(self, ", "class Loader:\n    def patch(self, ")
                         + "def walk(module, keys):\n    if getattr(module, keys[0]) is not None:\n        walk(getattr(module, keys[0]), keys[1:])\n"),
    "a setting of kernels": net(after="torch.backends.cudnn.benchmark = True"),
    "a setting of the compiler": net(after="torch._dynamo.config.optimize_ddp = False"),
    "a switch beside a method of its name": net("def frozen(self):\n    return 1", "self.frozen = frozen"),
    "a pair of a name and a part": net("def ones(self):\n    for m in self.named_modules():\n        if isinstance(m[1], nn.Conv2d):\n            print(m[1].weight)"),
    "a weight that is normed": net("def norm(self):\n    def visit(m):\n        if isinstance(m, nn.Conv2d):\n            weight_norm(m)\n            logging.debug(f'{m}')\n    self.apply(visit)"),
    "a class by its path": net("def length(self, n):\n    for m in self.modules():\n        if type(m) == nn.modules.conv.Conv2d:\n            n = n + m.padding[1]\n    return n"),
    "the method itself, of which a function makes nothing": net(init="fill(self.modules)", after="def fill(modules):\n    pass"),
    "parts that a function sees": net(init="fill(self.modules())", after="def fill(parts):\n    for m in parts:\n        if isinstance(m, nn.Conv2d):\n            nn.init.zeros_(m.weight)"),
    "a part that a function initialises": net("def fill(self):\n    for m in self.modules():\n        if hasattr(m, 'conv'):\n            constant(m.conv, 0)",
                                              after="def constant(m, value, bias=0):\n    nn.init.constant_(m.weight, value)\n    if m.bias is not None:\n        nn.init.constant_(m.bias, bias)"),
    "weights that are read": net("def load(self, states):\n    for m in list(self.children()):\n        if len(states) > 0:\n            nn.init.zeros_(m.weight)\n"
                                 "            m.bias.data = torch.from_numpy(states.pop('b'))").replace(".pop('b')", "['b']"),
    "parts that are seen": net("def fill(self):\n    for m in self.children():\n        if isinstance(m, nn.Conv2d):\n            nn.init.zeros_(m.weight)"),
    "weights that are copied": net("def load(self, vgg):\n    mine = []\n    for m in list(vgg.features.children()):\n        if isinstance(m, nn.Conv2d):\n            mine.append(m)\n"
                                   "    for a, b in zip(mine, [self.conv]):\n        b.weight.data = a.weight.data"),
    "settings in a table": net(init="self.cfg = Config(a=1)", after="class Config(object):\n    def __init__(self, **kw):\n        for k, v in kw.items():\n            self.__dict__[k] = v\n"),
    "all settings at once": net(init="self.args = TrainArgs({})", after="class TrainArgs:\n    def __init__(self, kw):\n        self.__dict__.update(kw)\n"),
}  # fmt: skip
MORE = {
    "it is called": gets("net = getattr(self.net, name)\nnet.eval()\nx = net(x)"),
    "it is called at once": gets("x = getattr(self.net, name)(x)"),
    "at the top of the file": net(after="net = getattr(models, name)\nnet = net.module\nx = net(x)"),
    "a function gets it by a keyword": net(after=WALK.format(again="self.patch(states, keys=keys, module=getattr(module, key))\n            module(states)")),
    "a function gets it behind others": net(after=WALK.format(again="self.patch(*states, getattr(module, key), keys)\n            module(states)")),
    "one behind all": net(after=WALK.format(again="self.patch(states, module, keys, i + 1, getattr(module, key))")),
    "a name of it": gets("x = getattr(x, getattr(self.net, name))(x)"),
    "the class's own": gets("net = getattr(self.net, name)\nnet = net.inner\nx = net(x)"),
    "parts that are seen and called": net("def fill(self, x):\n    for m in self.children():\n        if isinstance(m, nn.Conv2d):\n            nn.init.zeros_(m.weight)\n        x = m(x)\n    return x"),
    "it is called where it is": gets("x = getattr(self.net, name).eval()(x)"),
    "it is moved and called": gets("net = getattr(self.net, name).to(x.device)\nx = net(x)"),
    "it is set up and called": gets("net = getattr(self.net, name)\nother = net.train()\nx = other(x)"),
    "it gets a hook": gets("net = getattr(self.net, name)\nnet.register_forward_hook(print)"),
    "it is run by a method": gets("net = getattr(self.net, name)\nnet.forward(x)"),
    "it is kept": gets("net = getattr(self.net, name)\nself.last = net"),
    "it is handed on": gets("net = getattr(self.net, name)\nrun(net, x)"),
    "one inside it is called": gets("net = getattr(self.net, name)\nnet = net.module\nx = net(x)"),
    "another name has the one inside": gets("net = getattr(self.net, name)\nother = net.module\nx = other(x)"),
    "all functions have it": gets("global net\nnet = getattr(self.net, name)\nnet.eval()"),
    "the function calls it in the end": net(after=WALK.format(again="self.patch(states, getattr(module, key), keys, i + 1)\n            module(states)")),
    "another function gets it": net(after=WALK.format(again="self.run(states, getattr(module, key), keys, i + 1)")),
    "in another place": net(after=WALK.format(again="self.patch(getattr(module, key), module, keys, i + 1)").replace("states.pop(", "states(")),
    "a function of the backends": net(after="torch.backends.cudnn.is_available = lambda: True"),
    "a function of torch": net(after="torch.relu = torch.sigmoid"),
    "what may be a function beside a method": net("def frozen(self):\n    return 1", "self.frozen = act").replace("frozen=False", "act=None"),
    "the forward": net("pass", "self.forward = frozen"),
    "a part of a pair that is called": net("def ones(self, x):\n    for m in self.named_modules():\n        x = m[1](x)\n    return x"),
    "a part of a part": net("def ones(self, x):\n    for m in self.modules():\n        x = m[2]\n    return x"),
    "a norm of the file": net("def norm(self):\n    def visit(m):\n        weight_norm(m)\n    self.apply(visit)").replace(
        "from torch.nn.utils import weight_norm", "def weight_norm(m):\n    m(torch.ones(1, 3, 8, 8))"),
    "parts that are called": net("def load(self, vgg, x):\n    mine = []\n    for m in list(vgg.features.children()):\n        mine.append(m)\n    for m in mine:\n        m(x)"),
    "parts that are returned": net("def load(self, vgg):\n    mine = []\n    for m in list(vgg.features.children()):\n        mine.append(m)\n    return mine"),
    "parts that are yielded": net("def load(self, vgg):\n    for m in list(vgg.features.children()):\n        yield m"),
    "parts that an attribute gets": net("def load(self, vgg):\n    for m in list(vgg.features.children()):\n        self.last = m"),
    "parts that another's list gets": net("def load(self, vgg, mine):\n    for m in list(vgg.features.children()):\n        mine.append(m)"),
    "parts that a list of the file gets": net("def load(self, vgg):\n    for m in list(vgg.features.children()):\n        FOUND.append(m)", after="FOUND = []"),
    "parts that a method gets": net("def load(self, vgg, x):\n    for m in list(vgg.features.children()):\n        x.run(m)"),
    "parts that a list of the class gets": net("def load(self, vgg):\n    for m in list(vgg.features.children()):\n        self.found.append(m)"),
    "parts that a table gets": net("def load(self, vgg, found):\n    for m in list(vgg.features.children()):\n        found['m'] = m"),
    "parts that a builtin calls": net("def load(self, vgg, x):\n    for m in list(vgg.features.children()):\n        x = max(map(m, x))"),
    "parts that a function named like a builtin gets": net("def load(self, vgg, len):\n    for m in list(vgg.features.children()):\n        len(m)"),
    "parts that an inner function calls": net("def load(self, vgg, x):\n    for m in list(vgg.features.children()):\n        def f():\n            m(x)\n        f()"),
    "parts that another file gets": net("def load(self, vgg):\n    for m in list(vgg.features.children()):\n        logging.debug(m)").replace("import logging", "import tools as logging"),
    "parts at the top of the file": net(after="for m in list(Net(3).children()):\n    m(1)"),
    "the method itself, which a function calls": net(init="fill(self.modules)", after="def fill(modules):\n    for m in modules():\n        m(torch.ones(1))"),
    "parts that a function goes through and calls": net(init="fill(self.modules())", after="def fill(parts):\n    for m in parts:\n        m(torch.ones(1))"),
    "parts that a function keeps": net(init="fill(self.modules())", after="FOUND = []\n\n\ndef fill(parts):\n    FOUND.append(parts)"),
    "parts that a function goes through and keeps": net(init="fill(self.modules())", after="def fill(parts):\n    global last\n    for last in parts:\n        pass"),
    "a part that a function calls": net("def fill(self):\n    for m in self.modules():\n        run(m.conv, 0)", after="def run(m, x):\n    return m(x)"),
    "a part that a value is": net("def fill(self):\n    for m in self.modules():\n        nn.constant_(m.conv, 0)"),
    "parts that another name's list gets": net("def load(self, vgg):\n    mine = self.found\n    for m in list(vgg.features.children()):\n        mine.append(m)"),
    "parts that a list gets which may be another": net("def load(self, vgg):\n    mine = []\n    if vgg:\n        mine = FOUND\n    for m in list(vgg.features.children()):\n        mine.append(m)", after="FOUND = []"),
    "parts that are added to another's list": net("def load(self, vgg):\n    mine = vgg.found\n    for m in list(vgg.features.children()):\n        mine += [m]"),
    "parts that a method of the file gets": net("def load(self, vgg, x):\n    for m in list(vgg.features.children()):\n        x.split(m)", after="class Keeper:\n    def split(self, m):\n        self.last = m"),
    "parts that are called a weight": net("def load(self, vgg):\n    for m in list(vgg.features.children()):\n        self.weight = m"),
    "parts that a function gets": net("def load(self, vgg):\n    for m in list(vgg.features.children()):\n        use(m)"),
    "parts that a lambda has": net("def load(self, vgg):\n    for m in list(vgg.features.children()):\n        f = lambda x: m(x)"),
    "a table of a class of modules": net("def put(self, k, v):\n    self.__dict__[k] = v"),
    "a table of a class that derives": net(init="self.cfg = Config(a=1)", after="class Config(Base):\n    def __init__(self, **kw):\n        for k, v in kw.items():\n            self.__dict__[k] = v\n"),
    "a table of another class": net(init="self.holder = Holder(a=1)", after="class Holder:\n    def __init__(self, **kw):\n        for k, v in kw.items():\n            self.__dict__[k] = v\n"),
}  # fmt: skip


@pytest.mark.parametrize("text", ASKED.values(), ids=ASKED.keys())
def test_what_is_only_asked_is_called_by_nobody(text: str) -> None:
    (fix,) = fixes(text)
    assert fix.safe, fix.doubts


@pytest.mark.parametrize("text", MORE.values(), ids=MORE.keys())
def test_what_is_done_more_with_is_left_to_a_run(text: str) -> None:
    assert not any(fix.safe for fix in fixes(brought_together(text)))
