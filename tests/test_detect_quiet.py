"""Writes into what nothing keeps for backward: no handler of errors, and no checkpoint, tells them from their cure."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from rewriting import fixes
from torch import Tensor, nn
from torch.nn import functional as F

from fixinplace.detect.quiet import QUIET

SIZES = {"1d": (2, 4, 6), "2d": (2, 4, 6, 6), "3d": (2, 4, 6, 6, 6)}
MADE = {
    "Conv": (4, 3, 3), "LazyConv": (3, 3), "ConvTranspose": (4, 3, 3), "BatchNorm": (4,), "LazyBatchNorm": (),
    "InstanceNorm": (4,), "AvgPool": (2,), "AdaptiveAvgPool": (2,), "MaxPool": (2,), "AdaptiveMaxPool": (2,),
    "Dropout": (), "ConstantPad": (1, 0.5), "ZeroPad": (1,), "ReflectionPad": (1,), "ReplicationPad": (1,),
}  # fmt: skip
OTHERS = {
    "Linear": (6, 3), "GroupNorm": (2, 4), "LayerNorm": (6,), "SyncBatchNorm": (4,), "Upsample": (None, 2), "Dropout": (),
    "Identity": (), "UpsamplingNearest2d": (None, 2), "UpsamplingBilinear2d": (None, 2),
}  # fmt: skip


def grown(*size: int) -> Tensor:
    return torch.randn(size, requires_grad=True)


FUNCTIONAL: dict[str, Callable[[], Tensor]] = {
    "conv1d": lambda: F.conv1d(grown(2, 4, 6), grown(3, 4, 3), grown(3)),
    "conv2d": lambda: F.conv2d(grown(2, 4, 6, 6), grown(3, 4, 3, 3), grown(3)),
    "conv3d": lambda: F.conv3d(grown(2, 4, 6, 6, 6), grown(3, 4, 3, 3, 3)),
    "conv_transpose1d": lambda: F.conv_transpose1d(grown(2, 4, 6), grown(4, 3, 3)),
    "conv_transpose2d": lambda: F.conv_transpose2d(grown(2, 4, 6, 6), grown(4, 3, 3, 3)),
    "conv_transpose3d": lambda: F.conv_transpose3d(grown(2, 4, 6, 6, 6), grown(4, 3, 3, 3, 3)),
    "linear": lambda: F.linear(grown(2, 4), grown(3, 4), grown(3)),
    "bilinear": lambda: F.bilinear(grown(2, 4), grown(2, 5), grown(3, 4, 5)),
    "batch_norm": lambda: F.batch_norm(grown(3, 4, 6), None, None, grown(4), grown(4), training=True),
    "instance_norm": lambda: F.instance_norm(grown(3, 4, 6)),
    "group_norm": lambda: F.group_norm(grown(3, 4, 6), 2, grown(4), grown(4)),
    "layer_norm": lambda: F.layer_norm(grown(3, 4), (4,), grown(4), grown(4)),
    "avg_pool1d": lambda: F.avg_pool1d(grown(2, 4, 6), 2),
    "avg_pool2d": lambda: F.avg_pool2d(grown(2, 4, 6, 6), 2),
    "avg_pool3d": lambda: F.avg_pool3d(grown(2, 4, 6, 6, 6), 2),
    "max_pool1d": lambda: F.max_pool1d(grown(2, 4, 6), 2),
    "max_pool2d": lambda: F.max_pool2d(grown(2, 4, 6, 6), 2),
    "max_pool3d": lambda: F.max_pool3d(grown(2, 4, 6, 6, 6), 2),
    "adaptive_avg_pool1d": lambda: F.adaptive_avg_pool1d(grown(2, 4, 6), 1),
    "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(grown(2, 4, 6, 6), 1),
    "adaptive_avg_pool3d": lambda: F.adaptive_avg_pool3d(grown(2, 4, 6, 6, 6), 1),
    "interpolate": lambda: F.interpolate(grown(2, 4, 6, 6), scale_factor=2, mode="bicubic"),
    "pad": lambda: F.pad(grown(2, 4, 6), (1, 1), mode="reflect"),
    "embedding": lambda: F.embedding(torch.tensor([0, 2]), grown(4, 3)),
    "grid_sample": lambda: F.grid_sample(grown(2, 4, 6, 6), grown(2, 3, 3, 2), align_corners=False),
}
PLAIN: dict[str, tuple[object, ...]] = {
    "add": (grown(3, 3),), "sub": (grown(3, 3),), "mul": (grown(3, 3),), "div": (grown(3, 3),), "matmul": (grown(3, 3),),
    "mm": (grown(3, 3),), "mean": (0,), "sum": (0,), "clone": (), "neg": (), "index_select": (0, torch.tensor([0, 2])),
    "gather": (1, torch.tensor([[0], [1], [2]])), "addmm": (grown(3, 3), grown(3, 3)),
}  # fmt: skip


def results(name: str) -> list[Tensor]:
    """What a quiet module or function returns, for every shape that it is for."""
    owner, _, last = name.rpartition(".")
    if owner == "torch.nn":
        if last == "Embedding":
            return [nn.Embedding(4, 3)(torch.tensor([0, 2]))]
        if last == "Bilinear":
            return [nn.Bilinear(4, 5, 3)(grown(2, 4), grown(2, 5))]
        size = last[-2:] if last in {f"{base}{size}" for base in MADE for size in SIZES} else "2d"
        made = getattr(nn, last)(*(OTHERS[last] if last in OTHERS else MADE[last[:-2]]))
        ways = (made, made.eval()) if last != "SyncBatchNorm" else (made.eval(),)  # training needs a GPU
        return [way(grown(*SIZES[size])) for way in ways]
    if owner == "torch.nn.functional":
        return [FUNCTIONAL[last]()]
    if last in ("cat", "concat", "stack"):
        return [getattr(torch, last)([grown(3, 3), grown(3, 3)])] if owner == "torch" else []
    if last in ("conv1d", "conv2d", "conv3d"):
        return [FUNCTIONAL[last]()] if owner == "torch" else []
    if last in ("bmm", "baddbmm"):
        given = [grown(2, 3, 3) for _ in range(2 if last == "bmm" else 3)]
        return [getattr(torch, last)(*given) if owner == "torch" else getattr(given[0], last)(*given[1:])]
    x = grown(3, 3)
    return [getattr(torch, last)(x, *PLAIN[last]) if owner == "torch" else getattr(x, last)(*PLAIN[last])]


def kept_of(name: str) -> tuple[list[Tensor], list[Tensor]]:
    """What is returned, and what is saved for backward on the way."""
    saved: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        return results(name), saved


@pytest.mark.parametrize("name", sorted(QUIET))
def test_what_is_quiet_saves_nothing_of_its_result(name: str) -> None:
    returned, saved = kept_of(name)
    if name.startswith("Tensor.") and not hasattr(Tensor, name.partition(".")[2]):
        assert not returned  # no such method
        return
    places = {tensor.untyped_storage().data_ptr() for tensor in saved}
    assert returned and all(one.untyped_storage().data_ptr() not in places for one in returned)


TRY = "def test():\n    try:\n        main()\n    except RuntimeError:\n        pass\n"
AGAIN = (
    "from torch.utils.checkpoint import checkpoint\ndef test(x):\n    return checkpoint(main) + checkpoint(Net(), x)\n"
)
NET = (
    "class Net(nn.Module):\n    def __init__(self, act=None):\n        super().__init__()\n        self.conv = nn.Conv2d(3, 3, 1)\n"
    "        self.norm = nn.BatchNorm2d(3)\n        self.gate = nn.Sigmoid()\n        {}\n    def forward(self, x):\n"
    "        {}\n"
)
MAIN = "def main():\n    return Net()(torch.ones(1, 3, 2, 2)).sum()\n"
RELU = "self.relu = nn.ReLU(inplace=True)"


def net(init: str, forward: str) -> str:
    return NET.format(init, "\n        ".join(forward.split("\n"))) + MAIN


FREE = {
    "behind a norm": net(RELU, "return self.relu(self.norm(self.conv(x)))"),
    "by its name": net(RELU, "h = self.norm(self.conv(x))\nh = self.relu(h)\nreturn h"),
    "behind a sum": net(RELU, "return self.relu(self.conv(x) + x)"),
    "on two ways": net(RELU, "if x.mean() > 0:\n    h = self.conv(x)\nelse:\n    h = self.norm(x)\nreturn self.relu(h)"),
    "in a Sequential": net("self.net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.0), nn.ReLU(inplace=True))",
                           "return self.net(x)"),
    "a function": net("pass", "h = self.conv(x)\nreturn nn.functional.relu(h, inplace=True)"),
    "of a slope that is written down": net("self.relu = nn.LeakyReLU(0.1, inplace=True)", "return self.relu(self.conv(x))"),
    "of an elu": net("pass", "h = self.conv(x)\nreturn nn.functional.elu(h, 0.5, inplace=True)"),
    "in a loop": net(RELU, "for _ in range(3):\n    x = self.conv(x)\n    x = self.relu(x)\nreturn x"),
}  # fmt: skip
NOT_FREE = {
    "behind a sigmoid": net(RELU, "return self.relu(self.gate(x))"),
    "behind an exp": net(RELU, "h = torch.exp(self.conv(x))\nreturn self.relu(h)"),
    "read before": net(RELU, "h = self.conv(x)\ny = h * h\nreturn self.relu(h) + y"),
    "read on one way": net(RELU, "h = self.conv(x)\ny = h * h if x.mean() > 0 else x\nreturn self.relu(h) + y"),
    "read in the round before": net(RELU, "h, y = self.conv(x), x\nfor _ in range(2):\n    y = self.relu(h) * y\nreturn y"),
    "kept on one way": net(RELU, "if x.mean() > 0:\n    h = self.conv(x)\nelse:\n    h = self.gate(x)\nreturn self.relu(h)"),
    "what is passed in": net(RELU, "return self.relu(x)"),
    "behind a gate in a Sequential": net("self.net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid(), nn.ReLU(inplace=True))",
                                         "return self.net(x)"),
    "behind another in place": net("self.net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True), nn.ELU(inplace=True))",
                                   "return self.net(x)"),
    "a module whose class is passed in": net("self.net = nn.Sequential(nn.Conv2d(3, 3, 1), act(), nn.ReLU(inplace=True))",
                                             "return self.net(x)").replace("act=None", "act=nn.Tanh"),
    "called twice": net(RELU, "y = self.relu(self.gate(x))\nreturn self.relu(self.conv(x)) + y"),
    "read by the other argument": net("pass", "h = self.conv(x)\nreturn nn.functional.leaky_relu(h, float(h.exp().mean()), inplace=True)"),
}  # fmt: skip


@pytest.mark.parametrize("more", (TRY, AGAIN), ids=("try", "checkpoint"))
@pytest.mark.parametrize("text", FREE.values(), ids=FREE.keys())
def test_a_free_write_is_safe_whoever_handles_errors(text: str, more: str) -> None:
    found = fixes("from torch import nn\n" + text + more)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("text", NOT_FREE.values(), ids=NOT_FREE.keys())
def test_a_write_into_what_is_kept_is_left_to_a_run(text: str) -> None:
    found = fixes("from torch import nn\n" + text + TRY)
    assert found and not all(fix.safe for fix in found)


@pytest.mark.parametrize("text", NOT_FREE.values(), ids=NOT_FREE.keys())
def test_a_checkpointed_write_into_what_is_kept_is_said_to_be_put_right(text: str) -> None:
    found = [fix for fix in fixes("from torch import nn\n" + text + AGAIN) if fix.safe]
    said = [any("checkpointing hides" in one for one in fix.assumes) for fix in found]
    assert any(said) or not found


SLOPES = (
    "nn.functional.leaky_relu(self.conv(x), -0.5, inplace=True)", "nn.LeakyReLU(-0.5, inplace=True)(self.conv(x))",
    "nn.functional.elu(self.conv(x), alpha=self.alpha, inplace=True)", "nn.functional.rrelu(self.conv(x), -1.0, 0.5, inplace=True)",
    "nn.CELU(x.dim() - 9, inplace=True)(self.conv(x))",
)  # fmt: skip


@pytest.mark.parametrize("call", SLOPES)
def test_a_slope_that_may_be_negative_raises_in_place_alone(call: str) -> None:
    (handled,) = fixes("from torch import nn\n" + net("self.alpha = 1.0", f"return {call}") + TRY)

    assert not handled.safe


def test_torch_refuses_a_negative_slope_in_place_alone() -> None:
    x = torch.randn(4, requires_grad=True)
    F.leaky_relu(x * 2, -0.5).sum().backward()
    with pytest.raises(RuntimeError, match="negative slope"):
        F.leaky_relu(x * 2, -0.5, inplace=True).sum().backward()


SUM = net("pass", "h = self.conv(x)\nh += x\nreturn h")


def test_a_sum_in_place_may_raise_for_its_shape_and_is_free_of_checks_alone() -> None:
    (handled,), (again,) = (fixes(f"from torch import nn\n{SUM}{more}") for more in (TRY, AGAIN))

    assert again.safe and not handled.safe


@pytest.mark.parametrize(
    "forward",
    (
        "h = self.conv(x)\nh += torch.exp(h)\nreturn h",
        "h = self.conv(x)\nh += h\nreturn h",
        "h = self.gate(x)\nh += x\nreturn h",
    ),
)
def test_a_sum_in_place_of_what_it_reads_is_not_free(forward: str) -> None:
    found = fixes("from torch import nn\n" + net("pass", forward) + AGAIN)
    assert all("checkpointing hides" in " ".join(fix.assumes) for fix in found)


ACTIVATIONS = [
    one for one in dir(nn.functional) if "inplace" in (getattr(getattr(nn.functional, one), "__annotations__", {}))
]


@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16, torch.float64), ids=str)
@pytest.mark.parametrize("name", [one for one in ACTIVATIONS if not one.startswith("_")])
def test_autocast_leaves_the_dtype_of_activations_alone(name: str, dtype: torch.dtype) -> None:
    function, more = getattr(nn.functional, name), (0.1, 0.2) if name == "threshold" else ()
    x = torch.rand(2, 3, *(4 for size in "123" if name.endswith("d") and name[-2] >= size), dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        torch.manual_seed(0)
        out = function(x, *more)
        torch.manual_seed(0)
        within = function(x.clone(), *more, inplace=True)
    assert out.dtype == within.dtype == dtype and torch.equal(out, within)
