"""`fixinplace.watch` and `pytest --fixinplace`: the error that names the lines, and what passes through untouched."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from torch import nn

import fixinplace

pytest_plugins = ["pytester"]

INSTALLED = "fixinplace" in {entry.name for entry in metadata.entry_points(group="pytest11")}
PLUGIN = ["--fixinplace"] if INSTALLED else ["-p", "fixinplace.pytest_plugin", "--fixinplace"]
MODEL = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), nn.ReLU(inplace=True))


def here(piece: str) -> str:
    """`file:line` of the first line of this file that holds the piece."""
    lines = Path(__file__).read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if piece in line)
    return f"test_watch.py:{number}:"


def test_the_error_names_the_lines_and_keeps_torchs_own():
    with pytest.raises(fixinplace.InPlaceError) as caught, fixinplace.watch():
        h = torch.sigmoid(torch.randn(3, requires_grad=True))
        h += 1
        h.sum().backward()
    message = str(caught.value)

    assert message.startswith("a tensor that a backward needs was overwritten\n")
    assert f"{here('h += 1')}9  `h += 1`  writes `h`  (add_)" in message
    assert f"{here('h = torch.sigmoid(')}13  `torch.sigmoid(torch.randn(3, requires_grad=True))`" in message
    assert f"{here('h.sum().backward()')}9  `h.sum().backward()`  by SigmoidBackward0" in message
    assert isinstance(caught.value, RuntimeError)
    assert "modified by an inplace operation" in str(caught.value.__cause__)
    assert len(caught.value.trace.offences) == 1


def test_an_error_of_a_watch_inside_another_keeps_its_words():
    with pytest.raises(fixinplace.InPlaceError) as caught, fixinplace.watch(), fixinplace.watch():
        h = torch.sigmoid(torch.randn(3, requires_grad=True))
        h *= 2
        h.sum().backward()

    assert f"{here('h *= 2')}9  `h *= 2`" in str(caught.value)
    assert len(caught.value.trace.offences) == 1


def test_a_module_that_was_built_before_is_found_by_class_and_attribute():
    with pytest.raises(fixinplace.InPlaceError, match=r"in ReLU 2  \(relu_\)"), fixinplace.watch():
        MODEL(torch.randn(2, 3)).sum().backward()


@pytest.mark.parametrize("content", [True, False])
def test_a_silently_wrong_gradient_is_an_error(content: bool):
    with (
        pytest.raises(fixinplace.InPlaceError, match=r"FIP301 data-after-save: the gradient is wrong") as caught,
        fixinplace.watch(content=content),
    ):
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()
        h.data.add_(1)
        out.sum().backward()

    assert caught.value.__cause__ is None


def test_a_refused_write_is_told_with_its_rule():
    with pytest.raises(fixinplace.InPlaceError, match=r"FIP202 leaf-write: a leaf Variable"), fixinplace.watch():
        torch.ones(2, requires_grad=True).add_(1)


def test_what_the_step_handles_itself_is_no_error():
    with fixinplace.watch():
        h = torch.randn(3, requires_grad=True).exp()
        h += 1
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            h.sum().backward()


def test_other_errors_pass_as_they_are():
    with pytest.raises(ZeroDivisionError), fixinplace.watch():
        raise ZeroDivisionError


def test_it_is_a_decorator_too_and_a_right_step_gives_its_result():
    @fixinplace.watch()
    def step() -> float:
        loss = MODEL[0](torch.randn(2, 3)).square().sum()
        loss.backward()
        return loss.item()

    assert step() > 0 and step() > 0


def test_the_error_can_be_pickled():
    with pytest.raises(fixinplace.InPlaceError) as caught, fixinplace.watch():
        torch.ones(2, requires_grad=True).add_(1)
    again = pickle.loads(pickle.dumps(caught.value))

    assert (str(again), again.trace) == (str(caught.value), caught.value.trace)


@pytest.mark.parametrize("module", ["fixinplace", "fixinplace.pytest_plugin", "fixinplace.trace.error"])
def test_importing_is_free_of_torch(module: str):
    code = f"import sys, {module}; print('torch' in sys.modules, 'libcst' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False False\n"


SUITE = """
    import pytest
    import torch

    @pytest.fixture
    def weight():
        return torch.randn(3, requires_grad=True)

    def test_right(weight):
        weight.square().sum().backward()

    def test_dies(weight):
        h = weight.exp()
        h *= 2
        h.sum().backward()

    def test_silent(weight):
        out = weight.square()
        weight.data.zero_()
        out.sum().backward()

    def test_expects_it(weight):
        h = weight.exp()
        h *= 2
        with pytest.raises(RuntimeError, match="inplace"):
            h.sum().backward()

    def test_fails_by_itself():
        assert 1 == 2

    def test_skipped():
        pytest.skip("not here")
    """


@pytest.mark.filterwarnings("ignore")
def test_a_suite_under_the_option(pytester: pytest.Pytester):
    pytester.makepyfile(test_suite=SUITE)
    result = pytester.runpytest_inprocess(*PLUGIN)

    result.assert_outcomes(passed=2, failed=3, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*InPlaceError: a tensor that a backward needs was overwritten",
            "*written  test_suite.py:*  `h [*]= 2`  writes `h`*",
            "*InPlaceError: FIP301 data-after-save*",
            "*written  test_suite.py:*  `weight.data.zero_()`*",
            "*assert 1 == 2*",
        ]
    )
    result.stdout.no_fnmatch_line("*fixinplace/*.py:*")  # the lines of the tests, and none of ours


@pytest.mark.filterwarnings("ignore")
def test_a_suite_without_the_option(pytester: pytest.Pytester):
    pytester.makepyfile(test_suite=SUITE)
    result = pytester.runpytest_inprocess(*PLUGIN[:-1])

    result.assert_outcomes(passed=3, failed=2, skipped=1)
    result.stdout.no_fnmatch_line("*InPlaceError*")
