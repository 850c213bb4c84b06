"""Every gradient of a run: at each backward, what the roots were worth and what every leaf received.

Note [Contributions]
    `.grad` at the end misses what `zero_grad` has wiped, and its sum hides what a single backward gave.  What a leaf
    receives passes through its `AccumulateGrad` node once per engine run, after the user's own tensor hooks; a hook in
    front of that node copies the bytes there.  Nothing is kept alive: no node, no root, no gradient.  A leaf that a
    checkpoint inside the backward reaches as well receives that in the checkpoint's own record.
"""

from __future__ import annotations

import contextlib
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.autograd.graph

from fixinplace.verify import checkpoints, tensors
from fixinplace.verify.failures import failure_of
from fixinplace.verify.jobs import Failure, Json
from fixinplace.verify.leaves import LeafNames, accumulators, leaf_roots
from fixinplace.verify.recency import Recency
from fixinplace.verify.records import Records

HOOK = "_engine_run_backward"
"""The private function of torch that every backward goes through, in `torch.autograd.graph` and `torch.autograd`."""

PARTIAL = "not every leaf is among its inputs"
"""Why the gradients of a backward are not all, where a derivative along those leaves alone can be taken."""
MAX_RESULTS = 256
_pid = os.getpid
_randn, _generator = torch.randn, torch.Generator
_no_grad: Any = torch.no_grad


def missing_hook() -> str:
    """A sentence if this torch has no `_engine_run_backward` where it is needed; else nothing."""
    homes = [module.__name__ for module in (torch.autograd.graph, torch.autograd) if not hasattr(module, HOOK)]
    if not homes:
        return ""
    return (
        f"torch {torch.__version__} has no {' and '.join(homes)}.{HOOK}: gradients cannot be recorded with this version"
    )


class Recorder:
    """Stands around the engine's entry point and writes one `backward` record and its gradients per call.

    watchers: told of every backward before it runs, also of those that we run from results: event, roots, inputs.
    """

    def __init__(self, records: Records, names: LeafNames) -> None:
        self._records = records
        self._names = names
        self._engine: Callable[..., Any] = getattr(torch.autograd.graph, HOOK)
        self._calls: dict[str, int] = {}
        self._open: dict[str, list[Json]] = {}
        self._process = _pid()
        self.watchers: list[Callable[[str, Sequence[Any], Sequence[Any]], None]] = []
        self.failures: list[Failure] = []
        self.recency = Recency()

    def install(self) -> None:
        """From now on every backward of this process is recorded; a forked copy of it records nothing."""

        def run(outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
            if _pid() != self._process:
                return self._engine(outputs, *args, **kwargs)
            return self._recorded(outputs, args, kwargs)

        setattr(torch.autograd.graph, HOOK, run)
        setattr(torch.autograd, HOOK, run)

    @property
    def backwards(self) -> int:
        """How many the main thread has begun, none that runs inside another counted."""
        return self._calls.get("MainThread", 0)

    def _recorded(self, outputs: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.recency.note(outputs)
        copies = checkpoints.copies(skipped=2)
        row = self.begin(copies is not None)
        event = row["path"]
        self.roots(event, outputs, args[0] if args else ())
        inputs = args[3] if len(args) > 3 else kwargs.get("inputs", ())
        self._tell(event, outputs, inputs or ())
        accumulate = bool(kwargs.get("accumulate_grad", False))
        row["partial"] = _partial(outputs, inputs, accumulate)
        received: dict[int, list[tensors.Reading | None]] = {}
        leaves = [node for node in accumulators(outputs) if accumulate and _is_asked(node.variable, inputs)]
        order = self._describe(event, [node.variable for node in leaves])
        for each, node in zip(order, leaves, strict=True):
            each["passed"] = any(node.variable is copy for copy in copies or ())
        hooks = [node.register_prehook(partial(self._receive, row, received, at)) for at, node in enumerate(leaves)]
        with self._inside(row):
            try:
                result = self._engine(outputs, *args, **kwargs)
            except Exception as error:
                self.failures.append(failure_of(error))
                raise
            finally:
                for hook in hooks:
                    hook.remove()
        for index, leaf in enumerate(order):
            self._leaf(leaf, received.get(index, []))
        if inputs and not accumulate:
            self._returned(event, inputs, result)
        else:
            known = {id(node.variable) for node in leaves}
            self._accumulated(event, [each for each in inputs or leaf_roots(outputs) if id(each) not in known])
        return result

    def _tell(self, event: str, outputs: Sequence[Any], inputs: Sequence[Any] = ()) -> None:
        for watcher in self.watchers:
            watcher(event, outputs, inputs)

    @contextlib.contextmanager
    def _inside(self, row: Json) -> Iterator[None]:
        """While the engine runs: a backward that begins now, in a checkpoint or a hook, belongs to this one."""
        around = self._open.setdefault(threading.current_thread().name, [])
        around.append(row)
        try:
            yield
        finally:
            around.pop()

    def _receive(
        self, row: Json, received: dict[int, list[tensors.Reading | None]], index: int, gradients: tuple[Any, ...]
    ) -> None:
        around = self._open.get(threading.current_thread().name)
        if around and around[-1] is not row and around[-1].get("checkpoint"):
            return  # the same node, in the backward of a checkpoint inside this one
        received.setdefault(index, []).append(None if gradients[0] is None else tensors.read(gradients[0], dense=True))

    def begin(self, checkpoint: bool = False) -> Json:
        """The record of a backward that begins: `backward 2`, `backward 1 of Thread-1`, `backward 1: inner 1`.

        checkpoint: a reentrant checkpoint asks for it, so that it is a part of the one around it; see `checkpoints`.
        """
        thread = threading.current_thread().name
        around = self._open.get(thread)
        within = around[-1]["path"] if around else ""
        number = self._calls[within or thread] = self._calls.get(within or thread, 0) + 1
        event = f"backward {number}" if thread == "MainThread" else f"backward {number} of {thread}"
        row: Json = {"kind": "backward", "path": f"{within}: inner {number}" if within else event}
        outer = around[-1:] if around else []
        if checkpoint:
            row["checkpoint"] = bool(outer)
            outer = [] if outer else [rows[-1] for rows in self._open.values() if rows]  # one of them, on its thread
        for each in outer:
            each["partial"] = "another backward runs inside it"
        self._records.rows.append(row)
        return row

    def roots(
        self, event: str, outputs: Sequence[Any], cotangents: Sequence[Any], facts: Mapping[str, object] | None = None
    ) -> None:
        """Record what is back-propagated: the roots of a backward and the weights it gives them.

        facts: what holds for them where that cannot be read off the tensors.
        """
        for word, values in (("root", outputs), ("cotangent", cotangents)):
            for index, value in enumerate(values):
                if tensors.is_tensor(value):
                    reading = tensors.read(value, dense=True).passing
                    path = f"{event}: {word} {index}"
                    self._records.rows.append(
                        {
                            "kind": "tensor",
                            "path": path,
                            "role": "value",
                            **self._records.stored(reading),
                            **(facts or {}),
                        }
                    )

    def _describe(self, event: str, leaves: list[torch.Tensor]) -> list[Json]:
        """One row per leaf, made before the engine runs: afterwards an optimizer may have changed its value."""
        rows = []
        for leaf, paths in zip(leaves, self._names.paths(leaves), strict=True):
            name = paths[0] if paths else None
            known = {"leaf": name, "also": paths[1:], "key": id(leaf), **_facts(leaf)}
            rows.append({"kind": "gradient", "path": event, **known, "received": []})
        self._records.rows += rows
        return rows

    def names(self, named: dict[int, str], leaves: list[torch.Tensor]) -> list[str | None]:
        """The names that leaves have in the records; `named`: paths of observed tensors by id, for all others."""
        found = self._names.of(leaves)
        return [name or named.get(id(leaf)) for name, leaf in zip(found, leaves, strict=True)]

    def _leaf(self, row: Json, readings: list[tensors.Reading | None]) -> None:
        row["received"] = [None if each is None else self._records.stored(each) for each in readings]

    def _returned(self, event: str, inputs: Sequence[Any], gradients: Sequence[Any]) -> None:
        """Gradients that `autograd.grad` gave back, in the order of its inputs."""
        names = self._names.paths([each for each in inputs if tensors.is_tensor(each)])
        named = names if len(names) == len(inputs) else [()] * len(inputs)
        for index, (tensor, gradient) in enumerate(zip(inputs, gradients, strict=True)):
            received = [] if gradient is None else [self._records.stored(tensors.read(gradient, dense=True))]
            row: Json = {"kind": "gradient", "path": event, "leaf": f"input {index}", "received": received}
            row |= {"named": named[index][0] if named[index] else None, "also": named[index][1:]}
            self._records.rows.append(row | (_facts(tensor) if tensors.is_tensor(tensor) else {}))

    def _accumulated(self, event: str, inputs: Sequence[Any]) -> None:
        """`.grad` of the tensors that a backward was asked to fill, and of roots that are leaves themselves."""
        for index, tensor in enumerate(inputs):
            if not tensors.is_tensor(tensor):
                continue
            gradient = tensors.gradient_of(tensor)
            received = [] if gradient is None else [self._records.stored(tensors.read(gradient, dense=True))]
            row = {"kind": "gradient", "path": event, "leaf": f"accumulated {index}", "received": received}
            self._records.rows.append(row)

    def results(self, tracked: list[tuple[str, torch.Tensor]], named: dict[int, str]) -> list[str]:
        """Back-propagate one fixed random cotangent from each tracked tensor; returns notes.

        tracked: path and tensor of every observed result of a recorded operation; runs after everything else was read.
        """
        for path, tensor in tracked:
            self._tell(f"gradient of {path}", [tensor])
        for path, tensor in tracked[:MAX_RESULTS]:
            self._result(path, tensor, named)
        if len(tracked) > MAX_RESULTS:
            return [f"gradients of the first {MAX_RESULTS} of {len(tracked)} tracked results are compared"]
        return []

    def _result(self, path: str, tensor: torch.Tensor, named: dict[int, str]) -> None:
        event = f"gradient of {path}"
        leaves = [node.variable for node in accumulators([tensor])]
        row: Json = {"kind": "backward", "path": event, "of": path}
        self._records.rows.append(row)
        if not leaves:
            return
        rows = self._describe(event, leaves)
        for each, leaf in zip(rows, leaves, strict=True):
            each["leaf"] = each["leaf"] or named.get(id(leaf))
        try:
            gradients = self._engine(
                (tensor,), (cotangent(path, tensor),), True, False, tuple(leaves), True, accumulate_grad=False
            )
        except Exception as error:
            failure = failure_of(error)
            freed, spent = "backward through the graph a second time" in failure.message, self.recency.is_used(tensor)
            row |= {"failed": failure.sentence, "freed": freed or spent, "spent": spent}
            if not (freed or spent):  # else the program has had its own backward, and that was recorded
                self.failures.append(failure)
            return
        for each, gradient in zip(rows, gradients, strict=True):
            self._leaf(each, [] if gradient is None else [tensors.read(gradient, dense=True)])


def _facts(leaf: torch.Tensor) -> Json:
    """What tells a leaf from others where its name does not."""
    reading = tensors.read(leaf, dense=True)
    return {"shape": reading.facts["shape"], "dtype": reading.facts["dtype"], "value": reading.digest}


def _is_asked(leaf: torch.Tensor, inputs: Sequence[Any]) -> bool:
    """True if a backward fills this leaf: all of them, unless it names `inputs`."""
    return not inputs or any(each is leaf for each in inputs)


def _partial(outputs: Sequence[Any], inputs: Sequence[Any], accumulate: bool) -> str:
    """Why the recorded gradients of a backward are not those of all leaves; empty if they are."""
    if not accumulate:
        asked = {id(each) for each in inputs}
        left_out = any(id(node.variable) not in asked for node in accumulators(outputs))
        return PARTIAL if left_out else ""
    if inputs:
        return "it fills chosen tensors only"
    return "a root is a leaf" if leaf_roots(outputs) else ""


def cotangent(path: str, tensor: torch.Tensor) -> torch.Tensor:
    """Normal numbers that depend on the path and the shape alone; leaves every random state as it is."""
    seed = zlib.crc32(path.encode())
    with _no_grad():
        drawn = _generator().manual_seed(seed)
        values = _randn(tuple(tensor.shape), generator=drawn, dtype=torch.float64, device="cpu")
        return tensors.same_dtype_as(values, tensor)
