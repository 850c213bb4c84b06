"""Flags of in-place modules: when nobody but the module's caller can see what they write, and when somebody may."""

from __future__ import annotations

import ast

import pytest
import torch
from rewriting import ASKING, fixed, fixes
from torch import nn

from fixinplace import detect, rewrite, source

HEAD = "import torch\nfrom collections import OrderedDict\nfrom torch import nn\n\n"
BLOCK = "class Net(nn.Module):\n    def __init__(self, n=3{more}):\n        super().__init__()\n"


def net(init: str, forward: str, more: str = "", rest: str = "") -> str:
    """A module with `conv`, `bn` and what `init` adds, called as `forward` says."""
    lines = ["self.conv = nn.Conv2d(n, n, 1)", "self.bn = nn.BatchNorm2d(n)", *init.split("\n")]
    made = BLOCK.replace("{more}", more) + "".join(f"        {line}\n" for line in lines)
    called = "    def forward(self, x):\n" + "".join(f"        {line}\n" for line in forward.split("\n"))
    return HEAD + made + "\n" + called + rest


RELU = "self.relu = nn.ReLU(inplace=True)"
PASS = "return self.net(x)"

SAFE = {
    "behind a layer": net(RELU, "x = self.bn(self.conv(x))\nreturn self.relu(x)"),
    "bound again": net(RELU, "x = self.conv(x)\nx = self.relu(x)\nreturn x"),
    "called twice": net(RELU, "y = self.relu(self.conv(x))\ny = self.bn(y) + x\nreturn self.relu(y)"),
    "in a Sequential": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(inplace=True))", PASS),
    "by position": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.BatchNorm2d(n), nn.ReLU(True))", PASS),
    "behind a dropout": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.Dropout(), nn.ReLU(True))", PASS),
    "weights looked at": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(True), nn.Conv2d(n, n, 1))",
                             "y = self.net(x)\nreturn y + self.net[2].weight.sum() + self.net[-1].bias.sum()"),
    "two of them": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(True), nn.Conv2d(n, n, 1), nn.ReLU6(True))", PASS),
    "never called here": HEAD + "def block(n):\n    return nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(inplace=True))\n",
    "ordered dict": net("self.net = nn.Sequential(OrderedDict([('c', nn.Conv2d(n, n, 1)), ('r', nn.ReLU(True))]))", PASS),
    "list of pairs": net("p = [('c', nn.Conv2d(n, n, 1)), ('r', nn.ReLU(True))]\np.append(('b', nn.BatchNorm2d(n)))\n"
                         "self.net = nn.Sequential(OrderedDict(p))", PASS),
    "list in a loop": net("layers = []\nfor v in (n, n):\n    layers += [nn.Conv2d(n, v, 1), nn.ReLU(inplace=True)]\n"
                          "self.net = nn.Sequential(*layers)", PASS),
    "list in branches": net("layers: list[nn.Module] = []\nif n > 2:\n    layers += [nn.Conv2d(n, n, 1), nn.ReLU(True)]\n"
                            "else:\n    layers += [nn.Conv2d(n, n, 1), nn.BatchNorm2d(n), nn.ReLU(True)]\n"
                            "self.net = nn.Sequential(*layers)", PASS),
    "list by append": net("layers = []\nlayers.append(nn.Conv2d(n, n, 1))\nlayers.append(nn.ReLU(inplace=True))\n"
                          "self.net = nn.Sequential(*layers)", PASS),
    "derived from Sequential": HEAD + "class Conv(nn.Sequential):\n    def __init__(self, n):\n"
    "        super().__init__(nn.Conv2d(n, n, 1), nn.BatchNorm2d(n), nn.ReLU6(inplace=True))\n",
    "parts added one by one": HEAD + "class Conv(nn.Sequential):\n    def __init__(self, n):\n        super().__init__()\n"
    "        self.add_module('n', nn.BatchNorm2d(n))\n        self.add_module('r', nn.ReLU(inplace=True))\n"
    "        self.add_module('c', nn.Conv2d(n, n, 1))\n",
    "parts added, called as a whole": HEAD + "class Conv(nn.Sequential):\n    def __init__(self, n):\n        super().__init__()\n"
    "        self.add_module('n', nn.BatchNorm2d(n))\n        self.add_module('r', nn.ReLU(inplace=True))\n"
    "        self.rate = 0.5\n    def forward(self, x):\n        new = super().forward(x)\n"
    "        return torch.cat([x, new * self.rate], 1)\n",
    "parts added to a local": net("s = nn.Sequential()\ns.add_module('c', nn.Conv2d(n, n, 1))\n"
                                 "s.add_module('r', nn.ReLU(inplace=True))\nself.net = s", PASS),
    "made by a function": HEAD + "def act(kind):\n    if kind == 'relu':\n        return nn.ReLU(inplace=True)\n"
    "    return nn.Tanh()\n" + net("self.act = act('relu')", "x = self.conv(x)\nx = self.act(x)\nreturn x")[len(HEAD) :],
    "forward of a base class": HEAD + "class Base(nn.Module):\n    def forward(self, x):\n        x = self.conv(x)\n"
    "        x = self.relu(x)\n        return self.relu(self.conv(x))\nclass A(Base):\n    def __init__(self):\n"
    "        super().__init__()\n        self.conv = nn.Conv2d(3, 3, 1)\n        self.relu = nn.ReLU(inplace=True)\n"
    "class B(Base):\n    def __init__(self):\n        super().__init__()\n        self.conv = nn.Conv2d(3, 3, 2)\n"
    "        self.relu = nn.ReLU(inplace=True)\n",
    "class that is passed in": net("norm = nn.BatchNorm2d if norm is None else norm\nself.norm = norm(n)\n" + RELU,
                                   "x = self.norm(self.conv(x))\nreturn self.relu(x)", ", norm=None"),
    "default class": net("self.norm = norm(n)\n" + RELU, "x = self.norm(self.conv(x))\nreturn self.relu(x)",
                         ", norm=nn.BatchNorm2d"),
    "own switch": HEAD + "class Swish(nn.Module):\n    def __init__(self, inplace=False):\n        super().__init__()\n"
    "        self.inplace = inplace\n" + net(RELU, "return self.relu(self.conv(x))")[len(HEAD) :],
    "unknown flag elsewhere": net("self.other = nn.ReLU(inplace=n > 2)\n" + RELU, "return self.relu(self.conv(x))"),
    "two in place, one value": net("self.act = nn.ReLU(True) if n > 2 else nn.ReLU6(True)",
                                   "h = self.conv(x)\ny = self.act(h)\ny = y + 1\nreturn h * y"),
    "looked at": net(RELU + "\nfor m in self.modules():\n    if isinstance(m, nn.Conv2d):\n        nn.init.zeros_(m.bias)",
                     "return self.relu(self.conv(x))"),
    "a class that is passed in": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), act(inplace=True))", PASS, ", act=nn.ReLU"),
    "a class that a caller passes": HEAD + "class Inner(nn.Module):\n    def __init__(self, n, act):\n"
    "        super().__init__()\n        self.net = nn.Sequential(nn.Conv2d(n, n, 1), act(inplace=True))\n"
    "    def forward(self, x):\n        return self.net(x)\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.inner = Inner(3, nn.SiLU)\n    def forward(self, x):\n"
    "        return self.inner(x)\n",
    "numbered attributes": net(RELU + "\nfor i in range(2):\n    setattr(self, f'stage{i}', nn.Conv2d(n, n, 1))",
                               "return self.relu(self.conv(x))"),
}  # fmt: skip


@pytest.mark.parametrize("text", SAFE.values(), ids=SAFE.keys())
def test_flags_that_nobody_sees_are_safe(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]
    assert all("no hook, and no code in another file" in " ".join(fix.assumes) for fix in found)


def results(text: str, name: str) -> list[torch.Tensor]:
    """What the class or function computes, and its gradients."""
    space: dict[str, object] = {"__name__": "case"}
    exec(compile(text, "<case>", "exec"), space)
    torch.manual_seed(0)
    made = space[name]
    module = made() if name in ("A", "Net") else made(3)  # type: ignore[operator]
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    out = module(x)
    out.square().sum().backward()
    return [out, x.grad, *(p.grad for p in module.parameters() if p.grad is not None), *module.buffers()]


@pytest.mark.parametrize("text", SAFE.values(), ids=SAFE.keys())
def test_safe_flags_change_nothing(text: str) -> None:
    part = source.Text(text)
    written = fixed(text, rewrite.plan(part, detect.scan(part, ast.parse(text))))
    space: dict[str, object] = {"__name__": "case"}
    exec(compile(text, "<case>", "exec"), space)
    names = [
        n for n, v in space.items() if isinstance(v, type) and issubclass(v, nn.Module) and n not in ("Base", "Swish")
    ]
    name = next((n for n in ("Net", "A", "Conv") if n in names), "block")
    assert written != text
    for before, after in zip(results(text, name), results(written, name), strict=True):
        assert torch.equal(before, after)


SEQ = "self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(inplace=True))"
SEEN = {
    "kept by the caller": net(RELU, "h = self.conv(x)\nkept = [h]\nreturn self.relu(h), kept"),
    "first of a Sequential": net("self.net = nn.Sequential(nn.ReLU(True), nn.Conv2d(n, n, 1))", "return x + self.net(x)"),
    "behind a module that hands on": net("self.net = nn.Sequential(nn.Identity(), nn.ReLU(True))", "return x + self.net(x)"),
    "behind an unknown flag": net("self.net = nn.Sequential(nn.ReLU(inplace=n > 2), nn.ReLU(True))", "return x + self.net(x)"),
    "parts gone through": net(SEQ, "outs = []\nfor m in self.net:\n    x = m(x)\n    outs.append(x)\nreturn outs"),
    "part by index": net(SEQ, "h = self.net[0](x)\nkept = [h]\nreturn self.net[1](h), kept"),
    "children called": net(RELU, "outs = []\nfor m in self.children():\n    x = m(x)\n    outs.append(x)\n"
                           "return outs, self.relu(self.conv(x))"),
    "children in a list": net(RELU, "run = list(self.children())\nh = run[0](x)\ny = run[2](h)\n"
                              "return h, y, self.relu(self.conv(x))"),
    "table of parts": net(RELU, "h = self.conv(x)\ny = self._modules['relu'](h)\nreturn h, y, self.relu(self.conv(x))"),
    "by name": net(RELU, "h = self.conv(x)\ny = getattr(self, 'relu')(h)\nreturn h, y, self.relu(self.conv(x))"),
    "by a name made up": net(RELU, "h = self.conv(x)\ny = getattr(self, f're{\"lu\"}')(h)\nreturn h, y, self.relu(self.conv(x))"),
    "reversed": net("layers = [nn.Conv2d(n, n, 1), nn.ReLU(True)]\nself.net = nn.Sequential(*reversed(layers))",
                    "return x + self.net(x)"),
    "sliced": net("layers = [nn.Conv2d(n, n, 1), nn.ReLU(True)]\nself.net = nn.Sequential(*layers[1:])",
                  "return x + self.net(x)"),
    "inserted": net("layers = [nn.Conv2d(n, n, 1)]\nlayers.append(nn.BatchNorm2d(n))\nlayers.insert(0, nn.ReLU(True))\n"
                    "self.net = nn.Sequential(*layers)", "return x + self.net(x)"),
    "sorted": net("layers = []\nlayers.append(nn.Conv2d(n, n, 1))\nlayers.append(nn.ReLU(True))\nlayers.reverse()\n"
                  "self.net = nn.Sequential(*layers)", "return x + self.net(x)"),
    "popped": net("layers = []\nlayers.append(nn.Conv2d(n, n, 1))\nlayers.append(nn.ReLU(True))\nlayers.pop(0)\n"
                  "self.net = nn.Sequential(*layers)", "return x + self.net(x)"),
    "replaced slot": net("layers = [nn.Conv2d(n, n, 1), nn.ReLU(True)]\nlayers[0] = nn.Identity()\n"
                         "self.net = nn.Sequential(*layers)", "return x + self.net(x)"),
    "one list in another order": net("a = []\na.append(nn.Conv2d(n, n, 1))\na.append(nn.ReLU(True))\n"
                                     "self.net = nn.Sequential(*a)\nself.ten = nn.Sequential(a[1], a[0])",
                                     "return x + self.ten(x)"),
    "handed on": net(RELU + "\nregister(self.relu)", "return self.relu(self.conv(x))"),
    "in a module out of sight": net("self.net = Wrapped(nn.Conv2d(n, n, 1), nn.ReLU(inplace=True))", PASS),
    "part added first": HEAD + "class Conv(nn.Sequential):\n    def __init__(self, n):\n        super().__init__()\n"
    "        self.add_module('r', nn.ReLU(True))\n        self.add_module('c', nn.Conv2d(n, n, 1))\n"
    "def use(x):\n    h = x * 2\n    return Conv(3)(h) + h\n",
    "part added in a branch": HEAD + "class Conv(nn.Sequential):\n    def __init__(self, n):\n        super().__init__()\n"
    "        if n > 3:\n            self.add_module('c', nn.Conv2d(n, n, 1))\n        self.add_module('r', nn.ReLU(True))\n",
    "part that takes another's place": HEAD + "class Conv(nn.Sequential):\n    def __init__(self, n):\n        super().__init__()\n"
    "        self.add_module('a', nn.Conv2d(n, n, 1))\n        self.add_module('b', nn.ReLU(True))\n"
    "        self.add_module('a', nn.Identity())\n",
    "part that an attribute replaces": HEAD + "class Conv(nn.Sequential):\n    def __init__(self, n):\n        super().__init__()\n"
    "        self.add_module('a', nn.Conv2d(n, n, 1))\n        self.add_module('b', nn.ReLU(True))\n"
    "        self.a = nn.Identity()\n",
    "parts added, called one by one": HEAD + "class Conv(nn.Sequential):\n    def __init__(self, n):\n        super().__init__()\n"
    "        self.add_module('c', nn.Conv2d(n, n, 1))\n        self.add_module('r', nn.ReLU(inplace=True))\n"
    "    def forward(self, x):\n        h = self.c(x)\n        return self.r(h), h\n",
    "part added to a local in a branch": net("s = nn.Sequential()\nif n > 3:\n    s.add_module('c', nn.Conv2d(n, n, 1))\n"
                                            "s.add_module('r', nn.ReLU(inplace=True))\nself.net = s", "return x + self.net(x)"),
    "hooks": net(RELU + "\nself.conv.register_forward_hook(keep)", "return self.relu(self.conv(x))"),
    "grad mode off": net(RELU, "h = self.conv(x)\nwith torch.no_grad():\n    self.relu(h)\nreturn h"),
    "derived, with a forward": HEAD + "class Conv(nn.Sequential):\n    def __init__(self, n):\n"
    "        super().__init__(nn.Conv2d(n, n, 1), nn.ReLU6(inplace=True))\n    def forward(self, x):\n        outs = []\n"
    "        for m in self:\n            x = m(x)\n            outs.append(x)\n        return outs\n",
    "class that keeps is passed in": net("norm = nn.BatchNorm2d if norm is None else norm\nself.norm = norm(n)\n" + RELU,
                                         "x = self.norm(self.conv(x))\nreturn self.relu(x)", ", norm=None",
                                         "\nclass Keep(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
                                         "    def forward(self, x):\n        self.seen = x * 2\n        return self.seen\n"
                                         "def make():\n    return Net(3, norm=Keep)\n"),
    "class that keeps is switched on": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), act(inplace=True))", PASS,
                                           ", act=nn.ReLU", "\nclass Keep(nn.Module):\n    def forward(self, x):\n"
                                           "        self.seen = x * 2\n        return self.seen\n"
                                           "def make():\n    return Net(3, act=Keep)\n"),
    "class that switches otherwise": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), act(inplace=True))", PASS,
                                         ", act=nn.ReLU", "\nclass Odd(nn.Module):\n"
                                         "    def __init__(self, inplace=False):\n        super().__init__()\n"
                                         "        self.scale = 2 if inplace else 1\n    def forward(self, x):\n"
                                         "        return x * self.scale\ndef make():\n    return Net(3, act=Odd)\n"),
    "class that takes anything": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), act(inplace=True))", PASS, ", act=nn.ReLU",
    "\nclass Odd(nn.Module):\n    def __init__(self, **kw):\n        super().__init__()\n        self.on = kw['inplace']\n"
    "    def forward(self, x):\n        return x * 2 if self.on else x\ndef make():\n    return Net(3, act=Odd)\n"),
    "class derived from one of torch's": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), act(inplace=True))", PASS, ", act=nn.ReLU",
    "\nclass Odd(nn.ReLU):\n    def forward(self, x):\n        return x * 2 if self.inplace else x\n"
    "def make():\n    return Net(3, act=Odd)\n"),
    "function that makes one": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), act(inplace=True))", PASS, ", act=nn.ReLU",
    "\ndef odd(inplace=False):\n    return nn.ReLU(inplace) if inplace else nn.Identity()\n"
    "def make():\n    return Net(3, act=odd)\n"),
    "default that is replaced": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), act(inplace=True))", PASS, ", act=nn.ReLU",
    "\ndef make(odd):\n    Net.__init__.__defaults__ = (3, odd)\n    return Net()\n"),
    "class of which nothing is known": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), act(inplace=True))", PASS, ", act=None"),
    "called by what is passed in": net("self.act = act(inplace=True)",
                                       "h = self.conv(x)\nself.act(h)\nreturn h", ", act=nn.ReLU"),
    "class that returns what it holds": net("self.norm = norm(n)\n" + RELU,
                                            "x = self.norm(self.conv(x))\nreturn self.relu(x)", ", norm=nn.BatchNorm2d",
                                            "\nclass Fixed(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
                                            "        self.register_buffer('out', torch.ones(n))\n"
                                            "    def forward(self, x):\n        return self.out\n"
                                            "def make():\n    return Net(3, norm=Fixed)\n"),
    "passed in, in place": net("self.act = act(inplace=True)\n" + RELU,
                               "h = self.conv(x)\ny = self.act(h)\ny = self.relu(y)\nreturn h, y", ", act=nn.ReLU"),
    "perhaps no module of torch": net("self.norm = norm(n)\n" + RELU,
                                      "h = self.conv(x)\ny = self.norm(h)\nself.relu(y)\nreturn h", ", norm=nn.BatchNorm2d"),
    "set by a name that is not known": net(RELU + "\nsetattr(self, name, nn.Identity())", "return self.relu(self.conv(x))", ", name=''"),
    "set by its name": net(RELU + "\nsetattr(self, 'conv', nn.Identity())", "return x + self.relu(self.conv(x))"),
    "added under its name": net(RELU + "\nself.add_module('con' + 'v', nn.Identity())", "return x + self.relu(self.conv(x))"),
    "what a cache holds": net(RELU + "\nself.cache = {}", "return self.relu(self.stem(x)) + self.cache['h']", rest="    def stem(self, x):\n"
    "        if 'h' not in self.cache:\n            self.cache['h'] = self.conv(x)\n        return self.cache['h']\n"),
    "what a table of the file holds": net(RELU, "return self.relu(table(3)) + x", rest="TABLE = {}\ndef table(n):\n    if n not in TABLE:\n"
    "        TABLE[n] = torch.arange(4.0) - n\n    return TABLE[n]\n"),
    "two places of a dictionary": net(RELU, "d = self.pair(x)\nreturn self.relu(d['h']) + d['k']", rest="    def pair(self, x):\n"
    "        h = self.conv(x)\n        return dict(h=h, k=h)\n"),
    "two things of a generator": net(RELU, "d = list(self.pair(x))\nreturn self.relu(d[0]) + d[1]", rest="    def pair(self, x):\n"
    "        h = self.conv(x)\n        yield h\n        yield h\n"),
    "a class that binds its forward": net("self.body = Body()\n" + RELU, "y = self.body(x)\nself.relu(y)\nreturn x + y",
    rest="class Body(nn.Module):\n    def forward(self, x):\n        return x * 2\n    def fast(self, x):\n        return x\n"
    "    forward = fast\n"),
    "either in place or not": net("self.act = nn.ReLU(inplace=True) if n > 2 else nn.ReLU()",
                                  "h = self.conv(x)\nself.act(h)\nreturn h"),
}  # fmt: skip


@pytest.mark.parametrize("text", SEEN.values(), ids=SEEN.keys())
def test_flags_that_somebody_may_see_are_not_safe(text: str) -> None:
    compile(text, "<case>", "exec")
    assert not any(fix.safe for fix in fixes(text)), [fix.title for fix in fixes(text) if fix.safe]


@pytest.mark.parametrize(
    "call", ("act(x, inplace=True)", "x.drop(inplace=True)", "act(inplace=False)", "act(inplace=n)")
)
def test_what_is_passed_in_and_makes_no_module_in_place_is_left_alone(call: str) -> None:
    text = f"def f(x, act, n):\n    return {call}\n"
    assert not any(one.site.rule == "FIP107" for one in detect.scan(source.Text(text), ast.parse(text)))


ON = ", on=True"
SWITCHED = {
    "by a parameter": net("self.relu = nn.ReLU(inplace=on)", "return self.relu(self.conv(x))", ON),
    "by position": net("self.relu = nn.ReLU(on)", "return self.relu(self.conv(x))", ON),
    "in a Sequential": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU6(inplace=on))", PASS, ON),
    "by an attribute": net("self.on = on", "return torch.relu(nn.functional.elu(self.conv(x), inplace=self.on))", ON),
    "by a constant": net("self.relu = nn.ReLU(inplace=FLAG)", "return self.relu(self.conv(x))", rest="FLAG = True\n"),
    "by a constant as default": net("self.relu = nn.ReLU(inplace=on)", "return self.relu(self.conv(x))", ", on=FLAG")
    .replace("class Net", "FLAG = True\nclass Net"),
    "by a caller": net("self.relu = nn.ReLU(inplace=on)", "return self.relu(self.conv(x))", ", on=None").replace(
        "class Net", "class Inner") + "class Net(Inner):\n    def __init__(self):\n        super().__init__(3, on=True)\n",
    "bound again": net("self.relu, self.on = nn.ReLU(inplace=on), on", "h = self.conv(x)\nh = self.relu(h)\nreturn h * 2", ON),
    "bound again by a call": net("self.on = on", "h = self.conv(x)\nh = nn.functional.relu(h, self.on)\nreturn h * 2", ON),
    "written twice": net("self.relu = nn.ReLU(inplace=on)", "x = self.relu(self.conv(x))\nx = self.relu(self.conv(x))\n"
                         "return x", ON),
}  # fmt: skip


@pytest.mark.parametrize("text", SWITCHED.values(), ids=SWITCHED.keys())
def test_a_flag_that_a_name_decides_is_safe_whether_it_is_on_or_off(text: str) -> None:
    part = source.Text(text)
    (fix,) = fixes(text)
    written = fixed(text, rewrite.plan(part, detect.scan(part, ast.parse(text))))

    assert fix.safe, fix.doubts
    for flag in ("True", "False"):
        before, after = (
            results(one.replace("=True", f"={flag}").replace("= True", f"= {flag}"), "Net") for one in (text, written)
        )
        assert all(map(torch.equal, before, after))


@pytest.mark.parametrize(
    "forward",
    (
        "h = self.conv(x)\ny = self.relu(h)\nreturn y + h",
        "h = self.conv(x)\nself.relu(h)\nreturn h",
        "h = self.conv(x)\ny = nn.functional.relu(h, inplace=self.on)\nreturn y + h",
        "h = self.conv(x)\nnn.functional.relu(h, self.on)\nreturn h",
        "h = self.conv(x)\nself.h = h\nreturn self.relu(self.h) + self.h",
        "h = self.conv(x)\nreturn self.relu(h[0]) + h",
    ),
)
def test_a_flag_that_a_name_decides_is_refused_where_somebody_reads_what_it_may_have_written(forward: str) -> None:
    init = "self.relu = nn.ReLU(inplace=on)" if "self.relu" in forward else "self.on = on"
    text = net(init, forward, ON)
    part = source.Text(text)

    assert rewrite.plan(part, detect.scan(part, ast.parse(text)))
    assert not fixes(text)


@pytest.mark.parametrize(
    ("init", "more"),
    (
        ("self.relu = nn.ReLU(inplace=on)", ", on=False"),
        ("self.relu = nn.ReLU(inplace=on)", ", on=None"),
        ("self.relu = nn.ReLU(inplace=not on)", ON),
        ("self.relu = nn.ReLU(inplace=on and n > 3)", ON),
        ("on = on & (n > 3)\nself.relu = nn.ReLU(inplace=on)", ON),
        ("on = False\nself.relu = nn.ReLU(inplace=on)", ON),
        ("if n > 2:\n    on = False\nself.relu = nn.ReLU(inplace=on)", ON),
        ("self.relu = nn.ReLU(inplace=self.on)", ON),
        ("self.relu = nn.ReLU(inplace=1)", ON),
        ("self.relu = nn.ReLU(inplace=FLAG)", ON),
    ),
)
def test_a_flag_of_which_nothing_says_that_it_is_on_is_no_site(init: str, more: str) -> None:
    text = net(init, "return self.relu(self.conv(x))", more)

    assert not detect.scan(source.Text(text), ast.parse(text))


@pytest.mark.parametrize(
    ("init", "forward"),
    (
        ("self.relu = nn.ReLU(inplace=on)", "h = self.conv(x)\ny = self.relu(h)\nh.mul_(2)\nreturn y"),
        ("self.relu = nn.ReLU(inplace=on)", "h = self.conv(x)\ny = self.relu(h)\ny += 1\nreturn y * 2 + h"),
        ("self.on = on", "h = self.conv(x)\ny = nn.functional.relu(h, self.on)\nh.mul_(2)\nreturn y"),
        ("self.net = nn.Sequential(nn.ReLU(inplace=on))", "h = self.conv(x)\ny = self.net(h)\nh.mul_(2)\nreturn y"),
    ),
)
def test_what_a_call_returns_whose_flag_a_name_decides_may_be_what_it_was_given(init: str, forward: str) -> None:
    assert all(fix.rewrite == ASKING for fix in fixes(net(init, forward, ON)))


CBR = "class CBR(nn.Sequential):\n    def __init__(self):\n        super().__init__(nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True))\n"
OD = (
    "class CBR(nn.Sequential):\n    def __init__(self):\n        super().__init__(OrderedDict([('c', nn.Conv2d(3, 3, 1)),"
    " ('r', nn.ReLU(inplace=True))]))\n"
)
BODY = "nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(True))"
TAKEN_APART = {
    "index": ("self.a = CBR()", "h = self.a[0](x)\nreturn self.a[1](h) + h"),
    "negative index": ("self.a = CBR()", "h = self.a[-2](x)\nreturn self.a[-1](h) + h"),
    "loop": ("self.a = CBR()", "outs = []\nfor m in self.a:\n    x = m(x)\n    outs.append(x)\nreturn outs"),
    "enumerated": ("self.a = CBR()", "outs = []\nfor i, m in enumerate(self.a):\n    x = m(x)\n    outs.append(x)\nreturn outs"),
    "unpacked": ("self.a = CBR()", "c, r = self.a\nh = c(x)\nreturn r(h) + h"),
    "by another name": ("self.a = CBR()", "s = self.a\nh = s[0](x)\nreturn s[1](h) + h"),
    "by a helper": ("self.a = CBR()", "return walk(self.a, x)"),
    "by its length": ("self.a = CBR()", "h = self.a[0](x)\ny = h\nfor i in range(1, len(self.a)):\n    y = self.a[i](y)\nreturn y + h"),
    "by name": ("self.a = CBR()", "h = getattr(self.a, '0')(x)\nreturn getattr(self.a, '1')(h) + h"),
    "by attribute": ("self.a = CBR()", "h = self.a.c(x)\nreturn self.a.r(h) + h"),
    "copied": ("self.a = CBR()", "a = copy.deepcopy(self.a)\nh = a[0](x)\nreturn a[1](h) + h"),
    "wrapped": ("self.l = nn.ModuleList([CBR()])", "a = self.l[0]\nh = a[0](x)\nreturn a[1](h) + h"),
    "slices of a local": (f"f = {BODY}\nself.s = f[:1]\nself.t = f[1:]", "h = self.s(x)\nreturn self.t(h) + h"),
    "starred slice": (f"f = {BODY}\nself.t = nn.Sequential(*f[1:])", "h = self.conv(x)\nreturn self.t(h) + h"),
    "slice at once": (f"self.t = {BODY}[1:]", "h = self.conv(x)\nreturn self.t(h) + h"),
    "slice of what a function makes": ("f = make()\nself.t = f[1:]", "h = self.conv(x)\nreturn self.t(h) + h"),
    "slice of an argument": ("self.t = tail(make())", "h = self.conv(x)\nreturn self.t(h) + h"),
    "slice of a global": ("self.t = ALL[1:]", "h = self.conv(x)\nreturn self.t(h) + h"),
    "graph that is interpreted": (f"self.a = {BODY}\nself.g = torch.fx.symbolic_trace(self.a)", "return self.a(x)"),
}  # fmt: skip
REST = {
    "walk": "def walk(a, x):\n    h = a[0](x)\n    return a[1](h) + h\n",
    "make": f"def make():\n    return {BODY}\n",
    "tail": "def tail(f):\n    return f[1:]\n",
    "ALL": f"ALL = {BODY}\n",
}


@pytest.mark.parametrize("base", [CBR, OD], ids=["given", "named"])
@pytest.mark.parametrize(("init", "forward"), TAKEN_APART.values(), ids=TAKEN_APART.keys())
def test_parts_that_are_called_one_by_one_are_not_safe(init: str, forward: str, base: str) -> None:
    parts = [line for name, line in REST.items() if name in init + forward]
    text = net(init, forward, rest="import copy\n" + (base if "CBR" in init else "") + "".join(parts))
    compile(text, "<case>", "exec")
    assert not any(fix.safe for fix in fixes(text)), [fix.title for fix in fixes(text) if fix.safe]


def test_a_part_that_is_called_by_its_forward_is_no_look_at_its_weights():
    made = "self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(True), nn.Conv2d(n, n, 1))"
    (fix,) = fixes(net(made, "y = self.conv(x)\nz = self.net[1].forward(y)\nreturn self.net(x) + z * y"))

    assert not fix.safe
