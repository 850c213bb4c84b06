"""`einsum` of two operands: which equations give a contiguous result however the operands lie, and what is safe by it."""

from __future__ import annotations

import ast
import random

import pytest
import torch
from rewriting import fixes

from fixinplace.detect.laid import SUMMED, is_ordered

SIZES = {"b": 2, "h": 3, "i": 4, "j": 5, "d": 6, "n": 7, "e": 2}


def told(equation: str, operands: str = "q, k") -> bool:
    call = ast.parse(f"einsum({equation!r}, {operands})", mode="eval").body
    assert isinstance(call, ast.Call)
    return is_ordered(call)


@pytest.mark.parametrize("equation", ["bhid,bhjd->bhij", "b h i d, b h j d -> b h i j", "b h i j, b h j d -> b h i d",
                                      "...id,...jd->...ij", "nd,de->ne", "bd,d->b"])  # fmt: skip
def test_equations_of_attention_keep_the_order(equation: str) -> None:
    assert told(equation)


@pytest.mark.parametrize("equation", ["bhid,bhjd->bhji", "bnd,hd->bhn", "bhij,bhij->bhij", "bhid,bhjd", "iid,jd->ij", "bid,jd->ij",
                                      "bi,bj->bij", "bhid->bhdi"])  # fmt: skip
def test_other_equations_do_not(equation: str) -> None:
    assert not told(equation)


def test_more_operands_and_unknown_equations_are_not_told() -> None:
    assert not told("ab,bc,cd->ad", "q, k, v") and not is_ordered(ast.parse("f(e, q, k)", mode="eval").body)


def operand(letters: list[str], rng: random.Random) -> torch.Tensor:
    """A tensor with these dimensions that lies in memory in another order."""
    order = rng.sample(range(len(letters)), len(letters))
    back = [order.index(one) for one in range(len(letters))]
    return torch.randn([SIZES[letters[one]] for one in order]).permute(back)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_told_is_contiguous(seed: int) -> None:
    rng, ordered = random.Random(seed), 0
    while ordered < 5:
        first, second = rng.sample("bhijdne", rng.randint(1, 4)), rng.sample("bhijdne", rng.randint(1, 4))
        result = [one for one in {*first, *second} if one not in first or one not in second or rng.random() < 0.7]
        rng.shuffle(result)
        equation = f"{''.join(first)},{''.join(second)}->{''.join(result)}"
        if told(equation):
            ordered += 1
            assert torch.einsum(equation, operand(first, rng), operand(second, rng)).is_contiguous(), equation


ATTENTION = """\
import torch
import torch.nn as nn
from torch import einsum


class Attention(nn.Module):
    def __init__(self, dim, attend):
        super().__init__()
        self.attend = attend
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x, mask):
        q, k, v = self.qkv(x).view(2, 4, 3, 2, 4).permute(2, 0, 3, 1, 4)
        dots = einsum("b h i d, b h j d -> {result}", q, k) * 0.5
        dots.masked_fill_(mask, -1e9)
        return self.attend(dots).transpose(1, 2).reshape(2, -1)
"""


@pytest.mark.parametrize(("result", "safe"), [("b h i j", True), ("b h j i", False)])
def test_scores_in_order_are_masked_safely(result: str, safe: bool) -> None:
    assert [(fix.safe, SUMMED in fix.assumes) for fix in fixes(ATTENTION.format(result=result))] == [(safe, safe)]


ASKED = """

def {function}


class Weight(nn.Module):
    def forward(self, w):
        w.t_()
        return w
"""
LOOKS = {
    "its dtype": "lowest(t):\n    return -torch.finfo(t.dtype).max",
    "whether it is there": "lowest(t):\n    return -1e9 if t is not None else 0",
    "or another": "lowest(t, other=-1e9):\n    return t if t is not None else other",
}
MORE = {
    "turns it": "lowest(t):\n    return t.t_()",
    "turns it under another name": "lowest(t):\n    u = t\n    u.t_()\n    return -1e9",
    "hands it on": "lowest(t):\n    Weight()(t)\n    return -1e9",
    "binds it": "lowest(t):\n    t.data = t.data[:1]\n    return -1e9",
    "binds the name": "lowest(t):\n    t = [t]\n    return t",
    "computes with it": "lowest(t):\n    return other(t) if t is not None else -1e9",
}


@pytest.mark.parametrize(("function", "safe"), [*((one, True) for one in LOOKS.values()), *((one, False) for one in MORE.values())],
                         ids=[*LOOKS, *MORE])  # fmt: skip
def test_a_function_that_asks_for_a_dtype_turns_nothing_around(function: str, safe: bool) -> None:
    text = ATTENTION.format(result="b h i j").replace("dots.masked", "low = lowest(dots)\n        dots.masked")
    assert [fix.safe for fix in fixes(text + ASKED.format(function=function)) if fix.rewrite == "method"] == [safe]


DISTANCES = """
def distances(x, y):
    m, n = x.size(0), y.size(0)
    dist = {table}
    dist.addmm_(x, y.t(), beta=1, alpha=-2)
    return dist.clamp(min=1e-12).sqrt()


def rows(x):
    return distances(x, x).view(-1).transpose(0, 0)
"""
COLUMN, ROW = (
    "torch.pow(x, 2).sum(dim=1, keepdim=True).expand(m, n)",
    "torch.pow(y, 2).sum(dim=1, keepdim=True).expand(n, m).t()",
)
TABLES = {
    "two sums": (f"{COLUMN} + {ROW}", True),
    "the other way round": (f"{ROW} + {COLUMN}", True),
    "under names": (f"{COLUMN}\n    xx, yy = dist, {ROW}\n    dist = xx + yy", True),
    "two columns": (f"{COLUMN} + {COLUMN}", False),
    "rows that are turned": (f"{COLUMN} + {ROW}".replace(".expand(n, m).t()", ".t()"), False),
    "a sum that leaves out the dimension": (f"{COLUMN} + {ROW}".replace("keepdim=True", "keepdim=False"), False),
    "another thing that is expanded": (f"{COLUMN} + {ROW}".replace(".sum(dim=1, keepdim=True)", "[:, :1]"), False),
    "a product": (f"{COLUMN} * {ROW}", False),
}  # fmt: skip


@pytest.mark.parametrize(("table", "safe"), TABLES.values(), ids=TABLES.keys())
def test_a_table_of_distances_is_contiguous(table: str, safe: bool) -> None:
    found = fixes(DISTANCES.format(table=table))
    assert [fix.safe for fix in found] == [safe]


@pytest.mark.parametrize("sizes", [(1, 1), (1, 3), (4, 1), (2, 5)])
def test_so_torch_lays_it_out(sizes: tuple[int, int]) -> None:
    m, n = sizes
    names = {"torch": torch, "m": m, "n": n, "x": torch.randn(m, 7), "y": torch.randn(n, 7)}
    for table, safe in TABLES.values():
        assert not safe or "\n" in table or eval(table, names).is_contiguous()
