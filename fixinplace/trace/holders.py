"""Who holds a storage when it is written: names, containers, attributes, modules; and which module is writing.

Note [Bounded]
    A search through locals costs a millisecond, so it is made for the first events of a place only and looks at a
    bounded number of objects to a bounded depth.  Where the bound was reached, the result says so; a later event of
    the place, which in a loop is the guilty one more often than not, gets the names of an earlier one.  Nothing of the
    user's is called: attributes come from `__dict__`, containers are read by their built-in types' own methods.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle

from fixinplace.trace import frames as stacks
from fixinplace.trace import memory
from fixinplace.trace.caches import is_cache, kept
from fixinplace.trace.events import ALONE, Instances
from fixinplace.trace.frames import Frames, Stack
from fixinplace.trace.instances import instances

EVENTS, OBJECTS, DEPTH, FRAMES, STACK = 3, 400, 3, 12, 64
_MODULE = torch.nn.Module
_PLAIN = (str, bytes, int, float, complex, type(None), range, slice)
_CODE = (ModuleType, FunctionType, BuiltinFunctionType, MethodType, CodeType, FrameType, type)
_HANDLE = RemovableHandle  # of a hook: holds nothing but weak references
_CLOSED = (*_PLAIN, *_CODE, torch.Generator, torch.dtype, torch.device, torch.Size, weakref.ref, _HANDLE)
_FUNCTION_END = "torch/autograd/function.py"


@dataclass(frozen=True, slots=True)
class Scene:
    """What could be seen around one write.

    names: `h`, `v (view)`, `self.h`, `d['q']`. complete: the search ended by itself. module: class of the innermost
    module that was running and its path in the outermost one. built: the stack of its construction. buffer: the target
    is a buffer of a module. instances: of that module, if it has an `inplace` flag.
    in_function: the target is an argument of a custom Function's forward.
    """

    names: tuple[str, ...] = ()
    complete: bool = True
    module: str = ""
    built: Stack = ()
    instances: Instances = ALONE
    buffer: bool = False
    in_function: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """The part of a scene that all targets of one operation share; lives as long as the operation."""

    frame: FrameType | None
    running: list[torch.nn.Module]
    module: str
    built: Stack
    instances: Instances = ALONE


class Built:
    """Where modules were constructed; forgets them when they die."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], Stack]] = {}

    def add(self, module: Any, stack: Stack) -> None:
        """Called when the base class's constructor ran."""
        identity = id(module)
        self._known[identity] = (weakref.ref(module, lambda _: self._known.pop(identity, None)), stack)

    def of(self, module: Any) -> Stack:
        """The stack of the construction, empty if it was not seen."""
        known = self._known.get(id(module))
        return known[1] if known is not None and known[0]() is module else ()


class Scenes:
    """Looks around at writes and saves."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._seen: dict[tuple[tuple[int, int] | None, str], list[tuple[int, tuple[str, ...]]]] = {}
        self.built = Built()

    def around(self, frame: FrameType | None) -> Around:
        """What the stack tells about every target of one operation."""
        running = [each for each in _first_arguments(frame) if isinstance(each, _MODULE)]
        if not running:
            return Around(frame, [], "", ())
        inner, outer = running[0], running[-1]
        path = next((name for name, each in outer.named_modules() if each is inner), "")
        flags = instances(running, lambda each: self._frames.site(self.built.of(each)))
        built = self.built.of(inner) if _computes(frame, inner) else ()
        return Around(frame, running, f"{type(inner).__name__} {path}".strip(), built, flags)

    def of(self, around: Around, stack: Stack, key: int) -> Scene:
        """The scene of a write to the storage with this key."""
        names, complete = self.names(around.frame, stack, key)
        buffer = any(_has_buffer(each, key) for each in around.running)
        inside = _in_function(around.frame, key)
        return Scene(names, complete, around.module, around.built, around.instances, buffer, inside)

    def names(self, frame: FrameType | None, stack: Stack, key: int, what: str = "") -> tuple[tuple[str, ...], bool]:
        """Names for a storage in the user's own frames, and whether the search was complete.

        what: events of different kinds at one place are counted apart.
        """
        seen = self._seen.setdefault((self._frames.site(stack), what), [])
        if len(seen) >= EVENTS:
            return _remembered(seen, key), False
        search = _Search(key)
        own = (each for each in stacks.outwards(frame) if self._frames.owns(each.f_code.co_filename))
        for each in itertools.islice(own, FRAMES):
            search.look(stacks.visible_names(each))
        seen.append((key, tuple(search.found)))
        return tuple(search.found), search.complete


def _computes(frame: FrameType | None, module: torch.nn.Module) -> bool:
    """True within the forward of a module; `load_state_dict` writes too, and `inplace` has nothing to do with that."""
    forward = (each for each in stacks.outwards(frame) if each.f_code.co_name.startswith("forward"))
    return any(stacks.first_argument(each) is module for each in forward)


def _remembered(seen: list[tuple[int, tuple[str, ...]]], key: int) -> tuple[str, ...]:
    """Names from the first events of a place: of the same storage if it was among them, else what all of them agree on.

    One line may save several tensors: an input, and the weight that it is multiplied with.
    """
    agreed = seen[-1][1] if len({names for _, names in seen}) == 1 else ()
    return next((names for one, names in reversed(seen) if one == key and names), agreed)


class _Search:
    """Breadth first through the locals of frames."""

    def __init__(self, key: int) -> None:
        self._key = key
        self._left = OBJECTS
        self._known: set[int] = set()
        self.found: list[str] = []
        self.complete = True

    def look(self, names: dict[str, object]) -> None:
        """Search everything that these names hold; the parts of a network lie as deep as the network itself."""
        waiting = deque((value, name, 0) for name, value in names.items() if not name.startswith("__"))
        while waiting:
            value, path, depth = waiting.popleft()
            if isinstance(value, torch.Tensor):
                self._tensor(value, path)
            elif not isinstance(value, _CLOSED) and id(value) not in self._known:
                self._known.add(id(value))
                self._left -= 1
                if self._left < 0 or depth >= DEPTH:
                    self.complete &= not _opens(value)
                    continue
                inside = isinstance(value, _MODULE)
                for step, item in _items(value):
                    waiting.append((item, path + step, depth + (not (inside and isinstance(item, _MODULE)))))

    def _tensor(self, value: torch.Tensor, path: str) -> None:
        if memory.key(value) == self._key:
            name = f"{path} (view)" if value._is_view() else path
            if name not in self.found:
                self.found.append(name)


def _opens(value: object) -> bool:
    return next(_items(value), None) is not None


def _items(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from ((f"[{key!r}]" if isinstance(key, _PLAIN) else "[…]", item) for key, item in _pairs(value))
    elif isinstance(value, list | tuple | deque):
        yield from ((f"[{index}]", item) for index, item in enumerate(list(value)))
    elif isinstance(value, _MODULE):
        yield from _of_module(value)
    elif isinstance(value, torch.optim.Optimizer):
        yield from _of_optimizer(_dict_of(value))
    elif is_cache(value):
        yield from ((f".cache[{index}]", item) for index, item in enumerate(kept(value)))
    else:
        yield from ((f".{name}", item) for name, item in _pairs(_dict_of(value)) if isinstance(name, str))


def _pairs(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    return list(dict.items(value))[:OBJECTS]


def _dict_of(value: object) -> dict[Any, Any]:
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_module(module: torch.nn.Module) -> Iterator[tuple[str, object]]:
    own = _dict_of(module)
    for table in ("_parameters", "_buffers", "_modules"):
        yield from ((f".{name}", item) for name, item in _pairs(own.get(table) or {}))
    yield from ((f".{name}", item) for name, item in _pairs(own) if not name.startswith("_") or _is_tensorial(item))


def _of_optimizer(own: dict[Any, Any]) -> Iterator[tuple[str, object]]:
    """Parameters and their state at once: they lie deeper than a search goes, and every training loop has some."""
    for index, group in enumerate(own.get("param_groups") or ()):
        held = ((f".param_groups[{index}]['params'][{n}]", each) for n, each in enumerate(group.get("params") or ()))
        yield from itertools.islice(held, OBJECTS)
        yield from ((f".param_groups[{index}][{key!r}]", each) for key, each in _pairs(group) if key != "params")
    states = own.get("state")
    for state in itertools.islice(dict.values(states), OBJECTS) if isinstance(states, dict) else ():
        yield from ((f".state[…][{key!r}]", each) for key, each in _pairs(state)) if isinstance(state, dict) else ()
    known = ("param_groups", "state", "defaults")
    yield from ((f".{key}", each) for key, each in _pairs(own) if isinstance(key, str) and key not in known)


def _is_tensorial(value: object) -> bool:
    return isinstance(value, torch.Tensor)


def _first_arguments(frame: FrameType | None) -> Iterator[object]:
    """First arguments of the functions on the stack, innermost first."""
    for each in itertools.islice(stacks.outwards(frame), STACK):
        if not stacks.is_ours(each) and each.f_code.co_argcount:
            yield stacks.first_argument(each)


def _has_buffer(module: torch.nn.Module, key: int) -> bool:
    buffers = _dict_of(module).get("_buffers") or {}
    return any(memory.key(each) == key for _, each in _pairs(buffers) if isinstance(each, torch.Tensor))


def _in_function(frame: FrameType | None, key: int) -> bool:
    """True inside the forward of a custom Function whose arguments include this storage."""
    inner: FrameType | None = None
    for each in stacks.outwards(frame):
        if stacks.is_ours(each):
            continue
        code = each.f_code
        if inner is not None and code.co_qualname == "Function.apply" and code.co_filename.endswith(_FUNCTION_END):
            values = stacks.read_locals(inner).values()
            return any(isinstance(value, torch.Tensor) and memory.key(value) == key for value in values)
        inner = each
    return False
