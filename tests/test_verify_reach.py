"""What counts as having run: the instructions of the edited region, in this very text."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fixinplace.verify.jobs import Region
from fixinplace.verify.reach import Reach, holding_code


def reached(text: str, *marked: str, call: str = "") -> list[str]:
    """The marked pieces of text whose code runs when the text does, followed by `call`."""
    regions = tuple(Region(text.index(piece), text.index(piece) + len(piece)) for piece in marked)
    code = compile(text, "<text>", "exec")
    reach = Reach([text], regions)
    reach.seen(code)
    scope: dict[str, object] = {"C": list}
    with reach:
        exec(code, scope)
        exec(call, scope)
    return [marked[index] for index in sorted(reach.reached())]


@pytest.mark.parametrize(
    ("text", "piece", "runs"),
    [
        ("x = 1\nx *= 3\n", "*=", True),
        ("x = 0\nif x: x *= 3\n", "*=", False),
        ("x = 1\nif x: x *= 3\n", "*=", True),
        ("x = 1\ny = abs(x) if x else hex(x)\n", "hex(x)", False),
        ("x = 1\ny = abs(x) if x else hex(x)\n", "abs(x)", True),
        ("x = 1\ny = abs(x) if x else hex(x)\n", "abs(x) if x else hex(x)", False),
        ("x = 0\ny = x and hex(x)\n", "hex(x)", False),
        ("f = lambda t: hex(t)\n", "hex(t)", False),
        ("f = lambda t: hex(t)\nf(1)\n", "hex(t)", True),
        ("def f(t):\n    return hex(t)\n", "hex(t)", False),
        ("y = [hex(t) for t in ()]\n", "hex(t)", False),
        ("y = sorted(\n    [3],\n    reverse=True,\n)\n", ",\n    reverse=True", True),
        ("y = 'é'; x = 1; x *= 3\n", "*=", True),
        ("def f():\n    global q\n    return 1\nf()\n", "global q", False),
        ("try:\n    x = 1 // 0\nexcept ZeroDivisionError:\n    x = 2\n", "x = 2", True),
        ("for i in range(2):\n    x = i\nelse:\n    x = 9\n", "x = i", True),
        ("while True:\n    x = 1\n    break\n", "x = 1", True),
        ("assert 1 == 1, hex(3)\n", "hex(3)", False),
        ("x = y = 1\nz = x if x is y else y\n", "x if x is y else y", True),
        ("x = y = 1\nz = x if x is y else y\n", "= x if x is y else y", True),
        ("x = y = 1\nif not x:\n    z = x if x is y else y\n", "x if x is y else y", False),
        ("x = y = 1\nz = x if x is None else y\n", "x if x is None else y", False),
    ],
)
def test_a_region_is_reached_when_all_of_its_code_has_run(text: str, piece: str, runs: bool):
    assert reached(text, piece) == ([piece] if runs else [])


def test_only_this_text_counts():
    text = "def f():\n    return abs(1)\n"
    region = Region(text.index("abs(1)"), text.index("abs(1)") + 6)
    reach = Reach([text], (region,))
    reach.seen(compile(text, "<text>", "exec"))
    other: dict[str, object] = {}
    with reach:
        exec(compile(text, "<text>", "exec"), other)
        other["f"]()  # type: ignore[operator]
    assert reach.reached() == frozenset()


def test_regions_without_code():
    text = "def f():\n    global q  # note\n    q = 1\n"
    places = [(13, 21), (23, 29), (text.index("q = 1"), text.index("q = 1") + 5)]
    regions = [Region(*place) for place in places]
    assert holding_code(text, regions) == {regions[2]}


def test_line_ends_do_not_shift_regions():
    assert reached("x = 1\r\ny = 2\rz = 3\r\nx *= 5\r\n", "*=") == ["*="]


def test_a_part_of_a_decorator_is_code_that_runs():
    text = "import torch\n\n\n@torch.inference_mode()\ndef f():\n    return 1\n"
    start = text.index("inference_mode")
    region = Region(start, start + len("inference"))

    assert holding_code(text, [region]) == {region}


def test_what_was_built_at_the_import_is_reached_by_a_try_that_calls_it():
    text = "from torch import nn\n\nACT = nn.ReLU(inplace=True)\n"
    start = text.index("inplace=True")
    reach, scope = Reach([text], (Region(start, start + len("inplace=True")),)), dict[str, Any]()
    code = compile(text, "<text>", "exec")
    reach.seen(code)
    with reach:
        exec(code, scope)
    reach.keep()

    reach.forget()
    assert reach.reached() == frozenset()

    with reach:
        scope["ACT"](torch.ones(2))
    assert reach.reached() == {0}
