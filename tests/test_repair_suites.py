"""Commands that run tests: what is written in a test file itself, and never a proof beside a test that fails."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from suites import PYTEST

pytestmark = pytest.mark.slow  # each case runs the whole command
STARTS_ANEW = True  # pytest runs in the first run, which has to start as users start it

LOUD = """
import torch
import pytest


def test_well():
    w = torch.ones(2, requires_grad=True)
    (w * 2).sum().backward()
    assert w.grad is not None


def test_loud():
    w = torch.ones(2, requires_grad=True)
    h = w.exp()
    h += 1
    h.sum().backward()
    assert w.grad.sum() > 5
"""
FIXTURE = """

@pytest.fixture
def model():
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.ReLU(inplace=True))


def test_fixture(model):
    model(torch.ones(1, 2)).sum().backward()
"""
EXPECTED = """

def test_expected():
    w = torch.ones(2, requires_grad=True)
    h = w.exp()
    h += 1
    with pytest.raises(RuntimeError):
        h.sum().backward()
"""
CASE = """
import unittest


class Case(unittest.TestCase):
    def test_loud(self):
        test_loud()
"""
SUITES = {
    "in the test": (LOUD, ["h = h + 1"]),
    "in a fixture": (
        LOUD.replace("h += 1", "h = h + 1") + FIXTURE,
        ["return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.ReLU())"],
    ),
    "where the test fails behind it": (LOUD.replace("> 5", "< 5"), []),
    "where the test raises behind it": (LOUD.replace("w.grad.sum() > 5", "w.none"), []),
    "where another test fails": (LOUD.replace("is not None", "is None"), []),
    "where a test expects the error": (LOUD + EXPECTED, []),
}


def lines(result) -> tuple[str, list[str]]:
    data = json.loads(result.stdout)
    diff = data["patch"]["diff"].splitlines() if data["patch"] is not None else []
    added = [row[1:].strip() for row in diff if row.startswith("+") and row[:3] != "+++"]
    return data["status"], added if data["status"] == "repaired" else []


@pytest.mark.parametrize("name", SUITES)
def test_what_a_test_file_writes(command, name: str):
    text, wanted = SUITES[name]
    Path("test_it.py").write_text(text.lstrip("\n"))

    words = (*PYTEST, "test_it.py")
    result = command("repair", "--diff", "--output-format", "json", *words)

    assert lines(result) == (("repaired", wanted) if wanted else ("found", []))


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_case_of_unittest_writes(command, fails: bool):
    Path("test_it.py").write_text((LOUD.replace("> 5", "< 5") if fails else LOUD).lstrip("\n") + CASE)

    result = command("repair", "--diff", "--output-format", "json", "-m", "unittest", "test_it")

    assert lines(result) == (("found", []) if fails else ("repaired", ["h = h + 1"]))


ROWS = """
import torch


def center(img):
    for c in img:
        c.sub_(c.mean())
    return img
"""
TEST_ROWS = """
import torch

from pkg.rows import center


def test_center():
    w = torch.randn(3, 4, requires_grad=True)
    out = center(w * 2)
    out.square().sum().backward()
    assert w.grad is not None
"""
BY_NUMBER = ["for i in range(len(img)):", "img[i].sub_(img[i].mean())"]
AGAIN = "\n\ndef test_again():\n    w = torch.randn(3, 4, requires_grad=True)\n    assert center(w * 2).sum() < 1\n"
AUTOUSE = "\n\n@pytest.fixture(autouse=True)\ndef prepared():\n    torch.set_default_dtype(torch.float64)\n"
LEAF = TEST_ROWS.replace("center(w * 2)", "w\n    w.mul_(2)")
IN_CLASS = TEST_ROWS[: TEST_ROWS.index("def")] + "class TestRows:\n" + textwrap.indent(
    TEST_ROWS[TEST_ROWS.index("def") :].replace("test_center()", "test_center(self, tmp_path)"), "    "
)  # fmt: skip
PARAMETERS = TEST_ROWS.replace("test_center()", "test_center(n)").replace("(3, 4", "(n, 4").replace(
    "def test", "@pytest.mark.parametrize('n', [2, 3])\ndef test"
).replace("import torch\n", "import pytest\nimport torch\n")  # fmt: skip
IN_FIXTURE = """
import pytest
import torch

from pkg.rows import center


@pytest.fixture
def rows():
    return center(torch.randn(3, 4, requires_grad=True) * 2)


def test_rows(rows):
    rows.square().sum().backward()
"""
REFUSED = {
    "a function": (TEST_ROWS, BY_NUMBER),
    "a function in two tests": (TEST_ROWS + AGAIN, BY_NUMBER),
    "the test fails behind it": (TEST_ROWS.replace("is not None", "is None"), []),
    "another test fails behind it": (TEST_ROWS + AGAIN.replace("< 1", "> 1"), []),
    "another test fails": (TEST_ROWS + "\n\ndef test_other():\n    assert False\n", []),
    "prepared": (TEST_ROWS + "\nimport pytest" + AUTOUSE, BY_NUMBER),
    "with a fixture, in a class": (IN_CLASS, BY_NUMBER),
    "with parameters": (PARAMETERS, BY_NUMBER),
    "in a fixture": (IN_FIXTURE, []),
    "two writes in two tests": (TEST_ROWS + "\n\n" + LEAF[LEAF.index("def") :].replace("_center", "_leaf"), []),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses_in_a_test(command, name: str):
    text, wanted = REFUSED[name]
    for folder in ("pkg", "tests"):
        Path(folder).mkdir()
    Path("pkg/rows.py").write_text(ROWS.lstrip("\n"))
    Path("tests/test_rows.py").write_text(text.lstrip("\n"))

    words = (*PYTEST, "tests")
    result = command("repair", "--diff", "--output-format", "json", *words)

    assert lines(result) == (("repaired", wanted) if wanted else ("found", []))
