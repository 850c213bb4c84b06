"""Lists of modules whose order is not written down, and lists that change at other places than their ends."""

from __future__ import annotations

import ast
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rewriting import fixed, fixes
from test_detect_flags import net, results

from fixinplace import detect, rewrite, source
from fixinplace.detect.chains import Chain, chain

OPERATIONS = st.one_of(
    st.tuples(st.just("append"), st.sampled_from("abcd")),
    st.tuples(st.just("perhaps"), st.sampled_from("abcd")),
    st.tuples(st.just("set"), st.sampled_from("abcd")),
    st.tuples(st.just("cut"), st.just("")),
    st.tuples(st.just("twice"), st.just("")),
)


def grown(operations: list[tuple[str, str]]) -> tuple[Chain[str] | None, list[list[str]]]:
    """A chain after some operations, and all lists that it stands for."""
    found, lists = chain([]), [[""] * 0]
    for what, part in operations:
        if found is None:
            break
        longer = found.followed_by(chain([part]) or Chain())
        match what:
            case "append":
                found, lists = longer, [[*one, part] for one in lists]
            case "perhaps":
                found = longer.joined(found) if longer is not None else None
                lists = [*lists, *([*one, part] for one in lists)]
            case "set":
                lists = [[part, *one[1:]] for one in lists if one]
                found = found.led_by(part)
            case "cut":
                found, lists = found.tail(), [one[1:] for one in lists]
            case "twice":
                found, lists = found.followed_by(found), [[*one, *two] for one in lists for two in lists][:200]
        lists = lists[:200]
    return found, lists


@given(st.lists(OPERATIONS, max_size=7))
def test_a_chain_covers_every_list_that_it_stands_for(operations: list[tuple[str, str]]) -> None:
    found, lists = grown(operations)
    for one in lists if found is not None else ():
        assert one or found.empty
        if one:
            assert one[0] in found.firsts and one[-1] in found.lasts
            assert set(itertools.pairwise(one)) <= found.follows
            assert all(two in found.before(three) for two, three in itertools.pairwise(one))


def test_a_chain_of_many_parts_is_given_up():
    assert chain(range(40)) is not None
    assert chain(range(60)) is None


PASS = "return self.net(x)"
REST = "return x + self.net(x)"
SEPARABLE = (
    "class Sep(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n        self.one = nn.Conv2d(n, n, 1)\n"
    "    def forward(self, x):\n        return self.one(x)\n"
)
XCEPTION = "rep = []\nfor i in range(2):\n    rep.append(nn.ReLU(inplace=True))\n    rep.append(Sep(n))\n    rep.append(nn.BatchNorm2d(n))\n"
LEARNT = "{}self.net = nn.Sequential(*rep)"
SAFE = {
    "cut at the beginning": net(LEARNT.format(XCEPTION + "rep = rep[1:]\n"), REST, rest=SEPARABLE),
    "another one first": net(LEARNT.format(XCEPTION + "rep[0] = nn.ReLU(inplace=False)\n"), REST, rest=SEPARABLE),
    "either": net(LEARNT.format(XCEPTION + "if n > 3:\n    rep = rep[1:]\nelse:\n    rep[0] = nn.ReLU()\n"),
                  REST, rest=SEPARABLE),
    "a residual of a body": net("body = []\nfor i in range(2):\n    body.append(nn.Conv2d(n, n, 1))\n    if i == 0:\n"
                                "        body.append(nn.ReLU(True))\nbody.append(nn.Conv2d(n, n, 1))\nself.net = nn.Sequential(*body)",
                                "y = self.net(x)\ny += x\nreturn y"),
    "in two lists": net("a = [nn.Conv2d(n, n, 1)]\nif n > 2:\n    a.append(nn.BatchNorm2d(n))\nb = [nn.ReLU(True)]\n"
                        "self.net = nn.Sequential(*(a + b))", REST),
    "behind what is spelled out": net("a = []\nfor i in range(2):\n    a += [nn.ReLU(True), nn.Conv2d(n, n, 1)]\n"
                                      "self.net = nn.Sequential(nn.Conv2d(n, n, 1), *a)", REST),
    "a norm or none": net("layers = [nn.Conv2d(n, n, 1)]\nif n > 2:\n    layers.append(nn.BatchNorm2d(n))\nif n > 1:\n"
                          "    layers.append(nn.ReLU(inplace=True))\nself.net = nn.Sequential(*layers)", REST),
    "parts that are added in a loop": net("s = nn.Sequential(nn.Conv2d(n, n, 1))\nfor i in range(2):\n"
                                          "    s.add_module('r%d' % i, nn.ReLU(True))\n    s.add_module('mix%d' % i, nn.Conv2d(n, n, 1))\n"
                                          "self.net = s", REST),
}  # fmt: skip


@pytest.mark.parametrize("text", SAFE.values(), ids=SAFE.keys())
def test_parts_that_stand_behind_makers_in_every_order_are_safe(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]
    part = source.Text(text)
    written = fixed(text, rewrite.plan(part, detect.scan(part, ast.parse(text))))
    assert "inplace=True" not in written and "ReLU(True)" not in written and "+= x" not in written
    assert all(map(torch.equal, results(text, "Net"), results(written, "Net")))


SEEN = {
    "perhaps the first": net(LEARNT.format(XCEPTION), REST, rest=SEPARABLE),
    "cut once too little": net(LEARNT.format("rep = [nn.Identity()]\n" + XCEPTION.replace("rep = []\n", "")
                                             + "rep = rep[1:]\n"), REST, rest=SEPARABLE),
    "cut elsewhere": net(LEARNT.format(XCEPTION + "rep = rep[2:]\n"), REST, rest=SEPARABLE),
    "another one somewhere": net(LEARNT.format(XCEPTION + "rep[1] = nn.Identity()\nrep = rep[1:]\n"), REST, rest=SEPARABLE),
    "a list with another name": net("a = [nn.Conv2d(n, n, 1)]\nb = a\na.append(nn.ReLU(True))\ndel b[0]\nself.net = nn.Sequential(*a)", REST),
    "a list that a helper changes": net("a = [nn.Conv2d(n, n, 1)]\na.append(nn.ReLU(True))\nhelp(a)\nself.net = nn.Sequential(*a)", REST,
                                        rest="def help(l):\n    del l[0]\n"),
    "a list that a helper changes at once": net("a = [nn.Conv2d(n, n, 1), nn.ReLU(True)]\nhelp(a)\nself.net = nn.Sequential(*a)", REST,
                                                rest="def help(l):\n    l.pop(0)\n"),
    "a helper that stores": net("self.net = put([nn.Conv2d(n, n, 1), nn.ReLU(True)])", REST,
                                rest="def put(parts, at=0):\n    parts[at] = nn.Identity()\n    return nn.Sequential(*parts)\n"),
    "a helper that turns": net("self.net = put([nn.Conv2d(n, n, 1), nn.ReLU(True)])", REST,
                               rest="def put(parts):\n    parts[:] = parts[::-1]\n    return nn.Sequential(*parts)\n"),
    "an attribute that replaces a part": net("self.net = Body()", REST, rest="class Body(nn.Sequential):\n    def __init__(self):\n"
    "        super().__init__(OrderedDict([('a', nn.Conv2d(3, 3, 1)), ('act', nn.ReLU(True))]))\n        self.a = nn.Identity()\n"),
    "its first one deleted": net("a = [nn.Conv2d(n, n, 1), nn.ReLU(True)]\ndel a[0]\nself.net = nn.Sequential(*a)", REST),
    "its first one deleted after it grew": net("a = [nn.Conv2d(n, n, 1)]\na.append(nn.ReLU(True))\ndel a[0]\nself.net = nn.Sequential(*a)", REST),
    "one before it in a nested function": net("a = [nn.Conv2d(n, n, 1)]\na.append(nn.ReLU(True))\ndef cut():\n    del a[0]\ncut()\n"
                                              "self.net = nn.Sequential(*a)", REST),
    "an empty body": net("body = []\nfor i in range(n - 3):\n    body.append(nn.Conv2d(n, n, 1))\nself.net = nn.Sequential(*body)",
                         "y = self.net(x)\ny += 1\nreturn y + x"),
    "a body that may hand on": net("body = []\nfor i in range(2):\n    body.append(nn.Dropout(0.0))\nself.net = nn.Sequential(*body)",
                                   "h = self.conv(x)\ny = self.net(h)\ny += 1\nreturn y + h"),
    "a part that keeps what it is given": net("body = []\nfor i in range(2):\n    body.append(Keep())\nself.net = nn.Sequential(*body)",
                                              "h = self.conv(x)\ny = self.net(h)\ny += 1\nreturn y + self.net[0].kept",
                                              rest="class Keep(nn.Module):\n    def forward(self, x):\n        self.kept = x * 2\n"
                                              "        return self.kept\n"),
    "a part that keeps its argument": net("body = []\nfor i in range(2):\n    body.append(Keep())\nbody.append(nn.Conv2d(n, n, 1))\nself.net = nn.Sequential(*body)",
                                          "h = self.conv(x)\ny = self.net(h)\nh += 1\nreturn y + h",
                                          rest="class Keep(nn.Module):\n    def forward(self, x):\n        self.kept = x\n"
                                          "        return x * 2\n"),
    "a part that is a list of its own": net("body = []\nfor i in range(2):\n    body.append(nn.LSTM(4, 4))\nbody.append(nn.Conv2d(n, n, 1))\nself.net = nn.Sequential(*body)",
                                            "h = self.conv(x)\ny = self.net(h)\nh += 1\nreturn y + h"),
    "a list that a nested function changes": net("a = [nn.Conv2d(n, n, 1)]\ndef cut():\n    a[0] = nn.Identity()\na.append(nn.ReLU(True))\n"
                                                 "cut()\nself.net = nn.Sequential(*a)", REST),
    "a part that another replaces": net("s = nn.Sequential(nn.Conv2d(n, n, 1))\nfor i in range(2):\n    s.add_module('r%d' % i, nn.ReLU(True))\n"
                                        "s.add_module('0', nn.Identity())\nself.net = s", REST),
}  # fmt: skip


@pytest.mark.parametrize("text", SEEN.values(), ids=SEEN.keys())
def test_parts_that_may_be_first_are_not_safe(text: str) -> None:
    compile(text, "<case>", "exec")
    found = fixes(text)
    assert not any(fix.safe for fix in found), [fix.title for fix in found if fix.safe]


GLOBAL = (
    "STEM[0] = nn.Identity()", "STEM.clear()", "STEM.pop()", "del STEM[0]", "REST = STEM\n    REST.pop()", "light(STEM)",
    "global STEM\n    STEM = [nn.Identity()]", "PARTS['stem'] = nn.Identity()", "PARTS.update(stem=nn.Identity())",
    "global LAYER\n    LAYER = nn.Identity()",
)  # fmt: skip


@pytest.mark.parametrize("parts", ("*STEM", "*(STEM + [])", "PARTS['stem']", "LAYER"))
@pytest.mark.parametrize("change", GLOBAL)
def test_what_a_file_holds_may_have_been_changed_before_it_is_used(change: str, parts: str) -> None:
    text = (
        "from torch import nn\nSTEM = [nn.Linear(3, 3)]\nPARTS = {'stem': nn.Linear(3, 3)}\nLAYER = nn.Linear(3, 3)\n"
        "def light(parts):\n    parts[0] = nn.Identity()\n"
        f"def change():\n    {change}\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.net = nn.Sequential({parts}, nn.ReLU(inplace=True))\n    def forward(self, x):\n        return x + self.net(x)\n"
    )
    word = next(name for name in ("STEM", "PARTS", "LAYER") if name in change)
    if word in parts:
        assert not any(fix.safe for fix in fixes(text))
    else:
        assert all(fix.safe for fix in fixes(text))


NAMES = (
    "OrderedDict([('in', nn.Conv2d(n, n, 1)), ('act', nn.ReLU(True)), ('in', nn.Identity())])",
    "OrderedDict([('fc0', nn.Conv2d(n, n, 1)), ('act', nn.ReLU(True)), (f'fc{n - 3}', nn.Identity())])",
    "OrderedDict([(NAME, nn.Conv2d(n, n, 1)), ('act', nn.ReLU(True)), ('in', nn.Identity())])",
)


@pytest.mark.parametrize("parts", NAMES)
def test_names_that_may_be_the_same_keep_one_place(parts: str) -> None:
    text = net(f"self.net = nn.Sequential({parts})", REST, rest="NAME = 'in'\n")
    assert not any(fix.safe for fix in fixes(text))


CHANGES = (
    "ts.pop(0)", "ts.reverse()", "del ts[0]", "ts.insert(0, c)", "ts.remove(a)", "ts.sort(key=id)", "ts[:] = [b, a]",
    "ts[0], ts[1] = ts[1], ts[0]", "other = ts; other.pop(0)", "other = ts; del other[0]", "other = ts; other[0] = b",
    "change(ts)", "change(other=ts)", "change(*[ts])", "ts.__delitem__(0)", "ts = ts[::-1]", "ts = list(reversed(ts))",
    "[ts.pop(0) for _ in range(1)]", "(lambda: ts.pop(0))()", "held = [ts]; del held[0][0]", "held = [ts]; held[0].reverse()",
    "other = ts; other += [c]; other.reverse()", "ts.clear(); ts.append(b)",
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_stands_at_a_place_of_a_list_that_changed_is_not_known(change: str) -> None:
    text = (
        "def change(other):\n    del other[0]\n\n\ndef main():\n    w = torch.ones(3, requires_grad=True)\n    a, b, c = w * 2, w * 3, w * 4\n"
        f"    ts = [a, b]\n    {change}\n    ts[0].add_(1)\n    return b * 3 + ts[0]\n"
    )
    assert not any(fix.safe for fix in fixes(text))


def test_an_element_by_its_method_is_the_element():
    text = (
        "def main():\n    w = torch.ones(3, requires_grad=True)\n    a, b = w * 2, w * 3\n    ts = [a, b]\n"
        "    us = ts.__getitem__(0)\n    ts[0].add_(1)\n    return us * 3 + b\n"
    )
    assert not any(fix.safe for fix in fixes(text))


LOOKS = ("print(len(ts))", "s = torch.stack(ts)", "n = [t * 2 for t in ts]", "look(ts)", "ts.index(a)")


@pytest.mark.parametrize("look", LOOKS)
def test_looking_at_a_list_moves_nothing(look: str) -> None:
    text = (
        "def look(other):\n    return len(other) + sum(1 for t in other)\n\n\ndef main():\n    w = torch.ones(3, requires_grad=True)\n"
        f"    a, b, c = w * 2, w * 3, w * 4\n    ts = [a, b]\n    {look}\n    ts[0].add_(1)\n    return b * 3 + ts[0]\n"
    )
    assert fixes(text)
