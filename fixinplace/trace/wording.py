"""torch's own words for what its check would have raised."""

from __future__ import annotations

from typing import Any

import torch

from fixinplace.trace.saves import DETACHED, Difference

_DETACHED = (
    "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not supported, please "
    "use out-of-place `.detach()` instead"
)


def of(difference: Difference) -> str:
    """The message of the RuntimeError."""
    if difference.kind == DETACHED:
        return _DETACHED
    save = difference.save
    kept: Any = save.kept
    tensor = None if save.object is None else save.object()
    node: Any = None if tensor is None else tensor.grad_fn
    maker = f", which is output {tensor.output_nr} of {node.name()}," if tensor is not None and node is not None else ""
    hint = (
        "the backtrace further above shows the operation that failed to compute its gradient. The variable in question "
        "was changed in there or anywhere later. Good luck!"
        if torch.is_anomaly_enabled()
        else "enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True)."
    )
    return (
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{kept.type()} {list(kept.shape)}]{maker} is at version {difference.found}; expected version {save.version} "
        f"instead. Hint: {hint}"
    )
