"""Classes that go through their own parts, and the in-place modules that are called so; see Note [Own parts]."""

from __future__ import annotations

import pytest
from rewriting import fixes

HEAD = """\
import torch
import torch.nn as nn


def both(x):
    return Outer()(x), Net()(x)


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.conv(x))


"""
INIT = "    def __init__(self{}):\n        super().__init__()\n        {}\n\n"
LOOP = "    def forward(self, x):\n        kept = []\n        for {} in {}:\n            {}\n        return kept\n"
CALLS = "x = part(x); kept.append(x)"
NET = "class Net(nn.Module):\n" + INIT.format("", "self.body = nn.Conv2d(3, 3, 1)")


def net(target: str, parts: str, body: str = CALLS, init: str | None = None, given: str = "") -> str:
    head = NET if init is None else "class Net(nn.Module):\n" + INIT.format(given, init)
    return HEAD + head + LOOP.format(target, parts, body)


MADE = "\n\ndef make():\n    return Net([Outer().act])\n"
TAPPED = (
    HEAD.replace("import torch\n", "import torch\nfrom torchvision.models import vgg\nfrom torchvision.models._utils import IntermediateLayerGetter\n")
    + "class Back(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = Outer()\n        self.b = Outer()\n\n"
    "    def forward(self, x):\n        return self.b(self.a(x))\n\n\n"
    "class Net(nn.Module):\n    def __init__(self, back=None):\n        super().__init__()\n        back = back\n        net = {}\n"
    "        self.body = IntermediateLayerGetter(net, {{'a': 'a'}})\n\n    def forward(self, x):\n        return self.body(x)\n"
)  # fmt: skip
BODY = "self.body = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1))"
SAFE = {
    "values": net("part", "self._modules.values()"),
    "children": net("part", "self.children()"),
    "names and parts": net("name, part", "self._modules.items()"),
    "named children": net("name, part", "self.named_children()"),
    "counted": net("i, part", "enumerate(self.children())"),
    "counted with names": net("i, (name, part)", "enumerate(self.named_children())"),
    "beside others": net("y, part", "zip(x, self.children())"),
    "looked at": net("part", "self.children()", "x = part(x) if isinstance(part, nn.Conv2d) else part(x) * 2"),
    "asked for a mark": net("part", "self.children()", "x = part(x)\n            if hasattr(part, 'last') and part.last:\n                kept.append(x)")
    + "\n    def end(self):\n        self.body.last = True\n",
    "a list of parts": net("part", "list(self.children())"),
    "parts of a layer of torch": net("part", "self.body.children()"),
    "parts backwards": net("i, part", "enumerate(reversed(self._modules.values()))"),
    "how many they are": net("part", "self.children()", "x = part(x) / len(self._modules.values())"),
    "handed to a function that was handed in": net("part", "self.children()", "x = self.run(part, x)", "self.run = run", ", run=None"),
    "parts of an attribute": net("part", "self.body._modules.values()", init="self.body = nn.Sequential(nn.Conv2d(3, 3, 1), Outer())"),
    "parts of an attribute that grew": net("part", "self.body.children()", init="self.body = nn.Sequential()\n        for i in range(3):\n"
    "            self.body.add_module(f'b{i}', Outer())\n            i = i"),
    "parts of what other files pass in": net("part", "self.body.children()", init="self.body = body", given=", body").replace("Net()(x)", "x"),
    "a tapped network": TAPPED.format("Back()"),
    "a tapped network of another file": TAPPED.format("vgg()"),
    "a comprehension": HEAD + NET + "    def forward(self, x):\n        return [part(x) for part in self.children()]\n",
    "a Sequential of its own": HEAD + "class Net(nn.Sequential):\n    def forward(self, x):\n        kept = []\n        for part in self._modules.values():\n            x = part(x)\n            kept.append(x)\n        return kept\n",
}  # fmt: skip


@pytest.mark.parametrize("text", SAFE.values(), ids=SAFE.keys())
def test_modules_of_other_classes_are_not_called_so(text: str) -> None:
    (fix,) = fixes(text)
    assert fix.safe, fix.doubts


OWN = "self.body = nn.Conv2d(3, 3, 1); self.relu = nn.ReLU(inplace=True)"
CHILDREN = net("part", "self.children()", init=OWN)
LEFT = {
    "a part of its own": CHILDREN,
    "in a Sequential of its own": net("part", "self.children()", init=BODY),
    "of a class that derives from it": net("part", "self.children()")
    + "\n\nclass Heir(Net):\n" + INIT.format("", "self.relu = nn.ReLU(inplace=True)"),
    "of a class that it derives from": (HEAD + "class Base(nn.Module):\n" + INIT.format("", OWN)
    + "\nclass Net(Base):\n" + LOOP.format("part", "self.children()", CALLS)),
    "of a class that a third one derives from too": (HEAD + "class Base(nn.Module):\n" + INIT.format("", OWN)
    + "\nclass Mixed:\n" + LOOP.format("part", "self.children()", CALLS) + "\n\nclass Net(Base, Mixed):\n    pass\n"),
    "passed in": net("part", "self.children()", init="self.relu = act", given=", act").replace(
        "        return kept\n", "        return kept, self.relu(self.conv(x))\n")
    + "\n\nmade = Net(nn.ReLU(inplace=True))\n",
    "put into it": net("part", "self.children()") + "\n\nmade = Net()\nmade.relu = nn.ReLU(inplace=True)\n",
    "made by a function": net("part", "self.children()", init="self.relu = head()")
    + "\n\ndef head():\n    return nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1))\n",
}  # fmt: skip


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_a_part_of_its_own_is_left_to_a_run(text: str) -> None:
    found = fixes(text)
    inner = [fix for fix in found if any("goes through the parts" in why for why in fix.doubts)]
    assert not all(fix.safe for fix in found) and inner


CONTAINER = (
    HEAD.replace(
        "self.act = nn.ReLU(inplace=True)",
        "self.act = nn.ReLU(inplace=True)\n        self.body = nn.Sequential(self.conv, self.act)",
    ).replace("return self.act(self.conv(x))", "return self.act(self.conv(x)), self.body(x)")
    + "class Net(nn.Sequential):\n"
    + LOOP.format("part", "self.children()", CALLS)
)
UNSEEN = {
    "a sum of containers": CONTAINER + "\n\ndef put(outer):\n    net = Net()\n    net += outer.body\n    return net\n",
    "parts one by one": CONTAINER + "\n\ndef put(outer):\n    return Net(*outer.body)\n",
    "parts that it takes": CONTAINER + "\n\ndef put(outer):\n    return Net().extend(outer.body)\n",
    "a method by the class of an object": net("part", "self.children()") + "\n\ndef run(x):\n    return Net().__class__.forward(Outer(), x)\n",
    "a method by its type": net("part", "self.children()") + "\n\ndef run(x):\n    return type(Net()).forward(Outer(), x)\n",
}  # fmt: skip


@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN.keys())
def test_what_may_get_into_it_unseen_is_left_to_a_run(text: str) -> None:
    assert not any(fix.safe for fix in fixes(text))


GIVEN_AWAY = {
    "parts of another": net("part", "self.body.children()", init="self.body = wrap(Outer())"),
    "all modules": net("part", "self.modules()"),
    "parts of its parts": net("part", "self.children()", "x = part[0](x); kept.append(x)"),
    "a part that is handed on": net("part", "self.children()", "kept.append(part)"),
    "sorted parts": net("part", "sorted(self.children())"),
    "parts of a module of the file": net("part", "self.body._modules.values()", init="self.body = Outer()"),
    "parts of a list that is passed in": net("part", "self.body.children()", init="self.body = nn.Sequential(*parts)", given=", parts") + MADE,
    "parts of what is passed in": net("part", "self.body.children()", init="self.body = body", given=", body") + "\n\ndef make():\n    return Net(Outer())\n",
    "parts of what is bound from outside": net("part", "self.body.children()") + "\n\ndef make(net):\n    net.body = Outer()\n    return net\n",
    "parts of what another class is given": net("part", "self.body.children()", init="self.body = body", given=", body")
    + "\n\nclass Heir(Net):\n    pass\n\n\ndef make():\n    return Heir(Outer())\n",
    "parts that grow": net("part", "self.body.children()", init="self.body = nn.Sequential()\n        self.body.add_module('a', Outer().act)"),
    "a tapped network of the file": TAPPED.format("Outer()"),
    "a tapped network that is passed in": TAPPED.format("back"),
    "a tapped Sequential": TAPPED.format("nn.Sequential(Outer().conv, Outer().act)"),
    "a tapped network of a function": TAPPED.format("make()"),
    "a tapped network with others": TAPPED.format("vgg(Outer())"),
    "a container that a function lets grow": net("part", "self.body.children()") + "\n\ndef grow(parts):\n    parts.append(Outer().act)\n    return parts\n\n\ndef make(net):\n    return grow(net.body)\n",
    "a container under another name": net("part", "self.body.children()") + "\n    def grow(self):\n        self.net = self.body\n        self.net.add_module('a', Outer().act)\n",
    "a method of a container": net("part", "self.body.children()") + "\n\ndef make(net):\n    add = net.body.add_module\n    add('a', Outer().act)\n    return net\n",
    "a tapped copy": TAPPED.format("vgg.copy(back)"),
    "a tapped network by its name": TAPPED.format("vgg.make('Outer')"),
    "a tap in a partial": TAPPED.format("Back()") + "\n\ndef tap(net):\n    return partial(IntermediateLayerGetter, layers={'a': 'a'})(Outer())\n",
    "a tap by another name": TAPPED.format("Back()") + "\n\ntap = IntermediateLayerGetter\n",
    "a method that others borrow": net("part", "self.children()") + "\n\ndef run(x):\n    return Net.forward(Outer(), x)\n",
    "a method that something wraps": net("part", "self.children()").replace("    def forward(self, x)", "    @wraps_it\n    def forward(self, x)"),
    "what another is made to be": net("part", "self.children()").replace("kept = []", "self, kept = self.body, []"),
    "a static method": net("part", "self.children()").replace("    def forward(self, x)", "    @staticmethod\n    def forward(self, x)"),
    "a method of its own for parts": net("part", "self.children()") + "\n    def children(self):\n        return Outer().modules()\n",
    "a name that lives on": net("part", "self.children()").replace("kept = []", "global part\n        kept = []"),
    "a starred target": net("*names, part", "self.named_children()"),
}  # fmt: skip


@pytest.mark.parametrize("text", GIVEN_AWAY.values(), ids=GIVEN_AWAY.keys())
def test_parts_that_are_not_followed_leave_all_to_a_run(text: str) -> None:
    assert not any(fix.safe for fix in fixes(text))


def test_the_in_place_part_of_an_attribute_is_called_so() -> None:
    text = net("part", "self.body.children()", init="self.body = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(True))")
    assert sum(fix.safe for fix in fixes(text)) == 1
