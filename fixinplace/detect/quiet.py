"""Writes that torch never complains about: into storages that nothing keeps for backward.

Note [Free writes]
    torch raises at backward for a write into what an earlier op has saved.  A convolution, a sum, a batch norm save
    their operands and not their result: as long as nobody has read that result either, a write into it is free.  The
    original then raises for it nowhere, with checkpointing or without, and no handler of errors tells it from its
    out-of-place form.  `Sigmoid` and `exp` save their result; what is not listed here may.
    Some ops in place are refused for other reasons, see `may_raise`: whoever catches errors sees that.
"""

from __future__ import annotations

import ast
import enum

from fixinplace.detect.vocabulary import MIXES, NOTICED, UNCHECKED

_SIZES = ("1d", "2d", "3d")
_SIZED = (
    "Conv", "ConvTranspose", "BatchNorm", "InstanceNorm", "AvgPool", "AdaptiveAvgPool", "MaxPool", "AdaptiveMaxPool",
    "LazyConv", "LazyBatchNorm", "Dropout", "ConstantPad", "ZeroPad", "ReflectionPad", "ReplicationPad",
)  # fmt: skip
_MODULES = ("Linear", "Bilinear", "GroupNorm", "LayerNorm", "SyncBatchNorm", "Embedding", "Upsample", "Dropout",
            "Identity", "UpsamplingNearest2d", "UpsamplingBilinear2d")  # fmt: skip
_FUNCTIONS = (
    "add", "sub", "mul", "div", "cat", "concat", "stack", "matmul", "mm", "bmm", "addmm", "baddbmm", "mean", "sum",
    "clone", "conv1d", "conv2d", "conv3d", "neg", "index_select", "gather",
)  # fmt: skip
_FUNCTIONAL = (
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear", "bilinear",
    "batch_norm", "instance_norm", "group_norm", "layer_norm", "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d",
    "max_pool2d", "max_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "interpolate",
    "pad", "embedding", "grid_sample",
)  # fmt: skip
QUIET = frozenset((
    *(f"torch.nn.{name}{size}" for name in _SIZED for size in _SIZES),
    *(f"torch.nn.{name}" for name in _MODULES),
    *(f"{owner}.{name}" for name in _FUNCTIONS for owner in ("torch", "Tensor")),
    *(f"torch.nn.functional.{name}" for name in _FUNCTIONAL),
))  # fmt: skip
"""Modules and functions that keep nothing of what they return; run under torch's saved-tensor hooks by the tests."""


class Fresh(enum.IntEnum):
    """What is known of a tensor that a part of a `Sequential` is called with; of two, the lesser one."""

    NO = 0
    NEW = 1
    FREE = 2


def unnoticed(free: bool, op: str, node: ast.AST) -> frozenset[str]:
    """The doubts that a write does not share with the rest of its file.

    An activation has the dtype of the one tensor that it is given, in place or not, and autocast leaves it alone.
    """
    mixes = MIXES if op.endswith("(inplace=)") else frozenset()
    if not free:
        return mixes
    return mixes | UNCHECKED | (frozenset() if may_raise(op, node) else NOTICED)


def may_raise(op: str, node: ast.AST) -> bool:
    """True for a write that torch may refuse where the op out of place goes on, whatever was saved before.

    A sum for the shape of its operand; `leaky_relu` and `elu` at backward, for a slope that may be negative.
    """
    name = op.partition("(")[0].rpartition(".")[2].lower().replace("_", "")
    if not isinstance(node, ast.Call) or not op.endswith("(inplace=)"):
        return True
    if name in ("leakyrelu", "elu", "celu"):
        given = (*node.args["functional" in op :], *(one.value for one in node.keywords))
        return not all(isinstance(one, ast.Constant) for one in given)
    return name not in _NEVER and not name.startswith("dropout")


_NEVER = ("relu", "relu6", "hardtanh", "silu", "hardswish", "mish", "hardsigmoid", "selu", "threshold")
