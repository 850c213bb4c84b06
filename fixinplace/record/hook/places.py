"""Files of the project, and names by which what they define can be imported again."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

_SHORT = ("torch.nn", "torch.nn.functional", "torch", "builtins")
"""Where a name is looked for first: `torch.nn:Linear` says what it is better than the module that defines it."""


class Places:
    """project: files by their real path, each with its path below the root."""

    def __init__(self, project: Mapping[str, str]) -> None:
        self._project = project
        self._folder = os.getcwd()  # noqa: PTH109 - the program may leave it
        self.imported: dict[str, str] = {}
        """Files of the project that names refer to, and the modules that they are."""

    def file(self, name: str) -> str:
        """The real path of a code object's file."""
        return os.path.realpath(os.path.join(self._folder, name))  # noqa: PTH118

    def shown(self, real: str) -> str | None:
        """The path below the root of a file of the project."""
        return self._project.get(real)

    def of_class(self, kind: type) -> str | None:
        """The path below the root of the file that a class comes from; None for what is none of the project's."""
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        return self.shown(self.file(file)) if isinstance(file, str) else None

    def name(self, value: Any) -> str | None:
        """`pkg/net.py:Net` or `torch.nn:Linear`; None for what no import gives back."""
        path = getattr(value, "__qualname__", getattr(value, "__name__", ""))
        module = getattr(value, "__module__", None) or ""
        file = getattr(sys.modules.get(module), "__file__", None)
        shown = self.shown(self.file(file)) if isinstance(file, str) else None
        if shown is not None:
            if _resolved(module, path) is not value:
                return None
            self.imported[shown] = module if module != "__main__" else ""
            return f"{shown}:{path}"
        found = next((each for each in (*_SHORT, module) if _resolved(each, path) is value), None)
        found = found or next((each for each in _SHORT if _resolved(each, path.rpartition(".")[2]) is value), None)
        if found is None or found == "__main__":
            return None
        return f"{found}:{path if _resolved(found, path) is value else path.rpartition('.')[2]}"


def _resolved(module: str, path: str) -> Any:
    value: Any = sys.modules.get(module)
    if not path or "<" in path or value is None:
        return None
    for step in path.split("."):
        value = getattr(value, step, None)
    return value
