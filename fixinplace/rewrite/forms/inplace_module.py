"""`nn.ReLU(inplace=True)`: `nn.ReLU()`; `act_layer(inplace=True)`: `act_layer(inplace=False)`."""

from __future__ import annotations

import libcst as cst

from fixinplace.model import Refused
from fixinplace.rewrite.arguments import flag, is_true, switched_off, without
from fixinplace.rewrite.base import Case, Effect, Example, Node, Rewrite
from fixinplace.rewrite.conditions import draws_the_same


def _takes(case: Case, node: Node) -> bool:
    return isinstance(node, cst.Call)


def _refusal(case: Case, node: Node) -> Refused | None:
    assert isinstance(node, cst.Call)
    index = flag(node, case.writer)
    if index is None or not (case.facts.perhaps or is_true(node.args[index].value)):
        return Refused("unknown-op", "whether the module writes in place is decided by a value that is not known here")
    return None


def _edit(case: Case, node: Node) -> cst.BaseExpression:
    assert isinstance(node, cst.Call)
    index = flag(node, case.writer)
    assert index is not None
    return (without(node, index) if _names_class(case, node) else None) or switched_off(node, index)


def _names_class(case: Case, node: cst.Call) -> bool:
    """True for `nn.ReLU(...)`; what `act_layer(...)` makes may have its flag on without being told to."""
    said = [node.func, *(argument.value for argument in node.args[:1])]  # `partial(nn.ELU, inplace=True)`
    names = [one.attr if isinstance(one, cst.Attribute) else one for one in said]
    cls = case.writer.name.partition("(")[0].rpartition(".")[2]
    return any(isinstance(name, cst.Name) and name.value == cls for name in names)


_BEFORE = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = torch.tanh(x)
        z = self.relu(y)
        return z + y

def f(x):
    return Net()(x)
"""

REWRITE = Rewrite(
    name="inplace-module",
    rules=("FIP107",),
    what="`nn.ReLU(inplace=True)` becomes `nn.ReLU()`. A call of the module whose caller reads the tensor afterwards "
    "binds it: `z = self.relu(y)` becomes `y = z = self.relu(y)`, and `self.relu(y)` alone `y = self.relu(y)`. "
    "`nn.ReLU(inplace=flag)` becomes `nn.ReLU()` if `flag` may be `True` and no caller reads the tensor afterwards.",
    why="A module with its flag on writes into what it is called with: the result of the module before it, or, for "
    "the first one of a `Sequential`, a tensor of the caller's.",
    safety="Called safe where every call in the file passes what nobody else looks at, or the module stands in a "
    "`Sequential` behind one that makes a new tensor; that no hook and no code in another file keeps what the module "
    "is called with is assumed, and said.",
    examples=(
        Example(
            before=_BEFORE,
            after=_BEFORE.replace("nn.ReLU(inplace=True)", "nn.ReLU()").replace("z = self", "y = z = self"),
        ),
    ),
    effect=Effect.REPLACE,
    takes=_takes,
    edit=_edit,
    refusal=_refusal,
    cost="one more activation is alive at each call",
    exact=lambda case, node: draws_the_same(case.writer),
)
