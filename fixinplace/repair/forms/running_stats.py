"""A training-mode batch norm changes statistics that an evaluation-mode forward saved.

Note [Statistics made anew]
    The statistics that the training-mode forward changes are to be others than those that were saved: the module gets
    clones of its own under the same names, right before that forward.  A copy where the statistics are read would do
    as well, but the reading is done inside of torch.  A module keeps a buffer that is assigned as its buffer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.steps.telling import explained

_STATISTICS = ("running_mean", "running_var")
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)
_RANK = 6
_LONGEST = 120

_REMEDY = (
    "take the backward of the evaluation-mode forward before the next training-mode one, or let that forward "
    "use clones of the statistics"
)
_WHY = (
    "In evaluation mode batch norm saves its running statistics for the backward, in training mode it changes "
    "them, and torch does not count that as a write: the gradient is wrong and nothing raises."
)


def propose(scene: Scene) -> Iterator[Proposal]:
    """Statistics of its own for the forward that changes them; what happened, where, and the documented remedy."""
    yield from _made_anew(scene)
    yield from explained(scene, "FIP305", "running-stats", _REMEDY, _WHY)


def _made_anew(scene: Scene) -> Iterator[Proposal]:
    """See Note [Statistics made anew]."""
    writes = scene.offence.writes if scene.offence.rule == "FIP305" else ()
    spot = scene.node(writes[0].place) if writes else None
    owner = next((found for write in writes for name in write.names if (found := _owner(name))), "")
    statement = None if spot is None else spot[0].statement(spot[1])
    if spot is None or not owner or not isinstance(statement, _SIMPLE):
        return
    code, (mean, var) = spot[0], (f"{owner}.{each}" for each in _STATISTICS)
    head, text = code.head(statement) or "", f"{mean}, {var} = {mean}.clone(), {var}.clone()"
    if len(head + text) > _LONGEST:
        text = f"{mean} = {mean}.clone(){code.newline}{head}{var} = {var}.clone()"
    edit = code.before_statement(statement, text)
    if edit is not None:
        title = f"`{mean}` and `{var}` made anew before they change"
        caveat = f"who else holds the statistics of `{owner}` keeps the old ones"
        yield Proposal("running-stats", Tier.PATCH, title, (Change(code.path, (edit,)),), rank=_RANK, caveats=(caveat,))


def _owner(name: str) -> str:
    """`self.body[1]` for `self.body.1.running_mean`; empty for a name that is no path to a module's statistics."""
    *parts, last = name.split(".")
    if last not in _STATISTICS or not parts or not all(each.isidentifier() or each.isdecimal() for each in parts):
        return ""
    return parts[0] + "".join(f"[{each}]" if each.isdecimal() else f".{each}" for each in parts[1:])


REPAIR = Repair(
    name="running-stats",
    what="Gives the module clones of its statistics before the forward that changes them; or says to take the backward"
    " first.",
    why="The kernels of batch norm write the statistics without moving their version.",
    propose=propose,
)
