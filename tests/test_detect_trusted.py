"""Functions that others may call as well: what they are given is taken to be like what this file gives them."""

from __future__ import annotations

import ast

import pytest
from rewriting import fixes

from fixinplace.detect.parameters import TRUSTED
from fixinplace.detect.reader import read
from fixinplace.source import Text

SCALED = """
import torch

def scaled(x):
    y = x * 2
    v = y.view(-1)
    v.add_(1)
    return y

{more}
def main():
    a = torch.ones(2, 2, requires_grad=True)
    return scaled({given})
"""


@pytest.mark.parametrize(
    ("given", "more", "safe"),
    [
        pytest.param("a", "", True, id="tensor"),
        pytest.param("a + 1", "def other():\n    return scaled(torch.ones(3, 1))\n", True, id="two calls"),
        pytest.param("a", "def other():\n    return scaled(3)\n", False, id="number"),
        pytest.param("a", "def other(b):\n    return scaled(b)\n", False, id="unknown"),
        pytest.param("a", "def other(b):\n    return scaled(*b)\n", False, id="bundle"),
        pytest.param("a", "KEPT = [scaled]\n", False, id="held"),
        pytest.param("a", "__all__ = ['scaled']\n", False, id="exported"),
    ],
)
def test_a_function_that_others_may_call_is_given_tensors_if_this_file_gives_it_tensors(
    given: str, more: str, safe: bool
) -> None:
    found = fixes(SCALED.format(given=given, more=more))
    assert [fix.safe for fix in found] == [safe]
    assert (TRUSTED in found[0].assumes) is safe


def test_an_argument_that_others_may_give_stays_theirs() -> None:
    code = SCALED.format(given="a + 1", more="").replace("y = x * 2", "y = x")
    assert [(fix.safe, fix.parameter) for fix in fixes(code)] == [(False, "x")]


def test_where_nobody_else_calls_nothing_is_assumed() -> None:
    (fix,) = fixes(SCALED.format(given="a", more="") + "\n\nmain()\n")
    assert fix.safe
    assert TRUSTED not in fix.assumes


MASKED = """
def masked(x, m):
    y = x * 2
    y[m] = 0
    return y

def main():
    return masked(torch.ones(2, requires_grad=True), torch.tensor({mask}))
"""


@pytest.mark.parametrize(
    ("mask", "safe"),
    [
        ("[True, False]", True),
        ("[[True], [False]]", True),
        ("[0, 0]", False),
        ("[0, 1]", False),  # another caller may name one twice
        ("[]", False),
        ("[True, False], dtype=torch.long", False),
        ("[True, False], **how", False),
    ],
)
def test_an_index_that_is_given_as_a_mask_names_no_element_twice(mask: str, safe: bool) -> None:
    assert [fix.safe for fix in fixes(MASKED.format(mask=mask))] == [safe]


AGAIN = """
def grown(t):
    m = t - 1
    m += 1
    return m

{more}
def main():
    x = torch.ones(3, requires_grad=True)
    return {call}
"""
DEEP = "def d4(x):\n    return d3(x)\n\ndef d1(x):\n    return grown(x)\n\ndef d2(x):\n    return d1(x)\n\n"
DEEP += "def d3(x):\n    return d2(x)\n\n"
FARTHER = "def e0(x):\n    return grown(x)\n\n"
FARTHER += "".join(f"def e{n + 1}(x):\n    return e{n}(x)\n\n" for n in range(11))


@pytest.mark.parametrize(
    ("call", "more", "safe"),
    [
        ("grown(grown(x))", "", True),
        ("d4(x)", DEEP, True),
        ("grown(x), d4(3)", DEEP, False),
        ("grown(x), e11(3)", FARTHER, False),
        ("e6(x[None].t())", FARTHER.partition("def e7")[0], True),
        ("grown(grown(x)), grown(3)", "", False),
        ("x", "def main2(t):\n    return grown(t)\n", False),
        ("x", "def even(t):\n    return grown(t) if t.any() else even(grown(t))\n", False),
    ],
)
def test_a_function_may_be_given_its_own_result(call: str, more: str, safe: bool) -> None:
    assert any(fix.safe for fix in fixes(AGAIN.format(call=call, more=more))) is safe


def test_a_function_that_only_calls_itself_is_given_nothing_that_is_known() -> None:
    code = "def grown(t):\n    m = t - 1\n    m += 1\n    return grown(m)\n"
    assert not any(fix.safe for fix in fixes(code))


def test_a_table_of_tables_without_end_is_followed_so_far() -> None:
    """Each round would find a table in what the function returned in the round before, and the last would never come."""
    code = "from dataclasses import asdict\nimport torch\n\n\ndef table(obj):\n    if isinstance(obj, tuple):\n"
    code += "        return {key: table(value) for key, value in asdict(obj).items()}\n    if isinstance(obj, dict):\n"
    code += "        return {key: table(value) for key, value in obj.items()}\n    return obj\n\n\n"
    code += "def scale(x):\n    y = torch.relu(x)\n    y += 1\n    return y\n"
    summary = read(Text(code), ast.parse(code)).summary(("", "table"))
    depth, value = 0, summary.returns if summary is not None else None
    while value is not None and value.items:
        depth, value = depth + 1, value.items[0]
    assert 0 < depth <= 4
