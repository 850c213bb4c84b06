"""Repairs where the trace alone does not lead: `torch.func`, inference mode in a file that has returned, hooks out of
factories, parameters that are set from a step that is over, and what autocast makes of a plain operator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from computing import computed
from typer.testing import Result

from fixinplace.verify.lowered import Lowered

pytestmark = pytest.mark.slow  # each case runs the whole command
Command = Callable[..., Result]

HEAD = "import torch\nfrom torch import nn\n\n\n"
ELBO = """
def encoded(weights, x):
    scale = torch.exp(0.5 * (x @ weights["scale"]))
    scale += 1e-3
    mean = x @ weights["mean"]
    mean += 1e-3
    return mean * scale, scale


def objective(weights, x):
    code, scale = encoded(weights, x)
    return code.square().mean() - scale.log().mean()


def main():
    torch.manual_seed(0)
    weights = {name: torch.randn(4, 2) for name in ("mean", "scale")}
    step = torch.func.grad_and_value(objective)
    for _ in range(2):
        gradients, value = step(weights, torch.randn(5, 4))
        weights = {name: each - 0.1 * gradients[name] for name, each in weights.items()}
    return {"value": value, **weights}
"""
PENALTY = """
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.shift = nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.zeros(3))

    def forward(self, x):
        h = torch.sigmoid(x @ self.weight.t() + self.shift)
        h *= 2.0
        return h - 1.0


def main():
    torch.manual_seed(0)
    net = Encoder()
    jacobian = torch.func.vmap(torch.func.jacrev(net))(torch.randn(5, 4))
    jacobian.square().sum().backward()
    return {name: each.grad for name, each in net.named_parameters()}
"""
GAINS = """
class Gains(nn.Module):
    def __init__(self, net, names):
        super().__init__()
        self.gains = nn.ParameterDict({name: nn.Parameter(torch.full((4,), 0.5)) for name in names})
        parts = dict(net.named_modules())
        self.handles = [parts[name].register_forward_hook(self.made(name)) for name in names]

    def made(self, name):
        gain = self.gains[name]

        def hook(module, args, output):
            output.mul_(gain)

        return hook


def main():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    gains = Gains(net, ["1", "3"])
    net(torch.randn(6, 3)).square().mean().backward()
    return {name: each.grad for part in (net, gains) for name, each in part.named_parameters()}
"""
CODES = """
class Quantised(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.codes = nn.Linear(4, 3), nn.Parameter(torch.randn(5, 3))

    def forward(self, x):
        z = self.encoder(x)
        nearest = torch.cdist(z.detach(), self.codes.detach()).argmin(1)
        return z, (self.codes[nearest] - z).square().mean()

    def restart(self, z):
        self.codes[0] = z[1]


def main():
    torch.manual_seed(0)
    net = Quantised()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(3):
        z, loss = net(torch.randn(6, 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        net.restart(z)
    return {name: each.grad for name, each in net.named_parameters()} | {"loss": loss.detach()}
"""
GATED = """
class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.gate, self.down = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 2)
        self.scale = nn.Parameter(torch.full((8,), 0.7))

    def forward(self, x):
        g = torch.sigmoid(self.gate(x))
        g *= self.scale
        return self.down(self.up(x) * g)


def main():
    torch.manual_seed(0)
    net = Gated()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = net(torch.randn(6, 4)).float().square().mean()
    loss.backward()
    return {"loss": loss.detach()}
"""
STATES = """
class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        self.start, self.moves = nn.Parameter(torch.randn(3)), nn.Parameter(torch.randn(3, 3))
        self.emissions = nn.Parameter(torch.randn(3, 4))

    @property
    def chances(self):
        return self.moves.softmax(-1)

    def forward(self, seen):
        n, steps = seen.shape
        moves, emissions = self.chances, self.emissions.softmax(-1)
        state = torch.zeros(steps, n, moves.size(0))
        scale = torch.zeros(steps, n, 1)
        state[0] = self.start.softmax(-1) * emissions[:, seen[:, 0]].t()
        scale[0] = state[0].sum(-1, keepdim=True)
        state[0] = state[0] / scale[0]
        for t in range(1, steps):
            a = (state[t - 1] @ moves) * emissions[:, seen[:, t]].t()
            scale[t] = a.sum(-1, keepdim=True)
            state[t] = a / scale[t]
        return scale.log().sum()


def main():
    torch.manual_seed(0)
    chain = Chain()
    chain(torch.randint(0, 4, (5, 4))).backward()
    return {name: each.grad for name, each in chain.named_parameters()}
"""
SLOTS = """
class Ring(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.value = nn.Linear(3, 3), nn.Linear(3, 3)

    def read(self, h):
        weights = torch.softmax(torch.einsum("bd,bsd->bs", self.query(h), self.slots), -1)
        return torch.einsum("bs,bsd->bd", weights, self.slots)

    def begin(self):
        self.slots, self.t = torch.zeros(2, 2, 3), 0

    def write(self, h):
        self.slots[:, self.t % 2] = self.value(h)
        self.t += 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.ring = nn.GRUCell(3, 3), Ring()

    def forward(self, x):
        h = torch.zeros(2, 3)
        self.ring.begin()
        for row in x:
            h = self.cell(row + self.ring.read(h), h)
            self.ring.write(h)
        return h.sum()


def main():
    torch.manual_seed(0)
    net = Net()
    net(torch.randn(4, 2, 3)).backward()
    return {name: each.grad for name, each in net.named_parameters()}
"""
SHORT = {
    "copies at the reads": (STATES, 3, ["state[0].clone() / scale[0].clone()", "(state[t - 1].clone() @ moves)",
                                        "state[t] = a / scale[t].clone()"]),
    "one copy before the write": (SLOTS, 1, ["        self.slots = self.slots.clone()"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHORT)
def test_the_patch_is_as_short_as_an_experts(command: Command, name: str):
    text, length, lines = SHORT[name]
    data = _repaired(command, text)
    written = Path("train.py").read_text()

    assert data["status"] == "repaired"
    assert all(line in written for line in lines), written
    assert len(set(written.splitlines()) - set((HEAD + text.strip("\n")).splitlines())) == length


PROGRAMS = {
    "transform": (ELBO, "scale += 1e-3", "scale = scale + 1e-3", "scale = scale + 1e-3"),
    "transform in a transform": (PENALTY, "h *= 2.0", "h = h * 2.0", "h = h * 2.0"),
    "hook out of a factory": (GAINS, "output.mul_(gain)", "return output.mul(gain)", "return output * gain"),
    "codes from a step that is over": (
        CODES, "self.codes[0] = z[1]", "@torch.no_grad()", "self.codes.data[0] = z[1].detach()",
    ),
}  # fmt: skip


def _repaired(command: Command, text: str, name: str = "train.py") -> dict[str, Any]:
    Path(name).write_text(HEAD + text.strip("\n") + "\n")
    data: dict[str, Any] = json.loads(command("repair", "--output-format", "json", f"{name}::main").stdout)
    return data


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_patch_is_what_an_expert_writes(command: Command, tmp_path: Path, name: str):
    text, old, line, other = PROGRAMS[name]
    data = _repaired(command, text)
    expert = tmp_path / "expert.py"
    expert.write_text(HEAD + text.strip("\n").replace(old, other) + "\n")

    assert data["status"] == "repaired", data
    assert line in Path("train.py").read_text()
    assert [old.startswith(one["culprit"]["text"]) for one in data["culprits"]] == [True]
    found, wanted = computed(tmp_path / "train.py", expert)
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[key], wanted[key], atol=1e-6) for key in wanted)


def test_under_autocast_the_forward_keeps_its_values(command: Command, tmp_path: Path):
    """`g = g * self.scale` is float32 there: another forward, which no run in float64 can tell."""
    data = _repaired(command, GATED)
    promoted, cloned = tmp_path / "promoted.py", tmp_path / "cloned.py"
    promoted.write_text(HEAD + GATED.strip("\n").replace("g *= self.scale", "g = g * self.scale") + "\n")
    cloned.write_text(HEAD + GATED.strip("\n").replace("self.gate(x))", "self.gate(x)).clone()") + "\n")

    assert data["status"] == "repaired"
    ours, wide, exact = computed(tmp_path / "train.py", promoted, cloned)
    assert torch.equal(ours["loss"], exact["loss"])
    assert not torch.equal(ours["loss"], wide["loss"])


def test_a_record_of_a_narrow_tensor_is_seen_without_autocast():
    assert Lowered().seen([{"dtype": "float32"}, {"dtype": "bfloat16"}])
    assert not Lowered().seen([{"dtype": "float32"}, {"kind": "plain"}])


BANK = """
class Bank:
    def __init__(self):
        self.net = nn.Linear(4, 3)

    @torch.inference_mode()
    def filled(self, x):
        self.rows = self.net(x)
        return self
"""
STUDENT = """
from bank import Bank


def hint(adapter, features, rows):
    return (features - adapter(rows)).square().mean()


def main():
    torch.manual_seed(0)
    adapter = nn.Linear(3, 3)
    bank = Bank().filled(torch.randn(5, 4))
    hint(adapter, torch.randn(5, 3), bank.rows).backward()
    return {name: each.grad for name, each in adapter.named_parameters()}
"""


def test_what_made_an_inference_tensor_in_a_file_that_is_imported(command: Command):
    Path("bank.py").write_text(HEAD + BANK.strip("\n") + "\n")
    data = _repaired(command, STUDENT)

    assert data["status"] == "repaired"
    assert "    @torch.no_grad()\n    def filled" in Path("bank.py").read_text()


def test_an_inference_tensor_that_nobody_of_the_project_made_is_cloned(command: Command):
    text = STUDENT.replace("from bank import Bank\n", "").replace("Bank().filled(torch.randn(5, 4))", "made()")
    text = text.replace("bank.rows", "bank")
    switch = 'getattr(torch, "inference" + "_mode")'
    data = _repaired(command, f"\ndef made():\n    with {switch}():\n        return torch.randn(5, 3)\n{text}")

    assert data["status"] == "repaired"
    assert "adapter(rows.clone())" in Path("train.py").read_text()


ROLLOUT = """
actor, critic = nn.Linear(3, 2), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def rollout(steps):
    chosen, values = [], []
    for _ in range(steps):
        seen = torch.randn(3)
        chosen.append(torch.log_softmax(actor(seen), -1)[0])
        values.append(critic(seen).squeeze())
    return torch.stack(chosen), torch.stack(values), torch.randn(steps)


def main():
    torch.manual_seed(0)
    actor_steps = torch.optim.SGD(actor.parameters(), lr=0.1)
    critic_steps = torch.optim.SGD(critic.parameters(), lr=0.1)
    chosen, values, returns = rollout(4)
    advantage = returns - values
    critic_loss = advantage.pow(2).mean()
    critic_steps.zero_grad()
    critic_loss.backward(retain_graph=True)
    critic_steps.step()
    actor_loss = -(chosen * advantage).mean()
    actor_steps.zero_grad()
    actor_loss.backward()
    actor_steps.step()
    return {name: each.grad for name, each in actor.named_parameters()}
"""


def test_of_what_one_call_has_bound_the_spoilt_one_is_detached(command: Command):
    """Detaching what teaches the actor would leave the error; a run tells."""
    Path("train.py").write_text(HEAD + ROLLOUT.strip("\n") + "\n")
    data: dict[str, Any] = json.loads(command("repair", "--diff", "--output-format", "json", "train.py::main").stdout)

    detached = [each for each in data["choices"] if ".detach()" in each["diff"]]
    assert ["+    actor_loss = -(chosen * advantage.detach()).mean()" in each["diff"] for each in detached] == [True]
    assert detached[0]["as_saved"]
    assert "overwrites `critic." in data["culprits"][0]["message"]


NORMED = """
class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(3, 4), nn.Linear(4, 3, bias=False)

    def forward(self, x):
        h = torch.relu(self.encoder(x))
        with torch.no_grad():
            self.decoder.weight /= self.decoder.weight.norm(dim=0, keepdim=True)
        return self.decoder(h)


def main():
    torch.manual_seed(0)
    net = Sparse()
    once = net(torch.randn(5, 3))
    (net(once) - once).square().mean().backward()
"""


def test_where_no_optimizer_steps_none_is_told_of(command: Command):
    Path("train.py").write_text(HEAD + NORMED.strip("\n") + "\n")
    text = command("repair", "--explain", "train.py::main").stderr

    assert "write the parameter once a step" in text
    assert "A write to a parameter, by hand and without grad, stands between" in text
    assert "An optimizer step" not in text
