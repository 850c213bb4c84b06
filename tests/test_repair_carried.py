"""State that is carried with its graph, in programs that die because torch has freed it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from choosing import PATH, code, program
from computing import computed, same
from repair_check import FOLDER, Case
from typer.testing import Result

from fixinplace.repair.freed import carried
from fixinplace.repair.steps.facts import Reader
from fixinplace.repair.steps.stores import Kept, stores
from fixinplace.trace.tracer import Options, Tracer
from fixinplace.verify import kept as kept_graphs
from fixinplace.verify.errors import FREED
from fixinplace.verify.gradients import HOOK
from fixinplace.verify.jobs import Failure

Command = Callable[..., Result]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["character_state", "class_means", "learned_topology", "running_center", "task_scales"]
)
def test_a_freed_graph_that_a_state_carries_is_a_choice(name: str, command: Command, tmp_path: Path):
    """The culprit is the line that keeps the state, and each option computes what the expert's does, bit by bit."""
    case = Case(name, tomllib.loads((FOLDER / f"{name}.toml").read_text()))
    shutil.copy(FOLDER / case.file, tmp_path)
    data = json.loads(command("repair", "--output-format", "json", f"{case.file}::main").stdout)
    (culprit,) = data["culprits"]

    assert (data["status"], data["written"], culprit["rule"]) == ("choice", False, "FIP207")
    for key, noted in (("culprit", "culprits"), ("save", "saves"), ("backward", "backwards")):
        assert [culprit[key]["line"]] == [each["line"] for each in case.notes[noted]], key
    assert not any(
        "seen" in line for choice in data["choices"] for line in choice["diff"].splitlines() if line[0] == "+"
    )
    assert len(data["choices"]) == len(case.diffs)
    assert all("not what the saved values give" in each["sentence"] for each in data["choices"])
    programs = []
    for number, (choice, diff) in enumerate(zip(data["choices"], case.diffs, strict=True)):
        ours, theirs = case.copy(tmp_path / f"ours{number}"), case.copy(tmp_path / f"theirs{number}", diff)
        subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=choice["diff"], text=True, cwd=ours, check=True)
        programs += [ours / case.file, theirs / case.file]
    found = computed(*programs)
    assert all(map(same, found[::2], found[1::2])), data["choices"]


@pytest.mark.slow
def test_a_state_is_found_that_an_object_keeps_of_what_flows_there_by_a_name(command: Command):
    text, named = (
        (FOLDER / "task_scales.py").read_text(),
        "both = sensor(torch.randn(5, 4))\n        loss = scales(both)",
    )
    Path("scaled.py").write_text(text.replace("loss = scales(sensor(torch.randn(5, 4)))", named))
    data = json.loads(command("repair", "--output-format", "json", "scaled.py::main").stdout)

    assert any("+        scales.known = {key: " in one["diff"] for one in data["choices"])


TWICE = """
import torch
from torch import nn


def main():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(3):
        loss = net(torch.randn(5, 3)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        {again}
    return loss
"""
AGAIN = {
    "behind the step": "loss.backward()",
    "in the second round only": "if _ == 1: loss.backward()",
}


@pytest.mark.slow
@pytest.mark.parametrize("again", AGAIN)
def test_two_backwards_of_one_loss_are_told_and_not_patched(again: str, command: Command):
    Path("twice.py").write_text(TWICE.format(again=AGAIN[again]))
    result = command("repair", "twice.py::main")

    assert result.exit_code == 2
    assert "two backwards went through one graph; no state that a loop carries with its graph was seen" in result.stderr
    assert "--choose" not in result.stderr and not result.stdout


CARRIED = """
def main():
    cell = nn.GRUCell(3, 4)
    opt = torch.optim.SGD(cell.parameters(), lr=0.1)
    h = torch.zeros(2, 4)
    for t in range(3):
        h = cell(torch.randn(2, 3), h)
        loss = h.pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    return [cell]
"""


@pytest.mark.parametrize(("rule", "line", "told"), [("FIP207", 18, 1), ("FIP201", 18, 0), ("FIP207", 19, 0)])
def test_only_the_carried_state_of_the_backward_that_failed_is_told(rule: str, line: int, told: int):
    one = program(CARRIED, "cell(torch.randn(2, 3), h)", "opt.step()", "loss.backward()", rule)
    assert one.text.splitlines()[17].strip() == "loss.backward()"
    found = carried([one.scene.offence], Failure("RuntimeError", "twice", one.code.path, line), one.scene.files)

    assert [(each.state, each.keeper and each.keeper.text) for each in found] == [
        ("h", "h = cell(torch.randn(2, 3), h)")
    ] * told


UNTOUCHED = """
def main():
    embed = nn.Linear(3, 4)
    opt = torch.optim.SGD(embed.parameters(), lr=0.1)
    bank = torch.zeros(2, 4)
    for t in range(3):
        h = embed(torch.randn(2, 3)).tanh()
        bank = 0.9 * bank + 0.1 * h
        loss = (h - bank).pow(2).mean()
        opt.zero_grad()
        loss.backward(retain_graph=True)
        opt.step()
    return [embed]
"""
NEXT = "        opt.step()\n"
DETACHED = UNTOUCHED.replace("* bank", "* bank.detach()")
LATER = """
def main():
    embed = nn.Linear(3, 4)
    opt = torch.optim.SGD(embed.parameters(), lr=0.1)
    old = older = torch.zeros(2, 4)
    for t in range(4):
        loss = (embed(torch.randn(2, 3)).tanh() - older).pow(2).mean()
        opt.zero_grad()
        loss.backward(retain_graph=True)
        opt.step()
        older, old = old, embed(torch.randn(2, 3)).tanh()
    return [embed]
"""


@pytest.mark.parametrize(
    ("text", "kept", "told"),
    [
        pytest.param(UNTOUCHED, True, True, id="carried"),
        pytest.param(UNTOUCHED, False, False, id="nobody asked to keep graphs"),
        pytest.param(UNTOUCHED.replace(NEXT, ""), True, False, id="no step"),
        pytest.param(DETACHED, True, False, id="detached"),
        pytest.param(LATER, True, False, id="asked for once, rounds later"),
        pytest.param(DETACHED.replace(NEXT, f"{NEXT}        loss.backward()\n"), True, False, id="twice"),
    ],
)
def test_what_is_used_again_counts_though_nothing_was_overwritten(text: str, kept: bool, told: bool):
    whole = f"import torch\nfrom torch import nn\n{text}"
    options = Options(own=lambda path: path == PATH, texts={PATH: whole}, kept=kept)
    namespace: dict[str, Any] = {}
    with contextlib.suppress(RuntimeError), Tracer(options) as tracer:
        exec(compile(whole, PATH, "exec"), namespace)
        namespace["main"]()
    found = tracer.trace().offences
    steps = {(each.rule, write.by, write.place and write.place.text) for each in found for write in each.writes}

    assert steps == ({("FIP207", "optimizer", "opt.step()")} if told else set())
    assert bool(found) is told
    assert all(each.message == FREED for each in found)


def test_a_backward_keeps_its_graph_whatever_it_was_asked(monkeypatch: pytest.MonkeyPatch):
    for home in (torch.autograd.graph, torch.autograd):
        monkeypatch.setattr(home, HOOK, getattr(home, HOOK))
    kept_graphs.install()
    x = torch.ones(2, requires_grad=True)
    loss = x.exp().sum()
    loss.backward()
    torch.autograd.grad(loss, x, retain_graph=False)
    loss.backward()

    assert x.grad is not None
    assert torch.equal(x.grad, 2 * x.exp())


MEANS = """
class Means(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.pace = nn.Linear(3, 4), 0.1
        self.rate = nn.Parameter(torch.tensor(0.1))
        self.register_buffer("means", torch.randn(2, 4))
        self.register_buffer("seen", torch.zeros(2, dtype=torch.long))
        self.count = 0

    def update(self, z, y):
        for c in y.unique().tolist():
            STORE
            self.seen[c] = self.seen[c] + 1
            self.count += 1

    def forward(self, x, y):
        z = self.embed(x).tanh()
        self.update(z, y)
        return (z - self.means[y]).square().mean() + 0 * self.seen.sum() + 0 * self.count


def main():
    net = Means()
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    for t in range(3):
        loss = net(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))
        opt.zero_grad()
        loss.backward()
        opt.step()
    return [net]
"""
STORES = {
    "a name": ("self.means[c] = z", "self.means[c] = z.detach()"),
    "a sum": ("self.means[c] = 0.9 * self.means[c] + z", "self.means[c] = (0.9 * self.means[c] + z).detach()"),
    "a function": ("self.means[c] = F.relu(z).mean(0)", "self.means[c] = F.relu(z).mean(0).detach()"),
    "scaled as well": ("self.means[c] = z; self.means[c] *= 0.9", "self.means[c] = z.detach(); self.means[c] *= 0.9"),
    "augmented": ("self.means[c] += z", "self.means[c] += z.detach()"),
    "without history": ("self.means[c] = z.detach() + self.means.detach()", ""),
    "a part with weights": ("self.means[c] = self.embed(z)", ""),
    "a method": ("self.means[c].add_(z)", ""),
    "an average": ("self.means = self.means + z", "self.means = (self.means + z).detach()"),
    "augmented as a whole": ("self.means += z", "self.means += z.detach()"),
    "from something else": ("self.means = z", ""),
    "an average with weights": ("self.means = self.means + self.embed(z)", ""),
    "an average that learns": ("self.means = self.means + self.rate * z", ""),
}  # fmt: skip


@pytest.mark.parametrize("store", STORES)
def test_what_is_stored_into_a_buffer_is_detached(store: str):
    before, after = STORES[store]
    text = MEANS.replace("STORE", before)
    one = program(text, ["self.embed(x)", "net(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))"], "opt.step()",
                  "loss.backward()", "FIP207")  # fmt: skip
    found = [one.patched(each) for each in one.proposals() if "constant altogether" in each.meaning]

    assert found == ([one.text.replace(before, after)] if after else [])


@pytest.mark.parametrize(("loss", "offered"), [("(h - bank)", True), ("bank", False)])
def test_a_state_is_no_constant_where_the_loss_would_teach_nobody(loss: str, offered: bool):
    text = UNTOUCHED.replace("bank = 0.9 * bank + 0.1 * h", "bank[t % 2] = h[0]").replace("(h - bank)", loss)
    one = program(text, "embed(torch.randn(2, 3))", "opt.step()", "loss.backward(retain_graph=True)", "FIP207")
    found = [one.patched(each) for each in one.proposals() if "constant altogether" in each.meaning]

    assert [each.count("bank[t % 2] = h[0].detach()") for each in found] == [1] * offered


METER = """
class Meter:
    def __init__(self):
        self.sum, self.count = 0.0, 0

    def update(self, value, n):
        self.sum += value * n
        self.count += n


def main():
    net, meter = mlp(3, 1), Meter()
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    for t in range(3):
        x = torch.randn(2, 3)
        loss = net(x).square().mean()
        TELL
        total = LOSS
        opt.zero_grad()
        total.backward()
        opt.step()
    return [net]
"""
TELLS = {
    "a value": ("meter.update(loss, len(x))", "meter.update(loss.detach(), len(x))"),
    "by name": ("meter.update(value=loss + 1, n=x.size(0))", "meter.update(value=(loss + 1).detach(), n=x.size(0))"),
    "twice": ("meter.update(loss, 1); meter.update(x, 1)", "meter.update(loss.detach(), 1); meter.update(x, 1)"),
    "without its history": ("meter.update(loss.item(), 1)", ""),
    "in place": ("meter.sum_(loss)", ""),
}  # fmt: skip


@pytest.mark.parametrize("tell", TELLS)
@pytest.mark.parametrize("total", ["loss + (loss - meter.sum).square()", "meter.sum / 2"])
def test_what_an_object_is_told_is_detached(tell: str, total: str):
    before, after = TELLS[tell]
    text = METER.replace("TELL", before).replace("LOSS", total)
    one = program(text, "net(x)", "opt.step()", "total.backward()", "FIP207")
    found = [one.patched(each) for each in one.proposals() if "constant altogether" in each.meaning]

    assert found == ([one.text.replace(before, after)] if after and total.startswith("loss") else [])


def test_what_counts_is_not_detached():
    text = MEANS.replace("STORE", "self.means[c] = z")
    one = program(text, ["self.embed(x)", "net(torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))"], "opt.step()",
                  "loss.backward()", "FIP207")  # fmt: skip
    (cut,) = [each for each in one.proposals() if "Truncated" in each.meaning]

    assert cut.title == "`net.means` detached behind `opt.step()`"


@pytest.mark.parametrize(
    ("made", "store", "counts"),
    [
        ("torch.zeros(2)", "self.n += 1", True),
        ("torch.zeros(2)", "self.n += x", False),
        ("torch.zeros(2)", "self.n = self.n + 1", False),
        ("torch.zeros(2, dtype=torch.long)", "self.n = self.n + x", True),
        ("torch.zeros(2, dtype=torch.float64)", "self.n = self.n + x", False),
        ("torch.zeros(2).long()", "self.n = self.n + x", True),
        ("torch.randint(0, 2, (3,))", "self.n[0] = x", True),
        ("torch.randint(0, 2, (3,), dtype=torch.float)", "self.n[0] = x", False),
    ],
)
def test_what_has_no_graph_is_a_counter(made: str, store: str, counts: bool):
    one = code(f"class A:\n    def __init__(self):\n        self.n = {made}\n    def add(self, x):\n        {store}\n")
    (owner,) = one.tree.body
    body = owner.body[1].body  # type: ignore[attr-defined]
    found = Kept("a.n", one, "self.n", tuple(stores(Reader(one), body, "self.n")))

    assert len(found.stores) == 1
    assert found.is_counter is counts


LAGGED = """
def main():
    net = mlp(3, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    previous = None
    for t in range(3):
        y = net(torch.randn(2, 3))
        loss = y.square().mean()
        if previous is not None:
            loss = loss + (y - previous).square().mean()
        opt.zero_grad()
        loss.backward(retain_graph=True)
        opt.step()
        previous = y
    return [net]
"""
TWO_BACK = LAGGED.replace("previous = y", "previous = before\n        before = y").replace("= None", "= before = None")
HANDED = {
    "from the last round": (LAGGED, ["previous = y.detach()"]),
    "from two rounds before": (TWO_BACK, ["previous = before.detach()", "before = y"]),
    "made before the loop as well": (LAGGED.replace("previous = None", "previous = net(torch.ones(2, 3))"),
                                     ["previous = y.detach()"]),
    "a constant already": (LAGGED.replace("previous = y", "previous = y.detach()"), []),
    "another value": (LAGGED.replace("previous = y", "previous = torch.zeros(2, 1)"), []),
}  # fmt: skip


@pytest.mark.parametrize("name", HANDED)
def test_a_value_of_the_last_round_that_only_the_loss_reads_is_detached(name: str):
    text, lines = HANDED[name]
    one = program(text, "net(torch.randn(2, 3))", "opt.step()", "loss.backward(retain_graph=True)", "FIP207")
    found = [one.patched(each) for each in one.proposals() if "detached behind" in each.title]

    assert len(found) == bool(lines)
    assert all(f"        {line}\n" in each for each in found for line in lines)


SUMMED = """
import torch
from torch import nn


def main():
    torch.manual_seed(2)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    total = 0
    for part in torch.randn(3, 5, 3):
        total += net(part).square().mean()
        optimizer.zero_grad()
        total.backward(retain_graph=True)
        optimizer.step()
    return [p.grad for p in net.parameters()]
"""


def test_a_loss_that_every_round_adds_to_is_differentiated_once(command: Command):
    Path("summed.py").write_text(SUMMED)
    data = json.loads(command("repair", "--output-format", "json", "summed.py::main").stdout)

    added = [[line[1:] for line in one["diff"].splitlines() if line[0] == "+"][1:] for one in data["choices"]]
    assert ["        total = total.detach()"] in added
    assert ["    optimizer.zero_grad()", "    total.backward()", "    optimizer.step()"] in added
    assert "`total`, which all rounds add to" in json.dumps(data)


WIDENED = """
import torch
from torch import nn


def widen(net, width):
    old = net[0]
    net[0] = nn.Embedding(width, old.embedding_dim)
    net[0].weight[: old.num_embeddings] = old.weight
    return net


def main():
    torch.manual_seed(2)
    net = widen(nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 1)), 5)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.arange(5)).square().mean().backward()
        optimizer.step()
    return [p.grad for p in net.parameters()]
"""


def test_weights_of_a_layer_that_is_gone_are_data(command: Command):
    """A run keeps modules to its end, to compare what they hold; torch's own layers hold nothing but weights."""
    Path("widened.py").write_text(WIDENED)
    data = json.loads(command("repair", "--output-format", "json", "widened.py::main").stdout)

    assert data["status"] == "repaired", data
    assert "with torch.no_grad():\n        net[0].weight[: old.num_embeddings]" in Path("widened.py").read_text()


POOL = """
import torch
from torch import nn


class Pool:
    def __init__(self):
        self.data = []

    def swap(self, batch):
        self.data.append(batch)
        return torch.cat(self.data)


def main():
    torch.manual_seed(0)
    gen, dis = (nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, out)) for out in (4, 1))
    first, second = torch.optim.SGD(gen.parameters(), 0.1), torch.optim.SGD(dis.parameters(), 0.1)
    pool = Pool()
    for _ in range(2):
        first.zero_grad()
        fake = gen(torch.randn(3, 4))
        loss = dis(fake).square().mean()
        loss.backward(retain_graph=True)
        first.step()
        second.zero_grad()
        shown = pool.swap(fake)
        loss = (dis(shown) - 1).square().mean()
        loss.backward()
        second.step()
    return [p.detach() for p in (*gen.parameters(), *dis.parameters())]
"""


@pytest.mark.slow
def test_what_dies_in_a_later_round_is_not_offered_beside_what_does_not(command: Command, tmp_path: Path):
    """The pool keeps the graphs of the rounds before, so that the original dies behind its first error as well."""
    Path("pool.py").write_text(POOL)
    data = json.loads(command("repair", "--output-format", "json", "pool.py::main").stdout)

    assert data["status"] == "choice" and data["choices"]
    for number, choice in enumerate(data["choices"]):
        folder = tmp_path / f"chosen{number}"
        folder.mkdir()
        (folder / "pool.py").write_text(POOL)
        subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=choice["diff"], text=True, cwd=folder, check=True)
        assert len(computed(folder / "pool.py")) == 1
