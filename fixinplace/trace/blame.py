"""From a difference to its cause: which rule, and which sentence a person needs with it.

Note [Causes]
    The order matters.  A graph of an earlier iteration is told by the same place having saved again after the write
    and a backward in between; then a step of an optimizer is the writer, but not the cause.  A buffer or an index says
    more about the cure than the operator that wrote it.  Where nothing special is known the rule stays empty: the
    construct of the first write names it.

Note [Closures]
    `optimizer.step(closure)` calls the whole forward and backward (L-BFGS does so several times), and what that writes
    is no update.  Behind a step of torch's own, any code of the user's is the closure's; a step that the user wrote
    updates leaves, or works with grad mode off, and a closure does neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fixinplace.trace.frames import Frames, Stack
from fixinplace.trace.ledger import Ledger, Written

_OPTIMIZER = ("torch/optim/optimizer.py", "wrapper")
_PARALLEL = "torch/nn/parallel/distributed.py"
_BROADCAST = "DistributedDataParallel copied the buffers of rank 0 over it at a later forward"
_EARLIER = "the graph belongs to an earlier iteration: the saving line has run again since the write"
_WHOLE = frozenset({"int64", "int32", "int16", "int8", "uint8", "bool"})


@dataclass(slots=True)
class Facts:
    """One offence in raw form: stacks instead of places, and no tensor.

    saved: the save's number, stack, names, shape, dtype and version; None for a write that was refused at once.
    """

    writes: list[Written]
    saved: Saved | None = None
    rule: str = ""
    node: str = ""
    silent: bool = False
    disjoint: bool = False
    found: int = 0
    complete: bool = True
    needed: Stack = ()
    message: str = ""
    note: str = ""
    tracked: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two offences the same to a reader: the places, the node, the cause."""
        saved = None if self.saved is None else self.saved.stack
        written = tuple((write.stack, write.op, write.instances.path) for write in self.writes[:1])
        return saved, written, self.needed, self.node, self.rule, self.message[:80]


@dataclass(frozen=True, slots=True)
class Saved:
    """A save without its tensor."""

    number: int
    stack: Stack
    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    version: int
    storage: int
    result: bool = False
    keys: tuple[int, ...] = field(default=())


class Blame:
    """Names the cause of an offence."""

    def __init__(self, ledger: Ledger, frames: Frames) -> None:
        self._ledger = ledger
        self._frames = frames

    def by(self, write: Written) -> str:
        """Who wrote: a value of `events.Write.by`."""
        if write.kind == "engine":
            return "engine"
        if self.in_optimizer(write):
            return "optimizer"
        if write.buffer or write.kind == "statistics" or self.in_broadcast(write):
            return "buffer"
        return "initialiser" if self._in_initialiser(write) else "operator"

    def in_optimizer(self, write: Written) -> bool:
        """True inside the step of an optimizer, and not in a closure that it calls: see Note [Closures]."""
        if not self._frames.has_code(write.stack, *_OPTIMIZER):
            return False
        inside = self._frames.within(write.stack, *_OPTIMIZER)
        owned = [self._frames.owns(code.co_filename) for code in inside]
        if owned and owned[-1]:
            return write.leaf or not write.grad_mode
        return not any(owned)

    def in_broadcast(self, write: Written) -> bool:
        """True where DistributedDataParallel synchronises buffers."""
        return any(
            self._frames.has_code(write.stack, _PARALLEL, name)
            for name in ("_sync_buffers", "_sync_module_buffers", "_default_broadcast_coalesced")
        )

    def _in_initialiser(self, write: Written) -> bool:
        files = (self._frames.codes[number].co_filename for number in write.stack[::2])
        return any(file.endswith("torch/nn/init.py") for file in files)

    def versioned(self, facts: Facts) -> None:
        """The rule of a tensor whose version moved."""
        assert facts.saved is not None
        first = next((write for write in facts.writes if write.kind != "engine"), None)
        if first is None:
            facts.note = facts.note or _unseen(facts)
            return
        facts.rule, facts.note = self._versioned(facts.saved, first, facts.note)
        if not facts.complete:
            facts.note = "; ".join(filter(None, (facts.note, _unseen(facts))))

    def _versioned(self, saved: Saved, first: Written, note: str) -> tuple[str, str]:
        if self._is_carried(saved, first):
            return "FIP207", _EARLIER
        if self.in_broadcast(first):
            return "FIP212", _BROADCAST
        if self.in_optimizer(first):
            return "FIP201", note
        if first.buffer or first.kind == "statistics":
            return "FIP208", note
        if saved.dtype in _WHOLE:
            return (
                "FIP213",
                f"the saved tensor is an index or a mask ({saved.dtype}); it needs no gradient to be needed",
            )
        if first.undeclared:
            return "FIP210", "the forward of a custom Function wrote its argument without ctx.mark_dirty"
        if first.leaf and first.requires_grad and not first.grad_mode and self.by(first) == "operator":
            return "FIP201", "the parameter is updated by hand, without an optimizer"
        return "", note

    def _is_carried(self, saved: Saved, first: Written) -> bool:
        between = self._ledger.backward_between(saved.number, first.number)
        return between and self._ledger.saved_again(saved.stack, first.number)

    def silent(self, facts: Facts, view: str) -> None:
        """The rule of a tensor that changed while no version moved.

        view: where a foreign view of the memory was made, as far as that was seen.
        """
        assert facts.saved is not None
        first = facts.writes[0] if facts.writes else None
        if first is not None and self.in_broadcast(first):
            facts.rule, facts.note = "FIP212", _BROADCAST
        elif first is None:
            facts.rule, facts.complete = "FIP302", False
            facts.note = (
                "no torch operation wrote this memory: a numpy or dlpack view did, or a kernel outside of torch"
                + (f"; a view was made at {view}" if view else "")
            )
        elif first.kind == "fused":
            facts.rule = "FIP306"
        elif first.leaf and self._is_carried(facts.saved, first):
            facts.rule, facts.note = "FIP207", _EARLIER
        elif first.kind == "statistics" or "batch_norm" in first.op:
            facts.rule = "FIP305"
        elif first.storage != facts.saved.storage:
            facts.rule = "FIP302"
            facts.note = (
                f"the write went through another storage object on the same memory{view and f', made at {view}'}"
            )
        else:
            facts.rule = "FIP301"


def is_complete(saved: int, found: int, writes: list[Written]) -> bool:
    """True if every version from the saved one to the found one has its writer."""
    return set(range(saved, found)) <= {write.version for write in writes}


def _unseen(facts: Facts) -> str:
    assert facts.saved is not None
    moved = facts.found - facts.saved.version
    return (
        f"the version moved {moved} times and {len(facts.writes)} writes were seen: a writer that torch does not "
        "dispatch is missing"
    )
