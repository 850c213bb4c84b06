"""`pytest --fixinplace`: every test runs under `fixinplace.watch`. Without the option nothing is imported."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option."""
    parser.getgroup("fixinplace").addoption(
        "--fixinplace",
        action="store_true",
        help="fail a test in which an in-place write breaks a backward or makes a gradient silently wrong, and name "
        "the lines",
    )


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Around the test itself, not around its fixtures: those may open contexts that outlive it."""
    if not item.config.getoption("--fixinplace"):
        return (yield)
    from fixinplace import InPlaceError, watch

    try:
        with watch():
            return (yield)
    except InPlaceError as error:
        if error.__cause__ is None:  # no line of the test raised it
            pytest.fail(f"InPlaceError: {error}", pytrace=False)
        raise error.with_traceback(_of_the_test(error.__cause__.__traceback__)) from None


def _of_the_test(trace: TracebackType | None) -> TracebackType | None:
    """The traceback up to the line that called torch: what torch and the tracer do from there says nothing more."""
    frames: list[TracebackType] = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    while frames and frames[-1].tb_frame.f_globals.get("__name__", "").split(".")[0] in ("torch", "fixinplace"):
        frames.pop()
    shown: TracebackType | None = None
    for one in reversed(frames):
        shown = TracebackType(shown, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return shown
