"""`module.inplace = True`: `module.inplace = False`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Refused
from fixinplace.rewrite.arguments import is_true
from fixinplace.rewrite.base import Case, Effect, Example, Node, Rewrite


def _takes(case: Case, node: Node) -> bool:
    return isinstance(node, cst.Assign)


def _refusal(case: Case, node: Node) -> Refused | None:
    assert isinstance(node, cst.Assign)
    targets = [one.target for one in node.targets]
    if not all(isinstance(one, cst.Attribute) and one.attr.value == "inplace" for one in targets):
        return Refused("no-safe-place", "the statement sets more than `inplace`")
    if not is_true(node.value):
        return Refused("unknown-op", "whether the module writes in place is decided by a value that is not known here")
    return None


def _edit(case: Case, node: Node) -> cst.Assign:
    assert isinstance(node, cst.Assign)
    return node.with_changes(value=cst.Name("False"))


_BEFORE = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()
        self.relu.inplace = True

    def forward(self, x):
        return self.relu(torch.tanh(x))

def f(x):
    return Net()(x)
"""

REWRITE = Rewrite(
    name="inplace-attribute",
    rules=("FIP108",),
    what="`module.inplace = True` becomes `module.inplace = False`.",
    why="A module whose flag is switched on later writes into what it is called with, as if it had been built so.",
    safety="Never called safe: which calls the module serves, and who holds their arguments, cannot be seen.",
    examples=(Example(before=_BEFORE, after=_BEFORE.replace("inplace = True", "inplace = False")),),
    effect=Effect.REPLACE,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    cost="one more activation is alive at each call",
    exact=lambda case, node: False,
)
