"""Writes in a closure that an optimizer calls are the program's own; pieces that are cloned; what is left to choose."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from choosing import PATH, code, of, offences, program
from tracing import traced
from typer.testing import Result

from fixinplace.repair.base import Proposal, Tier
from fixinplace.repair.forms import clone_read
from fixinplace.repair.patching import compose
from fixinplace.repair.proposed import culprits
from fixinplace.source import apply

Command = Callable[..., Result]
HEAD = """import torch
from torch import nn


"""


def proposals(text: str) -> list[Proposal]:
    """What the forms propose for the offences of a traced run."""
    one = code(HEAD + textwrap.dedent(text))
    found = culprits(offences(one.text.text), lambda path: one if path == PATH else None)
    return [proposal for culprit in found for proposal in culprit.proposals]


def patched(text: str, proposal: Proposal) -> str:
    (change,) = proposal.changes
    return apply(HEAD + textwrap.dedent(text), change.edits)


# --- closures

CLOSURE = """
class Hand(torch.optim.Optimizer):
    def __init__(self, parameters, lr):
        super().__init__(parameters, {{"lr": lr}})

    def step(self, closure=None):
        {early}
        for group in self.param_groups:
            for p in group["params"]:
                {update}

w = nn.Parameter(torch.ones(3))
optimizer = {optimizer}

def closure():
    optimizer.zero_grad()
    h = torch.sigmoid(w * 2)
    {write}
    h.sum().backward()
    return 0.0

{call}
"""
EARLY = "loss = closure() if closure is not None else 0.0"
UPDATE = "p.data.add_(p.grad, alpha=-group['lr'])"
CLOSURES = {
    "of L-BFGS": ("torch.optim.LBFGS([w])", "h += 1", "optimizer.step(closure)", "", UPDATE),
    "of Adam": ("torch.optim.Adam([w])", "h += 1", "optimizer.step(closure)", "", UPDATE),
    "of a class of the user's": ("Hand([w], 0.1)", "h += 1", "optimizer.step(closure)", "", UPDATE),
    "a fresh tensor in it": (
        "torch.optim.LBFGS([w])", "b = torch.zeros(2, 3); b[0] = h; h = b[0] * b[0]; b[1] = h",
        "optimizer.step(closure)", "", UPDATE),
    "the step itself": (
        "torch.optim.SGD([w], 0.1)", "pass",
        "y = w * w; w.grad = torch.ones(3); optimizer.step(); y.sum().backward()", "FIP201", UPDATE),
    "a step of the user's": (
        "Hand([w], 0.1)", "pass", "y = w * w; w.grad = torch.ones(3); optimizer.step(); y.sum().backward()", "FIP201",
        "with torch.no_grad(): p.add_(p.grad, alpha=-group['lr'])"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSURES)
def test_what_a_closure_writes_is_no_step_of_the_optimizer(name: str):
    optimizer, write, call, rule, update = CLOSURES[name]
    run = traced(CLOSURE.format(early=EARLY, update=update, optimizer=optimizer, write=write, call=call))

    offence = run.trace.offences[0]
    assert (offence.rule, offence.writes[0].by) == (rule, "optimizer" if rule else "operator")


# --- vmap


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transform", ["torch.func.grad(loss)", "torch.func.jacrev(loss)", "loss"])
def test_a_write_under_vmap_is_seen_through_other_transforms(transform: str):
    run = traced(f"""
    def loss(p, x):
        total = torch.zeros(())
        total += (p * x).square()
        return total

    torch.vmap({transform}, in_dims=(None, 0))(torch.ones(()), torch.ones(5))
    """)
    assert run.error is not None
    assert [each.rule for each in run.trace.offences] == ["FIP211"]


# --- pieces

PIECES = """
def main():
    z = torch.randn(2, 6, requires_grad=True) * 1
    {made}
    {write}
    (i * f * g).sum().backward()
"""
CLONED = {
    "a loop over a name": ("gates = z.chunk(3, 1)", "for t in gates: getattr(t, 'tanh_')()\n    i, f, g = gates",
                           "gates = [piece.clone() for piece in z.chunk(3, 1)]"),
    "a loop over several": ("i, f, g = z.split(2, 1)", "for t in (i, f): torch.tanh_(t)",
                            "i, f, g = [piece.clone() for piece in z.split(2, 1)]"),
    "with what is done to each": (
        "gates, acts = z.chunk(3, 1), ['tanh_'] * 3",
        "gates = z.chunk(3, 1)\n    for t, act in zip(gates, acts): getattr(t, act)()\n    i, f, g = gates",
        "    gates = [piece.clone() for piece in z.chunk(3, 1)]"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLONED)
def test_pieces_are_cloned_where_they_are_made(name: str):
    made, write, line = CLONED[name]
    text = PIECES.format(made=made, write=write)
    found = [patched(text, each) for each in proposals(text) if each.repair == "pieces-cloned"]

    assert [line in each for each in found] == [True]
    space: dict = {}
    exec(found[0], space)
    space["main"]()


def test_pieces_that_nobody_named_stay():
    """Then the whole was meant: a clone would lose what is written."""
    text = PIECES.format(made="i = f = g = z", write="for t in z.chunk(3, 1): getattr(t, 'tanh_')()")
    assert "pieces-cloned" not in {each.repair for each in proposals(text)}


# --- what was put under a key


def test_what_is_put_under_a_key_is_cloned_where_it_is_read():
    """The names at the save are not always known: those at the write say in which container the tensor lies."""
    one = program(
        """
        def forward(parts, x):
            feats = {}
            for name, conv in parts.items():
                x = torch.relu(conv(x))
                feats[name] = x
            for f in feats.values():
                f += 1
            loss = sum(f.sum() for f in feats.values())
            loss.backward()
        """,
        "conv(x)", "f += 1", "loss.backward()", rule="", by="operator",
    )  # fmt: skip
    (write,) = one.scene.offence.writes
    offence = replace(one.scene.offence, writes=(replace(write, names=("f", "feats['a']")),))
    found = clone_read.propose(replace(one.scene, offence=offence))

    assert [each.title for each in found] == ["`x` cloned where it is read"]


# --- clipping by a method

CLIPPED = """
class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))

    def clip(self, most):
        for p in self.{what}.parameters():
            p.data.clamp_(-most, most)

def main():
    torch.manual_seed(0)
    critic = Critic()
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    loss = critic.body(torch.randn(5, 3)).mean()
    critic.clip(0.1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_weights_that_a_method_clips_too_early_are_clipped_later():
    text = CLIPPED.format(what="body")
    choices = of(Tier.CHOOSE, proposals(text))

    assert "`critic.clip(0.1)` moved behind `loss.backward()`" in [each.title for each in choices]
    moved = next(each for each in choices if "moved" in each.title)
    assert "loss.backward()\n    critic.clip(0.1)\n    optimizer.step()" in patched(text, moved)
    assert "the parameters of `critic.body` are changed" in moved.meaning


# --- a patch that is refuted may be meant all the same

MEANT = {
    "a buffer that is filled": ("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.lin, self.held = nn.Linear(3, 3), {}

            def forward(self, x):
                out = self.held.setdefault("scores", torch.empty(2, 3))
                torch.mul(self.lin(x), 2, out=out)
                return out.exp()
    """, "What `out=` named is not written any more"),
    "a parameter that another one sets": ("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.lin, self.code = nn.Linear(3, 3), nn.Parameter(torch.randn(3, 3))

            def forward(self, x):
                self.lin.weight += self.code * 2
                return self.lin(x).exp()
    """, "An update by hand"),
}  # fmt: skip
CALLED = """
def main():
    torch.manual_seed(0)
    net = Net()
    loss = net(torch.randn(2, 3)).sum()
    loss.backward()
    return {"loss": loss.detach(), "grads": {n: p.grad for n, p in net.named_parameters()}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", MEANT)
def test_what_is_refuted_for_its_gradients_alone_is_left_to_choose(name: str, command: Command):
    text, meaning = MEANT[name]
    Path("net.py").write_text(HEAD + textwrap.dedent(text).strip("\n") + "\n\n" + CALLED)
    data = json.loads(command("repair", "--diff", "--output-format", "json", "net.py::main").stdout)

    assert (data["status"], data["written"]) == ("choice", False)
    (choice,) = data["choices"]
    assert choice["proposals"][0]["meaning"].startswith(meaning) or meaning in choice["proposals"][0]["meaning"]
    assert choice["as_saved"] is False


ASIDE = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.bank, self.code = nn.Parameter(torch.randn(3, 2)), nn.Linear(2, 2)

    def {method}(self, x, {more}):
        e = self.code(x)
        {write}
        return {use}

def main():
    net = Net()
    net.{method}(torch.randn(4, 2), {given}).sum().backward()
"""
MORE, USE = ("slot", "1"), "(e @ self.bank.t()).softmax(1) @ self.bank"
STORED = "self.bank[slot] = e.mean(0)"
OWN = {
    "a store": ("forward", MORE, STORED, USE, "bank = self.bank.clone()\n        bank[slot] = e.mean(0)\n"
                "        return (e @ bank.t()).softmax(1) @ bank"),
    "a name that is taken": ("forward", ("bank", "1"), "self.bank[bank] = e.mean(0)", USE,
                             "own_bank = self.bank.clone()\n        own_bank[bank] = e.mean(0)\n"),
    "a sum": ("forward", MORE, "self.bank += e.mean()", USE, "bank = self.bank.clone()\n        bank += e.mean()\n"),
    "read by nobody": ("forward", MORE, STORED, "e", ""),
    "in another method": ("remember", MORE, STORED, USE, ""),
    "in a loop": ("forward", MORE, f"for slot in (0, 1): {STORED}", USE, ""),
    "in a branch": ("forward", MORE, f"if slot:\n            {STORED}", USE, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_a_forward_that_writes_a_parameter_may_mean_a_value_of_its_own(name: str):
    method, (more, given), write, use, wanted = OWN[name]
    text = ASIDE.format(method=method, more=more, given=given, write=write, use=use)
    found = [each for each in proposals(text) if each.repair == "parameter-aside"]

    assert [wanted in patched(text, each) for each in found] == ([True] if wanted else [])
    for each in found:
        assert each.tier is Tier.CHOOSE and "`self.bank` keeps what it has learned" in each.meaning
        space: dict = {}
        exec(patched(text, each), space)
        space["main"]()


def test_what_gives_other_values_is_not_left_to_choose():
    """`for c in image: c.sub_(m)` is not `c = c - m` in any meaning."""
    found = proposals("""
    def main():
        image = torch.randn(3, 4, requires_grad=True) * 1
        for c in image:
            c.sub_(c.mean())
        image.exp().sum().backward()
    """)
    assert found
    assert not any(each.otherwise for each in found)


# --- decorators


def test_sizes_are_no_computation_that_a_decorator_would_cover():
    text = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(2, 2)
            self.reset()

        def reset(self):
            n = self.rnn.bias_hh_l0.numel() // 3
            self.rnn.bias_hh_l0[n:].fill_(1.0)

    def main():
        Net()
    """
    one = code(HEAD + textwrap.dedent(text))
    (first,) = [each for each in proposals(text) if each.repair == "without-grad"]
    assert "    @torch.no_grad()\n    def reset(self):" in compose({PATH: one}, [first]).rewritten[0].text


def test_an_optimizer_hides_nobody():
    """A search that ends at its parameters could not say that it has seen everybody."""
    run = traced("""
    net = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters())
    h = net(torch.randn(1, 2)).exp()
    optimizer.kept = [h]
    h += 1
    h.sum().backward()
    """)
    (write,) = run.trace.offences[0].writes
    assert write.names_complete and set(write.names) == {"h", "optimizer.kept[0]"}


# --- what was found on the second set of somebody else's programs


def test_pieces_of_a_tensor_without_a_gradient_are_pieces_of_one_call_too():
    """Torch speaks of no_grad mode there, which nobody has entered."""
    text = """
    def main():
        place, speed = torch.zeros(3, 2).clone(), torch.ones(3, 2, requires_grad=True)
        for p, v in zip(place, speed):
            p += v * 0.1
        place.square().sum().backward()
    """
    (first,) = offences(HEAD + textwrap.dedent(text))
    titles = [each.title for each in proposals(text) if each.repair == "collect-rows"]

    assert first.rule == "FIP204"
    assert "the rows of `place` written as `place[i]`" in titles


def test_an_argument_is_cloned_where_a_module_begins_that_a_library_calls():
    text = """
    def gram(values):
        rows = values.view(3, -1)
        rows -= rows.mean(1, keepdim=True)
        return rows @ rows.t()

    class Style(nn.Module):
        def forward(self, given):
            "Leaves the loss behind."
            self.loss = gram(given).square().mean()
            return given

    def main():
        style = Style()
        x = torch.randn(3, 4, requires_grad=True)
        nn.Sequential(nn.Sigmoid(), style)(x)
        style.loss.backward()
    """
    found = [patched(text, each) for each in proposals(text) if "cloned where" in each.title and "begins" in each.title]

    assert ['"Leaves the loss behind."\n        given = given.clone()\n' in each for each in found] == [True]


CLAMPED = """
def main():
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(2):
        real = critic(torch.randn(5, 2)).mean()
        fake = critic(torch.randn(5, 2) + 1).mean()
        for p in critic.parameters():
            p.data.clamp_(-0.1, 0.1)
        loss = fake - real
        critic.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: p.grad for name, p in critic.named_parameters()}
"""


@pytest.mark.slow
def test_half_a_forward_again_is_no_choice(command: Command):
    """Torch does not notice the clamp, so that it would run, with gradients of two sets of weights."""
    Path("critic.py").write_text(HEAD + CLAMPED.strip("\n"))
    data = json.loads(command("repair", "--diff", "--output-format", "json", "critic.py::main").stdout)

    (choice,) = data["choices"]
    assert choice["as_saved"] is True and "moved behind `loss.backward()`" in choice["proposals"][0]["title"]
    order = [line.strip("+- ") for line in choice["diff"].splitlines() if line[0] in "+ "]
    wanted = ["critic.zero_grad()", "loss.backward()", "p.data.clamp_(-0.1, 0.1)", "optimizer.step()"]
    assert [line for line in order if line in wanted] == wanted
    assert any("computed again" in each["proposals"][0]["title"] for each in data["tried"])
