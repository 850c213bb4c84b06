"""What can be run to look at a program: a script, a callable without arguments, the `probe_*` functions of a file."""

from __future__ import annotations

import ast
import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fixinplace import source

_RUNNERS = ("pytest", "py.test", "unittest", "unittest.__main__")


class ProbeError(ValueError):
    """A probe that cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Something to run.

    path: absolute path of the file. name: the function to call, the module to run, None for a script.
    arguments: what a script or a module finds behind its name in `sys.argv`.
    folder: the current folder of the run, absolute; "" for that of the edited file.
    text: of a made probe, the module that is run; it finds the file at `path` under the name `target`.
    recorded: its calls are those of a recorded run.
    kept: torch has freed a graph that the original needs; every backward of the original keeps its own.
    """

    kind: Literal["script", "callable", "file", "module", "made"]
    path: str
    name: str | None
    arguments: tuple[str, ...] = ()
    folder: str = ""
    text: str = ""
    recorded: bool = False
    kept: bool = False

    @property
    def is_guessed(self) -> bool:
        """True if nobody has ever called the program so: its inputs were made."""
        return self.kind == "made" and not self.recorded

    @property
    def label(self) -> str:
        """How reports name it."""
        if self.kind == "module":
            return " ".join(("-m", self.name or "", *self.arguments))
        if self.kind == "made":
            return f"{'recorded calls of' if self.recorded else 'made inputs for'} {self.name}"
        return Path(self.path).name if self.name is None else f"{Path(self.path).name}::{self.name}"


def runs_tests(probe: Probe) -> bool:
    """True for a test runner, which leaves with 0 if and only if no test has failed."""
    return probe.kind == "module" and probe.name in _RUNNERS


def script(path: Path) -> Probe:
    """The file run as `python FILE` would."""
    return Probe("script", str(path.absolute()), None)


def parse(spec: str, base: Path) -> tuple[Probe, ...]:
    """The probes that `FILE.py::name` or `FILE.py` (its functions `probe_*`) names; relative to the folder `base`.

    The path may be a pattern; of the files that match, those without the name are passed over.
    Raises ProbeError: no such file, not Python, no such function.
    """
    pattern, separator, name = spec.partition("::")
    if separator and not name:
        raise ProbeError(f"probe {spec}: a name is missing after '::'")
    if not glob.has_magic(pattern):
        path = base / pattern
        if not path.is_file():
            raise ProbeError(f"probe {spec}: there is no file {pattern}")
        return _in_file(path.absolute(), name, spec)
    found = [probe for path in _matching(pattern, base) for probe in _some(path, name)]
    if not found:
        raise ProbeError(
            f"probe {spec}: no file matches that has {f'a function {name}' if name else 'functions probe_*'}"
        )
    return tuple(found)


def has_main_guard(code: ast.Module | str) -> bool:
    """True if the module (its tree, or its text if that is Python) has a top-level `if __name__ == "__main__":`."""
    tree = ast.parse(code) if isinstance(code, str) else code
    return any(isinstance(node, ast.If) and _is_guard(node.test) for node in tree.body)


def _is_guard(test: ast.expr) -> bool:
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = (test.left, test.comparators[0])
    names = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return names and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)


def _matching(pattern: str, base: Path) -> Iterator[Path]:
    for found in sorted(glob.glob(pattern, root_dir=base, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute one
        if (base / found).is_file():
            yield (base / found).absolute()


def _some(path: Path, name: str) -> tuple[Probe, ...]:
    try:
        return _in_file(path, name, str(path))
    except ProbeError:
        return ()


def _in_file(path: Path, name: str, spec: str) -> tuple[Probe, ...]:
    functions = _functions(path, spec)
    if name:
        if name not in functions:
            raise ProbeError(f"probe {spec}: {path.name} has no function {name}")
        if functions[name]:
            raise ProbeError(f"probe {spec}: {name} needs arguments; name a function that calls it with some")
        return (Probe("callable", str(path), name),)
    ready = [each for each, needs in functions.items() if each.startswith("probe_") and not needs]
    probes = tuple(Probe("file", str(path), each) for each in ready)
    if not probes:
        raise ProbeError(f"probe {spec}: {path.name} has no function without arguments whose name begins with probe_")
    return probes


def _functions(path: Path, spec: str) -> dict[str, bool]:
    """The module's own functions in order, and whether they cannot be called without arguments."""
    try:
        tree = ast.parse(source.parse(str(path), path.read_bytes()).part.text)
    except (OSError, SyntaxError, ValueError) as error:
        raise ProbeError(f"probe {spec}: {path.name} cannot be read: {error}") from error
    return {node.name: needs_arguments(node) for node in tree.body if isinstance(node, ast.FunctionDef)}


def needs_arguments(function: ast.FunctionDef) -> bool:
    """True if a call without arguments is an error."""
    given = function.args
    positional = len(given.posonlyargs) + len(given.args)
    return positional > len(given.defaults) or any(default is None for default in given.kw_defaults)
