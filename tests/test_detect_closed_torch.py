"""Programs in which torch itself holds on to the tensor, or tells it from its replacement: nothing here is safe."""

from __future__ import annotations

import pytest
import torch
from rewriting import ASKING, fixes

from fixinplace.detect.mixing import keeps_history

HEAD = "w = torch.ones(3, requires_grad=True)\n    h = w * 2\n    "

MEMORY = {
    "store into an expanded tensor": "e = torch.sigmoid(w).expand(2, 3)\n    e[0, 1:] *= 2\n    return e",
    "store into what was expanded before": "e = torch.sigmoid(w).expand(2, 3)[:, 1:].mT\n    e[1] = 1.0\n    return e",
    "store into windows": "e = torch.sigmoid(w).unfold(0, 2, 1)\n    e[0] = 1.0\n    return e",
    "method on a part of broadcast tensors": "e, f = torch.broadcast_tensors(torch.sigmoid(w), torch.ones(2, 3))\n"
    "    e[1].mul_(2)\n    return e",
    "registered as a buffer": "net = nn.Linear(3, 3)\n    net.register_buffer('kept', h)\n    h += 1\n    return net.kept",
    "a buffer made of it": "kept = nn.Buffer(h)\n    h += 1\n    return kept",
    "in a list of parameters": "kept = nn.ParameterList([h.data])\n    h += 1\n    return kept[0]",
    "in a module of another file": "kept = nn.attention.Held(h)\n    h += 1\n    return kept.t",
}

COLUMNS = "t = torch.outer(h, h)[:, :2]\n    t *= 2\n"

GAPS = {
    "columns, then a copy": "k = h.view(3, 1).expand(3, 2).clone()[:, :1]\n    k += 1\n    m = k.reshape(-1)\n    m *= 2\n"
    "    return k, m",
    "column, then contiguous": "t = torch.stack([h, h]).exp().select(1, 0)\n    t *= 2\n    m = t.contiguous()\n    return t, m",
    "diagonal": "t = torch.outer(h, h).diagonal()\n    t *= 2\n    m = t.contiguous()\n    return t, m",
    "real part": "t = torch.complex(h, w).real\n    t *= 2\n    return t, t.flatten()",
    "narrow": "t = torch.outer(h, h).narrow(1, 0, 2)\n    t.clamp_(max=1)\n    return t, t.ravel()",
    "row of a transposed matrix": "t = torch.outer(h, h).t()[0]\n    t += 1\n    return t, t.contiguous()",
    "unpacked row of a transposed matrix": "a, b, c = torch.outer(h, h).t()\n    a += 1\n    return a, a.contiguous()",
    "every second": "t = h.exp()[::2]\n    t += 1\n    return t, t.reshape(-1)",
    "columns from a helper": "t = left(torch.outer(h, h))\n    t += 1\n    return t, t.reshape(-1)\ndef left(t):\n    return t[:, :2]",
    "random numbers": f"{COLUMNS}    with torch.no_grad():\n        t.normal_()\n    return t",
    "random numbers past autograd": f"{COLUMNS}    d = t.detach()\n    d.exponential_()\n    return t",
    "random numbers by out": f"{COLUMNS}    torch.rand(3, 2, out=t.detach())\n    return t",
    "initialised": f"{COLUMNS}    nn.init.normal_(t)\n    return t",
    "initialised under another name": f"{COLUMNS}    fill(t)\n    return t\nfrom torch.nn.init import kaiming_normal_ as fill",
    "vector of a library": f"{COLUMNS}    v = torch.nn.utils.parameters_to_vector([t.detach()])\n    v[0] = 5\n    return t, v",
    "rearranged out of sight": f"{COLUMNS}    v = tool(t)\n    with torch.no_grad():\n        v[0] = 5\n    return t, v",
    "rearranged by a method out of sight": f"{COLUMNS}    v = tool.flat(t.detach())\n    v[0] = 5\n    return t, v",
    "rearranged in a list": f"{COLUMNS}    ts = [t]\n    return t, tool(ts)",
    "rearranged by a helper": f"{COLUMNS}    return t, flat(tool, t)\ndef flat(tool, t):\n    return tool(t)",
    "rearranged inside an object": f"{COLUMNS}    b = Box(t)\n    return t, tool(b)\nclass Box:\n"
    "    def __init__(self, t):\n        self.t = t",
    "gates": "a, b = torch.outer(h, h).split([1, 2], 1)\n    a.tanh_()\n    return a, b, a.view(3)",
}

CALLS = {
    "rest before a keyword": "k = f(w, h)\n    h += 1\n    return k\ndef f(a, *rest, k=None):\n    return rest[0]",
    "any keyword": "k = f(t=h)\n    h += 1\n    return k\ndef f(**given):\n    return given['t']",
    "second of the rest": "k = f(w, w, h)\n    h += 1\n    return k\ndef f(*rest):\n    return rest[2]",
    "two cuts by one helper": "x, y = cut(h, 2)\n    u, v, z = cut(h, 1)\n    v.mul_(2)\n    return x\n"
    "def cut(t, k):\n    return torch.split(t, k)",
}

MODULES = {
    "no layers at all": "net = nn.Sequential(*[nn.Linear(3, 3) for i in range(n)])\n    k = net(h)\n    h += 1\n    return k",
    "layers from a loop": "layers = []\n    for i in range(n):\n        layers += [nn.Linear(3, 3)]\n"
    "    net = nn.Sequential(*layers)\n    k = net(h)\n    h += 1\n    return k",
    "layers appended in a loop": "layers = []\n    for i in range(n):\n        layers.append(nn.Linear(3, 3))\n"
    "    net = nn.Sequential(*layers)\n    k = net(h)\n    h += 1\n    return k",
    "layer taken out": "net = nn.Sequential(nn.Linear(3, 3))\n    net.pop(0)\n    k = net(h)\n    h += 1\n    return k",
    "layer deleted": "net = nn.Sequential(nn.Linear(3, 3))\n    del net[0]\n    k = net(h)\n    h += 1\n    return k",
    "layers deleted": "net = nn.Sequential(nn.Linear(3, 3))\n    del net[:1]\n    k = net(h)\n    h += 1\n    return k",
    "no layers left": "net = nn.Sequential(nn.Linear(3, 3))[:n]\n    k = net(h)\n    h += 1\n    return k",
}

FLAGS = {
    "flag from a parameter": "k = nn.ReLU(inplace=n)(h)\n    h += 1\n    return k",
    "flag by position": "k = nn.functional.relu(h, n)\n    h += 1\n    return k",
    "flag that is a number": "k = nn.functional.relu(h, inplace=1)\n    h += 1\n    return k",
    "flag in a bundle": "k = nn.functional.relu(h, **n)\n    h += 1\n    return k",
    "flag in a bundle by position": "k = nn.functional.relu(*n)\n    h += 1\n    return k, n",
    "flag set to a value": "act = nn.ReLU()\n    act.inplace = n\n    k = act(h)\n    h += 1\n    return k",
    "flag of a partial": "import functools\n    act = functools.partial(nn.functional.relu, inplace=n)\n    k = act(h)\n"
    "    h += 1\n    return k",
    "flag of a constructor": "k = Block(n).act(h)\n    h += 1\n    return k\nclass Block(nn.Module):\n"
    "    def __init__(self, inplace=True):\n        super().__init__()\n        self.act = nn.ReLU(inplace=inplace)",
    "result in a bundle": "g = {'out': h}\n    k = torch.exp(w, **g)\n    h += 1\n    return k",
}

UNKNOWN = {
    "method that tensors have": "k = tool.norm(h)\n    h += 1\n    return k",
    "method of an argument": "return apply(tool, h)\ndef apply(tool, w):\n    tool.gather(w)\n    h = torch.exp(w)\n"
    "    k = tool.gather(h)\n    h += 1\n    return k",
    "class with a library's name": "k = F.relu(h, inplace=True)\n    h += 1\n    return k, F.kept\n"
    "import torch.nn.functional as F\nclass F:\n    def relu(t, inplace):\n        F.kept = t",
    "patched for a while": "with mock.patch('torch.sigmoid', lambda t: t):\n        k = torch.sigmoid(h)\n    h += 1\n"
    "    return k\nfrom unittest import mock",
}

SHOWN = {
    "view": "k = h[1:]\n    k += 1\n    print(k)",
    "view in a dict": "k = h[1]\n    k *= 2\n    d = {'k': k}\n    print(d)",
    "view in a log": "k = h.view(3, 1)\n    k *= 2\n    log.info('k is %s', k)",
    "view in a helper": "k = h.view(3, 1)\n    k *= 2\n    show(k)\ndef show(t):\n    print('value:', t)",
    "view in a dict by keywords": "k = h[1:]\n    k *= 2\n    print(dict(k=k))",
    "view in the root log": "k = h[1:]\n    k *= 2\n    logging.warning('%s', k)\nimport logging",
    "view printed by a library": "k = h[1:]\n    k *= 2\n    pprint(k)\nfrom pprint import pprint",
    "store": "h[h > 0.5] = 0\n    print(h)",
    "method whose counterpart is called otherwise": "nn.functional.elu_(h)\n    print(h)",
    "view in a string that is printed": "k = h[1:]\n    k *= 2\n    print(f'{k}', '%s' % k, sep='')",
    "view by its own method": "k = h[1:]\n    k *= 2\n    print(k.__repr__())",
}
"""Texts for people; see Note [Names of operations]."""

PRINTED = {
    "view in a string": "k = h.view(3, 1)\n    k *= 2\n    return f'{k}'",
    "view as a string": "k = h.view(3, 1)\n    k *= 2\n    return str(k)",
    "view in a formatted string": "k = h.view(3, 1)\n    k *= 2\n    return '%s' % k, '{}'.format(k)",
    "view by its own method": "k = h[1:]\n    k *= 2\n    return k.__repr__()",
    "view in a dataclass": "k = h[1:]\n    k *= 2\n    return str(P(k))\nimport dataclasses\n@dataclasses.dataclass\n"
    "class P:\n    v: object",
    "view in a dataclass, formatted": "k = h[1:]\n    k *= 2\n    p = P(k)\n    return f'{p}'\nimport dataclasses\n"
    "@dataclasses.dataclass\nclass P:\n    v: object",
    "view converted": "k = h[1:]\n    k *= 2\n    return f'{k!r:>80}'",
    "view with an empty format": "k = h[1:]\n    k *= 2\n    return f'{k:}'",
    "view in a template": "k = h[1:]\n    k *= 2\n    return tool().format(k)",
    "view mapped to text": "k = h[1:]\n    k *= 2\n    return list(map(str, [k]))",
    "view, and caught": "k = h[1:]\n    k += 1\n    with contextlib.redirect_stdout(n):\n        print(k)\nimport contextlib",
    "view, to a file": "k = h[1:]\n    k += 1\n    print(k, file=n)",
    "view, by options": "k = h[1:]\n    k += 1\n    print(k, **n)",
    "view, by another print": "k = h[1:]\n    k += 1\n    print(k)\ndef print(t):\n    global KEPT\n    KEPT = str(t)",
    "view, by an object": "k = h[1:]\n    k += 1\n    tool.info(f'{k}')",
    "view, and its text": "k = h[1:]\n    k += 1\n    print(t := str(k))\n    return t",
    "view, and what the log says": "k = h[1:]\n    k += 1\n    return log.info(f'{k}')",
}

ALL = MEMORY | GAPS | CALLS | MODULES | FLAGS | UNKNOWN | {f"printed {name}": body for name, body in PRINTED.items()}


@pytest.mark.parametrize("body", ALL.values(), ids=ALL.keys())
def test_nothing_here_is_safe(body: str) -> None:
    assert not any(fix.safe and fix.rewrite != ASKING for fix in fixes(f"def main(n, tool, log):\n    {HEAD}{body}\n"))


@pytest.mark.parametrize("body", SHOWN.values(), ids=SHOWN.keys())
def test_what_people_read_is_safe_and_assumed(body: str) -> None:
    found = fixes(f"def main(n, tool, log):\n    {HEAD}{body}\n")
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]
    assert any("for people alone" in one for fix in found for one in fix.assumes)


PLAIN = {
    "expanded and computed with": "e = w.expand(2, 3) * 2\n    e[0] = 1.0\n    return e",
    "fixed layers": "net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))\n    k = net(h)\n    h += 1\n    return k, h",
    "columns": f"{COLUMNS}    return t, t.sum(), torch.cat([t, t])",
    "columns, and another tensor out of sight": f"{COLUMNS}    tool(w)\n    return t",
    "rows, and a view": "k = h.exp()[1:]\n    k += 1\n    return k, k.view(2, 1)",
    "transposed, and a view": "k = torch.outer(h, h).t()\n    k += 1\n    return k, k.reshape(-1)",
    "transposed, zeroed, and a view": "k = torch.outer(h, h).t()\n    k.zero_()\n    return k, k.reshape(-1)",
    "adjoint, filled, and a view": "k = torch.outer(h, h).adjoint()\n    k.fill_(2)\n    return k, k.reshape(-1)",
    "one more dimension, and a view": "k = torch.outer(h, h)[None]\n    k *= 2\n    return k, k.view(-1)",
    "printed number": "k = h[1:]\n    k += 1\n    print(k.sum().item(), k.shape)\n    return k",
    "printed with a format": "k = h.sum().squeeze()\n    k += 1\n    print(f'{k:.3f}')\n    return k",
    "printed after detaching": "k = h[1:]\n    k += 1\n    print(k.detach())\n    return k",
    "flag that is off": "k = nn.functional.relu(h, False)\n    k += 1\n    return nn.ReLU(inplace=False)(k), torch.zeros(*k.shape)",
    "printed sum": "h += 1\n    print(h)\n    return h",
}


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN.keys())
def test_plain_code_is_safe(body: str) -> None:
    found = fixes(f"def main(n, tool, log):\n    {HEAD}{body}\n")
    assert found and all(fix.safe for fix in found)


@pytest.mark.parametrize(
    "name", ["add", "mul", "relu", "clamp", "elu", "leaky_relu", "acosh", "tanh", "sigmoid", "celu"]
)
def test_history_is_kept_where_torch_keeps_it(name: str) -> None:
    weight = torch.full((3,), 1.5, requires_grad=True)
    operands = {"add": [2.0], "mul": [2.0], "clamp": [0.5]}.get(name, [])
    home = torch.Tensor if hasattr(torch.Tensor, f"{name}_") else torch.nn.functional
    written, plain = (getattr(home, text)(weight * 1, *operands).grad_fn for text in (f"{name}_", name))
    assert keeps_history(f"Tensor.{name}_") == (written.name() == plain.name())
