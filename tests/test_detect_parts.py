"""Parts of lists and of `Sequential`s that are called one by one, and lists that grow under an attribute's name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import random_choices
import random_growth
import random_parts
import torch
from rewriting import cloned, findings, fixed, fixes
from test_detect_flags import HEAD, net, results

from fixinplace.detect.kinds import Kind
from fixinplace.detect.values import UNKNOWN, Value, one_of
from fixinplace.model import Fix

STEM = "def stem(i, o):\n    return nn.Sequential(nn.Conv2d(i, o, 1), nn.BatchNorm2d(o), nn.ReLU6(inplace=True))\n\n\n"
ATTRIBUTE = "self.net = [stem(n, n)]\nfor _ in range(2):\n    self.net.append(nn.Conv2d(n, n, 1))\n{more}\nself.net = nn.Sequential(*self.net)"
EACH = "kept = []\nfor part in self.net:\n    x = part(x)\n    kept.append(x)\nreturn x + sum(kept)"
BY_NUMBER = "y = self.net[0](x)\nz = self.net[1](y)\nreturn x + y * self.net[-1](z)"
LIST = (
    "self.net = [nn.Conv2d(n, n, 1)]\n{more}\nself.net.append(nn.ReLU(inplace=True))\n"
    "self.net = nn.Sequential(*self.net)"
)
SEQUENTIAL = "self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(inplace=True))"
ACT = "self.act = nn.ReLU(inplace=True)"
SEEN = "h = self.conv(x)\nkept = [h]\n{act}(h)\nreturn kept"
GROWN = "self.net = nn.ModuleList()\nfor _ in range(2):\n    self.net.append({part})"


def stem(init: str, forward: str, rest: str = "") -> str:
    """A module with a stem of three layers, of which the last one is in place."""
    return net(init, forward, rest=rest).replace(HEAD, HEAD + STEM)


ADDED = "self.net = nn.Sequential()\nfor i in range(2):\n    self.net.add_module('block%d' % i, stem(n, n))\n{more}self.net.add_module('last', nn.BatchNorm2d(n))"
FOLLOWED = {
    "added under an attribute": stem(ADDED.format(more=""), "y = self.net(x)\ny += x\nreturn y"),
    "added to named ones": stem("self.net = nn.Sequential(OrderedDict([('a', nn.Conv2d(n, n, 1)), ('b', nn.ReLU(inplace=True))]))\n"
        "for i, k in enumerate((1, 2)):\n    self.net.add_module('block%d' % k, stem(n, n))", "return x + self.net(x)"),
    "added, and looked at afterwards": stem(ADDED.format(more="") + "\nself.depth = len(self.net)\nself.set_up()", "y = self.net(x)\ny += x\nreturn y",
        rest="    def set_up(self):\n        self.net.eval()\n        self.net.train()\n"),
    "by number": stem("self.net = nn.Sequential(stem(n, n), nn.Conv2d(n, n, 1), stem(n, n))", BY_NUMBER),
    "one after the other": stem("self.net = nn.Sequential(stem(n, n), nn.Conv2d(n, n, 1))", EACH),
    "counted": stem("self.net = nn.Sequential(stem(n, n), nn.Conv2d(n, n, 1))", EACH.replace("part in self.net", "i, part in enumerate(self.net)")),
    "beside numbers": stem("self.net = nn.Sequential(stem(n, n), stem(n, n))", EACH.replace("part in self.net", "part, k in zip(self.net, (1, 2))")),
    "kept by a loop that counts": net("self.net = nn.Sequential(nn.ReLU(True))",
        "kept = []\nfor pair in enumerate(self.net):\n    kept.append(pair)\nh = self.conv(x)\nreturn kept[0][1](h) + h"),
    "by a name": stem("self.net = nn.Sequential(stem(n, n), stem(n, n))", "i = 1\ny = self.net[i](x)\nreturn x + self.net[0](y) + y"),
    "a list under an attribute": stem(ATTRIBUTE.format(more="self.net.append(stem(n, n))"), "return x + self.net(x)"),
    "such a list, by number": stem(ATTRIBUTE.format(more="self.net.append(stem(n, n))"), BY_NUMBER),
    "a list that grows": stem(GROWN.format(part="stem(n, n)"), EACH),
    "a list that grows by several": stem("self.net = nn.ModuleList([stem(n, n)])\nself.net.extend([nn.Conv2d(n, n, 1), stem(n, n)])", EACH),
    "a list that grows at its beginning": stem("self.net = nn.ModuleList()\nself.net.insert(0, stem(n, n))\nself.net.insert(0, nn.Conv2d(n, n, 1))", EACH),
    "a list of modules of a loop": stem("parts = []\nfor _ in range(2):\n    parts.append(stem(n, n))\n    parts.append(nn.Conv2d(n, n, 1))\nself.net = nn.ModuleList(parts)", EACH),
    "in a list of the function's own": net(ACT, "run = [self.conv, self.act]\nh = self.conv(x)\ny = run[1](h)\nreturn y + h"),
    "that a method hands out": net(ACT, "h = self.conv(x)\ny = self.pick()(h)\nreturn y + h", rest="    def pick(self):\n        return self.act\n"),
    "in the order of a list": net("parts = []\n" + ACT + "\nparts.append(self.conv)\nparts.append(self.act)\nself.net = nn.Sequential(*parts)",
        "return x + self.net(x)"),
    "a part that is read before": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(inplace=True))",
        "h = self.net[0](x)\nreturn h + self.net[1](h)"),
}  # fmt: skip
LEFT = {
    "added in place of another": net("self.net = nn.Sequential()\nself.net.add_module('a', nn.Conv2d(n, n, 1))\nself.net.add_module('b', nn.Conv2d(n, n, 1))\n"
        "self.net.add_module('a', nn.ReLU(True))", "h = self.conv(x)\nreturn self.net(h) + h"),
    "added in place of the first": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.Conv2d(n, n, 1))\nself.net.add_module('0', nn.ReLU(True))",
        "h = self.conv(x)\nreturn self.net(h) + h"),
    "added in place of one, and all listed again": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1))\nself.net = nn.Sequential(*self.net)\n"
        "self.net.add_module('0', nn.Sequential(nn.ReLU(True)))\nself.net = nn.Sequential(*self.net)", "h = self.conv(x)\ny = self.net(h)\nreturn y + h"),
    "added behind another name": net("self.net = nn.Sequential()\nself.early = self.net\nself.net.add_module('r', nn.ReLU(True))",
        "h = self.conv(x)\ny = self.early(h)\nz = self.net(self.conv(x))\nreturn y + z + h"),
    "added where another name has it": net("self.net = nn.Sequential()\nself.early = self.net\nself.net.add_module('a', nn.Conv2d(n, n, 1))\n"
        "self.early.add_module('b', nn.ReLU(True))", "h = self.conv(x)\ny = self.net[0](h)\nkept = [y]\nself.net[1](y)\nreturn kept"),
    "counted, under an attribute": net("self.net = nn.Sequential(nn.ReLU(True))", "h = self.conv(x)\nfor i, self.p in enumerate(self.net):\n    pass\nreturn self.p(h) + h"),
    "counted, in a dictionary": net("self.net = nn.Sequential(nn.ReLU(True))", "h, d = self.conv(x), {}\nfor i, d['p'] in enumerate(self.net):\n    pass\nreturn d['p'](h) + h"),
    "counted, by a generator": net("self.net = nn.Sequential(nn.ReLU(True))", "h = self.conv(x)\nfor p in self.each():\n    y = p(h)\nreturn y + h",
        rest="    def each(self):\n        for i, p in enumerate(self.net):\n            yield p\n"),
    "counted, all at once": net("self.net = nn.Sequential(nn.ReLU(True))", "h = self.conv(x)\nkept = list(enumerate(self.net))\nreturn call(kept, h) + h",
        rest="def call(kept, h):\n    return kept[0][1](h)\n"),
    "a second attribute": net(ACT + "\nself.other = self.act", SEEN.format(act="self.other")),
    "a place of a tuple": net(ACT + "\nself.both = (self.conv, self.act)", SEEN.format(act="self.both[1]")),
    "a place of a list that grows": net(ACT + "\nself.both = [self.conv]\nself.both.append(self.act)", SEEN.format(act="self.both[1]")),
    "a dictionary": net(ACT + "\nself.both = {'a': self.act}", SEEN.format(act="self.both['a']")),
    "one or another": net(ACT, SEEN.format(act="(self.act if n else self.conv)"), more=", k=1").replace("def forward(self, x)", "def forward(self, x, n=1)"),
    "given to a function": net(ACT, "return call(self.act, self.conv(x))", rest="def call(act, h):\n    kept = [h]\n    act(h)\n    return kept\n"),
    "given to another module": net("self.body = Body(self.act)".join((ACT + "\n", "")), "return self.body(self.conv(x))",
        rest="class Body(nn.Module):\n    def __init__(self, act):\n        super().__init__()\n        self.inner = act\n"
        "    def forward(self, h):\n        kept = [h]\n        self.inner(h)\n        return kept\n"),
    "put into a list of the file's": net(ACT + "\nKEPT.append(self.act)", SEEN.format(act="KEPT[0]"), rest="KEPT = []\n"),
    "read by its text": net(ACT, "return self.act(self.conv(x)), repr(self.act)"),
    "bound beside a number": net(ACT, "h = self.conv(x)\nkept = [h]\nact, n = self.act, 3\nact(h)\nreturn kept"),
    "one of several, of which one begins in place": net("self.net = nn.ModuleList([nn.Conv2d(n, n, 1), nn.Sequential(nn.ReLU(inplace=True), "
        "nn.Conv2d(n, n, 1))])", "h = self.conv(x)\ni = 1\nreturn h + self.net[i](h)"),
    "one of several, of which one is in place": net("self.net = nn.ModuleList([nn.Conv2d(n, n, 1), nn.ReLU(inplace=True)])",
        "h = self.conv(x)\ni = 0\ny = self.net[i](h)\nreturn h + y"),
    "a part in place itself": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(True))", EACH),
    "such a part by number": net("self.net = nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(True))", "y = self.net[0](x)\nkept = [y]\nreturn self.net[1](y), kept"),
    "a list with such a part": net("self.net = nn.ModuleList([nn.Conv2d(n, n, 1)])\nself.net.append(nn.ReLU(inplace=True))", EACH),
    "a list that grows by such a part": net("self.net = nn.ModuleList()\nself.net.insert(0, nn.ReLU(True))\nself.net.insert(0, nn.Conv2d(n, n, 1))", EACH),
    "parts of parts": stem("self.net = nn.Sequential(stem(n, n), stem(n, n))", "y = self.net[0][1](x)\nreturn self.net[1][2](y), [y]"),
    "a list that others fill": net("self.net = nn.ModuleList()\nfill(self)", EACH, rest="def fill(net):\n    net.net.append(nn.ReLU(True))\n"),
    "a list that a class below fills": net(GROWN.format(part="nn.Conv2d(n, n, 1)"), EACH,
        rest="class Below(Net):\n    def __init__(self):\n        super().__init__()\n        self.net.append(nn.ReLU(inplace=True))\n"),
    "an attribute that a method fills too": net(LIST.format(more="self.more()"), "return self.net(x), x",
        rest="    def more(self):\n        self.net.clear()\n"),
    "an attribute that a method hands on": net(LIST.format(more="self.more()"), "return self.net(x), x",
        rest="    def more(self):\n        turn(self.net)\ndef turn(parts):\n    parts.reverse()\n"),
    "an attribute of which a part is replaced": net(LIST.format(more="self.net[0] = nn.Identity()"), "return self.net(x), x"),
    "an attribute of an instance that is handed on": net(LIST.format(more="turn(self)"), "return self.net(x), x",
        rest="def turn(some):\n    turned(some.net)\ndef turned(parts):\n    parts.reverse()\n"),
    "an attribute that another name fills": net("me = self\n" + LIST.format(more="me.net.clear()"), "return self.net(x), x"),
    "an attribute that is handed on": net(LIST.format(more="turn(self.net)"), "return self.net(x), x",
        rest="def turn(parts):\n    parts.reverse()\n"),
    "an attribute that a name stands for": net(LIST.format(more="parts = self.net\nparts.reverse()"), "return self.net(x), x"),
    "a visitor that keeps": net(SEQUENTIAL + "\nself.net.apply(self.start)", "return self.net(x)",
        rest="    def start(self, m):\n        self.kept = m\n"),
    "set up and bound": net(SEQUENTIAL + "\nself.run = self.net.train()", "y = self.conv(x)\nreturn self.run[1](y), y"),
}  # fmt: skip
SOUND = {
    "left half-way": net("self.net = nn.Sequential()\nif n < 5:\n    return\nself.net.add_module('a', nn.Conv2d(n, n, 1))",
        "h = self.conv(x)\ny = self.net(h)\ny += 1\nreturn y + h"),
    "a visitor that looks": net(SEQUENTIAL + "\nself.net.apply(self.start)", "return self.net(x)",
        rest="    def start(self, m):\n        if isinstance(m, nn.Conv2d):\n            nn.init.zeros_(m.bias)\n"),
    "set up alone": net(SEQUENTIAL + "\nself.net.train()\nself.net.requires_grad_(True)", "return self.net(x)"),
    "states": net(SEQUENTIAL + "\nself.net.load_state_dict(self.net.state_dict())", "return self.net(x)"),
}  # fmt: skip


@pytest.mark.parametrize("text", {**FOLLOWED, **SOUND}.values(), ids={**FOLLOWED, **SOUND}.keys())
def test_parts_that_are_called_one_by_one_are_followed(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("text", {**FOLLOWED, **SOUND}.values(), ids={**FOLLOWED, **SOUND}.keys())
def test_what_is_followed_computes_the_same(text: str) -> None:
    changed = fixed(text, findings(text))
    assert changed != text
    with cloned():
        before = results(text, "Net")
    assert all(map(torch.equal, before, results(changed, "Net")))


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_parts_that_somebody_else_may_see_are_left_to_a_run(text: str) -> None:
    assert not any(fix.safe for fix in fixes(text)), [fix.title for fix in fixes(text) if fix.safe]


RANDOM = {random_parts.program: 120, random_growth.program: 80, random_choices.program: 90}


@pytest.mark.parametrize(
    ("make", "seed"),
    [(make, n) for make, times in RANDOM.items() for n in range(times)],
)
def test_what_is_safe_computes_the_same(make: Callable[[int], str], seed: int) -> None:
    text = make(seed)
    safe = tuple(one for one in findings(text) if isinstance(one.outcome, Fix) and one.outcome.safe)
    with cloned():
        try:
            before = results(text, "Net")
        except Exception:
            pytest.skip("the program raises")
        after = results(fixed(text, safe), "Net")
    assert all(map(torch.equal, before, after))


def test_one_of_several_is_one_of_all_of_them():
    conv, norm, act = (Value(Kind.MODULE, name=f"torch.nn.{name}") for name in ("Conv2d", "BatchNorm2d", "ReLU"))
    either = one_of((conv, act))
    assert one_of((either, norm)) == one_of((norm, act, conv)) and one_of((conv,)) == conv
    assert one_of((conv, UNKNOWN)).order is None


def test_names_that_a_loop_binds_are_no_names_of_parts():
    """`for i, k in ...` binds a pair; it is none of the pairs that an `OrderedDict` is made of."""
    assert len(fixes(FOLLOWED["added to named ones"])) == 2
