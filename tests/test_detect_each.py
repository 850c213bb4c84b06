"""Tensors that are made one by one: `map` and comprehensions over pieces and tuples, and `einops`."""

from __future__ import annotations

import pytest
from rewriting import fixes

HEAD = """\
import torch
from einops import rearrange, reduce, repeat


def f(a: torch.Tensor, b: torch.Tensor):
    x, y = torch.exp(a), torch.sin(b)
"""


def safe(body: str) -> list[bool]:
    return [fix.safe for fix in fixes(HEAD + "".join(f"    {line}\n" for line in body.splitlines()))]


APART = {
    "pieces that are viewed": "p, q = [t.reshape(-1) for t in x.chunk(2)]\np *= 2\nreturn p.sum() + q.sum()",
    "pieces by a lambda": "p, q = map(lambda t: t.reshape(-1), x.chunk(2))\np *= 2\nreturn p.sum() + q.sum()",
    "of a tuple": "p, q = map(lambda t: t.reshape(-1), (x, y))\np *= 2\nreturn p.sum() + q.sum() + y.sum()",
    "new ones": "p, q = [torch.relu(t) for t in (x, y)]\np *= 2\nreturn p.sum() + q.sum() + x.sum() + y.sum()",
    "new ones of one": "p, q = [torch.relu(x) for t in (1, 2)]\np *= 2\nreturn p.sum() + q.sum() + x.sum()",
    "rearranged": "p, q = map(lambda t: rearrange(t, 'a b -> (a b)'), x.chunk(2))\np *= 2\nreturn p.sum() + q.sum()",
    "the name of a lambda's argument": "t = torch.cos(a)\np, q = map(lambda t: t + 1, (x, y))\nt *= 2\nreturn t.sum() + p.sum() + q.sum()",
}  # fmt: skip
TOGETHER = {
    "another one of them": "p, q = [x.reshape(-1) for t in (x, y)]\np *= 2\nreturn q.sum()",
    "one of the whole": "z = x.chunk(2)\np, q = [z[0].reshape(-1) for t in z]\np *= 2\nreturn q.sum()",
    "by a name of its own": "z = x\np, q = map(lambda t: z.reshape(-1), (x, y))\np *= 2\nreturn q.sum()",
    "an attribute": "f.last = x\np, q = map(lambda t: f.last, (x, y))\np *= 2\nreturn q.sum()",
    "what code out of sight returns": "p, q = [g(t) for t in (x, y)]\np *= 2\nreturn q.sum()",
    "pieces that code out of sight returns": "p, q = [g(t) for t in x.chunk(2)]\np *= 2\nreturn q.sum()",
    "tables": "p, q = [{'t': y} for t in (x, y)]\np['t'].mul_(2)\nreturn q['t'].sum()",
    "lists that grow": "p, q = [[y, *t] for t in (x, y)]\np[0].mul_(2)\nreturn q[0].sum()",
    "what writes by a flag": "p, q = map(lambda t: torch.nn.functional.relu(t, inplace=True), (x, y))\np *= 2\nreturn x.sum() + q.sum()",
    "what binds": "p, q = [(s := t) for t in (x, y)]\np *= 2\nreturn s.sum() + q.sum()",
    "two names for one": "p = q, r = map(lambda t: t.reshape(-1), (x, y))\nq *= 2\nreturn x.sum() + r.sum() + p",
    "what writes": "p, q = map(lambda t: t.mul_(2), (x, y))\np *= 2\nreturn x.sum() + q.sum()",
    "what is gone through later": "z = map(lambda t: t.reshape(-1), (x, y))\nx *= 2\np, q = z\nreturn p.sum() + q.sum()",
    "a part of the other": "p, q = map(lambda t: (t, y), (x, y))\np[1].mul_(2)\nreturn y.sum()",
    "with a condition": "p, q = [t.reshape(-1) for t in (x, y, x) if t.sum() > 0]\np *= 2\nreturn q.sum() + x.sum()",
    "a function that is no builtin": "map = f\np, q = map(lambda t: t.reshape(-1), (x, y))\np *= 2\nreturn p.sum() + q.sum()",
    "a rearranged view": "p = rearrange(x, 'a b -> (a b)')\np *= 2\nreturn x.sum()",
    "a repeated one": "p = repeat(x, 'a b -> a b c', c=2)\np[0] = 1\nreturn p.view(-1)",
}  # fmt: skip


@pytest.mark.parametrize("body", APART.values(), ids=APART.keys())
def test_what_is_made_for_each_is_its_own(body: str) -> None:
    assert safe(body) == [True]


@pytest.mark.parametrize("body", TOGETHER.values(), ids=TOGETHER.keys())
def test_what_others_have_is_shared(body: str) -> None:
    assert not any(safe(body))


def test_einops_is_told_from_another_function_of_that_name() -> None:
    assert safe("p = rearrange(x, 'a b -> b a')\ny = p * 2\np += 1\nreturn y") == [True]
    assert not any(
        fix.safe for fix in fixes(HEAD.replace("einops", "shapes") + "    p = rearrange(x, 'a')\n    p += 1\n")
    )


def test_masked_scores_of_rearranged_pieces() -> None:
    code = (
        "q, k = map(lambda t: rearrange(t, 'n (h d) -> h n d', h=2), torch.exp(a).chunk(2, -1))\n"
        "dots = torch.einsum('h i d, h j d -> h i j', q, k) * 0.5\ndots.masked_fill_(b > 0, -1e9)\nreturn dots.softmax(-1)"
    )
    assert safe(code) == [True]
