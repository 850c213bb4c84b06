"""Modules of which only one of some ways is taken: by a flag, a class that is chosen or passed in, a round of a loop."""

from __future__ import annotations

import pytest
import torch
from rewriting import cloned, findings, fixed, fixes
from test_detect_flags import HEAD, net, results

from fixinplace.model import Fix

MAKES = "def make(i, o, k=1):\n    return nn.Conv2d(i, o, k)\n\n\n"
GROWN = """\
class Grown(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(n, n, 1), nn.Conv2d(n, n, 1)])
    def forward(self, x):
        for part in self.parts:
            x = part(x) + x
        return x


class Few(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(n, n, 1) for _ in range(n - 3)])
    def forward(self, x):
        for layer in self.layers:
            x = layer(x) + x
        return x


class Plain(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = nn.Conv2d(n, n, 1)
    def forward(self, x):
        return self.conv(x)


class Cut(nn.Module):
    def forward(self, x):
        return x[:, :, :3].contiguous()


class Keep(nn.Module):
    def forward(self, x):
        self.last = x
        return x * 2


class Hand(nn.Module):
    def forward(self, x):
        return x


class CutKeep(nn.Module):
    def forward(self, x):
        self.last = x
        return x[:, :, :3]


def hand(i, o, k=1):
    return Hand()


"""
ADDS = "y = self.net(x)\ny += x\nreturn y"
LISTED = "parts = []\nfor i in range(2):\n    parts.append(conv(n, n, 1))\n    if n > 5:\n        parts.append(nn.BatchNorm2d(n))\n    if i == 0:\n        parts.append(act)\nparts.append({last})\nself.net = nn.Sequential(*parts)"
PASSED = ", conv=make, act=nn.ReLU(True)"
EITHER = "if n > 2:\n    parts = [('a', nn.Conv2d(n, n, 1)), ('b', nn.ReLU(True))]\nelse:\n    parts = [('a', nn.BatchNorm2d(n))]\nparts.append(({name}, nn.Tanh()))\nself.net = nn.Sequential(OrderedDict(parts))"
ROUNDS = "self.parts = nn.ModuleList([nn.Conv2d(n, n, 1), nn.Conv2d(n, n, 1)])"


def with_classes(text: str) -> str:
    """The text below a function and classes that modules are made of."""
    return text.replace(HEAD, f"{HEAD}from torch.nn.utils.parametrizations import weight_norm\n{MAKES}{GROWN}")


SAFE = {
    "one of two layers": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.BatchNorm2d(n) if n > 2 else nn.Identity(), nn.ReLU(True))", "return x + self.net(x)"),
    "one of two shapes": net("self.net = self.make(n, True)\nself.end = self.make(n, False)", "return x + self.end(self.net(x))",
        rest="    @staticmethod\n    def make(n, more):\n        if more:\n            return nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(True))\n        return nn.Sequential(nn.Conv2d(n, n, 1), nn.Tanh())\n"),
    "an activation or none": net("self.act = nn.ReLU(True) if n > 2 else nn.Identity()", "h = self.conv(x)\nh = self.act(h)\nreturn x + h"),
    "what a function makes": net(LISTED.format(last="conv(n, n, 1)"), ADDS, PASSED),
    "a layer behind what is not known": net("self.net = nn.Sequential(part(), nn.BatchNorm2d(n), nn.ReLU(True))", ADDS, ", part=Keep"),
    "a class of the file at the end": net(LISTED.format(last="Plain(n)"), ADDS, PASSED),
    "any number of one class": net("parts = [Plain(n) for _ in range(n)]\nparts.append(make(n, n))\nself.net = nn.Sequential(*parts)", ADDS),
    "one of two classes": net("block = Grown if n > 2 else Plain\nself.net = block(n)", ADDS),
    "one of two classes, a parameter's name": net("block = Grown if block else Plain\nself.net = block(n)", ADDS, ", block=1"),
    "a loop with rounds": net("self.net = Grown(n)", ADDS),
    "a norm by its name": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), norm(n), nn.ReLU(True))", "return x + self.net(x)", ", norm=None").replace(", norm=None", ", norm=nn.BatchNorm2d"),
    "a part of what is new": net("self.net = nn.Sequential(self.conv, Cut(), nn.ReLU(True))", "y = self.net(x)\nreturn y + 1"),
    "weights of another kind": net("self.net = nn.Sequential(weight_norm(nn.Conv2d(n, n, 1)), nn.ReLU(True))", ADDS),
    "names in two branches": net(EITHER.format(name="'c'"), ADDS),
    "the first round by its number": net(ROUNDS, "for i in range(2):\n    if i == 0:\n        y = self.parts[i](x)\n    else:\n        y += self.parts[i](x)\nreturn y"),
    "the first round by what is unset": net(ROUNDS, "y = None\nfor part in self.parts:\n    if y is None:\n        y = part(x)\n    else:\n        y += part(x)\nreturn y"),
    "later rounds": net(ROUNDS, "for i, part in enumerate(self.parts):\n    h = part(x)\n    if i > 0:\n        y += h\n    else:\n        y = h * 1\nreturn y"),
    "asked if it is there": net("self.net = None", "y = self.conv(x)\nif y is not None:\n    y += x\nreturn y"),
    "an operand of no known class": net("self.scale = scale", "y = self.conv(x) / self.scale\ny += x\nreturn y", ", scale=2.0").replace("scale=2.0", "scale=abs(-2)"),
    "strides that softmax forgets": net("self.net = nn.Softmax(1)", "h = self.conv(x)\ny = torch.einsum('abcd,abed->abec', h, h)\ny.masked_fill_(torch.eye(4) > 0, 0.5)\ny = self.net(y)\nreturn y.transpose(1, 2).reshape(2, -1)"),
    "products lie in order": net("self.net = None", "h = self.conv(x)\ny = h @ h.transpose(2, 3)\ny.masked_fill_(y > 0, 0.5)\nreturn y.transpose(1, 2).reshape(2, -1)"),
    "a way that no round takes": net("self.net = None", "h = self.conv(x)\nk = None\nwhile x.sum() > 1e9:\n    if k is None:\n        pass\n    else:\n        h += x\nreturn h"),
    "later rounds alone": net("self.net = None", "h = self.conv(x)\nfor i in range(2):\n    if i == 0:\n        pass\n    else:\n        h += x\nreturn h"),
    "a list of lists": net("self.rows = self.rows_of(n)", "y = self.rows[1][0](x)\nreturn y + self.rows[0][1](x) + x",
        rest="    def rows_of(self, n):\n        rows = []\n        for i in range(2):\n            row = []\n"
             "            row.append(nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(True)))\n            row.append(nn.Sequential(nn.BatchNorm2d(n), nn.ReLU(True)))\n            if i:\n                row.append(None)\n"
             "            rows.append(nn.ModuleList(row))\n        return nn.ModuleList(rows)\n"),
}  # fmt: skip
LEFT = {
    "what is not known at the end": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), part)", ADDS, ", part=Keep()"),
    "in place behind what is not known": net("self.net = nn.Sequential(part, nn.ReLU(True))", "return x + self.net(x)", ", part=Keep()"),
    "an identity for the layer": net(LISTED.format(last="conv(n, n, 1)"), ADDS, PASSED) + "\n\nNet(conv=lambda *_: nn.Identity())\n",
    "a class that hands on for the layer": net(LISTED.format(last="conv(n, n, 1)"), ADDS, PASSED) + "\n\nOTHERS = {'hand': Hand}\nNet(conv=OTHERS.get('hand', make))\n",
    "a loop that may have no rounds": net("self.net = Few(n)", ADDS),
    "one of two classes that hands on": net("block = Grown if n > 2 else Few\nself.net = block(n)", ADDS),
    "a class of another name": net("block = Grown\nfor block in (Grown, block):\n    pass\nself.net = block(n)", ADDS),
    "a parameter before it is bound": net("self.net = block(n)\nblock = Grown", ADDS, ", block=Grown"),
    "a layer or nothing": net("self.net = nn.Sequential(nn.Identity() if n > 2 else nn.Conv2d(n, n, 1), nn.ReLU(True))", "return x + self.net(x)"),
    "one name in two branches and after them": net(EITHER.format(name="'b'"), "h = x * 1\ny = self.net(h)\nreturn y + h"),
    "a second round by its number": net(ROUNDS, "y = x\nfor i in range(2):\n    if i == 1:\n        y = self.parts[i](x)\n    else:\n        y += 1\nreturn y + x"),
    "a round that begins with one": net(ROUNDS, "y = x\nfor i in range(0, 2):\n    if i > 1:\n        y = self.conv(x)\n    else:\n        y += 1\nreturn y + x"),
    "strides that somebody sees": net("self.net = nn.Softmax(1)", "h = self.conv(x)\ny = torch.einsum('abcd,abed->abec', h, h)\ny.masked_fill_(torch.eye(4) > 0, 0.5)\nreturn y.transpose(1, 2).reshape(2, -1)"),
    "strides that a name keeps": net("self.net = nn.Softmax(1)", "h = self.conv(x)\ny = torch.einsum('abcd,abed->abec', h, h)\nfor _ in range(2):\n    z = y.reshape(-1)\n    y.masked_fill_(torch.eye(4) > 0, 0.5)\ny = self.net(y)\nreturn z.sum() + y.transpose(1, 2)"),
    "an operand whose class computes": net("self.scale = scale", "y = self.conv(x) / self.scale\ny += x\nreturn y", ", scale=abs(-2)")
    + "\n\nclass Table:\n    def __rtruediv__(self, x):\n        return x\n",
    "an identity class for the layer": net("self.net = nn.Sequential(conv(n, n, 1), nn.ReLU(True))", "return x + self.net(x)", ", conv=nn.Conv2d") + "\n\nNet(conv=nn.Identity)\n",
    "a function that hands on for the layer": net("self.net = nn.Sequential(conv(n, n, 1), nn.ReLU(True))", "return x + self.net(x)", ", conv=nn.Conv2d") + "\n\nOTHERS = {'hand': hand}\nNet(conv=OTHERS['hand'])\n",
    "identities in rounds": net("parts = []\nfor i in range(2):\n    parts.append(nn.Identity())\nparts.append(nn.ReLU(True))\nself.net = nn.Sequential(*parts)", "return x + self.net(x)"),
    "an identity behind what is not known": net("self.net = nn.Sequential(part, nn.Identity())", "h = self.conv(x)\ny = self.net(h)\ny += 1\nreturn y", ", part=None"),
    "what is not known keeps what it is called with": net("self.net = nn.Sequential(part, nn.BatchNorm2d(n))", "h = self.conv(x)\ny = self.net(h)\nh += 1\nreturn y", ", part=None"),
    "another `range`": net("self.net = None", "y = x\nfor i in range(2):\n    y = self.conv(y)\ny += 1\nreturn y + x") + "\n\ndef range(n):\n    return []\n",
    "names in two branches of a loop": net("parts = []\nfor i in (0, 1):\n    if i == 0:\n        parts.append(('p', nn.Conv2d(n, n, 1)))\n        parts.append(('q', nn.ReLU(True)))\n    else:\n"
        "        parts.append(('p', nn.Identity()))\nself.net = nn.Sequential(OrderedDict(parts))", "return x + self.net(x)"),
    "strides that another name has": net("self.net = nn.Softmax(1)", "h = self.conv(x)\ny = torch.einsum('abcd,abed->abec', h, h)\nz = y.masked_fill_(torch.eye(4) > 0, 0.5)\ny = self.net(y)\nreturn z.transpose(1, 2).reshape(2, -1)"),
    "strides that a call passes on": net("self.net = None", "h = self.conv(x)\ny = torch.einsum('abcd,abed->abec', h, h)\ny.masked_fill_(torch.eye(4) > 0, 0.5)\nz = torch.relu(y)\nreturn z.transpose(1, 2).reshape(2, -1)"),
    "strides that a round asks for": net("self.net = nn.Softmax(1)", "h = self.conv(x)\nz = 0\ny = torch.einsum('abcd,abed->abec', h, h)\nfor _ in range(2):\n    z = z + torch.relu(y).transpose(1, 2).reshape(2, -1).sum()\n    y.masked_fill_(torch.eye(4) > 0, 0.5)\ny = self.net(y)\nreturn y * z"),
    "an operand of any width": net("self.scale = scale", "h = self.conv(x) / self.scale\ny = self.conv(x)\ny += h\nreturn y", ", scale=abs(-2)",
        rest="    def wide(self):\n        return torch.zeros(3, dtype=torch.float64)\n"),
    "a part of what is kept": net("self.cut = CutKeep()\nself.net = nn.Sequential(self.conv, self.cut, nn.ReLU(True))", "y = self.net(x)\nreturn y.sum() + self.cut.last"),
    "in place or not known, at the beginning": net("act = nn.ReLU(True) if n > 2 else other\nself.net = nn.Sequential(act, self.conv)\nself.end = nn.Sequential(self.conv, act)", "return x + self.net(x)", ", other=None"),
    "strides that decide how a sum is rounded": net("self.net = None", "h = self.conv(x)\ny = torch.einsum('abcd,abed->abec', h, h)\ny.masked_fill_(torch.eye(4) > 0, 0.5)\nreturn y.sum(1).reshape(2, -1)"),
    "a class that a text replaces": net("self.net = Plain(n)", ADDS).replace(HEAD, HEAD + "import sys\nme = sys.modules[__name__]\n") + "\n\nsetattr(me, 'Plain', Hand)\n",
    "a part of what others have": net("self.net = nn.Sequential(Cut(), nn.ReLU(True))", "return x + self.net(x).mean()"),
    "a name for the file that is stored into": net("self.net = me.Plain(n)", ADDS).replace(HEAD, HEAD + "import sys\nme = sys.modules[__name__]\nme.Plain = lambda n: (lambda x: x)\n"),
    "a class that a pattern binds": net("block = Plain\nmatch kinds:\n    case {'block': block}:\n        pass\nself.net = block(n)", ADDS, ", kinds={'block': Hand}"),
    "a class that a function replaces": net("block = Plain\nif n > 2:\n    def block(n):\n        return Hand()\nself.net = block(n)", ADDS),
    "a class that another one replaces": net("block = Plain\nif n > 2:\n    class block(Hand):\n        pass\nself.net = block()", ADDS),
    "`range` is bound by a function": net("self.net = None", "y = x\nfor i in range(2):\n    y = self.conv(y)\ny += 1\nreturn y + x") + "\n\ndef none():\n    global range\n    range = lambda n: ()\n",
    "a method that a subclass binds": net("self.parts = self._make(n)", "y = x\nfor part in self.parts:\n    y = part(y)\ny += 1\nreturn y + x",
        rest="    def _make(self, n):\n        return nn.ModuleList([nn.Conv2d(n, n, 1)])\n") + "\n\nclass None_(Net):\n    _make = lambda self, n: nn.ModuleList()\n",
    "an operand of a class without a body": net("self.scale = scale", "h = self.conv(x)\ny = h + self.scale\ny.mul_(2)\nreturn y * h", ", scale=abs(-2)")
    + "\n\nSame = type('Same', (), {'__radd__': lambda self, t: t})\n",
    "an operand whose operator is a lambda": net("self.scale = scale", "h = self.conv(x)\ny = h + self.scale\ny.mul_(2)\nreturn y * h", ", scale=abs(-2)")
    + "\n\nclass Same:\n    __radd__ = lambda self, t: t\n",
    "channels last in a stack": net("self.net = None", "s = self.conv(x)\ny = torch.stack([s, s], 1)\ny.flatten(1).add_(1)\nreturn y * 2"),
}  # fmt: skip


@pytest.mark.parametrize("text", [*map(with_classes, SAFE.values())], ids=SAFE.keys())
def test_all_ways_that_may_be_taken_are_followed(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("text", [*map(with_classes, SAFE.values())], ids=SAFE.keys())
def test_what_is_followed_computes_the_same(text: str) -> None:
    changed = fixed(text, findings(text))
    with cloned():
        before = results(text, "Net")
    assert changed != text and all(map(torch.equal, before, results(changed, "Net")))


@pytest.mark.parametrize("text", [*map(with_classes, LEFT.values())], ids=LEFT.keys())
def test_a_way_that_changes_what_others_see_leaves_it_to_a_run(text: str) -> None:
    found = [one for one in findings(text) if one.site.rule in ("FIP101", "FIP104", "FIP107")]
    safe = [one.outcome.title for one in found if isinstance(one.outcome, Fix) and one.outcome.safe]
    assert len(safe) < len(found), safe


def test_a_name_of_the_file_for_itself_is_seen_through() -> None:
    named = net("self.net = me.Grown(n)", ADDS).replace(HEAD, f"{HEAD}import sys\nme = sys.modules[__name__]\n")
    found = fixes(with_classes(named))
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]
