"""Every program of the corpus, from text to proof, with its expected report and diff as a snapshot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from fixinplace import config, pipeline
from fixinplace.commands.proving import Provers, Proving
from fixinplace.config import Config
from fixinplace.pipeline import Mode, Policy, Result
from fixinplace.report import text
from fixinplace.report.diff import diff
from fixinplace.source import Source, parse

ALL = config.selected((), ())
PROGRAMS = sorted((ROOT / "corpus").glob("*.py"))
CASES = [
    pytest.param(path, id=path.stem, marks=[] if number % 3 == 0 else [pytest.mark.slow])  # two seconds each
    for number, path in enumerate(PROGRAMS)
]
UNTOUCHED = sorted((ROOT / "corpus/untouched").glob("*.py"))


class DiffExtension(SingleFileSnapshotExtension):
    """One `.diff` per program; `git apply` takes it: what stands before the first `---` is ignored."""

    file_extension = "diff"
    _write_mode = WriteMode.TEXT


@pytest.fixture(scope="session")
def provers() -> Iterator[Provers]:
    with contextlib.closing(Provers(Proving(("::main",)))) as provers:
        yield provers


def read(path: Path) -> Source:
    return parse(str(path), path.read_bytes())


def fix(source: Source, provers: Provers) -> Result:
    return pipeline.fix(source, ALL, Policy(), provers.prover(source, Config(ROOT)))


def shown(result: Result) -> Result:
    """The result under its path in the repository."""
    path = Path(result.analysis.path).relative_to(ROOT).as_posix()
    return replace(result, analysis=replace(result.analysis, path=path))


def run(text: str, path: Path) -> str:
    """How a program ends: the first line of its error, or that it finishes."""
    namespace: dict[str, Any] = {"__name__": "program", "__file__": str(path)}
    dtype = torch.get_default_dtype()
    try:
        with torch.random.fork_rng(devices=[]):
            exec(compile(text, str(path), "exec", dont_inherit=True), namespace)
            values = namespace["main"]()
    except RuntimeError as error:
        return f"raises {type(error).__name__}: {str(error).partition(chr(10))[0][:110]}"
    finally:
        torch.set_default_dtype(dtype)
    assert isinstance(values, dict) and values
    return "finishes"


@pytest.mark.parametrize("path", CASES)
def test_program(path: Path, provers: Provers, snapshot: SnapshotAssertion):
    source = read(path)
    result = fix(source, provers)
    again = fix(parse(source.path, result.data), provers)
    ends = (f"original {run(source.part.text, path)}", f"fixed {run(result.text, path)}")
    report = "\n".join([*ends, *text.concise([shown(result)]), diff(shown(result)).decode()])

    assert result.analysis.problems == ()
    assert again.text == result.text
    assert report == snapshot(extension_class=DiffExtension)


@pytest.mark.parametrize("path", UNTOUCHED, ids=lambda path: path.stem)
def test_look_alike(path: Path, provers: Provers):
    source = read(path)

    assert run(source.part.text, path) == "finishes"
    assert diff(fix(source, provers)).decode() == ""
    assert diff(pipeline.fix(source, ALL, Policy(Mode.OFF), None)).decode() == ""
