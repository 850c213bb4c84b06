"""The backward that failed: the call as it is written, and the same call with more arguments."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from fixinplace.model import Edit, Span
from fixinplace.repair.base import Change
from fixinplace.repair.code import Code
from fixinplace.repair.steps.paths import Paths, reads


@dataclass(frozen=True)
class Backward:
    """A call of `backward` or of `torch.autograd.grad` in a file of the user's."""

    code: Code
    call: ast.Call

    @property
    def text(self) -> str:
        """The call on one line."""
        return " ".join(self.code.source_of(self.call).split())

    @property
    def accumulates(self) -> bool:
        """True if it adds to `.grad`; `torch.autograd.grad` returns the gradients instead."""
        return self._attr == "backward"

    @property
    def _attr(self) -> str:
        return self.call.func.attr if isinstance(self.call.func, ast.Attribute) else ""

    @property
    def loss(self) -> str:
        """What is differentiated, as it is written."""
        match self.call:
            case ast.Call(func=ast.Attribute(value=owner, attr="backward"), args=[]):
                return " ".join(self.code.source_of(_unscaled(owner)).split())
            case ast.Call(args=[first, *_]):
                return " ".join(self.code.source_of(first).split())
        return self.text

    @property
    def of_tensor(self) -> bool:
        """True for `loss.backward(...)` itself, whose arguments are known."""
        return self.accumulates and not self.call.args

    def has(self, keyword: str) -> bool:
        """True if the call has this keyword, or `**` that may hold it."""
        return any(each.arg in (keyword, None) for each in self.call.keywords)

    @property
    def keeps_graph(self) -> bool:
        """True if the call names `retain_graph`."""
        return any(each.arg == "retain_graph" for each in self.call.keywords)

    def with_argument(self, keyword: str, value: str) -> Change | None:
        """The call with one keyword more; None where it is not known to take it, or has it."""
        if not self.of_tensor or self.has(keyword):
            return None
        end = self.code.text.span(self.call).end - 1
        before = self.code.text.text[:end].rstrip()
        comma = "" if before.endswith(("(", ",")) else ", "
        if before.endswith(","):
            comma = " "
        return Change(self.code.path, (Edit(Span(end, end), f"{comma}{keyword}={value}"),))


def _unscaled(node: ast.expr) -> ast.expr:
    """The loss in `scaler.scale(loss)`."""
    match node:
        case ast.Call(func=ast.Attribute(attr="scale"), args=[loss]):
            return loss
    return node


def losses(node: ast.AST) -> Paths:
    """What the backwards in a statement differentiate."""
    found: set[str] = set()
    for call in ast.walk(node):
        match call:
            case ast.Call(func=ast.Attribute(attr="grad"), args=[first, *_]):
                found |= reads(first)
            case ast.Call(func=ast.Attribute(value=owner, attr="backward" | "manual_backward")):
                found |= reads(_unscaled(owner)).union(*map(reads, call.args))
    return frozenset(found)
