"""A gradient in sight is not silenced by a name, a habit, or a write that happens elsewhere."""

from __future__ import annotations

import textwrap

import pytest
from test_detect_lookalikes import found

from fixinplace.names import counts

NET = """
class N(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.w = nn.Parameter(torch.zeros(3))
"""
HEAD = "from far import fill, register, scatter_, build, use, LearnedOptimizer, QFunction\nlin = nn.Linear(3, 3)\n"


def method(text: str) -> str:
    """A method of `N`, further lines of its constructor first."""
    return HEAD + NET + textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")


def function(text: str) -> str:
    return HEAD + textwrap.dedent(text)


def last(code: str) -> bool | None:
    """Whether the last site is tracked; it must be none that is passed over in silence."""
    facts = found(code)[-1].facts
    assert facts.tracked is not False
    assert all(counts(hazard.refusal) for hazard in facts.hazards), facts.hazards
    return facts.tracked


NAMES = {
    "width of a prediction": (None, function("def f(pred_width):\n    t = torch.zeros(4)\n    t += pred_width\n    return t")),
    "depth map": (True, method("def forward(self, x, depth):\n    t = torch.zeros(3)\n    t += depth\n    return t")),
    "loss of the discriminator": (None, function("def f(d_loss):\n    t = torch.zeros(1)\n    t += d_loss\n    return t")),
    "hidden state": (None, method("def step(self, hidden):\n    t = torch.zeros(3)\n    t += hidden\n    return t")),
    "features": (True, method("def forward(self, features):\n    features *= 2\n    return features")),
    "refractive index": (True, function("def f(refractive_index):\n    y = refractive_index.exp()\n    refractive_index *= 2\n    return y")),
    "momentum": (None, function("""
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.momentum = build()
            def forward(self, x):
                use(momentum=self.momentum)
                t = torch.zeros(3)
                t += self.momentum
                return t
    """)),
    "learned size": (True, function("""
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden_dim = nn.Parameter(torch.ones(3))
            def forward(self, x):
                t = torch.zeros(3)
                t += self.hidden_dim
                return t
    """)),
    "learned hyperparameter": (True, function("""
        class M(nn.Module):
            def __init__(self, gamma):
                super().__init__()
                self.gamma = gamma
            def forward(self, x):
                t = torch.zeros(3)
                t += self.gamma
                return t
        def make():
            return M(nn.Parameter(torch.ones(3)))
    """)),
    "attribute called data": (True, method("""
        def forward(self, x):
            self.data = torch.zeros(3)
            self.data += self.lin(x)
            return self.data
    """)),
    "attribute called grad": (True, method("def forward(self, x):\n    self.grad = self.lin(x)\n    self.grad *= 2\n    return self.grad")),
    "begun state": (True, method("def init_hidden(self, x):\n    h = self.lin(x)\n    h += 1\n    return h")),
    "first step": (True, method("def forward_init(self, x):\n    h = torch.tanh(self.lin(x))\n    h.mul_(2)\n    return h")),
    "module called function": (True, function("""
        class ValueFunction(nn.Module):
            def __init__(self):
                super().__init__()
                self.lin = nn.Linear(3, 3)
        class Twin(ValueFunction):
            def forward(self, x):
                h = self.lin(x)
                h += 1
                return h
    """)),
    "unseen module called function": (True, function("""
        class Twin(QFunction):
            def forward(self, x):
                h = self.lin(x)
                h += 1
                return h
    """)),
    "learned optimizer": (True, function("""
        class Learned(LearnedOptimizer):
            def __init__(self):
                super().__init__()
                self.lin = nn.Linear(3, 3)
            def forward(self, g):
                h = self.lin(g)
                h += 1
                return h
    """)),
}  # fmt: skip


@pytest.mark.parametrize(("truth", "code"), NAMES.values(), ids=NAMES.keys())
def test_a_name_silences_no_tensor(truth: bool | None, code: str) -> None:
    assert last(code) is truth


CALLERS = {
    "a tensor for a number": (True, function("""
        def scaled(x, gain=1.0):
            t = torch.zeros(3)
            t += gain
            return t
        class M(nn.Module):
            def __init__(self):
                super().__init__()
                self.g = nn.Parameter(torch.ones(3))
            def forward(self, x):
                return scaled(x, gain=self.g * 2)
    """)),
    "a number here, others elsewhere": (None, function("""
        def make(bias):
            t = torch.zeros(3)
            t += bias
            return t
        def use_it():
            return make(1.0)
    """)),
    "untracked elements here": (None, function("""
        def total(xs):
            t = torch.zeros(3)
            for x in xs:
                t += x
            return t
        def use_it():
            return total([torch.zeros(3)])
    """)),
    "registered": (None, function("@register\ndef _op(x):\n    x += 1\n    return x\ndef f():\n    return _op(torch.zeros(3))")),
    "exported": (None, function("__all__ = ['_op']\ndef _op(x):\n    x += 1\n    return x\ndef f():\n    return _op(torch.zeros(3))")),
    "grad mode off here": (None, function("""
        def op(x):
            y = x.exp()
            y += 1
            return y
        @torch.no_grad()
        def evaluate(x):
            return op(x)
    """)),
    "method with grad mode off here": (None, method("""
        @torch.no_grad()
        def generate(self, x):
            return self.encode(x)
        def encode(self, x):
            y = self.lin(x)
            y += 1
            return y
    """)),
}  # fmt: skip


@pytest.mark.parametrize(("truth", "code"), CALLERS.values(), ids=CALLERS.keys())
def test_callers_in_sight_are_not_all_callers(truth: bool | None, code: str) -> None:
    assert last(code) is truth


def test_a_program_is_called_by_what_stands_in_it() -> None:
    code = CALLERS["grad mode off here"][1].replace("evaluate(x):", "evaluate(x=None):")
    assert found(code + "\nif __name__ == '__main__':\n    evaluate()")[-1].facts.tracked is False


ELSEWHERE = {
    "buffer made of a parameter": method("""
            self.register_buffer("twice", self.w * 2)
        def forward(self, x):
            self.twice *= 2
            return self.twice
    """),
    "buffer, by another method": method("""
            self.register_buffer("state", torch.zeros(3))
        def keep(self, x):
            self.state[0] = self.lin(x).sum()
        def forward(self, x):
            self.keep(x)
            self.state *= 0.9
            return self.state
    """),
    "attribute that was just made": method("""
        def keep(self, x):
            self.state[0] = self.lin(x).sum()
        def forward(self, x):
            self.state = torch.zeros(3)
            self.keep(x)
            self.state *= 0.9
            return self.state
    """),
    "global, by another function": function("""
        CACHE = torch.zeros(3)
        def f(x):
            CACHE[0] = lin(x).sum()
        def g():
            CACHE.mul_(2)
    """),
    "global bound anew": function("""
        STATE = torch.zeros(3)
        def f(x):
            global STATE
            STATE = lin(x)
        def g():
            STATE.mul_(2)
    """),
    "enclosing name bound anew": function("""
        def f(x):
            s = torch.zeros(3)
            def g():
                nonlocal s
                s = lin(x)
            g()
            s.mul_(2)
            return s
    """),
    "parameter of a function": function("""
        def put(t, x):
            t[0] = x
        def f(x):
            s = torch.zeros(3)
            put(s, lin(x).sum())
            s.mul_(2)
            return s
    """),
    "parameter of a parameter": function("""
        def put(t, x):
            t[0] = x
        def put_on(t, x):
            put(t, x)
        def f(x):
            s = torch.zeros(3)
            put_on(s, lin(x).sum())
            s.mul_(2)
            return s
    """),
    "parameter of a method": method("""
        def put(self, t):
            t[0] = self.w.sum()
        def forward(self, x):
            s = torch.zeros(3)
            self.put(s)
            s.mul_(2)
            return s
    """),
}


@pytest.mark.parametrize("code", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_what_was_written_elsewhere_is_remembered(code: str) -> None:
    assert last(code) is True


def test_an_enclosing_tensor_written_by_a_nested_function_is_tracked() -> None:
    code = "def f(x):\n    s = torch.zeros(3)\n    def g():\n        s[0] = lin(x).sum()\n    g()\n    s.mul_(2)\n    return s"
    assert [f.facts.tracked for f in found(HEAD + code)] == [True, True]


@pytest.mark.parametrize("call", ["scatter_(s, lin(x))", "fill(s, lin(x))"])
def test_an_unseen_function_that_writes_by_its_name_may_have(call: str) -> None:
    assert last(HEAD + f"def f(x):\n    s = torch.zeros(3)\n    {call}\n    s.mul_(2)\n    return s") is None


SILENT = {
    "data of a buffer": method("""
            self.register_buffer("mean", torch.zeros(3))
        def update(self, x):
            self.mean.data.lerp_(self.lin(x), 0.1)
        def read(self):
            self.mean.mul_(2)
    """),
    "written with grad mode off": method("""
            self.register_buffer("mean", torch.zeros(3))
        @torch.no_grad()
        def update(self, x):
            self.mean.lerp_(self.lin(x), 0.1)
        def read(self):
            self.mean.mul_(2)
    """),
    "made of numbers": function("def f(a, b):\n    t = torch.linspace(a, b, 5)\n    t.mul_(2)\n    return t"),
    "size by its use": function("""
        def window(size):
            t = torch.arange(size).float()
            t.mul_(2 / size)
            return t
        def f():
            return window(3)
    """),
    "rows beside numbers": function("""
        def f(x: torch.Tensor):
            x = x.detach().clone()
            for row, n in zip(x, [1, 2], strict=True):
                row.mul_(n)
            return x
    """),
}


@pytest.mark.parametrize("code", SILENT.values(), ids=SILENT.keys())
def test_what_no_gradient_comes_to_stays_silent(code: str) -> None:
    facts = found(code)[-1].facts
    assert facts.tracked is False or not all(counts(hazard.refusal) for hazard in facts.hazards)


GIVEN = {
    "target": "def forward(self, x, target):\n    target[target < 0] = 0\n    return x - target",
    "annotated": "def forward(self, x, gt_boxes: torch.Tensor):\n    gt_boxes *= 2\n    return x - gt_boxes",
    "mask": "def forward(self, x, key_mask: torch.Tensor):\n    key_mask.mul_(2)\n    return x * key_mask",
    "found by an unseen function": "def forward(self, x):\n    mask = build(x)\n    mask.mul_(2)\n    return x * mask",
}


@pytest.mark.parametrize("code", GIVEN.values(), ids=GIVEN.keys())
def test_targets_and_masks_may_be_data(code: str) -> None:
    assert last(method(code)) is None


QUIET = {
    "forward of the class": """
        class G(torch.autograd.Function):
            @classmethod
            def forward(cls, ctx, x):
                y = x.exp()
                y += 1
                return y
    """,
    "helper that calls itself": """
        class G(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return _halved(x, 3)
        def _halved(x, n):
            y = x.exp()
            if n:
                y = _halved(y, n - 1)
            y /= 2
            return y
    """,
}


@pytest.mark.parametrize("code", QUIET.values(), ids=QUIET.keys())
def test_a_function_of_autograd_runs_with_grad_mode_off(code: str) -> None:
    assert "no-grad" in {h.refusal for h in found(textwrap.dedent(code))[-1].facts.hazards}


@pytest.mark.parametrize("body", ["nn.utils.rnn.pack_padded_sequence(x, n)", "torch.nn.utils.rnn.unpad_sequence(x, n)"])
def test_what_a_helper_of_torch_is_given_is_no_number(body: str) -> None:
    assert last(HEAD + f"def f(x, n):\n    {body}\n    t = torch.zeros(3)\n    t += x\n    return t") is True


def test_a_context_that_is_not_entered_switches_nothing_off() -> None:
    assert last(HEAD + "def f(x):\n    torch.no_grad()\n    h = lin(x)\n    h += 1\n    return h") is True
    code = HEAD + "def f(x):\n    torch.set_grad_enabled(False)\n    h = lin(x)\n    h += 1\n    return h"
    assert found(code)[-1].facts.tracked is False


def test_a_target_that_a_gradient_is_written_into_is_tracked() -> None:
    code = "def forward(self, x, target):\n    target[:, 0] = self.lin(x)\n    target *= 2\n    return target"
    assert last(method(code)) is True


def test_what_torch_writes_into_for_a_caller_hardly_requires_grad() -> None:
    assert last(function("def f(a, out):\n    torch.mul(a, 2, out=out)\n    return out")) is None
    assert last(function("def f(x, t):\n    torch.mul(lin(x), 2, out=t)\n    return t")) is True


def test_the_tensors_of_one_out_are_no_aliases_of_each_other() -> None:
    code = (
        "def f(x):\n    v, i = torch.empty(3), torch.empty(3).long()\n    torch.max(x, 1, out=(v, i))\n    return v, i"
    )
    assert found(code)[-1].facts.hazards == ()
    alias = code.replace("    torch.max", "    w = v\n    torch.max").replace("return v, i", "return v, i, w")
    assert [h.refusal for h in found(alias)[-1].facts.hazards] == ["live-alias"]
