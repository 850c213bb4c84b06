"""The expressions that draw a recorded tensor anew: other values, the same everything else."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from fixinplace.record.hook.bounds import parts
from fixinplace.record.schema import INTEGERS

Json = dict[str, Any]
_WIDER = {"float32": "float64", "complex64": "complex128"}


def has_tensor(value: Any) -> bool:
    """True if a part of a call holds a tensor, also one that was met before."""
    if isinstance(value, dict) and ("tensor" in value or "same" in value):
        return True
    return any(map(has_tensor, parts(value)))


class Drawing:
    """Of one call, whose tensors are these; `lines` are what stands before all expressions."""

    def __init__(self, double: bool, tracked: bool, unit: bool, tensors: list[Json]) -> None:
        self._double = double
        self._tracked = tracked
        self._unit = unit
        self._shared = {each["number"]: each for each in tensors if "number" in each}
        self._memories: dict[int, list[Json]] = defaultdict(list)
        for each in tensors:
            if "memory" in each:
                self._memories[each["memory"]].append(each)

    def lines(self) -> Iterator[str]:
        """Memory that several tensors share, and tensors that are passed more than once."""
        for number, tensors in sorted(self._memories.items()):
            yield f"memory_{number} = {self._memory(tensors)}"
        for number, tensor in sorted(self._shared.items()):
            yield f"tensor_{number} = {self._code(tensor)}"

    def code(self, value: Json) -> str:
        """The expression for a tensor."""
        number = value.get("same", value.get("number"))
        return self._code(value) if number is None else f"tensor_{number}"

    def _memory(self, tensors: list[Json]) -> str:
        count = max(each["offset"] + _reach(each["tensor"], each["stride"]) for each in tensors)
        whole = {"tensor": [count], "dtype": tensors[0]["dtype"]}
        if "low" in tensors[0]:
            known = [each for each in tensors if "low" in each]
            whole |= {"low": min(each["low"] for each in known), "high": max(each["high"] for each in known)}
        if any("grad" in each for each in tensors):
            whole["grad"] = "computed"
        return self._code(whole)

    def _code(self, value: Json) -> str:
        if "memory" in value:
            place = f"{_tuple(value['tensor'])}, {_tuple(value['stride'])}, {value['offset']}"
            return f"memory_{value['memory']}.as_strided({place})"
        stride = value.get("stride")
        if stride is not None and 0 in stride:
            whole = [1 if step == 0 else size for size, step in zip(value["tensor"], stride, strict=True)]
            return f"{_whole(self._graded(value, self._values(value, whole)))}.expand({_tuple(value['tensor'])})"
        code = self._values(value, value["tensor"])
        if stride is not None:
            place = f"{_tuple(value['tensor'])}, {_tuple(stride)}{self._ending(value)}"
            code = f"torch.empty_strided({place}).copy_({code})"
        return self._graded(value, code)

    def _graded(self, value: Json, code: str) -> str:
        grad = value.get("grad") or ("computed" if self._tracked and not _is_discrete(value) else None)
        if value.get("parameter"):
            return f"nn.Parameter({code}{'' if grad else ', requires_grad=False'})"
        if grad == "leaf" and not self._tracked:
            return f"{_whole(code)}.requires_grad_()"
        return f"given({code})" if grad else code

    def _dtype(self, value: Json) -> str:
        dtype = value["dtype"]
        return f"torch.{_WIDER.get(dtype, dtype) if self._double else dtype}"

    def _ending(self, value: Json) -> str:
        """The dtype as a further argument; none for the default, which a proof in float64 exchanges."""
        dtype = self._dtype(value)
        return "" if dtype == "torch.float32" else f", dtype={dtype}"

    def _values(self, value: Json, shape: list[int]) -> str:
        place = _tuple(shape)
        if value["dtype"] == "bool":
            return f"torch.rand({place}) > 0.3"
        dtype = self._dtype(value)
        if value["dtype"] in INTEGERS:
            return f"torch.randint({value.get('low', 0)}, {value.get('high', 0) + 1}, {place}, dtype={dtype})"
        ending = self._ending(value)
        return f"torch.rand({place}{ending}) * 0.8 + 0.1" if self._unit else f"torch.randn({place}{ending})"


def _whole(code: str) -> str:
    """An expression of which a method can be called."""
    return code if " " not in code.rpartition(")")[2] else f"({code})"


def _is_discrete(value: Json) -> bool:
    return value["dtype"] in (*INTEGERS, "bool")


def _tuple(sizes: list[int]) -> str:
    return repr(tuple(sizes))


def _reach(shape: list[int], stride: list[int]) -> int:
    """How many elements of memory a tensor spans."""
    if math.prod(shape) == 0:
        return 0
    return 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
