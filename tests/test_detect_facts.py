"""Who else looks at the memory that is written, and what that makes of a site."""

from __future__ import annotations

import pytest
from test_detect_lookalikes import found

from fixinplace.model import Facts, Place, Usage


def last(code: str) -> Facts:
    """Facts of the last site."""
    return found(code)[-1].facts


SEEN = {
    "same tensor by another name": (
        "live-alias",
        "y = x.exp()\n    z = y if x.ok else x\n    y += 1\n    return z + y",
    ),
    "view read later": (
        "live-view",
        "y = x.exp()\n    v = y.view(-1) if x.ok else y\n    y += 1\n    return v.sum() + y",
    ),
    "base read later": ("live-view", "y = x.exp()\n    v = y[0] if x.ok else y\n    v += 1\n    return y + v"),
    "reshape may be a view": ("live-view", "y = x.exp()\n    v = y.reshape(-1)\n    y += 1\n    return v.sum()"),
    "dropout in eval is its input": (
        "live-view",
        "y = x.exp()\n    v = F.dropout(y, 0.5, False)\n    v += 1\n    return y",
    ),
    "list": ("container-slot", "outs = []\n    y = x.exp()\n    outs.append(y)\n    y += 1\n    return outs"),
    "dict": ("container-slot", "y = x.exp()\n    d = {'y': y}\n    y += 1\n    return d"),
    "tuple": ("container-slot", "y = x.exp()\n    t = (y, 1)\n    y += 1\n    return t"),
    "dict item": ("container-slot", "y = x.exp()\n    x.cache[0] = y\n    y += 1\n    return y"),
    "attribute": ("escapes-to-attribute", "y = x.exp()\n    x.kept = y\n    use(x)\n    y += 1\n    return y"),
    "element of a tuple": ("container-slot", "ys = (x.exp(), x.exp())\n    ys[0] += 1\n    return ys"),
    "rows of a tensor": ("loop-variable", "y = x.exp()\n    for row in y:\n        row.mul_(2)\n    return y"),
    "rows still to come": (
        "loop-variable",
        "y = x.exp()\n    for row in y:\n        x.use(row)\n        y += 1\n    return x",
    ),
    "chunk of what is read later": ("live-view", "y = x.exp()\n    a, *b = y.chunk(2)\n    a += 1\n    return y"),
    "a copy that an index makes, added to": (
        "live-view",
        "y = x.exp()\n    v = y if x.ok else x.sin()\n    v[[0, 1]][1:] += 1\n    return y, v",
    ),
    "a copy that a mask makes, stored into": ("live-view", "y = x.exp()\n    y[y > 1][0] = 1\n    return y"),
    "a property": (
        "not-assignable",
        "x.last.mul_(2)\n    return x\nclass Rows:\n    @property\n    def last(self):\n        return self.rows[-1]",
    ),
    "another attribute of the class": (
        "escapes-to-attribute",
        "return x\nclass Ring:\n    def __init__(self, x):\n        self.rows = x.exp()\n        self.head = self.rows[0]\n"
        "    def decay(self):\n        self.rows *= 0.5\n        return self.head",
    ),
    "another attribute that another method binds": (
        "escapes-to-attribute",
        "return x\nclass Ring:\n    def fill(self, x):\n        self.rows = x.exp()\n        return self.rows\n"
        "    def show(self):\n        self.seen = self.rows.t()[:, 1:]\n        return self.seen\n"
        "    def decay(self):\n        self.rows.mul_(0.5)",
    ),
    "global": ("closure", "def g():\n        y.add_(1)\n    y = x.exp()\n    g()\n    return y"),
    "identity helper": (
        "live-alias",
        "y = x.exp()\n    z = ident(y)\n    z += 1\n    return y\ndef ident(t):\n    return t",
    ),
    "parameter": ("registered-parameter", "m = nn.Linear(2, 2)\n    m.weight *= 2\n    return m(x)"),
}


@pytest.mark.parametrize(("refusal", "body"), SEEN.values(), ids=SEEN.keys())
def test_others_who_look_are_named(refusal: str, body: str) -> None:
    facts = [f.facts for f in found(f"def f(x):\n    {body}")]
    assert refusal in {h.refusal for one in facts for h in one.hazards}


ALONE = {
    "fresh": "y = x.exp()\n    y += 1\n    return y",
    "old name bound anew": "y = x.exp()\n    z = y\n    z = z * 2\n    y += 1\n    return z + y",
    "alias not read again": "y = x.exp()\n    z = y\n    y += 1\n    return y",
    "copy by index tensor": "y = x.exp()\n    z = y[y > 1]\n    z += 1\n    return y.sum() + z.sum()",
    "this round's tensor": "outs = []\n    for i in range(3):\n        y = x.exp()\n        y += i\n        outs.append(y)\n    return outs",
    "helper that makes its own": "y = make(x)\n    y += 1\n    return y\ndef make(t):\n    return torch.exp(t)",
    "pieces do not overlap": "y = x.exp()\n    a, b = y.chunk(2)\n    a += 1\n    return a + b",
    "a row of a row": "y = x.exp()\n    y[0][1:] += 1\n    return y",
    "values and indices": "v, i = torch.exp(x).topk(2)\n    v += 1\n    return v, i",
    "sum over a generator": "y = x.exp()\n    n = sum(t.sum() for t in y)\n    y += 1\n    return y + n",
}


@pytest.mark.parametrize("body", ALONE.values(), ids=ALONE.keys())
def test_nobody_else_looks(body: str) -> None:
    facts = last(f"def f(x):\n    {body}")
    assert facts.hazards == () and facts.doubts == () and facts.parameter is None


DOUBTS = {
    "unseen call": "y = x.exp()\n    keep(y)\n    y += 1\n    return y",
    "unseen result": "y = make(x)\n    y.add_(1)\n    return y",
    "kept by a helper": "y = make(x)\n    y += 1\n    return y\nCACHE = []\ndef make(t):\n    y = torch.exp(t)\n    CACHE.append(y)\n    return y",
    "cached by a decorator": "y = make(3)\n    y += 1\n    return y\n@functools.cache\ndef make(n):\n    return torch.zeros(n)",
    "hook": "y = x.exp()\n    y.register_hook(print)\n    y += 1\n    return y",
    "identity test": "y = x.exp()\n    y += 1\n    return y is x",
    "version": "y = x.exp()\n    y += 1\n    return y._version",
    "nested function": "y = x.exp()\n    g = lambda: y\n    y += 1\n    return g()",
    "error may be handled": "y = x.exp()\n    try:\n        y += 1\n    except RuntimeError:\n        pass\n    return y",
    "leaf": "y = torch.ones(3, requires_grad=True)\n    y += 1\n    return y",
    "conversion": "y = x.exp().to(x.kind)\n    y += x.exp()\n    return y",
}


@pytest.mark.parametrize("body", DOUBTS.values(), ids=DOUBTS.keys())
def test_doubts_forbid_calling_it_safe(body: str) -> None:
    sites = found(f"import functools\ndef f(x):\n    {body}")
    assert any(s.facts.doubts or s.facts.hazards for s in sites)


def test_a_parameter_names_the_caller() -> None:
    assert last("def f(x):\n    x += 1\n    return torch.exp(x)").parameter == "x"
    assert last("def f(x):\n    y = x.view(-1)\n    y += 1\n    return y").parameter == "x"


NAMED_MASKS = {
    "of the tensor itself": ("m = h > 0\n    h[m] = 1", True),
    "kept by an in-place write": ("m = h > 0\n    h.mul_(2)\n    h[m] = 1", True),
    "combined": ("m = h > 0\n    n = ~m & (h < 5)\n    h[n] = 1", True),
    "on both branches": (
        "if x:\n        m = h > 0\n    else:\n        m = h < 0\n    h[m] = 1", True),
    "of another tensor": ("m = x > 0\n    h[m] = 1", False),
    "tensor bound anew": ("m = h > 0\n    h = h[0]\n    h[m] = 1", False),
    "mask bound anew": ("m = h > 0\n    m = m[0]\n    h[m] = 1", False),
    "bound anew by a loop": ("m = h > 0\n    for h in h.exp():\n        h[m] = 1", False),
    "on one branch": ("m = x > 0\n    if x:\n        m = h > 0\n    h[m] = 1", False),
    "shape changed in place": ("m = h > 0\n    h.unsqueeze_(0)\n    h[m] = 1", False),
    "shape changed through another name": ("m = h > 0\n    g = h\n    g.unsqueeze_(0)\n    h[m] = 1", False),
}  # fmt: skip


@pytest.mark.parametrize(("body", "same"), NAMED_MASKS.values(), ids=NAMED_MASKS.keys())
def test_a_mask_under_a_name_has_its_tensors_shape_until_one_is_bound_anew(body: str, same: bool) -> None:
    stores = [f for f in found(f"def f(x):\n    h = torch.exp(x)\n    {body}\n    return h") if f.site.rule == "FIP109"]
    assert [f.facts.mask for f in stores] == [same]


def test_a_module_made_by_a_default_is_seen_with_its_calls() -> None:
    code = """
        class N(nn.Module):
            def __init__(self, act=nn.ReLU(inplace=True)):
                super().__init__()
                self.act = act
            def forward(self, x):
                h = torch.sigmoid(x)
                return self.act(h)
    """
    facts = last(code)
    assert [call.target for call in facts.module_calls] == ["h"]


def test_half_and_single_are_mixed() -> None:
    assert last("def f(x):\n    h = x.exp().half()\n    h += torch.exp(x)\n    return h").mixed
    assert not last("def f(x):\n    h = x.exp()\n    h += torch.exp(x)\n    return h").mixed


MASKS = {
    "h[h > 0] = 1": (True, True),
    "h[torch.isnan(h)] = 0.0": (True, True),
    "h[~(h < 0) & h.isfinite()] = 0": (True, True),
    "h[x > 0] = 1": (False, True),
    "h[h > x] = 1": (False, True),
    "h[h > 0] = x.sum()": (True, False),
}


@pytest.mark.parametrize(("store", "expected"), MASKS.items(), ids=MASKS.keys())
def test_masks_of_the_target_itself(store: str, expected: tuple[bool, bool]) -> None:
    facts = last(f"def f(x):\n    h = torch.exp(x)\n    {store}\n    return h")
    assert (facts.mask, facts.scalar) == expected


USAGES = {
    "h.relu_()": (Usage.STATEMENT, Place.NAME),
    "h = h.relu_()": (Usage.REBOUND, Place.NAME),
    "r = h.relu_()": (Usage.VALUE, Place.NAME),
    "r = torch.exp(h).relu_()": (Usage.VALUE, Place.TEMPORARY),
    "h[0].relu_()": (Usage.STATEMENT, Place.SUBSCRIPT),
}


@pytest.mark.parametrize(("statement", "expected"), USAGES.items(), ids=USAGES.keys())
def test_what_becomes_of_the_value(statement: str, expected: tuple[Usage, Place]) -> None:
    facts = last(f"def f(x):\n    h = torch.exp(x)\n    {statement}\n    return h")
    assert (facts.usage, facts.place) == expected


FIRST = {
    "r = g(h.add_(1))": True,
    "r = g(h, h.add_(1))": True,
    "r = g(x * 2, h.add_(1))": False,
    "r = x if h.add_(1).sum() else h": True,
    "r = h.add_(1) if x.sum() else h": False,
    "r = [h.add_(1) for _ in range(2)]": False,
    "r = x.sum() and h.add_(1)": False,
    "self.r = h.add_(1)": True,
}


@pytest.mark.parametrize(("statement", "expected"), FIRST.items(), ids=FIRST.keys())
def test_what_runs_before_the_write(statement: str, expected: bool) -> None:
    assert last(f"def f(self, x, g):\n    h = torch.exp(x)\n    {statement}\n    return h").first is expected


def test_module_flags_know_their_calls() -> None:
    code = """
        class N(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = nn.Linear(2, 2)
                self.act = nn.ReLU(inplace=True)
            def forward(self, x):
                h = self.a(x)
                y = self.act(h)
                return h + y
    """
    (flag,) = found(code)
    (call,) = flag.facts.module_calls
    assert (call.target, call.usage, call.read_later) == ("h", Usage.VALUE, True)
    assert flag.facts.all_calls_seen
