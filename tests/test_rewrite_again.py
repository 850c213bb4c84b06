"""What a rewrite leaves is not rewritten again, and a helper that ends in an error hands nothing back."""

from __future__ import annotations

import ast

import pytest
from rewriting import fixed, fixes

from fixinplace import detect, rewrite, source

PROGRAM = (
    "import torch\n\n\ndef f(x):\n    {}\n\n\ndef main():\n    x = torch.randn(3, 4, requires_grad=True)\n"
    '    return f(x)\n\n\nif __name__ == "__main__":\n    print(main())\n'
)
SUMS = "return (y * y).sum() + (z * z).sum()"
TWICE = {
    "a conversion that is written twice": f"y = torch.exp(x)\nz = y.reshape(-1)\nz[0] = 5\nz[1] = z[0] * 2\n{SUMS}",
    "a row that is written twice": f"y = torch.exp(x)\nz = y[0]\nz[0] = 5\nz[1] = z[0] * 2\n{SUMS}",
    "a contiguous copy": f"y = torch.exp(x)\nz = y.contiguous()\nz[0] = 5\n{SUMS}",
}


def written(text: str) -> str:
    part = source.Text(text)
    return fixed(text, rewrite.plan(part, detect.scan(part, ast.parse(text))))


@pytest.mark.parametrize("body", TWICE.values(), ids=TWICE.keys())
def test_a_second_fix_changes_nothing(body: str) -> None:
    text = PROGRAM.format(body.replace("\n", "\n    "))
    once = written(text)

    assert once != text
    assert written(once) == once


HELPER = "def scale_(x):\n    x.mul_(2)\n    {}return x.sum()\n\n\n"
BODY = "y = torch.exp(x)\n    {}\n    return y * s"
ENDS = (
    "if x.sum() > 3:\n        raise ValueError\n    ",
    "assert x.sum() < 3\n    ",
    "{}['a']\n    ",
    "int('a')\n    ",
    "",
)
HANDLERS = (
    "try:\n        s = scale_(y)\n    except (ValueError, KeyError, AssertionError):\n        s = 2",
    "import contextlib\n    s = 2\n    with contextlib.suppress(KeyError):\n        s = scale_(y)",
    "s = 2\n    try:\n        s = scale_(y)\n    finally:\n        print(y)",
    "for s in 'ab':\n        try:\n            s = scale_(y)\n        except AssertionError:\n            pass",
    "s = 2\n    with open_guard():\n        s = scale_(y)",
)


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("end", ENDS)
def test_a_helper_whose_error_somebody_catches_hands_nothing_back(end: str, handler: str) -> None:
    text = HELPER.replace("{}return", end + "return") + PROGRAM.format(BODY.format(handler))
    compile(text, "<program>", "exec")

    assert not any(fix.safe for fix in fixes(text))


def test_a_helper_whose_errors_end_the_program_hands_its_argument_back() -> None:
    text = HELPER.format("") + PROGRAM.format(BODY.format("s = scale_(y)"))

    assert "y, s = scale_(y)" in written(text)
