"""What calls into libraries give, by the catalogue for torch and by a few rules for the rest."""

from __future__ import annotations

import ast

from fixinplace import catalogue
from fixinplace.detect.dtypes import dtype_of, width_of
from fixinplace.detect.frame import Frame
from fixinplace.detect.index import keyword
from fixinplace.detect.kinds import GRADIENT, Dtype, Kind, Layout
from fixinplace.detect.laid import SUMMED, is_ordered, lays_anew, spread
from fixinplace.detect.mixing import keeps_layout
from fixinplace.detect.quiet import QUIET
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import (
    ARRAY,
    NOWHERE,
    NUMBER,
    OTHER,
    STRING,
    TRUTH,
    UNIQUE,
    UNKNOWN,
    Value,
    element,
    join,
    join_live,
    memories,
    sequence,
)

_FIRST = frozenset(
    "clone new zeros ones empty full rand randn new_zeros new_ones new_empty new_full "
    "zeros_like ones_like empty_like full_like rand_like randn_like eye tensor".split()
)
"""Calls whose result nothing has saved yet: a store into it is harmless until somebody reads it."""


_FACTORIES = frozenset(
    "zeros ones empty full rand randn randint randperm arange range linspace logspace eye tensor bartlett_window"
    " blackman_window hamming_window hann_window kaiser_window tril_indices triu_indices".split()
)
"""Calls that copy numbers and pass no gradient on, whatever they are given."""
_PLAIN_READS = ("size", "tolist", "item", "dim", "shape", "type", "__len__", "backward", "names", "element_size")


def flatten(values: list[Value]) -> list[Value]:
    """Tensors among the values, those inside containers included."""
    found: list[Value] = []
    for value in values:
        if value.kind in (Kind.LIST, Kind.DICT):
            found += flatten(list(value.items))
        elif value.tensor or value.kind is Kind.UNKNOWN or (value.kind is Kind.NUMBER and value.live is None):
            found.append(value)
    return found


_LOOKS_AT = {
    **dict.fromkeys(("to", "type", "type_as", "view_as", "expand_as", "reshape_as", "gather", "index_select", "take",
                     "take_along_dim", "masked_select", "repeat_interleave", "pack_padded_sequence"), (0,)),
    **dict.fromkeys(("scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill"), (0, 3)),
    **dict.fromkeys(("masked_fill", "masked_scatter", "index_put"), (0, 2)),
    "embedding": (1,), "embedding_bag": (1,),
}  # fmt: skip
"""Positions of the operands that gradients flow to, where others only say where, how many or of what dtype."""


def differentiable(call: ast.Call, row: catalogue.Result, operands: list[Value]) -> list[Value]:
    """The operands whose gradient a call passes on; `operands` start with the receiver of a method."""
    name, method = row.name.rsplit(".", 1)[-1], row.name.startswith("Tensor.")
    positions = _LOOKS_AT.get(name, ())
    if name == "where" and len(operands) == 3:
        positions = (0, 2) if method else (1, 2)
    by_name = any(k.arg not in ("dim", "dtype", "device", "non_blocking", "copy") for k in call.keywords)
    unclear = any(isinstance(a, ast.Starred) for a in call.args) or (by_name and not (method and positions == (0,)))
    if not positions or unclear or len(operands) <= max(positions):
        return operands
    return [operands[i] for i in positions]


def of_result(
    frame: Frame, call: ast.Call, row: catalogue.Result, operands: list[Value], module: bool = False
) -> Value:
    """The value of a call that the catalogue describes; `operands` start with the receiver of a method."""
    found = flatten(operands)
    tensors = [v for v in found if v.tensor]
    if row.name == "torch.load":  # an object of any class: a checkpoint, a network of this file
        return UNKNOWN
    if row.kind in (catalogue.Kind.NUMBER, catalogue.Kind.OTHER):
        if row.kind is catalogue.Kind.OTHER and row.name.rsplit(".", 1)[-1] not in _PLAIN_READS:
            for value in operands:
                frame.escape(value, None, f"`{row.name}` may share its memory")
        return NUMBER if row.kind is catalogue.Kind.NUMBER else OTHER
    leaf = _asks_for_grad(call)
    lives: list[bool | None] = (
        [True] if module or leaf else [v.live for v in flatten(differentiable(call, row, operands))]
    )
    if not row.name.startswith("Tensor.") and _may_hold_tensors(operands[:1]):
        lives.append(None)
    dtype = dtype_of(frame, call, row, tensors)
    made = row.name.removeprefix("torch.") in _FACTORIES
    tracked = (row.tracked and not made and dtype not in (Dtype.INT, Dtype.BOOL)) or leaf
    live = join_live(iter(lives or [False])) if tracked else False
    one = Value(Kind.TENSOR, 3, live, dtype, width=width_of(frame, call, row, tensors), leaf=leaf)
    one = _placed(frame, call, row, operands, one)
    if row.kind is catalogue.Kind.TENSOR or (row.kind is catalogue.Kind.EITHER and not _reduces(call, operands)):
        return one
    return _several(frame, call, row, one, tensors)


def _may_hold_tensors(operands: list[Value]) -> bool:
    """True for what may hold, or be, tensors that were not seen: a list from elsewhere, an object of a class."""
    unseen = (v for v in operands if v.kind in (Kind.LIST, Kind.DICT) and not v.items and not v.exact)
    return any(unseen) or any(v.kind in (Kind.OTHER, Kind.MODULE) for v in operands)


def _placed(frame: Frame, call: ast.Call, row: catalogue.Result, operands: list[Value], one: Value) -> Value:
    like = row.name.startswith("Tensor.") and row.name.rsplit(".", 1)[-1] in _SHAPED
    new = row.name == "Tensor.new"  # never shares with its own tensor: with one that it is given it may
    shared, maybe = memories(tuple(operands[1:] if new else operands[:1] if like else operands))
    product = row.name == "torch.einsum" and len(call.args) > 2  # of one operand it may be a view, of two never
    counted = _is_of_numbers(call, row, operands)
    if row.memory is catalogue.Memory.FRESH or product or counted or (new and not (shared or maybe)):
        memory = frame.allocate(call)
        if row.name.rsplit(".", 1)[-1] in _FIRST:
            frame.state.unread |= memory
        if row.name in QUIET:
            frame.state.quiet |= memory
        ordered = row.name == "torch.einsum" and is_ordered(call)
        frame.program.gives |= {SUMMED} if ordered else set()
        in_order = ordered or counted or _in_order(call, row, flatten(operands))
        layout = Layout.ROWS if in_order else Layout.DENSE
        layout = Layout.GAPS if row.name.rsplit(".", 1)[-1] in _WITH_GAPS else layout
        return replace(one, memory=memory, name=UNIQUE if _is_unique(call, row) else "", layout=layout)
    if row.name == "torch.autograd.grad" and _makes_gradients(frame, call):
        frame.program.gives.add(_OWN_GRADIENTS)
        return replace(one, memory=frame.allocate(call), view=True, layout=Layout.SHARED, name=GRADIENT)
    name = spread(call, row.name, operands[0].name if operands else "")
    one = replace(one, maybe=maybe, view=True, layout=_layout(call, row, flatten(operands)), name=name)
    if row.memory is catalogue.Memory.VIEW:
        return replace(one, memory=shared)
    return replace(one, memory=shared | frame.allocate(call))


def _is_of_numbers(call: ast.Call, row: catalogue.Result, operands: list[Value]) -> bool:
    """True for `torch.Tensor([0.0])` and `torch.FloatTensor(2, 3)`: of a tensor or an array they may be an alias."""
    counted = all(one.kind in (Kind.NUMBER, Kind.LIST, Kind.SIZE) for one in operands)
    return row.name.startswith("torch.") and row.name.endswith("Tensor") and counted and not call.keywords


_SHAPED = frozenset(
    "view_as expand_as reshape_as view reshape expand permute transpose narrow select unflatten flatten squeeze"
    " unsqueeze movedim moveaxis swapaxes swapdims diagonal unfold".split()
)
"""Methods of which the arguments are sizes, dimensions, or tensors whose shape alone is read."""


def _makes_gradients(frame: Frame, call: ast.Call) -> bool:
    """True for `torch.autograd.grad(y, x)`, whose results share memory at most with one another.

    What is handed in as the gradient of the outputs may come back as it is, and so may what a hook or a custom function
    gives.  A sum gives each element of its argument the same memory; torch refuses to write that element by element.
    """
    index = frame.program.index
    given = len(call.args) > 2 or any(one.arg in ("grad_outputs", None) for one in call.keywords)
    custom = any(map(index.is_function, index.classes)) or frame.program.words.hooked
    return not (given or custom or any(isinstance(one, ast.Starred) for one in call.args))


_OWN_GRADIENTS = "custom functions of other files, and their hooks, give gradients that nobody else holds"


def _is_unique(call: ast.Call, row: catalogue.Result) -> bool:
    """True for `torch.arange(n)` and `torch.tensor([[0], [2]])`: indices of which no two are the same."""
    match row.name, call.args:
        case "torch.arange" | "torch.randperm", _:
            return True
        case "torch.tensor", [ast.List(elts=elements)]:
            rows = [one.elts if isinstance(one, ast.List) else [one] for one in elements]
            places = [one for row in rows for one in row]
            numbers = [e.value for e in places if isinstance(e, ast.Constant) and isinstance(e.value, int)]
            return len(set(numbers)) == len(places)
    return False


def _in_order(call: ast.Call, row: catalogue.Result, operands: list[Value]) -> bool:
    """True if a new tensor is certainly contiguous: made by sizes, or elementwise from such ones."""
    name = row.name.rsplit(".", 1)[-1]
    if any(k.arg in ("memory_format", "layout", "out", None) for k in call.keywords):
        return False
    if name in _FACTORIES or name.startswith("new_"):
        return name not in ("tensor", "new_tensor") or not operands
    if lays_anew(row.name):
        return True
    elementwise = name in _LIKES or name in _MADE_IN_ORDER or keeps_layout(row.name)
    return elementwise and bool(operands) and all(v.layout is Layout.ROWS or v.kind is Kind.NUMBER for v in operands)


_MADE_IN_ORDER = (
    "cumprod", "cat", "stack", "prod", "amax", "amin", "ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "ELU", "LeakyReLU",
    "Softplus",
)  # fmt: skip
"""Calls whose result is contiguous if all tensors that they are given are."""
_LIKES = (
    "clone",
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
    "rand_like",
    "randn_like",
    "where",
    "masked_fill",
)
_WITH_GAPS = ("empty_strided", "new_empty_strided", "lstsq", "istft")
"""Calls whose new tensor may have gaps between its elements."""
_SPREADING = ("expand", "expand_as", "broadcast_to", "broadcast_tensors", "meshgrid", "unfold", "as_strided", "grad")
"""Calls that may give tensors of which several elements lie in one place."""
_DENSE = frozenset(
    "view view_as reshape reshape_as flatten unflatten ravel t transpose adjoint permute swapaxes swapdims movedim"
    " moveaxis unsqueeze squeeze contiguous to type type_as float double half bfloat16 cpu cuda detach positive conj"
    " alias atleast_1d atleast_2d atleast_3d dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout"
    " pixel_shuffle pixel_unshuffle channel_shuffle PixelShuffle PixelUnshuffle ChannelShuffle"
    " Identity Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout Flatten Unflatten"
    " rearrange reduce".split()
)
"""Views that leave out no element of their tensor and repeat none."""
_REPEATS = ("einops.repeat", "einops.einops.repeat")
_IN_ORDER = ("view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "ravel", "unsqueeze", "squeeze")
_CUTS = ("chunk", "split", "split_with_sizes", "unbind", "tensor_split", "hsplit", "vsplit", "dsplit")


def _layout(call: ast.Call, row: catalogue.Result, tensors: list[Value]) -> Layout:
    name = row.name.rsplit(".", 1)[-1]
    counted = len(call.args) - (not row.name.startswith("Tensor."))
    first = (
        name in _CUTS[:5] and not call.keywords and counted <= (name != "unbind") and not any(v.view for v in tensors)
    )
    if name == "contiguous" and not call.args and not call.keywords:
        return Layout.ROWS
    dense = Layout.ROWS if name in _IN_ORDER else Layout.DENSE
    spreads = (name in _SPREADING or row.name in _REPEATS) and not _keeps_apart(call, row.name)
    own = Layout.SHARED if spreads else dense if name in _DENSE or first else Layout.GAPS
    return max([own, *(v.layout for v in tensors)])


def _keeps_apart(call: ast.Call, name: str) -> bool:
    """True for `x.as_strided((2, 2), (4, 1))` and `x.unfold(0, 2, 2)` whose numbers give each element its own place."""
    given = call.args if name.startswith("Tensor.") else call.args[1:]
    if call.keywords or any(isinstance(one, ast.Starred) for one in call.args):
        return False
    match name.rpartition(".")[2], given:
        case "unfold", [_, ast.Constant(value=int(size)), ast.Constant(value=int(step))]:
            return step >= size
        case "as_strided", [sizes, strides, *_]:
            lengths, steps = _written_numbers(sizes), _written_numbers(strides)
            reached = 0
            for step, length in sorted(zip(steps, lengths, strict=False)):
                if length > 1 and step <= reached:
                    return False
                reached += step * (length - 1)
            return len(lengths) == len(steps) > 0
    return False


def _written_numbers(node: ast.expr) -> list[int]:
    """The numbers of a tuple or list that is written down; none if anything else stands in it."""
    elements = node.elts if isinstance(node, ast.Tuple | ast.List) else []
    found = [one.value for one in elements if isinstance(one, ast.Constant) and type(one.value) is int]
    return found if len(found) == len(elements) else []


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


_BUILTINS = {
    "len": NUMBER, "int": NUMBER, "float": NUMBER, "bool": TRUTH, "round": NUMBER, "ord": NUMBER, "isinstance": TRUTH,
    "hasattr": TRUTH, "callable": TRUTH, "issubclass": TRUTH, "hash": NUMBER, "any": TRUTH, "all": TRUTH,
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
        case "list" if not arguments:
            return sequence((), exact=True)
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
