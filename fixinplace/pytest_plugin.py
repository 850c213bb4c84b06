"""`pytest --fixinplace`: every test runs under `fixinplace.watch`. Without the option nothing is imported."""

from __future__ import annotations

from collections.abc import Generator

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
    from fixinplace import watch

    with watch():
        return (yield)
