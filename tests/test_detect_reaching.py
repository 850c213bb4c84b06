"""Parts of modules that are reached without their names: seen is harmless, called or kept is not."""

from __future__ import annotations

import pytest
from rewriting import fixes

CODE = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.act = None\n"
    "        self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True))\n"
    "    def forward(self, x):\n        return self.body(x)\n"
)
BOTH = "def both():\n    return Net, Keep, keep, look\n"


def loop(body: str, after: str = "return model") -> str:
    return f"def look(model, x):\n    for m in model.modules():\n        {body}\n    {after}"


CALLED = {
    "called": loop("x = m(x)"),
    "by its own name": loop("x = m.__call__(x)"),
    "by its inner name": loop("x = m._call_impl(x)"),
    "kept": loop("x.append(m)"),
    "kept by eval": loop("x.append(m.eval())"),
    "called after to": loop("x = m.to('cpu')(x)"),
    "after the loop": loop("if x: break", "return m(x)"),
    "after the loop, with its name": "def look(model, x):\n    for n, m in model.named_modules():\n        if n == x: break\n    return m(x)",
    "an attribute as target": "def look(self, model, x):\n    for self.m in model.modules():\n        pass\n    return self.m(x)",
    "a part of it": loop("x = m.act(x)"),
    "a part of it, bound": loop("f = m.act"),
    "a part that is set by a loop": loop("for m.act in x: pass"),
    "kept by apply": "def look(model, x):\n    model.apply(x.append)",
    "kept by a method": "class Keep:\n    def one(self, m):\n        self.kept = m\n    def all(self, net):\n        net.apply(self.one)",
    "kept by a function": "KEPT = []\ndef keep(m):\n    KEPT.append(m)\ndef look(model):\n    model.apply(keep)",
    "kept by a lambda": "def look(model, x):\n    model.apply(lambda m: x.append(m))",
    "by a path": "from functools import reduce\ndef look(model, path):\n    return reduce(getattr, path.split('.'), model)",
    "by a getter": "import operator\ndef look(model, x):\n    return operator.attrgetter('body.1')(model)(x)",
}  # fmt: skip
SEEN = {
    "its class": loop("print(type(m), isinstance(m, nn.ReLU))"),
    "its weight": loop("if isinstance(m, nn.Linear): nn.init.zeros_(m.weight)"),
    "its mode": loop("m.eval()"),
    "a flag": loop("m.p = 0.1"),
    "initialised by apply": "def init(m):\n    if isinstance(m, nn.Linear):\n        nn.init.zeros_(m.weight)\n"
    "def look(model):\n    model.apply(init)",
    "initialised by a method": "class Base(nn.Module):\n    def _init(self, m):\n        if isinstance(m, nn.Linear):\n"
    "            m.bias.data.zero_()\n    def start(self):\n        self.apply(self._init)",
    "another kind of apply": "class Twice(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n"
    "        return x * 2\ndef look(x):\n    return Twice.apply(x)",
    "an attribute by a text": "def look(model):\n    return getattr(model, 'training')",
}  # fmt: skip


@pytest.mark.parametrize("more", CALLED.values(), ids=CALLED.keys())
def test_what_may_call_or_keep_a_part_leaves_its_flag_to_a_run(more: str) -> None:
    assert not any(fix.safe for fix in fixes(f"{CODE}\n{more}\n{BOTH}"))


@pytest.mark.parametrize("more", SEEN.values(), ids=SEEN.keys())
def test_what_only_looks_at_parts_leaves_their_flags_safe(more: str) -> None:
    found = fixes(f"{CODE}\n{more}\n{BOTH}")
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


REPLACED = {
    "by its number": "self.add_module('0', nn.Identity())",
    "by any name": "self.add_module(name, nn.Identity())",
    "by the same name": "self.add_module('a', nn.Linear(4, 4)); self.add_module('a', nn.Identity())",
}
ADDED = {
    "by a name": "self.add_module('more', nn.Linear(4, 4))",
    "by numbered names": "[self.add_module(f'more{i}', nn.Linear(4, 4)) for i in range(3)]",
}
BLOCK = (
    "class Block(nn.Sequential):\n    def __init__(self, name):\n"
    "        super().__init__(nn.Linear(4, 4), nn.ReLU(inplace=True))\n        {}\n"
)


@pytest.mark.parametrize("line", REPLACED.values(), ids=REPLACED.keys())
def test_a_part_that_may_be_replaced_stands_nowhere(line: str) -> None:
    assert not any(fix.safe for fix in fixes(BLOCK.format(line)))


@pytest.mark.parametrize("line", ADDED.values(), ids=ADDED.keys())
def test_parts_that_are_added_behind_leave_it_safe(line: str) -> None:
    found = fixes(BLOCK.format(line))
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]
