"""Doubts that made inputs leave: what is chosen by a setting, kept once in a while, or caught, shows in another use."""

from __future__ import annotations

import collections
import functools
import types
from pathlib import Path

import pytest
from test_inputs_switches import searched

from fixinplace.model import Verdict
from fixinplace.verify import search
from fixinplace.verify.runner import Runner
from fixinplace.verify.tables import Tables

pytestmark = pytest.mark.slow
NET = """
import contextlib
import functools
import itertools
import logging

log = logging.getLogger("net")


class Net(nn.Module):
    def __init__(self, dim, {parameters}):
        super().__init__()
        self.first, self.last = nn.Linear(dim, dim), nn.Linear(dim, dim)
        {init}

    def forward(self, x):
        y = self.first(x)
        {body}
        return self.last(y) * h
"""


def net(body: str, parameters: str = "branches=2", init: str = "pass") -> str:
    lines = "\n".join(f"        {line}" if index else line for index, line in enumerate(body.split("\n")))
    return NET.format(body=lines, parameters=parameters, init=init)


LEFT = {
    "of one element": net("feats = [y + n for n in range(self.n)]\nh = functools.reduce(torch.add, feats)\n"
                          "h += 1.0\nh = h + feats[0]", init="self.n = branches"),
    "the last one": net("*_, h = itertools.accumulate([y, x], torch.add)\nh += 1.0\ny = y + 1"),
    "by a name": net("h = self.act(y)\nh += 1.0", "act='Tanh'", "self.act = getattr(nn, act)()"),
    "a callable": net("h = self.act(y)\nh += 1.0", "act=torch.tanh", "self.act = act"),
    "an object of the file": """
class State:
    def __init__(self, h):
        self.h, self.steps = h, 0

    def __iadd__(self, other):
        self.h, self.steps = self.h + other, self.steps + 1
        return self

    def __add__(self, other):
        return State(self.h + other)


""" + net("h = self.wrap(y)\nh += x", "counted=0", "self.wrap = (torch.relu, State)[counted]").replace(
        "return self.last(y) * h", "return h"),
    "logged": net("h = torch.tanh(y)\nlog.debug('hidden %s', h)\nh += 1.0"),
    "caught": net("h = torch.tanh(y)\ntry:\n    h += x\nexcept RuntimeError:\n    h = h + x.mean()"),
    "suppressed": net("h = torch.tanh(y)\nwith contextlib.suppress(RuntimeError):\n    h += x"),
    "with a mark": net("h = torch.tanh(y)\nh.lengths = 3\nh += 1.0"),
    "in an array": net("h = torch.tanh(y)\nif self.often and len(x) > 9:\n    self.seen = h.detach().numpy()\nh += 1.0",
                       init="self.often = branches > 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_another_use_may_show_is_not_proved(name: str, lab: Runner, tmp_path: Path):
    path, fixes, made = searched(LEFT[name], lab, tmp_path)
    assert made.probes

    proof = search.prove(path.read_text(), str(path), fixes, made.probes, lab, unsettled=made.unsettled)

    assert Verdict.PROVED not in {ruling.verdict for ruling in proof.rulings.values()}
    said = [each.sentence for each in proof.rulings.values() if each.verdict is Verdict.UNPROVED]
    assert said and all(each.startswith("made inputs show one use of it, which cannot tell: ") for each in said), said


COUNTS = """

class Head(nn.Module):
    def forward(self, h):
        return h * 2, h._version == 0
"""
FLAGS = """
class Net(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.first, self.act = nn.Linear(dim, dim), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.first(x))


def kept(model):
    return [part for part in model.modules() if isinstance(part, nn.ReLU) and not {owner}.inplace]
"""
SUM = net("h = torch.tanh(y)\nh += 1.0")


@pytest.mark.parametrize(
    ("text", "asked"),
    [(SUM, ""), (SUM + COUNTS, "`h._version` in line"), (FLAGS.format(owner="part"), "`part.inplace` in line"),
     (FLAGS.format(owner="self"), ""), (SUM + FLAGS.format(owner="part").partition("\n\n\n")[2], "")],
)  # fmt: skip
def test_what_asks_for_versions_and_flags_is_not_settled(text: str, asked: str, lab: Runner, tmp_path: Path):
    _, _, made = searched(text, lab, tmp_path)

    said = f"made inputs show one use of it, which cannot tell: {asked}"
    assert [each.startswith(said) for each in made.unsettled.values()] == ([True] if asked else [])


TOLD = {
    "who the tensor was is asked": net(
        "h = y if y.dtype is torch.int else y.clone()\nk = torch.tanh(h)\nh += 1.0\ny = y * k"
    ).replace("* h", "* h * y"),
    "a sum with a dtype of its own": """
class Margin(nn.Module):
    def __init__(self, power=2):
        super().__init__()
        self.power = power

    def forward(self, *embeddings):
        loss = torch.tensor(0.0)
        for each in embeddings:
            loss += (each**self.power).sum()
        return loss
""",
    "parts of a class that is given": """
class Unit(nn.Module):
    def __init__(self, dim, out, **options):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(dim, out, bias=False, **options), nn.BatchNorm2d(out)

    def forward(self, x):
        return self.norm(self.conv(x)) * 2


class Branches(nn.Module):
    def __init__(self, dim, pooled, block=None):
        super().__init__()
        if block is None:
            block = Unit
        self.one = block(dim, 64, kernel_size=1)
        self.two = block(dim, 64, kernel_size=5, padding=2)
        self.pool = block(dim, pooled, kernel_size=1)

    def forward(self, x):
        one, two = self.one(x), self.two(x)
        pool = self.pool(F.avg_pool2d(x, 3, 1, 1))
        one += two
        return torch.cat([one, two, pool], 1)
""",
    "a part that the class holds": """
class Shared(nn.Module):
    default_act = nn.SiLU(inplace=True)

    def __init__(self, c1, c2, act=True):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(c1, c2, 1, bias=False), nn.BatchNorm2d(c2)
        self.act = self.default_act if act is True else nn.Identity()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))
""",
    "a part": net("h = self.norm(y)\nh += 1.0", init="self.norm = nn.LayerNorm(dim)"),
    "grids by shape": """
GRIDS = {}


def shifted(x, flow):
    batch, channels, height, width = x.size()
    key = str(flow.shape)
    if key not in GRIDS:
        columns = torch.arange(0, width).view(1, 1, 1, -1).repeat(batch, 1, height, 1)
        rows = torch.arange(0, height).view(1, 1, -1, 1).repeat(batch, 1, 1, width)
        GRIDS[key] = torch.cat((columns, rows), 1).to(flow)
    grid = GRIDS[key] + flow
    grid[:, 0] = 2.0 * grid[:, 0] / max(width - 1, 1) - 1.0
    grid[:, 1] = 2.0 * grid[:, 1] / max(height - 1, 1) - 1.0
    return F.grid_sample(x, grid.permute(0, 2, 3, 1), align_corners=True)
""",
}


@pytest.mark.parametrize("name", TOLD)
def test_what_runs_the_same_in_every_use_is_proved(name: str, lab: Runner, tmp_path: Path):
    path, fixes, made = searched(TOLD[name], lab, tmp_path)

    proof = search.prove(path.read_text(), str(path), fixes, made.probes, lab, unsettled=made.unsettled)

    assert {ruling.verdict for ruling in proof.rulings.values()} == {Verdict.PROVED}, proof.rulings


def test_tables_and_caches_are_as_they_were():
    module = types.ModuleType("kept")
    module.by_shape, module.order = {"a": 1}, collections.deque([1, 2])  # type: ignore[attr-defined]
    module.cached = functools.lru_cache(lambda key: [key])  # type: ignore[attr-defined]
    module.Holder = type("Holder", (), {"__module__": "kept", "known": {3}})  # type: ignore[attr-defined]
    tables = Tables(module)

    module.by_shape["b"] = 2
    module.order.append(3)
    module.Holder.known.add(4)
    first = module.cached(1)
    tables.restore()

    assert module.by_shape == {"a": 1}
    assert list(module.order) == [1, 2]
    assert module.Holder.known == {3}
    assert module.cached(1) is not first


WARP = """
class Warp(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.first = nn.Linear(dim, dim)

    def forward(self, x):
        y = self.first(x)
        c = torch.tanh(y)
        kept = c * c
        c[..., 0] = y[..., 1]
        return kept + c
"""


def test_inputs_are_made_for_a_line_that_stays_and_gets_a_clone_before_it(lab: Runner, tmp_path: Path):
    path, fixes, made = searched(WARP, lab, tmp_path)
    assert {fix.rewrite for fix in fixes} == {"clone-first"}
    assert made.probes and not made.lacking

    proof = search.prove(path.read_text(), str(path), fixes, made.probes, lab, unsettled=made.unsettled)

    assert {ruling.verdict for ruling in proof.rulings.values()} == {Verdict.PROVED}, proof.rulings
