"""What callers, attributes and the mode around a call say of a gradient, and how far that may be believed."""

from __future__ import annotations

import pytest
from test_detect_gradients import function, method
from test_detect_lookalikes import found

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
