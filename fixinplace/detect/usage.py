"""What is done with a name tells what it is: parameters of functions, attributes of self."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Dtype, Kind
from fixinplace.detect.liveness import Function
from fixinplace.detect.outside import is_class_name
from fixinplace.detect.proofs import proved_tensors
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import UNKNOWN, Value, tensor
from fixinplace.walking import children, every, remembered, walk

_TENSORS = frozenset(
    "view permute unsqueeze squeeze contiguous detach cuda requires_grad_ expand expand_as view_as transpose flatten"
    " matmul bmm mm backward repeat_interleave masked_fill scatter gather index_select softmax log_softmax sigmoid"
    " tanh exp norm"
    " size dim numel half double type_as new_zeros new_ones new_tensor new_full clamp unfold narrow chunk topk"
    " masked_select unbind register_hook ndimension reshape_as relu log sqrt rsqrt mul sub".split()
)
TELLING = frozenset(
    "view permute unsqueeze contiguous detach cuda requires_grad_ expand expand_as view_as transpose flatten matmul"
    " bmm mm backward repeat_interleave masked_fill scatter gather index_select softmax log_softmax sigmoid tanh"
    " float half double long new_zeros new_ones new_tensor new_full clamp unfold narrow chunk topk masked_select"
    " unbind clone reshape_as relu rsqrt pow exp sqrt abs norm".split()
)
"""Methods that few classes other than tensors have: calling one says that the receiver is a tensor."""
TAKE_NOTHING = frozenset("sigmoid tanh exp relu log sqrt rsqrt dim numel ndimension".split())
"""Methods of tensors that are called with nothing: `net.relu(x)` calls something else."""
_USES: dict[str, tuple[Kind, float]] = {
    **dict.fromkeys(_TENSORS, (Kind.TENSOR, 2)),
    **dict.fromkeys(("requires_grad", "is_cuda", "device", "grad_fn"), (Kind.TENSOR, 1)),
    "shape": (Kind.TENSOR, 1),
    **dict.fromkeys(("append", "extend", "pop", "insert"), (Kind.LIST, 3)),
    **dict.fromkeys(("keys", "items", "values", "get", "update"), (Kind.DICT, 3)),
    **dict.fromkeys(("modules", "named_modules", "parameters", "children", "state_dict"), (Kind.MODULE, 3)),
    **dict.fromkeys(("astype", "copy"), (Kind.ARRAY, 2)),
    **dict.fromkeys(("format", "lower", "upper", "startswith", "endswith", "join"), (Kind.STRING, 2)),
}
_PROOF = 3
"""Weight of what is done to lists and dicts alone: whoever passes a tensor is not the one who comes here."""
_SIZED = tuple(f"torch.{name}" for name in "zeros ones empty rand randn full arange linspace eye randperm".split())
"""Factories: what they are given is a size."""
_INDEXED = frozenset(
    "gather scatter scatter_ scatter_add scatter_add_ index_select index_add index_add_ index_copy index_copy_"
    " index_fill index_fill_ take embedding one_hot".split()
)
"""Calls that are given integer tensors which say where."""
_SHAPING = ("view", "reshape", "expand", "repeat", "permute", "transpose", "unsqueeze", "squeeze", "chunk")
"""Methods that are given sizes and dimensions."""
_HOLDERS = ("Parameter", "Buffer", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Module",
            "DataParallel", "parallel.DistributedDataParallel", "TransformerEncoder", "TransformerDecoder")  # fmt: skip
_SIZES_BY_KEYWORD = frozenset("dim stride padding kernel_size groups dilation num_classes in_channels out_channels"
                              " in_features out_features".split())  # fmt: skip
_COUNTS_BY_KEYWORD = _SIZES_BY_KEYWORD | {"p", "eps", "momentum", "negative_slope"}
"""Keywords of numbers; those that are no sizes are numbers for torch's own calls, others may take a tensor."""
_COUNTS = frozenset(
    "dim dims heads nhead nheads nhid ninp ntoken groups channels stride padding dilation kernel_size bins seq_len"
    " max_len nlayers planes d_model d_ff d_k d_v d_kv d_inner d_state d_conv d_head d_hidden d_in d_out".split()
)
_COUNT_ENDS = ("_dim", "_dims", "_size", "_channels", "_planes", "_len", "_layers", "_heads", "_classes", "_num",
               "_dimension")  # fmt: skip
_COUNT_STARTS = ("n_", "num_", "dim_", "max_num", "nb_")
_EXTENTS = ("depth", "width", "height", "features", "hidden", "length", "batch")
"""What a constructor is given under these names is a size; elsewhere it may be a map, a state or a prediction."""
_MEASURES = frozenset(
    "alpha beta gamma eps epsilon sigma tau temperature temp momentum margin smoothing label_smoothing p rate dropout"
    " drop scale scaling ratio reduction threshold decay lr k n m r s t lam lamda lambd lambda_ std".split()
)
_MEASURE_ENDS = tuple("_rate _ratio _scale _factor _eps _prob _momentum _margin _threshold _std _init _coef _coeff"
                      " _temperature _smoothing _decay _alpha _beta _gamma".split())  # fmt: skip
_MEASURE_STARTS = ("max_", "min_", "lambda_", "init_")
_INTEGERS = ("idx", "indices", "_ids", "_lengths", "_len", "_lens")
_MARKS = ("_idx", "_id", ".pad", ".eos", ".bos", ".unk")
_GIVEN = ("target", "targets", "label", "labels", "mask", "masks", "gt", "gts", "ground_truth", "y_true", "onehot",
          "one_hot", "edge_weight", "edge_weights")  # fmt: skip
"""What a loss compares with and what says where: data, as a rule, which no gradient is asked for."""
_AROUND = ("preprocess", "pre_process", "postprocess", "post_process", "collate")
_DIFFERENT_SIZES = ("images", "imgs", "image_list", "tensor_list")
"""Lists of tensors under these names: images as they were read, each of its own size, before a batch is made."""
_BOXES = ("anchors", "priors", "anchor_boxes", "prior_boxes")
"""Boxes that predictions are relative to: made from a grid; one `anchor` of a triplet is an embedding."""


def is_count(name: str) -> bool:
    """True for the names that the field gives to sizes and numbers of things."""
    return name in _COUNTS or name.endswith(_COUNT_ENDS) or name.startswith(_COUNT_STARTS)


def is_measure(name: str) -> bool:
    """True for the names that the field gives to hyperparameters; elsewhere such a name may be a learned tensor."""
    extent = name.endswith(_EXTENTS) or name.startswith("d_")
    return extent or name in _MEASURES or name.endswith(_MEASURE_ENDS) or name.startswith(_MEASURE_STARTS)


def is_given(name: str) -> bool:
    """True for the names that the field gives to targets, labels, masks and anchors, which seldom require grad."""
    return (
        name in _GIVEN
        or name.endswith(_BOXES)
        or name.startswith("gt_")
        or name.endswith(tuple(f"_{given}" for given in _GIVEN))
    )


def is_loss(name: str) -> bool:
    """True for the names that the field gives to what a training step sums up and differentiates."""
    return name in ("loss", "losses", "total_loss", "loss_total") or (
        name.endswith("_loss")
        and not name.startswith(("val", "valid", "eval", "test", "running", "epoch", "avg", "mean", "sum"))
    )


def is_size(name: str) -> bool:
    """True for names of integers, and of one of several sizes: `for batch_size in batch_sizes`."""
    return is_integral(name) or name.endswith("_size")


def is_data(name: str) -> bool:
    """True for the names of what is given or counted: nothing that a gradient is asked for."""
    return is_given(name) or is_size(name)


def is_read(name: str, kind: Kind) -> bool:
    """True for a list of images as they were read."""
    return kind is Kind.LIST and name in _DIFFERENT_SIZES


def is_integral(name: str) -> bool:
    """True for the names that the field gives to indices, ids and lengths: integers."""
    return name in ("edge_index", "lengths", "ptr", "ilens", "olens", "spatial_shapes", "batch_sizes") or name.endswith(
        _INTEGERS
    )


def decodes(name: str) -> bool:
    """True for the names that the field gives to what looks for an answer, or works on data before or after a model:
    callers switch grad mode off around it, or have no gradient yet.
    """
    plain = name.strip("_")
    return plain in ("generate", "inference", "search") or plain.endswith("_search") or plain.startswith(_AROUND)


def compresses(name: str, methods: Iterable[str]) -> bool:
    """True for what turns a tensor into a stream of bits, or back, in a class that does both: no gradient gets past."""
    ways = ("compress", "decompress")
    return name.strip("_").startswith(ways) and set(ways) <= set(methods)


def _is_shaping(name: str) -> bool:
    """True for `x.view`, `self.h.view`; not for `self.view`, which is a part or a method of a module."""
    base, _, method = name.rpartition(".")
    return method in _SHAPING and base not in ("", "self")


Hint = tuple[str, Kind, float]
"""A name, what a use of it speaks for, and how much."""


@remembered
def _hints(function: Function) -> tuple[Hint, ...]:
    """What the uses of all names in a function's body speak for, in the order of its text."""
    found: list[Hint] = []
    todo: list[ast.AST] = list(reversed(function.body))
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is ast.Name or kind is ast.Constant:
            continue
        if kind in _HINTING:
            found += _hints_of(node)
        todo += reversed(children(node))
    return tuple(found)


_HINTING = (ast.Attribute, ast.Call, ast.Assign, ast.Subscript, ast.Compare, ast.BinOp)


def _hints_of(node: ast.AST) -> Iterator[Hint]:
    match node:
        case ast.Attribute(value=value, attr=attr):
            if attr in _USES and (name := dotted(value)):
                yield name, *_USES[attr]
        case ast.Call():
            yield from _of_call(node)
        case ast.Assign():
            yield from _of_branches(node)
        case ast.Subscript():
            yield from _of_subscript(node)
        case ast.Compare():
            yield from _of_identity(node)
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield from ((side.id, Kind.TENSOR, 1.5) for side in (left, right) if isinstance(side, ast.Name))


def _of_call(node: ast.Call) -> Iterator[Hint]:
    name = dotted(node.func)
    of_torch = name.split(".", 1)[0] in ("torch", "nn", "F")
    owner, _, method = name.rpartition(".")
    if owner and method in TAKE_NOTHING and (node.args or node.keywords):
        yield owner, Kind.TENSOR, -_USES[method][1]  # `net.relu(x)`: a part of a module
    for position, argument in enumerate(node.args):
        given = dotted(argument)
        if given:
            yield from ((given, kind, weight) for kind, weight in _of_argument(name, position))
        elif isinstance(argument, ast.Subscript) and (name == "range" or name in _SIZED):
            yield dotted(argument.value), Kind.SIZE, 3
    for key in node.keywords:
        if key.arg in _COUNTS_BY_KEYWORD and dotted(key.value) and (key.arg in _SIZES_BY_KEYWORD or of_torch):
            yield dotted(key.value), Kind.NUMBER, 2


def _of_argument(name: str, position: int) -> Iterator[tuple[Kind, float]]:
    head = name.split(".", 1)[0]
    if name == "range" or head == "math" or name in _SIZED:
        yield Kind.NUMBER, 3
    elif name in ("enumerate", "len", "zip"):
        yield Kind.LIST, 1
        yield Kind.TENSOR, 0.4
    elif head == "F" and position == 0:
        yield Kind.TENSOR, 2
    elif head not in ("torch", "F", "np", "nn") and _is_shaping(name):
        yield Kind.NUMBER, 2
    elif name.startswith(("nn.functional.", "nn.init.")):
        yield Kind.TENSOR, 2
    elif name.removeprefix("torch.").startswith("nn.") and is_class_name(name):
        yield Kind.NUMBER, 2 if name.partition("nn.")[2] not in _HOLDERS else 0
    elif name in ("torch.cat", "torch.stack"):
        yield Kind.LIST, 1
    elif head in ("torch", "nn") and position == 0:
        yield Kind.TENSOR, 1.5
    elif head == "np":
        yield Kind.ARRAY, 1
    elif head == "self" and position == 0:
        yield Kind.TENSOR, 0.7


def _of_branches(node: ast.Assign) -> Iterator[Hint]:
    """`x[i] = self.branches[i](x[i])`: one input for each of several modules is a list."""
    match node:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name)) as target],
                        value=ast.Call(func=ast.Subscript(), args=[ast.Subscript() as argument])):  # fmt: skip
            if ast.unparse(target) == ast.unparse(argument):
                yield name, Kind.LIST, 3


def _of_subscript(node: ast.Subscript) -> Iterator[Hint]:
    if not isinstance(node.value, ast.Name):
        return
    of = node.value.id
    match node.slice:
        case ast.Compare(left=ast.Name(id=name)) if name == of:
            yield of, Kind.TENSOR, 1.5
        case ast.Constant(value=str()):
            yield of, Kind.DICT, 3
        case ast.Tuple():
            yield of, Kind.TENSOR, 1
            yield of, Kind.ARRAY, 0.5
        case ast.Slice():
            yield of, Kind.TENSOR, 0.4
            yield of, Kind.LIST, 0.4


def _of_identity(node: ast.Compare) -> Iterator[Hint]:
    """`xs[i] is None`: an element of a tensor never is."""
    match node:
        case ast.Compare(left=ast.Subscript(value=ast.Name(id=name), slice=index), ops=[ast.Is() | ast.IsNot()],
                         comparators=[ast.Constant(value=None)]):  # fmt: skip
            if not (isinstance(index, ast.Constant) and isinstance(index.value, str)):
                yield name, Kind.LIST, _PROOF


@remembered
def usage(function: Function) -> dict[str, Value]:
    """What the parameters of a function must be by what is done with them; only those with enough evidence."""
    found: dict[str, Value] = {}
    for name, scores in _scores([function]).items():
        kind = max(scores, key=lambda k: scores[k], default=Kind.UNKNOWN)
        if scores and scores[kind] >= 1:
            live = False if kind in (Kind.NUMBER, Kind.SIZE, Kind.STRING, Kind.ARRAY) else None
            sure = 3 if kind in (Kind.LIST, Kind.DICT) and scores[kind] >= _PROOF else 2
            certain = 3 if name in proved_tensors(function) else 2
            found[name] = tensor(certain, True, Dtype.ANY) if kind is Kind.TENSOR else Value(kind, sure, live)
    return found


def _scores(functions: Iterable[Function]) -> dict[str, dict[Kind, float]]:
    scores: dict[str, dict[Kind, float]] = defaultdict(lambda: defaultdict(float))
    for function in functions:
        for name, kind, weight in _hints(function):
            scores[name][kind] += weight
    return scores


def numbers(methods: Iterable[Function]) -> dict[str, Value]:
    """Attributes of self that are used as numbers and as nothing else: no gradient flows to them."""
    scores = _scores(methods)
    found = {name.removeprefix("self."): kinds for name, kinds in scores.items() if name.startswith("self.")}
    plain = {Kind.NUMBER, Kind.LIST}
    return {
        name: replace(UNKNOWN, live=False)
        for name, kinds in found.items()
        if kinds[Kind.NUMBER] >= 2 and {kind for kind, score in kinds.items() if score} <= plain
    }


@remembered
def compared_with_marks(function: Function) -> set[str]:
    """Names that the function compares with the number of a token or a class: `x.ne(pad_idx)`, `x == self.eos`."""
    found = set[str]()
    for node in (*every(function, ast.Call), *every(function, ast.Compare)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="eq" | "ne"), args=[mark]):
                found |= {name} if dotted(mark).endswith(_MARKS) else set()
            case ast.Compare(left=ast.Name(id=name), ops=[ast.Eq() | ast.NotEq()], comparators=[mark]):
                found |= {name} if dotted(mark).endswith(_MARKS) else set()
    return found


def indexes_with(function: Function, name: str) -> bool:
    """True if the function takes elements of something at what the parameter says."""
    for node in walk(function):
        match node:
            case ast.Subscript(slice=index) if any(isinstance(n, ast.Name) and n.id == name for n in walk(index)):
                return True
            case ast.Call(func=ast.Attribute(attr=attr), args=args) if attr in _INDEXED:
                if any(isinstance(a, ast.Name) and a.id == name for a in args):
                    return True
    return False
