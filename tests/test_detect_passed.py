"""Layers whose class is passed in: what is assumed of others' classes holds only where the file itself passes no other."""

from __future__ import annotations

import pytest
from rewriting import fixes

LAYER = """\
import torch
import torch.nn as nn
from torch.nn import Conv1d, Identity as Skip

LOG = []


class Block(nn.Module):
    def __init__(self, n, conv=nn.Conv1d):
        super().__init__()
        self.body = nn.Sequential(conv(n, n, 1), nn.ReLU(inplace=True))

    def forward(self, x):
        return self.body(x)


"""
NORM = LAYER.replace("conv=nn.Conv1d", "norm=nn.BatchNorm1d").replace(
    "conv(n, n, 1)", "nn.Conv1d(n, n, 1), norm(n)"
)  # fmt: skip
KEEPING = "class Keep(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n{init}\n    def forward(self, x):\n{body}\n\n\n"


RUN = "def main():\n    return "


def keeping(body: str, init: str = "pass", passed: str = "Block(3, Keep)", before: str = "") -> str:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return NORM + before + KEEPING.format(body=lines, init=f"        {init}") + RUN + passed + "\n"


CASES = "from cases import Base\nCASES = [(Skip, 1)]\n\n\n"
READ = {
    "by what the file defines": "class Test(Base):\n    def check(self, kind, n):\n        return Block(3, kind)\n    def test_first(self):\n        self.check(*CASES[0])\n",
    "by what the file binds": "class Test(Base):\n    check = Block\n    def test_first(self):\n        self.check(3, CASES[0][0])\n",
    "by what an attribute holds": "class Test(Base):\n    def test_first(self):\n        self.check = Block\n        self.check(3, CASES[0][0])\n",
    "by a class inside": "class Test(Base):\n    class check:\n        def __init__(self, kind, n):\n            Block(3, kind)\n    def test_first(self):\n        self.check(*CASES[0])\n",
    "by what gives something back": "class Test(Base):\n    def test_first(self):\n        kind = self.check(*CASES[0])\n        Block(3, kind)\n",
    "by a function": "def check(kind, n):\n    Block(3, kind)\nclass Test(Base):\n    def test_first(self):\n        check(*CASES[0])\n",
    "as well by the file": "class Test(Base):\n    def test_first(self):\n        self.check(*CASES[0])\nnet = Block(3, CASES[0][0])\n",
}
SAFE = {
    "nothing is passed": LAYER,
    "another convolution": LAYER + "def main():\n    return Block(3, nn.ConvTranspose1d)\n",
    "a function that makes a convolution": LAYER + "def make(i, o, k):\n    return nn.Conv1d(i, o, k)\n\n\ndef main():\n    return Block(3, make)\n",
    "a lambda that makes a convolution": LAYER + "def main(build):\n    return build(lambda i, o, k: Conv1d(i, o, k))\n",
    "a lambda that computes": LAYER + "area = lambda w, h: w * h\nprint(map(area, [1], [2]))\n",
    "a lambda that filters": LAYER + "def params(net):\n    return filter(lambda p: p.requires_grad, net.parameters())\n",
    "a lambda for a place to load to": LAYER + "def load(path):\n    return torch.load(path, map_location=lambda storage, loc: storage)\n",
    "a lambda that sorts": LAYER + "def order(batch):\n    return sorted(batch, key=lambda one: one[0].size(1), reverse=True)\n",
    "a lambda with a builtin": LAYER + "def numbers(words):\n    return map(lambda w: int(w), words)\n",
    "a lambda that chooses": LAYER + "def chosen(names):\n    return filter(lambda n: 'weight' in n[0] and 'bn' not in n[0], names)\n",
    "a lambda that gives a tensor": LAYER + "def main(build):\n    return build(lambda x: torch.gt(LOG[0], 0.5).float())\n",
    "a class of recurrent networks": LAYER + "RNNS = {'lstm': nn.LSTM, 'gru': nn.GRU}\nprint(RNNS)\n",
    "a method that returns no module": LAYER
    + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.apply(self.fill)\n    def fill(self, m):\n        nn.init.ones_(m.weight)\n",
    "an identity that is asked for": LAYER + "def is_idle(m):\n    return isinstance(m, Skip) or type(m) is nn.Flatten\n",
    "an identity in a table that nothing reads": LAYER + "CASES = [(Skip, 1)]\n",
    "an identity in a table for a test of another file": LAYER + CASES + "class Test(Base):\n    def test_first(self):\n        self.check(*CASES[0])\n",
    "a norm of the file": keeping("return x * 2"),
    "a norm that hands on": keeping("return x"),
    "a norm that notes sizes": keeping("LOG.append(x.shape)\nreturn x * 2"),
    "a class that keeps and is not passed": keeping("LOG.append(x)\nreturn x", passed="Keep(3)"),
}  # fmt: skip
LEFT = {
    **{f"a table that is read {how}": LAYER + CASES + code for how, code in READ.items()},
    "an identity under another name": LAYER + "def main():\n    return Block(3, Skip)\n",
    "an identity that is looked up": LAYER + "def main():\n    return Block(3, getattr(nn, 'Iden' + 'tity'))\n",
    "an idle layer by position": LAYER + "def main():\n    return Block(1, nn.Flatten)\n",
    "an idle layer by name": LAYER + "def main():\n    return Block(3, conv=nn.Dropout)\n",
    "an idle layer in a table": LAYER + "KINDS = {'conv': nn.Conv1d, 'none': nn.Flatten}\ndef main():\n    return [Block(3, each) for each in KINDS.values()]\n",
    "a lambda that makes nothing": LAYER + "class Options:\n    conv = lambda *a: nn.Flatten(1)\n\n\ndef main():\n    return Block(3, Options.conv)\n",
    "a lambda that shares one": LAYER + "one = nn.Flatten()\ndef main(build):\n    return build(lambda *a: one)\n",
    "a lambda that asks for one": LAYER + "def main(build):\n    return build(lambda *a: getattr(nn, LOG[0]))\n",
    "a lambda that makes one or the other": LAYER + "def main(build):\n    return build(lambda *a: LOG or nn.Flatten())\n",
    "a lambda that calls what is not known": LAYER + "def main(build):\n    return build(lambda *a: LOG[0](1))\n",
    "a lambda that takes one out": LAYER + "def main(build):\n    return build(lambda *a: LOG.copy().pop())\n",
    "a lambda that takes the next": LAYER + "def main(build):\n    return build(lambda *a: next(LOG))\n",
    "a lambda with a builtin that is none": LAYER + "int = LOG\ndef main(build):\n    return build(lambda *a: int(1))\n",
    "a method that makes nothing": LAYER + "class Maker:\n    def skip(self, *a):\n        return nn.Sequential()\n\n\ndef main():\n    return Block(3, Maker().skip)\n",
    "a static method": LAYER + "class Maker:\n    @staticmethod\n    def skip(*a):\n        return nn.Flatten(1)\n\n\ndef main():\n    return Block(3, conv=Maker.skip)\n",
    "a class of an inner scope": NORM + "def run():\n    class Keep(nn.Module):\n        def __init__(self, n):\n            super().__init__()\n"
    "        def forward(self, x):\n            LOG.append(x)\n            return x\n    return Block(3, Keep)\n",
    "an argument is kept and handed on": keeping("LOG.append(x)\nreturn x"),
    "a result is put into a list": keeping("y = x * 2\nLOG.append(y)\nreturn y"),
    "a view of a result is kept": keeping("y = x * 2\nLOG.append(y[0])\nreturn y"),
    "a result is stored": keeping("y = x * 2\nLOG[0] = y\nreturn y"),
    "a list grows by another name": keeping("y = x * 2\nkept = LOG\nkept += [y]\nreturn y"),
    "a lambda keeps a result": keeping("y = x * 2\nLOG.append(lambda: y)\nreturn y"),
    "a method of a list is an attribute": keeping("y = x * 2\nself.add(y)\nreturn y", "self.add = LOG.append"),
    "a function puts it away": keeping("y = x * 2\nnote(y)\nreturn y", before="def note(y):\n    LOG.append(y)\n\n\n"),
    "a class that keeps, behind a lambda": keeping("y = x * 2\nLOG.append(y)\nreturn y", passed="build(Block, lambda n: Keep(n))"),
    "a class that keeps, in a table": keeping("y = x * 2\nLOG.append(y)\nreturn y", passed="Block(3, [Keep][0])"),
    "a class whose heir keeps": keeping("return x * 2", passed="1\n\n\nclass More(Keep):\n    def forward(self, x):\n        y = x * 2\n        LOG.append(y)\n        return y\n\n\ndef run():\n    return Block(3, Keep)"),
}  # fmt: skip


@pytest.mark.parametrize("text", SAFE.values(), ids=SAFE.keys())
def test_layers_of_classes_that_others_pass_are_assumed_to_compute(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_what_the_file_itself_passes_takes_the_assumption_away(text: str) -> None:
    found = fixes(text)
    assert found and not any(fix.safe for fix in found), [fix.title for fix in found]


NAMED = LAYER.replace("conv=nn.Conv1d", "{name}").replace("conv(n, n, 1)", "{name}({given})")
BY_NAME = {
    "a convolution": ("conv", "n, n, 1", True),
    "of a kind": ("conv_layer", "n, n, kernel_size=1", True),
    "of so many dimensions": ("conv2d", "n, n, 1", True),
    "a convolution with a default": ("default_conv", "n, n, 1", False),
    "without channels": ("conv", "n", False),
    "a block": ("block", "n, n, 1", False),
    "what converts": ("convert", "n, n, 1", False),
}


@pytest.mark.parametrize(("name", "given", "safe"), BY_NAME.values(), ids=BY_NAME.keys())
def test_a_convolution_that_is_passed_in_is_told_by_its_name(name: str, given: str, safe: bool) -> None:
    assert [fix.safe for fix in fixes(NAMED.format(name=name, given=given))] == [safe]


def test_a_class_of_the_file_that_keeps_takes_the_assumption_away() -> None:
    text = NAMED.format(name="conv", given="n, n, 1") + KEEPING.format(
        body="        LOG.append(x)\n        return x", init="        pass"
    )
    assert [fix.safe for fix in fixes(text + RUN + "Block(3, Keep)\n")] == [False]
