"""Dtypes of what torch's calls return: the class that decides about gradients, and the width that promotion sees."""

from __future__ import annotations

import ast

from fixinplace import catalogue
from fixinplace.detect.frame import Frame
from fixinplace.detect.index import keyword
from fixinplace.detect.kinds import Dtype, Kind
from fixinplace.detect.values import Value
from fixinplace.walking import walk

WIDTHS = {
    "half": "float16", "float16": "float16", "bfloat16": "bfloat16", "float": "float32", "float32": "float32",
    "double": "float64", "float64": "float64", "cfloat": "complex64", "complex64": "complex64",
    "cdouble": "complex128", "complex128": "complex128",
}  # fmt: skip
"""Names of floating dtypes, as methods and as attributes of torch, with one spelling each."""
INTEGERS = ("int", "long", "short", "char", "byte", "int8", "int16", "int32", "int64", "uint8", "bool")
_INTEGER_TYPES = tuple(f"{name}Tensor" for name in ("Int", "Long", "Short", "Char", "Byte", "Bool"))
_FLOATING_TYPES = tuple(f"{name}Tensor" for name in ("Float", "Double", "Half", "BFloat16"))
_CONVERSIONS = ("Tensor.to", "Tensor.type", "Tensor.type_as")
_KEEPING = ("Tensor.cuda", "Tensor.cpu", "Tensor.to_dense", "Tensor.expand_as", "Tensor.new", "torch.clone")
"""Calls whose row leaves the dtype open and which keep that of their receiver."""

_COUNTING = ("sum", "nansum", "prod", "cumsum", "cumprod", "square", "trace", "bitwise_left_shift",
             "bitwise_right_shift", "bitwise_and", "bitwise_or", "bitwise_xor")  # fmt: skip
"""Calls that give integers for booleans, or may: measured over all methods whose row says that the dtype is kept."""


def dtype_of(frame: Frame, call: ast.Call, row: catalogue.Result, tensors: list[Value]) -> Dtype:
    """Class of the result's dtype; `tensors` are the operands, the receiver of a method first."""
    first = tensors[0].dtype if tensors else Dtype.FLOAT
    method = row.name.removeprefix("Tensor.")
    if method in INTEGERS or method in WIDTHS:
        return _named(method)
    if row.name in _CONVERSIONS:
        asked = _converted_to(frame, call)
        return first if asked is None else _asked(frame, asked)
    node = keyword(call, "dtype")
    if node is not None:
        return _asked(frame, node)
    if row.name == "torch.tensor" and _lists_truths(call):
        return Dtype.BOOL
    if row.name in _KEEPING or row.dtype is catalogue.Dtype.SAME:
        counted = first is Dtype.BOOL and row.name.rpartition(".")[2] in _COUNTING
        return Dtype.INT if counted else first
    return Dtype.ANY if row.dtype is catalogue.Dtype.ANY else Dtype(row.dtype)


def _lists_truths(call: ast.Call) -> bool:
    """True for `torch.tensor([True, False])`: lists of nothing but truth values make a mask."""
    if not call.args or any(keyword.arg is None for keyword in call.keywords):
        return False
    nodes = [node for node in walk(call.args[0]) if isinstance(node, ast.expr)]
    leaves = [node for node in nodes if not isinstance(node, ast.List | ast.Tuple)]
    return bool(leaves) and all(isinstance(node, ast.Constant) and isinstance(node.value, bool) for node in leaves)


def _named(name: str) -> Dtype:
    if name in ("bool", "BoolTensor"):
        return Dtype.BOOL
    if name in INTEGERS or name in _INTEGER_TYPES:
        return Dtype.INT
    return Dtype.FLOAT if name in WIDTHS or name in _FLOATING_TYPES else Dtype.ANY


def _asked(frame: Frame, node: ast.expr) -> Dtype:
    """`torch.long`, `torch.LongTensor`, `"torch.LongTensor"`, `y.dtype`, and a tensor whose dtype is taken."""
    match node:
        case ast.Constant(value=str(text)):
            return _named(text.rpartition(".")[2])
        case ast.Attribute(value=value, attr="dtype"):
            return _of(frame.evaluate(value))
        case ast.Attribute(attr=attr) if frame.evaluate(node).kind is Kind.PATH:
            return _named(attr)
        case ast.Name(id=name) if name in ("int", "float", "bool"):
            return _named(name)
    return _of(frame.evaluate(node))


def _of(value: Value) -> Dtype:
    return value.dtype if value.tensor else Dtype.ANY


def _converted_to(frame: Frame, call: ast.Call) -> ast.expr | None:
    """The argument of `to`, `type` and `type_as` that names a dtype, None if they only name a device."""
    given = [keyword(call, name) for name in ("dtype", "other")] + [a for a in call.args if not is_device(frame, a)]
    return next((node for node in given if node is not None), None)


def converts(frame: Frame, call: ast.Call, method: str) -> bool:
    """True for `.half()`, `.to(torch.float64)`: a conversion to a floating dtype that is not the default one."""
    if method in WIDTHS:
        return WIDTHS[method] != "float32"
    if method not in ("to", "type"):
        return False
    asked = _converted_to(frame, call)
    if asked is None:
        return False
    return _named_width(frame, asked) not in ("", "float32") and _asked(frame, asked) not in (Dtype.INT, Dtype.BOOL)


def width_of(frame: Frame, call: ast.Call, row: catalogue.Result, tensors: list[Value]) -> str:
    """Dtype that the code asks for, "" if it asks for none; see `Value.width`."""
    name = row.name.rsplit(".", 1)[-1]
    if row.name.startswith("Tensor.") and name in WIDTHS:
        return "" if WIDTHS[name] == "float32" and _is_default(frame) else WIDTHS[name]
    asked = [keyword(call, "dtype")] if keyword(call, "dtype") is not None else []
    if name in ("to", "type"):
        asked += [a for a in call.args if not is_device(frame, a)]
    elif name in ("type_as", "to_dense"):
        return frame.evaluate(call.args[0]).width if call.args else "?"
    asked += [a for a in call.args if _names_dtype(a)]
    for node in asked:
        if node is not None:
            return _named_width(frame, node)
    if any(k.arg is None for k in call.keywords) and frame.program.words.mixes:
        return "?"
    if name in ("float_power", "bincount"):  # float64 whatever they are given
        return "float64"
    if name in _TAKING and frame.program.words.mixes and not _is_literal(call.args[0] if call.args else None):
        return "?"
    widths = {v.width for v in tensors if v.dtype not in (Dtype.INT, Dtype.BOOL)}
    return widths.pop() if len(widths) == 1 else "" if not widths else "?"


def _names_dtype(node: ast.expr) -> bool:
    """True for `torch.float64`, `x.dtype` and names that are called so, given by position."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return "dtype" in name or (isinstance(node, ast.Attribute) and name in WIDTHS)


_TAKING = ("tensor", "as_tensor", "asarray", "from_numpy", "new_tensor", "frombuffer", "from_file", "from_dlpack")
"""Calls whose result has the dtype of the data that they are given."""


def _is_literal(node: ast.expr | None) -> bool:
    """True for numbers that are written down."""
    match node:
        case ast.Constant(value=int() | float()):
            return True
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return all(map(_is_literal, elements))
        case ast.UnaryOp(operand=operand):
            return _is_literal(operand)
        case ast.BinOp(left=left, right=right):
            return _is_literal(left) and _is_literal(right)
    return False


def _named_width(frame: Frame, node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        if node.attr == "dtype":
            owner = frame.evaluate(node.value)
            return owner.width if owner.tensor else "?" if frame.program.words.mixes else ""
        width = WIDTHS.get(node.attr, "" if node.attr in INTEGERS else "?")
        return "" if width == "float32" and _is_default(frame) else width
    value = frame.evaluate(node)
    return value.width if value.tensor else "?"


def _is_default(frame: Frame) -> bool:
    """True if float32 is what all else has: nothing that has to do with this names another dtype, or converts."""
    return not frame.program.words.mixes and frame.program.words.dtype_word is None


def is_device(frame: Frame, node: ast.expr) -> bool:
    """True for what `x.to` takes as a device: strings, numbers, names and attributes called so."""
    match node:
        case ast.Constant(value=str(text)):
            return not text.endswith("Tensor")
        case ast.Constant(value=int()):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return "device" in name.lower() or name in ("rank", "gpu", "local_rank") or name == "non_blocking"
        case ast.Call(func=ast.Attribute(attr="device" | "current_device")):
            return True
        case ast.IfExp(body=body, orelse=orelse):
            return is_device(frame, body) and is_device(frame, orelse)
    return False
