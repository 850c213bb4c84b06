"""What is called by a name, a place of a list or an index, and may be another thing by then."""

from __future__ import annotations

import pytest
import torch
from rewriting import findings, fixed, fixes

from fixinplace.model import Fix

HEAD = "import torch\nimport torch.nn as nn\nimport random\n\n\nclass Same(nn.Module):\n    def forward(self, x):\n        return x\n\n\ndef same(x):\n    return x\n\n\n"
NET = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.acts = [nn.Linear(4, 4)]
{init}

    def forward(self, x):
        y = self.acts[0](x)
        y += 1
        return y


"""


def net(init: str = "pass", rest: str = "") -> str:
    lines = "\n".join(f"        {line}" for line in init.split("\n"))
    return HEAD + NET.format(init=lines) + rest


CALL = "\n\ndef main():\n    x = torch.randn(4, 4, requires_grad=True)\n    f(x * 1.0{more})\n\n\nif __name__ == '__main__':\n    main()\n"


def local(before: str, used: str = "e") -> str:
    """A function that calls a local name behind what may bind it anew."""
    lines = "\n".join(f"    {line}" for line in before.split("\n"))
    return (
        HEAD
        + f"def f(h):\n    e = torch.exp\n{lines}\n    y = {used}(h)\n    y += 1\n    return y * h\n"
        + CALL.format(more="")
    )


def outer(bound: str, changed: str, used: str = "e") -> str:
    """A function that calls what a name of the module holds, which another function may change."""
    lines = "\n".join(f"    {line}" for line in changed.split("\n"))
    return (
        HEAD
        + f"e = {bound}\n\n\ndef change():\n{lines}\n\n\ndef f(h):\n    y = {used}(h)\n    y += 1\n    return y * h\n"
        + CALL.format(more="")
    )


SAFE = {
    "a list that nobody changes": net(),
    "a list that is gone through": net("for act in self.acts:\n    self.add_module('a', act)"),
    "a list that grows behind": net("self.acts.append(nn.Linear(4, 4))"),
    "a list of another attribute": net("self.names = ['a']\nself.names[0] = 'b'"),
    "a local function": local("pass"),
    "a local function that is read inside": local("def go():\n    return e(h)\ngo()"),
    "a function of the module": outer("torch.exp", "return e"),
    "a list of functions of the module": outer("[torch.exp]", "return e[0]", "e[0]"),
    "a local list": HEAD + "class N(nn.Module):\n    def __init__(self):\n        super().__init__()\n        acts = [nn.Linear(4, 4)]\n        print(acts)\n"
    "        self.c = nn.Sequential(*acts)\n    def forward(self, x):\n        y = self.c(x)\n        y += 1\n        return y\n",
}  # fmt: skip
LEFT = {
    "an element is replaced": net("self.acts[0] = Same()"),
    "all elements are replaced": net("self.acts[:] = [Same()]"),
    "one is put before": net("self.acts.insert(0, Same())"),
    "one is taken away": net("self.acts.append(Same())\ndel self.acts[0]"),
    "the list is turned around": net("self.acts.append(Same())\nself.acts.reverse()"),
    "the list is cut": net("self.acts.append(Same())\nself.acts = self.acts[::-1]"),
    "the list has another name": net("acts = self.acts\nacts[0] = Same()"),
    "a function changes it": net("put(self.acts)", "def put(acts):\n    acts[0] = Same()\n"),
    "a module that others import changes it": net("random.shuffle(self.acts)"),
    "another function changes it": net(rest="def other(net):\n    net.acts[0] = Same()\n"),
    "it is emptied from outside": net(rest="def other(net):\n    net.acts.clear()\n    net.acts.append(Same())\n"),
    "it is the target of a loop": net("for self.acts[0] in [Same()]:\n    pass"),
    "a nested function binds a function anew": local("def go():\n    nonlocal e\n    e = same\ngo()"),
    "a nested function binds a module anew": local("e = nn.Sigmoid()\ndef go():\n    nonlocal e\n    e = Same()\ngo()"),
    "a nested function binds it in a tuple": local("def go():\n    nonlocal e\n    e, q = same, 1\ngo()"),
    "a function binds a name of the module": outer("torch.exp", "global e\ne = same"),
    "a function changes a list of the module": outer("[torch.exp]", "e[0] = same", "e[0]"),
    "a function changes a table of the module": outer("{'a': torch.exp}", "e.update(a=same)", "e['a']"),
    "a local list that is shuffled": HEAD + "class N(nn.Module):\n    def __init__(self):\n        super().__init__()\n        acts = [nn.Linear(4, 4)]\n        random.shuffle(acts)\n"
    "        self.c = nn.Sequential(*acts)\n    def forward(self, x):\n        y = self.c(x)\n        y += 1\n        return y\n",
    "a name of torch that a function binds": HEAD + "def change():\n    global torch\n    torch = None\n\n\ndef f(h):\n    y = torch.exp(h)\n    y += 1\n    return y * h\n" + CALL.format(more=""),
}  # fmt: skip


@pytest.mark.parametrize("text", SAFE.values(), ids=SAFE.keys())
def test_what_nobody_binds_anew_is_followed(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_what_somebody_may_bind_anew_is_not(text: str) -> None:
    found = [one.outcome for one in findings(text)]
    assert found and not any(isinstance(one, Fix) and one.safe for one in found)


VIEW = (
    "import torch\n\n\ndef f(h, q):\n    y = h * 2\n    {before}\n    a = {view}\n    a *= 3\n    return y + a.sum()\n"
    + CALL.replace("{more}", ", 1")
)
VIEWS = ["y.narrow(0, -2, 2)", "y.narrow(1, -1, 1)", "y.narrow(0, -3, 2)", "torch.narrow(y, -1, -2, 2)", "y.narrow(0, 1, 2)", "y.narrow(0, n - 3, 1)", "y[1:None]", "y[:, n]", "y[n:]"]  # fmt: skip
UNTOLD = {
    "a count of truths": ("n = (h > -100).sum() // 8", "y[n]"),
    "a product of truths": ("n = (h > -100).prod()", "y[n]"),
    "a truth as a number": ("n = (h > -100).any() * 1", "y[n]"),
    "a truth": ("n = True", "y[:n]"),
    "no truth": ("n = False", "y[n:]"),
    "a comparison": ("n = h.size(0) > 2", "y[:n]"),
    "a truth as an index": ("n = q is not None", "y[n]"),
    "the opposite": ("n = not q", "y[:, n:]"),
    "a written truth": ("n = 0", "y[0:True]"),
    "no stride": ("n = None", "y[::n]"),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_put_back_where_it_was(view: str) -> None:
    text = VIEW.format(before="n = 2", view=view)
    changed = fixed(text, findings(text))
    results = []
    for each in (text, changed):
        names: dict[str, object] = {}
        exec(each, names)
        x = torch.arange(16.0).reshape(4, 4).requires_grad_()
        y = names["f"](x, 1)  # type: ignore[operator]
        y.square().sum().backward()
        results.append((y, x.grad))
    assert [fix.safe for fix in fixes(text)] == [True] and changed != text
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize(("before", "view"), UNTOLD.values(), ids=UNTOLD.keys())
def test_an_index_that_is_no_number_for_certain_is_not_put_back(before: str, view: str) -> None:
    text = VIEW.format(before=before, view=view)
    found = [one.outcome for one in findings(text)]
    cloned = "y = y.clone()\n    a = "  # exact whatever the view is
    assert found and (cloned in fixed(text, findings(text)) or not any(isinstance(e, Fix) and e.safe for e in found))
