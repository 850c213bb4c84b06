"""Everything observable is compared: a difference is found where it is, and none where there is none."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest
import torch
from programs import program

from fixinplace.model import Verdict
from fixinplace.verify.observe import UserCode
from fixinplace.verify.runner import Runner

FRAME = """
import collections, dataclasses, enum, functools, random, types
import numpy as np
import torch
x = torch.ones(3, requires_grad=True)
y = x * 1
y.sum().backward()
F = 1.0
"""

PLACES = {
    "d['a'][0]": "d = {'a': [torch.ones(2) * F]}",
    "t[1].item": "Pair = collections.namedtuple('Pair', 'name item')\nt = [0, Pair('n', torch.ones(2) * F)]",
    "c.value": "@dataclasses.dataclass\nclass C:\n    value: object\nc = C(torch.ones(2) * F)",
    "s.held": "class S:\n    __slots__ = ('held', 'unset')\ns = S()\ns.held = F",
    "n.a.b": "n = types.SimpleNamespace(a=types.SimpleNamespace(b=F))",
    "q[0]": "q = collections.deque([F])",
    "m.running": "m = torch.nn.Linear(2, 2)\nm.register_buffer('running', torch.ones(2) * F, persistent=False)",
    "m.0.scale": "m = torch.nn.Sequential(torch.nn.Linear(2, 2))\nm[0].scale = F",
    "m._cache": "m = torch.nn.Linear(2, 2)\nm._cache = torch.ones(2) * F",
    "o.param_groups[0]['lr']": "o = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=F)",
    "o.state[0]['momentum_buffer']": "p = torch.nn.Parameter(torch.ones(2))\n"
    "o = torch.optim.SGD([p], lr=0.0, momentum=0.9)\np.grad = torch.ones(2) * F\no.step()\np.grad = None",
    "f.<held>": "def make():\n    held = torch.ones(2) * F\n    return lambda: held\nf = make()",
    "g.<default 0>": "def g(a=F):\n    return a",
    "w.<cached 0>": "@functools.cache\ndef w(n):\n    return torch.ones(n) * F\nw(2)",
    "u.<cached 1>[0]": "@functools.lru_cache(4)\ndef u(n):\n    return [n if n == 1 else F]\nu(1), u(2)",
    "K.table": "class K:\n    table = {}\nK.table = F",
    "h.keywords['a']": "h = functools.partial(print, a=F)",
    "b.__self__.v": "class V:\n    def __init__(self, v):\n        self.v = v\n    def go(self): pass\nb = V(F).go",
    "e.args[0]": "e = ValueError(F)",
    "text": "text = f'value {F}'",
    "number": "number = int(F)",
    "raw": "raw = bytes([int(F)])",
    "z": "z = complex(F, 1)",
    "members": "members = frozenset(['a', str(F)])",
    "array": "array = np.ones(3) * F",
    "scalar": "scalar = np.float32(F)",
    "objects[0]": "objects = np.array([F, 'x'], dtype=object)",
    "half": "half = torch.ones(3, dtype=torch.bfloat16) * F",
    "wave": "wave = torch.ones(3, dtype=torch.complex64).conj() * F",
    "flags": "flags = torch.tensor([F > 1.5, True])",
    "ints": "ints = torch.tensor([int(F)])",
    "lone": "lone = torch.tensor(F)",
    "thin": "thin = (torch.ones(4000, 8) * F)[:, 3]",
    "sparse.values": "sparse = (torch.eye(3) * F).to_sparse()",
    "rows.values": "rows = (torch.eye(3) * F).to_sparse_csr()",
    "gen.state": "gen = torch.Generator().manual_seed(int(F))",
    "rnd.state[1][1]": "rnd = random.Random(int(F))",
    "loop[1]": "loop = [None, F]\nloop[0] = loop",
    "leaf.grad": "leaf = torch.ones(2, requires_grad=True)\nleaf.grad = torch.ones(2) * F",
    "numpy": "np.random.rand(int(F))",
    "python": "[random.random() for _ in range(int(F))]",
    "default dtype": "torch.set_default_dtype(torch.float64 if F > 1.5 else torch.float32)",
    "output": "print('value', F)",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_difference_is_found_where_it_is(place: str, lab: Runner, tmp_path: Path):
    made = program(tmp_path, FRAME + PLACES[place] + "\nF = 0\n")
    same = made.judge(lab, "F = 1.0", "F = 2.0 - 1.0").ruling
    assert same.verdict is Verdict.PROVED, same
    other = made.judge(lab, "F = 1.0", "F = 2.0").ruling
    assert other.verdict is Verdict.REFUTED, other
    assert place in other.sentence


def test_what_a_callable_returns_is_named_after_it(lab: Runner, tmp_path: Path):
    text = """
        import torch
        def main():
            x = torch.ones(3, requires_grad=True)
            y = x * 1
            y += 1
            return {"deep": [y, (y.detach(), None)]}
    """
    ruling = program(tmp_path, text).judge(lab, "y += 1", "y = y + 2").ruling
    assert "`main()['deep'][0]`" in ruling.sentence


def test_the_state_of_the_edited_module_is_compared(lab: Runner, tmp_path: Path):
    text = """
        import torch
        LOG = []
        def main():
            x = torch.ones(3, requires_grad=True)
            y = x * 1
            y.sum().backward()
            LOG.append(1)
    """
    ruling = program(tmp_path, text).judge(lab, "LOG.append(1)", "LOG.append(2)").ruling
    assert (ruling.reason, "program.LOG[0]" in ruling.sentence) == ("state-differs", True)


def test_arrays_that_share_memory_with_tensors(lab: Runner, tmp_path: Path):
    made = program(tmp_path, FRAME + "a = np.zeros(4)\nt = torch.from_numpy(a)[1:]\n")
    ruling = made.judge(lab, "torch.from_numpy(a)", "torch.from_numpy(a.copy())").ruling
    assert ruling.reason == "aliasing-differs"
    assert "`a` and `t`" in ruling.sentence


def test_views_that_do_not_overlap_do_not_share(lab: Runner, tmp_path: Path):
    made = program(tmp_path, FRAME + "base = torch.zeros(4, 4)\na = base[:, 0]\nb = base[:, 1]\nbase = None\n")
    ruling = made.judge(lab, "b = base[:, 1]", "b = torch.zeros(4)").ruling
    assert ruling.verdict is Verdict.PROVED, ruling


def test_a_decorated_function_is_looked_into(lab: Runner, tmp_path: Path):
    """What `@torch.no_grad()` puts around it is no difference; what its defaults hold is."""
    made = program(tmp_path, FRAME + "def update(rate=F, more=[1]):\n    return rate\nF = 0\n")
    decorated = made.judge(lab, "def update(", "@torch.no_grad()\ndef update(").ruling
    assert decorated.verdict is Verdict.PROVED, decorated
    other = made.judge(lab, "def update(rate=F, more=[1])", "@torch.no_grad()\ndef update(rate=F, more=[2])").ruling
    assert "update.<default 1>[0]" in other.sentence


@pytest.mark.slow
def test_an_endless_structure_is_bounded_and_said_so(lab: Runner, tmp_path: Path):
    made = program(tmp_path, FRAME + "big = [[i] for i in range(60_000)]\n")
    ruling = made.judge(lab, "F = 1.0", "F = 2.0 - 1.0").ruling
    assert ruling.verdict is Verdict.PROVED
    assert any(note.startswith("only the first") for note in ruling.evidence[0].notes)


TABLED = """
import torch
import registry
def main():
    x = torch.ones(3, requires_grad=True)
    y = x * 1
    y.sum().backward()
    registry.ENTRIES[1500]["rate"] = 0.5
"""


def test_a_large_table_of_another_module_is_one_record(lab: Runner, tmp_path: Path):
    """One value of it that differs counts; so does one of a small table, by its own path."""
    (tmp_path / "registry.py").write_text("ENTRIES = {n: {'name': str(n), 'rate': 0.1} for n in range(2000)}\n")
    made = program(tmp_path, TABLED)

    same = made.judge(lab, "0.5", "1 / 2").ruling
    other = made.judge(lab, "0.5", "0.25").ruling

    assert same.verdict is Verdict.PROVED
    assert same.evidence[0].values > 4000
    assert (other.verdict, other.reason) == (Verdict.REFUTED, "state-differs")
    assert other.sentence == "`registry.ENTRIES` holds other values in the rewritten version"


def test_the_edited_module_is_compared_before_the_limit_is_reached(lab: Runner, tmp_path: Path):
    """Modules are looked at in the order of their names, but this one first."""
    (tmp_path / "another.py").write_text("ENTRIES = [[n] for n in range(60_000)]\n")
    text = TABLED.replace("registry.ENTRIES[1500]['rate']", "LOG").replace('registry.ENTRIES[1500]["rate"]', "LOG[0]")
    made = program(tmp_path, text.replace("import registry", "import another\nLOG = [1]"))

    ruling = made.judge(lab, "0.5", "0.25").ruling

    assert (ruling.verdict, "program.LOG[0]" in ruling.sentence) == (Verdict.REFUTED, True)


BACKWARDS = {
    "inputs of a backward": "y = (x * F).exp()\ny.sum().backward(inputs=[x])\nx.grad = None",
    "several roots": "torch.autograd.backward([(x * F).sum(), (x * x * F).sum()])\nx.grad = None",
    "kept graph": "y = (x * F).sin().sum()\ny.backward(retain_graph=True)\ny.backward()\nx.grad = None\ny = None",
    "second order": "g, = torch.autograd.grad((x ** 3 * F).sum(), x, create_graph=True)\n"
    "g.sum().backward()\nx.grad = g = None",
    "edges": "from torch.autograd.graph import get_gradient_edge\ny = (x * F).sum()\n"
    "torch.autograd.grad(y, [get_gradient_edge(x)])\ny = None",
    "no shape": "w = torch.tensor(F, requires_grad=True)\n(w * w).backward()\nw = None",
    "own function": "class Sq(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, a):\n"
    "        ctx.save_for_backward(a)\n        return a * a\n    @staticmethod\n    def backward(ctx, g):\n"
    "        return g * 2 * ctx.saved_tensors[0] * F\n"
    "Sq.apply(x).sum().backward()\nx.grad = None",
    "hook": "y = x * 1\ny.register_hook(lambda g: g * F)\ny.sum().backward()\nx.grad = y = None",
    "cotangent": "(x * 1).backward(torch.ones(3) * F)\nx.grad = None",
    "nested in a thread": "import threading\nt = threading.Thread(target=lambda: (x * F).sum().backward())\n"
    "t.start()\nt.join()\nx.grad = t = None",
    "many at once": "torch.autograd.grad((x * F), x, torch.eye(3), is_grads_batched=True)",
    "function transform": "torch.func.grad(lambda a: (a * F).sum())(x.detach())",
}


@pytest.mark.parametrize("name", BACKWARDS)
def test_every_gradient_is_compared_although_nothing_is_left_of_it(name: str, lab: Runner, tmp_path: Path):
    made = program(tmp_path, FRAME.replace("F = 1.0\n", "F = 1.0; x.grad = y = None\n") + BACKWARDS[name] + "\nF = 0\n")
    same = made.judge(lab, "F = 1.0", "F = 2.0 - 1.0").ruling
    assert same.verdict is Verdict.PROVED, same
    other = made.judge(lab, "F = 1.0", "F = 2.0").ruling
    assert other.verdict is Verdict.REFUTED, other
    assert "backward" in other.sentence


def test_an_environment_inside_the_project_is_not_the_users_code():
    user = UserCode("/home/me/proj/train.py")
    assert user.owns("/home/me/proj/model.py")
    assert user.owns("/home/me/lib/shared.py")
    assert not user.owns("/home/me/proj/.venv/lib/python3.11/site-packages/torch/optim/sgd.py")
    assert not user.owns(os.__file__)
    assert not user.owns(torch.__file__)
    assert not user.owns("<string>")


def test_an_installed_package_that_is_edited_is_the_users_code():
    folder = Path(torch.__file__).parents[1] / "some_package"
    user = UserCode(str(folder / "layers.py"))
    assert user.owns(str(folder / "blocks.py"))
    assert not user.owns(torch.__file__)


def test_subclasses_of_plain_types_are_read_without_asking_them(lab: Runner, tmp_path: Path):
    text = """
        class Loud(str):
            def __repr__(self):
                raise RuntimeError("asked")
        class Colour(enum.Enum):
            RED = 1
            def __repr__(self):
                raise RuntimeError("asked")
        kept = [Loud("a"), Colour.RED, {Colour.RED: 1, (1, Loud("b")): F}]
        F = 0
    """
    made = program(tmp_path, FRAME + textwrap.dedent(text))
    assert made.judge(lab, "F = 1.0", "F = 2.0 - 1.0").ruling.verdict is Verdict.PROVED
    assert made.judge(lab, "F = 1.0", "F = 2.0").ruling.verdict is Verdict.REFUTED


def test_tensors_without_memory_disturb_nobody(lab: Runner, tmp_path: Path):
    text = """
        from torch._subclasses.fake_tensor import FakeTensorMode
        with FakeTensorMode():
            fake = torch.ones(3, requires_grad=True) * F
            fake.sum().backward()
        meta = torch.ones(3, device="meta")
        F = 0
    """
    made = program(tmp_path, FRAME + textwrap.dedent(text))
    ruling = made.judge(lab, "F = 1.0", "F = 2.0 - 1.0").ruling
    assert ruling.verdict is Verdict.PROVED, ruling
