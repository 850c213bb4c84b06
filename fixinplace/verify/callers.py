"""How the other files of a project call a class or function, read in the sandbox where the search runs.

Note [Where a project ends]
    The project of a file is the folder above its outermost package where that holds a project file or a repository, and
    else the package itself: what lies beside an installed package belongs to others.  Without a package it is the
    file's folder.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from fixinplace.inputs.calls import called
from fixinplace.inputs.values import Argument

_FILES, _BYTES, _PARSED = 800, 200_000, 3
_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
_OTHERS = ("site-packages", "node_modules", "__pycache__", "build", "dist", "venv")


@cache
def elsewhere(path: str, unit: str, known: frozenset[str]) -> tuple[tuple[Argument, ...], ...]:
    """Arguments with which other files of the project make or call the unit of a file; its names are `known`.

    The nearest files come first; what only such a file knows has to be guessed.
    """
    found: list[tuple[Argument, ...]] = []
    word, parsed = f"{unit}(", 0
    for other, text in _texts(os.path.realpath(path)):
        if word not in text or other == os.path.realpath(path):
            continue
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue  # of no use to anybody who calls it
        found += called(tree, unit, _imported(tree) & known)
        parsed += 1
        if parsed == _PARSED:
            break
    return tuple(dict.fromkeys(found))


def _imported(tree: ast.Module) -> frozenset[str]:
    """Names that a file imports from a module as they are."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return frozenset(each.name for node in nodes for each in node.names if each.asname is None)


@cache
def _texts(path: str) -> tuple[tuple[str, str], ...]:
    """The files of the project of a file, the nearest first, with what is written in them."""
    own = Path(path).parent
    names = sorted(_python(_root(own)), key=lambda name: (_distance(own, name), name))[:_FILES]
    return tuple((name, _read(name)) for name in names)


def _root(folder: Path) -> Path:
    """See Note [Where a project ends]."""
    package = folder
    while (package / "__init__.py").exists():
        package = package.parent
    if package == folder or any((package / mark).exists() for mark in _MARKS):
        return package
    while folder.parent != package:
        folder = folder.parent
    return folder


def _python(root: Path) -> Iterator[str]:
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(each for each in folders if not each.startswith(".") and each not in _OTHERS)
        for name in sorted(files):
            if name.endswith(".py"):
                yield str(Path(folder, name))
                count += 1
        if count > 2 * _FILES:
            return


def _distance(own: Path, name: str) -> int:
    folder = Path(name).parent
    common = Path(os.path.commonpath([own, folder]))
    return len(own.relative_to(common).parts) + len(folder.relative_to(common).parts)


def _read(name: str) -> str:
    try:
        with open(name, "rb") as file:  # noqa: PTH123
            return file.read(_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""  # the sandbox keeps it
