"""Programs in which control flow or scopes hide another holder of the tensor: nothing in them may be called safe."""

from __future__ import annotations

import textwrap

import pytest
from rewriting import ASKING, brought_together, fixes

HEAD = "w = torch.ones(3, requires_grad=True)\n    h = w * 2\n    k = w\n    "

FLOW = {
    "break past else": "for i in range(3):\n        k = h\n        if i:\n            break\n        k = w\n    else:\n"
    "        k = w\n    h += 1\n    return k",
    "break past a while's else": "while True:\n        if len(w):\n            k = h\n            break\n    else:\n"
    "        k = w\n    h += 1\n    return k",
    "error inside a condition": "try:\n        if len(w):\n            k = h\n            {}['x']\n            k = w\n"
    "    except KeyError:\n        pass\n    h += 1\n    return k",
    "raise inside a loop": "try:\n        for i in range(3):\n            k = h\n            if i:\n"
    "                raise KeyError\n            k = w\n    except KeyError:\n        pass\n    h += 1\n    return k",
    "raise before the handler's write": "try:\n        if len(w):\n            k = h\n            raise KeyError\n"
    "    except KeyError:\n        h += 1\n    return k",
    "error before finally": "try:\n        k = h\n        {}['x']\n        k = w\n    finally:\n        h += 1\n"
    "        print(k)",
    "break through finally": "for i in range(3):\n        try:\n            if i:\n                break\n        finally:\n"
    "            k = h\n        k = w\n    h += 1\n    return k",
    "continue through finally": "for i in range(3):\n        h = h * 2\n        try:\n            if i:\n"
    "                continue\n        finally:\n            k, m = h, k\n        k = w\n    h += 1\n    return m, k",
    "return, then finally": "try:\n        if len(w):\n            return h\n        h = w * 3\n    finally:\n        h += 1\n"
    "    return h",
    "return of a view, then finally": "k = h.view(3)\n    try:\n        return k, 1\n    finally:\n        h *= 2",
    "guard that keeps": "match 3:\n        case int() if KEPT.append(h) is None:\n            h += 1\n    return KEPT",
    "guard that binds": "match 3:\n        case int() if len(k := h):\n            pass\n    h += 1\n    return k",
    "binding on one side": "y = (k := h) if len(w) else (k := w)\n    y = y * 1\n    h += 1\n    return k",
    "binding in a branch that may not run": "k = h\n    n = len(k := w) if len(w) > 9 else 0\n    h += 1\n    return k",
    "binding behind `and`": "k = h\n    n = len(w) > 9 and len(k := w)\n    h += 1\n    return k",
    "binding behind a comparison": "k = h\n    n = 3 < 2 < len(k := w)\n    h += 1\n    return k",
    "binding in an empty comprehension": "k = h\n    n = [len(k := w) for i in range(0)]\n    h += 1\n    return k",
    "binding in a key": "k = h\n    n = {len(k := w): 1 for i in range(0)}\n    h += 1\n    return k",
}

SCOPES = {
    "default of a function": "k = h\n    def f(t=k):\n        return t\n    k = w\n    h += 1\n    return f()",
    "default of a lambda": "k = h\n    f = lambda t=k: t\n    k = w\n    h += 1\n    return f()",
    "class body": "k = h\n    class C:\n        t = k\n    k = w\n    h += 1\n    return C.t",
    "generator that is begun": "k = h\n    rows = (r * 2 for r in k)\n    k = w\n    h += 1\n    return list(rows)",
    "cell that was read": "k = h\n    def get():\n        return k\n    m = get()\n    k = w\n    h += 1\n    return m",
    "cell that a lambda read": "k = h\n    get = lambda: k\n    m = get()\n    k = w\n    h += 1\n    return m",
    "cell of a comprehension": "fs = [lambda: t for t in [h]]\n    h += 1\n    return fs[0]()",
    "nested function defined twice": "if len(w):\n        def f(t):\n            return t\n    else:\n        def f(t):\n"
    "            return t * 2\n    m = f(h)\n    h += 1\n    return m",
    "nested function bound anew": "def f(t):\n        return t * 2\n    f = lambda t: t\n    m = f(h)\n    h += 1\n    return m",
    "name of an enclosing function": "f = lambda t: t\n    def g(w):\n        h = torch.exp(w)\n        m = f(h)\n"
    "        h += 1\n        return m\n    return g(w)\ndef f(t):\n    return t * 2",
    "function that a condition replaces": "m = f(h)\n    h += 1\n    return m\ndef f(t):\n    return t * 2\nif len('x'):\n"
    "    def f(t):\n        return t",
    "function that an import replaces": "m = f(h)\n    h += 1\n    return m\ndef f(t):\n    return t * 2\ntry:\n"
    "    from operator import pos as f\nexcept ImportError:\n    pass",
    "function that an import in a function replaces": "from operator import pos as f\n    m = f(h)\n    h += 1\n    return m\n"
    "def f(t):\n    return t * 2",
    "class that a condition replaces": "m = Act()(h)\n    h += 1\n    return m\nif len('x') > 1:\n    class Act(nn.Module):\n"
    "        def forward(self, t):\n            return t * 2\nelse:\n    class Act(nn.Module):\n"
    "        def forward(self, t):\n            return t",
    "class of another function": "def other():\n        class Net(nn.Module):\n            def forward(self, t):\n"
    "                return t * 2\n    m = same(torch.exp(w))\n    return m\ndef same(h):\n    class Net(nn.Module):\n"
    "        def forward(self, t):\n            return t\n    h = torch.exp(h)\n    m = Net()(h)\n    h += 1\n    return m",
    "name that the module exports": "pass\nW = torch.ones(3, requires_grad=True)\nH = W * 2\nG = H\nH += 1",
}


MODES = {
    "grad mode by another name": "off()\n    h += 1\n    return h\nfrom torch import set_grad_enabled as sge\n"
    "def off():\n    sge(False)",
    "grad mode by another name in a branch": "from torch import set_grad_enabled as sge\n    if len(w):\n"
    "        sge(False)\n    h += 1\n    sge(True)\n    return h",
    "context by another name": "c = ng()\n    c.__enter__()\n    h += 1\n    return h\nfrom torch import no_grad as ng",
    "grad mode by a text": "getattr(torch, 'set_grad_enabled')(False)\n    h += 1\n    return h",
    "generator stopped in no_grad": "g = gen()\n    next(g)\n    h += 1\n    return h\ndef gen():\n"
    "    with torch.no_grad():\n        yield 1",
    "loop over a generator in no_grad": "for n in gen():\n        h += n\n    return h\ndef gen():\n"
    "    with torch.no_grad():\n        for n in range(3):\n            yield n",
    "generator in a context out of sight": "for n in gen():\n        h += n\n    return h\nfrom tools import quiet\n"
    "def gen():\n    with quiet():\n        yield 1",
    "coroutine stopped in no_grad": "c = other()\n    c.send(None)\n    h += 1\n    return h\nimport asyncio\n"
    "async def other():\n    with torch.no_grad():\n        await asyncio.sleep(0)",
    "context entered by a stack": "s = contextlib.ExitStack()\n    s.enter_context(quiet())\n    h += 1\n    s.close()\n"
    "    return h\nimport contextlib\n@contextlib.contextmanager\ndef quiet():\n    with torch.no_grad():\n        yield",
    "context entered by hand": "c = quiet()\n    c.__enter__()\n    h *= 2\n    return h\nimport contextlib\n"
    "@contextlib.contextmanager\ndef quiet():\n    with torch.no_grad():\n        yield",
    "context of the file entered by hand": "c = Quiet()\n    c.__enter__()\n    h *= 2\n    return h\n"
    "class Quiet(Off):\n    pass\n@torch.no_grad()\ndef free():\n    pass\n"
    "from tools import Off",
}

ALL = FLOW | SCOPES | MODES


@pytest.mark.parametrize("body", ALL.values(), ids=ALL.keys())
def test_nothing_here_is_safe(body: str) -> None:
    assert not any(fix.safe and fix.rewrite != ASKING for fix in fixes(f"def main():\n    {HEAD}{body}\n"))


CLASSES = {
    "method that a subclass replaces": """
        class Base:
            def head(self, t):
                return t * 2
            def run(self, w):
                h = torch.sigmoid(w)
                m = self.head(h)
                h += 1
                return m
        class Sub(Base):
            def head(self, t):
                return t
    """,
    "method that a sibling base replaces": """
        class Base:
            def head(self, t):
                return t * 2
            def run(self, w):
                h = torch.sigmoid(w)
                m = self.head(h)
                h += 1
                return m
        class Other:
            def head(self, t):
                return t
        class Sub(Other, Base):
            pass
    """,
    "next of several bases": """
        class Base:
            def head(self, t):
                return t * 2
        class Sub(Base):
            def run(self, w):
                h = torch.sigmoid(w)
                m = super().head(h)
                h += 1
                return m
        class Other(Base):
            def head(self, t):
                return t
        class Both(Sub, Other):
            pass
    """,
    "forward that a subclass replaces": """
        class Net(nn.Module):
            def forward(self, t):
                return t * 2
        class Plain(Net):
            def forward(self, t):
                return t
        class Outer(nn.Module):
            def forward(self, net: Net, w):
                h = torch.sigmoid(w)
                m = net(h)
                h += 1
                return m
    """,
    "own __call__": """
        class Net(nn.Module):
            def __call__(self, t):
                return t
            def forward(self, t):
                return t * 2
        def main(w):
            net = Net()
            h = torch.sigmoid(w)
            m = net(h)
            h += 1
            return m
    """,
    "method in an instance's dict": """
        class Net:
            def head(self, t):
                return t * 2
            def run(self, w):
                h = torch.sigmoid(w)
                m = self.head(h)
                h += 1
                return m
        def main(net):
            net.__dict__["head"] = lambda t: t
    """,
}


@pytest.mark.parametrize("code", CLASSES.values(), ids=CLASSES.keys())
def test_no_method_here_is_safe(code: str) -> None:
    assert not any(fix.safe and fix.rewrite != ASKING for fix in fixes(brought_together(textwrap.dedent(code))))


PLAIN = {
    "no_grad elsewhere": "h += 1\n    return h\nfrom torch import no_grad as ng\ndef gen(path):\n    with ng():\n"
    "        n = torch.ones(3)\n    with open(path) as lines:\n        yield from lines",
    "loop with else": "for i in range(3):\n        if i:\n            break\n        h = h * 2\n    else:\n        h = w * 3\n"
    "    h += 1\n    return h",
    "finally": "try:\n        k = open('x')\n    finally:\n        print('done')\n    h += 1\n    return h",
    "conditional expression": "k = h * 2 if len(w) else h * 3\n    h += 1\n    return k",
    "nested function of its own": "def f(t):\n        return t * 2\n    m = f(h)\n    h += 1\n    return m",
    "class of one function": "class Net(nn.Module):\n        def forward(self, t):\n            return t * 2\n    m = Net()(h)\n"
    "    h += 1\n    return m",
}


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN.keys())
def test_plain_code_is_safe(body: str) -> None:
    found = fixes(f"def main():\n    {HEAD}{body}\n")
    assert found and all(fix.safe for fix in found)
