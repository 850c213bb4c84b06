"""A forward-mode run: the program's derivative along one direction, recorded where it asks for gradients.

Note [Grad mode becomes forward mode]
    Reverse mode stays off during the whole run, so that no write to a leaf and none to one of several views is
    refused, and nothing is saved that a write could spoil.  The program's own grad mode switches forward mode instead:
    `no_grad` is then a region whose operations leave tangents alone, `detach` and `.data` drop them, and a custom
    Function, whose forward torch runs with both modes off, has a tangent only if it says how.  This is what reverse
    mode means by the same words, to the operation, also inside torch's own Python functions.

Note [A checkpoint is what it computes]
    A reentrant checkpoint is a custom Function without a formula, whose backward computes the checkpointed code again
    and differentiates that.  So here the code is called as it stands, and in grad mode, unlike in the checkpoint's own
    forward; without a tracked tensor among its arguments the checkpoint gives no gradient at all, and neither is there
    a tangent then.

Note [Where it ends]
    Nothing is back-propagated.  The run goes on after a backward, and ends where the program first looks at what a
    backward would have left: at an optimizer's step, at `.grad`, at what `autograd.grad` returns.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn

import torch
import torch.autograd.graph
from torch._C import _functorch
from torch.autograd import forward_ad
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import CheckpointFunction

from fixinplace.verify import late, module_hooks, operands, tensors
from fixinplace.verify.by_hand import leaf_set
from fixinplace.verify.duals import Leaves, is_leaf, tangent
from fixinplace.verify.ends import ForwardEnd
from fixinplace.verify.gradients import HOOK, MAX_RESULTS, Recorder
from fixinplace.verify.hidden_writes import DETACHING, Twins
from fixinplace.verify.jobs import Failure, Job
from fixinplace.verify.observe import REVERSE
from fixinplace.verify.records import Records
from fixinplace.verify.slopes import Slopes

_UNSUPPORTED = re.compile(r"forward AD|forward mode AD|forward-mode AD|jvp function")
_TENSOR: Any = torch.Tensor
_BASE: Any = torch._C.TensorBase
_VIEWS = frozenset({"T", "mT", "H", "mH", "real", "imag"})
_INITIALISERS = torch.nn.init.__name__  # they switch grad mode off themselves
_PROPERTY = frozenset({"__get__", "__set__", "__delete__"})
_swap: Callable[[torch.Tensor, torch.Tensor], None] = torch.utils.swap_tensors
_NO_OVERRIDES: Any = torch._C.DisableTorchFunction
_FUNCTION: Any = torch.autograd.Function
_enter_level: Callable[[], int] = forward_ad.enter_dual_level
_enter: Callable[..., object] = TorchFunctionMode.__enter__
_leave: Callable[..., object] = TorchFunctionMode.__exit__
_pid = os.getpid
_transforming = _functorch.peek_interpreter_stack
_enabled: Callable[[], bool] = torch._C._is_fwd_grad_enabled
_enable: Callable[[bool], None] = torch._C._set_fwd_grad_enabled
_set_reverse: Callable[[bool], None] = torch._C._set_grad_enabled


class Stop(BaseException):
    """Ends a forward-mode run: what it could tell has been recorded."""


@contextlib.contextmanager
def _untracked() -> Iterator[None]:
    """Operations leave tangents alone."""
    _enable(False)
    try:
        yield
    finally:
        _enable(True)


class Handle:
    """What registering a hook gives where no hook will ever be called."""

    def remove(self) -> None:
        """Nothing was registered."""


class Forward(TorchFunctionMode):
    """The mode around the user's code.

    stopped: why the run went no further; empty if it came to its end.
    limited: forward mode was what stopped it, not the program.
    concerned: where it stopped, the program asks for the gradient of a leaf that it has written.
    flows: it asks for leaves, and what it wrote there has been computed with since.
    hooks: the program changes or watches gradients, so that they may be something else than derivatives.
    """

    def __init__(self, records: Records, recorder: Recorder, job: Job) -> None:
        super().__init__()
        self._as_data = job.as_data
        self._twins = Twins() if job.hidden else None
        self.leaves = Leaves(job.forward or 0, self._limit, job.along)
        self.slopes = Slopes(records, recorder, self.leaves)
        self._later, self._waits = job.later, bool(job.later)
        self._recorder = recorder
        self.stopped, self.limited, self.hooks, self.concerned, self.flows = "", False, False, False, False
        self._process = _pid()
        self._zeroing = False
        self._special: dict[object, Callable[..., Any]] = {
            _TENSOR.requires_grad.__get__: lambda tensor, *_: self.tracked(tensor),
            _TENSOR.is_leaf.__get__: lambda tensor, *_: not self.computed(tensor),
            _TENSOR.grad.__get__: self._gradient,
            _TENSOR.grad_fn.__get__: self._node,
            _TENSOR.requires_grad.__set__: self._require,
            _TENSOR.requires_grad_: self._require,
            _TENSOR.detach_: self._detach,
            _TENSOR.retain_grad: lambda tensor: None,
            _TENSOR.register_hook: self._hook,
            _TENSOR.register_post_accumulate_grad_hook: self._hook,
        }
        if self._twins is not None:
            self._special[_TENSOR.data.__set__] = partial(self._replaced, self._twins)

    def install(self) -> None:
        """Begin at once, or see Note [Forward mode begins late]."""
        if not self._later:
            self._begin()
            return
        self._recorder.install()
        late.behind(self._later, self._begin)

    def _begin(self) -> None:
        """From now on the grad mode of the calling thread, and of threads started later, is forward mode."""
        self._waits = False
        _enter_level()
        torch._C._set_mkldnn_enabled(False)  # its recurrent layers have no forward-mode formula
        torch._C._set_sdp_use_flash(False)  # nor has fused attention
        torch._C._set_sdp_use_mem_efficient(False)
        _set_reverse(False)
        replaced: tuple[tuple[object, str, object], ...] = (
            (torch._C, "_set_grad_enabled", _enable),
            (torch._C, "is_grad_enabled", _enabled),
            (torch, "is_grad_enabled", _enabled),
            (torch.autograd.graph, HOOK, self._engine),
            (torch.autograd, HOOK, self._engine),
        )
        for module, name, value in replaced:
            setattr(module, name, value)
        self._wrap_functions()
        self._wrap_threads()
        module_hooks.pass_by(self._hook)
        self._wrap_zeroing(Optimizer)
        self._wrap_zeroing(torch.nn.Module)
        register_optimizer_step_pre_hook(self._step)
        _enter(self)

    def uninstall(self) -> None:
        """The user's code has ended: nothing is intercepted any more, and tangents stay readable."""
        if self._waits:
            return
        _leave(self, None, None, None)
        _enable(True)

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Make leaves dual and call; ends the run where forward mode cannot follow."""
        if self.stopped:
            raise Stop(self.stopped)
        if (special := self._special.get(func)) is not None:
            return special(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if self._twins is not None and func in DETACHING:
            return self._detached(self._twins, func, args[0])
        passing = name in _PROPERTY and getattr(func.__self__, "__name__", "") not in _VIEWS
        if passing or getattr(func, "__module__", "") == _INITIALISERS:
            return func(*args, **(kwargs or {}))
        return self._called(name, func, args, kwargs or {})

    def tracked(self, tensor: torch.Tensor) -> bool:
        """What reverse mode would call `requires_grad`."""
        if self._waits:
            return REVERSE.tracked(tensor)
        with _NO_OVERRIDES():
            return is_leaf(tensor) or tangent(tensor) is not None

    def computed(self, tensor: torch.Tensor) -> bool:
        """True for a tracked tensor that is no leaf."""
        if self._waits:
            return REVERSE.computed(tensor)
        return not self.leaves.knows(tensor) and tangent(tensor) is not None

    def results(self, tracked: list[tuple[str, torch.Tensor]], named: dict[int, str]) -> list[str]:
        """The derivatives of observed results, as `Recorder.results` takes their gradients; none of a stopped run."""
        if self._twins is not None:
            self._twins.settle()
        for path, tensor in [] if self.stopped or self._waits else tracked[:MAX_RESULTS]:
            self.slopes.result(path, tensor, named)
        return []

    def excuse(self, failure: Failure | None) -> Failure | None:
        """What ended the run, if it was the program's own doing.

        A program that misses what a backward would have left has only come to where this run ends.
        """
        if failure is not None and self.slopes.count and not self.stopped:
            self.stopped = f"the program raises {failure.type} after a backward"
            self.concerned = self.leaves.any_written()
        return None if self.stopped else failure

    @property
    def end(self) -> ForwardEnd:
        """How far the run came."""
        written = self.leaves.any_written()
        return ForwardEnd(
            self.stopped, self.limited, self.slopes.count, self.hooks, written, self.concerned, self.flows
        )

    def _called(self, name: str, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if _transforming() is not None:
            self._limit("torch.func transforms are not followed")
        active, versions = _enabled(), []
        if active:
            with _NO_OVERRIDES():
                if self._later and late.goes_on(name, operands.inside((*args, *kwargs.values()))):
                    self._limit("the program goes on with what it computed before a backward")
                args = operands.apart(name, args)
                for each in operands.inside((*args, *kwargs.values())):
                    self.leaves.use(each)
                    versions.append((each, operands.counter(each)))
        quietly = active and self._as_data and self._sets_parameter(name, args, kwargs)
        try:
            with _untracked() if quietly else contextlib.nullcontext():
                if self._twins is None:
                    result = self._performed(func, args, kwargs)
                else:
                    result = self._twins.call(name, func, args, kwargs)
        except RuntimeError as error:
            if _UNSUPPORTED.search(str(error)):
                self._limit(f"`{name}` has no forward-mode formula")
            raise
        if active and not quietly:
            with _NO_OVERRIDES():
                for each, version in versions:
                    if operands.counter(each) != version:
                        self.leaves.written(each)
                self.leaves.computed((each for each, version in versions if operands.counter(each) == version), result)
                self.slopes.look_at(result)
        return result

    def _sets_parameter(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
        """True for a write that is data, see Note [A parameter is data]."""
        with _NO_OVERRIDES():
            return leaf_set(name, args, kwargs) is not None

    def _performed(self, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if not _enabled() or not list(operands.inside([kwargs.get("out")])):
            return func(*args, **kwargs)
        with _NO_OVERRIDES():
            tracked = any(tangent(each) is not None for each in operands.inside((*args, *kwargs.values())))
            return operands.write_out(func, args, kwargs) if tracked else func(*args, **kwargs)

    def _detach(self, tensor: torch.Tensor) -> torch.Tensor:
        """`detach_`, of a view as well: the same object from now on, over the same memory, without a tangent."""
        with _NO_OVERRIDES():
            if operands.root(tensor) is tensor:
                detached: torch.Tensor = _BASE.detach_(tensor)
                return detached
            try:
                _swap(tensor, _BASE.detach(tensor))
            except RuntimeError:
                self._limit("`detach_` on a view that is also held elsewhere")
        return tensor

    def _detached(self, twins: Twins, func: Callable[..., Any], tensor: torch.Tensor) -> torch.Tensor:
        """`.data` or `detach()`; what is written into a leaf is data, in reverse mode as well."""
        alias: torch.Tensor = func(tensor)
        if twins.knows(tensor) or self.computed(tensor):
            twins.detached(tensor, alias)
        return alias

    def _replaced(self, twins: Twins, tensor: torch.Tensor, value: torch.Tensor) -> None:
        """`x.data = y`: followed where nothing changes, as at the end of `x.data *= 2`."""
        if self.computed(tensor) and not twins.knows(value):
            self._limit("the program sets `.data` of what it has computed")
        with _NO_OVERRIDES():
            _TENSOR.data.__set__(tensor, value)

    def _stop(self, sentence: str, at: Iterable[object] | None = None) -> NoReturn:
        """End the run; `at` are the tensors whose gradients the program asks for there, None if that cannot be told."""
        if not self.stopped:
            at = None if at is None else list(at)
            self.stopped, self.concerned = sentence, self.leaves.any_written(at)
            self.flows = at is not None and self.leaves.all_read(at)
        raise Stop(self.stopped)

    def _limit(self, sentence: str) -> NoReturn:
        self.limited = True
        self._stop(sentence)

    def _engine(self, outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        """In place of the engine's entry point: records, computes nothing."""
        if _pid() != self._process:
            self._stop("a process that the program forked asks for gradients")
        if self.stopped:
            raise Stop(self.stopped)
        if _transforming() is not None or not all(map(tensors.is_tensor, outputs)):
            self._limit("gradients of graph edges and batched gradients are not followed")
        with _NO_OVERRIDES():
            if self._twins is not None:
                self._twins.settle()
            if _enabled():
                for each in outputs:
                    self.leaves.use(each)
            self.slopes.backward(outputs, args[0] if args else ())
        if not kwargs.get("accumulate_grad", False):
            asked = args[3] if len(args) > 3 else None
            self._stop("the program goes on with what `torch.autograd.grad` returns", asked)

    def _gradient(self, tensor: torch.Tensor, *_: object) -> torch.Tensor | None:
        """`.grad`, which no backward of this run has filled."""
        if self.slopes.count and not self._zeroing and self.tracked(tensor):
            self._stop("the program reads `.grad`", [tensor])
        with _NO_OVERRIDES():
            found: torch.Tensor | None = _TENSOR.grad.__get__(tensor)
        return found

    def _node(self, tensor: torch.Tensor, *_: object) -> Any:
        if self.computed(tensor):
            self._limit("the program reads `.grad_fn`")
        return None

    def _require(self, tensor: torch.Tensor, wanted: bool = True) -> torch.Tensor:
        """`requires_grad_`: nothing to do for what is tracked already, else a leaf begins or ends."""
        if not self.computed(tensor):
            with _NO_OVERRIDES():
                tensors.require_grad(tensor, wanted)
        return tensor

    def _hook(self, *_: object, **__: object) -> Handle:
        self.hooks = True
        return Handle()

    def _step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Before the first step; a closure that computes the gradients runs once."""
        if self._later and not self.slopes.count:
            return  # it has the gradients of the backwards before
        given = (*args[1:], *kwargs.values())
        if not self.stopped and (closure := next(filter(callable, given), None)) is not None:
            with torch.enable_grad():
                closure()
        self._stop("an optimizer steps", [each for group in optimizer.param_groups for each in group["params"]])

    def _wrap_zeroing(self, owner: Any) -> None:
        """`zero_grad` reads gradients only to drop them."""
        original = owner.zero_grad

        def zero_grad(this: Any, *args: Any, **kwargs: Any) -> None:
            self._zeroing = True
            try:
                original(this, *args, **kwargs)
            finally:
                self._zeroing = False

        owner.zero_grad = zero_grad

    def _wrap_functions(self) -> None:
        """Custom Functions are called past every mode."""
        original = _FUNCTION.apply.__func__

        def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
            if self.stopped:
                raise Stop(self.stopped)
            if cls is CheckpointFunction and not kwargs:
                return self._checkpointed(*args)
            return self._called(cls.__qualname__, partial(original, cls), args, kwargs)

        _FUNCTION.apply = classmethod(apply)

    def _checkpointed(self, function: Callable[..., Any], _: bool, *args: Any) -> Any:
        """See Note [A checkpoint is what it computes]; tensors in containers are no arguments of the checkpoint."""
        given = [each for each in args if tensors.is_tensor(each)]
        with contextlib.nullcontext() if any(map(self.tracked, given)) or not _enabled() else _untracked():
            return function(*args)

    def _wrap_threads(self) -> None:
        """Modes belong to a thread."""
        original = threading.Thread.run

        def run(thread: threading.Thread) -> None:
            _set_reverse(False)
            with self:
                original(thread)

        threading.Thread.run = run  # type: ignore[assignment,method-assign]
