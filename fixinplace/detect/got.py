"""`getattr(x, "a")`: what it gives, of a tensor or of a module."""

from __future__ import annotations

import ast

from fixinplace.detect.asking import is_asked_only
from fixinplace.detect.attributes import of_tensor
from fixinplace.detect.functions import Functions
from fixinplace.detect.given import is_layer
from fixinplace.detect.kinds import Kind
from fixinplace.detect.named import got_by_name, is_imported
from fixinplace.detect.values import UNKNOWN, Value, join
from fixinplace.detect.weights import is_used_as_tensor


def got(frame: Functions, node: ast.Call, arguments: list[Value]) -> Value:
    """What a call of `getattr` gives; of a tensor, a method or what has a name that is computed may keep the tensor."""
    if is_imported(node.args[0], frame.body, frame.program.tree):
        return frame.unseen(node, arguments)
    asked = is_asked_only(node, frame.above)
    if not asked and arguments[0].tensor:
        return _of_tensor(node, arguments) or frame.unseen(node, arguments)
    if asked or is_used_as_tensor(node, frame.above, frame.program.tree):
        return UNKNOWN
    found = got_by_name(frame, arguments[0], node.args[1], node.args[0])
    known = found is not None and (found.kind is Kind.MODULE or is_layer(found))
    return found if known and found is not None else frame.unseen(node, arguments)


def _of_tensor(call: ast.Call, arguments: list[Value]) -> Value | None:
    """`getattr(x, "T")` of a tensor, which is `x.T`; None for methods and for names that are computed."""
    match call.args[1]:
        case ast.Constant(value=str(attr)):
            found = of_tensor(arguments[0], attr)
            found = join(found, arguments[2]) if len(arguments) > 2 and found.tensor else found
            return found if found.kind is not Kind.OTHER else None
    return None
