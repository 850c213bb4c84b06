"""What several tests share: a command line that runs in this process, and the repository."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from edited import client, here  # noqa: F401 - fixtures of the editor
from nursery import Nursery, nursery
from typer.testing import CliRunner, Result

from fixinplace.cli import app
from fixinplace.commands import console
from fixinplace.verify import bubblewrap, landlock, launch
from fixinplace.verify import runner as running
from fixinplace.verify.jobs import Limits
from fixinplace.verify.runner import Runner

ROOT = Path(__file__).resolve().parent.parent


def pytest_xdist_auto_num_workers() -> int:
    """Three tests for two cores: those of the editor and of whole commands spend much of their time waiting."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + cores // 2


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or leaves anything in the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def forking() -> Iterator[Nursery]:
    """See Note [A server that is forked] in `nursery`."""
    with nursery() as made:
        yield made


@pytest.fixture(scope="session")
def beginning() -> Iterator[Nursery]:
    """The same for first runs, with our own variables."""
    with nursery(launch.environment()) as made:
        yield made


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forking: Nursery, request: pytest.FixtureRequest
) -> Callable[..., Result]:
    """Runs the command line in an empty working directory; standard output and error are kept apart.

    First runs are forked, unless the module of the tests says `STARTS_ANEW`.  Where landlock can confine runs, it does,
    so that their servers are forked too, unless the module says `IN_BUBBLEWRAP`.
    """
    monkeypatch.setattr(running, "Connection", forking.server)
    if landlock.abi() and not getattr(request.module, "IN_BUBBLEWRAP", False):
        monkeypatch.setattr(bubblewrap, "find", lambda: None)
    if not getattr(request.module, "STARTS_ANEW", False):
        monkeypatch.setattr(launch, "start", lambda *asked: request.getfixturevalue("beginning").traced(*asked))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "EVERY", math.inf)  # a slow machine prints nothing more
    runner = CliRunner()

    def run(*words: str, stdin: bytes | None = None) -> Result:
        result = runner.invoke(app, list(words), input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(scope="session")
def lab() -> Iterator[Runner]:
    """One fork server for all tests that run programs."""
    with Runner(Limits(seconds=60)) as runner:
        yield runner
