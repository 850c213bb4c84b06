"""Packages that are not installed, for files that import them and can do without.

Note [What a stub may do]
    A made run may pass by all of a package that the file imports at its top.  A stub lets the import and the class
    statement go on: its names are classes that can be inherited from, subscripted and joined in annotations.  Whoever
    calls or tests one, or makes an object of a class that inherits from one, gets the error that the import would have
    raised, a ModuleNotFoundError, so that the verdict is `needs-package`.  An import that the program itself guards is
    never stubbed: only a name whose absence ended an import is.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

_TRIES = 12


class _Meta(type):
    """Makes of a class a name of an absent package."""

    package: str

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _stub(cls.package, name)

    def __call__(cls, *args: object, **kwargs: object) -> Any:
        raise ModuleNotFoundError(f"No module named {cls.package!r}", name=cls.package)

    def __bool__(cls) -> bool:
        raise ModuleNotFoundError(f"No module named {cls.package!r}", name=cls.package)

    def __eq__(cls, other: object) -> bool:
        """Classes are told apart, as annotations need it; what the package would compare nobody knows."""
        if isinstance(other, type):
            return cls is other
        raise ModuleNotFoundError(f"No module named {cls.package!r}", name=cls.package)

    __hash__ = type.__hash__

    def __getitem__(cls, item: object) -> Any:
        return cls

    def __or__(cls, other: object) -> Any:
        return cls

    def __ror__(cls, other: object) -> Any:
        return cls


def _stub(package: str, name: str) -> type:
    return _Meta(name, (), {"package": package, "__module__": package})


class _Stub(ModuleType):
    """A module all of whose names are stubs."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _stub(self.__name__.partition(".")[0], name)


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives stubs for the packages `names`; asked after every other finder."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for a stub."""
        if fullname.partition(".")[0] not in self.names:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """An empty stub."""
        return _Stub(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def importing(work: Callable[[], ModuleType]) -> tuple[ModuleType, tuple[str, ...]]:
    """The module that `work` imports, and the packages that had to be stubbed for that.

    Raises what the import raises, a ModuleNotFoundError for a package whose stub is used while importing.
    """
    absent = Absent()
    for _ in range(_TRIES):
        before = frozenset(sys.modules)
        try:
            return work(), tuple(absent.names)
        except ModuleNotFoundError as error:
            name = (error.name or "").partition(".")[0]
            if not name or name in absent.names or name in sys.stdlib_module_names or name in sys.modules:
                raise
            if absent not in sys.meta_path:
                sys.meta_path.append(absent)
            absent.names.append(name)
            _forget(before)
    return work(), tuple(absent.names)


def _forget(before: frozenset[str]) -> None:
    """Drop modules of the failed import that came from the file system, torch's own and compiled ones excepted."""
    for name in sorted(sys.modules.keys() - before):
        file = getattr(sys.modules[name], "__file__", None) or ""
        if (
            file.endswith(".py")
            and "/site-packages/" not in file
            and name.partition(".")[0] not in sys.stdlib_module_names
        ):
            del sys.modules[name]
