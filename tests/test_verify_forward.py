"""The derivative of the original in forward mode: where it is taken, with what it agrees, what it refutes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from programs import Program, fix, program

from fixinplace.model import Verdict
from fixinplace.verify.callers_leaf import CONVENTION
from fixinplace.verify.independent import CHECK
from fixinplace.verify.jobs import Job, Patch, Slope
from fixinplace.verify.runner import Runner
from fixinplace.verify.search import rewrite

HEAD = """
import torch
from torch import nn
F = torch.nn.functional
x = torch.randn(4, 4, requires_grad=True)
w = torch.randn(4, 4, requires_grad=True)
"""

SQUARE = "class Square(torch.autograd.Function):\n"
SQUARE += "    @staticmethod\n    def forward(ctx, a):\n        ctx.save_for_backward(a)\n        return a * a\n"
SQUARE += "    @staticmethod\n    def backward(ctx, g):\n        (a,) = ctx.saved_tensors\n        return 2 * a * g\n"
JVP = "    @staticmethod\n    def setup_context(ctx, inputs, output):\n"
JVP += "        ctx.save_for_backward(*inputs)\n        ctx.save_for_forward(*inputs)\n"
JVP += "    @staticmethod\n    def jvp(ctx, t):\n        (a,) = ctx.saved_tensors\n        return 2 * a * t\n"
WITH_JVP = SQUARE.replace("forward(ctx, a):\n        ctx.save_for_backward(a)\n", "forward(a):\n") + JVP

AGREES = {
    "overwritten square": (HEAD + "y = x * w\nz = y ** 2\ny *= 3\n(z.sum() + y.sum()).backward()\n", "y *= 3"),
    "update without grad mode": (
        HEAD + "with torch.no_grad():\n    w *= 0.5\ny = x * w\nz = y.exp()\ny *= 2\nwith torch.no_grad():\n"
        "    b = y.abs().max()\n((z + y) / b).sum().backward()\n",
        "y *= 2",
    ),
    "grad mode off and on again": (
        HEAD + "y = x * w\nwith torch.no_grad():\n    k = y * 2\n    with torch.enable_grad():\n        z = y.exp()\n"
        "y *= 2\n(z * k + y).sum().backward()\n",
        "y *= 2",
    ),
    "dropout and noise": (
        HEAD + "y = F.dropout(x * w, 0.5)\ny = y + torch.randn_like(y)\nz = y.exp()\n"
        "y *= 2\n(z + y).sum().backward()\n",
        "y *= 2",
    ),
    "batch norm in training": (
        HEAD + "net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))\ny = net(x).tanh()\n"
        "y *= 2\ny.sum().backward()\n",
        "y *= 2",
    ),
    "two networks with an optimizer each": (
        HEAD + "d, g = nn.Linear(4, 1), nn.Linear(4, 4)\nopt = torch.optim.Adam(g.parameters())\n"
        "other = torch.optim.SGD(d.parameters(), lr=0.1)\nfor _ in range(2):\n    for p in d.parameters():\n"
        "        p.requires_grad_(True)\n    other.zero_grad()\n    d(g(w).detach()).exp().mean().backward()\n"
        "    for p in d.parameters():\n        p.requires_grad_(False)\n    opt.zero_grad()\n    y = d(g(w)).exp()\n"
        "    y *= 2\n    y.mean().backward()\n    opt.step()\n    other.step()\n",
        "y *= 2",
    ),
    "straight through by detach": (
        HEAD + "y = x * w\ny = y + (y.round() - y).detach()\nz = y.exp()\ny *= 2\n(z + y).sum().backward()\n",
        "y *= 2",
    ),
    "one graph twice": (
        HEAD + "y = x * w\nz = y.exp()\ny *= 2\nl = (z + y).sum()\nl.backward(retain_graph=True)\nl.backward()\n",
        "y *= 2",
    ),
    "asked of autograd.grad": (
        HEAD + "y = x * w\nz = y.exp()\ny *= 2\ng = torch.autograd.grad((z + y).sum(), [x, w])\nprint(g[0].sum())\n",
        "y *= 2",
    ),
    "custom function that has a jvp": (
        HEAD + WITH_JVP + "y = Square.apply(x * w)\nz = y.exp()\ny *= 2\n(z + y).sum().backward()\n",
        "y *= 2",
    ),
    "checkpoint": (
        HEAD + "from torch.utils.checkpoint import checkpoint\ndef f(a):\n    b = a * w\n    c = b.exp()\n    b *= 2\n"
        "    return b + c\ncheckpoint(f, x, use_reentrant=False).sum().backward()\n",
        "b *= 2",
    ),
    "complex leaf": (
        HEAD + "c = torch.randn(4, dtype=torch.cdouble, requires_grad=True)\ny = c * x[0]\nz = y * y\ny *= 2j\n"
        "(z + y).abs().sum().backward()\n",
        "y *= 2j",
    ),
    "embedding that renormalises": (
        HEAD + "e = nn.Embedding(5, 3, max_norm=1.0)\ny = e(torch.tensor([1, 2, 1])).exp()\n"
        "y *= 2\ny.sum().backward()\n",
        "y *= 2",
    ),
    "recurrent module": (
        HEAD + "net = nn.LSTM(4, 3)\ny = net(x.view(4, 1, 4))[0].tanh()\ny *= 2\ny.sum().backward()\n",
        "y *= 2",
    ),
    "convolution": (
        HEAD + "net = nn.Conv2d(1, 2, 3)\ny = net(x[None, None]).sigmoid()\ny *= 2\ny.sum().backward()\n",
        "y *= 2",
    ),
    "attention": (
        HEAD + "net = nn.TransformerEncoderLayer(4, 2, 8, 0.0)\ny = net(x[None]).sigmoid()\n"
        "y *= 2\ny.sum().backward()\n",
        "y *= 2",
    ),
    "stores into slices": (
        HEAD + "out = torch.zeros(3, 4, 4)\nfor i in range(3):\n    y = (x * i).exp()\n    y *= w\n    out[i] = y\n"
        "out.pow(2).sum().backward()\n",
        "y *= w",
    ),
    "times itself": (HEAD + "y = x - w\ny *= y\ny.sum().backward()\n", "y *= y"),
    "written through data": (
        HEAD + "y = x * w\ny.data.clamp_(-1, 1)\nz = y.exp()\ny *= 2\n(z + y).sum().backward()\n",
        "y *= 2",
    ),
    "initialised leaf": (
        HEAD + "nn.init.ones_(w)\ny = x * w\nz = y.exp()\ny *= 2\n(z + y).sum().backward()\n",
        "y *= 2",
    ),
    "steps by hand": (
        HEAD + "for _ in range(3):\n    y = (x * w).exp()\n    y *= 2\n    y.sum().backward()\n"
        "    with torch.no_grad():\n        w -= 0.1 * w.grad\n        w.grad.zero_()\n",
        "y *= 2",
    ),
    "leaf that is a view": (
        HEAD + "t = torch.linspace(0, 1, 4).view(-1, 1).requires_grad_()\ny = (t * x).exp()\n"
        "y *= 2\ny.sum().backward()\n",
        "y *= 2",
    ),
    "autocast": (
        HEAD + "with torch.autocast('cpu', torch.bfloat16):\n    y = (x @ w).exp()\n"
        "y *= 2\ny.float().sum().backward()\n",
        "y *= 2",
    ),
    "its own float32": (
        HEAD.replace("True)", "True, dtype=torch.float32)") + "y = (x * w).exp()\ny *= 2\ny.sum().backward()\n",
        "y *= 2",
    ),
    "closure of an optimizer": (
        HEAD + "opt = torch.optim.LBFGS([w], max_iter=2)\ndef closure():\n    opt.zero_grad()\n    y = (x * w).tanh()\n"
        "    y *= 2\n    loss = y.sum()\n    loss.backward()\n    return loss\nopt.step(closure)\n",
        "y *= 2",
    ),
    "asks what is tracked": (
        HEAD + "y = x * w\nassert y.requires_grad and not y.is_leaf and w.is_leaf and torch.is_grad_enabled()\n"
        "with torch.no_grad():\n    assert not torch.is_grad_enabled() and not (y * 2).requires_grad\n"
        "z = y.exp()\ny *= 2\n(z + y).sum().backward()\n",
        "y *= 2",
    ),
    "layers whose weights are equal": (
        "import torch\nfrom torch import nn\nnet = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.LayerNorm(4))\n"
        "y = net(torch.randn(3, 4)).exp()\nz = y.exp()\ny *= 2\n(z + y).sum().backward()\n",
        "y *= 2",
    ),
    "rows of a leaf": (
        HEAD + "total = 0\nfor row in x:\n    y = row.exp()\n    y *= w[0]\n"
        "    total = total + y.sum()\ntotal.backward()\n",
        "y *= w[0]",
    ),
}


def out_of_place(statement: str) -> str:
    """`y *= 2` as `y = y * 2`."""
    name, operator, value = statement.split(" ", 2)
    return f"{name} = {name} {operator[0]} {value}"


@pytest.mark.parametrize("name", AGREES)
def test_the_derivative_agrees_with_the_gradients(name: str, lab: Runner, tmp_path: Path):
    text, statement = AGREES[name]
    ruling = program(tmp_path, text).judge(lab, statement, out_of_place(statement)).ruling
    assert ruling.verdict is Verdict.PROVED, ruling
    assert CHECK in ruling.evidence[0].checks, ruling.evidence[0].notes


NOT_TAKEN = {
    "custom function without a jvp": (
        HEAD + SQUARE + "y = Square.apply(x * w)\nz = y.exp()\ny *= 2\n(z + y).sum().backward()\n",
        "`Square` has no forward-mode formula",
    ),
    "operator without a formula": (
        HEAD + "y = F.grid_sample(x[None, None], w.view(1, 2, 4, 2), align_corners=False).exp()\n"
        "y *= 2\ny.sum().backward()\n",
        "has no forward-mode formula",
    ),
    "sixteen bits": (
        HEAD + "y = (x.bfloat16() * w).exp()\ny *= 2\ny.sum().backward()\n",
        "a type of 16 bits is too coarse to tell",
    ),
    "half precision leaf": (
        HEAD.replace("True)", "True, dtype=torch.float16)") + "y = (x * w).exp()\ny *= 2\ny.sum().backward()\n",
        "a type of 16 bits is too coarse to tell",
    ),
    "gradients of gradients": (
        HEAD + "y = x * w\nz = y.exp()\ny *= 2\n(g,) = torch.autograd.grad((z + y).sum(), [x], create_graph=True)\n"
        "g.pow(2).sum().backward()\n",
        "not every leaf is among its inputs",
    ),
    "hook that scales": (
        HEAD + "y = x * w\ny.register_hook(lambda g: 2 * g)\nz = y.exp()\ny *= 2\n(z + y).sum().backward()\n",
        "equal the original's",
    ),
    "nothing but a node": (
        HEAD + "y = x * w\nprint(y.grad_fn is None)\nz = y.exp()\ny *= 2\n(z + y).sum().backward()\n",
        "the program reads `.grad_fn`",
    ),
    "error in forward mode only": (
        HEAD + "y = x * w\nz = y.exp()\ny *= 2\nif torch.autograd.forward_ad._current_level == 0:\n"
        "    raise KeyError('forward')\n(z + y).sum().backward()\n",
        "KeyError: 'forward'",
    ),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_where_there_is_no_derivative_the_evidence_says_why(name: str, lab: Runner, tmp_path: Path):
    text, reason = NOT_TAKEN[name]
    ruling = program(tmp_path, text).judge(lab, "y *= 2", "y = y * 2").ruling
    evidence = ruling.evidence[0]
    assert ruling.verdict is Verdict.PROVED, ruling
    assert CHECK in evidence.checks_not_run
    assert any(note.startswith(CHECK) and reason in note for note in evidence.notes), evidence.notes


def slopes(lab: Runner, written: Program, old: str, new: str) -> list[Slope]:
    """The original's derivative in two directions against the gradients of an edited text; no reference is run."""
    assert lab.problem is None

    def job(text: str, forward: int | None) -> Job:
        probe = written.probe
        texts = (Patch(str(written.path), text),)
        return Job(probe.kind, probe.path, probe.name, texts, double=True, forward=forward)

    candidate = lab.run(job(written.text.replace(old, new), None))
    assert candidate.finished, candidate
    found: list[Slope] = []
    for number in range(2):
        some = lab.slopes(lab.run(job(written.text, number)), candidate, number)
        assert not isinstance(some, str), some
        found += some
    return found


LINE = HEAD + "y = x * w\nz = y.exp()\ny *= w\n(z + y).sum().backward()\n"
LEAF = HEAD + "x += w\nw *= 2\n(x * w).exp().sum().backward()\n"
CALLED = (
    "import torch\ndef main():\n    x, w = (torch.randn(4, requires_grad=True) for _ in range(2))\n"
    "    y = x * w\n    z = y.exp()\n    y *= w\n    return {'z': z + y}\n"
)
MUTANTS = {
    "right": (LINE, "y *= w", "y = y * w", True),
    "wrong constant": (LINE, "y *= w", "y = (y * w).detach() + 1.0001 * (y * w - (y * w).detach())", False),
    "dropped term": (LINE, "y *= w", "y = y * w.detach()", False),
    "stray detach": (LINE, "y *= w", "y = (y * w).detach()", False),
    "one element of sixteen": (
        LINE,
        "y *= w",
        "m = torch.zeros(4, 4); m[0, 0] = 1e-3; y = y * w; y = y + m * y - (m * y).detach()",
        False,
    ),
    "right in a callable": (CALLED, "y *= w", "y = y * w", True),
    "dropped term in a callable": (CALLED, "y *= w", "y = y * w.detach()", False),
    "right for leaves": (LEAF, "x += w\nw *= 2", "x = x + w; w = w * 2", True),
    "leaf's own gradient lost": (LEAF, "x += w\nw *= 2", "x = x.detach() + w; w = w * 2", False),
    "leaf's factor lost": (LEAF, "x += w\nw *= 2", "x = x + w; w = w + w.detach()", False),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_derivative_alone_tells_right_gradients_from_wrong_ones(name: str, lab: Runner, tmp_path: Path):
    text, old, new, right = MUTANTS[name]
    found = slopes(lab, program(tmp_path, text), old, new)
    assert all(each.agrees for each in found) is right, found
    assert {each.event for each in found if each.differs} == (set() if right else {found[0].event}), found


def test_other_values_are_not_taken_for_the_same_derivative(lab: Runner, tmp_path: Path):
    found = slopes(lab, program(tmp_path, LINE), "y *= w", "y = y * w * 2")
    assert {each.obstacle for each in found} == {"its value differs in the run with gradients"}


STEPS = "opt = torch.optim.SGD([w], lr=0.1)\nfor step in range(2):\n    opt.zero_grad()\n"
NORMED = """class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.part = torch.nn.Linear(4, 1)
    def forward(self, x):
        x -= 0.5
        return self.part(x).exp().sum()
"""
ONLY_FORWARD = {
    "result argument": (
        HEAD + "y = x * w\ntorch.add(y, 1, out=y)\ny.exp().sum().backward()\n",
        "torch.add(y, 1, out=y)",
        "y = torch.add(y, 1)",
    ),
    "result argument of another shape": (
        HEAD + "y = torch.empty(0)\ntorch.where(x > 0, x * w, x, out=y)\ny.exp().sum().backward()\n",
        "torch.where(x > 0, x * w, x, out=y)",
        "y = torch.where(x > 0, x * w, x)",
    ),
    "detached view": (
        HEAD + "a, b = (x * w).unbind(0)[:2]\na.detach_()\n(a.exp() * b).sum().backward()\n",
        "a.detach_()",
        "a = a.detach()",
    ),
    "leaf": (HEAD + "x *= 2\n(x * w).exp().sum().backward()\n", "x *= 2", "x = x * 2"),
    "leaf that is the loss itself": (
        HEAD + "total = torch.zeros(1, requires_grad=True)\nfor row in x * w:\n    total += row.exp().mean()\n"
        "total.backward()\n",
        "total += row.exp().mean()",
        "total = total + row.exp().mean()",
    ),
    "leaf that is the loss itself, weighted": (
        HEAD + "total = torch.zeros(2, requires_grad=True)\nfor row in x * w:\n    total += row[:2].exp()\n"
        "total.backward(torch.tensor([1.0, 3.0]))\n",
        "total += row[:2].exp()",
        "total = total + row[:2].exp()",
    ),
    "one of several views": (
        HEAD + "a, b = (x * w).unbind(0)[:2]\na += 1\n(a.exp() * b).sum().backward()\n",
        "a += 1",
        "a = a + 1",
    ),
    "piece of a chunk": (
        "import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.qkv = torch.nn.Linear(4, 12)\n    def forward(self, x):\n"
        "        q, k, v = self.qkv(x).chunk(3, dim=-1)\n        q *= 0.5\n"
        "        return (q @ k.transpose(-2, -1)).softmax(-1) @ v\n"
        "net, data = Net(), torch.randn(3, 5, 4)\nopt = torch.optim.Adam(net.parameters())\nfor step in range(2):\n"
        "    opt.zero_grad()\n    net(data).pow(2).mean().backward()\n    opt.step()\n",
        "q *= 0.5",
        "q = q * 0.5",
    ),
    "output of a module with a full backward hook": (
        "import torch\nF = torch.nn.functional\nlinear = torch.nn.Linear(4, 4)\nseen = []\n"
        "linear.register_full_backward_hook(lambda module, given, got: seen.append(len(got)))\n"
        "y = linear(torch.randn(3, 4))\nF.relu(y, inplace=True)\ny.exp().sum().backward()\n",
        "F.relu(y, inplace=True)",
        "y = F.relu(y)",
    ),
    "result of a callable": (
        "import torch\ndef main():\n    x = torch.randn(4, 4, requires_grad=True)\n    a, b = (x * 2).split(2)\n"
        "    a += b\n    return (a * b).exp()\n",
        "a += b",
        "a = a + b",
    ),
}


@pytest.mark.parametrize("name", ONLY_FORWARD)
def test_what_forward_mode_alone_can_run_is_proved_against_it(name: str, lab: Runner, tmp_path: Path):
    text, old, new = ONLY_FORWARD[name]
    judgement = program(tmp_path, text).judge(lab, old, new)
    (evidence,) = judgement.ruling.evidence
    assert judgement.ruling.verdict is Verdict.PROVED, judgement.ruling
    assert judgement.reached == {0}
    assert evidence.values > 0 and evidence.gradients > 0
    assert "original in forward mode, twice" in evidence.checks and CHECK in evidence.checks
    assert "gradients at every backward" in evidence.checks_not_run
    assert any("its reference is the original in forward mode" in note for note in evidence.notes)


ASKED = {
    "leaf that is passed to a module, and asked for": (
        "import torch\n" + NORMED + "net = Net()\nx = torch.randn(3, 4, requires_grad=True)\n"
        "net(x).backward()\nprint(x.grad.sum(), x.sum())\n"
    ),
    "leaf of a function's caller, after a training": (
        "import torch\n" + NORMED + "def attack(net, x):\n    x.requires_grad_()\n    net(x).backward()\n"
        "    return x + 0.1 * x.grad.sign()\ndef main():\n    net = Net()\n"
        "    opt = torch.optim.Adam(net.parameters(), lr=0.1)\n    for _ in range(3):\n        opt.zero_grad()\n"
        "        net(torch.randn(3, 4)).backward()\n        opt.step()\n    return attack(net, torch.randn(3, 4))\n"
    ),
    "leaf of a function's caller, after one step": (
        "import torch\n" + NORMED + "def main():\n    net = Net()\n"
        "    opt = torch.optim.SGD(net.parameters(), lr=0.1)\n    net(torch.randn(3, 4)).backward()\n    opt.step()\n"
        "    x = torch.randn(3, 4, requires_grad=True)\n    net(x).backward()\n    return x.grad\n"
    ),
    "leaf of a function's caller, after a training with checkpoints": (
        "import torch\nfrom torch.utils.checkpoint import checkpoint\n" + NORMED + "def main():\n    net = Net()\n"
        "    opt = torch.optim.SGD(net.parameters(), lr=0.1)\n    for _ in range(2):\n        opt.zero_grad()\n"
        "        data = torch.randn(3, 4, requires_grad=True)\n"
        "        checkpoint(net.part, data, use_reentrant=True).exp().sum().backward()\n        opt.step()\n"
        "    x = torch.randn(3, 4, requires_grad=True)\n    net(x).backward()\n    return x.grad\n"
    ),
    "leaf whose gradient alone is computed": (
        "import torch\n" + NORMED + "def slope(net, x):\n    g, = torch.autograd.grad(net(x), x, create_graph=True)\n"
        "    return g.pow(2).sum()\ndef main():\n    net = Net()\n"
        "    slope(net, torch.randn(3, 4, requires_grad=True)).backward()\n"
        "    return [p.grad for p in net.parameters()]\n"
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_leaf_whose_gradient_its_owner_asks_for_is_taken_as_it_was_passed(name: str, lab: Runner, tmp_path: Path):
    written = program(tmp_path, ASKED[name])
    rewritten, marks = rewrite(written.text, [fix(written.text, "x -= 0.5", "x = x - 0.5")])
    ruling = lab.judge(replace(written.case(rewritten), whole=True), marks).ruling
    (evidence,) = ruling.evidence
    assert ruling.verdict is Verdict.PROVED, ruling
    assert CONVENTION in evidence.notes and evidence.gradients > 0
    alone = lab.judge(written.case(rewritten), marks).ruling
    assert (alone.verdict, alone.reason) == (Verdict.UNPROVED, "hidden-caller")  # `fix` does not know all callers
    other, marks = rewrite(written.text, [fix(written.text, "x -= 0.5", "x = x - 0.4")])
    assert lab.judge(replace(written.case(other), whole=True), marks).ruling.verdict is Verdict.REFUTED


IMAGE = "img = torch.randn(3, 4, 4, requires_grad=True)\nm = torch.randn(4)\n"
REFUTED = {
    "channels that were written": (
        HEAD + IMAGE + "y = img * 1\nfor c in y:\n    c.sub_(m)\ny.pow(2).sum().backward()\n",
        ("c.sub_(m)", "c = c - m"),
        "forward-differs",
    ),
    "channels of a leaf": (
        HEAD + IMAGE + "for c in img:\n    c.sub_(m)\n(img * img).sum().backward()\n",
        ("c.sub_(m)", "c = c - m"),
        "forward-differs",
    ),
    "base that shows the write": (
        HEAD + "y = x * w\na, b = y.chunk(2)\na *= 2\ny.sum().backward()\n",
        ("a *= 2", "a = a * 2"),
        "forward-differs",
    ),
    "wrong constant": (HEAD + "x *= 2\n(x * w).sum().backward()\n", ("x *= 2", "x = x * 3"), "forward-differs"),
    "stray detach": (
        HEAD + "a, b = (x * w).unbind(0)[:2]\na *= 2\n(a * b).sum().backward()\ndel a, b\n",
        ("a *= 2", "a = a.detach() * 2"),
        "gradient-differs",
    ),
    "equal leaves, one of which gets what belongs to the other": (
        "import torch\na, b, c = (torch.full((3,), n, requires_grad=True) for n in (1.0, 1.0, 2.0))\n"
        "c.mul_(2)\nh = a * 1\nk = h\n"
        "h.copy_(b)\n((k * 2).sum() + c.sum()).backward()\ndel h, k, c\n",
        ("c.mul_(2)\nh = a * 1\nk = h\nh.copy_(b)", "c = c.mul(2)\nh = a * 1\nk = h\nh = b.clone()"),
        "gradient-differs",
    ),
    "still a leaf": (HEAD + "x *= 2\n(x * w).sum().backward()\n", ("x *= 2", "x.mul_(2)"), "still-raises"),
    "leaf that a second optimizer holds": (
        HEAD + "other = torch.optim.SGD([x], lr=5.0)\n" + STEPS + "    other.zero_grad()\n    x.mul_(1)\n"
        "    (x + w).pow(2).sum().backward(retain_graph=True)\n    opt.step()\n    other.step()\n",
        ("x.mul_(1)", "x = x.mul(1)"),
        "aliasing-differs",
    ),
    "state that is read after the step": (
        HEAD + "s = torch.zeros(2, 4)\nclass Net(torch.nn.Module):\n    def forward(self, t):\n        global s\n"
        "        y = (t * w)[:2] + s\n        a, b = y.unbind(0)\n        a += 1\n        s = y.detach()\n"
        "        return (a * b).sum()\nnet = Net()\n" + STEPS + "    net(x).backward()\n    opt.step()\n",
        ("a += 1", "a = a + 1"),
        "forward-differs",
    ),
}


@pytest.mark.parametrize("name", REFUTED)
def test_forward_mode_refutes_what_computes_something_else(name: str, lab: Runner, tmp_path: Path):
    text, (old, new), reason = REFUTED[name]
    ruling = program(tmp_path, text).judge(lab, old, new).ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, reason), ruling


UNKNOWN = {
    "leaf whose gradient is read": (
        HEAD + "x *= 2\n(x * w).sum().backward()\nprint(x.grad)\n",
        ("x *= 2", "x = x * 2"),
        "a leaf is written in place, and what becomes of it once the program reads `.grad`",
    ),
    "leaf of a caller, written for nobody": (
        "import torch\ndef clamp(x):\n    x.clamp_(-0.5, 0.5)\ndef main():\n"
        "    x, w = torch.randn(3, requires_grad=True), torch.randn(3)\n    loss = (x + w).sum()\n    clamp(x)\n"
        "    loss.backward()\n    return x + x.grad\n",
        ("x.clamp_(-0.5, 0.5)", "x = x.clamp(-0.5, 0.5)"),
        "a leaf is written in place, and what becomes of it once the program reads `.grad`",
    ),
    "leaf that an optimizer holds": (
        HEAD + STEPS + "    w += 1\n    (x * w).sum().backward(retain_graph=True)\n    opt.step()\n",
        ("w += 1", "w = w + 1"),
        "a leaf is written in place",
    ),
    "leaf whose gradient is read after another's step": (
        HEAD + STEPS + "    x.mul_(1)\n    (x * w).sum().backward(retain_graph=True)\n    opt.step()\n"
        "if x.grad is not None:\n    print(x.grad)\n",
        ("x.mul_(1)", "x = x.mul(1)"),
        "`.grad` of what it becomes is read",
    ),
    "no formula": (
        HEAD + "a, b = F.grid_sample(x[None, None], w.view(1, 2, 4, 2), align_corners=False)[0, 0].unbind(0)\n"
        "a += 1\n(a * b).sum().backward()\n",
        ("a += 1", "a = a + 1"),
        "has no forward-mode formula",
    ),
    "hook": (
        HEAD + "a, b = (x * w).unbind(0)[:2]\na += 1\na.register_hook(lambda g: 2 * g)\n(a * b).sum().backward()\n",
        ("a += 1", "a = a + 1"),
        "hooks change gradients",
    ),
    "hook of a module": (
        "import torch\nF = torch.nn.functional\nlinear = torch.nn.Linear(4, 4)\n"
        "linear.register_full_backward_hook(lambda module, given, got: (2 * given[0],))\n"
        "w = torch.randn(3, 4, requires_grad=True)\ny = linear(w)\nF.relu(y, inplace=True)\ny.exp().sum().backward()\n",
        ("F.relu(y, inplace=True)", "y = F.relu(y)"),
        "hooks change gradients",
    ),
    "sixteen bits": (
        HEAD.replace("True)", "True, dtype=torch.bfloat16)")
        + "a, b = (x * w).unbind(0)[:2]\na += 1\n(a * b).sum().backward()\n",
        ("a += 1", "a = a + 1"),
        "too coarse",
    ),
    "expanded": (
        HEAD + "y = x[0, :1].expand(3)\ny += 1\ny.sum().backward()\n",
        ("y += 1", "y = y + 1"),
        "more than one element of the written-to tensor",
    ),
    "variable of a function that goes on": (
        HEAD + "def train():\n    opt = torch.optim.SGD([w], lr=0.1)\n    for step in range(2):\n        y = x * w\n"
        "        a, b = y.unbind(0)[:2]\n        a += 1\n        (a * b).sum().backward()\n        opt.step()\n"
        "train()\n",
        ("a += 1", "a = a + 1"),
        "may read what differs: `y in train()`",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_forward_mode_cannot_tell_stays_unproved(name: str, lab: Runner, tmp_path: Path):
    text, (old, new), words = UNKNOWN[name]
    ruling = program(tmp_path, text).judge(lab, old, new).ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "no-forward-reference"), ruling
    assert words in ruling.sentence


def test_an_argument_is_watched_in_forward_mode_too(lab: Runner, tmp_path: Path):
    text = HEAD + "def scale(v):\n    v *= 2\n    return v * 1\n"
    text += "a, b = (x * w).unbind(0)[:2]\n(scale(a) * b).sum().backward()\n{}"
    ruling = program(tmp_path, text.format("del a, b\n")).judge(lab, "v *= 2", "v = v * 2").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "hidden-caller"), ruling
    ruling = program(tmp_path, text.format("")).judge(lab, "v *= 2", "v = v * 2").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, "forward-differs"), ruling


PARAMETER = """
import torch
torch.manual_seed(0)
w, v = (torch.nn.Parameter(torch.randn(3)) for _ in range(2))
leaf = torch.randn(3, requires_grad=True)
x = torch.randn(4, 3)
for _ in range(2):
    WRITE
    loss = (x * w * v * leaf).sum().square()
    loss.backward()
"""
KEPT = {
    "parameter": ("w *= 0.5", "with torch.no_grad(): w *= 0.5", Verdict.PROVED),
    "view of a parameter": ("w[:2].fill_(1.0)", "with torch.no_grad(): w[:2].fill_(1.0)", Verdict.PROVED),
    "computed from itself": ("w /= w.norm()", "with torch.no_grad(): w /= w.norm()", Verdict.PROVED),
    "computed from itself, another way": ("w /= w.norm()", "with torch.no_grad(): w /= w.abs().max()", Verdict.REFUTED),
    "computed from both": ("w /= w.norm() * v.norm()", "with torch.no_grad(): w /= w.norm() * v.norm()", None),
    "another value": ("w[:2].fill_(1.0)", "with torch.no_grad(): w[:2].fill_(2.0)", Verdict.REFUTED),
    "no write at all": ("w *= 0.5", "with torch.no_grad(): w * 0.5", Verdict.REFUTED),
    "leaf that is no parameter": ("leaf *= 0.5", "with torch.no_grad(): leaf *= 0.5", None),
    "value of another parameter": ("w[0] = v.sum()", "with torch.no_grad(): w[0] = v.sum()", None),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_written_into_a_parameter_is_data_if_it_depends_on_nothing_else(name, lab: Runner, tmp_path: Path):
    old, new, verdict = KEPT[name]
    written = program(tmp_path, PARAMETER.replace("WRITE", old))
    rewritten, marks = rewrite(written.text, [fix(written.text, old, new)])

    ruling = lab.judge(replace(written.case(rewritten), whole=True, kept=True), marks).ruling

    assert ruling.verdict is verdict or (verdict is None and ruling.verdict is not Verdict.PROVED), ruling
    if verdict is Verdict.PROVED:
        assert not ruling.evidence[0].checks_not_run
