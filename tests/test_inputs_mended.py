"""Classes as public collections have them, each of which needs a mend of its own: the search comes by their writes."""

from __future__ import annotations

import ast
import gc
import importlib
import linecache
import time
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from fixinplace.inputs import guess, mend, snippet
from fixinplace.inputs.knowledge import Knowledge, Parameter, read
from fixinplace.inputs.situation import Fault, Situation, tensors
from fixinplace.inputs.sizes import dimensions
from fixinplace.inputs.snippet import Variant
from fixinplace.inputs.units import homes
from fixinplace.inputs.values import Argument, Code, Literal, Recipe, Record, Series, Tensor, Value, together
from fixinplace.source import Text
from fixinplace.verify.agenda import AT_ONCE, Agenda
from fixinplace.verify.faults import fault_of
from fixinplace.verify.jobs import Find, Found, Patch, Region, Unit
from fixinplace.verify.load import MADE
from fixinplace.verify.reach import Reach
from fixinplace.verify.runner import Failed, Runner
from fixinplace.verify.starting import _parts
from fixinplace.verify.trying import OutOfTime, Trier, _within

HEAD = """
import math
import torch
import torch.nn.functional as F
from torch import nn

"""
X = Tensor((2, 12, 32))
IMAGE = Tensor((2, 32, 16, 16))

STAGED = """
class Staged(nn.Module):
    def __init__(self, block, layers, classes=5):
        super().__init__()
        self.channels = 16
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.one, self.two = self.stage(block, 16, layers[0]), self.stage(block, 24, layers[1], 2)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(24, classes)

    def stage(self, block, planes, count, stride=1):
        aside = None
        if stride != 1 or self.channels != planes * block.expansion:
            aside = nn.Conv2d(self.channels, planes * block.expansion, 1, stride)
        parts = [block(self.channels, planes, stride, aside)]
        self.channels = planes * block.expansion
        parts += [block(self.channels, planes) for _ in range(1, count)]
        return nn.Sequential(*parts)

    def forward(self, x):
        x = self.two(self.one(self.act(self.stem(x)))).mean((2, 3))
        x += 1
        return self.head(x)
"""
CLASSES = {
    "blocks of another file": STAGED,
    "bottlenecks of another file": STAGED.replace("class Staged", "class Bottled")
    .replace("nn.Linear(24,", "nn.Linear(96,")
    .replace("        self.act = ", "        self.mix = nn.Conv2d(96, 96, 1)\n        self.act = ")
    .replace(
        "self.two(self.one(self.act(self.stem(x)))).mean", "self.mix(self.two(self.one(self.act(self.stem(x))))).mean"
    ),
    "a sixteenth of the channels": """
class Squeezed(nn.Module):
    def __init__(self, num_feat, squeeze_factor=16):
        super().__init__()
        small = num_feat // squeeze_factor
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down, self.up = nn.Conv2d(num_feat, small, 1), nn.Conv2d(small, num_feat, 1)

    def forward(self, x):
        gate = self.up(self.down(self.pool(x)).relu()).sigmoid()
        gate += x.mean()
        return x * gate
""",
    "a mask that is counted with": """
class Ranged(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.lift = nn.Linear(channels, channels)

    def forward(self, x, mask):
        mask = mask.clone()
        mask[mask == 0] = torch.inf
        low = torch.nan_to_num(self.lift(x) - mask, neginf=0.0).amin(-1, keepdim=True)
        low += 1e-3
        return x - low
""",
    "the else of a word": """
class Worded(nn.Module):
    def __init__(self, dim, act="relu"):
        super().__init__()
        self.act, self.last = act, nn.Linear(dim, dim)

    def forward(self, x):
        x = self.last(x)
        if self.act == "relu":
            x = torch.relu(x)
        else:
            x += 1
        return x.tanh()
""",
    "signals for a window": """
class Spectral(nn.Module):
    def __init__(self, windows=(1024, 512)):
        super().__init__()
        self.windows = windows

    def forward(self, signal, other):
        loss = signal.new_zeros(())
        for size in self.windows:
            one, two = (torch.stft(each, size, window=torch.hann_window(size), return_complex=True).abs()
                        for each in (signal, other))
            loss += F.l1_loss(one, two)
        return loss
""",
    "lists of rows": """
class Swapped(nn.Module):
    def __init__(self, temperature=0.1):
        super().__init__()
        self.temperature = temperature

    def forward(self, high: list[torch.Tensor], low: list[torch.Tensor]):
        loss = high[0].new_zeros(1)
        for one in high:
            weights = torch.exp(one.detach() / 0.05).t()
            weights = (weights / weights.sum(0, keepdim=True)).t()
            for other in low:
                loss += -(weights * F.log_softmax(other / self.temperature, dim=1)).sum(dim=1).mean()
        return loss
""",
    "as many dimensions as a condition wants": """
class Interacting(nn.Module):
    def __init__(self, embedding_size, head_num=2):
        super().__init__()
        if embedding_size % head_num != 0:
            raise ValueError("embedding_size is no multiple of head_num")
        self.size = embedding_size // head_num
        self.query = nn.Parameter(torch.randn(embedding_size, embedding_size))

    def forward(self, inputs):
        if len(inputs.shape) != 3:
            raise ValueError("unexpected inputs")
        queries = torch.tensordot(inputs, self.query, dims=([-1], [0]))
        queries = torch.stack(torch.split(queries, self.size, dim=2))
        scores = torch.einsum("bnik,bnjk->bnij", queries, queries)
        scores += self.size**-0.5
        return scores.softmax(-1)
""",
    "groups that divide": """
class Factored(nn.Module):
    def __init__(self, in_channels, out_channels, stride, inner, groups=32):
        super().__init__()
        middle = out_channels // 2
        self.first = nn.Conv2d(in_channels, middle, 1)
        self.second = nn.Conv2d(middle, middle, 3, stride=stride, padding=1, groups=groups)
        self.select = nn.Sequential(nn.Conv2d(in_channels, inner[0], 1), nn.Conv2d(inner[0], inner[1], 1))

    def forward(self, x):
        h = self.second(self.first(x))
        h += self.select(x).mean()
        return h
""",
    "widths that add up": """
class SeparatedGate(nn.Module):
    def __init__(self, hidden=128, given=192 + 128):
        super().__init__()
        self.update = nn.Conv2d(hidden + given, hidden, (1, 5), padding=(0, 2))
        self.new = nn.Conv2d(hidden + given, hidden, (1, 5), padding=(0, 2))

    def forward(self, h, x):
        z = torch.sigmoid(self.update(torch.cat([h, x], dim=1)))
        q = torch.tanh(self.new(torch.cat([z * h, x], dim=1)))
        h = (1 - z) * h
        h += z * q
        return h
""",
    "a width that is split": """
class Field(nn.Module):
    def __init__(self, points=3, views=4, width=16):
        super().__init__()
        self.points, self.views = points, views
        self.body, self.head = nn.Linear(points, width), nn.Linear(width + views, 4)

    def forward(self, x):
        points, views = torch.split(x, [self.points, self.views], dim=-1)
        h = torch.tanh(self.body(points))
        h += 1
        return self.head(torch.cat([h, views], -1))
""",
    "rows of an index": """
class Messages(nn.Module):
    def __init__(self, in_channels, out_channels, heads=1):
        super().__init__()
        self.heads, self.out = heads, out_channels
        self.lin = nn.Linear(in_channels, heads * out_channels)
        self.gate = nn.Parameter(torch.randn(1, heads, out_channels))

    def forward(self, x, edge_index):
        h = self.lin(x).view(-1, self.heads, self.out)
        source, target = edge_index
        alpha = (h * self.gate).sum(-1)[source] + (h * self.gate).sum(-1)[target]
        alpha += 1
        total = alpha.new_zeros(x.size(0), self.heads)
        total.index_add_(0, target, alpha)
        return total
""",
    "an argument that is called": """
class Sublayer(nn.Module):
    def __init__(self, size, dropout):
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(size), nn.Dropout(dropout)

    def forward(self, x, sublayer):
        out = self.dropout(sublayer(self.norm(x)))
        out += x
        return out
""",
    "a list in a configuration": """
class TextConvolution(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.embed = nn.Embedding(args.vocab_size, args.embed_dim)
        self.convs = nn.ModuleList([nn.Conv2d(1, args.kernel_num, (K, args.embed_dim)) for K in args.kernel_sizes])
        self.fc = nn.Linear(len(args.kernel_sizes) * args.kernel_num, args.class_num)

    def forward(self, x):
        x = self.embed(x).unsqueeze(1)
        x = [F.relu(conv(x)).squeeze(3) for conv in self.convs]
        x = torch.cat([F.max_pool1d(i, i.size(2)).squeeze(2) for i in x], 1)
        x += 1
        return self.fc(x)
""",
    "a dictionary in a dictionary": """
class Keyed(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["model"]["hidden"]
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(config["model"]["num_layers"])])
        self.drop = nn.Dropout(config["dropout"])

    def forward(self, batch):
        x = batch["x"]
        for layer in self.layers:
            x = x + layer(x)
            x += 1
        return self.drop(x)
""",
    "pairs in a list": """
class Anchored(nn.Module):
    def __init__(self, anchors, num_classes, img_dim):
        super().__init__()
        anchors = [(a_w, a_h) for a_w, a_h in anchors]
        self.count, self.width = len(anchors), 5 + num_classes
        self.scaled = torch.tensor(anchors, dtype=torch.float32)

    def forward(self, p):
        size = p.shape[-1]
        p = p.view(p.shape[0], self.count, self.width, size, size).permute(0, 1, 3, 4, 2).sigmoid()
        p += self.scaled.mean()
        return p
""",
    "numbers that are gone through": """
class Shared(nn.Module):
    def __init__(self, npoint, radius, in_channel, mlp, group_all):
        super().__init__()
        self.convs = nn.ModuleList()
        last = in_channel
        for out_channel in mlp:
            self.convs.append(nn.Conv1d(last, out_channel, 1))
            last = out_channel

    def forward(self, xyz, points):
        new = torch.cat([xyz, points], dim=1)
        for conv in self.convs:
            new = torch.sigmoid(conv(new))
            new += 1
        return new
""",
    "a state that it makes itself": """
class ConvolutionalCell(nn.Module):
    def __init__(self, input_size, hidden_size, kernel_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.gates = nn.Conv2d(input_size + hidden_size, 4 * hidden_size, kernel_size, padding=kernel_size // 2)

    def forward(self, input_, prev_state):
        if prev_state is None:
            size = [input_.size(0), self.hidden_size, *input_.shape[2:]]
            prev_state = (torch.zeros(size), torch.zeros(size))
        hidden, cell = prev_state
        i, r, o, c = self.gates(torch.cat((input_, hidden), 1)).chunk(4, 1)
        cell = torch.sigmoid(r) * cell
        cell += torch.sigmoid(i) * torch.tanh(c)
        return torch.sigmoid(o) * torch.tanh(cell), cell
""",
    "half of the channels": """
class Coupling(nn.Module):
    def __init__(self, hps, in_channels):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(in_channels // 2, hps.hidden_channels, 3, padding=1), nn.Sigmoid(),
                                 nn.Conv2d(hps.hidden_channels, in_channels, 3, padding=1))

    def forward(self, x, logdet=0.0):
        z1, z2 = torch.chunk(x, 2, dim=1)
        h = self.net(z1)
        scale = torch.sigmoid(h[:, 1::2] + 2.0)
        z2 = z2 * scale
        z2 += h[:, 0::2]
        return torch.cat([z1, z2], 1), logdet + scale.log().sum(dim=[1, 2, 3])
""",
    "a default as large as no input": """
class Transform(nn.Module):
    def __init__(self, num_points=2500):
        super().__init__()
        self.conv = nn.Conv1d(3, 64, 1)
        self.pool = nn.MaxPool1d(num_points)
        self.fc = nn.Linear(64, 9)

    def forward(self, x):
        x = self.fc(self.pool(F.relu(self.conv(x))).view(-1, 64))
        x += torch.eye(3).view(1, 9)
        return x.view(-1, 3, 3)
""",
    "stages of a pyramid": """
class TopDown(nn.Module):
    def __init__(self, in_channels_list, out_channels):
        super().__init__()
        self.inner = nn.ModuleList([nn.Conv2d(c, out_channels, 1) for c in in_channels_list])

    def forward(self, x):
        last = self.inner[-1](x[-1])
        for feature, inner in zip(x[:-1][::-1], list(self.inner)[:-1][::-1]):
            top_down = F.interpolate(last, scale_factor=2, mode="nearest")
            last = inner(feature).exp()
            last += top_down
        return last
""",
    "stages by number": """
class Weighted(nn.Module):
    def __init__(self, channels, levels):
        super().__init__()
        self.levels = levels
        self.w = nn.Parameter(torch.ones(levels))

    def forward(self, inputs):
        assert len(inputs) == self.levels
        out = inputs[-1]
        for i in range(self.levels - 1, 0, -1):
            out = self.w[i].exp() * inputs[i - 1] + F.interpolate(out, scale_factor=2)
            out += 1
        return out
""",
    "the side that a flattened layer tells": """
class Playing(nn.Module):
    def __init__(self, in_channels=4, n_actions=14):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 32, kernel_size=8, stride=4)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=4, stride=2)
        self.conv3 = nn.Conv2d(64, 64, kernel_size=3, stride=1)
        self.fc4 = nn.Linear(7 * 7 * 64, 512)
        self.head = nn.Linear(512, n_actions)

    def forward(self, x):
        x = F.relu(self.conv3(F.relu(self.conv2(F.relu(self.conv1(x))))))
        x = torch.sigmoid(self.fc4(x.view(x.size(0), -1)))
        x += 1
        return self.head(x)
""",
    "a view without place for a length": """
class Styled(nn.Module):
    def __init__(self, style_dim, num_features):
        super().__init__()
        self.norm = nn.InstanceNorm2d(num_features, affine=False)
        self.fc = nn.Linear(style_dim, num_features * 2)

    def forward(self, x, s):
        h = self.fc(s)
        gamma, beta = torch.chunk(h.view(h.size(0), h.size(1), 1, 1), chunks=2, dim=1)
        out = (1 + gamma) * self.norm(x)
        out += beta
        return out
""",
    "a list where a condition asks for one": """
class Scaled(nn.Module):
    def __init__(self, loss="L1"):
        super().__init__()
        self.loss = nn.L1Loss() if loss == "L1" else nn.MSELoss()

    def forward(self, input, target):
        if isinstance(input, (tuple, list)):
            out = 0
            for each in input:
                out += self.loss(each, target)
            return out
        return self.loss(input, target)
""",
    "labels of one dimension": """
class Centers(nn.Module):
    def __init__(self, num_classes=10, feat_dim=2):
        super().__init__()
        self.num_classes = num_classes
        self.centers = nn.Parameter(torch.randn(num_classes, feat_dim))

    def forward(self, x, labels):
        n = x.size(0)
        d = x.pow(2).sum(1, keepdim=True).expand(n, self.num_classes).exp()
        d += x @ self.centers.t()
        mask = labels.unsqueeze(1).expand(n, self.num_classes).eq(torch.arange(self.num_classes)[None])
        return (d * mask.float()).sum() / n
""",
    "edges of two rows": """
class Edges(nn.Module):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.mlp = nn.Linear(2 * in_dim, out_dim)

    def forward(self, x, edge_index):
        src, dst = edge_index
        m = self.mlp(torch.cat([x[dst], x[src] - x[dst]], -1)).exp()
        m += 1
        return torch.zeros(x.size(0), m.size(-1)).index_add(0, dst, m)
""",
    "the side of a small image": """
class Auxiliary(nn.Module):
    def __init__(self, C, num_classes):
        super().__init__()
        self.pool = nn.AvgPool2d(5, stride=3)
        self.conv = nn.Sequential(nn.Conv2d(C, 16, 1), nn.ReLU(), nn.Conv2d(16, 32, 2), nn.BatchNorm2d(32))
        self.classifier = nn.Linear(32, num_classes)

    def forward(self, x):
        x = self.conv(self.pool(x))
        x += 1
        return self.classifier(x.view(x.size(0), -1))
""",
    "a method for what only some objects have": """
class Fused(nn.Module):
    def __init__(self, dim, stride=1):
        super().__init__()
        self.stride, self.conv = stride, nn.Conv2d(dim, dim, 3, stride, 1)
        if stride > 1:
            self.scale = nn.Parameter(torch.rand(dim))

    def forward(self, x):
        x = torch.tanh(self.conv(x))
        if self.stride > 1:
            x += self.scale[:, None, None]
        return x

    def fused(self):
        bias = self.scale * self.conv.bias
        bias += self.scale
        return bias.exp()
""",
    "a mask beside an image": """
class Painting(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(5, 8, 5, padding=2)

    def forward(self, x, mask):
        x = self.conv(torch.cat([x, torch.ones_like(x)[:, :1], mask], dim=1))
        x += 1
        return torch.tanh(x)
""",
    "a kernel that needs no border": """
class Root(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, shortcut: bool):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False, padding=(kernel_size - 1) // 2)
        self.bn = nn.BatchNorm2d(out_channels)
        self.shortcut = shortcut

    def forward(self, x_children: list[torch.Tensor]):
        x = self.bn(self.conv(torch.cat(x_children, 1)))
        if self.shortcut:
            x += x_children[0]
        return F.relu(x)
""",
    "numbers that members are compared with": """
class Patches(nn.Module):
    def __init__(self, patch_size=16, embed_dim=32, multi_conv=False):
        super().__init__()
        patch_size = patch_size if isinstance(patch_size, tuple) else (patch_size, patch_size)
        self.patch_size, self.multi_conv = patch_size, multi_conv
        self.proj = nn.Conv2d(3, embed_dim, 4, 4)

    def forward(self, x):
        x = self.proj(x)
        if self.multi_conv:
            if self.patch_size[0] == 12:
                x += 1
            elif self.patch_size[0] == 20:
                x += 2
        return torch.tanh(x)
""",
    "a configuration that others have": """
class Configured(nn.Module):
    def __init__(self, cfg, in_chans=3):
        super().__init__()
        width, kinds = cfg["stem_width"], {"plain": nn.ReLU, "smooth": nn.SiLU}
        self.stem = nn.Conv2d(in_chans, width, 3)
        self.stages = nn.ModuleList([nn.Conv2d(width, width, 1) for _ in range(cfg["stages"]["blocks"][0])])
        self.act = kinds[cfg["stages"]["kind"]]()

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x += stage(torch.tanh(x))
        return self.act(x)


_CONFIGS = {"small": {"stem_width": 8, "stages": {"blocks": [2, 4], "kind": "smooth"}}}


def _create(name, **kwargs):
    return Configured(_CONFIGS[name], **kwargs)


def configured_small(pretrained=False, **kwargs):
    return _create("small", **kwargs)
""",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """What is found for each of the classes by its name; the writes are all `+=` of one name."""
    path = tmp_path_factory.mktemp("mended") / "model.py"
    text = HEAD + "".join(CLASSES.values())
    path.write_text(text)
    tree = ast.parse(text)
    spans = [Text(text).span(node) for node in ast.walk(tree) if isinstance(node, ast.AugAssign)]
    units = tuple(Unit(each.name, each.ways, each.spans, each.lines, ()) for each in homes(tree, Text(text), spans))
    regions = tuple(Region(span.start, span.end) for span in spans)
    with Runner() as runner:
        looked = runner.find((Patch(str(path), text),), Find(units, 5.0), regions)
    assert not isinstance(looked, Failed), looked
    return {each.unit: each for each in looked}


@pytest.mark.parametrize("name", CLASSES)
def test_the_write_of_a_class_is_come_by(name: str, found: dict[str, Found]):
    unit = CLASSES[name].partition("class ")[2].partition("(")[0]
    each = found[unit]
    assert each.bodies and len(each.reached) == CLASSES[name].count("+="), each.error


def mended(message: str, start: Recipe, knowledge: Knowledge | None = None, **more: Any) -> list[str]:
    """The calls that an error leads to, as Python."""
    fault = Fault(more.pop("kind", "RuntimeError"), message, started=True, **more)
    init = tuple(Parameter(each.name, default=Literal(2500)) for each in start.init or ())
    call = tuple(Parameter(each.name) for each in start.call)
    recipes = mend.mended(Situation(start, fault, knowledge or Knowledge(), init, call))
    return [snippet.body(each, Variant(tracked=False)).partition("\n")[2] for each in recipes]


def block(*call: Argument, **init: Value) -> Recipe:
    return Recipe("target.Block", tuple(Argument(name, value) for name, value in init.items()), call)


def test_what_the_failing_expression_names_is_changed_before_what_its_statement_names():
    start = block(Argument("x", X), embed_dim=Literal(32), kernel_sizes=Literal(3))
    found = mended("'int' object is not iterable", start, kind="TypeError", blamed=("kernel_sizes",),
                   names=("embed_dim", "kernel_sizes"))  # fmt: skip
    assert "embed_dim=32, kernel_sizes=[3, 3, 3]" in found[0]


def test_a_mask_beside_an_image_gets_one_channel_before_as_many_as_the_image():
    start = block(Argument("x", IMAGE), Argument("mask", Tensor((2, 12), "bool")))
    message = "Number of dimensions of tensors must match. Expected 4D tensors, but got 2D for tensor number 2"
    shapes = [each.partition("mask = torch.rand(")[2].partition(") > ")[0] for each in mended(message, start)]
    assert shapes.index("(2, 1, 16, 16)") < shapes.index("(2, 32, 16, 16)")


def test_the_first_of_several_is_tried_where_one_is_meant():
    start = block(Argument("x", X), dim=Literal(32), num_heads=Series((Literal(3), Literal(6)), False))
    message = "empty(): argument 'size' (position 1) must be tuple of ints, but found element of type tuple at pos 0"
    found = mended(message, start, kind="TypeError", names=("num_heads",), blamed=("empty", "num_heads"))
    assert "num_heads=3)" in found[0]


def test_a_number_without_dimensions_is_no_tensor_of_that_shape():
    start = block(Argument("x", Tensor(())), Argument("n", Literal(3)))
    assert "n=5" in "".join(mended("Expected size 5 but got size 3", start))


def test_the_expression_that_failed_is_told():
    scope: dict[str, object] = {}
    for text, blamed in (
        ("first = second = 3\nprint([first + each for each in second])", ("second",)),
        ("first = {}\nsecond = 3\nprint(second, first['key']['other'])", ("first", "key")),
    ):
        linecache.cache[MADE] = (len(text), None, text.splitlines(keepends=True), MADE)
        with pytest.raises((TypeError, KeyError)) as caught:
            exec(compile(text, MADE, "exec"), scope)
        assert fault_of(caught.value, None).blamed == blamed


def test_members_of_a_list_that_are_alike_change_together():
    start = block(Argument("x", Series((X, X), False)))
    both, one = together(start, ("call", "x", 0), IMAGE)
    assert [each.value.items for each in both.call] == [(IMAGE, IMAGE)]  # type: ignore[union-attr]
    assert [each.value.items for each in one.call] == [(IMAGE, X)]  # type: ignore[union-attr]


def test_inputs_of_one_shape_get_another_size_together():
    message = "The size of tensor a (32) must match the size of tensor b (3) at non-singleton dimension 1"
    found = mended(message, block(Argument("x", IMAGE), Argument("y", IMAGE)))
    assert any(each.count("(2, 3, 16, 16)") == 2 for each in found[:6]), found[:6]


def test_blocks_give_four_times_as_many_channels_where_that_is_missing():
    start = block(Argument("x", IMAGE), block=Code(guess.BLOCK))
    message = "expected input[2, 64, 56, 56] to have {} channels, but got 64 channels instead"

    assert f"target.Block(block={guess.WIDE})" in mended(message.format(256), start)[0]
    assert not any("Wide" in each for each in mended(message.format(128), start)[:1])


def test_an_image_is_as_much_larger_as_what_was_made_of_it_should_be():
    start = block(Argument("x", Tensor((2, 3, 16, 16))))

    found = mended("Input height (8) doesn't match model (112).", start)
    assert any("torch.randn((2, 3, 224, 224))" in each for each in found[:2])
    assert not any("(2, 3, 24" in each for each in mended("Input height (8) doesn't match model (9).", start)[:2])


def test_a_width_changes_with_the_inputs_that_have_it():
    message = "The size of tensor a (128) must match the size of tensor b (32) at non-singleton dimension 1"
    found = mended(message, block(Argument("x", IMAGE), inplanes=Literal(32), planes=Literal(16)))
    assert any("inplanes=128, planes=16" in each and "(2, 128, 16, 16)" in each for each in found), found


def test_a_size_that_others_were_joined_to_loses_what_is_too_much():
    message = "expected input[2, 80, 16, 16] to have 48 channels, but got 80 channels instead"
    found = mended(message, block(Argument("x", Tensor((2, 48, 16, 16)))))
    assert any("(2, 16, 16, 16)" in each for each in found)


def test_what_a_list_of_sizes_got_becomes_what_it_wanted():
    message = "Expected size for first two dimensions of batch2 tensor to be: [2, 40] but got: [2, 12]."
    assert any("(2, 40, 32)" in each for each in mended(message, block(Argument("x", X))))


def test_a_list_is_as_long_as_a_convolution_has_dimensions():
    recipe = Recipe("Net", (Argument("kernel_size", Series((Literal(3),) * 3)),), (Argument("x", IMAGE),))
    message = (
        "expected stride to be a single integer value or a list of 3 values to match the convolution dimensions, but "
        "got stride=[1, 1]"
    )
    found = mend.mended(Situation(recipe, Fault("RuntimeError", message, started=True), Knowledge(), (), ()))

    assert any(each.init == (Argument("kernel_size", Series((Literal(3),) * 2)),) for each in found)


def test_a_missing_key_is_put_where_the_failing_expression_looks_for_it():
    inner = Record((), "dict")
    start = block(Argument("x", X), config=Record((Argument("model", inner),), "dict"))
    found = mended("'hidden'", start, kind="KeyError", blamed=("config", "model"))
    assert "{'model': {'hidden': 32}}" in found[0]


def test_the_source_tells_what_is_left_out_keyed_and_taken_one_by_one():
    text = """
class Block:
    def forward(self, x, state, batch, levels, parts):
        if state is None:
            state = x
        y = batch["image"] + batch["noise"]
        return y + levels[-1] + levels[state - 1] + parts[1:][0]
"""
    known = read(ast.parse(text), "Block")
    assert known.nullable == {"state"}
    assert known.keyed == {"batch": ("image", "noise")}
    assert known.members == {"levels"}
    first = tensors("batch", "", known)[0]
    assert isinstance(first, Record)
    assert [each.name for each in first.fields] == ["image", "noise"]


def test_parts_are_found_under_any_name_and_in_a_circle():
    outer, inner, last = nn.Sequential(), nn.Sequential(), nn.Linear(2, 2)
    outer._modules |= {3: inner, "none": None}  # type: ignore[dict-item]
    inner._modules |= {"back": outer, "last": last}

    assert _parts(outer) == [outer, inner, last]


def test_an_alarm_beneath_torch_waits():
    places = []
    for _ in range(3):
        with pytest.raises(OutOfTime) as caught, FakeTensorMode(), _within(0.2):
            tensor = torch.ones(2)
            while True:
                tensor = tensor + 1
        places += [each.frame.code.name for each in caught.traceback]
    assert places and "__torch_dispatch__" not in places


def test_a_search_that_sleeps_ends_by_the_clock(monkeypatch: pytest.MonkeyPatch):
    now = time.process_time()
    trier = Trier(ModuleType("model"), Reach([""], ()), frozenset(), now + 5)
    assert not trier.over
    monkeypatch.setattr(time, "process_time", lambda: now)
    later = time.monotonic() + 21
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert trier.over


def test_what_fake_tries_leave_is_never_collected(tmp_path: Path):
    """Torch 2.13 may leave a tensor behind of which the collector dies; what tries for real leave is collected."""
    enabled: list[bool] = []
    rings: list[weakref.ref[Any]] = []
    text = """
import gc, weakref

class Ring:
    pass

def note(x):
    ring = Ring()
    ring.ring = ring, x
    kept(weakref.ref(ring))
    saw(gc.isenabled())
    return x
"""
    module = ModuleType("made_for_collecting")
    vars(module).update(saw=enabled.append, kept=rings.append)
    exec(compile(text, str(tmp_path / "rings.py"), "exec"), vars(module))
    trier = Trier(module, Reach([text], None), frozenset(), time.process_time() + 60)
    try:
        for fake in (False, True, False):
            assert trier.attempt(Recipe("target.note", None, (Argument("x", X),)), fake).error is None
        gc.collect()
        assert enabled == [True, False, True] and gc.isenabled()
        assert [each() is None for each in rings] == [True, False, True]
    finally:
        gc.unfreeze()
        gc.collect()


def test_every_third_try_is_the_nearest_to_a_start():
    agenda = Agenda()
    recipes = [block(Argument("x", Tensor((number,)))) for number in range(5)]
    for number, each in enumerate(recipes):
        agenda.push((-number,), number, each, True)
    order = []
    while agenda:
        order.append(recipes.index(agenda.pop()[2]))
    assert order == [4, 3, 0, 2, 1]
    agenda.push((-3,), 0, recipes[0], True)
    agenda.push((-2,), 0, recipes[1], True)
    agenda.push(AT_ONCE[0], 9, recipes[2], False)
    assert agenda.pop()[2] == recipes[2]


def test_how_far_a_run_got_does_not_depend_on_its_snippet_nor_on_torch(tmp_path: Path):
    module = ModuleType("made_for_depth")
    text = "def add(x, width, other=None):\n    return x + x.new_zeros(width)\n"
    exec(compile(text, str(tmp_path / "depth.py"), "exec"), vars(module))
    importlib.import_module(
        "torch._dynamo"
    )  # fake tensors load it at their first use, which takes longer than a try may
    trier = Trier(module, Reach([text], None), frozenset(), time.process_time() + 60)
    call = (Argument("x", X), Argument("width", Literal(31)))
    depths = {
        trier.attempt(Recipe("target.add", None, more), fake).depth
        for more in (call, (*call, Argument("other", Code("Passing()"))))
        for fake in (True, False)
    }
    assert len(depths) == 1


def test_inputs_of_one_shape_get_other_dimensions_together():
    start = block(Argument("x", X), Argument("y", Series((X, X), False)))
    assert any("(2, 12, 32)" not in each for each in mended("no word of it", start))

    fault = Fault("RuntimeError", "stft(torch.FloatTensor[2, 12, 32], n_fft=8): expected a 1D or 2D tensor")
    found = [snippet.body(each, Variant()) for each in dimensions(Situation(start, fault, Knowledge(), (), ()))]
    assert any("(2, 12, 32)" not in each for each in found), found
