"""Values that are computed once or before the loop, and weights that are loaded between forward and backward."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from computing import computed, same
from typer.testing import Result

Command = Callable[..., Result]

CACHE = """
import torch
import torch.nn.functional as F
from torch import nn


class Prompted(nn.Module):
    def __init__(self):
        super().__init__()
        self.context = nn.Parameter(torch.randn(5, 8))
        self.text, self.image = nn.Linear(8, 8), nn.Linear(6, 8)
        self.features = None

    def classes(self):
        if self.features is None:
            self.features = F.normalize(self.text(self.context), dim=-1)
        return self.features

    def forward(self, x):
        return F.normalize(self.image(x), dim=-1) @ self.classes().t()


def main():
    torch.manual_seed(0)
    net = Prompted()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    losses = []
    for _ in range(3):
        loss = F.cross_entropy(net(torch.randn(4, 6)), torch.arange(4))
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return losses, list(net.parameters()), [p.grad for p in net.parameters()]
"""
ROLLOUT = """
import torch
from torch import nn


class Agent:
    def __init__(self):
        self.policy = nn.Sequential(nn.Linear(3, 8), nn.Tanh())
        self.actor, self.critic = nn.Linear(8, 2), nn.Linear(8, 1)
        parts = (self.policy, self.actor, self.critic)
        self.optimizer = torch.optim.SGD([p for part in parts for p in part.parameters()], lr=0.1)
        self.states, self.logs, self.values, self.rewards = [], [], [], []

    def act(self, state):
        h = self.policy(state)
        self.states.append(state)
        self.logs.append(self.actor(h).log_softmax(-1)[0])
        self.values.append(self.critic(h))

    def update(self):
        states, rewards = torch.stack(self.states), torch.tensor(self.rewards)
        old_logs = torch.stack(self.logs)
        advantages = rewards - torch.stack(self.values).squeeze(-1)
        for _ in range(3):
            h = self.policy(states)
            ratios = (self.actor(h).log_softmax(-1)[:, 0] - old_logs).exp()
            loss = -(ratios * advantages).mean() + (self.critic(h).squeeze(-1) - rewards).square().mean()
            self.optimizer.zero_grad()
            loss.backward(retain_graph=True)
            self.optimizer.step()
        return loss.item()


def main():
    torch.manual_seed(0)
    agent = Agent()
    for n in range(4):
        agent.act(torch.randn(3))
        agent.rewards.append(float(n % 2))
    loss = agent.update()
    return loss, list(agent.policy.parameters()), list(agent.actor.parameters()), list(agent.critic.parameters())
"""
ROLLBACK = """
import copy

import torch
from torch import nn


class Rollback:
    def __init__(self, net):
        self.net, self.best = net, copy.deepcopy(net.state_dict())

    def step(self, loss):
        if loss > 0:
            self.net.load_state_dict(self.best)


def main():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    optimizer, guard = torch.optim.SGD(net.parameters(), lr=0.3), Rollback(net)
    for _ in range(2):
        loss = net(torch.randn(5, 4)).square().mean()
        optimizer.zero_grad()
        guard.step(loss.item())
        loss.backward()
        optimizer.step()
    return list(net.parameters())
"""
EXPERTS = {
    "cache": (CACHE, ("        if self.features is None:\n            self", "        if True:\n            self")),
    "rollout": (ROLLOUT, ("torch.stack(self.logs)", "torch.stack(self.logs).detach()"),
                ("torch.stack(self.values).squeeze(-1)", "torch.stack(self.values).squeeze(-1).detach()")),
    "rollback": (ROLLBACK, ("        guard.step(loss.item())\n        loss.backward()\n",
                            "        loss.backward()\n        guard.step(loss.item())\n")),
}  # fmt: skip


def repaired(text: str, command: Command, folder: Path) -> dict[str, Any]:
    (folder / "train.py").write_text(text)
    data: dict[str, Any] = json.loads(command("repair", "--output-format", "json", "train.py::main").stdout)
    return data


def meanings(text: str, command: Command, folder: Path) -> list[str]:
    choices = repaired(text, command, folder)["choices"]
    return [" ".join(each["meaning"] for each in choice["proposals"]) for choice in choices]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERTS)
def test_the_first_choice_computes_what_the_expert_s_version_does(name: str, command: Command, tmp_path: Path) -> None:
    text, *changes = EXPERTS[name]
    data = repaired(text, command, tmp_path)
    theirs, ours = tmp_path / "theirs" / "train.py", tmp_path / "ours" / "train.py"
    for path in (theirs, ours):
        path.parent.mkdir()
        path.write_text(text)
    for old, new in changes:
        assert old in theirs.read_text()
        theirs.write_text(theirs.read_text().replace(old, new))
    subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=data["choices"][0]["diff"], text=True,
                   cwd=ours.parent, check=True)  # fmt: skip

    assert (data["status"], data["written"]) == ("choice", False)
    assert same(*computed(ours, theirs)), data["choices"][0]


@pytest.mark.slow
def test_what_is_computed_once_says_who_learns_no_more(command: Command, tmp_path: Path) -> None:
    again, cut, *_ = meanings(CACHE, command, tmp_path)

    assert "`net.features` is computed again after each step" in again
    assert "what computes it learns from the first round and never again" in cut
    decaying = "        self.features = self.features * 0.9\n        return self.features\n"
    recurrent = CACHE.replace("        return self.features\n", decaying)
    told = meanings(recurrent, command, tmp_path)
    assert told and not any("computed again after each step" in each or "never again" in each for each in told)


@pytest.mark.slow
def test_a_module_that_weights_are_loaded_into_does_not_overwrite_its_input(command: Command, tmp_path: Path) -> None:
    (culprit,) = repaired(ROLLBACK, command, tmp_path)["culprits"]

    assert culprit["culprit"]["text"] == "self.net.load_state_dict(self.best)"


OWN = """
import torch
import torch.nn.functional as F
from torch import nn


class Contrast(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.text = nn.Linear(6, 8), nn.Linear(5, 8)
        self.temp = nn.Parameter(torch.tensor(0.07))

    def forward(self, image, text):
        with torch.no_grad():
            self.temp.clamp_(0.001, 0.06)
        one, other = self.image(image), self.text(text)
        return F.cross_entropy(one @ other.t() / self.temp, torch.arange(len(image)))


def main():
    torch.manual_seed(0)
    net = Contrast()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    image, text = torch.randn(8, 6), torch.randn(8, 5)
    for _ in range(2):
        loss = net(image, text) + net(image * 2, text)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return list(net.parameters())
"""
AVERAGED = """
import copy

import torch
import torch.nn.functional as F
from torch import nn


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.online = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 6))
        self.target = copy.deepcopy(self.online)

    @torch.no_grad()
    def follow(self):
        for mine, theirs in zip(self.target.parameters(), self.online.parameters()):
            mine.mul_(0.9).add_(theirs, alpha=0.1)

    def forward(self, x, y):
        seen = self.online(x)
        {call}
        self.follow()
        return 2 - F.cosine_similarity(seen, kept).mean(){more}


def main():
    torch.manual_seed(0)
    net = Pair()
    optimizer = torch.optim.SGD({learned}, lr=0.1)
    losses, sizes = [], []
    for _ in range(2):
        loss = net(torch.randn(5, 8), torch.randn(5, 8))
        optimizer.zero_grad()
        loss.backward()
        sizes.append(net.online[0].weight.grad.norm())
        optimizer.step()
        losses.append(loss.item())
    return losses, sizes, list(net.online.parameters()), [p.detach() for p in net.target.parameters()]
"""
ONE = AVERAGED.format(call="kept = self.target(y)", more="", learned="net.online.parameters()")


@pytest.mark.slow
def test_a_parameter_that_a_forward_clamps_is_cloned_where_it_is_read(command: Command, tmp_path: Path) -> None:
    data = repaired(OWN, command, tmp_path)

    assert (data["status"], data["patch"]["verdict"]) == ("repaired", "proved")
    assert "+        return F.cross_entropy(one @ other.t() / self.temp.clone()," in data["patch"]["diff"]


@pytest.mark.slow
def test_what_a_network_computes_that_nobody_steps_is_detached(command: Command, tmp_path: Path) -> None:
    (choice, *_) = repaired(ONE, command, tmp_path)["choices"]

    assert "+        kept = self.target(y).detach()" in choice["diff"]
    (meaning,) = [each["meaning"] for each in choice["proposals"]]
    assert "no optimizer was seen to hold its weights" in meaning


@pytest.mark.slow
def test_what_an_optimizer_steps_is_not_detached(command: Command, tmp_path: Path) -> None:
    told = meanings(ONE.replace("net.online.parameters(), lr", "net.parameters(), lr"), command, tmp_path)

    assert not any("no optimizer was seen" in each for each in told)


@pytest.mark.slow
def test_one_call_that_gives_several_values_is_put_under_no_grad(command: Command, tmp_path: Path) -> None:
    text = AVERAGED.format(call="kept, size = self.target(y)", more=" + 0 * size", learned="net.online.parameters()")
    text = text.replace("self.online = nn.Seq", "self.online = Both(nn.Seq").replace(
        "nn.Linear(16, 6))", "nn.Linear(16, 6)))"
    )
    text = (
        text.replace("net.online[0]", "net.online.net[0]")
        .replace("seen = self.online(x)", "seen, _ = self.online(x)")
        .replace("class Pair", BOTH + "class Pair")
    )
    (choice, *_) = repaired(text, command, tmp_path)["choices"]

    assert "+        with torch.no_grad():" in choice["diff"] and "+            kept, size" in choice["diff"]


BOTH = """class Both(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        out = self.net(x)
        return out, out.norm()


"""


BY_HAND = """
import torch


def main():
    torch.manual_seed(0)
    w = torch.randn(3, requires_grad=True)
    x = torch.randn(5, 3)
    first, second = (x * w).sigmoid().sum(), (x * w * w).sum()
    first.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad.zero_()
    second.backward()
    return w, w.grad
"""


@pytest.mark.slow
def test_an_update_by_hand_between_forward_and_backward_is_not_settled_by_a_clone(
    command: Command, tmp_path: Path
) -> None:
    data = repaired(BY_HAND, command, tmp_path)

    assert data["status"] in ("choice", "found") and not data["written"]
    assert not any(each["repair"] == "clone-read" for choice in data["choices"] for each in choice["proposals"])


THREE = """
import torch
from torch import nn


def main():
    torch.manual_seed(0)
    encoder, critic = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), nn.Linear(3, 1)
    opt_a = torch.optim.SGD(encoder.parameters(), lr=0.1)
    opt_g = torch.optim.SGD(encoder.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(critic.parameters(), lr=0.1)
    x = torch.randn(5, 6)
    z = encoder(x)
    fit = (z - 1).square().mean()
    opt_a.zero_grad()
    fit.backward(retain_graph=True)
    opt_a.step()
    d_loss = critic(z.detach()).square().mean()
    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()
    g_loss = -critic(z).mean()
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    return list(encoder.parameters()), list(critic.parameters())
"""


@pytest.mark.slow
def test_a_choice_says_which_steps_get_the_gradients_of_the_other_loss(command: Command, tmp_path: Path) -> None:
    told = [each for each in meanings(THREE, command, tmp_path) if "step on their sum" in each]

    assert told and all("`g_loss` also gives gradients to the parameters of `opt_d`" in each for each in told)
