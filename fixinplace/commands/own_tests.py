"""Tests of the project that may run a file: found by what they import, named as pytest names them.

Note [Tests come last]
    A test checks what its author thought of, often on constants and mostly without a backward; made inputs are generic
    and cost less.  Tests are run, one by one and in the sandbox as everything, for what made inputs do not reach.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from fixinplace import files, imports
from fixinplace.source import Source

if TYPE_CHECKING:
    from fixinplace.verify.jobs import Patch, Region
    from fixinplace.verify.probes import Probe
    from fixinplace.verify.runner import Runner

_FILES, _TESTS, _KEPT = 300, 12, 3
_SECONDS = 10.0
OPTIONS = ("-qq", "-x", "-p", "no:cacheprovider")
"""For pytest: stop at the first failure, leave nothing, and print no seconds, since what is printed is compared."""


def probes(path: Path, root: Path, names: Sequence[str]) -> list[Probe]:
    """A probe for each of the first tests below `root` whose file imports `path`; those that say a name come first."""
    from fixinplace.verify.probes import Probe

    found: list[tuple[bool, Path, str]] = []
    for test in _test_files(root):
        tree = _tree(test)
        if tree is None or not _imports(test, root, path):
            continue
        for name, node in _tests(tree):
            said = any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node))
            found.append((not said, test, name))
    found.sort(key=lambda each: each[0])
    words = [(test, f"{test.relative_to(root)}::{name}") for _, test, name in found[:_TESTS]]
    return [Probe("module", str(test), "pytest", (*OPTIONS, node), str(root)) for test, node in words]


def reaching(
    runner: Runner,
    tests: Sequence[Probe],
    texts: tuple[Patch, ...],
    regions: tuple[Region, ...],
    wanted: frozenset[int],
) -> tuple[list[Probe], frozenset[int]]:
    """The tests that come by wanted regions, each run once within a short time; and the regions that they come by."""
    from fixinplace.verify.jobs import Job

    if runner.problem is not None:
        return [], frozenset()
    kept: list[Probe] = []
    reached: frozenset[int] = frozenset()
    limits = runner.limits
    runner.limits = dataclasses.replace(limits, seconds=min(limits.seconds, _SECONDS))
    try:
        for test in tests:
            if not wanted - reached or len(kept) == _KEPT:
                break
            job = Job(test.kind, test.path, test.name, texts, test.arguments, test.folder, regions=regions)
            run = runner.run(job)
            if run.finished and run.reached & wanted - reached:
                kept.append(test)
                reached |= run.reached & wanted
    finally:
        runner.limits = limits
    return kept, reached


def project(path: Path) -> Path:
    """The folder of the project that a file belongs to: the nearest one upward that looks like one, else its own."""
    return next((each for each in path.parents if any((each / mark).exists() for mark in _MARKS)), path.parent)


_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git", "tox.ini")


def _test_files(root: Path) -> Iterator[Path]:
    """Files that pytest would collect, in the first `_FOLDERS` folders, environments and hidden ones left out."""
    count = 0
    for number, (folder, folders, names) in enumerate(os.walk(root)):
        folders[:] = sorted(each for each in folders if not each.startswith(".") and each not in _LEFT_OUT)
        for name in sorted(names):
            if fnmatch(name, "test_*.py") or fnmatch(name, "*_test.py"):
                count += 1
                yield Path(folder, name)
        if count >= _FILES or number >= _FOLDERS:
            return


_LEFT_OUT = ("site-packages", "node_modules", "build", "dist", "venv", "env", "__pycache__")
_FOLDERS = 1000


@functools.cache
def _tree(path: Path) -> ast.Module | None:
    source = files.read(str(path)) if path.is_file() else None
    if not isinstance(source, Source):
        return None
    try:
        return ast.parse(source.part.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # nothing that pytest could run either


def _imports(test: Path, root: Path, wanted: Path) -> bool:
    """True if the test imports the file, seen from its own folder, from the root, or from `src`."""
    for base in dict.fromkeys((test.parent, root, root / "src")):
        script = base / test.name

        def tree_of(at: PurePath, script: Path = script) -> ast.Module | None:
            inside = PurePath(at).is_relative_to(root)
            return _tree(test) if at == script else _tree(Path(at)) if inside else None

        if wanted in imports.reachable(script, tree_of):
            return True
    return False


def _tests(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            for each in node.body:
                if isinstance(each, ast.FunctionDef) and each.name.startswith("test"):
                    yield f"{node.name}::{each.name}", each
