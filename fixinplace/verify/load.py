"""Running a probe with the texts of some files replaced, under their real paths, whoever imports them by any name.

Note [No stale text]
    An edited file may be the probe, a module that the probe imports, or both under two names.  The one place through
    which Python gets a source file's code is `SourceFileLoader.get_code`, before any `.pyc` is looked at; it is
    replaced there.  `linecache` gets the text as well, without a time stamp, so that nobody refreshes it from the
    disk: tracebacks, `inspect.getsource` and with it TorchScript see what runs.

    pytest reads test files itself, to word its assertions; told to leave them plain it imports like everybody else.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import importlib.util
import io
import linecache
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from fixinplace.verify import absent
from fixinplace.verify.jobs import Job, Patch

MADE = "<made inputs>"
_PYTEST = "PYTEST_ADDOPTS"


class NoModule(ModuleNotFoundError):
    """What `-m` names cannot be run: an error of the command, not of the program; the message is one line."""


class Patched:
    """The edited files: compiles their texts, and tells `seen` about every code object and the place of its text."""

    def __init__(self, texts: Sequence[Patch], seen: Callable[[CodeType, int], None]) -> None:
        self._texts = texts
        self._seen = seen
        self._places = {os.path.realpath(patch.path): place for place, patch in enumerate(texts)}

    def stands_for(self, path: str) -> bool:
        """True if `path` is an edited file, through links or not."""
        return os.path.realpath(path) in self._places

    def code(self, path: str) -> CodeType:
        """The text of an edited file, compiled as `path`; raises SyntaxError."""
        place = self._places[os.path.realpath(path)]
        text = self._texts[place].text
        code: CodeType = compile(text, path, "exec", dont_inherit=True)
        lines = io.StringIO(text, newline=None).readlines()
        linecache.cache[path] = (len(text), None, lines, path)
        self._seen(code, place)
        return code

    def install(self) -> None:
        """From now on every import of an edited file gets the edited text."""
        original = importlib.machinery.SourceFileLoader.get_code

        def get_code(loader: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
            path = loader.get_filename(fullname)
            return self.code(path) if self.stands_for(path) else original(loader, fullname)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]


def run(job: Job, patched: Patched) -> object:
    """Run the probe; returns what the callable returned; a script leaves its module in `sys.modules["__main__"]`."""
    _prepare(job, patched)
    if job.kind == "script":
        _run_script(job.probe_path, patched)
        return None
    assert job.name is not None
    if job.kind == "module":
        _run_module(job.name)
        return None
    if job.kind == "made":
        return _made(job.text, _imported_without(job.probe_path))
    sys.path.append(str(Path.cwd()))  # behind all else, for a file deeper in the project that a command was run in
    return getattr(_import(Path(job.probe_path)), job.name)()


def imported(job: Job, patched: Patched) -> ModuleType:
    """The module of the job's file, imported as `run` does it."""
    _prepare(job, patched)
    return _imported_without(job.probe_path)


STUBBED: list[str] = []
"""Packages that are not installed and that this process has stubbed, see Note [What a stub may do]."""


def _imported_without(path: str) -> ModuleType:
    module, stubbed = absent.importing(lambda: _import(Path(path)))
    STUBBED.extend(stubbed)
    return module


def _prepare(job: Job, patched: Patched) -> None:
    sys.dont_write_bytecode = True
    sys.path[:0] = [*job.import_paths]
    patched.install()
    if job.texts:
        os.environ[_PYTEST] = f"{os.environ.get(_PYTEST, '')} --assert=plain".strip()
    _fresh_main(job.probe_path if job.kind == "script" else None)
    sys.argv[:] = [job.probe_path, *job.arguments]


def _made(text: str, target: ModuleType) -> object:
    """Run a probe with made inputs; its module is known to nobody."""
    scope: dict[str, Any] = {"__name__": "made_inputs", "target": target}
    exec(compile(text, MADE, "exec", dont_inherit=True), scope)
    return scope["probe"]()


def _fresh_main(path: str | None) -> None:
    """A `__main__` as Python makes it for a script; without `path` an empty one, instead of the server's."""
    module = ModuleType("__main__")
    vars(module).update(__builtins__=builtins, __package__=None, __spec__=None)
    if path is not None:
        loader = importlib.machinery.SourceFileLoader("__main__", path)
        vars(module).update(__file__=path, __loader__=loader, __cached__=None)
    sys.modules["__main__"] = module


def _run_script(path: str, patched: Patched) -> None:
    sys.path.insert(0, str(Path(path).parent))
    main = sys.modules["__main__"]
    loader = vars(main)["__loader__"]
    code = patched.code(path) if patched.stands_for(path) else loader.get_code("__main__")
    exec(code, vars(main))


def _run_module(name: str) -> None:
    """What `python -m NAME` does: the folder of the call is searched first, a package runs its `__main__`.

    Raises NoModule if there is nothing to run.
    """
    sys.path.insert(0, str(Path.cwd()))
    spec, package = _spec(name), name
    if spec.submodule_search_locations is not None:
        name = f"{package}.__main__"
        inside = importlib.util.find_spec(name)
        if inside is None:
            raise NoModule(f"-m {package}: {package} is a package without a __main__.py", name=name)
        spec = inside
    if not isinstance(spec.loader, InspectLoader) or (code := spec.loader.get_code(name)) is None:
        raise NoModule(f"-m {package}: {name} has no Python code", name=name)
    main = sys.modules["__main__"]
    vars(main).update(__file__=spec.origin, __loader__=spec.loader, __package__=spec.parent, __spec__=spec)
    sys.argv[0] = spec.origin or name
    exec(code, vars(main))


def _spec(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # of an import inside one of its packages
        raise NoModule(f"-m {name}: there is no module {error.name}", name=error.name) from error
    if spec is None:
        raise NoModule(f"-m {name}: there is no module {name}", name=name)
    return spec


def _import(path: Path) -> ModuleType:
    """Import a file under its stem, or under its dotted name where it lies in a package."""
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    sys.path.insert(0, str(folder))
    if len(names) > 1:
        return importlib.import_module(".".join(names[:-1] if path.stem == "__init__" else names))
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"{path.stem}_probed" if taken else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
