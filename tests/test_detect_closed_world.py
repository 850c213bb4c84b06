"""Programs in which a write looks exact and is not: none of their rewrites may be called safe.

Each one computes something else after the rewrite, through something that is easy to overlook.
"""

from __future__ import annotations

import textwrap

import pytest
from rewriting import ASKING, fixes

MAIN = "w = torch.ones(3, requires_grad=True)\n    h = w * 2\n    "

INSIDE = {
    "bound method": "total = h.sum\n    h += 1\n    return total()",
    "attribute set on the tensor": "h.tag = 'a'\n    h += 1\n    return h.tag",
    "tensor as a key": "names = {h: 1}\n    h += 1\n    return h in names",
    "numpy view": "a = h.detach().numpy()\n    h += 1\n    return a",
    "annotated list": "kept: list = [h]\n    h += 1\n    return kept[0]",
    "dict by keywords": "d = dict(h=h)\n    h += 1\n    return d",
    "deque": "import collections\n    q = collections.deque([h])\n    h += 1\n    return q",
    "random choice": "import random\n    k = random.choice([h])\n    h += 1\n    return k",
    "list under two names": "outs = []\n    sink = outs\n    sink.append(h)\n    h += 1\n    return outs",
    "list in a list": "grid = [[]]\n    row = grid[0]\n    row.append(h)\n    h += 1\n    return grid",
    "alias before break": "k = w\n    for i in range(3):\n        if i:\n            k = h\n            break\n    h += 1\n    return k",
    "alias before continue": "k = w\n    for i in range(3):\n        if i < 2:\n            k = h\n            continue\n"
    "        h += 1\n    return k",
    "alias in a try": "k = w\n    try:\n        k = h\n        int('x')\n        k = w\n    except ValueError:\n        pass\n"
    "    h += 1\n    return k",
    "pattern": "t = w * 3\n    match h:\n        case t:\n            t += 1\n    return h",
    "index of no dimension": "i = h.argmax()\n    v = h[i]\n    v += 1\n    return h",
    "index from a tuple": "at = [slice(None)]\n    v = h[tuple(at)]\n    v += 1\n    return h",
    "unknown context": "with frozen():\n        h *= 3\n    return h",
    "context held in a name": "quiet = torch.no_grad()\n    with quiet:\n        h *= 3\n    return h",
    "grad mode by keyword": "with torch.set_grad_enabled(mode=False):\n        h *= 3\n    return h",
    "grad mode by a call": "torch.set_grad_enabled(False)\n    h *= 3\n    torch.set_grad_enabled(True)\n    return h",
    "grad mode by a helper": "freeze()\n    h *= 3\n    return h\ndef freeze():\n    torch.set_grad_enabled(False)",
    "own class": "b = Bag()\n    b += h\n    b += 1\n    return b\nclass Bag:\n    def __iadd__(self, o):\n        return self",
    "lazy generator": "it = scaled(h)\n    h += 1\n    return list(it)\ndef scaled(t):\n    yield t * 2",
    "attribute of an argument": "box = Box()\n    put(box, h)\n    h += 1\n    return box.v\nclass Box: pass\n"
    "def put(box, t):\n    box.v = t",
    "setter": "k = Keeper()\n    k.set(h)\n    h += 1\n    return k.t\nclass Keeper:\n    def set(self, t):\n        self.t = t",
    "pointer in a helper": "a = at(h)\n    h += 1\n    return a == at(h)\ndef at(t):\n    return t.data_ptr()",
    "cached function": "t = make(3)\n    t += h\n    return make(3)\ndef make(n):\n    return torch.ones(n)\n"
    "make = functools.lru_cache(None)(make)",
    "item of a module's dict": "a = push(w)\n    return a\nSTATE = {'h': torch.zeros(3)}\ndef push(x):\n    h = STATE['h']\n"
    "    h += x\n    return h",
    "global": "return push(w)\nT = torch.zeros(3)\ndef push(x):\n    global T\n    T += x\n    return T",
    "closure's container": "box = {'h': h}\n    def bump():\n        t = box['h']\n        t += 1\n        return t\n    return bump()",
    "swap of slots": "h[0], h[1] = h[1], h[0]\n    return h",
    "expected error": "h += 1\n    try:\n        h.sum().backward()\n    except RuntimeError:\n        pass\n    return h",
    "replaced layer": "net = nn.Sequential(nn.Linear(3, 3))\n    net[0] = nn.Identity()\n    y = net(h)\n    y += 1\n    return h",
    "double": "h += torch.ones(3).double()\n    return h",
    "dtype by position": "h += w.softmax(0, torch.float64)\n    return h",
    "dtype by options": "h += torch.ones(3, **{'dtype': torch.float64})\n    return h",
    "array": "import numpy as np\n    h += torch.from_numpy(np.ones(3))\n    return h",
    "layout": "t = h.reshape(1, 3).t()\n    t.masked_fill_(t > 1, 0.5)\n    return t.t().view(-1)",
    "two cuts": "a, b = h.tensor_split(2)\n    c, d, *e = h.tensor_split(3)\n    a += 1\n    return c",
    "pieces of windows": "a, b = h.unfold(0, 2, 1).unbind(0)\n    a += 1\n    return b",
    "pieces of earlier rounds": "p = w\n    for d in (0, 1):\n        a, b = h.chunk(2, d)\n        b += 1\n        q, p = p, a\n"
    "    return q",
    "function that closes over its argument": "f = make(h)\n    h += 1\n    return f()\ndef make(t):\n    def g():\n"
    "        return t * 2\n    return g",
    "generator expression of an argument": "f = make(h)\n    h += 1\n    return list(f)\ndef make(t):\n    return (t * k for k in (1, 2))",
    "dict under two names": "table = {}\n    other = table\n    other['h'] = h\n    h += 1\n    return table",
    "attribute of a node that is replaced": "node = Node()\n    node.t = h\n    first = node\n    node = Node()\n    node.t = w\n"
    "    h += 1\n    return first.t\nclass Node: pass",
    "key of a store": "names = {}\n    names[h] = 7\n    h += 1\n    return names",
    "own __getitem__": "p = Probe()\n    p[h]\n    h += 1\n    return p.seen\nclass Probe:\n    def __getitem__(self, t):\n"
    "        self.seen = t",
    "own __eq__": "p = Probe()\n    p == h\n    h += 1\n    return p.seen\nclass Probe:\n    def __eq__(self, t):\n"
    "        self.seen = t",
    "forward replaced": "m = nn.Linear(3, 3)\n    m.forward = lambda t: t\n    y = m(h)\n    y += 1\n    return h",
    "float_power": "h += w.float_power(2)\n    return h",
    "order of random numbers": "t = torch.einsum('i,j->ij', h, w)\n    t.tril_()\n    return nn.functional.dropout(t, 0.5)",
    "error handled by the caller": "h += w\n    return h\ndef run():\n    try:\n        return main()\n    except RuntimeError:\n"
    "        return None",
    "view told by a helper": "v = h[1:]\n    v += 1\n    return look(v)\ndef look(t):\n    return t._is_view()",
    "base told by a helper": "v = h[1:]\n    v *= 2\n    return look(v)\ndef look(t):\n    return t._base is None",
    "history told by a helper": "v = h[1:]\n    v *= 2\n    return look(v)\ndef look(t):\n    return t.grad_fn.name()",
    "history told by a method": "v = h[1:]\n    v *= 2\n    return A().look(v)\nclass A:\n    def look(self, t):\n"
    "        return type(t.grad_fn).__name__",
    "history told by name": "v = h[1:]\n    v *= 2\n    return look(v)\ndef look(t):\n"
    "    return getattr(t, 'grad_fn').name()",
    "text run by a helper": "v = h[1:]\n    v *= 2\n    return look(v, '_is_' 'view')\ndef look(t, name):\n"
    "    return eval(f't.{name}()')",
    "lazy conjugate": "z = torch.complex(h, w).conj()\n    z *= 2\n    return z.is_conj()",
    "lazy conjugate of a function": "z = torch.conj(torch.complex(h, w))\n    z += 1\n    return torch.is_conj(z)",
    "lazy negative": "z = torch.complex(h, w).conj().imag\n    z *= 2\n    return z.is_neg()",
    "metadata read before": "return h.requires_grad, h.add_(1), h.requires_grad",
}

CLASSES = {
    "layer replaced by a subclass": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.norm = nn.Linear(3, 3), nn.LayerNorm(3)
            def forward(self, x):
                y = self.a(x)
                h = self.norm(y)
                h += 1
                return h + y
        class Plain(Net):
            def __init__(self):
                super().__init__()
                self.norm = nn.Identity()
    """,
    "layer replaced by a helper": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = nn.Linear(3, 3)
                self.norm = nn.LayerNorm(3)
            def forward(self, x):
                y = self.a(x)
                h = self.norm(y)
                h += 1
                return h + y
        def strip(model):
            model.norm = nn.Identity()
    """,
    "module that keeps its input": """
        class Keeps(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = nn.Linear(3, 3)
            def forward(self, x):
                self.seen = x
                return self.a(x)
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = Keeps()
            def forward(self, x):
                h = torch.exp(x)
                y = self.inner(h)
                h *= 2
                return y
    """,
    "hook": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = nn.Linear(3, 3)
                self.a.register_forward_hook(keep)
            def forward(self, x):
                h = self.a(x)
                h += 1
                return h
    """,
}


@pytest.mark.parametrize("body", INSIDE.values(), ids=INSIDE.keys())
def test_nothing_here_is_safe(body: str) -> None:
    assert not any(fix.safe and fix.rewrite != ASKING for fix in fixes(f"def main():\n    {MAIN}{body}\n"))


@pytest.mark.parametrize("code", CLASSES.values(), ids=CLASSES.keys())
def test_no_forward_here_is_safe(code: str) -> None:
    assert not any(fix.safe and fix.rewrite != ASKING for fix in fixes(textwrap.dedent(code)))


PLAIN = {
    "residual": "y = torch.sigmoid(h)\n    skip = h * 3\n    y += skip\n    return y",
    "scale": "h /= h.norm()\n    return h",
    "loop": "for i in range(3):\n        h *= i\n    return h",
    "loss": "loss = h.sum()\n    loss += w.abs().sum()\n    return loss",
    "branch": "if h.sum() > 0:\n        h = torch.relu(h)\n    h -= h.mean()\n    return h",
    "chain": "h.mul_(2).add_(1)\n    return h",
    "gates": "for t in range(3):\n        i, f = (h * t).chunk(2)\n        i *= f\n        h = torch.cat([i, f])\n    return h",
    "import guard": "try:\n        import apex\n    except ImportError:\n        apex = None\n    h += 1\n    return h",
    "returned tuple": "y = h * 2\n    h += 1\n    return h, y",
    "pieces": "a, b = h.chunk(2)\n    a *= b\n    return a + b",
    "cat": "h += 1\n    return torch.cat([h, w])",
}


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN.keys())
def test_plain_code_is_safe(body: str) -> None:
    found = fixes(f"def main():\n    {MAIN}{body}\n")
    assert found and all(fix.safe for fix in found)
