"""Writes to parameters that torch refuses, taken as what a patch under `no_grad` makes of them.

Note [A parameter is data]
    What torch refuses has no meaning of its own.  Who fills a bias by hand means `bias.data`: the parameter keeps its
    place in the module and the optimizer, and the next backward gives the gradient at its new value.  A patch that
    keeps the write in place, under `no_grad`, says the same.  So for such a patch alone the original may write into a
    `Parameter`, in reverse mode and in forward mode, and nothing is differentiated there.
    `w /= w.norm()` depends on the parameter alone, and is data like a fill.  The run in reverse mode decides that, by
    the graph of what is written; forward mode, which has no graph, follows where that run has finished.
    Any other leaf that is written becomes what the write computes, unless the program asks for its `.grad` afterwards
    (`p -= lr * v` in a loop over plain tensors, with `p.grad` read in the next round): what is no leaf has none, so
    that nothing but data can have been meant.

Note [A parameter that nobody differentiates]
    What is written may depend on something else that is tracked, as in the averaged copy of a network.  As data it
    loses the gradient to the other, in silence; as an operation it would keep it.  The two meanings differ in a
    backward that goes through the parameter once it was written, and nowhere else: values are the same, whatever is
    computed without grad or detached is a constant in both, and what keeps the graph leads to the parameter, as its
    leaf here.  So such a write is data in a run none of whose later backwards, the program's own and ours of its
    results, has the parameter among its leaves or is asked for its gradient.  In any other run it stays refused.  A
    backward of a graph from before the write is among them: doubt is enough.
    Nor do they differ where what is written was computed by a graph that a backward has freed, as when codes of a
    codebook are restarted from the outputs of a step that is over: a gradient would raise on its way to the other.
    Nor do they differ in a backward before which the other leaves are gone, as when the weights of a layer go into the
    wider one that takes its place: the gradient of what does not exist is seen by nobody, if no hook waits for it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from fixinplace.verify import operands, tensors
from fixinplace.verify.duals import is_leaf
from fixinplace.verify.ends import DataEnd
from fixinplace.verify.everywhere import Everywhere
from fixinplace.verify.leaves import accumulators, is_whole, leaf_roots

_NO_OVERRIDES: Any = torch._C.DisableTorchFunction
_enabled: Callable[[], bool] = torch.is_grad_enabled
_enable: Callable[[bool], None] = torch._C._set_grad_enabled


_WATCHING = frozenset({"register_hook", "register_post_accumulate_grad_hook", "retain_grad"})
_grad: Any = torch.Tensor.__dict__["grad"] if "grad" in torch.Tensor.__dict__ else torch._C.TensorBase.__dict__["grad"]


def reads_gradient(func: Any) -> bool:
    """True for the getter of `.grad`."""
    return getattr(func, "__self__", None) is _grad


def leaf_set(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.Tensor | None:
    """The leaf that an operation writes, itself or through a view; None where it writes none."""
    written = operands.target(name, args, kwargs)
    owner = None if written is None else operands.root(written)
    return owner if owner is not None and is_leaf(owner) else None


def _others(owner: torch.Tensor, values: Iterable[object]) -> Iterator[torch.Tensor]:
    """The tracked tensors but `owner` among the values or above them, whose gradient would flow through one of them.

    Not what lies behind a part of the graph that a backward has freed: no other gets there.
    """
    for each in operands.inside(values):
        if operands.root(each) is owner or not tensors.requires_grad(each):
            continue
        leaves = [each] if tensors.is_leaf(each) else [node.variable for node in accumulators([each], is_whole)]
        others = [leaf for leaf in leaves if leaf is not owner]
        yield from [each, *others] if others else []


class AsData(Everywhere):
    """The mode around an original that writes its parameters by hand in grad mode."""

    def __init__(self) -> None:
        super().__init__()
        self._mixed: dict[int, torch.Tensor] = {}  # by id: parameters written with what depends on others
        self._others: dict[int, list[weakref.ref[torch.Tensor]]] = {}  # what they depend on
        self._watched = False
        self._plain: dict[int, torch.Tensor] = {}  # by id: written leaves that are no parameters
        self._asked: set[int] = set()
        self._differentiated = ""

    @property
    def end(self) -> DataEnd:
        """What has been written, and whether it could be."""
        return DataEnd(bool(self._mixed), self._differentiated, not self._asked >= self._plain.keys())

    def look_at(self, event: str, outputs: Sequence[Any], inputs: Sequence[Any] = ()) -> None:
        """Before a backward from `outputs`, for the gradients of `inputs` if there are any: does it reach such a write.

        See Note [A parameter that nobody differentiates].
        """
        if not self._mixed or self._differentiated:
            return
        with _NO_OVERRIDES():
            below = (node.variable for node in accumulators(outputs))
            reached = (*below, *leaf_roots(outputs), *filter(tensors.is_tensor, inputs))
            if any(self._tells(id(operands.root(each))) for each in reached):
                self._differentiated = event

    def _tells(self, parameter: int) -> bool:
        """True if somebody could see what a write to this parameter, taken as data, does not pass on."""
        return parameter in self._mixed and (
            self._watched or any(each() is not None for each in self._others[parameter])
        )

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call; without grad mode where a parameter is written."""
        given = kwargs or {}
        self._watched |= getattr(func, "__name__", "") in _WATCHING
        if self._plain and args and reads_gradient(func) and id(args[0]) in self._plain:
            self._asked.add(id(args[0]))
        if not _enabled() or not self._refused(func, args, given):
            return func(*args, **given)
        _enable(False)
        try:
            return func(*args, **given)
        finally:
            _enable(True)

    def _refused(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
        """True for a write that torch refuses; notes what it depends on."""
        with _NO_OVERRIDES():
            name = getattr(func, "__name__", "")
            owner = None if name == "requires_grad_" else leaf_set(name, args, kwargs)
            if owner is None:
                return False
            others = [weakref.ref(each) for each in _others(owner, (*args, *kwargs.values()))]
            if isinstance(owner, torch.nn.Parameter):
                self._mixed |= {id(owner): owner} if others else {}
                self._others.setdefault(id(owner), []).extend(others)
                return True
            self._plain |= {} if others else {id(owner): owner}
            return not others
