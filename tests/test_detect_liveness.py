"""Which names are read later; the marker `HERE` is the statement that is asked about."""

from __future__ import annotations

import ast
import textwrap

import pytest

from fixinplace.detect.liveness import Liveness, captured

CASES = {
    "read below": ("HERE\nf(x)", {"x"}),
    "bound before it is read": ("HERE\nx = 1\nf(x)", set()),
    "augmented reads": ("HERE\nx += 1", {"x"}),
    "one branch reads": ("HERE\nif c:\n    f(x)\nelse:\n    x = 1", {"x", "c"}),
    "both branches bind": ("HERE\nif c:\n    x = 1\nelse:\n    x = 2\nf(x)", {"c"}),
    "one branch binds": ("HERE\nif c:\n    x = 1\nf(x)", {"c", "x"}),
    "next round of a loop": ("for i in r:\n    f(x)\n    HERE", {"x", "r"}),
    "loop binds first": ("for i in r:\n    x = 1\n    f(x)\n    HERE", {"r"}),
    "loop may not run": ("HERE\nfor i in r:\n    x = 1\nf(x)", {"r", "x"}),
    "while test": ("while x:\n    HERE", {"x"}),
    "break leads out": ("while c:\n    HERE\n    break\nf(x)", {"x"}),
    "continue leads back": ("while c:\n    HERE\n    continue\n    f(x)\ng(y)", {"c", "y"}),
    "return ends": ("if c:\n    HERE\n    return 1\nf(x)", set()),
    "handler reads": ("try:\n    HERE\n    g()\nexcept E:\n    f(x)", {"g", "x", "E"}),
    "finally reads": ("try:\n    HERE\n    return 1\nfinally:\n    f(x)", {"x"}),
    "with": ("with c:\n    HERE\n    f(x)", {"x"}),
    "match": ("HERE\nmatch s:\n    case 1:\n        f(x)\n    case _:\n        x = 2\ng(x)", {"s", "x"}),
    "delete": ("HERE\ndel x\nf(y)", {"y"}),
    "tuple target": ("HERE\nx, y = 1, 2\nf(x, y)", set()),
    "subscript target reads": ("HERE\nx[0] = 1", {"x"}),
    "definition of a nested function": ("HERE\ndef g():\n    return x", {"x"}),
    "declared global": ("global x\nHERE", {"x"}),
}


def after(code: str) -> set[str]:
    tree = ast.parse(textwrap.dedent(code))
    (here,) = (n for n in ast.walk(tree) if isinstance(n, ast.Expr) and ast.unparse(n) == "HERE")
    return {
        n for n in Liveness(tree.body).after(here) if n not in ("f", "HERE") and not (n == "g" and "g()" not in code)
    }


@pytest.mark.parametrize(("code", "expected"), CASES.values(), ids=CASES.keys())
def test_names_read_later(code: str, expected: set[str]) -> None:
    assert after(code) == expected


def test_captured_names() -> None:
    body = ast.parse("a = [x for x in xs]\nb = lambda: y\nc = (z for z in zs)\nd = sum(w for w in ws)").body
    assert {"y", "zs"} <= captured(body)
    assert not {"xs", "ws"} & captured(body)


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("def f(y):\n    return y", False),
        ("def f(*y):\n    return y", False),
        ("def f():\n    y = 1\n    return y", False),
        ("def f():\n    for y in a:\n        b(y)", False),
        ("def f():\n    y = 1\n    def g():\n        return y", False),
        ("class C:\n    def f(self, y):\n        return y", False),
        ("def f():\n    return y", True),
        ("def f():\n    global y\n    y = 1", True),
        ("def f():\n    y = 1\n    def g():\n        global y\n        return y", True),
        ("def f(x=y):\n    y = 1", True),
        ("@y\ndef f(y):\n    return y", True),
        ("def f():\n    return [y for y in a], y", True),
        ("def f():\n    def g():\n        y = 1\n    return y", True),
        ("class C:\n    y = y", True),
        ("class C:\n    y = 1\n    def f(self):\n        return y", True),
        ("f = lambda: y", True),
        ("f = (y for a in b)", True),
        ("f = list(y for a in b)", False),
        ("f = list((lambda: y) for a in b)", True),
    ],
)
def test_names_that_a_function_binds_itself_are_not_captured(code: str, read: bool) -> None:
    assert ("y" in captured(ast.parse(code).body)) is read
