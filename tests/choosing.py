"""What the tests of choices share: a scene from a program and markers in it, the text of a proposal, and its run."""

from __future__ import annotations

import ast
import contextlib
import functools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fixinplace import source
from fixinplace.repair.base import Proposal, Scene, Tier, repairs
from fixinplace.repair.code import Code
from fixinplace.repair.proposed import culprits
from fixinplace.trace.events import Offence, Place, Save, Write
from fixinplace.trace.tracer import Options, Tracer

PATH = "/project/train.py"
Marks = str | Sequence[str]


def code(text: str, path: str = PATH) -> Code:
    """A program as the repairs see it."""
    return Code(source.parse(path, text.encode()), ast.parse(text))


def place(program: Code, marker: str) -> Place:
    """Where a marker stands; `marker@2` is its second place."""
    text, _, number = marker.partition("@")
    whole = program.text.text
    assert whole.count(text) == 1 or number, f"{text!r} stands {whole.count(text)} times"
    start = -1
    for _ in range(int(number or 1)):
        start = whole.index(text, start + 1)
    (line, column), (end_line, end_column) = program.text.position(start), program.text.position(start + len(text))
    return Place(program.path, line, column, end_line, end_column, _function(program, line), text)


def _function(program: Code, line: int) -> str:
    names = [
        node.name
        for node in ast.walk(program.tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return ".".join(names) or "<module>"


@dataclass(frozen=True)
class Program:
    """A program with an offence in it; each of save, step and needed is a marker, or a stack of them from within."""

    text: str
    save: Marks
    step: Marks
    needed: Marks
    rule: str = "FIP201"
    note: str = ""
    node: str = ""
    by: str = "optimizer"
    code: Code = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", textwrap.dedent(self.text).lstrip("\n"))
        object.__setattr__(self, "code", code(self.text))

    @property
    def scene(self) -> Scene:
        """The offence as a trace would tell it."""
        save, step, needed = (self._stack(marks) for marks in (self.save, self.step, self.needed))
        offence = Offence(
            self.rule,
            Save(1, "linear", save[0], save),
            (Write(2, "add_", step[0], step, by=self.by),),
            needed[0],
            needed,
            node=self.node,
            saved_version=1,
            found_version=2,
            note=self.note,
        )
        return Scene(offence, lambda path: self.code if path == PATH else None)

    def _stack(self, marks: Marks) -> tuple[Place, ...]:
        return tuple(place(self.code, mark) for mark in ([marks] if isinstance(marks, str) else marks))

    def proposals(self) -> list[Proposal]:
        """What all forms propose, the best first."""
        found = [proposal for repair in repairs() for proposal in repair.propose(self.scene)]
        return sorted(found, key=lambda proposal: proposal.rank)

    def patched(self, proposal: Proposal) -> str:
        """The program with a proposal's edits made; it must compile."""
        (change,) = proposal.changes
        assert change.path == PATH and not change.wraps
        text = source.apply(self.text, change.edits)
        compile(text, PATH, "exec")
        return text


_HEAD = """
import torch
from torch import nn
import torch.nn.functional as F


def mlp(i, o):
    return nn.Sequential(nn.Linear(i, 8), nn.Tanh(), nn.Linear(8, o))


"""


def program(body: str, save: str | list[str], step: str | list[str], needed: str | list[str],
            rule: str = "FIP201", by: str = "optimizer") -> Program:  # fmt: skip
    """A program below the common imports."""
    return Program(_HEAD.lstrip("\n") + textwrap.dedent(body).lstrip("\n"), save, step, needed, rule, by=by)


Gradients = dict[str, torch.Tensor]


@dataclass
class Record:
    """What a run told: at each backward the gradients of all leaves, and how many nodes its graph had; at the end the
    parameters of the modules that `main()` returns.  `error` is what the run died of."""

    backwards: list[Gradients]
    nodes: list[int]
    parameters: Gradients
    error: str = ""


def equal(some: Gradients, others: Gradients) -> bool:
    """True if both name the same tensors, equal but for rounding."""
    return some.keys() == others.keys() and all(torch.allclose(some[k], others[k], atol=1e-6) for k in some)


@functools.cache
def run(text: str, cloned: bool = False) -> Record:
    """Run `main()` of a program with a fixed seed; `cloned` clones every saved tensor when it is saved.

    The gradients are asked for once more, besides those that the program takes, so that what it does with them and
    to which leaves it limits them plays no part.
    """
    found: list[dict[torch.Tensor, torch.Tensor]] = []
    nodes: list[int] = []
    plain = torch.Tensor.backward

    def backward(self: torch.Tensor, *arguments: Any, **keywords: Any) -> None:
        leaves, count = _leaves(self)
        given = torch.autograd.grad(self, leaves, *arguments, retain_graph=True, allow_unused=True)
        found.append({leaf: g for leaf, g in zip(leaves, given, strict=True) if g is not None})
        nodes.append(count)
        plain(self, *arguments, **keywords)

    namespace: dict[str, Any] = {}
    torch.manual_seed(0)
    torch.Tensor.backward = backward  # type: ignore[assignment,method-assign]
    try:
        with torch.autograd.graph.saved_tensors_hooks(_clone, _same) if cloned else contextlib.nullcontext():
            exec(compile(text, PATH, "exec"), namespace)
            modules, error = namespace["main"](), ""
    except RuntimeError as raised:
        modules, error = [], str(raised)
    finally:
        torch.Tensor.backward = plain  # type: ignore[method-assign]
    names = {p: f"{n}.{name}" for n, module in enumerate(modules) for name, p in module.named_parameters()}
    labelled = [{names.get(leaf, str(tuple(leaf.shape))): g for leaf, g in each.items()} for each in found]
    return Record(labelled, nodes, {name: p.detach() for p, name in names.items()}, error)


def _clone(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone()


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _leaves(root: torch.Tensor) -> tuple[list[torch.Tensor], int]:
    """The leaves of a graph in the order in which they are met, and the number of its nodes."""
    leaves: dict[torch.Tensor, None] = {}
    seen: set[Any] = set()
    todo: list[Any] = [root.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves[node.variable] = None
        todo += [each for each, _ in node.next_functions]
    return list(leaves), len(seen)


def traced(program: Program) -> list[Proposal]:
    """What the forms propose for the offences of a real traced run, the best first, each once."""
    found = culprits(offences(program.text), lambda path: program.code if path == PATH else None)
    unique = {(each.title, each.changes): each for culprit in found for each in culprit.proposals}
    return sorted(unique.values(), key=lambda proposal: proposal.rank)


def offences(text: str) -> tuple[Offence, ...]:
    """What a real traced run of a program shows."""
    options = Options(own=lambda path: path == PATH, texts={PATH: text})
    namespace: dict[str, Any] = {}
    with contextlib.suppress(RuntimeError), Tracer(options) as tracer:
        torch.manual_seed(0)
        exec(compile(text, PATH, "exec"), namespace)
        namespace["main"]()
    return tracer.trace().offences


def of(tier: Tier, proposals: Sequence[Proposal]) -> list[Proposal]:
    """The proposals of one tier."""
    return [proposal for proposal in proposals if proposal.tier is tier]
