"""What methods of modules give that go through parts and weights: `net.children()`, `net.named_parameters()`."""

from __future__ import annotations

from fixinplace.detect.kinds import Dtype, Kind, Origin
from fixinplace.detect.values import STRING, Memory, Value, sequence

_CHILDREN = ("modules", "children", "parameters", "buffers")
_NAMED = ("named_modules", "named_children", "named_parameters", "named_buffers")


def gone_through(method: str, module: Value) -> Value | None:
    """A list of parts or of leaves, with their names if the method says so; None for other methods."""
    held = frozenset((Memory(Origin.ATTRIBUTE, "parameters()"),))
    leaf = Value(Kind.TENSOR, 3, True, Dtype.FLOAT, held, leaf=True)
    one = Value(Kind.MODULE, 2, name="", flags=module.flags) if method.endswith(("modules", "children")) else leaf
    if method in _CHILDREN:
        return sequence((one,))
    return sequence((sequence((STRING, one), exact=True),)) if method in _NAMED else None
