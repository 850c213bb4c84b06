"""Running a probe with one file's text replaced, under its real path, whoever imports it and by whatever name.

Note [No stale text]
    The edited file may be the probe, a module that the probe imports, or both under two names.  The one place through
    which Python gets a source file's code is `SourceFileLoader.get_code`, before any `.pyc` is looked at; it is
    replaced there.  `linecache` gets the text as well, without a time stamp, so that nobody refreshes it from the
    disk: tracebacks, `inspect.getsource` and with it TorchScript see what runs.
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
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType

from fixinplace.verify.jobs import Job


class Patched:
    """The edited file: compiles its text, and tells `seen` about every code object that came from it."""

    def __init__(self, path: str, text: str, seen: Callable[[CodeType], None]) -> None:
        self.path = path
        self._text = text
        self._seen = seen
        self._real = os.path.realpath(path)

    def stands_for(self, path: str) -> bool:
        """True if `path` is the edited file, through links or not."""
        return path == self.path or os.path.realpath(path) == self._real

    def code(self, path: str) -> CodeType:
        """The edited text, compiled as `path`; raises SyntaxError."""
        code: CodeType = compile(self._text, path, "exec", dont_inherit=True)
        lines = io.StringIO(self._text, newline=None).readlines()
        linecache.cache[path] = (len(self._text), None, lines, path)
        self._seen(code)
        return code

    def install(self) -> None:
        """From now on every import of the edited file gets the edited text."""
        original = importlib.machinery.SourceFileLoader.get_code

        def get_code(loader: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
            path = loader.get_filename(fullname)
            return self.code(path) if self.stands_for(path) else original(loader, fullname)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]


def run(job: Job, patched: Patched) -> object:
    """Run the probe; returns what the callable returned; a script leaves its module in `sys.modules["__main__"]`."""
    sys.dont_write_bytecode = True
    sys.path[:0] = [*job.import_paths]
    patched.install()
    _fresh_main(job.probe_path if job.kind == "script" else None)
    if job.kind == "script":
        _run_script(job.probe_path, patched)
        return None
    module = _import(Path(job.probe_path))
    assert job.name is not None
    return getattr(module, job.name)()


def _fresh_main(path: str | None) -> None:
    """A `__main__` as Python makes it for a script; without `path` an empty one, instead of the server's."""
    module = ModuleType("__main__")
    vars(module).update(__builtins__=builtins, __package__=None, __spec__=None)
    if path is not None:
        loader = importlib.machinery.SourceFileLoader("__main__", path)
        vars(module).update(__file__=path, __loader__=loader, __cached__=None)
    sys.modules["__main__"] = module


def _run_script(path: str, patched: Patched) -> None:
    sys.argv[:] = [path]
    sys.path.insert(0, str(Path(path).parent))
    main = sys.modules["__main__"]
    loader = vars(main)["__loader__"]
    code = patched.code(path) if patched.stands_for(path) else loader.get_code("__main__")
    exec(code, vars(main))


def _import(path: Path) -> ModuleType:
    """Import a file under its stem, or under its dotted name where it lies in a package."""
    sys.argv[:] = [str(path)]
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
