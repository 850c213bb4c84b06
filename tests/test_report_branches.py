"""On which branch a site stands, as a report tells of a line that no run came by."""

from __future__ import annotations

import pytest

from fixinplace.model import Span
from fixinplace.report.branches import branches
from fixinplace.source import Text

CASES = {
    "none": ("def f(x):\n    SITE\n", []),
    "if": ("def f(x):\n    if x.ndim > 3:\n        SITE\n", [(2, "if x.ndim > 3:")]),
    "else": ("def f(x):\n    if x.ndim > 3:\n        pass\n    else:\n        SITE\n", [(2, "else of if x.ndim > 3:")]),
    "elif": ("if a:\n    pass\nelif b:\n    SITE\n", [(1, "else of if a:"), (3, "if b:")]),
    "test": ("if SITE:\n    pass\n", []),
    "loop": ("while a:\n    for b in c:\n        SITE\n", [(1, "while a:")]),
    "expression": ("y = SITE if a else b\nz = 1\n", [(1, "if a")]),
    "other expression": ("y = b if a else SITE\n", [(1, "else of if a")]),
    "handler": ("try:\n    pass\nexcept (KeyError, ValueError):\n    SITE\n", [(1, "except (KeyError, ValueError):")]),
    "case": ("match a:\n    case [b, _]:\n        SITE\n", [(1, "case [b, _]:")]),
    "function inside a branch": ("if a:\n    def f(x):\n        if b:\n            SITE\n", [(3, "if b:")]),
    "method": ("if a:\n    class C:\n        def f(self):\n            SITE\n", []),
    "with": ("if a:\n    with b:\n        SITE\n", [(1, "if a:")]),
    "condition over lines": ("if (a and\n        b):\n    SITE\n", [(1, "if a and b:")]),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_what_must_hold_is_told(text: str, expected: list[tuple[int, str]]):
    start = text.index("SITE")

    assert branches(Text(text), Span(start, start + 4)) == expected
