"""What the edited file's functions return, call by call: a value that only the middle of a program ever sees.

A script leaves its globals, its output and its gradients; a wrong value in a list that some function returns and the
caller drops shows in none of them.
"""

from __future__ import annotations

from types import CodeType

from fixinplace.verify.observe import Observer, UserCode
from fixinplace.verify.records import Records

MAX_CALLS = 32
_MAX_OBJECTS = 1_000


class Returns:
    """Records the first `MAX_CALLS` values that each function returns."""

    def __init__(self, records: Records, user: UserCode) -> None:
        self._records = records
        self._user = user
        self._names: dict[str, list[CodeType]] = {}
        self._calls: dict[int, int] = {}

    def __call__(self, code: CodeType, value: object) -> None:
        """A frame of `code` returns or yields `value`."""
        if code.co_name.startswith("<"):  # the module, comprehensions and lambdas hand their value on at once
            return
        number = self._calls[id(code)] = self._calls.get(id(code), 0) + 1
        if number <= MAX_CALLS:
            observer = Observer(self._records, self._user, limit=_MAX_OBJECTS, passing=True)
            observer.result(value, f"{self._name(code)}() returned {number}")

    def _name(self, code: CodeType) -> str:
        """The qualified name, with a number where a file defines it more than once."""
        known = self._names.setdefault(code.co_qualname, [])
        if not any(each is code for each in known):
            known.append(code)
        place = next(index for index, each in enumerate(known) if each is code)
        return code.co_qualname if place == 0 else f"{code.co_qualname}#{place + 1}"
