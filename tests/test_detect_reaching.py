"""Parts of modules that are reached without their names: seen is harmless, called or kept is not."""

from __future__ import annotations

import pytest
from rewriting import brought_together, fixes

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
    "a part of it, kept": loop("x.append(m.act)"),
    "a part of it, in a list": "def look(model):\n    return [m.act for m in model.modules()]",
    "a part of it, handed on": loop("run(m.act, x)"),
    "a part of its class": loop("x = m.shared(x)") + "\nclass Keep(nn.Module):\n    shared = nn.Identity()",
    "kept by a keyword": "def look(model, x):\n    model.apply(fn=x.append)",
    "kept from a constant": "MODEL = Net()\nKEPT = []\ndef look():\n    MODEL.apply(KEPT.append)",
    "by a bound method": "def look(model, x):\n    walk = model.modules\n    for m in walk():\n        x = m(x)\n    return x",
    "by a method that is handed on": "def look(model, x):\n    return list(map(nn.Module.children, [model]))[0](x)",
    "a name of the module": "def look(model):\n    global m\n    for m in model.modules():\n        pass\n"
    "def keep(x):\n    return m(x)",
    "kept by another name": "def look(model, x):\n    keep = x.append\n    model.apply(keep)",
    "kept by what is handed in": "def look(model, f):\n    model.apply(f)",
    "kept by a decorated helper": "KEPT = []\ndef remember(f):\n    def g(m):\n        KEPT.append(m)\n        return f(m)\n"
    "    return g\n@remember\ndef keep(m):\n    print(type(m))\ndef look(model):\n    for m in model.modules():\n"
    "        keep(m)",
    "kept by a helper": loop("keep(m, x)") + "\ndef keep(m, x):\n    x.append(m)",
    "returned by a helper": loop("x = same(m)(x)") + "\ndef same(m):\n    return m",
    "by a pattern": "def look(model, x):\n    match model:\n        case Net(act=a):\n            return a(x)",
    "by a method of its class": "def look(model, x):\n    return nn.Module.__getattr__(model, 'act')(x)",
    "replaced by a loop": "def look(model, x):\n    for model.body in (nn.Identity(),):\n        pass\n    return model(x)",
    "replaced by a with": "def look(model, x, c):\n    with c as model.body[0]:\n        return model(x)",
    "replaced by a comprehension": "def look(model, x):\n    return [model(x) for model.body in (nn.Identity(),)]",
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
    "looked at by a method": "class Base(nn.Module):\n    def start(self):\n        for m in self.modules():\n"
    "            if isinstance(m, nn.Linear):\n                self._fill(m)\n    def _fill(self, m):\n"
    "        nn.init.zeros_(m.weight)",
    "initialised by another file": "from tools import init\ndef look(model):\n    model.apply(init)",
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


LAMBDA = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.lin = nn.Linear(4, 4)\n"
    "        self.act = nn.ReLU(inplace=True)\n        self.table = dict()\n"
    "    def forward(self, x):\n        h = self.act(self.lin(x))\n        {}\n        return h\n"
)
LATER = {
    "a lambda": "self.f = lambda t: self.act(t)",
    "a lambda in a list": "self.fs = [lambda t: self.act(t)]",
    "a lambda that is called": "f = lambda t: F.dropout(self.act(t), 0.0)\n        return f(x)",
    "a lambda for a library": "list(map(lambda t: self.act(t), [x]))",
    "a lambda that is given the module": "self.table['act'] = lambda net, t: net.act(t)",
    "a function that is given the module": "return x\ndef run(net, t):\n    u = t * 2\n    return net.act(u), u\ndef f():\n        pass",
    "a part of an object": "return x\ndef run(net, t):\n    u, act = t * 2, net.act\n    return act(u), u\ndef f():\n        pass",
    "a call by keyword": "return x\ndef run(net, t):\n    u = t * 2\n    return net.act(input=u), u\ndef f():\n        pass",
    "a call with a bundle": "return x\ndef run(net, t):\n    u = t * 2\n    return net.act(*[u]), u\ndef f():\n        pass",
    "a lambda as a default": "return x\ndef run(net, t, pick=lambda n: [n.act]):\n    return pick(net)[0](t)\n"
    "def f():\n        pass",
    "a lambda that replaces": "self.f = lambda n, m: setattr(self, n, m)",
}


@pytest.mark.parametrize("line", LATER.values(), ids=LATER.keys())
def test_what_calls_a_module_later_leaves_its_flag_to_a_run(line: str) -> None:
    assert any(fix.safe for fix in fixes(LAMBDA.format("pass")))
    assert not any(fix.safe for fix in fixes(brought_together(LAMBDA.format(line))))


@pytest.mark.parametrize(
    "line", ("f = lambda t: t * 2", "f = lambda t: self.lin(t)", "return sorted([h], key=lambda t: t.sum())")
)
def test_other_lambdas_leave_it_safe(line: str) -> None:
    assert all(fix.safe for fix in fixes(LAMBDA.format(line)))


def test_a_module_that_a_lambda_makes_is_found() -> None:
    (found,) = fixes("TABLE = {'relu': lambda: nn.ReLU(inplace=True)}\n")
    assert not found.safe and found.title == "rewrite as `TABLE = {'relu': lambda: nn.ReLU()}`"


REPLACED = {
    "by its number": "self.add_module('0', nn.Identity())",
    "by any name": "self.add_module(name, nn.Identity())",
    "by the same name": "self.add_module('a', nn.Linear(4, 4)); self.add_module('a', nn.Identity())",
}
NAMED = (
    "class Block(nn.Module):\n    def __init__(self, name):\n        super().__init__()\n"
    "        self.body = nn.Sequential(OrderedDict([('proj', nn.Linear(4, 4)), ('act', nn.ReLU(inplace=True))]))\n"
    "        for i in range(2):\n            self.body.add_module({}, nn.Linear(4, 4))\n    def forward(self, x):\n"
    "        return self.body(x)\n"
)


@pytest.mark.parametrize(
    ("name", "safe"), (("'more%d' % i", True), ("'proj'", False), ("'p%s' % name", False), ("name", False))
)
def test_a_part_that_is_added_may_take_the_place_of_one_with_its_name(name: str, safe: bool) -> None:
    found = fixes("from collections import OrderedDict\n" + NAMED.format(name))
    assert found and all(fix.safe for fix in found) is safe, [fix.doubts for fix in found]


@pytest.mark.parametrize(("line", "safe"), (
    ("setattr(self, name, nn.LayerNorm(4))", True), ("setattr(self, name, nn.Identity())", False),
    ("setattr(self, name, flag)", False), ("setattr(other, name, nn.Linear(4, 4))", False),
))  # fmt: skip
def test_a_module_that_a_text_names_is_any_part_of_its_own_class(line: str, safe: bool) -> None:
    code = "class Net(nn.Module):\n    def __init__(self, name, flag, other):\n        super().__init__()\n"
    code += f"        self.lin, self.act = nn.Linear(4, 4), nn.ReLU(inplace=True)\n        {line}\n"
    code += "    def forward(self, x):\n        return x + self.act(self.lin(x))\n"
    assert all(fix.safe for fix in fixes(code)) is safe, [fix.doubts for fix in fixes(code)]


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
