"""Every claim about memory is run: on torch's own samples, and with arguments that leave an operation nothing to do."""

import functools
import operator
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch.testing._internal.common_modules import module_db
from torch.utils._pytree import tree_leaves

from fixinplace.catalogue import Dtype, Kind, Memory, result, results
from fixinplace.catalogue.sample import storage

X = torch.randn(3, 4)
SQUARE = torch.randn(3, 3)
IMAGE = torch.randn(1, 4, 4, 4)
SIGNAL = torch.randn(1, 4, 8)
WHOLE = torch.arange(12).reshape(3, 4)
POINT = torch.tensor(2.0)
EMPTY = torch.empty(0, 4)
MASK = torch.zeros(3, 4, dtype=torch.bool)
WEIGHT = torch.ones(3, 4, requires_grad=True)

NOTHING_TO_DO = [
    *((f"torch.{name}", (POINT,), {}) for name in ("sum", "amax", "amin", "prod", "mean", "min", "max")),
    *((f"torch.{name}", (X[:1, :1],), {}) for name in ("sum", "amax", "amin", "prod", "mean", "min", "max")),
    *((f"torch.{name}", (x,), {"dim": ()}) for name in ("sum", "mean", "amax") for x in (POINT, X)),
    *((f"torch.{name}", (x,), {}) for name in ("round", "floor", "ceil", "trunc", "fix", "abs") for x in (X, WHOLE)),
    *((f"torch.{name}", (WHOLE,), {}) for name in ("sign", "sgn", "nan_to_num", "absolute")),
    ("torch.clone", (X,), {}),
    ("torch.round", (X,), {"decimals": 0}),
    ("torch.clamp", (X, -1e9, 1e9), {}),
    ("torch.clip", (X,), {"min": -1e9}),
    ("torch.pow", (X, 1), {}),
    ("torch.float_power", (X.double(), 1), {}),
    ("torch.mul", (X, 1), {}),
    ("torch.add", (X, 0), {}),
    ("torch.div", (X, 1), {}),
    ("Tensor.__add__", (X, 0), {}),
    ("Tensor.__pow__", (X, 1), {}),
    ("Tensor.__abs__", (X.abs(),), {}),
    ("torch.cat", ([X],), {}),
    ("torch.cat", ([X, torch.empty(0)],), {}),
    ("torch.concat", ([X],), {}),
    ("torch.stack", ([X],), {}),
    ("torch.hstack", ([X],), {}),
    ("torch.vstack", ([X],), {}),
    ("torch.dstack", ([IMAGE],), {}),
    ("torch.column_stack", ([X],), {}),
    ("torch.block_diag", (X,), {}),
    ("torch.roll", (X, 0), {}),
    ("torch.roll", (EMPTY, 1), {}),
    ("torch.flip", (X, ()), {}),
    ("torch.flip", (X[:1], (0,)), {}),
    ("torch.fliplr", (X[:, :1],), {}),
    ("torch.rot90", (X, 0), {}),
    ("torch.rot90", (X, 4), {}),
    ("Tensor.repeat", (X, 1, 1), {}),
    ("torch.tile", (X, (1, 1)), {}),
    ("torch.tile", (X, ()), {}),
    ("torch.repeat_interleave", (X, 1), {}),
    ("torch.repeat_interleave", (X, 1), {"dim": 0}),
    ("torch.repeat_interleave", (X, torch.ones(3, dtype=torch.int64)), {"dim": 0}),
    ("torch.index_select", (X, 0, torch.arange(3)), {}),
    ("torch.gather", (X, 0, torch.zeros(3, 4, dtype=torch.int64)), {}),
    ("torch.take_along_dim", (X, torch.zeros(3, 4, dtype=torch.int64), 0), {}),
    ("torch.masked_fill", (X, MASK, 0.0), {}),
    ("torch.masked_select", (X, ~MASK), {}),
    ("torch.where", (~MASK, X, X), {}),
    ("torch.where", (~MASK, X, 0.0), {}),
    ("torch.maximum", (X, X), {}),
    ("torch.max", (X, X), {}),
    ("torch.max", (X[:1], 0), {}),
    ("torch.min", (X[:1], 0), {}),
    ("torch.median", (POINT,), {}),
    ("torch.sort", (POINT,), {}),
    ("torch.topk", (X[:, :1], 1), {}),
    ("torch.cumsum", (X[:1], 0), {}),
    ("torch.cumsum", (POINT, 0), {}),
    ("torch.cumprod", (POINT, 0), {}),
    ("torch.cummax", (POINT, 0), {}),
    ("torch.logcumsumexp", (POINT, 0), {}),
    ("torch.diff", (X,), {"n": 0}),
    ("torch.diag", (X,), {}),
    ("torch.diag", (X[0],), {}),
    ("torch.diagflat", (POINT,), {}),
    ("torch.diag_embed", (X,), {}),
    ("torch.tril", (X, 9), {}),
    ("torch.triu", (X, -9), {}),
    ("torch.trapezoid", (X[:, :2],), {}),
    ("torch.combinations", (X[0],), {"r": 1}),
    ("torch.quantile", (POINT, 0.5), {}),
    ("torch.cov", (X[0, 0],), {}),
    ("torch.corrcoef", (X[0, 0],), {}),
    ("torch.matmul", (X[:1, :1], torch.ones(1, 1)), {}),
    ("torch.inner", (POINT, POINT), {}),
    ("torch.outer", (X[0, :1], torch.ones(1)), {}),
    ("torch.kron", (X, torch.ones(1)), {}),
    ("torch.tensordot", (X, torch.ones(1), 0), {}),
    ("torch.linalg.matrix_power", (SQUARE, 1), {}),
    ("torch.linalg.matrix_exp", (X[:1, :1],), {}),
    ("torch.linalg.multi_dot", ([SQUARE, SQUARE],), {}),
    ("torch.linalg.vector_norm", (POINT,), {}),
    ("torch.linalg.norm", (X,), {"dim": 0}),
    ("torch.linalg.vander", (X[0, :1],), {"N": 2}),
    ("torch.norm", (POINT,), {}),
    ("torch.fft.fft", (torch.randn(1, dtype=torch.complex64),), {}),
    ("torch.fft.fftn", (torch.randn(2, dtype=torch.complex64),), {"dim": ()}),
    ("torch.fft.ifftn", (torch.randn(2, dtype=torch.complex64),), {"dim": ()}),
    ("torch.fft.fftshift", (X[:1, :1],), {}),
    ("torch.unique", (WHOLE[0],), {}),
    ("torch.unique_consecutive", (WHOLE[0],), {}),
    ("torch.gradient", (X,), {}),
    ("torch.stft", (SIGNAL[0], 1), {"hop_length": 1, "return_complex": False, "center": False}),
    ("Tensor.unique", (WHOLE,), {}),
    ("Tensor.new_tensor", (X, X), {}),
    ("torch.linalg.pinv", (X[:1, :1],), {}),
    ("torch.square", (X,), {}),
    ("torch.nansum", (POINT,), {}),
    ("torch.nanmean", (POINT,), {}),
    ("torch.logsumexp", (POINT, 0), {}),
    ("torch.softmax", (POINT, 0), {}),
    ("torch.std", (X, 0), {}),
    *((f"torch.nn.functional.{name}", (X,), {}) for name in "relu relu6 elu selu celu silu mish gelu".split()),
    *((f"torch.nn.functional.{name}", (EMPTY,), {}) for name in "relu sigmoid softsign tanhshrink logsigmoid".split()),
    ("torch.nn.functional.rrelu", (X,), {"training": False}),
    ("torch.nn.functional.rrelu", (X,), {"training": True}),
    ("torch.nn.functional.leaky_relu", (X, 1.0), {}),
    ("torch.nn.functional.threshold", (X, -1e9, 0.0), {}),
    ("torch.nn.functional.hardtanh", (X, -1e9, 1e9), {}),
    ("torch.nn.functional.prelu", (X, torch.ones(1)), {}),
    ("torch.nn.functional.pad", (X, (0, 0)), {}),
    ("torch.nn.functional.pad", (X, ()), {}),
    ("torch.nn.functional.pad", (X, (-1, 0)), {}),
    *(("torch.nn.functional.pad", (IMAGE, (0,) * 4), {"mode": mode}) for mode in ("reflect", "replicate", "circular")),
    *(
        ("torch.nn.functional.interpolate", (IMAGE,), {"mode": mode, **to})
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
        for to in ({"size": (4, 4)}, {"scale_factor": 1})
    ),
    ("torch.nn.functional.interpolate", (IMAGE,), {"mode": "bilinear", "size": (4, 4), "antialias": True}),
    ("torch.nn.functional.interpolate", (SIGNAL,), {"mode": "linear", "size": 8}),
    ("torch.nn.functional.upsample", (IMAGE,), {"size": (4, 4)}),
    ("torch.nn.functional.adaptive_avg_pool1d", (SIGNAL, 8), {}),
    ("torch.nn.functional.adaptive_avg_pool1d", (SIGNAL[..., :1], 1), {}),
    ("torch.nn.functional.adaptive_avg_pool2d", (IMAGE, (4, 4)), {}),
    ("torch.nn.functional.adaptive_avg_pool2d", (IMAGE[..., :1, :1], 1), {}),
    ("torch.nn.functional.adaptive_avg_pool2d", (IMAGE, (None, None)), {}),
    ("torch.nn.functional.adaptive_avg_pool3d", (IMAGE, (4, 4, 4)), {}),
    ("torch.nn.functional.adaptive_max_pool1d", (SIGNAL, 8), {}),
    ("torch.nn.functional.adaptive_max_pool2d", (IMAGE, (4, 4)), {}),
    ("torch.nn.functional.avg_pool1d", (SIGNAL, 1), {}),
    ("torch.nn.functional.avg_pool2d", (IMAGE, 1), {}),
    ("torch.nn.functional.max_pool1d", (SIGNAL, 1), {}),
    ("torch.nn.functional.max_pool1d", (SIGNAL.clone().requires_grad_(), 1), {}),
    ("torch.nn.functional.max_pool2d", (IMAGE, 1), {}),
    ("torch.nn.functional.max_pool3d", (IMAGE, 1), {}),
    ("torch.nn.functional.lp_pool2d", (IMAGE, 1.0, 1), {}),
    ("torch.nn.functional.unfold", (IMAGE, 1), {}),
    ("torch.nn.functional.fold", (torch.randn(1, 4, 16), (4, 4), 1), {}),
    ("torch.nn.functional.normalize", (F.normalize(X),), {}),
    ("torch.nn.functional.normalize", (EMPTY,), {}),
    ("torch.nn.functional.layer_norm", (X, (4,)), {}),
    ("torch.nn.functional.batch_norm", (X, torch.zeros(4), torch.ones(4)), {}),
    ("torch.nn.functional.batch_norm", (EMPTY, torch.zeros(4), torch.ones(4)), {}),
    ("torch.nn.functional.instance_norm", (SIGNAL,), {}),
    ("torch.nn.functional.group_norm", (SIGNAL, 4), {}),
    ("torch.nn.functional.rms_norm", (X, (4,)), {}),
    ("torch.nn.functional.embedding", (torch.arange(3), X), {}),
    ("torch.nn.functional.embedding", (torch.tensor(0), X), {}),
    ("torch.nn.functional.embedding_bag", (torch.arange(3)[:, None], X), {"mode": "sum"}),
    ("torch.nn.functional.linear", (X, torch.eye(4)), {}),
    ("torch.nn.functional.linear", (EMPTY, torch.eye(4)), {}),
    ("torch.nn.functional.linear", (X[0, :1], torch.eye(1)), {}),
    ("torch.nn.functional.conv1d", (SIGNAL, torch.eye(4)[..., None]), {}),
    ("torch.nn.functional.conv2d", (IMAGE, torch.eye(4)[..., None, None]), {}),
    ("torch.nn.functional.conv2d", (IMAGE[:0], torch.eye(4)[..., None, None]), {}),
    ("torch.nn.functional.conv_transpose2d", (IMAGE, torch.eye(4)[..., None, None]), {}),
    ("torch.nn.functional.gumbel_softmax", (X,), {"hard": True}),
    ("torch.nn.functional.softmax", (X,), {"dim": 1, "dtype": torch.float32}),
    ("torch.nn.functional.scaled_dot_product_attention", (IMAGE, IMAGE, IMAGE), {}),
    ("torch.nn.functional.scaled_dot_product_attention", (IMAGE[..., :1, :], IMAGE[..., :1, :], IMAGE[..., :1, :]), {}),
    ("torch.nn.functional.l1_loss", (X, torch.zeros(3, 4)), {"reduction": "none"}),
    ("torch.nn.functional.mse_loss", (POINT, POINT), {"reduction": "mean"}),
    ("torch.nn.functional.kl_div", (POINT, POINT), {"reduction": "sum"}),
    ("torch.nn.functional.hinge_embedding_loss", (X, torch.ones(3, 4)), {"reduction": "none"}),
    ("torch.nn.functional.poisson_nll_loss", (X, torch.zeros(3, 4)), {"reduction": "none"}),
    ("torch.nn.functional.soft_margin_loss", (POINT, POINT), {}),
    ("torch.nn.functional.multilabel_soft_margin_loss", (X, torch.ones(3, 4)), {"reduction": "none"}),
    ("torch.nn.utils.rnn.pad_sequence", ([X],), {}),
    ("torch.nn.functional.max_pool2d_with_indices", (IMAGE, 1), {}),
    ("torch.nn.functional.grid_sample", (IMAGE, torch.zeros(1, 4, 4, 2)), {"align_corners": False}),
    ("torch.nn.functional.affine_grid", (torch.eye(2, 3)[None], [1, 1, 1, 1]), {"align_corners": False}),
    ("torch.nn.functional.local_response_norm", (IMAGE, 1), {}),
]  # fmt: skip
"""Fresh results, even though the value may be that of the argument."""

SHARING = [
    ("torch.dropout", (X, 0.5, False)),
    ("torch.nn.functional.dropout", (X, 0.0)),
    ("torch.nn.functional.dropout2d", (IMAGE, 0.5, False)),
    ("torch.einsum", ("ij->ji", X)),
    ("torch.reshape", (X, (4, 3))),
    ("torch.flatten", (X,)),
    ("torch.ravel", (X,)),
    ("torch.conj_physical", (X,)),
    ("torch.cartesian_prod", (X[0],)),
    ("torch.atleast_1d", (X,)),
    ("torch.broadcast_tensors", (X,)),
    ("torch.meshgrid", (X[0],)),
    ("torch.positive", (X,)),
    ("torch.real", (X,)),
    ("torch.squeeze", (X,)),
    ("torch.narrow", (X, 0, 0, 3)),
    ("torch.movedim", (X, 0, 0)),
    ("torch.unsafe_chunk", (X, 1)),
    ("torch.unsafe_split", (X, 3)),
    ("torch.detach", (X,)),
    ("torch.as_tensor", (X,)),
    ("torch.asarray", (X,)),
    ("torch.resolve_conj", (X,)),
    ("torch.tensor_split", (X, 1)),
    ("torch.unflatten", (X, 1, (2, 2))),
    ("torch.nn.Parameter", (X,)),
    ("torch.dequantize", (X,)),
    ("Tensor.contiguous", (X,)),
    ("Tensor.to", (X, torch.float32)),
    ("Tensor.float", (X,)),
    ("Tensor.type", (X, torch.float32)),
    ("Tensor.type_as", (X, X)),
    ("Tensor.cpu", (X,)),
    ("Tensor.sum_to_size", (X, 3, 4)),
    ("Tensor.expand_as", (X, X)),
    ("Tensor.view_as", (X, X)),
    ("Tensor.reshape_as", (X, X)),
    ("Tensor.to_dense", (X,)),
    ("Tensor.__getitem__", (X, ...)),
    ("Tensor.__reversed__", (POINT,)),
    ("Tensor.__pos__", (X,)),
    ("Tensor.new", (X, X)),
    ("Tensor.as_subclass", (X, torch.Tensor)),
    ("torch.nn.functional.local_response_norm", (IMAGE[:0], 1)),
]
"""Calls whose result shares storage with an argument: the counter-examples behind `maybe` and `view`."""


def called(name, args, kwargs=None):
    """The result of the callable with this catalogue name."""
    path = name.replace("Tensor.", "torch.Tensor.", 1) if name.startswith("Tensor.") else name
    function = functools.reduce(getattr, path.split(".")[1:], torch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **(kwargs or {}))


def shares(outputs, inputs):
    """True if some tensor of one tree has the storage of a tensor of the other."""
    tensors = [[t for t in tree_leaves(tree) if isinstance(t, torch.Tensor)] for tree in (outputs, inputs)]
    return bool({storage(t) for t in tensors[0]} & {storage(t) for t in tensors[1]})


@pytest.mark.parametrize(("name", "args", "kwargs"), NOTHING_TO_DO)
def test_fresh_with_nothing_to_do(name, args, kwargs):
    row = result(name)
    if row.memory is Memory.FRESH:
        assert not shares(called(name, args, kwargs), (args, kwargs))
    else:
        assert name == "torch.nn.functional.local_response_norm"


@pytest.mark.parametrize(("name", "args"), SHARING)
def test_counter_examples_are_not_called_fresh(name, args):
    assert shares(called(name, args), args)
    assert result(name).memory is not Memory.FRESH


def module_cases():
    """(class name, instance, arguments) of torch's module database, in training and in eval mode."""
    for info in module_db:
        for training in (True, False):
            cases = info.module_inputs_func(
                info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
            )
            for case in cases:
                module = info.module_cls(*case.constructor_input.args, **case.constructor_input.kwargs)
                yield info.module_cls.__name__, module.to(torch.float64).train(training), case.forward_input


def test_modules_called_fresh_share_nothing():
    """Arguments, parameters and buffers, on every sample of the database, both modes."""
    checked = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, module, forward in module_cases():
            row = result(f"torch.nn.{name}")
            if row is None or row.memory is not Memory.FRESH or getattr(module, "inplace", False) or forward is None:
                continue
            outputs = module(*forward.args, **forward.kwargs)
            state = [*module.parameters(), *module.buffers()]
            assert not shares(outputs, (forward.args, forward.kwargs, state)), (name, module)
            checked.add(name)
    assert len(checked) > 90


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.AdaptiveAvgPool2d((4, 4)),
        torch.nn.AdaptiveMaxPool2d((4, 4)),
        torch.nn.AvgPool2d(1),
        torch.nn.MaxPool2d(1),
        torch.nn.LPPool2d(1, 1),
        torch.nn.ZeroPad2d(0),
        torch.nn.CircularPad2d(0),
        torch.nn.ReflectionPad2d(0),
        torch.nn.ReplicationPad2d(0),
        torch.nn.ConstantPad2d(0, 1.0),
        torch.nn.Upsample(size=(4, 4)),
        torch.nn.Upsample(scale_factor=1, mode="bilinear"),
        torch.nn.UpsamplingNearest2d(scale_factor=1),
        torch.nn.UpsamplingBilinear2d(scale_factor=1),
        torch.nn.Unfold(1),
        torch.nn.BatchNorm2d(4, affine=False).eval(),
        torch.nn.InstanceNorm2d(4).eval(),
        torch.nn.GroupNorm(4, 4, affine=False),
        torch.nn.RReLU().eval(),
        torch.nn.LeakyReLU(1.0),
        torch.nn.Hardtanh(-1e9, 1e9),
        torch.nn.Threshold(-1e9, 0.0),
    ],
)
def test_modules_with_nothing_to_do(module):
    assert result(f"torch.nn.{type(module).__name__}").memory is Memory.FRESH
    assert not shares(module(IMAGE), (IMAGE, list(module.parameters()), list(module.buffers())))


@pytest.mark.parametrize(
    ("module", "argument"),
    [
        (torch.nn.Dropout(0.5).eval(), X),
        (torch.nn.Dropout2d(0.0), IMAGE),
        (torch.nn.AlphaDropout(0.5).eval(), X),
        (torch.nn.FeatureAlphaDropout(0.5).eval(), IMAGE),
        (torch.nn.Identity(), X),
        (torch.nn.Flatten(), X),
        (torch.nn.Unflatten(1, (2, 2)), X),
        (torch.nn.Sequential(), X),
    ],
)
def test_modules_that_hand_their_argument_through(module, argument):
    assert shares(module(argument), argument)
    assert result(f"torch.nn.{type(module).__name__}").memory is not Memory.FRESH


@pytest.mark.parametrize(
    "symbol", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lt", "eq", "neg", "abs"]
)
def test_operators(symbol):
    row = result(f"Tensor.__{symbol}__")
    function = getattr(operator, symbol)
    found = (
        function(WEIGHT) if symbol in ("neg", "abs") else function(WEIGHT, WEIGHT.t() if symbol == "matmul" else WEIGHT)
    )
    assert row.kind is Kind.TENSOR
    assert row.memory is Memory.FRESH
    assert not shares(found, WEIGHT)
    assert row.tracked is found.requires_grad
    assert (row.dtype is Dtype.BOOL) is (found.dtype is torch.bool)


def test_integers_met_by_a_float_are_not_promised_to_stay_integers():
    """`x16 * (indices * 0.5)` promotes to float32, so that no row may say that `indices * 0.5` is an integer."""
    for name in ("add", "sub", "mul", "clamp", "pow", "remainder", "fmod", "clamp_min"):
        assert called(f"torch.{name}", (WHOLE, 1.5)).dtype is torch.float32
        assert result(f"torch.{name}").dtype is Dtype.FLOAT
    assert torch.where(MASK, WHOLE, 1.5).dtype is torch.float32
    assert result("torch.where").dtype is Dtype.FLOAT


def test_parts_of_results_with_indices():
    for name in (
        "Tensor.topk",
        "Tensor.sort",
        "Tensor.max",
        "Tensor.min",
        "Tensor.kthvalue",
        "Tensor.cummax",
        "Tensor.mode",
    ):
        assert result(name).parts == (Dtype.SAME, Dtype.INT), name


def test_factories_are_never_tracked():
    for name in (
        "torch.zeros",
        "torch.randn",
        "torch.zeros_like",
        "Tensor.new_ones",
        "torch.arange",
        "torch.tensor",
        "torch.eye",
    ):
        assert result(name).memory is Memory.FRESH
        assert not result(name).tracked


def test_numbers_are_not_tensors():
    for name in (
        "Tensor.item",
        "Tensor.numel",
        "Tensor.dim",
        "Tensor.ndim",
        "torch.numel",
        "torch.is_tensor",
        "Tensor.is_contiguous",
    ):
        assert result(name).kind is Kind.NUMBER


def test_every_row_has_a_known_shape():
    for row in results():
        assert row.dtype is Dtype.ANY or row.kind not in (Kind.NUMBER, Kind.OTHER), row
        assert len(row.parts) != 1, row
        assert not row.parts or row.kind in (Kind.TENSORS, Kind.EITHER), row
