"""What the tests of choices share: a scene from a program and markers in it, the text of a proposal, and its run."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fixinplace import source
from fixinplace.repair.base import Proposal, Scene, repairs
from fixinplace.repair.code import Code
from fixinplace.trace.events import Offence, Place, Save, Write

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
            (Write(2, "add_", step[0], step, by="optimizer"),),
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


def texts(program: Program) -> Iterator[str]:
    """The result of each proposal that changes something."""
    yield from (program.patched(proposal) for proposal in program.proposals() if proposal.changes)


def run(text: str, cloned: bool = False) -> dict[str, Any]:
    """What `main()` of a program returns, with a fixed seed; `cloned` clones every saved tensor when it is saved."""
    namespace: dict[str, Any] = {}
    exec(compile(text, PATH, "exec"), namespace)
    torch.manual_seed(0)
    if not cloned:
        return namespace["main"]()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        return namespace["main"]()
