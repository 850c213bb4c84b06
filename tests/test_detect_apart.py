"""Which views of one tensor have no element in common, and which may have some."""

from __future__ import annotations

import pytest

from fixinplace.detect.apart import disjoint
from fixinplace.model import View


def index(text: str) -> tuple[View, ...]:
    """One subscript."""
    return (View("index", "", f"[{text}]", (text,)),)


def piece(number: int, count: int = 2) -> tuple[View, ...]:
    """One piece of a cut."""
    return (View("chunk[]", "", f".chunk(2)[{number}]", (str(number), str(count), "2")),)


APART = [(":k", "k:"), (":, :2", ":, 2:"), ("0", "1"), ("::2", "1::2"), ("..., 0", "..., 1")]
TOGETHER = [
    (":k", "j:"),
    (":3", "2:"),
    ("0", "-1"),
    (":, 0", "0, :"),
    ("::2", "2::2"),
    (":2, :2", "2:, 2:"),
    ("0", "0"),
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
