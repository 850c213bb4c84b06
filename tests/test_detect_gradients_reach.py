"""What callers, attributes and the mode around a call say of a gradient, and how far that may be believed."""

from __future__ import annotations

import textwrap

import pytest
from test_detect_gradients import function, last, method
from test_detect_lookalikes import found

from fixinplace.model import Found

UNPROVED = {
    "integers from one caller, anything from another": function("""
        def f(x):
            t = torch.zeros(3, dtype=x.dtype)
            t[:, :] = x[:, 1:]
            return t
        def g(a):
            return f(a.build())
        def h(a):
            n = torch.zeros(3).long()
            return f(n)
    """),
    "integers from the caller in sight of a public function": function("""
        def f(x):
            t = torch.zeros(3, dtype=x.dtype)
            t[:, :] = x[:, 1:]
            return t
        def h(a):
            n = torch.zeros(3).long()
            return f(n)
    """),
    "integers on one branch": function("""
        def f(a, b):
            x = torch.zeros(3).long() if b else build(a)
            t = torch.zeros(3, dtype=x.dtype)
            t[:, :] = x[:, 1:]
            return t
    """),
    "an attribute that no tensor has": method("""
        def forward(self, input: "far.GeometricTensor"):
            input = input.tensor
            b, c = input.shape[:2]
            t = torch.empty(b, c)
            t[:, 0:2, ...] = torch.max(input[:, 0:2, ...].view(b, -1), 1)[0]
            return t
    """),
}


@pytest.mark.parametrize("code", UNPROVED.values(), ids=UNPROVED.keys())
def test_a_guess_about_where_a_value_comes_from_proves_nothing(code: str) -> None:
    assert found(code)[-1].facts.tracked is not False


SCAN = """
class Scan(torch.autograd.Function):
    @staticmethod
    def scan(a, x):
        x = x.view(2, -1)
        x[:, 1].add_(a[:, 1].mul(x[:, 0]))
    @staticmethod
    def forward(ctx, a, x):
        x = x.clone()
        Scan.scan(a, x)
        return x
    @staticmethod
    def backward(ctx, grad):
        Scan.scan(grad, grad)
        return grad, grad
"""


def site(code: str, function: str) -> Found:
    """The first site in a function."""
    return next(f for f in found(code) if f.site.function == function)


def test_a_helper_that_only_bodies_of_autograd_call_hardly_records() -> None:
    assert site(SCAN, "Scan.scan").facts.tracked is None
    private = SCAN.replace("scan(a", "_scan(a").replace("Scan.scan(", "Scan._scan(")
    assert "no-grad" in {h.refusal for h in site(private, "Scan._scan").facts.hazards}


def test_a_helper_of_autograd_that_others_call_as_well_records() -> None:
    code = SCAN + "def f(a, b):\n    Scan.scan(a, b.exp())\n"
    assert site(code, "Scan.scan").facts.tracked is True


def test_a_class_that_the_name_may_not_stand_for_is_not_looked_into() -> None:
    code = SCAN.replace("forward(ctx, a, x):", "forward(ctx, a, x, Scan):")
    assert site(code.partition("    @staticmethod\n    def backward")[0], "Scan.scan").facts.tracked is True


def test_a_method_called_by_its_class_is_told_what_it_is_given() -> None:
    code = """
        class A:
            @classmethod
            def f(cls, n, t):
                t += 1
            def g(self, k, u):
                u += 1
        def h(a):
            A.f(1, torch.zeros(3).long())
            A.g(a, 1, lin(a))
    """
    sites = found(function(code))
    assert [(f.site.target, f.facts.tracked) for f in sites] == [("t", None), ("u", True)]


LOSS = """
def forward(self, outputs, inputs):
    preds = outputs["{0}"]
    target = inputs["flows"][:, 0]
    loss = 0.0
    for i in range(len(preds)):
        loss += 0.8 ** i * (preds[i] - target).abs().mean()
    return loss
"""


def test_a_loss_over_what_forward_is_given_by_name_is_tracked() -> None:
    assert last(method(LOSS.format("flow_preds"))) is True
    plain = (
        LOSS.format("flow_preds")
        .replace("loss", "error")
        .replace("forward", "score")
        .replace('inputs["flows"][:, 0]', "1")
    )
    assert last(method(plain)) is None


def test_what_forward_is_given_as_a_target_hardly_requires_grad() -> None:
    code = "def forward(self, x, batch):\n    m = batch['{}'].float()\n    m *= 2\n    return m"
    assert [last(method(code.format(name))) for name in ("gt_mask", "image")] == [None, True]


STATE = """
    def __init__(self):
        super().__init__()
        self.register_buffer("_mean", torch.zeros(3))
        self.register_buffer("state", torch.zeros(3))
        self.total = torch.zeros(3)
        self.w = nn.Parameter(torch.zeros(3))
"""
KEPT = {
    "statistics in a buffer": (None, "def experience(self, x):\n    self._mean += 0.1 * (torch.var_mean(x.exp())[1] - self._mean)"),
    "buffer in an update": (None, "def update_stats(self, x):\n    self.state.mul_(0.9).add_(x.exp().mean(0))"),
    "attribute in an observer": (None, "def _observe(self, x):\n    self.total += x.exp().mean(0)"),
    "buffer in any method": (True, "def step(self, x):\n    self.state += x.exp().mean(0)"),
    "parameter in an update": (True, "def update(self, x):\n    self.w *= x.exp().mean(0)"),
    "local in an update": (True, "def update(self, x):\n    t = torch.zeros(3)\n    t += x.exp().mean(0)\n    return t"),
    "what an update is given": (None, "def update_one(self, s, x):\n    s += x.exp().mean(0)\ndef g(self, x):\n    self.update_one(self._mean.data, x)"),
    "another thing an update is given": (True, "def update_one(self, s, x):\n    s += x.exp().mean(0)\ndef g(self, x):\n    self.update_one(x.exp(), x)"),
}  # fmt: skip


@pytest.mark.parametrize(("tracked", "code"), KEPT.values(), ids=KEPT.keys())
def test_statistics_that_a_module_keeps_hardly_require_grad(tracked: bool | None, code: str) -> None:
    assert last("class S(nn.Module):" + STATE + textwrap.indent(code, "    ")) is tracked


def test_a_new_tensor_is_not_written_past_autograd_for_what_it_was_made_from() -> None:
    code = "def forward(self, x):\n    c = x.data.{}.zero_()\n    return c + x"
    for made in ("new(3)", "new_empty(3)", "clone()"):
        assert found(method(code.format(made)))[-1].facts.tracked is False
    assert last(method(code.format("view(3)"))) is True
    assert last(method("def forward(self, x):\n    c = x.detach().clone().add_(x)\n    return c")) is True


def test_what_is_compared_with_the_number_of_a_token_hardly_requires_grad() -> None:
    code = "def f(tokens, pad_idx, k):\n    m = tokens.{}\n    y = tokens.view(-1)\n    tokens[m] = 1\n    return y"
    assert [last(function(code.format(test))) for test in ("ne(pad_idx)", "ne(k)")] == [None, True]


LISTS = {
    "slots that may be None": "def forward(self, x, c=None):\n    if c[0] is None:\n        c[0] = self.lin(x)\n    return self.lin(x, c[0])",
    "what another method passes": "def g(self, x):\n    return self.lay(x, x.exp())\ndef lay(self, x, data):\n    data['a'] = x\n    return data.exp()",
    "an object that takes slices": "def forward(self, x):\n    c = [[far.Chart(3)], [far.Chart(3)]]\n    c[x.k][0][1:, 2] = self.lin(x)\n    c[1][0][1:, 2] += self.lin(x)",
}  # fmt: skip


@pytest.mark.parametrize("code", LISTS.values(), ids=LISTS.keys())
def test_what_only_containers_and_other_objects_allow_shows_no_tensor(code: str) -> None:
    assert found("import far\n" + method(code)) == []


def test_an_object_whose_class_is_called_like_a_tensor_may_be_one() -> None:
    code = "import far\n" + method("def forward(self, x):\n    c = far.PlainTensor(3)\n    c[1:, 2] = self.lin(x)")
    assert last(code) is True


@pytest.mark.parametrize(("name", "tracked"), [("tensor", True), ("gt_mask", None), ("lengths", None)])
def test_what_an_object_holds_that_forward_is_given_is_tracked(name: str, tracked: bool | None) -> None:
    code = """
        def forward(self, data):
            t = torch.empty(3, 2)
            t[:, 1] = data.{}.view(3)
            return t
    """
    assert found(method(code.format(name)))[-1].facts.tracked is tracked


def test_a_search_for_the_best_answer_hardly_records() -> None:
    code = "def {}(x, scores):\n    t = torch.zeros(3)\n    t += scores.exp()\n    return t"
    names = ("beam_search", "generate", "generate_noise", "research")
    assert [last(function(code.format(name))) for name in names] == [None, None, True, True]
