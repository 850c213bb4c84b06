"""Right rewrites are proved, wrong ones are refuted for the right reason, and what cannot be told is left unproved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from programs import fix, program

from fixinplace.model import Verdict
from fixinplace.verify.backwards import left_out
from fixinplace.verify.jobs import Job, Run
from fixinplace.verify.runner import Limits, Runner
from fixinplace.verify.search import rewrite
from fixinplace.verify.sides import Side

HEAD = """
import torch
x = torch.randn(4, 4, requires_grad=True)
"""

MAIN = "import torch\ndef main():\n"

NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.kept = nn.Linear(4, 4), []
    def forward(self, x):
        y = self.a(x)
        self.kept.append(y)
"""
NET_END = """
        return y
def main():
    net = Net()
    for _ in range(2):
        net(torch.ones(2, 4)).sum().backward()
"""

REFUTED = {
    "alias in a list": (
        HEAD + "y = x * 1\nkept = [y]\nz = y.pow(2)\ny *= 3\n(z.sum() + kept[0].sum()).backward()\n",
        ("y *= 3", "y = y * 3"),
        "forward-differs",
    ),
    "view": (
        HEAD + "y = x * 1\nz = y.exp()\nv = z[0]\nv *= 3\nz.sum().backward()\n",
        ("v *= 3", "v = v * 3"),
        "forward-differs",
    ),
    "stray detach": (
        HEAD + "y = x * 1\nz = y.pow(2)\ny *= 3\n(z.sum() + y.sum()).backward()\n",
        ("y *= 3", "y = y.detach() * 3"),
        "gradient-missing",
    ),
    "wider dtype": (
        "import torch\nx = torch.randn(4, requires_grad=True, dtype=torch.float16)\n"
        "y = x * 1\nz = y.pow(2)\ny *= torch.ones(4)\n(z.sum() + y.sum()).backward()\n",
        ("y *= torch.ones(4)", "y = y * torch.ones(4)"),
        "dtype-differs",
    ),
    "parameter that its optimizer no longer knows": (
        HEAD + "p = torch.nn.Parameter(torch.ones(4))\no = torch.optim.SGD([p], lr=0.1)\n"
        "with torch.no_grad():\n    p *= 2\n(x * p).sum().backward()\no.step()\n",
        ("p *= 2", "p = torch.nn.Parameter(p * 2)"),
        "gradient-missing",
    ),
    "random numbers drawn twice": (
        HEAD + "F = torch.nn.functional\ny = x.tanh()\ny = F.dropout(y, 0.5, True, True)\ny.pow(2).sum().backward()\n",
        ("F.dropout(y, 0.5, True, True)", "F.dropout(y, 0.5, True) + 0 * torch.rand(1)"),
        "random-state-differs",
    ),
    "dropped gradient": (
        MAIN + "    x = torch.ones(3, requires_grad=True)\n    w = torch.ones(3, requires_grad=True)\n"
        "    y = x * 2\n    y *= w\n    y.sum().backward()\n    return y.detach()\n",
        ("y *= w", "y = y * w.detach()"),
        "gradient-missing",
    ),
    "zero instead of none": (
        MAIN + "    x = torch.ones(3, requires_grad=True)\n    w = torch.ones(3, requires_grad=True)\n"
        "    y = x * 2\n    y += 1\n    y.sum().backward()\n    return y.detach()\n",
        ("y += 1", "y = y + 1 + 0 * w"),
        "gradient-differs",
    ),
    "other output": (
        HEAD + "y = x * 1\ny += 1\nprint('done')\ny.sum().backward()\n",
        ("y += 1", "y = y + 1; print('again')"),
        "output-differs",
    ),
    "other exit code": (
        HEAD + "y = x * 1\ny += 1\ny.sum().backward()\nraise SystemExit(3)\n",
        ("raise SystemExit(3)", "raise SystemExit(4)"),
        "output-differs",
    ),
    "other error before the same exit code": (
        HEAD + "y = x * 1\ny += 1\ny.sum().backward()\n"
        "try:\n    y.nothing\nexcept AttributeError:\n    raise SystemExit(1)\n",
        ("y.nothing", "y.no_such_thing"),
        "output-differs",
    ),
    "no longer shared at the end": (
        HEAD + "y = x * 1\nkept = y\ny *= 1\ny.sum().backward()\n",
        ("y *= 1", "y = y * 1"),
        "aliasing-differs",
    ),
    "shared only now": (
        HEAD + "y = x * 1\nz = y.clone()\nz += 0\n(y + z).sum().backward()\n",
        ("z += 0", "z = y"),
        "aliasing-differs",
    ),
    "new error": (
        HEAD + "y = x * 1\ny += 1\ny.sum().backward()\n",
        ("y += 1", "y = y + missing"),
        "new-error",
    ),
    "error of autograd stays": (
        HEAD + "y = x * 1\nz = y.pow(2)\ny *= 3\n(z.sum() + y.sum()).backward()\n",
        ("y *= 3", "y += y * 2"),
        "still-raises",
    ),
    "error of autograd stays, and is caught": (
        HEAD + "y = x * 1\nz = y.pow(2)\ny *= 3\ntry:\n    z.sum().backward()\nexcept RuntimeError:\n    print('no')\n",
        ("y *= 3", "y.mul_(3)"),
        "still-raises",
    ),
    "one gradient of many backwards": (
        HEAD + "for i in range(3):\n    x.grad = None\n    y = x * 1\n    z = y.pow(2)\n    y *= 3\n"
        "    (z.sum() + y.sum()).backward()\nx.grad = None\ndel y, z\n",
        ("y *= 3", "y = y * 3 if i else y.detach() * 3 + y - y.detach()"),
        "gradient-differs",
    ),
    "leading bit of a large sum": (
        HEAD + "y = x * 1\ny += 1e-3\ny.sum().backward()\n",
        ("1e-3", "1.001e-3"),
        "forward-differs",
    ),
    "member of an object": (
        HEAD + "class Box:\n    pass\nbox = Box()\ny = x * 1\nbox.kept = [(y,)]\ny += 1\ny.sum().backward()\n",
        ("y += 1", "y = y + 1"),
        "forward-differs",
    ),
    "buffer of a module": (
        HEAD
        + "m = torch.nn.Module()\nm.register_buffer('b', torch.zeros(4))\nb = m.b\nb += 1\n(x * b).sum().backward()\n",
        ("b += 1", "b = b + 1"),
        "state-differs",
    ),
    "what a module keeps that dies with its function": (
        NET + "        y += 1\n" + NET_END,
        ("y += 1", "y = y + 1"),
        "state-differs",
    ),
    "a count that a module within another keeps": (
        NET + "        self.count = len(self.kept)\n" + NET_END.replace("Net()", "nn.Sequential(Net(), nn.ReLU())"),
        ("len(self.kept)", "len(self.kept) + 1"),
        "state-differs",
    ),
}


@pytest.mark.parametrize("name", REFUTED)
def test_wrong_rewrites_are_refuted(name: str, lab: Runner, tmp_path: Path):
    text, (old, new), reason = REFUTED[name]
    ruling = program(tmp_path, text).judge(lab, old, new).ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, reason), ruling.sentence


PROVED = {
    "what a module keeps is what it was": (
        NET.replace("self.kept.append(y)", "self.kept.append(y.clone())") + "        y += 1\n" + NET_END,
        ("y += 1", "y = y + 1"),
    ),
    "flags of modules that are kept": (
        NET.replace("nn.Linear(4, 4)", "nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True))") + NET_END,
        ("inplace=True", "inplace=False"),
    ),
    "out-of-place after a square": (
        HEAD + "y = x * 1\nz = y ** 2\ny *= 3\n(z.sum() + y.sum()).backward()\n",
        ("y *= 3", "y = y * 3"),
    ),
    "callable under another default device": (
        "import torch\ntorch.set_default_device('meta')\ndef main():\n"
        "    x = torch.ones(3, device='cpu', requires_grad=True)\n    y = x * 1\n    y += 1\n    return {'y': [y]}\n",
        ("y += 1", "y = y + 1"),
    ),
    "callable whose result is not back-propagated": (
        MAIN + "    x = torch.ones(3, requires_grad=True)\n    y = x.exp()\n    y += 1\n    return {'y': [y]}\n",
        ("y += 1", "y = y + 1"),
    ),
    "works today": (
        HEAD + "y = x * 1\ny += 1\ny.sum().backward()\nprint(y.shape)\n",
        ("y += 1", "y = y + 1"),
    ),
    "gradient asked for": (
        HEAD + "y = x * 1\nz = y.exp()\ny *= 2\n(g,) = torch.autograd.grad((z * y).sum(), [x])\n",
        ("y *= 2", "y = y * 2"),
    ),
    "in-place module that prints itself": (
        HEAD + "net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.ReLU(inplace=True))\n"
        "net(x).sum().backward()\nprint(net)\n",
        ("torch.nn.ReLU(inplace=True)", "torch.nn.ReLU()"),
    ),
    "optimizer steps": (
        "import torch\ndef main():\n    net = torch.nn.Linear(3, 2)\n    o = torch.optim.Adam(net.parameters())\n"
        "    for _ in range(3):\n        o.zero_grad()\n        y = net(torch.ones(5, 3)).exp()\n        y *= 2\n"
        "        y.sum().backward()\n        o.step()\n    return net, o\n",
        ("y *= 2", "y = y * 2"),
    ),
    "only where it is rounded otherwise": (
        HEAD + "y = x * 1\ny /= 3\ny.sum().backward()\n",
        ("y /= 3", "y = y * (1 / 3)"),
    ),
    "time stamp in the output": (
        HEAD + "import time\ny = x * 1\ny += 1\ny.sum().backward()\nprint(time.time_ns())\nstamp = time.time_ns()\n",
        ("y += 1", "y = y + 1"),
    ),
    "time stamp as a key": (
        HEAD + "import time\ny = x * 1\ny += 1\ny.sum().backward()\nat = {time.time_ns(): [y]}\nprint(object())\n",
        ("y += 1", "y = y + 1"),
    ),
    "end by sys.exit": (
        HEAD + "import sys\ny = x * 1\ny += 1\ny.sum().backward()\nsys.exit(0)\n",
        ("y += 1", "y = y + 1"),
    ),
    "failing exit": (
        HEAD + "import sys\ny = x * 1\ny += 1\ny.sum().backward()\nsys.exit(3)\n",
        ("y += 1", "y = y + 1"),
    ),
    "exit code of the error itself": (
        HEAD + "y = x.exp()\ny += 1\ntry:\n    y.sum().backward()\nexcept RuntimeError as error:\n"
        "    raise SystemExit(str(error))\nraise SystemExit('the loss is high')\n",
        ("y += 1", "y = y + 1"),
    ),
    "error that is told by the exit code alone": (
        HEAD + "y = x.exp()\ny += 1\nfailed = 0\ntry:\n    y.sum().backward()\nexcept RuntimeError:\n    failed = 1\n"
        "raise SystemExit(failed)\n",
        ("y += 1", "y = y + 1"),
    ),
    "backward in a thread": (
        HEAD + "import threading\ny = x * 1\nz = y ** 2\ny *= 3\n"
        "t = threading.Thread(target=(z.sum() + y.sum()).backward)\nt.start()\nt.join()\n",
        ("y *= 3", "y = y * 3"),
    ),
    "checkpointed region": (
        HEAD + "from torch.utils.checkpoint import checkpoint\ndef f(a):\n    b = a * 1\n    c = b.exp()\n"
        "    b += 1\n    return c * b\n"
        "checkpoint(f, x, use_reentrant=False).sum().backward()\n",
        ("b += 1", "b = b + 1"),
    ),
    "sparse gradient": (
        "import torch\ne = torch.nn.Embedding(9, 3, sparse=True)\n"
        "y = e(torch.tensor([1, 2, 1]))\ny += 1\ny.sum().backward()\n",
        ("y += 1", "y = y + 1"),
    ),
}


@pytest.mark.parametrize("name", PROVED)
def test_right_rewrites_are_proved(name: str, lab: Runner, tmp_path: Path):
    text, (old, new) = PROVED[name]
    judgement = program(tmp_path, text).judge(lab, old, new)
    assert judgement.ruling.verdict is Verdict.PROVED, judgement.ruling
    assert judgement.reached == {0}
    (evidence,) = judgement.ruling.evidence
    assert evidence.gradients > 0
    assert evidence.isolation == lab.isolation in ("bwrap", "landlock")
    assert evidence.framework.startswith("torch 2.")


UNPROVED = {
    "random relu": (
        HEAD
        + "y = torch.nn.functional.rrelu(x * 1, training=True)\nz = y ** 2\ny *= 3\n(z.sum() + y.sum()).backward()\n",
        ("y *= 3", "y = y * 3"),
        "no-forward-reference",
    ),
    "error that the program handles": (
        HEAD + "y = x.exp()\ny += 1\nbad = False\ntry:\n    y.sum().backward()\nexcept RuntimeError:\n    bad = True\n",
        ("y += 1", "y = y + 1"),
        "no-forward-reference",
    ),
    "function transform that writes what is around it": (
        HEAD + "kept = torch.zeros_like(x)\ndef f(a):\n    b = a * 1\n    c = b ** 2\n    b *= 3\n"
        "    kept.copy_(b)\n    return (c + b).sum()\nprint(torch.func.grad(f)(x))\n",
        ("b *= 3", "b = b * 3"),
        "no-forward-reference",
    ),
    "gradients that change from run to run": (
        HEAD + "import os\ny = x * int.from_bytes(os.urandom(4), 'big')\ny += 1\ny.sum().backward()\n",
        ("y += 1", "y = y + 1"),
        "nondeterministic",
    ),
    "missing package": ("import torch, no_such_package\ny = 0\ny += 1\n", ("y += 1", "y = y + 1"), "needs-package"),
    "graphics card": (
        "import torch\nx = torch.ones(2, device='cuda', requires_grad=True)\ny = x * 1\ny += 1\n",
        ("y += 1", "y = y + 1"),
        "needs-gpu",
    ),
    "bug of its own": (HEAD + "y = x * 1\ny += 1\nraise KeyError('k')\n", ("y += 1", "y = y + 1"), "probe-failed"),
    "exit that changes from run to run": (
        HEAD + "import os, sys\ny = x * 1\ny += 1\ny.sum().backward()\nsys.exit(1 + os.urandom(4)[0])\n",
        ("y += 1", "y = y + 1"),
        "nondeterministic",
    ),
    "exit where the sandbox is in the way": (
        HEAD + "import sys\ny = x * 1\ny += 1\ny.sum().backward()\n"
        "try:\n    open('/usr/new', 'w')\nexcept OSError as error:\n    sys.exit(str(error))\n",
        ("y += 1", "y = y + 1"),
        "probe-failed",
    ),
    "error that the program handles, with the same exit": (
        HEAD + "y = x.exp()\ny += 1\nbad = False\ntry:\n    y.sum().backward()\nexcept RuntimeError:\n    bad = True\n"
        "raise SystemExit(3)\n",
        ("y += 1", "y = y + 1"),
        "no-forward-reference",
    ),
    "branch not taken": (
        HEAD + "y = x * 1\nif x.shape[0] > 9: y += 1\ny.sum().backward()\n",
        ("y += 1", "y = y + 1"),
        "not-reached",
    ),
    "module that is built and not called": (
        HEAD + "act = torch.nn.ReLU(inplace=True)\ny = x * 1\ny.sum().backward()\n",
        ("torch.nn.ReLU(inplace=True)", "torch.nn.ReLU()"),
        "not-reached",
    ),
    "lambda that is not called": (
        HEAD + "f = lambda t: t.relu_()\ny = x * 1\ny.sum().backward()\n",
        ("t.relu_()", "t.relu()"),
        "not-reached",
    ),
    "nothing is differentiated": (
        "import torch\ny = torch.ones(3)\ny += 1\nprint(y)\n",
        ("y += 1", "y = y + 1"),
        "no-gradient",
    ),
}


@pytest.mark.parametrize(
    "name", [name for name in UNPROVED if name != "graphics card" or not torch.cuda.is_available()]
)
def test_what_cannot_be_told_stays_unproved(name: str, lab: Runner, tmp_path: Path):
    text, (old, new), reason = UNPROVED[name]
    ruling = program(tmp_path, text).judge(lab, old, new).ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, reason), ruling.sentence
    assert ruling.sentence


class Timed(Runner):
    """Run number n of the original prints `printed[n]`, the rewritten version always "0.57"."""

    printed: tuple[str, ...] = ()

    def run(self, job: Job) -> Run:
        run = super().run(job)
        text = self.printed[job.perturbed] if "y += 1" in job.texts[0].text else "0.57"
        Path(run.folder, "stdout").write_text(f"entropy of the machine {text}\n")
        return run


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [
        (("0.52", "0.52", "0.53"), Verdict.PROVED),
        (("0.52", "0.52", "0.52", "0.54"), Verdict.PROVED),
        (("0.52", "0.52", "0.52", "0.52"), Verdict.REFUTED),
    ],
)
def test_two_runs_may_print_the_same_by_chance(printed: tuple[str, ...], verdict: Verdict, tmp_path: Path):
    with Timed(Limits(seconds=60)) as runner:
        runner.printed = printed
        text = HEAD + "y = x * 1\ny += 1\ny.sum().backward()\n"
        ruling = program(tmp_path, text).judge(runner, "y += 1", "y = y + 1").ruling
    assert (ruling.verdict, ruling.reason) == (verdict, "output-differs" if verdict is Verdict.REFUTED else None)


CONFINED = {
    "a write outside the scratch folder": "open('/usr/new', 'w')",
    "a connection": "import socket\nsocket.create_connection(('192.0.2.1', 80), 1)",
    "a look-up": "import urllib.request\nurllib.request.urlopen('http://example.invalid/')",
}


@pytest.mark.parametrize("what", CONFINED)
def test_what_the_sandbox_stops_is_not_called_the_programs_own_failure(what: str, lab: Runner, tmp_path: Path):
    text = HEAD + f"y = x.exp()\ny += 1\n{CONFINED[what]}\ny.sum().backward()\n"
    ruling = program(tmp_path, text).judge(lab, "y += 1", "y = y + 1").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "probe-failed")
    assert "stopped by the sandbox" in ruling.sentence


RETURNED = """
import torch

def integrate(start, steps):
    y, kept = start * 1, []
    for _ in range(steps):
        y += 1
        kept.append(y)
    return y, kept

def clock():
    import time
    return time.time_ns()

if __name__ == "__main__":
    clock()
    x = torch.ones(3, requires_grad=True)
    total = integrate(x * 1, 3)[0].sum()
    total.backward()
    print(total.item())
"""


def test_what_a_function_returns_and_nobody_keeps_is_compared(lab: Runner, tmp_path: Path):
    ruling = program(tmp_path, RETURNED).judge(lab, "y += 1", "y = y + 1").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, "forward-differs")
    assert "integrate() returned 1[1][0]" in ruling.sentence


def test_a_function_that_returns_the_time_is_no_difference(lab: Runner, tmp_path: Path):
    text = RETURNED.replace("kept.append(y)", "kept.append(y * 1)")
    ruling = program(tmp_path, text).judge(lab, "y += 1", "y = y + 1").ruling
    assert ruling.verdict is Verdict.PROVED, ruling
    assert any("clock() returned 1" in note for note in ruling.evidence[0].notes)


ARGUMENT = """
import torch

def scale(v):
    w = v.view(-1)
    w *= 2
    return w * 1

def main():
    x = torch.ones(3, requires_grad=True)
    return scale(x * 1)
"""


def test_an_argument_that_is_no_longer_written_waits_for_its_callers(lab: Runner, tmp_path: Path):
    ruling = program(tmp_path, ARGUMENT).judge(lab, "w *= 2", "w = w * 2").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "hidden-caller")
    assert "scale() argument v after call 1" in ruling.sentence
    assert ruling.evidence[0].gradients > 0


def test_an_argument_that_is_no_longer_written_and_is_read_is_refuted(lab: Runner, tmp_path: Path):
    text = ARGUMENT.replace("return scale(x * 1)", "y = x * 1\n    scale(y)\n    return y")
    ruling = program(tmp_path, text).judge(lab, "w *= 2", "w = w * 2").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, "forward-differs")


RETAINED = """
import torch

def main():
    w = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    h = (w * w).exp()
    first, second = h.sum(), (h * 2).sum()
    h += 1
    first.backward(retain_graph=True)
    second.backward(retain_graph=True)
    optimizer.step()
    return h, first
"""


def test_what_had_its_backward_is_not_blamed_for_the_step_after_it(lab: Runner, tmp_path: Path):
    """The optimizer changes what the returned values have saved, which they need no more."""
    ruling = program(tmp_path, RETAINED).judge(lab, "h += 1", "h = h + 1").ruling
    assert ruling.verdict is Verdict.PROVED, ruling


def test_what_is_returned_without_a_backward_of_its_own_is_blamed(lab: Runner, tmp_path: Path):
    late = RETAINED.replace("    return h, first", "    late = (w * w).exp()\n    late *= 2\n    return late")
    ruling = program(tmp_path, late).judge(lab, "h += 1", "h = h + 1").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.REFUTED, "still-raises")


TWO_SIDES = """
import torch
torch.manual_seed(0)
a, b = (torch.randn(3, requires_grad=True) for _ in range(2))
one, two = torch.optim.SGD([a], lr=0.1), torch.optim.SGD([b], lr=0.1)
for _ in range(2):
    h = a * b
    loss_a, loss_b = h.square().sum(), (h.sin() * b).sum()
    one.zero_grad()
    loss_a.backward(retain_graph=True)
    one.step()
    two.zero_grad()
    loss_b.backward()
    two.step()
"""
STEP = "one.step()\n    two.zero_grad()\n    loss_b.backward()\n"
AGAIN = "two.zero_grad()\n    ((a.detach() * b).sin() * b).sum().backward()\n    one.step()\n"
LIMITED = {
    "moved and limited to its own side": (
        STEP,
        "two.zero_grad()\n    loss_b.backward(inputs=[b])\n    one.step()\n",
        True,
    ),
    "moved, and the other side detached": (STEP, AGAIN, True),
    "more detached than the other side": (STEP, AGAIN.replace("(a.detach() * b)", "(a * b).detach()"), False),
    "limited to the wrong side": (
        STEP,
        "two.zero_grad()\n    loss_b.backward(inputs=[a])\n    one.step()\n",
        False,
    ),
    "moved without a limit": (STEP, "two.zero_grad()\n    loss_b.backward()\n    one.step()\n", False),
    "a side that learns from nothing any more": ("h = a * b", "h = a.detach() * b", False),
}


@pytest.mark.parametrize("name", LIMITED)
def test_gradients_that_a_backward_leaves_out_are_missing_unless_that_is_the_point(name, lab: Runner, tmp_path: Path):
    old, new, right = LIMITED[name]
    written = program(tmp_path, TWO_SIDES)
    rewritten, marks = rewrite(written.text, [fix(written.text, old, new)])
    case = replace(written.case(rewritten), whole=True)

    strict = lab.judge(case, marks).ruling
    limited = lab.judge(replace(case, limited=True), marks).ruling

    assert strict.verdict is Verdict.REFUTED
    assert (limited.verdict is Verdict.PROVED) is right, limited
    if right:
        assert strict.reason == "gradient-missing"
        assert any(note.startswith("left out on purpose") for note in limited.evidence[0].notes)


def test_a_leaf_that_learns_from_no_backward_is_not_left_out_but_cut_off():
    def side(**leaves: str) -> Side:
        rows = {
            f"backward {number}": [{"leaf": leaf, "key": ord(leaf), "received": [{}]} for leaf in names]
            for number, names in zip((1, 2), leaves.values(), strict=True)
        }
        return Side({}, {}, {}, rows, {}, b"", "")

    reference = side(first="wv", second="wv")

    assert left_out(reference, side(first="wv", second="w"), "backward 2") == {ord("v")}
    assert left_out(reference, side(first="w", second="w"), "backward 2") == frozenset()
    assert left_out(reference, side(first="wv", second=""), "backward 2") == frozenset()
