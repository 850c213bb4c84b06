"""One program, run once in a forked child, in one of the ways that tell what a repair has to equal.

Modes: `plain` as a user runs it; `cloned` with every saved tensor cloned when it is saved, the reference; `watched` as
`cloned`, naming for each saved tensor that changed before its use the lines that saved it, wrote it and ran backward;
`objective` with grad mode on inside the program's objective only, so that hand-written updates and surgery are legal;
`slope` and `differences`, both in float64: value and directional derivative of the first call of the objective, by the
program's own backward and by central differences of the objective with grad mode off.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import torch
import torch._dynamo  # what the first optimizer imports, once here instead of in every child
import torch.utils.checkpoint
from torch.autograd.graph import saved_tensors_hooks

Line = tuple[str, int]
STEP = 1e-6
ENGINE = torch.autograd.graph._engine_run_backward.__code__


class Stop(Exception):
    """The program has done what the mode is about."""


def fork(work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` returns, computed in a child; an exception there is an AssertionError here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            answer = pickle.dumps((True, work(*arguments)))
        except BaseException:
            answer = pickle.dumps((False, traceback.format_exc()))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    fine, value = pickle.loads(answer)
    assert fine, value
    return value


def plain(data: Any) -> Any:
    """Tensors as detached copies, so that results can be pickled and compared."""
    if isinstance(data, torch.Tensor):
        return data.detach().clone()
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items()}
    return [plain(value) for value in data] if isinstance(data, list | tuple) else data


def tensors(data: Any) -> Iterator[torch.Tensor]:
    """Every tensor in arguments: of modules their parameters and buffers, of containers their members."""
    if isinstance(data, torch.Tensor):
        yield data
    elif isinstance(data, torch.nn.Module):
        yield from (*data.parameters(), *data.buffers())
    elif isinstance(data, dict | list | tuple):
        for value in data.values() if isinstance(data, dict) else data:
            yield from tensors(value)


class Program:
    """A program's folder and main file, loaded in this process under the name of its file."""

    def __init__(self, folder: Path, file: str) -> None:
        self.folder, self.file = folder.resolve(), file
        self.backwards: list[Any] = []

    def line(self, frame: FrameType | None) -> Line | None:
        """The innermost line of the program's own files."""
        while frame is not None and not self.owns(frame.f_code):
            frame = frame.f_back
        return None if frame is None else (self.relative(frame.f_code), frame.f_lineno)

    def owns(self, code: CodeType) -> bool:
        return code.co_filename.startswith(f"{self.folder}/")

    def relative(self, code: CodeType) -> str:
        return code.co_filename.removeprefix(f"{self.folder}/")

    def load(self) -> dict[str, Any]:
        torch.set_num_threads(1)
        warnings.simplefilter("ignore")
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(self.folder))
        os.chdir(self.folder)
        path = self.folder / self.file
        module = sys.modules["program"] = ModuleType("program")
        module.__file__ = str(path)
        exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), vars(module))
        return vars(module)

    def main(self) -> Any:
        return self.load()["main"]()

    def note_backwards(self) -> None:
        """The root and the gradient of every leaf below it, at each `Tensor.backward`."""
        original = torch.Tensor.backward

        def backward(root: torch.Tensor, *arguments: Any, **keywords: Any) -> None:
            leaves = [node.variable for node in nodes(root.grad_fn) if hasattr(node, "variable")]
            original(root, *arguments, **keywords)
            self.backwards.append(plain([root, *(leaf.grad for leaf in leaves)]))

        torch.Tensor.backward = backward  # type: ignore[method-assign]

    def run(self, main: Callable[[], Any]) -> dict[str, Any]:
        try:
            return {"result": plain(main()), "backwards": self.backwards, "error": None}
        except Exception as error:
            frames = [each for each, _ in traceback.walk_tb(error.__traceback__) if self.owns(each.f_code)]
            lines = [line for each, line in traceback.walk_tb(error.__traceback__) if self.owns(each.f_code)]
            where = (self.relative(frames[-1].f_code), lines[-1]) if frames else None
            return {"error": f"{type(error).__name__}: {error}", "where": where, "backwards": self.backwards}


def nodes(start: Any) -> Iterator[Any]:
    """Every node of the graph below `start`, once."""
    seen, pending = set(), [start]
    while pending:
        node = pending.pop()
        if node is not None and node not in seen:
            seen.add(node)
            pending += [following for following, _ in node.next_functions]
            yield node


def wrap_hooks(packed: Callable[[torch.Tensor], Any], unpacked: Callable[[Any], torch.Tensor]) -> None:
    """Saved tensors pass `packed` before, and `unpacked` after, the hooks that the program itself sets."""
    original = saved_tensors_hooks.__init__

    def replaced(self: Any, pack: Callable[..., Any], unpack: Callable[..., Any]) -> None:
        if pack.__module__ == torch.utils.checkpoint.__name__:  # keeps nothing: backward computes it again
            original(self, pack, unpack)
            return

        def packing(tensor: torch.Tensor) -> tuple[Any, Any]:
            mark, copy = packed(tensor)
            return mark, pack(copy)

        def unpacking(pair: tuple[Any, Any]) -> Any:
            unpacked(pair[0])
            return unpack(pair[1])

        original(self, packing, unpacking)

    saved_tensors_hooks.__init__ = replaced  # type: ignore[method-assign]


class Watch:
    """Who changed what was saved: versions and contents of saved tensors, looked at before every line."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.last: Line | None = None
        self.saved: list[dict[str, Any]] = []

    def pack(self, tensor: torch.Tensor) -> tuple[int, torch.Tensor]:
        self.look()
        copy = tensor.detach().clone()
        where = self.program.line(sys._getframe())
        own = tensor if tensor.is_leaf else tensor.detach()  # autograd keeps a leaf itself, with what `.data` gives it
        self.saved.append({"tensor": own, "version": tensor._version, "copy": copy, "save": where})
        return len(self.saved) - 1, copy

    def unpack(self, index: int) -> None:
        self.look()
        frame: FrameType | None = sys._getframe()
        while frame is not None and frame.f_code is not ENGINE:
            frame = frame.f_back
        if "write" in self.saved[index]:
            self.saved[index].setdefault("backward", self.program.line(frame))

    def look(self) -> None:
        with torch.utils._python_dispatch._disable_current_modes(), torch.no_grad():
            for each in self.saved:
                if "write" not in each and self.changed(each):
                    each["write"] = self.last

    def changed(self, each: dict[str, Any]) -> bool:
        tensor, copy = each["tensor"], each["copy"]
        return tensor._version != each["version"] or not torch.equal(tensor.nan_to_num(), copy.nan_to_num())

    def by_itself(self, each: dict[str, Any]) -> bool:
        """Whether the saving op wrote it, as batch normalisation writes the statistics that it does not need again."""
        return each["write"] == each["save"] and each["tensor"]._version == each["version"]

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not self.program.owns(frame.f_code):
            return None
        self.look()
        self.last = self.program.line(frame.f_back if event == "return" else frame)
        return self.trace

    def offences(self) -> list[tuple[Line, Line, Line]]:
        """(save, write, backward) of every saved tensor that was written and then used."""
        found = [each for each in self.saved if "write" in each and "backward" in each and not self.by_itself(each)]
        return sorted({(each["save"], each["write"], each["backward"]) for each in found})


def run_plain(folder: Path, file: str) -> dict[str, Any]:
    program = Program(folder, file)
    program.note_backwards()
    return program.run(program.main)


def run_cloned(folder: Path, file: str) -> dict[str, Any]:
    program = Program(folder, file)
    program.note_backwards()
    wrap_hooks(lambda tensor: (None, tensor.detach().clone()), lambda mark: mark)

    def main() -> Any:
        with saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
            return program.main()

    return program.run(main)


def run_watched(folder: Path, file: str) -> list[tuple[Line, Line, Line]]:
    program = Program(folder, file)
    watch = Watch(program)
    wrap_hooks(watch.pack, watch.unpack)
    main = program.load()["main"]
    sys.settrace(watch.trace)
    with saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
        answer = program.run(main)
    sys.settrace(None)
    assert answer["error"] is None, answer["error"]
    return watch.offences()


def run_objective(folder: Path, file: str, name: str) -> dict[str, Any]:
    program = Program(folder, file)
    program.note_backwards()
    namespace = program.load()
    objective = namespace[name]

    def enabled(*arguments: Any) -> Any:
        with torch.enable_grad():
            return objective(*arguments)

    namespace[name] = enabled
    with torch.no_grad():
        return program.run(namespace["main"])


def along(leaf: torch.Tensor, index: int) -> torch.Tensor:
    """A fixed direction in the space of a leaf."""
    return torch.cos(torch.arange(leaf.numel(), dtype=torch.float64) + index).view_as(leaf)


def in_double(folder: Path, file: str, name: str, measure: Callable[..., Any]) -> Any:
    """What `measure(objective, arguments)` says at the program's first call of its objective."""
    torch.set_default_dtype(torch.float64)
    program = Program(folder, file)
    namespace = program.load()
    objective, found = namespace[name], []

    def measured(*arguments: Any) -> Any:
        found.append(measure(objective, arguments))
        raise Stop

    namespace[name] = measured
    answer = program.run(namespace["main"])
    assert found, answer["error"]
    return found[0]


def leaves_of(arguments: Any) -> list[torch.Tensor]:
    unique = {id(each): each for each in tensors(arguments) if each.requires_grad}
    return list(unique.values())


def run_slope(folder: Path, file: str, name: str) -> tuple[float, float]:
    def measure(objective: Callable[..., Any], arguments: Any) -> tuple[float, float]:
        leaves = leaves_of(arguments)
        with torch.random.fork_rng(devices=[]):
            loss = objective(*arguments)
        grads = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        slopes = [
            (grad * along(leaf, index)).sum() for index, (leaf, grad) in enumerate(zip(leaves, grads, strict=True))
        ]
        return loss.item(), float(sum(slopes))

    return in_double(folder, file, name, measure)


def run_differences(folder: Path, file: str, name: str) -> tuple[float, float]:
    def measure(objective: Callable[..., Any], arguments: Any) -> tuple[float, float]:
        leaves, held = leaves_of(arguments), list(tensors(arguments))
        kept = [each.detach().clone() for each in held]

        def at(offset: float) -> float:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                for index, leaf in enumerate(leaves):
                    leaf.add_(offset * along(leaf, index))
                value = objective(*arguments).item()
                for each, copy in zip(held, kept, strict=True):
                    each.copy_(copy)
            return value

        return at(0.0), (at(STEP) - at(-STEP)) / (2 * STEP)

    return in_double(folder, file, name, measure)
