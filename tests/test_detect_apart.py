"""Which views of one tensor have no element in common, and which may have some."""

from __future__ import annotations

import random

import pytest
import torch

from fixinplace.detect.apart import disjoint
from fixinplace.model import View


def index(text: str) -> tuple[View, ...]:
    """One subscript."""
    return (View("index", "", f"[{text}]", (text,)),)


def piece(number: int, count: int = 2) -> tuple[View, ...]:
    """One piece of a cut."""
    return (View("chunk[]", "", f".chunk(2)[{number}]", (str(number), str(count), "2")),)


APART = [(":k", "k:"), (":, :2", ":, 2:"), ("0", "1"), ("::2", "1::2"), ("..., 0", "..., 1"), (":2, :2", "2:, 2:"),
         ("1, :1", "0, :2"), ("0", "1, 2"), ("0", "1:"), (":2", "2"), (":1", "2:"), ("None, 0", "None, 1")]  # fmt: skip
TOGETHER = [
    (":k", "j:"),
    (":3", "2:"),
    ("0", "-1"),
    (":, 0", "0, :"),
    ("::2", "2::2"),
    ("0", "0"),
    (":2", "1"),
    ("1:", "1"),
    ("..., 0", "..., 1, 2"),
    ("None, 0", "0, None"),
    ("-2:", "0"),
]


@pytest.mark.parametrize(("one", "other"), APART)
def test_views_that_have_nothing_in_common(one: str, other: str) -> None:
    assert disjoint(index(one), index(other))
    assert disjoint(index(other), index(one))


@pytest.mark.parametrize(("one", "other"), TOGETHER)
def test_views_that_may_have_an_element_in_common(one: str, other: str) -> None:
    assert not disjoint(index(one), index(other))
    assert not disjoint(index(other), index(one))


def test_pieces_of_one_cut_and_of_two() -> None:
    assert disjoint(piece(0), piece(1))
    assert not disjoint(piece(0), piece(1, 3))
    assert not disjoint(piece(0), piece(0))


NARROWED = [(("0", "0", "2"), ("0", "2", "2"), True), (("0", "0", "3"), ("0", "2", "2"), False),
            (("0", "0", "2"), ("1", "2", "2"), False), (("0", "-2", "2"), ("0", "0", "2"), False),
            (("d", "2", "1"), ("d", "0", "2"), True)]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "apart"), NARROWED)
def test_ranges_of_one_dimension(one: tuple[str, ...], other: tuple[str, ...], apart: bool) -> None:
    views = [(View("narrow", "", "", each),) for each in (one, other)]
    assert disjoint(*views) is apart
    assert disjoint(*reversed(views)) is apart


def test_selected_rows() -> None:
    rows = [(View("select", "", "", ("0", str(n))),) for n in (0, 1, -1)]
    assert disjoint(rows[0], rows[1])
    assert not disjoint(rows[0], rows[2])
    assert not disjoint(rows[0], rows[0])


def test_what_is_apart_has_no_element_in_common() -> None:
    whole, drawn = torch.arange(256).reshape(4, 4, 4, 4), random.Random(7)
    one = ("0", "1", "-1", ":2", "2:", ":1", "1:", "::2", "1::2", ":-1", "-1:", "None", ":", "1:3")
    apart = 0
    for _ in range(4000):
        texts = [", ".join([*drawn.choice(([], ["..."])), *drawn.choices(one, k=drawn.randint(1, 3))]) for _ in "ab"]
        if disjoint(index(texts[0]), index(texts[1])):
            first, second = (set(eval(f"_[{text}]", {"_": whole}).flatten().tolist()) for text in texts)
            assert not first & second, texts
            apart += 1
    assert apart > 100
