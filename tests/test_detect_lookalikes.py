"""What must stay untouched: things that look like in-place writes of tracked tensors and are not."""

from __future__ import annotations

import ast
import textwrap

import pytest

from fixinplace import names
from fixinplace.detect import scan
from fixinplace.model import Found
from fixinplace.source import Text

HEADER = "import torch\nimport numpy as np\nfrom torch import nn\nimport torch.nn.functional as F\n"


def found(code: str) -> list[Found]:
    text = HEADER + textwrap.dedent(code)
    return list(scan(Text(text), ast.parse(text)))


def refusals(code: str) -> set[str]:
    return {h.refusal for f in found(code) for h in f.facts.hazards}


def ours(code: str) -> list[str]:
    """Targets of the sites that are the user's business."""
    hazards = [(f, [h.refusal for h in f.facts.hazards]) for f in found(code)]
    return [f.site.target for f, names_ in hazards if all(names.counts(n) for n in names_)]


NOT_TENSORS = {
    "counter": "def f(x):\n    n = 0\n    n += 1\n    return torch.exp(x) * n",
    "counter of lengths": "def f(x):\n    n = 0\n    for row in x:\n        n += len(row)\n    return n",
    "list": "def f(x):\n    out = []\n    out += [torch.exp(x)]\n    return out",
    "list item": "def f(x):\n    out = [None] * 3\n    out[0] = torch.exp(x)\n    return out",
    "dict item": "def f(x):\n    out = {}\n    out['a'] = torch.exp(x)\n    return out",
    "string": "def f(x):\n    s = 'a'\n    s += str(x.shape)\n    return s",
    "size": "def f(x):\n    n = x.shape[0]\n    n *= 2\n    return x.view(n)",
    "numpy": "def f(x):\n    a = np.zeros(3)\n    a += 1\n    a[0] = 2\n    return torch.tensor(a)",
    "item": "def f(x):\n    total = 0.0\n    total += torch.exp(x).sum().item()\n    return total",
    "layers in a constructor": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                layers = []
                layers += [nn.Linear(2, 2), nn.ReLU()]
                self.net = nn.Sequential(*layers)
    """,
    "own class with add_": """
        class Bag:
            def add_(self, x):
                return self
        def f(x):
            b = Bag()
            b.add_(x)
            return b
    """,
    "own class with iadd": """
        class Sum:
            def __iadd__(self, x):
                return self
            def mul_(self, k):
                return self
        def f(x):
            s = Sum()
            s += torch.exp(x)
            s += torch.exp(x)
            s.mul_(2)
            return s
    """,
    "own class with add": """
        class Terms:
            def __add__(self, x):
                return self
        def f(x):
            t = Terms()
            t += torch.exp(x)
            t += torch.exp(x)
            return t
    """,
    "sum of an own class": """
        class Terms:
            def __add__(self, x):
                return self
        def f(x):
            t = Terms() + torch.exp(x)
            t += 1
            return t
    """,
    "array that is resized": "def f(x):\n    a = x.detach().numpy().copy()\n    a.resize(2, 6)\n    return a",
    "picture that is resized": "def f(x, im):\n    small = im.resize((8, 8))\n    return torch.exp(x), small",
    "imatmul binds anew": "def f(x):\n    y = torch.exp(x)\n    y @= x\n    return y",
    "flag off": "def f(x):\n    return F.relu(x, inplace=False)",
    "module flag off": "m = nn.ReLU(False)",
    "another library's inplace": "import pandas as pd\ndef f(df):\n    df.dropna(inplace=True)\n    return df",
    "path": "from pathlib import Path\ndef f():\n    p = Path('a')\n    p /= 'b'\n    return p",
    "shadowed torch": "def f(torch, x):\n    y = torch.relu(x)\n    return torch.add(y, 1, out=y)",
}


@pytest.mark.parametrize("code", NOT_TENSORS.values(), ids=NOT_TENSORS.keys())
def test_what_is_no_tensor_has_no_site(code: str) -> None:
    assert not found(code)


NOT_OURS = {
    "no_grad block": (
        "no-grad",
        "def f(x):\n    y = torch.exp(x)\n    with torch.no_grad():\n        y += 1\n    return y",
    ),
    "no_grad decorator": ("no-grad", "@torch.no_grad()\ndef f(x):\n    y = torch.exp(x)\n    y += 1\n    return y"),
    "inference mode": (
        "no-grad",
        "@torch.inference_mode()\ndef f(x):\n    y = torch.exp(x)\n    y.add_(1)\n    return y",
    ),
    "set_grad_enabled": (
        "no-grad",
        "def f(x):\n    torch.set_grad_enabled(False)\n    y = x.exp()\n    y += 1\n    return y",
    ),
    "called under no_grad only": (
        "no-grad",
        "def _g(x):\n    y = torch.exp(x)\n    y += 1\n    return y\ndef f(x):\n    with torch.no_grad():\n        return _g(x)",
    ),
    "custom function": (
        "no-grad",
        "class G(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        y = x.clone()\n"
        "        y += 1\n        return y",
    ),
    "initialiser": (
        "initialiser",
        "class N(nn.Module):\n    def __init__(self):\n        super().__init__()\n        w = torch.zeros(3)\n"
        "        w += 1\n        self.w = nn.Parameter(w)",
    ),
    "reset_parameters": (
        "initialiser",
        "class N(nn.Module):\n    def reset_parameters(self):\n        self.weight.data.uniform_(-1, 1)",
    ),
    "optimizer": (
        "optimizer",
        "class Sgd(torch.optim.Optimizer):\n    def step(self):\n        for g in self.param_groups:\n"
        "            for p in g['params']:\n                p.add_(p.grad)",
    ),
    "gradient": ("optimizer", "def f(p):\n    p.grad.zero_()"),
    "integers": ("untracked", "def f(x):\n    i = torch.arange(3)\n    i += 1\n    return x[i]"),
    "mask": ("untracked", "def f(x):\n    m = torch.exp(x) > 0\n    m &= x < 1\n    return x * m"),
    "a mask that is passed in": (
        "untracked",
        "def f(x, mask: torch.Tensor):\n    mask &= ~torch.isnan(x)\n    return x[mask]",
    ),
    "a part of one": (
        "untracked",
        "def f(x, mask: torch.Tensor):\n    mask[:, 0] |= torch.isnan(x)[:, 0]\n    return x[mask]",
    ),
    "memory of another one's kind": (
        "untracked",
        "def f(x):\n    n, c = x.size()\n    return x.new().resize_(n, 5).zero_() + x.exp()",
    ),
    "constants": ("untracked", "def f(x):\n    m = torch.zeros(3)\n    m[0] = 1\n    return x * m"),
    "detached": ("detached", "def f(params):\n    for p in params:\n        p.data.mul_(2)"),
    "fresh buffer": ("finished", "def f(x):\n    y = torch.zeros(3)\n    y[0] = x.exp().sum()\n    return y"),
    "fresh buffer of another one's kind": (
        "finished",
        "def f(x):\n    y = x.new(3, 4)\n    y[0] = x.exp().sum()\n    return y, x * 2",
    ),
    "clone then store": ("finished", "def f(x):\n    y = x.clone()\n    y[0] = 0\n    y[1] *= x[1]\n    return y"),
    "running statistics": (
        "running-statistics",
        "class N(nn.Module):\n    def forward(self, x):\n        self.running_mean.mul_(0.9)\n        return x",
    ),
}


@pytest.mark.parametrize(("refusal", "code"), NOT_OURS.values(), ids=NOT_OURS.keys())
def test_what_is_not_ours_says_why(refusal: str, code: str) -> None:
    assert refusal in refusals(code)
    assert not ours(code)


def test_a_file_without_torch_has_no_sites() -> None:
    text = "def f(x):\n    x.add_(1)\n"
    assert scan(Text(text), ast.parse(text)) == ()


SITES = {
    "augmented name": ("FIP101", "h", "def f(x):\n    h = torch.exp(x)\n    h += x\n    return h"),
    "augmented attribute": (
        "FIP102",
        "self.h",
        "class N(nn.Module):\n    def forward(self, x):\n        self.h = torch.exp(x)\n        self.h *= 2\n        return self.h",
    ),
    "augmented subscript": ("FIP103", "h", "def f(x):\n    h = torch.exp(x)\n    h[0] += x\n    return h"),
    "method": ("FIP104", "h", "def f(x):\n    h = torch.exp(x)\n    h.mul_(2)\n    return h"),
    "function": ("FIP105", "h", "from torch import relu_\ndef f(x):\n    h = torch.exp(x)\n    relu_(h)\n    return h"),
    "flag": ("FIP106", "h", "def f(x):\n    h = torch.exp(x)\n    F.relu(h, inplace=True)\n    return h"),
    "flag by position": ("FIP106", "h", "def f(x):\n    h = torch.exp(x)\n    F.relu(h, True)\n    return h"),
    "dropout by position": ("FIP106", "h", "def f(x):\n    h = x.exp()\n    return F.dropout(h, 0.5, True, True)"),
    "module": ("FIP107", "ReLU", "m = nn.ReLU(inplace=True)"),
    "module by position": ("FIP107", "ReLU", "m = nn.ReLU(True)"),
    "module in a table": ("FIP107", "ELU", "TABLE = {'elu': nn.ELU(1.0, True)}"),
    "module by star import": ("FIP107", "ReLU", "from torch.nn import *\nm = ReLU(inplace=True)"),
    "class by a default that is annotated as a module": (
        "FIP107",
        "ReLU",
        "class N(nn.Module):\n    def __init__(self, act_layer: nn.Module = nn.ReLU):\n        super().__init__()\n"
        "        self.act = act_layer(inplace=True)\n    def forward(self, x):\n        return self.act(x.exp())",
    ),
    "attribute set": ("FIP108", "m", "def f(net):\n    for m in net.modules():\n        m.inplace = True"),
    "store": ("FIP109", "h", "def f(x):\n    h = torch.exp(x)\n    h[..., 0] = x.sum()\n    return h"),
    "store in a tuple target": ("FIP109", "h", "def f(x):\n    h = x.exp()\n    h[0], n = x.sum(), 1\n    return h"),
    "out": ("FIP110", "h", "def f(x):\n    h = torch.exp(x)\n    torch.add(x, 1, out=h)\n    return h"),
    "data": (
        "FIP111",
        "self.w.data",
        "class N(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.w = nn.Parameter(torch.ones(3))\n"
        "    def forward(self, x):\n        self.w.data *= 2\n        return x * self.w",
    ),
    "metadata": ("FIP112", "h", "def f(x):\n    h = torch.exp(x)\n    h.t_()\n    return h"),
    "random": ("FIP113", "h", "def f(x):\n    h = torch.exp(x)\n    h.normal_()\n    return h"),
    "fill": ("FIP114", "h", "def f(x):\n    h = torch.exp(x)\n    h.zero_()\n    return h"),
    "unknown": ("FIP116", "h", "def f(x):\n    h = torch.exp(x)\n    h.frobnicate_(1)\n    return h"),
    "imported as another name": (
        "FIP101",
        "h",
        "import torch as t\ndef f(x):\n    h = t.exp(x)\n    h -= 1\n    return h",
    ),
    "parameter by its use": ("FIP101", "q", "def f(q):\n    q = q.view(3, -1)\n    q *= 2\n    return q"),
    "layer from the constructor": (
        "FIP101",
        "h",
        "class N(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(2, 2)\n"
        "    def forward(self, x):\n        h = self.a(x)\n        h += x\n        return h",
    ),
}


@pytest.mark.parametrize(("rule", "target", "code"), SITES.values(), ids=SITES.keys())
def test_every_construct_is_seen(rule: str, target: str, code: str) -> None:
    assert [(f.site.rule, f.site.target) for f in found(code)] == [(rule, target)]
    assert ours(code) == [target]


def test_a_chain_is_two_sites_on_one_tensor() -> None:
    sites = found("def f(x):\n    h = torch.exp(x)\n    h.mul_(2).add_(1)\n    return h")
    assert [(f.site.op, f.site.target) for f in sites] == [("Tensor.add_", "h"), ("Tensor.mul_", "h")]
