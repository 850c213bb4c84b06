"""Attributes of torch and threading that are replaced while a tracer is entered, and put back afterwards.

Note [What must be patched]
    The engine's entry point, because a custom Function's unpack does not show the line that asked for the backward;
    `mark_dirty` and `increment_version`, which move a version without an operator; threads, because modes and hooks
    belong to a thread; the context managers of saved-tensor hooks, because the innermost pair alone works and
    torch.func refuses any; custom Functions, whose `ctx` may keep tensors as attributes, which are no saved ones; the
    constructor of modules, because an in-place module is cured where it is built; `detach_`, the setter of `data` and
    the ways to numpy and dlpack, which no dispatch mode sees; the class that words a traceback, because a test runner,
    and a program that prints its error and leaves, catch what torch refused.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
import torch.autograd.graph
import torch.utils.dlpack

_C: Any = torch._C._autograd
_BASE: Any = torch._C.TensorBase
_MISSING = object()
ENGINE = "_engine_run_backward"


class Watcher(Protocol):
    """What the patches tell, and whom."""

    def pack(self, tensor: torch.Tensor) -> Any:
        """The pack hook."""

    def unpack(self, packed: Any) -> torch.Tensor:
        """The unpack hook."""

    def composed(self, pack: Callable[..., Any], unpack: Callable[..., Any]) -> tuple[Any, Any]:
        """A user's pair of hooks, watched."""

    def thread(self) -> contextlib.AbstractContextManager[None]:
        """Mode and hooks for one more thread."""

    def stashed(self, result: Any, frame: Any) -> None:
        """A custom Function's forward ran, and returned this."""

    def saving(self, tensors: Sequence[Any], frame: Any) -> None:
        """The forward of a custom Function gives these to `ctx.save_for_backward`."""

    def read(self, node: Any) -> None:
        """The backward of a custom Function begins, and reads what its `ctx` holds."""

    def backward(self, engine: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Run the engine."""

    def event(self, op: str, tensor: torch.Tensor, kind: str) -> None:
        """A write that is no dispatched operator."""

    def swapping(self, tensor: torch.Tensor) -> contextlib.AbstractContextManager[None]:
        """Around the assignment of other memory."""

    def view_made(self, tensor: torch.Tensor) -> None:
        """A view of the tensor's memory that torch does not know."""

    def function(self, cls: Any, args: tuple[Any, ...]) -> contextlib.AbstractContextManager[None]:
        """Around a custom Function's forward."""

    def built(self, module: torch.nn.Module) -> None:
        """A module was constructed."""

    def shown(self, error: BaseException) -> None:
        """The program words the traceback of an error that it has caught."""

    def note(self, sentence: str) -> None:
        """Something that the trace must say about itself."""


class Patches:
    """Replaces attributes in order and puts them back in reverse order."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._undo: list[tuple[Any, str, Any]] = []
        self._local = threading.local()

    def install(self) -> None:
        """Replace everything; see Note [What must be patched]."""
        self._engine()
        self._hooks()
        self._functions()
        self._threads()
        self._modules()
        self._events()
        self._foreign_views()
        self._tracebacks()

    def remove(self) -> None:
        """Put everything back."""
        while self._undo:
            home, name, original = self._undo.pop()
            if original is _MISSING:
                delattr(home, name)
            else:
                setattr(home, name, original)

    def _replace(self, home: Any, name: str, value: Any) -> None:
        self._undo.append((home, name, vars(home).get(name, _MISSING)))
        setattr(home, name, value)

    def _engine(self) -> None:
        original = getattr(torch.autograd.graph, ENGINE)

        def run(*args: Any, **kwargs: Any) -> Any:
            return self._watcher.backward(original, args, kwargs)

        self._replace(torch.autograd.graph, ENGINE, run)
        self._replace(torch.autograd, ENGINE, run)

    def _hooks(self) -> None:
        graph, watcher, local = torch.autograd.graph, self._watcher, self._local
        hooks, disable = graph.saved_tensors_hooks, graph.disable_saved_tensors_hooks
        leave = hooks.__exit__

        def entered(this: Any) -> None:
            _C._push_saved_tensors_default_hooks(*watcher.composed(this.pack_hook, this.unpack_hook))
            local.depth = getattr(local, "depth", 0) + 1

        def left(this: Any, *error: object) -> None:
            local.depth = getattr(local, "depth", 0) - 1
            leave(this, *error)

        @contextlib.contextmanager
        def disabled(message: str) -> Iterator[None]:
            if getattr(local, "depth", 0) or not getattr(local, "ours", 0):
                with disable(message):  # hooks of the user's own are refused, as without us
                    yield
                return
            watcher.note("what torch.func transforms saved inside was not looked at: they allow no saved-tensor hooks")
            with self._without(), disable(message):
                yield

        self._replace(hooks, "__enter__", entered)
        self._replace(hooks, "__exit__", left)
        self._replace(graph, "disable_saved_tensors_hooks", disabled)

    def _functions(self) -> None:
        """Around custom Functions: what their forward leaves on `ctx`, and their backward reads, is nobody's save."""
        function: Any = torch.autograd.Function
        node: Any = torch.autograd.function.BackwardCFunction
        apply, watcher = vars(function)["apply"].__func__, self._watcher
        context: Any = torch.autograd.function.FunctionCtx
        save = context.save_for_backward

        def save_for_backward(this: Any, *tensors: Any) -> Any:
            watcher.saving(tensors, sys._getframe(1))
            return save(this, *tensors)

        def applied(cls: Any, *args: Any, **kwargs: Any) -> Any:
            with watcher.function(cls, args):
                result = apply(cls, *args, **kwargs)
            watcher.stashed(result, sys._getframe(1))
            return result

        def asked(run: Any) -> Any:
            def backward(this: Any, *grads: Any) -> Any:
                watcher.read(this)
                return run(this, *grads)

            return backward

        self._replace(context, "save_for_backward", save_for_backward)
        self._replace(function, "apply", classmethod(applied))
        for name in ("apply", "apply_boxed"):
            if hasattr(node, name):
                self._replace(node, name, asked(getattr(node, name)))

    @contextlib.contextmanager
    def _without(self) -> Iterator[None]:
        """Our hooks are off in between; torch.func refuses to run under any."""
        self.pop()
        try:
            yield
        finally:
            self.push()

    def push(self) -> None:
        """Switch our hooks on for this thread."""
        _C._push_saved_tensors_default_hooks(self._watcher.pack, self._watcher.unpack)
        self._local.ours = getattr(self._local, "ours", 0) + 1

    def pop(self) -> None:
        """Switch our hooks off for this thread."""
        _C._pop_saved_tensors_default_hooks()
        self._local.ours -= 1

    def _threads(self) -> None:
        """Around everything that a thread does: a subclass may override `run`."""
        name = "_bootstrap_inner" if hasattr(threading.Thread, "_bootstrap_inner") else "run"
        original = getattr(threading.Thread, name)
        watcher = self._watcher

        def run(this: threading.Thread) -> None:
            with watcher.thread():
                original(this)

        self._replace(threading.Thread, name, run)

    def _modules(self) -> None:
        module: Any = torch.nn.Module
        original, watcher = module.__init__, self._watcher

        def init(this: Any, *args: Any, **kwargs: Any) -> None:
            original(this, *args, **kwargs)
            watcher.built(this)

        self._replace(module, "__init__", init)

    def _events(self) -> None:
        context: Any = torch.autograd.function.FunctionCtx
        tensor: Any = torch.Tensor
        mark, increment, detach = context.mark_dirty, torch.autograd.graph.increment_version, tensor.detach_
        watcher = self._watcher

        def mark_dirty(this: Any, *tensors: torch.Tensor) -> Any:
            for each in tensors:
                watcher.event("mark_dirty", each, "dirty")
            return mark(this, *tensors)

        def increment_version(tensor: Any) -> None:
            given = [tensor] if isinstance(tensor, torch.Tensor) else list(tensor)
            for each in given:
                watcher.event("increment_version", each, "")
            increment(given)

        def detach_(this: Any) -> Any:
            watcher.event("detach_", this, "detached")
            return detach(this)

        def set_data(this: Any, value: Any) -> None:
            watcher.event("data", this, "swapped")
            with watcher.swapping(this):
                _BASE.data.__set__(this, value)

        self._replace(context, "mark_dirty", mark_dirty)
        self._replace(torch.autograd.graph, "increment_version", increment_version)
        self._replace(tensor, "detach_", detach_)
        self._replace(tensor, "data", property(_BASE.data.__get__, set_data))

    def _foreign_views(self) -> None:
        tensor: Any = torch.Tensor
        for home, name in (
            (tensor, "numpy"),
            (tensor, "__array__"),
            (tensor, "__dlpack__"),
            (torch, "to_dlpack"),
            (torch.utils.dlpack, "to_dlpack"),
        ):
            if hasattr(home, name):
                self._replace(home, name, self._telling(getattr(home, name), of_result=False))
        for name in (
            "from_numpy",
            "frombuffer",
            "from_dlpack",
            "asarray",
        ):  # not as_tensor: TorchScript knows it by identity
            self._replace(torch, name, self._telling(getattr(torch, name), of_result=True))

    def _telling(self, function: Callable[..., Any], of_result: bool) -> Callable[..., Any]:
        watcher = self._watcher

        def told(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            value = result if of_result else args[0]
            if isinstance(value, torch.Tensor):
                watcher.view_made(value)
            return result

        return told

    def _tracebacks(self) -> None:
        """What unittest, `logging.exception` and `print_exc` show, and the last line of what pytest shows."""
        shown: Any = traceback.TracebackException
        original, watcher = shown.__init__, self._watcher

        def init(this: Any, kind: Any, error: Any, *args: Any, **kwargs: Any) -> None:
            if isinstance(error, BaseException):
                watcher.shown(error)
            original(this, kind, error, *args, **kwargs)

        self._replace(shown, "__init__", init)
