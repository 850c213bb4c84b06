"""Third choice where two optimizers share parameters: the later loss differentiated before the step.

Note [Taken ahead]
    Each optimizer is to step on the gradients of its own loss, all of them at the weights of the forward.  Moving the
    step behind the failing backward adds up the gradients of what both step; so the gradients of the later loss are
    taken with `torch.autograd.grad` while the weights are the old ones, and given to the later optimizer's parameters
    where the failing backward stood.  Its own clearing has to stand in between: what the gradients were added to would
    be lost otherwise.  Parameters that the later optimizer does not step get no gradient from its loss any more.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.repair.base import Change
from fixinplace.repair.steps.along import cleared
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.later import Later, later
from fixinplace.repair.steps.lines import common
from fixinplace.repair.steps.moving import CannotMove, checked, pasted_before
from fixinplace.repair.steps.optimizers import clears, step_of
from fixinplace.repair.steps.paths import touch
from fixinplace.repair.steps.situation import Situation


def taken_ahead(at: Situation) -> Iterator[Choice]:
    """The gradients of the failing loss taken before the step; see Note [Taken ahead]."""
    shared = common(at.code, at.write, at.needed)
    owner = _owner(at)
    if shared is None or owner is None or not _alone(at):
        return
    block, first, last = shared
    between = block[first + 1 : last]
    if block[first] is not at.write or block[last] is not at.needed or first >= last:
        return
    shares = any(clears(node) == owner.names[0] and cleared(at, owner.names[0], [at.optimizer]) is None
                 for node in between)  # fmt: skip
    if not shares or _changed(at, between):
        return
    torch = at.code.name_of("torch")
    if torch is not None:
        yield from _choice(at, owner, torch)


def _owner(at: Situation) -> Later | None:
    """The one optimizer that steps behind the failing backward, and that the function can name."""
    found = later(at)
    if found is None or len(found.names) != 1 or found.names[0] == at.optimizer or not found.reachable:
        return None
    return found


def _alone(at: Situation) -> bool:
    """True for a statement `loss.backward()` of the frame itself, in which `retain_graph` is the only argument."""
    call = at.needed.value if isinstance(at.needed, ast.Expr) else None
    owner = at.backward.call.func.value if isinstance(at.backward.call.func, ast.Attribute) else None
    plain = at.inside and at.backward.of_tensor and call is at.backward.call and step_of(at.write) is not None
    arguments = all(each.arg == "retain_graph" for each in at.backward.call.keywords)
    return plain and arguments and isinstance(owner, ast.Name | ast.Attribute)


def _changed(at: Situation, between: list[ast.stmt]) -> bool:
    """True if the loss is bound, or changed, behind the step."""
    return any(touch(at.reader.facts(node).writes, at.wanted) for node in between)


def _choice(at: Situation, owner: Later, torch: str) -> Iterator[Choice]:
    stem = owner.names[0].rpartition(".")[2]
    names = [f"{stem}_{word}" for word in ("params", "grads")]
    if any(name in at.code.text.text for name in names) or not stem.isidentifier():
        return
    params, grads = names
    keep = ", retain_graph=True" if at.backward.keeps_graph else ""
    ahead = [
        f'{params} = [p for group in {owner.names[0]}.param_groups for p in group["params"]]',
        f"{grads} = {torch}.autograd.grad({at.backward.loss}, {params}{keep}, allow_unused=True)",
    ]
    head = at.code.head(at.needed)
    given = f"for p, grad in zip({params}, {grads}):{at.code.newline}{head}    p.grad = grad"
    try:
        edits = checked(at.code, (pasted_before(at.code, at.write, ahead), at.code.replace(at.needed, given)))
    except CannotMove:
        return
    meaning = (
        f"`{at.optimizer}` and `{owner.names[0]}` step each on the gradients of its own loss alone, both taken at the "
        f"weights that the forward used. What `{owner.names[0]}` does not step gets no gradient from {at.loss}."
    )
    title = f"the gradients of {at.loss} taken before `{at.one_line(at.write)}`, and used where they were"
    yield Choice(title, meaning, (Change(at.code.path, edits),), 12)
