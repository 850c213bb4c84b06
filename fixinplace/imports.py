"""Which files of a project a script imports, as far as its text tells; pure, given what exists."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import PurePath


def reachable(script: PurePath, tree_of: Callable[[PurePath], ast.Module | None]) -> frozenset[PurePath]:
    """The files below a script's imports, itself left out.

    tree_of: the parsed file at an absolute path, None where none of the project's own is. Absolute imports are looked
    up in the script's folder, as Python does; relative ones in the package of the file that has them.
    """
    seen: dict[PurePath, None] = {}
    todo = [script]
    for path in todo:  # grows while it is walked
        tree = tree_of(path)
        for candidate in _candidates(script.parent, path, tree) if tree is not None else ():
            if candidate not in seen and candidate != script and tree_of(candidate) is not None:
                seen[candidate] = None
                todo.append(candidate)
    return frozenset(seen)


def _candidates(root: PurePath, path: PurePath, tree: ast.Module) -> Iterator[PurePath]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(root, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1] if 0 < node.level <= len(path.parents) else root
            parts = node.module.split(".") if node.module else []
            yield from _files(base, parts)
            for alias in node.names:
                yield from _files(base, [*parts, alias.name])


def _files(base: PurePath, parts: list[str]) -> Iterator[PurePath]:
    """The module, and the packages that are imported on the way to it."""
    for end in range(1, len(parts) + 1):
        home = base.joinpath(*parts[:end])
        yield home / "__init__.py"
        yield home.with_name(f"{home.name}.py")
