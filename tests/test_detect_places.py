"""Tensors in lists and dicts: whose places are bound anew, and whose stay, since somebody else has the tensor."""

from __future__ import annotations

import pytest
import torch
from called import program, run
from rewriting import findings, fixed

from fixinplace.model import Fix, Refused

BOUND = {
    "comprehension": ("hs = [x * k for k in (1, 2)]\nhs[0] += hs[1]\nreturn hs[0] * hs[1]", "hs[0] = hs[0] + hs[1]"),
    "display": ("hs = [x * 1, x * 2]\nhs[1] -= hs[0]\nreturn hs[0] * 2 + hs[1]", "hs[1] = hs[1] - hs[0]"),
    "dict": ("d = {'a': x * 1, 'b': x * 2}\nd['a'] *= d['b'] + 1\nreturn d['a'] + d['b']",
             "d['a'] = d['a'] * (d['b'] + 1)"),
    "method": ("hs = [x * k for k in (1, 2)]\nhs[0].mul_(3)\nreturn hs[0] + hs[1]", "hs[0] = hs[0].mul(3)"),
    "function": ("hs = [x * k for k in (1, 2)]\ntorch.relu_(hs[1])\nreturn hs[0] + hs[1]", "hs[1] = torch.relu(hs[1])"),
    "flag": ("F = torch.nn.functional\nhs = [x * k for k in (1, 2)]\nF.relu(hs[1], inplace=True)\nreturn hs[0] + hs[1]",
             "hs[1] = F.relu(hs[1])"),
    "computed place": ("hs = [x * k for k in (1, 2)]\nfor i in range(1):\n    hs[i + 1] += hs[i]\nreturn hs[1] * hs[0]",
                       "hs[i + 1] = hs[i + 1] + hs[i]"),
    "emptied before": ("hs = []\nhs = [x * k for k in (1, 2)]\nhs[0] += 1\nreturn hs[0] * 2", "hs[0] = hs[0] + 1"),
    "set to what is new": ("hs = [x * 1, x * 2]\nhs[1] = hs[0] * 2\nhs[1] += 1\nreturn hs[0] * hs[1]", "hs[1] = hs[1] + 1"),
    "name that is dead": ("h = x * 2\nhs = [h, x * 3]\nhs[0] += 1\nreturn hs[0] * 2 + hs[1]", "hs[0] = hs[0] + 1"),
    "part": ("hs = [x * 1, x * 2]\nhs[0][0] = 1\nreturn hs[0] * hs[1]", "hs[0] = hs[0].clone()"),
    "part, augmented": ("d = {'a': x * 1}\nd['a'][:1] *= 3\nreturn d['a'] * x", "d['a'] = d['a'].clone()"),
    "part, by a method": ("hs = [x * 1, x * 2]\nhs[1][0].mul_(3)\nreturn hs[0] * hs[1]", "hs[1] = hs[1].clone()"),
    "part, filled": ("hs = [x * 1, x * 2]\nhs[-1][0].zero_()\nreturn hs[0] * hs[1]", "hs[-1] = hs[-1].clone()"),
    "part, by a mask": ("hs = [x * 1, x * 2]\nm = x > 0\nhs[0][m] = 1\nreturn hs[0] * hs[1]", "hs[0] = hs[0].clone()"),
    "part, in a round": ("for i in range(2):\n    hs = [x * 1, x * 2]\n    hs[i][0] = 3\n    x = hs[0] * hs[1]\nreturn x",
                         "    hs[i] = hs[i].clone()"),
    "copied into": ("d = {'h': x * 3, 'c': x * 2}\nk = d['h'] + d['c']\nd['h'].copy_(d['c'])\n"
                    "return k * d['h']", "d['h'] = d['h'].clone().copy_(d['c'])"),
    "copied into, in a round": ("hs = [x * 1, x * 2]\nk = hs[0] + hs[1]\nfor i in range(2):\n    hs[i].copy_(x[0])\n"
                                "return k * hs[0] + hs[1]", "    hs[i] = hs[i].clone().copy_(x[0])"),
    "filled": ("hs = [x * 3, x * 2]\nk = hs[0] + hs[1]\nhs[0].fill_(2)\nreturn k + hs[0] * hs[1]",
               "hs[0] = torch.fill(hs[0], 2)"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "line"), BOUND.values(), ids=BOUND.keys())
def test_the_place_is_bound_anew(body: str, line: str):
    text = program(body)
    planned = findings(text)
    new = fixed(text, planned)

    assert f"    {line}\n" in new
    assert [f.outcome.safe for f in planned if isinstance(f.outcome, Fix)] == [True]
    for before, after in zip(run(text), run(new), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert fixed(new, findings(new)) == new


REFUSED = {
    "copied into, held twice": ("h = x * 1\nd = {'h': h, 'c': h}\nd['h'].copy_(x * 2)\nreturn d['h'] * d['c']",
                                "container-slot"),
    "tuple": ("hs = (x * 1, x * 2)\nhs[0].mul_(2)\nreturn hs[0] * hs[1]", "container-slot"),
    "name that is read": ("hs = [x * k for k in (1, 2)]\nh = hs[0]\nhs[0] += 1\nreturn hs[0] * h", "live-alias"),
    "name that was there before": ("h = x * 2\nhs = [h, x * 3]\nhs[0] += 1\nk, h = h, x\nreturn hs[0] * k", "live-alias"),
    "view": ("hs = [x * k for k in (1, 2)]\nv = hs[0][0]\nhs[0] += 1\nreturn hs[0] * v", "live-view"),
    "second list": ("hs = [x * 1, x * 2]\ngs = list(hs)\nhs[0] += 1\nreturn hs[0] * gs[0]", "container-slot"),
    "loop over the list": ("hs = [x * 1, x * 2]\nfor h in hs:\n    hs[0] += 1\n    x = x + h\nreturn x * hs[0]",
                           "live-alias"),
    "closure": ("hs = [x * 1, x * 2]\ng = lambda: hs[0] * 2\nhs[0] += 1\nreturn g() * hs[0]", "container-slot"),
    "value that is used": ("hs = [x * k for k in (1, 2)]\nr = hs[0].mul_(2)\nreturn hs[0] * r", "container-slot"),
    "two writes in a line": ("hs = [x * k for k in (1, 2)]\nhs[0] += hs[1].mul_(2)\nreturn hs[0] * hs[1]",
                             "container-slot"),
    "place that is bound on the way": ("hs = [x * k for k in (1, 2)]\ni = 0\nhs[i] += (i := 1)\nreturn hs[0] * hs[1]",
                                       "container-slot"),
    "place that is called for": ("hs = [x * k for k in (1, 2)]\nhs[hs.index(hs[0])] += 1\nreturn hs[0]",
                                 "container-slot"),
    "list of somebody else": ("def g(hs):\n    hs[0] += 1\n    return hs[0] * 2\nreturn g([x * 2])", "container-slot"),
    "part in a tuple": ("hs = (x * 1, x * 2)\nhs[0][0] = 2\nreturn hs[0] * hs[1]", "container-slot"),
    "part with a name": ("h = x * 1\nhs = [x * 2]\nhs[0] = h\nhs[0][0] = 2\nreturn hs[0] * h", "live-alias"),
    "part with a view": ("hs = [x * 1, x * 2]\nv = hs[0][:1]\nhs[0][0] = 2\nreturn hs[0] * v", "live-view"),
    "part of a list in a list": ("hs = [[x * 1], [x * 2]]\nhs[0][0][0] = 2\nreturn hs[0][0]", "container-slot"),
    "part from another part": ("hs = [x * 1, x * 2]\nhs[0][0] = hs[0][1] * 2\nreturn hs[0] * hs[1]", "container-slot"),
    "part of two places": ("hs = [x * 1, x * 2]\nhs[0][0], hs[1][0] = 2, 3\nreturn hs[0] * hs[1]", "container-slot"),
    "part in every round": ("hs = [x * 1, x * 2]\nfor i in range(2):\n    hs[i][0] = 3\nreturn hs[0] * hs[1]",
                            "quadratic-cost"),
    "part of a copy": ("hs = [x * 1, x * 2]\nhs[0][[0, 1]].mul_(2)\nreturn hs[0] * hs[1]", "live-view"),
    "part of a parameter": ("hs = [torch.nn.Parameter(x.detach() * 2)]\nhs[0][0] = 2\nreturn (hs[0] * x).sum()",
                            "registered-parameter"),
    "part of a list with two names": ("hs = [x * 1, x * 2]\ngs = hs\nhs[0][0] = 2\nreturn hs[0] * gs[0]",
                                      "container-slot"),
    "parameters": ("hs = [torch.nn.Parameter(x.detach() * k) for k in (1, 2)]\nhs[0] *= 2\nreturn (hs[0] * x).sum()",
                   "registered-parameter"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_the_place_stays(body: str, reason: str):
    text = program(body)
    refusals = {f.outcome.refusal for f in findings(text) if isinstance(f.outcome, Refused)}

    assert reason in refusals
    assert fixed(text, findings(text)) == text


CLONES = {
    "one for several stores": ("hs[0][0] *= x[0]\nhs[0][1] *= x[1]\nreturn hs[0] * x", 1),
    "kept meanwhile": ("hs[0][0] = 1\ny = hs[0] ** 2\nhs[0][1] = 1\nreturn hs[0] * y", 2),
    "another place meanwhile": ("hs[0][0] = 1\nhs[1][0] = 1\nhs[0][1] = 1\nreturn hs[0] * hs[1]", 3),
    "bound meanwhile": ("hs[0][0] = 1\nhs[0] = x.exp()\nhs[0][1] = 1\nreturn hs[0] * hs[1]", 2),
    "bound to a name's meanwhile": ("hs[0][0] = 1\nhs[0] = h\nhs[0][1] = 1\nreturn hs[0] * hs[1]", 2),
}  # fmt: skip


CLONED = "hs[0] = hs[0].clone()\nhs[0][0] = 1\n"
STALE = {
    "bound anew": "hs[0] = x.exp()\nhs[0][1] = 1\nreturn hs[0] * x",
    "bound to what is kept": "h = x.tanh()\nhs[0] = h\ny = h * h\nhs[0][1] = 1\nreturn hs[0] * y",
    "kept by a value": "hs[0][1] = (hs[0] * hs[0]).sum()\nhs[0][2] = 1\nreturn hs[0] * x",
    "read in a loop": "for h in hs:\n    x = x + h * h\nhs[0][1] = 1\nreturn hs[0] * x",
}  # fmt: skip


@pytest.mark.parametrize("body", STALE.values(), ids=STALE.keys())
def test_what_stands_behind_a_clone_is_not_finished_once_somebody_may_have_kept_it(body: str):
    text = program(f"hs = [x.sigmoid(), x.exp()]\n{CLONED}{body}")
    last = findings(text)[-1]

    assert not (isinstance(last.outcome, Refused) and last.outcome.refusal == "finished")


@pytest.mark.parametrize(("body", "clones"), CLONES.values(), ids=CLONES.keys())
def test_a_clone_of_a_place_serves_until_somebody_may_have_kept_it(body: str, clones: int):
    text = program(f"h = torch.sin(x)\nhs = [x.sigmoid(), x.exp()]\n{body}")
    new = fixed(text, findings(text))

    assert new.count(".clone()") == clones
    run(new)
    assert fixed(new, findings(new)) == new


SHARED = {
    "one place or another": "hs = [x * 1, None]\nhs[1] = hs[0] if x.sum() > 99 else x * 2\nhs[1] += 1\nreturn hs[0] * hs[1]",
    "perhaps its own operand": "hs = [x * 1]\nhs.append(torch.dropout(hs[0], 0.0, False))\nhs[1] += 1\nreturn hs[0] * hs[1]",
    "in a branch": "hs = [x * 1, x * 2]\nif x.sum() > 99:\n    hs[1] = hs[0]\nhs[1] += 1\nreturn hs[0] * hs[1]",
    "one key or another": "d = {'a': x * 1}\nd['b'] = d['a'] if x.sum() > 99 else x * 2\nd['b'] += 1\nreturn d['a'] * d['b']",
    "the last one again": "hs = [x * 1]\nhs.append(hs[-1] if x.sum() > 99 else x * 2)\nhs[-1] += 1\nreturn hs[0] * hs[1]",
    "in one round of a loop": "hs = []\nh = x * 2\nfor i in range(3):\n    if i:\n        h = h * 2\n    hs.append(h)\nhs[0] += 1\n"
    "return hs[0] * hs[1]",
    "tensor that may be twice in it": "h = x * 2\nhs = [h for _ in (1, 2)]\nhs[0] += 1\nreturn hs[0] * hs[1]",
    "list that was appended to": "hs = [x * k for k in (1, 2)]\nhs.append(hs[0])\nhs[0] += 1\nreturn hs[0] * hs[2]",
    "list that was doubled": "hs = [x * k for k in (1, 2)]\nhs += hs\nhs[0] += 1\nreturn hs[0] * hs[2]",
    "place that was set": "hs = [x * k for k in (1, 2)]\nhs[1] = hs[0]\nhs[0] += 1\nreturn hs[0] * hs[1]",
}


@pytest.mark.parametrize("body", SHARED.values(), ids=SHARED.keys())
def test_where_two_places_may_hold_one_tensor_the_write_stays(body: str):
    """A run may not have the arguments for which they do: it could prove nothing."""
    text = program(body)
    refusals = [f.outcome.refusal for f in findings(text) if isinstance(f.outcome, Refused)]

    assert refusals == ["container-slot"]
    assert fixed(text, findings(text)) == text
