"""Functions that make one `Sequential` of several, classes that a test has told, and owners of which nothing is known."""

from __future__ import annotations

import pytest
from rewriting import fixes
from test_detect_large_files import HEAD, safe

FLAT = """\
def sequential(*args):
    if len(args) == 1:
        if isinstance(args[0], dict):
            raise NotImplementedError("no dicts")
        return args[0]
    modules = []
    for module in args:
        if isinstance(module, nn.Sequential):
            for submodule in module.children():
                modules.append(submodule)
        elif isinstance(module, nn.Module):
            modules.append(module)
    return nn.Sequential(*modules)


class Block(nn.Module):
    def __init__(self, n, norm):
        super().__init__()
        self.body = {body}

    def forward(self, x):
        y = {call}
        return y + {use}
"""


def block(body: str, call: str = "self.body(x)", use: str = "1") -> str:
    return FLAT.format(body=body, call=call, use=use)


FLATTENED = {
    "behind a layer": block("sequential(nn.Linear(n, n), nn.ReLU(inplace=True))", use="x"),
    "behind what may be none": block("sequential(nn.Linear(n, n), None, nn.ReLU(inplace=True))", use="x"),
    "in another one": block(
        "sequential(nn.Sequential(nn.Linear(n, n), nn.ReLU(inplace=True)), nn.Linear(n, n))", use="x"
    ),
    "of one": block("sequential(nn.Sequential(nn.Linear(n, n), nn.ReLU(inplace=True)))", use="x"),
}
NOT_FIRST = {
    "the first of all": block("sequential(nn.ReLU(inplace=True), nn.Linear(n, n))", use="x"),
    "by its place": block(
        "sequential(nn.Sequential(nn.Linear(n, n), nn.ReLU(inplace=True)), norm(n))", "self.body[1](x)", "x"
    ),
    "alone": block("sequential(nn.ReLU(inplace=True))", use="x"),
}


@pytest.mark.parametrize("code", FLATTENED.values(), ids=FLATTENED.keys())
def test_a_sequence_of_several_is_one(code: str) -> None:
    assert safe(code)


@pytest.mark.parametrize("code", NOT_FIRST.values(), ids=NOT_FIRST.keys())
def test_the_first_of_a_sequence_of_several_writes_what_it_is_called_with(code: str) -> None:
    found = fixes(HEAD + code)
    alone = [fix for fix in found if fix.safe and all("ReLU()" in edit.text for edit in fix.edits)]
    assert len(alone) == 1  # that of `Net`


OTHER = FLAT[: FLAT.index("class Block")]
CHANGED = {
    "over something else": ("    for module in args:", "    for module in KEPT:"),
    "of something else": ("nn.Sequential(*modules)", "nn.Sequential(*args)"),
    "kept elsewhere": ("                modules.append(submodule)", "                KEPT.append(submodule)"),
    "the last alone": ("nn.Sequential(*modules)", "nn.Sequential(modules[-1])"),
    "in another order": ("            modules.append(module)", "            modules.insert(0, module)"),
    "of another class": ("nn.Sequential(*modules)", "nn.ModuleList(modules)"),
    "parts of something else": ("module.children()", "args[0].children()"),
}


@pytest.mark.parametrize(("old", "new"), CHANGED.values(), ids=CHANGED.keys())
def test_a_function_that_does_more_goes_through_parts(old: str, new: str) -> None:
    code = "KEPT = []\n" + OTHER.replace(old, new) + "\ndef both():\n    return sequential(Net(), nn.Linear(4, 4))\n"
    assert OTHER.count(old) == 1
    assert not safe(code)
    assert safe("KEPT = []\n" + OTHER + "\ndef both():\n    return sequential(Net(), nn.Linear(4, 4))\n")


WALK = "def walk(net, x):\n    for m in net.modules():\n        {code}\n    return x\ndef both():\n    return walk(Net(), 1)\n"
KINDS = {
    "a layer": ("if isinstance(m, nn.Conv2d):\n            x = m(x)", True),
    "one of several layers": ("if x and isinstance(m, (nn.Conv2d, nn.Linear)):\n            x = m(x)", True),
    "an own class": ("if isinstance(m, Net):\n            x = m(x)", True),
    "any module": ("if isinstance(m, nn.Module):\n            x = m(x)", False),
    "an in-place layer": ("if isinstance(m, nn.ReLU):\n            x = m(x)", False),
    "a layer, or another": ("if isinstance(m, (nn.Conv2d, nn.ReLU)):\n            x = m(x)", False),
    "no layer": ("if not isinstance(m, nn.Conv2d):\n            x = m(x)", False),
    "otherwise": ("if isinstance(m, nn.Conv2d):\n            pass\n        else:\n            x = m(x)", False),
    "bound again": ("if isinstance(m, nn.Conv2d):\n            m = net.relu\n            x = m(x)", False),
    "in a list": ("x = [l for l in net.modules() if isinstance(l, nn.Linear)]", True),
    "any in a list": ("x = [l for l in net.modules() if l is not x]", False),
}


@pytest.mark.parametrize(("code", "known"), KINDS.values(), ids=KINDS.keys())
def test_what_a_test_has_told_is_no_in_place_layer(code: str, known: bool) -> None:
    assert safe(WALK.format(code=code)) is known


VISITS = {
    "what a function makes": ("def filler(kind):\n    def fill(m):\n        if kind:\n            nn.init.zeros_(m.weight)\n"
                              "    return fill\ndef both():\n    return Net().apply(filler(1))\n", True),
    "that keeps": ("KEPT = []\ndef filler(kind):\n    def fill(m):\n        KEPT.append(m)\n    return fill\n"
                   "def both():\n    return Net().apply(filler(1))\n", False),
    "the rest of it": ("from functools import partial\ndef widen(m, by):\n    m.width = by // 2\n"
                       "def both():\n    return Net().apply(partial(widen, by=2))\n", True),
    "that keeps the rest": ("from functools import partial\nKEPT = []\ndef widen(m, by):\n    KEPT.append(m)\n"
                            "def both():\n    return Net().apply(partial(widen, by=2))\n", False),
    "by the name of an argument": ("def fill(m):\n    nn.init.zeros_(m.weight)\ndef both(fill=fill):\n"
                                   "    return Net().apply(fill)\n", False),
    "beside an argument of that name": ("def fill(m):\n    nn.init.zeros_(m.weight)\nclass Other:\n"
                                        "    def __init__(self, fill=True):\n        self.on = fill\n"
                                        "def both():\n    return Net().apply(fill)\n", True),
    "the names of its parts": ("def show(net):\n    for n, m in net.named_children():\n        print('part ' + n, m.weight)\n"
                               "def both():\n    return show(Net())\n", True),
    "beside a method of that name": ("KEPT = []\ndef fill(m):\n    nn.init.zeros_(m.weight)\nclass Other:\n"
                                     "    def fill(self, m):\n        KEPT.append(m)\ndef both():\n    return Net().apply(fill)\n",
                                     True),
    "its names": ("class Heir(Net):\n    def show(self):\n        for name in self._modules:\n            print(name)\n", True),
    "its parts' parts": ("class Heir(Net):\n    def show(self):\n        for name in self._modules:\n"
                         "            for m in self._modules[name]:\n                print(m.weight)\n", True),
    "its parts' parts, called": ("class Heir(Net):\n    def show(self, x):\n        for name in self._modules:\n"
                                 "            for m in self._modules[name]:\n                x = m(x)\n        return x\n", False),
}  # fmt: skip


@pytest.mark.parametrize(("code", "known"), VISITS.values(), ids=VISITS.keys())
def test_who_only_visits_parts(code: str, known: bool) -> None:
    assert safe(code) is known


BOTH = "def both():\n    return Outer(), Net()\n"
OWNER = """\
class Outer(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = {made}

    def forward(self, x):
        y = self.net.relu(x)
        return y + x


"""
OWNERS = {
    "a library's": ("make(1)", "", True),
    "a library's, of a part": ("make(self.fc)", "def both():\n    return Outer(1), Net\n", False),
    "from a file": ("torch.load('net.pt')", "", False),
}


@pytest.mark.parametrize(("made", "after", "known"), OWNERS.values(), ids=OWNERS.keys())
def test_a_part_of_an_unknown_owner_is_one_of_the_classes_around(made: str, after: str, known: bool) -> None:
    assert safe(OWNER.format(made=made) + after) is known


def test_a_part_of_what_is_handed_in_is_of_a_class_that_something_leads_to_as_well() -> None:
    for made, given in (("net", "Net()"), ("net[0]", "[Net()]"), ("net.body", "wrap(Net())")):
        assert safe(OWNER.format(made=made))
        assert not safe(OWNER.format(made=made) + f"def both():\n    return Outer({given})\n")


def test_a_part_of_what_nothing_here_binds_may_be_of_any_class() -> None:
    heir = "class Outer(make.Base):\n    def forward(self, x):\n        y = self.net.relu(x)\n        return y + x\n"
    assert safe(heir) and not safe(heir + BOTH)


def test_a_function_within_may_speak_of_what_the_one_around_is_handed() -> None:
    code = "def build({given}):\n    {made}\n    def run(x):\n        y = net.relu(x)\n        return y + x\n    return run\n"
    assert not safe(code.format(given="net", made="pass") + "def both():\n    return build(Net())\n")
    assert safe(code.format(given="n", made="net = models.resnet18()").replace("def run(x):", "def run(x, net=1):"))


def test_a_method_that_takes_nothing_is_a_part_where_it_is_given_something() -> None:
    small = "import torch\nimport torch.nn as nn\n" + HEAD[HEAD.index("class Net") : HEAD.index("class Tap")]
    both = "def both(x):\n    return run(Net(), x)\n"
    assert not safe("def run(net, x):\n    y = net.relu(x)\n    return y + x\n" + both, small)
    assert not safe("def run(net, x):\n    y = net.relu(input=x)\n    return y + x\n" + both, small)
    assert safe("def run(h, x):\n    y = h.relu()\n    return y + x\n", small)


def test_a_call_is_not_written_once_more() -> None:
    text = "import torch\nimport torch.nn as nn\ndef build(n):\n    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(n, n))\n"
    again = "def main(h):\n    h = h * 1\n    body = build(4)\n    y = body(h)\n    return y + h\n"
    once = "def main(h):\n    h = h * 1\n    y = build(4)(h)\n    return y + h\n"
    assert [edit.text for fix in fixes(text + again) for edit in fix.edits][1:]
    assert not any("build" in edit.text for fix in fixes(text + once) for edit in fix.edits)
