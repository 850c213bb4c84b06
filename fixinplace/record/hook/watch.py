"""The profile function: which calls are looked at, and what is left of them in the folder of the recording.

Note [Lines, not an end]
    Each new call is a line, written at once, into a file of its process: a program may end without any end
    (`os._exit`, a signal, a crash), and a forked one begins a file of its own.  Of a function at most `DISTINCT` calls
    that differ are kept, and after `LOOKED_AT` nothing more is looked at: a helper that is called a million times
    costs no more than any other function afterwards.  Nor is the construction of more than `CONSTRUCTED` objects of a
    class described.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from .bounds import shape, widen
from .frames import Given, given
from .places import Places
from .values import CannotKeep, Json, Values

DISTINCT, LOOKED_AT, CONSTRUCTED = 64, 1000, 5000
_LONGEST = 20_000
"""Characters of one call."""
_LOOPING = 0x20 | 0x80 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
_MODULE = os.path.join("torch", "nn", "modules", "module.py")  # noqa: PTH118
_TORCH = os.path.join("torch", "nn", "modules", "")  # noqa: PTH118

Handler = Callable[[FrameType], None]
Key = tuple[str, str]
"""File and name of what holds a site: a class, a method, a function."""


class Watch:
    """plan: what to watch, see `record.plan`. folder: where the calls are left."""

    def __init__(self, plan: Json, folder: Path) -> None:
        self._plan: dict[str, Json] = plan["files"]
        self._strings = frozenset(plan["strings"])
        self._places = Places(plan["project"])
        self._folder = folder
        self._passed_over: set[str] = set()
        self._constructions: dict[type, int] = {}
        self._known: dict[int, tuple[CodeType, Handler | None]] = {}
        self._homes: dict[type, tuple[Key, ...]] = {}
        self._built: dict[int, tuple[weakref.ref[Any], Json | str]] = {}
        self._seen: dict[Key, dict[str, Json]] = {}
        self._counts: dict[Key, int] = {}
        self._lock = threading.RLock()

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
        """What Python calls at every call and return."""
        code = frame.f_code
        if event != "call" or code.co_filename in self._passed_over:
            return
        try:
            known = self._known.get(id(code)) or self._look_at(code)
            if known is not None and known[1] is not None:
                known[1](frame)
        except Exception as error:  # whatever it is, the user's program goes on
            self._write({"trouble": f"{type(error).__name__}: {error}"})

    def _look_at(self, code: CodeType) -> tuple[CodeType, Handler | None] | None:
        """What is done about a code object; those of other files are not kept: there may be no end of them (`eval`)."""
        file = code.co_filename
        if _TORCH not in file and self._places.shown(self._places.file(file)) is None:
            self._passed_over.add(file)
            return None
        known = self._known[id(code)] = (code, self._handler(code))
        return known

    def _handler(self, code: CodeType) -> Handler | None:
        name, file = code.co_name, code.co_filename
        if name == "_call_impl" and file.endswith(_MODULE):
            return self._module_called
        real = self._places.file(file)
        if name == "__init__":
            return self._constructed
        kind = self._plan.get(real, {}).get("functions", {}).get(code.co_qualname)
        if kind is None or code.co_flags & _LOOPING:
            return None
        key = (self._plan[real]["shown"], code.co_qualname)
        return lambda frame: self._called(frame, key, kind)

    # --- objects and their constructors

    def _constructed(self, frame: FrameType) -> None:
        """Of nested constructors of one object the first is the one that was called."""
        args = given(frame)
        if not args.positional:
            return
        this = args.positional[0][1]
        known = self._built.get(id(this))
        if known is not None and known[0]() is this:
            return
        count = self._constructions[type(this)] = self._constructions.get(type(this), 0) + 1
        if count > CONSTRUCTED:
            return  # objects by the thousand are data
        try:
            alive = weakref.ref(this, self._forgetting(id(this)))
        except TypeError:
            return
        self._built[id(this)] = (alive, self._construction(type(this), args))

    def _forgetting(self, key: int) -> Callable[[object], None]:
        def forget(_: object) -> None:
            self._built.pop(key, None)

        return forget

    def _construction(self, kind: type, args: Given) -> Json | str:
        values = self._values()
        try:
            positional, named = args.passed(1)
            name = values.of(kind)["name"]
            found = {"build": name, **values.many(positional, named)}
        except CannotKeep as error:
            return f"`{kind.__qualname__}` is built with {error}"
        if values.tensors.share() or values.tensors.repeated:
            return f"`{kind.__qualname__}` is built with tensors that share memory"
        return found

    def _construction_of(self, value: object) -> Json | None:
        known = self._built.get(id(value))
        if known is None or known[0]() is not value:
            return None
        if isinstance(known[1], str):
            raise CannotKeep(known[1])
        return known[1]

    def _values(self) -> Values:
        return Values(self._places, self._strings, self._construction_of)

    # --- calls

    def _module_called(self, frame: FrameType) -> None:
        values = frame.f_locals
        module = values[frame.f_code.co_varnames[0]]
        keys = self._homes.get(type(module))
        if keys is None:
            keys = self._homes[type(module)] = self._homes_of(type(module))
        if any(map(self._wants, keys)):
            args = given(frame)
            self._take(keys, lambda: self._of_object(module, "", *args.passed(1)))

    def _homes_of(self, kind: type) -> tuple[Key, ...]:
        """The classes with sites among a class and its bases."""
        found = []
        for each in kind.__mro__:
            file = getattr(sys.modules.get(each.__module__), "__file__", None)
            plan = self._plan.get(self._places.file(file)) if isinstance(file, str) else None
            if plan is not None and each.__qualname__ in plan["classes"]:
                found.append((plan["shown"], each.__qualname__))
        return tuple(found)

    def _called(self, frame: FrameType, key: Key, kind: str) -> None:
        if not self._wants(key):
            return
        args, name = given(frame), key[1].rpartition(".")[2]
        module = frame.f_globals.get("__name__", "")
        self._places.imported[key[0]] = "" if module == "__main__" else module
        if kind != "method":
            passed = args.passed(1 if kind == "classmethod" else 0)
            self._take((key,), lambda: self._values_of({}, *passed))
            return
        this = args.positional[0][1] if args.positional else None
        torch = sys.modules.get("torch")
        is_module = torch is not None and isinstance(this, torch.nn.Module)
        if is_module and name == "forward":
            return  # `_module_called` has it, with what the caller wrote
        name = "" if name == "__call__" else name
        self._take((key,), lambda: self._of_object(this, name, *args.passed(1)))

    def _of_object(self, this: object, method: str, positional: list[Any], named: Json) -> Json:
        built = self._construction_of(this)
        if built is None:
            built = self._values().of(this)  # a dataclass, or what has no constructor of its own
        found: Json = {"object": built}
        if method:
            found["method"] = method
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(this, torch.nn.Module):
            found["training"] = this.training
            dtypes = {str(each.dtype) for each in this.parameters() if each.is_floating_point()}
            if len(dtypes) == 1 and dtypes != {"torch.float32"}:
                found["dtype"] = dtypes.pop().removeprefix("torch.")
        return self._values_of(found, positional, named)

    def _values_of(self, found: Json, positional: list[Any], named: Json) -> Json:
        torch = sys.modules.get("torch")
        found["grad_mode"] = torch is None or torch.is_grad_enabled()
        values = self._values()
        found.update(values.many(positional, named))
        trouble = values.tensors.share()
        if trouble:
            raise CannotKeep(trouble)
        return found

    # --- what is left of them

    def _take(self, keys: tuple[Key, ...], call: Callable[[], Json]) -> None:
        with self._lock:
            wanted = [key for key in keys if self._wants(key)]
            for key in wanted:
                self._counts[key] = self._counts.get(key, 0) + 1
            try:
                found = call()
            except CannotKeep as error:
                self._left_out(wanted, str(error))
                return
            if len(json.dumps(found)) > _LONGEST:
                self._left_out(wanted, f"a call that takes more than {_LONGEST} characters")
                return
            self._keep(wanted, found)

    def _wants(self, key: Key) -> bool:
        return self._counts.get(key, 0) < LOOKED_AT and len(self._of(key)) < DISTINCT

    def _of(self, key: Key) -> dict[str, Json]:
        return self._seen.setdefault(key, {})

    def _keep(self, keys: list[Key], found: Json) -> None:
        text = shape(found)
        for key in keys:
            known = self._of(key).setdefault(text, found)
            if known is found or widen(known, found):
                self._write({"function": key, "call": known, "imported": self._places.imported})

    def _left_out(self, keys: list[Key], reason: str) -> None:
        for key in keys:
            self._write({"function": key, "left_out": reason})

    def _write(self, line: Json) -> None:
        part = self._folder / f"{os.getpid()}.jsonl"
        # the folder goes with the command that recorded, and a daemon may outlive it
        with self._lock, contextlib.suppress(OSError), part.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
