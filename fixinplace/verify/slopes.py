"""What a forward-mode run records: at each backward the derivative of what is asked for, along the run's direction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from fixinplace.verify import tensors
from fixinplace.verify.directions import inner
from fixinplace.verify.duals import Leaves, looking, tangent
from fixinplace.verify.gradients import Recorder, cotangent
from fixinplace.verify.records import Records

_BASE: Any = torch._C.TensorBase
_dtype, _ones_like, _detach = _BASE.dtype.__get__, torch.ones_like, _BASE.detach
_autocasts: Any = torch.is_autocast_enabled
_DOUBLE, _HALF = 1e-12, torch.finfo(torch.bfloat16).eps
_NARROW = {torch.float32, torch.complex64, torch.float16, torch.bfloat16, torch.complex32}


class Slopes:
    """Writes one `derivative` record per backward; `count` of them so far.

    eps: that of the coarsest tracked value seen; it says how exact the derivative can be.
    """

    def __init__(self, records: Records, recorder: Recorder, leaves: Leaves) -> None:
        self._records, self._recorder, self._leaves = records, recorder, leaves
        self.eps = torch.finfo(torch.float64).eps
        self.count = 0

    def look_at(self, result: object) -> None:
        """Take notice of the dtype of what an operation has computed, if it is tracked."""
        values = result if isinstance(result, (tuple, list)) else (result,)
        for value in values:
            if tensors.is_tensor(value) and (dtype := _dtype(value)) in _NARROW:
                eps = torch.finfo(dtype).eps
                if eps > self.eps and tangent(value) is not None:
                    self.eps = eps
        if self.eps > _DOUBLE and (_autocasts("cpu") or _autocasts("cuda")):
            self.eps = max(self.eps, _HALF)  # it casts inside of torch's own functions as well, but not float64

    def backward(self, outputs: Sequence[Any], cotangents: Sequence[Any]) -> None:
        """The derivative of the roots of one backward, weighted with its cotangents; ones where it gives none."""
        event = self._recorder.begin()["path"]
        given = [*cotangents, *[None] * (len(outputs) - len(cotangents))]
        with looking():
            # torch gives ones to roots that require grad: none that was computed here, and a leaf written in place
            ones = [
                _ones_like(root) if weight is None else weight for root, weight in zip(outputs, given, strict=False)
            ]
        self._recorder.roots(event, outputs, ones, {"requires_grad": True, "leaf": False})
        self._record(event, [(root, weight) for root, weight in zip(outputs, given, strict=False)])

    def result(self, path: str, tensor: torch.Tensor, named: dict[int, str]) -> None:
        """The derivative of an observed result, weighted as `Recorder.results` weights its gradient.

        named: paths of observed tensors by id, which name leaves that no variable leads to.
        """
        self._record(f"gradient of {path}", [(tensor, cotangent(path, tensor))], named)

    def _record(
        self, event: str, weighted: list[tuple[torch.Tensor, torch.Tensor | None]], named: dict[int, str] | None = None
    ) -> None:
        value = scale = 0.0
        for root, weight in weighted:
            moved = tangent(root)
            self.look_at(root)
            if moved is None:
                continue
            with looking():
                parts = inner(_ones_like(moved) if weight is None else _detach(weight), moved)
            value, scale = value + parts[0], scale + parts[1]
        self.count += 1
        row = {"kind": "derivative", "path": event, "value": value, "scale": scale, "eps": self.eps}
        self._records.rows.append({**row, "leaves": self._leaves.rows(partial(self._recorder.names, named or {}))})
