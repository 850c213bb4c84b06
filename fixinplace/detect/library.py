"""What calls into libraries give, by the catalogue for torch and by a few rules for the rest."""

from __future__ import annotations

import ast
from dataclasses import replace

from fixinplace import catalogue
from fixinplace.detect.frame import Frame
from fixinplace.detect.values import (
    ARRAY,
    NOWHERE,
    NUMBER,
    OTHER,
    STRING,
    UNKNOWN,
    Dtype,
    Kind,
    Value,
    element,
    join,
    join_live,
    memories,
    sequence,
)

WIDTHS = {
    "half": "float16", "float16": "float16", "bfloat16": "bfloat16", "float": "float32", "float32": "float32",
    "double": "float64", "float64": "float64", "cfloat": "complex64", "complex64": "complex64",
    "cdouble": "complex128", "complex128": "complex128",
}  # fmt: skip
"""Names of floating dtypes, as methods and as attributes of torch, with one spelling each."""
_INTEGERS = ("int", "long", "short", "char", "byte", "int8", "int16", "int32", "int64", "uint8", "bool")
_FIRST = ("clone", "zeros", "ones", "empty", "full", "rand", "randn", "new_zeros", "new_ones", "new_empty", "new_full",
          "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "eye", "tensor")  # fmt: skip
"""Calls whose result nothing has saved yet: a store into it is harmless until somebody reads it."""


_PLAIN_READS = ("size", "tolist", "item", "dim", "shape", "type", "__len__", "backward", "names", "element_size")


def flatten(values: list[Value]) -> list[Value]:
    """Tensors among the values, those inside containers included."""
    found: list[Value] = []
    for value in values:
        if value.kind in (Kind.LIST, Kind.DICT):
            found += flatten(list(value.items))
        elif value.tensor or value.kind is Kind.UNKNOWN:
            found.append(value)
    return found


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value given for a keyword, or None."""
    return next((k.value for k in call.keywords if k.arg == name), None)


def of_result(
    frame: Frame, call: ast.Call, row: catalogue.Result, operands: list[Value], module: bool = False
) -> Value:
    """The value of a call that the catalogue describes; `operands` start with the receiver of a method."""
    found = flatten(operands)
    tensors = [v for v in found if v.tensor]
    if row.kind in (catalogue.Kind.NUMBER, catalogue.Kind.OTHER):
        if row.kind is catalogue.Kind.OTHER and row.name.rsplit(".", 1)[-1] not in _PLAIN_READS:
            for value in operands:
                frame.escape(value, None, f"`{row.name}` may share its memory")
        return NUMBER if row.kind is catalogue.Kind.NUMBER else OTHER
    leaf = _asks_for_grad(call)
    lives: list[bool | None] = [True] if module or leaf else [v.live for v in found] or [False]
    if not row.name.startswith("Tensor.") and _may_hold_tensors(operands[:1]):
        lives.append(None)
    live = join_live(iter(lives)) if row.tracked or leaf else False
    one = Value(
        Kind.TENSOR, 3, live, _dtype(row.dtype, call, tensors), width=_width(frame, call, row, tensors), leaf=leaf
    )
    one = _placed(frame, call, row, operands, one)
    if row.kind is catalogue.Kind.TENSOR or (row.kind is catalogue.Kind.EITHER and not _reduces(call, operands)):
        return one
    return _several(frame, call, row, one, tensors)


def _may_hold_tensors(operands: list[Value]) -> bool:
    """True for what may hold, or be, tensors that were not seen: a list from elsewhere, an object of a class."""
    unseen = (v for v in operands if v.kind in (Kind.LIST, Kind.DICT) and not v.items and not v.exact)
    return any(unseen) or any(v.kind in (Kind.OTHER, Kind.MODULE) for v in operands)


def _placed(frame: Frame, call: ast.Call, row: catalogue.Result, operands: list[Value], one: Value) -> Value:
    shared, maybe = memories(tuple(operands))
    product = row.name == "torch.einsum" and len(call.args) > 2  # of one operand it may be a view, of two never
    if row.memory is catalogue.Memory.FRESH or product:
        memory = frame.allocate(call)
        if row.name.rsplit(".", 1)[-1] in _FIRST:
            frame.state.unread |= memory
        return one.with_memory(memory)
    spread = row.name.rsplit(".", 1)[-1] in _SPREADING or any(v.spread for v in flatten(operands))
    one = replace(one, maybe=maybe, view=True, spread=spread)
    if row.memory is catalogue.Memory.VIEW:
        return replace(one, memory=shared)
    return replace(one, memory=shared | frame.allocate(call))


_SPREADING = ("expand", "expand_as", "broadcast_to", "broadcast_tensors", "meshgrid", "unfold", "as_strided", "grad")
"""Calls that may give tensors of which several elements lie in one place."""
_CUTS = ("chunk", "split", "split_with_sizes", "unbind", "tensor_split", "hsplit", "vsplit", "dsplit")


def _several(frame: Frame, call: ast.Call, row: catalogue.Result, one: Value, operands: list[Value]) -> Value:
    """A tuple of tensors: fresh ones in storages of their own, or the disjoint pieces of a cut."""
    discrete = (catalogue.Dtype.INT, catalogue.Dtype.BOOL)
    fresh = row.memory is catalogue.Memory.FRESH
    if not row.parts:
        whole = not any(v.view for v in operands)  # windows of an unfolded tensor overlap, and so do their pieces
        cuts = fresh or (row.name.rsplit(".", 1)[-1] in _CUTS and whole and frame.is_made_here(operands))
        return replace(sequence((one,)), name=f"pieces@{call.lineno}:{call.col_offset}" if cuts else "")
    parts = []
    for index, dtype in enumerate(row.parts):
        part = replace(one, dtype=Dtype(dtype), live=False) if dtype in discrete else one
        parts.append(part.with_memory(frame.allocate(call, f"#{index}")) if fresh else part)
    return sequence(tuple(parts), exact=True)


def _reduces(call: ast.Call, operands: list[Value]) -> bool:
    """True for `x.max(1)` and `x.max(dim=1)`, which return values and indices."""
    return keyword(call, "dim") is not None or any(v.kind is Kind.NUMBER for v in operands[1:])


def _asks_for_grad(call: ast.Call) -> bool:
    value = keyword(call, "requires_grad")
    return isinstance(value, ast.Constant) and value.value is True


def _dtype(dtype: catalogue.Dtype, call: ast.Call, tensors: list[Value]) -> Dtype:
    asked = keyword(call, "dtype")
    name = asked.attr if isinstance(asked, ast.Attribute) else ""
    if asked is not None and name not in (*_INTEGERS, *WIDTHS):
        return Dtype.ANY
    if name in _INTEGERS:
        return Dtype.BOOL if name == "bool" else Dtype.INT
    if name in WIDTHS:
        return Dtype.FLOAT
    match dtype:
        case catalogue.Dtype.SAME:
            return tensors[0].dtype if tensors else Dtype.ANY if asked is not None else Dtype.FLOAT
        case catalogue.Dtype.ANY:
            return Dtype.ANY
    return Dtype(dtype)


def _width(frame: Frame, call: ast.Call, row: catalogue.Result, tensors: list[Value]) -> str:
    """Dtype that the code asks for, "" if it asks for none; see `Value.width`."""
    name = row.name.rsplit(".", 1)[-1]
    if row.name.startswith("Tensor.") and name in WIDTHS:
        return WIDTHS[name]
    asked = [keyword(call, "dtype")] if keyword(call, "dtype") is not None else []
    if name in ("to", "type"):
        asked += [a for a in call.args if not _is_device(frame, a)]
    elif name in ("type_as", "to_dense"):
        return frame.evaluate(call.args[0]).width if call.args else "?"
    for node in asked:
        if node is not None:
            return _named_width(frame, node)
    if name in ("float_power", "bincount"):  # float64 whatever they are given
        return "float64"
    widths = {v.width for v in tensors if v.dtype not in (Dtype.INT, Dtype.BOOL)}
    return widths.pop() if len(widths) == 1 else "" if not widths else "?"


def _named_width(frame: Frame, node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        if node.attr == "dtype":
            return frame.evaluate(node.value).width
        return WIDTHS.get(node.attr, "" if node.attr in _INTEGERS else "?")
    value = frame.evaluate(node)
    return value.width if value.tensor else "?"


def _is_device(frame: Frame, node: ast.expr) -> bool:
    """True for what `x.to` takes as a device: strings, numbers, names and attributes called so."""
    match node:
        case ast.Constant(value=str() | int()):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return "device" in name.lower() or name in ("rank", "gpu", "local_rank") or name == "non_blocking"
        case ast.Call(func=ast.Attribute(attr="device" | "current_device")):
            return True
        case ast.IfExp(body=body, orelse=orelse):
            return _is_device(frame, body) and _is_device(frame, orelse)
    return False


_BUILTINS = {
    "len": NUMBER, "int": NUMBER, "float": NUMBER, "bool": NUMBER, "round": NUMBER, "ord": NUMBER, "isinstance": NUMBER,
    "hasattr": NUMBER, "callable": NUMBER, "issubclass": NUMBER, "hash": NUMBER, "any": NUMBER, "all": NUMBER,
    "str": STRING, "repr": STRING, "format": STRING, "chr": STRING, "input": STRING, "type": OTHER, "print": OTHER,
    "open": OTHER, "object": OTHER, "bytearray": OTHER, "bytes": STRING, "slice": OTHER, "complex": NUMBER,
}  # fmt: skip
_NUMBER_MODULES = ("math", "cmath", "time", "random.random", "random.randint", "random.uniform", "random.gauss")
READERS = ("len", "int", "float", "bool", "round", "isinstance", "print", "str", "repr", "range", "type", "sum", "max",
           "min", "abs", "pow", "hasattr", "getattr")  # fmt: skip
"""Builtins that do not hold on to their arguments once they have returned, or whose result is followed."""
_PASSING = ("copy.copy", "copy.deepcopy", "torch.jit.script", "torch.compile", "torch.autograd.Variable")


def builtin(name: str, arguments: list[Value]) -> Value | None:
    """Result of a builtin function, or None if it is not one that we know."""
    first = arguments[0] if arguments else UNKNOWN
    match name:
        case "list" | "tuple" | "set" | "sorted" | "reversed" | "frozenset":
            return sequence((element(first),)) if arguments and first.kind is not Kind.UNKNOWN else sequence()
        case "range":
            return sequence((NUMBER,))
        case "dict":
            return Value(Kind.DICT)
        case "enumerate":
            return sequence((sequence((NUMBER, replace(element(first), iterated=first.tensor)), exact=True),))
        case "zip":
            parts = tuple(replace(element(a), iterated=a.tensor) for a in arguments)
            return sequence((sequence(parts, exact=True),))
        case "sum" | "max" | "min" | "abs" | "pow" | "divmod":
            return _reduced(arguments)
    return _BUILTINS.get(name)


def _reduced(arguments: list[Value]) -> Value:
    values = [element(a) if a.kind in (Kind.LIST, Kind.DICT) else a for a in arguments]
    result = values[0] if values else UNKNOWN
    for value in values[1:]:
        result = join(result, value)
    return result


def other_library(path: str, arguments: list[Value]) -> Value | None:
    """Result of a call into a library that is not torch, or None if nothing is known."""
    head, _, rest = path.partition(".")
    if head == "numpy":
        numeric = arguments and all(a.kind in (Kind.NUMBER, Kind.SIZE) for a in arguments)
        scalar = numeric and rest.split(".")[-1] in (
            "sqrt",
            "log",
            "exp",
            "floor",
            "ceil",
            "prod",
            "log2",
            "sin",
            "cos",
        )
        return NUMBER if scalar else ARRAY
    if path in _PASSING:
        return replace(arguments[0], memory=NOWHERE) if path == "copy.deepcopy" and arguments else None
    if any(path == name or path.startswith(name + ".") for name in _NUMBER_MODULES):
        return NUMBER
    match path:
        case "collections.OrderedDict" | "collections.defaultdict" | "collections.Counter":
            return Value(Kind.DICT)
        case "collections.deque":
            return sequence()
    return None
