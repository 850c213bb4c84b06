"""A leaf that a function is given and writes, while its caller asks for the gradient of it.

Note [The caller's leaf]
    `image.requires_grad_()`, `loss = net(image)`, `image.grad`, and the forward of `net` begins with `x -= mean`.  If
    that write reached the caller's tensor, it would be a result, no leaf, and `.grad` would be None.  Who asks for it
    can only mean that the tensor stays as it was, and the gradient at that value.  So where the rewritten version's
    forward-mode run stops at the same question, about a leaf that it has not written, the two may differ in that
    tensor: the one with the value that was written, the other with the value that the leaf had when it was first used.
    Everything else is compared as ever, and the evidence names the convention.
      Where nothing was computed with what was written, an edit that loses it would pass: then nothing is said.
      What becomes of a parameter that an optimizer steps is another matter, see Note [A leaf that was written].
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fixinplace.verify.jobs import Comparison, Difference, Json, Run

CONVENTION = (
    "convention: a tensor that is passed to a function, and whose gradient is asked for, keeps the value that it was "
    "passed with, and the gradient is the one there"
)
_ARGUMENT = re.compile(r"\(\) argument ")
"""Of a function, as it is after a call: who looks at those is asked elsewhere."""
_ASKS = ("the program reads `.grad`", "the program goes on with what `torch.autograd.grad` returns")


def is_asked_as_given(original: Run, rewritten: Run) -> bool:
    """True if both stop where the gradient of a leaf is asked for, which the rewritten version has not written."""
    ends = original.forward, rewritten.forward
    if ends[0] is None or ends[1] is None or not (ends[0].concerned and ends[0].flows):
        return False
    alike = ends[0].stopped == ends[1].stopped and ends[0].stopped in _ASKS
    return alike and ends[1].flows and not ends[1].leaf_written


def without(comparison: Comparison, original: Run, rewritten: Run) -> Comparison:
    """What else differs than variables that are such a leaf, in the one run as written, in the other as first used."""
    rest = [each for each in comparison.differences if not _is_the_leaf(each, original, rewritten)]
    return replace(comparison, differences=tuple(rest))


def _is_the_leaf(difference: Difference, original: Run, rewritten: Run) -> bool:
    if _ARGUMENT.search(difference.path):
        return False
    ours, theirs = _digest(original, difference.path), _digest(rewritten, difference.path)
    leaves = (leaf for row in _rows(original) for leaf in row.get("leaves", ()))
    return bool(ours and theirs) and any((leaf["now"], leaf["attached"]) == (ours, theirs) for leaf in leaves)


def _digest(run: Run, path: str) -> str:
    """That of the tensor with this path; empty if there is none, or several."""
    found = {str(row.get("digest")) for row in _rows(run) if row["kind"] == "tensor" and row["path"] == path}
    return found.pop() if len(found) == 1 else ""


def _rows(run: Run) -> Iterator[Json]:
    with (Path(run.folder) / "manifest.jsonl").open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
