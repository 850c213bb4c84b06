"""Functions that write an argument which a caller in the file reads afterwards: the write is meant for that caller."""

from __future__ import annotations

import pytest
from rewriting import findings

from fixinplace.model import Fix, Refused

HEAD = "import torch\n\n\ndef f(x, k):\n    x.mul_(k)\n    return x.sum()\n\n\ndef run(a, k):\n    h = torch.exp(a)\n"
LOOKED_AT = {
    "read later": "s = f(h, k)\n    return s + h.sum()",
    "returned": "s = f(h, k)\n    return s, h",
    "in the next round": "for i in range(3):\n        s = f(h, k)\n    return s",
    "a view": "s = f(h[0], k)\n    return s + h.sum()",
    "a view with a name": "v = h.t()\n    s = f(v, k)\n    return s + h.sum()",
    "by keyword": "s = f(k=k, x=h)\n    return s + h",
}
UNSEEN = {
    "not read": "return f(h, k)",
    "its shape": "s = f(h, k)\n    return s / h.shape[0]",
    "bound anew": "s = f(h, k)\n    h = a * 2\n    return s + h",
    "bound by the call": "h = f(h, k)\n    return h",
    "read before": "g = h.sum()\n    return g + f(h, k)",
}


def outcomes(body: str) -> list[Fix | Refused]:
    planned = findings(f"{HEAD}    {body}\n")
    return [one.outcome for one in planned]


@pytest.mark.parametrize("body", LOOKED_AT.values(), ids=LOOKED_AT.keys())
def test_the_write_stays(body: str):
    (outcome,) = outcomes(body)

    assert isinstance(outcome, Refused)
    assert outcome.refusal == "caller-may-see"
    assert outcome.sentence == "`run` reads what it has passed for `x` after the call"


@pytest.mark.parametrize("body", UNSEEN.values(), ids=UNSEEN.keys())
def test_the_rewrite_is_offered(body: str):
    (outcome,) = outcomes(body)

    assert isinstance(outcome, Fix)
    assert outcome.parameter == "x"
    assert not outcome.safe
