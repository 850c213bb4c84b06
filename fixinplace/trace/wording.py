"""torch's own words for what its check would have raised."""

from __future__ import annotations

import re
from typing import Any

import torch

from fixinplace.trace.saves import AGAIN, DETACHED, Difference, is_output
from fixinplace.verify.errors import FREED

_SUFFIX = re.compile(r"Backward0?")
_COMPLEX = {torch.complex32: "ComplexHalf", torch.complex64: "ComplexFloat", torch.complex128: "ComplexDouble"}
_DETACHED = (
    "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not supported, please "
    "use out-of-place `.detach()` instead"
)


def of(difference: Difference) -> str:
    """The message of the RuntimeError."""
    if difference.kind == DETACHED:
        return _DETACHED
    if difference.kind == AGAIN:
        return FREED
    shown = _shown(difference)
    kind = shown.type() if not shown.is_complex() else f"{shown.device.type.upper()}{_COMPLEX[shown.dtype]}Type"
    moved = f"is at version {difference.found}; expected version {difference.save.version} instead"
    hint = (
        "the backtrace further above shows the operation that failed to compute its gradient. The variable in question "
        "was changed in there or anywhere later. Good luck!"
        if torch.is_anomaly_enabled()
        else "enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True)."
    )
    return (
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{kind} {list(shown.shape)}]{_maker(difference)} {moved}. Hint: {hint}"
    )


def _shown(difference: Difference) -> Any:
    """Of an input the tensor as it is now, which may have another shape."""
    save = difference.save
    tensor = None if save.object is None else save.object()
    return save.kept if tensor is None or is_output(save, difference.node) else tensor


def _maker(difference: Difference) -> str:
    """Of an output, the node that saved it; of an input, whatever made it what it is now."""
    tensor = None if difference.save.object is None else difference.save.object()
    if tensor is None:
        return ""
    node: Any = difference.node if is_output(difference.save, difference.node) else tensor.grad_fn
    return "" if node is None else f", which is output {tensor.output_nr} of {_SUFFIX.sub('', node.name())},"
